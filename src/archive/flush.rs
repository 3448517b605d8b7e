//! Group flush: what is committed becomes durable, and readers see it, a few times a second.
//!
//! A commit that waited for the disk would cost a crawl most of its time; a reader that saw what the disk does not have could publish what a
//! power cut takes back, and its number would then be another change's. So commits go to the operating system at once, a thread of
//! its own has the disk take all of them together, and whoever reads for the world reads [`Archive::flushed`]: the snapshot that was
//! taken before the newest flush that has succeeded. With [`Durability::Always`](super::Durability) every commit is flushed by itself, and is seen at once.
//!
//! What the disk has is also noted outside of the archive (`marker`), at most once a second.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rocksdb::DB;
use tokio::sync::watch;

use crate::failpoints;
use crate::model::Seq;

use super::health::HealthState;
use super::log_end::LogEnd;
use super::marker::Marker;
use super::opened::Opened;
use super::schema;
use super::snapshot::Snapshot;
use super::{Archive, ArchiveError};

/// The shortest time between two flushes: what a reader waits at most, but for the disk. It costs a crawl about 2 % against a second; 50 ms
/// cost 11 % (docs/decisions/0014).
const FLUSH_INTERVAL: Duration = Duration::from_millis(200);
/// The shortest time between two notes in the marker.
const MARK_INTERVAL: Duration = Duration::from_secs(1);
/// How long the newest writes may stand in the write-ahead log alone. A log that is seldom full would otherwise hold months of a quiet
/// archive, and one flipped bit in it would have them all asked for again.
const TABLES_INTERVAL: Duration = Duration::from_mins(15);
/// How often the disk is looked at while all is well.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// The wait after a flush that failed, at first and at most.
const RETRY_MIN: Duration = Duration::from_millis(500);
const RETRY_MAX: Duration = Duration::from_secs(30);

/// What is committed, and what of it the disk has.
pub(super) struct Flush {
    opened: Opened,
    pub(super) health: HealthState,
    /// Where the change log ends; its lock (a mutex) is the one writer's.
    end: Mutex<LogEnd>,
    flushed: RwLock<Snapshot>,
    last: watch::Sender<Seq>,
    work: Mutex<Work>,
    woken: Condvar,
}

/// What the thread has to do.
#[derive(Default)]
struct Work {
    /// Something was committed since the flush before.
    committed: bool,
    stop: bool,
}

impl Flush {
    /// The disk has all that is there when an archive is opened.
    pub(super) fn new(opened: Opened, end: LogEnd, free_min: u64) -> Self {
        let snapshot = Snapshot::take(&opened, end);
        let last = watch::Sender::new(end.last());
        let (end, flushed) = (Mutex::new(end), RwLock::new(snapshot));
        let health = HealthState::new(&opened.path, free_min);
        Self { opened, health, end, flushed, last, work: Mutex::default(), woken: Condvar::new() }
    }

    pub(super) fn db(&self) -> &Arc<DB> {
        &self.opened.db
    }

    pub(super) fn writer(&self) -> MutexGuard<'_, LogEnd> {
        // A writer that panicked had not committed: the number it would have used is still the next one.
        self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The archive as it is now, and where its log ends. Nothing is written meanwhile.
    pub(super) fn now(&self) -> (Snapshot, LogEnd) {
        let end = self.writer();
        (self.snapshot_at(&end), *end)
    }

    /// The archive as it is at the end of its log, for who holds the writer's lock.
    pub(super) fn snapshot_at(&self, end: &MutexGuard<'_, LogEnd>) -> Snapshot {
        Snapshot::take(&self.opened, **end)
    }

