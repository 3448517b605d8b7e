//! Files: each is stored once and whole, whatever gets in the way, and none is without a state.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::collections::BTreeMap;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use telescribe::app::App;
use telescribe::archive::ArchivedFile;
use telescribe::config::{MediaAction, MediaRuleConfig};
use telescribe::model::{FileId, FileKind, FileState, MediaKind};
use telescribe_simulator::{Fault, FileSizes, Outcome, Post, Rule, When, WorldSpec};

use crate::support::fleet::{Fleet, small};

/// A fleet whose files are downloaded.
async fn fleet() -> Fleet {
    let mut fleet = Fleet::new(small()).await;
    fleet.config.media.enabled = true;
    fleet.config.accounts.intervals.insert("upload.getFile".to_owned(), telescribe::config::Span::seconds(0));
    fleet
}

/// Every file that the archive knows.
fn files(app: &App) -> BTreeMap<FileId, ArchivedFile> {
    app.archive.view().files(FileId::photo(i64::MIN)).map(Result::unwrap).map(|file| (file.id, file)).collect()
}

/// Waits until no file is left to be judged or downloaded.
async fn until_settled(fleet: &Fleet, app: &App) -> BTreeMap<FileId, ArchivedFile> {
    let is_settled = |file: &ArchivedFile| {
        matches!(file.state, FileState::Stored(_) | FileState::Skipped { .. } | FileState::Failed { next_try: None, .. })
    };
    fleet.until("every file has come to an end", || !files(app).is_empty() && files(app).values().all(is_settled)).await;
    files(app)
}

/// What the simulated Telegram has behind an id.
fn content(fleet: &Fleet, id: FileId) -> Vec<u8> {
    fleet.simulator.inspect(|world| world.file_content(id.id).unwrap())
}

