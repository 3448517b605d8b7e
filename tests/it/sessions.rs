//! Sessions at rest: one process at a time, sealed where a master key is set, and a lost one is shown with the way out.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use telescribe::accounts::{AuthKey, DataCentre, Session, Sessions};
use telescribe::archive::DataFolder;
use telescribe::config::Server;
use telescribe_simulator::{Fault, Rule, Simulator, When, WorldSpec};

use crate::support::fleet::with_sessions;
use crate::support::program::{program, run, terminate, told as err};
use crate::support::waiting::until_blocking;

async fn world() -> (Simulator, tempfile::TempDir) {
    with_sessions(WorldSpec { accounts: 2, peers: 4, messages: 100, ..WorldSpec::default() }).await
}

fn daemon(folder: &Path, data: &str) -> Command {
    let mut command = program(folder, &["--data", data, "run"]);
    command
        .env("TELESCRIBE__HTTP__LISTENERS", "[]")
        .env("TELESCRIBE__HTTP__METRICS", "[]")
        .env("TELESCRIBE__MEDIA__ENABLED", "false")
        .env("TELESCRIBE__LOG__FILTER", "info")
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command
}

fn stop(child: Child) -> Output {
    terminate(&child);
    child.wait_with_output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn ok(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments, "");
    assert!(output.status.success(), "{arguments:?}: {}{}", out(&output), err(&output));
    out(&output)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_never_use_one_session() {
    let (simulator, folder) = world().await;
    let folder = folder.path();
    let first = daemon(folder, "a").spawn().unwrap();
    until_blocking("a daemon that answers", || folder.join("a/telescribe.sock").exists());
    let process = first.id().to_string();

    // Another data folder, the same sessions.
    let second = daemon(folder, "b").output().unwrap();
    let told = err(&second);
    assert_eq!(second.status.code(), Some(2), "{told}");
    assert!(told.contains("is in use by another telescribe") && told.contains(&format!("process {process}")), "{told}");
    std::fs::write(folder.join("x.key"), [7; 256]).unwrap();
    for command in [
        &["login", "alpha"][..],
        &["account", "check"],
        &["account", "check", "alpha"],
        &["account", "logout", "alpha"],
        &["account", "remove", "alpha"],
    ] {
        let output = run(folder, command, "");
        let told = err(&output);
        assert_eq!(output.status.code(), Some(2), "{command:?}: {told}");
        assert!(told.contains(&format!("process {process}")) && told.contains("stop that one first"), "{command:?}: {told}");
    }
    // Looking is free.
    assert_eq!(ok(folder, &["account", "list"]).lines().count(), 2);

    let ended = stop(first);
    assert!(ended.status.success(), "{}", err(&ended));
    assert_eq!(std::fs::read_dir(folder.join("sessions")).unwrap().count(), 2, "locks are left behind");
    ok(folder, &["account", "check"]);
    simulator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lock_of_a_killed_process_keeps_nobody_out() {
    let (simulator, folder) = world().await;
    let folder = folder.path();
    let mut killed = daemon(folder, "a").spawn().unwrap();
    until_blocking("a daemon that answers", || folder.join("a/telescribe.sock").exists());
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert!(folder.join("sessions/alpha.lock").exists());
    ok(folder, &["account", "check"]);
    simulator.stop().await;
}

/// A master key in a file of mode 0600.
fn new_key(folder: &Path, file: &str) -> String {
    let key = ok(folder, &["account", "new-key"]);
    std::fs::write(folder.join(file), &key).unwrap();
    std::fs::set_permissions(folder.join(file), std::fs::Permissions::from_mode(0o600)).unwrap();
    key.trim().to_owned()
}

fn with_key_file(folder: &Path, file: &str, arguments: &[&str]) -> Output {
    program(folder, arguments).env("TELESCRIBE__ACCOUNTS__MASTER_KEY_FILE", file).output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_sealed_changed_to_another_key_and_made_plain_again() {
    let (simulator, folder) = world().await;
    let folder = folder.path();
    let (key, other) = (new_key(folder, "master.key"), new_key(folder, "other.key"));
    let bytes = || std::fs::read(folder.join("sessions/alpha.session")).unwrap();
    let plain = bytes();

    let none = run(folder, &["account", "seal"], "");
    assert!(err(&none).contains("no master key is set; make one with `telescribe account new-key"), "{}", err(&none));
    let sealed = with_key_file(folder, "master.key", &["account", "seal"]);
    assert!(err(&sealed).contains("2 of 2 session files were sealed"), "{}", err(&sealed));
    assert!(bytes().starts_with(b"eyJ") && bytes() != plain);
    let again = with_key_file(folder, "master.key", &["account", "seal"]);
    assert!(err(&again).contains("0 of 2 session files were sealed"), "{}", err(&again));

    // With the key, from the file and from the environment, everything works as before.
    let checked = with_key_file(folder, "master.key", &["account", "check"]);
    assert!(checked.status.success(), "{}", err(&checked));
    let listed = program(folder, &["account", "list"]).env("TELESCRIBE_MASTER_KEY", &key).output().unwrap();
    assert!(out(&listed).lines().all(|line| line.ends_with("sealed")), "{}", out(&listed));

    // Without it, or with another, there is one clear error.
    let without = run(folder, &["account", "check"], "");
    assert_eq!(without.status.code(), Some(2));
    assert!(err(&without).contains("is sealed") && err(&without).contains("accounts.master_key_file"), "{}", err(&without));
    let wrong = with_key_file(folder, "other.key", &["account", "check"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(err(&wrong).contains("--old-key-file"), "{}", err(&wrong));
    let daemon = daemon(folder, "data").output().unwrap();
    assert!(daemon.status.code() == Some(2) && err(&daemon).contains("is sealed"), "{}", err(&daemon));
    let listed = run(folder, &["account", "list"], "");
    assert_eq!((listed.status.code(), out(&listed).lines().count()), (Some(1), 2));
    let empty = program(folder, &["account", "list"]).env("TELESCRIBE_MASTER_KEY", "").output().unwrap();
    assert!(empty.status.code() == Some(2) && err(&empty).contains("TELESCRIBE_MASTER_KEY"), "{}", err(&empty));
    std::fs::set_permissions(folder.join("master.key"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let exposed = with_key_file(folder, "master.key", &["account", "list"]);
    assert!(err(&exposed).contains("can be read by others (mode 644)"), "{}", err(&exposed));
    std::fs::set_permissions(folder.join("master.key"), std::fs::Permissions::from_mode(0o600)).unwrap();

    let rotated = with_key_file(folder, "other.key", &["account", "seal", "--old-key-file", "master.key"]);
    assert!(err(&rotated).contains("2 of 2"), "{}", err(&rotated));
    assert!(with_key_file(folder, "other.key", &["account", "check"]).status.success());
    assert!(!with_key_file(folder, "master.key", &["account", "check"]).status.success());
    let unsealed = with_key_file(folder, "other.key", &["account", "unseal"]);
    assert!(unsealed.status.success() && bytes().starts_with(b"{"), "{}", err(&unsealed));
    ok(folder, &["account", "check"]);

    for output in [none, sealed, again, checked, listed, without, wrong, daemon, rotated, unsealed] {
        let said = out(&output) + &err(&output);
        assert!(!said.contains(&key[..20]) && !said.contains(&other[..20]), "{said}");
    }
    simulator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_seals_plain_sessions_by_itself_and_says_so() {
    let (simulator, folder) = world().await;
    let folder = folder.path();
    let key = new_key(folder, "master.key");
    let daemon = daemon(folder, "data").env("TELESCRIBE_MASTER_KEY", &key).stdout(Stdio::piped()).spawn().unwrap();
    let is_sealed = |name: &str| std::fs::read(folder.join("sessions").join(name)).is_ok_and(|bytes| bytes.starts_with(b"eyJ"));
    until_blocking("sealed sessions", || is_sealed("alpha.session") && is_sealed("bravo.session"));
    let ended = stop(daemon);
    let said = out(&ended) + &err(&ended);
    assert!(ended.status.success() && said.contains("is not sealed yet; it will be when it is next saved"), "{said}");
    assert!(with_key_file(folder, "master.key", &["account", "check"]).status.success());
    simulator.stop().await;
}

/// Whether a process catches SIGTERM: the signal's bit (number 15, counted from 1) in the kernel's mask of caught signals.
fn catches_sigterm(process: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let mask = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigCgt:")?.trim(), 16).ok());
    mask.is_some_and(|mask| mask & (1 << 14) != 0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_in_the_first_moments_is_a_stop() {
    let (simulator, folder) = world().await;
    let folder = folder.path();
    // It cannot start while somebody has its data folder.
    let held = DataFolder::lock(&folder.join("data")).unwrap();
    let daemon = daemon(folder, "data").spawn().unwrap();
    let process = daemon.id();
    until_blocking("a daemon that catches signals before it has its data folder", || catches_sigterm(process));
    let ended = stop(daemon);
    assert!(ended.status.success(), "{:?}: {}", ended.status, err(&ended));
    drop(held);
    assert!(!folder.join("data/archive").exists(), "nothing had begun");
    ok(folder, &["account", "check"]);
    simulator.stop().await;
}

/// What an independent library makes of a sealed session file.
const OPEN: &str = "
import base64, json, sys
from jwcrypto import jwe, jwk
secret = base64.b64decode(open(sys.argv[1]).read())
key = jwk.JWK(kty='oct', k=base64.urlsafe_b64encode(secret).decode().rstrip('='))
token = jwe.JWE(algs=['dir', 'A256CBC-HS512'])
token.deserialize(open(sys.argv[2]).read().strip(), key=key)
json.dump({'header': token.jose_header, 'session': json.loads(token.payload)}, sys.stdout)
";

#[tokio::test(flavor = "multi_thread")]
async fn an_independent_library_opens_a_sealed_session_file() {
    let (simulator, folder) = world().await;
    let folder = folder.path();
    let plain: Value = serde_json::from_slice(&std::fs::read(folder.join("sessions/alpha.session")).unwrap()).unwrap();
    new_key(folder, "master.key");
    assert!(with_key_file(folder, "master.key", &["account", "seal"]).status.success());
    let python = crate::support::python::python(&["jwcrypto"]);
    let arguments = ["-c", OPEN, "master.key", "sessions/alpha.session"];
    let opened = Command::new(python).args(arguments).current_dir(folder).output().unwrap();
    assert!(opened.status.success(), "{}", err(&opened));
    let opened: Value = serde_json::from_slice(&opened.stdout).unwrap();
    assert_eq!(opened["session"], plain);
    assert_eq!(opened["header"]["typ"], "telescribe-session+jwe");
    assert!(opened["header"]["kid"].as_str().unwrap().starts_with("master-"), "{}", opened["header"]);
    simulator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_session_is_listed_with_the_way_out_until_it_is_found_again() {
    let (simulator, folder) = world().await;
    let folder = folder.path();
    ok(folder, &["account", "check"]);
    let listed = |name: &str| -> Value {
        let lines = ok(folder, &["account", "list", "--json"]);
        let mut lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.find(|line| line["name"] == name).unwrap()
    };
    assert_eq!(listed("alpha")["state"], "ready");

    let said = |name: &str| Fault::Error { code: 401, name: name.to_owned() };
    for (name, state, way_out) in [
        ("SESSION_REVOKED", "signed_out", "run `telescribe login alpha`"),
        ("AUTH_KEY_DUPLICATED", "duplicated", "stop the other program that uses this session"),
        ("USER_DEACTIVATED_BAN", "banned", "`telescribe account remove alpha`"),
    ] {
        let rule = simulator.fault(Rule::new(said(name), When::Always).account("alpha"));
        let checked = run(folder, &["account", "check", "alpha"], "");
        assert_eq!(checked.status.code(), Some(1));
        assert!(out(&checked).contains(way_out), "{}", out(&checked));
        let line = listed("alpha");
        assert_eq!((&line["state"], &line["lost"]["name"]), (&Value::from(state), &Value::from(name)));
        assert!(line["lost"]["way_out"].as_str().unwrap().contains(way_out), "{line}");
        let text = ok(folder, &["account", "list"]);
        assert!(text.lines().any(|l| l.starts_with("alpha: ") && l.contains(name) && l.contains(way_out)), "{text}");
        assert_eq!(listed("bravo")["state"], "ready");
        simulator.remove_fault(rule);
    }
    ok(folder, &["account", "check", "alpha"]);
    assert_eq!(listed("alpha")["state"], "ready");
    assert_eq!(listed("alpha")["lost"], Value::Null);

    simulator.ban("bravo").unwrap();
    let login = run(folder, &["login", "bravo"], "");
    assert!(login.status.code() == Some(2) && err(&login).contains("appeal in an official Telegram app"), "{}", err(&login));
    ok(folder, &["account", "remove", "bravo"]);
    assert!(!folder.join("sessions/bravo.session").exists());
    assert_eq!(run(folder, &["account", "remove", "bravo"], "").status.code(), Some(2));
    simulator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_session_under_two_names_is_refused_at_its_import_and_at_a_start() {
    let (simulator, folder) = world().await;
    let folder = folder.path();
    let account = simulator.accounts().remove(0);
    let says = format!("account `twin` has the session of account `{}`", account.name);
    let store = Sessions::new(&folder.join("sessions"), Server::Simulated.name());
    let dc = |dc: &telescribe_simulator::DataCentreAccess| {
        (dc.id, DataCentre { ipv4: dc.address, ipv6: None, auth_key: Some(AuthKey::new(dc.auth_key)) })
    };
    let data_centres = account.data_centres.iter().map(dc).collect();
    let twin = Session::new("twin".parse().unwrap(), Server::Simulated.name(), account.home_dc, data_centres);
    let refused = store.create(&twin).unwrap_err().to_string();
    assert!(refused.contains(&says) && refused.contains("keep one of them"), "{refused}");
    assert!(!folder.join("sessions/twin.session").exists());
    // Or copied by hand.
    std::fs::copy(folder.join(format!("sessions/{}.session", account.name)), folder.join("sessions/twin.session")).unwrap();
    let started = daemon(folder, "data").stderr(Stdio::piped()).output().unwrap();
    assert_eq!(started.status.code(), Some(2), "{}", err(&started));
    assert!(err(&started).contains(&says), "{}", err(&started));
    std::fs::remove_file(folder.join("sessions/twin.session")).unwrap();
    ok(folder, &["account", "list"]);
}
