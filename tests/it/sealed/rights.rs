//! What a key may: its scopes, its peers, its end, and how much its client may ask; and that requests are noted.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::{Value, json};
use telescribe::archive::{Archive, DataFolder};
use telescribe::http::{Sealing, Settings};
use telescribe::model::{Clock as _, FileId, FileOrigin, Peer, PeerId, PeerKind, Timestamp};
use telescribe::seal::{self, Key, KeyRing, KeyScope, Rights};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::{ask, opened, post, sealed};
use crate::support::archives::seen;
use crate::support::files::project;
use crate::support::messages::{NOW, key as message_key, titled};
use crate::support::served::{ALICE, GROUP, NEWS, Served, furnish, listening, said, some_raw};
use crate::support::waiting::PATIENCE;

/// A key with these rights that the server knows.
fn key_with(served: &Served, rights: Rights) -> Arc<Key> {
    let path = DataFolder::keys(served.folder.path());
    let mut ring = KeyRing::load(&path).unwrap();
    let key = ring.add(&"tester".parse().unwrap(), rights, served.clock.now(), &mut seal::system_random());
    ring.save(&path).unwrap();
    key
}

fn limited_to(peers: &[PeerId]) -> Rights {
    Rights { peers: Some(Arc::new(peers.iter().copied().collect())), ..Rights::default() }
}

/// A listener that demands seals, and whose clients may operate.
fn operable() -> Settings {
    let mut settings = Settings { client_requests_max: 0, ..listening(Sealing::Required) };
    settings.listeners[0].operate = true;
    settings
}

/// Asks for anything, sealed.
async fn asked(served: &Served, key: &Arc<Key>, method: &str, target: &str) -> (u16, Value) {
    let body = json!({});
    let request = sealed(served, key, method, target, (method == "POST").then_some(&body));
    opened(&post(served, &request.token).await, key, &request)
}

/// What the documentation says that a route needs, and whether a limited key may ask for it.
#[derive(Debug)]
struct Documented {
    needs: String,
    limited: bool,
}

/// The table of docs/http.md, by method and path.
fn documented() -> BTreeMap<String, Documented> {
    let text = std::fs::read_to_string(project().join("docs/http.md")).unwrap();
    let (_, section) = text.split_once("\n## Rights\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let mut routes = BTreeMap::new();
    let rows = section.lines().filter(|line| line.starts_with('|')).skip(2);
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [needs, limited, others] = cells.as_slice() else { panic!("{row}") };
        for (cell, limited) in [(limited, true), (others, false)] {
            for route in cell.split('`').skip(1).step_by(2) {
                let entry = Documented { needs: needs.trim_matches('`').to_owned(), limited };
                assert!(routes.insert(route.to_owned(), entry).is_none(), "`{route}` is listed twice");
            }
        }
    }
    routes
}

/// Every operation of the OpenAPI document: method and path.
async fn operations(served: &Served) -> BTreeSet<(String, String)> {
    let document = served.get("/openapi.json").await.json();
    let mut operations = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in ["get", "post", "put", "patch", "delete"] {
            if item.get(method).is_some() {
                operations.insert((method.to_uppercase(), path.clone()));
            }
        }
    }
    operations
}

/// A path with something in the place of each parameter.
fn filled(path: &str, peer: PeerId) -> String {
    let values = [
        ("{peer}", peer.to_string()),
        ("{message}", "3".to_owned()),
        ("{sha256}", "0".repeat(64)),
        ("{file}", "document:77".to_owned()),
        ("{run}", "1".to_owned()),
        ("{job}", "nothing".to_owned()),
        ("{name}", "books".to_owned()),
    ];
    let filled = values.iter().fold(path.to_owned(), |path, (name, value)| path.replace(name, value));
    assert!(!filled.contains('{'), "what stands in `{path}`?");
    filled
}

