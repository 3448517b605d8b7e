//! What a session file promises: whole, private, sealed under the right key, one process at a time.

use super::*;
use crate::accounts::{AuthKey, DataCentre, PeerNews};
use crate::model::PeerId;
use crate::model::UpdatesState;
use crate::seal::system_random;

fn session(name: &str) -> Session {
    let dc = DataCentre { ipv4: "127.0.0.1:443".parse().unwrap(), ipv6: None, auth_key: Some(AuthKey::new([7; 256])) };
    Session::new(name.parse().unwrap(), "simulated", 2, BTreeMap::from([(2, dc)]))
}

#[test]
fn a_session_comes_back_as_it_was_saved_and_only_its_owner_can_read_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = Sessions::new(folder.path(), "simulated");
    let s = session("alpha");
    s.learn(PeerId::channel(5), Some(-9));
    s.learn(PeerId::chat(6), None);
    s.set_updates(UpdatesState { pts: 3, qts: 0, date: 1, seq: 0 });
    s.set_budgets(serde_json::json!({ "messages.getHistory": 3 }));
    store.create(&s).unwrap();
    assert_eq!(store.load(s.name()).unwrap().data(), s.data());
    let mode = std::fs::metadata(store.path(s.name())).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    assert!(matches!(store.create(&s), Err(SessionError::Exists(_))));
}

#[test]
fn a_session_of_another_kind_of_server_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    Sessions::new(folder.path(), "simulated").create(&session("alpha")).unwrap();
    let error = Sessions::new(folder.path(), "telegram").load_all().unwrap_err();
    assert!(matches!(error, SessionError::OtherServer { .. }), "{error}");
}

#[test]
fn a_session_that_others_can_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = Sessions::new(folder.path(), "simulated");
    store.create(&session("alpha")).unwrap();
    let path = store.path(&"alpha".parse().unwrap());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(store.load_all(), Err(SessionError::Exposed { .. })));
}

#[test]
fn a_damaged_session_file_is_a_clear_error() {
    let folder = tempfile::tempdir().unwrap();
    let store = Sessions::new(folder.path(), "simulated");
    store.create(&session("alpha")).unwrap();
    let path = store.path(&"alpha".parse().unwrap());
    std::fs::write(&path, b"{\"version\":1").unwrap();
    let error = store.load_all().unwrap_err().to_string();
    assert!(error.contains("alpha.session") && error.contains("telescribe login alpha"), "{error}");
}

#[test]
fn the_home_key_is_never_replaced() {
    let s = session("alpha");
    let other = DataCentre { auth_key: Some(AuthKey::new([8; 256])), ..s.data_centre(2).unwrap() };
    assert!(s.set_data_centre(2, other.clone()).is_err());
    assert_eq!(s.data_centre(2).unwrap().auth_key, Some(AuthKey::new([7; 256])));
    s.set_data_centre(4, other).unwrap();
}

fn master_key() -> MasterKey {
    MasterKey::generate(&mut system_random())
}

#[test]
fn a_sealed_session_opens_with_its_key_only_and_says_which_one_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let (plain, key) = (Sessions::new(folder.path(), "simulated"), master_key());
    let sealed = plain.clone().sealed([key.clone()]);
    let s = session("alpha");
    sealed.create(&s).unwrap();
    let bytes = std::fs::read(sealed.path(s.name())).unwrap();
    assert!(bytes.starts_with(b"eyJ"));
    assert_eq!(sealed.format(s.name()).unwrap(), SessionFormat::Sealed(key.id().clone()));
    assert_eq!(sealed.load(s.name()).unwrap().data(), s.data());

    let missing = plain.load(s.name()).unwrap_err().to_string();
    assert!(missing.contains(key.id().as_str()) && missing.contains("accounts.master_key_file"), "{missing}");
    let other = plain.clone().sealed([master_key()]).load(s.name()).unwrap_err().to_string();
    assert!(other.contains(key.id().as_str()) && other.contains("--old-key-file"), "{other}");

    let mut broken = bytes.clone();
    let at = broken.len() / 2;
    broken[at] = if broken[at] == b'A' { b'B' } else { b'A' };
    std::fs::write(sealed.path(s.name()), broken).unwrap();
    assert!(matches!(sealed.load(s.name()), Err(SessionError::Damaged { .. })));
}

#[test]
fn a_plain_session_is_sealed_at_its_next_save_where_a_key_is_set() {
    let folder = tempfile::tempdir().unwrap();
    let plain = Sessions::new(folder.path(), "simulated");
    let s = session("alpha");
    plain.create(&s).unwrap();
    let sealed = plain.clone().sealed([master_key()]);
    let loaded = sealed.load(s.name()).unwrap();
    assert!(loaded.changes().immediate.has_changed().is_ok_and(|c| !c) && *loaded.changes().immediate.borrow() == 1);
    assert_eq!(sealed.format(s.name()).unwrap(), SessionFormat::Plain);
    sealed.save(&loaded).unwrap();
    assert!(matches!(sealed.format(s.name()).unwrap(), SessionFormat::Sealed(_)));
    assert_eq!(sealed.load(s.name()).unwrap().data(), s.data());
}

