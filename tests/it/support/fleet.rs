//! A simulated Telegram and the whole program on it, in one process: what the promises about crawling are tried on.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use telescribe::accounts::{AuthKey, DataCentre, Session, Sessions};
use telescribe::app::{App, Environment};
use telescribe::cli::client::{Api, Globals, Refusal, Target};
use telescribe::cli::{Out, dump};
use telescribe::config::{Config, JobConfig, Server, Span, Sync as ArchiveSync};
use telescribe::crawl::Progress;
use telescribe::model::{MessageId, MessageKey, SystemClock};
use telescribe_simulator::{Options, PeerId, Simulator, World, WorldSpec};
use tokio::time::{Instant, sleep};

use crate::support::waiting::{PATIENCE, until};

/// A simulated Telegram, and a folder for the program on it.
pub(crate) struct Fleet {
    pub(crate) simulator: Simulator,
    pub(crate) config: Config,
    folder: tempfile::TempDir,
}

/// A small world that holds everything a large one does.
pub(crate) fn small() -> WorldSpec {
    WorldSpec { seed: 11, accounts: 3, peers: 12, messages: 2_400, ..WorldSpec::default() }
}

impl Fleet {
    pub(crate) async fn new(spec: WorldSpec) -> Self {
        Self::of(spec.generate(), Options::default()).await
    }

