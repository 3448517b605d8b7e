//! Updates: what Telegram pushes, reduced to what the crawl acts on.

use grammers_client::session::updates::UpdatesLike;
use grammers_tl_types::enums;

use super::mentioned::{MentionedPeers, learn_mentioned};
use crate::accounts::Session;
use crate::model::{AccountName, Counters, IdSpace, MessageId, MessageKey, PeerId};
use crate::parse::{self, Parsed};

/// Something that Telegram pushed to an account.
#[derive(Debug)]
pub struct Push {
    /// Whose connection it came on.
    pub account: AccountName,
    /// Peers that it mentions.
    pub seen: MentionedPeers,
    /// What happened, in order.
    pub events: Vec<Update>,
}

/// One update: a thing that happened. `pts` is the state after it and `count` how far it moved that state: of the channel for a
/// channel's events, of the account for all others.
#[derive(Debug)]
pub enum Update {
    /// A message is new, or has a new form.
    Message {
        /// The message.
        parsed: Box<Parsed>,
        /// The state afterwards.
        pts: i32,
        /// How far it moved.
        count: i32,
    },
    /// Messages were deleted.
    Deleted {
        /// The channel; `None` for private chats and basic groups, of which Telegram names only the ids.
        channel: Option<PeerId>,
        /// The messages.
        ids: Vec<MessageId>,
        /// The state afterwards.
        pts: i32,
        /// How far it moved.
        count: i32,
    },
    /// A message outside channels, of which Telegram told too little to archive it.
    Shortened {
        /// Where it was posted.
        peer: PeerId,
        /// The state afterwards.
        pts: i32,
        /// How far it moved.
        count: i32,
    },
    /// A channel's state moved in a way that carries nothing to archive.
    ChannelMoved {
        /// The channel.
        channel: PeerId,
        /// The state afterwards.
        pts: i32,
        /// How far it moved.
        count: i32,
    },
    /// Something happened in a channel that was not pushed.
    ChannelGap {
        /// The channel.
        channel: PeerId,
    },
    /// What is counted about a message has moved. It moves no state, and a difference does not tell of it.
    Counted {
        /// The message.
        key: MessageKey,
        /// Those of its counters that are told.
        counters: Counters,
    },
    /// The account joined, left, or lost a channel, or the channel's settings changed; the push's peers say which.
    Membership {
        /// The group or channel.
        channel: PeerId,
    },
    /// The account no longer sees what a supergroup holds before an id.
    Hidden {
        /// The supergroup.
        channel: PeerId,
        /// The first message id that it still sees.
        visible_from: i32,
    },
    /// Something happened outside channels that was not pushed, or the connection was lost for a while.
    Gap,
}

impl Update {
    /// The channel whose state the event moves; `None` when it is the account's.
    #[must_use]
    pub fn channel(&self) -> Option<PeerId> {
        match self {
            Self::Message { parsed, .. } => Some(parsed.message.key.peer()).filter(|p| p.kind() == IdSpace::Channel),
            Self::Deleted { channel, .. } => *channel,
            Self::ChannelMoved { channel, .. } | Self::ChannelGap { channel } => Some(*channel),
            Self::Shortened { .. } | Self::Counted { .. } | Self::Membership { .. } | Self::Hidden { .. } | Self::Gap => None,
        }
    }
}

