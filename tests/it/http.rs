//! HTTP answers what the archive holds, within bounds, and says clearly what is wrong.

mod commands;
mod context;
mod crowds;
mod description;
mod following;
mod listening;
mod pages;
mod tls;
mod versions;

use std::time::Duration;

use hyper::body::Bytes;
use serde_json::{Value, json};
use telescribe::http::{Sealing, Settings};
use telescribe::model::PeerId;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::messages::{NOW, key};
use crate::support::served::{GROUP, NEWS, Served, furnish, listening, said, some_raw};
use crate::support::waiting::PATIENCE;

#[tokio::test]
async fn each_resource_answers_in_its_documented_shape() {
    let served = Served::start_with(listening(Sealing::Off), furnish).await;
    let mut shapes = Vec::new();
    for target in [
        "/v1/search?q=%E4%BB%8A%E5%A4%A9",
        "/v1/search?q=report&sort=relevance",
        "/v1/search?q=&sort=oldest&limit=1&facets=peer,sender,kind&facet_limit=1&histogram=12h&timezone=Asia/Kolkata",
        "/v1/search?q=message&collapse=text,album&limit=1",
        "/v1/peers",
        "/v1/peers?all=true&limit=1",
        "/v1/peers/@novosti",
        "/v1/peers/-1001500000001/messages?limit=2",
        "/v1/peers/-1001500000001/messages/3?raw=true",
        "/v1/peers/-1001500000001/messages/3/context?before=1&after=1",
        "/v1/peers/-1001500000001/messages/3/files",
        "/v1/peers/-1001500000001/messages/3/counters",
        "/v1/peers/-1001500000001/messages/3/counters?limit=1",
        "/v1/peers/@novosti/counters",
        "/v1/peers/@novosti/counters?after=2024-01-31T12:02:00Z",
        "/v1/peers/@novosti/accounts",
        "/v1/peers/-1001500000002/topics",
        "/v1/peers/-1001500000001/coverage",
        "/v1/peers/-1001500000002/coverage",
        "/v1/coverage",
        "/v1/jobs",
        "/v1/watches?limit=1",
        "/v1/watches/books",
        "/v1/dead-letters",
        "/v1/status",
        "/v1/sealed",
    ] {
        let answer = served.get(target).await;
        let mut body = answer.json();
        for member in ["/server", "/start"] {
            if let Some(id) = body.pointer_mut(member) {
                assert_eq!(id.as_str().map(str::len), Some(32));
                *id = json!("[id]");
            }
        }
        if let Some(id) = body.pointer_mut("/archive/id") {
            *id = json!("[id]");
        }
        if let Some(size) = body.pointer_mut("/archive/disk_size") {
            assert!(size.as_u64() > Some(0), "an archive takes space");
            *size = json!("[bytes]");
        }
        if let Some(score) = body.pointer_mut("/hits/0/score") {
            *score = json!("[score]");
        }
        shapes.push(json!({ "target": target, "status": answer.status.as_u16(), "body": body }));
    }
    insta::assert_json_snapshot!(shapes);
    served.stop().await;
}

#[tokio::test]
async fn a_peer_is_named_by_any_link_to_it() {
    let served = Served::start_with(listening(Sealing::Off), furnish).await;
    let peer = served.get("/v1/peers/@novosti").await.json();
    assert_eq!(peer["id"], NEWS.0);
    for link in [
        "https://t.me/s/novosti/3",
        "t.me/Novosti?single",
        "tg://resolve?domain=novosti",
        "novosti.t.me",
        "https://t.me/c/1500000001/3",
    ] {
        let link = percent_encoding::utf8_percent_encode(link, percent_encoding::NON_ALPHANUMERIC);
        let answer = served.get(&format!("/v1/peers/{link}")).await;
        assert_eq!((answer.status.as_u16(), answer.json()), (200, peer.clone()), "{link}");
    }
    for (link, says) in
        [("t.me%2F%2BAbCdEfGh12", "an invite link does not tell whose it is"), ("t.me%2Fproxy", "a link to something other")]
    {
        let problem = served.get(&format!("/v1/peers/{link}")).await.json();
        assert_eq!(problem["code"], "bad-parameter");
        assert!(problem["detail"].as_str().unwrap().contains(says), "{problem}");
    }
    served.stop().await;
}

