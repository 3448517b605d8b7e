//! What stands on the disk: whatever was written is read again, and its bytes stay as they are.

use rocksdb::{DB, Options};
use telescribe::archive::{Archive, ArchiveError, Durability, FORMAT};
use telescribe::model::{Counters, Message, Peer, PeerKind, Reaction, Seq, Timestamp};

use crate::support::archives::{Kept, all_versions, contents, furnished};
use crate::support::disk::{FAMILIES, get, put, raw_db, unhex};
use crate::support::messages::{CHAT, NOW, at, full, raw, text, titled};

#[test]
fn an_archive_of_a_newer_format_is_refused_with_the_way_out() {
    let mut kept = Kept::new();
    let path = kept.path();
    kept.archive = None;
    put(&raw_db(&path), "meta", b"format", &(FORMAT + 1).to_be_bytes());
    let error = Archive::open(&path, Durability::Os).unwrap_err();
    assert!(matches!(error, ArchiveError::TooNew { .. }));
    let expected = format!(
        "archive at `{}` has format {}, this version reads up to {FORMAT}; install a newer telescribe",
        path.display(),
        FORMAT + 1
    );
    assert_eq!(error.to_string(), expected);
    put(&raw_db(&path), "meta", b"format", b"one");
    let error = Archive::open(&path, Durability::Os).unwrap_err().to_string();
    assert!(error.starts_with("damaged format number in the archive (not 4 bytes)"), "{error}");
}

#[test]
fn a_newer_format_is_told_as_such_also_when_it_has_more_families() {
    let mut kept = Kept::new();
    let path = kept.path();
    kept.archive = None;
    {
        let mut db = raw_db(&path);
        db.create_cf("hologram", &Options::default()).unwrap();
        put(&db, "hologram", b"key", b"value");
    }
    // A family alone is left as it is.
    kept.reopen();
    kept.commit(|w| {
        w.message(text(1, "a"), raw("a"), 0);
    });
    assert_eq!(kept.differences(), [""; 0]);
    kept.archive = None;
    assert_eq!(get(&raw_db(&path), "hologram", b"key"), b"value");
    put(&raw_db(&path), "meta", b"format", &(FORMAT + 1).to_be_bytes());
    for opened in [Archive::open(&path, Durability::Os), Archive::open_to_read(&path, None)] {
        assert!(matches!(opened.unwrap_err(), ArchiveError::TooNew { found, .. } if found == FORMAT + 1));
    }
}

#[test]
fn what_was_written_is_what_is_read() {
    let mut kept = furnished();
    kept.reopen();
    assert_eq!(all_versions(kept.view(), at(42))[0].message, full());
    let seen =
        Counters { views: Some(20), reactions: Some(vec![Reaction { emoji: "❤".to_owned(), count: 16 }]), ..full().counters() };
    let counted = kept.view().counters(at(42)).unwrap().unwrap();
    assert_eq!(counted.iter().map(|s| (s.at.0 - NOW.0, &s.value)).collect::<Vec<_>>(), [(1, &full().counters()), (2, &seen)]);
    let stored = kept.view().message(at(42)).unwrap().unwrap().message;
    let reactions = seen.reactions.clone().unwrap();
    assert_eq!(stored, Message { media: None, views: seen.views, reactions, ..full() });
    let members = kept.view().members(CHAT).unwrap();
    let (in_, out) = (&members[0], &members[1]);
    assert_eq!(
        (in_.account.as_str(), in_.current(), &in_.folders[..]),
        ("alpha", true, &["Work".to_owned(), "新闻".to_owned()][..])
    );
    assert_eq!((out.account.as_str(), out.until), ("bravo", Some(Timestamp(NOW.0 + 2))));
    assert_eq!(kept.view().member_count(CHAT).unwrap().unwrap().value, 1_234);
    assert_eq!(kept.view().topics(CHAT).unwrap()[0].title, "天气");
    assert_eq!(kept.differences(), [""; 0]);
}

/// Field numbers are for ever: what was written once is read by every later version.
#[test]
fn what_earlier_versions_wrote_is_read() {
    let mut kept = Kept::new();
    kept.meddle(|db| {
        for entry in include_str!("earlier_records.txt").lines().filter(|line| !line.starts_with('#')) {
            let (family, entry) = entry.split_once(' ').unwrap();
            let (key, value) = entry.split_once(" = ").unwrap();
            put(db, family, &unhex(key), &unhex(value));
        }
    });
    let peer = titled(CHAT, PeerKind::Supergroup, "天气");
    assert_eq!(kept.view().peer(CHAT).unwrap(), Some(Peer { username: Some("Weather".to_owned()), ..peer }));
    let message = kept.view().message(at(42)).unwrap().unwrap().message;
    assert_eq!((message.text.as_str(), message.views, message.pinned), ("今天", Some(12), true));
    assert_eq!(
        message.media.map(|m| (m.options, m.page, m.items)),
        Some((vec!["a".to_owned(), String::new()], None, Vec::new()))
    );
    assert_eq!((message.buttons.len(), message.comments, message.protected), (0, None, false));
}

/// The format on disk. A difference here means that older archives would be misread: raise `FORMAT` and write an upgrade.
#[test]
fn every_column_family_keeps_its_bytes() {
    let mut kept = furnished();
    let text = contents(&mut kept);
    for family in FAMILIES {
        assert!(text.lines().any(|line| line.starts_with(family)), "nothing in `{family}`");
    }
    insta::assert_snapshot!(text);
}

#[test]
fn all_column_families_are_in_the_snapshot() {
    let kept = Kept::new();
    let mut there = DB::list_cf(&Options::default(), kept.path()).unwrap();
    there.retain(|name| name != "default");
    there.sort();
    let mut known = FAMILIES.to_vec();
    known.sort_unstable();
    assert_eq!(there, known);
}

/// The version before does not note the newest change of a peer, and opens the archive all the same.
#[test]
fn what_an_older_version_has_archived_meanwhile_is_not_passed_over_as_the_change_before() {
    let mut kept = Kept::new();
    let archived = |kept: &Kept, id: i32| {
        kept.commit(|w| {
            w.message(text(id, "a"), raw("a"), 0);
        });
    };
    (1..=2).for_each(|id| archived(&kept, id));
    let noted: [&[u8]; 2] = [b"newest-kept", b"newest/-1001500000001"];
    let mut before = Vec::new();
    kept.meddle(|db| before = noted.map(|key| get(db, "meta", key)).to_vec());
    archived(&kept, 3);
    // As the older version leaves it: the entry without its last field, and nothing noted.
    kept.meddle(|db| {
        noted.iter().zip(&before).for_each(|(key, value)| put(db, "meta", key, value));
        let entry = get(db, "change", &3u64.to_be_bytes());
        put(db, "change", &3u64.to_be_bytes(), &entry[..entry.len() - 4]);
    });
    assert_eq!(kept.differences(), [""; 0]);
    (4..=5).for_each(|id| archived(&kept, id));
    let previous: Vec<_> =
        kept.view().changes(Seq(0), 10).unwrap().iter().map(|change| change.previous.map(|seq| seq.0)).collect();
    assert_eq!(previous, [None, Some(1), None, None, Some(4)], "change 2 is not the one before change 4");
    assert_eq!(kept.differences(), [""; 0]);
}
