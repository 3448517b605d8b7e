//! Accounts come and go, and are told so.

use grammers_tl_types::{enums, functions as f, types};
use telescribe_simulator::world::{Chat, ChatKind};
use telescribe_simulator::{Options, PeerId, Post, ScriptError, Simulator, WorldSpec};

use crate::client::{Client, dialog_peers, history, ids, input_channel, input_peer, messages_in, spec, start};

/// A channel or supergroup that alpha is not in.
fn elsewhere(simulator: &Simulator, matches: impl Fn(&Chat) -> bool) -> PeerId {
    simulator.inspect(|world| {
        let found = world.chats.iter().find(|chat| chat.kind.is_channel() && !chat.members.contains(&0) && matches(chat));
        found.unwrap().peer
    })
}

fn big() -> WorldSpec {
    WorldSpec { peers: 40, ..spec() }
}

#[tokio::test]
async fn a_public_channel_is_joined_by_its_hash_listed_in_its_place_and_left() {
    let simulator = start(&big()).await;
    let client = Client::connect(&simulator, "alpha");
    let peer = elsewhere(&simulator, |chat| chat.username.is_some());
    let channel = simulator.inspect(|world| input_channel(world, "alpha", peer));
    let read = history(simulator.inspect(|world| input_peer(world, "alpha", peer)));
    client.call(&read).await.unwrap();
    assert!(!dialog_peers(&client).await.contains(&peer.marked()));
    let join = f::channels::JoinChannel { channel: channel.clone() };
    let enums::messages::ChatInviteJoinResult::Ok(joined) = client.call(&join).await.unwrap() else { panic!("joined") };
    let enums::Updates::Updates(updates) = joined.updates else { panic!("updates") };
    assert!(matches!(updates.updates[..], [enums::Update::Channel(_)]));
    let enums::Chat::Channel(chat) = &updates.chats[0] else { panic!("a channel") };
    assert!(!chat.left);
    simulator.post(peer, Post::text("welcome")).unwrap();
    assert_eq!(dialog_peers(&client).await[0], peer.marked());
    let enums::Updates::Updates(updates) = client.call(&f::channels::LeaveChannel { channel: channel.clone() }).await.unwrap()
    else {
        panic!("updates")
    };
    let enums::Chat::Channel(chat) = &updates.chats[0] else { panic!("a channel") };
    assert!(chat.left);
    assert!(!dialog_peers(&client).await.contains(&peer.marked()));
    client.call(&read).await.unwrap();
    assert_eq!(client.refusal(&f::channels::LeaveChannel { channel }).await, "USER_NOT_PARTICIPANT");
    simulator.stop().await;
}

#[tokio::test]
async fn an_invite_link_leads_into_a_private_chat_until_it_is_revoked() {
    let simulator = start(&big()).await;
    let client = Client::connect(&simulator, "alpha");
    let peer = elsewhere(&simulator, |chat| chat.username.is_none());
    let (channel, hash) =
        simulator.inspect(|world| (input_channel(world, "alpha", peer), world.chat(peer).unwrap().invite.clone().unwrap()));
    let check = |hash: &str| f::messages::CheckChatInvite { hash: hash.into() };
    let import = |hash: &str| f::messages::ImportChatInvite { hash: hash.into() };
    assert_eq!(client.refusal(&f::channels::JoinChannel { channel: channel.clone() }).await, "CHANNEL_PRIVATE");
    assert!(matches!(client.call(&check(&hash)).await.unwrap(), enums::ChatInvite::Invite(_)));
    assert_eq!(client.refusal(&import("no hash!")).await, "INVITE_HASH_INVALID");
    assert_eq!(client.refusal(&import("thisneverwas")).await, "INVITE_HASH_EXPIRED");
    simulator.set_join_request(peer, true).unwrap();
    assert_eq!(client.refusal(&import(&hash)).await, "INVITE_REQUEST_SENT");
    simulator.set_join_request(peer, false).unwrap();
    let renewed = simulator.revoke_invite(peer).unwrap();
    assert_eq!(client.refusal(&import(&hash)).await, "INVITE_HASH_EXPIRED");
    client.call(&import(&renewed)).await.unwrap();
    assert_eq!(client.refusal(&import(&renewed)).await, "USER_ALREADY_PARTICIPANT");
    assert!(matches!(client.call(&check(&renewed)).await.unwrap(), enums::ChatInvite::Already(_)));
    assert!(dialog_peers(&client).await.contains(&peer.marked()));
    let read = history(simulator.inspect(|world| input_peer(world, "alpha", peer)));
    client.call(&read).await.unwrap();
    client.call(&f::channels::LeaveChannel { channel }).await.unwrap();
    assert_eq!(client.refusal(&read).await, "CHANNEL_PRIVATE");
    simulator.stop().await;
}

