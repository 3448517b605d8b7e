//! A client that shares no code with ours finds the same messages in the simulated Telegram: it speaks Telegram, not a dialect.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use telescribe_simulator::{Options, Simulator, WorldSpec};

use crate::support::python::python;

type Found = BTreeMap<(i64, String, i64), (String, String)>;

/// Peer, account, id, date and text of every message of an NDJSON text.
fn messages(text: &str) -> Found {
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let word = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
    lines
        .filter(|line| line["peer"].is_i64())
        .map(|line| {
            let key = (line["peer"].as_i64().unwrap(), word(&line, "account"), line["id"].as_i64().unwrap());
            (key, (word(&line, "date"), word(&line, "text")))
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn telethon_finds_the_same_messages() {
    let python = python(&["telethon", "cryptg"]);
    let extras = WorldSpec { folders: true, linked: true, forums: true, shared_groups: true, ..WorldSpec::default() };
    let spec = WorldSpec { seed: 5, peers: 20, messages: 3_000, ..extras };
    let simulator = Simulator::start(spec.generate(), Options::default()).await.unwrap();
    let mut truth = Vec::new();
    simulator.truth(&mut truth).unwrap();
    let expected = messages(&String::from_utf8(truth).unwrap());
    assert_eq!(expected.len(), 3_000);

    let folder = tempfile::tempdir().unwrap();
    let (access, out) = (folder.path().join("access.json"), folder.path().join("messages.ndjson"));
    std::fs::write(&access, simulator.access_json()).unwrap();
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("simulator/tests/telethon.py");
    for transport in ["full", "abridged", "intermediate"] {
        let mut command = Command::new(&python);
        command.arg(&script).arg("--access").arg(&access).arg("--out").arg(&out).args(["--transport", transport]);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        assert!(output.status.success(), "{transport}: {}", String::from_utf8_lossy(&output.stderr));
        let found = messages(&std::fs::read_to_string(&out).unwrap());
        let differing = expected.iter().find(|(key, value)| found.get(key) != Some(value));
        assert_eq!(differing, None, "{transport}: Telethon found {:?}", differing.and_then(|(key, _)| found.get(key)));
        assert_eq!(found.len(), expected.len(), "{transport}");
        std::fs::remove_file(&out).unwrap();
    }
    simulator.stop().await;
}
