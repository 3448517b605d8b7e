//! `/v1/coverage`: which message ids were really read, and what is still missing.

use std::num::NonZeroUsize;
use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::{Extension, Json};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use crate::archive::{Completeness, Coverage, Cursor};
use crate::model::{IdRange, Peer, PeerId, RangeSet};
use crate::show::{self, PeerView};

use super::context::{Context, Room, StatusSource};
use super::ingress::Ingress;
use super::peers;
use super::problem::Problem;
use super::query::{FromQuery, Nothing, Query, Values};

/// Ranges listed of each kind; a peer with more is being crawled in a strange way, and the counts still include all.
const RANGES_MAX: usize = 500;

/// How complete the archive of a peer is.
#[derive(Serialize, ToSchema)]
#[schema(as = Coverage)]
pub(super) struct CoverageView {
    peer: PeerView,
    /// Whether every id up to `top` was read and none must be read again.
    complete: bool,
    /// The greatest message id that Telegram was seen to use.
    top: i32,
    /// How many messages are archived, also those deleted since.
    messages: u64,
    /// Of these, how many were deleted in Telegram.
    deleted: u64,
    /// How many ids up to `top` were not read yet.
    missing: u64,
    /// How many ids were read but must be read again, because Telegram skipped their updates or a recheck is due.
    recheck: u64,
    /// How many messages of a mass deletion await its confirmation by a second request.
    held: u64,
    /// When that second request is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    held_until: Option<String>,
    /// When Telegram was last asked about the peer.
    #[serde(skip_serializing_if = "Option::is_none")]
    checked_at: Option<String>,
    /// Why the peer cannot be read at present: Telegram's error name.
    #[serde(skip_serializing_if = "Option::is_none")]
    unavailable: Option<String>,
    /// What keeps the running program from reading on at present, such as a flood wait and its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    hindered: Option<String>,
}

/// A range of ids that keeps a peer from being complete.
#[derive(Serialize, ToSchema)]
struct Hole {
    /// The first id.
    first: i32,
    /// The last id.
    last: i32,
    /// `not_read_yet`, `peer_unavailable`, `to_be_read_again` or `deletion_to_be_confirmed`.
    reason: &'static str,
}

/// How complete the archive of a peer is, with ranges of ids.
#[derive(Serialize, ToSchema)]
pub(super) struct CoverageDetail {
    #[serde(flatten)]
    coverage: CoverageView,
    /// What was read: first and last id of each range, ascending; at most 500 ranges.
    ranges: Vec<[i32; 2]>,
    /// What was not read; at most 500 ranges.
    missing_ranges: Vec<[i32; 2]>,
    /// What must be read again; at most 500 ranges.
    recheck_ranges: Vec<[i32; 2]>,
    /// Everything that keeps the peer from being complete, with the reason; at most 500 ranges of each reason.
    holes: Vec<Hole>,
}

/// Totals of all crawled peers.
#[derive(Default, Serialize, ToSchema)]
pub(super) struct Summary {
    /// Whether every peer is complete; false where no peer is crawled.
    complete: bool,
    /// How many peers are crawled.
    peers: u64,
    /// Of these, how many are complete.
    peers_complete: u64,
    /// Of these, how many cannot be read at present.
    peers_unavailable: u64,
    /// How many messages are archived, also those deleted since.
    messages: u64,
    /// Of these, how many were deleted in Telegram.
    deleted: u64,
    /// How many ids were not read yet.
    missing: u64,
    /// How many ids must be read again.
    recheck: u64,
    /// How many messages of mass deletions await confirmation by a second request.
    held: u64,
}

/// A page of coverages, by ascending peer id, and the totals of all.
#[derive(Serialize, ToSchema)]
pub(super) struct CoveragePage {
    summary: Summary,
    peers: Vec<CoverageView>,
    /// Value of `after` for the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<i64>,
}

impl CoverageView {
    fn new(peer: &Peer, coverage: &Coverage, cursor: &Cursor, status: &dyn StatusSource) -> Self {
        let completeness = Completeness::of(coverage, cursor);
        let complete = completeness.is_complete();
        Self {
            peer: show::peer(peer),
            complete,
            top: cursor.top,
            messages: coverage.messages,
            deleted: coverage.deleted,
            missing: completeness.missing.len(),
            recheck: completeness.recheck.len(),
            held: completeness.held.len(),
            held_until: cursor.held_until.map(|at| at.to_string()),
            checked_at: cursor.checked_at.map(|at| at.to_string()),
            unavailable: cursor.unavailable.clone(),
            hindered: if complete { None } else { status.hindrance(peer.id) },
        }
    }
}

