//! The job scheduler: starts runs that are due by the cron schedule, and manual runs that an operator asks for.
//!
//! [`JobControl`] is what is shown and what takes manual runs; [`Scheduler`] is the worker that starts. A manual run only waits in a
//! bounded queue: the scheduler starts it, under the same rules as what is due (no overlap with itself). One that waits or runs
//! already is not queued twice.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use futures_util::future::BoxFuture;
use tokio::sync::Notify;

use super::backups::Backups;
use super::erasures::Erasures;
use super::media;
use crate::archive::{Archive, ArchiveError, ArchivedFile};
use crate::config::{Config, InvalidPlan};
use crate::crawl::{
    Crawler, FetchError, FetchState, Fetching, InvalidJoinTarget, JoinTarget, Joining, PeerTarget, Standing, Wanted,
};
use crate::http::{Operator, OperatorError};
use crate::lifecycle::{StepOutcome, Worker};
use crate::media::{Downloads, Judge, Wish};
use crate::model::{AccountName, Clock, FileId, FileOrigin, InvalidIds, Peer, PeerKind, Timestamp};
use crate::schedule::{Due, Job, Missed, Run, RunDecision, RunTracker, Scope, Selector, Zone, since};
use crate::show;
use crate::views::{
    AccountWaitView, BackupRunView, DownloadView, EraseBody, EraseRunView, FetchBody, FetchView, FileRulesView, FollowView,
    JobPeersView, JobView, JoinView, RulesSaidView, StartView, UnfollowView,
};

/// The longest time between two ticks of the scheduler: the clock may have been set, or the machine may have slept.
const TICK_MAX: Duration = Duration::from_secs(30);
/// The longest time between two ticks while a run is open: its end is noticed within it.
const END_CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// How many next starts are shown of each run.
const NEXT_SHOWN: usize = 3;
/// The bound of the queue of manual runs. Each is started within milliseconds: more come from a program that went wrong.
const MANUAL_RUNS_MAX: usize = 32;

/// Who does what jobs ask for.
#[derive(Clone)]
pub(super) struct JobWorkers {
    /// All that is asked of Telegram.
    pub(super) crawler: Arc<Crawler>,
    /// Backups.
    pub(super) backups: Arc<Backups>,
    /// Files.
    pub(super) media: Arc<Downloads>,
    /// What is to be erased.
    pub(super) erasures: Arc<Erasures>,
}

impl JobWorkers {
    fn run(&self, job: Job, scope: &Scope) -> Result<(), ArchiveError> {
        if job == Job::Backup {
            self.backups.start_scheduled();
            return Ok(());
        }
        tokio::task::block_in_place(|| self.crawler.run(job, scope))
    }

    fn run_left_out(&self, job: Job, scope: &Scope) -> Result<(), ArchiveError> {
        tokio::task::block_in_place(|| self.crawler.run_left_out(job, scope))
    }

    fn standing(&self, job: Job, scope: &Scope) -> Standing {
        match job {
            Job::Backup => Standing::without_requests(self.backups.is_scheduled_open()),
            _ => self.crawler.standing(job, scope),
        }
    }
}

/// What runs when, how it is doing, and the queue of manual runs.
pub(super) struct JobControl {
    runs: Vec<Run>,
    archive: Arc<Archive>,
    clock: Arc<dyn Clock>,
    /// Who does the work; `None` where the program does not run.
    workers: Option<JobWorkers>,
    /// Whether files are downloaded at all.
    downloads_files: bool,
    /// What says which.
    judge: Judge,
    state: Mutex<ControlState>,
    manual_run_added: Notify,
}

#[derive(Default)]
struct ControlState {
    /// One for each run.
    trackers: Vec<RunTracker>,
    manual_runs: Vec<ManualRun>,
}

/// A run that an operator asked for.
enum ManualRun {
    /// A planned run, by its place in the list.
    Planned(usize),
    /// A job for peers of somebody's choice.
    Selected(Job, Scope),
}

