//! Of basic groups and private chats every account has a copy of its own: the same messages under ids and pts of its own.

use grammers_tl_types::{enums, functions as f, types};
use telescribe_simulator::world::ChatKind;
use telescribe_simulator::{PeerId, Post, ScriptError, Simulator, WorldSpec};

use crate::client::{Client, dialog_peers, history, ids, input_channel, input_peer, messages_in, spec, start};

/// A basic group and the name of the account that it was made for.
fn basic_group(simulator: &Simulator) -> (PeerId, String) {
    simulator.inspect(|world| {
        let chat = world.chats.iter().find(|chat| chat.kind == ChatKind::Group).unwrap();
        (chat.peer, world.accounts[chat.owner.unwrap()].name.clone())
    })
}

/// The name of an account that is not in a chat.
fn outsider(simulator: &Simulator, peer: PeerId) -> String {
    simulator.inspect(|world| {
        let members = &world.chat(peer).unwrap().members;
        let outside = (0..world.accounts.len()).find(|account| !members.contains(account));
        world.accounts[outside.unwrap()].name.clone()
    })
}

#[tokio::test]
async fn an_account_that_joins_a_basic_group_reads_it_under_ids_of_its_own() {
    let simulator = start(&spec()).await;
    let (peer, _) = basic_group(&simulator);
    let name = outsider(&simulator, peer);
    let client = Client::connect(&simulator, &name);
    let read = history(simulator.inspect(|world| input_peer(world, &name, peer)));
    assert_eq!(client.refusal(&read).await, "CHAT_ID_INVALID");
    simulator.join(&name, peer).unwrap();
    let id = simulator.post(peer, Post::text("under two ids")).unwrap();
    let page = messages_in(client.call(&read).await.unwrap());
    let enums::Message::Message(newest) = &page[0] else { panic!("a message") };
    assert_eq!(newest.message, "under two ids");
    let own =
        simulator.inspect(|world| world.chats.iter().filter(|c| c.peer == peer).any(|c| c.history.get(newest.id).is_some()));
    assert!(own);
    assert_ne!(newest.id, id);
    simulator.stop().await;
}

#[tokio::test]
async fn an_invite_link_leads_another_account_into_a_basic_group() {
    let simulator = start(&spec()).await;
    let (peer, _) = basic_group(&simulator);
    let name = outsider(&simulator, peer);
    let client = Client::connect(&simulator, &name);
    let hash = simulator.inspect(|world| world.chat(peer).unwrap().invite.clone().unwrap());
    client.call(&f::messages::ImportChatInvite { hash }).await.unwrap();
    let read = history(simulator.inspect(|world| input_peer(world, &name, peer)));
    let page = messages_in(client.call(&read).await.unwrap());
    assert!(
        matches!(&page[..], [enums::Message::Service(joined)] if matches!(joined.action, enums::MessageAction::ChatJoinedByLink(_)))
    );
    simulator.stop().await;
}

#[tokio::test]
async fn a_supergroup_says_which_basic_group_it_was_and_up_to_which_id() {
    let simulator = start(&spec()).await;
    let (peer, name) = basic_group(&simulator);
    let channel = simulator.migrate(peer).unwrap();
    let client = Client::connect(&simulator, &name);
    let channel = simulator.inspect(|world| input_channel(world, &name, channel));
    let enums::messages::ChatFull::Full(full) = client.call(&f::channels::GetFullChannel { channel }).await.unwrap();
    let enums::ChatFull::ChannelFull(full) = full.full_chat else { panic!("a supergroup") };
    let read = history(simulator.inspect(|world| input_peer(world, &name, peer)));
    let last = ids(&messages_in(client.call(&read).await.unwrap()))[0];
    assert_eq!((full.migrated_from_chat_id, full.migrated_from_max_id), (Some(-peer.marked()), Some(last)));
    simulator.stop().await;
}

