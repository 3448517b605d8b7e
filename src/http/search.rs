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
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use crate::model::Seq;
use crate::search::{Hit, PAGE_SIZE_MAX, Request, SearchError, SearchPage, SearchQuery, SortOrder, Total};
use crate::show::{PeerView, StoredView};

use super::context::{Context, Room};
use super::ingress::Ingress;
use super::envelope;
use super::messages::{describe, mention};
use super::problem::Problem;
use super::query::{FromQuery, Nothing, Query, Values, unknown};

/// Default number of hits in a page.
const PAGE_SIZE: usize = 20;
/// The share of the request timeout that a search may take, so that its error can still be sent.
const TIME_SHARE: f32 = 0.9;

/// The parameters of a search.
#[derive(Clone, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
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

/// The parameters of a search.
#[derive(ToSchema)]
#[schema(as = Search)]
#[expect(dead_code, reason = "describes the body in the OpenAPI page; `Values` reads it, with the same errors as a query string")]
pub(super) struct AskedBody {
    /// The query (docs/query.md); an empty one matches every message.
    q: String,
    /// `newest` (the default), `oldest` or `relevance` first.
    sort: Option<String>,
    /// Maximum number of hits.
    limit: Option<usize>,
    /// `next` of the previous page, of the same query and sort order.
    cursor: Option<String>,
}

impl FromQuery for Asked {
    const NAMES: &'static [&'static str] = &["q", "sort", "limit", "cursor"];

    fn from_query(values: &Values) -> Result<Self, Problem> {
        let sorts = [("newest", SortOrder::Newest), ("oldest", SortOrder::Oldest), ("relevance", SortOrder::Relevance)];
        let q = values.text("q").ok_or_else(|| Problem::bad_parameter("`q`, the query, is missing; `q=` finds everything"))?;
        Ok(Self {
            q: q.to_owned(),
            sort: values.choice("sort", &sorts)?.unwrap_or_default(),
            limit: values.parsed("limit", "a number (1 or greater)")?,
            cursor: values.text("cursor").map(str::to_owned),
        })
    }
}

/// A page of hits.
#[derive(Serialize, ToSchema)]
pub(super) struct Found {
    hits: Vec<HitView>,
    /// How many hits the query had when its first page was requested.
    total: TotalView,
    /// The peers that the hits mention: where they were posted, senders, and sources of forwards.
    peers: Vec<PeerView>,
    /// Position of the index in the change log; what was archived later cannot be found yet.
    position: u64,
    /// Value of `cursor` for the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A message that matches.
#[derive(Serialize, ToSchema)]
#[schema(as = Hit)]
pub(super) struct HitView {
    message: StoredView,
    snippet: SnippetView,
    /// How well it matches: comparable within one query only, and only there when sorted by relevance.
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<f32>,
}

/// The part of a message that matches.
#[derive(Serialize, ToSchema)]
#[schema(as = Snippet)]
pub(super) struct SnippetView {
    /// The part as it was written, with `…` where something was left out.
    text: String,
    /// What matches: offset and length in UTF-16 code units, as in a message's entities; in order, not overlapping.
    highlights: Vec<[usize; 2]>,
}

/// How many hits a query has.
#[derive(Serialize, ToSchema)]
#[schema(as = Total)]
pub(super) struct TotalView {
    count: u64,
    /// Whether `count` is exact; if not, there are at least that many.
    exact: bool,
}

/// Searches, with the query in the URL.
#[utoipa::path(
    get, path = "/v1/search", tag = "search", params(Asked),
    responses((status = 200, body = Found), (status = 400, body = Problem, content_type = "application/problem+json"), (status = 504, body = Problem, content_type = "application/problem+json")),
)]
pub(super) async fn get(
    State(context): State<Arc<Context>>,
    Extension(ingress): Extension<Ingress>,
    Query(asked): Query<Asked>,
) -> Result<Json<Found>, Problem> {
    answer(&context, ingress, asked).await.map(Json)
}

