//! Files come whole, part by part, over connections that hold up nothing else.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use grammers_tl_types::enums;
use telescribe::accounts::{AuthKey, DataCentre, LeaseOutcome, Pool, PoolSettings, Session, Urgency};
use telescribe::model::{FileAccess, FileId, FileOrigin, IdRange, MessageId, MessageKey, PeerId, SystemClock};
use telescribe::telegram::{
    Client, DIALOGS_SIZE, FileError, FileLocation, FileSettings, PART_MAX, PartRange, Refetched, Settings, TelegramError, method,
    parts,
};
use telescribe_simulator::world::{ChatKind, Media};
use telescribe_simulator::{Fault, LedgerEntry, Outcome, Rule, Simulator, When};

use crate::support::caller::{Caller, settings, simulated};
use crate::support::methods::{EXPORT, GET_FILE, HISTORY, IMPORT};
use crate::support::waiting::until;

const GREETING: &str = "help.getConfig";
/// More than one window of 1 MiB.
const LARGE: i64 = 1_200_000;

/// A file that `alpha` can see in a channel or supergroup.
struct Posted {
    origin: FileOrigin,
    id: FileId,
    dc: i32,
    content: Vec<u8>,
}

/// The largest document that `alpha` can see in a data centre.
fn document_in(simulator: &Simulator, dc: i32) -> Posted {
    posted(simulator, |media| match media {
        Media::Document(document) => Some(FileId::document(document.id)),
        _ => None,
    })
    .into_iter()
    .filter(|posted| posted.dc == dc)
    .max_by_key(|posted| posted.content.len())
    .unwrap()
}

fn posted(simulator: &Simulator, which: impl Fn(&Media) -> Option<FileId>) -> Vec<Posted> {
    simulator.inspect(|world| {
        let account = world.accounts.iter().find(|account| account.name == "alpha").unwrap();
        let chats = account.dialogs.iter().map(|at| &world.chats[*at as usize]);
        let shared = chats.filter(|chat| matches!(chat.kind, ChatKind::Supergroup | ChatKind::Channel));
        let messages = shared.flat_map(|chat| chat.history.messages().iter().map(move |message| (chat.peer, message)));
        let found = messages.filter_map(|(peer, message)| Some((peer, message.id, which(message.media()?)?)));
        let posted = found.map(|(peer, id, file)| Posted {
            origin: FileOrigin::Message(MessageKey::new(PeerId(peer.marked()), MessageId(id))),
            id: file,
            dc: world.files[&file.id].dc,
            content: world.file_content(file.id).unwrap(),
        });
        posted.collect()
    })
}

/// What the account is told of a file when it reads again where it was seen.
async fn location(client: &Client, posted: &Posted) -> FileLocation {
    let Some(Refetched::Message(message)) = client.refetch(posted.origin).await.unwrap() else { panic!("a message") };
    let enums::Message::Message(message) = *message else { panic!("a message with a file") };
    let (access, letter) = match message.media.unwrap() {
        enums::MessageMedia::Document(media) => {
            let Some(enums::Document::Document(d)) = media.document else { panic!("a document") };
            (FileAccess { dc: d.dc_id, hash: d.access_hash, reference: d.file_reference }, "")
        }
        enums::MessageMedia::Photo(media) => {
            let Some(enums::Photo::Photo(p)) = media.photo else { panic!("a photo") };
            (FileAccess { dc: p.dc_id, hash: p.access_hash, reference: p.file_reference }, "y")
        }
        _ => panic!("a file"),
    };
    assert_eq!(access.dc, posted.dc);
    FileLocation::of(posted.id, &access, letter)
}

/// A client of `alpha` that knows its peers.
async fn alpha(session: &Arc<Session>, settings: Settings, more: impl FnOnce(Client) -> Client) -> Caller {
    let caller = Caller::with(Arc::clone(session), settings, more);
    caller.client.dialogs(None, DIALOGS_SIZE).await.unwrap();
    caller
}

fn elsewhere(session: &Session) -> i32 {
    (1..=3).find(|dc| *dc != session.home()).unwrap()
}