#[tokio::test]
async fn the_truth_names_the_account_whose_id_a_message_of_a_basic_group_has() {
    let simulator = start(&spec()).await;
    let mut truth = Vec::new();
    simulator.truth(&mut truth).unwrap();
    let of_groups = String::from_utf8(truth).unwrap().lines().filter(|line| line.contains(r#","account":""#)).count();
    let expected: usize = simulator
        .inspect(|world| world.chats.iter().filter(|chat| chat.kind == ChatKind::Group).map(|chat| chat.history.len()).sum());
    assert_eq!(of_groups, expected);
    simulator.stop().await;
}

/// What an account reads of a chat, newest last: id and text, or the action of a service message.
async fn read(simulator: &Simulator, client: &Client, peer: PeerId) -> Vec<(i32, String)> {
    let mut request = history(simulator.inspect(|world| input_peer(world, &client.access.name, peer)));
    let mut read = Vec::new();
    loop {
        let page = messages_in(client.call(&request).await.unwrap());
        read.extend(page.iter().map(|message| match message {
            enums::Message::Message(message) => (message.id, message.message.clone()),
            enums::Message::Service(message) => (message.id, action(&message.action).to_owned()),
            enums::Message::Empty(message) => panic!("{message:?}"),
        }));
        let Some((last, _)) = read.last().filter(|_| page.len() == 100) else { break };
        request.offset_id = *last;
    }
    read.reverse();
    read
}

fn action(action: &enums::MessageAction) -> &'static str {
    match action {
        enums::MessageAction::ChatCreate(_) => "created",
        enums::MessageAction::ChatAddUser(_) => "added",
        enums::MessageAction::ChatDeleteUser(_) => "removed",
        enums::MessageAction::ChatJoinedByLink(_) => "joined",
        enums::MessageAction::ChatMigrateTo(_) => "migrated",
        enums::MessageAction::PinMessage => "pinned",
        _ => "something else",
    }
}

fn texts(read: &[(i32, String)]) -> Vec<&str> {
    read.iter().map(|(_, text)| text.as_str()).collect()
}

async fn pts(client: &Client) -> i32 {
    let enums::updates::State::State(state) = client.call(&f::updates::GetState {}).await.unwrap();
    state.pts
}

/// All of an account's difference since a pts: the ids of new messages, the edited ones, the deleted ones, and the pts after it.
async fn difference(client: &Client, mut since: i32) -> (Vec<i32>, Vec<i32>, Vec<i32>, i32) {
    let (mut new, mut edited, mut deleted) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        let request =
            f::updates::GetDifference { pts: since, pts_limit: None, pts_total_limit: None, date: 1, qts: 0, qts_limit: None };
        let (messages, updates, state, is_last) = match client.call(&request).await.unwrap() {
            enums::updates::Difference::Difference(all) => (all.new_messages, all.other_updates, all.state, true),
            enums::updates::Difference::Slice(slice) => {
                (slice.new_messages, slice.other_updates, slice.intermediate_state, false)
            }
            enums::updates::Difference::Empty(_) => return (new, edited, deleted, since),
            other => panic!("{other:?}"),
        };
        new.extend(ids(&messages));
        for update in updates {
            match update {
                enums::Update::EditMessage(edit) => edited.extend(ids(&[edit.message])),
                enums::Update::DeleteMessages(gone) => deleted.extend(gone.messages),
                other => panic!("{other:?}"),
            }
        }
        let enums::updates::State::State(state) = state;
        since = state.pts;
        if is_last {
            return (new, edited, deleted, since);
        }
    }
}

/// A basic group that two accounts are in from the start, and they.
async fn shared_group() -> (Simulator, PeerId, Client, Client) {
    let simulator = start(&spec()).await;
    let (peer, names) = simulator.inspect(|world| {
        let chat = world.chats.iter().find(|chat| chat.kind == ChatKind::Group && chat.members.len() > 1).unwrap();
        let second = chat.members.iter().find(|member| Some(**member) != chat.owner).unwrap();
        (chat.peer, [chat.owner.unwrap(), *second].map(|account| world.accounts[account].name.clone()))
    });
    let [first, second] = names.map(|name| Client::connect(&simulator, &name));
    (simulator, peer, first, second)
}

