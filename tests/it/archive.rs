//! What the archive promises, kept with a real one: nothing is lost, nothing is overwritten, nothing half becomes true.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use rocksdb::{DB, IteratorMode, Options};
use telescribe::archive::{
    Archive, ArchiveError, Archived, Coverage, DataFolder, Durability, FORMAT, FolderError, Order, Raw, Write,
};
use telescribe::model::{
    Button, ButtonKind, Change, ChangeKind, Counters, Entity, EntityKind, Forward, GeoPlace, Giveaway, IdRange, Media, MediaKind,
    Message, MessageId, MessageKey, PagePreview, Payment, Peer, PeerId, PeerKind, PeerMarks, Poll, PollResult, RangeSet,
    Reaction, Reply, Restriction, Seq, Service, Story, Timestamp, TodoTask,
};
use tempfile::TempDir;

const NOW: Timestamp = Timestamp(1_706_702_400);
const CHAT: PeerId = PeerId(-1_001_500_000_001);
const FAMILIES: [&str; 13] = [
    "meta", "message", "version", "raw", "change", "peer", "username", "coverage", "cursor", "member", "counters", "size",
    "topic",
];

/// An archive in a folder that goes away.
struct Kept {
    archive: Option<Archive>,
    folder: TempDir,
}

impl Kept {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let mut kept = Self { archive: None, folder };
        kept.reopen();
        kept
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("archive")
    }

    fn reopen(&mut self) {
        self.archive = None;
        self.archive = Some(Archive::open(&self.path(), Durability::Os).unwrap());
    }

    /// Does something to the files behind the archive's back.
    fn meddle(&mut self, with: impl FnOnce(&DB)) {
        self.archive = None;
        with(&raw_db(&self.path()));
        self.reopen();
    }

    fn commit(&self, fill: impl FnOnce(&mut Write<'_>)) -> Archived {
        self.commit_at(NOW, fill)
    }

    fn commit_at(&self, now: Timestamp, fill: impl FnOnce(&mut Write<'_>)) -> Archived {
        let mut write = self.write(now);
        fill(&mut write);
        write.commit().unwrap()
    }

    fn kinds(&self) -> Vec<ChangeKind> {
        self.view().changes(Seq(0), usize::MAX).unwrap().into_iter().map(|change| change.kind).collect()
    }

    fn differences(&self) -> Vec<String> {
        self.view().verify().unwrap().differences
    }
}

impl std::ops::Deref for Kept {
    type Target = Archive;

    fn deref(&self) -> &Archive {
        self.archive.as_ref().unwrap()
    }
}

fn raw_db(path: &Path) -> DB {
    let names = DB::list_cf(&Options::default(), path).unwrap();
    DB::open_cf(&Options::default(), path, names).unwrap()
}

fn put(db: &DB, family: &str, key: &[u8], value: &[u8]) {
    db.put_cf(db.cf_handle(family).unwrap(), key, value).unwrap();
}

fn get(db: &DB, family: &str, key: &[u8]) -> Vec<u8> {
    db.get_cf(db.cf_handle(family).unwrap(), key).unwrap().unwrap()
}

fn delete(db: &DB, family: &str, key: &[u8]) {
    db.delete_cf(db.cf_handle(family).unwrap(), key).unwrap();
}

fn at(id: i32) -> MessageKey {
    MessageKey { peer: CHAT, id: MessageId(id) }
}

fn text(id: i32, text: &str) -> Message {
    Message { text: text.to_owned(), ..Message::new(at(id), Timestamp(NOW.0 + i64::from(id))) }
}

fn raw(of: &str) -> Raw {
    Raw { layer: 230, tl: of.as_bytes().to_vec() }
}

fn range(first: i32, last: i32) -> IdRange {
    IdRange::new(first, last).unwrap()
}

fn peer(id: i64, username: Option<&str>) -> Peer {
    Peer { username: username.map(str::to_owned), ..Peer::new(PeerId(id), PeerKind::User, format!("peer {id}")) }
}

/// The key of a message as it is on disk.
fn stored_at(key: MessageKey) -> Vec<u8> {
    let mut bytes = (key.peer.0 ^ i64::MIN).to_be_bytes().to_vec();
    bytes.extend((key.id.0 ^ i32::MIN).to_be_bytes());
    bytes
}

fn stored_peer(peer: PeerId) -> [u8; 8] {
    (peer.0 ^ i64::MIN).to_be_bytes()
}

fn stored_time(seconds: i64) -> Vec<u8> {
    (seconds ^ i64::MIN).to_be_bytes().to_vec()
}

#[test]
fn a_write_that_is_dropped_changes_nothing() {
    let mut kept = Kept::new();
    kept.commit(|w| {
        w.message(text(1, "a"), raw("a"), 0).peer(peer(5, Some("five")));
    });
    let before = contents(&mut kept);
    let mut write = kept.write(NOW);
    write.message(text(1, "b"), raw("b"), 1).message(text(2, "c"), raw("c"), 0).delete(at(1));
    write.covered(CHAT, range(1, 9)).peer(peer(5, Some("other"))).position("reader", Seq(1)).cursor(CHAT, |c| c.top = 9);
    drop(write);
    assert_eq!(contents(&mut kept), before);
    assert_eq!(kept.last_seq(), Seq(2));
}

#[test]
fn an_edit_keeps_the_earlier_version() {
    let kept = Kept::new();
    kept.commit(|w| {
        w.message(text(1, "first"), raw("first"), 0);
    });
    let second = Message { edited: Some(Timestamp(NOW.0 + 60)), ..text(1, "second") };
    let archived = kept.commit_at(Timestamp(NOW.0 + 61), |w| {
        w.message(second.clone(), raw("second"), NOW.0 + 60);
    });
    assert_eq!((archived.new, archived.edited, archived.last), (0, 1, Seq(2)));
    let stored = kept.view().message(at(1)).unwrap().unwrap();
    assert_eq!((stored.message, stored.version, stored.archived_at), (second, 1, Timestamp(NOW.0 + 61)));
    let versions = kept.view().versions(at(1)).unwrap();
    assert_eq!(versions.len(), 1);
    assert_eq!((versions[0].message.clone(), versions[0].version, versions[0].archived_at), (text(1, "first"), 0, NOW));
    assert_eq!(kept.view().raw(at(1)).unwrap(), Some(raw("second")));
    assert_eq!(kept.kinds(), [ChangeKind::MessageNew { key: at(1) }, ChangeKind::MessageEdited { key: at(1), version: 1 }]);
    assert_eq!(kept.differences(), [""; 0]);
}

#[test]
fn counters_move_without_a_version_and_without_a_change() {
    let kept = Kept::new();
    let seen = |views| Message { views: Some(views), ..text(1, "a") };
    kept.commit(|w| {
        w.message(seen(1), raw("a"), 0);
    });
    let archived = kept.commit(|w| {
        w.message(seen(2), raw("b"), 0);
    });
    assert_eq!((archived.unchanged, archived.edited, archived.last), (1, 0, Seq(1)));
    let stored = kept.view().message(at(1)).unwrap().unwrap();
    assert_eq!((stored.message.views, stored.version, kept.view().raw(at(1)).unwrap()), (Some(2), 0, Some(raw("b"))));
}

#[test]
fn an_earlier_answer_never_replaces_a_later_one() {
    let kept = Kept::new();
    let answer = |as_of: Option<i32>, revision: i64, said: &str| {
        kept.commit(|w| {
            w.as_of(as_of).message(text(1, said), raw(said), revision);
        });
        kept.view().message(at(1)).unwrap().unwrap().message.text
    };
    assert_eq!(answer(Some(10), 0, "at 10"), "at 10");
    assert_eq!(answer(Some(12), 5, "at 12"), "at 12");
    assert_eq!(answer(Some(11), 5, "of an earlier pts"), "at 12");
    assert_eq!(answer(Some(13), 4, "of an earlier edit"), "at 12");
    assert_eq!(answer(None, 4, "of an earlier edit, without pts"), "at 12");
    // An answer without pts does not make those welcome that were too early before it.
    assert_eq!(answer(None, 5, "at 12"), "at 12");
    assert_eq!(answer(Some(11), 5, "of an earlier pts again"), "at 12");
    assert_eq!(answer(None, 6, "edited, without pts"), "edited, without pts");
    assert_eq!(answer(Some(11), 6, "early once more"), "edited, without pts");
    assert_eq!(kept.view().versions(at(1)).unwrap().len(), 2);
    assert_eq!(kept.view().raw(at(1)).unwrap(), Some(raw("edited, without pts")));
}

#[test]
fn an_earlier_answer_neither_deletes_nor_revives() {
    let kept = Kept::new();
    let gone = || kept.view().message(at(1)).unwrap().unwrap().deleted_at.is_some();
    kept.commit(|w| {
        w.as_of(Some(10)).message(text(1, "a"), raw("a"), 0);
    });
    kept.commit(|w| {
        w.as_of(Some(9)).delete(at(1));
    });
    kept.commit(|w| {
        w.as_of(Some(9)).covered(CHAT, range(1, 5));
    });
    assert!(!gone(), "an empty page from before the message says nothing about it");
    kept.commit(|w| {
        w.as_of(Some(12)).delete(at(1));
    });
    kept.commit(|w| {
        w.as_of(Some(11)).message(text(1, "a"), raw("a"), 0).covered(CHAT, range(1, 5));
    });
    assert!(gone(), "a page from before the deletion does not undo it");
    assert_eq!(kept.differences(), [""; 0]);
}

#[test]
fn a_window_marks_what_is_gone_and_covers_it() {
    let kept = Kept::new();
    kept.commit(|w| {
        for id in [2, 3, 5, 8] {
            w.message(text(id, "a"), raw("a"), 0);
        }
        w.cursor(CHAT, |c| c.recheck.insert(IdRange { first: 1, last: 9 }));
    });
    let elsewhere = MessageKey { peer: PeerId(CHAT.0 - 1), id: MessageId(3) };
    kept.commit(|w| {
        w.message(Message::new(elsewhere, NOW), raw("a"), 0);
    });
    let archived = kept.commit_at(Timestamp(NOW.0 + 9), |w| {
        w.message(text(3, "a"), raw("a"), 0).message(text(4, "new"), raw("a"), 0).covered(CHAT, range(1, 6));
    });
    assert_eq!((archived.new, archived.deleted, archived.unchanged), (1, 2, 1));
    let deleted: Vec<(i32, Option<Timestamp>)> = kept
        .view()
        .messages(CHAT, range(1, 99), Order::OldestFirst)
        .map(|m| m.map(|m| (m.message.key.id.0, m.deleted_at)).unwrap())
        .collect();
    let when = Some(Timestamp(NOW.0 + 9));
    assert_eq!(deleted, [(2, when), (3, None), (4, None), (5, when), (8, None)]);
    assert_eq!(kept.view().message(elsewhere).unwrap().unwrap().deleted_at, None, "a window is of one peer");
    let read: RangeSet = [range(1, 6), range(8, 8)].into_iter().collect();
    assert_eq!(kept.view().coverage(CHAT).unwrap(), Coverage { read, messages: 5, deleted: 2 });
    let cursor = kept.view().cursor(CHAT).unwrap().unwrap();
    assert_eq!((cursor.top, cursor.recheck.ranges()), (8, &[range(7, 9)][..]));
    assert_eq!(kept.differences(), [""; 0]);
}

#[test]
fn a_message_that_comes_back_after_a_deletion_is_alive_again() {
    let kept = Kept::new();
    kept.commit(|w| {
        w.message(text(1, "a"), raw("a"), 0);
    });
    kept.commit(|w| {
        w.delete(at(1)).delete(at(7));
    });
    assert_eq!(kept.view().coverage(CHAT).unwrap().deleted, 1);
    kept.commit(|w| {
        w.message(text(1, "a"), raw("a"), 0);
    });
    let stored = kept.view().message(at(1)).unwrap().unwrap();
    assert_eq!((stored.deleted_at, stored.version), (None, 1));
    assert_eq!(kept.view().versions(at(1)).unwrap()[0].deleted_at, Some(NOW), "that it was gone is kept too");
    assert_eq!(kept.view().coverage(CHAT).unwrap().deleted, 0);
    assert_eq!(kept.view().message(at(7)).unwrap(), None, "what was never archived is not made by its deletion");
    let key = at(1);
    assert_eq!(
        kept.kinds(),
        [ChangeKind::MessageNew { key }, ChangeKind::MessageDeleted { key }, ChangeKind::MessageEdited { key, version: 1 }]
    );
    assert_eq!(kept.differences(), [""; 0]);
}

#[test]
fn change_numbers_are_gapless_over_many_writes_and_restarts() {
    let mut kept = Kept::new();
    let mut expected = 0;
    for round in 0..20 {
        for step in 0..5 {
            let archived = kept.commit(|w| {
                for id in 0..=step {
                    w.message(text(round * 50 + step * 8 + id + 1, "a"), raw("a"), 0);
                }
            });
            expected += u64::try_from(step + 1).unwrap();
            assert_eq!((archived.last, kept.last_seq()), (Seq(expected), Seq(expected)));
        }
        drop(kept.write(NOW));
        assert_eq!(kept.commit(|_| ()).last, Seq(expected), "an empty write has no number");
        kept.reopen();
        assert_eq!(kept.last_seq(), Seq(expected));
    }
    let seqs: Vec<u64> = kept.view().changes(Seq(0), usize::MAX).unwrap().iter().map(|c| c.seq.0).collect();
    assert_eq!(seqs, (1..=expected).collect::<Vec<_>>());
    assert_eq!(kept.view().changes(Seq(10), 3).unwrap().iter().map(|c| c.seq.0).collect::<Vec<_>>(), [11, 12, 13]);
    for beyond in [expected, expected + 7, u64::MAX] {
        assert_eq!(kept.view().changes(Seq(beyond), 9).unwrap(), []);
    }
}

#[test]
fn positions_jobs_and_the_id_survive_a_restart() {
    let mut kept = Kept::new();
    let id = kept.id().to_owned();
    assert_eq!((kept.view().position("publish").unwrap(), kept.view().job_started("discover").unwrap()), (Seq(0), None));
    kept.commit(|w| {
        w.position("publish", Seq(7)).position("search", Seq(9)).job_started("discover");
    });
    kept.reopen();
    assert_eq!((kept.view().position("publish").unwrap(), kept.view().position("search").unwrap()), (Seq(7), Seq(9)));
    assert_eq!(kept.view().job_started("discover").unwrap(), Some(NOW));
    assert_eq!((kept.id(), id.len()), (id.as_str(), 32));
}

#[test]
fn whoever_waits_for_changes_is_woken_by_them_only() {
    let kept = Kept::new();
    let mut last = kept.subscribe();
    kept.commit(|w| {
        w.message(text(1, "a"), raw("a"), 0);
    });
    assert!(last.has_changed().unwrap());
    assert_eq!(*last.borrow_and_update(), Seq(1));
    kept.commit(|w| {
        w.message(text(1, "a"), raw("a"), 0).position("reader", Seq(1));
    });
    assert!(!last.has_changed().unwrap());
}

#[test]
fn a_username_that_moves_to_another_peer_is_followed() {
    let owner = |kept: &Kept, name: &str| kept.view().peer_by_username(name).unwrap().map(|p| p.id.0);
    let (loses, gains) = (peer(1, None), peer(2, Some("News")));
    for together in [vec![loses.clone(), gains.clone()], vec![gains.clone(), loses.clone()], vec![gains.clone()]] {
        let kept = Kept::new();
        kept.commit(|w| {
            w.peer(peer(1, Some("news"))).peer(peer(2, Some("other")));
        });
        assert_eq!((owner(&kept, "NEWS"), owner(&kept, "other")), (Some(1), Some(2)));
        kept.commit(|w| {
            for peer in &together {
                w.peer(peer.clone());
            }
        });
        assert_eq!((owner(&kept, "news"), owner(&kept, "other")), (Some(2), None), "{together:?}");
        // The one that had it is seen later without it, or with another.
        kept.commit(|w| {
            w.peer(peer(1, Some("third")));
        });
        assert_eq!((owner(&kept, "news"), owner(&kept, "third")), (Some(2), Some(1)), "{together:?}");
    }
}

#[test]
fn a_peer_that_is_seen_twice_in_one_write_is_as_it_was_seen_last() {
    let kept = Kept::new();
    let archived = kept.commit(|w| {
        w.peer(peer(1, Some("one"))).peer(peer(1, Some("two"))).peer(peer(1, Some("two")));
    });
    assert_eq!(archived.last, Seq(2));
    assert_eq!(kept.view().peer_by_username("one").unwrap(), None);
    assert_eq!(kept.view().peer_by_username("two").unwrap(), Some(peer(1, Some("two"))));
    let again = kept.commit(|w| {
        w.peer(peer(1, Some("two")));
    });
    assert_eq!(again.last, Seq(2), "nothing new");
}

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
fn a_data_folder_that_is_in_use_is_refused_naming_the_process() {
    let folder = TempDir::new().unwrap();
    let root = folder.path().join("data");
    let first = DataFolder::lock(&root).unwrap();
    let error = DataFolder::lock(&root).unwrap_err();
    let process = std::process::id().to_string();
    assert!(matches!(&error, FolderError::InUse { process: named, .. } if *named == process));
    let expected = format!(
        "data folder `{}` is in use by another telescribe (process {process}); stop that one first, or use its HTTP API",
        root.display()
    );
    assert_eq!(error.to_string(), expected);
    drop(first);
    DataFolder::lock(&root).unwrap();
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(root.metadata().unwrap().permissions().mode() & 0o777, 0o700, "others cannot look into it");
}

#[test]
fn the_data_folder_of_a_checkout_is_closed_to_others_at_its_first_use_and_then_left_as_it_is() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = TempDir::new().unwrap();
    let mode = |root: &Path| root.metadata().unwrap().permissions().mode() & 0o777;
    let open = |root: &Path, mode| std::fs::set_permissions(root, std::fs::Permissions::from_mode(mode)).unwrap();
    let (checkout, made) = (folder.path().join("checkout"), folder.path().join("made"));
    for root in [&checkout, &made] {
        std::fs::create_dir(root).unwrap();
        open(root, 0o755);
    }
    std::fs::write(checkout.join(".gitkeep"), "").unwrap();
    for root in [&checkout, &made] {
        drop(DataFolder::lock(root).unwrap());
    }
    assert_eq!((mode(&checkout), mode(&made)), (0o700, 0o755), "what its owner made is as its owner made it");
    open(&checkout, 0o750);
    drop(DataFolder::lock(&checkout).unwrap());
    assert_eq!(mode(&checkout), 0o750);
}

