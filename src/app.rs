//! The composition root (dependency injection): everything made once, from the configuration, and given to those who need it.
//!
//! Nothing below knows the configuration file, the environment or the operating system's clock; they are handed what they need.
//! [`App::start`] locks the data folder, opens what is in it, and starts the workers: crawl, indexer, publisher, the job scheduler,
//! the session writer, and HTTP. [`App::ended`] returns when a graceful shutdown has let them finish.

mod jobs;
mod sessions;
mod status;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::accounts::{LockedSessions, Pool, PoolSettings, PoolStatePersister, Session, SessionLock, SessionWriter, Sessions};
use crate::archive::{Archive, DataFolder, Durability, MassDeletion};
use crate::config::{Config, Server, Sync};
use crate::crawl::{self, Crawler};
use crate::http;
use crate::lifecycle::Lifecycle;
use crate::model::{AccountName, Clock};
use crate::publish::{self, Publisher};
use crate::schedule::Job;
use crate::search::{Index, Indexer, IndexerSettings};

pub use sessions::{MASTER_KEY_VARIABLE, open_sessions};

/// How long to wait for the data folder's lock, which a command may hold that reads it while nobody serves it: such a command takes well
/// under a second.
const FOLDER_LOCK_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a stop may take for the index to catch up. One that has kept up is a second behind at most, which takes a tenth of that; one
/// that is being built anew is not waited for, because a stop is to end within seconds.
const INDEX_FINISH_MAX: Duration = Duration::from_secs(3);

/// What the program gets from outside beside its configuration: the clock, and where metrics are shown.
#[derive(Clone)]
pub struct Environment {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Prometheus' text form of all metrics.
    pub metrics: Arc<dyn Fn() -> String + Send + std::marker::Sync>,
}

/// The running program.
pub struct App {
    /// Stops it.
    pub lifecycle: Lifecycle,
    /// The archive.
    pub archive: Arc<Archive>,
    /// The search index.
    pub index: Arc<Index>,
    /// The crawler.
    pub crawler: Arc<Crawler>,
    /// How publishing is doing; `None` when no broker is configured.
    pub publishing: Option<Arc<publish::Status>>,
    /// Where HTTP answers.
    pub addresses: Vec<SocketAddr>,
    /// The exclusive locks that this process holds for as long as it runs.
    locks: Mutex<Option<(DataFolder, Vec<SessionLock>)>>,
    accounts: OpenAccounts,
    indexing: IndexerSettings,
}

/// The accounts, for what is left to save when everything has ended.
struct OpenAccounts {
    pool: Arc<Pool>,
    sessions: BTreeMap<AccountName, Arc<Session>>,
    store: Sessions,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("archive", &self.archive).finish_non_exhaustive()
    }
}

/// The schedule of a program that does not run, for the commands: what the configuration plans and the archive remembers.
///
/// # Errors
/// When a plan cannot be meant, or the archive cannot be read.
pub fn planned(config: &Config, archive: Arc<Archive>, clock: Arc<dyn Clock>) -> anyhow::Result<Arc<dyn http::Operator>> {
    Ok(Arc::new(jobs::JobControl::new(config, archive, clock, None)?))
}

