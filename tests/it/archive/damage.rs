//! Damaged bytes in the archive are a clear error, never a panic, and `verify` finds what contradicts itself.

use std::collections::BTreeSet;

use proptest::prelude::*;
use prost::Message as _;
use rocksdb::{DB, IteratorMode};
use telescribe::archive::{Archive, ArchiveError, DeadLetter, Durability, Order};
use telescribe::model::{
    ChangeKind, ContentHash, FileId, FileKind, FileOrigin, FileState, IdRange, PeerId, Seq, StoredBytes, Timestamp,
};

use crate::support::archives::{furnished, seen};
use crate::support::disk::{FAMILIES, delete, get, put, raw_db, stored_at, stored_peer, stored_time};
use crate::support::messages::{CHAT, NOW, at, peer, range, raw, text};

/// What is no value of any family: a number that does not end.
const NOISE: [u8; 2] = [u8::MAX; 2];

/// Fields of a message's record, to be written over those that it has.
#[derive(Clone, PartialEq, prost::Message)]
struct MessageFields {
    #[prost(uint32, optional, tag = "32")]
    version: Option<u32>,
    #[prost(int64, optional, tag = "36")]
    deleted_at: Option<i64>,
}

/// The record of a coverage.
#[derive(Clone, PartialEq, prost::Message)]
struct CoverageFields {
    #[prost(int32, repeated, tag = "1")]
    bounds: Vec<i32>,
    #[prost(uint64, tag = "2")]
    messages: u64,
    #[prost(uint64, tag = "3")]
    deleted: u64,
}

/// Asks the archive everything that can be asked.
fn read_everything(archive: &Archive) -> Result<(), ArchiveError> {
    let mut first = Ok(());
    let mut note = |result: Result<(), ArchiveError>| {
        if first.is_ok() {
            first = result;
        }
    };
    note(archive.view().message(at(42)).map(drop));
    note(archive.view().messages_by_key(&[at(1), at(42), at(7)]).map(drop));
    note(archive.view().versions(at(42), 0..u32::MAX, Order::OldestFirst).try_for_each(|v| v.map(drop)));
    note(archive.view().raw(at(42)).map(drop));
    for order in [Order::OldestFirst, Order::NewestFirst] {
        archive.view().messages(CHAT.into(), IdRange { first: i32::MIN, last: i32::MAX }, order).for_each(|m| note(m.map(drop)));
    }
    note(archive.view().peer(CHAT).map(drop));
    note(archive.view().peer_by_username("weather").map(drop));
    archive.view().peers(PeerId(i64::MIN)).for_each(|p| note(p.map(drop)));
    archive.view().crawl_states(PeerId(i64::MIN).into()).for_each(|c| note(c.map(drop)));
    note(archive.view().crawl_state(CHAT).map(drop));
    note(archive.view().coverage(CHAT).map(drop));
    note(archive.view().changes(Seq(0), usize::MAX).map(drop));
    note(archive.view().position("search").map(drop));
    note(archive.view().job_started("discover").map(drop));
    note(archive.view().members(CHAT).map(drop));
    archive.view().memberships().for_each(|m| note(m.map(drop)));
    note(archive.view().counters(at(42)).map(drop));
    note(archive.view().member_counts(CHAT).map(drop));
    note(archive.view().member_count(CHAT).map(drop));
    note(archive.view().topics(CHAT).map(drop));
    note(archive.view().verify().map(drop));
    note(archive.view().chats(PeerId(-9)).map(drop));
    archive.view().files(FileId::photo(i64::MIN)).for_each(|f| note(f.map(drop)));
    archive.view().file_origins(FileId::photo(7)).for_each(|o| note(o.map(drop)));
    note(archive.view().attached(FileOrigin::Message(at(42))).map(drop));
    archive.view().attached_in(CHAT.into()).for_each(|a| note(a.map(drop)));
    [false, true].into_iter().for_each(|large| archive.view().files_queued(large).for_each(|f| note(f.map(drop))));
    note(archive.view().files_judged_by().map(drop));
    archive.view().addresses("alpha".parse().expect("a name")).for_each(|a| note(a.map(drop)));
    note(archive.view().erasures().map(drop));
    note(archive.view().tombstone(at(41)).map(drop));
    let mut write = archive.write(NOW);
    write.message(text(42, "again"), raw("b"), 99).delete(at(1)).covered(CHAT, range(1, 50)).peer(peer(CHAT.0, Some("new")));
    write.file_state(FileId::document(-8), FileState::Seen).file_seen(
        FileOrigin::Message(at(1)),
        NOW,
        None,
        seen(FileId::photo(7), 1),
    );
    note(write.commit().map(drop));
    first
}

