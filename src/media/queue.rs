//! The queue: which file is downloaded next, by which account, and what runs. What waits is in the archive; what runs is in memory only.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::sources::{Source, Sources};
use crate::archive::{Archive, ArchiveError, ArchivedFile};
use crate::model::{AccountName, Clock, FileId, Timestamp};

/// Entries of the queue that are looked at for one that can be begun: behind so many that cannot, none is looked for.
const LOOKED_AT_MAX: usize = 500;
/// How long is waited at most before the queue is looked at again.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// How many files of a size an account downloads at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slots {
    pub(super) small: usize,
    pub(super) large: usize,
}

/// A download that runs, for those who look on.
#[derive(Debug)]
pub(super) struct Running {
    /// By which account; `None` where none can have it, which is noted.
    pub(super) account: Option<AccountName>,
    pub(super) large: bool,
    pub(super) size: Option<u64>,
    pub(super) since: Instant,
    /// Bytes that are stored of it, and of these the ones that were there when it began.
    pub(super) done: AtomicU64,
    pub(super) before: AtomicU64,
    /// Whether all of it has come: it is only being stored, and another may be fetched.
    is_fetched: AtomicBool,
}

/// The queue.
pub(super) struct Queue {
    archive: Arc<Archive>,
    sources: Sources,
    clock: Arc<dyn Clock>,
    slots: Slots,
    running: Mutex<BTreeMap<FileId, Arc<Running>>>,
    woken: Notify,
}

/// A file that is being downloaded; it is free for others when this is dropped.
pub(super) struct Claim {
    pub(super) file: ArchivedFile,
    /// Where it may be got, the first one first.
    pub(super) sources: Vec<Source>,
    pub(super) running: Arc<Running>,
    queue: Arc<Queue>,
}

impl Claim {
    /// All of it has come. While it is hashed and the disk takes it, its account may begin with another.
    pub(super) fn fetched(&self) {
        self.running.is_fetched.store(true, Ordering::Relaxed);
        self.queue.wake();
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.queue.running().remove(&self.file.id);
        self.queue.wake();
    }
}

/// What the queue has.
pub(super) enum Next {
    /// This.
    Claim(Box<Claim>),
    /// Nothing before this time, as far as is known.
    NotBefore(Option<Timestamp>),
}

impl Queue {
    pub(super) fn new(archive: Arc<Archive>, sources: Sources, clock: Arc<dyn Clock>, slots: Slots) -> Arc<Self> {
        Arc::new(Self { archive, sources, clock, slots, running: Mutex::default(), woken: Notify::new() })
    }

    /// There may be something to do.
    pub(super) fn wake(&self) {
        self.woken.notify_waiters();
        self.woken.notify_one();
    }

    /// Claims the next file, small or large, that an account can download now.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub(super) fn claim(self: &Arc<Self>, large: bool) -> Result<Next, ArchiveError> {
        let now = self.clock.timestamp();
        for entry in self.archive.view().files_queued(large).take(LOOKED_AT_MAX) {
            let (due, id) = entry?;
            if due > now {
                return Ok(Next::NotBefore(Some(due)));
            }
            if self.running().contains_key(&id) {
                continue;
            }
            let Some(file) = self.archive.view().file(id)? else { continue };
            let sources = self.sources.of(&file)?;
            let mut running = self.running();
            let busy = |account: &AccountName, running: &BTreeMap<FileId, Arc<Running>>| {
                running.values().filter(|other| other.large == large && other.fetches(account)).count()
            };
            let most = if large { self.slots.large } else { self.slots.small };
            // Among those that may, the one with the least to do.
            let free = sources.iter().map(|source| (busy(&source.account, &running), source)).filter(|(busy, _)| *busy < most);
            let account = free.min_by_key(|(busy, source)| (source.effort(), *busy)).map(|(_, source)| source.account);
            // One that nobody can have is taken too: noted as such it is put off, and does not stand before the others for ever.
            if account.is_none() && !sources.is_empty() {
                continue;
            }
            let entry = Arc::new(Running {
                account,
                large,
                size: file.size(),
                since: Instant::now(),
                done: AtomicU64::new(0),
                before: AtomicU64::new(0),
                is_fetched: AtomicBool::new(false),
            });
            if running.contains_key(&id) {
                continue;
            }
            running.insert(id, Arc::clone(&entry));
            drop(running);
            let (mut sources, chosen) = (sources, account);
            sources.sort_by_key(|source| (Some(source.account) != chosen, source.effort()));
            let claim = Claim { file, sources, running: entry, queue: Arc::clone(self) };
            // As it is now: whoever had it may have stored it and let go of it since it was read.
            if self.archive.view().file(id)?.is_some_and(|file| file.due().is_some_and(|due| due <= now)) {
                return Ok(Next::Claim(Box::new(claim)));
            }
        }
        Ok(Next::NotBefore(None))
    }

    /// Returns when there may be something to do, at the latest at this time.
    pub(super) async fn wait(&self, until: Option<Timestamp>) {
        let now = self.clock.timestamp();
        let wait =
            until.map_or(WAIT_MAX, |at| Duration::from_secs(u64::try_from(at.0.saturating_sub(now.0)).unwrap_or(0).max(1)));
        tokio::select! {
            () = self.woken.notified() => {}
            () = tokio::time::sleep(wait.min(WAIT_MAX)) => {}
        }
    }

    /// What runs.
    pub(super) fn each_running(&self) -> Vec<(FileId, Arc<Running>)> {
        self.running().iter().map(|(id, running)| (*id, Arc::clone(running))).collect()
    }

    fn running(&self) -> MutexGuard<'_, BTreeMap<FileId, Arc<Running>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    fn fetches(&self, account: &AccountName) -> bool {
        self.account.as_ref() == Some(account) && !self.is_fetched.load(Ordering::Relaxed)
    }

    /// More of it is stored.
    pub(super) fn add(&self, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
    }

    /// So much of it was stored before.
    pub(super) fn resumes(&self, bytes: u64) {
        self.done.store(bytes, Ordering::Relaxed);
        self.before.store(bytes, Ordering::Relaxed);
    }

    /// Bytes a second since it began; the ones that were there before do not count.
    pub(super) fn rate(&self) -> f64 {
        let fetched = self.done.load(Ordering::Relaxed).saturating_sub(self.before.load(Ordering::Relaxed));
        fetched as f64 / self.since.elapsed().as_secs_f64().max(0.001)
    }
}
