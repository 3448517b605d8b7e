//! What the schedule promises, with the whole program on a simulated Telegram: jobs run when they are told to, for whom they are told to.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use telescribe::app::{App, Environment};
use telescribe::cli::Out;
use telescribe::cli::client::Globals;
use telescribe::config::{JobChange, JobConfig, OverrideConfig, Span};
use telescribe::config::{ListenerConfig, SealingConfig};
use telescribe::model::{ChatId, Clock, SystemClock, Timestamp};
use telescribe_simulator::{Fault, PeerId, Post, Rule, When};

use crate::support::commands::{Written, scheduled};
use crate::support::fleet::{Fleet, job, knows, small, wish_of};
use crate::support::methods::{DIALOGS, HISTORY, PEER_DIALOGS};

/// A clock that goes as the machine's does, but shows what it was set to.
#[derive(Clone, Debug)]
struct SetClock(Arc<AtomicI64>);

impl SetClock {
    fn at(text: &str) -> Self {
        let clock = Self(Arc::default());
        clock.set(text);
        clock
    }

    fn set(&self, text: &str) {
        let shown: DateTime<Utc> = text.parse().unwrap();
        self.0.store((shown - SystemClock.now()).num_milliseconds(), Ordering::SeqCst);
    }
}

impl Clock for SetClock {
    fn now(&self) -> DateTime<Utc> {
        SystemClock.now() + chrono::Duration::milliseconds(self.0.load(Ordering::SeqCst))
    }

    fn elapsed(&self) -> Duration {
        SystemClock.elapsed()
    }
}

async fn start_by(fleet: &Fleet, clock: &SetClock) -> App {
    let environment = Environment { clock: Arc::new(clock.clone()), metrics: Arc::new(String::new) };
    App::start(&fleet.config, &fleet.data(), environment).await.unwrap()
}

/// Nothing runs by the clock but what a test wants to.
fn stop_the_clock(fleet: &mut Fleet) {
    let jobs = &mut fleet.config.jobs;
    for job in [&mut jobs.discover, &mut jobs.catch_up, &mut jobs.backfill, &mut jobs.recheck, &mut jobs.counters] {
        job.enabled = false;
    }
}