#[test]
fn a_damaged_record_costs_itself_and_is_counted() {
    for (family, key, says) in [
        // Only who asks for that very record is told.
        ("message", stored_at(at(42)), Some("damaged message in the archive (")),
        ("meta", b"position/search".to_vec(), Some("damaged position in the archive (2 bytes)")),
        ("version", [stored_at(at(42)), vec![0; 4]].concat(), None),
        ("change", 3u64.to_be_bytes().to_vec(), None),
        ("peer", stored_peer(CHAT).to_vec(), None),
        ("username", b"weather".to_vec(), None),
        ("coverage", stored_peer(CHAT).to_vec(), None),
        ("cursor", stored_peer(CHAT).to_vec(), None),
        ("member", [&stored_peer(CHAT)[..], b"alpha"].concat(), None),
        ("counters", [stored_at(at(42)), stored_time(NOW.0 + 1)].concat(), None),
        ("size", [stored_peer(CHAT).to_vec(), stored_time(NOW.0 + 2)].concat(), None),
        ("topic", stored_at(at(30)), None),
        ("hash", [b"alpha\0".as_slice(), &stored_peer(CHAT)].concat(), None),
        ("own", [b"alpha".as_slice(), &[0, 0x80, 0, 0, 3]].concat(), None),
        ("erasure", 1_u32.to_be_bytes().to_vec(), None),
        ("erased", stored_at(at(41)), None),
    ] {
        let mut kept = furnished();
        kept.meddle(|db| {
            get(db, family, &key);
            put(db, family, &key, &NOISE);
        });
        assert_eq!(kept.damage().count(), 0, "nothing was read yet");
        match (read_everything(&kept), says) {
            (Ok(()), None) => {}
            (Err(error), Some(says)) => {
                let error = error.to_string();
                assert!(error.starts_with(says) && error.contains("; restore a backup"), "{family}: {error}");
            }
            (read, _) => panic!("{family}: {read:?}"),
        }
        assert_eq!(kept.damage().count(), 1, "{family}");
        let asked_again: Vec<_> = kept.damage().take_messages().into_iter().collect();
        assert_eq!(asked_again, if family == "message" { vec![at(42)] } else { Vec::new() }, "{family}");
    }
}

#[test]
fn what_is_beside_a_damaged_record_is_read() {
    let mut kept = furnished();
    kept.meddle(|db| {
        put(db, "message", &stored_at(at(42)), &NOISE);
        put(db, "change", &5u64.to_be_bytes(), &NOISE);
    });
    let all = IdRange { first: 1, last: i32::MAX };
    let read: Vec<_> = kept.view().messages(CHAT.into(), all, Order::OldestFirst).map(|m| m.unwrap().message.key).collect();
    assert_eq!(read, [at(1), at(30)]);
    let several = kept.view().messages_by_key(&[at(1), at(42), at(30)]).unwrap();
    assert_eq!(several.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, true]);
    let changes = kept.view().changes(Seq(0), usize::MAX).unwrap();
    assert_eq!(changes.iter().map(|change| change.seq.0).collect::<Vec<_>>(), [1, 2, 3, 6, 7, 8, 9, 10]);
}

