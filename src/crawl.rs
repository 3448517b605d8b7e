//! Crawling: which question to ask next, through which account, and what its answer makes true.
//!
//! Work is cut into units of one request each ([`Unit`]). One dispatcher takes the unit with the highest priority for which an account
//! is free and hands it to a worker, which asks, and archives the answer in one atomic write; what is left to do becomes further units.
//! So every moment is a good moment to stop, and the next start resumes exactly there: coverage and crawl states are the checkpoint.
//!
//! - **Walk** (`discover`, `catch-up`): the list of dialogs tells each peer's newest message and state, a hundred peers a
//!   request. A catch-up stops at the first page on which nothing is new; a discovery goes to the end.
//! - **Poll**: the same of single peers, a hundred a request: those that no walk finds, and those with a schedule of their own.
//! - **Events** (a channel's difference, an incremental sync): what is new, edited and deleted since the pts that the archive has.
//! - **History**, by pagination: the newest ids that coverage lacks. A page states what is there *and* what is not, so reading again
//!   finds deletions.
//! - **Visibility**: from which id on an account sees a supergroup. A page covers only what its account sees.
//! - **Full**, **Views** (`counters`): how many members, how often seen.
//! - **Live**: what Telegram pushes is archived at once when it follows on the known pts; a gap becomes an events unit.
//!
//! Polling is the truth; pushed updates only make it earlier. A peer is worked on by one unit at a time (a lock), and crawled once for
//! all accounts that can read it (deduplication), but for private chats, which are each account's own. A message that cannot be decoded is archived raw, counted and skipped. A deletion is
//! believed when Telegram names it or a page of the peer does not show it; a mass deletion only when it was asked for again.
//!
//! Work that was unfinished when the program last ended is found in coverage and crawl states, and planned at once (`resumption`).
//!
//! The way through: `unit` says which kinds of tasks there are, `planner` what is asked next, `dispatch` (outside) who asks it; `walks` and
//! `polls` (by `dialogs`), `differences`, `account_events`, `history`, `folders`, `visibility`, `counters` ask, `live` listens, and all write by the
//! `recorder`; `fetch` reads what somebody waits for, `sweeps` finds work for the jobs, `abandoned` notes what nobody can read, `admission`, `join` and `follow` decide which peers there are, `peers` who reads them, `steps` what need not be asked for. No kind of
//! unit knows another: what an answer leads to goes through the planner. `assembly` puts them together; nothing that stays knows them all.

mod abandoned;
mod account_events;
mod admission;
mod assembly;
mod counters;
mod damaged;
mod dialogs;
mod differences;
mod fetch;
mod folders;
mod follow;
mod history;
mod join;
mod live;
mod lost_peers;
mod missing;
mod overtaken;
mod peers;
mod planner;
mod polls;
mod progress;
mod quiet_pages;
mod recorder;
mod resumption;
mod settings;
mod standing;
mod steps;
mod sweeps;
mod unit;
mod units;
mod visibility;
mod walks;

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use crate::accounts::{AccountStatus, Outage, Pool};
use crate::archive::{Address, Archive, ArchiveError};
use crate::dispatch::{Dispatch, Priority};
use crate::lifecycle::Lifecycle;
use crate::model::{AccountName, ChatId, Clock, Peer};
use crate::schedule::{Job, Scope};
use crate::telegram::{self, Client, Clients};

pub use admission::Rules;
pub use fetch::{FetchError, FetchState, Fetching, Wanted};
pub use follow::{FollowError, Following};
pub use join::{InvalidJoinTarget, JoinError, JoinTarget, Joining, PeerTarget};
pub use progress::Progress;
pub use settings::Settings;
pub use standing::Standing;
pub use unit::Unit;

use admission::Admission;
use assembly::Parts;
use fetch::Fetches;
use follow::Follows;
use join::Joins;
use planner::Planner;
use recorder::Recorder;
use standing::Standings;
use sweeps::Sweeper;
use unit::Perform;

/// The bound of the queue of pushed updates: a burst while the disk is busy. Beyond it the connection waits (back-pressure).
const PUSHES_IN_FLIGHT_MAX: usize = 1_000;

