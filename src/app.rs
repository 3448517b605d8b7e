//! The composition root (dependency injection): everything made once, from the configuration, and given to those who need it.
//!
//! Nothing below knows the configuration file, the environment or the operating system's clock; they are handed what they need.
//! [`App::start`] locks the data folder, opens what is in it, and starts the workers: crawl, indexer, publisher, the job scheduler,
//! the session writer, and HTTP. [`App::ended`] returns when a graceful shutdown has let them finish.

mod backups;
mod disk;
mod erasures;
mod gauges;
mod jobs;
mod known;
use anyhow::Context as _;

mod media;
mod mirror;
mod open_files;
mod outputs;
mod retention;
mod scrub;
mod secret_file;
mod server_id;
mod sessions;
mod status;
mod watches;
mod zones;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::accounts::{LockedSessions, Pool, PoolSettings, PoolStatePersister, Session, SessionLock, SessionWriter, Sessions};
use crate::archive::{Archive, DataFolder};
use crate::blob::Blobs;
use crate::config::{Config, Server};
use crate::crawl::{self, Crawler};
use crate::erasure::{self, Eraser};
use crate::http;
use crate::lifecycle::Lifecycle;
use crate::media::Downloads;
use crate::mirror::{Mirror, MirrorSettings};
use crate::model::{AccountName, Clock};
use crate::output::{self, Delivery, Output};
use crate::schedule::Job;
use crate::seal::KeyRing;
use crate::search::{IndexFolders, IndexSupervisor, IndexerSettings, ServingIndex};

pub use backups::{StoppedProgram, backup_view, check_backup_target};
pub use known::Known;
pub use mirror::mirror_settings;
pub use outputs::{ReadyOutput, ready_outputs};
pub use server_id::{adopt_server_id, server_id};
pub use sessions::{MASTER_KEY_VARIABLE, open_sessions};

use gauges::Gauges;
use known::Found;
use retention::Retention;
use scrub::Scrub;
use watches::WatchRequests;

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
    /// The search index, as it answers at present.
    pub index: ServingIndex,
    /// The crawler.
    pub crawler: Arc<Crawler>,
    /// The files.
    pub media: Arc<Downloads>,
    /// Their bytes.
    pub blobs: Blobs,
    /// Their mirror, where there is one.
    pub mirror: Option<Arc<Mirror>>,
    /// The outputs that run, and how each is doing.
    pub outputs: Vec<RunningOutput>,
    /// Where HTTP answers.
    pub addresses: Vec<SocketAddr>,
    /// Where `/metrics` answers.
    pub metrics_addresses: Vec<SocketAddr>,
    accounts: OpenAccounts,
    indexing: IndexerSettings,
    /// The exclusive locks that this process holds for as long as it runs; given back last.
    _locks: (DataFolder, Vec<SessionLock>),
}

/// The accounts, for what is left to save when everything has ended.
struct OpenAccounts {
    pool: Arc<Pool>,
    sessions: BTreeMap<AccountName, Arc<Session>>,
    store: Sessions,
    /// The data folder, which notes what is known of them.
    data: PathBuf,
    clock: Arc<dyn Clock>,
}

/// An output that runs.
#[derive(Clone, Debug)]
pub struct RunningOutput {
    /// Its name, under which the archive keeps its position.
    pub name: String,
    /// What kind it is.
    pub kind: &'static str,
    /// How it is doing.
    pub status: Arc<output::Status>,
}

impl RunningOutput {
    /// Starts delivering to an output.
    pub fn start(name: &str, kind: &'static str, output: impl Output, archive: &Arc<Archive>, lifecycle: &Lifecycle) -> Self {
        let (output, status) = (Arc::new(output), Arc::new(output::Status::new()));
        let (reader, archive, shown) = (name.to_owned(), Arc::clone(archive), Arc::clone(&status));
        lifecycle.work(format!("output-{name}"), move || {
            Delivery::new(&reader, Arc::clone(&output), Arc::clone(&archive), Arc::clone(&shown))
        });
        Self { name: name.to_owned(), kind, status }
    }
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("archive", &self.archive).finish_non_exhaustive()
    }
}