#[tokio::test]
async fn members_from_the_start_read_the_whole_group_each_under_its_own_ids() {
    let (simulator, peer, first, second) = shared_group().await;
    let (one, other) = (read(&simulator, &first, peer).await, read(&simulator, &second, peer).await);
    assert!(one.len() > 5);
    assert_eq!(texts(&one), texts(&other));
    assert!(one.iter().zip(&other).any(|((one, _), (other, _))| one != other));
    // What replies and pins name is the account's own too: the same message as for the other.
    let named = |account: &str, texts: &[(i32, String)]| -> Vec<usize> {
        simulator.inspect(|world| {
            let chat = world.chat_seen_by(world.account_named(account).unwrap(), peer).unwrap();
            let replies = chat.history.messages().iter().filter_map(|m| m.extra.as_ref()?.reply.as_ref());
            replies.map(|reply| texts.iter().position(|(id, _)| *id == reply.id).unwrap()).collect()
        })
    };
    let (of_first, of_second) = (named(&first.access.name, &one), named(&second.access.name, &other));
    assert!(!of_first.is_empty());
    assert_eq!(of_first, of_second);
    for (client, read) in [(&first, &one), (&second, &other)] {
        let (id, text) = read.iter().find(|(_, text)| text.len() > 20).unwrap();
        let by_id = f::messages::GetMessages { id: vec![types::InputMessageId { id: *id }.into()] };
        let by_id = messages_in(client.call(&by_id).await.unwrap());
        assert!(matches!(&by_id[..], [enums::Message::Message(message)] if message.message == *text));
        let dialogs = f::messages::GetPeerDialogs {
            peers: vec![
                types::InputDialogPeer { peer: simulator.inspect(|world| input_peer(world, &client.access.name, peer)) }.into(),
            ],
        };
        let enums::messages::PeerDialogs::Dialogs(dialogs) = client.call(&dialogs).await.unwrap();
        assert!(matches!(&dialogs.dialogs[..], [enums::Dialog::Dialog(dialog)] if dialog.top_message == read.last().unwrap().0));
    }
    simulator.stop().await;
}

#[tokio::test]
async fn what_happens_is_pushed_to_each_member_in_its_own_ids_and_pts_and_told_again_by_differences() {
    let (simulator, peer, first, second) = shared_group().await;
    let mut members = [(first, 0), (second, 0)];
    for (client, since) in &mut members {
        *since = pts(client).await;
    }
    assert_ne!(members[0].1, members[1].1);
    let by = members[1].0.access.name.clone();
    let [one, two, three] = ["one", "two", "three"].map(|text| simulator.by(&by).post(peer, Post::text(text)).unwrap());
    simulator.by(&by).edit(peer, two, "two, edited").unwrap();
    simulator.by(&by).react(peer, two, "👍", 2).unwrap();
    simulator.by(&by).pin(peer, two).unwrap();
    assert_eq!(simulator.by(&by).delete(peer, &[one, three, 1_000_000]).unwrap(), 2);
    let mut all = Vec::new();
    for (client, since) in &mut members {
        let mut pushed = Vec::new();
        let mut count = 0;
        while count < 8 {
            let (id, pts, pts_count) = match client.next_update().await {
                enums::Update::NewMessage(new) => (ids(&[new.message])[0], new.pts, new.pts_count),
                enums::Update::EditMessage(edit) => (ids(&[edit.message])[0], edit.pts, edit.pts_count),
                enums::Update::MessageReactions(reactions) => (reactions.msg_id, *since + count, 0),
                enums::Update::DeleteMessages(gone) => {
                    pushed.push(gone.messages[1]);
                    (gone.messages[0], gone.pts, gone.pts_count)
                }
                other => panic!("{other:?}"),
            };
            count += pts_count + i32::from(pts_count == 0);
            let is_reaction = pts_count == 0;
            let happened = *since + count - i32::from(count > 4);
            assert!(is_reaction || pts == happened, "{pts} after {since} and {count}");
            pushed.push(id);
        }
        // Three posts, an edit, a reaction, a pin, a deletion of two.
        let [a, b, c] = pushed[..3] else { panic!("three posts") };
        let pin = pushed[5];
        assert_eq!(pushed, [a, b, c, b, b, pin, c, a]);
        let (new, edited, deleted, now) = difference(client, *since).await;
        assert_eq!((new, edited, deleted), (vec![b, pin], vec![b], vec![a, c]));
        assert_eq!(now, *since + 7);
        let read = read(&simulator, client, peer).await;
        assert_eq!(read[read.len() - 2..], [(b, "two, edited".to_owned()), (pin, "pinned".to_owned())]);
        all.push((a, b, c, pin));
    }
    assert_eq!((all[1].0, all[1].1, all[1].2), (one, two, three));
    assert_ne!(all[0], all[1]);
    simulator.stop().await;
}

