//! Erasing: what an operator has ordered to be erased is gone, from the disk too, and does not come back; nothing else is touched.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod gone;
mod program;

use telescribe::archive::{Archive, Erasure, ErasureNumber, ErasureStage};
use telescribe::erasure::order;
use telescribe::model::{
    ChangeKind, ChatId, ContentHash, Counters, ErasureScope, ErasureSelection, FileId, FileOrigin, FileState, Forward, Message,
    MessageId, MessageKey, Peer, PeerId, PeerKind, Seq, StoredBytes, Timestamp,
};

use crate::support::archives::{Kept, all_versions, furnished, seen};
use crate::support::disk::{get, put};
use crate::support::messages::{CHAT, NOW, at, key, message, range, raw, text, titled};

const ALICE: PeerId = PeerId(7_001);
const BOB: PeerId = PeerId(7_002);
const OTHER: PeerId = PeerId(-1_001_500_000_002);

fn selection(scope: ErasureScope) -> ErasureSelection {
    ErasureSelection { scope, before: None }
}

fn some(chat: impl Into<ChatId>, ids: &[i32]) -> ErasureSelection {
    selection(ErasureScope::Messages { chat: chat.into(), ids: ids.iter().copied().map(MessageId).collect() })
}

/// Takes the next step of an erasure: at most so many messages. Whether there are more.
fn step(archive: &Archive, number: ErasureNumber, at_most: usize) -> bool {
    let mut erasure: Erasure = archive.view().erasure(number).unwrap().unwrap();
    if erasure.stage != ErasureStage::Messages {
        return false;
    }
    let found = archive.view().select(&erasure.selection, erasure.cursor, (1_000, at_most)).unwrap();
    let told = archive.view().told_in(&found.keys).unwrap();
    erasure.cursor = found.cursor;
    if found.is_end {
        erasure.stage = ErasureStage::Traces;
    }
    let mut write = archive.write(Timestamp(NOW.0 + 100));
    write.erase(erasure, found.keys, told);
    write.commit().unwrap();
    true
}

/// Erases from the archive alone; returns what was erased.
fn erase(archive: &Archive, selection: ErasureSelection) -> Erasure {
    let number = order(archive, selection, Timestamp(NOW.0 + 100)).unwrap();
    while step(archive, number, 2) {}
    archive.view().erasure(number).unwrap().unwrap()
}

fn sent(chat: PeerId, id: i32, sender: PeerId, words: &str) -> Message {
    Message { sender: Some(sender), ..message(chat, id, words) }
}

#[test]
fn an_erased_message_is_gone_with_all_its_versions_and_the_log_stays_whole() {
    let kept = furnished();
    let (before, head) = (kept.kinds(), (kept.last_seq(), kept.snapshot().link()));
    let others: Vec<_> =
        [at(1), at(30)].iter().map(|key| (kept.view().message(*key).unwrap(), kept.view().raw(*key).unwrap())).collect();
    let erasure = erase(&kept, some(CHAT, &[42]));
    assert_eq!((erasure.counts.messages, erasure.counts.versions), (1, 2));
    assert_eq!((kept.view().message(at(42)).unwrap(), kept.view().raw(at(42)).unwrap()), (None, None));
    assert_eq!((all_versions(kept.view(), at(42)).len(), kept.view().raw_of_version(at(42), 0).unwrap()), (0, None));
    assert!(kept.view().counters(at(42)).unwrap().is_none_or(|samples| samples.is_empty()));
    let tombstone = kept.view().tombstone(at(42)).unwrap().unwrap();
    assert_eq!((tombstone.erasure, tombstone.versions, tombstone.at), (erasure.number, 2, Timestamp(NOW.0 + 100)));
    assert!(tombstone.digest().is_some(), "what was there is known by its digest");
    assert_eq!(kept.kinds(), [before, vec![ChangeKind::MessageErased { key: at(42) }]].concat(), "positions keep their meaning");
    assert!(kept.snapshot().last_seq() > head.0);
    assert_eq!(kept.differences(), [""; 0], "the hash chain can still be checked, up to the links that were noted");
    for ((message, bytes), key) in others.into_iter().zip([at(1), at(30)]) {
        assert_eq!((kept.view().message(key).unwrap(), kept.view().raw(key).unwrap()), (message, bytes));
    }
    let coverage = kept.view().coverage(CHAT).unwrap();
    assert_eq!((coverage.messages, coverage.deleted, coverage.erased), (2, 1, 2), "with the one that was kept out");
    assert!(coverage.read.contains(42), "it is known, and no hole");
}

