//! The clock's hand: starts what is due, and what an operator wishes.
//!
//! The [`Timetable`] is what is shown and asked; the [`Hand`] is the worker that starts. A wish only waits in the timetable: it is
//! started by the hand, under the same rules as what is due by the clock.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use futures_util::future::BoxFuture;
use tokio::sync::Notify;

use crate::archive::{Archive, ArchiveError};
use crate::config::{Config, InvalidPlan};
use crate::crawl::{Crawler, Joining, Standing, Target};
use crate::http::{AccountWaitView, JobView, JoinView, Operator, OperatorError, PeersView, StartView};
use crate::lifecycle::{Step, Worker};
use crate::model::{Clock, Timestamp};
use crate::schedule::{Due, Job, Look, Missed, Run, Scope, Selector, Watch};
use crate::show;

/// The longest wait before the clock is looked at again: it may have been set, or the machine may have slept.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// How long at most until the end of a run is noticed.
const END_NOTICED: Duration = Duration::from_secs(1);
/// How many next starts are shown of each run.
const NEXT_SHOWN: usize = 3;
/// Wishes that wait at once. Each is started within milliseconds: more come from a program that went wrong.
const WISHES_MAX: usize = 32;

/// What runs when, and how it is doing.
pub(super) struct Timetable {
    runs: Vec<Run>,
    archive: Arc<Archive>,
    clock: Arc<dyn Clock>,
    /// Who does the work; `None` where the program does not run.
    crawler: Option<Arc<Crawler>>,
    state: Mutex<State>,
    wished: Notify,
}

#[derive(Default)]
struct State {
    /// One for each run.
    watches: Vec<Watch>,
    wishes: Vec<Wish>,
}

/// What somebody wants to run now.
enum Wish {
    /// A run of the timetable, by its place.
    Planned(usize),
    /// A job for peers of somebody's choice.
    Chosen(Job, Scope),
}

