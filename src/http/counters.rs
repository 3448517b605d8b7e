//! `/v1/peers/{peer}/counters` and `/v1/peers/{peer}/messages/{message}/counters`: members, views and reactions as time series.

use std::num::NonZeroUsize;
use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::IntoParams;

use crate::archive::Sample;
use crate::model::{AccountName, Timestamp};
use crate::show;
use crate::views::{CountersView, MemberCountView, MemberCountsPage, MessageCountersPage};

use super::context::Context;
use super::ingress::Ingress;
use super::paging::{FilledPage, PageBudget};
use super::path::{ACCOUNT, MessagePath, PeerPath};
use super::problem::Problem;
use super::query::{FromQuery, Query, Values};

/// Which page of a time series.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListCountersParams {
    /// Only samples after this time (RFC 3339): `next` of the previous page.
    #[param(value_type = Option<String>)]
    after: Option<Timestamp>,
    /// Maximum number of samples.
    #[param(value_type = Option<usize>, minimum = 1)]
    limit: Option<NonZeroUsize>,
}

impl FromQuery for ListCountersParams {
    const NAMES: &'static [&'static str] = &["after", "limit"];

    fn from_query(values: &Values) -> Result<Self, Problem> {
        let after: Option<DateTime<Utc>> = values.parsed("after", "a time such as `2026-01-31T12:00:00Z`")?;
        Ok(Self { after: after.map(Into::into), limit: values.limit()? })
    }
}

/// Returns a peer's number of members over time.
#[utoipa::path(
    get, path = "/v1/peers/{peer}/counters", operation_id = "listMemberCounts", tag = "archive", params(PeerPath, ListCountersParams),
    responses((status = 200, body = MemberCountsPage)),
)]
pub(super) async fn of_peer(
    State(context): State<Arc<Context>>,
    Extension(ingress): Extension<Ingress>,
    Query(params): Query<ListCountersParams>,
    PeerPath(peer): PeerPath,
) -> Result<Json<MemberCountsPage>, Problem> {
    let budget = PageBudget::new(&context, &ingress, params.limit)?;
    let read = move |context: &Context| {
        let page: FilledPage<MemberCountView> =
            page(context.archive.flushed().view().member_counts(peer.id)?, params.after, budget)?;
        Ok(MemberCountsPage { peer: show::peer(&peer), next: page.next(|last| last.at.clone()), members: page.entries })
    };
    context.read(read).await.map(Json)
}

/// Which page of a message's time series.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListMessageCountersParams {
    /// Whose message id is meant, in basic groups and private chats; needed where several accounts archived the peer.
    #[param(value_type = Option<String>)]
    account: Option<AccountName>,
    /// Only samples after this time (RFC 3339): `next` of the previous page.
    #[param(value_type = Option<String>)]
    after: Option<Timestamp>,
    /// Maximum number of samples.
    #[param(value_type = Option<usize>, minimum = 1)]
    limit: Option<NonZeroUsize>,
}

impl FromQuery for ListMessageCountersParams {
    const NAMES: &'static [&'static str] = &["account", "after", "limit"];

    fn from_query(values: &Values) -> Result<Self, Problem> {
        let ListCountersParams { after, limit } = ListCountersParams::from_query(values)?;
        Ok(Self { account: values.parsed("account", ACCOUNT)?, after, limit })
    }
}

/// Returns a message's views, forwards, replies and reactions over time.
#[utoipa::path(
    get, path = "/v1/peers/{peer}/messages/{message}/counters", operation_id = "listMessageCounters", tag = "archive", params(MessagePath, ListMessageCountersParams),
    responses((status = 200, body = MessageCountersPage)),
)]
pub(super) async fn of_message(
    State(context): State<Arc<Context>>,
    Extension(ingress): Extension<Ingress>,
    Query(params): Query<ListMessageCountersParams>,
    path: MessagePath,
) -> Result<Json<MessageCountersPage>, Problem> {
    let budget = PageBudget::new(&context, &ingress, params.limit)?;
    let read = move |context: &Context| {
        let archive = context.archive.flushed();
        let Some(samples) = archive.view().counters(path.key(&archive, params.account)?)? else {
            return Err(Problem::unknown_message("the archive holds no such message"));
        };
        let page: FilledPage<CountersView> = page(samples, params.after, budget)?;
        Ok(MessageCountersPage { next: page.next(|last| last.at.clone()), counters: page.entries })
    };
    context.read(read).await.map(Json)
}

fn page<S, V: From<Sample<S>> + Serialize>(
    samples: Vec<Sample<S>>,
    after: Option<Timestamp>,
    budget: PageBudget,
) -> Result<FilledPage<V>, Problem> {
    let samples = samples.into_iter().filter(|sample| after.is_none_or(|after| sample.at > after));
    budget.fill(samples.map(|sample| Ok(V::from(sample))))
}
