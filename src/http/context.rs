//! The state that handlers share, and the limits on concurrency.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::archive::{Archive, ArchivedWatch};
use crate::blob::Blobs;
use crate::lifecycle::Lifecycle;
use crate::model::{ChatId, Clock, PeerId};
use crate::panics;
use crate::seal::{self, Recipient, ServerId};
use crate::search::ServingIndex;
use crate::views::{JobView, JoinView, ProgramView, StartView};
use crate::watches::{WantedWatch, Watching};

use super::audit::AuditLog;
use super::client_limits::{self, CONCURRENT_EXPORTS_MAX, ClientLimits};
use super::keys::Keys;
use super::operator::{Operator, OperatorError};
use super::output_keeper::{OutputKeeper, OutputRefusal};
use super::problem::Problem;
use super::readable_archive::ReadableArchive;
use super::settings::Settings;
use super::watch_keeper::{WatchKeeper, WatchRefusal};

/// How many reads of the archive run at once: each is a page at most, and more than a disk has queues for gains nothing.
const CONCURRENT_READS_MAX: usize = 32;

/// The rest of the program, as far as `/v1/status` shows it.
pub trait StatusSource: Send + Sync {
    /// What is shown beside the archive and the index: accounts, jobs, workers, publishing, crawling. May read the disk.
    fn status(&self) -> ProgramView;

    /// Why the program is not ready, for `/readyz`.
    fn unready(&self) -> Option<String> {
        None
    }

    /// What else is known of that, for those who may read what `/v1/status` shows.
    fn unready_detail(&self) -> Option<String> {
        None
    }

    /// What keeps the program from reading a chat at present.
    fn hindrance(&self, _: ChatId) -> Option<String> {
        None
    }
}

/// What who sees some peers only is told of the rest of the program: whether it is ready.
struct ReadinessOf(Arc<dyn StatusSource>);

impl StatusSource for ReadinessOf {
    fn status(&self) -> ProgramView {
        ProgramView::default()
    }

    fn unready(&self) -> Option<String> {
        self.0.unready()
    }
}

/// A program that only reads: a command over an archive that no daemon has.
#[derive(Clone, Copy, Debug, Default)]
pub struct NotRunning;

impl Operator for NotRunning {
    fn jobs(&self) -> Vec<JobView> {
        Vec::new()
    }

    fn run(&self, _: &str, _: &[String]) -> Result<Vec<StartView>, OperatorError> {
        Err(OperatorError::NotRunning)
    }

    fn join<'a>(&'a self, _: Option<&'a str>, _: &'a str) -> BoxFuture<'a, Result<JoinView, OperatorError>> {
        Box::pin(async { Err(OperatorError::NotRunning) })
    }
}

impl WatchKeeper for NotRunning {
    fn add(&self, _: WantedWatch) -> BoxFuture<'_, Result<ArchivedWatch, WatchRefusal>> {
        Box::pin(async { Err(WatchRefusal::NotRunning) })
    }

    fn remove(&self, _: String) -> BoxFuture<'_, Result<ArchivedWatch, WatchRefusal>> {
        Box::pin(async { Err(WatchRefusal::NotRunning) })
    }
}

impl OutputKeeper for NotRunning {
    fn skip(&self, _: &str, _: &str) -> Result<(), OutputRefusal> {
        Err(OutputRefusal::NotRunning)
    }

    fn resend(&self, _: &str, _: Option<&str>) -> Result<u64, OutputRefusal> {
        Err(OutputRefusal::NotRunning)
    }

    fn let_go(&self, _: &str, _: Option<&str>) -> Result<u64, OutputRefusal> {
        Err(OutputRefusal::NotRunning)
    }
}

impl StatusSource for NotRunning {
    fn status(&self) -> ProgramView {
        ProgramView::default()
    }
}

/// What the handlers answer from.
pub struct Context {
    /// The archive.
    pub archive: ReadableArchive,
    /// The full-text index.
    pub index: ServingIndex,
    /// The bytes of files, where they can be served.
    pub blobs: Option<Blobs>,
    /// The clients' keys.
    pub keys: Arc<Keys>,
    /// Whom sealed requests must be for, and the nonces of earlier ones, against replay.
    pub recipient: Arc<Recipient>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The rest of the program.
    pub status: Arc<dyn StatusSource>,
    /// The one verification that may run at a time.
    pub(super) verifications: Arc<Semaphore>,
    /// What carries out operator requests.
    pub operator: Arc<dyn Operator>,
    /// The watches, for events.
    pub(super) watching: Watching,
    /// Who adds and removes watches.
    pub(super) watch_keeper: Arc<dyn WatchKeeper>,
    /// Who has the outputs.
    pub(super) output_keeper: Arc<dyn OutputKeeper>,
    /// Prometheus' text form of all metrics.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// The operator's settings.
    pub settings: Settings,
    /// Tells when to stop; streams end then.
    pub lifecycle: Lifecycle,
    /// How much each client may ask.
    pub(super) client_limits: Arc<ClientLimits>,
    /// Where requests are noted.
    pub(super) audit: Arc<AuditLog>,
    searches: Arc<Semaphore>,
    reads: Arc<Semaphore>,
    exports: Arc<Semaphore>,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("archive", &self.archive).finish_non_exhaustive()
    }
}

