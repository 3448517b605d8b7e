//! An index that is damaged, of another schema or of another archive is rebuilt beside itself, whatever interrupts it; no other is, and
//! nothing is lost by any error.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use telescribe::archive::{Archive, Durability, Raw};
use telescribe::lifecycle::{StepOutcome, Worker as _};
use telescribe::model::{Seq, Timestamp};
use telescribe::search::{
    FileOutcome, Index, IndexFolders, IndexSupervisor, IndexerSettings, Rebuild, Request, SearchError, ServingIndex,
};
use tempfile::TempDir;

use crate::support::files::{copy, everything, files};
use crate::support::index_files::{DAMAGES, is_lock, overwrite, relist};
use crate::support::indexed::{Indexed, request};
use crate::support::messages::{NOW, text};

/// More than a rebuild reads in two steps.
const MANY: i32 = 5_000;

/// An archive and the folder of its index, in which nobody has it open.
struct Kept {
    archive: Arc<Archive>,
    folder: TempDir,
}

/// The index as a running program has it.
struct Supervised {
    serving: ServingIndex,
    supervisor: IndexSupervisor,
}

impl Kept {
    /// So many messages, all indexed, the last of them edited since, so that there is a file of every kind.
    async fn new(messages: i32) -> Self {
        let mut world = Indexed::new();
        world.archive((1..=messages).map(|id| text(id, &format!("message {id} says something something"))));
        world.index().await;
        let mut edited = text(messages, "edited, it says something something else");
        edited.edited = Some(NOW);
        world.archive([edited]);
        world.index().await;
        let Indexed { archive, folder, .. } = world;
        assert!(!files(&folder.path().join("index"), |name| name.ends_with(".del")).is_empty());
        Self { archive, folder }
    }

    /// The same archive with a copy of the index that may be damaged.
    fn another(&self) -> Self {
        let folder = TempDir::new().unwrap();
        for name in ["index", "index.new", "index.old"].iter().filter(|name| self.place(name).exists()) {
            copy(&self.place(name), &folder.path().join(name));
        }
        Self { archive: Arc::clone(&self.archive), folder }
    }

    fn place(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, kind: &str) -> PathBuf {
        files(&self.place("index"), |name| name.ends_with(kind)).pop().unwrap()
    }

    fn folders(&self) -> IndexFolders {
        IndexFolders::at(&self.place("index"))
    }

    fn open(&self) -> Result<Supervised, SearchError> {
        let serving = ServingIndex::open(self.folders(), &self.archive)?;
        let supervisor = IndexSupervisor::new(serving.clone(), IndexerSettings::default());
        Ok(Supervised { serving, supervisor })
    }

    fn rebuild(&self) -> Rebuild {
        Rebuild::start(&self.folders(), &self.archive, IndexerSettings::default(), "somebody asked").unwrap()
    }

    /// What is in all folders of the index, but for locks.
    fn everything(&self) -> Vec<(&'static str, std::collections::BTreeMap<String, Vec<u8>>)> {
        let there = ["index", "index.new", "index.old"].into_iter().filter(|name| self.place(name).exists());
        there.map(|name| (name, everything(&self.place(name), |name| !is_lock(name)))).collect()
    }

    /// Nothing is left of a rebuild, and the index is whole and says the same as the archive.
    #[track_caller]
    fn is_whole(&self, what: &str) {
        assert!(!self.place("index.new").exists() && !self.place("index.old").exists(), "{what}");
        let index = Index::open_existing(&self.place("index"), &self.archive).unwrap();
        assert_eq!(index.integrity_check().unwrap().faults(), [], "{what}");
        let found = index.verify(&self.archive.flushed()).unwrap();
        assert!(found.is_equal(), "{what}: {found:?}");
    }
}

impl Supervised {
    fn hits(&self, query: &str) -> Result<u64, SearchError> {
        hits(&self.serving, query)
    }
}