#[tokio::test]
async fn what_is_wrong_is_told_as_a_problem_with_a_stable_code() {
    let served = Served::start(listening(Sealing::Off)).await;
    let mut problems = Vec::new();
    for (method, target) in [
        ("GET", "/v1/serch"),
        ("DELETE", "/v1/peers"),
        ("GET", "/v1/search"),
        ("GET", "/v1/search?q=a&sorted=newest"),
        ("GET", "/v1/search?q=a&limit=many"),
        ("GET", "/v1/search?q=a&limit=0"),
        ("GET", "/v1/search?q=a&limit=100000"),
        ("GET", "/v1/search?q=a&q=b"),
        ("GET", "/v1/search?q=a&cursor=zzz"),
        ("GET", "/v1/search?q=(a"),
        ("GET", "/v1/search?q=a&facets=peer,sendr"), // typos: ignore
        ("GET", "/v1/search?q=a&facets=peer,peer"),
        ("GET", "/v1/search?q=a&facet_limit=101"),
        ("GET", "/v1/search?q=a&histogram=daily"),
        ("GET", "/v1/search?q=a&histogram=day&timezone=Mars/Base"),
        ("GET", "/v1/search?q=a&timezone=Europe/Berlin"),
        ("GET", "/v1/search?q=a&collapse=text&group=-1001500000001/3&facets=peer"),
        ("GET", "/v1/search/export"),
        ("GET", "/v1/search/export?q=a&format=xml"),
        ("GET", "/v1/search/export?q=a&cursor=zzz"),
        ("GET", "/v1/search/export?q=a&limit=5"),
        ("GET", "/v1/peers?all=maybe"),
        ("GET", "/v1/peers/nobody"),
        ("GET", "/v1/peers/@nobody"),
        ("GET", "/v1/peers/%FF"),
        ("GET", "/v1/peers/-1001500000001/messages/5"),
        ("GET", "/v1/peers/-1001500000002/messages/7"),
        ("GET", "/v1/peers/-1001500000001/messages/x"),
        ("GET", "/v1/peers/7000001/coverage"),
        ("GET", "/v1/peers/-1001500000001/messages?order=random"),
        ("GET", "/v1/status?verbose"),
        ("POST", "/v1/search"),
        ("GET", "/v1/peers/@nobody/accounts"),
        ("GET", "/v1/peers/-1001500000001/messages/5/counters"),
        ("GET", "/v1/peers/@novosti/counters?after=yesterday"),
        ("GET", "/v1/erasures/1"),
        ("GET", "/v1/watches/nobody"),
        ("GET", "/v1/watches?after=A"),
        ("POST", "/v1/watches/try"),
        ("GET", "/v1/jobs/recheck/run"),
        ("POST", "/v1/jobs/recheck/run"),
        ("POST", "/v1/join"),
    ] {
        let answer = served.ask(method, target, &[], "").await;
        assert_eq!(answer.header("content-type"), "application/problem+json", "{target}");
        let body = answer.json();
        assert_eq!(body["status"], answer.status.as_u16());
        problems.push(format!(
            "{method} {target}\n    {} {}: {}",
            body["status"],
            body["code"],
            body["detail"].as_str().unwrap()
        ));
    }
    let json = [("content-type", "application/json")];
    for body in ["", "[]", r#"{"q":1}"#, r#"{"q":"a","limt":1}"#, r#"{"q":"a","limit":"1"}"#, r#"{"q":"a","recount":1}"#] {
        let problem = served.ask("POST", "/v1/search", &json, body).await.json();
        problems.push(format!(
            "POST {body}\n    {} {}: {}",
            problem["status"],
            problem["code"],
            problem["detail"].as_str().unwrap()
        ));
    }
    insta::assert_snapshot!(problems.join("\n"));
    insta::assert_json_snapshot!("a_problem", served.get("/v1/peers/nobody").await.json());
    served.stop().await;
}

