//! What became of the newest backups, kept beside the archive, so that a restart does not forget it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::archive::DataFolder;
use crate::atomic_file;

use super::error::BackupError;
use super::manifest::UnreadPart;
use super::store::has_backups;

/// How many targets are remembered: more than anybody has disks for backups.
const TARGETS_MAX: usize = 32;

/// The newest backup, and what became of the last one in each target.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct BackupRecord {
    /// The newest backup that was made.
    pub newest: Option<BackupSuccess>,
    /// Where the last backup was not made, the newest failure last. One for each target.
    pub failures: Vec<BackupFailure>,
    /// Where backups were made, the target of the newest last.
    pub targets: Vec<BackupTarget>,
}

/// A folder in which a backup was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupTarget {
    /// The folder.
    pub target: PathBuf,
    /// The name of the newest backup that was made there.
    pub id: String,
    /// When it was made, in seconds since 1970.
    #[serde(default)]
    pub at: i64,
    /// How many parts of the data folder could not be read for it.
    #[serde(default)]
    pub unread: usize,
}

/// A backup that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupSuccess {
    /// Its name.
    pub id: String,
    /// Where it is.
    pub target: PathBuf,
    /// When it was made, in seconds since 1970.
    pub at: i64,
    /// The number of the newest change in it.
    pub change: u64,
    /// Bytes of it.
    pub size: u64,
    /// Bytes of it that the target did not have.
    pub copied_size: u64,
    /// The accounts whose sessions are not in it, because they are not sealed.
    pub sessions_left_out: Vec<String>,
    /// What could not be read for it.
    #[serde(default)]
    pub unread: Vec<UnreadPart>,
}

/// A backup that was not made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupFailure {
    /// Where it was to be.
    pub target: PathBuf,
    /// When that was, in seconds since 1970.
    pub at: i64,
    /// What went wrong.
    pub why: String,
    /// Whether it was one of the schedule.
    #[serde(default)]
    pub scheduled: bool,
}

impl BackupRecord {
    /// Reads what is remembered. A record that is damaged is told of, and remembers nothing: every backup is as it was.
    #[must_use]
    pub fn load(data: &Path) -> Self {
        let path = DataFolder::backup_record(data);
        let read = fs::read(&path).and_then(|text| Ok(serde_json::from_slice(&text)?));
        read.unwrap_or_else(|error| {
            if error.kind() != io::ErrorKind::NotFound {
                tracing::warn!(
                    "`{}` cannot be read ({error}): the newest backup is not known until the next one",
                    path.display()
                );
            }
            Self::default()
        })
    }

    /// Remembers what became of a backup. Where it cannot be, that is told of: the backup itself is as it is.
    pub fn note(&mut self, data: &Path, outcome: Result<BackupSuccess, BackupFailure>) {
        match outcome {
            Ok(success) => {
                let BackupSuccess { target, id, at, unread, .. } = success.clone();
                self.targets.retain(|known| known.target != target);
                // A folder that was named once, and was wrong, is of no interest when another one works.
                let targets = &self.targets;
                self.failures.retain(|failure| {
                    failure.target != target && (failure.scheduled || targets.iter().any(|known| known.target == failure.target))
                });
                self.targets.push(BackupTarget { target, id, at, unread: unread.len() });
                self.targets.drain(..self.targets.len().saturating_sub(TARGETS_MAX));
                self.newest = Some(success);
            }
            Err(failure) => {
                self.failures.retain(|known| known.target != failure.target);
                self.failures.push(failure);
                self.failures.drain(..self.failures.len().saturating_sub(TARGETS_MAX));
            }
        }
        if let Err(error) = self.save(data) {
            tracing::warn!("`{}` cannot be written: {error}", DataFolder::backup_record(data).display());
        }
    }

    /// Forgets scheduled backups that failed in a folder that never had one and is no longer that of the schedule.
    pub fn forget_unplanned(&mut self, planned: Option<&Path>) {
        let targets = &self.targets;
        self.failures.retain(|failure| {
            !failure.scheduled
                || planned == Some(failure.target.as_path())
                || targets.iter().any(|known| known.target == failure.target)
        });
    }

    fn save(&self, data: &Path) -> io::Result<()> {
        let mut text = serde_json::to_vec(self)?;
        text.push(b'\n');
        atomic_file::replace(&DataFolder::backup_record(data), &text).map(drop)
    }

    /// Fails where a backup was made in a target that has none any more: its disk may not be mounted.
    pub(super) fn check_target(&self, target: &Path, data: &Path) -> Result<(), BackupError> {
        match self.targets.iter().find(|known| known.target == target) {
            Some(known) if !has_backups(target) => Err(BackupError::Emptied {
                target: target.to_owned(),
                id: known.id.clone(),
                record: DataFolder::backup_record(data),
            }),
            _ => Ok(()),
        }
    }
}
