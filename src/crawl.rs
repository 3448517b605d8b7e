//! Crawling: which question to ask next, through which account, and what its answer makes true.
//!
//! Work is cut into units of one request each ([`Unit`]). One dispatcher takes the most urgent unit for which an account is free and
//! hands it to a worker, which asks, and writes the answer in one archive write; what is left to do becomes further units. So every
//! moment is a good moment to stop, and the next start goes on exactly there: the archive's coverage and cursors *are* the plan.
//!
//! - **Walk** (`discover`, `catch-up`): the list of dialogs tells each peer's newest message and state, a hundred peers a
//!   request. A catch-up stops at the first page on which nothing is new; a discovery goes to the end.
//! - **Poll**: the same of single peers, a hundred a request: those that no walk finds, and those with a schedule of their own.
//! - **Events** (a channel's difference): what is new, edited and deleted since the state that the archive has.
//! - **History**: the newest ids that coverage lacks. A page states what is there *and* what is not, so reading again finds deletions.
//! - **Full**, **Views** (`counters`): how many members, how often seen.
//! - **Live**: what Telegram pushes is archived at once when it follows on the known state; a gap becomes an events unit.
//!
//! Polling is the truth; pushed updates only make it earlier. A peer is worked on by one unit at a time, and crawled once for all
//! accounts that can read it. A message that cannot be understood is archived raw, counted and passed over. A deletion is
//! believed when Telegram names it or a page of the peer does not show it; a mass deletion only when it was asked for again.
//!
//! What was in hand when the program last ended is found again in coverage and cursors, and planned at once (`resume`).
//!
//! The way through: `unit` says what there is to do, `queue` what is next, `dispatch` who does it; `walk`, `poll`, `events`,
//! `history`, `counters` do it, `live` listens; `sweep` finds work for the jobs, `discovery` and `join` decide which peers there are.

mod counters;
mod discovery;
mod dispatch;
mod events;
mod history;
mod join;
mod live;
mod overtaken;
mod poll;
mod progress;
mod queue;
mod resume;
mod standing;
mod sweep;
mod unit;
mod walk;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::DateTime;
use futures_util::future::join_all;
use tokio::sync::{Notify, mpsc};

use crate::accounts::Pool;
use crate::archive::{Archive, ArchiveError, Archived, MassDeletion, Raw, Write};
use crate::lifecycle::Lifecycle;
use crate::model::{AccountName, Clock, IdRange, PeerId, PeerKind, PeerKindOfId};
use crate::parse::Parsed;
use crate::schedule::{Job, Scope};
use crate::telegram::{self, Client};

pub use discovery::Rules;
pub use join::{JoinError, Joining, Target};
pub use progress::Progress;
pub use standing::Standing;
pub use unit::Unit;

use history::Wanted;
use overtaken::Overtaken;
use queue::Queue;
use unit::{Doer, Priority, Subject};
use walk::Reach;

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

impl Default for Settings {
    fn default() -> Self {
        Self {
            // A hundred requests: what an account can spare after an outage.
            recheck_ids_max: 10_000,
            // Telegram lets most messages be edited for 48 hours.
            recheck_window: Duration::from_hours(48),
            // A page: nobody deletes by hand what a page cannot show, and an hour is longer than Telegram's bad moments.
            mass_deletion: MassDeletion { ids_min: 100, confirm_after: Duration::from_hours(1) },
            rules: Rules::default(),
            linked_groups: true,
            resumed: vec![Scope::all()],
            workers: 2,
        }
    }
}

/// A wait up to this is pacing, which nobody needs to be told of.
const PACING: Duration = Duration::from_secs(30);
/// What Telegram pushed and is not archived yet: a burst while the disk is busy. Beyond it the connection waits.
const PUSHES_IN_FLIGHT_MAX: usize = 1_000;

