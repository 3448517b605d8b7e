//! A message in its context: what is around it, above it and below it, from one snapshot and within bounds.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test")]

use std::process::ExitCode;

use serde_json::{Value, json};
use telescribe::archive::Archive;
use telescribe::cli::client::Globals;
use telescribe::cli::{self, Out};
use telescribe::http::Sealing;
use telescribe::model::{Forward, IdRange, Message, MessageId, Peer, PeerId, PeerKind, PeerMarks, Reply, Timestamp};

use crate::support::commands::{Written, globals};
use crate::support::messages::{key, titled, topic};
use crate::support::served::{GROUP, NEWS, Served, listening, said, some_raw};

const FORUM: PeerId = PeerId(-1_001_500_000_003);

fn reply(peer: PeerId, id: i32, to: i32, text: &str) -> Message {
    Message { reply: Some(Reply { id: Some(MessageId(to)), ..Reply::default() }), ..said(peer, id, text) }
}

/// A thread in the group, a reply to the channel, an album, a post with comments, and a forum.
fn converse(archive: &Archive) {
    let mut write = archive.write(Timestamp(1_706_702_700));
    let marks = PeerMarks { forum: true, ..PeerMarks::default() };
    write.peer(Peer { marks, ..titled(FORUM, PeerKind::Supergroup, "Forum") });
    let mut messages = vec![reply(GROUP, 50, 25, "the root's reply"), reply(GROUP, 51, 50, "and one to that")];
    messages.extend((52..=55).map(|id| reply(GROUP, id, 51, &format!("answer {id}"))));
    let to_news = Reply { id: Some(MessageId(1)), peer: Some(NEWS), ..Reply::default() };
    messages.push(Message { reply: Some(to_news), ..said(GROUP, 60, "about the weather") });
    messages.push(reply(GROUP, 61, 7, "to one that is not there"));
    messages.extend((70..=72).map(|id| Message { album: Some(9), ..said(GROUP, id, "") }));
    // A post, the group's copy of it, and comments.
    messages.push(Message { comments: Some(GROUP), sender: None, ..said(NEWS, 80, "the post") });
    let copy = Forward { from: Some(NEWS), saved_from: Some((NEWS, MessageId(80))), ..Forward::default() };
    messages.push(Message { forward: Some(copy), sender: Some(NEWS), ..said(GROUP, 81, "the post") });
    messages.push(reply(GROUP, 82, 81, "a comment"));
    let nested = Reply { id: Some(MessageId(82)), topic: Some(MessageId(81)), ..Reply::default() };
    messages.push(Message { reply: Some(nested), ..said(GROUP, 83, "an answer to it") });
    // Two topics, in turn.
    messages.push(Message { service: topic(2, "one").service, ..said(FORUM, 2, "") });
    messages.push(Message { service: topic(3, "two").service, ..said(FORUM, 3, "") });
    for id in 10..=29 {
        let root = Some(MessageId(2 + id % 2));
        messages.push(Message { reply: Some(Reply { id: root, topic: root, ..Reply::default() }), ..said(FORUM, id, "posted") });
    }
    for message in messages {
        write.message(message, some_raw(), 0);
    }
    write.covered(GROUP, IdRange { first: 7, last: 7 });
    write.crawl_state(FORUM, |state| state.top = 29);
    write.commit().unwrap();
    let mut write = archive.write(Timestamp(1_706_702_760));
    write.delete(key(GROUP, 54));
    write.commit().unwrap();
}

fn ids(messages: &Value) -> Vec<i64> {
    messages.as_array().unwrap().iter().map(|message| message["id"].as_i64().unwrap()).collect()
}

async fn context(served: &Served, peer: PeerId, id: i32, query: &str) -> Value {
    let answer = served.get(&format!("/v1/peers/{peer}/messages/{id}/context{query}")).await;
    assert_eq!(answer.status.as_u16(), 200, "{:?}", answer.body);
    answer.json()
}

#[tokio::test]
async fn a_message_is_shown_with_what_is_around_above_and_below_it() {
    let served = Served::start_with(listening(Sealing::Off), converse).await;
    let found = context(&served, GROUP, 51, "?before=2&after=3").await;
    assert_eq!(ids(&found["before"]), [40, 50]);
    assert_eq!(ids(&found["after"]), [52, 53, 54]);
    assert!(found["after"][2]["deleted"].is_string(), "deleted ones are there, and marked");
    assert_eq!(ids(&found["chain"]), [25, 50], "the root first");
    assert_eq!(found.get("chain_missing"), None);
    assert_eq!(ids(&found["replies"]["messages"]), [52, 53, 54, 55]);
    assert_eq!(found["replies"]["total"], json!({ "count": 4, "exact": true }));
    assert_eq!((found.get("discussion"), found["album"].clone()), (None, json!([])));
    let bounded = context(&served, GROUP, 51, "?replies=2").await;
    assert_eq!(ids(&bounded["replies"]["messages"]), [54, 55], "the newest");
    assert_eq!(bounded["replies"]["total"]["count"], 4);
    let none = context(&served, GROUP, 51, "?replies=0&before=0&after=0").await;
    assert_eq!((none.get("replies"), ids(&none["before"]).len(), ids(&none["after"]).len()), (None, 0, 0));
    served.stop().await;
}