#[test]
fn what_is_left_in_the_log_proves_what_was_erased_and_cannot_be_exchanged() {
    let mut kept = furnished();
    erase(&kept, some(CHAT, &[42]));
    kept.meddle(|db| {
        // The entry that told of the message: its last field is a proof.
        let mut value = get(db, "change", &3_u64.to_be_bytes());
        // Behind what is sealed stands the number of the peer's previous change, in four bytes.
        let sealed = value.len() - 4;
        value[sealed - 1] ^= 1;
        put(db, "change", &3_u64.to_be_bytes(), &value);
    });
    let found = kept.differences();
    assert!(found.len() == 1 && found[0].contains("the hash chain does not fit"), "{found:?}");
}

#[test]
fn an_erased_message_never_comes_back_whoever_tells_of_it() {
    let kept = Kept::new();
    kept.commit(|w| {
        w.message(text(1, "first"), raw("first"), 0).message(text(2, "second"), raw("second"), 0).covered(CHAT, range(1, 2));
    });
    erase(&kept, some(CHAT, &[1]));
    let known = kept.kinds();
    kept.commit(|w| {
        w.message(text(1, "first"), raw("first"), 0);
    });
    kept.commit(|w| {
        w.message(text(1, "edited since"), raw("edited"), 99).delete(at(1));
        w.file_seen(FileOrigin::Message(at(1)), NOW, None, seen(FileId::photo(5), 10));
        w.counters(at(1), Counters { views: Some(9), ..Counters::default() });
    });
    // A recheck that shows it, and one that does not.
    kept.commit(|w| {
        w.message(text(1, "first"), raw("first"), 0).message(text(2, "second"), raw("second"), 0).covered(CHAT, range(1, 2));
    });
    kept.commit(|w| {
        w.message(text(2, "second"), raw("second"), 0).covered(CHAT, range(1, 2));
    });
    // Even where it was said that nobody has read it.
    kept.commit(|w| {
        w.uncover(CHAT, range(1, 1));
    });
    kept.commit(|w| {
        w.message(text(1, "first"), raw("first"), 0);
    });
    assert_eq!(kept.kinds(), known);
    assert_eq!((kept.view().message(at(1)).unwrap(), kept.view().file(FileId::photo(5)).unwrap()), (None, None));
    assert_eq!(kept.view().coverage(CHAT).unwrap().erased, 1);
    assert_eq!(kept.differences(), [""; 0]);
}

#[test]
fn what_was_erased_does_not_come_back_after_a_restart() {
    let mut kept = Kept::new();
    kept.commit(|w| {
        w.message(sent(CHAT, 1, ALICE, "a"), raw("a"), 0);
    });
    erase(&kept, selection(ErasureScope::Sender(ALICE)));
    kept.reopen();
    kept.commit(|w| {
        w.message(sent(CHAT, 1, ALICE, "a"), raw("a"), 0).message(sent(CHAT, 2, ALICE, "b"), raw("b"), 0);
    });
    assert_eq!(kept.view().coverage(CHAT).unwrap().messages, 0);
    assert!(kept.view().is_erased(at(1)).unwrap() && kept.view().is_erased(at(2)).unwrap());
    assert_eq!(kept.differences(), [""; 0]);
}

