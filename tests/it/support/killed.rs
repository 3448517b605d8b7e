//! What a killed program leaves: a part of the archive in tables, most of it in the log, and an index that has seen all of it; and what can
//! happen to its files then.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use telescribe::archive::{Archive, Durability, Raw};
use telescribe::model::PeerKind;
use telescribe::search::{Index, Indexer, IndexerSettings};
use tempfile::TempDir;

use crate::support::files::{copy, cut, files, flip};
use crate::support::messages::{CHAT, NOW, range, text, titled};
use crate::support::program::{Ended, run_in};

/// Messages in tables, and messages that only the log has.
pub(crate) const IN_TABLES: i32 = 200;
pub(crate) const IN_LOG: i32 = 1_000;
/// Messages of a write.
const PAGE: i32 = 50;

/// A data folder whose archive has a part of its messages in tables and most of them in the log, as a killed program leaves it, and
/// whose index has seen them all.
pub(crate) struct Killed {
    folder: TempDir,
}

impl Killed {
    pub(crate) async fn new() -> Self {
        let kept = Self { folder: TempDir::new().unwrap() };
        let archive = Arc::new(Archive::open(&kept.archive(), Durability::Always).unwrap());
        archive_messages(&archive, 1, IN_TABLES);
        archive.flush().unwrap();
        archive_messages(&archive, IN_TABLES + 1, IN_TABLES + IN_LOG);
        kept.indexed(archive).await;
        kept
    }

    async fn indexed(&self, archive: Arc<Archive>) {
        let index = Arc::new(Index::open(&self.index(), &archive).unwrap());
        Indexer::new(index, archive, IndexerSettings::default()).catch_up().await.unwrap();
    }

    /// Archives and indexes an edit of the newest message.
    pub(crate) async fn edited(&self) {
        let archive = Arc::new(Archive::open(&self.archive(), Durability::Always).unwrap());
        let mut write = archive.write(NOW);
        let mut edited = text(IN_TABLES + IN_LOG, "edited, it says something something else");
        edited.edited = Some(NOW);
        write.message(edited, Raw { layer: 230, tl: vec![7; 60], account: None }, 1);
        write.commit().unwrap();
        self.indexed(archive).await;
    }

    /// A copy that may be damaged.
    pub(crate) fn another(&self) -> Self {
        let folder = TempDir::new().unwrap();
        copy(self.folder.path(), folder.path());
        Self { folder }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn archive(&self) -> PathBuf {
        self.data().join("archive")
    }

    pub(crate) fn index(&self) -> PathBuf {
        self.data().join("index")
    }

    /// The log that has something in it.
    pub(crate) fn log(&self) -> PathBuf {
        files(&self.archive(), |name| name.ends_with(".log")).pop().unwrap()
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        run_in(self.folder.path(), arguments)
    }

    /// How many messages a dump has, where it ends well.
    pub(crate) fn dumped(&self) -> usize {
        self.run(&["dump"]).well().out.lines().filter(|line| line.contains("\"text\"")).count()
    }
}

pub(crate) fn archive_messages(archive: &Archive, first: i32, last: i32) {
    for page in (first..=last).step_by(PAGE as usize) {
        let end = last.min(page + PAGE - 1);
        let mut write = archive.write(NOW);
        write.peer(titled(CHAT, PeerKind::Supergroup, "kept")).crawl_state(CHAT, move |state| state.top = end);
        for id in page..=end {
            let says = format!("message {id} says {}", "something ".repeat(5));
            write.message(text(id, &says), Raw { layer: 230, tl: vec![7; 60], account: None }, 0);
        }
        write.covered(CHAT, range(page, end));
        write.commit().unwrap();
    }
}

fn manifest(archive: &Path) -> PathBuf {
    files(archive, |name| name.starts_with("MANIFEST")).pop().unwrap()
}

fn first_table(archive: &Path) -> PathBuf {
    files(archive, |name| name.ends_with(".sst")).remove(0)
}

type Damage = fn(&Path);

/// What can happen to an archive's files.
pub(crate) const DAMAGES: [(&str, Damage); 20] = [
    ("CURRENT is missing", |archive| fs::remove_file(archive.join("CURRENT")).unwrap()),
    ("CURRENT is empty", |archive| fs::write(archive.join("CURRENT"), "").unwrap()),
    ("CURRENT is noise", |archive| fs::write(archive.join("CURRENT"), [u8::MAX; 20]).unwrap()),
    ("CURRENT has no end of line", |archive| fs::write(archive.join("CURRENT"), "MANIFEST-000005").unwrap()),
    ("CURRENT names a manifest that is not there", |archive| fs::write(archive.join("CURRENT"), "MANIFEST-999999\n").unwrap()),
    ("the manifest is missing", |archive| fs::remove_file(manifest(archive)).unwrap()),
    ("the manifest is empty", |archive| cut(&manifest(archive), 0)),
    ("a tenth of the manifest is left", |archive| cut(&manifest(archive), 1)),
    ("three tenths of the manifest are left", |archive| cut(&manifest(archive), 3)),
    ("half of the manifest is left", |archive| cut(&manifest(archive), 5)),
    ("nine tenths of the manifest are left", |archive| cut(&manifest(archive), 9)),
    ("a bit of the manifest's beginning is flipped", |archive| flip(&manifest(archive), 12, 3)),
    ("a bit of the manifest's first length is flipped", |archive| flip(&manifest(archive), 5, 6)),
    ("a table is missing", |archive| fs::remove_file(first_table(archive)).unwrap()),
    ("a table is cut short", |archive| cut(&first_table(archive), 5)),
    ("all tables are missing", |archive| {
        files(archive, |name| name.ends_with(".sst")).iter().for_each(|table| fs::remove_file(table).unwrap());
    }),
    ("the log is missing", |archive| {
        files(archive, |name| name.ends_with(".log")).iter().for_each(|log| fs::remove_file(log).unwrap());
    }),
    ("everything is missing", |archive| files(archive, |_| true).iter().for_each(|file| fs::remove_file(file).unwrap())),
    ("IDENTITY is missing", |archive| fs::remove_file(archive.join("IDENTITY")).unwrap()),
    ("OPTIONS are missing", |archive| {
        files(archive, |name| name.starts_with("OPTIONS")).iter().for_each(|file| fs::remove_file(file).unwrap());
    }),
];
