//! The worker of the mirror: connects, keeps a window of uploads filled, removes what nothing refers to, and moves the position.
//!
//! An outage ends all uploads that are under way; their blobs wait, and are taken up when the server answers again, asked with backoff. What is about one
//! object alone is tried a few times, behind the others, and then given up until all files are looked at again.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::MIRROR_READER;
use super::audit::{Audited, audit};
use super::backlog::Backlog;
use super::backoff::{Jitter, doubled};
use super::error::StoreError;
use super::status::{MirrorState, Status};
use super::store::Store;
use super::upload::{MirrorFailure, Mirrored, Uploader};
use crate::archive::Archive;
use crate::blob::{BlobCopies, BlobHash, Blobs};
use crate::lifecycle::{Lifecycle, StepOutcome, Worker};
use crate::model::Clock;

/// The first wait after an outage has begun; doubled at each further try.
const RETRY_FIRST: Duration = Duration::from_millis(500);
/// The longest: an operator who has repaired it does not wait longer than this.
const RETRY_MAX: Duration = Duration::from_secs(30);
/// Tries of one object, before it is given up until the next walk.
const TRIES: u32 = 3;
/// How often it is looked whether something is to be removed; that is a seek in the database.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Objects that are removed in one go: meanwhile the uploads that are under way stand still.
const REMOVED_AT_ONCE: usize = 32;
/// How long a stop may take to discard what uploads have left at the server; what it does not come to, the next start does.
const FINISH_TIMEOUT: Duration = Duration::from_secs(1);
/// Under this name it is noted which bucket the marks of blobs are about.
const TARGET_NOTE: &str = "target";

/// What the worker is made of.
#[derive(Clone)]
pub(super) struct MirrorParts {
    pub(super) archive: Arc<Archive>,
    pub(super) blobs: Blobs,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) lifecycle: Lifecycle,
    pub(super) store: Arc<Store>,
    pub(super) uploader: Arc<Uploader>,
    pub(super) status: Arc<Status>,
    pub(super) suspicion: Arc<Notify>,
    pub(super) uploads: usize,
    pub(super) removes: bool,
    pub(super) drops: bool,
    pub(super) seed: u64,
}

impl MirrorParts {
    /// The marks of blobs are about one bucket. Where another one is configured, what is here is mirrored anew; what was only in the former one must be in
    /// this one before anything is written.
    async fn adopt_target(&self) -> Result<(), MirrorFailure> {
        let Self { blobs, store, .. } = self;
        let target = store.target();
        let former = tokio::task::block_in_place(|| blobs.mirror_note(TARGET_NOTE))?;
        if former.as_deref() == Some(target.as_bytes()) {
            return Ok(());
        }
        let marked: Vec<(BlobHash, u64, BlobCopies)> =
            tokio::task::block_in_place(|| blobs.mirrored().collect::<Result<_, _>>())?;
        let mut missing = 0_u64;
        for (hash, size, _) in marked.iter().filter(|(.., copies)| *copies == BlobCopies::Mirror) {
            if store.size(hash).await? != Some(*size) {
                missing += 1;
            }
        }
        if missing > 0 {
            let former = former.map(|former| String::from_utf8_lossy(&former).into_owned()).unwrap_or_default();
            return Err(StoreError::Refused(format!(
                "{missing} files are only in the former mirror, {former}, and not in this one: set `mirror` as it was, or copy its objects here"
            ))
            .into());
        }
        tokio::task::block_in_place(|| {
            for (hash, ..) in &marked {
                blobs.forget_mirrored(hash)?;
            }
            blobs.set_mirror_note(TARGET_NOTE, Some(target.as_bytes()))?;
            blobs.flush()
        })?;
        Ok(())
    }
}

type RunningUpload = BoxFuture<'static, (BlobHash, Result<Mirrored, MirrorFailure>)>;