#[test]
fn of_a_chat_that_was_erased_only_what_is_posted_later_is_archived() {
    let kept = Kept::new();
    kept.commit(|w| {
        w.message(text(1, "a"), raw("a"), 0).message(text(9, "b"), raw("b"), 0).member_count(CHAT, 5);
        w.message(message(OTHER, 1, "other"), raw("other"), 0);
    });
    let erasure = erase(&kept, selection(ErasureScope::Peer(CHAT)));
    assert_eq!(erasure.counts.messages, 2);
    let coverage = kept.view().coverage(CHAT).unwrap();
    assert_eq!((coverage.messages, coverage.erased), (0, 2));
    assert!(coverage.read.contains(5), "what was never read is not asked for any more");
    assert!(kept.view().member_counts(CHAT).unwrap().is_empty());
    kept.commit(|w| {
        // Sent before the order, and read only now.
        w.message(text(5, "old"), raw("old"), 0);
        w.message(Message { date: Timestamp(NOW.0 + 1_000), ..text(10, "new") }, raw("new"), 0);
    });
    assert_eq!((kept.view().message(at(5)).unwrap(), kept.view().is_erased(at(5)).unwrap()), (None, true));
    assert!(kept.view().message(at(10)).unwrap().is_some());
    assert!(kept.view().message(key(OTHER, 1)).unwrap().is_some());
    assert_eq!(kept.differences(), [""; 0]);
}

#[test]
fn what_somebody_sent_goes_in_all_chats_with_their_name_and_what_others_wrote_stays_byte_for_byte() {
    let kept = Kept::new();
    let alice = Peer { username: Some("alice".to_owned()), ..titled(ALICE, PeerKind::User, "Alice Example") };
    kept.commit(|w| {
        w.peer(alice.clone()).peer(titled(BOB, PeerKind::User, "Bob"));
        w.message(sent(CHAT, 1, ALICE, "mine"), raw("mine"), 0).message(sent(CHAT, 2, BOB, "his"), raw("his"), 0);
        w.message(sent(OTHER, 1, ALICE, "mine too"), raw("mine too"), 0);
        let forward = Some(Forward { from: Some(ALICE), ..Forward::default() });
        w.message(Message { forward, ..sent(OTHER, 2, BOB, "mine") }, raw("copy"), 0);
        w.file_seen(FileOrigin::Avatar(ALICE), NOW, None, seen(FileId::photo(5), 10));
    });
    let his = (kept.view().message(at(2)).unwrap(), kept.view().raw(at(2)).unwrap());
    let weighed = kept.view().weigh_erasure(&selection(ErasureScope::Sender(ALICE)), &mut || true).unwrap();
    let erasure = erase(&kept, selection(ErasureScope::Sender(ALICE)));
    assert_eq!(erasure.counts, weighed, "what was counted before is what goes");
    assert_eq!(erasure.counts.messages, 3, "with the copy that was forwarded");
    assert_eq!((kept.view().message(at(2)).unwrap(), kept.view().raw(at(2)).unwrap()), his);
    assert_eq!((kept.view().peer(ALICE).unwrap(), kept.view().peer_by_username("alice").unwrap()), (None, None));
    assert_eq!(kept.view().file(FileId::photo(5)).unwrap(), None);
    // Every answer mentions who is there.
    kept.commit(|w| {
        w.peer(alice.clone()).file_seen(FileOrigin::Avatar(ALICE), NOW, None, seen(FileId::photo(5), 10));
        w.address("alpha".parse().unwrap(), ALICE, Some(telescribe::archive::Address { user: None, hash: Some(1) }));
        w.message(Message { date: Timestamp(NOW.0 + 9_000), ..sent(CHAT, 7, ALICE, "later") }, raw("later"), 0);
    });
    assert_eq!((kept.view().peer(ALICE).unwrap(), kept.view().file(FileId::photo(5)).unwrap()), (None, None));
    assert_eq!(kept.view().addresses("alpha".parse().unwrap()).count(), 0);
    assert_eq!(kept.view().message(at(7)).unwrap(), None, "of a person for good");
    assert_eq!(kept.differences(), [""; 0]);
}