impl Context {
    /// A context that answers from an archive and its index, with default settings, no keys, and an id that no other server has.
    #[must_use]
    pub fn new(archive: Arc<Archive>, index: ServingIndex, clock: Arc<dyn Clock>, lifecycle: Lifecycle) -> Self {
        let mut random = seal::system_random();
        let recipient = Arc::new(Recipient::new(ServerId::generate(&mut random), &mut random));
        Self {
            archive: ReadableArchive::new(archive),
            index,
            blobs: None,
            keys: Arc::new(Keys::none()),
            recipient,
            clock,
            status: Arc::new(NotRunning),
            verifications: Arc::new(Semaphore::new(1)),
            operator: Arc::new(NotRunning),
            watching: Watching::default(),
            watch_keeper: Arc::new(NotRunning),
            output_keeper: Arc::new(NotRunning),
            metrics: Arc::new(String::new),
            settings: Settings::default(),
            lifecycle,
            client_limits: Arc::new(ClientLimits::new(&Settings::default())),
            audit: Arc::default(),
            searches: Arc::new(Semaphore::new(1)),
            reads: Arc::new(Semaphore::new(CONCURRENT_READS_MAX)),
            exports: Arc::new(Semaphore::new(CONCURRENT_EXPORTS_MAX)),
        }
        .with_settings(Settings::default())
    }

    /// The same with the operator's settings.
    #[must_use]
    pub fn with_settings(self, settings: Settings) -> Self {
        let client_limits = Arc::new(ClientLimits::new(&settings));
        Self { searches: Arc::new(Semaphore::new(settings.concurrent_searches_max)), client_limits, settings, ..self }
    }

    /// The same with the bytes of files.
    #[must_use]
    pub fn with_blobs(self, blobs: Blobs) -> Self {
        Self { blobs: Some(blobs), ..self }
    }

    /// The same with the clients' keys.
    #[must_use]
    pub fn with_keys(self, keys: Keys) -> Self {
        Self { keys: Arc::new(keys), ..self }
    }

    /// The same with a place where requests are noted.
    #[must_use]
    pub fn with_audit(self, audit: AuditLog) -> Self {
        Self { audit: Arc::new(audit), ..self }
    }

    /// The same for a client that may see some peers only: nothing that is read from it is of others, or of the program.
    pub(super) fn limited_to(&self, peers: &Arc<BTreeSet<PeerId>>) -> Self {
        Self {
            archive: self.archive.limited_to(Arc::clone(peers)),
            index: self.index.limited_to(Arc::clone(peers)),
            blobs: self.blobs.clone(),
            keys: Arc::clone(&self.keys),
            recipient: Arc::clone(&self.recipient),
            clock: Arc::clone(&self.clock),
            status: Arc::new(ReadinessOf(Arc::clone(&self.status))),
            verifications: Arc::clone(&self.verifications),
            operator: Arc::new(NotRunning),
            watching: Watching::default(),
            watch_keeper: Arc::new(NotRunning),
            output_keeper: Arc::new(NotRunning),
            metrics: Arc::new(String::new),
            settings: self.settings.clone(),
            lifecycle: self.lifecycle.clone(),
            client_limits: Arc::clone(&self.client_limits),
            audit: Arc::clone(&self.audit),
            searches: Arc::clone(&self.searches),
            reads: Arc::clone(&self.reads),
            exports: Arc::clone(&self.exports),
        }
    }

    /// The same as the server with this id, which starts now.
    #[must_use]
    pub fn with_server_id(self, server: ServerId) -> Self {
        Self { recipient: Arc::new(Recipient::new(server, &mut seal::system_random())), ..self }
    }

    /// The same with the rest of the program to show.
    #[must_use]
    pub fn with_status(self, status: Arc<dyn StatusSource>) -> Self {
        Self { status, ..self }
    }

    /// The same with what carries out operator requests.
    #[must_use]
    pub fn with_operator(self, operator: Arc<dyn Operator>) -> Self {
        Self { operator, ..self }
    }

    /// The same with who adds and removes watches.
    #[must_use]
    pub fn with_watch_keeper(self, watch_keeper: Arc<dyn WatchKeeper>) -> Self {
        Self { watch_keeper, ..self }
    }

    /// The same with who has the outputs.
    #[must_use]
    pub fn with_output_keeper(self, output_keeper: Arc<dyn OutputKeeper>) -> Self {
        Self { output_keeper, ..self }
    }

    /// The same with metrics to show.
    #[must_use]
    pub fn with_metrics(self, metrics: Arc<dyn Fn() -> String + Send + Sync>) -> Self {
        Self { metrics, ..self }
    }

    /// Reads the archive on a thread that may block, at most [`CONCURRENT_READS_MAX`] at once.
    pub(super) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Self) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        self.blocking(&self.reads, read).await
    }

    /// Searches on a thread that may block. A search that outlives its request keeps its permit until it ends, so that there are never
    /// more concurrent searches than the settings allow, altogether and of one client.
    pub(super) async fn search<T: Send + 'static>(
        self: &Arc<Self>,
        search: impl FnOnce(&Self) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let of_client = client_limits::search_place().await?;
        let search = move |context: &Self| {
            let _of_client = of_client;
            search(context)
        };
        self.blocking(&self.searches, search).await
    }

    /// A place for an export, for as long as it runs.
    pub(super) fn exporting(&self) -> Result<OwnedSemaphorePermit, Problem> {
        Arc::clone(&self.exports).try_acquire_owned().map_err(|_| {
            Problem::busy(format!(
                "{CONCURRENT_EXPORTS_MAX} exports are running, which is the most there may be; try again later"
            ))
        })
    }

    async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        places: &Arc<Semaphore>,
        work: impl FnOnce(&Self) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let place = Arc::clone(places).acquire_owned().await.map_err(|e| Problem::hidden(&e))?;
        let (context, request) = (Arc::clone(self), tracing::Span::current());
        let done = tokio::task::spawn_blocking(move || {
            let _place = place;
            let _request = request.enter();
            work(&context)
        });
        done.await.map_err(|error| Problem::hidden(&panics::of_task(error)))?
    }
}
