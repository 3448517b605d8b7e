//! Dialogs are listed completely, and names resolve.

use std::collections::BTreeSet;

use grammers_tl_types::{enums, functions as f};
use telescribe_simulator::{PeerId, Post, WorldSpec};

use crate::client::{Client, dialog_peers, ids, input_peer, marked, spec, start};

#[tokio::test]
async fn paging_lists_every_dialog_once() {
    let spec = WorldSpec { accounts: 1, peers: 137, messages: 2_000, archive_folder: true, ..spec() };
    let simulator = start(&spec).await;
    let client = Client::connect(&simulator, "alpha");
    for (folder_id, limit) in [(None, 10), (None, 100), (Some(0), 30), (Some(1), 5)] {
        let expected: BTreeSet<i64> = simulator.inspect(|world| {
            let account = &world.accounts[0];
            let listed = |at: &&u32| folder_id.is_none_or(|folder| i32::from(account.archived.contains(at)) == folder);
            account.dialogs.iter().filter(listed).map(|at| world.chats[*at as usize].peer.marked()).collect()
        });
        let mut request = f::messages::GetDialogs {
            exclude_pinned: true,
            folder_id,
            offset_date: 0,
            offset_id: 0,
            offset_peer: enums::InputPeer::Empty,
            limit,
            hash: 0,
        };
        let mut seen = Vec::new();
        loop {
            let (dialogs, messages) = match client.call(&request).await.unwrap() {
                enums::messages::Dialogs::Dialogs(page) => (page.dialogs, page.messages),
                enums::messages::Dialogs::Slice(page) => {
                    assert_eq!(page.count as usize, expected.len());
                    (page.dialogs, page.messages)
                }
                enums::messages::Dialogs::NotModified(_) => panic!("no hash was sent"),
            };
            let Some(enums::Dialog::Dialog(last)) = dialogs.last() else { break };
            let peer = marked(&last.peer);
            let newest = messages.last().unwrap();
            request.offset_id = ids(std::slice::from_ref(newest))[0];
            request.offset_date = match newest {
                enums::Message::Message(message) => message.date,
                enums::Message::Service(message) => message.date,
                enums::Message::Empty(_) => panic!("a dialog's newest message is there"),
            };
            request.offset_peer =
                simulator.inspect(|world| input_peer(world, "alpha", telescribe_simulator::PeerId::from_marked(peer)));
            seen.extend(dialogs.iter().map(|dialog| match dialog {
                enums::Dialog::Dialog(dialog) => marked(&dialog.peer),
                _ => panic!("only dialogs are listed"),
            }));
        }
        assert_eq!(seen.len(), expected.len());
        assert_eq!(seen.into_iter().collect::<BTreeSet<i64>>(), expected);
    }
    simulator.stop().await;
}

#[tokio::test]
async fn a_username_resolves_to_a_hash_that_works_and_is_written_in_the_ledger() {
    let simulator = start(&spec()).await;
    let client = Client::connect(&simulator, "alpha");
    let username = simulator.inspect(|world| world.chats.iter().find_map(|chat| chat.username.clone()).unwrap());
    let resolve = |username: &str| f::contacts::ResolveUsername { username: username.into(), referer: None };
    let enums::contacts::ResolvedPeer::Peer(resolved) = client.call(&resolve(&username)).await.unwrap();
    let enums::Chat::Channel(channel) = &resolved.chats[0] else { panic!("a channel") };
    assert_eq!(channel.username.as_deref(), Some(&*username));
    assert_eq!(client.refusal(&resolve("nobody_has_this_name")).await, "USERNAME_NOT_OCCUPIED");
    assert_eq!(simulator.request_count("contacts.resolveUsername"), 2);
    let ledger = simulator.ledger();
    let entry = ledger.iter().find(|entry| entry.method == "contacts.resolveUsername").unwrap();
    assert_eq!(entry.parameters, format!("username={username}"));
    simulator.stop().await;
}

