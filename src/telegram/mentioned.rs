//! The peers that every answer mentions, besides what was asked for, and their access hashes, which the session learns.

use grammers_tl_types::enums;

use crate::accounts::Session;
use crate::model::{Peer, PeerId, SeenFile};
use crate::parse;

/// Peers that an answer mentions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MentionedPeers {
    /// Users, groups and channels, as far as Telegram describes them.
    pub peers: Vec<Peer>,
    /// How many members groups and channels have, as far as Telegram tells it in passing.
    pub members: Vec<(PeerId, i32)>,
    /// Channels that this account is not, or no longer, a member of, but may read.
    pub left: Vec<PeerId>,
    /// Those that this account can no longer read.
    pub lost: Vec<PeerId>,
    /// Groups and channels that this account can address from now on, and could not before.
    pub learned: Vec<PeerId>,
    /// Their profile photos.
    pub avatars: Vec<(PeerId, SeenFile)>,
}

/// Learns the access hashes of an answer's peers. Raw calls remember nothing by themselves.
pub(super) fn learn_mentioned(session: &Session, users: &[enums::User], chats: &[enums::Chat]) -> MentionedPeers {
    let mut seen = MentionedPeers::default();
    for user in users {
        // A `min` user has a hash that cannot be used, and often an outdated name.
        if let enums::User::User(u) = user
            && !u.min
        {
            if u.is_self {
                session.set_premium(u.premium);
            }
            seen.peers.extend(parse::user(user));
            seen.avatars.extend(parse::user_avatar(user).map(|avatar| (PeerId::user(u.id), avatar)));
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
                seen.learned.extend(Some(peer.id).filter(|peer| !session.knows(*peer)));
                session.learn(peer.id, c.access_hash);
                if c.left {
                    seen.left.push(peer.id);
                }
            }
            // A group that became a supergroup keeps its history, and can be read for as long as anyone likes.
            enums::Chat::Chat(c) if !c.left && (!c.deactivated || c.migrated_to.is_some()) => {
                seen.learned.extend(Some(peer.id).filter(|peer| !session.knows(*peer)));
                session.learn(peer.id, None);
            }
            _ => {
                session.forget(peer.id);
                seen.lost.push(peer.id);
            }
        }
        seen.avatars.extend(parse::chat_avatar(chat).map(|avatar| (peer.id, avatar)));
        seen.peers.push(peer);
    }
    seen
}
