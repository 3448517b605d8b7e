//! Signing in, as a person does it: phone number, code and two-step password, with a typing error in each; or by QR code.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStderr};

use telescribe::accounts::{Session, Sessions};
use telescribe_simulator::{AccountAccess, Fault, Rule, Simulator, When, WorldSpec};

use crate::support::fleet::with_sessions;
use crate::support::program::{program, run, terminate, told};

/// A world with nobody signed in, and the session files of its accounts in a folder.
async fn signed_out() -> (Simulator, tempfile::TempDir) {
    with_sessions(WorldSpec { accounts: 2, peers: 4, messages: 100, signed_in: false, ..WorldSpec::default() }).await
}

fn account(simulator: &Simulator, with_password: bool) -> AccountAccess {
    simulator.accounts().into_iter().find(|a| a.password.is_some() == with_password).unwrap()
}

fn stored(folder: &Path, name: &str) -> Session {
    Sessions::new(&folder.join("sessions"), "simulated").load(&name.parse().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_signed_in_by_code_and_password_and_out_again() {
    let (simulator, folder) = signed_out().await;
    let account = account(&simulator, true);
    let name = account.name.as_str();

    let before = run(folder.path(), &["account", "check", name], "");
    assert_eq!(before.status.code(), Some(1));
    let way_out = format!("run `telescribe login {name}`");
    assert!(String::from_utf8_lossy(&before.stdout).contains(&way_out));

    let typed = format!("+{}\n00000\n{}\nwrong\n{}\n", account.phone, account.code, account.password.as_deref().unwrap());
    let login = run(folder.path(), &["login", name], &typed);
    let says = told(&login);
    assert!(login.status.success(), "{says}");
    for part in ["the code is wrong", "the password is wrong", "(hint: the simulated one)", "is signed in as"] {
        assert!(says.contains(part), "{part}: {says}");
    }
    assert!(!says.contains(&account.phone), "the phone number is shown: {says}");
    assert!(run(folder.path(), &["account", "check", name], "").status.success());
    let session = stored(folder.path(), name);
    assert_eq!(session.user_id(), Some(account.user_id));
    assert!(session.updates().is_some_and(|state| state.pts > 0), "the state to follow updates from is kept");
    let own = telescribe::model::PeerId::user(account.user_id);
    assert_eq!(session.access_hash(own), Some(account.access_hash));

    // Once more: nothing to do, and nothing asked.
    simulator.clear_ledger();
    let again = run(folder.path(), &["login", name], "");
    assert!(again.status.success() && told(&again).contains("is already signed in as"), "{}", told(&again));
    assert_eq!(simulator.request_count("auth.sendCode"), 0);

    assert!(run(folder.path(), &["account", "logout", name], "").status.success());
    assert!(!folder.path().join(format!("sessions/{name}.session")).exists());
    let unknown = run(folder.path(), &["account", "check", name], "");
    assert_eq!(unknown.status.code(), Some(2));
    assert!(told(&unknown).contains(&format!("there is no account `{name}`")));
    simulator.stop().await;
}

#[test]
fn where_no_key_can_be_made_a_login_says_what_works_instead() {
    let folder = tempfile::tempdir().unwrap();
    for (server, says) in [
        ("self-hosted", "import a session that another program has made there: `telescribe account import alpha FILE`"),
        ("simulated", "use the session files that `telescribe simulate --sessions FOLDER` makes"),
    ] {
        for how in [&["login", "alpha"][..], &["login", "alpha", "--qr"]] {
            let refused = program(folder.path(), how)
                .env("TELESCRIBE__TELEGRAM__SERVER", server)
                .env("TELESCRIBE__TELEGRAM__DATA_CENTRES", "[{ id = 2, address = \"127.0.0.1:9\" }]")
                .output()
                .unwrap();
            let told = told(&refused);
            assert!(refused.status.code() == Some(2) && told.contains(says), "{server}: {told}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_is_through_when_telegram_says_so_whatever_is_not_answered_afterwards() {
    let (simulator, folder) = signed_out().await;
    for with_password in [false, true] {
        let account = account(&simulator, with_password);
        let name = account.name.as_str();
        let silence = simulator.fault(Rule::new(Fault::Silence, When::Always).account(name).method("updates.getState"));
        let typed = format!("{}\n{}\n", account.code, account.password.as_deref().unwrap_or_default());
        let mut login = program(folder.path(), &["login", name, "--phone", &format!("+{}", account.phone)])
            .env("TELESCRIBE__TELEGRAM__REQUEST_TIMEOUT", "2s")
            .spawn()
            .unwrap();
        login.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
        let login = login.wait_with_output().unwrap();
        assert!(login.status.success(), "{}", told(&login));
        assert_eq!(simulator.request_counts().get(&(account.name.clone(), "updates.getState")), Some(&1));
        assert_eq!(stored(folder.path(), name).user_id(), Some(account.user_id));
        simulator.remove_fault(silence);
        assert!(run(folder.path(), &["account", "check", name], "").status.success());
    }
    simulator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_sent_again_when_it_has_expired_or_when_it_is_asked_for() {
    let (simulator, folder) = signed_out().await;
    let account = account(&simulator, false);
    let name = account.name.as_str();
    let expired = Fault::Error { code: 400, name: "PHONE_CODE_EXPIRED".to_owned() };
    simulator.fault(Rule::new(expired, When::Next(1)).method("auth.signIn"));
    let typed = format!("{}\n\n{}\n", account.code, account.code);
    let login = run(folder.path(), &["login", name, "--phone", &format!("+{}", account.phone)], &typed);
    let says = told(&login);
    assert!(login.status.success(), "{says}");
    assert!(says.contains("The code has expired; another one is being sent."), "{says}");
    assert_eq!((simulator.request_count("auth.sendCode"), simulator.request_count("auth.resendCode")), (2, 1));
    simulator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_telegram_refuses_at_a_login_is_told_with_the_way_out_and_changes_no_file() {
    let (simulator, folder) = signed_out().await;
    let account = account(&simulator, false);
    let (name, phone) = (account.name.as_str(), format!("+{}", account.phone));
    // The first question notes that the session is signed out.
    run(folder.path(), &["account", "check", name], "");
    let file = folder.path().join(format!("sessions/{name}.session"));
    let before = std::fs::read(&file).unwrap();
    let error = |code: i32, name: &str| Fault::Error { code, name: name.to_owned() };
    for (fault, says) in [
        (Fault::FloodWait { seconds: 8_000 }, "for the next 2 h 14 min"),
        (error(406, "PHONE_NUMBER_FLOOD"), "try again tomorrow"),
        (error(400, "PHONE_NUMBER_BANNED"), "has banned this phone number; appeal"),
        (error(400, "API_ID_INVALID"), "copy both again from https://my.telegram.org/apps"),
        (error(400, "PHONE_NUMBER_INVALID"), "write it with its country code"),
    ] {
        let rule = simulator.fault(Rule::new(fault, When::Always).method("auth.sendCode"));
        let login = run(folder.path(), &["login", name, "--phone", &phone], "");
        assert_eq!(login.status.code(), Some(2));
        let told = told(&login);
        assert!(told.contains(says) && !told.contains(&account.phone), "{says}: {told}");
        simulator.remove_fault(rule);
    }
    assert_eq!(std::fs::read(&file).unwrap(), before);
    simulator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_fails_leaves_no_half_made_session_file() {
    let (simulator, folder) = signed_out().await;
    let dc = account(&simulator, false).data_centres.first().unwrap().clone();
    // The simulated server makes no keys for whoever comes without one.
    let login = program(folder.path(), &["login", "new", "--phone", "+1"])
        .env("TELESCRIBE__TELEGRAM__DATA_CENTRES", format!("[{{ id = 2, address = \"{}\" }}]", dc.address))
        .env("TELESCRIBE__TELEGRAM__REQUEST_TIMEOUT", "2s")
        .output()
        .unwrap();
    assert_eq!(login.status.code(), Some(2), "{}", told(&login));
    let left: Vec<_> = std::fs::read_dir(folder.path().join("sessions")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(!folder.path().join("data").exists());
    simulator.stop().await;
}

/// A login by QR code under way.
struct Scan {
    child: Child,
    err: BufReader<ChildStderr>,
}

impl Scan {
    fn begin(folder: &Path, name: &str, password: Option<&str>) -> Self {
        let mut child = program(folder, &["login", name, "--qr"]).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        writeln!(stdin, "{}", password.unwrap_or_default()).unwrap();
        let err = BufReader::new(child.stderr.take().unwrap());
        Self { child, err }
    }

    /// The link that somebody without a screen is shown, and the picture above it.
    fn link(&mut self) -> (String, String) {
        let mut picture = String::new();
        loop {
            let mut line = String::new();
            assert_ne!(self.err.read_line(&mut line).unwrap(), 0, "no link is shown: {picture}");
            if line.starts_with("tg://login?token=") {
                return (line.trim().to_owned(), picture);
            }
            picture.push_str(&line);
        }
    }

    fn end(mut self) -> (Option<i32>, String) {
        let mut told = String::new();
        self.err.read_to_string(&mut told).unwrap();
        (self.child.wait().unwrap().code(), told)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_signed_in_by_a_qr_code_with_and_without_a_password() {
    let (simulator, folder) = signed_out().await;
    for with_password in [false, true] {
        let account = account(&simulator, with_password);
        let mut scan = Scan::begin(folder.path(), &account.name, account.password.as_deref());
        let (link, picture) = scan.link();
        assert!(link.len() > 40 && picture.contains('\u{2580}'), "{picture}");
        simulator.accept_login(&account.name).unwrap();
        let (status, told) = scan.end();
        assert_eq!(status, Some(0), "{told}");
        assert!(told.contains("is signed in as"), "{told}");
        // Pushed, not waited for: the second question is the last.
        assert_eq!(simulator.request_counts().get(&(account.name.clone(), "auth.exportLoginToken")), Some(&2));
        assert!(run(folder.path(), &["account", "check", &account.name], "").status.success());
        assert!(stored(folder.path(), &account.name).updates().is_some());
    }
    simulator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_qr_code_scanned_by_an_account_of_another_data_centre_signs_in_there() {
    let (simulator, folder) = signed_out().await;
    let account = account(&simulator, false);
    let away = account.data_centres.iter().map(|dc| dc.id).find(|id| *id != account.home_dc).unwrap();
    let session = stored(folder.path(), &account.name);
    session.set_home(away);
    Sessions::new(&folder.path().join("sessions"), "simulated").save(&session).unwrap();
    let mut scan = Scan::begin(folder.path(), &account.name, None);
    scan.link();
    simulator.accept_login(&account.name).unwrap();
    let (status, told) = scan.end();
    assert_eq!(status, Some(0), "{told}");
    assert_eq!(simulator.request_count("auth.importLoginToken"), 1);
    assert_eq!(stored(folder.path(), &account.name).home(), account.home_dc);
    assert!(run(folder.path(), &["account", "check", &account.name], "").status.success());
    simulator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_qr_login_leaves_the_session_file_as_it_was() {
    let (simulator, folder) = signed_out().await;
    let account = account(&simulator, false);
    run(folder.path(), &["account", "check", &account.name], "");
    let sessions = || {
        let entries = std::fs::read_dir(folder.path().join("sessions")).unwrap().map(|e| e.unwrap().path());
        // The lock of a process that was killed stays and locks nothing.
        let mut files: Vec<_> = entries
            .filter(|path| path.extension().is_some_and(|e| e == "session"))
            .map(|p| (std::fs::read(&p).unwrap(), p))
            .collect();
        files.sort();
        files
    };
    let before = sessions();
    let mut scan = Scan::begin(folder.path(), &account.name, None);
    scan.link();
    // SIGTERM and not SIGINT, which a shell makes its background jobs ignore, and all that they start.
    terminate(&scan.child);
    let (status, told) = scan.end();
    assert_ne!(status, Some(0), "{told}");
    assert_eq!(sessions(), before);
    simulator.accept_login(&account.name).unwrap();
    let (status, told) = Scan::begin(folder.path(), &account.name, None).end();
    assert_eq!(status, Some(0), "{told}");
    simulator.stop().await;
}
