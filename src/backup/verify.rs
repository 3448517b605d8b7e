//! Verifying backups: everything is read, and the archive in each is opened.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::archive::{Archive, ArchiveError};

use super::copy::{Content, Watch, content};
use super::error::BackupError;
use super::manifest::{Manifest, Role, StoredFile};
use super::store::{BackupStore, ListedBackup};

/// What was found in a backup.
#[derive(Debug)]
pub struct VerifiedBackup {
    /// Which.
    pub backup: ListedBackup,
    /// What is wrong; nothing where it is whole.
    pub damage: Vec<String>,
    /// The files in the target whose content is not what it should be. Once they are removed, the next backup copies them again.
    pub damaged_files: Vec<PathBuf>,
}

/// Verifies the backup of a name, or all of a target, oldest first. A file that several of them have is read once.
///
/// # Errors
/// When there is none, it is in use, or the disk refuses more than a file.
pub fn verify(target: &Path, id: Option<&str>, watch: &Watch<'_>) -> Result<Vec<VerifiedBackup>, BackupError> {
    let store = BackupStore::open_to_read(target)?;
    let backups = match id {
        Some(_) => vec![store.backup(id)?],
        None => store.backups()?,
    };
    if backups.is_empty() {
        return Err(BackupError::Nothing { target: target.to_owned() });
    }
    let mut known = BTreeMap::new();
    let mut verified = Vec::new();
    for backup in backups {
        let damage = match &backup.manifest {
            Err(why) => (vec![why.clone()], Vec::new()),
            Ok(manifest) => damage(&store, manifest, &mut known, watch)?,
        };
        let (damage, damaged_files) = damage;
        verified.push(VerifiedBackup { backup, damage, damaged_files });
    }
    Ok(verified)
}

type Known = BTreeMap<String, Option<String>>;

/// What is wrong, in words, and the files that are to be removed for it.
fn damage(
    store: &BackupStore,
    manifest: &Manifest,
    known: &mut Known,
    watch: &Watch<'_>,
) -> Result<(Vec<String>, Vec<PathBuf>), BackupError> {
    let (mut damage, mut files) = (Vec::new(), Vec::new());
    for file in &manifest.files {
        let found = match known.get(&file.sha256) {
            Some(found) => found.clone(),
            None => damage_of(store, file, watch)?,
        };
        known.insert(file.sha256.clone(), found.clone());
        if let Some(why) = found {
            damage.push(format!("{file} {why}"));
            files.extend(Some(store.path_of(file)).filter(|path| path.exists()));
        }
    }
    // What RocksDB would say of a damaged file says less.
    if damage.is_empty() {
        damage.extend(damage_of_archive(store, manifest)?);
    }
    Ok((damage, files))
}

/// What is wrong with the content of a file, in words.
pub(super) fn damage_of(store: &BackupStore, file: &StoredFile, watch: &Watch<'_>) -> Result<Option<String>, BackupError> {
    match content(&store.path_of(file), watch) {
        Ok(content) => Ok(differs(file, &content)),
        Err(BackupError::Io { source, .. }) => Ok(Some(format!("cannot be read ({source})"))),
        Err(error) => Err(error),
    }
}

pub(super) fn differs(file: &StoredFile, found: &Content) -> Option<String> {
    if found.size != file.size {
        return Some(format!("has {} bytes instead of {} (`files/{}`)", found.size, file.size, file.sha256));
    }
    (found.sha256 != file.sha256).then(|| format!("was changed: its digest is another (`files/{}`)", file.sha256))
}

/// Opens the archive of a backup where it lies, by links to its files under their own names; nothing of the target is written.
fn damage_of_archive(store: &BackupStore, manifest: &Manifest) -> Result<Option<String>, BackupError> {
    let folder = tempfile::tempdir().map_err(BackupError::io(std::env::temp_dir()))?;
    let path = folder.path().join("archive");
    let root = fs::canonicalize(store.files()).map_err(BackupError::io(store.files()))?;
    fs::create_dir(&path).map_err(BackupError::io(&path))?;
    for file in manifest.files.iter().filter(|file| file.role == Role::Archive) {
        let link = path.join(&file.name);
        symlink(root.join(&file.sha256), &link).map_err(BackupError::io(link))?;
    }
    Ok(match Archive::open_to_read(&path, None) {
        Ok(archive) => manifest.differs_from(&archive.log_end()),
        // Its files are whole; a restore upgrades it.
        Err(ArchiveError::Older { .. }) => None,
        Err(error) => Some(format!("its archive cannot be opened: {error}")),
    })
}