#[tokio::test]
async fn a_reply_names_the_message_by_the_readers_own_id() {
    let (simulator, peer, first, second) = shared_group().await;
    let by = second.access.name.as_str();
    let id = simulator.by(by).post(peer, Post::text("a question")).unwrap();
    let reply = telescribe_simulator::world::Reply { id, topic: None, quote: None };
    simulator.by(by).post(peer, Post { reply: Some(reply), ..Post::text("an answer") }).unwrap();
    for client in [&first, &second] {
        let request = history(simulator.inspect(|world| input_peer(world, &client.access.name, peer)));
        let page = messages_in(client.call(&request).await.unwrap());
        let [enums::Message::Message(answer), enums::Message::Message(question), ..] = &page[..] else { panic!("two messages") };
        let Some(enums::MessageReplyHeader::Header(header)) = &answer.reply_to else { panic!("a reply") };
        assert_eq!(header.reply_to_msg_id, Some(question.id));
        assert_eq!(answer.out, client.access.name == by);
    }
    simulator.stop().await;
}

#[tokio::test]
async fn a_message_that_nobody_can_read_is_one_for_every_member() {
    let (simulator, peer, first, second) = shared_group().await;
    let by = second.access.name.as_str();
    let id = simulator.by(by).post(peer, Post::text("from the future")).unwrap();
    for unknown in [true, false] {
        simulator.by(by).make_unknown(peer, id, unknown).unwrap();
        for client in [&first, &second] {
            let request = history(simulator.inspect(|world| input_peer(world, &client.access.name, peer)));
            assert_eq!(client.call(&request).await.is_err(), unknown);
        }
    }
    simulator.stop().await;
}

#[tokio::test]
async fn who_is_added_gets_the_newest_hundred_or_as_many_as_were_forwarded_and_then_everything() {
    for (forwarded, expected) in [(None, 100), (Some(3), 3), (Some(0), 0), (Some(1_000), 100)] {
        let simulator = start(&spec()).await;
        let (peer, owner) = basic_group(&simulator);
        let name = outsider(&simulator, peer);
        let (mut client, owner) = (Client::connect(&simulator, &name), Client::connect(&simulator, &owner));
        let since = pts(&client).await;
        for n in 0..120 {
            simulator.post(peer, Post::text(format!("before {n}"))).unwrap();
        }
        match forwarded {
            None => simulator.join(&name, peer).unwrap(),
            Some(forwarded) => simulator.join_with(&name, peer, forwarded).unwrap(),
        }
        assert!(matches!(client.next_update().await, enums::Update::Chat(_)));
        simulator.post(peer, Post::text("after")).unwrap();
        let newest = read(&simulator, &client, peer).await;
        let before = (120 - expected..120).map(|n| format!("before {n}"));
        let expected: Vec<String> = before.chain(["added".to_owned(), "after".to_owned()]).collect();
        assert_eq!(texts(&newest), expected);
        let everything = read(&simulator, &owner, peer).await;
        assert!(everything.len() > 120);
        assert_eq!(texts(&everything[everything.len() - newest.len()..]), expected);
        let (new, _, _, now) = difference(&client, since).await;
        assert_eq!(new, newest.iter().map(|(id, _)| *id).collect::<Vec<i32>>());
        assert_eq!(now, since + new.len() as i32);
        // More than a hundred at once are more than the client's own queue holds.
        for id in new.iter().filter(|_| new.len() < 10) {
            let enums::Update::NewMessage(pushed) = client.next_update().await else { panic!("a new message") };
            assert_eq!(ids(&[pushed.message]), [*id]);
        }
        // Of what it does not have, nothing is told to it.
        simulator.edit(peer, everything[2].0, "long ago").unwrap();
        simulator.delete(peer, &[everything[1].0]).unwrap();
        assert_eq!(pts(&client).await, now);
        assert_eq!(texts(&read(&simulator, &client, peer).await), expected);
        simulator.stop().await;
    }
}

