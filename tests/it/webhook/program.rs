//! The whole program with a web hook: configuration, secrets, status, a process that is killed, and the receiver of the documentation.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::json;
use telescribe::app::ready_outputs;
use telescribe::config::Config;
use telescribe_simulator::{PeerId, Post};

use super::Hook;
use crate::support::files::python_of;
use crate::support::fleet::{Fleet, small};
use crate::support::program::{run_in, terminate};
use crate::support::python::python;
use crate::support::receiver::{SECRET, WebhookReceiver};
use crate::support::waiting::{until, until_blocking};

/// A file that only its owner may read, or one that others may, too.
fn secret_file(folder: &Path, mode: u32, text: &str) -> PathBuf {
    let path = folder.join(format!("secret-{mode:o}"));
    let mut file = std::fs::File::options().create(true).truncate(true).write(true).mode(mode).open(&path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    path
}

fn output(url: &str, rest: &str) -> String {
    format!("[[outputs]]\nname = \"alerts\"\nkind = \"webhook\"\nurl = \"{url}\"\n{rest}\n")
}

/// The program on a fleet with a receiver that it trusts.
fn daemon(fleet: &Fleet, receiver: &WebhookReceiver) -> Child {
    let mut command = fleet.daemon();
    command.env("SSL_CERT_FILE", receiver.issuer()).env("TELESCRIBE_OUTPUT_ALERTS_SECRET", SECRET);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn channel(fleet: &Fleet) -> PeerId {
    fleet.simulator.inspect(|world| {
        world.chats.iter().find(|chat| chat.kind == telescribe_simulator::world::ChatKind::Channel).unwrap().peer
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn however_it_ends_every_match_comes_in_order_over_tls() {
    let mut receiver = WebhookReceiver::with_tls();
    let fleet = Fleet::new(small()).await;
    let app = fleet.start_and_finish().await;
    fleet.wish("/v1/watches", json!({"name": "zebras", "query": "zebra"})).await.unwrap();
    fleet.stop(app).await;
    std::fs::write(fleet.path("config.toml"), output(&receiver.url, "timeout = \"30s\"")).unwrap();
    let peer = channel(&fleet);
    let posted = |text: &str| fleet.simulator.post(peer, Post::text(text)).unwrap();
    let subjects = |receiver: &WebhookReceiver| -> Vec<String> {
        let requests = receiver.requests();
        let confirmed = requests.iter().filter(|request| request.refusal.is_none() && request.answer == "204");
        let subject =
            |body: &str| serde_json::from_str::<serde_json::Value>(body).unwrap()["subject"].as_str().unwrap().to_owned();
        confirmed.map(|request| subject(&request.body)).collect()
    };

    let mut program = daemon(&fleet, &receiver);
    let mut ids = vec![posted("a zebra"), posted("no horse"), posted("two zebras")];
    ids.remove(1);
    until("the first matches", || subjects(&receiver).len() == 2).await;
    // Killed while the receiver refuses one.
    receiver.answer(&["always 503"]);
    ids.push(posted("a zebra that waits"));
    ids.push(posted("a zebra behind it"));
    let is_refused = |status: &serde_json::Value| status["outputs"][0]["refused_event"].is_string();
    let refused_event = |status: &serde_json::Value| status["outputs"][0]["refused_event"].as_str().map(str::to_owned);
    let refused = refused_event(&fleet.until_got("/v1/status", is_refused).await).unwrap();
    let shown = run_in(&fleet.path(""), &["--data", fleet.data().to_str().unwrap(), "status"]).well().out;
    assert!(shown.contains("  alerts (webhook): blocked, "), "{shown}");
    assert!(shown.contains("the receiver answered 503 (Service Unavailable)"), "{shown}");
    assert!(!shown.contains("s3cret") && shown.contains("; next try at 2"), "{shown}");
    assert!(shown.contains(&format!("; the event that is refused is {refused}")), "{shown}");
    let asked = |arguments: &[&str]| {
        run_in(&fleet.path(""), &[&["--data", fleet.data().to_str().unwrap(), "dead-letters"][..], arguments].concat())
    };
    assert_eq!((asked(&["list"]).status, asked(&["list"]).out.as_str()), (1, "there are none\n"));
    assert_eq!((asked(&["resend", "alerts"]).status, asked(&["skip", "nobody", &refused]).status), (1, 2));
    let other = asked(&["skip", "alerts", "some-other"]);
    assert!(
        other.status == 2 && other.err.contains(&format!("another event is refused at present: `{refused}`")),
        "{}",
        other.err
    );
    let skipped = asked(&["skip", "alerts", &refused]).well().out;
    assert_eq!(skipped, format!("the event {refused} is skipped and kept\n"));
    let next = |status: &serde_json::Value| refused_event(status).is_some_and(|event| event != refused);
    fleet.until_got("/v1/status", next).await;
    // Asked again, the next one is not skipped as well.
    assert_eq!(asked(&["skip", "alerts", &refused]).well().out, skipped);
    fleet.until_got("/v1/status", |status| status["outputs"][0]["dead_letters"] == 1).await;
    let listed = asked(&["list"]).well().out;
    assert!(listed.contains("  alerts  change ") && listed.contains("it was skipped: the receiver answered 503"), "{listed}");
    program.kill().unwrap();
    program.wait().unwrap();
    ids.push(posted("a zebra in the night"));
    receiver.answer(&["always 204"]);
    let mut program = daemon(&fleet, &receiver);
    let skipped = ids.remove(2);
    until("the others", || subjects(&receiver).len() >= ids.len()).await;
    let status = fleet.until_got("/v1/status", |status| status["outputs"][0]["lag"] == 0).await;
    assert!(asked(&["resend", "alerts"]).well().out.contains("1 event will be sent again"));
    fleet.until_got("/v1/status", |status| status["outputs"][0]["dead_letters"] == 0).await;
    assert_eq!((asked(&["drop", "alerts"]).status, asked(&["drop", "nobody"]).status), (1, 2), "nothing is kept");
    assert_eq!((&status["outputs"][0]["name"], &status["outputs"][0]["kind"]), (&json!("alerts"), &json!("webhook")));
    assert_eq!((&status["outputs"][0]["state"], &status["publish"]), (&json!("connected"), &json!(null)));
    terminate(&program);
    assert!(program.wait().unwrap().success());
    ids.push(skipped);
    let expected: Vec<String> = ids.iter().map(|id| format!("{}/{id}", peer.marked())).collect();
    assert_eq!(subjects(&receiver), expected);
    assert!(receiver.requests().iter().all(|request| request.refusal.is_none()));
    let of = |id: &i32| {
        let subject = format!("\"subject\":\"{}/{id}\"", peer.marked());
        let of: std::collections::BTreeSet<String> =
            receiver.requests().into_iter().filter(|r| r.body.contains(&subject)).map(|r| r.id).collect();
        of.len()
    };
    assert!(ids.iter().all(|id| of(id) == 1), "an event has one id, however often it comes");
}

#[test]
fn a_secret_that_is_missing_wrong_or_open_to_others_is_refused_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    let config = |rest: &str| {
        let path = folder.path().join("config.toml");
        std::fs::write(&path, output("https://hooks.example.org/s3cret", rest)).unwrap();
        Config::load(&path, true, std::iter::empty()).unwrap()
    };
    let refused = |rest: &str| format!("{:#}", ready_outputs(&config(rest)).unwrap_err());
    let told = refused("");
    assert!(
        told.contains(
            "output `alerts` has no secret: set `outputs.0.secret_file`, `outputs.0.secret` or TELESCRIBE_OUTPUT_ALERTS_SECRET"
        ),
        "{told}"
    );
    let of_file = |mode, text: &str| format!("secret_file = \"{}\"", secret_file(folder.path(), mode, text).display());
    let told = refused(&of_file(0o644, SECRET));
    assert!(told.contains("`outputs.0.secret_file`") && told.contains("(mode 644); run `chmod 600"), "{told}");
    let told = refused(&of_file(0o600, "whsec_s3cret"));
    assert!(told.contains("`outputs.0.secret_file`") && told.contains("must be ") && !told.contains("s3cret"), "{told}");
    assert!(refused("secret_file = \"nowhere\"").contains("No such file"));
    let ready = ready_outputs(&config(&of_file(0o600, &format!("{SECRET}\n")))).unwrap();
    assert_eq!((ready[0].name(), ready[0].receiver().as_deref()), ("alerts", Some("https://hooks.example.org")));

    let checked = run_in(folder.path(), &["config", "--check"]).well();
    assert!(
        checked.err.contains("events are sent to the web hook `alerts` at https://hooks.example.org; whether"),
        "{}",
        checked.err
    );
    assert!(!checked.err.contains("s3cret") && !checked.err.contains(&SECRET[6..]), "{}", checked.err);
    std::fs::write(folder.path().join("config.toml"), output("https://h", "secret = \"whsec_s3cret\"")).unwrap();
    let checked = run_in(folder.path(), &["config", "--check"]);
    assert!(checked.err.contains("line 5: `outputs.0.secret` must be") && !checked.err.contains("s3cret"), "{}", checked.err);
    assert_eq!(checked.status, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_receiver_of_the_documentation_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("receiver.py");
    std::fs::write(&script, python_of("docs/events.md", "### A receiver\n")).unwrap();
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut command = Command::new(python(&["standardwebhooks"]));
    command.arg(&script).env("PORT", address.port().to_string()).env("WEBHOOK_SECRET", SECRET);
    let mut receiver = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    until_blocking("it listens", || std::net::TcpStream::connect(address).is_ok());
    let hook = Hook::with_zebras(&format!("http://{address}/"), 2);
    hook.run_to_the_end().await;

    // Somebody who does not know the secret.
    let body = "{\"id\": \"forged\"}";
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let head = "POST / HTTP/1.1\r\nHost: h\r\nwebhook-id: a\r\nwebhook-timestamp: 1\r\nwebhook-signature: v1,AAAA\r\n";
    write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    let mut answer = String::new();
    BufReader::new(&stream).read_line(&mut answer).unwrap();
    assert!(answer.contains(" 401 "), "{answer}");

    receiver.kill().unwrap();
    receiver.wait().unwrap();
    let lines: Vec<String> = BufReader::new(receiver.stdout.take().unwrap()).lines().map(Result::unwrap).collect();
    assert_eq!(lines, ["zebras -1001500000001/1 zebra 1", "zebras -1001500000001/2 zebra 2"]);
}
