//! Values: protobuf messages, because what is archived must be readable for decades (docs/decisions/0002-value-encoding.md).
//!
//! Field numbers are for ever: add new ones, never reuse or renumber. A message's peer and id are in its key only.

use crate::model::{
    AccountName, Change, ChangeKind, Counters, Entity, EntityKind, Forward, IdRange, Media, MediaKind, Message, MessageId, MessageKey,
    Peer, PeerId, PeerKind, RangeSet, Reaction, Reply, Seq, Service, Timestamp,
};

/// Something stored could not be understood.
#[derive(Debug, thiserror::Error)]
#[error("damaged {what} in the archive ({why}); restore a backup, or run `telescribe verify` to see how far it goes")]
pub struct RecordError {
    what: &'static str,
    why: String,
}

impl RecordError {
    pub(super) fn key(what: &'static str, bytes: &[u8]) -> Self {
        Self { what, why: format!("its key has {} bytes", bytes.len()) }
    }

    pub(super) fn value(what: &'static str, why: impl ToString) -> Self {
        Self { what, why: why.to_string() }
    }

    /// What is wrong, without the way out.
    pub(super) fn why(&self) -> &str {
        &self.why
    }
}

/// Telegram's own bytes of a message, and the schema layer they are to be read with.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Raw {
    /// The TL layer.
    #[prost(int32, tag = "1")]
    pub layer: i32,
    /// The boxed `Message` as TL.
    #[prost(bytes = "vec", tag = "2")]
    pub tl: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct EntityRecord {
    #[prost(uint32, tag = "1")]
    kind: u32,
    #[prost(int32, tag = "2")]
    offset: i32,
    #[prost(int32, tag = "3")]
    length: i32,
    #[prost(string, optional, tag = "4")]
    url: Option<String>,
    #[prost(string, optional, tag = "5")]
    language: Option<String>,
    #[prost(sint64, optional, tag = "6")]
    user: Option<i64>,
    #[prost(int64, optional, tag = "7")]
    emoji: Option<i64>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ReplyRecord {
    #[prost(int32, optional, tag = "1")]
    id: Option<i32>,
    #[prost(int32, optional, tag = "2")]
    topic: Option<i32>,
    #[prost(string, optional, tag = "3")]
    quote: Option<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ForwardRecord {
    #[prost(sint64, optional, tag = "1")]
    from: Option<i64>,
    #[prost(string, optional, tag = "2")]
    name: Option<String>,
    #[prost(int64, optional, tag = "3")]
    date: Option<i64>,
    #[prost(int32, optional, tag = "4")]
    post: Option<i32>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct MediaRecord {
    #[prost(uint32, tag = "1")]
    kind: u32,
    #[prost(int64, optional, tag = "2")]
    id: Option<i64>,
    #[prost(string, optional, tag = "3")]
    name: Option<String>,
    #[prost(string, optional, tag = "4")]
    mime: Option<String>,
    #[prost(int64, optional, tag = "5")]
    size: Option<i64>,
    #[prost(int32, optional, tag = "6")]
    width: Option<i32>,
    #[prost(int32, optional, tag = "7")]
    height: Option<i32>,
    #[prost(double, optional, tag = "8")]
    duration: Option<f64>,
    #[prost(string, optional, tag = "9")]
    url: Option<String>,
    #[prost(string, optional, tag = "10")]
    title: Option<String>,
    #[prost(string, optional, tag = "11")]
    question: Option<String>,
    #[prost(string, repeated, tag = "12")]
    options: Vec<String>,
    #[prost(double, optional, tag = "13")]
    latitude: Option<f64>,
    #[prost(double, optional, tag = "14")]
    longitude: Option<f64>,
    #[prost(string, optional, tag = "15")]
    phone: Option<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ReactionRecord {
    #[prost(string, tag = "1")]
    emoji: String,
    #[prost(int32, tag = "2")]
    count: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ServiceRecord {
    #[prost(string, tag = "1")]
    action: String,
    #[prost(string, optional, tag = "2")]
    title: Option<String>,
    #[prost(sint64, repeated, tag = "3")]
    users: Vec<i64>,
    #[prost(int32, optional, tag = "4")]
    message: Option<i32>,
}

/// A message, and what the archive knows about this form of it (tags from 32 up).
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct MessageRecord {
    #[prost(int64, tag = "1")]
    date: i64,
    #[prost(sint64, optional, tag = "2")]
    sender: Option<i64>,
    #[prost(string, tag = "3")]
    text: String,
    #[prost(message, repeated, tag = "4")]
    entities: Vec<EntityRecord>,
    #[prost(message, optional, tag = "5")]
    reply: Option<ReplyRecord>,
    #[prost(message, optional, tag = "6")]
    forward: Option<ForwardRecord>,
    #[prost(message, optional, tag = "7")]
    media: Option<MediaRecord>,
    #[prost(int64, optional, tag = "8")]
    album: Option<i64>,
    #[prost(int64, optional, tag = "9")]
    edited: Option<i64>,
    #[prost(int32, optional, tag = "10")]
    views: Option<i32>,
    #[prost(int32, optional, tag = "11")]
    forwards: Option<i32>,
    #[prost(int32, optional, tag = "12")]
    replies: Option<i32>,
    #[prost(message, repeated, tag = "13")]
    reactions: Vec<ReactionRecord>,
    #[prost(sint64, optional, tag = "14")]
    via_bot: Option<i64>,
    #[prost(string, optional, tag = "15")]
    author: Option<String>,
    #[prost(bool, tag = "16")]
    pinned: bool,
    #[prost(message, optional, tag = "17")]
    service: Option<ServiceRecord>,

    /// The number of this form; the first is 0.
    #[prost(uint32, tag = "32")]
    pub(super) version: u32,
    /// When this form was archived.
    #[prost(int64, tag = "33")]
    pub(super) archived_at: i64,
    /// The peer's pts when Telegram gave this answer, where Telegram tells: an answer with a smaller one is older.
    #[prost(int32, optional, tag = "34")]
    pub(super) as_of: Option<i32>,
    /// Telegram's edit date, also of edits that it hides: an answer with a smaller one is older.
    #[prost(int64, tag = "35")]
    pub(super) revision: i64,
    /// When the archive learned that the message was deleted.
    #[prost(int64, optional, tag = "36")]
    pub(super) deleted_at: Option<i64>,
    /// When the counters were seen to have become what they are; absent while they are as first archived.
    #[prost(int64, optional, tag = "37")]
    pub(super) counted_at: Option<i64>,
}

impl MessageRecord {
    pub(super) fn of(m: &Message) -> Self {
        Self {
            date: m.date.0,
            sender: m.sender.map(|p| p.0),
            text: m.text.clone(),
            entities: m.entities.iter().map(EntityRecord::of).collect(),
            reply: m.reply.as_ref().map(|r| ReplyRecord {
                id: r.id.map(|i| i.0),
                topic: r.topic.map(|i| i.0),
                quote: r.quote.clone(),
            }),
            forward: m.forward.as_ref().map(|f| ForwardRecord {
                from: f.from.map(|p| p.0),
                name: f.name.clone(),
                date: f.date.map(|d| d.0),
                post: f.post.map(|i| i.0),
            }),
            media: m.media.as_ref().map(MediaRecord::of),
            album: m.album,
            edited: m.edited.map(|d| d.0),
            views: m.views,
            forwards: m.forwards,
            replies: m.replies,
            reactions: m.reactions.iter().map(|r| ReactionRecord { emoji: r.emoji.clone(), count: r.count }).collect(),
            via_bot: m.via_bot.map(|p| p.0),
            author: m.author.clone(),
            pinned: m.pinned,
            service: m.service.as_ref().map(|s| ServiceRecord {
                action: s.action.clone(),
                title: s.title.clone(),
                users: s.users.iter().map(|p| p.0).collect(),
                message: s.message.map(|i| i.0),
            }),
            version: 0,
            archived_at: 0,
            as_of: None,
            revision: 0,
            deleted_at: None,
            counted_at: None,
        }
    }

    /// What is counted about the message.
    pub(super) fn counters(&self) -> Counters {
        let reactions = self.reactions.iter().map(|r| Reaction { emoji: r.emoji.clone(), count: r.count }).collect();
        Counters { views: self.views, forwards: self.forwards, replies: self.replies, reactions: Some(reactions) }
    }

    /// Takes over those counters that are given. Reactions are given whole or, where nothing is known of them, not at all.
    pub(super) fn count(&mut self, new: &Counters) {
        self.views = new.views.or(self.views);
        self.forwards = new.forwards.or(self.forwards);
        self.replies = new.replies.or(self.replies);
        if let Some(reactions) = &new.reactions {
            self.reactions = reactions.iter().map(|r| ReactionRecord { emoji: r.emoji.clone(), count: r.count }).collect();
        }
    }

    pub(super) fn into_message(self, key: MessageKey) -> Message {
        Message {
            key,
            date: Timestamp(self.date),
            sender: self.sender.map(PeerId),
            text: self.text,
            entities: self.entities.into_iter().map(EntityRecord::into_entity).collect(),
            reply: self.reply.map(|r| Reply { id: r.id.map(MessageId), topic: r.topic.map(MessageId), quote: r.quote }),
            forward: self.forward.map(|f| Forward {
                from: f.from.map(PeerId),
                name: f.name,
                date: f.date.map(Timestamp),
                post: f.post.map(MessageId),
            }),
            media: self.media.map(MediaRecord::into_media),
            album: self.album,
            edited: self.edited.map(Timestamp),
            views: self.views,
            forwards: self.forwards,
            replies: self.replies,
            reactions: self.reactions.into_iter().map(|r| Reaction { emoji: r.emoji, count: r.count }).collect(),
            via_bot: self.via_bot.map(PeerId),
            author: self.author,
            pinned: self.pinned,
            service: self.service.map(|s| Service {
                action: s.action,
                title: s.title,
                users: s.users.into_iter().map(PeerId).collect(),
                message: s.message.map(MessageId),
            }),
        }
    }
}

impl EntityRecord {
    fn of(e: &Entity) -> Self {
        Self {
            kind: number_of(&EntityKind::ALL, e.kind),
            offset: e.offset,
            length: e.length,
            url: e.url.clone(),
            language: e.language.clone(),
            user: e.user.map(|p| p.0),
            emoji: e.emoji,
        }
    }

    fn into_entity(self) -> Entity {
        Entity {
            kind: numbered(&EntityKind::ALL, self.kind).unwrap_or(EntityKind::Unknown),
            offset: self.offset,
            length: self.length,
            url: self.url,
            language: self.language,
            user: self.user.map(PeerId),
            emoji: self.emoji,
        }
    }
}

impl MediaRecord {
    fn of(m: &Media) -> Self {
        let Media {
            kind,
            id,
            name,
            mime,
            size,
            width,
            height,
            duration,
            url,
            title,
            question,
            options,
            latitude,
            longitude,
            phone,
        } = m.clone();
        let kind = number_of(&MediaKind::ALL, kind);
        Self { kind, id, name, mime, size, width, height, duration, url, title, question, options, latitude, longitude, phone }
    }

    fn into_media(self) -> Media {
        let Self {
            kind,
            id,
            name,
            mime,
            size,
            width,
            height,
            duration,
            url,
            title,
            question,
            options,
            latitude,
            longitude,
            phone,
        } = self;
        let kind = numbered(&MediaKind::ALL, kind).unwrap_or(MediaKind::Other);
        Media { kind, id, name, mime, size, width, height, duration, url, title, question, options, latitude, longitude, phone }
    }
}

/// The stored number of a kind is its position in `ALL`; kinds are only ever appended.
fn number_of<K: PartialEq>(all: &[K], kind: K) -> u32 {
    all.iter().position(|k| *k == kind).and_then(|at| u32::try_from(at).ok()).unwrap_or(u32::MAX)
}

fn numbered<K: Copy>(all: &[K], number: u32) -> Option<K> {
    all.get(usize::try_from(number).ok()?).copied()
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ChangeRecord {
    /// 1 new, 2 edited, 3 deleted, 4 peer changed, 5 peer joined, 6 peer left.
    #[prost(uint32, tag = "1")]
    kind: u32,
    #[prost(sint64, tag = "2")]
    peer: i64,
    #[prost(int32, tag = "3")]
    id: i32,
    #[prost(uint32, tag = "4")]
    version: u32,
    #[prost(int64, tag = "5")]
    at: i64,
}

impl ChangeRecord {
    pub(super) fn of(kind: ChangeKind, at: Timestamp) -> Self {
        let (number, version) = match kind {
            ChangeKind::MessageNew { .. } => (1, 0),
            ChangeKind::MessageEdited { version, .. } => (2, version),
            ChangeKind::MessageDeleted { .. } => (3, 0),
            ChangeKind::PeerChanged { .. } => (4, 0),
            ChangeKind::PeerJoined { .. } => (5, 0),
            ChangeKind::PeerLeft { .. } => (6, 0),
        };
        let id = kind.message().map_or(0, |key| key.id.0);
        Self { kind: number, peer: kind.peer().0, id, version, at: at.0 }
    }

    pub(super) fn read(seq: Seq, bytes: &[u8]) -> Result<Change, RecordError> {
        let r: Self = decode("change", bytes)?;
        let key = MessageKey { peer: PeerId(r.peer), id: MessageId(r.id) };
        let kind = match r.kind {
            1 => ChangeKind::MessageNew { key },
            2 => ChangeKind::MessageEdited { key, version: r.version },
            3 => ChangeKind::MessageDeleted { key },
            4 => ChangeKind::PeerChanged { peer: key.peer },
            5 => ChangeKind::PeerJoined { peer: key.peer },
            6 => ChangeKind::PeerLeft { peer: key.peer },
            other => return Err(RecordError::value("change", format!("unknown kind {other} at {seq}"))),
        };
        Ok(Change { seq, at: Timestamp(r.at), kind })
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct PeerRecord {
    /// Position in [`PeerKind::ALL`].
    #[prost(uint32, tag = "1")]
    kind: u32,
    #[prost(string, tag = "2")]
    title: String,
    #[prost(string, optional, tag = "3")]
    username: Option<String>,
}

impl PeerRecord {
    pub(super) fn of(peer: &Peer) -> Self {
        Self { kind: number_of(&PeerKind::ALL, peer.kind), title: peer.title.clone(), username: peer.username.clone() }
    }

    pub(super) fn read(id: PeerId, bytes: &[u8]) -> Result<Peer, RecordError> {
        let r: Self = decode("peer", bytes)?;
        let kind =
            numbered(&PeerKind::ALL, r.kind).ok_or_else(|| RecordError::value("peer", format!("unknown kind {}", r.kind)))?;
        Ok(Peer { id, kind, title: r.title, username: r.username })
    }
}

/// Which ids of a peer were read, and how many messages they held.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Coverage {
    /// Ids that were asked for and answered.
    pub read: RangeSet,
    /// Messages archived, also those deleted since.
    pub messages: u64,
    /// Of these, how many are marked deleted.
    pub deleted: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct CoverageRecord {
    /// First and last ids, in turn: each ascending, as gaps and lengths would save little and hide much.
    #[prost(int32, repeated, tag = "1")]
    bounds: Vec<i32>,
    #[prost(uint64, tag = "2")]
    messages: u64,
    #[prost(uint64, tag = "3")]
    deleted: u64,
}

impl CoverageRecord {
    pub(super) fn of(c: &Coverage) -> Self {
        Self { bounds: bounds(&c.read), messages: c.messages, deleted: c.deleted }
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Coverage, RecordError> {
        let r: Self = decode("coverage", bytes)?;
        Ok(Coverage { read: ranges(&r.bounds)?, messages: r.messages, deleted: r.deleted })
    }
}

fn bounds(set: &RangeSet) -> Vec<i32> {
    set.ranges().iter().flat_map(|r| [r.first, r.last]).collect()
}

fn ranges(bounds: &[i32]) -> Result<RangeSet, RecordError> {
    let pair = |pair: &[i32]| match *pair {
        [first, last] => IdRange::new(first, last).ok_or_else(|| RecordError::value("coverage", "a range ends before it starts")),
        _ => Err(RecordError::value("coverage", "a range without an end")),
    };
    bounds.chunks(2).map(pair).collect()
}

/// How far the crawl of a peer has got.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Cursor {
    /// The greatest message id that Telegram was seen to use; what is missing is counted up to it.
    pub top: i32,
    /// The channel's pts up to which every new message, edit and deletion is archived.
    pub pts: Option<i32>,
    /// The account that archives the peer, where message ids are the account's own.
    pub account: Option<AccountName>,
    /// When Telegram was last asked about the peer.
    pub checked_at: Option<Timestamp>,
    /// Why the peer cannot be read at present, if so: Telegram's error name.
    pub unavailable: Option<String>,
    /// Ids that are covered but must be read again, because Telegram skipped their edits and deletions (a `TooLong`
    /// difference), or because the recheck job asked for it.
    pub recheck: RangeSet,
    /// Ids whose messages Telegram no longer shows, too many at once to be believed before they were asked for again.
    pub held: RangeSet,
    /// When they may be asked for again.
    pub held_until: Option<Timestamp>,
    /// The discussion group of a channel, or the channel of a discussion group.
    pub linked: Option<PeerId>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct CursorRecord {
    #[prost(int32, tag = "1")]
    top: i32,
    #[prost(int32, optional, tag = "2")]
    pts: Option<i32>,
    #[prost(string, optional, tag = "3")]
    account: Option<String>,
    #[prost(int64, optional, tag = "4")]
    checked_at: Option<i64>,
    #[prost(string, optional, tag = "5")]
    unavailable: Option<String>,
    #[prost(int32, repeated, tag = "6")]
    recheck: Vec<i32>,
    #[prost(int32, repeated, tag = "7")]
    held: Vec<i32>,
    #[prost(int64, optional, tag = "8")]
    held_until: Option<i64>,
    #[prost(sint64, optional, tag = "9")]
    linked: Option<i64>,
}

impl CursorRecord {
    pub(super) fn of(c: &Cursor) -> Self {
        Self {
            top: c.top,
            pts: c.pts,
            account: c.account.as_ref().map(ToString::to_string),
            checked_at: c.checked_at.map(|t| t.0),
            unavailable: c.unavailable.clone(),
            recheck: bounds(&c.recheck),
            held: bounds(&c.held),
            held_until: c.held_until.map(|t| t.0),
            linked: c.linked.map(|p| p.0),
        }
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Cursor, RecordError> {
        let r: Self = decode("cursor", bytes)?;
        let account = r.account.map(|a| a.parse().map_err(|e| RecordError::value("cursor", e))).transpose()?;
        Ok(Cursor {
            top: r.top,
            pts: r.pts,
            account,
            checked_at: r.checked_at.map(Timestamp),
            unavailable: r.unavailable,
            recheck: ranges(&r.recheck)?,
            held: ranges(&r.held)?,
            held_until: r.held_until.map(Timestamp),
            linked: r.linked.map(PeerId),
        })
    }
}

pub(super) fn decode<R: prost::Message + Default>(what: &'static str, bytes: &[u8]) -> Result<R, RecordError> {
    R::decode(bytes).map_err(|e| RecordError::value(what, e))
}
