//! Receivers that refuse, break off, are silent, lead elsewhere, are gone, or cannot be trusted: everything comes in the end, once it can, in order.

use std::time::{Duration, Instant};

use telescribe::lifecycle::{StepOutcome, Worker as _};
use telescribe::model::Seq;
use telescribe::output::State;
use tokio::time::timeout;

use super::{Hook, stop};
use crate::support::receiver::{HookRequest, WebhookReceiver};
use crate::support::waiting::PATIENCE;

/// Checks that each event came until it was confirmed, with the same id and body, and the next one only then.
fn check(requests: &[HookRequest], expected: &[String]) {
    let mut confirmed = Vec::new();
    for request in requests {
        assert_eq!(request.refusal, None, "{request:?}");
        assert_eq!(request.id, expected[confirmed.len()], "no event comes before the one before it is confirmed");
        let earlier = requests.iter().find(|earlier| earlier.id == request.id).unwrap();
        assert_eq!(earlier.body, request.body, "the same each time");
        if request.answer.starts_with('2') || request.answer == "long" {
            confirmed.push(request.id.clone());
        }
    }
    assert_eq!(confirmed, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_receiver_does_nothing_is_lost_and_the_order_is_kept() {
    let mut receiver = WebhookReceiver::start();
    let mut hook = Hook::with_zebras(&receiver.url, 12);
    // Long enough for a machine that does four other things, short enough for the one that is silent.
    hook.settings.timeout = Duration::from_secs(3);
    let answers = [
        "500",
        "204",
        "close",
        "503 Retry-After: 1",
        "200",
        "silent",
        "201",
        "302 Location: http://127.0.0.1:1/",
        "404",
        "202",
        "429",
        "500",
        "long",
        "close",
        "close",
        "204",
        "413",
    ];
    receiver.answer(&answers);
    hook.run_to_the_end().await;
    let requests = receiver.requests();
    check(&requests, &hook.matches());
    assert_eq!(requests.iter().map(|request| request.answer.as_str()).take(answers.len()).collect::<Vec<_>>(), answers);
    let report = hook.report();
    assert_eq!((report.confirmed, report.last_error), (12, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_a_state_with_its_reason_and_nothing_that_the_receiver_says_is_shown() {
    let mut receiver = WebhookReceiver::start();
    let hook = Hook::with_zebras(&receiver.url, 2);
    let lifecycle = hook.run();
    hook.until("everything is confirmed", |report| report.lag == 0).await;
    for (answer, shown) in [
        ("500", "the receiver answered 500 (Internal Server Error)"),
        ("302", "redirects are not followed: set `outputs.0.url` to where it leads"),
        ("403", "check that it verifies with the same secret"),
        ("close", "the receiver did not answer: "),
    ] {
        receiver.answer(&[&format!("always {answer}")]);
        let id = 100 + i32::try_from(receiver.requests().len()).unwrap();
        hook.post(id, "another zebra");
        let is_told = |error: &str| error.contains(shown);
        hook.until(answer, |report| report.state == State::Blocked && report.last_error.as_deref().is_some_and(is_told)).await;
        let error = hook.report().last_error.unwrap();
        assert!(!error.contains("s3cret") && hook.report().lag > 0, "{error}");
        receiver.answer(&["always 204"]);
        hook.until("it is over", |report| report.lag == 0 && report.state == State::Connected && report.last_error.is_none())
            .await;
    }
    assert_eq!(lifecycle.workers()["alerts"].failures, 0, "it is not a failure of the program");
    stop(lifecycle).await;
    check(&receiver.requests(), &hook.matches());
    assert_eq!(hook.report().connections, 1, "no refusal costs a session");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_asks_to_be_left_alone_for_a_while_is() {
    let mut receiver = WebhookReceiver::start();
    let hook = Hook::with_zebras(&receiver.url, 2);
    receiver.answer(&["429 Retry-After: 2", "503 Retry-After: 3"]);
    hook.run_to_the_end().await;
    let requests = receiver.requests();
    check(&requests, &hook.matches());
    let waited = [requests[1].at - requests[0].at, requests[2].at - requests[1].at];
    assert!(waited[0] >= 2.0 && waited[1] >= 3.0, "{waited:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_gone_is_not_asked_again_soon_and_a_start_asks_it() {
    let mut receiver = WebhookReceiver::start();
    let hook = Hook::with_zebras(&receiver.url, 2);
    receiver.answer(&["204", "410"]);
    let mut delivery = hook.delivery();
    let end = Instant::now() + PATIENCE;
    while hook.report().last_error.is_none() {
        delivery.step().await.unwrap();
        assert!(Instant::now() < end, "{:?}", hook.report());
    }
    let report = hook.report();
    assert_eq!((report.state, report.lag), (State::Disconnected, 1));
    let error = report.last_error.unwrap();
    assert!(error.contains("the receiver says that it is gone (410); remove the output, or change `outputs.0.url`"), "{error}");
    assert_eq!(delivery.step().await.unwrap(), StepOutcome::Idle);
    assert!(timeout(Duration::from_secs(2), delivery.wait()).await.is_err(), "it waits before it tries again");
    assert_eq!(receiver.requests().len(), 2);
    drop(delivery);
    hook.run_to_the_end().await;
    check(&receiver.requests(), &hook.matches());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_away_or_not_to_be_trusted_is_a_state_before_there_is_anything_to_send() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let untrusted = WebhookReceiver::with_tls();
    for (url, shown) in [
        (format!("http://{closed}/s3cret"), format!("receiver `http://{closed}` cannot be reached: ")),
        (untrusted.url.clone(), "cannot be reached: invalid peer certificate: UnknownIssuer; have the system trust".to_owned()),
        (untrusted.url.replace("https", "http"), "the receiver did not answer: ".to_owned()),
        (format!("https://{}/s3cret", receiver_of_plain().0), "cannot be reached: ".to_owned()),
    ] {
        let hook = Hook::with_zebras(&url, 1);
        let lifecycle = hook.run();
        hook.until(&shown, |report| report.last_error.as_deref().is_some_and(|error| error.contains(&shown))).await;
        let report = hook.report();
        assert!(!report.last_error.clone().unwrap().contains("s3cret"), "{report:?}");
        assert_ne!(report.state, State::Connected);
        assert_eq!((report.position, report.confirmed), (0, 0));
        stop(lifecycle).await;
        assert_eq!(hook.archive.view().position("alerts").unwrap(), Seq(0));
    }
    assert!(untrusted.requests().is_empty());
}

/// The address of something that answers without encryption, whatever it is asked.
fn receiver_of_plain() -> (String, std::thread::JoinHandle<()>) {
    use std::io::Write as _;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let thread = std::thread::spawn(move || {
        for stream in listener.incoming().take(1) {
            let _ = stream.unwrap().write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    (address, thread)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_no_receiver_that_is_silent_and_what_it_left_comes_again() {
    let mut receiver = WebhookReceiver::start();
    let hook = Hook::with_zebras(&receiver.url, 3);
    receiver.answer(&["204", "silent"]);
    let lifecycle = hook.run();
    crate::support::waiting::until("the second is under way", || receiver.requests().len() == 2).await;
    let asked = Instant::now();
    stop(lifecycle).await;
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    assert_eq!(hook.report().lag, 2);
    hook.run_to_the_end().await;
    check(&receiver.requests(), &hook.matches());
}