#[tokio::test]
async fn a_chain_goes_on_in_another_chat_and_says_where_it_breaks_off() {
    let served = Served::start_with(listening(Sealing::Off), converse).await;
    let elsewhere = context(&served, GROUP, 60, "").await;
    assert_eq!((ids(&elsewhere["chain"]), elsewhere["chain"][0]["peer"].as_i64()), (vec![1], Some(NEWS.0)));
    let peers: Vec<i64> = elsewhere["peers"].as_array().unwrap().iter().map(|peer| peer["id"].as_i64().unwrap()).collect();
    assert_eq!(peers.iter().filter(|peer| **peer == NEWS.0).count(), 1, "each once: {peers:?}");
    let broken = context(&served, GROUP, 61, "").await;
    assert_eq!(broken["chain_missing"], json!({ "peer": GROUP.0, "id": 7, "why": "absent" }));
    served.stop().await;
}

#[tokio::test]
async fn an_album_is_one_a_post_has_its_discussion_and_a_topic_its_own_neighbours() {
    let served = Served::start_with(listening(Sealing::Off), converse).await;
    let album = context(&served, GROUP, 71, "").await;
    assert_eq!(ids(&album["album"]), [70, 71, 72]);
    let post = context(&served, NEWS, 80, "").await;
    let discussion = &post["discussion"];
    assert_eq!((discussion["group"].as_i64(), discussion["post"].as_i64()), (Some(GROUP.0), Some(81)));
    assert_eq!(ids(&discussion["comments"]["messages"]), [82, 83], "answers to comments too");
    let topic = context(&served, FORUM, 20, "?before=3&after=2").await;
    assert_eq!(topic["topic"], 2);
    assert_eq!((ids(&topic["before"]), ids(&topic["after"])), (vec![14, 16, 18], vec![22, 24]));
    served.stop().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_request_for_context_is_told() {
    let served = Served::start_with(listening(Sealing::Off), converse).await;
    for (target, status, code) in [
        (format!("/v1/peers/{GROUP}/messages/51/context?before=51"), 400, "bad-parameter"),
        (format!("/v1/peers/{GROUP}/messages/51/context?around=5"), 400, "bad-parameter"),
        (format!("/v1/peers/{GROUP}/messages/999/context"), 404, "unknown-message"),
        ("/v1/search?q=a&collapse=words".to_owned(), 400, "bad-parameter"),
        ("/v1/search?q=a&group=-1/2".to_owned(), 400, "bad-parameter"),
        ("/v1/search?q=a&collapse=text&group=x".to_owned(), 400, "bad-parameter"),
    ] {
        let answer = served.get(&target).await;
        assert_eq!((answer.status.as_u16(), answer.json()["code"].as_str()), (status, Some(code)), "{target}");
    }
    served.stop().await;
}

#[tokio::test]
async fn a_context_that_would_be_too_long_is_shortened_from_its_ends_and_says_so() {
    let long = |archive: &Archive| {
        converse(archive);
        let mut write = archive.write(Timestamp(1_706_702_800));
        for id in 100..=200 {
            write.message(reply(GROUP, id, if id == 150 { 149 } else { 150 }, &"long ".repeat(18_000)), some_raw(), 0);
        }
        write.commit().unwrap();
    };
    let served = Served::start_with(listening(Sealing::Off), long).await;
    let answer = served.get(&format!("/v1/peers/{GROUP}/messages/150/context?before=50&after=50&replies=100")).await;
    assert!(answer.body.len() <= 4 << 20, "{}", answer.body.len());
    let found = answer.json();
    let shortened = found["shortened"].as_array().unwrap();
    assert!(shortened.contains(&json!("before")) && shortened.contains(&json!("replies")), "{shortened:?}");
    let (before, after) = (ids(&found["before"]), ids(&found["after"]));
    assert_eq!((before.last(), after.first()), (Some(&149), Some(&151)), "what is near stays");
    assert!(before.is_sorted() && after.is_sorted() && !before.is_empty());
    served.stop().await;
}

#[tokio::test]
async fn the_commands_show_context_for_people_and_programs() {
    let served = Served::start_with(listening(Sealing::Off), converse).await;
    let globals = globals(served.folder.path());
    let written = Written::default();
    let mut out = Out::to(written.clone());
    let show = cli::show::Args {
        peer: GROUP.to_string(),
        id: Some(51),
        account: None,
        raw: false,
        versions_before: None,
        context: Some(2),
    };
    assert_eq!(cli::show::write(&show, &globals, &mut out).await.unwrap(), ExitCode::SUCCESS);
    let post = cli::show::Args { peer: NEWS.to_string(), id: Some(80), ..show.clone() };
    cli::show::write(&post, &globals, &mut out).await.unwrap();
    let search = cli::search::Args {
        limit: 2.try_into().unwrap(),
        collapse: vec![cli::search::CollapseKind::Album, cli::search::CollapseKind::Text],
        context: Some(1),
        ..cli::search::Args::new(vec!["answer".to_owned()])
    };
    cli::search::write(&search, &globals, &mut out).await.unwrap();
    insta::assert_snapshot!(written.text());
    let json = Globals { json: true, ..globals };
    cli::search::write(&search, &json, &mut out).await.unwrap();
    let first: Value = serde_json::from_str(written.text().lines().next().unwrap()).unwrap();
    assert_eq!((ids(&first["context"]["before"]), ids(&first["context"]["after"])), (vec![82], vec![]));
    served.stop().await;
}
