//! `/v1/search`: full-text search.
//!
//! A `GET` is for people and links; a `POST` keeps the query out of every log of request lines. Both take the same parameters.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::{Extension, Json};
use serde_json::{Map, Value};
use utoipa::IntoParams;

use crate::model::PeerId;
use crate::search::{Hit, PAGE_SIZE_MAX, Request, SearchError, SearchPage, SearchQuery, SortOrder, Total};
use crate::show::StoredView;
use crate::views::{HitView, HitsPage, SearchBody, SnippetView, TotalView};

use super::body;
use super::context::Context;
use super::ingress::Ingress;
use super::mentions::{describe, mention};
use super::paging;
use super::problem::Problem;
use super::query::{FromQuery, NoParams, Query, Values, unknown};

/// Default number of hits in a page.
const PAGE_SIZE: usize = 20;
/// The share of the request timeout that a search may take, so that its error can still be sent.
const TIME_SHARE: f32 = 0.9;

/// The parameters of a search.
#[derive(Clone, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct SearchParams {
    /// The query (docs/query.md); an empty one matches every message.
    q: String,
    /// `newest` (the default), `oldest` or `relevance` first.
    #[param(value_type = Option<String>)]
    sort: SortOrder,
    /// Maximum number of hits.
    #[param(value_type = Option<usize>, minimum = 1)]
    limit: Option<NonZeroUsize>,
    /// `next` of the previous page, of the same query and sort order.
    cursor: Option<String>,
}

impl FromQuery for SearchParams {
    const NAMES: &'static [&'static str] = &["q", "sort", "limit", "cursor"];

    fn from_query(values: &Values) -> Result<Self, Problem> {
        let sorts = [("newest", SortOrder::Newest), ("oldest", SortOrder::Oldest), ("relevance", SortOrder::Relevance)];
        let q = values.text("q").ok_or_else(|| Problem::bad_parameter("`q`, the query, is missing; `q=` finds everything"))?;
        Ok(Self {
            q: q.to_owned(),
            sort: values.choice("sort", &sorts)?.unwrap_or_default(),
            limit: values.limit()?,
            cursor: values.text("cursor").map(str::to_owned),
        })
    }
}

/// Searches, with the query in the URL.
#[utoipa::path(
    get, path = "/v1/search", tag = "search", params(SearchParams),
    responses((status = 200, body = HitsPage), (status = 400, body = Problem, content_type = "application/problem+json"), (status = 504, body = Problem, content_type = "application/problem+json")),
)]
pub(super) async fn get(
    State(context): State<Arc<Context>>,
    Extension(ingress): Extension<Ingress>,
    Query(params): Query<SearchParams>,
) -> Result<Json<HitsPage>, Problem> {
    answer(&context, ingress, params).await.map(Json)
}

