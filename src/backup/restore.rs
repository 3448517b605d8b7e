//! Restoring a backup into an empty data folder.
//!
//! # Correctness
//! Everything is copied into a folder beside its place and compared with the manifest, and the archive in it has begun a new epoch, before
//! anything is moved. The archive is moved last: until it is there, the folder is refused by a start (by what is put together in it) and can
//! be restored into again.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::accounts::Sessions;
use crate::archive::{Archive, ArchiveError, ArchivePosition, DataFolder, Epoch};
use crate::model::AccountName;

use super::copy::{Watch, copy, sync_folder};
use super::error::BackupError;
use super::manifest::{BackupId, Manifest, Role, StoredFile, UnreadPart};
use super::store::BackupStore;
use super::verify::differs;

/// How the name of the folder begins in which everything is put together.
const BESIDE: &str = DataFolder::RESTORING;

/// What was restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// From which backup.
    pub id: BackupId,
    /// When it was made (RFC 3339).
    pub made_at: String,
    /// Where the archive was then.
    pub position: ArchivePosition,
    /// The epoch that it has begun.
    pub epoch: Epoch,
    /// Whether the clients' keys were in it.
    pub keys: bool,
    /// The accounts whose sessions were put back.
    pub sessions: Vec<AccountName>,
    /// The accounts that have a session already, which was left as it is.
    pub sessions_kept: Vec<AccountName>,
    /// The accounts whose sessions the backup does not have.
    pub sessions_left_out: Vec<String>,
    /// What could not be read when the backup was made.
    pub unread: Vec<UnreadPart>,
}

/// Restores a backup: the newest of a target, or that of a name.
///
/// # Errors
/// When the data folder is not empty or in use, or the backup is damaged; then nothing was restored.
pub fn restore(
    target: &Path,
    id: Option<&str>,
    data: &Path,
    sessions: &Sessions,
    watch: &Watch<'_>,
) -> Result<Restored, BackupError> {
    let store = BackupStore::open_to_read(target)?;
    let backup = store.backup(id)?;
    refuse_full(data)?;
    let folder = DataFolder::lock(data)?;
    let damaged = |what, file: Option<&StoredFile>| {
        let instead = another(&store, &backup.id, file)?;
        Ok::<_, BackupError>(BackupError::Damaged { id: backup.id.clone(), what, instead })
    };
    let manifest = match &backup.manifest {
        Ok(manifest) => manifest,
        Err(why) => return Err(damaged(why.clone(), None)?),
    };
    clear_beside(data)?;
    let beside = tempfile::Builder::new().prefix(BESIDE).tempdir_in(data).map_err(BackupError::io(data))?;
    let archive = beside.path().join("archive");
    fs::create_dir(&archive).map_err(BackupError::io(&archive))?;
    let mut copied: Vec<(&StoredFile, PathBuf)> = Vec::new();
    for file in &manifest.files {
        let into = if file.role == Role::Archive { archive.as_path() } else { beside.path() };
        match fetch(&store, file, into, watch)? {
            Ok(path) => copied.push((file, path)),
            Err(why) => return Err(damaged(format!("{file} {why}"), Some(file))?),
        }
    }
    sync_folder(&archive)?;
    let (opened, position) = match Archive::open_restored(&archive) {
        Ok(opened) => opened,
        Err(error @ (ArchiveError::Damaged { .. } | ArchiveError::Lost { .. } | ArchiveError::Record(_))) => {
            return Err(damaged(format!("its archive cannot be opened: {error}"), None)?);
        }
        Err(error) => return Err(error.into()),
    };
    if let Some(why) = manifest.differs_from(&position) {
        return Err(damaged(why, None)?);
    }
    let epoch = opened.epoch();
    drop(opened);
    let mut restored = Restored {
        id: backup.id.clone(),
        made_at: manifest.made_at.clone(),
        position,
        epoch,
        keys: false,
        sessions: Vec::new(),
        sessions_kept: Vec::new(),
        sessions_left_out: manifest.sessions_left_out.clone(),
        unread: manifest.unread.clone(),
    };
    let placed = put_in_place(&folder, beside.path(), &copied, sessions, &mut restored);
    if placed.is_err() {
        // What is in place already is known by it for a restore's own: the next one goes on.
        let _ = beside.keep();
    }
    placed.map(|()| restored)
}

/// Another backup of the target that may be whole: the newest that can be read, and does not share the file that is damaged.
fn another(store: &BackupStore, not: &BackupId, damaged: Option<&StoredFile>) -> Result<Option<BackupId>, BackupError> {
    let shares = |manifest: &Manifest| damaged.is_some_and(|file| manifest.files.iter().any(|other| other.sha256 == file.sha256));
    let mut others = store.backups()?.into_iter().rev().filter(|backup| backup.id != *not);
    Ok(others.find(|backup| backup.manifest.as_ref().is_ok_and(|manifest| !shares(manifest))).map(|backup| backup.id))
}