/// The schedule of a program that does not run, for the commands: what the configuration plans and the archive remembers.
///
/// # Errors
/// When a plan is invalid, or the archive cannot be read.
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
    /// When the data folder is in use or damaged, a session cannot be used, an address is in use, or a setting is invalid.
    pub async fn start(config: &Config, data: &Path, environment: Environment) -> anyhow::Result<Self> {
        // Before anything is locked or asked: a start that fails leaves nothing behind.
        config.check()?;
        check_backup_target(config, data)?;
        let outputs = ready_outputs(config)?;
        let mirror = mirror_settings(config)?;
        let folder = DataFolder::lock_within(data, FOLDER_LOCK_TIMEOUT).await?;
        folder.clear_leftovers()?;
        let store = open_sessions(config)?;
        let LockedSessions { sessions, locks } = store.take_all()?;
        let earlier = Known::read(data)?;
        let ring = KeyRing::load(&DataFolder::keys(data))?;
        let server = server_id(data)?;
        let (sessions_folder, configuration) = (config.accounts.sessions.as_path(), config.file.as_ref());
        let found = Found { folder: sessions_folder, sessions: &sessions, keys: &ring, server: &server, configuration };
        match &earlier {
            Some(known) => known.check(data, found)?,
            None if folder.archive().exists() => tracing::warn!(
                "`{}` is missing: what vanished before this start cannot be told; what is there now is noted",
                known::place(data).display()
            ),
            None => {}
        }
        check_accounts(config, &sessions)?;
        open_files::warn_if_few(config, sessions.len());
        let writing = config.archive.writing();
        let (archive, index) = {
            let (path, index) = (folder.archive(), IndexFolders::at(&folder.index()));
            let (root, now) = (data.to_owned(), environment.clock.timestamp());
            let open = move || {
                let archive = Arc::new(Archive::open_seen(&path, writing, index.seen()?.as_ref())?);
                archive.check_positions()?;
                let again = erasure::order_again(&archive, &root, now)?;
                if again > 0 {
                    tracing::warn!("the archive went back behind {again} erasures: they are carried out again");
                }
                let index = ServingIndex::open(index, &archive)?;
                anyhow::Ok((archive, index))
            };
            tokio::task::block_in_place(open)?
        };
        let blobs = {
            let (path, limits) = (folder.blobs(), config.media.limits(writing.free_min));
            tokio::task::block_in_place(|| Blobs::open(&path, limits))?
        };
        let http_settings = config.http.settings();
        let bound = http::Bound::bind(&http_settings, Some(&DataFolder::socket(data))).await?;
        let keys = http::Keys::open(&DataFolder::keys(data))?;
        let audit = DataFolder::audit(data);
        let audit = http::AuditLog::open(&audit, config.http.audit_files_max).with_context(|| {
            format!("the audit log `{}` cannot be written; `http.audit_files_max = 0` is for none", audit.display())
        })?;
        tokio::task::block_in_place(|| Known::of(found, earlier, environment.clock.timestamp()).write(data))?;
        let lifecycle = Lifecycle::new();

        let names: Vec<AccountName> = sessions.keys().cloned().collect();
        let pacing =
            PoolSettings { downloads_in_flight_max: config.media.requests_in_flight_max(), ..config.accounts.pool_settings() };
        let pool = Pool::new(names.iter().cloned(), pacing, Arc::clone(&environment.clock));
        PoolStatePersister::restore(&pool, &sessions, config.accounts.rest_after_crash.duration());
        let accounts = OpenAccounts {
            pool: Arc::clone(&pool),
            sessions: sessions.clone(),
            store: store.clone(),
            data: data.to_owned(),
            clock: Arc::clone(&environment.clock),
        };
        // Before anything is asked: what Telegram answers to it may not live to be saved.
        tokio::task::block_in_place(|| accounts.save())?;
        lifecycle.work("budgets", {
            let (pool, sessions) = (Arc::clone(&pool), sessions.clone());
            move || PoolStatePersister::new(Arc::clone(&pool), &sessions)
        });
        let backed_up_sessions = store.clone();
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
            crawl_settings(config, names.len())?,
            &lifecycle,
        )?;
        let media = config.media.settings().map_err(|(key, why)| anyhow::anyhow!("`media.{key}` of the configuration {why}"))?;
        let (asking, clock) = ((crawler.clients(), crawler.pool()), &environment.clock);
        let media = Downloads::start(&archive, &blobs, asking, clock, media, &lifecycle)?;
        let mirror = start_mirror(mirror, &archive, &blobs, clock, &lifecycle)?;
        lifecycle.work(disk::DISK_WORKER, {
            let (archive, lifecycle) = (Arc::clone(&archive), lifecycle.clone());
            move || disk::Disk::new(Arc::clone(&archive), lifecycle.clone())
        });
        Retention::start(config.archive.series_retention(), &archive, &environment.clock, &lifecycle);
        let indexing = config.search.indexer_settings();
        lifecycle.work("indexer", {
            let index = index.clone();
            move || IndexSupervisor::new(index.clone(), indexing)
        });
        Scrub::start(config.archive.scrub(), &archive, &index, &environment.clock, &lifecycle);
        let start = |output: ReadyOutput| output.start(&archive, &environment.clock, &lifecycle);
        let outputs: Vec<RunningOutput> = outputs.into_iter().map(start).collect();
        let backups = {
            let planned = match config.jobs.backup.target() {
                // As `telescribe backup` names it, and as it can be found from elsewhere.
                Some((target, keep)) => Some(backups::Planned { target: std::path::absolute(target)?, keep }),
                None => None,
            };
            let (archive, clock) = (Arc::clone(&archive), Arc::clone(&environment.clock));
            Arc::new(backups::Backups::new(data, archive, backed_up_sessions, clock, lifecycle.clone(), planned))
        };
        lifecycle.work("backup", {
            let backups = Arc::clone(&backups);
            move || backups::BackupWorker::new(Arc::clone(&backups))
        });
        let erasures = {
            let rules = config.archive.retention_rules();
            let rules = rules.map_err(|(key, why)| anyhow::anyhow!("`archive.{key}` of the configuration {why}"))?;
            let (archive, clock) = (Arc::clone(&archive), Arc::clone(&environment.clock));
            Arc::new(erasures::Erasures::new(archive, data, rules, clock, lifecycle.clone()))
        };
        lifecycle.work("erasure", {
            let (archive, index, blobs) = (Arc::clone(&archive), index.clone(), blobs.clone());
            let (clock, erasures) = (Arc::clone(&environment.clock), Arc::clone(&erasures));
            move || {
                let eraser = Eraser::new(Arc::clone(&archive), index.clone(), blobs.clone(), Arc::clone(&clock));
                erasures::ErasureWorker::new(Arc::clone(&erasures), eraser)
            }
        });
        let watch_requests = WatchRequests::start(&archive, &environment.clock, &lifecycle);
        let workers = jobs::JobWorkers {
            crawler: Arc::clone(&crawler),
            backups: Arc::clone(&backups),
            media: Arc::clone(&media),
            erasures,
        };
        let job_control =
            jobs::JobControl::new(config, Arc::clone(&archive), Arc::clone(&environment.clock), Some(workers.clone()))?;
        let job_control = Arc::new(job_control);
        lifecycle.work("schedule", {
            let job_control = Arc::clone(&job_control);
            move || jobs::Scheduler::new(Arc::clone(&job_control), workers.clone())
        });
        let (addresses, metrics_addresses) = (bound.addresses(), bound.metrics_addresses());
        let running = status::RunningProgram {
            crawler: Arc::clone(&crawler),
            archive: Arc::clone(&archive),
            outputs: outputs.clone(),
            lifecycle: lifecycle.clone(),
            job_control: Arc::clone(&job_control),
            backups: Arc::clone(&backups),
            mirror: mirror.clone(),
            clock: Arc::clone(&environment.clock),
        };
        let gauges = Gauges {
            crawler: Arc::clone(&crawler),
            archive: Arc::clone(&archive),
            index: index.clone(),
            outputs: outputs.clone(),
            backups,
            mirror: mirror.clone(),
            lifecycle: lifecycle.clone(),
        };
        let clock = Arc::clone(&environment.clock);
        let running_outputs =
            outputs::RunningOutputs { outputs: outputs.clone(), archive: Arc::clone(&archive), clock: Arc::clone(&clock) };
        let context = http::Context::new(Arc::clone(&archive), index.clone(), clock, lifecycle.clone())
            .with_blobs(blobs.clone())
            .with_settings(http_settings)
            .with_keys(keys)
            .with_audit(audit)
            .with_server_id(server)
            .with_status(Arc::new(running))
            .with_operator(job_control)
            .with_watch_keeper(watch_requests)
            .with_output_keeper(Arc::new(running_outputs))
            .with_metrics(gauges.start(environment.metrics));
        bound.serve(&Arc::new(context));
        Ok(Self {
            lifecycle,
            archive,
            index,
            crawler,
            media,
            blobs,
            mirror,
            outputs,
            addresses,
            metrics_addresses,
            accounts,
            indexing,
            _locks: (folder, locks),
        })
    }

    /// Returns when a stop has let everything finish. The data folder and the sessions are free when this is dropped: not before the archive
    /// is closed.
    ///
    /// # Errors
    /// When the disk refuses the last flush.
    pub async fn ended(&self) -> anyhow::Result<()> {
        self.lifecycle.ended().await;
        if self.lifecycle.stopped_hard() {
            tokio::task::block_in_place(|| self.archive.sync())?;
        } else {
            // Readers see only what the disk has.
            tokio::task::block_in_place(|| self.archive.sync())?;
            self.finish_index().await;
            tokio::task::block_in_place(|| self.archive.flush())?;
            PoolStatePersister::mark_clean_stop(&self.accounts.pool, &self.accounts.sessions);
            tokio::task::block_in_place(|| self.accounts.save().and_then(|()| self.accounts.note()))?;
        }
        Ok(())
    }
}

