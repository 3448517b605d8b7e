//! The archive as a backup needs it: its files as they are at one position of the change log (a checkpoint), and an archive that was put
//! back from such files.
//!
//! # Correctness
//! - While an archive is open its files are linked, under the one writer's lock and after the logs are on the disk, so that nothing is
//!   written between the position that is noted and the files that hold it. Tables are flushed before, without the lock: what is copied
//!   while writers wait is a log of a moment.
//! - The files of an archive that nobody has open are its own; it is opened for reading only, and nothing in its folder is written.
//! - An archive that was put back gives the numbers after its last change again, so it begins a new epoch before anybody can read it.

use std::fs;
use std::path::{Path, PathBuf};

use rocksdb::checkpoint::Checkpoint;
use rocksdb::{DBRecoveryMode, WriteBatch, WriteOptions};
use tempfile::TempDir;

use crate::model::{Seq, Timestamp};

use super::chain::Link;
use super::epoch::Epoch;
use super::family::EPOCHS;
use super::folder::{LINKED, remove_folders};
use super::key::EpochsKey;
use super::log_end::LogEnd;
use super::open::{inspect, open_for_writing};
use super::schema::FORMAT;
use super::witness::ExternalPosition;
use super::{Archive, ArchiveError, DataFolder, Durability, files, upgrade};

/// Which archive it is, and where its change log ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchivePosition {
    /// The archive's id.
    pub archive: String,
    /// The epoch that it is in.
    pub epoch: Epoch,
    /// The format of its files.
    pub format: u32,
    /// The number of its newest change.
    pub last: Seq,
    /// The newest link of the hash chain.
    pub link: Link,
    /// When its newest change was archived.
    pub at: Timestamp,
}

/// The files of an archive at one position. They stay as they are for as long as this lives.
#[derive(Debug)]
pub struct FrozenArchive {
    folder: PathBuf,
    position: ArchivePosition,
    /// Where the files were linked to; removed with this.
    _links: Option<TempDir>,
}

impl FrozenArchive {
    /// The folder that the files are in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the archive is.
    #[must_use]
    pub fn position(&self) -> &ArchivePosition {
        &self.position
    }

    /// The files of an archive that nobody has open, and nobody may open while this lives.
    ///
    /// # Errors
    /// See [`Archive::open_to_read`]: one that has lost something is no archive to keep a backup of.
    pub fn of_closed(path: &Path, seen: Option<&ExternalPosition>) -> Result<Self, ArchiveError> {
        let archive = Archive::open_to_read(path, seen)?;
        archive.check_positions()?;
        Ok(Self { folder: path.to_owned(), position: archive.log_end(), _links: None })
    }

    /// The names of the files that make the archive, and how long they are, in order of their names.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn files(&self) -> Result<Vec<(String, u64)>, ArchiveError> {
        let io = |source| ArchiveError::Io { path: self.folder.clone(), source };
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(io)? {
            let entry = entry.map_err(io)?;
            let metadata = entry.metadata().map_err(io)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if metadata.is_file() && files::is_data(&name) {
                files.push((name, metadata.len()));
            }
        }
        files.sort_unstable();
        Ok(files)
    }
}

impl Archive {
    /// Which archive it is, and where its change log ends now.
    #[must_use]
    pub fn log_end(&self) -> ArchivePosition {
        let (_, end) = self.flush.now();
        self.position_at(end)
    }

    fn position_at(&self, end: LogEnd) -> ArchivePosition {
        let archive = self.id().to_owned();
        ArchivePosition { archive, epoch: self.epoch(), format: FORMAT, last: end.last(), link: end.link, at: end.at }
    }

    /// Links its files, as they are now, into a new folder beside it.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn freeze(&self) -> Result<FrozenArchive, ArchiveError> {
        let io = |source| ArchiveError::Io { path: self.path.to_path_buf(), source };
        let beside = self.path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let links = tempfile::Builder::new().prefix(LINKED).tempdir_in(beside).map_err(io)?;
        let folder = links.path().join("archive");
        self.flush()?;
        let checkpoint = Checkpoint::new(&self.db).map_err(|e| self.store(e))?;
        let end = self.flush.writer();
        self.db.flush_wal(true).map_err(|e| self.store(e))?;
        // However long the log is, it is taken as it is: flushing it into tables here would have writers wait.
        checkpoint.create_checkpoint_with_log_size(&folder, u64::MAX).map_err(|e| self.store(e))?;
        let position = self.position_at(*end);
        drop(end);
        Ok(FrozenArchive { folder, position, _links: Some(links) })
    }

    /// Opens the files of a backup at their place and begins a new epoch. Returns where the archive was in the epoch before, too.
    ///
    /// # Errors
    /// When the files are no whole archive, or the disk refuses.
    pub fn open_restored(path: &Path) -> Result<(Self, ArchivePosition), ArchiveError> {
        let store = |source| ArchiveError::Store { path: path.to_owned(), source };
        let format = inspect(path, &[])?.format;
        let mut db = open_for_writing(path, format, DBRecoveryMode::TolerateCorruptedTailRecords)?;
        upgrade::bring_to_current(&mut db, path)?;
        let archive = Self::with(db, path, None)?;
        let position = archive.log_end();
        let mut epochs = archive.identity.epochs.clone();
        epochs.begin(position.last);
        let mut batch = WriteBatch::default();
        EPOCHS.put(&archive.db, &mut batch, &EpochsKey, &epochs);
        let mut options = WriteOptions::default();
        options.set_sync(true);
        archive.db.write_opt(batch, &options).map_err(store)?;
        drop(archive);
        let archive = Self::open_existing(path, Durability::Os, None)?;
        archive.flush()?;
        Ok((archive, position))
    }
}

impl DataFolder {
    /// What became of the newest backups.
    #[must_use]
    pub fn backup_record(root: &Path) -> PathBuf {
        root.join("backup.json")
    }

    /// Where an archive's marker is.
    #[must_use]
    pub fn marker(root: &Path) -> PathBuf {
        root.join("archive.json")
    }

    /// Removes the links that a killed backup has left. Nobody else may be making one.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn clear_backup_links(root: &Path) -> std::io::Result<()> {
        remove_folders(root, LINKED)
    }
}
