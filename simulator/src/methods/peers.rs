//! Peers: users, chats and channels by id or by name.

use grammers_tl_types::{Serializable, enums, functions as f, types};

use super::Call;
use crate::answer::{Answer, RpcError};
use crate::encode::{AccountView, MentionedPeers, notify_settings};
use crate::world::{ChatKind, PeerId};

/// Telegram's own bound on participants in one answer.
const PARTICIPANTS_MAX: i32 = 200;

impl Call<'_> {
    pub(super) fn get_users(&self) -> Answer {
        let request: f::users::GetUsers = self.request()?;
        let world = self.core.world();
        let view = AccountView::new(&world, self.account);
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
        let view = AccountView::new(&world, self.account);
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
            profile_photo: view.full_photo(PeerId::user(user.id)),
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

    /// The photos of a user: the one that is shown now.
    pub(super) fn get_user_photos(&self) -> Answer {
        let request: f::photos::GetUserPhotos = self.request()?;
        let world = self.core.world();
        let view = AccountView::new(&world, self.account);
        let user = self.user_of(&world, &request.user_id).and_then(|id| world.user(id));
        let user = user.ok_or(RpcError::new(400, "USER_ID_INVALID"))?;
        let photos = view.full_photo(PeerId::user(user.id)).into_iter().skip(usize::try_from(request.offset).unwrap_or(0));
        let answer = types::photos::Photos { photos: photos.collect(), users: vec![view.user(user)] };
        Ok(enums::photos::Photos::Photos(answer).to_bytes())
    }

    pub(super) fn get_channels(&self) -> Answer {
        let request: f::channels::GetChannels = self.request()?;
        let world = self.core.world();
        let view = AccountView::new(&world, self.account);
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
        let view = AccountView::new(&world, self.account);
        let mut chats = Vec::new();
        for id in request.id {
            let (index, _) = self.basic_group(&world, id)?;
            chats.extend(view.chat(index));
        }
        Ok(enums::messages::Chats::Chats(types::messages::Chats { chats }).to_bytes())
    }

    pub(super) fn get_participants(&self) -> Answer {
        let request: f::channels::GetParticipants = self.request()?;
        let world = self.core.world();
        let view = AccountView::new(&world, self.account);
        let (_, chat) = self.channel_of(&world, &request.channel)?;
        if chat.kind == ChatKind::Channel {
            return Err(RpcError::new(400, "CHAT_ADMIN_REQUIRED"));
        }
        let offset = usize::try_from(request.offset).unwrap_or(0);
        let limit = request.limit.clamp(0, PARTICIPANTS_MAX) as usize;
        let mut mentioned = MentionedPeers::default();
        let participants: Vec<enums::ChannelParticipant> = chat
            .participants
            .iter()
            .skip(offset)
            .take(limit)
            .map(|user_id| {
                mentioned.add(PeerId::user(*user_id));
                let date = chat.date;
                types::ChannelParticipant { user_id: *user_id, date, subscription_until_date: None, rank: None }.into()
            })
            .collect();
        let answer = types::channels::ChannelParticipants {
            count: chat.participants.len() as i32,
            participants,
            chats: mentioned.chats(view),
            users: mentioned.users(view),
        };
        Ok(enums::channels::ChannelParticipants::Participants(answer).to_bytes())
    }

    pub(super) fn resolve_username(&self) -> Answer {
        let request: f::contacts::ResolveUsername = self.request()?;
        let world = self.core.world();
        let view = AccountView::new(&world, self.account);
        let name = request.username.trim_start_matches('@').to_lowercase();
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(RpcError::new(400, "USERNAME_INVALID"));
        }
        let peer = *world.peer_of_username.get(&name).ok_or(RpcError::new(400, "USERNAME_NOT_OCCUPIED"))?;
        let mut mentioned = MentionedPeers::default();
        mentioned.add(peer);
        let answer =
            types::contacts::ResolvedPeer { peer: peer.into(), chats: mentioned.chats(view), users: mentioned.users(view) };
        Ok(enums::contacts::ResolvedPeer::Peer(answer).to_bytes())
    }
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
