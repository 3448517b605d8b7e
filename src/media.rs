//! Media: every file once, whole, resumable.
//!
//! What is known of a file, and where it was seen, is archived with the message that tells of it. A reader of the change log asks the
//! [rules](DownloadRules) about each, and workers download what is wanted: each file once, however often it is posted, from whichever account and message
//! can still give it, into `blob`, where its bytes are kept by their hash.
//!
//! # Guarantees
//! - No file is without a state: seen, wanted, stored, skipped (which rule), failed (why, and when it is tried again).
//! - New files are downloaded before old ones, because messages that are deleted cannot renew a reference; one that fails holds up no other.
//! - Nothing that is live waits for files: requests for files have budgets and connections of their own.
//! - A stop, a kill and a source that fails cost no more than the parts that were under way.
//!
//! Pictures that Telegram has no small form of get one (`thumbnails`), decoded outside of this process.
//!
//! It does not serve files (`http`), nor know what is in them.

mod collector;
mod download;
mod in_parts;
mod queue;
mod rules;
mod sources;
mod thumbnails;
mod wishes;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::accounts::Pool;
use crate::archive::{Archive, ArchiveError};
use crate::blob::Blobs;
use crate::lifecycle::{Lifecycle, StepOutcome, Worker};
use crate::model::{AccountName, Clock, FileId, FileState, Timestamp};
use crate::pictures::Decoder;
use crate::telegram::Clients;
use collector::Collector;
use download::{Downloader, Parallel, Renewals};
use queue::{Next, Queue, Slots};
use sources::Sources;
use thumbnails::Thumbnails;
use wishes::Wishes;

pub use rules::{Action, DownloadRule, DownloadRules, Explanation, RuleStep, Verdict};
pub use wishes::Judge;

/// The names of its readers of the change log.
pub const READERS: [&str; 2] = [wishes::READER, thumbnails::READER];

/// Workers at most, of small files and of large ones: a worker waits more than it works.
const WORKERS_MAX: usize = 64;

/// How files are downloaded.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whether any are.
    pub enabled: bool,
    /// Which.
    pub rules: DownloadRules,
    /// Small files that an account downloads at once.
    pub small_files_max: usize,
    /// Large files that an account downloads at once.
    pub large_files_max: usize,
    /// Requests for parts of one file that are in flight at once.
    pub parts: usize,
    /// The same for an account with Telegram Premium.
    pub premium_parts: usize,
    /// The program that decodes pictures, to make small ones of them; none are made without it.
    pub decoder: Option<PathBuf>,
}

/// A download that runs.
#[derive(Clone, Debug)]
pub struct RunningDownload {
    /// Of which file.
    pub file: FileId,
    /// By which account; `None` where none can have it.
    pub account: Option<AccountName>,
    /// Bytes that are there.
    pub done: u64,
    /// Bytes in all, as Telegram states them.
    pub size: Option<u64>,
    /// Bytes a second.
    pub rate: f64,
}

/// The files' part of the program.
pub struct Downloads {
    archive: Arc<Archive>,
    clock: Arc<dyn Clock>,
    queue: Arc<Queue>,
    is_enabled: bool,
}

/// What somebody wants to be done with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// It is downloaded, whatever the rules say.
    Fetch,
    /// It is tried again now, if it has failed.
    Retry,
}

impl std::fmt::Debug for Downloads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Downloads").finish_non_exhaustive()
    }
}