#[tokio::test]
async fn who_leaves_or_is_thrown_out_keeps_what_it_had_and_the_others_go_on() {
    for kicked in [false, true] {
        let (simulator, peer, first, second) = shared_group().await;
        let (gone, stays) = (&first, &second);
        let before = read(&simulator, gone, peer).await;
        let since = pts(gone).await;
        let name = gone.access.name.as_str();
        if kicked {
            simulator.kick(name, peer).unwrap()
        } else {
            simulator.leave(name, peer).unwrap()
        }
        let id = simulator.post(peer, Post::text("without you")).unwrap();
        let old = read(&simulator, stays, peer).await;
        let by = simulator.by(&stays.access.name);
        by.edit(peer, old[1].0, "said otherwise").unwrap();
        assert_eq!(by.delete(peer, &[old[2].0]).unwrap(), 1);
        let after = read(&simulator, stays, peer).await;
        assert_eq!(texts(&after[after.len() - 2..]), ["removed", "without you"]);
        assert_eq!(after.last().unwrap().0, id);
        assert_eq!(pts(gone).await, since);
        assert_eq!(
            simulator.by(name).post(peer, Post::text("let me in")).unwrap_err().to_string(),
            format!("account `{name}` is not in `{peer}`")
        );
        if kicked {
            let request = history(simulator.inspect(|world| input_peer(world, name, peer)));
            assert_eq!(gone.refusal(&request).await, "CHAT_ID_INVALID");
        } else {
            assert_eq!(read(&simulator, gone, peer).await, before);
        }
        let kept = |simulator: &Simulator| -> Vec<i32> {
            simulator.inspect(|world| {
                let chat = world.chat_seen_by(world.account_named(name).unwrap(), peer).unwrap();
                chat.history.messages().iter().map(|message| message.id).collect()
            })
        };
        assert_eq!(kept(&simulator), before.iter().map(|(id, _)| *id).collect::<Vec<i32>>());
        // Back again it gets what it missed, and no message twice.
        simulator.join(name, peer).unwrap();
        let again = read(&simulator, gone, peer).await;
        assert_eq!(again[..before.len()], before);
        assert_eq!(texts(&again[before.len()..]), ["removed", "without you", "added"]);
        simulator.stop().await;
    }
}

#[tokio::test]
async fn a_banned_account_gets_nothing_any_more_and_one_that_is_signed_out_does() {
    let (simulator, peer, first, second) = shared_group().await;
    let length = |client: &Client| {
        simulator.inspect(|world| {
            let account = world.account_named(&client.access.name).unwrap();
            world.chat_seen_by(account, peer).unwrap().history.len()
        })
    };
    let before = (length(&first), length(&second));
    simulator.ban(&first.access.name).unwrap();
    simulator.sign_out(&second.access.name).unwrap();
    simulator.post(peer, Post::text("for the others")).unwrap();
    assert_eq!((length(&first), length(&second)), (before.0, before.1 + 1));
    simulator.stop().await;
}

#[tokio::test]
async fn every_member_of_a_group_that_becomes_a_supergroup_is_in_it_and_reads_the_old_one_up_to_its_own_last_id() {
    let (simulator, peer, first, second) = shared_group().await;
    let channel = simulator.migrate(peer).unwrap();
    let id = simulator.post(channel, Post::text("here we are")).unwrap();
    let mut last_ids = Vec::new();
    for client in [&first, &second] {
        let old = read(&simulator, client, peer).await;
        let (last, text) = old.last().unwrap();
        assert_eq!(text, "migrated");
        assert_eq!(read(&simulator, client, channel).await.last().unwrap(), &(id, "here we are".to_owned()));
        let input = simulator.inspect(|world| input_channel(world, &client.access.name, channel));
        let enums::messages::ChatFull::Full(full) = client.call(&f::channels::GetFullChannel { channel: input }).await.unwrap();
        let enums::ChatFull::ChannelFull(full) = full.full_chat else { panic!("a supergroup") };
        assert_eq!((full.migrated_from_chat_id, full.migrated_from_max_id), (Some(-peer.marked()), Some(*last)));
        let answer = client.call(&f::messages::GetChats { id: vec![-peer.marked()] }).await.unwrap();
        let enums::messages::Chats::Chats(chats) = answer else { panic!("chats") };
        assert!(matches!(&chats.chats[0], enums::Chat::Chat(chat) if chat.deactivated));
        last_ids.push(*last);
    }
    assert_ne!(last_ids[0], last_ids[1]);
    // Nothing is said in the old one any more, and nobody comes.
    assert_eq!(simulator.post(peer, Post::text("too late")), Err(ScriptError::Migrated(peer)));
    assert_eq!(simulator.migrate(peer), Err(ScriptError::Migrated(peer)));
    let late = outsider(&simulator, peer);
    assert_eq!(simulator.join(&late, peer), Err(ScriptError::Migrated(peer)));
    let hash = simulator.inspect(|world| world.chat(peer).unwrap().invite.clone().unwrap());
    let client = Client::connect(&simulator, &late);
    assert_eq!(client.refusal(&f::messages::ImportChatInvite { hash }).await, "INVITE_HASH_EXPIRED");
    simulator.stop().await;
}