#[tokio::test]
async fn wishes_are_heard_where_the_listener_says_so_and_told_what_is_wrong_with_them() {
    let mut settings = listening(Sealing::Off);
    settings.listeners[0].operate = true;
    let served = Served::start(settings).await;
    let json = [("content-type", "application/json")];
    let mut problems = Vec::new();
    for (target, headers, body) in [
        ("/v1/jobs/nightly/run", &json[..], "{}"),
        ("/v1/jobs/recheck/run", &json, r#"{"peers":[]}"#),
        ("/v1/jobs/recheck/run", &json, r#"{"peers":["novosti"]}"#),
        ("/v1/jobs/recheck/run", &json, r#"{"peers":["kind:bot"]}"#),
        ("/v1/jobs/recheck/run", &json, r#"{"peers":[7]}"#),
        ("/v1/jobs/recheck/run", &json, r#"{"peer":["@a"]}"#),
        ("/v1/jobs/recheck/run", &json, "[]"),
        ("/v1/jobs/recheck/run", &[], "{}"),
        ("/v1/jobs/recheck/run", &[("content-type", "text/plain")], "{}"),
        ("/v1/jobs/discover/run", &json, r#"{"peers":["@novosti"]}"#),
        ("/v1/jobs/recheck/run", &json, "{}"),
        ("/v1/join", &json, "{}"),
        ("/v1/join", &json, r#"{"peer":7}"#),
        ("/v1/join", &json, r#"{"peer":"@novosti","acount":"alpha"}"#), // typos: ignore
        ("/v1/join", &json, r#"{"peer":"@novosti"}"#),
    ] {
        let problem = served.ask("POST", target, headers, body).await.json();
        let (status, code, detail) = (&problem["status"], &problem["code"], problem["detail"].as_str().unwrap());
        problems.push(format!("POST {target} {body}\n    {status} {code}: {detail}"));
    }
    insta::assert_snapshot!(problems.join("\n"));
    served.stop().await;
}

#[tokio::test]
async fn a_search_by_body_finds_what_a_search_by_link_finds() {
    let served = Served::start(listening(Sealing::Off)).await;
    let by_link = served.get("/v1/search?q=%D0%BA%D0%BD%D0%B8%D0%B3%D0%B0&sort=oldest&limit=5").await;
    let body = r#"{"q":"книга","sort":"oldest","limit":5,"cursor":null}"#;
    let by_body = served.ask("POST", "/v1/search", &[("content-type", "application/json; charset=utf-8")], body).await;
    assert_eq!(by_link.json(), by_body.json());
    assert_eq!(by_link.json()["hits"][0]["message"]["text"], "Читаю новую книгу");
    assert_eq!(by_link.json()["hits"][0]["snippet"]["highlights"], json!([[12, 5]]), "in UTF-16 code units");
    served.stop().await;
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_repetition() {
    let served = Served::start(listening(Sealing::Off)).await;
    for order in ["newest", "oldest"] {
        let mut ids = Vec::new();
        let mut more = String::new();
        loop {
            let page = served.get(&format!("/v1/peers/{GROUP}/messages?limit=7&order={order}{more}")).await.json();
            ids.extend(page["messages"].as_array().unwrap().iter().map(|m| m["id"].as_i64().unwrap()));
            let Some(next) = page["next"].as_i64() else { break };
            more = if order == "newest" { format!("&before={next}") } else { format!("&after={next}") };
        }
        let mut expected: Vec<i64> = (21..=40).collect();
        if order == "newest" {
            expected.reverse();
        }
        assert_eq!(ids, expected);
    }
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = served.get(&format!("/v1/search?q=number&limit=7{cursor}")).await.json();
        assert_eq!(page["total"], json!({ "count": 20, "exact": true }));
        found.extend(page["hits"].as_array().unwrap().iter().map(|h| h["message"]["id"].as_i64().unwrap()));
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(found, (21..=40).rev().collect::<Vec<i64>>());
    served.stop().await;
}

const DUMP: &str = r#"{"type":"peer","id":-1001500000002,"kind":"supergroup","title":"天气群"}
{"type":"peer","id":-1001500000001,"kind":"channel","title":"Новости","username":"novosti"}
"#;

#[tokio::test]
async fn a_dump_holds_every_line_in_the_documented_order() {
    let served = Served::start(listening(Sealing::Off)).await;
    let mut expected = DUMP.to_owned();
    let line = |peer: PeerId, id: i32, text: &str, edited: &str| {
        let date = said(peer, id, "").date;
        format!(
            "{{\"type\":\"message\",\"peer\":{peer},\"id\":{id},\"date\":\"{date}\",\"sender\":7000001,\"text\":\"{text}\"{edited}}}\n"
        )
    };
    for id in 21..=40 {
        expected += &line(GROUP, id, &format!("message number {id}"), "");
    }
    expected += &line(NEWS, 1, "我觉得今天天气很好", "");
    expected += &line(NEWS, 2, "Читаю новую книгу", "");
    expected += &line(NEWS, 3, "see the corrected report", r#","edited":"2024-01-31T12:00:30Z""#);
    let answer = served.get("/v1/dump").await;
    assert_eq!(String::from_utf8_lossy(&answer.body), expected);
    assert_eq!(answer.header("content-type"), "application/x-ndjson");

    let all = served.get("/v1/dump?all=true&peer=@novosti").await;
    insta::assert_snapshot!(String::from_utf8_lossy(&all.body));
    served.stop().await;
}

#[tokio::test]
async fn a_large_dump_is_sent_whole_in_many_chunks() {
    let served = Served::start(listening(Sealing::Off)).await;
    let mut write = served.archive.write(NOW);
    for id in 1..=5_000 {
        write.message(said(PeerId(-50), id, &"long text ".repeat(10)), some_raw(), 0);
    }
    write.commit().unwrap();
    let mut write = served.archive.write(NOW);
    (2..4_900).for_each(|id| {
        write.delete(key(PeerId(-50), id));
    });
    write.commit().unwrap();
    let lines = |body: &Bytes| body.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(lines(&served.get("/v1/dump?peer=-50&all=true").await.body), 5_001);
    assert_eq!(
        lines(&served.get("/v1/dump?peer=-50").await.body),
        1 + 5_000 - 4_898,
        "also past chunks in which nothing is shown"
    );
    served.stop().await;
}

#[tokio::test]
async fn changes_come_in_order_and_a_follower_sees_new_ones() {
    // Shorter than the follower waits: the timeout must not end a stream.
    let settings = Settings { header_timeout: Duration::from_millis(300), ..listening(Sealing::Off) };
    let served = Served::start(settings).await;
    let all = served.get("/v1/changes").await;
    let mut all: Vec<Value> =
        all.body.split(|b| *b == b'\n').filter(|l| !l.is_empty()).map(|l| serde_json::from_slice(l).unwrap()).collect();
    for change in &mut all {
        assert_eq!(change["epoch"].take(), served.archive.epoch().to_string(), "it is random");
    }
    let seqs: Vec<u64> = all.iter().map(|change| change["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=served.archive.last_seq().0).collect::<Vec<_>>());
    insta::assert_json_snapshot!([&all[0], &all[3], &all[all.len() - 2], &all[all.len() - 1]]);

    let events = served.get("/v1/changes?events=true&limit=29").await;
    let published = telescribe::event::events(&served.archive.flushed(), telescribe::model::Seq(0), 29).unwrap();
    let bodies: Vec<u8> = published.into_iter().flat_map(|event| [event.body, vec![b'\n']].concat()).collect();
    assert_eq!(events.body, bodies, "the stream is what a broker would get");

    let last = served.archive.last_seq().0;
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    let head = format!("GET /v1/changes?follow=true&after={last} HTTP/1.1\r\nHost: {}\r\n\r\n", served.address);
    stream.write_all(head.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(800)).await;
    let mut write = served.archive.write(NOW);
    write.message(said(NEWS, 6, "breaking"), some_raw(), 0);
    write.commit().unwrap();
    let mut seen = String::new();
    while !seen.contains("breaking") {
        let mut buffer = [0; 4096];
        let count = tokio::time::timeout(PATIENCE, stream.read(&mut buffer)).await.expect("in time").unwrap();
        assert!(count > 0, "the stream ended: {seen}");
        seen.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
    served.stop().await;
}

#[tokio::test]
async fn the_api_describes_itself() {
    let served = Served::start(listening(Sealing::Off)).await;
    let mut description = served.get("/openapi.json").await.json();
    description["info"]["version"] = json!("[version]");
    insta::assert_json_snapshot!(description);
    served.stop().await;
}