impl JobControl {
    /// Reads what the configuration plans and what the archive remembers.
    pub(super) fn new(
        config: &Config,
        archive: Arc<Archive>,
        clock: Arc<dyn Clock>,
        workers: Option<JobWorkers>,
    ) -> anyhow::Result<Self> {
        let runs = config.jobs.runs().map_err(|error: InvalidPlan| anyhow::anyhow!("configuration: {error}"))?;
        let runs: Vec<Run> = runs.into_iter().map(|run| run.seeded(archive.id())).collect();
        if workers.is_some() {
            warn_of_old_time_zones(&runs, clock.now());
        }
        let tracker = |run: &Run| -> Result<RunTracker, ArchiveError> {
            let read = |key: String| Ok::<_, ArchiveError>(archive.view().job_started(&key)?.map(Timestamp::to_utc));
            Ok(RunTracker::resume(read(run.key())?, read(ended_key(run))?))
        };
        let trackers = runs.iter().map(tracker).collect::<Result<_, _>>()?;
        let state = Mutex::new(ControlState { trackers, ..ControlState::default() });
        let rules = config.media.rules().map_err(|(key, why)| anyhow::anyhow!("configuration: `media.{key}` {why}"))?;
        let (downloads_files, judge) = (config.media.enabled, Judge::new(rules, Arc::clone(&clock)));
        Ok(Self { runs, archive, clock, workers, downloads_files, judge, state, manual_run_added: Notify::new() })
    }

    fn state(&self) -> MutexGuard<'_, ControlState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How a job stands; over where the program does not run.
    fn standing(&self, job: Job, scope: &Scope) -> Standing {
        self.workers.as_ref().map(|workers| workers.standing(job, scope)).unwrap_or_default()
    }

    fn view(&self, run: &Run, tracker: &RunTracker, now: DateTime<Utc>) -> JobView {
        let local = |t: DateTime<Utc>| run.plan.zone.local(t).to_rfc3339_opts(SecondsFormat::Secs, true);
        let plan = &run.plan;
        let standing = self.standing(run.job, &run.scope);
        let state = match tracker.due(plan, now) {
            _ if standing.is_running() => "running",
            _ if !plan.enabled => "disabled",
            Due::Now => "due",
            Due::At(_) => "waiting",
            Due::Never => "over",
        };
        let next = plan.starts_after(now).take(if plan.enabled { NEXT_SHOWN } else { 0 });
        JobView {
            name: run.job.name().into(),
            override_name: run.name.clone(),
            peers: JobPeersView::of(&run.scope.only, &run.scope.except),
            cron: plan.cron.source().to_owned(),
            zone: plan.zone.name().to_owned(),
            jitter: format!("{}s", plan.jitter.as_secs()),
            missed: match plan.missed {
                Missed::Once => "once".into(),
                Missed::Skip => "skip".into(),
            },
            state: state.into(),
            next: next.map(local).collect(),
            last_started: tracker.started().map(local),
            last_ended: tracker.ended().map(local),
            skipped: self.workers.is_some().then(|| tracker.skipped()),
            accounts_waiting: standing
                .held()
                .iter()
                .map(|(name, until)| AccountWaitView { account: name.to_string(), until: until.map(local) })
                .collect(),
        }
    }

    /// What a manual run is to do, and for which peers.
    fn target(&self, manual_run: &ManualRun) -> Option<(Job, Scope)> {
        match manual_run {
            ManualRun::Planned(at) => self.runs.get(*at).map(|run| (run.job, run.scope.clone())),
            ManualRun::Selected(job, scope) => Some((*job, scope.clone())),
        }
    }

    /// The runs of a job that a manual run without peers means: its own, and those of the overrides that do not switch it off.
    fn planned(&self, job: Job) -> impl Iterator<Item = (usize, &Run)> {
        self.runs.iter().enumerate().filter(move |(_, run)| run.job == job && (run.plan.enabled || run.name.is_none()))
    }
}

