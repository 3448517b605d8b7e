//! Units: one request's worth of work each, how urgent it is, and what it works on.

use super::queue::Work;
use super::walk::Reach;
use crate::accounts::Urgency;
use crate::model::{AccountName, IdSpace, PeerId};
use crate::telegram::{Offset, method};

/// One request's worth of work.
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
    /// The newest ids that a peer's coverage lacks.
    History {
        /// Which peer.
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

/// How urgent a unit is. History never takes the turn of what is live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Priority {
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
    /// How urgent the pool is to take it.
    pub(super) fn urgency(self) -> Urgency {
        match self {
            Self::Live => Urgency::Live,
            Self::Fresh => Urgency::Fresh,
            Self::Recheck | Self::Backfill | Self::Counters => Urgency::Background,
        }
    }
}

/// What a unit works on; one unit at a time does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Subject {
    /// A channel or supergroup.
    Channel(PeerId),
    /// Everything whose message ids are an account's own.
    Account(AccountName),
    /// An account's list of dialogs.
    Dialogs(AccountName),
    /// What is counted about a channel; it disturbs nothing else.
    Counted(PeerId),
    /// Single peers of an account's choice.
    Poll(AccountName, PeerId),
}

/// Tells units apart: the same kind of unit on the same thing is the same work.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Identity {
    Start(AccountName),
    State(AccountName),
    /// Whether it goes to the end.
    Walk(AccountName, bool),
    Folders(AccountName),
    Poll(AccountName, Vec<PeerId>),
    AccountEvents(AccountName),
    Events(PeerId),
    History(PeerId),
    Full(PeerId),
    Views(PeerId),
}

impl Identity {
    /// Every unit that is about one peer only.
    pub(super) fn of_peer(peer: PeerId) -> [Self; 4] {
        [Self::Events(peer), Self::History(peer), Self::Full(peer), Self::Views(peer)]
    }
}

/// Who may do a unit.
pub(super) enum Doer<'a> {
    /// This account only.
    Account(&'a AccountName),
    /// Whoever reads the peer.
    ReaderOf(PeerId),
}

impl Unit {
    /// The method that it calls.
    pub(super) fn method(&self) -> &'static str {
        match self {
            Self::Start { .. } => method::USERS,
            Self::State { .. } => method::STATE,
            Self::AccountEvents { .. } => method::DIFFERENCE,
            Self::Walk { .. } => method::DIALOGS,
            Self::Folders { .. } => method::FOLDERS,
            Self::Poll { .. } => method::PEER_DIALOGS,
            Self::Events { .. } => method::CHANNEL_DIFFERENCE,
            Self::History { .. } => method::HISTORY,
            Self::Full { .. } => method::FULL_CHANNEL,
            Self::Views { .. } => method::VIEWS,
        }
    }

    pub(super) fn identity(&self) -> Identity {
        match self {
            Self::Start { account } => Identity::Start(account.clone()),
            Self::State { account } => Identity::State(account.clone()),
            Self::Walk { account, reach, .. } => Identity::Walk(account.clone(), *reach == Reach::Everything),
            Self::Folders { account } => Identity::Folders(account.clone()),
            Self::Poll { account, peers } => Identity::Poll(account.clone(), peers.clone()),
            Self::AccountEvents { account } => Identity::AccountEvents(account.clone()),
            Self::Events { peer } => Identity::Events(*peer),
            Self::History { peer } => Identity::History(*peer),
            Self::Full { peer } => Identity::Full(*peer),
            Self::Views { peer } => Identity::Views(*peer),
        }
    }

    pub(super) fn doer(&self) -> Doer<'_> {
        match self {
            Self::Start { account }
            | Self::State { account }
            | Self::Walk { account, .. }
            | Self::Folders { account }
            | Self::Poll { account, .. }
            | Self::AccountEvents { account } => Doer::Account(account),
            Self::Events { peer } | Self::History { peer } | Self::Full { peer } | Self::Views { peer } => Doer::ReaderOf(*peer),
        }
    }

    /// The one peer that it is about, if it is about one.
    pub(super) fn peer(&self) -> Option<PeerId> {
        match self.doer() {
            Doer::Account(_) => None,
            Doer::ReaderOf(peer) => Some(peer),
        }
    }

    /// What it works on. `owner` is the account that archives the peer, where ids are the account's own.
    pub(super) fn subject(&self, owner: Option<AccountName>) -> Subject {
        match self {
            Self::Walk { account, .. } | Self::Folders { account } => Subject::Dialogs(account.clone()),
            Self::Start { account } | Self::State { account } | Self::AccountEvents { account } => {
                Subject::Account(account.clone())
            }
            Self::Poll { account, peers } => Subject::Poll(account.clone(), peers.first().copied().unwrap_or(PeerId(0))),
            Self::Events { peer } | Self::History { peer } => owner.map_or(Subject::Channel(*peer), Subject::Account),
            Self::Full { peer } | Self::Views { peer } => Subject::Counted(*peer),
        }
    }

    /// What its answer can stand beside. Outside channels a page does not say as of when it is.
    pub(super) fn work(&self) -> Work {
        match self {
            Self::History { peer } if peer.kind() == IdSpace::Channel => Work::Reading,
            _ => Work::Exclusive,
        }
    }
}
