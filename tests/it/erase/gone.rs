//! Nothing of what was erased is left in any file.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use telescribe::archive::{Archive, Durability, Raw};
use telescribe::blob::{BlobLimits, Blobs};
use telescribe::erasure::{Erased, Eraser, order};
use telescribe::lifecycle::{StepOutcome, Worker as _};
use telescribe::model::{ErasureScope, FileId, FileOrigin, FileState, FixedClock, Message, PeerKind, StoredBytes};
use telescribe::search::{IndexFolders, IndexSupervisor, IndexerSettings, Request, SearchQuery, ServingIndex, SortOrder};
use tempfile::TempDir;

use crate::support::archives::seen;
use crate::support::messages::{CHAT, NOW, at, message, text, titled};

use super::{ALICE, OTHER, selection, sent, some};

/// Everything that a data folder has, without a program.
struct Own {
    archive: Arc<Archive>,
    blobs: Blobs,
    index: ServingIndex,
    indexing: IndexSupervisor,
    folder: TempDir,
}

/// Bytes that no compression makes shorter, and that look like nothing else: by a linear congruence.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u8
    };
    (0..length).map(|_| next()).collect()
}

/// A word of the same kind.
fn word(seed: u64) -> String {
    noise(seed, 24).into_iter().map(|byte| char::from(b'a' + byte % 26)).collect()
}

impl Own {
    fn new() -> Self {
        Self::at(tempfile::tempdir().unwrap())
    }

    fn at(folder: TempDir) -> Self {
        let archive = Arc::new(Archive::open(&folder.path().join("archive"), Durability::Os).unwrap());
        let blobs = Blobs::open(&folder.path().join("blobs"), BlobLimits::default()).unwrap();
        let index = ServingIndex::open(IndexFolders::at(&folder.path().join("index")), &archive).unwrap();
        let indexing = IndexSupervisor::new(index.clone(), IndexerSettings::default());
        Self { archive, blobs, index, indexing, folder }
    }

    /// The same after the program was killed, as far as that can be had within one process: nothing is finished.
    fn reopened(self) -> Self {
        let Self { archive, blobs, index, indexing, folder } = self;
        drop((indexing, index, blobs, archive));
        Self::at(folder)
    }

    fn add(&self, message: Message, tl: Vec<u8>) {
        let mut write = self.archive.write(NOW);
        let revision = message.edited.map_or(0, |at| at.0);
        write.message(message, Raw { layer: 230, tl, account: None }, revision);
        write.commit().unwrap();
    }

    /// Stores a file that was seen in a message.
    fn store(&self, id: i64, message: i32, bytes: &[u8]) {
        let stored = self.blobs.put(bytes).unwrap();
        let size = bytes.len() as u64;
        let mut write = self.archive.write(NOW);
        write.file_seen(FileOrigin::Message(at(message)), NOW, None, seen(FileId::photo(id), bytes.len() as i64));
        write.file_state(FileId::photo(id), FileState::Stored(StoredBytes { hash: stored.hash, size }));
        write.commit().unwrap();
    }

    async fn index(&mut self) {
        self.archive.sync().unwrap();
        self.indexing.catch_up().await.unwrap();
    }

    /// Carries out all erasures that are open; stops after so many steps.
    async fn erase(&mut self, steps_max: usize) -> bool {
        let clock = Arc::new(FixedClock::new(NOW));
        let mut eraser = Eraser::new(Arc::clone(&self.archive), self.index.clone(), self.blobs.clone(), clock);
        for _ in 0..steps_max {
            match eraser.step(&|| false).unwrap() {
                Erased::Some => {}
                Erased::Nothing => return true,
                Erased::Waiting => {
                    self.archive.sync().unwrap();
                    if self.indexing.step().await.unwrap() == StepOutcome::Idle {
                        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                    }
                }
            }
        }
        false
    }

    fn found(&self, words: &str) -> usize {
        self.index.search(&Request::new(SearchQuery::parse(words).unwrap())).unwrap().hits.len()
    }

    /// The files that hold some bytes. Where one has given way to another meanwhile, which has them now, all are looked through again.
    fn holding(&self, needle: &[u8]) -> Vec<PathBuf> {
        loop {
            let before = files_below(self.folder.path());
            let holding = before.iter().filter(|path| {
                // One that is removed meanwhile holds nothing.
                fs::read(path).is_ok_and(|bytes| bytes.windows(needle.len()).any(|part| part == needle))
            });
            let holding: Vec<PathBuf> = holding.cloned().collect();
            if files_below(self.folder.path()) == before {
                return holding;
            }
        }
    }
}

fn files_below(folder: &Path) -> BTreeSet<PathBuf> {
    let paths = fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    paths.flat_map(|path| if path.is_dir() { files_below(&path) } else { [path].into() }).collect()
}

