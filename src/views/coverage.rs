//! Which message ids were really read, and what is still missing.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::archive::{Completeness, Coverage, CrawlState, Totals};
use crate::model::{ChatId, IdRange, Peer, RangeSet};
use crate::show::{self, PeerView};

/// How complete the archive of a peer is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Coverage)]
pub struct CoverageView {
    pub(crate) peer: PeerView,
    /// The account whose ids are meant, in basic groups and private chats, where each account counts for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) account: Option<String>,
    /// Whether every id up to `top` that any account can see was read, none must be read again, and somebody can still read the peer.
    pub(crate) complete: bool,
    /// The greatest message id that Telegram was seen to use.
    pub(crate) top: i32,
    /// How many messages are archived, also those deleted since.
    pub(crate) messages: u64,
    /// Of these, how many were deleted in Telegram.
    pub(crate) deleted: u64,
    /// How many messages were erased: they are known, count as read, and are not archived.
    #[serde(default)]
    pub(crate) erased: u64,
    /// How many ids up to `top` were not read yet.
    pub(crate) missing: u64,
    /// How many ids up to `top` were passed over because Telegram's answer about them could not be read.
    #[serde(default)]
    pub(crate) unreadable: u64,
    /// How many ids up to `top` none of the accounts can see: hidden from all that are in the group (hidden pre-history). They do not
    /// count as missing.
    #[serde(default)]
    pub(crate) hidden: u64,
    /// How many ids were read but must be read again, because Telegram skipped their updates or a recheck is due.
    pub(crate) recheck: u64,
    /// How many messages of a mass deletion await its confirmation by a second request.
    pub(crate) held: u64,
    /// When that second request is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) held_until: Option<String>,
    /// When Telegram was last asked about the peer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) checked_at: Option<String>,
    /// Why the peer cannot be read at present: Telegram's error name, or `NO_ACCOUNT` where every account that could is banned, signed out
    /// or gone, `UNFOLLOWED` where the operator wants it no longer, `TAKEN_OVER` where another account archives the same messages, `FETCHED` where
    /// only a part was asked for and nothing is crawled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) unavailable: Option<String>,
    /// Since when it cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) unavailable_since: Option<String>,
    /// Whether it is crawled though no account is a member, because the operator named it.
    #[serde(default)]
    pub(crate) followed: bool,
    /// What keeps the running program from reading on at present, such as a flood wait and its end; also of a peer that is complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hindered: Option<String>,
}

/// A range of ids that keeps a peer from being complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Hole)]
pub struct HoleView {
    /// The first id.
    pub(crate) first: i32,
    /// The last id.
    pub(crate) last: i32,
    /// `not_read_yet`, `peer_unavailable`, `hidden`, `taken_over`, `not_wanted`, `unreadable`, `to_be_read_again` or `deletion_to_be_confirmed`.
    pub(crate) reason: Cow<'static, str>,
}

/// How complete the archive of a peer is, with a page of its ranges of ids: of each list those that begin within the page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CoverageDetail {
    #[serde(flatten)]
    pub(crate) coverage: CoverageView,
    /// What was read: first and last id of each range, ascending.
    pub(crate) ranges: Vec<[i32; 2]>,
    /// What was not read.
    pub(crate) missing_ranges: Vec<[i32; 2]>,
    /// What must be read again.
    pub(crate) recheck_ranges: Vec<[i32; 2]>,
    /// Everything that keeps the peer from being complete, and what is hidden, with the reason.
    pub(crate) holes: Vec<HoleView>,
    /// Value of `after` for the next page; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<i32>,
}

/// The ranges of a peer's coverage that begin with the same id: they are on the same page.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct CoverageRow {
    /// The id.
    pub(crate) first: i32,
    read: Option<[i32; 2]>,
    missing: Option<[i32; 2]>,
    recheck: Option<[i32; 2]>,
    holes: Vec<HoleView>,
}

/// Totals of all crawled peers.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = Summary)]
pub struct CoverageSummary {
    /// Whether every peer is complete; false where no peer is crawled.
    pub(crate) complete: bool,
    /// How many peers are crawled.
    pub(crate) peers: u64,
    /// Of these, how many are complete.
    pub(crate) peers_complete: u64,
    /// Of these, how many cannot be read at present.
    pub(crate) peers_unavailable: u64,
    /// How many messages are archived, also those deleted since.
    pub(crate) messages: u64,
    /// Of these, how many were deleted in Telegram.
    pub(crate) deleted: u64,
    /// How many ids were not read yet.
    pub(crate) missing: u64,
    /// How many ids were passed over because Telegram's answer about them could not be read.
    #[serde(default)]
    pub(crate) unreadable: u64,
    /// How many ids none of the accounts can see.
    #[serde(default)]
    pub(crate) hidden: u64,
    /// How many ids must be read again.
    pub(crate) recheck: u64,
    /// How many messages of mass deletions await confirmation by a second request.
    pub(crate) held: u64,
    /// How many files are wanted and not stored, those aside that are not tried again by themselves.
    #[serde(default)]
    pub(crate) files_missing: u64,
    /// How many files could not be downloaded and are not tried again by themselves.
    #[serde(default)]
    pub(crate) files_failed: u64,
}

/// A page of coverages, by ascending peer id, and the totals of all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CoveragePage {
    /// The totals of all crawled peers, those on other pages included.
    pub(crate) summary: CoverageSummary,
    /// The peers of this page.
    pub(crate) peers: Vec<CoverageView>,
    /// Value of `after` for the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

