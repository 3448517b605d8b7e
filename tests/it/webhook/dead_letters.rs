//! Events that a receiver of web hooks never takes: skipped by the operator, kept, and sent again.

use telescribe::output::State;

use super::{Hook, stop};
use crate::support::receiver::WebhookReceiver;
use crate::support::waiting::until;

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_refused_for_good_is_skipped_kept_and_sent_again() {
    let mut receiver = WebhookReceiver::start();
    let hook = Hook::with_zebras(&receiver.url, 3);
    let [first, second, third] = hook.matches().try_into().unwrap();
    receiver.answer(&["204", "always 403"]);
    let lifecycle = hook.run();
    assert_eq!(hook.status.ask_to_skip(), None, "nothing is refused");
    hook.until("the refusal", |report| report.refused_event.as_deref() == Some(&second)).await;
    let report = hook.report();
    assert!(report.state == State::Blocked && report.next_try.is_some(), "{report:?}");
    assert_eq!(hook.status.ask_to_skip().as_ref(), Some(&second));
    hook.until("the next is refused", |report| report.refused_event.as_deref() == Some(&third)).await;
    assert_eq!(hook.report().dead_letters, 1);
    stop(lifecycle).await;

    // What is kept survives; what is behind it goes on.
    receiver.answer(&["always 204"]);
    let lifecycle = hook.run();
    hook.until("the rest", |report| report.lag == 0 && report.dead_letters == 1).await;
    assert_eq!(receiver.confirmed(), [&first, &third].map(Clone::clone));
    let letters: Vec<_> = hook.archive.view().dead_letters("alerts").map(Result::unwrap).collect();
    assert_eq!(letters.iter().map(|letter| &letter.event).collect::<Vec<_>>(), [&second]);
    assert!(letters[0].why.starts_with("it was skipped: the receiver answered 403 (Forbidden)"), "{}", letters[0].why);

    // Refused again, it stays and holds back nothing.
    receiver.answer(&["403"]);
    assert_eq!(hook.status.ask_to_resend(), 1);
    let tried = || receiver.requests().iter().filter(|request| request.id == second && request.answer.starts_with("403")).count();
    let before = tried();
    until("it was tried", || tried() > before).await;
    hook.post(4, "zebra 4");
    hook.until("what is behind it", |report| report.lag == 0).await;
    assert_eq!(hook.report().dead_letters, 1);
    assert_eq!(hook.status.ask_to_resend(), 1);
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
    hook.status.ask_to_skip();
    hook.until("the next is refused", |report| report.refused_event.as_deref() == Some(&of_zebras)).await;
    assert_eq!((hook.report().position, hook.report().dead_letters), (0, 1), "the change is not over");
    stop(lifecycle).await;
    receiver.answer(&["always 204"]);
    hook.run_to_the_end().await;
    assert_eq!(receiver.confirmed(), [of_zebras]);
    assert_eq!(hook.archive.view().dead_letters("alerts").count(), 1);
}
