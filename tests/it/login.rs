//! Signing in, as a person does it: phone number, code and two-step password, with a typing error in each.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use telescribe_simulator::{Options, Simulator, WorldSpec};

use crate::fleet::write_sessions;

fn run(folder: &Path, arguments: &[&str], typed: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_telescribe"))
        .args(arguments)
        .current_dir(folder)
        .env("TELESCRIBE__TELEGRAM__SERVER", "simulated")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_signed_in_by_code_and_password_and_out_again() {
    let spec = WorldSpec { accounts: 2, peers: 4, messages: 100, signed_in: false, ..WorldSpec::default() };
    let simulator = Simulator::start(spec.generate(), Options::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    write_sessions(&simulator, &folder.path().join("sessions"));
    let account = simulator.accounts().into_iter().find(|a| a.password.is_some()).unwrap();
    let name = account.name.as_str();

    let before = run(folder.path(), &["account", "check", name], "");
    assert_eq!(before.status.code(), Some(1));
    let way_out = format!("run `telescribe login {name}`");
    assert!(String::from_utf8_lossy(&before.stdout).contains(&way_out));

    let typed = format!("+{}\n00000\n{}\nwrong\n{}\n", account.phone, account.code, account.password.as_deref().unwrap());
    let login = run(folder.path(), &["login", name], &typed);
    let told = String::from_utf8_lossy(&login.stderr);
    assert!(login.status.success(), "{told}");
    assert!(
        told.contains("the code is wrong") && told.contains("the password is wrong") && told.contains("is signed in as"),
        "{told}"
    );
    assert!(run(folder.path(), &["account", "check", name], "").status.success());

    assert!(run(folder.path(), &["account", "logout", name], "").status.success());
    assert!(!folder.path().join(format!("sessions/{name}.session")).exists());
    let unknown = run(folder.path(), &["account", "check", name], "");
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains(&format!("there is no account `{name}`")));
    simulator.stop().await;
}
