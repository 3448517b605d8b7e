//! Messages and service messages.

use grammers_tl_types::{enums, types};

use super::AccountView;
use super::topic::TOPIC_ICON_COLOR;
use crate::world::{BareId, Chat, ChatKind, Entity, EntityKind, Extra, Forward, Message, PeerId, Reaction, Reply, Service};

impl AccountView<'_> {
    /// A message of a chat.
    pub(crate) fn message(&self, chat: &Chat, message: &Message) -> enums::Message {
        match message.service() {
            Some(service) => self.service_message(chat, message, service),
            None => self.plain_message(chat, message),
        }
    }

    /// What stands in for a message that is not there.
    pub(crate) fn empty_message(id: i32, peer: Option<PeerId>) -> enums::Message {
        enums::Message::Empty(types::MessageEmpty { id, peer_id: peer.map(Into::into) })
    }

    /// The reactions of a message, an empty list included.
    pub(crate) fn reactions(message: &Message) -> enums::MessageReactions {
        let of = message.extra.as_ref().map_or(&[][..], |extra| &extra.reactions);
        enums::MessageReactions::Reactions(reactions_of(of))
    }

    fn is_outgoing(&self, message: &Message) -> bool {
        message.sender == Some(PeerId::user(self.own_id()))
    }

    /// In private chats the sender follows from the direction, and Telegram leaves it out.
    fn from_id(chat: &Chat, message: &Message) -> Option<enums::Peer> {
        message.sender.filter(|_| chat.kind != ChatKind::Private).map(Into::into)
    }

    fn plain_message(&self, chat: &Chat, message: &Message) -> enums::Message {
        let none = Extra::default();
        let extra = message.extra.as_deref().unwrap_or(&none);
        let counted = message.views >= 0;
        enums::Message::Message(types::Message {
            out: self.is_outgoing(message),
            mentioned: false,
            media_unread: false,
            silent: false,
            post: chat.kind == ChatKind::Channel,
            from_scheduled: false,
            legacy: false,
            edit_hide: extra.edit_hidden,
            pinned: extra.pinned,
            noforwards: false,
            invert_media: false,
            offline: false,
            video_processing_pending: false,
            paid_suggested_post_stars: false,
            paid_suggested_post_ton: false,
            id: message.id,
            from_id: Self::from_id(chat, message),
            from_boosts_applied: None,
            from_rank: None,
            peer_id: chat.peer.into(),
            saved_peer_id: None,
            fwd_from: extra.forward.as_ref().map(forward),
            via_bot_id: extra.via_bot,
            via_business_bot_id: None,
            guestchat_via_from: None,
            reply_to: extra.reply.as_ref().map(|of| reply(chat, of)),
            date: message.date,
            message: message.text.to_string(),
            media: extra.media.as_ref().map(|media| self.media(media, message.date)),
            reply_markup: None,
            entities: (!extra.entities.is_empty()).then(|| extra.entities.iter().map(entity).collect()),
            views: counted.then_some(message.views),
            forwards: counted.then_some(message.forwards),
            replies: extra.replies.map(|replies| replies_of(chat, replies)),
            edit_date: extra.edited,
            post_author: extra.author.clone(),
            grouped_id: extra.album,
            reactions: reactions(&extra.reactions),
            restriction_reason: None,
            ttl_period: None,
            quick_reply_shortcut_id: None,
            effect: None,
            factcheck: None,
            report_delivery_until_date: None,
            paid_message_stars: None,
            suggested_post: None,
            schedule_repeat_period: None,
            summary_from_language: None,
            rich_message: None,
        })
    }

    fn service_message(&self, chat: &Chat, message: &Message, service: &Service) -> enums::Message {
        let pinned = match service {
            // One that the account does not have is not named.
            Service::PinMessage { message } if *message > 0 => Some(reply(chat, &Reply { id: *message, ..Reply::default() })),
            _ => None,
        };
        enums::Message::Service(types::MessageService {
            out: self.is_outgoing(message),
            mentioned: false,
            media_unread: false,
            reactions_are_possible: false,
            silent: false,
            post: chat.kind == ChatKind::Channel,
            legacy: false,
            id: message.id,
            from_id: Self::from_id(chat, message),
            peer_id: chat.peer.into(),
            saved_peer_id: None,
            reply_to: pinned,
            date: message.date,
            action: self.action(service, message.date),
            reactions: message.extra.as_ref().and_then(|extra| reactions(&extra.reactions)),
            ttl_period: None,
        })
    }

    fn action(&self, service: &Service, date: i32) -> enums::MessageAction {
        match service.clone() {
            Service::ChatEditPhoto { photo } => types::MessageActionChatEditPhoto { photo: self.photo(&photo, date) }.into(),
            Service::ChatCreate { title, users } => types::MessageActionChatCreate { title, users }.into(),
            Service::ChatEditTitle { title } => types::MessageActionChatEditTitle { title }.into(),
            Service::ChatDeletePhoto => enums::MessageAction::ChatDeletePhoto,
            Service::ChatAddUser { users } => types::MessageActionChatAddUser { users }.into(),
            Service::ChatDeleteUser { user } => types::MessageActionChatDeleteUser { user_id: user }.into(),
            Service::ChatJoinedByLink { inviter } => types::MessageActionChatJoinedByLink { inviter_id: inviter }.into(),
            Service::ChatJoinedByRequest => enums::MessageAction::ChatJoinedByRequest,
            Service::ChannelCreate { title } => types::MessageActionChannelCreate { title }.into(),
            Service::ChatMigrateTo { channel } => types::MessageActionChatMigrateTo { channel_id: channel }.into(),
            Service::ChannelMigrateFrom { title, chat } => types::MessageActionChannelMigrateFrom { title, chat_id: chat }.into(),
            Service::PinMessage { .. } => enums::MessageAction::PinMessage,
            Service::HistoryClear => enums::MessageAction::HistoryClear,
            Service::TopicCreate { title } => {
                types::MessageActionTopicCreate { title_missing: false, title, icon_color: TOPIC_ICON_COLOR, icon_emoji_id: None }
                    .into()
            }
            Service::CustomAction { text } => types::MessageActionCustomAction { message: text }.into(),
        }
    }
}

