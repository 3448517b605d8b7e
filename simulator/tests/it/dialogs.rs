//! Dialogs are listed completely, and names resolve.

use std::collections::BTreeSet;

use grammers_tl_types::{enums, functions as f};
use telescribe_simulator::WorldSpec;

use crate::client::{Client, ids, input_peer, spec, start};

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

fn marked(peer: &enums::Peer) -> i64 {
    match peer {
        enums::Peer::User(user) => user.user_id,
        enums::Peer::Chat(chat) => -chat.chat_id,
        enums::Peer::Channel(channel) => -1_000_000_000_000 - channel.channel_id,
    }
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