impl Timetable {
    /// Reads what the configuration plans and what the archive remembers.
    pub(super) fn new(
        config: &Config,
        archive: Arc<Archive>,
        clock: Arc<dyn Clock>,
        crawler: Option<Arc<Crawler>>,
    ) -> anyhow::Result<Self> {
        let runs = config.jobs.runs().map_err(|error: InvalidPlan| anyhow::anyhow!("configuration: {error}"))?;
        let runs: Vec<Run> = runs.into_iter().map(|run| run.seeded(archive.id())).collect();
        let watch = |run: &Run| -> Result<Watch, ArchiveError> {
            let read = |key: String| Ok::<_, ArchiveError>(archive.job_started(&key)?.map(Timestamp::to_utc));
            Ok(Watch::resume(read(run.key())?, read(ended_key(run))?))
        };
        let watches = runs.iter().map(watch).collect::<Result<_, _>>()?;
        let state = Mutex::new(State { watches, ..State::default() });
        Ok(Self { runs, archive, clock, crawler, state, wished: Notify::new() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How a job stands; over where the program does not run.
    fn standing(&self, job: Job, scope: &Scope) -> Standing {
        self.crawler.as_ref().map(|crawler| crawler.standing(job, scope)).unwrap_or_default()
    }

    fn view(&self, run: &Run, watch: &Watch, now: DateTime<Utc>) -> JobView {
        let local = |t: DateTime<Utc>| t.with_timezone(&run.plan.zone).to_rfc3339_opts(SecondsFormat::Secs, true);
        let plan = &run.plan;
        let standing = self.standing(run.job, &run.scope);
        let state = match watch.due(plan, now) {
            _ if standing.is_running() => "running",
            _ if !plan.enabled => "disabled",
            Due::Now => "due",
            Due::At(_) => "waiting",
            Due::Never => "over",
        };
        let next = plan.starts_after(now).take(if plan.enabled { NEXT_SHOWN } else { 0 });
        JobView {
            name: run.job.name(),
            override_name: run.name.clone(),
            peers: PeersView::of(&run.scope.only, &run.scope.except),
            cron: plan.cron.source().to_owned(),
            zone: plan.zone.name().to_owned(),
            jitter: format!("{}s", plan.jitter.as_secs()),
            missed: match plan.missed {
                Missed::Once => "once",
                Missed::Skip => "skip",
            },
            state,
            next: next.map(local).collect(),
            last_started: watch.started().map(local),
            last_ended: watch.ended().map(local),
            skipped: self.crawler.is_some().then(|| watch.skipped()),
            accounts_waiting: standing
                .held()
                .iter()
                .map(|(name, until)| AccountWaitView { account: name.to_string(), until: until.map(local) })
                .collect(),
        }
    }

    /// Whom a wish is for.
    fn aim(&self, wish: &Wish) -> Option<(Job, Scope)> {
        match wish {
            Wish::Planned(at) => self.runs.get(*at).map(|run| (run.job, run.scope.clone())),
            Wish::Chosen(job, scope) => Some((*job, scope.clone())),
        }
    }

    /// The runs of a job that a wish for everybody means: its own, and those of the overrides that do not switch it off.
    fn planned(&self, job: Job) -> impl Iterator<Item = (usize, &Run)> {
        self.runs.iter().enumerate().filter(move |(_, run)| run.job == job && (run.plan.enabled || run.name.is_none()))
    }
}

/// Where the archive remembers the end of a run; no job is called `ended`.
fn ended_key(run: &Run) -> String {
    format!("ended/{}", run.key())
}

impl Operator for Timetable {
    fn join<'a>(&'a self, account: Option<&'a str>, target: &'a str) -> BoxFuture<'a, Result<JoinView, OperatorError>> {
        Box::pin(async move {
            let crawler = self.crawler.as_ref().ok_or(OperatorError::NotRunning)?;
            let wrong = || {
                let forms = "`@username`, `https://t.me/username` or `https://t.me/+hash`";
                OperatorError::BadTarget(format!("this is neither a username nor an invite link; write {forms}"))
            };
            let target = Target::parse(target).ok_or_else(wrong)?;
            let joining = crawler.join(account, &target).await.map_err(|error| OperatorError::NotJoined(error.to_string()))?;
            let outcome = match joining {
                Joining { requested: true, .. } => "requested",
                Joining { already: true, .. } => "already_in",
                Joining { .. } => "joined",
            };
            let peer = joining.peer.as_ref().map(show::peer);
            Ok(JoinView { account: joining.account.to_string(), peer, outcome })
        })
    }

    fn jobs(&self) -> Vec<JobView> {
        let now = self.clock.now();
        let watches = self.state().watches.clone();
        self.runs.iter().zip(&watches).map(|(run, watch)| self.view(run, watch, now)).collect()
    }

    fn run(&self, job: &str, peers: &[String]) -> Result<Vec<StartView>, OperatorError> {
        let job: Job = job.parse().map_err(|error| OperatorError::UnknownJob(format!("{error}")))?;
        if !peers.is_empty() && !job.is_per_peer() {
            let why =
                format!("`{job}` cannot be run for some peers only: it reads whole dialog lists, which is how peers are found");
            return Err(OperatorError::BadSelector(why));
        }
        let only: Result<Vec<Selector>, _> = peers.iter().map(|text| text.parse()).collect();
        let only = only.map_err(|error| OperatorError::BadSelector(format!("{error}")))?;
        if self.crawler.is_none() {
            return Err(OperatorError::NotRunning);
        }
        let wishes: Vec<(Wish, StartView)> = if only.is_empty() {
            let view = |run: &Run| StartView::new(run.key(), PeersView::of(&run.scope.only, &run.scope.except));
            self.planned(job).map(|(at, run)| (Wish::Planned(at), view(run))).collect()
        } else {
            let view = StartView::new(job.name().to_owned(), PeersView::of(&only, &[]));
            vec![(Wish::Chosen(job, Scope { only, except: Vec::new() }), view)]
        };
        let mut state = self.state();
        if state.wishes.len() >= WISHES_MAX {
            return Err(OperatorError::Busy);
        }
        let mut starts = Vec::new();
        for (wish, view) in wishes {
            let Some((job, scope)) = self.aim(&wish) else { continue };
            let waits = state.wishes.iter().any(|other| self.aim(other).as_ref() == Some(&(job, scope.clone())));
            if !waits && !self.standing(job, &scope).is_running() {
                state.wishes.push(wish);
                starts.push(view);
            }
        }
        drop(state);
        if starts.is_empty() {
            return Err(OperatorError::Running(format!(
                "`{job}` has been started and has not ended; `telescribe schedule` shows when it has"
            )));
        }
        self.wished.notify_one();
        Ok(starts)
    }
}

/// The worker that starts what is due and what is wished.
pub(super) struct Hand {
    timetable: Arc<Timetable>,
    crawler: Arc<Crawler>,
    next: Option<DateTime<Utc>>,
    /// Whether a run has begun of which no end was noticed.
    open: bool,
}

impl Hand {
    pub(super) fn new(timetable: Arc<Timetable>, crawler: Arc<Crawler>) -> Self {
        Self { timetable, crawler, next: None, open: false }
    }

    /// Notes which runs have ended: those of which nothing is left with any account.
    fn note_ends(&mut self, now: DateTime<Utc>) -> Result<(), ArchiveError> {
        self.open = false;
        for (at, run) in self.timetable.runs.iter().enumerate() {
            if !self.timetable.state().watches.get(at).is_some_and(Watch::is_open) {
                continue;
            }
            let standing = self.crawler.standing(run.job, &run.scope);
            // What only waits for an account is looked at now and then.
            self.open |= standing.is_running();
            let ends = self.timetable.state().watches.get_mut(at).is_some_and(|watch| watch.ends(!standing.is_over(), now));
            if ends {
                self.timetable.archive.set_job_started(&ended_key(run), now.into())?;
            }
        }
        Ok(())
    }