/// The crawl.
pub struct Crawler {
    archive: Arc<Archive>,
    pool: Arc<Pool>,
    clients: BTreeMap<AccountName, Arc<Client>>,
    clock: Arc<dyn Clock>,
    settings: Settings,
    queue: Queue,
    sweeps: Mutex<sweep::Sweeps>,
    swept: Notify,
    walks: Mutex<BTreeMap<AccountName, walk::Walked>>,
    /// Peers whose message ids are an account's own, by the account that archives them.
    owned: Mutex<BTreeMap<AccountName, BTreeSet<PeerId>>>,
    /// Peers that are crawled though no account has them among its dialogs.
    followed: Mutex<BTreeSet<PeerId>>,
    /// Peers that lack something and that no account could address, until an answer brings them.
    sought: Mutex<BTreeSet<PeerId>>,
    /// The accounts' folders, as they were read last.
    folders: Mutex<BTreeMap<AccountName, Vec<telegram::Folder>>>,
    /// Constructors that this version has no name for, and how often they came.
    not_understood: Mutex<BTreeMap<&'static str, u64>>,
    /// How much was known of the folders when what had been put off was gone on with.
    gone_on: Mutex<discovery::FoldersKnown>,
    overtaken: Overtaken,
    workers_left: AtomicUsize,
}

