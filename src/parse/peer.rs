//! Users, groups and channels.

use grammers_tl_types::enums;

use crate::model::{Peer, PeerId, PeerKind, PeerMarks};

/// The marked id of a peer.
#[must_use]
pub fn peer_id(tl: &enums::Peer) -> PeerId {
    match tl {
        enums::Peer::User(p) => PeerId::user(p.user_id),
        enums::Peer::Chat(p) => PeerId::chat(p.chat_id),
        enums::Peer::Channel(p) => PeerId::channel(p.channel_id),
    }
}

/// A user; `None` for one that Telegram tells nothing about. Of an account's contact Telegram tells the name in that account's address
/// book, which is nobody else's business, so it has none here.
#[must_use]
pub fn user(tl: &enums::User) -> Option<Peer> {
    let enums::User::User(u) = tl else { return None };
    let names = if u.contact && !u.is_self { [None, None] } else { [u.first_name.as_deref(), u.last_name.as_deref()] };
    let title = names.into_iter().flatten().filter(|n| !n.is_empty()).collect::<Vec<_>>().join(" ");
    let (username, usernames) = usernames(u.username.as_ref(), u.usernames.as_ref());
    let marks = PeerMarks {
        bot: u.bot,
        verified: u.verified,
        scam: u.scam,
        fake: u.fake,
        restricted: u.restricted,
        deleted: u.deleted,
        ..PeerMarks::default()
    };
    Some(Peer { username, usernames, marks, ..Peer::new(PeerId::user(u.id), PeerKind::User, title) })
}

/// A group or channel; `None` for one that Telegram tells nothing about.
#[must_use]
pub fn chat(tl: &enums::Chat) -> Option<Peer> {
    let channel_kind = |megagroup| if megagroup { PeerKind::Supergroup } else { PeerKind::Channel };
    match tl {
        // A community holds chats and has no messages of its own.
        enums::Chat::Empty(_) | enums::Chat::Community(_) | enums::Chat::CommunityForbidden(_) => None,
        enums::Chat::Chat(c) => Some(Peer {
            migrated_to: c.migrated_to.as_ref().and_then(channel_id),
            marks: PeerMarks { protected: c.noforwards, ..PeerMarks::default() },
            ..Peer::new(PeerId::chat(c.id), PeerKind::Group, c.title.clone())
        }),
        enums::Chat::Forbidden(c) => Some(Peer::new(PeerId::chat(c.id), PeerKind::Group, c.title.clone())),
        enums::Chat::Channel(c) => {
            let (username, usernames) = usernames(c.username.as_ref(), c.usernames.as_ref());
            let marks = PeerMarks {
                verified: c.verified,
                scam: c.scam,
                fake: c.fake,
                forum: c.forum,
                restricted: c.restricted,
                protected: c.noforwards,
                ..PeerMarks::default()
            };
            let kind = channel_kind(c.megagroup || c.gigagroup);
            Some(Peer { username, usernames, marks, ..Peer::new(PeerId::channel(c.id), kind, c.title.clone()) })
        }
        enums::Chat::ChannelForbidden(c) => Some(Peer::new(PeerId::channel(c.id), channel_kind(c.megagroup), c.title.clone())),
    }
}

fn channel_id(tl: &enums::InputChannel) -> Option<PeerId> {
    match tl {
        enums::InputChannel::Channel(c) => Some(PeerId::channel(c.channel_id)),
        enums::InputChannel::FromMessage(c) => Some(PeerId::channel(c.channel_id)),
        enums::InputChannel::Empty => None,
    }
}

/// The username, or the first active one of several, and the other active ones.
fn usernames(single: Option<&String>, several: Option<&Vec<enums::Username>>) -> (Option<String>, Vec<String>) {
    let active = |enums::Username::Username(u): &enums::Username| u.active.then(|| u.username.clone());
    let mut all: Vec<String> = Vec::new();
    for name in single.cloned().into_iter().chain(several.into_iter().flatten().filter_map(active)) {
        if !name.is_empty() && !all.contains(&name) {
            all.push(name);
        }
    }
    let mut all = all.into_iter();
    (all.next(), all.collect())
}
