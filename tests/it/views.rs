//! One set of types: what the server writes is what a client of the same version reads, member by member.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test")]

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use telescribe::archive::Archive;
use telescribe::crawl::Progress;
use telescribe::http::Sealing;
use telescribe::model::{IdRange, PeerId, PeerKind, RangeSet};
use telescribe::views::{
    AccountStatusView, AmountView, BackupFailureView, BackupStatusView, BackupView, ChangeView, CoverageDetail, CoveragePage,
    CrawlView, ErasuresPage, HitsPage, JobsView, KnownPeer, MemberCountsPage, MessageContextView, MessageCountersPage,
    MessageDetail, MessagesPage, MirrorView, NoResponseView, OpenFilesView, OutputView, PeerAccountsView, PeersPage, Problem,
    ProgramView, PublishView, RecipientView, StatusView, TopicsPage, WatchView, WatchesPage, WorkerView,
};

use crate::support::archives::add_to_each;
use crate::support::messages::{NOW, titled};
use crate::support::served::{NEWS, Served, furnish, listening};

/// Reads a text as a type of its own, and writes that again.
type Reread = fn(&str) -> String;

/// Reads a text as a type, and writes that again.
fn again<T: DeserializeOwned + Serialize>(text: &str) -> String {
    let view: T = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    serde_json::to_string(&view).unwrap()
}

#[tokio::test]
async fn what_the_server_writes_is_what_a_client_reads() {
    let served = Served::start_with(listening(Sealing::Off), furnish).await;
    let resources: [(&str, Reread); 24] = [
        ("/v1/search?q=report&sort=relevance", again::<HitsPage>),
        ("/v1/search?q=number&limit=2", again::<HitsPage>),
        ("/v1/search?q=&limit=1&facets=peer,sender,kind,lang,host,hashtag&histogram=day&timezone=Asia/Tokyo", again::<HitsPage>),
        ("/v1/peers", again::<PeersPage>),
        ("/v1/peers?all=true&limit=1", again::<PeersPage>),
        ("/v1/peers/@novosti", again::<KnownPeer>),
        ("/v1/peers/-1001500000001/messages?limit=2", again::<MessagesPage>),
        ("/v1/peers/-1001500000001/messages/3?raw=true", again::<MessageDetail>),
        ("/v1/peers/-1001500000001/messages/3/context", again::<MessageContextView>),
        ("/v1/search?q=message&collapse=text", again::<HitsPage>),
        ("/v1/peers/-1001500000001/messages/3/counters?limit=1", again::<MessageCountersPage>),
        ("/v1/peers/@novosti/counters", again::<MemberCountsPage>),
        ("/v1/peers/@novosti/accounts", again::<PeerAccountsView>),
        ("/v1/peers/-1001500000002/topics", again::<TopicsPage>),
        ("/v1/peers/-1001500000002/coverage", again::<CoverageDetail>),
        ("/v1/coverage?limit=1", again::<CoveragePage>),
        ("/v1/jobs", again::<JobsView>),
        ("/v1/erasures", again::<ErasuresPage>),
        ("/v1/watches", again::<WatchesPage>),
        ("/v1/watches/books", again::<WatchView>),
        ("/v1/sealed", again::<RecipientView>),
        ("/v1/status", again::<StatusView>),
        ("/v1/peers/@nobody", again::<Problem>),
        ("/nowhere", again::<Problem>),
    ];
    for (target, again) in resources {
        let answer = served.get(target).await;
        let text = std::str::from_utf8(&answer.body).unwrap();
        assert_eq!(again(text), text, "{target}");
    }
    let changes = served.get("/v1/changes").await;
    for line in std::str::from_utf8(&changes.body).unwrap().lines() {
        assert_eq!(again::<ChangeView>(line), line);
    }
    served.stop().await;
}

/// Read wholly, but for what each of them lacks.
#[tokio::test]
async fn status_coverage_and_its_details_agree_on_what_is_complete() {
    let whole = IdRange::new(1, 9).unwrap();
    let one = |is_lacking: bool| RangeSet::from_iter(is_lacking.then(|| IdRange::new(3, 3).unwrap()));
    let peers: Vec<PeerId> = (1..=4).map(|n| PeerId(NEWS.0 - 100 - n)).collect();
    let fill = |archive: &Archive| {
        let mut write = archive.write(NOW);
        for (&peer, lacks) in peers.iter().zip(["nothing", "missing", "recheck", "held"]) {
            write.peer(titled(peer, PeerKind::Channel, lacks));
            write.covered(peer, whole).crawl_state(peer, move |state| {
                state.top = if lacks == "missing" { 10 } else { 9 };
                state.recheck = one(lacks == "recheck");
                state.held = one(lacks == "held");
            });
        }
        write.commit().unwrap();
    };
    let served = Served::start_with(listening(Sealing::Off), fill).await;
    let mut complete = Vec::new();
    for &peer in &peers {
        let detail = served.get(&format!("/v1/peers/{peer}/coverage")).await.json();
        let (is_complete, holes) = (detail["complete"].as_bool().unwrap(), detail["holes"].as_array().unwrap().len());
        assert_eq!(holes == 0, is_complete, "{detail}");
        complete.push(is_complete);
    }
    assert_eq!(complete, [true, false, false, false]);
    let coverage = served.get("/v1/coverage?limit=100").await.json();
    let views = coverage["peers"].as_array().unwrap();
    let counted = views.iter().filter(|view| view["complete"].as_bool().unwrap()).count() as u64;
    let progress = Progress::of(&served.archive);
    assert_eq!(coverage["summary"]["peers_complete"], counted);
    assert_eq!((progress.peers, progress.peers_complete), (views.len() as u64, counted));
    served.stop().await;
}