/// The worker.
pub(super) struct MirrorWorker {
    parts: MirrorParts,
    jitter: Jitter,
    backlog: Option<Backlog>,
    running: FuturesUnordered<RunningUpload>,
    busy: HashSet<BlobHash>,
    /// How often an object has failed by itself.
    tries: HashMap<BlobHash, u32>,
    is_connected: bool,
    failures: u32,
    retry_at: Instant,
    look_at: Instant,
    /// The folder of the bucket that is audited next; `None` when all are.
    audit: Option<u8>,
}

impl MirrorWorker {
    pub(super) fn new(parts: MirrorParts) -> Self {
        let now = Instant::now();
        Self {
            jitter: Jitter::new(parts.seed.rotate_left(32)),
            parts,
            backlog: None,
            running: FuturesUnordered::new(),
            busy: HashSet::new(),
            tries: HashMap::new(),
            is_connected: false,
            failures: 0,
            retry_at: now,
            look_at: now,
            audit: Some(0),
        }
    }

    /// Asks whether bucket and prefix are ours, and takes over what the marks say of another bucket.
    async fn connect(&mut self) -> Result<(), MirrorFailure> {
        let MirrorParts { archive, store, uploader, .. } = &self.parts;
        store.claim(archive.id()).await?;
        self.parts.adopt_target().await?;
        uploader.discard_abandoned().await?;
        let target = self.parts.store.target();
        let was = self.parts.status.note(|report| {
            report.last_error = None;
            std::mem::replace(&mut report.state, MirrorState::Connected)
        });
        match was {
            // Somebody could not read, and now it answers.
            MirrorState::Connected => {}
            MirrorState::Starting => tracing::info!("files are mirrored to {target}"),
            _ => tracing::info!("files are mirrored again, to {target}"),
        }
        self.parts.lifecycle.show_trouble(MIRROR_READER, None);
        (self.is_connected, self.failures) = (true, 0);
        Ok(())
    }

    /// Ends all uploads under way and has the next try wait. What is wrong is said once, as a state.
    fn fail(&mut self, error: &StoreError) {
        for hash in std::mem::take(&mut self.busy) {
            if let Some(backlog) = self.backlog.as_mut() {
                backlog.put_back(hash, true);
            }
        }
        self.running = FuturesUnordered::new();
        self.is_connected = false;
        let wait = self.jitter.of(doubled(RETRY_FIRST, self.failures, RETRY_MAX));
        self.failures = self.failures.saturating_add(1);
        self.retry_at = Instant::now() + wait;
        let (text, target) = (error.to_string(), self.parts.store.target());
        let state = if matches!(error, StoreError::Refused(_)) { MirrorState::Refused } else { MirrorState::Unreachable };
        self.parts.status.note(|report| {
            // Deduplicated: the same failure again and again fills no log.
            if report.state != state || report.last_error.as_ref() != Some(&text) {
                tracing::warn!("files are not mirrored to {target} at present: {text}; it is tried again until it works");
            }
            (report.state, report.last_error, report.uploading) = (state, Some(text.clone()), 0);
        });
        self.parts.lifecycle.show_trouble(MIRROR_READER, Some(text));
    }

    /// Starts as many uploads as there is room for.
    fn start_uploads(&mut self) {
        let Some(backlog) = self.backlog.as_mut() else { return };
        while self.running.len() < self.parts.uploads {
            let Some(hash) = backlog.take(&self.busy) else { break };
            self.busy.insert(hash);
            let uploader = Arc::clone(&self.parts.uploader);
            self.running.push(Box::pin(async move { (hash, uploader.mirror(&hash).await) }));
        }
        let uploading = self.running.len() as u64;
        self.parts.status.note(|report| report.uploading = uploading);
    }

