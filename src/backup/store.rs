//! The folder that backups are kept in.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::copy::sync_folder;
use super::error::BackupError;
use super::manifest::{BackupId, Manifest, StoredFile};

/// The target folder, locked for as long as this lives: exclusively by who makes a backup, shared by who reads one.
#[derive(Debug)]
pub struct BackupStore {
    root: PathBuf,
    lock: Option<File>,
}

/// A backup that is there.
#[derive(Clone, Debug)]
pub struct ListedBackup {
    /// Its name.
    pub id: BackupId,
    /// What it is made of, or why that cannot be read.
    pub manifest: Result<Manifest, String>,
}

impl Drop for BackupStore {
    fn drop(&mut self) {
        // Closing the file would do as well, but for a process that is just being started: it has the open files of the one that starts it.
        if let Some(Err(error)) = self.lock.as_ref().map(File::unlock) {
            tracing::debug!(%error, "the backup folder's lock was not given back");
        }
    }
}

impl BackupStore {
    /// Makes the folder where it is missing, for its owner only, and locks it exclusively.
    ///
    /// # Errors
    /// When another program uses it, or the disk refuses.
    pub(super) fn open_to_write(root: &Path) -> Result<Self, BackupError> {
        for folder in [root.to_owned(), files_of(root), backups_of(root)] {
            // A link that leads nowhere is one neither.
            if fs::symlink_metadata(&folder).is_ok() && !folder.is_dir() {
                return Err(BackupError::NoFolder { path: folder });
            }
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(BackupError::io(folder))?;
        }
        let path = root.join("lock");
        let lock = File::options().create(true).truncate(false).write(true).open(&path).map_err(BackupError::io(&path))?;
        let taken = lock.try_lock();
        Self::locked(root, Some(lock), taken)
    }

    /// Locks the folder against who would change it. Where it can only be read, nobody will.
    ///
    /// # Errors
    /// When another program changes it, or there is none.
    pub fn open_to_read(root: &Path) -> Result<Self, BackupError> {
        if !backups_of(root).is_dir() {
            return Err(BackupError::Nothing { target: root.to_owned() });
        }
        match File::open(root.join("lock")) {
            Ok(lock) => {
                let taken = lock.try_lock_shared();
                Self::locked(root, Some(lock), taken)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::locked(root, None, Ok(())),
            Err(error) => Err(BackupError::io(root.join("lock"))(error)),
        }
    }

    fn locked(root: &Path, lock: Option<File>, taken: Result<(), TryLockError>) -> Result<Self, BackupError> {
        match taken {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(BackupError::InUse { target: root.to_owned() }),
            // Not every file system of a network has locks.
            Err(TryLockError::Error(error)) => tracing::debug!(%error, "the backup folder cannot be locked"),
        }
        Ok(Self { root: root.to_owned(), lock })
    }

    /// The folder itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The backups, oldest first.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn backups(&self) -> Result<Vec<ListedBackup>, BackupError> {
        let folder = backups_of(&self.root);
        let mut backups = Vec::new();
        for entry in fs::read_dir(&folder).map_err(BackupError::io(&folder))? {
            let name = entry.map_err(BackupError::io(&folder))?.file_name();
            let Some(id) = id_of(&name) else { continue };
            // What the disk does not give of one keeps nobody from the others.
            let text = fs::read(self.manifest_path(&id)).map_err(|error| format!("its manifest cannot be read ({error})"));
            backups.push(ListedBackup { id, manifest: text.and_then(|text| Manifest::read(&text)) });
        }
        backups.sort_by_key(|backup| backup.id.number);
        Ok(backups)
    }

    /// One backup: that of a name, or the newest, where all are of one archive.
    ///
    /// # Errors
    /// When there is none, or there are several newest.
    pub fn backup(&self, id: Option<&str>) -> Result<ListedBackup, BackupError> {
        let mut backups = self.backups()?;
        match id {
            None => match newest_of_archives(&backups) {
                newest if newest.len() > 1 => Err(BackupError::Several { target: self.root.clone(), newest }),
                _ => backups.pop().ok_or_else(|| BackupError::Nothing { target: self.root.clone() }),
            },
            Some(id) => {
                let unknown = || BackupError::Unknown { target: self.root.clone(), id: id.to_owned() };
                backups.into_iter().find(|backup| backup.id.to_string() == id).ok_or_else(unknown)
            }
        }
    }