impl CoverageView {
    /// How complete a crawled peer is. `hindrance` says what is in the way of reading on.
    pub(crate) fn new(
        peer: &Peer,
        chat: ChatId,
        coverage: &Coverage,
        state: &CrawlState,
        hindrance: impl FnOnce() -> Option<String>,
    ) -> Self {
        let completeness = Completeness::of(coverage, state);
        Self {
            peer: show::peer(peer),
            account: chat.account().map(|account| account.to_string()),
            complete: state.is_complete(&completeness),
            top: state.top,
            messages: coverage.messages,
            deleted: coverage.deleted,
            erased: coverage.erased,
            missing: completeness.missing.len(),
            unreadable: completeness.unreadable.len(),
            // What nobody wants of a chat is hidden from nobody.
            hidden: if state.is_wanted_no_longer() { 0 } else { completeness.hidden.len() },
            recheck: completeness.recheck.len(),
            held: completeness.held.len(),
            held_until: state.held_until.map(|at| at.to_string()),
            checked_at: state.checked_at.map(|at| at.to_string()),
            unavailable: state.unavailable.clone(),
            unavailable_since: state.unavailable_since.map(|at| at.to_string()),
            followed: state.followed,
            hindered: hindrance(),
        }
    }
}

impl HoleView {
    /// Never read, though the peer can be.
    pub(crate) const NOT_READ_YET: &'static str = "not_read_yet";
    /// Never read, and no account can read the peer at present.
    pub(crate) const PEER_UNAVAILABLE: &'static str = "peer_unavailable";
    /// Telegram's answer could not be read.
    pub(crate) const UNREADABLE: &'static str = "unreadable";
    /// Never read, and none of the accounts can see it.
    pub(crate) const HIDDEN: &'static str = "hidden";
    /// Never read, and another account archives the same messages by ids of its own.
    pub(crate) const TAKEN_OVER: &'static str = "taken_over";
    /// Never read, and nobody has asked for it: the peer is not crawled.
    pub(crate) const NOT_WANTED: &'static str = "not_wanted";
    /// Read, but its updates were skipped or a recheck is due.
    pub(crate) const TO_BE_READ_AGAIN: &'static str = "to_be_read_again";
    /// Part of a mass deletion.
    pub(crate) const DELETION_TO_BE_CONFIRMED: &'static str = "deletion_to_be_confirmed";

    fn all(completeness: &Completeness<'_>, state: &CrawlState) -> Vec<Self> {
        let hidden = match (state.is_taken_over(), state.is_fetched_only()) {
            (true, _) => Self::TAKEN_OVER,
            (_, true) => Self::NOT_WANTED,
            _ => Self::HIDDEN,
        };
        let never = if state.unavailable.is_some() { Self::PEER_UNAVAILABLE } else { Self::NOT_READ_YET };
        let of = |set: &RangeSet, reason: &'static str| {
            let hole = move |range: &IdRange| Self { first: range.first, last: range.last, reason: reason.into() };
            set.ranges().iter().map(hole).collect::<Vec<_>>()
        };
        let mut holes = of(&completeness.missing, never);
        holes.extend(of(&completeness.hidden, hidden));
        holes.extend(of(completeness.unreadable, Self::UNREADABLE));
        holes.extend(of(&completeness.recheck, Self::TO_BE_READ_AGAIN));
        holes.extend(of(&completeness.held, Self::DELETION_TO_BE_CONFIRMED));
        holes.sort_by_key(|hole| hole.first);
        holes
    }
}

impl CoverageRow {
    /// All of a peer's, by their ids, behind an id.
    pub(crate) fn after(after: Option<i32>, coverage: &Coverage, state: &CrawlState) -> impl Iterator<Item = Self> {
        let completeness = Completeness::of(coverage, state);
        let mut rows = BTreeMap::<i32, Self>::new();
        for range in coverage.read.ranges() {
            rows.entry(range.first).or_default().read = Some([range.first, range.last]);
        }
        for range in completeness.missing.ranges() {
            rows.entry(range.first).or_default().missing = Some([range.first, range.last]);
        }
        for range in completeness.recheck.ranges() {
            rows.entry(range.first).or_default().recheck = Some([range.first, range.last]);
        }
        for hole in HoleView::all(&completeness, state) {
            rows.entry(hole.first).or_default().holes.push(hole);
        }
        let rest = rows.into_iter().filter(move |(first, _)| after.is_none_or(|after| *first > after));
        rest.map(|(first, row)| Self { first, ..row })
    }
}

impl CoverageDetail {
    /// The same with a page of ranges.
    pub(crate) fn new(coverage: CoverageView, rows: Vec<CoverageRow>, next: Option<i32>) -> Self {
        let list = |of: fn(&CoverageRow) -> Option<[i32; 2]>| rows.iter().filter_map(of).collect();
        Self {
            ranges: list(|row| row.read),
            missing_ranges: list(|row| row.missing),
            recheck_ranges: list(|row| row.recheck),
            holes: rows.into_iter().flat_map(|row| row.holes).collect(),
            coverage,
            next,
        }
    }
}

impl From<Totals> for CoverageSummary {
    fn from(totals: Totals) -> Self {
        let Totals { chats, complete, unavailable, messages, deleted, missing, unreadable, hidden, recheck, held, .. } = totals;
        Self {
            complete: chats > 0 && chats == complete,
            peers: chats,
            peers_complete: complete,
            peers_unavailable: unavailable,
            messages,
            deleted,
            missing,
            unreadable,
            hidden,
            recheck,
            held,
            // Told by the queue, not by the totals.
            files_missing: 0,
            files_failed: 0,
        }
    }
}
