//! Discussion groups, topics and counters.

use grammers_tl_types::{enums, functions as f};
use telescribe_simulator::world::{ChatKind, Reply};
use telescribe_simulator::{PeerId, Post, ScriptError, Simulator, WorldSpec};

use crate::client::{Client, history, ids, input_channel, input_peer, messages_in, spec, start};

async fn with_extras() -> Simulator {
    start(&WorldSpec { linked: true, forums: true, peers: 40, messages: 4_000, ..spec() }).await
}

/// The first chat that matches, with an account that is in it.
fn somewhere(simulator: &Simulator, matches: impl Fn(&telescribe_simulator::world::Chat) -> bool) -> (PeerId, String) {
    simulator.inspect(|world| {
        let chat = world.chats.iter().find(|chat| matches(chat)).unwrap();
        (chat.peer, world.accounts[chat.members[0]].name.clone())
    })
}

#[tokio::test]
async fn a_discussion_group_is_found_through_its_channel_and_read_by_whoever_reads_that() {
    let simulator = with_extras().await;
    let (peer, name) = somewhere(&simulator, |chat| chat.kind == ChatKind::Channel && chat.linked.is_some());
    let client = Client::connect(&simulator, &name);
    let channel = simulator.inspect(|world| input_channel(world, &name, peer));
    let enums::messages::ChatFull::Full(full) = client.call(&f::channels::GetFullChannel { channel }).await.unwrap();
    let enums::ChatFull::ChannelFull(about) = full.full_chat else { panic!("a channel") };
    let linked = full.chats.iter().find(|chat| Some(chat.id()) == about.linked_chat_id).expect("the group comes with it");
    let enums::Chat::Channel(group) = linked else { panic!("a supergroup") };
    assert!(group.megagroup && group.has_link);
    let group_peer = PeerId::channel(group.id);
    let hash = simulator.inspect(|world| world.access_hash(world.account_named(&name).unwrap(), group_peer));
    assert_eq!(group.access_hash, Some(hash));
    client.call(&history(simulator.inspect(|world| input_peer(world, &name, group_peer)))).await.unwrap();
    let page = history(simulator.inspect(|world| input_peer(world, &name, peer)));
    let commented = messages_in(client.call(&page).await.unwrap()).into_iter().find_map(|message| match message {
        enums::Message::Message(message) => message.replies,
        _ => None,
    });
    let Some(enums::MessageReplies::Replies(replies)) = commented else { panic!("a post with comments") };
    assert_eq!((replies.comments, replies.channel_id), (true, Some(group.id)));
    simulator.stop().await;
}

#[tokio::test]
async fn a_forum_lists_its_topics_and_every_message_says_which_it_is_in() {
    let simulator = with_extras().await;
    let (peer, name) = somewhere(&simulator, |chat| chat.forum && chat.history.len() > 30);
    let client = Client::connect(&simulator, &name);
    let input = simulator.inspect(|world| input_peer(world, &name, peer));
    let created = simulator.create_topic(peer, "Plans").unwrap();
    let reply = Reply { id: created, topic: Some(created), quote: None };
    let first = simulator.post(peer, Post { reply: Some(reply), ..Post::text("in the topic") }).unwrap();
    let reply = Reply { id: first, topic: Some(created), quote: None };
    let second = simulator.post(peer, Post { reply: Some(reply), ..Post::text("an answer") }).unwrap();

    let mut request =
        f::messages::GetForumTopics { peer: input.clone(), q: None, offset_date: 0, offset_id: 0, offset_topic: 0, limit: 2 };
    let mut listed = Vec::new();
    loop {
        let enums::messages::ForumTopics::Topics(page) = client.call(&request).await.unwrap();
        let Some(enums::ForumTopic::Topic(last)) = page.topics.last() else { break };
        request.offset_topic = last.id;
        request.offset_id = last.top_message;
        let date = page.messages.iter().find_map(|message| match message {
            enums::Message::Message(message) if message.id == last.top_message => Some(message.date),
            enums::Message::Service(message) if message.id == last.top_message => Some(message.date),
            _ => None,
        });
        request.offset_date = date.unwrap_or(last.date);
        listed.extend(page.topics.into_iter().map(|topic| match topic {
            enums::ForumTopic::Topic(topic) => (topic.id, topic.title, topic.top_message),
            enums::ForumTopic::Deleted(_) => panic!("no topic is gone"),
        }));
    }
    assert_eq!(listed[0], (created, "Plans".into(), second));
    let topics = simulator.inspect(|world| world.chat(peer).unwrap().topics.len());
    assert_eq!(listed.len(), topics);
    assert!(topics >= 5, "{topics} topics");

    let mut in_topics = 0;
    for message in messages_in(client.call(&history(input.clone())).await.unwrap()) {
        let enums::Message::Message(message) = message else { continue };
        let header = match message.reply_to {
            Some(enums::MessageReplyHeader::Header(header)) => header,
            _ => continue,
        };
        if message.id == first {
            assert_eq!((header.forum_topic, header.reply_to_msg_id, header.reply_to_top_id), (true, Some(created), None));
        }
        if message.id == second {
            assert_eq!((header.forum_topic, header.reply_to_msg_id, header.reply_to_top_id), (true, Some(first), Some(created)));
        }
        in_topics += usize::from(header.forum_topic);
    }
    assert!(in_topics > 5);
    simulator.delete(peer, &[second]).unwrap();
    assert_eq!(simulator.inspect(|world| world.chat(peer).unwrap().topics.last().unwrap().top_message), first);
    simulator.delete(peer, &[created]).unwrap();
    let by_id = f::messages::GetForumTopicsById { peer: input, topics: vec![created, 1] };
    let enums::messages::ForumTopics::Topics(page) = client.call(&by_id).await.unwrap();
    assert!(matches!(page.topics[..], [enums::ForumTopic::Deleted(_), enums::ForumTopic::Topic(_)]));
    let (plain, _) = somewhere(&simulator, |chat| chat.kind == ChatKind::Supergroup && !chat.forum);
    assert_eq!(simulator.create_topic(plain, "no"), Err(ScriptError::NoForum(plain)));
    simulator.stop().await;
}