    /// What became of an upload.
    fn ended(&mut self, hash: BlobHash, outcome: Result<Mirrored, MirrorFailure>) -> Result<(), MirrorFailure> {
        let failure = match outcome {
            Ok(_) => None,
            Err(MirrorFailure::Store(error @ (StoreError::Unreachable(_) | StoreError::Refused(_)))) => {
                self.fail(&error);
                return Ok(());
            }
            Err(MirrorFailure::Disk(error)) => {
                self.give_back(hash, true);
                return Err(MirrorFailure::Disk(error));
            }
            Err(MirrorFailure::Damaged(why)) => Some((why, TRIES)),
            Err(MirrorFailure::Store(error)) => Some((error.to_string(), 1)),
        };
        let Some((why, counts)) = failure else {
            self.is_done(&hash);
            return Ok(());
        };
        let tries = self.tries.entry(hash).or_default();
        *tries += counts;
        if *tries < TRIES {
            self.give_back(hash, false);
            return Ok(());
        }
        tracing::warn!(blob.hash = %hash, "file {hash} is not mirrored: {why}; it is tried again within a day");
        self.parts.status.note(|report| {
            report.failed += 1;
            report.last_error = Some(format!("file {hash}: {why}"));
        });
        self.is_done(&hash);
        Ok(())
    }

    fn give_back(&mut self, hash: BlobHash, first: bool) {
        self.busy.remove(&hash);
        if let Some(backlog) = self.backlog.as_mut() {
            backlog.put_back(hash, first);
        }
    }

    fn is_done(&mut self, hash: &BlobHash) {
        self.busy.remove(hash);
        self.tries.remove(hash);
        if let Some(backlog) = self.backlog.as_mut() {
            backlog.done(hash);
        }
    }

    /// Moves the position over what is done, after the marks are durable.
    fn settle(&mut self) -> anyhow::Result<()> {
        let Some(backlog) = self.backlog.as_mut() else { return Ok(()) };
        let Some(end) = backlog.settle() else { return Ok(()) };
        self.parts.blobs.flush()?;
        backlog.reader().store(end, self.parts.clock.timestamp())?;
        self.parts.status.note(|report| report.position = end.0);
        Ok(())
    }

    /// Removes objects that nothing refers to any more; says whether there were any.
    async fn remove_unreferred(&mut self) -> Result<bool, MirrorFailure> {
        if Instant::now() < self.look_at {
            return Ok(false);
        }
        let MirrorParts { blobs, store, removes, .. } = &self.parts;
        let some: Vec<BlobHash> =
            tokio::task::block_in_place(|| blobs.unreferred().take(REMOVED_AT_ONCE).collect::<Result<_, _>>())?;
        let mut settled = 0;
        for hash in &some {
            if self.backlog.as_ref().is_some_and(|backlog| backlog.has(hash)) {
                // Whatever becomes of it, afterwards.
                continue;
            }
            settled += 1;
            let is_stored = tokio::task::block_in_place(|| blobs.contains(hash))?;
            // One that is there again keeps its object, or has it made anew.
            if *removes && !is_stored {
                store.remove(hash).await?;
                metrics::counter!("telescribe_mirror_removed_total").increment(1);
            }
            tokio::task::block_in_place(|| blobs.settle_unreferred(hash))?;
        }
        if settled < REMOVED_AT_ONCE {
            self.look_at = Instant::now() + LOOK_EVERY;
        }
        Ok(settled > 0)
    }

    /// Audits the next folder of the bucket. Before the walk, which finds again what is missing there.
    async fn audit_on(&mut self, first: u8) -> Result<(), MirrorFailure> {
        let Audited { lost, .. } = audit(&self.parts.store, &self.parts.blobs, first).await?;
        if lost > 0 {
            self.parts.status.note(|report| {
                report.failed += lost;
                report.last_error =
                    Some("the mirror has lost files of which there is no other copy: the log names them".to_owned());
            });
        }
        self.audit = first.checked_add(1);
        Ok(())
    }