#[tokio::test]
async fn what_is_not_simulated_says_so() {
    let simulator = start(&spec()).await;
    let client = Client::connect(&simulator, "alpha");
    assert_eq!(client.refusal(&f::help::GetTermsOfServiceUpdate {}).await, "METHOD_NOT_SIMULATED");
    assert_eq!(simulator.request_count("help.getTermsOfServiceUpdate"), 1);
    simulator.stop().await;
}

#[tokio::test]
async fn dialogs_stay_in_order_while_messages_come_and_go() {
    let simulator = start(&WorldSpec { accounts: 2, peers: 40, messages: 600, ..spec() }).await;
    let client = Client::connect(&simulator, "alpha");
    let expected = || {
        simulator.inspect(|world| {
            let account = &world.accounts[0];
            let mut listed: Vec<_> = account
                .dialogs
                .iter()
                .map(|at| &world.chats[*at as usize])
                .map(|chat| {
                    let newest = chat.history.newest();
                    (newest.map_or(chat.date, |message| message.date), newest.map_or(0, |message| message.id), chat.peer.marked())
                })
                .collect();
            listed.sort_by(|a, b| b.cmp(a));
            listed.into_iter().map(|(.., peer)| peer).collect::<Vec<i64>>()
        })
    };
    let start_order = expected();
    assert_eq!(dialog_peers(&client).await, start_order);
    let oldest = *start_order.iter().rev().find(|peer| **peer < 0).unwrap();
    let id = simulator.post(PeerId::from_marked(oldest), Post::text("to the top")).unwrap();
    assert_eq!(dialog_peers(&client).await, expected());
    assert_eq!(dialog_peers(&client).await[0], oldest);
    simulator.delete(PeerId::from_marked(oldest), &[id]).unwrap();
    assert_eq!(dialog_peers(&client).await, start_order);
    let all: Vec<i32> = simulator.inspect(|world| {
        world
            .chat(PeerId::from_marked(start_order[0]))
            .map(|chat| chat.history.messages().iter().map(|m| m.id).collect())
            .unwrap_or_default()
    });
    if !all.is_empty() {
        simulator.delete(PeerId::from_marked(start_order[0]), &all).unwrap();
        assert_eq!(dialog_peers(&client).await, expected());
    }
    simulator.stop().await;
}

#[tokio::test]
async fn folders_are_the_accounts_own_and_name_peers_by_its_hashes() {
    let simulator = start(&WorldSpec { folders: true, peers: 30, ..spec() }).await;
    let mut client = Client::connect(&simulator, "bravo");
    let enums::messages::DialogFilters::Filters(filters) = client.call(&f::messages::GetDialogFilters {}).await.unwrap();
    let folders: Vec<_> = filters
        .filters
        .iter()
        .filter_map(|filter| match filter {
            enums::DialogFilter::Filter(folder) => Some(folder),
            _ => None,
        })
        .collect();
    assert!(matches!(filters.filters[0], enums::DialogFilter::Default));
    assert_eq!(folders.iter().map(|folder| folder.id).collect::<Vec<i32>>(), [2, 3]);
    assert!(folders[1].groups && folders[1].exclude_archived && !folders[0].groups);
    let (folders_held, named) = simulator.inspect(|world| {
        let folders = world.accounts[1].folders.clone();
        let named: Vec<_> = folders[0].include_peers.iter().map(|peer| input_peer(world, "bravo", *peer)).collect();
        (folders, named)
    });
    assert!(!named.is_empty());
    assert_eq!(folders[0].include_peers, named);
    simulator.set_folders("bravo", folders_held[..1].to_vec()).unwrap();
    assert!(matches!(client.next_update().await, enums::Update::DialogFilters));
    let enums::messages::DialogFilters::Filters(filters) = client.call(&f::messages::GetDialogFilters {}).await.unwrap();
    assert_eq!(filters.filters.len(), 2);
    simulator.stop().await;
}
