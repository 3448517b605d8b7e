//! The index is a reader of the archive: it follows, and it can be lost.

use std::sync::Arc;

use telescribe::archive::{Archive, Durability};
use telescribe::lifecycle::{StepOutcome, Worker as _};
use telescribe::model::Timestamp;
use telescribe::search::{Difference, Index, IndexFolders, IndexerSettings, Rebuild, SearchError, ServingIndex, Total};

use crate::support::index_files::relist;
use crate::support::indexed::{Indexed, request};
use crate::support::messages::{NOW, at, text};

#[tokio::test]
async fn an_edit_is_found_by_its_new_words_and_not_by_its_old() {
    let mut world = Indexed::new();
    world.archive([text(1, "the old words"), text(2, "others")]);
    world.index().await;
    let mut edited = text(1, "the new words");
    edited.edited = Some(NOW);
    world.archive([edited.clone()]);
    world.index().await;
    assert!(world.ids("old").is_empty());
    assert_eq!(world.ids("new"), [1]);
    assert_eq!(world.ids("is:edited"), [1]);
    assert_eq!(world.index.document_count(), 2);

    // New and edited before anything was committed, and an edit of something committed, in one go.
    world.archive([text(3, "three")]);
    edited.text = "newest".to_owned();
    edited.edited = Some(Timestamp(NOW.0 + 1));
    let mut third = text(3, "third");
    third.edited = Some(NOW);
    world.archive([edited, third]);
    world.index().await;
    assert_eq!(world.ids("newest OR third"), [1, 3]);
    assert!(world.ids("new OR three").is_empty());
}

#[tokio::test]
async fn a_deleted_message_is_found_only_when_asked_for() {
    let mut world = Indexed::new();
    world.archive([text(1, "gone"), text(2, "gone too")]);
    world.index().await;
    let mut write = world.archive.write(NOW);
    write.delete(at(1));
    write.commit().expect("a write");
    assert_eq!(world.ids("gone"), [2], "the archive knows before the index does");
    world.index().await;
    assert_eq!(world.ids("gone"), [2]);
    assert_eq!(world.ids("gone is:deleted"), [1]);
    assert_eq!(world.ids("gone (is:deleted OR -is:deleted)"), [1, 2]);
    assert_eq!(world.index.document_count(), 2);
}

#[tokio::test]
async fn a_deleted_index_is_rebuilt() {
    let mut world = Indexed::new();
    world.archive((1..=50).map(|id| text(id, "text")));
    world.index().await;
    let mut world = world.reopened(|index| std::fs::remove_dir_all(index).expect("deleted"));
    assert_eq!(world.index.position().0, 0);
    world.index().await;
    assert_eq!(world.ids("text").len(), 50);
}

#[test]
fn a_folder_of_other_files_is_never_cleared() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("thesis.txt"), "years of work").expect("a file");
    let archive = tempfile::tempdir().expect("a folder");
    let archive = Arc::new(Archive::open(&archive.path().join("archive"), Durability::Os).expect("an archive"));
    let folders = IndexFolders::at(folder.path());
    for error in [
        Index::open(folder.path(), &archive).expect_err("not an index"),
        ServingIndex::open(folders.clone(), &archive).err().expect("not an index"),
        Rebuild::start(&folders, &archive, IndexerSettings::default(), "tried").err().expect("not an index"),
    ] {
        assert!(matches!(error, SearchError::NotAnIndex { .. }), "{error}");
    }
    assert!(folder.path().join("thesis.txt").exists());
}

#[tokio::test]
async fn what_was_not_committed_is_read_again_after_a_crash() {
    let mut world = Indexed::new();
    world.archive([text(1, "first")]);
    world.index().await;
    let committed = world.index.position();
    world.archive([text(2, "second")]);
    // Read, but within the interval after the last commit, so not committed.
    assert_eq!(world.indexer.step().await.expect("a step"), StepOutcome::Busy);
    assert_eq!(world.index.position(), committed);
    let mut world = world.reopened(|_| ());
    assert_eq!(world.index.position(), committed);
    world.index().await;
    assert_eq!(world.ids("first OR second"), [1, 2]);
}

#[tokio::test]
async fn a_fresh_message_is_committed_without_waiting_for_more() {
    let mut world = Indexed::new();
    world.archive([text(1, "fresh")]);
    // No wait and no finish: the first step reads it, and nothing holds the commit back.
    while world.indexer.step().await.expect("a step") == StepOutcome::Busy {}
    assert_eq!(world.ids("fresh"), [1]);
}

#[tokio::test]
async fn what_is_not_read_yet_is_pending_and_no_difference() {
    let mut world = Indexed::new();
    world.archive([text(1, "one"), text(2, "two")]);
    world.index().await;
    let mut edited = text(1, "uno");
    edited.edited = Some(NOW);
    world.archive([edited, text(3, "three")]);
    let found = world.index.verify(&world.archive.flushed()).expect("a comparison");
    assert!(!found.is_equal());
    assert_eq!(found.differences, []);
    assert_eq!((found.messages, found.documents, found.pending), (3, 2, 2));
}

#[tokio::test]
async fn verify_finds_what_is_missing() {
    let mut world = Indexed::new();
    world.archive([text(1, "one"), text(2, "two")]);
    world.index().await;
    let mut world = world.reopened(|folder| {
        // Another hand empties the index, and leaves the position as it was.
        let index = tantivy::Index::open_in_dir(folder).expect("an index");
        let payload = index.load_metas().expect("its state").payload.expect("its position");
        let mut writer = index.writer_with_num_threads::<tantivy::TantivyDocument>(1, 16 << 20).expect("its writer");
        writer.delete_all_documents().expect("an empty index");
        let mut commit = writer.prepare_commit().expect("a commit");
        commit.set_payload(&payload);
        commit.commit().expect("a commit");
        drop(writer);
        for list in ["meta.json", ".managed.json"] {
            relist(folder, list, str::to_owned);
        }
    });
    let found = world.index.verify(&world.archive.flushed()).expect("a comparison");
    assert!(!found.is_equal());
    assert_eq!(found.differences, [Difference::Missing(at(1)), Difference::Missing(at(2))]);
    assert_eq!((found.messages, found.documents, found.missing), (2, 0, 2));
    world.archive([text(3, "three")]);
    world.indexer.catch_up().await.expect("indexing");
    assert_eq!(world.index.verify(&world.archive.flushed()).expect("a comparison").missing, 2, "only a rebuild mends it");
}

#[tokio::test]
async fn a_rebuild_of_many_changes_takes_few_commits() {
    let mut world = Indexed::new();
    for round in 0..5 {
        world.archive((1..=2_000).map(|n| text(round * 2_000 + n, "bulk 今天天气")));
    }
    world.index().await;
    assert_eq!(world.index.document_count(), 10_000);
    let page = world.ask(&request("天气")).expect("a page");
    assert_eq!(page.hits[0].key, at(10_000));
    assert!(matches!(page.total, Total::Exactly(10_000) | Total::AtLeast(_)));
}
