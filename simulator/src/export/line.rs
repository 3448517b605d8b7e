//! Messages of an export, service messages among them.

use std::collections::HashMap;
use std::path::Path;

use serde_json::Value;

use super::Warnings;
use super::{attachment, fields, text};
use crate::world::{ChatKind, FileEntry, Forward, Message, PeerId, Reaction, Reply, Service, mix};

/// What the messages of one chat have in common.
pub(super) struct Context<'c> {
    pub kind: ChatKind,
    pub peer: PeerId,
    pub title: &'c str,
    pub dc: i32,
    pub root: &'c Path,
    /// Users by the name that they are shown under.
    pub users: &'c HashMap<String, i64>,
}

/// A message and the file that came with it; nothing where it cannot be used.
pub(super) fn message_of(
    value: &Value,
    context: &Context<'_>,
    warnings: &mut Warnings<'_>,
) -> Option<(Message, Option<(i64, FileEntry)>)> {
    let Some(id) = fields::small(value, "id") else {
        warnings.warn("a message without a usable id was left out");
        return None;
    };
    if id <= 0 {
        // Messages of the basic group that a supergroup once was; they are not the supergroup's.
        warnings.warn("a message of before the group's migration was left out");
        return None;
    }
    let Some(date) = fields::date(value, "date_unixtime", "date") else {
        warnings.warn("a message without a date was left out");
        return None;
    };
    match fields::text(value, "type").unwrap_or("message") {
        "message" | "unsupported" => Some(plain(value, id, date, context, warnings)),
        "service" => Some((service(value, id, date, context, warnings), None)),
        other => {
            warnings.warn(format!("a message of unknown type `{other}` was left out"));
            None
        }
    }
}

fn plain(
    value: &Value,
    id: i32,
    date: i32,
    context: &Context<'_>,
    warnings: &mut Warnings<'_>,
) -> (Message, Option<(i64, FileEntry)>) {
    // A channel's posts name the channel as their sender, where Telegram names nobody.
    let sender = fields::peer(value, "from_id").filter(|sender| context.kind != ChatKind::Channel || *sender != context.peer);
    let (text, entities) = text::text_of(value, warnings);
    let mut message = Message::new(id, date, sender, text);
    let file_id = (mix(context.peer.marked() as u64 ^ mix(id as u64)) >> 2) as i64;
    let attached = attachment::attachment_of(value, file_id, context.dc, context.root, warnings);
    let reply = fields::small(value, "reply_to_message_id").map(|id| Reply { id, topic: None, quote: None });
    let forward = forward(value, date);
    let edited = fields::date(value, "edited_unixtime", "edited");
    let author = fields::text(value, "author").map(str::to_owned);
    let via_bot = fields::text(value, "via_bot").and_then(|name| context.users.get(name.trim_start_matches('@')).copied());
    let reactions = reactions(value, warnings);
    let (media, file) = attached.map_or((None, None), |attached| (Some(attached.media), attached.file));
    let is_bare = entities.is_empty()
        && reply.is_none()
        && forward.is_none()
        && media.is_none()
        && edited.is_none()
        && author.is_none()
        && via_bot.is_none()
        && reactions.is_empty();
    if !is_bare {
        let extra = message.extra_mut();
        (extra.entities, extra.reply, extra.forward, extra.media) = (entities, reply, forward, media);
        (extra.edited, extra.author, extra.via_bot, extra.reactions) = (edited, author, via_bot, reactions);
    }
    (message, file)
}

fn forward(value: &Value, date: i32) -> Option<Forward> {
    let name = value.get("forwarded_from")?.as_str().map(str::to_owned);
    let from = fields::peer(value, "forwarded_from_id");
    // The original's date is not exported; the message's own is the nearest thing.
    Some(Forward { name: name.filter(|_| from.is_none()), from, date, post: None })
}

fn reactions(value: &Value, warnings: &mut Warnings<'_>) -> Vec<Reaction> {
    let list = value.get("reactions").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut reactions = Vec::new();
    for reaction in list {
        let emoji = match fields::text(reaction, "type") {
            Some("paid") => Some("paid".to_owned()),
            Some("custom_emoji") => fields::number(reaction, "document_id").map(|id| id.to_string()),
            _ => fields::text(reaction, "emoji").map(str::to_owned),
        };
        match (emoji, fields::small(reaction, "count")) {
            (Some(emoji), Some(count)) => reactions.push(Reaction { emoji, count }),
            _ => warnings.warn("a reaction was left out"),
        }
    }
    reactions
}

fn service(value: &Value, id: i32, date: i32, context: &Context<'_>, warnings: &mut Warnings<'_>) -> Message {
    let actor = fields::peer(value, "actor_id").filter(|actor| context.kind != ChatKind::Channel || *actor != context.peer);
    let title = || fields::text(value, "title").unwrap_or(context.title).to_owned();
    let members: Vec<i64> = value
        .get("members")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default()
        .iter()
        .filter_map(|name| context.users.get(name.as_str()?).copied())
        .collect();
    let actor_user = actor.map(PeerId::marked).filter(|id| *id > 0).unwrap_or(0);
    let action = fields::text(value, "action").unwrap_or_default();
    let service = match action {
        "create_group" => Service::ChatCreate { title: title(), users: members },
        "create_channel" => Service::ChannelCreate { title: title() },
        "edit_group_title" | "edit_channel_title" => Service::ChatEditTitle { title: title() },
        "delete_group_photo" | "delete_channel_photo" => Service::ChatDeletePhoto,
        "invite_members" => Service::ChatAddUser { users: members },
        "remove_members" => Service::ChatDeleteUser { user: members.first().copied().unwrap_or(actor_user) },
        "join_group_by_link" => Service::ChatJoinedByLink {
            inviter: fields::text(value, "inviter").and_then(|name| context.users.get(name).copied()).unwrap_or(actor_user),
        },
        "join_group_by_request" => Service::ChatJoinedByRequest,
        "pin_message" => Service::PinMessage { message: fields::small(value, "message_id").unwrap_or(0) },
        "clear_history" => Service::HistoryClear,
        other => {
            warnings.warn(format!("service message `{other}` is served as `custom_action`"));
            Service::CustomAction { text: other.to_owned() }
        }
    };
    let mut message = Message::new(id, date, actor, "");
    message.extra_mut().service = Some(service);
    message
}