#[tokio::test]
async fn every_route_is_answered_to_the_scopes_that_the_documentation_says_and_to_no_others() {
    let served = Served::start_with(operable(), furnish).await;
    let documented = documented();
    let operations = operations(&served).await;
    let known: BTreeSet<String> = operations.iter().map(|(method, path)| format!("{method} {path}")).collect();
    let listed: BTreeSet<String> = documented.keys().cloned().collect();
    assert_eq!(listed, known, "docs/http.md, \"Rights\", has every operation of the OpenAPI document");
    for scope in KeyScope::ALL {
        let key = key_with(&served, Rights { scopes: [scope].into(), ..Rights::default() });
        for (method, path) in &operations {
            let Documented { needs, .. } = &documented[&format!("{method} {path}")];
            let (status, body) = asked(&served, &key, method, &filled(path, NEWS)).await;
            let code = body["code"].as_str().unwrap_or_default();
            let is_allowed = needs == "nothing" || needs == scope.as_str();
            assert_eq!(status != 403, is_allowed, "{method} {path} with `{scope}`: {status} {code}");
            if !is_allowed {
                let expected =
                    if needs == "the socket" { vec!["not-allowed", "not-owner", "not-operator"] } else { vec!["not-allowed"] };
                assert!(expected.contains(&code), "{method} {path} with `{scope}`: {code}");
            }
        }
    }
    served.stop().await;
}

#[tokio::test]
async fn a_listener_that_only_reads_is_operated_by_no_key() {
    let served = Served::start(Settings { client_requests_max: 0, ..listening(Sealing::Required) }).await;
    let key = key_with(&served, Rights::default());
    for (route, Documented { needs, .. }) in documented() {
        let (method, path) = route.split_once(' ').unwrap();
        let (status, body) = asked(&served, &key, method, &filled(path, NEWS)).await;
        let is_for_operators = ["operate", "admin", "the socket"].contains(&needs.as_str());
        assert_eq!(status == 403, is_for_operators, "{route}: {status}");
        if is_for_operators {
            assert_eq!(body["code"], "not-operator", "{route}");
        }
    }
    served.stop().await;
}

#[tokio::test]
async fn a_key_that_is_limited_to_peers_is_told_of_no_other_by_any_route() {
    let served = Served::start_with(operable(), furnish).await;
    let key = key_with(&served, limited_to(&[NEWS]));
    let told_of_others = |body: &Value| {
        let text = body.to_string();
        ["1500000002", "天气群", "message number"].into_iter().find(|secret| text.contains(secret)).map(str::to_owned)
    };
    for (route, Documented { needs, limited }) in documented() {
        let (method, path) = route.split_once(' ').unwrap();
        for peer in [NEWS, GROUP, ALICE] {
            let (status, body) = asked(&served, &key, method, &filled(path, peer)).await;
            assert!(needs == "nothing" || told_of_others(&body).is_none(), "{route}: {body}");
            // One that needs a peer in its query is refused without.
            let may = limited && path != "/v1/media";
            assert_eq!(status != 403, may, "{route} of {peer}: {status} {body}");
            if path.contains("{peer}") && peer != NEWS && may {
                assert_eq!((status, &body["code"]), (404, &json!("unknown-peer")), "{route} of {peer}");
            }
        }
    }
    for target in [
        "/v1/search?q=&facets=peer,sender,kind,lang&histogram=day&limit=100",
        "/v1/search?q=message",
        "/v1/search?q=&collapse=album,text",
        "/v1/search?q=in:-1001500000002",
        "/v1/search/export?q=",
        "/v1/search/export?q=message&format=csv",
        "/v1/peers?all=true",
        "/v1/dump?all=true",
        "/v1/changes",
        "/v1/changes?events=true",
        "/v1/coverage",
        "/v1/media?peer=-1001500000001",
        "/v1/peers/@novosti/messages/3/context",
    ] {
        let (status, body) = ask(&served, &key, target).await;
        assert!(status == 200 || target.contains("1500000002"), "{target}: {status} {body}");
        assert_eq!(told_of_others(&body), None, "{target}: {body}");
    }
    let (_, found) = ask(&served, &key, "/v1/search?q=&facets=peer").await;
    let hits = found["hits"].as_array().unwrap().len();
    assert_eq!((hits, &found["total"]["count"], &found["facets"]["peer"]["values"][0]["value"]), (3, &json!(3), &json!(NEWS.0)));
    assert_eq!(ask(&served, &key, "/v1/search?q=message").await.1["total"]["count"], 0);
    assert_eq!(ask(&served, &key, "/v1/coverage").await.1["summary"]["peers"], 1);
    for target in ["/v1/media?peer=-1001500000002", "/v1/dump?peer=-1001500000002"] {
        let (status, body) = ask(&served, &key, target).await;
        assert_eq!((status, &body["code"]), (404, &json!("unknown-peer")), "{target}");
    }
    served.stop().await;
}