/// A message with everything, so that no member is without bytes.
fn full() -> Message {
    Message {
        sender: Some(PeerId(7)),
        text: "今天".to_owned(),
        rich: true,
        entities: vec![Entity {
            kind: EntityKind::TextUrl,
            offset: 0,
            length: 2,
            url: Some("https://example.org/".to_owned()),
            language: Some("rust".to_owned()),
            user: Some(PeerId(8)),
            emoji: Some(9),
            collapsed: true,
            date: Some(Timestamp(48)),
            old: Some("o".to_owned()),
        }],
        reply: Some(Reply {
            id: Some(MessageId(1)),
            topic: Some(MessageId(2)),
            quote: Some("q".to_owned()),
            quote_offset: Some(50),
            quote_entities: vec![Entity::new(EntityKind::Bold, 0, 1)],
            peer: Some(PeerId(-51)),
            from: Some(Forward { name: Some("n".to_owned()), ..Forward::default() }),
            media: Some(Box::new(Media::new(MediaKind::Photo))),
            story: Some(52),
            task: Some(53),
            option: Some(vec![0, 255]),
        }),
        forward: Some(Forward {
            from: Some(PeerId(-3)),
            name: Some("n".to_owned()),
            date: Some(Timestamp(4)),
            post: Some(MessageId(5)),
            author: Some("f".to_owned()),
            saved_from: Some((PeerId(-54), MessageId(55))),
            announcement: Some("covid".to_owned()),
            imported: true,
        }),
        media: Some(Media {
            id: Some(1),
            name: Some("a.mp4".to_owned()),
            mime: Some("video/mp4".to_owned()),
            size: Some(2),
            width: Some(3),
            height: Some(4),
            duration: Some(0.5),
            url: Some("u".to_owned()),
            title: Some("t".to_owned()),
            question: Some("q".to_owned()),
            options: vec!["a".to_owned(), String::new()],
            latitude: Some(52.5),
            longitude: Some(-13.25),
            phone: Some("+1".to_owned()),
            description: Some("d".to_owned()),
            performer: Some("p".to_owned()),
            emoji: Some("🎲".to_owned()),
            sticker_set: Some(20),
            value: Some(21),
            user: Some(PeerId(22)),
            vcard: Some("BEGIN:VCARD".to_owned()),
            spoiler: true,
            ttl: Some(23),
            page: Some(Box::new(PagePreview {
                display_url: Some("example.org".to_owned()),
                site: Some("s".to_owned()),
                kind: Some("article".to_owned()),
                author: Some("a".to_owned()),
                embed: Some("e".to_owned()),
                photo: Some(24),
                document: Some(25),
                instant: true,
            })),
            poll: Some(Box::new(Poll {
                id: 26,
                quiz: true,
                closed: true,
                multiple: true,
                public: true,
                closes: Some(Timestamp(27)),
                results: vec![PollResult { voters: Some(28), correct: true }, PollResult::default()],
                voters: Some(29),
                solution: Some("s".to_owned()),
            })),
            place: Some(Box::new(GeoPlace {
                address: Some("a".to_owned()),
                provider: Some("foursquare".to_owned()),
                id: Some("i".to_owned()),
                kind: Some("zoo".to_owned()),
                accuracy: Some(30),
                period: Some(31),
                heading: Some(32),
            })),
            payment: Some(Payment { currency: "XTR".to_owned(), amount: 33 }),
            story: Some(Story { peer: PeerId(-34), id: 35 }),
            giveaway: Some(Box::new(Giveaway {
                channels: vec![PeerId(-36)],
                countries: vec!["DE".to_owned()],
                quantity: 37,
                unclaimed: Some(38),
                months: Some(39),
                stars: Some(40),
                until: Some(Timestamp(41)),
                winners: vec![PeerId(42)],
                message: Some(MessageId(43)),
            })),
            tasks: vec![TodoTask {
                id: 44,
                text: "t".to_owned(),
                completed_by: Some(PeerId(45)),
                completed: Some(Timestamp(46)),
            }],
            items: vec![Media::new(MediaKind::Photo)],
            ..Media::new(MediaKind::Video)
        }),
        buttons: vec![vec![Button {
            kind: ButtonKind::Callback,
            text: "Open".to_owned(),
            url: Some("https://example.org/b".to_owned()),
            data: Some(vec![0, 1, 255]),
            query: Some("q".to_owned()),
            user: Some(PeerId(56)),
            copy: Some("c".to_owned()),
        }]],
        album: Some(10),
        edited: Some(Timestamp(11)),
        views: Some(12),
        forwards: Some(13),
        replies: Some(14),
        comments: Some(PeerId(-47)),
        reactions: vec![Reaction { emoji: "👍".to_owned(), count: 15 }],
        via_bot: Some(PeerId(16)),
        author: Some("w".to_owned()),
        pinned: true,
        silent: true,
        protected: true,
        scheduled: true,
        ttl: Some(57),
        restrictions: vec![Restriction { platform: "all".to_owned(), reason: "terms".to_owned(), text: "r".to_owned() }],
        service: Some(Service {
            action: "pin_message".to_owned(),
            title: Some("t".to_owned()),
            users: vec![PeerId(17), PeerId(-18)],
            message: Some(MessageId(19)),
            migrated: Some(PeerId(-58)),
            text: Some("x".to_owned()),
            duration: Some(59),
            period: Some(60),
            count: Some(61),
            date: Some(Timestamp(62)),
            payment: Some(Payment { currency: "EUR".to_owned(), amount: 63 }),
            photo: Some(64),
            icon: Some(65),
            slug: Some("g".to_owned()),
            states: vec!["closed".to_owned()],
            completed: vec![66],
            reopened: vec![67],
        }),
        ..Message::new(at(42), NOW)
    }
}