impl App {
    /// Starts everything.
    ///
    /// # Cancel safety
    /// May be dropped while it waits, for example for the data folder: nothing is started before the last wait, and what was locked
    /// and bound is free again.
    ///
    /// # Errors
    /// When the data folder is in use or damaged, a session cannot be used, an address is taken, or a setting cannot be meant.
    pub async fn start(config: &Config, data: &Path, environment: Environment) -> anyhow::Result<Self> {
        // Before anything is locked or asked: a start that fails leaves nothing behind.
        config.check()?;
        let folder = DataFolder::lock_within(data, FOLDER_LOCK_TIMEOUT).await?;
        let store = open_sessions(config)?;
        let LockedSessions { sessions, locks } = store.take_all()?;
        check_accounts(config, &sessions)?;
        let durability = match config.archive.sync {
            Sync::Os => Durability::Os,
            Sync::Always => Durability::Always,
        };
        let (archive, index) = {
            let (archive_path, index_path) = (folder.archive(), folder.index());
            let open = move || {
                let archive = Archive::open_seen(&archive_path, durability, Index::seen(&index_path).as_ref())?;
                archive.check_position(publish::READER)?;
                anyhow::Ok((archive, Index::open(&index_path)?))
            };
            let (archive, index) = tokio::task::block_in_place(open)?;
            (Arc::new(archive), Arc::new(index))
        };
        let bound = http::Bound::bind(&config.http, Some(&DataFolder::socket(data))).await?;
        let keys = http::Keys::open(&DataFolder::keys(data))?;
        let lifecycle = Lifecycle::new();

        let names: Vec<AccountName> = sessions.keys().cloned().collect();
        let pool_settings = PoolSettings {
            request_interval: config.accounts.request_interval.duration(),
            requests_in_flight_max: config.accounts.requests_in_flight_max,
            intervals: config.accounts.intervals.iter().map(|(method, span)| (method.clone(), span.duration())).collect(),
            ..PoolSettings::default()
        };
        let pool = Pool::new(names.iter().cloned(), pool_settings, Arc::clone(&environment.clock));
        PoolStatePersister::restore(&pool, &sessions, config.accounts.rest_after_crash.duration());
        let accounts = OpenAccounts { pool: Arc::clone(&pool), sessions: sessions.clone(), store: store.clone() };
        // Before anything is asked: what Telegram answers to it may not live to be saved.
        tokio::task::block_in_place(|| accounts.save())?;
        lifecycle.work("budgets", {
            let (pool, sessions) = (Arc::clone(&pool), sessions.clone());
            move || PoolStatePersister::new(Arc::clone(&pool), &sessions)
        });
        lifecycle.work("sessions", {
            let sessions = sessions.clone();
            move || SessionWriter::new(store.clone(), &sessions)
        });
        let crawler = Crawler::start(
            Arc::clone(&archive),
            pool,
            sessions.into_values(),
            Arc::clone(&environment.clock),
            &config.telegram_settings(),
            config.crawl_settings(names.len())?,
            &lifecycle,
        )?;
        let indexing = IndexerSettings { memory: config.search.memory_mib << 20, ..IndexerSettings::default() };
        lifecycle.work("indexer", {
            let (index, archive) = (Arc::clone(&index), Arc::clone(&archive));
            move || Indexer::new(Arc::clone(&index), Arc::clone(&archive), indexing)
        });
        let publishing = start_publishing(config, &archive, &lifecycle);
        let job_control =
            jobs::JobControl::new(config, Arc::clone(&archive), Arc::clone(&environment.clock), Some(Arc::clone(&crawler)))?;
        let job_control = Arc::new(job_control);
        lifecycle.work("schedule", {
            let (job_control, crawler) = (Arc::clone(&job_control), Arc::clone(&crawler));
            move || jobs::Scheduler::new(Arc::clone(&job_control), Arc::clone(&crawler))
        });
        let addresses = bound.addresses();
        let running = status::RunningProgram {
            crawler: Arc::clone(&crawler),
            archive: Arc::clone(&archive),
            publishing: publishing.clone(),
            lifecycle: lifecycle.clone(),
            job_control: Arc::clone(&job_control),
            clock: Arc::clone(&environment.clock),
        };
        let clock = Arc::clone(&environment.clock);
        let context = http::Context::new(Arc::clone(&archive), Arc::clone(&index), clock, lifecycle.clone())
            .with_settings(config.http.clone())
            .with_keys(keys)
            .with_status(Arc::new(running))
            .with_operator(job_control)
            .with_metrics(environment.metrics);
        bound.serve(&Arc::new(context));
        Ok(Self {
            lifecycle,
            archive,
            index,
            crawler,
            publishing,
            addresses,
            locks: Mutex::new(Some((folder, locks))),
            accounts,
            indexing,
        })
    }

