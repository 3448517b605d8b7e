//! `/v1/peers/{peer}/counters` and `/v1/peers/{peer}/messages/{message}/counters`: members, views and reactions as time series.

use std::num::NonZeroUsize;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use crate::archive::{Archive, Sample};
use crate::model::{Counters, MessageId, MessageKey, Timestamp};
use crate::show::{self, PeerView, ReactionView};

use super::context::Context;
use super::peers;
use super::problem::Problem;
use super::query::{FromQuery, Query, Values};

/// Which page of a time series.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Part {
    /// Only samples after this time (RFC 3339): `next` of the previous page.
    #[param(value_type = Option<String>)]
    after: Option<Timestamp>,
    /// Maximum number of samples.
    #[param(value_type = Option<usize>, minimum = 1)]
    limit: Option<NonZeroUsize>,
}

impl FromQuery for Part {
    const NAMES: &'static [&'static str] = &["after", "limit"];

    fn from_query(values: &Values) -> Result<Self, Problem> {
        let after: Option<DateTime<Utc>> = values.parsed("after", "a time such as `2026-01-31T12:00:00Z`")?;
        Ok(Self { after: after.map(Into::into), limit: values.parsed("limit", "a number (1 or greater)")? })
    }
}

/// A time series of the number of members of a peer.
#[derive(Serialize, ToSchema)]
pub(super) struct MemberCounts {
    peer: PeerView,
    /// Oldest first; an entry for each change.
    members: Vec<MemberCount>,
    /// Value of `after` for the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A sample of the number of members.
#[derive(Serialize, ToSchema)]
struct MemberCount {
    /// When this number was first seen.
    at: String,
    /// The number of members.
    count: i32,
}

/// Returns a peer's number of members over time.
#[utoipa::path(
    get, path = "/v1/peers/{peer}/counters", tag = "archive",
    params(("peer" = String, Path, description = "A marked id, or `@` and a username."), Part),
    responses((status = 200, body = MemberCounts), (status = 404, body = Problem, content_type = "application/problem+json")),
)]
pub(super) async fn of_peer(
    State(context): State<Arc<Context>>,
    peer: Result<Path<String>, PathRejection>,
    Query(part): Query<Part>,
) -> Result<Json<MemberCounts>, Problem> {
    let Path(peer) = peer?;
    let limit = context.page_size(part.limit)?;
    let read = move |context: &Context| {
        let peer = peers::resolve(&context.archive, &peer)?;
        let (samples, next) = page(context.archive.view().member_counts(peer.id)?, &part, limit);
        let members = samples.into_iter().map(|s| MemberCount { at: s.at.to_string(), count: s.value }).collect();
        Ok(MemberCounts { peer: show::peer(&peer), members, next })
    };
    context.read(read).await.map(Json)
}

/// A time series of a message's counters.
#[derive(Serialize, ToSchema)]
pub(super) struct MessageCounters {
    /// Oldest first; the last page ends with the current values.
    counters: Vec<CountersView>,
    /// Value of `after` for the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A sample of a message's counters.
#[derive(Serialize, ToSchema)]
struct CountersView {
    /// When these values were first seen.
    at: String,
    /// How often it was viewed.
    #[serde(skip_serializing_if = "Option::is_none")]
    views: Option<i32>,
    /// How often it was forwarded.
    #[serde(skip_serializing_if = "Option::is_none")]
    forwards: Option<i32>,
    /// How many replies or comments it had.
    #[serde(skip_serializing_if = "Option::is_none")]
    replies: Option<i32>,
    /// Reactions, in Telegram's order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reactions: Vec<ReactionView>,
}

impl From<Sample<Counters>> for CountersView {
    fn from(sample: Sample<Counters>) -> Self {
        let Counters { views, forwards, replies, reactions } = sample.value;
        let reactions = reactions.into_iter().flatten().map(|r| ReactionView { emoji: r.emoji, count: r.count }).collect();
        Self { at: sample.at.to_string(), views, forwards, replies, reactions }
    }
}

/// Returns a message's views, forwards, replies and reactions over time.
#[utoipa::path(
    get, path = "/v1/peers/{peer}/messages/{message}/counters", tag = "archive",
    params(
        ("peer" = String, Path, description = "A marked id, or `@` and a username."),
        ("message" = i32, Path, description = "Telegram's message id."),
        Part,
    ),
    responses((status = 200, body = MessageCounters), (status = 404, body = Problem, content_type = "application/problem+json")),
)]
pub(super) async fn of_message(
    State(context): State<Arc<Context>>,
    path: Result<Path<(String, String)>, PathRejection>,
    Query(part): Query<Part>,
) -> Result<Json<MessageCounters>, Problem> {
    let Path((peer, id)) = path?;
    let id = id.parse().map_err(|_| Problem::bad_parameter("the message id must be a number"))?;
    let limit = context.page_size(part.limit)?;
    context.read(move |context| counters(&context.archive, &peer, MessageId(id), &part, limit)).await.map(Json)
}

fn counters(archive: &Archive, peer: &str, id: MessageId, part: &Part, limit: usize) -> Result<MessageCounters, Problem> {
    let key = MessageKey { peer: peers::resolve(archive, peer)?.id, id };
    let Some(samples) = archive.view().counters(key)? else {
        return Err(Problem::unknown_message("the archive holds no such message"));
    };
    let (samples, next) = page(samples, part, limit);
    Ok(MessageCounters { counters: samples.into_iter().map(Into::into).collect(), next })
}

fn page<T>(samples: Vec<Sample<T>>, part: &Part, limit: usize) -> (Vec<Sample<T>>, Option<String>) {
    let mut samples: Vec<Sample<T>> = samples.into_iter().filter(|s| part.after.is_none_or(|after| s.at > after)).collect();
    let more = samples.len() > limit;
    samples.truncate(limit);
    let next = samples.last().filter(|_| more).map(|last| last.at.to_string());
    (samples, next)
}
