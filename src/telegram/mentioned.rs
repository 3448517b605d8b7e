//! The peers that every answer mentions, besides what was asked for, and the access hashes to address them by.

use grammers_tl_types::{enums, types};

use super::{Client, TelegramError};
use crate::accounts::Session;
use crate::model::{IdSpace, Peer, PeerId};
use crate::parse;

/// Peers that an answer mentions.
#[derive(Clone, Debug, Default)]
pub struct MentionedPeers {
    /// Users, groups and channels, as far as Telegram describes them.
    pub peers: Vec<Peer>,
    /// How many members groups and channels have, as far as Telegram tells it in passing.
    pub members: Vec<(PeerId, i32)>,
    /// Channels that this account is not, or no longer, a member of, but may read.
    pub left: Vec<PeerId>,
    /// Those that this account can no longer read.
    pub lost: Vec<PeerId>,
}

impl Client {
    /// A peer as this account addresses it.
    pub(super) fn input_peer(&self, peer: PeerId) -> Result<enums::InputPeer, TelegramError> {
        let unknown = || TelegramError::PeerUnavailable { name: "no access hash".to_owned() };
        let access_hash = || self.session().access_hash(peer).ok_or_else(unknown);
        Ok(match peer.kind() {
            IdSpace::User => types::InputPeerUser { user_id: peer.bare(), access_hash: access_hash()? }.into(),
            IdSpace::Chat => types::InputPeerChat { chat_id: peer.bare() }.into(),
            IdSpace::Channel => types::InputPeerChannel { channel_id: peer.bare(), access_hash: access_hash()? }.into(),
        })
    }

    /// A channel as this account addresses it.
    pub(super) fn input_channel(&self, peer: PeerId) -> Result<enums::InputChannel, TelegramError> {
        match self.input_peer(peer)? {
            enums::InputPeer::Channel(c) => {
                Ok(types::InputChannel { channel_id: c.channel_id, access_hash: c.access_hash }.into())
            }
            _ => Err(TelegramError::PeerUnavailable { name: "not a channel".to_owned() }),
        }
    }
}

/// Learns the access hashes of an answer's peers. Raw calls remember nothing by themselves.
pub(super) fn learn_mentioned(session: &Session, users: &[enums::User], chats: &[enums::Chat]) -> MentionedPeers {
    let mut seen = MentionedPeers::default();
    for user in users {
        // A `min` user has a hash that cannot be used, and often an outdated name.
        if let enums::User::User(u) = user
            && !u.min
        {
            seen.peers.extend(parse::user(user));
        }
    }
    for chat in chats {
        let Some(peer) = parse::chat(chat) else { continue };
        let members = match chat {
            enums::Chat::Chat(c) => Some(c.participants_count),
            enums::Chat::Channel(c) => c.participants_count,
            _ => None,
        };
        seen.members.extend(members.map(|count| (peer.id, count)));
        match chat {
            enums::Chat::Channel(c) if c.min => continue,
            // An account that may not read it is told less of it than the others: what they know is kept.
            enums::Chat::Forbidden(_) | enums::Chat::ChannelForbidden(_) => {
                session.forget(peer.id);
                seen.lost.push(peer.id);
                continue;
            }
            enums::Chat::Channel(c) => {
                session.learn(peer.id, c.access_hash);
                if c.left {
                    seen.left.push(peer.id);
                }
            }
            // A group that became a supergroup keeps its history, and can be read for as long as anyone likes.
            enums::Chat::Chat(c) if !c.left && (!c.deactivated || c.migrated_to.is_some()) => session.learn(peer.id, None),
            _ => {
                session.forget(peer.id);
                seen.lost.push(peer.id);
            }
        }
        seen.peers.push(peer);
    }
    seen
}