#[tokio::test]
async fn a_private_chat_of_two_accounts_has_both_sides_each_under_its_own_id() {
    let simulator = start(&spec()).await;
    let (alpha, bravo) = (Client::connect(&simulator, "alpha"), Client::connect(&simulator, "bravo"));
    let [of_alpha, of_bravo] = [&alpha, &bravo].map(|client| PeerId::user(client.access.user_id));
    let since = [pts(&alpha).await, pts(&bravo).await];
    simulator.open_private("alpha", of_bravo).unwrap();
    let first = simulator.by("alpha").post(of_bravo, Post::text("hello")).unwrap();
    let second = simulator.by("bravo").post(of_alpha, Post::text("hello yourself")).unwrap();
    let (left, right) = (read(&simulator, &alpha, of_bravo).await, read(&simulator, &bravo, of_alpha).await);
    let both = ["hello", "hello yourself"];
    assert_eq!(texts(&left[left.len() - 2..]), both);
    assert_eq!(texts(&right[right.len() - 2..]), both);
    assert_eq!((left[left.len() - 2].0, right[right.len() - 1].0), (first, second));
    for (client, peer, own) in [(&alpha, of_bravo, "hello"), (&bravo, of_alpha, "hello yourself")] {
        let request = history(simulator.inspect(|world| input_peer(world, &client.access.name, peer)));
        for message in messages_in(client.call(&request).await.unwrap()).into_iter().take(2) {
            let enums::Message::Message(message) = message else { panic!("a message") };
            assert_eq!((message.out, message.from_id), (message.message == own, None));
            assert_eq!(crate::client::marked(&message.peer_id), peer.marked());
        }
        assert_eq!(dialog_peers(client).await[0], peer.marked());
    }
    simulator.by("bravo").edit(of_alpha, second, "hello to you").unwrap();
    simulator.by("bravo").delete(of_alpha, &[right[right.len() - 2].0]).unwrap();
    for (client, peer, since) in [(&alpha, of_bravo, since[0]), (&bravo, of_alpha, since[1])] {
        let read = read(&simulator, client, peer).await;
        assert_eq!(texts(&read).last(), Some(&"hello to you"));
        assert!(!texts(&read).contains(&"hello"));
        let (new, edited, deleted, now) = difference(client, since).await;
        assert_eq!((new, edited), (vec![read.last().unwrap().0], vec![read.last().unwrap().0]));
        assert_eq!((deleted.len(), now), (1, since + 4));
    }
    simulator.stop().await;
}