/// Governments change their clocks at short notice, so a run by an old database may be an hour off.
fn warn_of_old_time_zones(runs: &[Run], now: DateTime<Utc>) {
    let zone = runs.iter().map(|run| &run.plan).find(|plan| plan.enabled && plan.zone != Zone::utc()).map(|plan| &plan.zone);
    if let (Some(zone), Some(version)) = (zone, Zone::outdated_database(now)) {
        tracing::warn!(
            "the time zone database is of {version}, so the clock of `{zone}` and others may be wrong by it: update the system's tzdata, \
             or this program"
        );
    }
}

/// What a request to fetch asks for.
fn wanted(body: &FetchBody, now: DateTime<Utc>) -> Result<Wanted, String> {
    match (&body.ids, &body.since) {
        (Some(_), Some(_)) => Err("`ids` and `since` are two ways to say what is wanted; name one of them".to_owned()),
        (Some(ids), None) => ids.parse().map(Wanted::Ids).map_err(|error: InvalidIds| format!("`{ids}`: {error}")),
        (None, Some(text)) => since(text, now).map(|at| Wanted::Since(at.into())).map_err(|error| error.to_string()),
        (None, None) => Ok(Wanted::Newest),
    }
}

/// Where the archive remembers the end of a run; no job is called `ended`.
fn ended_key(run: &Run) -> String {
    format!("ended/{}", run.key())
}