pub(super) fn read(account: &AccountName, session: &Session, update: UpdatesLike) -> Push {
    let mut push = Push { account: *account, seen: MentionedPeers::default(), events: Vec::new() };
    match update {
        UpdatesLike::Updates(enums::Updates::Updates(u)) => {
            push.seen = learn_mentioned(session, &u.users, &u.chats);
            push.events = u.updates.iter().filter_map(read_update).collect();
        }
        UpdatesLike::Updates(enums::Updates::Combined(u)) => {
            push.seen = learn_mentioned(session, &u.users, &u.chats);
            push.events = u.updates.iter().filter_map(read_update).collect();
        }
        UpdatesLike::Updates(enums::Updates::UpdateShort(u)) => push.events.extend(read_update(&u.update)),
        // The short forms leave out what a message needs; the difference has it.
        UpdatesLike::Updates(enums::Updates::UpdateShortMessage(u)) => {
            push.events.push(Update::Shortened { peer: PeerId::user(u.user_id), pts: u.pts, count: u.pts_count });
        }
        UpdatesLike::Updates(enums::Updates::UpdateShortChatMessage(u)) => {
            push.events.push(Update::Shortened { peer: PeerId::chat(u.chat_id), pts: u.pts, count: u.pts_count });
        }
        UpdatesLike::Updates(_) | UpdatesLike::ConnectionClosed => push.events.push(Update::Gap),
        // Answers to requests that we never make.
        _ => {}
    }
    push
}

/// An account was not told of everything.
pub(super) fn gap(account: &AccountName) -> Push {
    Push { account: *account, seen: MentionedPeers::default(), events: vec![Update::Gap] }
}

/// Reads one update; `None` for those that carry nothing to archive and move no state that is followed.
pub(super) fn read_update(update: &enums::Update) -> Option<Update> {
    use enums::Update as U;
    let message = |message, pts, count| {
        let parsed = Box::new(parse::message(message)?);
        Some(Update::Message { parsed, pts, count })
    };
    let ids = |ids: &[i32]| ids.iter().copied().map(MessageId).collect();
    match update {
        U::NewChannelMessage(u) => message(&u.message, u.pts, u.pts_count),
        U::EditChannelMessage(u) => message(&u.message, u.pts, u.pts_count),
        U::NewMessage(u) => message(&u.message, u.pts, u.pts_count),
        U::EditMessage(u) => message(&u.message, u.pts, u.pts_count),
        U::DeleteChannelMessages(u) => {
            let channel = Some(PeerId::channel(u.channel_id));
            Some(Update::Deleted { channel, ids: ids(&u.messages), pts: u.pts, count: u.pts_count })
        }
        U::DeleteMessages(u) => Some(Update::Deleted { channel: None, ids: ids(&u.messages), pts: u.pts, count: u.pts_count }),
        U::ChannelWebPage(u) => {
            Some(Update::ChannelMoved { channel: PeerId::channel(u.channel_id), pts: u.pts, count: u.pts_count })
        }
        U::PinnedChannelMessages(u) => {
            Some(Update::ChannelMoved { channel: PeerId::channel(u.channel_id), pts: u.pts, count: u.pts_count })
        }
        U::MessageReactions(u) => {
            let key = MessageKey::new(parse::peer_id(&u.peer), MessageId(u.msg_id));
            Some(Update::Counted {
                key,
                counters: Counters { reactions: Some(parse::reactions(&u.reactions)), ..Counters::default() },
            })
        }
        U::ChannelMessageViews(u) => {
            let key = MessageKey::new(PeerId::channel(u.channel_id), MessageId(u.id));
            Some(Update::Counted { key, counters: Counters { views: Some(u.views), ..Counters::default() } })
        }
        U::ChannelMessageForwards(u) => {
            let key = MessageKey::new(PeerId::channel(u.channel_id), MessageId(u.id));
            Some(Update::Counted { key, counters: Counters { forwards: Some(u.forwards), ..Counters::default() } })
        }
        U::ChannelTooLong(u) => Some(Update::ChannelGap { channel: PeerId::channel(u.channel_id) }),
        U::Chat(u) => Some(Update::Membership { channel: PeerId::chat(u.chat_id) }),
        U::ChannelAvailableMessages(u) => {
            Some(Update::Hidden { channel: PeerId::channel(u.channel_id), visible_from: u.available_min_id.saturating_add(1) })
        }
        U::Channel(u) => Some(Update::Membership { channel: PeerId::channel(u.channel_id) }),
        _ => None,
    }
}
