//! Units: the kinds of tasks that crawling has, as data; what each calls, who may do it, and what it locks.

use std::fmt;
use std::sync::{Arc, Weak};

use futures_util::future::BoxFuture;

use super::peers::Peers;
use crate::archive::ArchiveError;
use crate::dispatch::{Assignee, Assignment, ClaimMode, LockKey, Placement, Task, TaskError, TaskKey};
use crate::model::{AccountName, ChatId, PeerId, Timestamp};
use crate::schedule::Scope;
use crate::telegram::{Offset, method};

/// One request's worth of work: a kind of task, as data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unit {
    /// An account asks who it is.
    Start {
        /// Which account.
        account: AccountName,
    },
    /// An account asks from which state its updates go on, and so has Telegram push them.
    State {
        /// Which account.
        account: AccountName,
    },
    /// A page of an account's dialogs.
    Walk {
        /// Which account.
        account: AccountName,
        /// How far the walk goes.
        reach: Reach,
        /// Where it is.
        from: Option<Offset>,
        /// When the newest message was posted that it began with.
        newest: Option<Timestamp>,
    },
    /// An account's folders.
    Folders {
        /// Which account.
        account: AccountName,
    },
    /// The newest of single peers: of those that no walk finds, and of those that have a schedule of their own.
    Poll {
        /// Which account.
        account: AccountName,
        /// Which peers, ascending.
        peers: Vec<PeerId>,
    },
    /// What happened outside channels since the account last asked.
    AccountEvents {
        /// Which account.
        account: AccountName,
    },
    /// What happened in a channel since the archive's state.
    Events {
        /// Which channel.
        peer: PeerId,
    },
    /// The newest ids that a chat's coverage lacks.
    History {
        /// Which chat.
        chat: ChatId,
    },
    /// A page of a chat's history that somebody waits for.
    Fetch {
        /// Which chat.
        chat: ChatId,
        /// The number of what is waited for.
        run: u64,
        /// The newest id that is asked for next.
        newest: i32,
        /// The account that reads it, where one was named.
        account: Option<AccountName>,
    },
    /// From which id on an account sees a supergroup's messages.
    Visibility {
        /// Which account.
        account: AccountName,
        /// Which supergroup.
        peer: PeerId,
    },
    /// What a channel says of itself: how many members, which discussion group.
    Full {
        /// Which channel.
        peer: PeerId,
    },
    /// How often a channel's newest posts were seen.
    Views {
        /// Which channel.
        peer: PeerId,
    },
}

/// The kinds that jobs are recognised by.
pub(super) const WALK_NEWS: &str = "walk-news";
pub(super) const WALK_EVERYTHING: &str = "walk-everything";
pub(super) const FOLDERS: &str = "folders";
pub(super) const POLL: &str = "poll";
pub(super) const HISTORY: &str = "history";
pub(super) const FULL: &str = "full";
pub(super) const VIEWS: &str = "views";

/// How far a walk goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// To the first page on which nothing is new: dialogs come in the order of their newest messages. Peers that the scope does not
    /// cover have a schedule of their own.
    News(Arc<Scope>),
    /// To the end.
    Everything,
}

/// The lock (a mutex) of what messages a channel has, or, where ids are an account's own, all peers of that account.
const MESSAGES: &str = "messages";
/// The lock of an account's list of dialogs.
const DIALOGS: &str = "dialogs";
/// The lock of what is counted about a channel; it disturbs nothing else.
const COUNTERS: &str = "counters";
/// The lock of what an account sees of a peer.
const VISIBILITY: &str = "visibility";
/// The lock of single peers of an account's choice.
const POLLED: &str = "polled";

/// The lock of a channel's messages.
pub(super) fn messages_of(channel: PeerId) -> LockKey {
    LockKey::of_peer(MESSAGES, channel)
}

/// The lock of everything whose message ids are an account's own.
pub(super) fn messages_outside_channels(account: &AccountName) -> LockKey {
    LockKey::of_account(MESSAGES, *account)
}

impl Unit {
    /// A walk to the first page without news, of all peers or of those that a scope covers.
    pub(super) fn news(account: &AccountName, scope: &Arc<Scope>) -> Self {
        Self::Walk { account: *account, reach: Reach::News(Arc::clone(scope)), from: None, newest: None }
    }

    /// A walk to the end.
    pub(super) fn discovery(account: &AccountName) -> Self {
        Self::Walk { account: *account, reach: Reach::Everything, from: None, newest: None }
    }