    pub(crate) async fn of(world: World, options: Options) -> Self {
        let simulator = Simulator::start(world, options).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let sessions = folder.path().join("sessions");
        write_sessions(&simulator, &sessions);
        let mut config = Config::default();
        config.telegram.server = Server::Simulated;
        config.telegram.request_timeout = Span::seconds(2);
        config.accounts.sessions = sessions;
        config.accounts.request_interval = Span::seconds(0);
        config.accounts.rest_after_crash = Span::seconds(0);
        let every_second = JobConfig::every("* * * * * *");
        config.jobs.catch_up = every_second.clone();
        config.jobs.backfill = every_second;
        // What is archived can be asked for at once.
        config.archive.sync = ArchiveSync::Always;
        config.http.listeners = Vec::new();
        config.http.metrics = Vec::new();
        // Those who try files say so: the others count requests.
        config.media.enabled = false;
        Self { simulator, config, folder }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts the program.
    pub(crate) async fn start(&self) -> App {
        self.try_start().await.unwrap()
    }

    /// The same, where it may be refused.
    pub(crate) async fn try_start(&self) -> anyhow::Result<App> {
        let environment = Environment { clock: Arc::new(SystemClock), metrics: Arc::new(String::new) };
        App::start(&self.config, &self.data(), environment).await
    }

    /// Starts the program and waits until the archive says what Telegram says.
    pub(crate) async fn start_and_finish(&self) -> App {
        let app = self.start().await;
        self.until_equal(&app).await;
        app
    }

    /// Waits until the dump equals the truth, byte for byte, and nothing is left to do.
    pub(crate) async fn until_equal(&self, app: &App) {
        let end = Instant::now() + PATIENCE;
        loop {
            let (idle, progress) = (app.crawler.backlog() == (0, 0), Progress::of(&app.archive));
            let late = Instant::now() > end;
            if late || (idle && progress.peers > 0 && progress.ids_missing == 0) {
                let (dump, truth) = (self.dump().await, self.truth());
                if dump == truth {
                    return;
                }
                assert!(!late, "the archive is not what Telegram holds: {}", first_differences(&dump, &truth));
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until the dump equals the truth, whatever else is left to do; `what` is what has been done to the program.
    pub(crate) async fn until_archived(&self, what: &str) {
        let end = Instant::now() + PATIENCE;
        loop {
            let (dump, truth) = (self.dump().await, self.truth());
            if dump == truth {
                return;
            }
            assert!(Instant::now() < end, "{what}: {}", first_differences(&dump, &truth));
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// The program as a process of its own, which can be killed. It asks at once, and by the clock each second.
    pub(crate) fn daemon(&self) -> std::process::Command {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_telescribe"));
        command
            .arg("--data")
            .arg(self.data())
            .arg("run")
            .env("TELESCRIBE__TELEGRAM__SERVER", "simulated")
            .env("TELESCRIBE__ACCOUNTS__SESSIONS", &self.config.accounts.sessions)
            .env("TELESCRIBE__ACCOUNTS__REQUEST_INTERVAL", "0s")
            .env("TELESCRIBE__ACCOUNTS__REST_AFTER_CRASH", "0s")
            .env("TELESCRIBE__JOBS__CATCH_UP__CRON", "* * * * * *")
            .env("TELESCRIBE__JOBS__BACKFILL__CRON", "* * * * * *")
            .env("TELESCRIBE__HTTP__LISTENERS", "[]")
            .env("TELESCRIBE__HTTP__METRICS", "[]")
            .env("TELESCRIBE__MEDIA__ENABLED", self.config.media.enabled.to_string())
            .env("TELESCRIBE__LOG__FILTER", "error")
            .current_dir(self.path(""))
            .stdin(std::process::Stdio::null());
        command
    }

    /// Waits until something holds.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn() -> bool) {
        until(what, holds).await;
    }

    /// How the program is asked over its socket.
    pub(crate) fn globals(&self) -> Globals {
        Globals { data: self.data(), json: false, server: None, ca: None, key: None }
    }

    /// Asks the program.
    pub(crate) async fn get(&self, target: &str) -> Value {
        Api::open(&self.globals()).await.unwrap().get::<Value>(&Target::new(target)).await.unwrap().json
    }

    /// How the program refuses to answer.
    pub(crate) async fn wish_refused(&self, target: &str) -> Refusal {
        let answer = Api::open(&self.globals()).await.unwrap().get::<Value>(&Target::new(target)).await;
        answer.map(|received| received.json).unwrap_err().downcast().unwrap()
    }

    /// Asks the program until the answer is as wanted.
    pub(crate) async fn until_got(&self, target: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            let answer = self.get(target).await;
            if holds(&answer) {
                return answer;
            }
            assert!(Instant::now() < end, "{target} stays {answer:#}");
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Wishes the program to do something.
    pub(crate) async fn wish(&self, target: &str, body: Value) -> Result<Value, Refusal> {
        wish_of(&self.globals(), target, body).await
    }

    /// Has a job run now, which asks with this method, and waits until it has ended.
    pub(crate) async fn run_job(&self, app: &App, job: &str, method: &str) {
        self.simulator.clear_ledger();
        // What the clock began just now may still run.
        while let Err(refusal) = self.wish(&format!("/v1/jobs/{job}/run"), serde_json::json!({})).await {
            assert_eq!(refusal.code, "job-running");
            sleep(Duration::from_millis(20)).await;
        }
        self.until("the job asks", || self.simulator.request_count(method) > 0).await;
        let runs = |jobs: &Value| jobs["jobs"].as_array().unwrap().iter().any(|j| j["name"] == job && j["state"] == "running");
        self.until_got("/v1/jobs", |jobs| !runs(jobs)).await;
        self.until("nothing is left to do", || app.crawler.backlog() == (0, 0)).await;
    }

    /// What `telescribe dump` writes.
    pub(crate) async fn dump(&self) -> String {
        let file = self.folder.path().join("dump.ndjson");
        let globals = self.globals();
        let mut out = Out::to(std::fs::File::create(&file).unwrap());
        dump::write(&dump::Args { all: false, peer: None }, &globals, &mut out).await.unwrap();
        std::fs::read_to_string(file).unwrap()
    }

    /// What the simulated Telegram holds.
    pub(crate) fn truth(&self) -> String {
        let mut truth = Vec::new();
        self.simulator.truth(&mut truth).unwrap();
        String::from_utf8(truth).unwrap()
    }

    /// Stops the program softly; everything must end.
    pub(crate) async fn stop(&self, app: App) {
        app.lifecycle.stop_soft();
        tokio::time::timeout(PATIENCE, app.ended()).await.expect("a soft stop ends").unwrap();
        assert_eq!(app.lifecycle.tasks(), 0);
    }
}

/// Wishes somebody to do something.
pub(crate) async fn wish_of(globals: &Globals, target: &str, body: Value) -> Result<Value, Refusal> {
    let answer = Api::open(globals).await.unwrap().post::<Value>(&Target::new(target), &body).await;
    answer.map(|received| received.json).map_err(|error| error.downcast().unwrap())
}

/// Writes the session files of a simulator's accounts.
pub(crate) fn write_sessions(simulator: &Simulator, folder: &Path) {
    let store = Sessions::new(folder, Server::Simulated.name());
    for account in simulator.accounts() {
        let dc = |dc: &telescribe_simulator::DataCentreAccess| {
            (dc.id, DataCentre { ipv4: dc.address, ipv6: None, auth_key: Some(AuthKey::new(dc.auth_key)) })
        };
        let data_centres: BTreeMap<i32, DataCentre> = account.data_centres.iter().map(dc).collect();
        let name = account.name.parse().unwrap();
        store.save(&Session::new(name, Server::Simulated.name(), account.home_dc, data_centres)).unwrap();
    }
}

/// A simulated Telegram, and a folder with the sessions of its accounts.
pub(crate) async fn with_sessions(spec: WorldSpec) -> (Simulator, tempfile::TempDir) {
    let simulator = Simulator::start(spec.generate(), Options::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    write_sessions(&simulator, &folder.path().join("sessions"));
    (simulator, folder)
}

/// The first lines that differ, for a person.
pub(crate) fn first_differences(dump: &str, truth: &str) -> String {
    let (mut left, mut right) = (dump.lines().collect::<Vec<_>>(), truth.lines().collect::<Vec<_>>());
    let (d, t): (std::collections::HashSet<_>, std::collections::HashSet<_>) =
        (left.iter().copied().collect(), right.iter().copied().collect());
    left.retain(|line| !t.contains(line));
    right.retain(|line| !d.contains(line));
    let show = |lines: &[&str]| lines.iter().take(3).copied().collect::<Vec<_>>().join("\n    ");
    format!("{} lines only archived:\n    {}\n  {} lines only true:\n    {}", left.len(), show(&left), right.len(), show(&right))
}

/// Whether the program has archived a message of the simulated Telegram.
pub(crate) fn knows(app: &App, peer: PeerId, id: i32) -> bool {
    let key = MessageKey::new(telescribe::model::PeerId(peer.marked()), MessageId(id));
    app.archive.view().message(key).unwrap().is_some()
}

/// A job, or an override of it, in what `/v1/jobs` says.
pub(crate) fn job<'a>(jobs: &'a Value, name: &str, of: Option<&str>) -> &'a Value {
    let mut found = jobs["jobs"].as_array().unwrap().iter();
    found.find(|j| j["name"] == name && j["override"].as_str() == of).unwrap()
}

/// Takes every account out of a peer.
pub(crate) fn empty(fleet: &Fleet, peer: PeerId) {
    let names = |world: &World| -> Vec<String> {
        world.chat(peer).unwrap().members.iter().map(|member| world.accounts[*member].name.clone()).collect()
    };
    for name in fleet.simulator.inspect(names) {
        fleet.simulator.leave(&name, peer).unwrap();
    }
}