    fn flushed(&self) -> Snapshot {
        self.flushed.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Something was committed that the disk may not have yet.
    pub(super) fn wake(&self) {
        self.work().committed = true;
        self.woken.notify_all();
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes out what is in memory tables, so that nothing is in the write-ahead log alone.
    pub(super) fn write_tables(&self) -> Result<(), rocksdb::Error> {
        failpoints::pass("archive-tables");
        schema::write_tables(self.db())
    }

    /// Looks at the disk.
    pub(super) fn look(&self) {
        self.health.look(&self.opened.path, self.db());
    }

    /// Has the disk take everything that is committed.
    fn flush(&self) -> Result<LogEnd, rocksdb::Error> {
        let (snapshot, end) = self.now();
        failpoints::pass("archive-flush");
        self.db().flush_wal(true)?;
        failpoints::pass("archive-flushed");
        self.advance(snapshot);
        Ok(end)
    }

    /// The disk has all that a snapshot sees.
    pub(super) fn advance(&self, snapshot: Snapshot) {
        let last = snapshot.last_seq();
        let mut flushed = self.flushed.write().unwrap_or_else(PoisonError::into_inner);
        // Two flushes may end in another order than they began.
        if snapshot.is_newer_than(&flushed) {
            *flushed = snapshot;
            // Under the lock: the number must not go back either.
            self.last.send_if_modified(|known| std::mem::replace(known, last) != last);
        }
    }
}

impl Archive {
    /// What is true and on the disk: what readers may show and publish, because no power cut takes it back.
    #[must_use]
    pub fn flushed(&self) -> Snapshot {
        self.flush.flushed()
    }

    /// The number of the newest change that is on the disk, and a way to wait for newer ones.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Seq> {
        self.flush.last.subscribe()
    }

    /// Syncs everything that was committed to the disk (fsync), and lets readers see it.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn sync(&self) -> Result<(), ArchiveError> {
        self.flush.flush().map(drop).map_err(|e| self.store(e))
    }
}

/// The thread that flushes, for as long as this lives.
pub(super) struct Flusher {
    flush: Arc<Flush>,
    thread: Option<JoinHandle<()>>,
}

impl Flusher {
    /// Starts it.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn start(flush: &Arc<Flush>, marker: Marker) -> std::io::Result<Self> {
        let flush = Arc::clone(flush);
        let flushing = Flushing {
            flush: Arc::clone(&flush),
            marker,
            unmarked: None,
            marked_at: None,
            tables_at: None,
            look_at: Instant::now(),
            patience: LOOK_INTERVAL,
        };
        let thread = std::thread::Builder::new().name("archive-flush".to_owned()).spawn(move || flushing.run())?;
        Ok(Self { flush, thread: Some(thread) })
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        self.flush.work().stop = true;
        self.flush.woken.notify_all();
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            tracing::error!("the thread that flushes the archive has panicked");
        }
    }
}

/// What the thread knows.
struct Flushing {
    flush: Arc<Flush>,
    marker: Marker,
    /// What the disk has and the marker does not say yet.
    unmarked: Option<LogEnd>,
    marked_at: Option<Instant>,
    /// When what is in memory tables is written out.
    tables_at: Option<Instant>,
    /// When the disk is looked at again.
    look_at: Instant,
    patience: Duration,
}

impl Flushing {
    fn run(mut self) {
        let mut retry = RETRY_MIN;
        loop {
            let stop = self.wait_for_work();
            self.look_soon();
            let began = Instant::now();
            let pause = match self.flush.flush() {
                Ok(end) => {
                    self.unmarked = Some(end);
                    self.tables_at.get_or_insert_with(|| began + TABLES_INTERVAL);
                    retry = RETRY_MIN;
                    FLUSH_INTERVAL
                }
                Err(error) => {
                    self.flush.health.failed(&error);
                    self.flush.work().committed = true;
                    let pause = retry;
                    retry = (retry * 2).min(RETRY_MAX);
                    pause
                }
            };
            metrics::histogram!("telescribe_archive_flush_seconds").record(began.elapsed());
            if stop {
                return self.mark();
            }
            self.mark_if_due();
            self.look_if_due();
            self.write_tables_if_due();
            self.rest_until(began + pause);
        }
    }

    /// Returns when something was committed, or the archive is being closed.
    fn wait_for_work(&mut self) -> bool {
        loop {
            let due = self.unmarked.map(|_| self.mark_due()).into_iter().chain(self.tables_at).chain([self.look_at]).min();
            let mut work = self.flush.work();
            while !work.committed && !work.stop {
                match due.map(|due| due.saturating_duration_since(Instant::now())) {
                    None => work = self.flush.woken.wait(work).unwrap_or_else(PoisonError::into_inner),
                    Some(Duration::ZERO) => break,
                    Some(left) => work = self.flush.woken.wait_timeout(work, left).unwrap_or_else(PoisonError::into_inner).0,
                }
            }
            if std::mem::take(&mut work.committed) || work.stop {
                return work.stop;
            }
            drop(work);
            self.mark_if_due();
            self.look_if_due();
            self.write_tables_if_due();
        }
    }

