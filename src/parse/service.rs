//! Service messages: what a group or channel reports about itself.

mod payment;

use grammers_tl_types::{enums, types};

use crate::model::{Message, MessageId, MessageKey, PeerId, Service};

use super::file::photo_id;
use super::origin::reply;
use super::{UnknownConstructors, name, non_empty, peer_id, plain, reactions, sender, timestamp};

pub(super) fn message(m: &types::MessageService, unknown: &mut UnknownConstructors) -> Message {
    let peer = peer_id(&m.peer_id);
    let key = MessageKey::new(peer, MessageId(m.id));
    let mut reply = m.reply_to.as_ref().map(|header| reply(header, unknown));
    let mut service = action(&m.action);
    if matches!(m.action, enums::MessageAction::PinMessage) {
        // Telegram says which message was pinned by replying to it.
        service.message = reply.take().and_then(|r| r.id);
    }
    Message {
        sender: sender(m.from_id.as_ref(), peer, m.out),
        reply,
        reactions: m.reactions.as_ref().map(reactions).unwrap_or_default(),
        silent: m.silent,
        ttl: m.ttl_period,
        service: Some(service),
        ..Message::new(key, timestamp(m.date))
    }
}

fn action(tl: &enums::MessageAction) -> Service {
    Service { action: action_name(name(tl)), ..members(tl) }
}

fn members(tl: &enums::MessageAction) -> Service {
    use enums::MessageAction as A;
    let of = Service::default();
    match tl {
        A::ChatCreate(a) => Service { title: Some(a.title.clone()), users: users(&a.users), ..of },
        A::ChatEditTitle(a) => Service { title: Some(a.title.clone()), ..of },
        A::ChatEditPhoto(a) => Service { photo: Some(photo_id(&a.photo)), ..of },
        A::SuggestProfilePhoto(a) => Service { photo: Some(photo_id(&a.photo)), ..of },
        A::ChannelCreate(a) => Service { title: Some(a.title.clone()), ..of },
        A::ChatMigrateTo(a) => Service { migrated: Some(PeerId::channel(a.channel_id)), ..of },
        A::ChannelMigrateFrom(a) => Service { title: Some(a.title.clone()), migrated: Some(PeerId::chat(a.chat_id)), ..of },
        A::ChatAddUser(a) => Service { users: users(&a.users), ..of },
        A::ChatDeleteUser(a) => Service { users: users(&[a.user_id]), ..of },
        A::ChatJoinedByLink(a) => Service { users: users(&[a.inviter_id]), ..of },
        A::NewCreatorPending(a) => Service { users: users(&[a.new_creator_id]), ..of },
        A::ChangeCreator(a) => Service { users: users(&[a.new_creator_id]), ..of },
        A::ManagedBotCreated(a) => Service { users: users(&[a.bot_id]), ..of },
        A::RequestedPeer(a) => Service { users: a.peers.iter().map(peer_id).collect(), ..of },
        A::RequestedPeerSentMe(a) => Service { users: a.peers.iter().map(requested).collect(), ..of },
        A::TopicCreate(a) => Service { title: Some(a.title.clone()), icon: a.icon_emoji_id, ..of },
        A::TopicEdit(a) => Service {
            title: a.title.clone(),
            icon: a.icon_emoji_id,
            states: [toggled(a.closed, "closed", "reopened"), toggled(a.hidden, "hidden", "shown")].concat(),
            ..of
        },
        A::NoForwardsToggle(a) => Service { states: toggled(Some(a.new_value), "protected", "unprotected"), ..of },
        A::NoForwardsRequest(a) => {
            let states = [toggled(Some(a.new_value), "protected", "unprotected"), states(&[(a.expired, "expired")])];
            Service { states: states.concat(), ..of }
        }
        A::PhoneCall(a) => Service {
            duration: a.duration,
            states: [states(&[(a.video, "video")]), a.reason.iter().map(discarded).collect()].concat(),
            ..of
        },
        A::ConferenceCall(a) => Service {
            duration: a.duration,
            users: a.other_participants.iter().flatten().map(peer_id).collect(),
            states: states(&[(a.video, "video"), (a.missed, "missed"), (a.active, "active")]),
            ..of
        },
        A::GroupCall(a) => Service { duration: a.duration, ..of },
        A::InviteToGroupCall(a) => Service { users: users(&a.users), ..of },
        A::GroupCallScheduled(a) => Service { date: Some(timestamp(a.schedule_date)), ..of },
        A::SetMessagesTtl(a) => {
            Service { period: Some(a.period), users: a.auto_setting_from.map(PeerId::user).into_iter().collect(), ..of }
        }
        A::GeoProximityReached(a) => {
            Service { users: vec![peer_id(&a.from_id), peer_id(&a.to_id)], count: Some(a.distance.into()), ..of }
        }
        A::GameScore(a) => Service { count: Some(a.score.into()), ..of },
        A::CustomAction(a) => Service { text: non_empty(&a.message), ..of },
        A::BotAllowed(a) => Service { text: a.domain.clone(), ..of },
        A::WebViewDataSentMe(a) => Service { text: non_empty(&a.text), ..of },
        A::WebViewDataSent(a) => Service { text: non_empty(&a.text), ..of },
        A::SetChatTheme(a) => Service {
            text: match &a.theme {
                enums::ChatTheme::Theme(theme) => non_empty(&theme.emoticon),
                enums::ChatTheme::UniqueGift(_) => None,
            },
            ..of
        },
        A::TodoCompletions(a) => Service { completed: a.completed.clone(), reopened: a.incompleted.clone(), ..of },
        A::TodoAppendTasks(a) => {
            let tasks: Vec<String> = a.list.iter().map(|enums::TodoItem::Item(item)| plain(&item.title)).collect();
            Service { text: non_empty(&tasks.join("\n")), ..of }
        }
        A::PollAppendAnswer(a) => Service { text: answer(&a.answer), ..of },
        A::PollDeleteAnswer(a) => Service { text: answer(&a.answer), ..of },
        A::BoostApply(a) => Service { count: Some(a.boosts.into()), ..of },
        A::WalletTonConnectRequest(a) => {
            Service { text: a.dapp_name.clone(), states: states(&[(a.accepted, "accepted"), (a.declined, "declined")]), ..of }
        }
        other => payment::members(other),
    }
}