    /// Returns when a stop has let everything finish; the data folder and the sessions are free then.
    ///
    /// # Errors
    /// When the disk refuses the last flush.
    pub async fn ended(&self) -> anyhow::Result<()> {
        self.lifecycle.ended().await;
        if self.lifecycle.stopped_hard() {
            tokio::task::block_in_place(|| self.archive.sync())?;
        } else {
            self.finish_index().await;
            tokio::task::block_in_place(|| self.archive.flush())?;
            PoolStatePersister::mark_clean_stop(&self.accounts.pool, &self.accounts.sessions);
            tokio::task::block_in_place(|| self.accounts.save())?;
        }
        self.locks.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok(())
    }
}

impl App {
    /// Has the index read what the last workers have archived: its own worker ended beside them.
    async fn finish_index(&self) {
        let mut indexer = Indexer::new(Arc::clone(&self.index), Arc::clone(&self.archive), self.indexing);
        // It is a reader like any other: what it has not read now it reads at the next start.
        if let Err(error) = indexer.catch_up_within(INDEX_FINISH_MAX).await {
            tracing::error!("the index could not be brought up to date: {error:#}");
        }
    }
}

impl OpenAccounts {
    fn save(&self) -> anyhow::Result<()> {
        self.sessions.values().try_for_each(|session| Ok(self.store.save(session)?))
    }
}

fn check_accounts(config: &Config, sessions: &BTreeMap<AccountName, Arc<Session>>) -> anyhow::Result<()> {
    if sessions.is_empty() {
        anyhow::bail!(
            "there is no account in `{}`; add one with `telescribe login NAME`, or try the program with `telescribe demo`",
            config.accounts.sessions.display()
        );
    }
    if config.telegram.server == Server::Telegram && config.telegram.api_id == 0 {
        anyhow::bail!(
            "`telegram.api_id` is not set; get one from https://my.telegram.org/apps and put it into the configuration"
        );
    }
    if let Some(name) = config.accounts.proxies.keys().find(|name| !sessions.keys().any(|known| known.as_str() == name.as_str()))
    {
        anyhow::bail!(
            "`accounts.proxies` has a proxy for account `{name}`, which does not exist; `telescribe account list` shows those that do"
        );
    }
    Ok(())
}

fn start_publishing(config: &Config, archive: &Arc<Archive>, lifecycle: &Lifecycle) -> Option<Arc<publish::Status>> {
    let settings = config.publish.settings()?;
    let status = Arc::new(publish::Status::new());
    let (archive, shown) = (Arc::clone(archive), Arc::clone(&status));
    lifecycle.work("publisher", move || Publisher::new(settings.clone(), Arc::clone(&archive), Arc::clone(&shown)));
    Some(status)
}

impl Config {
    fn crawl_settings(&self, accounts: usize) -> anyhow::Result<crawl::Settings> {
        let crawl = &self.crawl;
        let rules = crawl.rules().map_err(|(key, error)| anyhow::anyhow!("`crawl.{key}` of the configuration: {error}"))?;
        // What the clock would not read is not read because of a restart either.
        let runs = self.jobs.runs().map_err(|error| anyhow::anyhow!("configuration: {error}"))?;
        let resumed = runs.into_iter().filter(|run| run.job == Job::Backfill && run.plan.enabled).map(|run| run.scope).collect();
        Ok(crawl::Settings {
            resumed,
            recheck_ids_max: crawl.recheck_ids_max,
            recheck_window: crawl.recheck_window.duration(),
            mass_deletion: MassDeletion {
                ids_min: crawl.mass_deletion_min,
                confirm_after: crawl.mass_deletion_confirm_after.duration(),
            },
            rules,
            linked_groups: crawl.linked_groups,
            // One worker for each request that may be in flight (one extra slot is reserved for live requests), and one that writes
            // meanwhile.
            workers: accounts * (self.accounts.requests_in_flight_max + 1) + 1,
        })
    }
}
