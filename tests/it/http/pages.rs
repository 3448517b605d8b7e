//! Pages keep their bound with whatever comes along, and what is larger than one still comes, alone: nobody who follows them gets stuck.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test")]

use serde_json::{Value, json};
use telescribe::archive::Archive;
use telescribe::http::Sealing;
use telescribe::model::{IdRange, Message, PeerId, PeerKind, Timestamp};
use telescribe::seal;

use crate::sealed::{ask, key};
use crate::support::messages::{NOW, message, titled, topic};
use crate::support::served::{Served, listening, said, some_raw};

const CROWD: PeerId = PeerId(-1_001_500_000_003);
const EDITED: PeerId = PeerId(-60);
const SENDERS: i32 = 200;
const LONG: usize = 4_000;

/// Asks sealed for one page after the other, each within the bound, until there is none; `name` is the parameter for `next`.
async fn pages(served: &Served, target: &str, name: &str) -> Vec<Value> {
    let key = key(served);
    let (mut pages, mut asked) = (Vec::new(), target.to_owned());
    loop {
        let (status, page) = ask(served, &key, &asked).await;
        assert_eq!(status, 200, "{page:#}");
        let next =
            page["next"].as_i64().map(|id| id.to_string()).or_else(|| page["next"].as_str().map(|at| at.replace('/', "%2F")));
        pages.push(page);
        let Some(next) = next else { return pages };
        let delimiter = if target.contains('?') { '&' } else { '?' };
        asked = format!("{target}{delimiter}{name}={next}");
        assert!(pages.len() < 1_000, "the pages end: {asked}");
    }
}

fn size(page: &Value) -> usize {
    page.to_string().len()
}

/// As many senders as messages, each with a name as long as Telegram lets one be.
fn crowd(archive: &Archive) {
    let mut write = archive.write(NOW);
    write.peer(titled(CROWD, PeerKind::Supergroup, "Crowd"));
    for nth in 1..=SENDERS {
        let sender = PeerId(8_000_000 + i64::from(nth));
        write.peer(titled(sender, PeerKind::User, &format!("{nth} {}", "长".repeat(120))));
        write.message(Message { sender: Some(sender), ..said(CROWD, nth, "here") }, some_raw(), 0);
    }
    write.covered(CROWD, IdRange { first: 1, last: SENDERS }).crawl_state(CROWD, |state| state.top = SENDERS);
    write.commit().unwrap();
}

#[tokio::test]
async fn a_sealed_page_with_two_hundred_senders_keeps_its_bound_and_describes_each_of_them() {
    let served = Served::start_with(listening(Sealing::Required), crowd).await;
    let pages = pages(&served, &format!("/v1/peers/{CROWD}/messages?order=oldest&limit=200"), "after").await;
    assert!(pages.len() > 1, "it does not fit one");
    let mut ids = Vec::new();
    for page in &pages {
        assert!(size(page) < seal::PORTABLE_PLAINTEXT_MAX, "{}", size(page));
        let described: Vec<&Value> = page["peers"].as_array().unwrap().iter().map(|peer| &peer["id"]).collect();
        let messages = page["messages"].as_array().unwrap();
        assert!(messages.iter().all(|message| described.contains(&&message["sender"])));
        assert_eq!(described.len(), messages.len(), "nobody else");
        ids.extend(messages.iter().map(|message| message["id"].as_i64().unwrap()));
    }
    assert_eq!(ids, (1..=i64::from(SENDERS)).collect::<Vec<_>>());
    served.stop().await;
}

#[tokio::test]
async fn coverage_comes_in_pages_that_have_every_range_once() {
    let served = Served::start_with(listening(Sealing::Required), |archive| {
        let mut write = archive.write(NOW);
        for nth in 0..1_500 {
            write.covered(CROWD, IdRange { first: 10 * nth + 1, last: 10 * nth + 5 });
        }
        write.crawl_state(CROWD, |state| {
            state.top = 15_000;
            state.recheck.insert(IdRange { first: 1, last: 2 });
        });
        write.commit().unwrap();
    })
    .await;
    let pages = pages(&served, &format!("/v1/peers/{CROWD}/coverage"), "after").await;
    assert!(pages.len() > 2 && pages.iter().all(|page| size(page) < seal::PORTABLE_PLAINTEXT_MAX));
    let all = |list: &str| pages.iter().flat_map(|page| page[list].as_array().unwrap().clone()).collect::<Vec<_>>();
    let ranges = |first: i32, last: i32| (0..1_500).map(|nth| json!([10 * nth + first, 10 * nth + last])).collect::<Vec<_>>();
    assert_eq!((all("ranges"), all("missing_ranges")), (ranges(1, 5), ranges(6, 10)));
    assert_eq!((all("recheck_ranges"), all("holes").len()), (vec![json!([1, 2])], 1_501));
    assert!(pages.iter().all(|page| page["missing"] == 7_500), "the counts are of all");
    served.stop().await;
}

#[tokio::test]
async fn topics_come_in_pages() {
    let served = Served::start_with(listening(Sealing::Required), |archive| {
        let mut write = archive.write(NOW);
        for id in 1..=1_200 {
            let service = topic(id, &format!("{id} {}", "题".repeat(60))).service;
            write.message(Message { service, ..said(CROWD, id, "") }, some_raw(), 0);
        }
        write.commit().unwrap();
    })
    .await;
    let pages = pages(&served, &format!("/v1/peers/{CROWD}/topics?limit=200"), "after").await;
    assert!(pages.iter().all(|page| size(page) < seal::PORTABLE_PLAINTEXT_MAX));
    let ids = pages.iter().flat_map(|page| page["topics"].as_array().unwrap()).map(|topic| topic["id"].as_i64().unwrap());
    assert_eq!(ids.collect::<Vec<_>>(), (1..=1_200).collect::<Vec<_>>());
    served.stop().await;
}

