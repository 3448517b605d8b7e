//! What is saved at once, what is debounced, and that nothing happens for nothing.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::*;
use crate::accounts::DataCentre;
use crate::model::PeerId;
use crate::model::UpdatesState;

/// A whole second, so that a loaded machine does not decide.
const SOON: Duration = Duration::from_secs(1);

struct Setting {
    folder: tempfile::TempDir,
    session: Arc<Session>,
    writer: SessionWriter,
}

fn setting() -> Setting {
    let folder = tempfile::tempdir().unwrap();
    let dc = DataCentre { ipv4: "127.0.0.1:443".parse().unwrap(), ipv6: None, auth_key: None };
    let name: AccountName = "alpha".parse().unwrap();
    let session = Arc::new(Session::new(name, "simulated", 2, BTreeMap::from([(2, dc)])));
    let store = Sessions::new(folder.path(), "simulated");
    store.create(&session).unwrap();
    let writer = SessionWriter::new(store, &BTreeMap::from([(name, Arc::clone(&session))]));
    Setting { folder, session, writer }
}

/// Each save makes a new file.
fn file(folder: &Path) -> u64 {
    folder.join("alpha.session").metadata().unwrap().ino()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_saved_and_nothing_runs_while_nothing_changes() {
    let mut s = setting();
    let before = file(s.folder.path());
    assert_eq!(s.writer.step().await.unwrap(), StepOutcome::Idle);
    assert!(tokio::time::timeout(SOON / 4, s.writer.wait()).await.is_err(), "the writer woke for nothing");
    s.writer.finish().await.unwrap();
    assert_eq!(file(s.folder.path()), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_learnt_again_is_saved_at_once() {
    let mut s = setting();
    let changes: [fn(&Session); 5] = [
        |s| s.set_updates(UpdatesState { pts: 1, ..UpdatesState::default() }),
        |s| s.set_budgets(serde_json::json!({ "getHistory": 1 })),
        |s| s.set_home(4),
        |s| s.set_user_id(7),
        |s| s.set_lost("SESSION_REVOKED", chrono::DateTime::UNIX_EPOCH),
    ];
    for change in changes {
        assert_eq!(s.writer.step().await.unwrap(), StepOutcome::Idle);
        let before = file(s.folder.path());
        change(&s.session);
        tokio::time::timeout(SOON, s.writer.wait()).await.expect("an immediate change wakes the writer");
        assert_eq!(s.writer.step().await.unwrap(), StepOutcome::Busy);
        assert_ne!(file(s.folder.path()), before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_next_answers_teach_again_is_coalesced_and_then_saved_once() {
    let mut s = setting();
    s.writer.debounce = SOON;
    s.session.set_updates(UpdatesState::default());
    assert_eq!(s.writer.step().await.unwrap(), StepOutcome::Busy);
    let before = file(s.folder.path());
    let begun = Instant::now();
    let mut saves = 0;
    for pts in 1..=20 {
        s.session.learn(PeerId::channel(i64::from(pts)), Some(-1));
        s.session.set_updates(UpdatesState { pts, ..UpdatesState::default() });
        saves += usize::from(s.writer.step().await.unwrap() == StepOutcome::Busy);
    }
    assert!(saves == 0 || begun.elapsed() >= SOON);
    assert!(file(s.folder.path()) == before || begun.elapsed() >= SOON);
    while s.writer.step().await.unwrap() == StepOutcome::Idle {
        tokio::time::timeout(SOON * 30, s.writer.wait()).await.expect("what is coalesced falls due");
    }
    assert!(begun.elapsed() >= SOON);
    assert_eq!(s.writer.step().await.unwrap(), StepOutcome::Idle);
    assert_eq!(s.writer.store.load(s.session.name()).unwrap().data(), s.session.data());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_saves_what_is_still_being_coalesced() {
    let mut s = setting();
    s.session.learn(PeerId::channel(5), Some(-9));
    assert_eq!(s.writer.step().await.unwrap(), StepOutcome::Idle);
    s.writer.finish().await.unwrap();
    assert_eq!(s.writer.store.load(s.session.name()).unwrap().access_hash(PeerId::channel(5)), Some(-9));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_save_that_failed_is_retried() {
    let mut s = setting();
    s.session.set_user_id(7);
    let sessions = std::mem::replace(&mut s.writer.store, Sessions::new(Path::new("/dev/null/none"), "simulated"));
    assert!(s.writer.step().await.is_err());
    s.writer.store = sessions;
    assert_eq!(s.writer.step().await.unwrap(), StepOutcome::Busy);
    assert_eq!(s.writer.store.load(s.session.name()).unwrap().user_id(), Some(7));
}