#[tokio::test]
async fn scripts_let_in_take_out_and_throw_out_and_the_account_is_told_each_time() {
    let simulator = start(&big()).await;
    let mut client = Client::connect(&simulator, "alpha");
    let peer = elsewhere(&simulator, |chat| chat.username.is_some());
    let read = history(simulator.inspect(|world| input_peer(world, "alpha", peer)));
    let before = dialog_peers(&client).await;
    simulator.join("alpha", peer).unwrap();
    let (update, chats) = client.next_updates().await;
    assert!(matches!(update, enums::Update::Channel(_)));
    assert!(matches!(&chats[0], enums::Chat::Channel(chat) if !chat.left));
    let place = simulator.inspect(|world| world.chat(peer).unwrap().history.newest().unwrap().date);
    let listed = dialog_peers(&client).await;
    let at = listed.iter().position(|listed| *listed == peer.marked()).unwrap();
    let older = listed[at + 1..].iter().find(|peer| **peer < 0).unwrap();
    let date =
        |peer: i64| simulator.inspect(|world| world.chat(PeerId::from_marked(peer)).unwrap().history.newest().unwrap().date);
    assert!(date(*older) <= place);
    simulator.leave("alpha", peer).unwrap();
    let (_, chats) = client.next_updates().await;
    assert!(matches!(&chats[0], enums::Chat::Channel(chat) if chat.left));
    assert_eq!(dialog_peers(&client).await, before);
    let not_member = ScriptError::NotMember { account: "alpha".into(), peer };
    assert_eq!(simulator.kick("alpha", peer), Err(not_member));
    simulator.join("alpha", peer).unwrap();
    client.next_update().await;
    simulator.kick("alpha", peer).unwrap();
    let (_, chats) = client.next_updates().await;
    assert!(matches!(&chats[0], enums::Chat::ChannelForbidden(_)));
    assert_eq!(client.refusal(&read).await, "CHANNEL_PRIVATE");
    simulator.join("alpha", peer).unwrap();
    client.call(&read).await.unwrap();
    simulator.stop().await;
}

#[tokio::test]
async fn a_full_account_joins_nothing_more() {
    let options = Options { channels_max: 1, ..Options::default() };
    let simulator = Simulator::start(big().generate(), options).await.unwrap();
    let client = Client::connect(&simulator, "alpha");
    let peer = elsewhere(&simulator, |chat| chat.username.is_some());
    let channel = simulator.inspect(|world| input_channel(world, "alpha", peer));
    assert_eq!(client.refusal(&f::channels::JoinChannel { channel }).await, "CHANNELS_TOO_MUCH");
    simulator.stop().await;
}

