//! Users, chats and channels.

use grammers_tl_types::{enums, types};

use super::AccountView;
use crate::world::{Chat, ChatKind, PeerId, User};

impl From<PeerId> for enums::Peer {
    fn from(peer: PeerId) -> Self {
        use crate::world::BareId;
        match peer.bare() {
            BareId::User(user_id) => types::PeerUser { user_id }.into(),
            BareId::Group(chat_id) => types::PeerChat { chat_id }.into(),
            BareId::Channel(channel_id) => types::PeerChannel { channel_id }.into(),
        }
    }
}

impl AccountView<'_> {
    /// A user, complete with the account's own hash for it.
    pub(crate) fn user(&self, user: &User) -> enums::User {
        let is_self = user.id == self.own_id();
        let account = self.world.accounts.get(self.account);
        let contact = account.and_then(|account| account.contacts.get(&user.id)).filter(|_| !is_self);
        let phone = is_self.then(|| self.world.accounts.get(self.account).map(|account| account.phone.clone())).flatten();
        enums::User::User(types::User {
            is_self,
            contact: contact.is_some(),
            mutual_contact: false,
            deleted: false,
            bot: user.bot,
            bot_chat_history: false,
            bot_nochats: false,
            verified: false,
            restricted: false,
            min: false,
            bot_inline_geo: false,
            support: false,
            scam: false,
            apply_min_photo: false,
            fake: false,
            bot_attach_menu: false,
            premium: false,
            attach_menu_enabled: false,
            bot_can_edit: false,
            close_friend: false,
            stories_hidden: false,
            stories_unavailable: false,
            contact_require_premium: false,
            bot_business: false,
            bot_has_main_app: false,
            bot_forum_view: false,
            bot_forum_can_manage_topics: false,
            bot_can_manage_bots: false,
            bot_guestchat: false,
            bot_guard: false,
            id: user.id,
            access_hash: Some(self.world.access_hash(self.account, PeerId::user(user.id))),
            // An account sees its contacts under the names of its address book.
            first_name: Some(contact.unwrap_or(&user.first_name).clone()),
            last_name: user.last_name.clone().filter(|_| contact.is_none()),
            username: user.username.clone(),
            phone,
            photo: self.user_photo(PeerId::user(user.id)),
            status: None,
            bot_info_version: user.bot.then_some(1),
            restriction_reason: None,
            bot_inline_placeholder: None,
            lang_code: None,
            emoji_status: None,
            usernames: None,
            stories_max_id: None,
            color: None,
            profile_color: None,
            bot_active_users: None,
            bot_verification_icon: None,
            send_paid_messages_stars: None,
            linked_community_id: None,
        })
    }

    /// A group, supergroup or channel; nothing for a private chat, which has no type of its own.
    pub(crate) fn chat(&self, index: u32) -> Option<enums::Chat> {
        use crate::world::BareId;
        let chat = self.world.chats.get(index as usize)?;
        let forbidden = self.world.accounts.get(self.account).is_some_and(|account| account.forbidden.contains(&chat.peer));
        match (chat.kind, chat.peer.bare()) {
            (ChatKind::Group, BareId::Group(id)) if forbidden => {
                Some(types::ChatForbidden { id, title: chat.title.clone() }.into())
            }
            (ChatKind::Group, BareId::Group(id)) => Some(self.basic_group(chat, id)),
            (ChatKind::Supergroup | ChatKind::Channel, BareId::Channel(id)) if forbidden => {
                Some(enums::Chat::ChannelForbidden(types::ChannelForbidden {
                    broadcast: chat.kind == ChatKind::Channel,
                    megagroup: chat.kind == ChatKind::Supergroup,
                    monoforum: false,
                    id,
                    access_hash: self.world.access_hash(self.account, chat.peer),
                    title: chat.title.clone(),
                    until_date: None,
                }))
            }
            (ChatKind::Supergroup | ChatKind::Channel, BareId::Channel(id)) => Some(self.channel(chat, id)),
            _ => None,
        }
    }

    fn basic_group(&self, chat: &Chat, id: i64) -> enums::Chat {
        enums::Chat::Chat(types::Chat {
            creator: false,
            left: !chat.members.contains(&self.account),
            deactivated: chat.migrated_to.is_some(),
            call_active: false,
            call_not_empty: false,
            noforwards: false,
            id,
            title: chat.title.clone(),
            photo: self.chat_photo(chat.peer),
            participants_count: chat.participants_count,
            date: chat.date,
            version: 1,
            migrated_to: chat.migrated_to.and_then(|peer| self.input_channel(peer)),
            admin_rights: None,
            default_banned_rights: None,
        })
    }

    fn channel(&self, chat: &Chat, id: i64) -> enums::Chat {
        enums::Chat::Channel(types::Channel {
            creator: false,
            left: !chat.members.contains(&self.account),
            broadcast: chat.kind == ChatKind::Channel,
            verified: false,
            megagroup: chat.kind == ChatKind::Supergroup,
            restricted: false,
            signatures: false,
            min: false,
            scam: false,
            has_link: chat.linked.is_some(),
            has_geo: false,
            slowmode_enabled: false,
            call_active: false,
            call_not_empty: false,
            fake: false,
            gigagroup: false,
            noforwards: false,
            join_to_send: false,
            join_request: chat.join_request,
            forum: chat.forum,
            stories_hidden: false,
            stories_hidden_min: false,
            stories_unavailable: false,
            signature_profiles: false,
            autotranslation: false,
            broadcast_messages_allowed: false,
            monoforum: false,
            forum_tabs: false,
            id,
            access_hash: Some(self.world.access_hash(self.account, chat.peer)),
            title: chat.title.clone(),
            username: chat.username.clone(),
            photo: self.chat_photo(chat.peer),
            date: chat.date,
            restriction_reason: None,
            admin_rights: None,
            banned_rights: None,
            default_banned_rights: None,
            participants_count: Some(chat.participants_count),
            usernames: None,
            stories_max_id: None,
            color: None,
            profile_color: None,
            emoji_status: None,
            level: None,
            subscription_until_date: None,
            bot_verification_icon: None,
            send_paid_messages_stars: None,
            linked_monoforum_id: None,
            linked_community_id: None,
        })
    }

    fn input_channel(&self, peer: PeerId) -> Option<enums::InputChannel> {
        match peer.bare() {
            crate::world::BareId::Channel(channel_id) => Some(enums::InputChannel::Channel(types::InputChannel {
                channel_id,
                access_hash: self.world.access_hash(self.account, peer),
            })),
            _ => None,
        }
    }
}