    /// A step while the server answers.
    async fn work(&mut self) -> Result<StepOutcome, MirrorFailure> {
        if self.remove_unreferred().await? {
            return Ok(StepOutcome::Busy);
        }
        match self.audit {
            // Uploads that are under way would stand still meanwhile.
            Some(first) if self.running.is_empty() => {
                self.audit_on(first).await?;
                return Ok(StepOutcome::Busy);
            }
            Some(_) => {}
            None => self.start_uploads(),
        }
        match self.running.next().await {
            Some((hash, outcome)) => {
                self.ended(hash, outcome)?;
                Ok(StepOutcome::Busy)
            }
            None => Ok(StepOutcome::Idle),
        }
    }

    /// Reads on in files and log.
    fn fill(&mut self) -> anyhow::Result<bool> {
        let backlog = match self.backlog.as_mut() {
            Some(backlog) => backlog,
            None => {
                let MirrorParts { archive, blobs, drops, status, .. } = &self.parts;
                let backlog = Backlog::new(archive, blobs, *drops)?;
                let position = backlog.stored();
                status.note(|report| report.position = position.0);
                self.backlog.insert(backlog)
            }
        };
        if backlog.begin_walk() {
            self.audit = Some(0);
            self.tries.clear();
            self.parts.status.note(|report| {
                report.failed = 0;
                if report.state == MirrorState::Connected {
                    report.last_error = None;
                }
            });
        }
        // The walk is to find what the audit misses.
        if self.audit.is_some() { Ok(false) } else { backlog.fill() }
    }
}

impl Worker for MirrorWorker {
    async fn step(&mut self) -> anyhow::Result<StepOutcome> {
        let has_read = tokio::task::block_in_place(|| self.fill())?;
        tokio::task::block_in_place(|| self.settle())?;
        if !self.is_connected {
            if Instant::now() < self.retry_at {
                return Ok(StepOutcome::Idle);
            }
            let lifecycle = self.parts.lifecycle.clone();
            let connected = tokio::select! {
                connected = self.connect() => connected,
                // What an answer would have told is asked again by the next start.
                () = lifecycle.stop_asked() => return Ok(StepOutcome::Idle),
            };
            return self.outcome(connected.map(|()| StepOutcome::Busy));
        }
        let lifecycle = self.parts.lifecycle.clone();
        let worked = tokio::select! {
            worked = self.work() => worked,
            // What is under way is dropped, and taken up by the next start.
            () = lifecycle.stop_asked() => return Ok(StepOutcome::Idle),
        };
        let outcome = self.outcome(worked)?;
        tokio::task::block_in_place(|| self.settle())?;
        Ok(if has_read { StepOutcome::Busy } else { outcome })
    }

    async fn wait(&mut self) {
        if !self.is_connected {
            return tokio::time::sleep_until(self.retry_at).await;
        }
        let Some(backlog) = self.backlog.as_mut() else { return };
        let until = self.look_at.min(backlog.next_walk());
        tokio::select! {
            _ = tokio::time::timeout_at(until, backlog.reader().wait()) => {}
            () = self.parts.suspicion.notified() => (self.is_connected, self.retry_at) = (false, Instant::now()),
        }
    }

    async fn finish(&mut self) -> anyhow::Result<()> {
        self.running = FuturesUnordered::new();
        // Notes and marks are kept by the store of files; what is not removed at the server now is removed at the next start.
        if self.is_connected {
            drop(tokio::time::timeout(FINISH_TIMEOUT, self.parts.uploader.discard_abandoned()).await);
        }
        tokio::task::block_in_place(|| self.parts.blobs.flush())?;
        Ok(())
    }
}

impl MirrorWorker {
    /// A failure of the server is a state; one of the disk is the worker's own.
    fn outcome(&mut self, outcome: Result<StepOutcome, MirrorFailure>) -> anyhow::Result<StepOutcome> {
        match outcome {
            Ok(outcome) => Ok(outcome),
            Err(MirrorFailure::Disk(error)) => Err(error.into()),
            Err(MirrorFailure::Damaged(why)) => Err(anyhow::anyhow!(why)),
            Err(MirrorFailure::Store(error)) => {
                self.fail(&error);
                Ok(StepOutcome::Idle)
            }
        }
    }
}