#[tokio::test]
async fn a_basic_group_is_left_and_can_still_be_read() {
    let simulator = start(&big()).await;
    let (peer, name, other) = simulator.inspect(|world| {
        let group = world.chats.iter().find(|chat| chat.kind == ChatKind::Group && chat.members.len() == 1).unwrap();
        let name = |account: usize| world.accounts[account].name.clone();
        (group.peer, name(group.members[0]), name((group.members[0] + 1) % world.accounts.len()))
    });
    let client = Client::connect(&simulator, &name);
    let leave =
        |user_id: enums::InputUser| f::messages::DeleteChatUser { revoke_history: false, chat_id: -peer.marked(), user_id };
    let stranger = types::InputUser { user_id: 1, access_hash: 1 };
    assert_eq!(client.refusal(&leave(stranger.into())).await, "CHAT_ADMIN_REQUIRED");
    let enums::Updates::Updates(updates) = client.call(&leave(enums::InputUser::UserSelf)).await.unwrap() else {
        panic!("updates")
    };
    assert!(matches!(updates.updates[..], [enums::Update::Chat(_)]));
    assert!(matches!(&updates.chats[0], enums::Chat::Chat(chat) if chat.left));
    assert!(!dialog_peers(&client).await.contains(&peer.marked()));
    client.call(&history(simulator.inspect(|world| input_peer(world, &name, peer)))).await.unwrap();
    assert_eq!(simulator.post(peer, Post::text("anybody?")), Err(ScriptError::NobodyThere(peer)));
    simulator.join(&other, peer).unwrap();
    simulator.post(peer, Post::text("somebody")).unwrap();
    simulator.stop().await;
}

#[tokio::test]
async fn what_was_said_before_is_hidden_from_new_members_of_a_group_that_says_so() {
    let simulator = start(&big()).await;
    let mut client = Client::connect(&simulator, "alpha");
    client.call(&f::help::GetNearestDc {}).await.unwrap();
    let peer = elsewhere(&simulator, |chat| chat.kind == ChatKind::Supergroup && chat.history.len() > 5);
    let (channel, input, top, pts) = simulator.inspect(|world| {
        let chat = world.chat(peer).unwrap();
        (input_channel(world, "alpha", peer), input_peer(world, "alpha", peer), chat.history.top_id(), chat.journal.pts())
    });
    simulator.hide_prehistory(peer, true).unwrap();
    simulator.join("alpha", peer).unwrap();
    client.next_update().await;
    let page = messages_in(client.call(&history(input.clone())).await.unwrap());
    assert!(page.is_empty());
    let old = simulator.inspect(|world| world.chat(peer).unwrap().history.newest().unwrap().id);
    simulator.edit(peer, old, "nobody new sees this").unwrap();
    let new = simulator.post(peer, Post::text("everybody sees this")).unwrap();
    assert!(matches!(client.next_update().await, enums::Update::NewChannelMessage(_)));
    assert_eq!(ids(&messages_in(client.call(&history(input)).await.unwrap())), [new]);
    let id = |id: i32| enums::InputMessage::Id(types::InputMessageId { id });
    let by_id = f::channels::GetMessages { channel: channel.clone(), id: vec![id(old), id(new)] };
    let by_id = messages_in(client.call(&by_id).await.unwrap());
    assert!(matches!(by_id[..], [enums::Message::Empty(_), enums::Message::Message(_)]));
    let filter = enums::ChannelMessagesFilter::Empty;
    let difference = f::updates::GetChannelDifference { force: false, channel: channel.clone(), filter, pts, limit: 100 };
    let enums::updates::ChannelDifference::Difference(difference) = client.call(&difference).await.unwrap() else {
        panic!("a difference")
    };
    assert_eq!((ids(&difference.new_messages), difference.other_updates.len(), difference.pts), (vec![new], 0, pts + 2));
    let enums::messages::ChatFull::Full(full) = client.call(&f::channels::GetFullChannel { channel }).await.unwrap();
    let enums::ChatFull::ChannelFull(full) = full.full_chat else { panic!("a channel") };
    assert_eq!((full.hidden_prehistory, full.available_min_id), (true, Some(top)));
    simulator.stop().await;
}