    fn write_tables_if_due(&mut self) {
        if self.tables_at.is_some_and(|at| at <= Instant::now()) {
            self.tables_at = None;
            if let Err(error) = self.flush.write_tables() {
                self.flush.health.failed(&error);
            }
        }
    }

    /// Looks at the disk; more seldom the longer there is trouble.
    fn look_if_due(&mut self) {
        if self.look_at > Instant::now() {
            return;
        }
        self.flush.look();
        self.patience = match self.flush.health.get().is_writable() {
            true => LOOK_INTERVAL,
            false => (self.patience * 2).clamp(RETRY_MIN, RETRY_MAX),
        };
        self.look_at = Instant::now() + self.patience;
    }

    /// Looks at the disk as soon as writes fail.
    fn look_soon(&mut self) {
        if !self.flush.health.get().is_writable() && self.patience == LOOK_INTERVAL {
            self.patience = RETRY_MIN;
            self.look_at = Instant::now() + RETRY_MIN;
        }
    }

    /// Lets commits gather, so that one flush is for many.
    fn rest_until(&self, at: Instant) {
        let mut work = self.flush.work();
        while !work.stop {
            let left = at.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            work = self.flush.woken.wait_timeout(work, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn mark_due(&self) -> Instant {
        self.marked_at.map_or_else(Instant::now, |at| at + MARK_INTERVAL)
    }

    fn mark_if_due(&mut self) {
        if self.mark_due() <= Instant::now() {
            self.mark();
        }
    }

    fn mark(&mut self) {
        if let Some(end) = self.unmarked.take() {
            self.marker.note(end.last(), end.at);
            self.marked_at = Some(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Durability, Raw};
    use super::*;
    use crate::model::{Message, MessageId, MessageKey, PeerId, Timestamp};

    fn archive_one(archive: &Archive, id: i32) {
        let mut write = archive.write(Timestamp(1_706_702_400));
        let key = MessageKey::new(PeerId(-7), MessageId(id));
        write.message(Message::new(key, Timestamp(1_706_600_000)), Raw { layer: 230, tl: vec![7; 60], account: None }, 0);
        write.commit().unwrap();
    }

    /// How many messages a snapshot has, and its last change.
    fn seen(snapshot: &Snapshot) -> (u64, Seq) {
        (snapshot.view().verify().unwrap().messages, snapshot.last_seq())
    }

    #[test]
    fn readers_see_what_is_committed_when_the_disk_has_it_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("archive");
        let mut archive = Archive::open(&path, Durability::Os).unwrap();
        // Without the thread that flushes.
        archive.flusher = None;
        let newest = archive.subscribe();
        archive_one(&archive, 1);
        archive_one(&archive, 2);
        assert_eq!(archive.last_seq(), Seq(2));
        assert_eq!(seen(&archive.snapshot()), (2, Seq(2)), "the crawl sees what it has written");
        assert_eq!((seen(&archive.flushed()), *newest.borrow()), ((0, Seq(0)), Seq(0)), "readers do not yet");
        let before = archive.flushed();
        archive.sync().unwrap();
        assert_eq!((seen(&archive.flushed()), *newest.borrow()), ((2, Seq(2)), Seq(2)));
        assert_eq!(seen(&before), (0, Seq(0)), "a snapshot stays what it was");
    }

    #[test]
    fn a_flush_that_ends_late_takes_nothing_back() {
        let folder = tempfile::tempdir().unwrap();
        let archive = Archive::open(&folder.path().join("archive"), Durability::Always).unwrap();
        archive_one(&archive, 1);
        let (early, _) = archive.flush.now();
        archive_one(&archive, 2);
        assert_eq!(seen(&archive.flushed()), (2, Seq(2)));
        archive.flush.advance(early);
        assert_eq!(seen(&archive.flushed()), (2, Seq(2)));
    }

    #[test]
    fn what_is_committed_is_flushed_and_marked_without_being_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("archive");
        let archive = Archive::open(&path, Durability::Os).unwrap();
        let mut newest = archive.subscribe();
        archive_one(&archive, 1);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(newest.wait_for(|newest| *newest == Seq(1))).unwrap();
        drop(archive);
        let marked = std::fs::read_to_string(folder.path().join("archive.json")).unwrap();
        assert!(marked.contains("\"change\":1,"), "{marked}");
    }
}
