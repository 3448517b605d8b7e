//! Atomic replacement of a file: a crash or a power cut leaves the old content or the new one, never half of either.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

use crate::failpoints;

/// Makes or replaces a file, mode 0600. It is written beside its place, synced and renamed, and the folder, which must exist, is
/// synced: the content is durable when this returns. Returns the new file.
///
/// # Errors
/// What the system says; then the old file is still there, whole.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<File> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Hidden, and named after what it is to become, for whoever finds one that a killed process left.
    let prefix = format!(".{}-", path.file_stem().unwrap_or_default().display());
    // tempfile makes files with mode 0600.
    let mut file = tempfile::Builder::new().prefix(&prefix).tempfile_in(folder)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    failpoints::hit("file-rename")?;
    let file = file.persist(path).map_err(|error| error.error)?;
    failpoints::pass("file-renamed");
    File::open(folder)?.sync_all()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kept.json");
        for content in ["first", "second, longer", ""] {
            let file = replace(&path, content.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_cannot_be_replaced_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        assert!(replace(&folder.path().join("absent/kept.json"), b"new").is_err());
        // A folder that is not empty cannot be renamed over.
        let taken = folder.path().join("taken");
        fs::create_dir(&taken).unwrap();
        fs::write(taken.join("inside"), "old").unwrap();
        assert!(replace(&taken, b"new").is_err());
        assert_eq!(fs::read_to_string(taken.join("inside")).unwrap(), "old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "what was written beside it is gone");
    }
}
