//! The clock's hand: starts what is due.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::archive::Archive;
use crate::config::JobsConfig;
use crate::crawl::Crawler;
use crate::lifecycle::{Step, Worker};
use crate::model::{Clock, Timestamp};
use crate::schedule::{Due, Job, Plan, due};

/// The longest wait before the clock is looked at again: it may have been set, or the machine may have slept.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

pub(super) fn plans(config: &JobsConfig) -> anyhow::Result<Vec<(Job, Plan)>> {
    let plan = |job| {
        let config = match job {
            Job::Discover => &config.discover,
            Job::CatchUp => &config.catch_up,
            Job::Backfill | Job::Recheck | Job::Counters => &config.backfill,
        };
        let plan = config.plan().map_err(|(key, why)| anyhow::anyhow!("`jobs.{}.{key}` {why}", Job::name(job)))?;
        Ok((job, plan))
    };
    Job::ALL.into_iter().map(plan).collect()
}

pub(super) struct Jobs {
    plans: Vec<(Job, Plan)>,
    crawler: Arc<Crawler>,
    archive: Arc<Archive>,
    clock: Arc<dyn Clock>,
    next: Option<DateTime<Utc>>,
    started: bool,
}

impl Jobs {
    pub(super) fn new(plans: Vec<(Job, Plan)>, crawler: Arc<Crawler>, archive: Arc<Archive>, clock: Arc<dyn Clock>) -> Self {
        Self { plans, crawler, archive, clock, next: None, started: false }
    }

    fn start(&self, job: Job) -> anyhow::Result<()> {
        tracing::debug!(job = job.name(), "job `{}` starts", job.name());
        tokio::task::block_in_place(|| self.crawler.run(job, &crate::schedule::Scope::all()))?;
        Ok(())
    }
}

impl Worker for Jobs {
    async fn step(&mut self) -> anyhow::Result<Step> {
        let now = self.clock.now();
        let mut step = Step::Idle;
        self.next = None;
        for (job, plan) in &self.plans {
            // What was missed while the program was not running is made up at once: gaps must not wait for the hour.
            let last = self.archive.job_started(job.name())?.filter(|_| self.started).map(Timestamp::to_utc);
            match due(plan, last, now) {
                Due::Now => {
                    let running = self.crawler.running(*job, &crate::schedule::Scope::all());
                    // A walk that has not ended is not started again; it counts as this run.
                    if !running {
                        self.start(*job)?;
                    }
                    self.archive.set_job_started(job.name(), now.into())?;
                    step = Step::Busy;
                }
                Due::At(at) => self.next = Some(self.next.map_or(at, |next| next.min(at))),
                Due::Never => {}
            }
        }
        self.started = true;
        Ok(step)
    }

    async fn wait(&mut self) {
        let wait = self.next.map_or(LOOK_AGAIN, |at| (at - self.clock.now()).to_std().unwrap_or_default());
        tokio::time::sleep(wait.min(LOOK_AGAIN)).await;
    }
}