impl Operator for JobControl {
    fn join<'a>(&'a self, account: Option<&'a str>, target: &'a str) -> BoxFuture<'a, Result<JoinView, OperatorError>> {
        Box::pin(async move {
            let crawler = &self.workers.as_ref().ok_or(OperatorError::NotRunning)?.crawler;
            let wrong = |error: InvalidJoinTarget| OperatorError::BadTarget(error.to_string());
            let target = target.parse::<JoinTarget>().map_err(wrong)?;
            let joining = crawler.join(account, &target).await.map_err(|error| OperatorError::NotJoined(error.to_string()))?;
            let outcome = match joining {
                Joining { requested: true, .. } => JoinView::REQUESTED,
                Joining { already: true, .. } => JoinView::ALREADY_IN,
                Joining { .. } => JoinView::JOINED,
            };
            let peer = joining.peer.as_ref().map(show::peer);
            Ok(JoinView { account: joining.account.to_string(), peer, outcome: outcome.into() })
        })
    }

    fn file_rules(&self) -> Result<FileRulesView, OperatorError> {
        Ok(FileRulesView { enabled: self.downloads_files, rules: self.judge.rules().0.iter().map(media::rule).collect() })
    }

    fn explain_file(&self, file: &ArchivedFile, places_max: usize) -> Result<Vec<(FileOrigin, RulesSaidView)>, OperatorError> {
        let explained = self.judge.explain(self.archive.view(), file, places_max);
        let explained = explained.map_err(|error| OperatorError::Broken(error.to_string()))?;
        Ok(explained.into_iter().map(|(origin, explanation)| (origin, media::said(explanation))).collect())
    }

    fn downloads(&self) -> Vec<DownloadView> {
        let running = self.workers.iter().flat_map(|workers| workers.media.running());
        running.map(|download| media::download(&download)).collect()
    }

    fn wish_files(&self, files: &[FileId], retry: bool) -> Result<usize, OperatorError> {
        let workers = self.workers.as_ref().ok_or(OperatorError::NotRunning)?;
        let wish = if retry { Wish::Retry } else { Wish::Fetch };
        workers.media.wish(files, wish).map_err(|error| OperatorError::Broken(error.to_string()))
    }

    fn follow<'a>(&'a self, account: Option<&'a str>, target: &'a str) -> BoxFuture<'a, Result<FollowView, OperatorError>> {
        Box::pin(async move {
            let crawler = &self.workers.as_ref().ok_or(OperatorError::NotRunning)?.crawler;
            let target = target.parse::<JoinTarget>().map_err(|error| OperatorError::BadTarget(error.to_string()))?;
            let following =
                crawler.follow(account, &target).await.map_err(|error| OperatorError::NotFollowed(error.to_string()))?;
            let outcome = if following.already { FollowView::ALREADY } else { FollowView::FOLLOWED };
            Ok(FollowView { account: following.account.to_string(), peer: show::peer(&following.peer), outcome: outcome.into() })
        })
    }

    fn unfollow<'a>(&'a self, target: &'a str) -> BoxFuture<'a, Result<UnfollowView, OperatorError>> {
        Box::pin(async move {
            let crawler = &self.workers.as_ref().ok_or(OperatorError::NotRunning)?.crawler;
            let target = target.parse::<PeerTarget>().map_err(|error| OperatorError::BadTarget(error.to_string()))?;
            let peer = crawler.unfollow(&target).await.map_err(|error| OperatorError::NotFollowed(error.to_string()))?;
            Ok(UnfollowView { peer: show::peer(&peer) })
        })
    }

    fn fetch<'a>(&'a self, body: &'a FetchBody) -> BoxFuture<'a, Result<u64, OperatorError>> {
        Box::pin(async move {
            let crawler = &self.workers.as_ref().ok_or(OperatorError::NotRunning)?.crawler;
            let target = body.peer.parse::<PeerTarget>().map_err(|error| OperatorError::BadTarget(error.to_string()))?;
            let account = body.account.as_deref().map(str::parse::<AccountName>).transpose();
            let account = account.map_err(|error| OperatorError::BadWish(error.to_string()))?;
            let wanted = wanted(body, self.clock.now()).map_err(OperatorError::BadWish)?;
            let begun = crawler.fetch(account.as_ref(), &target, wanted).await;
            begun.map(|(run, _)| run).map_err(|error| match error {
                FetchError::Busy => OperatorError::Busy,
                FetchError::TooMany(_) | FetchError::WhoseIds(_) | FetchError::AnotherOnes(..) => {
                    OperatorError::BadWish(error.to_string())
                }
                error => OperatorError::NotFetched(error.to_string()),
            })
        })
    }

    fn fetched(&self, run: u64, patience: Duration) -> BoxFuture<'_, Result<Option<FetchView>, OperatorError>> {
        Box::pin(async move {
            let crawler = &self.workers.as_ref().ok_or(OperatorError::NotRunning)?.crawler;
            let Some(mut fetching) = crawler.fetching(run) else { return Ok(None) };
            let is_over = |fetching: &Fetching| fetching.state != FetchState::Reading;
            tokio::time::timeout(patience, fetching.wait_for(is_over)).await.ok();
            let Fetching { chat, state, pages, messages, new, edited, deleted, left } = fetching.borrow().clone();
            let peer = self.archive.view().peer(chat.peer()).ok().flatten();
            let (state, error) = match state {
                FetchState::Reading => (FetchView::READING, None),
                FetchState::Done => (FetchView::DONE, None),
                FetchState::Failed(why) => (FetchView::FAILED, Some(why)),
            };
            let hindered = if state == FetchView::READING { crawler.hindrance(chat) } else { None };
            let bare = || Peer::new(chat.peer(), PeerKind::Channel, String::new());
            Ok(Some(FetchView {
                run,
                state: state.into(),
                error,
                hindered,
                peer: show::peer(&peer.unwrap_or_else(bare)),
                account: chat.account().map(|account| account.to_string()),
                pages,
                messages,
                new,
                edited,
                deleted,
                left,
            }))
        })
    }

    fn back_up(&self, target: PathBuf, keep: Option<u32>) -> Result<u64, OperatorError> {
        self.workers.as_ref().ok_or(OperatorError::NotRunning)?.backups.ask(target, keep)
    }

    fn backup_run(&self, run: u64) -> Option<BackupRunView> {
        self.workers.as_ref()?.backups.run(run)
    }

    fn erase(&self, wanted: &EraseBody) -> Result<u64, OperatorError> {
        self.workers.as_ref().ok_or(OperatorError::NotRunning)?.erasures.ask(wanted)
    }

    fn erase_run(&self, run: u64) -> Option<EraseRunView> {
        self.workers.as_ref()?.erasures.run(run)
    }

    fn jobs(&self) -> Vec<JobView> {
        let now = self.clock.now();
        let trackers = self.state().trackers.clone();
        self.runs.iter().zip(&trackers).map(|(run, tracker)| self.view(run, tracker, now)).collect()
    }

    fn run(&self, job: &str, peers: &[String]) -> Result<Vec<StartView>, OperatorError> {
        let job: Job = job.parse().map_err(|error| OperatorError::UnknownJob(format!("{error}")))?;
        if !peers.is_empty() && !job.is_per_peer() {
            let reason = match job {
                Job::Backup => "it is of the whole archive",
                _ => "it reads whole dialog lists, which is how peers are found",
            };
            let why = format!("`{job}` cannot be run for some peers only: {reason}");
            return Err(OperatorError::BadSelector(why));
        }
        let only: Result<Vec<Selector>, _> = peers.iter().map(|text| text.parse()).collect();
        let only = only.map_err(|error| OperatorError::BadSelector(format!("{error}")))?;
        let workers = self.workers.as_ref().ok_or(OperatorError::NotRunning)?;
        if job == Job::Backup && !workers.backups.is_planned() {
            return Err(OperatorError::NoBackupTarget);
        }
        let manual_runs: Vec<(ManualRun, StartView)> = if only.is_empty() {
            let view = |run: &Run| StartView::new(run.key(), JobPeersView::of(&run.scope.only, &run.scope.except));
            self.planned(job).map(|(at, run)| (ManualRun::Planned(at), view(run))).collect()
        } else {
            let view = StartView::new(job.name().to_owned(), JobPeersView::of(&only, &[]));
            vec![(ManualRun::Selected(job, Scope { only, except: Vec::new() }), view)]
        };
        let mut state = self.state();
        if state.manual_runs.len() >= MANUAL_RUNS_MAX {
            return Err(OperatorError::Busy);
        }
        let mut starts = Vec::new();
        for (manual_run, view) in manual_runs {
            let Some((job, scope)) = self.target(&manual_run) else { continue };
            let waits = state.manual_runs.iter().any(|other| self.target(other).as_ref() == Some(&(job, scope.clone())));
            if !waits && !self.standing(job, &scope).is_running() {
                state.manual_runs.push(manual_run);
                starts.push(view);
            }
        }
        drop(state);
        if starts.is_empty() {
            return Err(OperatorError::Running(format!(
                "`{job}` has been started and has not ended; `telescribe schedule` shows when it has"
            )));
        }
        self.manual_run_added.notify_one();
        Ok(starts)
    }
}