#[test]
fn of_a_damaged_dead_letter_it_is_still_known_which_event_it_is() {
    let mut kept = furnished();
    kept.meddle(|db| put(db, "meta", b"dead/alerts/00000000000000000003/some-event", &NOISE));
    let letters: Vec<_> = kept.view().dead_letters("alerts").map(Result::unwrap).collect();
    let [letter] = letters.as_slice() else { panic!("{letters:?}") };
    assert_eq!((letter.seq, letter.event.as_str(), letter.output.as_str()), (Seq(3), "some-event", "alerts"));
    assert_eq!(kept.damage().count(), 1);
    kept.commit(|w| {
        w.remove_dead_letter(letter.clone());
    });
    assert_eq!(kept.differences(), [""; 0]);
}

#[test]
fn a_dead_letter_that_was_let_go_of_does_not_come_back_by_being_renewed() {
    let kept = furnished();
    let letter = |why: &str| {
        let (output, event, why) = ("alerts".to_owned(), "some-event".to_owned(), why.to_owned());
        DeadLetter { output, seq: Seq(3), event, at: NOW, why }
    };
    let reasons = || kept.view().dead_letters("alerts").map(|letter| letter.unwrap().why).collect::<Vec<_>>();
    kept.commit(|w| {
        w.add_dead_letter(letter("too large"));
    });
    kept.commit(|w| {
        w.renew_dead_letter(letter("no route"));
    });
    assert_eq!(reasons(), ["no route"]);
    kept.commit(|w| {
        w.remove_dead_letter(letter("no route"));
    });
    kept.commit(|w| {
        w.renew_dead_letter(letter("too large"));
    });
    assert_eq!(reasons(), [""; 0]);
}

#[test]
fn a_damaged_message_is_replaced_by_what_telegram_says_now_and_its_bytes_are_kept() {
    let mut kept = furnished();
    kept.meddle(|db| put(db, "message", &stored_at(at(42)), &NOISE));
    let archived = kept.commit_at(Timestamp(NOW.0 + 9), |w| {
        w.message(text(42, "again"), raw("again"), 12);
    });
    assert_eq!((archived.new, archived.edited), (0, 1));
    let stored = kept.view().message(at(42)).unwrap().unwrap();
    assert_eq!((stored.message.text.as_str(), stored.version), ("again", 2));
    assert_eq!(kept.kinds().last(), Some(&ChangeKind::MessageEdited { key: at(42), version: 2 }));
    let path = kept.path();
    kept.archive = None;
    let earlier = [stored_at(at(42)), 1u32.to_be_bytes().to_vec()].concat();
    assert_eq!(get(&raw_db(&path), "version", &earlier), NOISE);
    kept.reopen();
    let found = kept.differences();
    assert!(
        found.iter().any(|difference| difference.starts_with("an earlier version of message -1001500000001/42 is damaged (")),
        "{found:#?}"
    );
}

#[test]
fn of_a_damaged_file_nobody_says_that_it_refers_to_nothing() {
    let mut kept = furnished();
    // After all others.
    let id = |number: u8| FileId { kind: FileKind::Document, id: i64::MAX - 9 + i64::from(number) };
    let stored = |byte| StoredBytes { hash: ContentHash([byte; 32]), size: 7 };
    let before = kept.view().stored_content().unwrap();
    assert!(before.1);
    for number in [1, 2_u8] {
        let mut write = kept.write(NOW);
        write.file_seen(FileOrigin::Message(at(42)), NOW, Some("alpha".parse().unwrap()), seen(id(number), 7));
        write.file_state(id(number), FileState::Stored(stored(number)));
        write.file_thumbnail(id(number), stored(number + 10));
        write.commit().unwrap();
    }
    let (all, is_all) = kept.view().stored_content().unwrap();
    let fresh: Vec<u8> = all.difference(&before.0).map(|hash| hash.0[0]).collect::<BTreeSet<_>>().into_iter().collect();
    assert_eq!((fresh, is_all), (vec![1, 2, 11, 12], true));
    kept.meddle(|db| {
        let last = db.iterator_cf(db.cf_handle("file").unwrap(), IteratorMode::End).next().unwrap().unwrap().0;
        put(db, "file", &last, &NOISE);
    });
    let (left, is_all) = kept.view().stored_content().unwrap();
    assert_eq!((left.len(), is_all), (all.len() - 2, false));
}

