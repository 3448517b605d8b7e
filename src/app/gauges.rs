//! Gauges: the state of the running program in `/metrics`, beside what is counted where it happens.
//!
//! What is in memory (lags, queue depth, accounts, workers) is set at each scrape, so it is exact when it is shown. What has to be read
//! from the disk (missing ids, sizes) is measured on an interval by a worker, because it grows with the number of peers.

use std::sync::Arc;
use std::time::Duration;

use super::backups::Backups;
use super::{RunningOutput, open_files};
use crate::accounts::AccountState;
use crate::archive::{Archive, FileTotals};
use crate::crawl::{Crawler, Progress};
use crate::lifecycle::{Lifecycle, StepOutcome, Worker};
use crate::mirror::{MIRROR_READER, Mirror, MirrorReport, MirrorState};
use crate::search::{INDEX_READER, ServingIndex};

/// How often what has to be read is measured: the coverage of every peer, and the sizes of all files. Prometheus usually scrapes more
/// often than that, and its scrapes read nothing.
const MEASURE_INTERVAL: Duration = Duration::from_secs(60);

/// Prometheus' text form of all metrics.
type Rendered = Arc<dyn Fn() -> String + Send + Sync>;

/// What the gauges are about.
pub(super) struct Gauges {
    pub(super) crawler: Arc<Crawler>,
    pub(super) archive: Arc<Archive>,
    pub(super) index: ServingIndex,
    pub(super) outputs: Vec<RunningOutput>,
    pub(super) backups: Arc<Backups>,
    pub(super) mirror: Option<Arc<Mirror>>,
    pub(super) lifecycle: Lifecycle,
}

impl Gauges {
    /// Starts measuring; what is returned sets the rest and renders all.
    pub(super) fn start(self, rendered: Rendered) -> Rendered {
        let (archive, index, drained) = (Arc::clone(&self.archive), self.index.clone(), Arc::clone(&rendered));
        self.lifecycle.work("gauges", move || Measuring {
            archive: Arc::clone(&archive),
            index: index.clone(),
            rendered: Arc::clone(&drained),
        });
        Arc::new(move || {
            self.set();
            rendered()
        })
    }

    /// Sets what is in memory.
    fn set(&self) {
        for (priority, depth) in self.crawler.dispatch().depths() {
            metrics::gauge!("telescribe_queue_tasks", "priority" => priority.name()).set(depth as f64);
        }
        self.set_accounts();
        self.backups.set_gauges();
        let last = self.archive.last_seq();
        self.set_files();
        let lag = last.0.saturating_sub(self.index.position().0);
        metrics::gauge!("telescribe_reader_lag_changes", "reader" => INDEX_READER).set(lag as f64);
        let rebuild = self.index.rebuild();
        metrics::gauge!("telescribe_index_rebuilding").set(f64::from(u8::from(rebuild.is_some())));
        let left = rebuild.map_or(0, |rebuild| rebuild.last.0.saturating_sub(rebuild.position.0));
        metrics::gauge!("telescribe_index_rebuild_lag_changes").set(left as f64);
        for output in &self.outputs {
            let lag = output.status.report(last).lag;
            metrics::gauge!("telescribe_reader_lag_changes", "reader" => output.name.clone()).set(lag as f64);
        }
        self.set_mirror();
        let failing =
            self.lifecycle.workers().values().filter(|worker| worker.failing.is_some() || worker.trouble.is_some()).count();
        metrics::gauge!("telescribe_workers_failing").set(failing as f64);
        if let Some(files) = open_files::view() {
            metrics::gauge!("telescribe_open_files").set(files.open as f64);
            metrics::gauge!("telescribe_open_files_limit").set(files.limit as f64);
        }
    }

    fn set_files(&self) {
        let FileTotals { seen, wanted, stored, skipped, failed, missing_bytes, .. } = self.archive.flushed().file_totals();
        for (state, count) in [("seen", seen), ("wanted", wanted), ("stored", stored), ("skipped", skipped), ("failed", failed)] {
            metrics::gauge!("telescribe_files", "state" => state).set(count as f64);
        }
        metrics::gauge!("telescribe_files_missing_bytes").set(missing_bytes as f64);
    }

    /// Nothing is wrong, and nothing there, where there is no mirror.
    fn set_mirror(&self) {
        let report = self.mirror.as_ref().map(|mirror| mirror.report());
        if let Some(report) = &report {
            metrics::gauge!("telescribe_reader_lag_changes", "reader" => MIRROR_READER).set(report.lag as f64);
        }
        let MirrorReport { state, objects, waiting, failed, .. } = report.unwrap_or_default();
        let is_down = matches!(state, MirrorState::Unreachable | MirrorState::Refused);
        metrics::gauge!("telescribe_mirror_down").set(f64::from(u8::from(is_down)));
        metrics::gauge!("telescribe_mirror_objects").set(objects.count as f64);
        metrics::gauge!("telescribe_mirror_bytes").set(objects.bytes as f64);
        metrics::gauge!("telescribe_mirror_waiting").set(waiting as f64);
        metrics::gauge!("telescribe_mirror_failed").set(failed as f64);
    }

    fn set_accounts(&self) {
        let accounts = self.crawler.accounts();
        for state in AccountState::NAMES {
            let count = accounts.iter().filter(|account| account.state.name() == state).count();
            metrics::gauge!("telescribe_accounts", "state" => state).set(count as f64);
        }
        let parked = accounts.iter().filter(|account| {
            account.state == AccountState::Ready && (account.rests_until.is_some() || !account.parked.is_empty())
        });
        metrics::gauge!("telescribe_accounts_parked").set(parked.count() as f64);
    }
}

/// The worker that measures what has to be read.
struct Measuring {
    archive: Arc<Archive>,
    index: ServingIndex,
    rendered: Rendered,
}

impl Worker for Measuring {
    async fn step(&mut self) -> anyhow::Result<StepOutcome> {
        tokio::task::block_in_place(|| {
            metrics::gauge!("telescribe_ids_missing").set(Progress::of(&self.archive).ids_missing as f64);
            metrics::gauge!("telescribe_archive_disk_bytes").set(self.archive.disk_size() as f64);
            metrics::gauge!("telescribe_index_disk_bytes").set(self.index.get().map_or(0, |index| index.disk_size()) as f64);
            // Where nobody scrapes, observations of histograms would fill the memory.
            drop((self.rendered)());
            Ok(StepOutcome::Idle)
        })
    }

    async fn wait(&mut self) {
        tokio::time::sleep(MEASURE_INTERVAL).await;
    }
}