/// One message that was edited often, each time to another long text.
fn edit_at_length(archive: &Archive) {
    for nth in 0..=40 {
        let mut write = archive.write(Timestamp(NOW.0 + nth));
        write.message(said(EDITED, 1, &format!("{nth} {}", "长".repeat(LONG))), some_raw(), nth);
        if nth == 0 {
            write.message(said(EDITED, 2, "beside it"), some_raw(), 0).crawl_state(EDITED, |state| state.top = 2);
        }
        write.commit().unwrap();
    }
}

#[tokio::test]
async fn long_versions_come_sealed_in_parts_that_keep_their_bound() {
    let served = Served::start_with(listening(Sealing::Required), edit_at_length).await;
    let key = key(&served);
    let (mut target, mut seen) = ("/v1/peers/-60/messages/1?raw=true".to_owned(), Vec::new());
    loop {
        let (_, detail) = ask(&served, &key, &target).await;
        assert!(size(&detail) < seal::PORTABLE_PLAINTEXT_MAX, "{}", size(&detail));
        let part = detail["message"]["versions"].as_array().unwrap().clone();
        assert!(!part.is_empty() && detail["raw_versions"].as_array().unwrap().len() == part.len());
        seen.splice(0..0, part);
        let Some(before) = detail["versions_before"].as_i64() else { break };
        target = format!("/v1/peers/-60/messages/1?raw=true&versions_before={before}");
    }
    let numbers = seen.iter().map(|version| version["text"].as_str().unwrap().split(' ').next().unwrap().parse().unwrap());
    assert_eq!(numbers.collect::<Vec<i64>>(), (0..40).collect::<Vec<_>>());
    served.stop().await;
}

#[tokio::test]
async fn a_dump_goes_on_behind_an_entry_that_is_larger_than_a_page() {
    let served = Served::start_with(listening(Sealing::Required), |archive| {
        edit_at_length(archive);
        let mut write = archive.write(NOW);
        // Larger than a sealed page may be.
        write.message(message(EDITED, 3, &"长".repeat(40_000)), some_raw(), 0);
        write.message(said(EDITED, 4, "the last"), some_raw(), 0);
        write.commit().unwrap();
    })
    .await;
    let pages = pages(&served, "/v1/dump?peer=-60&all=true", "after").await;
    for page in &pages {
        let is_alone = page["lines"].as_array().unwrap().len() == 1;
        assert!(size(page) < seal::PORTABLE_PLAINTEXT_MAX || is_alone, "{}", size(page));
        // Some 256 KiB of versions, and one more.
        assert!(size(page) < 400_000, "{}", size(page));
    }
    let lines: Vec<&Value> = pages.iter().flat_map(|page| page["lines"].as_array().unwrap()).collect();
    let ids: Vec<i64> = lines.iter().filter(|line| line["type"] == "message").map(|line| line["id"].as_i64().unwrap()).collect();
    assert_eq!(ids, [1, 2, 3, 4]);
    let versions = lines.iter().filter_map(|line| line["versions"].as_array()).map(Vec::len).sum::<usize>();
    assert_eq!(versions, 40);
    served.stop().await;
}

#[tokio::test]
async fn a_plain_answer_is_compressed_for_those_who_can_read_it_and_a_sealed_one_for_nobody() {
    let served = Served::start_with(listening(Sealing::Optional), crowd).await;
    let target = format!("/v1/peers/{CROWD}/messages?limit=200");
    let plain = served.get(&target).await;
    assert_eq!((plain.header("content-encoding"), plain.header("vary")), ("", "accept-encoding"));
    for (accepted, encoding, magic) in [("gzip", "gzip", &[0x1f, 0x8b][..]), ("gzip, zstd", "zstd", &[0x28, 0xb5, 0x2f, 0xfd])] {
        let answer = served.ask("GET", &target, &[("accept-encoding", accepted)], "").await;
        assert_eq!((answer.header("content-encoding"), answer.header("vary")), (encoding, "accept-encoding"));
        assert!(answer.body.starts_with(magic) && answer.body.len() < plain.body.len() / 4, "{}", answer.body.len());
    }
    let compressing = [("accept-encoding", "gzip, zstd"), ("content-type", "application/jose")];
    // What is short, what is sent as it comes, and what is sealed.
    for (method, target) in [("GET", "/v1/changes/head"), ("GET", "/v1/changes"), ("GET", "/v1/sealed"), ("POST", "/v1/sealed")] {
        let answer = served.ask(method, target, &compressing, "").await;
        assert_eq!(answer.header("content-encoding"), "", "{target}");
    }
    served.stop().await;
}

#[tokio::test]
async fn the_page_and_the_description_are_not_sent_to_whoever_has_them() {
    let served = Served::start(listening(Sealing::Required)).await;
    for target in ["/", "/page.js", "/files.js", "/page.css", "/openapi.json"] {
        let whole = served.get(target).await;
        let tag = whole.header("etag").to_owned();
        assert_eq!((whole.status.as_u16(), whole.header("cache-control")), (200, "no-cache"), "{target}");
        for (known, status) in [(tag.as_str(), 304), ("\"another\"", 200)] {
            let again = served.ask("GET", target, &[("if-none-match", known)], "").await;
            assert_eq!((again.status.as_u16(), again.header("etag")), (status, tag.as_str()), "{target}");
            assert_eq!(again.body.is_empty(), status == 304, "{target}");
        }
    }
    served.stop().await;
}