#[test]
fn a_damaged_coverage_is_taken_for_what_is_archived_so_that_nothing_is_new_twice() {
    let mut kept = furnished();
    kept.meddle(|db| put(db, "coverage", &stored_peer(CHAT), &NOISE));
    let coverage = kept.view().coverage(CHAT).unwrap();
    assert_eq!((coverage.messages, coverage.deleted), (3, 1));
    assert_eq!(coverage.read.ranges(), [range(1, 1), range(30, 30), range(41, 42)]);
    let archived = kept.commit(|w| {
        w.message(text(30, "other"), raw("other"), 12).covered(CHAT, range(30, 41));
    });
    assert_eq!((archived.new, archived.edited), (0, 1));
    assert_eq!(kept.differences(), [""; 0]);
}

#[test]
fn a_peer_whose_crawl_state_is_damaged_is_still_crawled() {
    let mut kept = furnished();
    kept.meddle(|db| put(db, "cursor", &stored_peer(CHAT), &NOISE));
    let state = kept.view().crawl_state(CHAT).unwrap().unwrap();
    assert_eq!((state.top, state.pts), (42, None));
    let all: Vec<_> = kept.view().crawl_states(PeerId(i64::MIN).into()).map(Result::unwrap).collect();
    assert_eq!(all[0], (CHAT.into(), state));
}