impl Summary {
    fn add(&mut self, view: &CoverageView) {
        self.peers += 1;
        self.peers_complete += u64::from(view.complete);
        self.peers_unavailable += u64::from(view.unavailable.is_some());
        self.messages += view.messages;
        self.deleted += view.deleted;
        self.missing += view.missing;
        self.recheck += view.recheck;
        self.held += view.held;
        self.complete = self.peers > 0 && self.peers == self.peers_complete;
    }
}

fn holes(completeness: &Completeness, is_unavailable: bool) -> Vec<Hole> {
    let never = if is_unavailable { "peer_unavailable" } else { "not_read_yet" };
    let of = |set: &RangeSet, reason| {
        let hole = move |range: &IdRange| Hole { first: range.first, last: range.last, reason };
        set.ranges().iter().take(RANGES_MAX).map(hole).collect::<Vec<_>>()
    };
    let mut holes = of(&completeness.missing, never);
    holes.extend(of(&completeness.recheck, "to_be_read_again"));
    holes.extend(of(&completeness.held, "deletion_to_be_confirmed"));
    holes.sort_by_key(|hole| hole.first);
    holes
}

fn bounds(set: &RangeSet) -> Vec<[i32; 2]> {
    set.ranges().iter().take(RANGES_MAX).map(|range| [range.first, range.last]).collect()
}

/// Which peers.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// `next` of the previous page.
    after: Option<i64>,
    /// Maximum number of peers.
    #[param(value_type = Option<usize>, minimum = 1)]
    limit: Option<NonZeroUsize>,
    /// Whether to list only peers that are not complete.
    #[param(value_type = Option<bool>)]
    incomplete: bool,
}

impl FromQuery for Which {
    const NAMES: &'static [&'static str] = &["after", "limit", "incomplete"];

    fn from_query(values: &Values) -> Result<Self, Problem> {
        Ok(Self {
            after: values.parsed("after", "a peer's id")?,
            limit: values.parsed("limit", "a number (1 or greater)")?,
            incomplete: values.claim("incomplete")?,
        })
    }
}

/// Returns the coverage of all crawled peers.
#[utoipa::path(get, path = "/v1/coverage", tag = "crawl", params(Which), responses((status = 200, body = CoveragePage)))]
pub(super) async fn all(
    State(context): State<Arc<Context>>,
    Extension(ingress): Extension<Ingress>,
    Query(which): Query<Which>,
) -> Result<Json<CoveragePage>, Problem> {
    let limit = context.page_size(which.limit)?;
    context.read(move |context| page(context, &which, limit, Room::of(&ingress))).await.map(Json)
}

fn page(context: &Context, which: &Which, limit: usize, mut room: Room) -> Result<CoveragePage, Problem> {
    let archive = &context.archive;
    let after = which.after.map_or(PeerId(i64::MIN), PeerId);
    let mut page = CoveragePage { summary: Summary::default(), peers: Vec::new(), next: None };
    let mut full = false;
    for cursor in archive.view().cursors(PeerId(i64::MIN)) {
        let (id, cursor) = cursor?;
        let view = CoverageView::new(&peers::named(archive, id)?, &archive.view().coverage(id)?, &cursor, &*context.status);
        page.summary.add(&view);
        if full || id <= after || (which.incomplete && view.complete) {
            continue;
        }
        if page.peers.len() == limit || !room.takes(&view) {
            full = true;
            page.next = page.peers.last().map(|last| last.peer.id);
            continue;
        }
        page.peers.push(view);
    }
    Ok(page)
}

/// Returns the coverage of one peer, with its ranges of ids.
#[utoipa::path(
    get, path = "/v1/peers/{peer}/coverage", tag = "crawl",
    params(("peer" = String, Path, description = "A marked id, or `@` and a username.")),
    responses((status = 200, body = CoverageDetail), (status = 404, body = Problem, content_type = "application/problem+json")),
)]
pub(super) async fn one(
    State(context): State<Arc<Context>>,
    peer: Result<Path<String>, PathRejection>,
    _: Query<Nothing>,
) -> Result<Json<CoverageDetail>, Problem> {
    let Path(peer) = peer?;
    context.read(move |context| detail(context, &peer)).await.map(Json)
}

fn detail(context: &Context, peer: &str) -> Result<CoverageDetail, Problem> {
    let archive = &context.archive;
    let peer = peers::resolve(archive, peer)?;
    let unknown = || Problem::unknown_peer("this peer is known but not crawled");
    let cursor = archive.view().cursor(peer.id)?.ok_or_else(unknown)?;
    let coverage = archive.view().coverage(peer.id)?;
    let completeness = Completeness::of(&coverage, &cursor);
    Ok(CoverageDetail {
        ranges: bounds(&coverage.read),
        missing_ranges: bounds(&completeness.missing),
        recheck_ranges: bounds(&completeness.recheck),
        holes: holes(&completeness, cursor.unavailable.is_some()),
        coverage: CoverageView::new(&peer, &coverage, &cursor, &*context.status),
    })
}