/// An archive in which messages 1 (edited once) and 3 are to go, each with a file; returns what is not to be found afterwards, and what is.
async fn furnished(own: &mut Own) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let (small, large) = (noise(5, 40_000), noise(6, 2 << 20));
    own.add(text(1, &word(1)), noise(1, 64));
    own.add(Message { edited: Some(NOW), ..text(1, &word(11)) }, noise(11, 64));
    own.add(text(2, &word(2)), noise(2, 64));
    own.add(text(3, &word(3)), noise(3, 64));
    own.store(5, 1, &small);
    own.store(6, 3, &large);
    own.store(7, 2, &noise(7, 40_000));
    own.add(message(OTHER, 1, &word(4)), noise(4, 64));
    own.index().await;
    // Some of it in tables, some in the log alone; and an index of several segments.
    own.archive.compact().unwrap();
    own.add(text(8, &word(8)), noise(8, 64));
    own.index().await;
    let gone = [1, 11, 3].into_iter().flat_map(|seed| [word(seed).into_bytes(), noise(seed, 64)]);
    let gone = gone.chain([small[100..164].to_vec(), large[100..164].to_vec()]).collect();
    let stays = [2, 4, 8].into_iter().map(|seed| noise(seed, 64)).chain([noise(7, 164)[100..].to_vec()]).collect();
    (gone, stays)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_file_of_the_data_folder_holds_anything_of_what_was_erased() {
    let mut own = Own::new();
    let (gone, stays) = furnished(&mut own).await;
    own.blobs.flush().unwrap();
    for needle in gone.iter().chain(&stays).filter(|needle| needle.len() == 64) {
        assert!(!own.holding(needle).is_empty(), "a test that could not find it would prove nothing");
    }
    assert_eq!((own.found(&word(1)), own.found(&word(11)), own.found(&word(3)), own.found(&word(2))), (0, 1, 1, 1));
    order(&own.archive, some(CHAT, &[1, 3]), NOW).unwrap();
    assert!(own.erase(10_000).await);
    for needle in &gone {
        assert_eq!(own.holding(needle), Vec::<PathBuf>::new(), "{}", String::from_utf8_lossy(needle));
    }
    for needle in &stays {
        assert!(!own.holding(needle).is_empty());
    }
    assert_eq!((own.found(&word(11)), own.found(&word(3)), own.found(&word(2))), (0, 0, 1));
    let index = own.index.get().unwrap();
    let found = index.verify(&own.archive.flushed()).unwrap();
    assert!(found.is_equal(), "{found:?}");
    assert_eq!(own.archive.flushed().view().verify().unwrap().differences, [""; 0]);
    assert_eq!(own.blobs.totals().all().count, 1, "the file of the message that stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_that_was_cut_short_ends_after_the_next_start_with_nothing_left() {
    let mut own = Own::new();
    let (gone, _) = furnished(&mut own).await;
    order(&own.archive, some(CHAT, &[1, 3]), NOW).unwrap();
    let mut starts = 0;
    loop {
        starts += 1;
        assert!(starts < 100, "it never ends");
        // A little further each time.
        if own.erase(starts).await {
            break;
        }
        own = own.reopened();
        assert_eq!(own.archive.view().verify().unwrap().differences, [""; 0]);
    }
    assert!(starts > 3, "it was cut short {starts} times");
    for needle in &gone {
        assert_eq!(own.holding(needle), Vec::<PathBuf>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_s_name_is_in_no_file_either() {
    let mut own = Own::new();
    let name = word(21);
    let mut write = own.archive.write(NOW);
    write.peer(titled(ALICE, PeerKind::User, &name));
    write.commit().unwrap();
    own.add(sent(CHAT, 1, ALICE, &word(22)), noise(22, 64));
    own.index().await;
    own.archive.flush().unwrap();
    assert!(!own.holding(name.as_bytes()).is_empty());
    order(&own.archive, selection(ErasureScope::Sender(ALICE)), NOW).unwrap();
    assert!(own.erase(10_000).await);
    for needle in [name.into_bytes(), word(22).into_bytes(), noise(22, 64)] {
        assert_eq!(own.holding(&needle), Vec::<PathBuf>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_still_reads_what_was_there_delays_the_end_and_sees_it_until_then() {
    let mut own = Own::new();
    let (gone, _) = furnished(&mut own).await;
    let reading = own.archive.flushed();
    order(&own.archive, some(CHAT, &[1, 3]), NOW).unwrap();
    assert!(!own.erase(200).await, "it is not said to be gone while it is there");
    assert!(reading.view().message(at(3)).unwrap().is_some());
    drop(reading);
    assert!(own.erase(10_000).await);
    assert!(gone.iter().all(|needle| own.holding(needle).is_empty()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_s_next_page_goes_on_after_hits_were_erased() {
    let mut own = Own::new();
    for id in 1..=9 {
        own.add(text(id, "weather"), vec![1]);
    }
    own.index().await;
    let query = || SearchQuery::parse("weather").unwrap();
    let first = Request { sort: SortOrder::Newest, page_size: 3, ..Request::new(query()) };
    let page = own.index.search(&first).unwrap();
    let ids = |page: &telescribe::search::SearchPage| page.hits.iter().map(|hit| hit.key.id.0).collect::<Vec<_>>();
    assert_eq!(ids(&page), [9, 8, 7]);
    order(&own.archive, some(CHAT, &[7, 6]), NOW).unwrap();
    assert!(own.erase(10_000).await);
    let next = Request { cursor: page.next, ..first };
    assert_eq!(ids(&own.index.search(&next).unwrap()), [5, 4, 3]);
}