fn first() -> PartRange {
    PartRange::new(0, PART_MAX).unwrap()
}

/// So many parts at once are more than any account has connections.
const AT_ONCE: usize = 12;

/// The whole file, by parts of a size.
async fn whole(client: &Client, location: &FileLocation, posted: &Posted, part_size: u32) -> Vec<u8> {
    let parts: Vec<PartRange> = parts(posted.content.len() as u64, part_size).collect();
    let mut content = Vec::new();
    for some in parts.chunks(AT_ONCE) {
        let asked = join_all(some.iter().map(|range| client.get_part(location, posted.dc, *range))).await;
        content.extend(asked.into_iter().flat_map(|part| part.unwrap().bytes));
    }
    content
}

fn pool() -> Arc<Pool> {
    let settings = PoolSettings { request_interval: Duration::ZERO, ..PoolSettings::default() };
    Pool::new(["alpha".parse().unwrap()], settings, Arc::new(SystemClock))
}

fn asked(simulator: &Simulator, method: &str) -> Vec<LedgerEntry> {
    simulator.ledger().into_iter().filter(|entry| entry.account == "alpha" && entry.method == method).collect()
}

fn greetings(simulator: &Simulator, dc: i32) -> usize {
    asked(simulator, GREETING).iter().filter(|entry| entry.dc == dc).count()
}

