//! From what a client names a peer by to the peer: with the hash that belongs to this account and to no other.

use grammers_tl_types::enums;

use super::Call;
use crate::answer::RpcError;
use crate::world::{Chat, ChatKind, PeerId, World};

const CHANNEL_INVALID: RpcError = RpcError::new(400, "CHANNEL_INVALID");
const CHANNEL_PRIVATE: RpcError = RpcError::new(400, "CHANNEL_PRIVATE");
const PEER_ID_INVALID: RpcError = RpcError::new(400, "PEER_ID_INVALID");
const CHAT_ID_INVALID: RpcError = RpcError::new(400, "CHAT_ID_INVALID");

impl Call<'_> {
    /// A chat that the account may read.
    pub(super) fn chat_of<'w>(&self, world: &'w World, peer: &enums::InputPeer) -> Result<(u32, &'w Chat), RpcError> {
        match peer {
            enums::InputPeer::Channel(channel) => self.channel(world, channel.channel_id, Some(channel.access_hash)),
            enums::InputPeer::ChannelFromMessage(from) => self.channel(world, from.channel_id, None),
            enums::InputPeer::Chat(chat) => self.basic_group(world, chat.chat_id),
            enums::InputPeer::User(user) => {
                let peer = PeerId::user(user.user_id);
                if user.access_hash != world.access_hash(self.account, peer) {
                    return Err(PEER_ID_INVALID);
                }
                self.private_chat(world, peer)
            }
            enums::InputPeer::PeerSelf => {
                let own = world.accounts.get(self.account).map_or(0, |account| account.user_id);
                self.private_chat(world, PeerId::user(own))
            }
            enums::InputPeer::UserFromMessage(from) => self.private_chat(world, PeerId::user(from.user_id)),
            enums::InputPeer::Empty => Err(PEER_ID_INVALID),
        }
    }

    /// Any peer that the account may see, a user without a chat too.
    pub(super) fn peer_of(&self, world: &World, peer: &enums::InputPeer) -> Result<PeerId, RpcError> {
        match peer {
            enums::InputPeer::User(user) => {
                let peer = PeerId::user(user.user_id);
                let is_known = user.access_hash == world.access_hash(self.account, peer) && world.user(user.user_id).is_some();
                is_known.then_some(peer).ok_or(PEER_ID_INVALID)
            }
            enums::InputPeer::UserFromMessage(from) => Ok(PeerId::user(from.user_id)),
            enums::InputPeer::PeerSelf => Ok(PeerId::user(world.accounts.get(self.account).map_or(0, |account| account.user_id))),
            other => self.chat_of(world, other).map(|(_, chat)| chat.peer),
        }
    }

    /// A channel or supergroup that the account may read.
    pub(super) fn channel_of<'w>(&self, world: &'w World, channel: &enums::InputChannel) -> Result<(u32, &'w Chat), RpcError> {
        match channel {
            enums::InputChannel::Channel(channel) => self.channel(world, channel.channel_id, Some(channel.access_hash)),
            enums::InputChannel::FromMessage(from) => self.channel(world, from.channel_id, None),
            enums::InputChannel::Empty => Err(CHANNEL_INVALID),
        }
    }

    /// Discussion groups and public channels can be read by others than their members.
    fn channel<'w>(&self, world: &'w World, id: i64, hash: Option<i64>) -> Result<(u32, &'w Chat), RpcError> {
        let peer = PeerId::channel(id);
        let index = world.chat_index(self.account, peer).ok_or(CHANNEL_INVALID)?;
        let chat = world.chats.get(index as usize).ok_or(CHANNEL_INVALID)?;
        if hash.is_some_and(|hash| hash != world.access_hash(self.account, peer)) {
            return Err(CHANNEL_INVALID);
        }
        if world.may_read(self.account, peer) { Ok((index, chat)) } else { Err(CHANNEL_PRIVATE) }
    }

    /// The account's own copy of a basic group, which it may have left; they have no hash.
    pub(super) fn basic_group<'w>(&self, world: &'w World, id: i64) -> Result<(u32, &'w Chat), RpcError> {
        let peer = PeerId::group(id);
        let index = world.chat_index(self.account, peer).ok_or(CHAT_ID_INVALID)?;
        let chat = world.chats.get(index as usize).ok_or(CHAT_ID_INVALID)?;
        let forbidden = world.accounts.get(self.account).is_some_and(|account| account.forbidden.contains(&peer));
        if chat.kind != ChatKind::Group || forbidden {
            return Err(CHAT_ID_INVALID);
        }
        Ok((index, chat))
    }

    fn private_chat<'w>(&self, world: &'w World, peer: PeerId) -> Result<(u32, &'w Chat), RpcError> {
        let index = world.chat_index(self.account, peer).ok_or(PEER_ID_INVALID)?;
        world.chats.get(index as usize).map(|chat| (index, chat)).ok_or(PEER_ID_INVALID)
    }

    /// A user by this account's hash.
    pub(super) fn user_of(&self, world: &World, user: &enums::InputUser) -> Option<i64> {
        match user {
            enums::InputUser::UserSelf => world.accounts.get(self.account).map(|account| account.user_id),
            enums::InputUser::User(user) => {
                let known = user.access_hash == world.access_hash(self.account, PeerId::user(user.user_id));
                known.then_some(user.user_id)
            }
            enums::InputUser::FromMessage(from) => Some(from.user_id),
            enums::InputUser::Empty => None,
        }
    }
}
