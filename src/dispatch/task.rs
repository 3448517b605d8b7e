//! Tasks: what a kind of work tells the dispatcher (key, priority, lock, candidates), and what it gets to run with.

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::accounts::{Lease, Urgency};
use crate::model::{AccountName, ChatId, PeerId};
use crate::telegram::{Client, TelegramError};

/// One request to Telegram, and what is done with its answer.
pub trait Task: fmt::Debug + Send + Sync + 'static {
    /// The deduplication key: a task that waits and has an equal key is the same work.
    fn key(&self) -> TaskKey;

    /// Its kind: a name of its own among all kinds of tasks.
    fn kind(&self) -> &'static str;

    /// The method that it calls, as the pool paces it.
    fn method(&self) -> &'static str;

    /// Who could run it at present, and what it locks. Asked each time that it is queued.
    ///
    /// # Errors
    /// When the archive cannot be read.
    fn placement(&self) -> anyhow::Result<Placement>;

    /// Asks, and archives the answer in one write, so it is atomic and may be retried. The lease is to be dropped as soon as the answer is
    /// there.
    fn run(self: Arc<Self>, assignment: Assignment) -> BoxFuture<'static, Result<(), TaskError>>;

    /// The account cannot read the peer, or the request was refused; asking again the same way would be refused again.
    ///
    /// # Errors
    /// When the archive cannot be read or written.
    fn refused(&self, account: &AccountName, name: &str) -> anyhow::Result<()>;
}

/// What a task runs with.
#[derive(Debug)]
pub struct Assignment {
    /// The permission for one request.
    pub lease: Lease,
    /// The client of the lease's account.
    pub client: Arc<Client>,
    /// How urgent the task was.
    pub priority: Priority,
    /// How often it got no answer, or one that could not be read, in a row.
    pub failures: u32,
}

impl Assignment {
    /// The account whose turn it is.
    #[must_use]
    pub fn account(&self) -> AccountName {
        *self.lease.account()
    }
}

/// The order in which tasks run (a priority queue's); history never takes the turn of what is live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Something happened just now.
    Live,
    /// Something may have happened: polls, and the messages they found.
    Fresh,
    /// The recent past, read again.
    Recheck,
    /// The past.
    Backfill,
    /// Statistics.
    Counters,
}

impl Priority {
    /// Every priority, highest first.
    pub const ALL: [Self; 5] = [Self::Live, Self::Fresh, Self::Recheck, Self::Backfill, Self::Counters];

    /// Its name, as metrics show it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Fresh => "fresh",
            Self::Recheck => "recheck",
            Self::Backfill => "backfill",
            Self::Counters => "counters",
        }
    }

    /// How urgent the pool is to take it.
    #[must_use]
    pub fn urgency(self) -> Urgency {
        match self {
            Self::Live => Urgency::Live,
            Self::Fresh => Urgency::Fresh,
            Self::Recheck | Self::Backfill | Self::Counters => Urgency::Background,
        }
    }
}

/// Who may run a task.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Assignee {
    /// This account only.
    Account(AccountName),
    /// Any account that can read the chat.
    ReaderOf(ChatId),
}

/// Tells tasks apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskKey {
    /// Who may run it.
    pub assignee: Assignee,
    /// Its kind, as [`Task::kind`].
    pub kind: &'static str,
    /// What tells tasks of one kind and assignee apart, if anything does.
    pub detail: Vec<i64>,
}

impl TaskKey {
    /// The key of a kind of which there is one task for each assignee.
    #[must_use]
    pub fn new(kind: &'static str, assignee: Assignee) -> Self {
        Self { assignee, kind, detail: Vec::new() }
    }
}

/// What tasks exclude each other from (a mutex): a resource of an account, of a peer, or of both.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LockKey {
    resource: &'static str,
    account: Option<AccountName>,
    peer: Option<PeerId>,
}

impl LockKey {
    /// Something of an account.
    #[must_use]
    pub fn of_account(resource: &'static str, account: AccountName) -> Self {
        Self { resource, account: Some(account), peer: None }
    }

    /// Something of a peer, whichever account reads it.
    #[must_use]
    pub fn of_peer(resource: &'static str, peer: PeerId) -> Self {
        Self { resource, account: None, peer: Some(peer) }
    }

    /// Something of a peer as one account sees it.
    #[must_use]
    pub fn of_peer_at(resource: &'static str, peer: PeerId, account: AccountName) -> Self {
        Self { resource, account: Some(account), peer: Some(peer) }
    }
}

/// How a task holds its lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimMode {
    /// Exclusive: its answer could contradict what is pushed meanwhile (a race).
    Exclusive,
    /// Shared with what is pushed, not with other tasks: its answer states its own time, so that a later event stands beside it.
    Shared,
}

/// Who could run a task, and what it locks.
#[derive(Clone, Debug)]
pub struct Placement {
    /// What it locks.
    pub lock: LockKey,
    /// How.
    pub mode: ClaimMode,
    /// The accounts that could run it.
    pub candidates: Vec<AccountName>,
}

/// Why a task did not get through. It is retried, unless Telegram refused it.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// Telegram gave no answer, or one that says so.
    #[error(transparent)]
    Telegram(#[from] TelegramError),
    /// The answer could not be archived: nothing was written.
    #[error(transparent)]
    NotArchived(anyhow::Error),
}

impl From<anyhow::Error> for TaskError {
    fn from(error: anyhow::Error) -> Self {
        Self::NotArchived(error)
    }
}