fn hits(serving: &ServingIndex, query: &str) -> Result<u64, SearchError> {
    let page = serving.search(&Request { page_size: 1, ..request(query) })?;
    let telescribe::search::Total::Exactly(count) = page.total else { panic!("too many to count") };
    Ok(count)
}

#[tokio::test]
async fn whatever_happens_to_a_file_a_running_program_ends_with_a_whole_index() {
    let whole = Kept::new(100).await;
    for file in files(&whole.place("index"), |name| !is_lock(name)) {
        let name = file.file_name().unwrap().to_str().unwrap();
        for (what, damage) in DAMAGES {
            let (kept, what) = (whole.another(), format!("{name} {what}"));
            let place = kept.place("index").join(name);
            damage(&place, fs::metadata(&place).unwrap().len() as usize);
            let mut run = kept.open().unwrap_or_else(|e| panic!("{what}: {e}"));
            assert!(what.contains("flipped") || run.serving.rebuild().is_some(), "{what} is seen at the start");
            // As a check of the checksums says that found it.
            run.serving.report_damage("a checksum is wrong");
            run.supervisor.catch_up().await.unwrap();
            assert_eq!(run.hits("says").unwrap(), 100, "{what}");
            drop(run);
            kept.is_whole(&what);
        }
    }
}

#[tokio::test]
async fn the_old_index_answers_until_the_new_one_is_complete() {
    let kept = Kept::new(MANY).await;
    fs::remove_file(kept.file(".managed.json")).unwrap();
    let before = everything(&kept.place("index"), |name| !is_lock(name));
    let mut run = kept.open().unwrap();
    let mut positions = Vec::new();
    while let Some(progress) = run.serving.rebuild() {
        assert!(progress.why.contains("`.managed.json` is damaged: it is missing"), "{}", progress.why);
        assert_eq!(progress.last, kept.archive.last_seq());
        positions.push(progress.position.0);
        assert_eq!(run.hits("says").unwrap(), MANY as u64, "at {}", progress.position);
        let is_replaced = !kept.place("index.new").exists() && positions.len() > 1;
        assert!(is_replaced || before == everything(&kept.place("index"), |name| !is_lock(name)));
        run.supervisor.step().await.unwrap();
    }
    assert!(positions.is_sorted() && positions.iter().any(|at| *at > 0 && *at < MANY as u64), "{positions:?}");
    run.supervisor.catch_up().await.unwrap();
    assert_eq!(run.hits("\"something something\"").unwrap(), MANY as u64);
    drop(run);
    kept.is_whole("rebuilt");
}

#[tokio::test]
async fn an_index_that_cannot_be_opened_is_kept_until_the_new_one_is_complete_and_searches_are_told() {
    let whole = Kept::new(MANY).await;
    // The second can be opened, but no search goes without it.
    let damages: [(&str, Crash); 2] = [
        ("a list of terms is empty", |kept| fs::write(kept.file(".term"), "").unwrap()),
        ("positions are missing", |kept| {
            files(&kept.place("index"), |name| name.ends_with(".pos")).iter().for_each(|file| fs::remove_file(file).unwrap());
        }),
    ];
    for (what, damage) in damages {
        let kept = whole.another();
        damage(&kept);
        let before = everything(&kept.place("index"), |name| !is_lock(name));
        let mut run = kept.open().unwrap();
        assert_eq!(run.supervisor.step().await.unwrap(), StepOutcome::Busy);
        let (told, last) = (run.hits("says").unwrap_err().to_string(), kept.archive.last_seq());
        let expected = format!("the search index is being rebuilt: 2000 of {last} changes are done; try again later");
        assert_eq!(told, expected, "{what}");
        assert!(before == everything(&kept.place("index"), |name| !is_lock(name)), "{what}");
        run.supervisor.catch_up().await.unwrap();
        assert_eq!(run.hits("says").unwrap(), MANY as u64, "{what}");
        drop(run);
        kept.is_whole(what);
    }
}