    /// Where the content of a file is.
    pub(super) fn path_of(&self, file: &StoredFile) -> PathBuf {
        self.content_path(&file.sha256)
    }

    pub(super) fn content_path(&self, sha256: &str) -> PathBuf {
        self.files().join(sha256)
    }

    /// Where what is copied is.
    pub(super) fn files(&self) -> PathBuf {
        files_of(&self.root)
    }

    fn manifest_path(&self, id: &BackupId) -> PathBuf {
        backups_of(&self.root).join(format!("{id}.json"))
    }

    /// Makes a backup one: from now on it is there. The disk has all of it when this returns.
    pub(super) fn add(&self, id: &BackupId, manifest: &Manifest) -> Result<(), BackupError> {
        sync_folder(&self.files())?;
        let folder = backups_of(&self.root);
        let write = || {
            let mut file = NamedTempFile::with_prefix_in(".incoming-", &folder)?;
            file.write_all(manifest.to_text()?.as_bytes())?;
            file.as_file().sync_all()?;
            file.persist_noclobber(self.manifest_path(id))?;
            io::Result::Ok(())
        };
        write().map_err(BackupError::io(&folder))?;
        sync_folder(&folder)?;
        sync_folder(&self.root)
    }

    /// Removes a backup; what it is made of stays until nothing names it.
    pub(super) fn remove(&self, id: &BackupId) -> Result<(), BackupError> {
        let path = self.manifest_path(id);
        fs::remove_file(&path).map_err(BackupError::io(path))
    }

    /// Removes every file that no backup needs (garbage collection); says how many. Nothing where a backup cannot be read: nobody
    /// knows what it needs.
    pub(super) fn collect(&self) -> Result<u64, BackupError> {
        let mut needed = BTreeSet::new();
        for backup in self.backups()? {
            match backup.manifest {
                Ok(manifest) => needed.extend(manifest.files.into_iter().map(|file| file.sha256)),
                Err(why) => {
                    tracing::warn!(
                        "backup `{}` in `{}` is damaged ({why}): no file is removed until its manifest is",
                        backup.id,
                        self.root.display()
                    );
                    return Ok(0);
                }
            }
        }
        // A backup that was removed must be gone before what it is made of.
        sync_folder(&backups_of(&self.root))?;
        let mut removed = 0;
        for folder in [self.files(), backups_of(&self.root)] {
            for entry in fs::read_dir(&folder).map_err(BackupError::io(&folder))? {
                let entry = entry.map_err(BackupError::io(&folder))?;
                let name = entry.file_name().to_string_lossy().into_owned();
                let is_content = name.len() == 64 && folder == self.files();
                if name.starts_with(".incoming-") || (is_content && !needed.contains(&name)) {
                    fs::remove_file(entry.path()).map_err(BackupError::io(entry.path()))?;
                    removed += 1;
                }
            }
        }
        Ok(removed)
    }
}

/// The newest backup of each archive, by the archive's id.
#[must_use]
pub fn newest_of_archives(backups: &[ListedBackup]) -> BTreeMap<String, BackupId> {
    let readable = backups.iter().filter_map(|backup| Some((backup.manifest.as_ref().ok()?.archive.clone(), backup.id.clone())));
    readable.collect()
}

/// Whether a folder has any backup. Nothing in it is made or opened: a disk may have to be mounted there.
pub(super) fn has_backups(root: &Path) -> bool {
    let entries = fs::read_dir(backups_of(root)).into_iter().flatten().flatten();
    entries.filter_map(|entry| id_of(&entry.file_name())).next().is_some()
}

/// The backup whose manifest a file of this name is.
fn id_of(name: &OsStr) -> Option<BackupId> {
    name.to_str()?.strip_suffix(".json")?.parse().ok()
}

fn files_of(root: &Path) -> PathBuf {
    root.join("files")
}

fn backups_of(root: &Path) -> PathBuf {
    root.join("backups")
}
