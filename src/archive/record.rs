//! Values: protobuf messages, because what is archived must be readable for decades (docs/decisions/0002-value-encoding.md).
//!
//! Field numbers are for ever: add new ones, never reuse or renumber. A message's peer and id are in its key only.

mod media;
mod message;
mod origin;
mod service;

use crate::model::{
    AccountName, Change, ChangeKind, IdRange, MessageId, MessageKey, Peer, PeerId, PeerKind, PeerMarks, RangeSet, Seq, Timestamp,
};

pub(super) use message::MessageRecord;

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
    #[prost(string, repeated, tag = "4")]
    usernames: Vec<String>,
    #[prost(sint64, optional, tag = "5")]
    migrated_to: Option<i64>,
    #[prost(bool, tag = "6")]
    bot: bool,
    #[prost(bool, tag = "7")]
    verified: bool,
    #[prost(bool, tag = "8")]
    scam: bool,
    #[prost(bool, tag = "9")]
    fake: bool,
    #[prost(bool, tag = "10")]
    forum: bool,
    #[prost(bool, tag = "11")]
    restricted: bool,
    #[prost(bool, tag = "12")]
    deleted: bool,
    #[prost(bool, tag = "13")]
    protected: bool,
}

impl PeerRecord {
    pub(super) fn of(peer: &Peer) -> Self {
        let PeerMarks { bot, verified, scam, fake, forum, restricted, deleted, protected } = peer.marks;
        Self {
            kind: number_of(&PeerKind::ALL, peer.kind),
            title: peer.title.clone(),
            username: peer.username.clone(),
            usernames: peer.usernames.clone(),
            migrated_to: peer.migrated_to.map(|p| p.0),
            bot,
            verified,
            scam,
            fake,
            forum,
            restricted,
            deleted,
            protected,
        }
    }

    pub(super) fn read(id: PeerId, bytes: &[u8]) -> Result<Peer, RecordError> {
        let r: Self = decode("peer", bytes)?;
        let kind =
            numbered(&PeerKind::ALL, r.kind).ok_or_else(|| RecordError::value("peer", format!("unknown kind {}", r.kind)))?;
        let Self { bot, verified, scam, fake, forum, restricted, deleted, protected, .. } = r;
        Ok(Peer {
            id,
            kind,
            title: r.title,
            username: r.username,
            usernames: r.usernames,
            migrated_to: r.migrated_to.map(PeerId),
            marks: PeerMarks { bot, verified, scam, fake, forum, restricted, deleted, protected },
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    /// As they were written before messages and peers had the members that they have now.
    #[test]
    fn what_earlier_versions_wrote_is_read() {
        let id = PeerId::channel(1_500_000_000);
        let peer = PeerRecord::read(id, &bytes("08021206e5a4a9e6b0941a0757656174686572")).unwrap();
        let plain = Peer::new(id, PeerKind::Supergroup, "天气".to_owned());
        assert_eq!(peer, Peer { username: Some("Weather".to_owned()), ..plain });

        let old = "08c0ece8ad06100e1a06e4bb8ae5a4a9222408091802221468747470733a2f2f6578616d706c652e6f72672f2a0472757374301038092a0708011002\
                   1a01713209080512016e180420053a49080110011a05612e6d70342209766964656f2f6d703428023003380441000000000000e03f4a01755201745a01\
                   716201616200690000000000404a40710000000000802ac07a022b31400a480b500c580d600e6a080a04f09f918d100f70207a01778001018a01160a0b\
                   70696e5f6d6573736167651201741a02222320138802c0ece8ad069002e80798020b";
        let record: MessageRecord = decode("message", &bytes(old)).unwrap();
        let message = record.into_message(MessageKey { peer: id, id: MessageId(42) });
        assert_eq!((message.text.as_str(), message.views, message.pinned), ("今天", Some(12), true));
        assert_eq!(
            message.media.map(|m| (m.options, m.page, m.items)),
            Some((vec!["a".to_owned(), String::new()], None, Vec::new()))
        );
        assert_eq!((message.buttons.len(), message.comments, message.protected), (0, None, false));
    }
}