#[tokio::test]
async fn an_index_of_another_analyser_is_rebuilt() {
    let kept = Kept::new(20).await;
    relist(&kept.place("index"), "meta.json", |list| {
        assert!(list.contains("telescribe_words_"));
        list.replace("telescribe_words_", "earlier_words_")
    });
    let error = Index::open(&kept.place("index"), &kept.archive).unwrap_err();
    assert!(error.to_string().contains("it was made by a version with another schema or analyser; run"), "{error}");
    let mut run = kept.open().unwrap();
    run.supervisor.catch_up().await.unwrap();
    drop(run);
    kept.is_whole("rebuilt");
}

#[tokio::test]
async fn an_index_of_another_archive_is_rebuilt() {
    let kept = Kept::new(20).await;
    let other = Archive::open(&kept.place("other"), Durability::Always).unwrap();
    let kept = Kept { archive: Arc::new(other), ..kept };
    let lazy = ServingIndex::lazy(kept.folders(), &kept.archive);
    let error = hits(&lazy, "says").unwrap_err().to_string();
    assert!(error.contains("it belongs to another archive; run `telescribe reindex`"), "{error}");
    let mut run = kept.open().unwrap();
    assert!(matches!(run.hits("says"), Err(SearchError::Rebuilding { .. })), "nothing of the other archive is found");
    run.supervisor.catch_up().await.unwrap();
    assert_eq!(run.hits("says").unwrap(), 0);
    drop(run);
    kept.is_whole("rebuilt");
}

#[tokio::test]
async fn every_opening_of_an_index_that_is_ahead_of_its_archive_is_refused_and_changes_nothing() {
    let folder = TempDir::new().unwrap();
    let archive = |name: &str| Arc::new(Archive::open(&folder.path().join(name), Durability::Always).unwrap());
    drop(archive("archive"));
    copy(&folder.path().join("archive"), &folder.path().join("earlier"));
    let (index, archive) = (folder.path().join("index"), archive("archive"));
    let mut write = archive.write(NOW);
    for id in 1..=20 {
        write.message(text(id, "later"), Raw::default(), 0);
    }
    write.commit().unwrap();
    let last = archive.last_seq();
    let indexed = Arc::new(Index::open(&index, &archive).unwrap());
    telescribe::search::Indexer::new(indexed, Arc::clone(&archive), IndexerSettings::default()).catch_up().await.unwrap();
    drop(archive);
    let before = everything(&index, |_| true);
    let archive = Arc::new(Archive::open(&folder.path().join("earlier"), Durability::Always).unwrap());
    let folders = IndexFolders::at(&index);
    assert_eq!(folders.seen().unwrap().unwrap().position, last);
    let lazy = ServingIndex::lazy(folders.clone(), &archive);
    for error in [
        Index::open(&index, &archive).unwrap_err(),
        Index::open_existing(&index, &archive).unwrap_err(),
        ServingIndex::open(folders, &archive).err().unwrap(),
        lazy.get().unwrap_err(),
        hits(&lazy, "later").unwrap_err(),
    ] {
        let told = format!("has seen change {last}, but the archive ends at change 0: {last} changes are missing in the archive");
        assert!(matches!(error, SearchError::Ahead { .. }) && error.to_string().contains(&told), "{error}");
    }
    assert!(before == everything(&index, |_| true));
}

#[tokio::test]
async fn an_interrupted_rebuild_goes_on_where_it_was() {
    let kept = Kept::new(MANY).await;
    let mut rebuild = kept.rebuild();
    assert!(!rebuild.step().await.unwrap());
    rebuild.pause().await.unwrap();
    let reached = rebuild.position();
    assert_eq!(reached, Seq(2_000));
    drop(rebuild);
    let mut run = kept.open().unwrap();
    assert_eq!(run.serving.rebuild().unwrap().why, "somebody asked");
    assert_eq!(run.hits("says").unwrap(), MANY as u64);
    run.supervisor.step().await.unwrap();
    assert_eq!(run.serving.rebuild().unwrap().position, Seq(4_000), "and not from the beginning");
    run.supervisor.finish().await.unwrap();
    drop(run);
    // Nor is it begun again by the command; where its own files are damaged it is.
    let mut rebuild = kept.rebuild();
    assert_eq!(rebuild.position(), Seq(4_000));
    rebuild.pause().await.unwrap();
    drop(rebuild);
    fs::remove_file(files(&kept.place("index.new"), |name| name.ends_with(".fast")).remove(0)).unwrap();
    let mut rebuild = kept.rebuild();
    assert_eq!(rebuild.position(), Seq(0));
    while !rebuild.step().await.unwrap() {}
    assert_eq!(rebuild.complete().await.unwrap(), MANY as u64);
    kept.is_whole("rebuilt");
}