#[tokio::test]
async fn topics_are_in_the_truth_as_the_dump_has_them() {
    let simulator = with_extras().await;
    let mut truth = Vec::new();
    simulator.truth(&mut truth).unwrap();
    let forums: Vec<i64> =
        simulator.inspect(|world| world.chats.iter().filter(|chat| chat.forum).map(|chat| chat.peer.marked()).collect());
    let (mut created, mut direct) = (0, 0);
    for line in String::from_utf8(truth).unwrap().lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        if !forums.contains(&line["peer"].as_i64().unwrap_or(0)) {
            assert_ne!(line["service"]["action"], "topic_create");
            continue;
        }
        created += usize::from(line["service"]["action"] == "topic_create" && line["service"]["title"].is_string());
        direct += usize::from(line["reply_to"]["id"].is_i64() && line["reply_to"]["id"] == line["reply_to"]["topic"]);
    }
    assert!(created >= 3 && direct > 10, "{created} topics, {direct} messages directly in them");
    simulator.stop().await;
}

#[tokio::test]
async fn counters_of_many_posts_are_told_at_once() {
    let simulator = start(&spec()).await;
    let (peer, name) = somewhere(&simulator, |chat| chat.kind == ChatKind::Channel && chat.history.len() > 3);
    let client = Client::connect(&simulator, &name);
    let input = simulator.inspect(|world| input_peer(world, &name, peer));
    let id = simulator.post(peer, Post::text("counted")).unwrap();
    simulator.set_views(peer, id, 1234, 56).unwrap();
    let request = f::messages::GetMessagesViews { peer: input.clone(), id: vec![id, id + 1_000], increment: true };
    let enums::messages::MessageViews::Views(answer) = client.call(&request).await.unwrap();
    let views: Vec<_> = answer.views.iter().map(|enums::MessageViews::Views(views)| (views.views, views.forwards)).collect();
    assert_eq!(views, [(Some(1234), Some(56)), (None, None)]);
    let asked = simulator.ledger().into_iter().find(|entry| entry.method == "messages.getMessagesViews").unwrap();
    assert_eq!(asked.parameters, format!("peer={peer} ids={id},{} increment=true", id + 1_000));
    let too_many = f::messages::GetMessagesViews { peer: input, id: vec![id; 101], increment: false };
    assert_eq!(client.refusal(&too_many).await, "MSG_ID_INVALID");

    simulator.set_participants_count(peer, 4_321).unwrap();
    let channel = simulator.inspect(|world| input_channel(world, &name, peer));
    let enums::messages::ChatFull::Full(full) = client.call(&f::channels::GetFullChannel { channel }).await.unwrap();
    let enums::ChatFull::ChannelFull(full) = full.full_chat else { panic!("a channel") };
    assert_eq!(full.participants_count, Some(4_321));
    simulator.stop().await;
}

#[tokio::test]
async fn a_mass_deletion_is_told_in_parts_of_a_hundred() {
    let simulator = start(&spec()).await;
    let (peer, name) = somewhere(&simulator, |chat| chat.kind == ChatKind::Supergroup);
    let posted: Vec<i32> = (0..250).map(|n| simulator.post(peer, Post::text(format!("post {n}"))).unwrap()).collect();
    let mut client = Client::connect(&simulator, &name);
    client.call(&f::updates::GetState {}).await.unwrap();
    let before = simulator.inspect(|world| world.chat(peer).unwrap().journal.pts());
    assert_eq!(simulator.delete(peer, &posted).unwrap(), 250);
    let mut deleted = Vec::new();
    let mut last = 0;
    while deleted.len() < 250 {
        if let enums::Update::DeleteChannelMessages(update) = client.next_update().await {
            assert!(update.messages.len() <= 100);
            last = update.pts;
            deleted.extend(update.messages);
        }
    }
    assert_eq!((deleted, last), (posted, before + 250));
    let left = history(simulator.inspect(|world| input_peer(world, &name, peer)));
    let left = ids(&messages_in(client.call(&left).await.unwrap()));
    assert!(left.iter().all(|id| simulator.inspect(|world| world.chat(peer).unwrap().history.get(*id).is_some())));
    simulator.stop().await;
}
