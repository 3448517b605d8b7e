//! The planner: what is asked next of a peer or an account, as tasks in the queue.
//!
//! It knows which requests there are and which of them saves another, and makes none itself. What learns of something to ask comes here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::admission::Admission;
use super::missing::{next_range, range_below};
use super::peers::Peers;
use super::unit::{CrawlTask, Perform, Unit};
use crate::accounts::{Pool, Urgency};
use crate::archive::{Archive, ArchiveError, Archived, Coverage, CrawlState};
use crate::dispatch::{Assignee, Dispatch, Priority};
use crate::model::{AccountName, ChatId, Clock, IdRange, PeerId};
use crate::schedule::Scope;
use crate::telegram::{Clients, DialogTop, PEER_DIALOGS_MAX, method};

/// A wait up to this is pacing (a rate limit at work), which nobody needs to be told of.
pub(super) const PACING: Duration = Duration::from_secs(30);
/// Up to how far ahead a difference is waited for instead of reading history: pacing, a short flood wait, a retry. An account that must
/// wait longer has history read meanwhile.
const DIFFERENCE_WITHIN: chrono::TimeDelta = chrono::TimeDelta::seconds(60);
/// When history looks again after the difference should have come.
const DIFFERENCE_TAKES: chrono::TimeDelta = chrono::TimeDelta::seconds(1);

/// What history is to be asked for of a peer.
pub(super) enum HistoryWanted {
    Nothing,
    /// These ids.
    Now(IdRange),
    /// At this time, what a difference has not brought by then.
    After(DateTime<Utc>),
}

/// Puts requests into the queue, as tasks with a priority.
pub(super) struct Planner {
    archive: Arc<Archive>,
    pool: Arc<Pool>,
    clients: Arc<Clients>,
    clock: Arc<dyn Clock>,
    dispatch: Arc<Dispatch>,
    peers: Arc<Peers>,
    admission: Arc<Admission>,
    /// Given once (a cycle): who runs the units has them planned too.
    performer: OnceLock<Weak<dyn Perform>>,
}

impl Planner {
    /// A planner of units that nobody runs yet; see [`Planner::performed_by`].
    pub(super) fn new(
        archive: Arc<Archive>,
        pool: Arc<Pool>,
        clients: Arc<Clients>,
        clock: Arc<dyn Clock>,
        dispatch: Arc<Dispatch>,
        peers: Arc<Peers>,
        admission: Arc<Admission>,
    ) -> Self {
        Self { archive, pool, clients, clock, dispatch, peers, admission, performer: OnceLock::new() }
    }

    /// Says who runs the units. They end with it, because the queue does not keep it.
    pub(super) fn performed_by(&self, performer: Weak<dyn Perform>) {
        self.performer.get_or_init(|| performer);
    }

    /// Adds a unit to the queue, where the operator's rules admit its peer; without anybody who could do it, it is left for a later walk to find again.
    pub(super) fn add(&self, unit: Unit, priority: Priority) {
        self.add_not_before(unit, priority, DateTime::UNIX_EPOCH);
    }

    /// The same, not to be done before a time.
    pub(super) fn add_not_before(&self, unit: Unit, priority: Priority, not_before: DateTime<Utc>) {
        // Nothing is planned before the parts are put together.
        let Some(performer) = self.performer.get() else { return };
        // An archive that cannot be read says so to whoever runs the unit.
        if let Assignee::ReaderOf(chat) = unit.assignee()
            // Somebody asked for this one, and the rules were looked at then.
            && !matches!(unit, Unit::Fetch { .. })
            && !self.admission.admits(chat.peer(), None).unwrap_or(true)
        {
            return;
        }
        let task = CrawlTask { unit, peers: Arc::clone(&self.peers), performer: Weak::clone(performer) };
        self.dispatch.add_not_before(Arc::new(task), priority, not_before);
    }

    /// Adds a history unit when the chat lacks anything.
    pub(super) fn add_history(&self, chat: impl Into<ChatId>, priority: Priority) -> Result<(), ArchiveError> {
        let chat = chat.into();
        let (coverage, state) = (self.archive.view().coverage(chat)?, self.archive.view().crawl_state(chat)?.unwrap_or_default());
        let (not_before, priority) = match self.wanted(chat, &coverage, &state)? {
            HistoryWanted::Nothing => return Ok(()),
            HistoryWanted::Now(range) => (DateTime::UNIX_EPOCH, urgency_of(range, &coverage, priority)),
            HistoryWanted::After(at) => (at, priority),
        };
        self.add_not_before(Unit::History { chat }, priority, not_before);
        Ok(())
    }