#[test]
fn a_file_that_is_seen_elsewhere_stays_and_one_that_is_not_goes() {
    let kept = Kept::new();
    let stored = |id: u8| FileState::Stored(StoredBytes { hash: ContentHash([id; 32]), size: 10 });
    kept.commit(|w| {
        w.message(text(1, "a"), raw("a"), 0).message(text(2, "b"), raw("b"), 0).message(message(OTHER, 1, "c"), raw("c"), 0);
        for (id, origin) in [(1, at(1)), (2, at(1)), (2, key(OTHER, 1)), (3, at(1)), (3, at(2)), (4, at(1))] {
            w.file_seen(FileOrigin::Message(origin), NOW, None, seen(FileId::photo(id), 10));
        }
        w.file_state(FileId::photo(1), stored(1)).file_state(FileId::photo(2), stored(2)).file_state(FileId::photo(3), stored(3));
        w.file_state(FileId::photo(4), FileState::Wanted);
    });
    let of_chat = some(CHAT, &[1, 2]);
    let weighed = kept.view().weigh_erasure(&of_chat, &mut || true).unwrap();
    assert_eq!((weighed.files, weighed.bytes), (2, 20), "the one that waits has no bytes");
    let erasure = erase(&kept, of_chat);
    assert_eq!(erasure.counts, weighed);
    let left: Vec<FileId> = kept.view().files(FileId::photo(i64::MIN)).map(|file| file.unwrap().id).collect();
    assert_eq!(left, [FileId::photo(2)], "also one that was in both messages, which went in different steps or in one");
    assert_eq!(kept.view().files_queued(false).count(), 0);
    assert_eq!(kept.view().file_origins(FileId::photo(2)).count(), 1);
    assert_eq!(kept.differences(), [""; 0]);
}

#[test]
fn an_account_s_own_messages_are_erased_as_any_other() {
    let kept = Kept::new();
    let chats = ["alpha", "bravo"].map(|name| ChatId::seen_by(name.parse().unwrap(), PeerId(-42)));
    kept.commit(|w| {
        for chat in chats {
            w.message(message(chat, 5, "own"), raw("own"), 0);
        }
    });
    let named = erase(&kept, some(chats[0], &[5]));
    assert_eq!(named.counts.messages, 1);
    assert!(kept.view().message(MessageKey { chat: chats[1], id: MessageId(5) }).unwrap().is_some());
    let all = erase(&kept, selection(ErasureScope::Peer(PeerId(-42))));
    assert_eq!(all.counts.messages, 1);
    assert_eq!(kept.differences(), [""; 0]);
}

#[test]
fn only_what_was_sent_before_the_time_is_erased() {
    let kept = Kept::new();
    kept.commit(|w| {
        for id in 1..=9 {
            w.message(text(id, "a"), raw("a"), 0);
        }
    });
    let before = Some(Timestamp(NOW.0 + 5));
    let erasure = erase(&kept, ErasureSelection { scope: ErasureScope::Everything, before });
    assert_eq!(erasure.counts.messages, 4);
    assert!(kept.view().message(at(5)).unwrap().is_some() && kept.view().message(at(4)).unwrap().is_none());
    assert_eq!(kept.differences(), [""; 0]);
}

#[test]
fn a_message_that_is_damaged_can_be_erased() {
    let mut kept = furnished();
    kept.meddle(|db| put(db, "message", &crate::support::disk::stored_at(at(42)), &[u8::MAX; 2]));
    assert!(!kept.differences().is_empty());
    let erasure = erase(&kept, some(CHAT, &[42]));
    assert_eq!(erasure.counts.messages, 1);
    assert_eq!(kept.differences(), [""; 0], "what was damaged is gone");
}

#[test]
fn an_erasure_that_is_cut_short_anywhere_is_consistent_and_goes_on() {
    let mut kept = Kept::new();
    kept.commit(|w| {
        for id in 1..=7 {
            w.message(text(id, "a"), raw("a"), 0);
        }
        w.file_seen(FileOrigin::Message(at(3)), NOW, None, seen(FileId::photo(3), 10));
    });
    kept.commit(|w| {
        w.message(text(2, "edited"), raw("edited"), 1).delete(at(4));
    });
    let number = order(&kept, selection(ErasureScope::Peer(CHAT)), NOW).unwrap();
    loop {
        kept.reopen();
        assert_eq!(kept.differences(), [""; 0]);
        if !step(&kept, number, 1) {
            break;
        }
    }
    let erasure = kept.view().erasure(number).unwrap().unwrap();
    assert_eq!((erasure.counts.messages, erasure.counts.versions), (7, 8));
    assert_eq!(kept.view().files(FileId::photo(0)).count(), 0);
}