/// Refuses a folder with anything in it but what an empty one may have, or what a restore that was killed has left.
fn refuse_full(data: &Path) -> Result<(), BackupError> {
    let entries = match fs::read_dir(data) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(BackupError::io(data)(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        found.push(entry.map_err(BackupError::io(data))?.file_name().to_string_lossy().into_owned());
    }
    let interrupted = found.iter().any(|name| name.starts_with(BESIDE));
    let is_ours = |name: &str| {
        // The server's id is of the folder, whatever is in it.
        matches!(name, ".gitkeep" | "lock" | "lock.wanted" | "lost+found" | "server.json")
            || name.starts_with(BESIDE)
            || (interrupted && matches!(name, "keys.json" | "archive.json"))
    };
    // The archive says most of what the folder is.
    found.sort_by_key(|name| name != "archive");
    match found.into_iter().find(|name| !is_ours(name)) {
        Some(found) => Err(BackupError::NotEmpty { path: data.to_owned(), found }),
        None => Ok(()),
    }
}

/// Removes what a restore that was killed has put together.
fn clear_beside(data: &Path) -> Result<(), BackupError> {
    for entry in fs::read_dir(data).map_err(BackupError::io(data))? {
        let entry = entry.map_err(BackupError::io(data))?;
        if entry.file_name().as_encoded_bytes().starts_with(BESIDE.as_bytes()) {
            fs::remove_dir_all(entry.path()).map_err(BackupError::io(entry.path()))?;
        }
    }
    Ok(())
}

/// Copies a file to where it is put together; why it cannot be, where it is damaged.
fn fetch(store: &BackupStore, file: &StoredFile, into: &Path, watch: &Watch<'_>) -> Result<Result<PathBuf, String>, BackupError> {
    let from = store.path_of(file);
    let opened = match File::open(&from) {
        Ok(opened) => opened,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Err(format!("is missing (`files/{}`)", file.sha256))),
        Err(error) => return Err(BackupError::io(from)(error)),
    };
    let (copied, content) = match copy(&from, opened, into, watch) {
        Err(BackupError::Io { path, source }) if path == from => {
            return Ok(Err(format!("cannot be read ({source}; `files/{}`)", file.sha256)));
        }
        copied => copied?,
    };
    if let Some(why) = differs(file, &content) {
        return Ok(Err(why));
    }
    let place = match file.role {
        Role::Session => into.join(format!("{}.session", file.name)),
        Role::Archive | Role::Keys => into.join(&file.name),
    };
    copied.persist(&place).map_err(|failed| BackupError::io(&place)(failed.error))?;
    Ok(Ok(place))
}

/// Moves everything to where it belongs, the archive last.
fn put_in_place(
    folder: &DataFolder,
    beside: &Path,
    copied: &[(&StoredFile, PathBuf)],
    sessions: &Sessions,
    restored: &mut Restored,
) -> Result<(), BackupError> {
    let root = folder.root();
    let rename = |from: &Path, to: &Path| fs::rename(from, to).map_err(BackupError::io(to));
    let marker = DataFolder::marker(beside);
    if marker.exists() {
        rename(&marker, &DataFolder::marker(root))?;
    }
    for (file, path) in copied {
        match file.role {
            Role::Archive => {}
            Role::Keys => {
                rename(path, &DataFolder::keys(root))?;
                restored.keys = true;
            }
            Role::Session => {
                let Ok(name) = file.name.parse::<AccountName>() else { continue };
                let bytes = zeroize::Zeroizing::new(fs::read(path).map_err(BackupError::io(path))?);
                match sessions.put_back(&name, &bytes)? {
                    true => restored.sessions.push(name),
                    false => restored.sessions_kept.push(name),
                }
            }
        }
    }
    sync_folder(root)?;
    rename(&beside.join("archive"), &folder.archive())?;
    sync_folder(root)
}

impl Manifest {
    /// The accounts whose sessions are in it.
    pub fn sessions(&self) -> impl Iterator<Item = &str> {
        self.files.iter().filter(|file| file.role == Role::Session).map(|file| file.name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_that_failed_leaves_a_folder_that_a_backup_can_be_restored_to() {
        let folder = tempfile::tempdir().unwrap();
        for left in ["lock", "lock.wanted", "server.json"] {
            fs::write(folder.path().join(left), "").unwrap();
        }
        refuse_full(folder.path()).unwrap();
        fs::write(folder.path().join("known.json"), "").unwrap();
        assert!(matches!(refuse_full(folder.path()), Err(BackupError::NotEmpty { found, .. }) if found == "known.json"));
    }
}