impl std::fmt::Debug for Crawler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Crawler").field("accounts", &self.clients.len()).finish_non_exhaustive()
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
        let clients = sessions.into_iter().map(client).collect();
        let workers_left = AtomicUsize::new(settings.workers + 1);
        let crawler = Arc::new(Self {
            archive,
            pool,
            clients,
            clock,
            settings,
            queue: Queue::default(),
            sweeps: Mutex::default(),
            swept: Notify::new(),
            walks: Mutex::default(),
            owned: Mutex::default(),
            followed: Mutex::default(),
            sought: Mutex::default(),
            folders: Mutex::default(),
            not_understood: Mutex::default(),
            overtaken: Overtaken::default(),
            gone_on: Mutex::default(),
            workers_left,
        });
        crawler.resume()?;
        // Before anything is asked: an answer tells of newer messages, whose difference is on its way.
        crawler.go_on_with(crawler.folders_known())?;
        for name in crawler.clients.keys() {
            crawler.follow_account(name);
        }
        dispatch::start(&crawler, lifecycle);
        sweep::start(&crawler, lifecycle);
        live::start(&crawler, inbox, lifecycle);
        Ok(crawler)
    }

    /// Starts a job for the peers that a scope covers, with those accounts that have nothing left of the run before.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn run(&self, job: Job, scope: &Scope) -> Result<(), ArchiveError> {
        let standing = self.standing(job, scope);
        let free = || self.clients.keys().filter(|name| !standing.occupied().contains(*name));
        match job {
            Job::Discover => {
                for name in free() {
                    // Folders first: which peers are crawled may depend on them.
                    self.enqueue(Unit::Folders { account: name.clone() }, Priority::Fresh);
                    self.enqueue(Unit::Walk { account: name.clone(), reach: Reach::Everything, from: None }, Priority::Fresh);
                }
            }
            Job::CatchUp if scope.only.is_empty() => {
                let scope = Arc::new(scope.clone());
                for name in free() {
                    let reach = Reach::News(Arc::clone(&scope));
                    self.enqueue(Unit::Walk { account: name.clone(), reach, from: None }, Priority::Fresh);
                }
                self.poll_followed()?;
            }
            Job::CatchUp => self.poll_with(self.crawled(scope)?, |name| !standing.occupied().contains(name))?,
            Job::Backfill | Job::Recheck | Job::Counters => self.sweep(job, scope, standing.occupied())?,
        }
        Ok(())
    }

    /// Learns from the archive what is kept in memory: who archives what, and what is crawled without a member.
    fn resume(&self) -> anyhow::Result<()> {
        let mut members = BTreeSet::new();
        for entry in self.archive.memberships() {
            let (peer, membership) = entry?;
            if membership.current() {
                members.insert(peer);
            }
        }
        for entry in self.archive.cursors() {
            let (peer, cursor) = entry?;
            if let Some(owner) = &cursor.account {
                self.owned(owner, peer);
            }
            if cursor.unavailable.is_none() && !members.contains(&peer) {
                self.follow_alone(peer);
            }
        }
        Ok(())
    }

    fn look_for_news(&self, account: &AccountName) {
        let reach = Reach::News(Arc::new(Scope::all()));
        self.enqueue(Unit::Walk { account: account.clone(), reach, from: None }, Priority::Fresh);
    }

    /// Adds a history unit when the peer lacks anything.
    fn add_history(&self, peer: PeerId, priority: Priority) -> Result<(), ArchiveError> {
        let (coverage, cursor) = (self.archive.coverage(peer)?, self.archive.cursor(peer)?.unwrap_or_default());
        let not_before = match self.wanted(peer, &coverage, &cursor)? {
            Wanted::Nothing => return Ok(()),
            Wanted::Now(_) => DateTime::UNIX_EPOCH,
            Wanted::After(at) => at,
        };
        if self.admits(peer, None)? {
            self.again(Unit::History { peer }, priority, 0, not_before);
        }
        Ok(())
    }

    /// Has the peers of an account asked again whose messages were said to be deleted, too many at once.
    fn confirm_deletions(&self, account: &AccountName, archived: &Archived) -> Result<(), ArchiveError> {
        if archived.held > 0 {
            for peer in self.owned_by(account) {
                self.add_history(peer, Priority::Fresh)?;
            }
        }
        Ok(())
    }

    /// Adds a unit to the queue; without anybody who could do it, it is left for a later walk to find again.
    fn enqueue(&self, unit: Unit, priority: Priority) {
        if let Some((subject, candidates)) = self.place(&unit) {
            self.queue.add(unit, priority, subject, candidates);
        }
    }

    /// What a unit works on, and who could do it.
    fn place(&self, unit: &Unit) -> Option<(Subject, Vec<AccountName>)> {
        let own_ids = |peer: &PeerId| peer.kind() != PeerKindOfId::Channel;
        let found = || {
            let owner = match unit.peer().filter(own_ids) {
                Some(peer) => self.archive.cursor(peer)?.and_then(|c| c.account),
                None => None,
            };
            let candidates = match unit.doer() {
                Doer::Account(account) => vec![account.clone()],
                Doer::ReaderOf(peer) => self.readers(peer)?,
            };
            Ok::<_, ArchiveError>((unit.subject(owner), candidates))
        };
        match found() {
            Ok(place) => Some(place),
            Err(error) => {
                tracing::error!("{error}; the next walk through the dialogs retries");
                None
            }
        }
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

    /// Notes that an account archives a peer whose ids are its own.
    fn owned(&self, account: &AccountName, peer: PeerId) {
        self.owned.lock().unwrap_or_else(PoisonError::into_inner).entry(account.clone()).or_default().insert(peer);
    }

    /// The peers that an account archives because their ids are its own.
    fn owned_by(&self, account: &AccountName) -> Vec<PeerId> {
        let owned = self.owned.lock().unwrap_or_else(PoisonError::into_inner);
        owned.get(account).into_iter().flatten().copied().collect()
    }

    /// Whether the operator wants peers of this kind at all.
    fn may_be_crawled(&self, peer: PeerId) -> bool {
        let kinds = &self.settings.rules.kinds;
        match peer.kind() {
            PeerKindOfId::User => kinds.contains(&PeerKind::User),
            PeerKindOfId::Chat => kinds.contains(&PeerKind::Group),
            PeerKindOfId::Channel => true,
        }
    }

    /// Adds a parsed message to a write.
    fn put(&self, write: &mut Write<'_>, parsed: Parsed) {
        if !parsed.not_understood.is_empty() {
            let key = parsed.message.key;
            tracing::warn!(
                peer.id = key.peer.0,
                message.id = key.id.0,
                "message {key} contains what this version does not know ({}); its raw bytes are archived",
                parsed.not_understood.join(", "),
            );
            let mut counts = self.not_understood.lock().unwrap_or_else(PoisonError::into_inner);
            for name in &parsed.not_understood {
                *counts.entry(name).or_default() += 1;
                metrics::counter!("telescribe_not_understood_total", "constructor" => *name).increment(1);
            }
        }
        write.message(parsed.message, Raw { layer: telegram::LAYER, tl: parsed.raw }, parsed.revision);
    }

    /// Commits a write off the scheduler's threads.
    fn commit(write: Write<'_>) -> Result<Archived, ArchiveError> {
        let archived = tokio::task::block_in_place(|| write.commit())?;
        for (kind, count) in
            [("new", archived.new), ("edited", archived.edited), ("deleted", archived.deleted), ("held", archived.held)]
        {
            metrics::counter!("telescribe_messages_total", "change" => kind).increment(count as u64);
        }
        Ok(archived)
    }

    /// Called by each worker when it ends: the last one ends takeouts and closes the connections.
    async fn worker_ended(&self) {
        if self.workers_left.fetch_sub(1, Ordering::SeqCst) != 1 {
            return;
        }
        let ends = self.clients.iter().map(|(account, client)| async move {
            if client.in_takeout().await
                && let Err(error) = client.end_takeout().await
            {
                tracing::warn!(account.name = %account, "account `{account}`: the takeout session could not be finished: {error}");
            }
            client.close();
        });
        join_all(ends).await;
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
