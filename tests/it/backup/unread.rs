//! A session or the clients' keys that cannot be read cost nobody the backup of the archive, and are never lost without a word.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::ExitCode;

use telescribe::accounts::{Session, Sessions};
use telescribe::archive::DataFolder;
use telescribe::backup::{BackedUp, BackupOptions, BackupSource, Secrets, UnreadPart, Watch, back_up};
use telescribe::cli::client::Globals;
use telescribe::cli::{Out, backup};
use telescribe::config::Config;
use telescribe::model::AccountName;
use telescribe::seal::{MasterKey, system_random};

use super::{Own, whole};
use crate::support::commands::Written;
use crate::support::messages::NOW;

fn name(name: &str) -> AccountName {
    name.parse().unwrap()
}

/// An archive whose accounts have sealed sessions, and those sessions with their key.
fn sealed(accounts: &[&str]) -> (Own, Sessions) {
    let own = Own::new();
    fs::write(DataFolder::keys(&own.data()), "{\"keys\":[]}").unwrap();
    let sessions = own.sessions.clone().sealed([MasterKey::generate(&mut system_random())]);
    for account in accounts {
        sessions.save(&Session::new(name(account), "simulated", 2, [].into())).unwrap();
    }
    (own, sessions)
}

fn file_of(own: &Own, account: &str) -> PathBuf {
    own.folder.path().join("sessions").join(format!("{account}.session"))
}

fn sources(parts: &[UnreadPart]) -> Vec<(&str, Option<&str>)> {
    parts.iter().map(|part| (part.what.as_str(), part.copy_of.as_deref())).collect()
}

const ALPHA: &str = "the session of account `alpha`";

#[test]
fn a_damaged_session_costs_no_backup_and_is_kept_as_it_was_in_the_one_before_also_when_that_is_removed() {
    let (own, _) = sealed(&["alpha", "bravo"]);
    let before = fs::read(file_of(&own, "alpha")).unwrap();
    assert_eq!(own.back_up(Some(1)).unread, []);
    fs::write(file_of(&own, "alpha"), "no session").unwrap();
    for number in 2..5 {
        let made = own.back_up(Some(1));
        let from = format!("20240131T120000Z-{}", number - 1);
        assert_eq!(sources(&made.unread), [(ALPHA, Some(from.as_str()))]);
        assert!(made.unread[0].why.contains("alpha.session` cannot be read"), "{:?}", made.unread);
        assert_eq!((made.sessions.as_slice(), made.removed.len()), (&[name("bravo")][..], 1));
    }
    assert_eq!(whole(&own.target()), [true]);
    let (restored, _) = own.restore("restored", None).unwrap();
    assert_eq!(sources(&restored.unread), [(ALPHA, Some("20240131T120000Z-3"))]);
    assert_eq!(restored.sessions, [name("bravo"), name("alpha")]);
    assert_eq!(fs::read(own.folder.path().join("restored-sessions/alpha.session")).unwrap(), before);
    // One that is mended is taken as it is again.
    fs::write(file_of(&own, "alpha"), before).unwrap();
    assert_eq!(own.back_up(Some(1)).unread, []);
}

#[test]
fn what_no_backup_has_and_cannot_be_read_is_named_and_everything_else_is_in_it() {
    let (own, _) = sealed(&["alpha", "bravo"]);
    let keys = DataFolder::keys(&own.data());
    fs::remove_file(&keys).unwrap();
    // Reading it is an error of the disk.
    fs::create_dir(&keys).unwrap();
    fs::set_permissions(file_of(&own, "alpha"), fs::Permissions::from_mode(0o644)).unwrap();
    let made = own.back_up(None);
    assert_eq!(sources(&made.unread), [("the clients' keys", None), (ALPHA, None)]);
    assert!(made.unread[1].why.contains("run `chmod 600` on it"), "{:?}", made.unread);
    let told = made.unread[0].to_string();
    assert!(told.starts_with("the clients' keys could not be read and is not in it: "), "{told}");
    assert_eq!(whole(&own.target()), [true]);
    let (restored, sessions) = own.restore("restored", None).unwrap();
    assert_eq!((restored.keys, sessions.names().unwrap()), (false, vec![name("bravo")]));
    assert_eq!(own.restored("restored").last_seq(), own.kept.last_seq());
}

#[test]
fn where_the_folder_of_the_sessions_cannot_be_read_all_are_as_in_the_backup_before() {
    let (own, _) = sealed(&["alpha", "bravo"]);
    own.back_up(Some(1));
    fs::rename(own.folder.path().join("sessions"), own.folder.path().join("elsewhere")).unwrap();
    fs::write(own.folder.path().join("sessions"), "a file").unwrap();
    let made = own.back_up(Some(1));
    assert_eq!(sources(&made.unread), [("the sessions", Some("20240131T120000Z-1"))]);
    let (restored, _) = own.restore("restored", None).unwrap();
    assert_eq!(restored.sessions, [name("alpha"), name("bravo")]);
}

#[test]
fn damage_inside_of_a_sealed_session_is_seen_where_its_key_is_at_hand() {
    let (own, sessions) = sealed(&["alpha"]);
    let back_up_with = |sessions: &Sessions| -> BackedUp {
        let secrets = Secrets::read(&DataFolder::keys(&own.data()), sessions);
        let source = BackupSource { data: own.data(), secrets, archive: own.kept.freeze().unwrap() };
        back_up(&source, &own.target(), BackupOptions { keep: Some(1), now: NOW }, &Watch::nobody()).unwrap()
    };
    assert_eq!(back_up_with(&sessions).unread, []);
    let whole = fs::read(file_of(&own, "alpha")).unwrap();
    let mut damaged = whole.clone();
    let at = whole.len() - 8;
    damaged[at] = if whole[at] == b'A' { b'B' } else { b'A' };
    fs::write(file_of(&own, "alpha"), &damaged).unwrap();
    assert_eq!(sources(&back_up_with(&sessions).unread), [(ALPHA, Some("20240131T120000Z-1"))]);
    let (_, restored) = own.restore("restored", None).unwrap();
    assert!(restored.sealed_copy(&name("alpha")).unwrap().is_some_and(|bytes| *bytes == whole));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_says_what_could_not_be_read_by_its_status_too_and_lists_it() {
    let (mut own, _) = sealed(&["alpha"]);
    own.kept.archive = None;
    fs::write(file_of(&own, "alpha"), "no session").unwrap();
    let mut config = Config::default();
    config.accounts.sessions = own.folder.path().join("sessions");
    let globals = Globals { data: own.data(), json: false, server: None, ca: None, key: None };
    let mut args = backup::Args { target: own.target(), keep: None, list: false, verify: None };
    let code = backup::write(&args, &globals, || Ok(config.clone()), &mut Out::to(Written::default())).await.unwrap();
    assert_eq!(code, ExitCode::from(1));
    args.list = true;
    let written = Written::default();
    let code = backup::write(&args, &globals, || Ok(config.clone()), &mut Out::to(written.clone())).await.unwrap();
    let text = written.text();
    assert_eq!(code, ExitCode::SUCCESS);
    assert!(text.contains("0 sessions\n  the session of account `alpha` could not be read and is not in it: "), "{text}");
}