#[tokio::test]
async fn a_build_whose_files_vanish_meanwhile_begins_again() {
    let kept = Kept::new(MANY).await;
    drop(kept.rebuild());
    let mut run = kept.open().unwrap();
    run.supervisor.step().await.unwrap();
    run.supervisor.finish().await.unwrap();
    fs::remove_dir_all(kept.place("index.new")).unwrap();
    let mut failures = 0;
    while run.supervisor.catch_up().await.is_err() {
        failures += 1;
        assert!(failures < 3, "again and again");
    }
    assert_eq!(run.hits("says").unwrap(), MANY as u64);
    drop(run);
    kept.is_whole("rebuilt");
}

/// Moves or changes the folders of an index and of the one that was built beside it, to what a crash leaves.
type Crash = fn(&Kept);

const CRASHES: [(&str, Crash); 10] = [
    ("the build has made its folder", |kept| {
        fs::remove_dir_all(kept.place("index.new")).unwrap();
        fs::create_dir(kept.place("index.new")).unwrap();
    }),
    ("the build has made its mark", |kept| {
        fs::remove_dir_all(kept.place("index.new")).unwrap();
        fs::create_dir(kept.place("index.new")).unwrap();
        fs::write(kept.place("index.new/.building"), "").unwrap();
    }),
    ("the build has no list of segments yet", |kept| {
        fs::write(kept.place("index.new/.building"), "asked").unwrap();
        fs::remove_file(kept.place("index.new/meta.json")).unwrap();
    }),
    ("the build is complete and still marked", |kept| fs::write(kept.place("index.new/.building"), "asked").unwrap()),
    ("the build is complete", |_| ()),
    ("one rename of two", |kept| fs::rename(kept.place("index"), kept.place("index.old")).unwrap()),
    ("both renames", |kept| {
        fs::rename(kept.place("index"), kept.place("index.old")).unwrap();
        fs::rename(kept.place("index.new"), kept.place("index")).unwrap();
    }),
    ("a part of the old one is deleted", |kept| {
        fs::rename(kept.place("index"), kept.place("index.old")).unwrap();
        fs::rename(kept.place("index.new"), kept.place("index")).unwrap();
        fs::remove_file(kept.place("index.old/meta.json")).unwrap();
    }),
    ("one rename, and what was complete is gone", |kept| {
        fs::rename(kept.place("index"), kept.place("index.old")).unwrap();
        fs::remove_dir_all(kept.place("index.new")).unwrap();
    }),
    ("an earlier program has left a build", |kept| {
        fs::write(kept.place("index.new/meta.json"), "{\"segments\": []}").unwrap();
    }),
];

