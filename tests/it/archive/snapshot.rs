//! A snapshot shows one moment, whatever is written meanwhile: no total is of two.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test")]

use telescribe::archive::{CrawlState, Order, View};
use telescribe::crawl::Progress;
use telescribe::model::{ChatId, IdRange, Peer, PeerId, Seq};

use crate::support::archives::{Kept, add_to_each, all_versions};
use crate::support::messages::{CHAT, at, peer, range, raw, text};

/// What is read in different ways: point reads, several keys at once, ranges in both directions.
fn read(view: View<'_>) -> String {
    let all = IdRange { first: 1, last: i32::MAX };
    let messages = |order| view.messages(CHAT.into(), all, order).map(Result::unwrap).collect::<Vec<_>>();
    let states: Vec<(ChatId, CrawlState)> = view.crawl_states(PeerId(i64::MIN).into()).map(Result::unwrap).collect();
    let peers: Vec<Peer> = view.peers(PeerId(i64::MIN)).map(Result::unwrap).collect();
    format!(
        "{:#?}",
        (
            (view.message(at(1)).unwrap(), view.messages_by_key(&[at(2), at(1)]).unwrap(), all_versions(view, at(1))),
            (messages(Order::OldestFirst), messages(Order::NewestFirst), view.raw(at(1)).unwrap()),
            (view.peer_by_username("five").unwrap(), peers, view.coverage(CHAT).unwrap(), states),
            (view.changes(Seq(0), usize::MAX).unwrap(), view.positions().unwrap(), view.job_started("discover").unwrap()),
        )
    )
}

#[test]
fn a_snapshot_shows_what_was_true_when_it_was_taken() {
    let kept = Kept::new();
    kept.commit(|w| {
        w.message(text(1, "a"), raw("a"), 0).covered(CHAT, range(1, 1)).peer(peer(5, Some("five"))).position("reader", Seq(1));
    });
    let before = read(kept.view());
    let snapshot = kept.snapshot();
    assert_eq!(read(snapshot.view()), before);
    kept.commit(|w| {
        w.message(text(1, "b"), raw("b"), 1).message(text(2, "c"), raw("c"), 0).covered(CHAT, range(1, 9)).delete(at(1));
        w.peer(peer(5, Some("cinq"))).peer(peer(6, Some("five"))).crawl_state(CHAT, |state| state.top = 9);
        w.position("reader", Seq(2)).job_started("discover");
    });
    assert_eq!(read(snapshot.view()), before);
    let after = read(kept.view());
    assert_ne!(after, before);
    assert_eq!(read(kept.snapshot().view()), after);
    assert_eq!(snapshot.view().verify().unwrap().messages, 1);
    assert_eq!(kept.differences(), [""; 0]);
}

#[test]
fn progress_is_of_one_moment_while_writes_go_on() {
    const WRITES: i32 = 300;
    let kept = Kept::new();
    let archive = &*kept;
    let peers: Vec<PeerId> = (1..=20).map(|n| PeerId(CHAT.0 - n)).collect();
    add_to_each(archive, &peers, 1);
    std::thread::scope(|scope| {
        scope.spawn(|| (2..=WRITES).for_each(|id| add_to_each(archive, &peers, id)));
        loop {
            let progress = Progress::of(archive);
            assert_eq!((progress.peers, progress.peers_complete), (20, 20), "{progress:?}");
            assert_eq!(progress.messages % progress.peers, 0, "every write adds a message to each peer: {progress:?}");
            assert_eq!((progress.ids_read, progress.ids_missing), (progress.messages, 0), "{progress:?}");
            if progress.messages == u64::from(WRITES.unsigned_abs()) * progress.peers {
                break;
            }
        }
    });
    assert_eq!(kept.view().crawl_state(peers[0]).unwrap().unwrap().top, WRITES);
}