    pub(super) fn method(&self) -> &'static str {
        match self {
            Self::Start { .. } => method::USERS,
            Self::State { .. } => method::STATE,
            Self::AccountEvents { .. } => method::DIFFERENCE,
            Self::Walk { .. } => method::DIALOGS,
            Self::Folders { .. } => method::FOLDERS,
            Self::Poll { .. } => method::PEER_DIALOGS,
            Self::Events { .. } => method::CHANNEL_DIFFERENCE,
            Self::History { .. } | Self::Fetch { .. } => method::HISTORY,
            Self::Visibility { .. } | Self::Full { .. } => method::FULL_CHANNEL,
            Self::Views { .. } => method::VIEWS,
        }
    }

    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Start { .. } => "start",
            Self::State { .. } => "state",
            Self::Walk { reach: Reach::News(_), .. } => WALK_NEWS,
            Self::Walk { reach: Reach::Everything, .. } => WALK_EVERYTHING,
            Self::Folders { .. } => FOLDERS,
            Self::Poll { .. } => POLL,
            Self::AccountEvents { .. } => "account-events",
            Self::Events { .. } => "events",
            Self::History { .. } => HISTORY,
            Self::Fetch { .. } => "fetch",
            Self::Visibility { .. } => "visibility",
            Self::Full { .. } => FULL,
            Self::Views { .. } => VIEWS,
        }
    }

    pub(super) fn assignee(&self) -> Assignee {
        match self {
            Self::Start { account }
            | Self::State { account }
            | Self::Walk { account, .. }
            | Self::Folders { account }
            | Self::Poll { account, .. }
            | Self::Visibility { account, .. }
            | Self::AccountEvents { account } => Assignee::Account(*account),
            Self::History { chat } | Self::Fetch { chat, .. } => Assignee::ReaderOf(*chat),
            Self::Events { peer } | Self::Full { peer } | Self::Views { peer } => Assignee::ReaderOf((*peer).into()),
        }
    }

    pub(super) fn key(&self) -> TaskKey {
        let detail = match self {
            Self::Poll { peers, .. } => peers.iter().map(|peer| peer.0).collect(),
            Self::Visibility { peer, .. } => vec![peer.0],
            Self::Fetch { run, .. } => vec![i64::try_from(*run).unwrap_or(i64::MAX)],
            _ => Vec::new(),
        };
        TaskKey { assignee: self.assignee(), kind: self.kind(), detail }
    }

    /// What it locks.
    fn lock(&self) -> LockKey {
        match self {
            Self::Walk { account, .. } | Self::Folders { account } => LockKey::of_account(DIALOGS, *account),
            Self::Start { account } | Self::State { account } | Self::AccountEvents { account } => {
                messages_outside_channels(account)
            }
            Self::Poll { account, peers } => LockKey::of_peer_at(POLLED, peers.first().copied().unwrap_or(PeerId(0)), *account),
            Self::Visibility { account, peer } => LockKey::of_peer_at(VISIBILITY, *peer, *account),
            Self::Events { peer } => messages_of(*peer),
            Self::History { chat } | Self::Fetch { chat, .. } => match chat.account() {
                Some(owner) => messages_outside_channels(&owner),
                None => messages_of(chat.peer()),
            },
            Self::Full { peer } | Self::Views { peer } => LockKey::of_peer(COUNTERS, *peer),
        }
    }

    /// Whether its lock is shared with what is pushed, or exclusive. Outside channels a page does not say as of when it is.
    fn mode(&self) -> ClaimMode {
        match self {
            Self::History { chat } | Self::Fetch { chat, .. } if !chat.peer().has_own_ids() => ClaimMode::Shared,
            _ => ClaimMode::Exclusive,
        }
    }
}

/// Runs the units.
pub(super) trait Perform: Send + Sync {
    fn perform(self: Arc<Self>, unit: Unit, assignment: Assignment) -> BoxFuture<'static, Result<(), TaskError>>;
    fn refused(&self, unit: &Unit, account: &AccountName, name: &str) -> anyhow::Result<()>;
}

/// A unit as a task.
pub(super) struct CrawlTask {
    pub(super) unit: Unit,
    pub(super) peers: Arc<Peers>,
    /// Gone when the crawl has ended: what waits then is planned anew at the next start.
    pub(super) performer: Weak<dyn Perform>,
}

impl fmt::Debug for CrawlTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.unit.fmt(f)
    }
}

impl Task for CrawlTask {
    fn key(&self) -> TaskKey {
        self.unit.key()
    }

    fn kind(&self) -> &'static str {
        self.unit.kind()
    }

    fn method(&self) -> &'static str {
        self.unit.method()
    }

    fn placement(&self) -> anyhow::Result<Placement> {
        let candidates = match self.unit.assignee() {
            Assignee::Account(account) => vec![account],
            Assignee::ReaderOf(chat) if matches!(self.unit, Unit::History { .. }) => self.peers.readers_of_history(chat)?,
            Assignee::ReaderOf(chat) => match self.unit {
                Unit::Fetch { newest, account, .. } => self.peers.readers_of_id(chat, newest, account)?,
                _ => self.peers.readers(chat),
            },
        };
        Ok(Placement { lock: self.unit.lock(), mode: self.unit.mode(), candidates })
    }

    fn run(self: Arc<Self>, assignment: Assignment) -> BoxFuture<'static, Result<(), TaskError>> {
        match self.performer.upgrade() {
            Some(performer) => performer.perform(self.unit.clone(), assignment),
            None => Box::pin(async { Ok(()) }),
        }
    }

    fn refused(&self, account: &AccountName, name: &str) -> anyhow::Result<()> {
        self.performer.upgrade().map_or(Ok(()), |performer| performer.refused(&self.unit, account, name))
    }
}

impl From<ArchiveError> for TaskError {
    fn from(error: ArchiveError) -> Self {
        Self::NotArchived(error.into())
    }
}