#[test]
fn sessions_are_converted_from_key_to_key_and_back_to_plain() {
    let folder = tempfile::tempdir().unwrap();
    let plain = Sessions::new(folder.path(), "simulated");
    let (old, new) = (master_key(), master_key());
    let s = session("alpha");
    plain.create(&s).unwrap();
    let (under_old, under_new) = (plain.clone().sealed([old.clone()]), plain.clone().sealed([new.clone(), old]));
    assert!(under_old.convert(s.name(), &under_old).unwrap());
    assert!(!under_old.convert(s.name(), &under_old).unwrap());
    assert!(under_new.convert(s.name(), &under_new).unwrap());
    assert!(under_old.load(s.name()).is_err());
    assert_eq!(plain.clone().sealed([new]).load(s.name()).unwrap().data(), s.data());
    assert!(under_new.convert(s.name(), &plain).unwrap());
    assert_eq!(plain.load(s.name()).unwrap().data(), s.data());
}

#[test]
fn a_session_serves_one_holder_at_a_time_and_leaves_no_lock_behind() {
    let folder = tempfile::tempdir().unwrap();
    let store = Sessions::new(folder.path(), "simulated");
    store.create(&session("alpha")).unwrap();
    let LockedSessions { locks, .. } = store.take_all().unwrap();
    let name = "alpha".parse().unwrap();
    let error = store.lock(&name).unwrap_err().to_string();
    assert!(error.contains("`alpha` is in use") && error.contains(&std::process::id().to_string()), "{error}");
    drop(locks);
    drop(store.lock(&name).unwrap());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    assert!(matches!(store.take(&"bravo".parse().unwrap()), Err(SessionError::Unknown(_))));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_damaged_session_file_is_not_quoted() {
    let folder = tempfile::tempdir().unwrap();
    let store = Sessions::new(folder.path(), "simulated");
    store.create(&session("alpha")).unwrap();
    let path = store.path(&"alpha".parse().unwrap());
    let text = std::fs::read_to_string(&path).unwrap().replace("\"version\":1", "\"version\":\"SECRET\"");
    std::fs::write(&path, text).unwrap();
    let error = store.load_all().unwrap_err().to_string();
    assert!(!error.contains("SECRET"), "{error}");
}

#[test]
fn a_master_key_file_that_others_can_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("master.key");
    let key = master_key();
    std::fs::write(&path, format!("{}\n", *key.text())).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let error = format::read_master_key(&path).unwrap_err().to_string();
    assert!(error.contains("mode 640") && error.contains("chmod 600") && !error.contains(key.text().as_str()), "{error}");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(format::read_master_key(&path).unwrap(), key);
    std::fs::write(&path, [0xff; 88]).unwrap();
    let error = format::read_master_key(&path).unwrap_err().to_string();
    assert!(error.contains("telescribe account new-key"), "{error}");
}

#[test]
fn the_file_holds_only_those_peers_that_the_archive_does_not_have() {
    let folder = tempfile::tempdir().unwrap();
    let store = Sessions::new(folder.path(), "simulated");
    let (imported, archived, of_another) = (PeerId::channel(5), PeerId::channel(6), PeerId::channel(7));
    let s = session("alpha");
    s.set_user_id(9);
    s.learn(imported, Some(-9));
    store.save(&s).unwrap();
    let s = store.load(s.name()).unwrap();
    s.keep_peers_in_archive([(archived, Some(9), Some(1)), (of_another, Some(8), Some(2)), (imported, None, Some(3))]);
    assert_eq!((s.access_hash(archived), s.access_hash(imported)), (Some(1), Some(-9)), "what the file has is newer");
    assert!(!s.knows(of_another), "somebody else had this name before");
    let told = s.news_of_peers();
    s.learn(PeerId::channel(8), Some(4));
    s.archived_peers(&told);
    assert_eq!(
        s.news_of_peers(),
        [(PeerId::channel(8), PeerNews::Known(Some(4)))],
        "what was learnt meanwhile is told the next time"
    );
    s.forget(archived);
    assert!(s.news_of_peers().contains(&(archived, PeerNews::Forgotten)));
    store.save(&s).unwrap();
    assert_eq!(store.load(s.name()).unwrap().peers(), [PeerId::channel(8)]);
    assert_eq!(s.peers().len(), s.peers().iter().filter(|peer| s.knows(**peer)).count());
}