fn users(ids: &[i64]) -> Vec<PeerId> {
    ids.iter().copied().map(PeerId::user).collect()
}

fn requested(tl: &enums::RequestedPeer) -> PeerId {
    match tl {
        enums::RequestedPeer::User(p) => PeerId::user(p.user_id),
        enums::RequestedPeer::Chat(p) => PeerId::chat(p.chat_id),
        enums::RequestedPeer::Channel(p) => PeerId::channel(p.channel_id),
    }
}

fn answer(tl: &enums::PollAnswer) -> Option<String> {
    match tl {
        enums::PollAnswer::Answer(a) => non_empty(&plain(&a.text)),
        enums::PollAnswer::InputPollAnswer(a) => non_empty(&plain(&a.text)),
    }
}

/// Why a call ended.
fn discarded(tl: &enums::PhoneCallDiscardReason) -> String {
    use enums::PhoneCallDiscardReason as R;
    let word = match tl {
        R::Missed => "missed",
        R::Disconnect => "disconnected",
        R::Hangup => "hung_up",
        R::Busy => "busy",
        R::MigrateConferenceCall(_) => "became_conference",
    };
    word.to_owned()
}

/// The word for what something was switched to.
fn toggled(value: Option<bool>, on: &str, off: &str) -> Vec<String> {
    value.map(|value| if value { on } else { off }.to_owned()).into_iter().collect()
}

/// The words of the flags that are set.
fn states(flags: &[(bool, &str)]) -> Vec<String> {
    flags.iter().filter(|(set, _)| *set).map(|(_, word)| (*word).to_owned()).collect()
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
