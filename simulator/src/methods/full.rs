//! What is to know about a chat: description, members, pinned message, discussion group.

use grammers_tl_types::{Serializable, enums, functions as f, types};

use super::Call;
use crate::answer::{Answer, RpcError};
use crate::encode::{AccountView, MentionedPeers, notify_settings};
use crate::world::{BareId, ChatKind, PeerId};

impl Call<'_> {
    pub(super) fn get_full_channel(&self) -> Answer {
        let request: f::channels::GetFullChannel = self.request()?;
        let world = self.core.world();
        let view = AccountView::new(&world, self.account);
        let (index, chat) = self.channel_of(&world, &request.channel)?;
        let BareId::Channel(channel_id) = chat.peer.bare() else { return Err(RpcError::new(400, "CHANNEL_INVALID")) };
        let top = chat.newest_shown(self.account).map_or(0, |message| message.id);
        // Up to the last id that the account itself has of it.
        let migrated_from = chat.migrated_from.and_then(|group| match group.bare() {
            BareId::Group(id) => Some((id, world.chat_seen_by(self.account, group)?.history.top_id())),
            _ => None,
        });
        let full_chat = types::ChannelFull {
            can_view_participants: chat.kind == ChatKind::Supergroup,
            can_set_username: false,
            can_set_stickers: false,
            hidden_prehistory: chat.hidden_prehistory,
            can_set_location: false,
            has_scheduled: false,
            can_view_stats: false,
            blocked: false,
            can_delete_channel: false,
            antispam: false,
            participants_hidden: false,
            translations_disabled: false,
            stories_pinned_available: false,
            view_forum_as_messages: false,
            restricted_sponsored: false,
            can_view_revenue: false,
            paid_media_allowed: false,
            can_view_stars_revenue: false,
            paid_reactions_available: false,
            stargifts_available: false,
            paid_messages_available: false,
            has_welcome_messages: false,
            id: channel_id,
            about: chat.about.clone(),
            participants_count: Some(chat.participants_count),
            admins_count: None,
            kicked_count: None,
            banned_count: None,
            online_count: None,
            read_inbox_max_id: top,
            read_outbox_max_id: top,
            unread_count: 0,
            chat_photo: view.full_photo(chat.peer).unwrap_or(types::PhotoEmpty { id: 0 }.into()),
            notify_settings: notify_settings(),
            exported_invite: None,
            bot_info: vec![],
            migrated_from_chat_id: migrated_from.map(|(id, _)| id),
            migrated_from_max_id: migrated_from.map(|(_, max_id)| max_id),
            pinned_msg_id: chat.history.newest_pinned(),
            stickerset: None,
            available_min_id: Some(chat.first_shown(self.account) - 1).filter(|hidden| *hidden > 0),
            folder_id: None,
            linked_chat_id: chat.linked.and_then(|peer| match peer.bare() {
                BareId::Channel(id) => Some(id),
                _ => None,
            }),
            location: None,
            slowmode_seconds: None,
            slowmode_next_send_date: None,
            stats_dc: None,
            pts: chat.journal.pts(),
            call: None,
            ttl_period: None,
            pending_suggestions: None,
            groupcall_default_join_as: None,
            theme_emoticon: None,
            requests_pending: None,
            recent_requesters: None,
            default_send_as: None,
            available_reactions: None,
            reactions_limit: None,
            stories: None,
            wallpaper: None,
            boosts_applied: None,
            boosts_unrestrict: None,
            emojiset: None,
            bot_verification: None,
            stargifts_count: None,
            send_paid_messages_stars: None,
            main_tab: None,
            guard_bot_id: None,
        };
        let linked = chat.linked.and_then(|peer| world.chat_of.get(&peer)).and_then(|index| view.chat(*index));
        let answer = types::messages::ChatFull {
            full_chat: enums::ChatFull::ChannelFull(full_chat),
            chats: view.chat(index).into_iter().chain(linked).collect(),
            users: vec![],
        };
        Ok(enums::messages::ChatFull::Full(answer).to_bytes())
    }

    pub(super) fn get_full_chat(&self) -> Answer {
        let request: f::messages::GetFullChat = self.request()?;
        let world = self.core.world();
        let view = AccountView::new(&world, self.account);
        let (_, chat) = self.basic_group(&world, request.chat_id)?;
        let mut mentioned = MentionedPeers::default();
        mentioned.add(chat.peer);
        let mut members = Vec::new();
        for user_id in &chat.participants {
            mentioned.add(PeerId::user(*user_id));
            members.push(types::ChatParticipant { user_id: *user_id, inviter_id: *user_id, date: chat.date, rank: None }.into());
        }
        let participants = types::ChatParticipants { chat_id: request.chat_id, participants: members, version: 1 }.into();
        let full_chat = types::ChatFull {
            can_set_username: false,
            has_scheduled: false,
            translations_disabled: false,
            has_welcome_messages: false,
            id: request.chat_id,
            about: chat.about.clone(),
            participants,
            chat_photo: view.full_photo(chat.peer),
            notify_settings: notify_settings(),
            exported_invite: None,
            bot_info: None,
            pinned_msg_id: chat.history.newest_pinned(),
            folder_id: None,
            call: None,
            ttl_period: None,
            groupcall_default_join_as: None,
            theme_emoticon: None,
            requests_pending: None,
            recent_requesters: None,
            available_reactions: None,
            reactions_limit: None,
        };
        let answer = types::messages::ChatFull {
            full_chat: enums::ChatFull::Full(full_chat),
            chats: mentioned.chats(view),
            users: mentioned.users(view),
        };
        Ok(enums::messages::ChatFull::Full(answer).to_bytes())
    }
}