fn channels(fleet: &Fleet) -> Vec<PeerId> {
    let is_channel = |peer: &PeerId| peer.marked() < -1_000_000_000_000;
    fleet.simulator.inspect(|world| world.chats.iter().map(|chat| chat.peer).filter(is_channel).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_runs_now_when_the_owner_says_so_or_a_client_of_a_listener_that_allows_it() {
    let mut fleet = Fleet::new(small()).await;
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let reads = ListenerConfig::new(any, SealingConfig::Off);
    fleet.config.http.listeners = vec![reads.clone(), ListenerConfig { operate: true, ..reads }];
    fleet.config.jobs.recheck.enabled = false;
    // The world's messages are years old.
    fleet.config.crawl.recheck_window = Span::seconds(100 * 365 * 24 * 60 * 60);
    let app = fleet.start_and_finish().await;
    fleet.simulator.clear_ledger();
    assert_eq!(scheduled(&fleet, &["run", "recheck"]).await.unwrap(), "recheck starts\n");
    fleet.until("the recheck asks", || fleet.simulator.request_count(HISTORY) > 0).await;
    let ended = |jobs: &Value| job(jobs, "recheck", None)["state"] == "disabled";
    let jobs = fleet.until_got("/v1/jobs", ended).await;
    assert!(job(&jobs, "recheck", None)["last_started"].is_string(), "{jobs:#}");

    let [reads, operates] = [0, 1].map(|at| Globals { server: Some(format!("http://{}", app.addresses[at])), ..fleet.globals() });
    let run = async |globals: &Globals, job: &str, body: Value| {
        wish_of(globals, &format!("/v1/jobs/{job}/run"), body).await.map_err(|refusal| (refusal.status, refusal.code))
    };
    let refused = |status: u16, code: &str| Err((status, code.to_owned()));
    assert_eq!(run(&reads, "recheck", json!({})).await, refused(403, "not-operator"));
    assert_eq!(run(&operates, "nightly", json!({})).await, refused(404, "unknown-job"));
    for peers in [json!(["novosti"]), json!([]), json!(["title:"]), json!(["kind:bot"])] {
        assert_eq!(run(&operates, "recheck", json!({ "peers": peers })).await, refused(400, "bad-selector"), "{peers}");
    }
    // From here on it cannot end.
    fleet.simulator.fault(Rule::new(Fault::FloodWait { seconds: 3_600 }, When::Always).method(HISTORY));
    assert_eq!(run(&operates, "recheck", json!({})).await, Ok(json!({ "starts": [{ "run": "recheck" }] })));
    fleet.until_got("/v1/jobs", |jobs| job(jobs, "recheck", None)["state"] == "running").await;
    assert_eq!(run(&operates, "recheck", json!({})).await, refused(409, "job-running"));
    let error = scheduled(&fleet, &["run", "recheck"]).await.unwrap_err();
    assert_eq!(
        error,
        "the job is already running: `recheck` has been started and has not ended; `telescribe schedule` shows when it has"
    );
    fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_override_with_a_schedule_of_its_own_polls_its_peers_and_no_others() {
    let mut fleet = Fleet::new(small()).await;
    for account in ["alpha", "bravo", "charlie"] {
        fleet.simulator.withhold_updates(account, true).unwrap();
    }
    let app = fleet.start_and_finish().await;
    fleet.stop(app).await;
    let [often, never] = [channels(&fleet)[0], channels(&fleet)[1]];
    stop_the_clock(&mut fleet);
    let every_second = JobChange { cron: Some("* * * * * *".to_owned()), enabled: Some(true), ..JobChange::default() };
    let mut news: OverrideConfig = serde_json::from_value(json!({ "name": "news", "peers": [often.to_string()] })).unwrap();
    news.catch_up = Some(every_second);
    fleet.config.jobs.overrides = vec![news];
    fleet.simulator.clear_ledger();
    let app = fleet.start().await;
    let unseen = fleet.simulator.post(never, Post::text("nobody looks")).unwrap();
    let seen = fleet.simulator.post(often, Post::text("found by a poll")).unwrap();
    fleet.until("the override has found its message", || knows(&app, often, seen)).await;
    let polls = fleet.simulator.request_count(PEER_DIALOGS);
    fleet.until("it polls again", || fleet.simulator.request_count(PEER_DIALOGS) > polls + 1).await;
    let asked: Vec<_> = fleet.simulator.ledger().into_iter().filter(|e| e.method == PEER_DIALOGS).map(|e| e.parameters).collect();
    assert!(asked.iter().all(|parameters| *parameters == format!("peers={often}")), "{asked:?}");
    assert_eq!(fleet.simulator.request_count(DIALOGS), 0, "the job itself is disabled");
    assert!(!knows(&app, never, unseen));

    let jobs = fleet.get("/v1/jobs").await;
    let news = job(&jobs, "catch-up", Some("news"));
    assert_eq!(news["peers"], json!({ "only": [often.to_string()] }));
    assert_eq!(news["next"].as_array().unwrap().len(), 3);
    let own = job(&jobs, "catch-up", None);
    assert_eq!((&own["state"], &own["next"]), (&json!("disabled"), &json!([])));
    assert_eq!(own["peers"], json!({ "except": [often.to_string()] }));
    // Whoever says so runs it even so.
    scheduled(&fleet, &["run", "catch-up"]).await.unwrap();
    fleet.until("the job itself has run", || knows(&app, never, unseen)).await;
    fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_runs_for_the_peers_that_somebody_names() {
    let mut fleet = Fleet::new(small()).await;
    fleet.config.crawl.recheck_window = Span::seconds(100 * 365 * 24 * 60 * 60);
    let app = fleet.start_and_finish().await;
    let peer = channels(&fleet)[0];
    fleet.simulator.clear_ledger();
    let text = scheduled(&fleet, &["run", "recheck", "--peers", &peer.to_string()]).await.unwrap();
    assert_eq!(text, format!("recheck starts for {peer}\n"));
    fleet.until("the recheck asks", || fleet.simulator.request_count(HISTORY) > 0).await;
    fleet.until("nothing is left to do", || app.crawler.backlog() == (0, 0)).await;
    let asked: Vec<_> = fleet.simulator.ledger().into_iter().filter(|e| e.method == HISTORY).map(|e| e.parameters).collect();
    assert!(asked.iter().all(|parameters| parameters.starts_with(&format!("peer={peer} "))), "{asked:?}");
    let error = scheduled(&fleet, &["run", "discover", "--peers", &peer.to_string()]).await.unwrap_err();
    assert!(error.contains("`discover` cannot be run for some peers"), "{error}");
    fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_ended_before_a_stop_is_not_made_up_for_at_the_next_start() {
    let mut fleet = Fleet::new(small()).await;
    fleet.config.crawl.recheck_window = Span::seconds(100 * 365 * 24 * 60 * 60);
    fleet.config.jobs.recheck = JobConfig::every("0 0 0 1 1 *");
    let app = fleet.start_and_finish().await;
    fleet.run_job(&app, "recheck", HISTORY).await;
    fleet.stop(app).await;
    let table = scheduled(&fleet, &[]).await.unwrap();
    let recheck = table.lines().find(|line| line.starts_with("recheck")).unwrap();
    assert!(recheck.contains(" waiting "), "{table}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_says_what_needs_somebody_and_what_must_wait() {
    let fleet = Fleet::new(small()).await;
    let app = fleet.start_and_finish().await;
    let status = async || {
        let written = Written::default();
        let args = telescribe::cli::status::Args {};
        telescribe::cli::status::write(&args, &fleet.globals(), &mut Out::to(written.clone())).await.unwrap();
        written.text()
    };
    let text = status().await;
    assert!(text.contains("\ncrawl: 12 of 12 peers complete, 2400 messages\n"), "{text}");
    assert!(text.contains(" all well\n"), "{text}");
    let any = |status: &Value, fits: fn(&Value) -> bool| status["accounts"].as_array().unwrap().iter().any(fits);
    fleet.simulator.sign_out("bravo").unwrap();
    fleet.until_got("/v1/status", |status| any(status, |account| account["state"] != "ready")).await;
    fleet.simulator.fault(Rule::new(Fault::FloodWait { seconds: 3_600 }, When::Nth(1)).method(DIALOGS));
    fleet.until_got("/v1/status", |status| any(status, |account| account["floods"] == 1)).await;
    let text = status().await;
    assert!(text.contains("  bravo: signed out (AUTH_KEY_UNREGISTERED); run `telescribe login bravo`\n"), "{text}");
    assert!(text.contains(" requests; flood wait for messages.getDialogs until 20"), "{text}");
    fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_program_shows_what_is_planned_and_says_that_nothing_can_be_run() {
    let mut fleet = Fleet::new(small()).await;
    let app = fleet.start_and_finish().await;
    fleet.until("a catch-up has started", || app.archive.view().job_started("catch-up").unwrap().is_some()).await;
    fleet.stop(app).await;
    fleet.config.jobs.recheck = JobConfig { enabled: false, ..JobConfig::every("0 30 2 * * *") };
    let table = scheduled(&fleet, &[]).await.unwrap();
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("JOB ") && lines[0].ends_with("NEXT STARTS"), "{table}");
    let of = |name: &str| *lines.iter().find(|line| line.starts_with(name)).unwrap();
    assert!(of("catch-up").matches(':').count() >= 4 * 2, "its last start and three to come: {table}");
    assert!(of("recheck").contains("disabled"), "{table}");
    let error = scheduled(&fleet, &["run", "recheck"]).await.unwrap_err();
    assert_eq!(error, "the program is not running: start it with `telescribe run`, then retry");
}

#[tokio::test(flavor = "multi_thread")]
async fn by_a_clock_that_jumps_a_job_is_made_up_once_and_what_still_runs_is_left_out_counted_and_gone_on_with_after_a_stop() {
    let mut fleet = Fleet::new(small()).await;
    let hourly = JobConfig { zone: "Europe/Berlin".to_owned(), ..JobConfig::every("0 0 * * * *") };
    stop_the_clock(&mut fleet);
    fleet.config.jobs.discover = hourly;
    // Due every second, so that the clock is looked at as often.
    fleet.config.jobs.catch_up.enabled = true;
    let clock = SetClock::at("2026-03-28T12:10:00Z");
    let app = start_by(&fleet, &clock).await;
    let discover = async |state: &str, started: &str| {
        let looks = |jobs: &Value| {
            let discover = job(jobs, "discover", None);
            discover["state"] == state && discover["last_started"].as_str().is_some_and(|at| at.starts_with(started))
        };
        job(&fleet.until_got("/v1/jobs", looks).await, "discover", None).clone()
    };
    let first = discover("waiting", "2026-03-28T13:1").await;
    assert_eq!(first["next"][0], "2026-03-28T14:00:00+01:00");
    // The machine sleeps for three days, and through the change to summer time.
    let walks = || fleet.simulator.ledger().iter().filter(|e| e.method == DIALOGS && e.account == "alpha").count();
    clock.set("2026-03-31T12:20:00Z");
    let made_up = discover("waiting", "2026-03-31T14:2").await;
    assert_eq!(made_up["next"][0], "2026-03-31T15:00:00+02:00");

    // Nobody may ask any more: what is due stays under way.
    fleet.simulator.fault(Rule::new(Fault::FloodWait { seconds: 86_400 }, When::Always).method(DIALOGS));
    clock.set("2026-03-31T13:00:01Z");
    discover("running", "2026-03-31T15:00:0").await;
    let before = walks();
    clock.set("2026-03-31T14:00:01Z");
    let skipped = |jobs: &Value| job(jobs, "discover", None)["skipped"] == 1;
    let jobs = fleet.until_got("/v1/jobs", skipped).await;
    assert!(job(&jobs, "discover", None)["last_started"].as_str().unwrap().starts_with("2026-03-31T15:00:0"), "{jobs:#}");
    assert!(walks() <= before + 1, "a flood wait is waited for");
    // The clock is set back by years: nothing starts on top of what runs, and the next time is near.
    clock.set("2020-01-01T00:30:00Z");
    let back = |jobs: &Value| job(jobs, "discover", None)["next"][0] == "2020-01-01T02:00:00+01:00";
    fleet.until_got("/v1/jobs", back).await;
    fleet.simulator.clear_faults();
    fleet.stop(app).await;

    clock.set("2026-03-31T14:05:00Z");
    let app = start_by(&fleet, &clock).await;
    discover("waiting", "2026-03-31T16:05:0").await;
    fleet.stop(app).await;
}

/// What a form, or a script without leave, on a page of some website could have a browser of this machine send.
#[tokio::test(flavor = "multi_thread")]
async fn a_web_page_of_somebody_else_cannot_make_a_browser_run_a_job() {
    let mut fleet = Fleet::new(small()).await;
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    fleet.config.http.listeners = vec![ListenerConfig { operate: true, ..ListenerConfig::new(any, SealingConfig::Off) }];
    let app = fleet.start().await;
    let run = async |media_type: Option<&str>, body: &str| {
        let stream = tokio::net::TcpStream::connect(app.addresses[0]).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        app.lifecycle.task(async move {
            let _ = connection.await;
        });
        let mut request = Request::post("/v1/jobs/discover/run").header("host", "127.0.0.1");
        if let Some(media_type) = media_type {
            request = request.header("content-type", media_type);
        }
        sender.send_request(request.body(Full::<Bytes>::from(body.to_owned())).unwrap()).await.unwrap().status().as_u16()
    };
    for media_type in
        [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("multipart/form-data; boundary=a")]
    {
        for body in ["", "{}"] {
            assert_eq!(run(media_type, body).await, 415, "{media_type:?} {body:?}");
        }
    }
    for body in ["[]", r#"{"peers":"@a"}"#, r#"{"peers":[1]}"#, r#"{"pears":["@a"]}"#] {
        assert_eq!(run(Some("application/json"), body).await, 400, "{body}");
    }
    fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn polls_that_bring_nothing_new_write_what_they_saw_once_a_minute() {
    let mut fleet = Fleet::new(small()).await;
    for job in [&mut fleet.config.jobs.recheck, &mut fleet.config.jobs.counters] {
        job.enabled = false;
    }
    let app = fleet.start_and_finish().await;
    let checked = || -> BTreeMap<ChatId, Option<Timestamp>> {
        let states = app.archive.view().crawl_states(ChatId::FIRST).map(Result::unwrap);
        states.map(|(chat, state)| (chat, state.checked_at)).collect()
    };
    let before = checked();
    fleet.simulator.clear_ledger();
    fleet.until("it polls", || fleet.simulator.request_count(DIALOGS) > 8).await;
    let after = checked();
    assert!(before.len() > 8 && before.keys().eq(after.keys()));
    for (chat, after) in after {
        let (before, after) = (before[&chat].unwrap().0, after.unwrap().0);
        assert!(after == before || after - before >= 60, "{chat:?} was written after {} s", after - before);
    }
    fleet.stop(app).await;
}
