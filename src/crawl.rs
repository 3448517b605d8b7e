//! Crawling: which question to ask next, through which account, and what its answer makes true.
//!
//! Work is cut into units of one request each ([`Unit`]). A worker takes the most urgent unit for which an account is free,
//! asks, and writes the answer in one archive write; what is left to do becomes further units. So every moment is a good
//! moment to stop, and the next start goes on exactly there: the archive's coverage and cursors *are* the plan.
//!
//! - **Walk** (`discover`, `catch-up`): the list of dialogs tells each peer's newest message and state, a hundred peers a
//!   request. A catch-up stops at the first page on which nothing is new; a discovery goes to the end.
//! - **Events** (a channel's difference): what is new, edited and deleted since the state that the archive has.
//! - **History**: the newest ids that coverage lacks. A page states what is there *and* what is not, so reading again finds deletions.
//! - **Live**: what Telegram pushes is archived at once when it follows on the known state; a gap becomes an events unit.
//!
//! Polling is the truth; pushed updates only make it earlier. A peer is worked on by one unit at a time, and crawled once for all
//! accounts that can read it. A message that cannot be understood is archived raw, counted and passed over.

mod events;
mod history;
mod live;
mod progress;
mod queue;
mod walk;
mod worker;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::sync::mpsc;

use crate::accounts::Pool;
use crate::archive::{Archive, ArchiveError, Archived, Cursor, Raw, Write};
use crate::lifecycle::Lifecycle;
use crate::model::{AccountName, Clock, IdRange, Peer, PeerId, PeerKindOfId};
use crate::parse::Parsed;
use crate::schedule::{Job, PeerFacts, Scope};
use crate::telegram::{self, Client, Seen};

pub use progress::Progress;
pub use queue::Unit;
use queue::{Priority, Queue};

/// How to crawl.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How many of a channel's newest ids are read again after Telegram skipped edits and deletions.
    pub recheck_ids_max: u32,
    /// How many workers fetch and write; one more than requests may be under way keeps fetching while another writes.
    pub workers: usize,
}

/// What Telegram pushed and is not archived yet: a burst while the disk is busy. Beyond it the connection waits.
const PUSHES_IN_FLIGHT_MAX: usize = 1_000;

/// Ids that one request for history reads.
const PAGE_SIZE: u32 = 100;

/// The crawl.
pub struct Crawler {
    archive: Arc<Archive>,
    pool: Arc<Pool>,
    clients: BTreeMap<AccountName, Arc<Client>>,
    clock: Arc<dyn Clock>,
    settings: Settings,
    queue: Queue,
    not_understood: AtomicU64,
    workers_left: AtomicUsize,
}

impl std::fmt::Debug for Crawler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Crawler").field("accounts", &self.clients.len()).finish_non_exhaustive()
    }
}

impl Crawler {
    /// Starts crawling with the accounts of a pool: workers, and the reception of what Telegram pushes.
    pub fn start(
        archive: Arc<Archive>,
        pool: Arc<Pool>,
        sessions: impl IntoIterator<Item = Arc<crate::accounts::Session>>,
        clock: Arc<dyn Clock>,
        telegram: &telegram::Settings,
        settings: Settings,
        lifecycle: &Lifecycle,
    ) -> Arc<Self> {
        let (pushes, inbox) = mpsc::channel(PUSHES_IN_FLIGHT_MAX);
        let client = |session: Arc<crate::accounts::Session>| {
            let name = session.name().clone();
            (name, Arc::new(Client::new(session, telegram.clone(), lifecycle.clone(), pushes.clone())))
        };
        let clients = sessions.into_iter().map(client).collect();
        let crawler = Arc::new(Self {
            archive,
            pool,
            clients,
            clock,
            settings,
            queue: Queue::default(),
            not_understood: AtomicU64::new(0),
            workers_left: AtomicUsize::new(settings.workers + 1),
        });
        for name in crawler.clients.keys() {
            crawler.queue.add(Unit::Start { account: name.clone() }, Priority::Live);
        }
        for n in 1..=settings.workers {
            let c = Arc::clone(&crawler);
            lifecycle.work(format!("crawl-{n}"), move || worker::CrawlWorker::new(Arc::clone(&c)));
        }
        live::start(&crawler, inbox, lifecycle);
        crawler
    }

    /// Starts a job for some peers: adds its units. Nothing is asked yet when this returns.
    ///
    /// # Errors
    /// When the archive cannot be read or written.
    pub fn run(&self, job: Job, scope: &Scope) -> Result<(), ArchiveError> {
        match job {
            Job::Discover => self.walk(walk::Reach::Everything),
            // A list of dialogs is read for all of its peers, whoever is meant; for a few it is more than is needed.
            Job::CatchUp if scope.only.is_empty() => self.walk(walk::Reach::News),
            Job::CatchUp => {
                for (peer, cursor) in self.covered(scope)? {
                    let unit = match cursor.account {
                        Some(account) if peer.kind() != PeerKindOfId::Channel => Unit::AccountEvents { account },
                        _ => Unit::Events { peer },
                    };
                    self.queue.add(unit, Priority::Fresh);
                }
            }
            Job::Backfill => {
                for (peer, _) in self.covered(scope)? {
                    self.add_history(peer, Priority::Backfill)?;
                }
            }
            Job::Recheck => self.read_again(scope, self.settings.recheck_ids_max)?,
            // A page of history brings the counters of its messages along; older messages are hardly read any more.
            Job::Counters => self.read_again(scope, PAGE_SIZE)?,
        }
        Ok(())
    }