/// A message that stands in a topic by itself replies to the topic's first message, and says only so much.
fn reply(chat: &Chat, reply: &Reply) -> enums::MessageReplyHeader {
    let topic = reply.topic.filter(|topic| !chat.forum || *topic != reply.id);
    enums::MessageReplyHeader::Header(types::MessageReplyHeader {
        reply_to_scheduled: false,
        forum_topic: chat.forum && reply.topic.is_some(),
        quote: reply.quote.is_some(),
        reply_to_ephemeral: false,
        reply_to_msg_id: Some(reply.id),
        reply_to_peer_id: None,
        reply_from: None,
        reply_media: None,
        reply_to_top_id: topic,
        quote_text: reply.quote.clone(),
        quote_entities: None,
        quote_offset: reply.quote.as_ref().map(|_| 0),
        todo_item_id: None,
        poll_option: None,
    })
}

fn forward(forward: &Forward) -> enums::MessageFwdHeader {
    enums::MessageFwdHeader::Header(types::MessageFwdHeader {
        imported: false,
        saved_out: false,
        from_id: forward.from.map(Into::into),
        from_name: forward.name.clone(),
        date: forward.date,
        channel_post: forward.post,
        post_author: None,
        saved_from_peer: None,
        saved_from_msg_id: None,
        saved_from_id: None,
        saved_from_name: None,
        saved_date: None,
        psa_type: None,
    })
}

pub(crate) fn replies_of(chat: &Chat, replies: i32) -> enums::MessageReplies {
    enums::MessageReplies::Replies(types::MessageReplies {
        comments: chat.kind == ChatKind::Channel,
        replies,
        replies_pts: 1,
        recent_repliers: None,
        channel_id: chat.discussion().and_then(|group| match group.bare() {
            BareId::Channel(id) => Some(id),
            _ => None,
        }),
        max_id: None,
        read_max_id: None,
    })
}

/// Reactions as Telegram sends them; nothing when there are none.
fn reactions(reactions: &[Reaction]) -> Option<enums::MessageReactions> {
    (!reactions.is_empty()).then(|| enums::MessageReactions::Reactions(reactions_of(reactions)))
}

fn reactions_of(reactions: &[Reaction]) -> types::MessageReactions {
    types::MessageReactions {
        min: false,
        can_see_list: false,
        reactions_as_tags: false,
        results: reactions.iter().map(reaction).collect(),
        recent_reactions: None,
        top_reactors: None,
    }
}

fn reaction(reaction: &Reaction) -> enums::ReactionCount {
    let kind = if reaction.emoji == "paid" {
        enums::Reaction::Paid
    } else if let Ok(document_id) = reaction.emoji.parse() {
        enums::Reaction::CustomEmoji(types::ReactionCustomEmoji { document_id })
    } else {
        enums::Reaction::Emoji(types::ReactionEmoji { emoticon: reaction.emoji.clone() })
    };
    enums::ReactionCount::Count(types::ReactionCount { chosen_order: None, reaction: kind, count: reaction.count })
}

fn entity(entity: &Entity) -> enums::MessageEntity {
    let (offset, length) = (entity.offset, entity.length);
    match &entity.kind {
        EntityKind::Mention => types::MessageEntityMention { offset, length }.into(),
        EntityKind::Hashtag => types::MessageEntityHashtag { offset, length }.into(),
        EntityKind::BotCommand => types::MessageEntityBotCommand { offset, length }.into(),
        EntityKind::Url => types::MessageEntityUrl { offset, length }.into(),
        EntityKind::Email => types::MessageEntityEmail { offset, length }.into(),
        EntityKind::Bold => types::MessageEntityBold { offset, length }.into(),
        EntityKind::Italic => types::MessageEntityItalic { offset, length }.into(),
        EntityKind::Code => types::MessageEntityCode { offset, length }.into(),
        EntityKind::Pre { language } => types::MessageEntityPre { offset, length, language: language.clone() }.into(),
        EntityKind::TextUrl { url } => types::MessageEntityTextUrl { offset, length, url: url.clone() }.into(),
        EntityKind::MentionName { user } => types::MessageEntityMentionName { offset, length, user_id: *user }.into(),
        EntityKind::Phone => types::MessageEntityPhone { offset, length }.into(),
        EntityKind::Cashtag => types::MessageEntityCashtag { offset, length }.into(),
        EntityKind::Underline => types::MessageEntityUnderline { offset, length }.into(),
        EntityKind::Strike => types::MessageEntityStrike { offset, length }.into(),
        EntityKind::Blockquote => types::MessageEntityBlockquote { collapsed: false, offset, length }.into(),
        EntityKind::BankCard => types::MessageEntityBankCard { offset, length }.into(),
        EntityKind::Spoiler => types::MessageEntitySpoiler { offset, length }.into(),
        EntityKind::CustomEmoji { document } => types::MessageEntityCustomEmoji { offset, length, document_id: *document }.into(),
        EntityKind::Unknown => types::MessageEntityUnknown { offset, length }.into(),
    }
}