#[tokio::test]
async fn what_a_limited_key_finds_does_not_depend_on_the_words_of_other_peers() {
    let more = |archive: &Archive| {
        let mut write = archive.write(Timestamp(NOW.0 + 200));
        for id in 100..300 {
            write.message(said(GROUP, id, "a secret report"), some_raw(), 0);
        }
        write.commit().unwrap();
    };
    let mut found = Vec::new();
    for served in [Served::start(operable()).await, Served::start_with(operable(), more).await] {
        let key = key_with(&served, limited_to(&[NEWS]));
        for order in ["relevance", "newest"] {
            let target = format!("/v1/search?q=report OR книгу -secret&sort={order}&limit=1");
            let (status, mut page) = ask(&served, &key, &target).await;
            assert_eq!((status, &page["total"]["count"]), (200, &json!(2)), "{page}");
            // It counts all changes.
            page["position"] = Value::Null;
            let next = page["next"].as_str().unwrap();
            let (status, last) = ask(&served, &key, &format!("{target}&cursor={next}")).await;
            assert_eq!((status, last["hits"].as_array().unwrap().len()), (200, 1), "{last}");
            found.push((order, page, last["hits"].clone()));
        }
        served.stop().await;
    }
    assert_eq!(found[..2], found[2..], "scores and cursors, too");
}

#[tokio::test]
async fn a_username_tells_a_limited_key_nothing_of_who_is_known() {
    let hidden = |archive: &Archive| {
        let mut write = archive.write(Timestamp(NOW.0 + 200));
        write.peer(Peer { username: Some("weather".to_owned()), ..titled(GROUP, PeerKind::Supergroup, "天气群") });
        write.peer(Peer { username: Some("passerby".to_owned()), ..titled(PeerId(7_000_009), PeerKind::User, "Bob") });
        write.commit().unwrap();
    };
    let served = Served::start_with(operable(), hidden).await;
    let key = key_with(&served, limited_to(&[NEWS]));
    let asked = ["in:@NAME", "from:@NAME", "source:@NAME", "report -from:@NAME", "(report OR from:@NAME)"];
    for query in asked {
        let mut answers = Vec::new();
        for name in ["weather", "passerby", "nobody"] {
            answers.push(ask(&served, &key, &format!("/v1/search?q={}", query.replace("NAME", name))).await);
        }
        let [weather, passerby, nobody] = answers.as_slice() else { panic!() };
        assert_eq!(nobody.0, 200, "{query}: {}", nobody.1);
        assert!(weather == nobody && passerby == nobody, "{query}: {answers:?}");
    }
    // Whom its messages name it can ask for; and who sees everything is told of a slip.
    assert_eq!(ask(&served, &key, "/v1/search?q=from:@alice").await.1["total"]["count"], 3);
    let all = key_with(&served, Rights::default());
    assert_eq!(ask(&served, &all, "/v1/search?q=from:@nobody").await.1["code"], "bad-query");
    served.stop().await;
}

#[tokio::test]
async fn a_limited_key_is_told_nothing_that_comes_of_other_peers_by_a_file_or_the_log() {
    let shared = |archive: &Archive| {
        let mut write = archive.write(Timestamp(NOW.0 + 200));
        for (key, posted) in [(message_key(NEWS, 3), NOW), (message_key(GROUP, 40), Timestamp(NOW.0 + 150))] {
            write.file_seen(FileOrigin::Message(key), posted, None, seen(FileId::photo(77), 10));
        }
        write.commit().unwrap();
    };
    let served = Served::start_with(operable(), shared).await;
    let [all, news] = [Rights::default(), limited_to(&[NEWS])].map(|rights| key_with(&served, rights));
    let files = format!("/v1/media?peer={}", NEWS.0);
    let of_message = format!("/v1/peers/{}/messages/3/files", NEWS.0);
    for (key, is_told) in [(&all, true), (&news, false)] {
        for target in [&files, &of_message] {
            let (status, body) = ask(&served, key, target).await;
            let file = &body["files"][0];
            assert_eq!((status, &file["id"], &file["state"]), (200, &json!("photo:77"), &json!("seen")), "{target}: {body}");
            for member in ["posted", "since"] {
                assert_eq!(file.get(member).is_some(), is_told, "{target}: {body}");
            }
        }
        let (status, head) = ask(&served, key, "/v1/changes/head").await;
        assert_eq!((status, head.get("link").is_some()), (200, is_told), "{head}");
    }
    served.stop().await;
}

