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
//! - **Full**, **Views** (`counters`): how many members, how often seen.
//! - **Live**: what Telegram pushes is archived at once when it follows on the known pts; a gap becomes an events unit.
//!
//! Polling is the truth; pushed updates only make it earlier. A peer is worked on by one unit at a time (a lock), and crawled once for
//! all accounts that can read it (deduplication). A message that cannot be decoded is archived raw, counted and skipped. A deletion is
//! believed when Telegram names it or a page of the peer does not show it; a mass deletion only when it was asked for again.
//!
//! Work that was unfinished when the program last ended is found in coverage and crawl states, and planned at once (`resumption`).
//!
//! The way through: `unit` says which kinds of tasks there are, `planner` what is asked next, `dispatch` (outside) who asks it; `walks` and
//! `polls` (by `dialogs`), `differences`, `account_events`, `history`, `folders`, `counters` ask, `live` listens, and all write by the
//! `recorder`; `sweeps` finds work for the jobs, `admission` and `join` decide which peers there are, `peers` who reads them. No kind of
//! unit knows another: what an answer leads to goes through the planner.

mod account_events;
mod admission;
mod counters;
mod dialogs;
mod differences;
mod folders;
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
mod recorder;
mod resumption;
mod standing;
mod sweeps;
mod unit;
mod units;
mod walks;

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::mpsc;

use crate::accounts::{AccountStatus, Pool, Urgency};
use crate::archive::{Archive, ArchiveError, MassDeletion};
use crate::dispatch::{Dispatch, Priority};
use crate::lifecycle::Lifecycle;
use crate::model::{Clock, PeerId, Timestamp};
use crate::schedule::{Job, Scope};
use crate::telegram::{self, Client, Clients, method};

pub use admission::Rules;
pub use join::{JoinError, JoinTarget, Joining};
pub use progress::Progress;
pub use standing::Standing;
pub use unit::Unit;

use account_events::AccountEvents;
use admission::Admission;
use counters::Counting;
use dialogs::Dialogs;
use differences::Differences;
use folders::Folders;
use history::History;
use join::Joins;
use live::Live;
use lost_peers::LostPeers;
use overtaken::Overtaken;
use peers::Peers;
use planner::Planner;
use polls::Polls;
use recorder::Recorder;
use resumption::Resumption;
use standing::Standings;
use sweeps::{Sweeper, Sweeps};
use unit::Perform;
use units::Units;
use walks::Walks;

/// How to crawl.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many of a channel's newest ids are read again after Telegram skipped edits and deletions, and by a recheck.
    pub recheck_ids_max: u32,
    /// How far back a recheck reads.
    pub recheck_window: Duration,
    /// How many messages that vanish at once are not believed to be deleted before they were asked for again.
    pub mass_deletion: MassDeletion,
    /// Which peers are crawled.
    pub rules: Rules,
    /// Whether the discussion groups of crawled channels are crawled too.
    pub linked_groups: bool,
    /// The peers of which what coverage lacks is planned at the start.
    pub resumed: Vec<Scope>,
    /// How many workers fetch and write; one more than requests may be under way keeps fetching while another writes.
    pub workers: usize,
}

/// A wait up to this is pacing (a rate limit at work), which nobody needs to be told of.
const PACING: Duration = Duration::from_secs(30);
/// The bound of the queue of pushed updates: a burst while the disk is busy. Beyond it the connection waits (back-pressure).
const PUSHES_IN_FLIGHT_MAX: usize = 1_000;

