//! Joining and leaving, as an account does it itself. See <https://core.telegram.org/api/invites>.

use grammers_tl_types::{Serializable, enums, functions as f, types};

use super::Call;
use crate::answer::{Answer, RpcError};
use crate::encode::AccountView;
use crate::world::{ChatKind, World};

const USER_NOT_PARTICIPANT: RpcError = RpcError::new(400, "USER_NOT_PARTICIPANT");

impl Call<'_> {
    pub(super) fn join_channel(&self) -> Answer {
        let request: f::channels::JoinChannel = self.request()?;
        let mut world = self.core.world_mut();
        let (index, _) = self.channel_of(&world, &request.channel)?;
        self.admit(&mut world, index)?;
        Ok(self.joined(&world, index))
    }

    pub(super) fn import_chat_invite(&self) -> Answer {
        let request: f::messages::ImportChatInvite = self.request()?;
        let mut world = self.core.world_mut();
        let index = invited(&world, &request.hash)?;
        let chat = world.chats.get(index as usize).ok_or(EXPIRED)?;
        if chat.members.contains(&self.account) {
            return Err(RpcError::new(400, "USER_ALREADY_PARTICIPANT"));
        }
        if world.accounts.get(self.account).is_some_and(|account| account.forbidden.contains(&chat.peer)) {
            return Err(RpcError::new(400, "CHANNEL_PRIVATE"));
        }
        self.admit(&mut world, index)?;
        let answer = self.joined(&world, index);
        self.core.welcome(&mut world, self.account, index, 0, true);
        Ok(answer)
    }

    pub(super) fn check_chat_invite(&self) -> Answer {
        let request: f::messages::CheckChatInvite = self.request()?;
        let world = self.core.world();
        let view = AccountView::new(&world, self.account);
        let index = invited(&world, &request.hash)?;
        let chat = world.chats.get(index as usize).ok_or(EXPIRED)?;
        if chat.members.contains(&self.account)
            && let Some(chat) = view.chat(index)
        {
            return Ok(enums::ChatInvite::Already(types::ChatInviteAlready { chat }).to_bytes());
        }
        let invite = types::ChatInvite {
            channel: chat.kind.is_channel(),
            broadcast: chat.kind == ChatKind::Channel,
            public: chat.username.is_some(),
            megagroup: chat.kind == ChatKind::Supergroup,
            request_needed: chat.join_request,
            verified: false,
            scam: false,
            fake: false,
            can_refulfill_subscription: false,
            title: chat.title.clone(),
            about: Some(chat.about.clone()).filter(|about| !about.is_empty()),
            photo: enums::Photo::Empty(types::PhotoEmpty { id: 0 }),
            participants_count: chat.participants_count,
            participants: None,
            color: 0,
            subscription_pricing: None,
            subscription_form_id: None,
            bot_verification: None,
        };
        Ok(enums::ChatInvite::Invite(invite).to_bytes())
    }

    pub(super) fn leave_channel(&self) -> Answer {
        let request: f::channels::LeaveChannel = self.request()?;
        let mut world = self.core.world_mut();
        let (index, _) = self.channel_of(&world, &request.channel)?;
        self.leave(&mut world, index)
    }

    /// Leaving a basic group; nobody else is removed from one, because no account is an administrator.
    pub(super) fn delete_chat_user(&self) -> Answer {
        let request: f::messages::DeleteChatUser = self.request()?;
        let mut world = self.core.world_mut();
        let (index, _) = self.basic_group(&world, request.chat_id)?;
        if self.user_of(&world, &request.user_id) != world.accounts.get(self.account).map(|account| account.user_id) {
            return Err(RpcError::new(400, "CHAT_ADMIN_REQUIRED"));
        }
        self.leave(&mut world, index)
    }

    fn leave(&self, world: &mut World, index: u32) -> Answer {
        if !world.leave(self.account, index) {
            return Err(USER_NOT_PARTICIPANT);
        }
        let answer = self.core.push_membership(world, self.account, index, Some(self.pushes)).to_bytes();
        self.core.bid_farewell(world, self.account, index, false);
        Ok(answer)
    }

    /// Lets the account in, if it may come in.
    fn admit(&self, world: &mut World, index: u32) -> Result<(), RpcError> {
        let (account, chats) = (world.accounts.get(self.account), &mut world.chats);
        let dialogs = account.map(|account| &account.dialogs[..]).unwrap_or_default();
        let is_channel = |index: &&u32| chats.get(**index as usize).is_some_and(|chat| chat.kind.is_channel());
        let is_full = dialogs.iter().filter(is_channel).count() >= self.core.options.channels_max;
        let chat = chats.get_mut(index as usize).ok_or(EXPIRED)?;
        if chat.members.contains(&self.account) {
            return Ok(());
        }
        if is_full && chat.kind.is_channel() {
            return Err(RpcError::new(400, "CHANNELS_TOO_MUCH"));
        }
        if chat.join_request {
            if !chat.requested.contains(&self.account) {
                chat.requested.push(self.account);
            }
            return Err(RpcError::new(400, "INVITE_REQUEST_SENT"));
        }
        world.join(self.account, index);
        Ok(())
    }

    fn joined(&self, world: &World, index: u32) -> Vec<u8> {
        let updates = self.core.push_membership(world, self.account, index, Some(self.pushes));
        enums::messages::ChatInviteJoinResult::Ok(types::messages::ChatInviteJoinResultOk { updates }).to_bytes()
    }
}

const EXPIRED: RpcError = RpcError::new(400, "INVITE_HASH_EXPIRED");

/// The chat that an invite link leads to. As with Telegram, a link that never was is told like one that was revoked.
fn invited(world: &World, hash: &str) -> Result<u32, RpcError> {
    if hash.is_empty() {
        return Err(RpcError::new(400, "INVITE_HASH_EMPTY"));
    }
    if !hash.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
        return Err(RpcError::new(400, "INVITE_HASH_INVALID"));
    }
    let index = world.chat_of_invite.get(hash).copied().ok_or(EXPIRED)?;
    // A group that became a supergroup has a link no longer; the supergroup has one of its own.
    let is_over = world.chats.get(index as usize).is_none_or(|chat| chat.migrated_to.is_some());
    if is_over { Err(EXPIRED) } else { Ok(index) }
}