#[tokio::test]
async fn what_somebody_watches_is_told_by_events_to_who_may_search_only() {
    let watched = |archive: &Archive| {
        furnish(archive);
        let mut write = archive.write(Timestamp(NOW.0 + 200));
        write.message(said(NEWS, 6, "Читаю другую книгу"), some_raw(), 0);
        write.commit().unwrap();
    };
    let served = Served::start_with(operable(), watched).await;
    let last = served.archive.flushed().last_seq().0;
    for scopes in [vec![KeyScope::Changes, KeyScope::Search], vec![KeyScope::Changes]] {
        let is_told = scopes.len() > 1;
        let key = key_with(&served, Rights { scopes: scopes.into_iter().collect(), ..Rights::default() });
        let (status, page) = ask(&served, &key, &format!("/v1/changes?events=true&after={}", last - 1)).await;
        let types: Vec<_> = page["changes"].as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap()).collect();
        let expected = ["telescribe.message.new", "telescribe.watch.matched"];
        assert_eq!((status, types.as_slice()), (200, &expected[..1 + usize::from(is_told)]), "{page}");
    }
    served.stop().await;
}

#[tokio::test]
async fn a_limited_key_reads_the_change_log_to_its_end() {
    let served = Served::start_with(operable(), furnish).await;
    let [all, news] = [Rights::default(), limited_to(&[NEWS])].map(|rights| key_with(&served, rights));
    let mut read = Vec::new();
    for key in [&all, &news] {
        let (mut seqs, mut after) = (Vec::new(), "0".to_owned());
        loop {
            let (status, page) = ask(&served, key, &format!("/v1/changes?limit=3&after={after}")).await;
            assert_eq!(status, 200, "{page}");
            let changes = page["changes"].as_array().unwrap();
            seqs.extend(changes.iter().map(|change| (change["seq"].as_u64().unwrap(), change["peer"].as_i64().unwrap())));
            let next = page["next"].as_str().unwrap().to_owned();
            if changes.is_empty() {
                break;
            }
            after = next;
        }
        read.push(seqs);
    }
    let of_news: Vec<_> = read[0].iter().filter(|(_, peer)| *peer == NEWS.0).copied().collect();
    assert!(of_news.len() > 3 && of_news.len() < read[0].len());
    assert_eq!(read[1], of_news);
    served.stop().await;
}

#[tokio::test]
async fn a_key_that_has_ended_is_refused_as_one_that_never_was() {
    let served = Served::start(listening(Sealing::Required)).await;
    let ends = Some(served.clock.now() + chrono::TimeDelta::seconds(60));
    let key = key_with(&served, Rights { ends, ..Rights::default() });
    assert_eq!(ask(&served, &key, "/v1/peers").await.0, 200);
    served.clock.advance(60);
    let request = sealed(&served, &key, "GET", "/v1/peers", None);
    let ended = post(&served, &request.token).await;
    let stranger = Key::generate(&"tester".parse().unwrap(), served.clock.now(), &mut seal::system_random());
    let request = sealed(&served, &stranger, "GET", "/v1/peers", None);
    let unknown = post(&served, &request.token).await;
    assert_eq!((ended.status.as_u16(), unknown.status.as_u16()), (401, 401));
    let headers = |answer: &crate::support::served::Answer| {
        let names = answer.headers.keys().filter(|name| !["x-request-id", "date"].contains(&name.as_str()));
        names.map(|name| (name.to_string(), answer.header(name.as_str()).to_owned())).collect::<BTreeMap<_, _>>()
    };
    assert_eq!((&ended.body, headers(&ended)), (&unknown.body, headers(&unknown)));
    served.stop().await;
}

