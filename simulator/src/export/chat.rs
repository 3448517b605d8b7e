//! Chats of an export, and the world that is made of them.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use serde_json::Value;

use super::line::{Context, message_of};
use super::{ExportWarning, Warnings, fields};
use crate::world::{Account, BASE_DATE, BareId, Chat, ChatKind, History, Journal, Message, NO_CHAT, PeerId, User, World, mix};

/// The account's user where the export does not name its owner.
const OWN_USER_ID: i64 = 5_000_000_000;
/// The highest message id that the account's own sequence is filled up to: an absurd id must not fill the memory.
const SEQUENCE_MAX: i32 = 50_000_000;

/// Makes a world of chats.
pub(super) fn world_of(chats: &[&Value], own_id: Option<i64>, root: PathBuf, warnings: &mut Vec<ExportWarning>) -> World {
    let own_id = own_id.filter(|id| *id > 0).unwrap_or(OWN_USER_ID);
    // The names of a world decide its keys: the same export is served under the same ones each time.
    let seed = chats.iter().fold(own_id as u64, |seed, chat| mix(seed ^ fields::number(chat, "id").unwrap_or(0) as u64));
    let mut world = World::empty(seed, vec![1, 2]);
    let mut account = Account::new("alpha".into(), own_id, 2);
    account.phone = "9996610001".into();
    account.code = "12345".into();
    world.accounts.push(account);
    let names = names_of(chats, own_id);
    let users_by_name: HashMap<String, i64> = names.iter().map(|(id, name)| (name.clone(), *id)).collect();
    world.users =
        names.into_iter().map(|(id, first_name)| User { id, first_name, last_name: None, username: None, bot: false }).collect();
    for value in chats {
        add_chat(&mut world, value, &users_by_name, &root, warnings);
    }
    world.file_root = Some(root);
    if let Some(account) = world.accounts.first_mut() {
        account.journal = Journal::starting_at(account.sequence.len() as i32);
    }
    world.build_indexes();
    world
}

/// Every user that is named with an id.
fn names_of(chats: &[&Value], own_id: i64) -> BTreeMap<i64, String> {
    let mut names = BTreeMap::from([(own_id, "Owner of the export".to_owned())]);
    let mut note = |value: &Value, id: &str, name: &str| {
        if let Some(BareId::User(id)) = fields::peer(value, id).map(PeerId::bare) {
            let name = fields::text(value, name).unwrap_or("Deleted Account");
            names.insert(id, name.to_owned());
        }
    };
    for chat in chats {
        for message in chat.get("messages").and_then(Value::as_array).into_iter().flatten() {
            note(message, "from_id", "from");
            note(message, "actor_id", "actor");
            note(message, "forwarded_from_id", "forwarded_from");
        }
    }
    names
}

fn add_chat(
    world: &mut World,
    value: &Value,
    users: &HashMap<String, i64>,
    root: &std::path::Path,
    warnings: &mut Vec<ExportWarning>,
) {
    let title = fields::text(value, "name").unwrap_or("Deleted Account").to_owned();
    let place = |at: &str| format!("chat `{title}`{at}");
    let mut of_chat = Warnings { place: place(""), list: warnings };
    let Some(id) = fields::number(value, "id").filter(|id| *id > 0) else {
        return of_chat.warn("a chat without a usable id was left out");
    };
    let (kind, peer) = match fields::text(value, "type").unwrap_or_default() {
        "personal_chat" | "bot_chat" => (ChatKind::Private, PeerId::user(id)),
        "private_group" => (ChatKind::Group, PeerId::group(id)),
        "private_supergroup" | "public_supergroup" => (ChatKind::Supergroup, PeerId::channel(id)),
        "private_channel" | "public_channel" => (ChatKind::Channel, PeerId::channel(id)),
        other => return of_chat.warn(format!("a chat of type `{other}` was left out")),
    };
    if world.chats.iter().any(|chat| chat.peer == peer) {
        return of_chat.warn("the chat is there twice; the second was left out");
    }
    let context = Context { kind, peer, title: &title, dc: 2, root, users };
    let mut messages: BTreeMap<i32, Message> = BTreeMap::new();
    let lines = value.get("messages").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for line in lines {
        let at = fields::number(line, "id").map(|id| format!(", message `{id}`")).unwrap_or_default();
        let mut of_message = Warnings { place: place(&at), list: warnings };
        let Some((message, file)) = message_of(line, &context, &mut of_message) else { continue };
        let taken =
            !kind.is_channel() && world.accounts.first().is_some_and(|account| account.chat_of_message(message.id).is_some());
        if messages.contains_key(&message.id) || taken || message.id > SEQUENCE_MAX {
            of_message.warn("a message whose id is taken or absurd was left out");
            continue;
        }
        world.files.extend(file);
        messages.insert(message.id, message);
    }
    let index = world.chats.len() as u32;
    let mut history = History::with_capacity(messages.len());
    let mut participants: Vec<i64> = Vec::new();
    let mut latest = 0;
    for (id, mut message) in messages {
        // Imported messages carry older dates; the order by id is what Telegram keeps to.
        latest = latest.max(message.date);
        message.date = latest;
        participants.extend(message.sender.map(PeerId::marked).filter(|id| *id > 0));
        if !kind.is_channel()
            && let Some(account) = world.accounts.first_mut()
        {
            let place = id as usize;
            if account.sequence.len() < place {
                account.sequence.resize(place, NO_CHAT);
            }
            if let Some(of) = account.sequence.get_mut(place - 1) {
                *of = index;
            }
        }
        history.push(message);
    }
    participants.sort_unstable();
    participants.dedup();
    let is_public = fields::text(value, "type").is_some_and(|kind| kind.starts_with("public"));
    world.chats.push(Chat {
        // Exports do not tell the username of a public chat; this one makes it readable by name.
        username: is_public.then(|| format!("export_{id}")),
        date: history.messages().first().map_or(BASE_DATE, |message| message.date),
        owner: (!kind.is_channel()).then_some(0),
        members: vec![0],
        participants_count: participants.len() as i32,
        participants,
        ..Chat::new(peer, kind, title)
    });
    if let Some(chat) = world.chats.last_mut() {
        chat.adopt(history);
    }
    if kind == ChatKind::Private && world.users.iter().all(|user| user.id != id) {
        let first_name = world.chats.last().map(|chat| chat.title.clone()).unwrap_or_default();
        world.users.push(User { id, first_name, last_name: None, username: None, bot: false });
    }
    if let Some(account) = world.accounts.first_mut() {
        account.dialogs.push(index);
    }
}
