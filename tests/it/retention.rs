//! Retention of time series: what ended before a time goes, in bounded steps; what is true stays, and nothing else is touched.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use telescribe::archive::{Archive, Durability, ExpiryCursor};
use telescribe::config::Span;
use telescribe::model::{Clock as _, Message, MessageKey, PeerId, Seq, SystemClock, Timestamp};

use crate::support::archives::Kept;
use crate::support::fleet::{Fleet, small};
use crate::support::messages::{CHAT, NOW, at, raw, text};

fn day(day: i64) -> Timestamp {
    Timestamp(NOW.0 + day * 86_400)
}

fn seen(archive: &Archive, time: Timestamp, id: i32, views: i32) {
    let mut write = archive.write(time);
    write.message(Message { views: Some(views), ..text(id, "a") }, raw("a"), 0);
    write.commit().unwrap();
}

fn sized(archive: &Archive, time: Timestamp, peer: PeerId, members: i32) {
    let mut write = archive.write(time);
    write.member_count(peer, members);
    write.commit().unwrap();
}

/// Figures over time, in days.
type Days = Vec<(i64, i32)>;

/// The views of a message, and the members of the chat.
fn series(archive: &Archive, message: MessageKey) -> (Days, Days) {
    let days = |at: Timestamp| (at.0 - NOW.0) / 86_400;
    let views = archive.view().counters(message).unwrap().unwrap();
    let members = archive.view().member_counts(CHAT).unwrap();
    (
        views.iter().map(|s| (days(s.at), s.value.views.unwrap())).collect(),
        members.iter().map(|s| (days(s.at), s.value)).collect(),
    )
}

/// A whole pass; what each of its steps removed.
fn expire(archive: &Archive, before: Timestamp) -> Vec<u64> {
    let (mut removed, mut cursor) = (Vec::new(), Some(ExpiryCursor::default()));
    while let Some(from) = cursor {
        let (count, next) = archive.expire_samples(before, from).unwrap();
        removed.push(count);
        cursor = next;
    }
    removed
}

#[test]
fn samples_that_had_ended_go_and_what_was_true_from_then_on_stays() {
    let kept = Kept::new();
    for (when, views, members) in [(0, 1, 5), (10, 2, 6), (20, 3, 7)] {
        seen(&kept, day(when), 1, views);
        sized(&kept, day(when), CHAT, members);
    }
    seen(&kept, day(0), 2, 9);
    let all = (vec![(0, 1), (10, 2), (20, 3)], vec![(0, 5), (10, 6), (20, 7)]);
    let last = kept.last_seq();
    assert_eq!(series(&kept, at(1)), all);

    // What held at the time is still to be seen.
    assert_eq!(expire(&kept, day(5)), [0, 0]);
    assert_eq!(series(&kept, at(1)), all);
    assert_eq!(expire(&kept, day(10)), [1, 1]);
    assert_eq!(series(&kept, at(1)), (vec![(10, 2), (20, 3)], vec![(10, 6), (20, 7)]));
    assert_eq!(expire(&kept, day(15)), [0, 0]);
    // However long ago: the newest is what is true.
    assert_eq!(expire(&kept, day(10_000)), [1, 1]);
    assert_eq!(series(&kept, at(1)), (vec![(20, 3)], vec![(20, 7)]));
    assert_eq!(series(&kept, at(2)).0, [(0, 9)]);
    assert_eq!(expire(&kept, day(10_000)), [0, 0], "idempotent");

    // The same figures again are no news, and other ones are.
    sized(&kept, day(30), CHAT, 7);
    seen(&kept, day(30), 1, 4);
    assert_eq!(series(&kept, at(1)), (vec![(20, 3), (30, 4)], vec![(20, 7)]));
    assert_eq!((kept.last_seq(), kept.differences()), (last, Vec::new()), "no reader is told");
}

#[test]
fn a_pass_is_made_of_bounded_steps_and_goes_on_where_the_last_one_stopped() {
    let kept = Kept::new();
    for (when, views) in [(0, 1), (10, 2), (40, 3)] {
        kept.commit_at(day(when), |write| {
            for id in 1..=1_250 {
                write.message(Message { views: Some(views), ..text(id, "a") }, raw("a"), 0);
            }
        });
    }
    // The first of two samples of each, a thousand looked at in a step.
    assert_eq!(expire(&kept, day(20)), [500, 500, 250, 0]);
    for id in [1, 500, 501, 1_250] {
        assert_eq!(series(&kept, at(id)).0, [(10, 2), (40, 3)], "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_keeps_series_for_good_unless_the_configuration_says_how_long() {
    let mut fleet = Fleet::new(small()).await;
    let recent = Timestamp(SystemClock.timestamp().0 - 86_400);
    {
        let archive = Archive::open(&fleet.data().join("archive"), Durability::Os).unwrap();
        for (when, members) in [(day(0), 5), (day(10), 6), (recent, 7)] {
            sized(&archive, when, CHAT, members);
        }
    }
    let count = |archive: &Archive| archive.view().member_counts(CHAT).unwrap().len();
    let app = fleet.start_and_finish().await;
    assert_eq!(count(&app.archive), 3);
    assert!(!app.lifecycle.workers().contains_key("retention"));
    fleet.stop(app).await;

    fleet.config.archive.series_retention = Span::seconds(30 * 86_400);
    let app = fleet.start().await;
    fleet.until("what had ended is gone", || count(&app.archive) == 2).await;
    assert!(app.archive.last_seq() > Seq(0));
    fleet.stop(app).await;
}