/// The crawl: what the rest of the program asks of it.
pub struct Crawler {
    clients: Arc<Clients>,
    dispatch: Arc<Dispatch>,
    admission: Arc<Admission>,
    planner: Arc<Planner>,
    recorder: Arc<Recorder>,
    standings: Arc<Standings>,
    sweeper: Arc<Sweeper>,
    joins: Joins,
    units: Units,
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
            let name = session.name().clone();
            let client = Client::new(session, telegram.clone(), lifecycle.clone(), pushes.clone());
            (name, Arc::new(client.paced_by(Arc::clone(&pool))))
        };
        let clients = Arc::new(Clients::new(sessions.into_iter().map(client).collect()));
        let dispatch = Dispatch::new(Arc::clone(&pool), Arc::clone(&clients), Arc::clone(&clock));
        let peers = Arc::new(Peers::new(Arc::clone(&archive), Arc::clone(&clients)));
        peers.load()?;
        let admission = Arc::new(Admission::new(Arc::clone(&archive), settings.rules.clone()));
        let workers = settings.workers;
        let (mut resumption, mut live) = (None, None);
        // What waits in the queue has a weak reference to the crawler, so that it ends with its last user.
        let crawler = Arc::new_cyclic(|crawler: &Weak<Self>| {
            let performer: Weak<dyn Perform> = Weak::<Self>::clone(crawler);
            let planner = Arc::new(Planner { archive, pool, clients, clock, dispatch, peers, admission, performer });
            let parts = Self::put_together(planner, &settings);
            (resumption, live) = (Some(parts.1), Some(parts.2));
            parts.0
        });
        if let (Some(resumption), Some(live)) = (resumption, live) {
            // Before anything is asked (a race): an answer tells of newer messages, whose difference is on its way.
            resumption.resume_now()?;
            for name in crawler.clients.names() {
                crawler.planner.add_start_of(name);
            }
            crawler.dispatch.start(workers, lifecycle);
            resumption::start(&resumption, lifecycle);
            sweeps::start(&crawler.sweeper, lifecycle);
            live::start(&live, inbox, lifecycle);
        }
        Ok(crawler)
    }

    fn put_together(planner: Arc<Planner>, settings: &Settings) -> (Self, Arc<Resumption>, Arc<Live>) {
        let Planner { archive, pool, clients, clock, dispatch, peers, admission, .. } = planner.as_ref();
        let (recheck_ids_max, linked_groups) = (settings.recheck_ids_max, settings.linked_groups);
        let (sweeps, overtaken) = (Arc::new(Sweeps::default()), Arc::new(Overtaken::default()));
        let lost_peers = Arc::new(LostPeers::new(Arc::clone(&planner)));
        let recorder = Arc::new(Recorder::new(&planner, Arc::clone(&lost_peers), settings.mass_deletion));
        let standings = Arc::new(Standings {
            pool: Arc::clone(pool),
            clients: Arc::clone(clients),
            clock: Arc::clone(clock),
            dispatch: Arc::clone(dispatch),
            sweeps: Arc::clone(&sweeps),
        });
        let resumption = Arc::new(Resumption::new(
            Arc::clone(&planner),
            Arc::clone(&lost_peers),
            Arc::clone(&standings),
            settings.resumed.clone(),
        ));
        let dialogs = Arc::new(Dialogs {
            archive: Arc::clone(archive),
            peers: Arc::clone(peers),
            admission: Arc::clone(admission),
            planner: Arc::clone(&planner),
            linked_groups,
        });
        let differences = Arc::new(Differences {
            archive: Arc::clone(archive),
            planner: Arc::clone(&planner),
            recorder: Arc::clone(&recorder),
            recheck_ids_max,
        });
        let account_events = Arc::new(AccountEvents {
            clients: Arc::clone(clients),
            peers: Arc::clone(peers),
            admission: Arc::clone(admission),
            planner: Arc::clone(&planner),
            recorder: Arc::clone(&recorder),
            differences: Arc::clone(&differences),
        });
        let live = Arc::new(Live {
            archive: Arc::clone(archive),
            clients: Arc::clone(clients),
            dispatch: Arc::clone(dispatch),
            peers: Arc::clone(peers),
            planner: Arc::clone(&planner),
            recorder: Arc::clone(&recorder),
            account_events: Arc::clone(&account_events),
            overtaken: Arc::clone(&overtaken),
        });
        let sweeper = Arc::new(Sweeper {
            archive: Arc::clone(archive),
            sweeps,
            peers: Arc::clone(peers),
            admission: Arc::clone(admission),
            planner: Arc::clone(&planner),
            lost_peers,
            recorder: Arc::clone(&recorder),
            recheck_ids_max,
            recheck_window: settings.recheck_window,
        });
        let joins = Joins {
            archive: Arc::clone(archive),
            pool: Arc::clone(pool),
            clients: Arc::clone(clients),
            clock: Arc::clone(clock),
            planner: Arc::clone(&planner),
            recorder: Arc::clone(&recorder),
        };
        let units = Units {
            walks: Walks::new(Arc::clone(&dialogs), Arc::clone(&recorder), Arc::clone(&resumption)),
            polls: Polls {
                planner: Arc::clone(&planner),
                recorder: Arc::clone(&recorder),
                dialogs,
                resumption: Arc::clone(&resumption),
            },
            folders: Folders {
                archive: Arc::clone(archive),
                admission: Arc::clone(admission),
                recorder: Arc::clone(&recorder),
                resumption: Arc::clone(&resumption),
            },
            differences,
            account_events,
            history: History {
                archive: Arc::clone(archive),
                pool: Arc::clone(pool),
                clock: Arc::clone(clock),
                planner: Arc::clone(&planner),
                recorder: Arc::clone(&recorder),
                overtaken,
                recheck_ids_max,
            },
            counting: Counting {
                archive: Arc::clone(archive),
                peers: Arc::clone(peers),
                admission: Arc::clone(admission),
                planner: Arc::clone(&planner),
                recorder: Arc::clone(&recorder),
                linked_groups,
            },
        };
        let (clients, dispatch, admission) = (Arc::clone(clients), Arc::clone(dispatch), Arc::clone(admission));
        let crawler = Self { clients, dispatch, admission, planner, recorder, standings, sweeper, joins, units };
        (crawler, resumption, live)
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
                    self.planner.add(Unit::Folders { account: name.clone() }, Priority::Fresh);
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
            Job::CatchUp => self.planner.poll_with(self.admission.crawled(scope)?, |name| !standing.occupied().contains(name))?,
            Job::Backfill | Job::Recheck | Job::Counters => self.sweeper.sweep(job, scope, standing.occupied())?,
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

    /// What keeps a peer from being read on just now: nobody who can read it, or a wait that Telegram asked for.
    #[must_use]
    pub fn hindrance(&self, peer: PeerId) -> Option<String> {
        let readers = self.planner.peers.readers(peer).ok()?;
        if readers.is_empty() {
            return Some("no account can read it".to_owned());
        }
        let now = self.planner.clock.now();
        let free =
            readers.iter().filter_map(|account| self.planner.pool.free_at(account, method::HISTORY, Urgency::Background)).min();
        match free {
            None => Some("the accounts that can read it are signed out or banned; see `telescribe account list`".to_owned()),
            Some(at) if at > now + PACING => Some(format!("flood wait until {}", Timestamp::from(at))),
            Some(_) => None,
        }
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

    /// How the accounts are doing.
    #[must_use]
    pub fn accounts(&self) -> Vec<AccountStatus> {
        self.planner.pool.status()
    }

    /// The queue of tasks, for other kinds of them.
    #[must_use]
    pub fn dispatch(&self) -> &Arc<Dispatch> {
        &self.dispatch
    }
}
