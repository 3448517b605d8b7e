//! Fetching on demand: a part of a history is read now, ahead of the backfill, because somebody waits for it.
//!
//! Each page is a task of its own, under the same rate limits, and is read and archived like every other page of history (`history`). What
//! differs is which ids are asked for, also such as were read before, and that somebody is told when the last of them is archived. A
//! peer that is not crawled is read so far, and no further.
//!
//! What is left of it is kept in memory only (not durable): after a restart nobody waits for it any more.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::admission::Admission;
use super::join::{JoinError, JoinTarget, Joins, PeerTarget};
use super::peers::Peers;
use super::planner::Planner;
use super::recorder::Recorder;
use super::unit::Unit;
use crate::accounts::Pool;
use crate::archive::{Archive, ArchiveError, Archived, CrawlState};
use crate::dispatch::Priority;
use crate::model::{AccountName, ChatId, IdRange, Peer, PeerId, RangeSet, Timestamp};

/// How many fetches are remembered: those that have ended make room.
const REMEMBERED_MAX: usize = 100;
/// How many may be under way at once.
const UNDER_WAY_MAX: usize = 20;
/// Ids that one fetch may ask for, or pages of a hundred: what is more is the backfill's.
const IDS_MAX: u64 = 100_000;
const PAGES_MAX: u64 = 1_000;

/// What of a history is to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The newest page.
    Newest,
    /// These ids.
    Ids(RangeSet),
    /// What was posted since a time.
    Since(Timestamp),
}

/// How a fetch is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchState {
    /// It goes on.
    Reading,
    /// All of it is archived.
    Done,
    /// Nothing more of it will be, and why.
    Failed(String),
}

/// A fetch, and how far it has got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetching {
    /// What is read.
    pub chat: ChatId,
    /// How it is doing.
    pub state: FetchState,
    /// Pages that were read.
    pub pages: u64,
    /// Messages on them.
    pub messages: u64,
    /// Of these, how many the archive did not have.
    pub new: u64,
    /// How many had changed.
    pub edited: u64,
    /// How many of the archive's were found to be deleted.
    pub deleted: u64,
    /// Ids that are left to read; none where what is to be read is named by a time.
    pub left: u64,
}

/// Why nothing is fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Too many are under way.
    #[error("{UNDER_WAY_MAX} fetches are under way; wait for one of them")]
    Busy,
    /// Too much is asked for.
    #[error("{0} ids are more than the {IDS_MAX} of one fetch; the job `backfill` reads whole histories")]
    TooMany(u64),
    /// Nothing is known of the peer.
    #[error("the archive knows no peer {0}, and an id alone cannot be looked up; name it by `@username` or a link")]
    UnknownPeer(PeerId),
    /// It is a private chat or basic group of several accounts.
    #[error("message ids are each account's own there; name one by `account`: {0}")]
    WhoseIds(String),
    /// It is a basic group that another account archives.
    #[error("group {0} is archived by account `{1}`; leave `account` out, or name that one")]
    AnotherOnes(PeerId, AccountName),
    /// Nobody can read it.
    #[error("no account can read peer {0} at present; `telescribe coverage` says why")]
    Nobody(PeerId),
    /// The operator's rules exclude it.
    #[error("peer {0} is excluded by `crawl.deny` or `crawl.kinds`")]
    Excluded(PeerId),
    /// It is an invite.
    #[error("an invite leads into a private chat, which only members can read: use `telescribe join`")]
    Invite,
    /// Its name cannot be resolved.
    #[error(transparent)]
    Join(#[from] JoinError),
}

impl From<ArchiveError> for FetchError {
    fn from(error: ArchiveError) -> Self {
        Self::Join(error.into())
    }
}

/// What a page of a fetch brought.
#[derive(Clone, Copy, Debug)]
pub(super) struct FetchedPage {
    /// The ids that it says everything of; none where there is nothing.
    pub(super) covered: Option<IdRange>,
    /// How many messages it has.
    pub(super) messages: u64,
    /// When the oldest of them was posted.
    pub(super) oldest: Option<Timestamp>,
    pub(super) archived: Archived,
}

/// A fetch as it is remembered.
pub(super) struct FetchRun {
    wanted: Wanted,
    /// The account that reads, where one was named.
    account: Option<AccountName>,
    /// From which id on downward it goes on, where a time ends it.
    below: i32,
    told: watch::Sender<Fetching>,
}

