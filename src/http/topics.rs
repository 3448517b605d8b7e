//! `/v1/peers/{peer}/topics`: a forum's topics.

use std::num::NonZeroUsize;
use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use utoipa::IntoParams;

use crate::show;
use crate::views::{TopicView, TopicsPage};

use super::context::Context;
use super::ingress::Ingress;
use super::paging::PageBudget;
use super::path::PeerPath;
use super::problem::Problem;
use super::query::{FromQuery, Query, Values};

/// Which page of the topics.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListTopicsParams {
    /// Only topics with ids above this one: `next` of the previous page.
    after: Option<i32>,
    /// Maximum number of topics.
    #[param(value_type = Option<usize>, minimum = 1)]
    limit: Option<NonZeroUsize>,
}

impl FromQuery for ListTopicsParams {
    const NAMES: &'static [&'static str] = &["after", "limit"];

    fn from_query(values: &Values) -> Result<Self, Problem> {
        Ok(Self { after: values.parsed("after", "the id of a topic")?, limit: values.limit()? })
    }
}

/// Lists a forum's topics, by id.
#[utoipa::path(
    get, path = "/v1/peers/{peer}/topics", operation_id = "listTopics", tag = "archive", params(PeerPath, ListTopicsParams),
    responses((status = 200, body = TopicsPage)),
)]
pub(super) async fn topics(
    State(context): State<Arc<Context>>,
    Extension(ingress): Extension<Ingress>,
    Query(params): Query<ListTopicsParams>,
    PeerPath(peer): PeerPath,
) -> Result<Json<TopicsPage>, Problem> {
    let budget = PageBudget::new(&context, &ingress, params.limit)?;
    let read = move |context: &Context| {
        let topics = context.archive.flushed().view().topics(peer.id)?.into_iter().map(TopicView::from);
        let rest = topics.filter(|topic| params.after.is_none_or(|after| topic.id > after));
        let page = budget.fill(rest.map(Ok))?;
        Ok(TopicsPage { peer: show::peer(&peer), next: page.next(|last| last.id), topics: page.entries })
    };
    context.read(read).await.map(Json)
}