/// The crawl: what the rest of the program asks of it.
pub struct Crawler {
    pool: Arc<Pool>,
    clients: Arc<Clients>,
    dispatch: Arc<Dispatch>,
    admission: Arc<Admission>,
    planner: Arc<Planner>,
    recorder: Arc<Recorder>,
    standings: Arc<Standings>,
    sweeper: Arc<Sweeper>,
    joins: Arc<Joins>,
    follows: Arc<Follows>,
    fetches: Arc<Fetches>,
    /// Kept, and never called from here: the tasks in the queue have a weak reference to it, so that they end with the crawl.
    _performer: Arc<dyn Perform>,
}

impl std::fmt::Debug for Crawler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Crawler").field("clients", &self.clients).finish_non_exhaustive()
    }
}

impl Crawler {
    /// Starts crawling with the accounts of a pool: workers, and the reception of what Telegram pushes.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn start(
        archive: Arc<Archive>,
        pool: Arc<Pool>,
        sessions: impl IntoIterator<Item = Arc<crate::accounts::Session>>,
        clock: Arc<dyn Clock>,
        telegram: &telegram::Settings,
        settings: Settings,
        lifecycle: &Lifecycle,
    ) -> anyhow::Result<Arc<Self>> {
        let (pushes, inbox) = mpsc::channel(PUSHES_IN_FLIGHT_MAX);
        let client = |session: Arc<crate::accounts::Session>| {
            let name = *session.name();
            let client = Client::new(session, telegram.clone(), lifecycle.clone(), pushes.clone());
            (name, Arc::new(client.with_files(settings.files.clone()).paced_by(Arc::clone(&pool))))
        };
        let clients = Arc::new(Clients::new(sessions.into_iter().map(client).collect()));
        // A session may be of a later moment than the archive, which a crash has taken back or a backup has restored.
        for session in clients.iter().map(|(_, client)| client.session()) {
            let archived: Result<Vec<_>, ArchiveError> = archive.view().addresses(*session.name()).collect();
            session.keep_peers_in_archive(archived?.into_iter().map(|(peer, Address { user, hash })| (peer, user, hash)));
            let known = session.user_id().map(|user| archive.view().updates_state(session.name(), user)).transpose()?;
            if let Some(state) = known.flatten() {
                session.set_updates(state);
            }
        }
        let parts = assembly::assemble(archive, Arc::clone(&pool), Arc::clone(&clients), clock, &settings)?;
        let Parts {
            dispatch,
            admission,
            planner,
            recorder,
            standings,
            resumption,
            sweeper,
            joins,
            follows,
            fetches,
            live,
            abandoned,
            performer,
        } = parts;
        // Before anything is asked (a race): an answer tells of newer messages, whose difference is on its way.
        resumption.resume_now()?;
        for name in clients.names() {
            planner.add_start_of(name);
        }
        dispatch.start("crawl", settings.workers, lifecycle);
        resumption::start(&resumption, lifecycle);
        sweeps::start(&sweeper, lifecycle);
        abandoned::start(&abandoned, lifecycle);
        follow::start(&follows, lifecycle);
        damaged::start(&sweeper.archive, &planner, &recorder, lifecycle);
        live::start(&live, inbox, lifecycle);
        Ok(Arc::new(Self {
            pool,
            clients,
            dispatch,
            admission,
            planner,
            recorder,
            standings,
            sweeper,
            joins,
            follows,
            fetches,
            _performer: performer,
        }))
    }

    /// The clients of the accounts.
    #[must_use]
    pub fn clients(&self) -> &Arc<Clients> {
        &self.clients
    }

    /// The accounts' pool.
    #[must_use]
    pub fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// Starts a job for the peers that a scope covers, with those accounts that have nothing left of the run before.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn run(&self, job: Job, scope: &Scope) -> Result<(), ArchiveError> {
        let standing = self.standings.of(job, scope);
        let free = || self.clients.names().filter(|name| !standing.occupied().contains(*name));
        match job {
            Job::Discover => {
                for name in free() {
                    // Folders first: which peers are crawled may depend on them.
                    self.planner.add(Unit::Folders { account: *name }, Priority::Fresh);
                    self.planner.add(Unit::discovery(name), Priority::Fresh);
                }
            }
            Job::CatchUp if scope.only.is_empty() => {
                let scope = Arc::new(scope.clone());
                for name in free() {
                    self.planner.add(Unit::news(name, &scope), Priority::Fresh);
                }
                self.planner.poll_without_member()?;
            }
            Job::CatchUp => self
                .planner
                .poll_with(self.admission.crawled(scope)?.iter().copied(), |name| !standing.occupied().contains(name))?,
            Job::Backfill | Job::Recheck | Job::Counters => self.sweeper.sweep(job, scope, standing.occupied())?,
            // It is no part of the crawl.
            Job::Backup => {}
        }
        Ok(())
    }

    /// What is done of a run that is left out, because every account still has something of the one before: what depends on no account's
    /// walk.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn run_left_out(&self, job: Job, scope: &Scope) -> Result<(), ArchiveError> {
        if job == Job::CatchUp && scope.only.is_empty() {
            self.planner.poll_without_member()?;
        }
        Ok(())
    }

    /// How a job for the peers of a scope stands.
    #[must_use]
    pub fn standing(&self, job: Job, scope: &Scope) -> Standing {
        self.standings.of(job, scope)
    }

    /// Joins a peer with an account, or with the signed-in one that is in the fewest.
    ///
    /// # Errors
    /// See [`JoinError`].
    pub async fn join(&self, account: Option<&str>, target: &JoinTarget) -> Result<Joining, JoinError> {
        self.joins.join(account, target).await
    }

    /// Follows a public group or channel without joining it, with an account or with the signed-in one that is in the fewest.
    ///
    /// # Errors
    /// See [`FollowError`].
    pub async fn follow(&self, account: Option<&str>, target: &JoinTarget) -> Result<Following, FollowError> {
        self.follows.follow(account, target).await
    }

    /// Follows a public group or channel no longer.
    ///
    /// # Errors
    /// See [`FollowError`].
    pub async fn unfollow(&self, target: &PeerTarget) -> Result<Peer, FollowError> {
        self.follows.unfollow(target).await
    }

    /// Begins to read a part of a peer's history, ahead of the backfill; returns its number.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub async fn fetch(
        &self,
        account: Option<&AccountName>,
        target: &PeerTarget,
        wanted: Wanted,
    ) -> Result<(u64, Peer), FetchError> {
        self.fetches.begin(account, target, wanted).await
    }

    /// How a fetch is doing, as it goes on; `None` where there was none with this number, or it was long ago.
    #[must_use]
    pub fn fetching(&self, run: u64) -> Option<watch::Receiver<Fetching>> {
        self.fetches.watch(run)
    }

    /// What keeps a chat from being read on just now: nobody who can read it, or a wait that Telegram asked for.
    #[must_use]
    pub fn hindrance(&self, chat: ChatId) -> Option<String> {
        self.standings.hindrance(chat)
    }

    /// Tasks that wait, and locks that are held by those that run.
    #[must_use]
    pub fn backlog(&self) -> (usize, usize) {
        self.dispatch.len()
    }

    /// Constructors that this version has no name for, and how many messages held each, since the start.
    #[must_use]
    pub fn not_understood(&self) -> BTreeMap<&'static str, u64> {
        self.recorder.not_understood()
    }

    /// What is known of an account that gets no response from Telegram.
    #[must_use]
    pub fn outage(&self, account: &AccountName) -> Option<Outage> {
        self.clients.get(account)?.outage()
    }

    /// Whether an account gets responses from Telegram, and has had one since the start.
    #[must_use]
    pub fn has_answer(&self, account: &AccountName) -> bool {
        self.clients.get(account).is_some_and(|client| client.has_answer())
    }

    /// How the accounts are doing.
    #[must_use]
    pub fn accounts(&self) -> Vec<AccountStatus> {
        self.pool.status()
    }

    /// The queue of tasks, for other kinds of them.
    #[must_use]
    pub fn dispatch(&self) -> &Arc<Dispatch> {
        &self.dispatch
    }
}
