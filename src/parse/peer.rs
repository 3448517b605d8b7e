//! Users, groups and channels.

use grammers_tl_types::{enums, types};

use crate::model::{Peer, PeerId, PeerKind};

/// The marked id of a peer.
#[must_use]
pub fn peer_id(tl: &enums::Peer) -> PeerId {
    match tl {
        enums::Peer::User(p) => PeerId::user(p.user_id),
        enums::Peer::Chat(p) => PeerId::chat(p.chat_id),
        enums::Peer::Channel(p) => PeerId::channel(p.channel_id),
    }
}

/// A user; `None` for one that Telegram tells nothing about.
#[must_use]
pub fn user(tl: &enums::User) -> Option<Peer> {
    let enums::User::User(u) = tl else { return None };
    let names = [u.first_name.as_deref(), u.last_name.as_deref()];
    let title = names.into_iter().flatten().filter(|n| !n.is_empty()).collect::<Vec<_>>().join(" ");
    let username = username(u.username.as_ref(), u.usernames.as_ref());
    Some(Peer { id: PeerId::user(u.id), kind: PeerKind::User, title, username })
}

/// A group or channel; `None` for one that Telegram tells nothing about.
#[must_use]
pub fn chat(tl: &enums::Chat) -> Option<Peer> {
    let channel_kind = |megagroup| if megagroup { PeerKind::Supergroup } else { PeerKind::Channel };
    match tl {
        // A community holds chats and has no messages of its own.
        enums::Chat::Empty(_) | enums::Chat::Community(_) | enums::Chat::CommunityForbidden(_) => None,
        enums::Chat::Chat(c) => {
            Some(Peer { id: PeerId::chat(c.id), kind: PeerKind::Group, title: c.title.clone(), username: None })
        }
        enums::Chat::Forbidden(c) => {
            Some(Peer { id: PeerId::chat(c.id), kind: PeerKind::Group, title: c.title.clone(), username: None })
        }
        enums::Chat::Channel(c) => Some(Peer {
            id: PeerId::channel(c.id),
            kind: channel_kind(c.megagroup || c.gigagroup),
            title: c.title.clone(),
            username: username(c.username.as_ref(), c.usernames.as_ref()),
        }),
        enums::Chat::ChannelForbidden(c) => {
            Some(Peer { id: PeerId::channel(c.id), kind: channel_kind(c.megagroup), title: c.title.clone(), username: None })
        }
    }
}

/// The username, or the first active one of several.
fn username(single: Option<&String>, several: Option<&Vec<enums::Username>>) -> Option<String> {
    let active = |u: &types::Username| u.active.then(|| u.username.clone());
    single.cloned().or_else(|| several?.iter().find_map(|enums::Username::Username(u)| active(u)))
}