/// The worker that starts what is due, and manual runs.
pub(super) struct Scheduler {
    control: Arc<JobControl>,
    workers: JobWorkers,
    next: Option<DateTime<Utc>>,
    /// Whether a run has begun of which no end was noticed.
    open: bool,
}

impl Scheduler {
    pub(super) fn new(control: Arc<JobControl>, workers: JobWorkers) -> Self {
        // Shown from the start, so that the first one is seen as an increase.
        for job in Job::ALL {
            metrics::counter!("telescribe_jobs_started_total", "job" => job.name()).increment(0);
            metrics::counter!("telescribe_jobs_skipped_total", "job" => job.name()).increment(0);
        }
        Self { control, workers, next: None, open: false }
    }

    /// Notes which runs have ended: those of which nothing is left with any account.
    fn note_ends(&mut self, now: DateTime<Utc>) -> Result<(), ArchiveError> {
        self.open = false;
        for (at, run) in self.control.runs.iter().enumerate() {
            if !self.control.state().trackers.get(at).is_some_and(RunTracker::is_open) {
                continue;
            }
            let standing = self.workers.standing(run.job, &run.scope);
            // A run that only waits for a rate limited account is checked at the slower tick.
            self.open |= standing.is_running();
            let running = !standing.is_over();
            let has_ended = |tracker: &mut RunTracker| tracker.note_running(running, now) && tracker.is_stored();
            let stored = self.control.state().trackers.get_mut(at).is_some_and(has_ended);
            if stored {
                self.mark_job(&ended_key(run), now)?;
            }
        }
        Ok(())
    }