/// The message that announces a forum's topic.
fn topic(id: i32, title: &str) -> Message {
    let service = Service { action: "topic_create".to_owned(), title: Some(title.to_owned()), ..Service::default() };
    Message { service: Some(service), ..text(id, "") }
}

/// An archive with at least one entry in every column family.
fn furnished() -> Kept {
    let kept = Kept::new();
    kept.commit(|w| {
        w.as_of(Some(1_000)).message(full(), raw("tl"), 11).message(text(1, "a"), raw("a"), 0).covered(CHAT, range(1, 42));
        w.peer(Peer {
            username: Some("Weather".to_owned()),
            usernames: vec!["Climate".to_owned()],
            migrated_to: Some(PeerId(-9)),
            marks: PeerMarks {
                bot: true,
                verified: true,
                scam: true,
                fake: true,
                forum: true,
                restricted: true,
                deleted: true,
                protected: true,
            },
            ..Peer::new(CHAT, PeerKind::Supergroup, "天气".to_owned())
        });
        w.position("search", Seq(3));
        w.cursor(CHAT, |c| {
            c.pts = Some(1_000);
            c.account = Some("alpha".parse().unwrap());
            c.checked_at = Some(NOW);
            c.unavailable = Some("CHANNEL_PRIVATE".to_owned());
            c.recheck.insert(IdRange { first: 5, last: 9 });
        });
    });
    kept.commit_at(Timestamp(NOW.0 + 1), |w| {
        w.as_of(Some(1_001)).message(Message { media: None, ..full() }, raw("tl2"), 12).delete(at(1));
    });
    kept.commit_at(Timestamp(NOW.0 + 2), |w| {
        w.message(topic(30, "天气"), raw("topic"), 0);
        let (alpha, bravo) = ("alpha".parse().unwrap(), "bravo".parse().unwrap());
        w.joined(CHAT, &alpha).folders(CHAT, &alpha, vec!["Work".to_owned(), "新闻".to_owned()]);
        w.joined(CHAT, &bravo).left(CHAT, &bravo);
        w.member_count(CHAT, 1_234);
        let reactions = Some(vec![Reaction { emoji: "❤".to_owned(), count: 16 }]);
        w.counters(at(42), Counters { views: Some(20), forwards: None, replies: None, reactions });
        w.cursor(CHAT, |c| {
            c.held.insert(range(2, 3));
            c.held_until = Some(Timestamp(NOW.0 + 3_602));
        });
    });
    kept.commit(|w| {
        w.job_started("discover");
    });
    kept
}