#[tokio::test]
async fn at_whatever_point_of_the_swap_a_crash_comes_there_is_a_whole_index_and_a_start_ends_it() {
    let whole = Kept::new(100).await;
    // The same index again, as a build beside it leaves it before the swap.
    copy(&whole.place("index"), &whole.place("index.new"));
    for (what, crash) in CRASHES {
        let kept = whole.another();
        crash(&kept);
        let before = kept.everything();
        let lazy = ServingIndex::lazy(kept.folders(), &kept.archive);
        assert_eq!(hits(&lazy, "says").unwrap(), 100, "{what}: a command finds all");
        assert_eq!(kept.folders().seen().unwrap().unwrap().position, kept.archive.last_seq(), "{what}");
        assert!(before == kept.everything(), "{what}: and changes nothing");
        drop(lazy);
        for again in ["at once", "after reindex"] {
            let kept = kept.another();
            if again == "after reindex" {
                let mut rebuild = kept.rebuild();
                while !rebuild.step().await.unwrap() {}
                rebuild.complete().await.unwrap();
            }
            let mut run = kept.open().unwrap();
            assert_eq!(run.hits("says").unwrap(), 100, "{what}, {again}");
            run.supervisor.catch_up().await.unwrap();
            assert_eq!(run.hits("says").unwrap(), 100, "{what}, {again}");
            drop(run);
            kept.is_whole(what);
        }
    }
}

#[tokio::test]
async fn a_search_that_meets_damage_says_so_and_the_index_is_rebuilt() {
    let kept = Kept::new(100).await;
    let mut run = kept.open().unwrap();
    run.supervisor.catch_up().await.unwrap();
    let (lazy, phrase) = (ServingIndex::lazy(kept.folders(), &kept.archive), "\"something something\"");
    assert_eq!(hits(&lazy, phrase).unwrap(), 100);
    files(&kept.place("index"), |name| name.ends_with(".pos")).iter().for_each(|file| overwrite(file));
    let told = hits(&lazy, phrase).unwrap_err().to_string();
    assert!(told.contains(" is damaged: ") && told.contains("`telescribe verify` names the file"), "{told}");
    for _ in 0..3 {
        let told = run.hits(phrase).unwrap_err();
        assert!(matches!(told, SearchError::Suspected) && told.to_string().contains("its files are checked now"), "{told}");
    }
    assert_eq!(run.serving.rebuild(), None, "what was met is no proof");
    run.supervisor.catch_up().await.unwrap();
    assert_eq!(run.hits(phrase).unwrap(), 100);
    drop(run);
    kept.is_whole("rebuilt");
}

#[tokio::test]
async fn damage_that_the_indexer_meets_leads_to_a_rebuild_and_not_to_failures_for_ever() {
    let kept = Kept::new(100).await;
    let mut run = kept.open().unwrap();
    run.supervisor.catch_up().await.unwrap();
    files(&kept.place("index"), |name| name.ends_with(".term")).iter().for_each(|file| overwrite(file));
    let mut edited = text(7, "edited once more, it says something");
    edited.edited = Some(Timestamp(NOW.0 + 1));
    let mut write = kept.archive.write(NOW);
    write.message(edited, Raw::default(), 1);
    write.commit().unwrap();
    let mut failures = 0;
    // A failed step is tried again, as the worker loop does.
    while run.supervisor.catch_up().await.is_err() {
        failures += 1;
        assert!(failures < 3, "again and again");
    }
    assert!(failures > 0, "the indexer has met it");
    assert_eq!(run.hits("\"once more\"").unwrap(), 1);
    drop(run);
    kept.is_whole("rebuilt");
}

#[tokio::test]
async fn a_report_without_damage_rebuilds_nothing_and_a_failing_search_has_not_all_files_read_each_time() {
    let kept = Kept::new(20).await;
    let mut run = kept.open().unwrap();
    let before = kept.everything();
    run.serving.report_damage("somebody thinks so");
    run.supervisor.catch_up().await.unwrap();
    assert_eq!(run.serving.rebuild(), None);
    assert_eq!(run.hits("says").unwrap(), 20);
    assert!(before == kept.everything());
    // What fails soon after that has not all files read each time; what a check of checksums has found has.
    files(&kept.place("index"), |name| name.ends_with(".pos")).iter().for_each(|file| overwrite(file));
    for _ in 0..2 {
        let told = run.hits("\"something something\"").unwrap_err();
        assert!(matches!(told, SearchError::Index { .. }), "{told}");
        assert_eq!(run.supervisor.step().await.unwrap(), StepOutcome::Idle);
    }
    run.serving.report_damage("a checksum is wrong");
    run.supervisor.catch_up().await.unwrap();
    assert_eq!(run.hits("\"something something\"").unwrap(), 20);
    drop(run);
    kept.is_whole("rebuilt");
}

