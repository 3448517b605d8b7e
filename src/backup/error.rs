//! Why a backup was not made, is not whole, or was not restored.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use crate::accounts::SessionError;
use crate::archive::{ArchiveError, FolderError};

use super::manifest::BackupId;

/// What can go wrong with a backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The disk refused.
    #[error("`{}`: {source}; check free space, permissions and whether the disk is mounted", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another program makes, verifies or restores a backup there.
    #[error("backup folder `{}` is in use by another telescribe; wait for it to end", target.display())]
    InUse {
        /// The target.
        target: PathBuf,
    },
    /// The target would be lost together with what it is to save.
    #[error("backup folder `{}` is inside of the data folder, and would be lost with it; name a folder elsewhere, best on another disk", target.display())]
    InsideData {
        /// The target.
        target: PathBuf,
    },
    /// The target is not the folder that it was.
    #[error(
        "backup folder `{}` has no backup, but `{id}` was made there; is its disk mounted? If it was emptied on purpose, remove `{}`",
        target.display(),
        record.display()
    )]
    Emptied {
        /// The target.
        target: PathBuf,
        /// The backup that was made there.
        id: String,
        /// Where that is remembered.
        record: PathBuf,
    },
    /// There is no backup.
    #[error("there is no backup in `{}`; `telescribe backup FOLDER` makes one", target.display())]
    Nothing {
        /// The target.
        target: PathBuf,
    },
    /// There is something else where a folder should be.
    #[error("`{}` is no folder; name one, or what is not there yet", path.display())]
    NoFolder {
        /// What is there.
        path: PathBuf,
    },
    /// Nobody said which archive is meant.
    #[error("`{}` has backups of {} archives; nothing was restored: name the one to restore: {}", target.display(), newest.len(), named(newest))]
    Several {
        /// The target.
        target: PathBuf,
        /// The newest backup of each archive, by the archive's id.
        newest: BTreeMap<String, BackupId>,
    },
    /// There is no backup of that name.
    #[error("there is no backup `{id}` in `{}`; `telescribe backup FOLDER --list` shows those that are there", target.display())]
    Unknown {
        /// The target.
        target: PathBuf,
        /// What was asked for.
        id: String,
    },
    /// A backup is damaged. Nothing was restored.
    #[error("backup `{id}` is damaged: {what}; nothing was restored. {}", other(instead.as_ref()))]
    Damaged {
        /// Which.
        id: BackupId,
        /// What is wrong, with the file.
        what: String,
        /// Another one that may be whole.
        instead: Option<BackupId>,
    },
    /// What was written is not what is read.
    #[error("`{}` reads other than it was written: the disk of the backup folder is not reliable; the backup was not made", path.display())]
    Unreliable {
        /// The file.
        path: PathBuf,
    },
    /// A file of the archive ended before it should.
    #[error("`{}` changed while it was copied; the backup was not made", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// There is something where a backup is to be restored to.
    #[error(
        "data folder `{}` is not empty: `{found}` is in it; nothing was restored: name an empty or new folder with `--data`, or move that one away",
        path.display()
    )]
    NotEmpty {
        /// The folder.
        path: PathBuf,
        /// What is in it.
        found: String,
    },
    /// Who had asked for it stopped it.
    #[error("the backup was stopped before it was complete; what was copied is removed with the next one")]
    Stopped,
    /// The archive cannot be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The data folder cannot be had.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A session cannot be read or put back.
    #[error(transparent)]
    Session(#[from] SessionError),
}

fn named(newest: &BTreeMap<String, BackupId>) -> String {
    let one = |(archive, id): (&String, &BackupId)| {
        format!("`telescribe restore FOLDER --backup {id}` (the newest of archive {archive})")
    };
    newest.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn other(instead: Option<&BackupId>) -> String {
    match instead {
        Some(id) => format!("Try another one: `telescribe restore FOLDER --backup {id}`"),
        None => "There is no other one that could be tried".to_owned(),
    }
}

impl BackupError {
    /// What the system said about a file or folder.
    pub(super) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}