/// Reads the newest message of the peer that a file was seen in.
async fn read_history(client: &Client, posted: &Posted) -> Result<(), TelegramError> {
    let FileOrigin::Message(key) = posted.origin else { panic!("a message") };
    client.history(key.peer(), IdRange::new(1, key.id.0).unwrap(), 1).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn files_come_whole_from_home_and_from_another_data_centre() {
    let (simulator, sessions) = simulated().await;
    let caller = alpha(&sessions["alpha"], settings(), |client| client).await;
    let is_photo = |media: &Media| match media {
        Media::Photo(photo) => Some(FileId::photo(photo.id)),
        _ => None,
    };
    let (home, away) = (caller.session.home(), elsewhere(&caller.session));
    for dc in [home, away] {
        let document = document_in(&simulator, dc);
        assert!(document.content.len() as i64 > LARGE, "over a border of 1 MiB");
        let photo = posted(&simulator, is_photo).into_iter().find(|photo| photo.dc == dc).unwrap();
        for posted in [document, photo] {
            let location = location(&caller.client, &posted).await;
            assert!(whole(&caller.client, &location, &posted, PART_MAX).await == posted.content, "{location:?}");
        }
    }
    let photo = posted(&simulator, is_photo).into_iter().find(|photo| photo.dc == home).unwrap();
    let location = location(&caller.client, &photo).await;
    assert_eq!(caller.client.get_part(&location, home, first()).await.unwrap().mime, Some("image/jpeg"));
    caller.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_every_size_is_served_and_beyond_the_end_there_is_none() {
    let (simulator, sessions) = simulated().await;
    let caller = alpha(&sessions["alpha"], settings(), |client| client).await;
    let posted = document_in(&simulator, caller.session.home());
    let location = location(&caller.client, &posted).await;
    let size = posted.content.len() as u64;
    let mut ranges: Vec<PartRange> = Vec::new();
    for doubled in 0..8 {
        let all: Vec<PartRange> = parts(size, 4096 << doubled).collect();
        ranges.extend(all.iter().take(2).chain(all.last()));
    }
    for (offset, limit) in [(1024, 1024), (3 * 1024, 5 * 1024), ((1 << 20) - 1024, 1024), (1 << 20, 100 * 1024)] {
        let range = PartRange::new(offset, limit).unwrap();
        assert!(range.is_precise(), "{range:?}");
        ranges.push(range);
    }
    ranges.push(PartRange::new(size.next_multiple_of(4096), 4096).unwrap());
    for range in ranges {
        let part = caller.client.get_part(&location, posted.dc, range).await.unwrap();
        let (from, to) = (range.offset().min(size), (range.offset() + u64::from(range.limit())).min(size));
        let range_of = usize::try_from(from).unwrap()..usize::try_from(to).unwrap();
        assert!(part.bytes == posted.content[range_of], "{range:?}: {part:?}");
    }
    caller.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authorisation_is_taken_along_once_for_all_connections_and_lasts_over_a_restart() {
    let (simulator, sessions) = simulated().await;
    let caller = alpha(&sessions["alpha"], settings(), |client| client.paced_by(pool())).await;
    caller.session.set_premium(true);
    let posted = document_in(&simulator, elsewhere(&caller.session));
    let location = location(&caller.client, &posted).await;
    let key = caller.session.data_centre(posted.dc).unwrap().auth_key;
    for _ in 0..3 {
        assert!(whole(&caller.client, &location, &posted, 65_536).await == posted.content);
    }
    let connections = greetings(&simulator, posted.dc);
    assert!((2..=8).contains(&connections), "{connections} connections");
    let refused = asked(&simulator, GET_FILE).iter().filter(|entry| entry.outcome != Outcome::Ok).count();
    assert!((1..=AT_ONCE).contains(&refused), "those that were under way before: {refused}");
    assert!(caller.session.lost().is_none());
    caller.end().await;

    let caller = alpha(&sessions["alpha"], settings(), |client| client).await;
    assert!(whole(&caller.client, &location, &posted, PART_MAX).await == posted.content);
    assert_eq!((asked(&simulator, EXPORT).len(), asked(&simulator, IMPORT).len()), (1, 1));
    assert!(asked(&simulator, IMPORT).iter().all(|entry| entry.dc == posted.dc));
    assert_eq!(caller.session.data_centre(posted.dc).unwrap().auth_key, key);
    caller.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_has_two_connections_with_a_data_centre_and_more_only_if_it_pays() {
    for (premium, most) in [(false, 2), (true, 8)] {
        let (simulator, sessions) = simulated().await;
        let caller = alpha(&sessions["alpha"], settings(), |client| client).await;
        caller.session.set_premium(premium);
        let posted = document_in(&simulator, caller.session.home());
        let location = location(&caller.client, &posted).await;
        simulator.fault(Rule::new(Fault::Delay(Duration::from_millis(100)), When::Always).method(GET_FILE));
        for _ in 0..2 {
            assert!(whole(&caller.client, &location, &posted, 65_536).await == posted.content);
        }
        assert_eq!(greetings(&simulator, posted.dc), most + 1, "and the account's own one");
        caller.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_centre_that_does_not_let_the_account_in_signs_nobody_out_and_home_does() {
    let (simulator, sessions) = simulated().await;
    let caller = alpha(&sessions["alpha"], settings(), |client| client).await;
    let (here, there) = (document_in(&simulator, caller.session.home()), document_in(&simulator, elsewhere(&caller.session)));
    let (at_home, away) = (location(&caller.client, &here).await, location(&caller.client, &there).await);
    let unregistered = Fault::Error { code: 401, name: "AUTH_KEY_UNREGISTERED".to_owned() };
    let rule = simulator.fault(Rule::new(unregistered, When::Always).method(GET_FILE));
    let error = caller.client.get_part(&away, there.dc, first()).await.unwrap_err();
    assert!(matches!(&error, FileError::Unauthorized { dc, retry_in, .. } if *dc == there.dc && !retry_in.is_zero()), "{error}");
    assert_eq!((asked(&simulator, EXPORT).len(), asked(&simulator, IMPORT).len(), asked(&simulator, GET_FILE).len()), (1, 1, 2));
    // It is remembered, and costs no more requests.
    let error = caller.client.get_part(&away, there.dc, first()).await.unwrap_err();
    assert!(matches!(error, FileError::Unauthorized { .. }), "{error}");
    assert_eq!((asked(&simulator, EXPORT).len(), asked(&simulator, GET_FILE).len()), (1, 2));
    caller.client.state().await.unwrap();

    let error = caller.client.get_part(&at_home, here.dc, first()).await.unwrap_err();
    assert!(matches!(error, FileError::SignedOut(TelegramError::SignedOut { .. })), "{error}");
    simulator.remove_fault(rule);
    caller.client.get_part(&at_home, here.dc, first()).await.unwrap();
    caller.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_for_the_authorisation_is_kept_and_holds_up_that_data_centre_only() {
    let (simulator, sessions) = simulated().await;
    let pool = pool();
    let caller = alpha(&sessions["alpha"], settings(), |client| client.paced_by(Arc::clone(&pool))).await;
    let (here, there) = (document_in(&simulator, caller.session.home()), document_in(&simulator, elsewhere(&caller.session)));
    let (at_home, away) = (location(&caller.client, &here).await, location(&caller.client, &there).await);
    simulator.fault(Rule::new(Fault::FloodWait { seconds: 900 }, When::Next(1)).method(EXPORT));
    let error = caller.client.get_part(&away, there.dc, first()).await.unwrap_err();
    assert!(matches!(error, FileError::FloodWait { method: EXPORT, .. }), "{error}");
    for _ in 0..3 {
        let error = caller.client.get_part(&away, there.dc, first()).await.unwrap_err();
        assert!(matches!(error, FileError::RateLimited { method: EXPORT, .. }), "{error}");
    }
    assert_eq!((asked(&simulator, EXPORT).len(), asked(&simulator, GET_FILE).len()), (1, 1));
    caller.client.get_part(&at_home, here.dc, first()).await.unwrap();
    assert!(simulator.early_calls().is_empty());
    caller.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_elsewhere_or_gone_and_a_reference_that_ran_out_are_told_apart() {
    let (simulator, sessions) = simulated().await;
    let caller = alpha(&sessions["alpha"], settings(), |client| client).await;
    let (home, away) = (caller.session.home(), elsewhere(&caller.session));
    let posted = document_in(&simulator, away);
    let old = location(&caller.client, &posted).await;
    assert_eq!(caller.client.get_part(&old, home, first()).await.unwrap_err(), FileError::Migrated(away));
    caller.client.get_part(&old, away, first()).await.unwrap();

    simulator.expire_file_references("alpha").unwrap();
    let error = caller.client.get_part(&old, away, first()).await.unwrap_err();
    assert!(matches!(error, FileError::ReferenceExpired { .. }), "{error}");
    let new = location(&caller.client, &posted).await;
    caller.client.get_part(&new, away, first()).await.unwrap();

    let FileLocation::Document { id, hash, reference, letter } = new else { panic!("a document") };
    let forged = FileLocation::Document { id, hash: hash + 1, reference, letter };
    let error = caller.client.get_part(&forged, away, first()).await.unwrap_err();
    assert!(matches!(&error, FileError::Gone { name } if name == "LOCATION_INVALID"), "{error}");
    let unknown = FileLocation::Avatar { peer: PeerId::channel(1), photo: 1, is_big: true };
    let error = caller.client.get_part(&unknown, away, first()).await.unwrap_err();
    assert!(matches!(error, FileError::Gone { .. }), "{error}");
    caller.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_file_was_seen_is_read_again_also_where_nothing_is_there_any_more() {
    let (simulator, sessions) = simulated().await;
    let caller = alpha(&sessions["alpha"], settings(), |client| client).await;
    let posted = document_in(&simulator, caller.session.home());
    let FileOrigin::Message(key) = posted.origin else { panic!("a message") };
    let beyond = FileOrigin::Message(MessageKey { id: MessageId(i32::MAX - 1), ..key });
    assert_eq!(caller.client.refetch(beyond).await.unwrap(), None);
    let avatar = caller.client.refetch(FileOrigin::Avatar(key.peer())).await.unwrap();
    let Some(Refetched::Chat(chat)) = avatar else { panic!("a channel") };
    let enums::Chat::Channel(channel) = *chat else { panic!("a channel") };
    assert_eq!(PeerId::channel(channel.id), key.peer());
    let me = caller.client.myself().await.unwrap().unwrap().id;
    let avatar = caller.client.refetch(FileOrigin::Avatar(me)).await.unwrap();
    assert!(matches!(avatar, Some(Refetched::User(_))), "{avatar:?}");
    assert_eq!(Client::refetch_method(posted.origin), "channels.getMessages");
    caller.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_wait_for_files_parks_files_only_and_history_goes_on() {
    let (simulator, sessions) = simulated().await;
    for name in ["FLOOD_WAIT_9", "FLOOD_PREMIUM_WAIT_9"] {
        let pool = pool();
        let caller = alpha(&sessions["alpha"], settings(), |client| client.paced_by(Arc::clone(&pool))).await;
        let account = *caller.session.name();
        let posted = document_in(&simulator, caller.session.home());
        let location = location(&caller.client, &posted).await;
        let lease = |method| pool.lease([&account], method, Urgency::Background);
        let LeaseOutcome::Granted(held) = lease(method::GET_FILE) else { panic!("free") };
        simulator.fault(Rule::new(Fault::Error { code: 420, name: name.to_owned() }, When::Next(1)).method(GET_FILE));
        let error = caller.client.get_part(&location, posted.dc, first()).await.unwrap_err();
        let waits = |wait: &Duration| *wait == Duration::from_secs(9);
        assert!(matches!(&error, FileError::FloodWait { method: GET_FILE, wait, .. } if waits(wait)), "{error}");
        drop(held);
        assert!(matches!(lease(method::GET_FILE), LeaseOutcome::NotBefore(_)));
        let parked: Vec<String> = pool.status().into_iter().flat_map(|status| status.parked.into_keys()).collect();
        assert_eq!(parked, [GET_FILE]);
        let LeaseOutcome::Granted(_held) = lease(HISTORY) else { panic!("free") };
        read_history(&caller.client, &posted).await.unwrap();
        caller.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_centre_that_falls_silent_holds_up_no_other_and_not_the_accounts_own_connection() {
    let (simulator, sessions) = simulated().await;
    let settings = Settings { request_timeout: Duration::from_secs(2), ..settings() };
    let caller = alpha(&sessions["alpha"], settings, |client| client).await;
    let client = &caller.client;
    let (here, there) = (document_in(&simulator, caller.session.home()), document_in(&simulator, elsewhere(&caller.session)));
    let (at_home, away) = (location(client, &here).await, location(client, &there).await);
    client.get_part(&away, there.dc, first()).await.unwrap();
    let own = greetings(&simulator, here.dc);
    simulator.silence_dc(there.dc, true);
    let silent = async {
        let mut waits = Vec::new();
        while waits.len() < 3 {
            // Several at once: they hold each other up no longer than one does.
            let begun = Instant::now();
            for error in join_all((0..4).map(|_| client.get_part(&away, there.dc, first()))).await {
                let FileError::Transient { retry_in, .. } = error.unwrap_err() else { panic!("no answer") };
                waits.extend(Some(retry_in).filter(|wait| !wait.is_zero()));
            }
            assert!(begun.elapsed() < Duration::from_secs(8), "every call ends in time");
        }
    };
    let mut read = 0;
    let alive = async {
        loop {
            let begun = Instant::now();
            read_history(client, &here).await.unwrap();
            client.get_part(&at_home, here.dc, first()).await.unwrap();
            assert!(begun.elapsed() < Duration::from_secs(2), "nothing waits for the other data centre");
            assert!(client.outage().is_none());
            read += 1;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        () = silent => {}
        () = alive => {}
    }
    assert!(read > 10, "{read}");
    assert_eq!(
        greetings(&simulator, here.dc),
        own + 1,
        "the account's own connection is the one that it was, and one for files is new"
    );

    simulator.silence_dc(there.dc, false);
    loop {
        match client.get_part(&away, there.dc, first()).await {
            Ok(_) => break,
            Err(FileError::Transient { retry_in, .. }) => tokio::time::sleep(retry_in).await,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(asked(&simulator, EXPORT).len(), 1, "it is still let in");
    caller.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_for_files_that_breaks_or_panics_is_made_anew_and_no_other() {
    let (simulator, sessions) = simulated().await;
    let caller = alpha(&sessions["alpha"], settings(), |client| client).await;
    let posted = document_in(&simulator, caller.session.home());
    let location = location(&caller.client, &posted).await;
    for fault in [Fault::Drop, Fault::WrongSession] {
        simulator.fault(Rule::new(fault, When::Next(1)).method(GET_FILE));
        let error = caller.client.get_part(&location, posted.dc, first()).await.unwrap_err();
        assert!(matches!(error, FileError::Transient { .. }), "{error}");
        assert!(caller.client.outage().is_none());
        caller.client.get_part(&location, posted.dc, first()).await.unwrap();
    }
    assert_eq!(greetings(&simulator, posted.dc), 4, "the account's own one, and three for files");
    // A server that does not know the key of another data centre leads to no key, and to no sign-out.
    let dc = elsewhere(&caller.session);
    let known = caller.session.data_centre(dc).unwrap();
    caller.session.set_data_centre(dc, DataCentre { auth_key: Some(AuthKey::new([7; 256])), ..known }).unwrap();
    let error = caller.client.get_part(&location, dc, first()).await.unwrap_err();
    assert!(matches!(error, FileError::Transient { .. }), "{error}");
    caller.client.state().await.unwrap();
    caller.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_is_closed_and_made_again_when_it_is_needed() {
    let (simulator, sessions) = simulated().await;
    let idle = FileSettings { idle_after: Duration::from_millis(200), ..FileSettings::default() };
    let caller = alpha(&sessions["alpha"], settings(), |client| client.with_files(idle)).await;
    let posted = document_in(&simulator, caller.session.home());
    let location = location(&caller.client, &posted).await;
    let (tasks, own) = (caller.lifecycle.tasks(), greetings(&simulator, posted.dc));
    for made in 1..3 {
        caller.client.get_part(&location, posted.dc, first()).await.unwrap();
        until("the connection is closed", || caller.lifecycle.tasks() == tasks).await;
        assert_eq!(greetings(&simulator, posted.dc), own + made);
    }
    // One that is waited for is not idle.
    simulator.fault(Rule::new(Fault::Delay(Duration::from_millis(900)), When::Next(1)).method(GET_FILE));
    caller.client.get_part(&location, posted.dc, first()).await.unwrap();
    caller.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_downloads_within_seconds() {
    let (simulator, sessions) = simulated().await;
    let caller = alpha(&sessions["alpha"], settings(), |client| client).await;
    let (home, away) = (caller.session.home(), elsewhere(&caller.session));
    let posted = [document_in(&simulator, home), document_in(&simulator, away)];
    let locations = [location(&caller.client, &posted[0]).await, location(&caller.client, &posted[1]).await];
    caller.client.get_part(&locations[0], home, first()).await.unwrap();
    simulator.fault(Rule::new(Fault::Silence, When::Always).method(GET_FILE));
    simulator.silence_dc(away, true);
    let begun = Instant::now();
    let asked = [caller.client.get_part(&locations[0], home, first()), caller.client.get_part(&locations[1], away, first())];
    let stop = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        caller.lifecycle.stop_soft();
    };
    let (errors, ()) = tokio::join!(join_all(asked), stop);
    assert!(errors.iter().all(|error| *error == Err(FileError::Stopping)), "{errors:?}");
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    let begun = Instant::now();
    assert_eq!(caller.client.get_part(&locations[0], home, first()).await, Err(FileError::Stopping));
    assert!(begun.elapsed() < Duration::from_secs(1));
    caller.end().await;
}

#[test]
fn a_part_that_telegram_would_refuse_cannot_be_asked_for() {
    let made: BTreeMap<(u64, u32), bool> = [(0, PART_MAX), (0, PART_MAX * 2), (100, 4096), (1_044_480, 8192)]
        .map(|(offset, limit)| ((offset, limit), PartRange::new(offset, limit).is_some()))
        .into();
    assert_eq!(made.into_values().filter(|made| *made).count(), 1);
}