#[test]
fn numbers_at_their_ends_are_no_panic() {
    // The version of a message as large as it can be, and a change with the last number.
    let mut kept = furnished();
    kept.meddle(|db| {
        let mut message = get(db, "message", &stored_at(at(42)));
        message.extend(MessageFields { version: Some(u32::MAX), deleted_at: None }.encode_to_vec());
        put(db, "message", &stored_at(at(42)), &message);
        // Counts of messages and of deleted ones.
        let mut coverage = get(db, "coverage", &stored_peer(CHAT));
        coverage.extend(CoverageFields { bounds: vec![], messages: u64::MAX, deleted: u64::MAX }.encode_to_vec());
        put(db, "coverage", &stored_peer(CHAT), &coverage);
    });
    read_everything(&kept).unwrap();
    assert!(!kept.differences().is_empty());
    let mut kept = furnished();
    kept.meddle(|db| {
        let change = get(db, "change", &3u64.to_be_bytes());
        put(db, "change", &u64::MAX.to_be_bytes(), &change);
    });
    assert!(!kept.differences().is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_on_disk_are_no_panic(
        family in 1..FAMILIES.len(),
        which in any::<prop::sample::Index>(),
        how in 0..3u8,
        place in any::<prop::sample::Index>(),
        noise in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut kept = furnished();
        let family = FAMILIES[family];
        let path = kept.path();
        kept.archive = None;
        {
            let db = raw_db(&path);
            let entries: Vec<_> = db.iterator_cf(db.cf_handle(family).unwrap(), IteratorMode::Start).map(Result::unwrap).collect();
            let (key, mut value) = entries[which.index(entries.len())].clone();
            match how {
                // Noise instead of the value, one byte changed, or a foreign key.
                0 => put(&db, family, &key, &noise),
                // That an entry of the queue is there says all.
                1 if value.is_empty() => put(&db, family, &key, &noise),
                1 => {
                    let at = place.index(value.len());
                    value[at] ^= noise.first().copied().unwrap_or(1) | 1;
                    put(&db, family, &key, &value);
                }
                _ => put(&db, family, &noise, &value),
            }
        }
        if let Ok(archive) = Archive::open(&path, Durability::Os)
            && let Err(error) = read_everything(&archive)
        {
            prop_assert!(error.to_string().starts_with("damaged "), "{}", error);
        }
    }
}

/// Takes Telegram's bytes from a message: two fields of four bytes each, at the end.
fn drop_raw(db: &DB) {
    let value = get(db, "message", &stored_at(at(1)));
    put(db, "message", &stored_at(at(1)), &value[..value.len() - 8]);
}

#[test]
fn verify_finds_each_kind_of_damage() {
    type Plant = fn(&DB);
    let plants: [(&str, Plant); 21] = [
        ("message -1001500000001/41 was erased, and it is there", |db| {
            let message = get(db, "message", &stored_at(at(1)));
            put(db, "message", &stored_at(at(41)), &message);
        }),
        ("message -1001500000001/41 was erased, and its files are still listed", |db| {
            let file = [&[0_u8][..], &(7_i64 ^ i64::MIN).to_be_bytes()].concat();
            put(db, "attached", &[&[1_u8][..], &stored_at(at(41)), &file].concat(), &[0]);
        }),
        ("message -1001500000001/41 was erased by erasure 1, which is not known", |db| {
            delete(db, "erasure", &1_u32.to_be_bytes());
        }),
        ("chat -1001500000001 has 0 erased messages, its coverage says 1", |db| delete(db, "erased", &stored_at(at(41)))),
        ("message -1001500000001/77 is not in the change log", |db| {
            let message = get(db, "message", &stored_at(at(1)));
            put(db, "message", &stored_at(at(77)), &message);
        }),
        ("message -1001500000001/1 has no raw bytes", |db| drop_raw(db)),
        ("message -1001500000001/42 is in the change log, but not archived", |db| {
            delete(db, "message", &stored_at(at(42)));
        }),
        ("message -1001500000001/42 has 1 earlier versions, 0 are stored", |db| {
            delete(db, "version", &[stored_at(at(42)), vec![0; 4]].concat());
        }),
        ("earlier version of message -1001500000001/79, which is not archived", |db| {
            put(db, "version", &[stored_at(at(79)), vec![0; 4]].concat(), b"");
        }),
        ("earlier version of no message (its key has 13 bytes)", |db| {
            put(db, "version", &[stored_at(at(42)), vec![0]].concat(), b"");
        }),
        ("message -1001500000001/42 has 1 versions, the change log 2", |db| {
            let message = get(db, "version", &[stored_at(at(42)), vec![0; 4]].concat());
            put(db, "message", &stored_at(at(42)), &message);
        }),
        ("message -1001500000001/42 is marked deleted, but not in the change log", |db| {
            let mut message = get(db, "message", &stored_at(at(42)));
            message.extend(MessageFields { version: None, deleted_at: Some(1) }.encode_to_vec());
            put(db, "message", &stored_at(at(42)), &message);
        }),
        ("message -1001500000001/1 is deleted in the change log, but not marked", |db| {
            put(db, "message", &stored_at(at(1)), &[]);
        }),
        ("the change log jumps from 3 to 6", |db| delete(db, "change", &5u64.to_be_bytes())),
        ("message -1001500000001/42 is 2 times in the change log as new", |db| {
            let change = get(db, "change", &3u64.to_be_bytes());
            put(db, "change", &13u64.to_be_bytes(), &change);
        }),
        ("chat -1001500000001 has 3 messages (1 deleted), its coverage says 0 (0)", |db| {
            delete(db, "coverage", &stored_peer(CHAT));
        }),
        ("message -1001500000001/42 is archived, but its id is not in the coverage", |db| {
            // Only ids 1 to 41 were read.
            put(
                db,
                "coverage",
                &stored_peer(CHAT),
                &CoverageFields { bounds: vec![1, 41], messages: 3, deleted: 1 }.encode_to_vec(),
            );
        }),
        ("change 4 says that the one before it in peer -1001500000001 is 2, and it is 3", |db| {
            let mut entry = get(db, "change", &5u64.to_be_bytes());
            *entry.last_mut().unwrap() = 2;
            put(db, "change", &5u64.to_be_bytes(), &entry);
        }),
        ("9 is noted as the newest change of peer -1001500000001, and it is 10", |db| {
            put(db, "meta", b"newest/-1001500000001", &9u64.to_be_bytes());
        }),
        ("the newest change of peer -1001500000001 is not noted: it is 10", |db| delete(db, "meta", b"newest/-1001500000001")),
        ("chat -5 has 0 messages (0 deleted), its coverage says 2 (1)", |db| {
            put(
                db,
                "coverage",
                &stored_peer(PeerId(-5)),
                &CoverageFields { bounds: vec![], messages: 2, deleted: 1 }.encode_to_vec(),
            );
        }),
    ];
    for (expected, plant) in plants {
        let mut kept = furnished();
        assert_eq!(kept.differences(), [""; 0]);
        kept.meddle(plant);
        let found = kept.differences();
        assert!(found.iter().any(|difference| difference == expected), "expected {expected:?}, found {found:#?}");
    }
}

#[test]
fn verify_lists_what_is_damaged_and_goes_on() {
    for (family, key, says) in [
        ("message", stored_at(at(42)), "message -1001500000001/42 is damaged ("),
        ("version", [stored_at(at(42)), vec![0; 4]].concat(), "an earlier version of message -1001500000001/42 is damaged ("),
        ("change", 3u64.to_be_bytes().to_vec(), "change log entry 1 to 3 is damaged ("),
        ("peer", stored_peer(CHAT).to_vec(), "peer -1001500000001 is damaged ("),
        ("username", b"weather".to_vec(), "username `weather` is damaged ("),
        ("coverage", stored_peer(CHAT).to_vec(), "coverage of chat -1001500000001 is damaged ("),
        ("cursor", stored_peer(CHAT).to_vec(), "crawl state of chat -1001500000001 is damaged ("),
        ("meta", b"newest/-1001500000001".to_vec(), "the newest change of a peer is damaged ("),
        ("meta", b"newest-kept".to_vec(), "of which changes the newest are noted is damaged"),
        ("meta", b"dead/alerts/00000000000000000003/some-event".to_vec(), "a dead letter is damaged ("),
    ] {
        let mut kept = furnished();
        kept.meddle(|db| {
            put(db, family, &key, &NOISE);
            drop_raw(db);
        });
        let found = kept.differences();
        assert!(found.iter().any(|difference| difference.starts_with(says)), "expected {says:?}, found {found:#?}");
        assert!(found.contains(&"message -1001500000001/1 has no raw bytes".to_owned()), "it stopped early: {found:#?}");
    }
}

#[test]
fn verify_finds_a_username_that_leads_elsewhere() {
    for (expected, name, to) in [
        ("username `weather` of peer -1001500000001 leads nowhere", "weather", None),
        ("username `rain` refers to peer -1001500000001, which does not have it", "rain", Some(CHAT)),
        ("username `rain` refers to peer 99, which is not archived", "rain", Some(PeerId(99))),
    ] {
        let mut kept = furnished();
        kept.meddle(|db| match to {
            Some(peer) => put(db, "username", name.as_bytes(), &stored_peer(peer)),
            None => delete(db, "username", name.as_bytes()),
        });
        assert_eq!(kept.differences(), [expected]);
    }
}

#[test]
fn what_is_verified_is_of_one_moment_while_writes_go_on() {
    let kept = furnished();
    let before = kept.snapshot();
    kept.commit(|w| {
        w.file_state(FileId::document(-8), FileState::Failed { why: "gone".to_owned(), tries: 1, next_try: None });
        w.file_seen(FileOrigin::Message(at(42)), NOW, None, seen(FileId::document(77), 1_000))
            .file_state(FileId::document(77), FileState::Wanted);
    });
    assert_eq!(before.view().verify().unwrap().differences, [""; 0]);
    assert_eq!(kept.snapshot().view().verify().unwrap().differences, [""; 0]);
}
