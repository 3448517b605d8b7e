//! What happens is pushed to those who are there, and told to those who come back.

use grammers_tl_types::{enums, functions as f, types};
use telescribe_simulator::world::ChatKind;
use telescribe_simulator::{Fault, PeerId, Post, Rule, Simulator, When};

use crate::client::{Client, chat_of, ids, input_channel, spec, start};

fn channel_difference(channel: enums::InputChannel, pts: i32, limit: i32) -> f::updates::GetChannelDifference {
    let filter = enums::ChannelMessagesFilter::Empty;
    f::updates::GetChannelDifference { force: false, channel, filter, pts, limit }
}

fn difference(pts: i32) -> f::updates::GetDifference {
    f::updates::GetDifference { pts, pts_limit: None, pts_total_limit: None, date: 1, qts: 0, qts_limit: None }
}

async fn with_channel() -> (Simulator, Client, PeerId, enums::InputChannel) {
    let simulator = start(&spec()).await;
    let client = Client::connect(&simulator, "alpha");
    client.call(&f::updates::GetState {}).await.unwrap();
    let (peer, channel) = simulator.inspect(|world| {
        let peer = chat_of(world, "alpha", |chat| chat.kind == ChatKind::Supergroup);
        (peer, input_channel(world, "alpha", peer))
    });
    (simulator, client, peer, channel)
}

#[tokio::test]
async fn a_post_an_edit_a_deletion_and_a_reaction_are_pushed_with_growing_pts() {
    let (simulator, mut client, peer, _) = with_channel().await;
    let before = simulator.inspect(|world| world.chat(peer).unwrap().journal.pts());
    let id = simulator.post(peer, Post::text("new")).unwrap();
    let enums::Update::NewChannelMessage(new) = client.next_update().await else { panic!("a new message") };
    assert_eq!((new.pts, new.pts_count), (before + 1, 1));
    assert_eq!(ids(&[new.message]), [id]);
    simulator.edit(peer, id, "changed").unwrap();
    let enums::Update::EditChannelMessage(edit) = client.next_update().await else { panic!("an edit") };
    assert_eq!(edit.pts, before + 2);
    let enums::Message::Message(message) = edit.message else { panic!("a message") };
    assert_eq!(message.message, "changed");
    assert!(message.edit_date.is_some());
    simulator.react(peer, id, "👍", 3).unwrap();
    assert!(matches!(client.next_update().await, enums::Update::MessageReactions(_)));
    assert_eq!(simulator.delete(peer, &[id, 1_000_000]).unwrap(), 1);
    let enums::Update::DeleteChannelMessages(deleted) = client.next_update().await else { panic!("a deletion") };
    assert_eq!((deleted.pts, deleted.messages), (before + 3, vec![id]));
    simulator.stop().await;
}

#[tokio::test]
async fn a_channel_difference_tells_in_slices_what_was_missed() {
    let (simulator, client, peer, channel) = with_channel().await;
    simulator.withhold_updates("alpha", true).unwrap();
    let before = simulator.inspect(|world| world.chat(peer).unwrap().journal.pts());
    let posted: Vec<i32> = (0..25).map(|n| simulator.post(peer, Post::text(format!("post {n}"))).unwrap()).collect();
    simulator.edit(peer, posted[3], "edited").unwrap();
    simulator.delete(peer, &posted[10..13]).unwrap();
    let (mut pts, mut new, mut edits, mut deleted) = (before, Vec::new(), 0, Vec::new());
    loop {
        let answer = client.call(&channel_difference(channel.clone(), pts, 10)).await.unwrap();
        let enums::updates::ChannelDifference::Difference(slice) = answer else { panic!("a difference") };
        new.extend(ids(&slice.new_messages));
        for update in slice.other_updates {
            match update {
                enums::Update::EditChannelMessage(_) => edits += 1,
                enums::Update::DeleteChannelMessages(update) => deleted.extend(update.messages),
                other => panic!("{other:?}"),
            }
        }
        assert!(slice.pts > pts);
        pts = slice.pts;
        if slice.r#final {
            break;
        }
    }
    assert_eq!(pts, before + 25 + 1 + 3);
    assert_eq!(deleted, posted[10..13]);
    assert_eq!(edits, 1);
    let expected: Vec<i32> = posted.iter().copied().filter(|id| !deleted.contains(id)).collect();
    assert_eq!(new, expected);
    let answer = client.call(&channel_difference(channel, pts, 10)).await.unwrap();
    assert!(matches!(answer, enums::updates::ChannelDifference::Empty(_)));
    simulator.stop().await;
}