    /// What history is to be asked for of a chat now.
    pub(super) fn wanted(&self, chat: ChatId, coverage: &Coverage, state: &CrawlState) -> Result<HistoryWanted, ArchiveError> {
        let now = self.clock.timestamp();
        let Some(range) = next_range(coverage, state, now) else { return Ok(HistoryWanted::Nothing) };
        let Some((read, at)) = self.left_to_difference(chat, coverage, state)? else { return Ok(HistoryWanted::Now(range)) };
        Ok(range_below(read, coverage, state, now).map_or(HistoryWanted::After(at), HistoryWanted::Now))
    }

    /// Whether the newest ids are left to a difference that waits in the queue and will bring them: up to which id history is to be read
    /// meanwhile, and when to look again. A difference that got no answer and is retried must not cost a request for history too.
    fn left_to_difference(
        &self,
        chat: ChatId,
        coverage: &Coverage,
        state: &CrawlState,
    ) -> Result<Option<(i32, DateTime<Utc>)>, ArchiveError> {
        let Some(read) = coverage.read.last().filter(|read| *read < state.top) else { return Ok(None) };
        let (difference, method, urgency) = match chat.account() {
            Some(account) => (Unit::AccountEvents { account }, method::DIFFERENCE, Urgency::Live),
            None => (Unit::Events { peer: chat.peer() }, method::CHANNEL_DIFFERENCE, Urgency::Fresh),
        };
        let Some(expected) = self.dispatch.expected_at(&difference.key()) else { return Ok(None) };
        // The accounts that could ask for it may be parked for hours, which the queue does not know of every unit.
        let readers = self.peers.readers(chat);
        let Some(free) = readers.iter().filter_map(|name| self.pool.free_at(name, method, urgency)).min() else {
            return Ok(None);
        };
        let (now, at) = (self.clock.now(), expected.max(free));
        Ok((at <= now + DIFFERENCE_WITHIN).then(|| (read, at.max(now) + DIFFERENCE_TAKES)))
    }

    /// The accounts that may be asked at all.
    pub(super) fn ready(&self) -> BTreeSet<AccountName> {
        self.pool.ready()
    }

    /// Has an account's dialogs walked to the first page without news.
    pub(super) fn add_walk_for_news(&self, account: &AccountName) {
        self.add(Unit::news(account, &Arc::new(Scope::all())), Priority::Fresh);
    }

    /// Has a peer asked for that an account has just joined, or whose state an account may see better.
    pub(super) fn add_poll_of(&self, account: &AccountName, peer: PeerId) {
        self.add(Unit::Poll { account: *account, peers: vec![peer] }, Priority::Live);
    }

    /// Has an account ask who it is, where that is not known yet, and what happened outside channels.
    pub(super) fn add_start_of(&self, account: &AccountName) {
        if self.clients.get(account).is_some_and(|client| client.session().user_id().is_none()) {
            self.add(Unit::Start { account: *account }, Priority::Live);
        }
        self.add_account_events(account);
    }

    /// Has an account ask what happened since the state that it has, or for the state that it lacks.
    pub(super) fn add_account_events(&self, account: &AccountName) {
        let has_state = self.clients.get(account).is_some_and(|client| client.session().updates().is_some());
        let account = *account;
        self.add(if has_state { Unit::AccountEvents { account } } else { Unit::State { account } }, Priority::Live);
    }

    /// Has the peers of an account asked again whose messages were said to be deleted, too many at once.
    pub(super) fn confirm_deletions(&self, account: &AccountName, archived: &Archived) -> Result<(), ArchiveError> {
        if archived.held > 0 {
            for chat in self.peers.own_chats(account) {
                self.add_history(chat, Priority::Fresh)?;
            }
        }
        Ok(())
    }

    /// Asks for the differences that bring what is new; returns the peers of which history is to be read too.
    ///
    /// To be called before the commit that makes the new ids known. From that commit on a sweep finds them missing; were the difference
    /// not in the queue by then, the sweep would have them read as history (a race that costs a request).
    pub(super) fn request_differences(&self, account: &AccountName, news: Vec<DialogTop>) -> Result<Vec<ChatId>, ArchiveError> {
        let mut rest = Vec::new();
        for top in news {
            let chat = ChatId::seen_by(*account, top.peer);
            let known = self.archive.view().crawl_state(chat)?.unwrap_or_default();
            if known.pts.is_some() && known.pts < top.pts {
                self.add(Unit::Events { peer: top.peer }, Priority::Fresh);
                continue;
            }
            if let Some(account) = chat.account()
                && self.is_read(chat)?
            {
                // Outside channels the account's difference brings what is new of all peers at once; it goes first, and history is
                // asked for what it did not bring.
                self.add(Unit::AccountEvents { account }, Priority::Live);
            }
            rest.push(chat);
        }
        Ok(rest)
    }