#[tokio::test]
async fn the_totals_of_coverage_are_of_one_moment_while_writes_go_on() {
    const WRITES: i32 = 300;
    let peers: Vec<PeerId> = (1..=20).map(|n| PeerId(NEWS.0 - 100 - n)).collect();
    let served = Served::start_with(listening(Sealing::Off), |archive| add_to_each(archive, &peers, 1)).await;
    let messages = async || served.get("/v1/coverage?limit=1").await.json()["summary"]["messages"].as_u64().unwrap();
    let (before, each) = (messages().await, peers.len() as u64);
    let archive = Arc::clone(&served.archive);
    let writing = tokio::task::spawn_blocking(move || (2..=WRITES).for_each(|id| add_to_each(&archive, &peers, id)));
    while !writing.is_finished() {
        assert_eq!((messages().await - before) % each, 0, "every write adds a message to each peer");
    }
    writing.await.unwrap();
    assert_eq!(messages().await - before, u64::from(WRITES.unsigned_abs() - 1) * each);
    served.stop().await;
}

#[test]
fn the_status_of_a_running_program_is_read_as_it_was_written() {
    let account = AccountStatusView {
        name: "alpha".to_owned(),
        state: "banned".into(),
        reason: Some("USER_DEACTIVATED_BAN".to_owned()),
        way_out: None,
        requests: 1,
        requests_running: 2,
        downloads_running: 3,
        rests_until: None,
        parked_until: [("messages.getHistory".to_owned(), "2026-01-31T12:00:00+00:00".to_owned())].into(),
        interval_seconds: [("messages.getHistory".to_owned(), 1.5), ("users.getUsers".to_owned(), 2.0)].into(),
        floods: 4,
        last_flood: None,
        no_response: Some(NoResponseView {
            since: "2026-01-31T12:00:00Z".to_owned(),
            method: "messages.getHistory".to_owned(),
            why: "data centre 2 at 192.0.2.1:443: timed out".to_owned(),
            next_try: "2026-01-31T12:00:30Z".to_owned(),
            attempts: 3,
        }),
    };
    let publish = PublishView {
        state: "connected".into(),
        position: 5,
        lag: 0,
        confirmed: 5,
        unroutable: 0,
        connections: 1,
        last_error: None,
        next_try: Some("2026-01-31T12:00:30Z".to_owned()),
        refused_event: Some("a.1-0f3c9a72.6.watch.matched.leaks".to_owned()),
        dead_letters: 2,
    };
    let worker = WorkerView { name: "indexer".to_owned(), steps: 6, failures: 0, failing: None, stopped: false };
    let program = ProgramView {
        running: true,
        crawl: Some(CrawlView { peers: Some(7), ..CrawlView::default() }),
        accounts: Some(vec![account]),
        jobs: Some(Vec::new()),
        outputs: Some(vec![OutputView { name: "publish".to_owned(), kind: "rabbitmq".into(), report: publish.clone() }]),
        publish: Some(Some(publish)),
        backup: Some(backup_status()),
        mirror: Some(mirror()),
        workers: Some(vec![worker]),
        open_files: Some(OpenFilesView { open: 60, limit: 4_096, archive_max: 2_048 }),
    };
    for program in [program.clone(), ProgramView { publish: Some(None), ..program }, ProgramView::default()] {
        let text = serde_json::to_string(&program).unwrap();
        assert_eq!(serde_json::from_str::<ProgramView>(&text).unwrap(), program, "{text}");
    }
    let stopped: Value = serde_json::to_value(ProgramView::default()).unwrap();
    assert_eq!(stopped, serde_json::json!({ "running": false }));
}

fn mirror() -> MirrorView {
    MirrorView {
        target: "s3://files at https://s3.example.org".to_owned(),
        state: "connected".into(),
        position: 5,
        lag: 0,
        objects: AmountView { count: 3, bytes: 300 },
        only_there: AmountView { count: 1, bytes: 100 },
        waiting: 0,
        uploading: 0,
        failed: 0,
        last_error: None,
    }
}

fn backup_status() -> BackupStatusView {
    let newest = BackupView {
        id: "20240131T120000Z-7".to_owned(),
        target: "/mnt/backup".to_owned(),
        at: "2024-01-31T12:00:00Z".to_owned(),
        age_seconds: 60,
        change: 42,
        size: 1_000,
        copied_size: 10,
        sessions_left_out: vec!["bravo".to_owned()],
        unread: vec!["the session of account `charlie` could not be read and is not in it: it is damaged".to_owned()],
    };
    let failure =
        BackupFailureView { target: "/mnt/backup".to_owned(), at: "2024-02-01T12:00:00Z".to_owned(), why: "no space".to_owned() };
    BackupStatusView { state: "failed".into(), newest: Some(newest), failures: vec![failure] }
}