    fn start(&self, job: Job, scope: &Scope, key: &str, why: &'static str) -> Result<(), ArchiveError> {
        tracing::debug!(job = key, why, "job `{key}` starts ({why})");
        metrics::counter!("telescribe_jobs_started_total", "job" => job.name()).increment(1);
        self.workers.run(job, scope)
    }

    /// Starts a planned run, and stores the start in the archive (the checkpoint that the next start resumes from), if not every few seconds.
    fn start_planned(&self, at: usize, is_requested: bool, now: DateTime<Utc>) -> Result<(), ArchiveError> {
        let Some(run) = self.control.runs.get(at) else { return Ok(()) };
        self.start(run.job, &run.scope, &run.key(), if is_requested { "requested" } else { "due" })?;
        let is_to_be_stored =
            is_requested || self.control.state().trackers.get(at).is_some_and(|tracker| tracker.is_to_be_stored(now));
        if is_to_be_stored {
            self.mark_job(&run.key(), now)?;
        }
        if let Some(tracker) = self.control.state().trackers.get_mut(at) {
            tracker.mark_started(now, is_to_be_stored);
        }
        Ok(())
    }

    fn mark_job(&self, key: &str, now: DateTime<Utc>) -> Result<(), ArchiveError> {
        mark_job(&self.control.archive, key, now.into())
    }

    fn start_manual_runs(&self, now: DateTime<Utc>) -> Result<bool, ArchiveError> {
        let manual_runs = std::mem::take(&mut self.control.state().manual_runs);
        for manual_run in &manual_runs {
            let Some((job, scope)) = self.control.target(manual_run) else { continue };
            // A race: it may have become due in between. Then it runs, as was asked for.
            if self.workers.standing(job, &scope).is_running() {
                continue;
            }
            match manual_run {
                ManualRun::Planned(at) => self.start_planned(*at, true, now)?,
                ManualRun::Selected(job, scope) => self.start(*job, scope, job.name(), "requested")?,
            }
        }
        Ok(!manual_runs.is_empty())
    }
}

impl Worker for Scheduler {
    async fn step(&mut self) -> anyhow::Result<StepOutcome> {
        let now = self.control.clock.now();
        let mut step = if self.start_manual_runs(now)? { StepOutcome::Busy } else { StepOutcome::Idle };
        self.next = None;
        self.note_ends(now)?;
        for (at, run) in self.control.runs.iter().enumerate() {
            let would_overlap = || self.workers.standing(run.job, &run.scope).is_left_out();
            let decision = match self.control.state().trackers.get_mut(at) {
                Some(tracker) => tracker.decide(&run.plan, would_overlap, now),
                None => continue,
            };
            match decision {
                RunDecision::Start => {
                    self.start_planned(at, false, now)?;
                    step = StepOutcome::Busy;
                }
                RunDecision::Skip => {
                    self.workers.run_left_out(run.job, &run.scope)?;
                    metrics::counter!("telescribe_jobs_skipped_total", "job" => run.job.name()).increment(1);
                    step = StepOutcome::Busy;
                }
                RunDecision::Wait(Some(at)) => self.next = Some(self.next.map_or(at, |next| next.min(at))),
                RunDecision::Wait(None) => {}
            }
        }
        Ok(step)
    }