    /// Whether units of a job for some peers are still to be done, so that it is not started on top of itself.
    #[must_use]
    pub fn running(&self, job: Job, scope: &Scope) -> bool {
        self.queue.has(|unit| match (job, unit) {
            (Job::Discover, Unit::Walk { reach, .. }) => *reach == walk::Reach::Everything,
            (Job::CatchUp, Unit::Walk { reach, .. }) => scope.only.is_empty() && *reach == walk::Reach::News,
            (Job::CatchUp, Unit::Events { peer }) => !scope.only.is_empty() && self.covers(scope, *peer),
            (Job::Backfill | Job::Recheck | Job::Counters, Unit::History { peer }) => self.covers(scope, *peer),
            _ => false,
        })
    }

    /// Marks the newest ids of some peers as to be read again.
    fn read_again(&self, scope: &Scope, ids_max: u32) -> Result<(), ArchiveError> {
        for (peer, _) in self.covered(scope)? {
            let again = newest(&self.archive.coverage(peer)?.read, ids_max);
            let mut write = self.archive.write(self.clock.timestamp());
            write.cursor(peer, move |cursor| again.ranges().iter().for_each(|range| cursor.recheck.insert(*range)));
            Self::commit(write)?;
            self.add_history(peer, Priority::Backfill)?;
        }
        Ok(())
    }

    /// The peers of a scope that are crawled and can be read.
    fn covered(&self, scope: &Scope) -> Result<Vec<(PeerId, Cursor)>, ArchiveError> {
        let mut covered = Vec::new();
        for entry in self.archive.cursors() {
            let (peer, cursor) = entry?;
            if cursor.unavailable.is_none() && self.covers(scope, peer) {
                covered.push((peer, cursor));
            }
        }
        Ok(covered)
    }

    fn covers(&self, scope: &Scope, peer: PeerId) -> bool {
        let covers = |known: Peer| {
            let username = known.username.as_deref();
            let (usernames, title) = (username.as_slice(), known.title.as_str());
            scope.covers(&PeerFacts { id: peer, usernames, title, kind: known.kind, folders: &[] })
        };
        // A peer that the archive cannot describe is in no run that names some, and in every one that names all.
        scope.is_all() || self.archive.peer(peer).ok().flatten().is_some_and(covers)
    }

    fn walk(&self, reach: walk::Reach) {
        for name in self.clients.keys() {
            self.queue.add(Unit::Walk { account: name.clone(), reach, from: None }, Priority::Fresh);
        }
    }

    /// Adds a history unit when the peer lacks anything.
    fn add_history(&self, peer: PeerId, priority: Priority) -> Result<(), ArchiveError> {
        if history::next_range(&self.archive.coverage(peer)?, &self.archive.cursor(peer)?.unwrap_or_default()).is_some() {
            self.queue.add(Unit::History { peer }, priority);
        }
        Ok(())
    }

    /// The accounts that can read a peer: those that have an access hash for it, or, where ids are the account's own, the
    /// one that archives it.
    fn readers(&self, peer: PeerId) -> Result<Vec<AccountName>, ArchiveError> {
        let own = match peer.kind() {
            PeerKindOfId::Channel => None,
            PeerKindOfId::User | PeerKindOfId::Chat => self.archive.cursor(peer)?.and_then(|c| c.account),
        };
        let may = |(name, client): &(&AccountName, &Arc<Client>)| {
            own.as_ref().is_none_or(|own| own == *name) && client.session().knows(peer)
        };
        Ok(self.clients.iter().filter(may).map(|(name, _)| name.clone()).collect())
    }

    /// Adds a parsed message to a write.
    fn put(&self, write: &mut Write<'_>, parsed: Parsed) {
        if !parsed.not_understood.is_empty() {
            self.not_understood.fetch_add(1, Ordering::Relaxed);
            let key = parsed.message.key;
            tracing::warn!(
                peer.id = key.peer.0,
                message.id = key.id.0,
                "message {key} holds what this version has no name for ({}); it is archived raw",
                parsed.not_understood.join(", "),
            );
        }
        write.message(parsed.message, Raw { layer: telegram::LAYER, tl: parsed.raw }, parsed.revision);
    }

    /// Adds the peers that an answer mentions to a write.
    fn see(write: &mut Write<'_>, seen: Seen) {
        for peer in seen.peers {
            write.peer(peer);
        }
    }

    /// Commits a write off the scheduler's threads.
    fn commit(write: Write<'_>) -> Result<Archived, ArchiveError> {
        let archived = tokio::task::block_in_place(|| write.commit())?;
        for (kind, count) in [("new", archived.new), ("edited", archived.edited), ("deleted", archived.deleted)] {
            metrics::counter!("telescribe_messages_total", "change" => kind).increment(count as u64);
        }
        Ok(archived)
    }

    /// Called by each worker when it ends: the last one closes the connections.
    fn worker_ended(&self) {
        if self.workers_left.fetch_sub(1, Ordering::SeqCst) == 1 {
            for client in self.clients.values() {
                client.close();
            }
        }
    }
}

/// The newest `max` ids of a set of ranges.
fn newest(set: &crate::model::RangeSet, max: u32) -> crate::model::RangeSet {
    let Some(last) = set.last() else { return crate::model::RangeSet::new() };
    let first = i64::from(last) - i64::from(max) + 1;
    let mut kept = set.clone();
    if let Some(below) = i32::try_from(first - 1).ok().and_then(|end| IdRange::new(i32::MIN, end)) {
        kept.remove(below);
    }
    kept
}