#[tokio::test]
async fn a_client_that_asks_too_often_is_told_so_inside_the_seal_with_each_of_its_keys() {
    let served = Served::start(Settings { client_requests_max: 1, ..listening(Sealing::Required) }).await;
    let [first, second] = [(); 2].map(|()| key_with(&served, Rights::default()));
    let mut refused = None;
    for _ in 0..1_000 {
        let (status, body) = ask(&served, &first, "/v1/peers").await;
        if status == 429 {
            refused = Some(body);
            break;
        }
    }
    let refused = refused.expect("a request a second is less than these");
    assert_eq!(refused["code"], "too-many-requests");
    assert!(refused["retry_after"].as_u64().unwrap() >= 1, "{refused}");
    let mut another = None;
    for _ in 0..1_000 {
        let (status, _) = ask(&served, &second, "/v1/peers").await;
        if status == 429 {
            another = Some(status);
            break;
        }
    }
    assert_eq!(another, Some(429));
    served.stop().await;
}

#[tokio::test]
async fn who_asked_what_kind_of_thing_is_noted_and_nothing_of_what_is_meant() {
    let served = Served::start(listening(Sealing::Required)).await;
    let key = super::key(&served);
    assert_eq!(ask(&served, &key, "/v1/search?q=secretword").await.0, 200);
    assert_eq!(ask(&served, &key, "/v1/peers/@novosti/messages/3").await.0, 200);
    assert_eq!(ask(&served, &key, "/v1/peers/@nobody").await.0, 404);
    assert_eq!(served.get("/healthz").await.status, 200);
    assert_eq!(served.get("/v1/peers").await.status, 401);
    let noted = std::fs::read_to_string(DataFolder::audit(served.folder.path()).join("000001.ndjson")).unwrap();
    let lines: Vec<Value> = noted.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let shown = lines.iter().map(|line| {
        assert_eq!((&line["ingress"], &line["from"], &line["method"]), (&json!("sealed"), &json!("127.0.0.1"), &json!("GET")));
        assert_eq!((&line["client"], &line["key"]), (&json!("tester"), &json!(key.id().as_str())));
        (line["route"].as_str().unwrap(), line["status"].as_u64().unwrap(), line["peer"].as_i64())
    });
    let expected =
        [("/v1/search", 200, None), ("/v1/peers/{peer}/messages/{message}", 200, Some(NEWS.0)), ("/v1/peers/{peer}", 404, None)];
    assert_eq!(shown.collect::<Vec<_>>(), expected);
    assert!(!noted.contains("secretword") && !noted.contains("novosti") && !noted.contains("nobody"), "{noted}");
    served.stop().await;
}

#[tokio::test]
async fn a_request_whose_client_is_gone_before_its_response_is_noted_and_counted_too() {
    // Of this thread, which is the only one of this test.
    let recorder = PrometheusBuilder::new().build_recorder();
    let _counting = metrics::set_default_local_recorder(&recorder);
    let served = Served::start(listening(Sealing::Required)).await;
    let key = super::key(&served);
    let noted = || {
        let text = std::fs::read_to_string(DataFolder::audit(served.folder.path()).join("000001.ndjson")).unwrap();
        text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).find(|line| line["status"] == 499)
    };
    let target = format!("/v1/changes?follow=true&after={}", served.archive.flushed().last_seq().0);
    let (end, mut pause) = (std::time::Instant::now() + PATIENCE, std::time::Duration::from_millis(20));
    let line = loop {
        assert!(std::time::Instant::now() < end, "it is not noted");
        let request = sealed(&served, &key, "GET", &target, None);
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        let head = format!(
            "POST /v1/sealed HTTP/1.1\r\nhost: x\r\ncontent-type: application/jose\r\ncontent-length: {}\r\n\r\n",
            request.token.len()
        );
        stream.write_all(format!("{head}{}", request.token).as_bytes()).await.unwrap();
        // That a request has come to its route nobody outside sees: if it has not by now, it is given longer.
        tokio::time::sleep(pause).await;
        drop(stream);
        tokio::time::sleep(pause).await;
        if let Some(line) = noted() {
            break line;
        }
        pause = (pause * 2).min(std::time::Duration::from_secs(2));
    };
    assert_eq!((&line["route"], &line["client"], &line["ingress"]), (&json!("/v1/changes"), &json!("tester"), &json!("sealed")));
    let counted = recorder.handle().render();
    assert!(counted.contains(r#"telescribe_http_requests_total{route="/v1/changes",status="499"} "#), "{counted}");
    served.stop().await;
}