#[tokio::test]
async fn two_accounts_have_private_chats_with_the_same_user_and_saved_messages_of_their_own() {
    let simulator = start(&spec()).await;
    let user = simulator.inspect(|world| PeerId::user(world.users.iter().find(|user| user.bot).unwrap().id));
    assert!(simulator.open_private("alpha", PeerId::user(1)).is_err());
    for name in ["alpha", "bravo"] {
        let client = Client::connect(&simulator, name);
        let own = PeerId::user(client.access.user_id);
        for peer in [user, own] {
            simulator.open_private(name, peer).unwrap();
            simulator.open_private(name, peer).unwrap();
            let id = simulator.by(name).post(peer, Post::text(format!("of {name}"))).unwrap();
            let read = read(&simulator, &client, peer).await;
            assert_eq!(read.last().unwrap(), &(id, format!("of {name}")));
            assert_eq!(read.iter().filter(|(_, text)| text.starts_with("of ")).count(), 1);
        }
        let saved = history(enums::InputPeer::PeerSelf);
        let enums::Message::Message(saved) = messages_in(client.call(&saved).await.unwrap()).remove(0) else {
            panic!("a message")
        };
        assert!(saved.out && saved.from_id.is_none());
        assert_eq!(crate::client::marked(&saved.peer_id), own.marked());
    }
    let mut truth = Vec::new();
    simulator.truth_with_private(&mut truth).unwrap();
    let lines: Vec<serde_json::Value> =
        String::from_utf8(truth).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |line: &&serde_json::Value| line["text"].as_str().is_some_and(|text| text.starts_with("of "));
    let told: Vec<(i64, &str, &str)> = lines
        .iter()
        .filter(of)
        .map(|line| (line["peer"].as_i64().unwrap(), line["account"].as_str().unwrap(), line["text"].as_str().unwrap()))
        .collect();
    let [alpha, bravo] =
        ["alpha", "bravo"].map(|name| simulator.accounts().into_iter().find(|a| a.name == name).unwrap().user_id);
    let mut expected = vec![
        (user.marked(), "alpha", "of alpha"),
        (user.marked(), "bravo", "of bravo"),
        (alpha, "alpha", "of alpha"),
        (bravo, "bravo", "of bravo"),
    ];
    expected.sort_unstable();
    assert_eq!(told, expected);
    let bot: Vec<_> = lines.iter().filter(|line| line["type"] == "peer" && line["id"] == user.marked()).collect();
    assert!(matches!(&bot[..], [bot] if bot["kind"] == "user" && bot["bot"] == true && bot["title"].is_string()));
    simulator.stop().await;
}

#[tokio::test]
async fn the_truth_has_a_basic_group_once_for_every_account_that_was_in_it_ordered_by_its_name() {
    let (simulator, peer, first, second) = shared_group().await;
    simulator.kick(&first.access.name, peer).unwrap();
    simulator.post(peer, Post::text("only for one")).unwrap();
    let mut truth = Vec::new();
    simulator.truth(&mut truth).unwrap();
    let truth = String::from_utf8(truth).unwrap();
    let peers = truth.lines().filter(|line| line.starts_with(&format!(r#"{{"type":"peer","id":{peer},"#))).count();
    assert_eq!(peers, 1);
    let mut keys = Vec::new();
    for line in truth.lines().filter(|line| line.starts_with(&format!(r#"{{"type":"message","peer":{peer},"account":""#))) {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        keys.push((line["account"].as_str().unwrap().to_owned(), line["id"].as_i64().unwrap()));
    }
    assert!(keys.is_sorted_by(|a, b| a < b));
    let count = |name: &str| keys.iter().filter(|(account, _)| account == name).count();
    assert_eq!(count(&second.access.name), count(&first.access.name) + 2);
    assert_eq!(truth.lines().filter(|line| line.contains("only for one")).count(), 1);
    let messages = truth.lines().filter(|line| line.starts_with(r#"{"type":"message""#)).count();
    assert_eq!(messages, simulator.inspect(telescribe_simulator::World::message_count));
    simulator.stop().await;
}

#[test]
fn a_seed_gives_basic_groups_two_or_three_accounts_that_are_not_expendable_and_the_same_ones_each_time() {
    let spec = WorldSpec { accounts: 8, expendable: 3, peers: 400, messages: 8_000, shared_groups: true, ..WorldSpec::default() };
    let members = |world: &telescribe_simulator::World| -> Vec<(PeerId, Option<usize>, Vec<usize>)> {
        let groups = world.chats.iter().filter(|chat| chat.kind == ChatKind::Group);
        groups.map(|chat| (chat.peer, chat.owner, chat.members.clone())).collect()
    };
    let world = spec.generate();
    let groups = members(&world);
    assert_eq!(groups, members(&spec.generate()));
    for (peer, owner, members) in &groups {
        assert!(members.iter().all(|member| *member < 5), "{peer}: {members:?}");
        let owners: Vec<_> = groups.iter().filter(|(of, ..)| of == peer).map(|(_, owner, _)| owner.unwrap()).collect();
        assert!(members.iter().all(|member| owners.contains(member)) && owners.len() == members.len());
        assert!(members.contains(&owner.unwrap()));
    }
    for size in 1..=3 {
        assert!(groups.iter().any(|(_, _, members)| members.len() == size), "a group of {size}");
    }
    assert_eq!(world.message_count(), 8_000);
    let alone = WorldSpec { accounts: 1, ..spec }.generate();
    assert!(members(&alone).iter().all(|(_, _, members)| members.len() == 1));
}
