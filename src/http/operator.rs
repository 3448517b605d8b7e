//! What the operator of the program may see and request (run a job, join a peer): a trait, because `http` starts nothing itself.
//!
//! A request is queued, and answered at once with what will be started. The program's own workers do it, at their own pace and priority.

use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::archive::ArchivedFile;
use crate::model::{FileId, FileOrigin};
use crate::views::{
    BackupRunView, DownloadView, EraseBody, EraseRunView, FetchBody, FetchView, FileRulesView, FollowView, JobView, JoinView,
    RulesSaidView, StartView, UnfollowView,
};

use super::problem::Problem;

/// The part of the program that carries out operator requests.
pub trait Operator: Send + Sync {
    /// The jobs with their schedules and states. May read the disk.
    fn jobs(&self) -> Vec<JobView>;

    /// Runs a job now, for the peers that selectors match or, without selectors, for all that it is scheduled for. Returns what will be
    /// started. May read the disk.
    ///
    /// # Errors
    /// When there is no such job, a selector is invalid, the job is already running, or the program is not.
    fn run(&self, job: &str, peers: &[String]) -> Result<Vec<StartView>, OperatorError>;

    /// Joins a peer with an account: the one that is named, or one that is a member of few peers.
    fn join<'a>(&'a self, account: Option<&'a str>, target: &'a str) -> BoxFuture<'a, Result<JoinView, OperatorError>>;

    /// Crawls a public group or channel without joining it.
    fn follow<'a>(&'a self, _account: Option<&'a str>, _target: &'a str) -> BoxFuture<'a, Result<FollowView, OperatorError>> {
        Box::pin(async { Err(OperatorError::NotRunning) })
    }

    /// Crawls a public group or channel no longer that was followed.
    fn unfollow<'a>(&'a self, _target: &'a str) -> BoxFuture<'a, Result<UnfollowView, OperatorError>> {
        Box::pin(async { Err(OperatorError::NotRunning) })
    }

    /// Begins to read a part of a peer's history now. Returns the number of the fetch.
    fn fetch<'a>(&'a self, _wanted: &'a FetchBody) -> BoxFuture<'a, Result<u64, OperatorError>> {
        Box::pin(async { Err(OperatorError::NotRunning) })
    }

    /// Waits so long for a fetch to end; `None` where there is none with this number, or it was long ago.
    fn fetched(&self, _run: u64, _patience: Duration) -> BoxFuture<'_, Result<Option<FetchView>, OperatorError>> {
        Box::pin(async { Ok(None) })
    }

    /// The rules about files, and whether any are downloaded.
    ///
    /// # Errors
    /// When no configuration was read.
    fn file_rules(&self) -> Result<FileRulesView, OperatorError> {
        Err(OperatorError::NotRunning)
    }

    /// What the rules say of a file at each place where it was seen, of so many of these at most; nothing where no configuration was read.
    ///
    /// # Errors
    /// When the archive cannot be read.
    fn explain_file(&self, _file: &ArchivedFile, _places_max: usize) -> Result<Vec<(FileOrigin, RulesSaidView)>, OperatorError> {
        Ok(Vec::new())
    }

    /// The downloads that run.
    fn downloads(&self) -> Vec<DownloadView> {
        Vec::new()
    }

    /// Has files downloaded, or tried again where they have failed; returns how many of them it is about.
    ///
    /// # Errors
    /// When the program is not running.
    fn wish_files(&self, _files: &[FileId], _retry: bool) -> Result<usize, OperatorError> {
        Err(OperatorError::NotRunning)
    }

    /// Has a backup made in a folder, of which that many are kept. Returns the number of its run.
    ///
    /// # Errors
    /// When too many are pending, or the program is not running.
    fn back_up(&self, _target: PathBuf, _keep: Option<u32>) -> Result<u64, OperatorError> {
        Err(OperatorError::NotRunning)
    }

    /// How a backup is doing that was asked for; `None` where nobody has, or it was long ago.
    fn backup_run(&self, _run: u64) -> Option<BackupRunView> {
        None
    }

    /// Has something erased, or counted only. Returns the number of the request. May read the disk.
    ///
    /// # Errors
    /// When it is not said what, or the archive has nothing of it, or too many are pending, or the program is not running.
    fn erase(&self, _wanted: &EraseBody) -> Result<u64, OperatorError> {
        Err(OperatorError::NotRunning)
    }

    /// How a request to erase is doing; `None` where there was none with this number, or it was long ago. May read the disk.
    fn erase_run(&self, _run: u64) -> Option<EraseRunView> {
        None
    }
}

/// An operator request is refused. Each kind has a stable code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OperatorError {
    /// There is no such job.
    #[error("{0}")]
    UnknownJob(String),
    /// A peer selector is invalid.
    #[error("{0}")]
    BadSelector(String),
    /// The job is already running.
    #[error("{0}")]
    Running(String),
    /// What is to be joined is neither a username nor an invite link.
    #[error("{0}")]
    BadTarget(String),
    /// The peer cannot be joined, or not yet.
    #[error("{0}")]
    NotJoined(String),
    /// The peer cannot be followed, or not yet, or is not.
    #[error("{0}")]
    NotFollowed(String),
    /// What is to be fetched is not said as it must be.
    #[error("{0}")]
    BadWish(String),
    /// The archive has no such peer.
    #[error("{0}")]
    UnknownPeer(String),
    /// The archive has no such messages.
    #[error("{0}")]
    UnknownMessages(String),
    /// Nothing can be fetched, or not yet.
    #[error("{0}")]
    NotFetched(String),
    /// No folder is configured for the scheduled backups.
    #[error("set `jobs.backup.target` of the configuration, or name a folder: `telescribe backup FOLDER`")]
    NoBackupTarget,
    /// The archive cannot be read or written.
    #[error("{0}")]
    Broken(String),
    /// Too many requests are pending.
    #[error("the queue of operator requests is full; retry in a moment")]
    Busy,
    /// The program is not running.
    #[error("start it with `telescribe run`, then retry")]
    NotRunning,
}

impl From<OperatorError> for Problem {
    fn from(error: OperatorError) -> Self {
        let detail = error.to_string();
        match error {
            OperatorError::UnknownJob(_) => Self::unknown_job(detail),
            OperatorError::BadSelector(_) => Self::bad_selector(detail),
            OperatorError::Running(_) => Self::job_running(detail),
            OperatorError::BadTarget(_) => Self::bad_target(detail),
            OperatorError::NotJoined(_) => Self::not_joined(detail),
            OperatorError::NotFollowed(_) => Self::not_followed(detail),
            OperatorError::BadWish(_) => Self::bad_body(detail),
            OperatorError::UnknownPeer(_) => Self::unknown_peer(detail),
            OperatorError::UnknownMessages(_) => Self::unknown_message(detail),
            OperatorError::NotFetched(_) => Self::not_fetched(detail),
            OperatorError::NoBackupTarget => Self::no_backup_target(detail),
            OperatorError::Broken(_) => Self::hidden(&detail),
            OperatorError::Busy => Self::busy(detail),
            OperatorError::NotRunning => Self::not_running(detail),
        }
    }
}
