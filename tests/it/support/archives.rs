//! Archives in folders that go away.
//!
//! Their files can be meddled with: `disk` says how what is in them is found.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test")]

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use rocksdb::{DB, IteratorMode};
use telescribe::archive::{Address, Archive, Archived, Durability, Order, StoredMessage, View, Write};
use telescribe::model::{
    ChangeKind, ChatId, ContentHash, Counters, ErasureScope, ErasureSelection, FileAccess, FileId, FileOrigin, FilePlace,
    FileState, IdRange, MediaKind, Message, MessageKey, Peer, PeerId, PeerKind, Reaction, Rendition, RenditionRole, SeenFile,
    Seq, StoredBytes, Timestamp,
};
use tempfile::TempDir;

use crate::support::disk::{FAMILIES, hex, raw_db};
use crate::support::messages::{CHAT, NOW, at, every_mark, full, message, range, raw, text, topic};

/// An archive in a folder that goes away.
pub(crate) struct Kept {
    pub(crate) archive: Option<Archive>,
    folder: TempDir,
}

impl Kept {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let mut kept = Self { archive: None, folder };
        kept.reopen();
        kept
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("archive")
    }

    pub(crate) fn reopen(&mut self) {
        self.archive = None;
        self.archive = Some(Archive::open(&self.path(), Durability::Os).unwrap());
    }

    /// Does something to the files behind the archive's back.
    pub(crate) fn meddle(&mut self, with: impl FnOnce(&DB)) {
        self.archive = None;
        with(&raw_db(&self.path()));
        // What was there before, nobody has seen.
        fs::remove_file(self.path().with_extension("json")).unwrap();
        self.reopen();
    }

    pub(crate) fn commit(&self, fill: impl FnOnce(&mut Write<'_>)) -> Archived {
        self.commit_at(NOW, fill)
    }

    pub(crate) fn commit_at(&self, now: Timestamp, fill: impl FnOnce(&mut Write<'_>)) -> Archived {
        let mut write = self.write(now);
        fill(&mut write);
        write.commit().unwrap()
    }

    pub(crate) fn kinds(&self) -> Vec<ChangeKind> {
        self.view().changes(Seq(0), usize::MAX).unwrap().into_iter().map(|change| change.kind).collect()
    }

    pub(crate) fn differences(&self) -> Vec<String> {
        let snapshot = self.snapshot();
        assert_eq!(snapshot.totals(), snapshot.view().sum_totals().unwrap(), "the totals that are maintained");
        snapshot.view().verify().unwrap().differences
    }
}

impl std::ops::Deref for Kept {
    type Target = Archive;

    fn deref(&self) -> &Archive {
        self.archive.as_ref().unwrap()
    }
}

/// An archive with at least one entry in every column family.
pub(crate) fn furnished() -> Kept {
    let kept = Kept::new();
    kept.commit(|w| {
        w.as_of(Some(1_000)).message(full(), raw("tl"), 11).message(text(1, "a"), raw("a"), 0).covered(CHAT, range(1, 42));
        w.peer(Peer {
            username: Some("Weather".to_owned()),
            usernames: vec!["Climate".to_owned()],
            migrated_to: Some(PeerId(-9)),
            marks: every_mark(),
            ..Peer::new(CHAT, PeerKind::Supergroup, "天气".to_owned())
        });
        w.position("search", Seq(3));
        w.crawl_state(CHAT, |c| {
            c.pts = Some(1_000);
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
        let own = ChatId::seen_by(alpha, PeerId(-9));
        w.message(message(own, 3, "ours"), raw("own"), 0).crawl_state(own, |c| c.top = 3);
        w.address(alpha, CHAT, Some(Address { user: Some(7), hash: Some(-9) }));
        w.joined(CHAT, &alpha).folders(CHAT, &alpha, vec!["Work".to_owned(), "新闻".to_owned()]);
        w.joined(CHAT, &bravo).left(CHAT, &bravo);
        w.member_count(CHAT, 1_234);
        let reactions = Some(vec![Reaction { emoji: "❤".to_owned(), count: 16 }]);
        w.counters(at(42), Counters { views: Some(20), forwards: None, replies: None, reactions });
        w.crawl_state(CHAT, |c| {
            c.held.insert(range(2, 3));
            c.held_until = Some(Timestamp(NOW.0 + 3_602));
        });
    });
    kept.commit(|w| {
        w.job_started("discover");
    });
    kept.commit(|w| {
        let alpha = "alpha".parse().unwrap();
        for (id, size) in [(FileId::photo(7), 9_000), (FileId::document(-8), 50 << 20), (FileId::document(9), 1)] {
            w.file_seen(FileOrigin::Message(at(42)), NOW, Some(alpha), seen(id, size));
        }
        w.file_seen(
            FileOrigin::Avatar(CHAT),
            NOW,
            Some(alpha),
            SeenFile { place: FilePlace::Avatar, ..seen(FileId::photo(7), 9_000) },
        );
        w.file_state(FileId::photo(7), FileState::Stored(StoredBytes { hash: ContentHash([7; 32]), size: 9_000 }));
        w.file_thumbnail(FileId::photo(7), StoredBytes { hash: ContentHash([8; 32]), size: 90 });
        w.file_state(FileId::document(-8), FileState::Wanted);
        w.file_state(FileId::document(9), FileState::Failed { why: "gone".to_owned(), tries: 2, next_try: None });
        w.files_judged_by(77);
    });
    kept.commit(|w| {
        w.add_watch("leaks".parse().unwrap(), "password OR in:@durov", Some("for the desk"));
    });
    // One of whom nothing is kept, and a message of theirs that was kept out.
    kept.commit(|w| {
        w.order_erasure("0a1b", ErasureSelection { scope: ErasureScope::Sender(PeerId(66)), before: None }, NOW);
    });
    kept.commit(|w| {
        w.message(Message { sender: Some(PeerId(66)), ..text(41, "nothing of this") }, raw("nothing"), 0);
    });
    kept
}

/// A file as an answer tells of it.
pub(crate) fn seen(id: FileId, size: i64) -> SeenFile {
    let rendition = |letter: &str, role, size| Rendition {
        letter: letter.to_owned(),
        role,
        width: Some(640),
        height: Some(480),
        size: Some(size),
    };
    SeenFile {
        id,
        place: FilePlace::Media,
        media: MediaKind::File,
        name: Some("../отчёт.pdf".to_owned()),
        mime: Some("application/pdf".to_owned()),
        duration: None,
        sticker_set: None,
        ttl: None,
        renditions: vec![rendition("", RenditionRole::Original, size), rendition("m", RenditionRole::Thumbnail, 90)],
        preview: Some(vec![1, 2, 3]),
        access: FileAccess { dc: 2, hash: -5, reference: b"ref".to_vec() },
    }
}

/// Adds a message to each of several peers, in one write that has read them up to it.
pub(crate) fn add_to_each(archive: &Archive, peers: &[PeerId], id: i32) {
    let mut write = archive.write(NOW);
    for peer in peers {
        write.message(message(*peer, id, "a"), raw("a"), 0).covered(*peer, range(id, id));
    }
    write.commit().unwrap();
}

/// Every key and value on disk, a line each.
pub(crate) fn contents(kept: &mut Kept) -> String {
    let mut text = String::new();
    kept.meddle(|db| {
        for family in FAMILIES {
            for entry in db.iterator_cf(db.cf_handle(family).unwrap(), IteratorMode::Start) {
                let (key, value) = entry.unwrap();
                let readable = matches!(family, "meta" | "username");
                let key = if readable { String::from_utf8(key.to_vec()).unwrap() } else { hex(&key) };
                let value = stable(family, &key, &value);
                writeln!(text, "{family} {key} = {value}").unwrap();
            }
        }
    });
    text
}

/// A value, without what is random in it.
fn stable(family: &str, key: &str, value: &[u8]) -> String {
    match (family, key) {
        ("meta", "id" | "epochs") => "[random]".to_owned(),
        // Link and secret of the hash chain, each with its tag and length.
        ("change", _) => {
            let is_seal =
                |at: &usize| value[*at..].starts_with(&[0x82, 1, 32]) && value[at + 3 + 32..].starts_with(&[0x8a, 1, 16]);
            let seal = (0..value.len() - (3 + 32)).find(is_seal).unwrap();
            format!("{} [link, secret] {}", hex(&value[..seal]), hex(&value[seal + (3 + 32) + (3 + 16)..]))
        }
        _ => hex(value),
    }
}

/// The earlier forms of a message, oldest first.
pub(crate) fn all_versions(view: View<'_>, key: MessageKey) -> Vec<StoredMessage> {
    view.versions(key, 0..u32::MAX, Order::OldestFirst).collect::<Result<_, _>>().unwrap()
}