#[tokio::test]
async fn a_gap_that_is_too_long_says_so_by_itself_and_on_demand() {
    let (simulator, client, peer, channel) = with_channel().await;
    let now = simulator.inspect(|world| world.chat(peer).unwrap().journal.pts());
    for _ in 0..1_001 {
        simulator.post(peer, Post::text("one of many")).unwrap();
    }
    let answer = client.call(&channel_difference(channel.clone(), now, 100)).await.unwrap();
    let enums::updates::ChannelDifference::TooLong(too_long) = answer else { panic!("too long") };
    let enums::Dialog::Dialog(dialog) = too_long.dialog else { panic!("a dialog") };
    assert_eq!(dialog.pts, Some(now + 1_001));
    simulator.fault(Rule::new(Fault::TooLong, When::Next(2)));
    let answer = client.call(&channel_difference(channel.clone(), now + 1_000, 100)).await.unwrap();
    assert!(matches!(answer, enums::updates::ChannelDifference::TooLong(_)));
    let answer = client.call(&difference(1)).await.unwrap();
    assert!(matches!(answer, enums::updates::Difference::TooLong(_)));
    let answer = client.call(&channel_difference(channel, now + 1_000, 100)).await.unwrap();
    assert!(matches!(answer, enums::updates::ChannelDifference::Difference(_)));
    simulator.stop().await;
}

#[tokio::test]
async fn basic_groups_count_in_their_owners_pts() {
    let simulator = start(&spec()).await;
    let (peer, owner) = simulator.inspect(|world| {
        let chat = world.chats.iter().find(|chat| chat.kind == ChatKind::Group).unwrap();
        (chat.peer, world.accounts[chat.owner.unwrap()].name.clone())
    });
    let mut client = Client::connect(&simulator, &owner);
    let enums::updates::State::State(state) = client.call(&f::updates::GetState {}).await.unwrap();
    let id = simulator.post(peer, Post::text("in a basic group")).unwrap();
    let enums::Update::NewMessage(new) = client.next_update().await else { panic!("a new message") };
    assert_eq!(new.pts, state.pts + 1);
    simulator.edit(peer, id, "changed").unwrap();
    assert!(matches!(client.next_update().await, enums::Update::EditMessage(_)));
    simulator.delete(peer, &[id]).unwrap();
    assert!(matches!(client.next_update().await, enums::Update::DeleteMessages(_)));
    let other = simulator.post(peer, Post::text("another")).unwrap();
    let answer = client.call(&difference(state.pts)).await.unwrap();
    let enums::updates::Difference::Difference(answer) = answer else { panic!("a difference") };
    assert_eq!(ids(&answer.new_messages), [other]);
    let deleted: Vec<&types::UpdateDeleteMessages> = answer
        .other_updates
        .iter()
        .filter_map(|update| match update {
            enums::Update::DeleteMessages(update) => Some(update),
            _ => None,
        })
        .collect();
    assert_eq!(deleted[0].messages, [id]);
    let enums::updates::State::State(now) = answer.state;
    assert_eq!(now.pts, state.pts + 4);
    simulator.stop().await;
}

#[tokio::test]
async fn a_group_that_becomes_a_supergroup_says_where_it_went() {
    let simulator = start(&spec()).await;
    let (group, owner, size) = simulator.inspect(|world| {
        let chat = world.chats.iter().find(|chat| chat.kind == ChatKind::Group).unwrap();
        (chat.peer, world.accounts[chat.owner.unwrap()].name.clone(), chat.history.len())
    });
    let mut client = Client::connect(&simulator, &owner);
    client.call(&f::updates::GetState {}).await.unwrap();
    let channel = simulator.migrate(group).unwrap();
    assert!(simulator.migrate(group).is_err());
    assert!(matches!(client.next_update().await, enums::Update::NewMessage(_)));
    assert!(matches!(client.next_update().await, enums::Update::NewChannelMessage(_)));
    let answer = client.call(&f::messages::GetChats { id: vec![-group.marked()] }).await.unwrap();
    let enums::messages::Chats::Chats(chats) = answer else { panic!("chats") };
    let enums::Chat::Chat(chat) = &chats.chats[0] else { panic!("a basic group") };
    assert!(chat.deactivated && chat.migrated_to.is_some());
    assert_eq!(simulator.inspect(|world| world.chat(group).unwrap().history.len()), size + 1);
    assert_eq!(simulator.post(channel, Post::text("hello")).unwrap(), 2);
    simulator.stop().await;
}
