//! Events that a receiver of web hooks never takes: skipped by the operator, kept, and sent again.

use std::time::Duration;

use telescribe::archive::DeadLetter;
use telescribe::event::Event;
use telescribe::lifecycle::Worker as _;
use telescribe::model::{Seq, Timestamp};
use telescribe::output::{Resending, State};
use telescribe::watches::remove;
use tokio::time::Instant;

use super::{Hook, stop};
use crate::support::messages::NOW;
use crate::support::receiver::WebhookReceiver;
use crate::support::waiting::until;

/// One that has delivered nothing, and has all of its events as dead letters.
fn with_letters(url: &str, zebras: i32) -> (Hook, Vec<String>) {
    let hook = Hook::with_zebras(url, zebras);
    let events = hook.wanted(|event| event.kind == "telescribe.watch.matched");
    let mut write = hook.archive.write(NOW);
    for Event { seq, id, .. } in &events {
        write.add_dead_letter(letter(*seq, id));
    }
    write.position("alerts", events.last().unwrap().seq);
    write.commit().unwrap();
    (hook, events.into_iter().map(|event| event.id).collect())
}

fn letter(seq: Seq, event: &str) -> DeadLetter {
    DeadLetter { output: "alerts".to_owned(), seq, event: event.to_owned(), at: Timestamp(1), why: "too large".to_owned() }
}

