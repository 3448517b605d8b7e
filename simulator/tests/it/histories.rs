//! Histories are served as Telegram serves them.

use std::collections::BTreeMap;

use grammers_tl_types::{enums, functions as f, types};
use telescribe_simulator::world::ChatKind;

use crate::client::{Client, chat_of, history, ids, input_channel, input_peer, messages_in, spec, start};

#[tokio::test]
async fn every_message_of_every_dialog_is_read_page_by_page_in_both_directions() {
    let simulator = start(&spec()).await;
    for name in ["alpha", "bravo", "charlie"] {
        let client = Client::connect(&simulator, name);
        let chats: Vec<_> = simulator.inspect(|world| {
            let account = &world.accounts[world.account_named(name).unwrap()];
            let chat = |at: &u32| &world.chats[*at as usize];
            account
                .dialogs
                .iter()
                .map(|at| {
                    let ids: Vec<i32> = chat(at).history.messages().iter().map(|message| message.id).collect();
                    (input_peer(world, name, chat(at).peer), ids)
                })
                .collect()
        });
        for (peer, expected) in chats {
            let mut backwards = Vec::new();
            let mut request = history(peer.clone());
            request.limit = 37;
            loop {
                let page = ids(&messages_in(client.call(&request).await.unwrap()));
                let Some(last) = page.last() else { break };
                request.offset_id = *last;
                backwards.extend(page);
            }
            backwards.reverse();
            assert_eq!(backwards, expected);

            let mut forwards: Vec<i32> = Vec::new();
            loop {
                // The page of messages from the offset on: moved back by its own length.
                let mut request = history(peer.clone());
                request.offset_id = forwards.last().map_or(1, |last| last + 1);
                request.add_offset = -41;
                request.limit = 41;
                let mut page = ids(&messages_in(client.call(&request).await.unwrap()));
                if page.is_empty() {
                    break;
                }
                page.reverse();
                forwards.extend(page);
            }
            assert_eq!(forwards, expected);
        }
    }
    simulator.stop().await;
}

#[tokio::test]
async fn the_users_and_chats_that_a_page_mentions_come_with_it() {
    let simulator = start(&spec()).await;
    let client = Client::connect(&simulator, "alpha");
    let peers: Vec<_> = simulator.inspect(|world| {
        let account = &world.accounts[0];
        account.dialogs.iter().map(|at| world.chats[*at as usize].peer).map(|peer| input_peer(world, "alpha", peer)).collect()
    });
    let mut senders = 0;
    for peer in peers {
        let (messages, users, chats) = match client.call(&history(peer)).await.unwrap() {
            enums::messages::Messages::Messages(page) => (page.messages, page.users, page.chats),
            enums::messages::Messages::Slice(page) => (page.messages, page.users, page.chats),
            enums::messages::Messages::ChannelMessages(page) => (page.messages, page.users, page.chats),
            enums::messages::Messages::NotModified(_) => panic!("no hash was sent"),
        };
        let users: BTreeMap<i64, _> = users.into_iter().map(|user| (user.id(), user)).collect();
        let chats: BTreeMap<i64, _> = chats.into_iter().map(|chat| (chat.id(), chat)).collect();
        for message in messages {
            let enums::Message::Message(message) = message else { continue };
            let forwarded = message.fwd_from.and_then(|enums::MessageFwdHeader::Header(header)| header.from_id);
            for mentioned in message.from_id.into_iter().chain(forwarded) {
                senders += 1;
                assert!(match mentioned {
                    enums::Peer::User(user) => users.contains_key(&user.user_id),
                    enums::Peer::Chat(chat) => chats.contains_key(&chat.chat_id),
                    enums::Peer::Channel(channel) => chats.contains_key(&channel.channel_id),
                });
            }
        }
    }
    assert!(senders > 50);
    simulator.stop().await;
}

#[tokio::test]
async fn messages_by_id_are_themselves_or_empty() {
    let simulator = start(&spec()).await;
    let client = Client::connect(&simulator, "alpha");
    let (peer, channel, group_id) = simulator.inspect(|world| {
        let peer = chat_of(world, "alpha", |chat| chat.kind == ChatKind::Channel && chat.history.len() > 5);
        let own = world.accounts[0].dialogs.iter().map(|at| &world.chats[*at as usize]).find(|chat| chat.owner == Some(0));
        (peer, input_channel(world, "alpha", peer), own.unwrap().history.newest().unwrap().id)
    });
    let newest = simulator.inspect(|world| world.chat(peer).unwrap().history.newest().unwrap().id);
    let id = |id: i32| enums::InputMessage::Id(types::InputMessageId { id });
    let request = f::channels::GetMessages { channel, id: vec![id(newest), id(newest + 1000)] };
    let messages = messages_in(client.call(&request).await.unwrap());
    assert_eq!(ids(&messages), [newest, newest + 1000]);
    assert!(!matches!(messages[0], enums::Message::Empty(_)) && matches!(messages[1], enums::Message::Empty(_)));
    let messages = messages_in(client.call(&f::messages::GetMessages { id: vec![id(group_id), id(999_999)] }).await.unwrap());
    assert!(!matches!(messages[0], enums::Message::Empty(_)) && matches!(messages[1], enums::Message::Empty(_)));
    simulator.stop().await;
}

#[tokio::test]
async fn another_accounts_hash_opens_nothing() {
    let simulator = start(&spec()).await;
    let client = Client::connect(&simulator, "alpha");
    let (stolen, private) = simulator.inspect(|world| {
        let peer = chat_of(world, "alpha", |chat| chat.kind.is_channel());
        let private =
            world.chats.iter().find(|chat| chat.kind.is_channel() && chat.username.is_none() && !chat.members.contains(&0));
        (input_peer(world, "bravo", peer), private.map(|chat| input_peer(world, "alpha", chat.peer)))
    });
    assert_eq!(client.refusal(&history(stolen)).await, "CHANNEL_INVALID");
    if let Some(private) = private {
        assert_eq!(client.refusal(&history(private)).await, "CHANNEL_PRIVATE");
    }
    simulator.stop().await;
}
