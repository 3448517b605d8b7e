//! A message that was edited very often: nothing reads or answers all of its versions at once, and nothing of them is lost.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test")]

use serde_json::Value;
use telescribe::archive::Archive;
use telescribe::http::Sealing;
use telescribe::model::{PeerId, Timestamp};

use crate::support::messages::NOW;
use crate::support::served::{Served, listening, said, some_raw};

const EDITED: PeerId = PeerId(-60);
const EDITS: i64 = 250;

fn edit_often(archive: &Archive) {
    for nth in 0..=EDITS {
        let mut write = archive.write(Timestamp(NOW.0 + nth));
        write.message(said(EDITED, 1, &format!("text {nth}")), some_raw(), nth);
        if nth == 0 {
            write.message(said(EDITED, 2, "beside it"), some_raw(), 0).crawl_state(EDITED, |state| state.top = 2);
        }
        write.commit().unwrap();
    }
}

fn texts(versions: &Value) -> Vec<String> {
    versions.as_array().unwrap().iter().map(|version| version["text"].as_str().unwrap().to_owned()).collect()
}

fn expected(numbers: std::ops::Range<i64>) -> Vec<String> {
    numbers.map(|nth| format!("text {nth}")).collect()
}

#[tokio::test]
async fn a_message_with_very_many_versions_is_shown_newest_first_in_parts() {
    let served = Served::start_with(listening(Sealing::Off), edit_often).await;
    let mut target = "/v1/peers/-60/messages/1?raw=true".to_owned();
    let mut seen = Vec::new();
    loop {
        let answer = served.get(&target).await.json();
        let part = texts(&answer["message"]["versions"]);
        assert!(part.len() <= 100 && answer["archived"].as_array().unwrap().len() == part.len() + 1);
        assert_eq!(answer["raw_versions"].as_array().unwrap().len(), part.len(), "each has its own bytes");
        assert_eq!(answer["message"]["text"], format!("text {EDITS}"));
        let first = answer["first_version"].as_i64().unwrap();
        assert_eq!(part, expected(first..first + part.len() as i64));
        seen.splice(0..0, part);
        let Some(before) = answer["versions_before"].as_i64() else { break };
        assert_eq!(before, first);
        target = format!("/v1/peers/-60/messages/1?raw=true&versions_before={before}");
    }
    assert_eq!(seen, expected(0..EDITS));
    served.stop().await;
}

#[tokio::test]
async fn a_dump_has_all_versions_in_several_lines() {
    let served = Served::start_with(listening(Sealing::Off), edit_often).await;
    let body = served.get("/v1/dump?peer=-60&all=true").await.body;
    let lines: Vec<Value> = body
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    let kinds: Vec<&str> = lines.iter().map(|line| line["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["peer", "message", "versions", "versions", "message"]);
    let all: Vec<String> = lines[1..4].iter().flat_map(|line| texts(&line["versions"])).collect();
    assert_eq!(all, expected(0..EDITS));
    assert_eq!((&lines[2]["first"], &lines[3]["first"], &lines[3]["id"]), (&100.into(), &200.into(), &1.into()));
    // Without them it is one line.
    let body = served.get("/v1/dump?peer=-60").await.body;
    assert_eq!(body.iter().filter(|byte| **byte == b'\n').count(), 3);
    served.stop().await;
}
