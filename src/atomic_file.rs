//! Atomic replacement of a file: a crash or a power cut leaves the old content or the new one, never half of either.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use crate::failpoints;

/// Characters of what makes the name of a file unique that is to replace another.
const RANDOM_LENGTH: usize = 6;

/// Makes or replaces a file, mode 0600. It is written beside its place, synced and renamed, and the folder, which must exist, is
/// synced: the content is durable when this returns. Returns the new file.
///
/// # Errors
/// What the system says; then the old file is still there, whole.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<File> {
    let folder = folder_of(path);
    // tempfile makes files with mode 0600.
    let mut file = tempfile::Builder::new().prefix(&prefix(path)).rand_bytes(RANDOM_LENGTH).tempfile_in(folder)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    failpoints::hit("file-rename")?;
    let file = file.persist(path).map_err(|error| error.error)?;
    failpoints::pass("file-renamed");
    File::open(folder)?.sync_all()?;
    Ok(file)
}

/// Makes a file, mode 0600, in the same way; where there is something of this name, that is left as it is.
///
/// # Errors
/// `AlreadyExists` where there is something of this name, be it a link that leads nowhere; otherwise what the system says.
pub fn create(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = folder_of(path);
    let mut file = tempfile::Builder::new().prefix(&prefix(path)).rand_bytes(RANDOM_LENGTH).tempfile_in(folder)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}

/// Removes what processes that were killed while they replaced a file have left beside it. Nobody may be replacing it at the time.
///
/// # Errors
/// What the system says.
pub fn clear_leftovers(path: &Path) -> io::Result<()> {
    let prefix = prefix(path);
    for entry in fs::read_dir(folder_of(path))? {
        let entry = entry?;
        let name = entry.file_name();
        let random = name.as_encoded_bytes().strip_prefix(prefix.as_bytes()).unwrap_or_default();
        let is_ours = random.len() == RANDOM_LENGTH && random.iter().all(u8::is_ascii_alphanumeric);
        if is_ours && entry.file_type()?.is_file() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Hidden, and named after what it is to become, for whoever finds one that a killed process left.
fn prefix(path: &Path) -> String {
    format!(".{}-", path.file_stem().unwrap_or_default().display())
}

#[cfg(test)]
mod tests {
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
    fn a_file_that_is_there_is_not_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("made.json");
        create(&path, b"first").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(create(&path, b"second").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!((fs::read(&path).unwrap(), fs::read_dir(folder.path()).unwrap().count()), (b"first".to_vec(), 1));
    }

    #[test]
    fn what_a_killed_process_left_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let names = [".kept-aB3x9Z", "kept.json", ".kept-other-aB3x9Z", ".kept-aB3x9", ".keptaB3x9Z", ".kept-aB3x9Z.x"];
        for name in names {
            fs::write(folder.path().join(name), "").unwrap();
        }
        fs::create_dir(folder.path().join(".kept-folder")).unwrap();
        clear_leftovers(&folder.path().join("kept.json")).unwrap();
        for name in names {
            assert_eq!(folder.path().join(name).exists(), name != names[0], "{name}");
        }
        assert!(folder.path().join(".kept-folder").exists());
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
