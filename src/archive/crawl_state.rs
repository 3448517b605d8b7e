//! How far the crawl of a peer has got: the checkpoint from which it resumes.

use std::collections::BTreeMap;

use prost::Message as _;

use crate::model::{AccountName, ChatId, IdRange, MessageId, PeerId, RangeSet, Timestamp};

use super::codec::{RecordError, StoredValue, WrittenValue};
use super::record::{bounds, decode, ranges};

/// How far the crawl of a peer has got.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct CrawlState {
    /// The greatest message id that Telegram was seen to use; what is missing is counted up to it.
    pub top: i32,
    /// The channel's pts up to which every new message, edit and deletion is archived.
    pub pts: Option<i32>,
    /// When Telegram was last asked about the peer.
    pub checked_at: Option<Timestamp>,
    /// Why the peer cannot be read at present, if so: Telegram's error name.
    pub unavailable: Option<String>,
    /// Since when it cannot be read.
    pub unavailable_since: Option<Timestamp>,
    /// Ids that are covered but must be read again, because Telegram skipped their edits and deletions (a `TooLong`
    /// difference), or because the recheck job asked for it.
    pub recheck: RangeSet,
    /// Ids whose messages Telegram no longer shows, too many at once to be believed before they were asked for again.
    pub held: RangeSet,
    /// When they may be asked for again.
    pub held_until: Option<Timestamp>,
    /// The discussion group of a channel, or the channel of a discussion group.
    pub linked: Option<PeerId>,
    /// Whether the operator named it to be crawled though no account is a member.
    pub followed: bool,
    /// Ids of which Telegram's answer could not be read, and which were passed over.
    pub unreadable: RangeSet,
    /// The layer that this was found with: a later one may read them.
    pub unreadable_layer: i32,
    /// The first id that each account can see, of those that were asked; what is before is hidden from it (hidden pre-history, a history
    /// that it has cleared).
    pub visible_from: BTreeMap<AccountName, i32>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct CursorRecord {
    #[prost(int32, tag = "1")]
    top: i32,
    #[prost(int32, optional, tag = "2")]
    pts: Option<i32>,
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
    #[prost(btree_map = "string, int32", tag = "10")]
    visible_from: BTreeMap<String, i32>,
    #[prost(int64, optional, tag = "11")]
    unavailable_since: Option<i64>,
    #[prost(int32, repeated, tag = "12")]
    unreadable: Vec<i32>,
    #[prost(int32, tag = "13")]
    unreadable_layer: i32,
    #[prost(bool, tag = "14")]
    followed: bool,
}

impl CrawlState {
    /// The reason in [`CrawlState::unavailable`] where Telegram gave none: no account is left that could read the peer.
    pub const NO_ACCOUNT: &str = "NO_ACCOUNT";
    /// The same where the operator wants it to be crawled no longer, and no account is a member.
    pub const UNFOLLOWED: &str = "UNFOLLOWED";

    /// The same where another account archives the same messages: those of a basic group.
    pub const TAKEN_OVER: &str = "TAKEN_OVER";

    /// The same where a part was read because somebody asked for it, and nobody has it crawled.
    pub const FETCHED: &str = "FETCHED";

    /// Whether a part was read because somebody asked for it, and it is not crawled.
    #[must_use]
    pub fn is_fetched_only(&self) -> bool {
        self.unavailable.as_deref() == Some(Self::FETCHED)
    }

    /// Whether another account archives the same messages from now on.
    #[must_use]
    pub fn is_taken_over(&self) -> bool {
        self.unavailable.as_deref() == Some(Self::TAKEN_OVER)
    }

    /// Whether nobody wants it to be read on.
    #[must_use]
    pub fn is_wanted_no_longer(&self) -> bool {
        self.is_unfollowed() || self.is_taken_over() || self.is_fetched_only()
    }

    /// It can be read; what is wanted no longer stays so.
    pub fn set_available(&mut self) {
        if !self.is_wanted_no_longer() {
            self.unavailable = None;
        }
    }

    /// Whether the operator wants it to be crawled no longer.
    #[must_use]
    pub fn is_unfollowed(&self) -> bool {
        self.unavailable.as_deref() == Some(Self::UNFOLLOWED)
    }

    /// Notes since when it cannot be read, if so.
    pub(super) fn date_unavailability(&mut self, now: Timestamp) {
        self.unavailable_since = self.unavailable.as_ref().map(|_| self.unavailable_since.unwrap_or(now));
    }

    /// A message with this id was seen.
    pub(super) fn raise_top(&mut self, id: MessageId) {
        self.top = self.top.max(id.0);
    }

    /// The ids that none of the accounts that were asked can see.
    #[must_use]
    pub fn hidden(&self) -> Option<IdRange> {
        let first = self.visible_from.values().min()?;
        IdRange::new(1, first.saturating_sub(1))
    }

    /// Whether an account can see an id, as far as is known.
    #[must_use]
    pub fn is_visible_to(&self, account: &AccountName, id: i32) -> bool {
        self.visible_from.get(account).is_none_or(|first| *first <= id)
    }
}

impl WrittenValue<ChatId> for CrawlState {
    fn to_bytes(&self) -> Vec<u8> {
        CursorRecord {
            top: self.top,
            pts: self.pts,
            checked_at: self.checked_at.map(|t| t.0),
            unavailable: self.unavailable.clone(),
            recheck: bounds(&self.recheck),
            held: bounds(&self.held),
            held_until: self.held_until.map(|t| t.0),
            linked: self.linked.map(|p| p.0),
            unavailable_since: self.unavailable_since.map(|t| t.0),
            unreadable: bounds(&self.unreadable),
            unreadable_layer: self.unreadable_layer,
            followed: self.followed,
            visible_from: self.visible_from.iter().map(|(account, first)| (account.to_string(), *first)).collect(),
        }
        .encode_to_vec()
    }
}

impl StoredValue<ChatId> for CrawlState {
    fn from_bytes(_: &ChatId, bytes: &[u8]) -> Result<Self, RecordError> {
        let r: CursorRecord = decode("crawl state", bytes)?;
        let name = |name: String| name.parse::<AccountName>().map_err(|e| RecordError::value("crawl state", e));
        let visible_from = r.visible_from.into_iter().map(|(account, first)| Ok((name(account)?, first)));
        Ok(Self {
            top: r.top,
            pts: r.pts,
            checked_at: r.checked_at.map(Timestamp),
            unavailable: r.unavailable,
            unavailable_since: r.unavailable_since.map(Timestamp),
            unreadable: ranges(&r.unreadable)?,
            unreadable_layer: r.unreadable_layer,
            followed: r.followed,
            recheck: ranges(&r.recheck)?,
            held: ranges(&r.held)?,
            held_until: r.held_until.map(Timestamp),
            linked: r.linked.map(PeerId),
            visible_from: visible_from.collect::<Result<_, RecordError>>()?,
        })
    }
}
