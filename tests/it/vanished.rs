//! What vanishes is told: session files, client keys and parts of the configuration that were there at the last start.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use telescribe_simulator::{Simulator, WorldSpec};

use crate::support::fleet::with_sessions;
use crate::support::program::{program, run, terminate, told};
use crate::support::waiting::until_blocking;

async fn world() -> (Simulator, tempfile::TempDir) {
    with_sessions(WorldSpec { accounts: 2, peers: 4, messages: 100, ..WorldSpec::default() }).await
}

fn daemon(folder: &Path) -> Command {
    let mut command = program(folder, &["run"]);
    command
        .env("TELESCRIBE__HTTP__LISTENERS", "[]")
        .env("TELESCRIBE__HTTP__METRICS", "[]")
        .env("TELESCRIBE__MEDIA__ENABLED", "false")
        .env("TELESCRIBE__LOG__FILTER", "warn")
        .env("TELESCRIBE__ACCOUNTS__REST_AFTER_CRASH", "0s")
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command
}

/// Starts the program, and stops it again where it runs; what it said, and whether it ran.
fn start(folder: &Path) -> (String, bool) {
    let socket = folder.join("data/telescribe.sock");
    let mut child = daemon(folder).spawn().unwrap();
    let process = child.id();
    let mut ended = None;
    until_blocking("it runs or has ended", || socket.exists() || fs::metadata(format!("/proc/{process}/fd/0")).is_err());
    if socket.exists() {
        terminate(&child);
    } else {
        ended = Some(child.wait().unwrap().code().unwrap());
    }
    let output = child.wait_with_output().unwrap();
    let (said, status) = (told(&output), ended.or(output.status.code()));
    let ran = !said.starts_with("telescribe: ");
    assert_eq!(status, Some(if ran { 0 } else { 2 }), "{said}");
    (said, ran)
}

#[track_caller]
fn runs(folder: &Path) -> String {
    let (said, ran) = start(folder);
    assert!(ran, "it should run: {said}");
    said
}

#[track_caller]
fn is_refused(folder: &Path, parts: &[&str]) {
    let (said, ran) = start(folder);
    assert!(!ran, "it runs as if nothing were missing: {said}");
    for part in parts {
        assert!(said.contains(part), "not told, `{part}`: {said}");
    }
}