impl App {
    /// Has the index read what the last workers have archived: its own worker ended beside them.
    async fn finish_index(&self) {
        let mut indexer = IndexSupervisor::new(self.index.clone(), self.indexing);
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

    /// Notes what has become known since the start: who an account is, and the keys of other data centres.
    fn note(&self) -> anyhow::Result<()> {
        let noted = Known::update(&self.data, |known| {
            self.sessions.values().for_each(|session| known.note_session(session));
            known.set_seen(self.clock.timestamp());
        });
        noted.map(drop)
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

/// Starts mirroring, where that is configured; says so where files are in a mirror only, and none is.
fn start_mirror(
    settings: Option<MirrorSettings>,
    archive: &Arc<Archive>,
    blobs: &Blobs,
    clock: &Arc<dyn Clock>,
    lifecycle: &Lifecycle,
) -> anyhow::Result<Option<Arc<Mirror>>> {
    Mirror::show_counters();
    let Some(settings) = settings else {
        let elsewhere = blobs.totals().elsewhere.count;
        if elsewhere > 0 {
            tracing::warn!(
                "{elsewhere} files are in a mirror only and cannot be served, because none is configured: set `mirror` as it was"
            );
        }
        return Ok(None);
    };
    // Programs that were started together do not come back together.
    let seed = u64::from(clock.now().timestamp_subsec_nanos()) << 32 | u64::from(std::process::id());
    Mirror::start(archive, blobs, clock, settings, seed, lifecycle).map(Some)
}

/// How to crawl with so many accounts.
fn crawl_settings(config: &Config, accounts: usize) -> anyhow::Result<crawl::Settings> {
    // What the clock would not read is not read because of a restart either.
    let runs = config.jobs.runs().map_err(|error| anyhow::anyhow!("configuration: {error}"))?;
    let resumed = runs.into_iter().filter(|run| run.job == Job::Backfill && run.plan.enabled).map(|run| run.scope).collect();
    // One worker for each request that may be in flight (one extra slot is reserved for live requests), and one that writes meanwhile.
    let workers = accounts * (config.accounts.requests_in_flight_max + 1) + 1;
    let settings = config.crawl.settings(resumed, workers);
    let settings = settings.map_err(|(key, error)| anyhow::anyhow!("`crawl.{key}` of the configuration: {error}"))?;
    Ok(crawl::Settings { files: config.media.connections(), ..settings })
}