    async fn wait(&mut self) {
        let now = self.control.clock.now();
        let wait = self.next.map_or(TICK_MAX, |at| (at - now).to_std().unwrap_or_default());
        tokio::select! {
            () = tokio::time::sleep(wait.min(if self.open { END_CHECK_INTERVAL } else { TICK_MAX })) => {}
            () = self.control.manual_run_added.notified() => {}
        }
    }

    /// A run that has ended must not look as if the stop had cut it short.
    async fn finish(&mut self) -> anyhow::Result<()> {
        let now = self.control.clock.now();
        Ok(self.note_ends(now)?)
    }
}

/// Stores when a job was started, or ended.
fn mark_job(archive: &Archive, key: &str, at: Timestamp) -> Result<(), ArchiveError> {
    let mut write = archive.write(at);
    write.job_started(key);
    tokio::task::block_in_place(|| write.commit())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::Durability;
    use crate::model::FixedClock;

    fn control(folder: &std::path::Path, clock: &FixedClock, text: &str) -> JobControl {
        let config = Config { jobs: toml_of(text), ..Config::default() };
        let archive = Arc::new(Archive::open(&folder.join("archive"), Durability::Os).unwrap());
        JobControl::new(&config, archive, Arc::new(clock.clone()), None).unwrap()
    }

    fn toml_of(text: &str) -> crate::config::JobsConfig {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn what_does_not_run_is_shown_as_planned_and_as_remembered_and_starts_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let clock = FixedClock::new("2026-03-28T12:00:00Z".parse::<DateTime<Utc>>().unwrap().into());
        let overrides = r#"{
            "recheck": { "cron": "0 30 2 * * *", "zone": "Europe/Berlin", "jitter": "0s" },
            "overrides": [{ "name": "news", "peers": ["@a"], "recheck": { "enabled": false } }]
        }"#;
        {
            let archive = Archive::open(&folder.path().join("archive"), Durability::Os).unwrap();
            mark_job(&archive, "recheck", Timestamp(clock.timestamp().0 - 60)).unwrap();
            mark_job(&archive, "ended/recheck", clock.timestamp()).unwrap();
        }
        let control = control(folder.path(), &clock, overrides);
        let jobs = serde_json::to_value(control.jobs()).unwrap();
        insta::assert_json_snapshot!(jobs.as_array().unwrap().iter().filter(|job| job["name"] == "recheck").collect::<Vec<_>>(), @r#"
        [
          {
            "name": "recheck",
            "peers": {
              "except": [
                "@a"
              ]
            },
            "cron": "0 30 2 * * *",
            "zone": "Europe/Berlin",
            "jitter": "0s",
            "missed": "once",
            "state": "waiting",
            "next": [
              "2026-03-29T03:00:00+02:00",
              "2026-03-30T02:30:00+02:00",
              "2026-03-31T02:30:00+02:00"
            ],
            "last_started": "2026-03-28T12:59:00+01:00",
            "last_ended": "2026-03-28T13:00:00+01:00",
            "skipped": null
          },
          {
            "name": "recheck",
            "override": "news",
            "peers": {
              "only": [
                "@a"
              ]
            },
            "cron": "0 30 2 * * *",
            "zone": "Europe/Berlin",
            "jitter": "0s",
            "missed": "once",
            "state": "disabled",
            "next": [],
            "last_started": null,
            "last_ended": null,
            "skipped": null
          }
        ]
        "#);
        assert!(matches!(control.run("recheck", &[]), Err(OperatorError::NotRunning)));
        assert!(matches!(control.run("nightly", &[]), Err(OperatorError::UnknownJob(_))));
        assert!(matches!(control.run("recheck", &["x".to_owned()]), Err(OperatorError::BadSelector(_))));
        assert!(matches!(control.run("discover", &["@a".to_owned()]), Err(OperatorError::BadSelector(_))));
    }
}
