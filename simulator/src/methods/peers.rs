//! Peers: users, chats and channels by id or by name, and what is to know about each.

use grammers_tl_types::{Serializable, enums, functions as f, types};

use super::Call;
use crate::encode::{Referenced, View, notify_settings};
use crate::wire::session::{Answer, RpcError};
use crate::world::{Bare, Chat, ChatKind, PeerId};

/// Telegram's own bound on participants in one answer.
const PARTICIPANTS_MAX: i32 = 200;

impl Call<'_> {
    pub(super) fn get_users(&self) -> Answer {
        let request: f::users::GetUsers = self.request()?;
        let world = self.core.world();
        let view = View::new(&world, self.account);
        let users: Vec<enums::User> = request
            .id
            .iter()
            .filter_map(|user| self.user_of(&world, user).and_then(|id| world.user(id)))
            .map(|user| view.user(user))
            .collect();
        Ok(users.to_bytes())
    }

    pub(super) fn get_full_user(&self) -> Answer {
        let request: f::users::GetFullUser = self.request()?;
        let world = self.core.world();
        let view = View::new(&world, self.account);
        let user =
            self.user_of(&world, &request.id).and_then(|id| world.user(id)).ok_or(RpcError::new(400, "USER_ID_INVALID"))?;
        let full_user = types::UserFull {
            blocked: false,
            phone_calls_available: false,
            phone_calls_private: false,
            can_pin_message: false,
            has_scheduled: false,
            video_calls_available: false,
            voice_messages_forbidden: false,
            translations_disabled: false,
            stories_pinned_available: false,
            blocked_my_stories_from: false,
            wallpaper_overridden: false,
            contact_require_premium: false,
            read_dates_private: false,
            sponsored_enabled: false,
            can_view_revenue: false,
            bot_can_manage_emoji_status: false,
            display_gifts_button: false,
            noforwards_my_enabled: false,
            noforwards_peer_enabled: false,
            unofficial_security_risk: false,
            id: user.id,
            about: None,
            settings: peer_settings(),
            personal_photo: None,
            profile_photo: None,
            fallback_photo: None,
            notify_settings: notify_settings(),
            bot_info: None,
            pinned_msg_id: None,
            common_chats_count: 0,
            folder_id: None,
            ttl_period: None,
            theme: None,
            private_forward_name: None,
            bot_group_admin_rights: None,
            bot_broadcast_admin_rights: None,
            wallpaper: None,
            stories: None,
            business_work_hours: None,
            business_location: None,
            business_greeting_message: None,
            business_away_message: None,
            business_intro: None,
            birthday: None,
            personal_channel_id: None,
            personal_channel_message: None,
            stargifts_count: None,
            starref_program: None,
            bot_verification: None,
            send_paid_messages_stars: None,
            disallowed_gifts: None,
            stars_rating: None,
            stars_my_pending_rating: None,
            stars_my_pending_rating_date: None,
            main_tab: None,
            saved_music: None,
            note: None,
            bot_manager_id: None,
        };
        let answer = types::users::UserFull { full_user: full_user.into(), chats: vec![], users: vec![view.user(user)] };
        Ok(enums::users::UserFull::Full(answer).to_bytes())
    }

    pub(super) fn get_channels(&self) -> Answer {
        let request: f::channels::GetChannels = self.request()?;
        let world = self.core.world();
        let view = View::new(&world, self.account);
        let mut chats = Vec::new();
        for channel in &request.id {
            let (index, _) = self.channel_of(&world, channel)?;
            chats.extend(view.chat(index));
        }
        Ok(enums::messages::Chats::Chats(types::messages::Chats { chats }).to_bytes())
    }

    pub(super) fn get_chats(&self) -> Answer {
        let request: f::messages::GetChats = self.request()?;
        let world = self.core.world();
        let view = View::new(&world, self.account);
        let mut chats = Vec::new();
        for id in request.id {
            let (index, _) = self.basic_group(&world, id)?;
            chats.extend(view.chat(index));
        }
        Ok(enums::messages::Chats::Chats(types::messages::Chats { chats }).to_bytes())
    }

    pub(super) fn get_full_channel(&self) -> Answer {
        let request: f::channels::GetFullChannel = self.request()?;
        let world = self.core.world();
        let view = View::new(&world, self.account);
        let (index, chat) = self.channel_of(&world, &request.channel)?;
        let Bare::Channel(channel_id) = chat.peer.bare() else { return Err(RpcError::new(400, "CHANNEL_INVALID")) };
        let top = chat.history.newest().map_or(0, |message| message.id);
        let full_chat = types::ChannelFull {
            can_view_participants: chat.kind == ChatKind::Supergroup,
            can_set_username: false,
            can_set_stickers: false,
            hidden_prehistory: false,
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
            chat_photo: enums::Photo::Empty(types::PhotoEmpty { id: 0 }),
            notify_settings: notify_settings(),
            exported_invite: None,
            bot_info: vec![],
            migrated_from_chat_id: None,
            migrated_from_max_id: None,
            pinned_msg_id: pinned(chat),
            stickerset: None,
            available_min_id: None,
            folder_id: None,
            linked_chat_id: None,
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
        let answer = types::messages::ChatFull {
            full_chat: enums::ChatFull::ChannelFull(full_chat),
            chats: view.chat(index).into_iter().collect(),
            users: vec![],
        };
        Ok(enums::messages::ChatFull::Full(answer).to_bytes())
    }

    pub(super) fn get_full_chat(&self) -> Answer {
        let request: f::messages::GetFullChat = self.request()?;
        let world = self.core.world();
        let view = View::new(&world, self.account);
        let (_, chat) = self.basic_group(&world, request.chat_id)?;
        let mut referenced = Referenced::default();
        referenced.add(chat.peer);
        let mut members = Vec::new();
        for user_id in &chat.participants {
            referenced.add(PeerId::user(*user_id));
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
            chat_photo: None,
            notify_settings: notify_settings(),
            exported_invite: None,
            bot_info: None,
            pinned_msg_id: pinned(chat),
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
            chats: referenced.chats(view),
            users: referenced.users(view),
        };
        Ok(enums::messages::ChatFull::Full(answer).to_bytes())
    }

    pub(super) fn get_participants(&self) -> Answer {
        let request: f::channels::GetParticipants = self.request()?;
        let world = self.core.world();
        let view = View::new(&world, self.account);
        let (_, chat) = self.channel_of(&world, &request.channel)?;
        if chat.kind == ChatKind::Channel {
            return Err(RpcError::new(400, "CHAT_ADMIN_REQUIRED"));
        }
        let offset = usize::try_from(request.offset).unwrap_or(0);
        let limit = request.limit.clamp(0, PARTICIPANTS_MAX) as usize;
        let mut referenced = Referenced::default();
        let participants: Vec<enums::ChannelParticipant> = chat
            .participants
            .iter()
            .skip(offset)
            .take(limit)
            .map(|user_id| {
                referenced.add(PeerId::user(*user_id));
                let date = chat.date;
                types::ChannelParticipant { user_id: *user_id, date, subscription_until_date: None, rank: None }.into()
            })
            .collect();
        let answer = types::channels::ChannelParticipants {
            count: chat.participants.len() as i32,
            participants,
            chats: referenced.chats(view),
            users: referenced.users(view),
        };
        Ok(enums::channels::ChannelParticipants::Participants(answer).to_bytes())
    }

    pub(super) fn resolve_username(&self) -> Answer {
        let request: f::contacts::ResolveUsername = self.request()?;
        let world = self.core.world();
        let view = View::new(&world, self.account);
        let name = request.username.trim_start_matches('@').to_lowercase();
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(RpcError::new(400, "USERNAME_INVALID"));
        }
        let peer = *world.peer_of_username.get(&name).ok_or(RpcError::new(400, "USERNAME_NOT_OCCUPIED"))?;
        let mut referenced = Referenced::default();
        referenced.add(peer);
        let answer =
            types::contacts::ResolvedPeer { peer: peer.into(), chats: referenced.chats(view), users: referenced.users(view) };
        Ok(enums::contacts::ResolvedPeer::Peer(answer).to_bytes())
    }
}

/// The newest pinned message.
fn pinned(chat: &Chat) -> Option<i32> {
    let is_pinned = |message: &&crate::world::Message| message.extra.as_ref().is_some_and(|extra| extra.pinned);
    chat.history.messages().iter().rev().find(is_pinned).map(|message| message.id)
}

fn peer_settings() -> enums::PeerSettings {
    enums::PeerSettings::Settings(types::PeerSettings {
        report_spam: false,
        add_contact: false,
        block_contact: false,
        share_contact: false,
        need_contacts_exception: false,
        report_geo: false,
        autoarchived: false,
        invite_members: false,
        request_chat_broadcast: false,
        business_bot_paused: false,
        business_bot_can_reply: false,
        geo_distance: None,
        request_chat_title: None,
        request_chat_date: None,
        business_bot_id: None,
        business_bot_manage_url: None,
        charge_paid_message_stars: None,
        registration_month: None,
        phone_country: None,
        name_change_date: None,
        photo_change_date: None,
    })
}