    /// Asks for the history of chats that have something new; to be called after that commit.
    pub(super) fn request_history(&self, chats: Vec<ChatId>) -> Result<(), ArchiveError> {
        for chat in chats {
            let priority = if self.is_read(chat)? { Priority::Fresh } else { Priority::Backfill };
            self.add_history(chat, priority)?;
        }
        Ok(())
    }

    /// Whether anything of a chat was ever read.
    fn is_read(&self, chat: ChatId) -> Result<bool, ArchiveError> {
        Ok(self.archive.view().coverage(chat)?.read.last().is_some())
    }

    /// Polls peers, each by an account that reads it: as few requests as can be, spread over the accounts.
    pub(super) fn poll(&self, chats: impl IntoIterator<Item = ChatId>) -> Result<(), ArchiveError> {
        self.poll_with(chats, |_| true)
    }

    /// Polls the peers that are crawled although no account has them among its dialogs.
    pub(super) fn poll_without_member(&self) -> Result<(), ArchiveError> {
        let mut admitted = Vec::new();
        for peer in self.peers.without_member() {
            if !self.admission.is_known(peer)? || self.admission.admits(peer, None)? {
                admitted.push(peer.into());
            }
        }
        self.poll(admitted)
    }

    /// Polls peers with some accounts only. One that must wait, or gets no answer at the moment, is left out where another reads the peer
    /// too.
    pub(super) fn poll_with(
        &self,
        chats: impl IntoIterator<Item = ChatId>,
        may: impl Fn(&AccountName) -> bool,
    ) -> Result<(), ArchiveError> {
        let soon = self.clock.now() + PACING;
        let free_at = |name: &AccountName| self.pool.free_at(name, method::PEER_DIALOGS, Priority::Fresh.urgency());
        let waits = |name: &AccountName| free_at(name).is_none_or(|at| at > soon);
        let mut waiting: BTreeSet<AccountName> = self.clients.names().filter(|name| waits(name)).cloned().collect();
        // The pool knows of no proxy that is down: what the account alone can do fails again and again.
        self.dispatch.each(|pending| {
            if pending.failures > 0
                && let Assignee::Account(name) = pending.task.key().assignee
            {
                waiting.insert(name);
            }
        });
        let mut by_account: BTreeMap<AccountName, Vec<PeerId>> = BTreeMap::new();
        for chat in chats {
            let mut readers = self.peers.readers(chat);
            readers.retain(|name| may(name));
            if readers.iter().any(|name| !waiting.contains(name)) {
                readers.retain(|name| !waiting.contains(name));
            }
            // A batch of a hundred peers costs one request: filling one that is begun is cheaper than beginning another.
            let begun = readers.iter().find(|r| by_account.get(*r).is_some_and(|p| !p.len().is_multiple_of(PEER_DIALOGS_MAX)));
            if let Some(account) = begun.or_else(|| readers.first()) {
                by_account.entry(*account).or_default().push(chat.peer());
            }
        }
        for (account, mut peers) in by_account {
            peers.sort_unstable();
            for peers in peers.chunks(PEER_DIALOGS_MAX) {
                self.add(Unit::Poll { account, peers: peers.to_vec() }, Priority::Fresh);
            }
        }
        Ok(())
    }
}

/// The priority of a range of history: only what lies above everything that was read is fresh, or was read before. What an event in a
/// half-read peer finds missing below is the past, as it was without the event.
fn urgency_of(range: IdRange, coverage: &Coverage, priority: Priority) -> Priority {
    let is_past = coverage.read.last().is_some_and(|read| range.last < read) && !coverage.read.contains(range.last);
    if is_past { priority.max(Priority::Backfill) } else { priority }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_above_the_newest_id_read_is_fresh() {
        let coverage = Coverage { read: [IdRange { first: 900, last: 1_000 }].into_iter().collect(), ..Coverage::default() };
        let of = |first, last| urgency_of(IdRange { first, last }, &coverage, Priority::Fresh);
        assert_eq!(of(1_001, 1_010), Priority::Fresh);
        assert_eq!(of(1, 899), Priority::Backfill, "the backlog");
        assert_eq!(of(950, 960), Priority::Fresh, "to be read again");
        assert_eq!(urgency_of(IdRange { first: 1, last: 899 }, &coverage, Priority::Counters), Priority::Counters);
        assert_eq!(urgency_of(IdRange { first: 1, last: 9 }, &Coverage::default(), Priority::Fresh), Priority::Fresh);
    }
}