#[test]
fn what_was_written_is_what_is_read() {
    let mut kept = furnished();
    kept.reopen();
    assert_eq!(kept.view().versions(at(42)).unwrap()[0].message, full());
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

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// Every key and value on disk, a line each.
fn contents(kept: &mut Kept) -> String {
    let mut text = String::new();
    kept.meddle(|db| {
        for family in FAMILIES {
            for entry in db.iterator_cf(db.cf_handle(family).unwrap(), IteratorMode::Start) {
                let (key, value) = entry.unwrap();
                let readable = matches!(family, "meta" | "username");
                let key = if readable { String::from_utf8(key.to_vec()).unwrap() } else { hex(&key) };
                let value = if (family, key.as_str()) == ("meta", "id") { "[random]".to_owned() } else { hex(&value) };
                writeln!(text, "{family} {key} = {value}").unwrap();
            }
        }
    });
    text
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
    note(archive.view().versions(at(42)).map(drop));
    note(archive.view().raw(at(42)).map(drop));
    for order in [Order::OldestFirst, Order::NewestFirst] {
        archive.view().messages(CHAT, IdRange { first: i32::MIN, last: i32::MAX }, order).for_each(|m| note(m.map(drop)));
    }
    note(archive.view().peer(CHAT).map(drop));
    note(archive.view().peer_by_username("weather").map(drop));
    archive.view().peers(PeerId(i64::MIN)).for_each(|p| note(p.map(drop)));
    archive.view().cursors(PeerId(i64::MIN)).for_each(|c| note(c.map(drop)));
    note(archive.view().cursor(CHAT).map(drop));
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
    let mut write = archive.write(NOW);
    write.message(text(42, "again"), raw("b"), 99).delete(at(1)).covered(CHAT, range(1, 50)).peer(peer(CHAT.0, Some("new")));
    note(write.commit().map(drop));
    first
}

#[test]
fn damage_is_a_clear_error_and_no_panic() {
    for (family, key, says) in [
        ("message", stored_at(at(42)), "damaged message in the archive ("),
        ("version", [stored_at(at(42)), vec![0; 4]].concat(), "damaged message in the archive ("),
        ("raw", stored_at(at(42)), "damaged raw message in the archive ("),
        ("change", 2u64.to_be_bytes().to_vec(), "damaged change in the archive ("),
        ("peer", stored_peer(CHAT).to_vec(), "damaged peer in the archive ("),
        ("username", b"weather".to_vec(), "damaged peer in the archive (its key has 2 bytes)"),
        ("coverage", stored_peer(CHAT).to_vec(), "damaged coverage in the archive ("),
        ("cursor", stored_peer(CHAT).to_vec(), "damaged cursor in the archive ("),
        ("meta", b"position/search".to_vec(), "damaged change in the archive (its key has 2 bytes)"),
        ("member", [&stored_peer(CHAT)[..], b"alpha"].concat(), "damaged membership in the archive ("),
        ("counters", [stored_at(at(42)), stored_time(NOW.0 + 1)].concat(), "damaged counters in the archive ("),
        ("size", [stored_peer(CHAT).to_vec(), stored_time(NOW.0 + 2)].concat(), "damaged member count in the archive ("),
        ("topic", stored_at(at(30)), "damaged topic in the archive ("),
    ] {
        let mut kept = furnished();
        kept.meddle(|db| {
            get(db, family, &key);
            put(db, family, &key, &[0xff, 0xff]);
        });
        let error = read_everything(&kept).unwrap_err().to_string();
        assert!(error.starts_with(says) && error.contains("; restore a backup"), "{family}: {error}");
    }
}

#[test]
fn numbers_at_their_ends_are_no_panic() {
    // Field 32 (version) of a message as large as it can be, and a change with the last number.
    let mut kept = furnished();
    kept.meddle(|db| {
        let mut message = get(db, "message", &stored_at(at(42)));
        message.extend([0x80, 0x02, 0xff, 0xff, 0xff, 0xff, 0x0f]);
        put(db, "message", &stored_at(at(42)), &message);
        // Counts of messages and of deleted ones.
        let mut coverage = get(db, "coverage", &stored_peer(CHAT));
        let most = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        coverage.extend([&[0x10][..], &most, &[0x18], &most].concat());
        put(db, "coverage", &stored_peer(CHAT), &coverage);
    });
    read_everything(&kept).unwrap();
    assert!(!kept.differences().is_empty());
    let mut kept = furnished();
    kept.meddle(|db| {
        let change = get(db, "change", &2u64.to_be_bytes());
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

#[test]
fn verify_finds_each_kind_of_damage() {
    type Plant = fn(&DB);
    let plants: [(&str, Plant); 14] = [
        ("message -1001500000001/77 is not in the change log", |db| {
            let message = get(db, "message", &stored_at(at(1)));
            put(db, "message", &stored_at(at(77)), &message);
            put(db, "raw", &stored_at(at(77)), b"");
        }),
        ("message -1001500000001/1 has no raw bytes", |db| delete(db, "raw", &stored_at(at(1)))),
        ("raw bytes of message -1001500000001/78, which is not archived", |db| put(db, "raw", &stored_at(at(78)), b"")),
        ("message -1001500000001/42 is in the change log, but not archived", |db| {
            delete(db, "message", &stored_at(at(42)));
        }),
        ("message -1001500000001/42 has 1 earlier versions, 0 are stored", |db| {
            delete(db, "version", &[stored_at(at(42)), vec![0; 4]].concat());
        }),
        ("earlier version of message -1001500000001/79, which is not archived", |db| {
            put(db, "version", &[stored_at(at(79)), vec![0; 4]].concat(), b"");
        }),
        ("message -1001500000001/42 has 1 versions, the change log 2", |db| {
            let message = get(db, "version", &[stored_at(at(42)), vec![0; 4]].concat());
            put(db, "message", &stored_at(at(42)), &message);
        }),
        ("message -1001500000001/42 is marked deleted, but not in the change log", |db| {
            let mut message = get(db, "message", &stored_at(at(42)));
            message.extend([0xa0, 0x02, 0x01]);
            put(db, "message", &stored_at(at(42)), &message);
        }),
        ("message -1001500000001/1 is deleted in the change log, but not marked", |db| {
            put(db, "message", &stored_at(at(1)), &[]);
        }),
        ("the change log jumps from 1 to 3", |db| delete(db, "change", &2u64.to_be_bytes())),
        ("message -1001500000001/42 is twice in the change log as new", |db| {
            let change = get(db, "change", &2u64.to_be_bytes());
            put(db, "change", &8u64.to_be_bytes(), &change);
        }),
        ("peer -1001500000001 has 3 messages (1 deleted), its coverage says 0 (0)", |db| {
            delete(db, "coverage", &stored_peer(CHAT));
        }),
        ("message -1001500000001/42 is archived, but its id is not in the coverage", |db| {
            // Only ids 1 to 41 were read.
            put(db, "coverage", &stored_peer(CHAT), &[0x0a, 0x02, 1, 41, 0x10, 3, 0x18, 1]);
        }),
        ("peer -5 has 0 messages (0 deleted), its coverage says 2 (1)", |db| {
            put(db, "coverage", &stored_peer(PeerId(-5)), &[0x10, 2, 0x18, 1]);
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
        ("raw", stored_at(at(42)), "raw bytes of message -1001500000001/42 is damaged ("),
        ("change", 2u64.to_be_bytes().to_vec(), "change 2 is damaged ("),
        ("peer", stored_peer(CHAT).to_vec(), "peer -1001500000001 is damaged ("),
        ("username", b"weather".to_vec(), "username `weather` is damaged ("),
        ("coverage", stored_peer(CHAT).to_vec(), "coverage of peer -1001500000001 is damaged ("),
        ("cursor", stored_peer(CHAT).to_vec(), "cursor of peer -1001500000001 is damaged ("),
    ] {
        let mut kept = furnished();
        kept.meddle(|db| {
            put(db, family, &key, &[0xff, 0xff]);
            delete(db, "raw", &stored_at(at(1)));
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

/// What is done to an archive in one write.
#[derive(Clone, Debug)]
struct Step {
    as_of: Option<i32>,
    messages: Vec<(i64, i32, u8, i64)>,
    window: Option<(i64, IdRange)>,
    deleted: Vec<(i64, i32)>,
    dropped: bool,
    reopen: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let id = 1..9i32;
    let peer = -2..0i64;
    let message = (peer.clone(), id.clone(), 0..3u8, 0..3i64);
    let window = (peer.clone(), id.clone(), 0..6i32).prop_map(|(peer, first, more)| (peer, range(first, first + more)));
    (
        prop::option::weighted(0.7, 1..12i32),
        prop::collection::vec(message, 0..4),
        prop::option::weighted(0.4, window),
        prop::collection::vec((peer, id), 0..2),
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.05),
    )
        .prop_map(|(as_of, messages, window, deleted, dropped, reopen)| Step {
            as_of,
            messages,
            window,
            deleted,
            dropped,
            reopen,
        })
}

/// A message in the plain model of the archive.
#[derive(Clone, Debug, PartialEq)]
struct Plain {
    text: u8,
    revision: i64,
    as_of: Option<i32>,
    deleted: bool,
    earlier: Vec<u8>,
}

/// The archive as it would be if it were three maps.
#[derive(Default)]
struct PlainArchive {
    messages: BTreeMap<(i64, i32), Plain>,
    read: BTreeMap<i64, BTreeSet<i32>>,
    changes: Vec<(&'static str, i64, i32)>,
}

impl PlainArchive {
    fn apply(&mut self, step: &Step) {
        for &(peer, id, text, revision) in &step.messages {
            self.read.entry(peer).or_default().insert(id);
            let new = Plain { text, revision, as_of: step.as_of, deleted: false, earlier: Vec::new() };
            let Some(known) = self.messages.get_mut(&(peer, id)) else {
                self.messages.insert((peer, id), new);
                self.changes.push(("message.new", peer, id));
                continue;
            };
            if Self::is_older(step.as_of, known) || revision < known.revision {
                continue;
            }
            let same = known.text == text && !known.deleted;
            let mut earlier = known.earlier.clone();
            if !same {
                earlier.push(known.text);
                self.changes.push(("message.edited", peer, id));
            }
            *known = Plain { as_of: step.as_of.or(known.as_of), earlier, ..new };
        }
        if let Some((peer, window)) = step.window {
            self.read.entry(peer).or_default().extend(window.first..=window.last);
            let brought: BTreeSet<i32> = step.messages.iter().filter(|m| m.0 == peer).map(|m| m.1).collect();
            for id in (window.first..=window.last).filter(|id| !brought.contains(id)) {
                self.delete(step.as_of, peer, id);
            }
        }
        for &(peer, id) in &step.deleted {
            self.delete(step.as_of, peer, id);
        }
    }

    fn is_older(as_of: Option<i32>, known: &Plain) -> bool {
        as_of.zip(known.as_of).is_some_and(|(new, old)| new < old)
    }

    fn delete(&mut self, as_of: Option<i32>, peer: i64, id: i32) {
        let Some(known) = self.messages.get_mut(&(peer, id)) else { return };
        if !known.deleted && !Self::is_older(as_of, known) {
            (known.deleted, known.as_of) = (true, as_of.or(known.as_of));
            self.changes.push(("message.deleted", peer, id));
        }
    }

    fn compare(&self, archive: &Archive) -> Result<(), TestCaseError> {
        let name = |c: &Change| (c.kind.name(), c.kind.peer().0, c.kind.message().map_or(0, |m| m.id.0));
        let changes: Vec<_> = archive.view().changes(Seq(0), usize::MAX).unwrap().iter().map(name).collect();
        prop_assert_eq!(&changes, &self.changes);
        prop_assert_eq!(archive.last_seq().0, u64::try_from(changes.len()).unwrap());
        for peer in [-2, -1] {
            let mut there = BTreeMap::new();
            for stored in archive.view().messages(PeerId(peer), IdRange { first: i32::MIN, last: i32::MAX }, Order::OldestFirst) {
                let stored = stored.unwrap();
                let key = stored.message.key;
                let earlier: Vec<String> = archive.view().versions(key).unwrap().into_iter().map(|v| v.message.text).collect();
                prop_assert_eq!(usize::try_from(stored.version).unwrap(), earlier.len());
                let said = archive.view().raw(key).unwrap().unwrap();
                prop_assert_eq!(said.tl, stored.message.text.as_bytes());
                there.insert(key.id.0, (stored.message.text, stored.deleted_at.is_some(), earlier));
            }
            let expected: BTreeMap<_, _> = self
                .messages
                .iter()
                .filter(|((at, _), _)| *at == peer)
                .map(|((_, id), m)| (*id, (m.text.to_string(), m.deleted, m.earlier.iter().map(u8::to_string).collect())))
                .collect();
            let coverage = archive.view().coverage(PeerId(peer)).unwrap();
            let read: BTreeSet<i32> = coverage.read.ranges().iter().flat_map(|r| r.first..=r.last).collect();
            prop_assert_eq!(&read, &self.read.get(&peer).cloned().unwrap_or_default());
            let deleted = expected.values().filter(|m: &&(String, bool, Vec<String>)| m.1).count();
            prop_assert_eq!((coverage.messages, coverage.deleted), (expected.len() as u64, deleted as u64));
            prop_assert_eq!(there, expected);
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_written_the_archive_is_what_a_plain_model_says(steps in prop::collection::vec(step(), 1..24)) {
        let mut kept = Kept::new();
        let mut model = PlainArchive::default();
        for step in &steps {
            let mut write = kept.write(NOW);
            write.as_of(step.as_of);
            for &(peer, id, text, revision) in &step.messages {
                let key = MessageKey { peer: PeerId(peer), id: MessageId(id) };
                let message = Message { text: text.to_string(), ..Message::new(key, NOW) };
                write.message(message, raw(&text.to_string()), revision);
            }
            if let Some((peer, window)) = step.window {
                write.covered(PeerId(peer), window);
            }
            for &(peer, id) in &step.deleted {
                write.delete(MessageKey { peer: PeerId(peer), id: MessageId(id) });
            }
            if step.dropped {
                drop(write);
            } else {
                write.commit().unwrap();
                model.apply(step);
            }
            if step.reopen {
                kept.reopen();
            }
        }
        model.compare(&kept)?;
        prop_assert_eq!(kept.differences(), [""; 0]);
    }
}