#[track_caller]
fn well(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments, "");
    assert!(output.status.success(), "{arguments:?}: {}", told(&output));
    String::from_utf8_lossy(&output.stdout).into_owned() + &told(&output)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_gone_stops_the_start_until_it_is_back_or_given_up() {
    let (simulator, folder) = world().await;
    let folder = folder.path();
    runs(folder);
    let (bravo, aside) = (folder.join("sessions/bravo.session"), folder.join("aside"));
    fs::rename(&bravo, &aside).unwrap();
    for _ in 0..2 {
        is_refused(
            folder,
            &["account `bravo` is missing", "at the last start (20", "put it back", "`telescribe account remove bravo`"],
        );
    }
    fs::rename(&aside, &bravo).unwrap();
    runs(folder);

    // None at all is no empty beginning.
    for name in ["alpha", "bravo"] {
        fs::rename(folder.join(format!("sessions/{name}.session")), folder.join(name)).unwrap();
    }
    is_refused(folder, &["accounts `alpha`, `bravo` are missing"]);
    // A name that the other has now: told as what it is.
    fs::rename(folder.join("alpha"), folder.join("sessions/alpha.session")).unwrap();
    fs::rename(folder.join("bravo"), folder.join("sessions/charlie.session")).unwrap();
    is_refused(folder, &["account `bravo` is missing", "`charlie` is the same account"]);

    assert!(well(folder, &["account", "remove", "bravo"]).contains("was missing already"));
    assert!(folder.join("sessions/charlie.session").exists());
    assert_eq!(run(folder, &["account", "remove", "bravo"], "").status.code(), Some(2), "there is nothing left to remove");
    runs(folder);
    simulator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_was_swapped_for_another_accounts_stops_the_start() {
    let (simulator, folder) = world().await;
    let folder = folder.path();
    let path = |name: &str| folder.join(format!("sessions/{name}.session"));
    let swap = || {
        fs::rename(path("alpha"), folder.join("aside")).unwrap();
        fs::rename(path("bravo"), path("alpha")).unwrap();
        fs::rename(folder.join("aside"), path("bravo")).unwrap();
    };
    runs(folder);
    // First by their keys alone, then by the users as well.
    for learn in [&["account", "list"][..], &["account", "check"]] {
        well(folder, learn);
        runs(folder);
        swap();
        is_refused(folder, &["session file of account `alpha` is another account's", "that of `bravo`", "put its own file back"]);
        swap();
        runs(folder);
    }
    // The way out where the file is meant: a name of its own, and the old one is given up.
    fs::copy(path("bravo"), path("alpha")).unwrap();
    fs::rename(path("bravo"), path("delta")).unwrap();
    is_refused(folder, &["account `delta` has the session of account `alpha`", "keep one of them"]);
    fs::remove_file(path("alpha")).unwrap();
    for name in ["alpha", "bravo"] {
        well(folder, &["account", "remove", name]);
    }
    runs(folder);
    simulator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_and_a_client_whose_keys_changed_by_themselves_are_told() {
    let (simulator, folder) = world().await;
    let folder = folder.path();
    for client in ["analyst", "desk"] {
        well(folder, &["key", "new", client]);
    }
    runs(folder);
    well(folder, &["account", "check"]);
    assert!(!runs(folder).contains("authorisation key"));
    // One character of the first key, as a flipped bit leaves it.
    for (path, member) in [("sessions/bravo.session", "\"auth_key\""), ("data/keys.json", "\"k\"")] {
        let mut text = fs::read_to_string(folder.join(path)).unwrap();
        let at = text.find(member).unwrap() + member.len();
        let at = at + text[at..].find('"').unwrap() + 10;
        let other = if text.as_bytes()[at] == b'A' { "B" } else { "A" };
        text.replace_range(at..=at, other);
        fs::write(folder.join(path), text).unwrap();
    }
    let said = runs(folder);
    assert!(said.contains("account `bravo` has lost an authorisation key") && said.contains("restore a copy"), "{said}");
    assert!(said.contains("client `analyst` is gone"), "{said}");
    simulator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn client_keys_that_are_gone_stop_the_start_until_they_are_back_or_given_up() {
    let (simulator, folder) = world().await;
    let folder = folder.path();
    let file = folder.join("data/keys.json");
    well(folder, &["key", "new", "analyst"]);
    well(folder, &["key", "new", "desk"]);
    runs(folder);
    let kept = fs::read(&file).unwrap();
    let put = |bytes: &[u8]| {
        fs::write(&file, bytes).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    };

    let parts = ["keys.json` is missing", "`analyst`, `desk`", "put it back", "`telescribe key remove --missing`"];
    fs::remove_file(&file).unwrap();
    is_refused(folder, &parts);
    let new = run(folder, &["key", "new", "third"], "");
    assert_eq!(new.status.code(), Some(2), "a new file would hide that the old one is gone");
    assert!(parts.iter().all(|part| told(&new).contains(part)) && !file.exists(), "{}", told(&new));
    put(b"{\"keys\": []}");
    is_refused(folder, &["keys.json` has none of its keys any more", "`analyst`, `desk`", "`telescribe key remove --missing`"]);
    put(&kept);
    runs(folder);

    // One of several: somebody's edit, most likely. The others can work.
    let mut one: serde_json::Value = serde_json::from_slice(&kept).unwrap();
    one["keys"].as_array_mut().unwrap().remove(0);
    put(&serde_json::to_vec(&one).unwrap());
    let said = runs(folder);
    assert!(said.contains("analyst") && said.contains("no command removed it"), "{said}");
    assert!(!runs(folder).contains("analyst"), "told once");

    fs::remove_file(&file).unwrap();
    is_refused(folder, &["`desk`"]);
    well(folder, &["key", "remove", "--missing"]);
    runs(folder);
    well(folder, &["key", "new", "third"]);
    simulator.stop().await;
}

/// The longest beginning of a text, of at most so many bytes, that is a valid configuration and ends within a table.
fn cut(folder: &Path, text: &str, at: usize) -> String {
    let ends = text.char_indices().map(|(at, _)| at).filter(|end| *end <= at);
    for end in ends.rev() {
        fs::write(folder.join("cut.toml"), &text[..end]).unwrap();
        if run(folder, &["--config", "cut.toml", "config", "--check"], "").status.success() {
            return text[..end].to_owned();
        }
    }
    panic!("no beginning is valid");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_was_cut_stops_the_start_and_one_that_lost_tables_is_told() {
    let (simulator, folder) = world().await;
    let folder = folder.path();
    let file = folder.join("config.toml");
    let whole = well(folder, &["config"]);
    fs::write(&file, &whole).unwrap();
    runs(folder);
    let half = cut(folder, &whole, whole.len() / 2);
    for text in [half.as_str(), ""] {
        fs::write(&file, text).unwrap();
        is_refused(folder, &["config.toml` looks cut off", "`[http]`", "`[log]`", "`telescribe config --accept`"]);
    }
    fs::remove_file(&file).unwrap();
    is_refused(folder, &["config.toml` is missing", "`[telegram]`"]);
    fs::write(&file, &whole).unwrap();
    runs(folder);

    // The way out.
    fs::write(&file, &half).unwrap();
    well(folder, &["config", "--accept"]);
    assert!(!runs(folder).contains("configuration"));

    // A table out of the middle is somebody's edit: told, and done.
    fs::write(&file, &whole).unwrap();
    runs(folder);
    let (start, end) = (whole.find("[publish]").unwrap(), whole.find("[http]").unwrap());
    fs::write(&file, format!("{}{}", &whole[..start], &whole[end..])).unwrap();
    let said = runs(folder);
    assert!(said.contains("`[publish]`") && !said.contains("`[http]`"), "{said}");
    assert!(!runs(folder).contains("publish"), "told once");
    simulator.stop().await;
}

/// Adds an account that another program signed in.
fn import(folder: &Path, name: &str) {
    fs::write(folder.join("x.key"), [7; 256]).unwrap();
    let mut command = program(folder, &["account", "import", name, "x.key", "--dc", "2"]);
    let output = command.env("TELESCRIBE__TELEGRAM__DATA_CENTRES", "[{ id = 2, address = \"127.0.0.1:1\" }]").output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_operator_did_with_a_command_is_not_reported() {
    let (simulator, folder) = world().await;
    let folder = folder.path();
    well(folder, &["key", "new", "analyst"]);
    runs(folder);
    let listed = well(folder, &["key", "list"]);
    well(folder, &["key", "remove", listed.split(':').next().unwrap()]);
    well(folder, &["account", "remove", "bravo"]);
    import(folder, "charlie");
    well(folder, &["account", "remove", "charlie"]);
    let said = runs(folder);
    assert!(!["bravo", "charlie", "analyst"].iter().any(|name| said.contains(name)), "{said}");

    // What a command added is known before the next start.
    import(folder, "charlie");
    well(folder, &["key", "new", "desk"]);
    fs::remove_file(folder.join("sessions/charlie.session")).unwrap();
    is_refused(folder, &["`charlie` is missing"]);
    well(folder, &["account", "remove", "charlie"]);
    fs::remove_file(folder.join("data/keys.json")).unwrap();
    is_refused(folder, &["`desk`"]);
    simulator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_known_is_the_owners_alone_holds_no_secret_and_is_refused_where_it_is_damaged() {
    let (simulator, folder) = world().await;
    let folder = folder.path();
    well(folder, &["key", "new", "analyst"]);
    runs(folder);
    let file = folder.join("data/known.json");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let known = fs::read_to_string(&file).unwrap();
    for (path, members) in [("sessions/alpha.session", &["auth_key"][..]), ("data/keys.json", &["k"])] {
        let text: serde_json::Value = serde_json::from_str(&fs::read_to_string(folder.join(path)).unwrap()).unwrap();
        let secrets = strings(&text, members);
        assert!(!secrets.is_empty(), "{path}");
        assert!(!secrets.iter().any(|secret| known.contains(&secret[..16])), "{path}");
    }

    let flipped = |at: usize| {
        let mut bytes = known.clone().into_bytes();
        bytes[at] ^= 1;
        bytes
    };
    let len = known.len();
    let mut forms = vec![Vec::new(), known.as_bytes()[..len / 2].to_vec()];
    forms.extend([len / 4, len / 2, len - len / 4].map(flipped));
    for form in forms {
        fs::write(&file, &form).unwrap();
        is_refused(folder, &["known.json` is damaged", "restore it, or delete it"]);
        assert_eq!(fs::read(&file).unwrap(), form, "nothing was changed");
    }
    fs::remove_file(&file).unwrap();
    let said = runs(folder);
    assert!(said.contains("known.json` is missing"), "{said}");
    assert!(file.exists());
    simulator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_servers_id_stays_what_clients_have_and_another_one_can_be_taken_over() {
    let (simulator, folder) = world().await;
    let folder = folder.path();
    let id_told = || {
        let output = run(folder, &["key", "server"], "");
        assert!(output.status.success(), "{}", told(&output));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let id = id_told();
    assert_eq!(id.len(), 32, "{id}");
    runs(folder);
    let file = folder.join("data/server.json");
    let whole = fs::read(&file).unwrap();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(id_told(), id);
    let mut flipped = whole.clone();
    flipped[10] ^= 1;
    for harm in [None, Some(flipped), Some(whole[..20].to_vec()), Some(Vec::new())] {
        match &harm {
            None => fs::remove_file(&file).unwrap(),
            Some(bytes) => fs::write(&file, bytes).unwrap(),
        }
        let said = runs(folder);
        assert!(said.contains("server.json` was missing or damaged; it was made anew"), "{harm:?}: {said}");
        assert_eq!(fs::read(&file).unwrap(), whole, "{harm:?}");
        assert_eq!(runs(folder), "", "told once");
    }
    // Where the server of a folder takes another's place, that is what stays.
    let other = "0123456789abcdef0123456789abcdef";
    well(folder, &["key", "server", "--adopt", other]);
    fs::remove_file(&file).unwrap();
    runs(folder);
    assert_eq!(id_told(), other);
    let refused = run(folder, &["key", "server", "--adopt", "another"], "");
    assert_eq!(refused.status.code(), Some(2), "no id at all");
    simulator.stop().await;
}

/// Every text below one of these members.
fn strings(json: &serde_json::Value, members: &[&str]) -> Vec<String> {
    let of = |(name, value): (&String, &serde_json::Value)| match value.as_str() {
        Some(text) if members.contains(&name.as_str()) => vec![text.to_owned()],
        _ => strings(value, members),
    };
    match json {
        serde_json::Value::Object(object) => object.iter().flat_map(of).collect(),
        serde_json::Value::Array(values) => values.iter().flat_map(|value| strings(value, members)).collect(),
        _ => Vec::new(),
    }
}
