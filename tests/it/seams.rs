//! The seams admit more than one of a kind: another kind of task and another output run beside the program's own, and nothing but their own
//! code says what they are.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test")]

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use telescribe::app::RunningOutput;
use telescribe::dispatch::{Assignee, Assignment, ClaimMode, LockKey, Placement, Priority, Task, TaskError, TaskKey};
use telescribe::event::Event;
use telescribe::http::Sealing;
use telescribe::lifecycle::{StepOutcome, Worker as _};
use telescribe::model::AccountName;
use telescribe::output::{Confirmed, Delivery, Output, OutputBatch, OutputError, OutputSession, State, Status};
use telescribe::schedule::{Job, Scope};
use tokio::sync::Notify;

use crate::support::fleet::{Fleet, small};
use crate::support::served::{Served, listening};

/// An account asks who it is.
#[derive(Debug)]
struct WhoAmI {
    account: AccountName,
    /// Told when it may ask.
    released: Arc<Notify>,
    answered: Arc<AtomicBool>,
}

impl Task for WhoAmI {
    fn key(&self) -> TaskKey {
        TaskKey::new(self.kind(), Assignee::Account(self.account))
    }

    fn kind(&self) -> &'static str {
        "who-am-i"
    }

    fn method(&self) -> &'static str {
        "users.getUsers"
    }

    fn placement(&self) -> anyhow::Result<Placement> {
        let lock = LockKey::of_account("who-am-i", self.account);
        Ok(Placement { lock, mode: ClaimMode::Exclusive, candidates: vec![self.account] })
    }

    fn run(self: Arc<Self>, assignment: Assignment) -> BoxFuture<'static, Result<(), TaskError>> {
        Box::pin(async move {
            self.released.notified().await;
            assignment.client.myself().await?;
            self.answered.store(true, Ordering::SeqCst);
            Ok(())
        })
    }

    fn refused(&self, _: &AccountName, _: &str) -> anyhow::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_kind_of_task_runs_beside_the_crawl_under_the_same_rate_limits() {
    let fleet = Fleet::new(small()).await;
    let app = fleet.start_and_finish().await;
    let (released, answered) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
    let task = WhoAmI { account: "alpha".parse().unwrap(), released: Arc::clone(&released), answered: Arc::clone(&answered) };
    let before = fleet.simulator.request_count("users.getUsers");
    app.crawler.dispatch().add(Arc::new(task), Priority::Recheck);
    for job in Job::ALL {
        assert!(!app.crawler.standing(job, &Scope::all()).is_running(), "a foreign task is no part of `{}`", job.name());
    }
    released.notify_one();
    fleet.until("the task has run", || answered.load(Ordering::SeqCst)).await;
    assert_eq!(fleet.simulator.request_count("users.getUsers"), before + 1);
    fleet.stop(app).await;
}

/// Events as lines of a file, which can be made to take nothing.
struct LineFile(PathBuf, Arc<AtomicBool>);

struct OpenLineFile(std::fs::File, Arc<AtomicBool>);

struct Written(u64);

impl Output for LineFile {
    type Session = OpenLineFile;

    fn target(&self) -> String {
        format!("`{}`", self.0.display())
    }

    fn window(&self) -> usize {
        200
    }

    fn confirm_timeout(&self) -> Duration {
        Duration::from_secs(30)
    }

    async fn connect(&self) -> Result<OpenLineFile, OutputError> {
        let file = std::fs::File::options().append(true).create(true).open(&self.0).map_err(OutputError::passing)?;
        Ok(OpenLineFile(file, Arc::clone(&self.1)))
    }
}

impl OutputSession for OpenLineFile {
    type Batch = Written;

    fn is_open(&self) -> bool {
        true
    }

    fn is_blocked(&self) -> bool {
        self.1.load(Ordering::SeqCst)
    }

    async fn send(&mut self, events: Vec<Event>) -> Written {
        for event in &events {
            self.0.write_all(&event.body).unwrap();
            self.0.write_all(b"\n").unwrap();
        }
        Written(events.len() as u64)
    }

    async fn close(self) {}
}

impl OutputBatch for Written {
    async fn settle(&mut self) -> Result<(), OutputError> {
        Ok(())
    }

    fn confirmed(&self) -> Confirmed {
        Confirmed { events: self.0, unroutable: 0 }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_output_gets_every_change_in_order_beside_the_crawl() {
    let fleet = Fleet::new(small()).await;
    let app = fleet.start().await;
    let file = fleet.data().join("events.ndjson");
    let output = RunningOutput::start("lines", "file", LineFile(file.clone(), Arc::default()), &app.archive, &app.lifecycle);
    fleet.until_equal(&app).await;
    fleet.until("everything is written", || output.status.report(app.archive.last_seq()).lag == 0).await;
    assert_eq!(app.archive.view().position("lines").unwrap(), app.archive.last_seq());
    let lines = std::fs::read_to_string(&file).unwrap();
    let seqs: Vec<u64> = lines
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["data"]["seq"].as_u64().unwrap())
        .collect();
    assert_eq!(seqs, (1..=app.archive.last_seq().0).collect::<Vec<_>>());
    fleet.stop(app).await;
}

/// A worker that is idle and does not wait takes a whole processor core for as long as the output is blocked.
#[tokio::test]
async fn a_blocked_output_is_waited_for_though_there_is_something_to_send() {
    let served = Served::start(listening(Sealing::Off)).await;
    let blocked = Arc::new(AtomicBool::new(true));
    let file = LineFile(served.folder.path().join("events.ndjson"), Arc::clone(&blocked));
    let status = Arc::new(Status::new());
    let mut delivery = Delivery::new("lines", Arc::new(file), Arc::clone(&served.archive), Arc::clone(&status));
    assert_eq!(delivery.step().await.unwrap(), StepOutcome::Busy, "it connects");
    for _ in 0..3 {
        assert_eq!(delivery.step().await.unwrap(), StepOutcome::Idle);
        let waited = tokio::time::timeout(Duration::from_millis(100), delivery.wait()).await;
        assert!(waited.is_err(), "the next step would find the same");
    }
    let report = status.report(served.archive.last_seq());
    assert_eq!((report.state, report.lag), (State::Blocked, served.archive.last_seq().0));
    blocked.store(false, Ordering::SeqCst);
    while status.report(served.archive.last_seq()).lag > 0 {
        delivery.step().await.unwrap();
    }
    served.stop().await;
}