/// Searches, with the query in the request body.
#[utoipa::path(
    post, path = "/v1/search", tag = "search", request_body = SearchBody,
    responses(
        (status = 200, body = HitsPage), (status = 400, body = Problem, content_type = "application/problem+json"), (status = 413, body = Problem, content_type = "application/problem+json"), (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 504, body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn post(
    State(context): State<Arc<Context>>,
    Extension(ingress): Extension<Ingress>,
    _: Query<NoParams>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<HitsPage>, Problem> {
    if !body::is_json(&headers) {
        return Err(Problem::unsupported_media_type("send `application/json`, or `application/jose` if it is sealed"));
    }
    let bytes = body::read(body, context.settings.body_size_max).await?;
    let members: Map<String, Value> = serde_json::from_slice(&bytes)
        .map_err(|_| Problem::bad_body("the body must be a JSON object such as `{\"q\": \"…\"}`"))?;
    answer(&context, ingress, from_body(members)?).await.map(Json)
}

fn from_body(members: Map<String, Value>) -> Result<SearchParams, Problem> {
    let mut pairs = Vec::with_capacity(members.len());
    for (name, value) in members {
        if !SearchParams::NAMES.contains(&name.as_str()) {
            return Err(Problem::bad_body(unknown(&name, SearchParams::NAMES)));
        }
        match value {
            Value::Null => {}
            Value::String(text) if name != "limit" => pairs.push((name, text)),
            Value::Number(number) if name == "limit" => pairs.push((name, number.to_string())),
            _ => {
                return Err(Problem::bad_body(format!(
                    "`{name}` must be a {}",
                    if name == "limit" { "number" } else { "string" }
                )));
            }
        }
    }
    SearchParams::from_query(&Values::from(pairs))
}

async fn answer(context: &Arc<Context>, ingress: Ingress, params: SearchParams) -> Result<HitsPage, Problem> {
    let max = context.settings.page_size_max.min(PAGE_SIZE_MAX);
    let page_size = params.limit.map_or(PAGE_SIZE.min(max), NonZeroUsize::get);
    if page_size > max {
        return Err(Problem::bad_parameter(format!(
            "`limit` must be at most {max} for a search, not {page_size}; use `next` for further pages"
        )));
    }
    let query = SearchQuery::parse(&params.q).map_err(|error| Problem::bad_query(error.to_string()))?;
    let time_limit = context.settings.request_timeout.mul_f32(TIME_SHARE);
    let request = Request { sort: params.sort, page_size, cursor: params.cursor, time_limit, ..Request::new(query) };
    context.search(move |context| find(context, request, paging::bytes_max(&ingress))).await
}

/// Finds a page within the byte limit: where it would be longer, one with fewer hits is found instead, so that its cursor is right.
fn find(context: &Context, mut request: Request, bytes_max: usize) -> Result<HitsPage, Problem> {
    loop {
        let page = context.index.search(&request).map_err(|e| refused(e, request.time_limit))?;
        let found = view(context, page)?;
        let size = serde_json::to_vec(&found).map_err(|e| Problem::hidden(&e))?.len();
        if size <= bytes_max || request.page_size == 1 {
            return Ok(found);
        }
        request.page_size = (request.page_size * bytes_max / size).clamp(1, request.page_size - 1);
    }
}

fn view(context: &Context, page: SearchPage) -> Result<HitsPage, Problem> {
    let hits: Vec<HitView> = page.hits.iter().map(hit_view).collect();
    let mut mentioned = BTreeSet::new();
    for hit in &hits {
        mentioned.insert(PeerId(hit.message.message.peer));
        mention(&hit.message.message.content, &mut mentioned);
    }
    let (count, exact) = match page.total {
        Total::Exactly(count) => (count, true),
        Total::AtLeast(count) => (count, false),
    };
    Ok(HitsPage {
        hits,
        total: TotalView { count, exact },
        peers: describe(&context.archive.flushed(), &mentioned)?,
        position: page.position.0,
        next: page.next,
    })
}

fn hit_view(hit: &Hit) -> HitView {
    let text = hit.snippet.text.clone();
    let highlights = hit.snippet.highlights.iter().map(|range| utf16(&text, range)).collect();
    HitView { message: StoredView::new(&hit.message, &[]), snippet: SnippetView { text, highlights }, score: hit.score }
}

/// A range of bytes as offset and length in UTF-16 code units.
fn utf16(text: &str, range: &Range<usize>) -> [usize; 2] {
    let units = |part: Option<&str>| part.unwrap_or_default().encode_utf16().count();
    [units(text.get(..range.start)), units(text.get(range.clone()))]
}

fn refused(error: SearchError, limit: Duration) -> Problem {
    match error {
        SearchError::Query(error) => Problem::bad_query(error.to_string()),
        SearchError::Cursor => {
            Problem::bad_parameter("`cursor` does not belong to this query and sort order; start again without it")
        }
        SearchError::Deadline { .. } => Problem::timed_out(format!(
            "the search took longer than {limit:?}; add words or filters such as `after:` to narrow it"
        )),
        // Those of a running program name no path; a command that has opened the index itself may read all of it.
        error @ (SearchError::Suspected
        | SearchError::Rebuilding { .. }
        | SearchError::NoIndex { .. }
        | SearchError::Unusable { .. }
        | SearchError::Ahead { .. }
        | SearchError::Refused { .. }
        | SearchError::Damaged { .. }) => Problem::unready(error.to_string()),
        error => Problem::hidden(&error),
    }
}