impl Downloads {
    /// Starts the reader and the workers, if files are downloaded at all.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn start(
        archive: &Arc<Archive>,
        blobs: &Blobs,
        (clients, pool): (&Arc<Clients>, &Arc<Pool>),
        clock: &Arc<dyn Clock>,
        settings: Settings,
        lifecycle: &Lifecycle,
    ) -> Result<Arc<Self>, ArchiveError> {
        let sources = Sources::new(Arc::clone(archive), Arc::clone(clients), Arc::clone(pool));
        let slots = Slots { small: settings.small_files_max, large: settings.large_files_max };
        let queue = Queue::new(Arc::clone(archive), sources, Arc::clone(clock), slots);
        let is_enabled = settings.enabled;
        let judge = Arc::new(Judge::new(settings.rules, Arc::clone(clock)));
        let media = Arc::new(Self { archive: Arc::clone(archive), clock: Arc::clone(clock), queue, is_enabled });
        // Shown from the start, so that the first one is seen as an increase.
        metrics::counter!("telescribe_files_stored_total").increment(0);
        metrics::counter!("telescribe_file_bytes_stored_total").increment(0);
        metrics::counter!("telescribe_file_bytes_fetched_total").increment(0);
        metrics::counter!("telescribe_file_references_renewed_total").increment(0);
        if !settings.enabled {
            return Ok(media);
        }
        // An error is seen at the start, and not in a worker that is made anew for ever.
        drop(Wishes::new(archive, blobs, &judge, &media.queue)?);
        lifecycle.work("media", {
            let (archive, blobs, queue) = (Arc::clone(archive), blobs.clone(), Arc::clone(&media.queue));
            move || ReaderWorker(Wishes::new(&archive, &blobs, &judge, &queue).map_err(Some))
        });
        lifecycle.work("media-collector", {
            let (archive, blobs, clock) = (Arc::clone(archive), blobs.clone(), Arc::clone(clock));
            move || Collector::new(&archive, &blobs, &clock)
        });
        if let Some(program) = &settings.decoder {
            let decoder = Decoder::new(program);
            drop(Thumbnails::new(archive, blobs, clock, &decoder, lifecycle)?);
            metrics::counter!("telescribe_thumbnails_total", "outcome" => "made").increment(0);
            lifecycle.work("media-thumbnails", {
                let (archive, blobs, clock, lifecycle) =
                    (Arc::clone(archive), blobs.clone(), Arc::clone(clock), lifecycle.clone());
                move || ReaderWorker(Thumbnails::new(&archive, &blobs, &clock, &decoder, &lifecycle).map_err(Some))
            });
        }
        let downloader = Arc::new(Downloader {
            archive: Arc::clone(archive),
            blobs: blobs.clone(),
            clients: Arc::clone(clients),
            pool: Arc::clone(pool),
            clock: Arc::clone(clock),
            lifecycle: lifecycle.clone(),
            renewals: Renewals::new(),
            parallel: Parallel { parts: settings.parts, premium_parts: settings.premium_parts },
        });
        let accounts = clients.names().count();
        for (large, of_account) in [(false, settings.small_files_max), (true, settings.large_files_max)] {
            // One more of each account, for what has come and is being stored.
            for number in 1..=((of_account + 1) * accounts).min(WORKERS_MAX) {
                let name = format!("media-{}-{number}", if large { "large" } else { "small" });
                let (downloader, queue, clients) = (Arc::clone(&downloader), Arc::clone(&media.queue), Arc::clone(clients));
                clients.use_until_released();
                lifecycle.work(name, move || DownloadWorker {
                    downloader: Arc::clone(&downloader),
                    queue: Arc::clone(&queue),
                    clients: Arc::clone(&clients),
                    large,
                    not_before: None,
                });
            }
        }
        Ok(media)
    }

    /// What runs at present.
    #[must_use]
    pub fn running(&self) -> Vec<RunningDownload> {
        let show = |(file, running): (FileId, Arc<queue::Running>)| RunningDownload {
            file,
            account: running.account,
            done: running.done.load(Ordering::Relaxed),
            size: running.size,
            rate: running.rate(),
        };
        self.queue.each_running().into_iter().map(show).collect()
    }

    /// Whether every file that was seen was judged, and none that is wanted is missing but those that are given up.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn is_caught_up(&self) -> Result<bool, ArchiveError> {
        if !self.is_enabled {
            return Ok(true);
        }
        let view = self.archive.view();
        if view.position(wishes::READER)? < self.archive.last_seq() || view.files_judged_by()?.is_none() {
            return Ok(false);
        }
        for large in [false, true] {
            // Those that are given up are the last ones.
            if let Some(first) = view.files_queued(large).next()
                && first?.0 < Timestamp(i64::MAX)
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Has files downloaded; returns how many of them it is about. Those that are stored stay as they are.
    ///
    /// # Errors
    /// When the archive cannot be written.
    pub fn wish(&self, files: &[FileId], wish: Wish) -> Result<usize, ArchiveError> {
        let mut write = self.archive.write(self.clock.timestamp());
        let mut count = 0;
        for id in files {
            let Some(file) = self.archive.view().file(*id)? else { continue };
            let is_meant = match (wish, &file.state) {
                (_, FileState::Stored(_) | FileState::Wanted) => false,
                (Wish::Fetch, _) | (Wish::Retry, FileState::Failed { .. }) => true,
                (Wish::Retry, _) => false,
            };
            if is_meant {
                count += 1;
                write.file_state(*id, FileState::Wanted);
            }
        }
        tokio::task::block_in_place(|| write.commit())?;
        self.queue.wake();
        Ok(count)
    }
}

/// A reader, made anew where it could not be opened.
struct ReaderWorker<R>(Result<R, Option<ArchiveError>>);

impl<R: Worker> Worker for ReaderWorker<R> {
    async fn step(&mut self) -> anyhow::Result<StepOutcome> {
        match &mut self.0 {
            Ok(reader) => reader.step().await,
            Err(error) => {
                Err(error.take().map_or_else(|| anyhow::anyhow!("the reader of files could not be opened"), Into::into))
            }
        }
    }

    async fn wait(&mut self) {
        match &mut self.0 {
            Ok(reader) => reader.wait().await,
            Err(_) => std::future::pending().await,
        }
    }
}

/// Downloads one file after the other.
struct DownloadWorker {
    downloader: Arc<Downloader>,
    queue: Arc<Queue>,
    clients: Arc<Clients>,
    large: bool,
    not_before: Option<Timestamp>,
}

impl Worker for DownloadWorker {
    async fn step(&mut self) -> anyhow::Result<StepOutcome> {
        match tokio::task::block_in_place(|| self.queue.claim(self.large))? {
            Next::Claim(claim) => {
                self.downloader.download(&claim).await?;
                Ok(StepOutcome::Busy)
            }
            Next::NotBefore(at) => {
                self.not_before = at;
                Ok(StepOutcome::Idle)
            }
        }
    }

    async fn wait(&mut self) {
        self.queue.wait(self.not_before).await;
    }

    async fn finish(&mut self) -> anyhow::Result<()> {
        self.clients.release().await;
        Ok(())
    }
}
