//! Service messages: what a group or channel reports about itself.

use grammers_tl_types::{enums, types};

use crate::model::{Message, MessageId, MessageKey, PeerId, Service};

use super::{name, peer_id, reactions, reply, sender, timestamp};

pub(super) fn message(m: &types::MessageService) -> Message {
    let peer = peer_id(&m.peer_id);
    let key = MessageKey { peer, id: MessageId(m.id) };
    let mut reply = m.reply_to.as_ref().and_then(reply);
    let mut service = action(&m.action);
    if matches!(m.action, enums::MessageAction::PinMessage) {
        // Telegram says which message was pinned by replying to it.
        service.message = reply.take().and_then(|r| r.id);
    }
    Message {
        sender: sender(m.from_id.as_ref(), peer, m.out),
        reply,
        reactions: m.reactions.as_ref().map(reactions).unwrap_or_default(),
        service: Some(service),
        ..Message::new(key, timestamp(m.date))
    }
}

fn action(tl: &enums::MessageAction) -> Service {
    use enums::MessageAction as A;
    let users = |ids: &[i64]| ids.iter().copied().map(PeerId::user).collect();
    let (title, users) = match tl {
        A::ChatCreate(a) => (Some(a.title.clone()), users(&a.users)),
        A::ChatEditTitle(a) => (Some(a.title.clone()), Vec::new()),
        A::ChannelCreate(a) => (Some(a.title.clone()), Vec::new()),
        A::ChannelMigrateFrom(a) => (Some(a.title.clone()), Vec::new()),
        A::TopicCreate(a) => (Some(a.title.clone()), Vec::new()),
        A::TopicEdit(a) => (a.title.clone(), Vec::new()),
        A::ChatAddUser(a) => (None, users(&a.users)),
        A::ChatDeleteUser(a) => (None, users(&[a.user_id])),
        A::ChatJoinedByLink(a) => (None, users(&[a.inviter_id])),
        A::InviteToGroupCall(a) => (None, users(&a.users)),
        _ => (None, Vec::new()),
    };
    Service { action: action_name(name(tl)), title, users, message: None }
}

/// `messageActionChatAddUser` becomes `chat_add_user`, `messageActionSetMessagesTTL` becomes `set_messages_ttl`.
fn action_name(constructor: &str) -> String {
    let name = constructor.strip_prefix("messageAction").unwrap_or(constructor);
    let mut snake = String::with_capacity(name.len() + 4);
    let mut after_lower = false;
    for c in name.chars() {
        if c.is_ascii_uppercase() && after_lower {
            snake.push('_');
        }
        after_lower = !c.is_ascii_uppercase();
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_action_is_named_in_snake_case() {
        assert_eq!(super::action_name("messageActionChatAddUser"), "chat_add_user");
        assert_eq!(super::action_name("messageActionSetMessagesTTL"), "set_messages_ttl");
        assert_eq!(super::name(&grammers_tl_types::enums::MessageAction::PinMessage), "messageActionPinMessage");
    }
}