/// Fetches.
pub(super) struct Fetches {
    pub(super) archive: Arc<Archive>,
    pub(super) pool: Arc<Pool>,
    pub(super) peers: Arc<Peers>,
    pub(super) admission: Arc<Admission>,
    pub(super) planner: Arc<Planner>,
    pub(super) recorder: Arc<Recorder>,
    pub(super) joins: Arc<Joins>,
    pub(super) runs: Mutex<BTreeMap<u64, FetchRun>>,
}

impl Fetches {
    /// Begins to read a part of a peer's history; returns its number.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub(super) async fn begin(
        &self,
        account: Option<&AccountName>,
        target: &PeerTarget,
        wanted: Wanted,
    ) -> Result<(u64, Peer), FetchError> {
        if let Wanted::Ids(ids) = &wanted
            && ids.len() > IDS_MAX
        {
            return Err(FetchError::TooMany(ids.len()));
        }
        if let Some(account) = account.filter(|account| !self.pool.ready().contains(account)) {
            return Err(JoinError::NoAccount(account.to_string()).into());
        }
        let peer = self.peer(account, target).await?;
        if self.admission.excludes(&peer)? {
            return Err(FetchError::Excluded(peer.id));
        }
        let chat = self.chat(account, peer.id)?;
        let able = self.pool.ready();
        let may = |reader: &AccountName| able.contains(reader) && account.is_none_or(|account| account == reader);
        if !self.peers.readers(chat).iter().any(may) {
            return Err(FetchError::Nobody(peer.id));
        }
        if self.archive.view().crawl_state(chat)?.is_none() {
            let mut write = self.recorder.write();
            // Read so far, and no further.
            write.crawl_state(chat, |state| state.unavailable = Some(CrawlState::FETCHED.to_owned()));
            let turn = self.recorder.turn().await;
            Recorder::commit(&turn, write)?;
        }
        let run = self.add(chat, account.copied(), wanted)?;
        self.planner.add(self.unit(run, chat), Priority::Fresh);
        Ok((run, peer))
    }

    /// How a fetch is doing, as it goes on.
    pub(super) fn watch(&self, run: u64) -> Option<watch::Receiver<Fetching>> {
        self.give_up_unreadable();
        self.runs().get(&run).map(|run| run.told.subscribe())
    }

    /// The next page of a fetch, as a task.
    pub(super) fn unit(&self, run: u64, chat: ChatId) -> Unit {
        let newest = self.next_range(run).map_or(i32::MAX, |range| range.last);
        let account = self.runs().get(&run).and_then(|run| run.account);
        Unit::Fetch { chat, run, newest, account }
    }

    /// Ends what nobody can read any more: its account is banned, say, and its task was dropped.
    fn give_up_unreadable(&self) {
        let able = self.pool.ready();
        let under_way: Vec<(u64, ChatId)> = {
            let runs = self.runs();
            let reading = runs.iter().map(|(number, run)| (number, run.told.borrow().clone()));
            reading.filter(|(_, told)| told.state == FetchState::Reading).map(|(number, told)| (*number, told.chat)).collect()
        };
        for (run, chat) in under_way {
            if !self.peers.readers(chat).iter().any(|reader| able.contains(reader)) {
                self.fail(run, "no account can read it any more; `telescribe coverage` says why");
            }
        }
    }

    async fn peer(&self, account: Option<&AccountName>, target: &PeerTarget) -> Result<Peer, FetchError> {
        let name = match target {
            PeerTarget::Id(id) => {
                let known = self.archive.view().peer(*id)?;
                return known.ok_or(FetchError::UnknownPeer(*id));
            }
            PeerTarget::Named(JoinTarget::Invite(_)) => return Err(FetchError::Invite),
            PeerTarget::Named(JoinTarget::Username(name)) => name,
        };
        if let Some(peer) = self.archive.view().peer_by_username(name)?
            && (peer.id.has_own_ids() || !self.peers.readers(peer.id).is_empty())
        {
            return Ok(peer);
        }
        let account = self.joins.joiner(account.map(AccountName::as_str))?;
        let id = self.joins.resolve(&account, name).await?;
        self.archive.view().peer(id)?.ok_or(FetchError::UnknownPeer(id))
    }

    /// Which chat with a peer is meant.
    fn chat(&self, account: Option<&AccountName>, peer: PeerId) -> Result<ChatId, FetchError> {
        if !peer.has_own_ids() {
            return Ok(peer.into());
        }
        if let Some(account) = account {
            // One copy of a basic group is enough.
            let owner = self.peers.owner(peer).filter(|owner| owner != account);
            return owner.map_or_else(|| Ok(ChatId::seen_by(*account, peer)), |owner| Err(FetchError::AnotherOnes(peer, owner)));
        }
        let chats = self.archive.view().chats(peer)?;
        let open: Vec<ChatId> = chats.iter().filter(|(_, state)| !state.is_taken_over()).map(|(chat, _)| *chat).collect();
        match open.as_slice() {
            [only] => Ok(*only),
            [] => Err(FetchError::Nobody(peer)),
            several => {
                let names: Vec<String> = several.iter().map(|chat| format!("`{}`", chat.account_name())).collect();
                Err(FetchError::WhoseIds(names.join(", ")))
            }
        }
    }

    fn add(&self, chat: ChatId, account: Option<AccountName>, wanted: Wanted) -> Result<u64, FetchError> {
        self.give_up_unreadable();
        let mut runs = self.runs();
        let is_over = |run: &FetchRun| run.told.borrow().state != FetchState::Reading;
        if runs.values().filter(|run| !is_over(run)).count() >= UNDER_WAY_MAX {
            return Err(FetchError::Busy);
        }
        while runs.len() >= REMEMBERED_MAX {
            let oldest = runs.iter().find(|(_, run)| is_over(run)).map(|(number, _)| *number);
            let Some(oldest) = oldest else { break };
            runs.remove(&oldest);
        }
        let left = match &wanted {
            Wanted::Ids(ids) => ids.len(),
            Wanted::Newest | Wanted::Since(_) => 0,
        };
        let fetching = Fetching { chat, state: FetchState::Reading, pages: 0, messages: 0, new: 0, edited: 0, deleted: 0, left };
        let number = runs.last_key_value().map_or(1, |(last, _)| last + 1);
        let run = FetchRun { wanted, account, below: i32::MAX, told: watch::Sender::new(fetching) };
        runs.insert(number, run);
        Ok(number)
    }

    /// The ids that a fetch asks for next; `None` where nothing is left of it. Without an end where nobody knows how far the history goes.
    pub(super) fn next_range(&self, run: u64) -> Option<IdRange> {
        let runs = self.runs();
        let run = runs.get(&run).filter(|run| run.told.borrow().state == FetchState::Reading)?;
        match &run.wanted {
            Wanted::Ids(ids) => ids.ranges().last().copied(),
            Wanted::Newest | Wanted::Since(_) => IdRange::new(1, run.below),
        }
    }

    /// A page is archived; whether the fetch goes on.
    pub(super) fn note(&self, run: u64, page: FetchedPage) -> bool {
        let mut runs = self.runs();
        let Some(run) = runs.get_mut(&run) else { return false };
        let FetchRun { wanted, below, told, .. } = run;
        let mut left = 0;
        let is_over = match (wanted, page.covered) {
            (Wanted::Ids(ids), Some(covered)) => {
                ids.remove(covered);
                left = ids.len();
                ids.is_empty()
            }
            (Wanted::Since(since), Some(covered)) => {
                *below = covered.first.saturating_sub(1);
                *below < 1 || page.oldest.is_some_and(|oldest| oldest < *since)
            }
            (Wanted::Newest, _) | (_, None) => true,
        };
        told.send_modify(|fetching| {
            fetching.pages += 1;
            fetching.messages += page.messages;
            fetching.new += page.archived.new as u64;
            fetching.edited += page.archived.edited as u64;
            fetching.deleted += page.archived.deleted as u64;
            fetching.left = left;
            if is_over {
                fetching.state = FetchState::Done;
            } else if fetching.pages >= PAGES_MAX {
                let why =
                    format!("{PAGES_MAX} pages were read, and it goes further back; the job `backfill` reads whole histories");
                fetching.state = FetchState::Failed(why);
            }
        });
        told.borrow().state == FetchState::Reading
    }

    /// An account sees nothing of what is left of a fetch. What has no other end ends there.
    pub(super) fn end_of_sight(&self, run: u64, account: &AccountName, first: i32) {
        let has_own_end = matches!(self.runs().get(&run), Some(FetchRun { wanted: Wanted::Ids(_), .. }));
        if has_own_end {
            return self.fail(
                run,
                &format!("what is before id {first} is hidden from account `{account}`, and from all others that can read it"),
            );
        }
        if let Some(run) = self.runs().get(&run) {
            run.told.send_modify(|fetching| fetching.state = FetchState::Done);
        }
    }

    /// A fetch cannot go on.
    pub(super) fn fail(&self, run: u64, why: &str) {
        if let Some(run) = self.runs().get(&run) {
            run.told.send_modify(|fetching| fetching.state = FetchState::Failed(why.to_owned()));
        }
    }

    fn runs(&self) -> MutexGuard<'_, BTreeMap<u64, FetchRun>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
