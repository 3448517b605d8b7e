//! The marker: a file beside the archive that says which archive it is and how far the disk is known to have it.
//!
//! It stands outside of RocksDB, so that it tells a new archive from one that has lost its files, and a whole one from one that has gone
//! back: an older copy, a disk that lied about a flush, a log that was cut. It is a witness like the index, and is replaced atomically.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::atomic_file;
use crate::failpoints;
use crate::model::{Seq, Timestamp};

use super::opened::Identity;
use super::schema::FORMAT;
use super::witness::{ExternalPosition, Witness};
use super::{ArchiveError, Epoch};

/// What the marker says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Marked {
    archive: String,
    epoch: String,
    format: u32,
    /// The number of the newest change that the disk has.
    change: u64,
    /// When that was archived.
    at: String,
    /// A checksum of all that: a flipped bit must not be taken for another archive, or for one that has lost something. Earlier versions
    /// wrote none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
}

impl Marked {
    /// The first 128 bits of SHA-256 over what the other members say.
    fn checksum(&self) -> String {
        let Self { archive, epoch, format, change, at, digest: _ } = self;
        let digest = Sha256::digest(format!("{archive} {epoch} {format} {change} {at}"));
        digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Where an archive's marker is.
pub(super) fn path_of(archive: &Path) -> PathBuf {
    archive.with_extension("json")
}

/// What the marker has seen of the archive at a path; nothing where there is none.
///
/// # Errors
/// When it cannot be read. One that is damaged is told of, and has seen nothing: it is only a witness.
pub fn seen(archive: &Path) -> Result<Option<ExternalPosition>, ArchiveError> {
    let path = path_of(archive);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(ArchiveError::Io { path, source }),
    };
    let read = || {
        let marked: Marked = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
        if marked.digest.as_ref().is_some_and(|digest| *digest != marked.checksum()) {
            return Err("its checksum is wrong".to_owned());
        }
        let epoch: Epoch = marked.epoch.parse()?;
        Ok::<_, String>(ExternalPosition {
            by: Witness::Marker,
            archive: marked.archive,
            epoch: Some(epoch),
            position: Seq(marked.change),
        })
    };
    match read() {
        Ok(seen) => Ok(Some(seen)),
        Err(why) => {
            tracing::warn!(
                "`{}` is damaged ({why}): it cannot say whether the archive is whole, and is written anew",
                path.display()
            );
            Ok(None)
        }
    }
}

/// Writes the marker of an open archive.
pub(super) struct Marker {
    path: PathBuf,
    archive: String,
    epoch: Epoch,
    failing: bool,
}

impl Marker {
    pub(super) fn of(archive: &Path, identity: &Identity) -> Self {
        Self { path: path_of(archive), archive: identity.id.clone(), epoch: identity.epochs.current(), failing: false }
    }

    /// Notes that the disk has everything up to a change. A marker that cannot be written is told of once: the archive goes on without.
    pub(super) fn note(&mut self, change: Seq, at: Timestamp) {
        let mut marked = Marked {
            archive: self.archive.clone(),
            epoch: self.epoch.to_string(),
            format: FORMAT,
            change: change.0,
            at: at.to_string(),
            digest: None,
        };
        marked.digest = Some(marked.checksum());
        let replace = |text: Vec<u8>| {
            failpoints::hit("marker-write")?;
            atomic_file::replace(&self.path, &text)
        };
        match serde_json::to_vec(&marked).map_err(io::Error::from).and_then(replace) {
            Ok(_) => {
                failpoints::pass("marker-written");
                self.failing = false;
            }
            Err(error) if !std::mem::replace(&mut self.failing, true) => {
                tracing::warn!("`{}` cannot be written: {error}", self.path.display());
            }
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Archive, Durability};
    use super::*;

    #[test]
    fn a_flipped_bit_anywhere_in_the_marker_is_damage_of_the_marker_and_no_loss() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("archive");
        drop(Archive::open(&path, Durability::Os).unwrap());
        let whole = fs::read(path_of(&path)).unwrap();
        let known = seen(&path).unwrap();
        assert!(known.is_some());
        for (at, bit) in (0..whole.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << bit;
            fs::write(path_of(&path), &bytes).unwrap();
            let found = seen(&path).unwrap();
            assert!(found.is_none() || found == known, "byte {at}, bit {bit}: {found:?}");
        }
    }

    #[test]
    fn a_marker_of_an_earlier_version_is_believed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("archive");
        drop(Archive::open(&path, Durability::Os).unwrap());
        let known = seen(&path).unwrap();
        let mut marked: serde_json::Value = serde_json::from_slice(&fs::read(path_of(&path)).unwrap()).unwrap();
        assert!(marked.as_object_mut().unwrap().remove("digest").is_some());
        fs::write(path_of(&path), marked.to_string()).unwrap();
        assert_eq!(seen(&path).unwrap(), known);
    }
}