    fn start(&self, job: Job, scope: &Scope, key: &str, why: &'static str) -> Result<(), ArchiveError> {
        tracing::debug!(job = key, why, "job `{key}` starts ({why})");
        metrics::counter!("telescribe_jobs_started_total", "job" => job.name()).increment(1);
        tokio::task::block_in_place(|| self.crawler.run(job, scope))
    }

    /// Starts a run of the timetable, and remembers it.
    fn begin(&self, at: usize, why: &'static str, now: DateTime<Utc>) -> Result<(), ArchiveError> {
        let Some(run) = self.timetable.runs.get(at) else { return Ok(()) };
        self.start(run.job, &run.scope, &run.key(), why)?;
        self.timetable.archive.set_job_started(&run.key(), now.into())?;
        if let Some(watch) = self.timetable.state().watches.get_mut(at) {
            watch.begin(now);
        }
        Ok(())
    }

    fn fulfil(&self, now: DateTime<Utc>) -> Result<bool, ArchiveError> {
        let wishes = std::mem::take(&mut self.timetable.state().wishes);
        for wish in &wishes {
            let Some((job, scope)) = self.timetable.aim(wish) else { continue };
            // It may have become due in between: then it runs, as was wished.
            if self.crawler.standing(job, &scope).is_running() {
                continue;
            }
            match wish {
                Wish::Planned(at) => self.begin(*at, "requested", now)?,
                Wish::Chosen(job, scope) => self.start(*job, scope, job.name(), "requested")?,
            }
        }
        Ok(!wishes.is_empty())
    }
}

impl Worker for Hand {
    async fn step(&mut self) -> anyhow::Result<Step> {
        let now = self.timetable.clock.now();
        let mut step = if self.fulfil(now)? { Step::Busy } else { Step::Idle };
        self.next = None;
        self.note_ends(now)?;
        for (at, run) in self.timetable.runs.iter().enumerate() {
            let left_out = || self.crawler.standing(run.job, &run.scope).is_left_out();
            let look = match self.timetable.state().watches.get_mut(at) {
                Some(watch) => watch.look(&run.plan, left_out, now),
                None => continue,
            };
            match look {
                Look::Start => {
                    self.begin(at, "due", now)?;
                    step = Step::Busy;
                }
                Look::Skipped => {
                    metrics::counter!("telescribe_jobs_skipped_total", "job" => run.job.name()).increment(1);
                    step = Step::Busy;
                }
                Look::Wait(Some(at)) => self.next = Some(self.next.map_or(at, |next| next.min(at))),
                Look::Wait(None) => {}
            }
        }
        Ok(step)
    }

    async fn wait(&mut self) {
        let now = self.timetable.clock.now();
        let wait = self.next.map_or(LOOK_AGAIN, |at| (at - now).to_std().unwrap_or_default());
        tokio::select! {
            () = tokio::time::sleep(wait.min(if self.open { END_NOTICED } else { LOOK_AGAIN })) => {}
            () = self.timetable.wished.notified() => {}
        }
    }

    /// A run that has ended must not look as if the stop had cut it short.
    async fn finish(&mut self) -> anyhow::Result<()> {
        let now = self.timetable.clock.now();
        Ok(self.note_ends(now)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::Durability;
    use crate::model::FixedClock;

    fn timetable(folder: &std::path::Path, clock: &FixedClock, text: &str) -> Timetable {
        let config = Config { jobs: toml_of(text), ..Config::default() };
        let archive = Arc::new(Archive::open(&folder.join("archive"), Durability::Os).unwrap());
        Timetable::new(&config, archive, Arc::new(clock.clone()), None).unwrap()
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
            archive.set_job_started("recheck", Timestamp(clock.timestamp().0 - 60)).unwrap();
            archive.set_job_started("ended/recheck", clock.timestamp()).unwrap();
        }
        let timetable = timetable(folder.path(), &clock, overrides);
        let jobs = serde_json::to_value(timetable.jobs()).unwrap();
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
        assert!(matches!(timetable.run("recheck", &[]), Err(OperatorError::NotRunning)));
        assert!(matches!(timetable.run("nightly", &[]), Err(OperatorError::UnknownJob(_))));
        assert!(matches!(timetable.run("recheck", &["x".to_owned()]), Err(OperatorError::BadSelector(_))));
        assert!(matches!(timetable.run("discover", &["@a".to_owned()]), Err(OperatorError::BadSelector(_))));
    }
}