#[test]
fn an_edit_that_comes_between_the_look_and_the_write_goes_too() {
    let kept = Kept::new();
    kept.commit(|w| {
        w.message(text(1, "a"), raw("a"), 0);
    });
    let number = order(&kept, some(CHAT, &[1]), NOW).unwrap();
    let mut erasure = kept.view().erasure(number).unwrap().unwrap();
    let found = kept.view().select(&erasure.selection, None, (10, 10)).unwrap();
    let told = kept.view().told_in(&found.keys).unwrap();
    kept.commit(|w| {
        w.message(text(1, "edited"), raw("edited"), 1);
    });
    erasure.stage = ErasureStage::Traces;
    kept.commit(|w| {
        w.erase(erasure, found.keys, told);
    });
    assert_eq!(kept.view().erasure(number).unwrap().unwrap().counts.versions, 2);
    assert_eq!(kept.differences(), [""; 0], "the hash chain has digests for both forms");
    assert_eq!(kept.last_seq(), Seq(3));
}

#[test]
fn a_rule_erases_what_is_older_than_it_keeps_by_the_clock_that_it_is_given_and_goes_on_each_day() {
    let kept = Kept::new();
    let day = |days: i64| Timestamp(NOW.0 + days * 86_400);
    let posted = |chat: PeerId, id: i32| Message { date: day(i64::from(id)), ..message(chat, id, "a") };
    kept.commit(|w| {
        w.peer(titled(CHAT, PeerKind::Supergroup, "chatter")).peer(titled(OTHER, PeerKind::Channel, "news"));
        for id in 1..=9 {
            w.message(posted(CHAT, id), raw("a"), 0).message(posted(OTHER, id), raw("a"), 0);
        }
    });
    let peers = telescribe::schedule::Scope { only: vec!["title:chatter".parse().unwrap()], except: Vec::new() };
    let keep = std::time::Duration::from_secs(30 * 86_400);
    let rule = telescribe::erasure::RetentionRule { name: "chatter".to_owned(), peers, keep };
    let mut go_on = || true;
    assert_eq!(rule.order(&kept, day(20), &mut go_on).unwrap(), None, "nothing is so old");
    let weighed = rule.weigh(kept.view(), day(35), &mut go_on).unwrap();
    assert_eq!(weighed.messages, 4, "those of the days 1 to 4");
    let number = rule.order(&kept, day(35), &mut go_on).unwrap().unwrap();
    assert_eq!(rule.order(&kept, day(36), &mut go_on).unwrap(), None, "the one before is not done");
    while step(&kept, number, 3) {}
    let erasure = kept.view().erasure(number).unwrap().unwrap();
    assert_eq!(erasure.counts.messages, 4);
    let ended = Erasure { stage: ErasureStage::Ended, ..erasure };
    kept.commit(|w| {
        w.erase(ended, Vec::new(), telescribe::archive::ToldIn::default());
    });
    // History that is read only now.
    kept.commit(|w| {
        w.message(Message { date: day(0), ..message(CHAT, 20, "old") }, raw("old"), 0);
    });
    assert_eq!(kept.view().message(at(20)).unwrap(), None);
    assert_eq!(rule.order(&kept, day(37), &mut go_on).unwrap(), Some(number), "a rule has one erasure, which goes on");
    while step(&kept, number, 3) {}
    let left = |chat: PeerId| kept.view().live_ids(chat, range(1, 99)).unwrap().len();
    assert_eq!((left(CHAT), left(OTHER)), (3, 9));
    assert_eq!(kept.differences(), [""; 0]);
}