/// Makes a file one that the system does not give, and back.
fn refuse(file: &Path, meanwhile: impl AsyncFnOnce()) -> impl Future<Output = ()> {
    let (file, aside) = (file.to_owned(), file.parent().unwrap().with_extension("aside"));
    async move {
        let is_there = file.exists();
        if is_there {
            fs::rename(&file, &aside).unwrap();
        }
        symlink(&file, &file).unwrap();
        meanwhile().await;
        fs::remove_file(&file).unwrap();
        if is_there {
            fs::rename(&aside, &file).unwrap();
        }
    }
}

#[tokio::test]
async fn what_the_system_does_not_give_is_never_taken_for_damage() {
    let whole = Kept::new(20).await;
    let mut names: Vec<String> = files(&whole.place("index"), |_| true)
        .iter()
        .map(|file| file.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    for name in names {
        let kept = whole.another();
        let before = kept.everything();
        refuse(&kept.place("index").join(&name), async || {
            let opened = kept.open();
            match opened {
                Err(error) => {
                    assert!(matches!(error, SearchError::Refused { .. }), "{name}: {error}");
                    assert!(error.to_string().contains("it was not changed: check the limit of open files"), "{error}");
                }
                // The writer's lock is not needed before something is written.
                Ok(mut run) => {
                    assert!(name.contains("writer.lock"), "{name}");
                    for _ in 0..6 {
                        run.supervisor.step().await.ok();
                    }
                    assert!(run.serving.rebuild().is_none(), "{name}");
                    assert_eq!(run.hits("says").unwrap(), 20, "{name}");
                }
            }
            assert!(kept.rebuild_is_refused_or_beside(), "{name}");
        })
        .await;
        assert!(before == kept.everything(), "{name}");
        let mut run = kept.open().unwrap();
        run.supervisor.catch_up().await.unwrap();
        drop(run);
        kept.is_whole(&name);
    }
}

impl Kept {
    /// Whether nothing but a build beside is begun where the index is not given.
    fn rebuild_is_refused_or_beside(&self) -> bool {
        !self.place("index.old").exists() && !self.place("index.new").exists()
    }
}

#[tokio::test]
async fn a_check_reads_no_more_at_once_than_it_may_and_finds_what_a_check_in_one_go_finds() {
    let kept = Kept::new(500).await;
    let damaged = kept.file(".pos");
    overwrite(&damaged);
    let index = Index::open(&kept.place("index"), &kept.archive).unwrap();
    let (mut check, mut checked, mut steps) = (index.integrity_check().unwrap(), Vec::new(), 0_u64);
    while check.files_left() > 0 {
        checked.extend(check.step(100));
        steps += 1;
    }
    let bytes: u64 = checked.iter().map(|file| file.bytes).sum();
    // Footers and the two lists are read in one piece.
    let pieces: u64 = checked.iter().map(|file| file.bytes.saturating_sub(150) / 100).sum();
    assert!(steps >= pieces / 2 && bytes > 10_000, "{steps} steps for {bytes} bytes");
    let names: Vec<&str> = checked.iter().map(|file| file.name.as_str()).collect();
    for file in files(&kept.place("index"), |name| !is_lock(name)) {
        let (name, size) = (file.file_name().unwrap().to_str().unwrap(), file.metadata().unwrap().len());
        let found = checked.iter().find(|checked| checked.name == name).unwrap_or_else(|| panic!("{name} is not in {names:?}"));
        let outcome = if file == damaged { FileOutcome::Damaged("its checksum is wrong".to_owned()) } else { FileOutcome::Whole };
        assert_eq!((found.bytes, &found.outcome), (size, &outcome), "{name}");
    }
    checked.retain(|file| file.outcome != FileOutcome::Whole);
    assert_eq!(index.integrity_check().unwrap().faults(), checked);
}