fn letters(hook: &Hook) -> Vec<DeadLetter> {
    hook.archive.view().dead_letters("alerts").map(Result::unwrap).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_refused_for_good_is_skipped_kept_and_sent_again() {
    let mut receiver = WebhookReceiver::start();
    let hook = Hook::with_zebras(&receiver.url, 3);
    let [first, second, third] = hook.matches().try_into().unwrap();
    receiver.answer(&["204", "always 403"]);
    let lifecycle = hook.run();
    assert_eq!(hook.status.ask_to_skip(&first), Err(None), "nothing is refused");
    hook.until("the refusal", |report| report.refused_event.as_deref() == Some(&second)).await;
    let report = hook.report();
    assert!(report.state == State::Blocked && report.next_try.is_some(), "{report:?}");
    assert_eq!(hook.status.ask_to_skip(&third), Err(Some(second.clone())), "another one is refused");
    assert_eq!(hook.status.ask_to_skip(&second), Ok(()));
    hook.until("the next is refused", |report| report.refused_event.as_deref() == Some(&third)).await;
    assert_eq!(hook.status.ask_to_skip(&second), Err(Some(third.clone())), "asked again, the next one is not skipped");
    assert_eq!(hook.report().dead_letters, 1);
    stop(lifecycle).await;

    // What is kept survives; what is behind it goes on.
    receiver.answer(&["always 204"]);
    let lifecycle = hook.run();
    hook.until("the rest", |report| report.lag == 0 && report.dead_letters == 1).await;
    assert_eq!(receiver.confirmed(), [&first, &third].map(Clone::clone));
    let letters = letters(&hook);
    assert_eq!(letters.iter().map(|letter| &letter.event).collect::<Vec<_>>(), [&second]);
    assert!(letters[0].why.starts_with("it was skipped: the receiver answered 403 (Forbidden)"), "{}", letters[0].why);

    // Refused again, it stays and holds back nothing.
    receiver.answer(&["403"]);
    assert_eq!(hook.status.ask_to_resend(Resending::All), 1);
    let tried = || receiver.requests().iter().filter(|request| request.id == second && request.answer.starts_with("403")).count();
    let before = tried();
    until("it was tried", || tried() > before).await;
    hook.post(4, "zebra 4");
    hook.until("what is behind it", |report| report.lag == 0).await;
    assert_eq!(hook.report().dead_letters, 1);
    assert_eq!(hook.status.ask_to_resend(Resending::All), 1);
    hook.until("it is sent", |report| report.dead_letters == 0).await;
    assert_eq!(receiver.confirmed().last(), Some(&second));
    stop(lifecycle).await;
    assert_eq!(hook.archive.view().dead_letters("alerts").count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_events_of_a_change_one_is_skipped_and_the_others_come_also_after_a_stop() {
    let mut receiver = WebhookReceiver::start();
    let hook = Hook::with_zebras(&receiver.url, 0);
    hook.watch("all", "is:edited OR -is:edited");
    hook.post(1, "zebra");
    let [of_all, of_zebras] = hook.matches().try_into().unwrap();
    receiver.answer(&["always 413"]);
    let lifecycle = hook.run();
    hook.until("the refusal", |report| report.refused_event.as_deref() == Some(&of_all)).await;
    hook.status.ask_to_skip(&of_all).unwrap();
    hook.until("the next is refused", |report| report.refused_event.as_deref() == Some(&of_zebras)).await;
    assert_eq!((hook.report().position, hook.report().dead_letters), (0, 1), "the change is not over");
    stop(lifecycle).await;
    receiver.answer(&["always 204"]);
    hook.run_to_the_end().await;
    assert_eq!(receiver.confirmed(), [of_zebras]);
    assert_eq!(hook.archive.view().dead_letters("alerts").count(), 1);
}

/// What refuses one may refuse them all, and says when it may be asked again.
#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_asks_for_a_pause_is_not_sent_all_dead_letters_in_a_burst() {
    let mut receiver = WebhookReceiver::start();
    let (hook, ids) = with_letters(&receiver.url, 3);
    receiver.answer(&["always 429 Retry-After: 60"]);
    let lifecycle = hook.run();
    hook.until("a connection", |report| report.state == State::Connected && report.dead_letters == 3).await;
    assert_eq!(hook.status.ask_to_resend(Resending::All), 3);
    hook.until("the pause", |report| report.next_try.is_some_and(|at| at > Instant::now() + Duration::from_secs(20))).await;
    assert!(hook.report().last_error.unwrap().starts_with("the receiver answered 429"));
    stop(lifecycle).await;
    assert_eq!(receiver.requests().iter().map(|request| &request.id).collect::<Vec<_>>(), [&ids[0]]);
    let kept = letters(&hook);
    assert_eq!(kept.iter().map(|letter| &letter.event).collect::<Vec<_>>(), ids.iter().collect::<Vec<_>>());
    assert!(kept[0].why.starts_with("the receiver answered 429") && kept[1].why == "too large", "{kept:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn asked_for_again_while_one_is_in_flight_each_dead_letter_is_sent_once() {
    let receiver = WebhookReceiver::start();
    let (hook, ids) = with_letters(&receiver.url, 3);
    let mut delivery = hook.delivery();
    while hook.report().state != State::Connected {
        delivery.step().await.unwrap();
    }
    hook.status.ask_to_resend(Resending::All);
    // The first is on its way, and not confirmed yet.
    delivery.step().await.unwrap();
    assert_eq!(hook.status.ask_to_resend(Resending::All), 3);
    for _ in 0..1_000 {
        delivery.step().await.unwrap();
    }
    assert_eq!((receiver.confirmed(), hook.report().dead_letters), (ids, 0));
    assert_eq!(letters(&hook), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_that_was_dropped_is_not_sent_again() {
    let receiver = WebhookReceiver::start();
    let (hook, ids) = with_letters(&receiver.url, 3);
    let mut delivery = hook.delivery();
    while hook.report().state != State::Connected {
        delivery.step().await.unwrap();
    }
    hook.status.ask_to_resend(Resending::All);
    delivery.step().await.unwrap();
    let dropped = letters(&hook).into_iter().find(|letter| letter.event == ids[1]).unwrap();
    let mut write = hook.archive.write(NOW);
    write.remove_dead_letter(dropped);
    write.commit().unwrap();
    hook.status.note_dead_letters(2);
    for _ in 0..1_000 {
        delivery.step().await.unwrap();
    }
    assert_eq!((receiver.confirmed(), hook.report().dead_letters), (vec![ids[0].clone(), ids[2].clone()], 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_refused_and_exists_no_longer_holds_back_nothing_and_cannot_be_skipped() {
    let mut receiver = WebhookReceiver::start();
    let hook = Hook::with_zebras(&receiver.url, 2);
    let first = hook.matches().swap_remove(0);
    receiver.answer(&["always 403"]);
    let lifecycle = hook.run();
    hook.until("the refusal", |report| report.refused_event.as_deref() == Some(&first)).await;
    remove(&hook.archive, "zebras", NOW).unwrap();
    hook.until("all is passed over", |report| report.lag == 0).await;
    hook.until("nothing is refused", |report| report.refused_event.is_none()).await;
    assert_eq!(hook.status.ask_to_skip(&first), Err(None));
    stop(lifecycle).await;
    assert_eq!((hook.archive.view().position("alerts").unwrap(), letters(&hook)), (hook.archive.flushed().last_seq(), vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_as_many_dead_letters_as_there_may_be_nothing_is_passed_over() {
    let receiver = WebhookReceiver::start();
    let hook = Hook::with_zebras(&receiver.url, 2);
    let mut write = hook.archive.write(NOW);
    for nth in 0..10_000 {
        write.add_dead_letter(letter(Seq(1), &format!("earlier.{nth}")));
    }
    write.commit().unwrap();
    let lifecycle = hook.run();
    hook.until("it is held back", |report| report.state == State::Blocked && report.dead_letters == 10_000).await;
    let report = hook.report();
    assert!(report.last_error.unwrap().starts_with("10000 events could not be delivered"));
    assert_eq!((report.position, receiver.requests().len()), (0, 0));
    // Somebody lets go of one.
    let mut write = hook.archive.write(NOW);
    write.remove_dead_letter(letter(Seq(1), "earlier.7"));
    write.commit().unwrap();
    hook.until("it goes on", |report| report.lag == 0 && report.last_error.is_none()).await;
    assert_eq!(receiver.confirmed(), hook.matches());
    stop(lifecycle).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_dead_letter_is_sent_again_past_those_that_are_refused_for_good() {
    let receiver = WebhookReceiver::start();
    let (hook, ids) = with_letters(&receiver.url, 3);
    let mut delivery = hook.delivery();
    while hook.report().state != State::Connected {
        delivery.step().await.unwrap();
    }
    assert_eq!(hook.status.ask_to_resend(Resending::One(ids[2].clone())), 3);
    for _ in 0..1_000 {
        delivery.step().await.unwrap();
    }
    assert_eq!((receiver.confirmed(), hook.report().dead_letters), (vec![ids[2].clone()], 2));
    assert_eq!(letters(&hook).into_iter().map(|letter| letter.event).collect::<Vec<_>>(), ids[..2]);
}