/// Searches, with the query in the request body.
#[utoipa::path(
    post, path = "/v1/search", tag = "search", request_body = AskedBody,
    responses(
        (status = 200, body = Found), (status = 400, body = Problem, content_type = "application/problem+json"), (status = 413, body = Problem, content_type = "application/problem+json"), (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 504, body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn post(
    State(context): State<Arc<Context>>,
    Extension(ingress): Extension<Ingress>,
    _: Query<Nothing>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Found>, Problem> {
    if envelope::media_type(&headers).is_none_or(|t| !t.eq_ignore_ascii_case("application/json")) {
        return Err(Problem::unsupported_media_type("send `application/json`, or `application/jose` if it is sealed"));
    }
    let bytes = envelope::read(body, context.settings.body_size_max).await?;
    let members: Map<String, Value> = serde_json::from_slice(&bytes)
        .map_err(|_| Problem::bad_body("the body must be a JSON object such as `{\"q\": \"…\"}`"))?;
    answer(&context, ingress, from_body(members)?).await.map(Json)
}

fn from_body(members: Map<String, Value>) -> Result<Asked, Problem> {
    let mut pairs = Vec::with_capacity(members.len());
    for (name, value) in members {
        if !Asked::NAMES.contains(&name.as_str()) {
            return Err(Problem::bad_body(unknown(&name, Asked::NAMES)));
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
    Asked::from_query(&Values::from(pairs))
}

async fn answer(context: &Arc<Context>, ingress: Ingress, asked: Asked) -> Result<Found, Problem> {
    let max = context.settings.page_size_max.min(PAGE_SIZE_MAX);
    let page_size = asked.limit.map_or(PAGE_SIZE.min(max), NonZeroUsize::get);
    if page_size > max {
        return Err(Problem::bad_parameter(format!(
            "`limit` must be at most {max} for a search, not {page_size}; use `next` for further pages"
        )));
    }
    let query = SearchQuery::parse(&asked.q).map_err(|error| Problem::bad_query(error.to_string()))?;
    let time_limit = context.settings.request_timeout.duration().mul_f32(TIME_SHARE);
    let request = Request { sort: asked.sort, page_size, cursor: asked.cursor, time_limit, ..Request::new(query) };
    context.search(move |context| find(context, request, Room::bytes(&ingress))).await
}

/// Finds a page within the byte limit: where it would be longer, one with fewer hits is found instead, so that its cursor is right.
fn find(context: &Context, mut request: Request, bytes_max: usize) -> Result<Found, Problem> {
    // Only a command that has opened the archive itself opens the index here, and its user may read why that fails.
    let index = context.index.get().map_err(|error| Problem::unready(error.to_string()))?;
    loop {
        let page = index.search(&context.archive, &request).map_err(|e| refused(e, request.time_limit))?;
        let found = view(context, page, index.position())?;
        let size = serde_json::to_vec(&found).map_err(|e| Problem::hidden(&e))?.len();
        if size <= bytes_max || request.page_size == 1 {
            return Ok(found);
        }
        request.page_size = (request.page_size * bytes_max / size).clamp(1, request.page_size - 1);
    }
}

fn view(context: &Context, page: SearchPage, position: Seq) -> Result<Found, Problem> {
    let mut mentioned = BTreeSet::new();
    for hit in &page.hits {
        mentioned.insert(hit.key.peer);
        mention(&hit.message.message, &mut mentioned);
    }
    let (count, exact) = match page.total {
        Total::Exactly(count) => (count, true),
        Total::AtLeast(count) => (count, false),
    };
    Ok(Found {
        hits: page.hits.iter().map(HitView::of).collect(),
        total: TotalView { count, exact },
        peers: describe(&context.archive, &mentioned)?,
        position: position.0,
        next: page.next,
    })
}

impl HitView {
    fn of(hit: &Hit) -> Self {
        let text = hit.snippet.text.clone();
        let highlights = hit.snippet.highlights.iter().map(|range| utf16(&text, range)).collect();
        Self { message: StoredView::new(&hit.message, &[]), snippet: SnippetView { text, highlights }, score: hit.score }
    }
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
        error => Problem::hidden(&error),
    }
}