/// Checks that a stored file is what Telegram has.
fn check(fleet: &Fleet, app: &App, file: &ArchivedFile) {
    let stored = file.state.stored().unwrap_or_else(|| panic!("{} is {:?}", file.id, file.state));
    let truth = content(fleet, file.id);
    let hash: [u8; 32] = Sha256::digest(&truth).into();
    assert_eq!((stored.hash.0, stored.size), (hash, truth.len() as u64), "{}", file.id);
    let reader = app.blobs.get(&stored.hash).unwrap().unwrap();
    assert_eq!(reader.read_range(0, truth.len()).unwrap(), truth);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_file_of_every_message_is_stored_whole_and_none_is_forgotten() {
    let fleet = fleet().await;
    let app = fleet.start_and_finish().await;
    let files = until_settled(&fleet, &app).await;
    let known = fleet.simulator.inspect(|world| world.files.len());
    assert!(files.len() > 20, "{}", files.len());
    assert!(files.len() <= known);
    for file in files.values() {
        check(&fleet, &app, file);
    }
    let mut parts: BTreeMap<String, usize> = BTreeMap::new();
    for call in fleet.simulator.ledger().into_iter().filter(|call| call.method == "upload.getFile" && call.outcome == Outcome::Ok)
    {
        *parts.entry(call.parameters).or_default() += 1;
    }
    parts.retain(|parameters, count| *count > 1 && parameters.ends_with("limit=524288"));
    assert_eq!(parts, BTreeMap::new(), "where nothing goes wrong nothing is fetched twice");
    let kinds: Vec<MediaKind> = files.values().map(|file| file.media).collect();
    assert!(kinds.contains(&MediaKind::Photo) && kinds.contains(&MediaKind::Voice), "{kinds:?}");
    // Every message that carries a file has it.
    let missing: Vec<String> = fleet.simulator.inspect(|world| {
        let of = |message: &telescribe_simulator::world::Message| match message.media() {
            Some(telescribe_simulator::world::Media::Photo(photo)) => Some(FileId { kind: FileKind::Photo, id: photo.id }),
            Some(telescribe_simulator::world::Media::Document(document)) => {
                Some(FileId { kind: FileKind::Document, id: document.id })
            }
            _ => None,
        };
        let crawled = world.chats.iter().filter(|chat| chat.peer.marked() < 0);
        crawled
            .flat_map(|chat| chat.history.messages())
            .filter_map(of)
            .filter(|id| !files.contains_key(id))
            .map(|id| id.to_string())
            .collect()
    });
    assert_eq!(missing, Vec::<String>::new());
    fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_reference_is_renewed_where_the_file_was_seen() {
    let fleet = fleet().await;
    let refused = fleet.simulator.fault(
        Rule::new(Fault::Error { code: 400, name: "FILE_REFERENCE_EXPIRED".to_owned() }, When::Share { share: 0.5, seed: 3 })
            .method("upload.getFile"),
    );
    let app = fleet.start_and_finish().await;
    fleet.until("references are renewed", || fleet.simulator.request_count("channels.getMessages") > 3).await;
    fleet.simulator.remove_fault(refused);
    fleet.until("some are stored", || files(&app).values().filter(|file| file.state.stored().is_some()).count() > 10).await;
    // What met it twice was given up at that place; a person may ask again.
    let given_up: Vec<FileId> =
        files(&app).values().filter(|file| matches!(file.state, FileState::Failed { .. })).map(|f| f.id).collect();
    app.media.wish(&given_up, telescribe::media::Wish::Retry).unwrap();
    for file in until_settled(&fleet, &app).await.values() {
        if file.state.stored().is_some() {
            check(&fleet, &app, file);
        }
    }
    fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_say_what_is_downloaded_and_other_rules_pick_up_what_they_want() {
    let mut fleet = fleet().await;
    let rule = |name: &str, kinds: &[&str], action: MediaAction| MediaRuleConfig {
        name: name.to_owned(),
        kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
        action,
        ..MediaRuleConfig::default()
    };
    fleet.config.media.rules = vec![rule("photos", &["photo"], MediaAction::Download), rule("rest", &[], MediaAction::OnDemand)];
    let app = fleet.start_and_finish().await;
    let files = until_settled(&fleet, &app).await;
    for file in files.values() {
        match file.media {
            MediaKind::Photo => check(&fleet, &app, file),
            _ => assert_eq!(file.state, FileState::Skipped { why: "rule `rest`: only on demand".to_owned() }, "{}", file.id),
        }
    }
    let skipped = files.values().find(|file| file.media == MediaKind::Voice).unwrap().id;
    assert_eq!(app.media.wish(&[skipped], telescribe::media::Wish::Fetch).unwrap(), 1);
    fleet.until("what was asked for is stored", || self::files(&app)[&skipped].state.stored().is_some()).await;
    fleet.stop(app).await;

    fleet.config.media.rules = vec![rule("voices", &["voice"], MediaAction::Download), rule("rest", &[], MediaAction::Skip)];
    let app = fleet.start_and_finish().await;
    fleet
        .until("voices are stored", || {
            self::files(&app).values().filter(|file| file.media == MediaKind::Voice).all(|file| file.state.stored().is_some())
        })
        .await;
    for file in until_settled(&fleet, &app).await.values() {
        // What is stored stays.
        let is_wanted = matches!(file.media, MediaKind::Photo | MediaKind::Voice);
        assert_eq!(file.state.stored().is_some(), is_wanted, "{} {:?}", file.id, file.state);
    }
    fleet.stop(app).await;
}

/// A fleet with files of up to some megabytes in three data centres, in which much goes wrong.
async fn troubled() -> Fleet {
    let mut fleet = Fleet::new(WorldSpec {
        messages: 900,
        media_everywhere: true,
        file_sizes: FileSizes::Between { min: 0, max: 4_000_000 },
        ..small()
    })
    .await;
    fleet.config.media.enabled = true;
    fleet.config.accounts.intervals.insert("upload.getFile".to_owned(), telescribe::config::Span::seconds(0));
    let error = |code: i32, name: &str| Fault::Error { code, name: name.to_owned() };
    for (fault, share, seed) in [
        (Fault::ShortRead { bytes: 5_000 }, 0.05, 1),
        (Fault::FloodPremiumWait { seconds: 1 }, 0.01, 2),
        (error(500, "INTERDC_2_CALL_ERROR"), 0.02, 3),
        (error(-503, "Timeout"), 0.01, 4),
        (error(400, "FILE_REFERENCE_EXPIRED"), 0.02, 5),
        (Fault::Drop, 0.01, 6),
        (Fault::Cut, 0.01, 7),
        (Fault::Delay(Duration::from_millis(50)), 0.1, 8),
    ] {
        fleet.simulator.fault(Rule::new(fault, When::Share { share, seed }).method("upload.getFile"));
    }
    fleet
}

/// Has files tried again that have failed, as a person would, until none is left.
async fn until_stored(fleet: &Fleet, app: &App) -> BTreeMap<FileId, ArchivedFile> {
    fleet
        .until("every file is stored", || {
            let all = files(app);
            let failed: Vec<FileId> =
                all.values().filter(|file| matches!(file.state, FileState::Failed { .. })).map(|file| file.id).collect();
            app.media.wish(&failed, telescribe::media::Wish::Retry).unwrap();
            !all.is_empty() && all.values().all(|file| matches!(file.state, FileState::Stored(_) | FileState::Skipped { .. }))
        })
        .await;
    files(app)
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_do_not_wait_for_files_that_nobody_answers_for() {
    let fleet = fleet().await;
    fleet.simulator.fault(Rule::new(Fault::Silence, When::Always).method("upload.getFile"));
    let app = fleet.start_and_finish().await;
    fleet.until("files are asked for", || fleet.simulator.request_count("upload.getFile") > 0).await;
    let peer =
        fleet.simulator.inspect(|world| world.chats.iter().find(|chat| chat.peer.marked() < -1_000_000_000_000).unwrap().peer);
    let posted = fleet.simulator.post(peer, Post::text("written while files are awaited")).unwrap();
    let key = telescribe::model::MessageKey {
        chat: telescribe::model::PeerId(peer.marked()).into(),
        id: telescribe::model::MessageId(posted),
    };
    fleet.until("it is archived", || app.archive.view().message(key).unwrap().is_some()).await;
    assert!(files(&app).values().all(|file| file.state.stored().is_none()));
    fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_what_telegram_has_and_not_what_it_says_of_its_size() {
    let fleet = troubled().await;
    fleet.simulator.clear_faults();
    let documents: Vec<(i64, i64)> = fleet.simulator.inspect(|world| {
        world.files.iter().filter(|(_, entry)| !entry.is_photo()).map(|(id, entry)| (*id, entry.size)).collect()
    });
    for (at, (id, size)) in documents.iter().enumerate() {
        let lie = match at % 4 {
            0 => *size,
            1 => size + 700_000,
            2 => size / 2,
            _ => 524_288,
        };
        fleet.simulator.set_file_size(*id, lie).unwrap();
    }
    let app = fleet.start_and_finish().await;
    for file in until_stored(&fleet, &app).await.values().filter(|file| file.state.stored().is_some()) {
        check(&fleet, &app, file);
    }
    fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_file_that_came_in_pieces_first_leaves_none_behind() {
    let mut fleet = fleet().await;
    let rest = MediaRuleConfig { name: "all".to_owned(), action: MediaAction::OnDemand, ..MediaRuleConfig::default() };
    fleet.config.media.rules = vec![rest];
    let app = fleet.start_and_finish().await;
    let all = until_settled(&fleet, &app).await;
    let is_small = |file: &&ArchivedFile| {
        let size = file.original().and_then(|original| original.size).unwrap_or(0);
        file.media == MediaKind::Voice && (6_000..500_000).contains(&size)
    };
    let voices: Vec<FileId> = all.values().filter(is_small).map(|file| file.id).collect();
    assert!(!voices.is_empty());
    for voice in &voices {
        // Short twice, of which the second answer is kept as a piece, and then no answer to what it goes on with.
        fleet.simulator.fault(Rule::new(Fault::ShortRead { bytes: 5_000 }, When::Next(2)).file(voice.id));
        let fault = Fault::Error { code: 500, name: "INTERDC_2_CALL_ERROR".to_owned() };
        fleet.simulator.fault(Rule::new(fault, When::Next(1)).file(voice.id));
    }
    assert_eq!(app.media.wish(&voices, telescribe::media::Wish::Fetch).unwrap(), voices.len());
    for file in until_stored(&fleet, &app).await.values().filter(|file| voices.contains(&file.id)) {
        check(&fleet, &app, file);
    }
    assert_eq!(app.blobs.partial_bytes(), 0);
    fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_no_account_can_have_any_more_is_put_off_with_the_reason() {
    let mut fleet = fleet().await;
    let rest = MediaRuleConfig { name: "all".to_owned(), action: MediaAction::OnDemand, ..MediaRuleConfig::default() };
    fleet.config.media.rules = vec![rest];
    let app = fleet.start_and_finish().await;
    let id = *until_settled(&fleet, &app).await.keys().next().unwrap();
    for account in fleet.simulator.accounts() {
        fleet.simulator.ban(&account.name).unwrap();
    }
    fleet.until("every account is known to be lost", || !app.crawler.pool().any_ready()).await;
    assert_eq!(app.media.wish(&[id], telescribe::media::Wish::Fetch).unwrap(), 1);
    let is_put_off =
        || matches!(&files(&app)[&id].state, FileState::Failed { why, next_try: Some(_), .. } if why.contains("no account"));
    fleet.until("it does not stand before the others", is_put_off).await;
    fleet.stop(app).await;
}
