//! `/v1/search`: full-text search.
//!
//! A `GET` is for people and links; a `POST` keeps the query out of every log of request lines. Both take the same parameters.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Map, Value};
use utoipa::IntoParams;

use crate::model::{MessageId, MessageKey, PeerId};
use crate::schedule::Zone;
use crate::search::{
    Collapse, FACET_LIMIT, FACET_LIMIT_MAX, FacetField, FacetRequest, Hit, Interval, PAGE_SIZE_MAX, Request, SearchError,
    SearchPage, SearchQuery, SortOrder, Total,
};
use crate::show::StoredView;
use crate::views::{CollapsedView, HitView, HitsPage, SearchBody, SnippetView, TotalView};

use super::body;
use super::context::Context;
use super::facets;
use super::ingress::Ingress;
use super::mentions::{describe, mention};
use super::paging;
use super::problem::Problem;
use super::query::{FromQuery, NoParams, Query, Values, unknown};

/// Default number of hits in a page.
const PAGE_SIZE: usize = 20;
/// The share of the request timeout that a search may take, so that its error can still be sent.
const TIME_SHARE: f32 = 0.9;

const FACETS_TOO_LONG: &str = "the facets and the histogram are too long for a sealed response; lower `facet_limit`, name a longer \
                               interval, or request them one at a time";

/// The parameters of a search.
#[derive(Clone, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct SearchParams {
    /// The query (docs/query.md); an empty one matches every message.
    q: String,
    /// `newest` (the default), `oldest`, `relevance` or `views` first; a `sort:` in the query goes before it.
    #[param(value_type = Option<String>)]
    sort: SortOrder,
    /// Maximum number of hits.
    #[param(value_type = Option<usize>, minimum = 1)]
    limit: Option<NonZeroUsize>,
    /// `next` of the previous page, of the same query and sort order.
    cursor: Option<String>,
    /// Of hits that belong together only the first is listed: `album` (parts of one album), `source` (forwards of one post, and the post),
    /// `text` (texts that are nearly the same), or several of them with commas between them.
    #[param(value_type = Option<String>)]
    collapse: Option<Collapse>,
    /// With `collapse`: not one hit of each group, but all of the group that this one is in; `group` of its `collapsed`.
    #[param(value_type = Option<String>)]
    group: Option<MessageKey>,
    /// What all hits are counted by, with commas between: `peer`, `sender`, `kind`, `lang`, `host`, `hashtag`.
    #[param(value_type = Option<String>)]
    facets: Vec<FacetField>,
    /// How many values of each facet, 10 by default.
    #[param(value_type = Option<usize>, minimum = 1, maximum = 100)]
    facet_limit: usize,
    /// Interval of a date histogram of all hits: `hour`, `day`, `week`, `month`, `quarter`, `year`, or a number with `s`, `m`, `h` or `d`.
    #[param(value_type = Option<String>)]
    histogram: Option<Interval>,
    /// Time zone of the histogram (IANA), such as `Europe/Berlin`; by default UTC.
    #[param(value_type = Option<String>)]
    timezone: Zone,
    /// Whether to count again on a page that has a cursor.
    #[param(value_type = Option<bool>)]
    recount: bool,
}

impl FromQuery for SearchParams {
    const NAMES: &'static [&'static str] =
        &["q", "sort", "limit", "cursor", "collapse", "group", "facets", "facet_limit", "histogram", "timezone", "recount"];

    fn from_query(values: &Values) -> Result<Self, Problem> {
        let sorts = SortOrder::ALL.map(|order| (order.name(), order));
        let q = values.text("q").ok_or_else(|| Problem::bad_parameter("`q`, the query, is missing; `q=` finds everything"))?;
        let collapse = values.parsed("collapse", "`album`, `source` or `text`, or several of them with commas between them")?;
        let group = values.text("group").map(|text| {
            group(text)
                .ok_or_else(|| Problem::bad_parameter("`group` must be that of a hit's `collapsed`, such as `-1001500000001/42`"))
        });
        let group = group.transpose()?;
        if group.is_some() && collapse.is_none() {
            return Err(Problem::bad_parameter("`group` needs `collapse`, as it was when the group was listed"));
        }
        if group.is_some() && (values.text("facets").is_some() || values.text("histogram").is_some()) {
            return Err(Problem::bad_parameter(
                "`facets` and `histogram` count all hits of the query; request them without `group`",
            ));
        }
        Ok(Self {
            q: q.to_owned(),
            sort: values.choice("sort", &sorts)?.unwrap_or_default(),
            limit: values.limit()?,
            cursor: values.text("cursor").map(str::to_owned),
            collapse,
            group,
            facets: facet_fields(values)?,
            facet_limit: facet_limit(values)?,
            histogram: read(values, "histogram")?,
            timezone: timezone(values)?,
            recount: values.claim("recount")?,
        })
    }
}

/// A parameter whose own error says what it must be.
fn read<T: FromStr<Err: Display>>(values: &Values, name: &str) -> Result<Option<T>, Problem> {
    let parsed = values.text(name).map(str::parse).transpose();
    parsed.map_err(|error| Problem::bad_parameter(format!("`{name}`: {error}")))
}

fn facet_fields(values: &Values) -> Result<Vec<FacetField>, Problem> {
    let mut fields = Vec::new();
    for name in values.text("facets").unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty()) {
        match FacetField::ALL.into_iter().find(|field| field.name() == name) {
            Some(field) if fields.contains(&field) => {
                return Err(Problem::bad_parameter(format!("`facets` has `{}` twice", field.name())));
            }
            Some(field) => fields.push(field),
            None => {
                let what = unknown(name, &FacetField::ALL.map(FacetField::name));
                return Err(Problem::bad_parameter(format!("`facets`: {what}")));
            }
        }
    }
    Ok(fields)
}

fn facet_limit(values: &Values) -> Result<usize, Problem> {
    let limit = values.parsed::<NonZeroUsize>("facet_limit", "a number from 1 to 100")?.map_or(FACET_LIMIT, NonZeroUsize::get);
    if limit > FACET_LIMIT_MAX {
        return Err(Problem::bad_parameter(format!("`facet_limit` must be at most {FACET_LIMIT_MAX}, not {limit}")));
    }
    Ok(limit)
}

fn timezone(values: &Values) -> Result<Zone, Problem> {
    if values.text("timezone").is_some() && values.text("histogram").is_none() {
        return Err(Problem::bad_parameter("`timezone` is for `histogram`, which is missing"));
    }
    Ok(read(values, "timezone")?.unwrap_or_else(Zone::utc))
}

/// Searches, with the query in the URL.
#[utoipa::path(
    get, path = "/v1/search", operation_id = "search", tag = "search", params(SearchParams),
    responses((status = 200, body = HitsPage), (status = 503, description = "The index is not ready.")),
)]
pub(super) async fn get(
    State(context): State<Arc<Context>>,
    Extension(ingress): Extension<Ingress>,
    Query(params): Query<SearchParams>,
) -> Result<Response, Problem> {
    answer(&context, ingress, params).await
}

/// Searches, with the query in the request body.
#[utoipa::path(
    post, path = "/v1/search", operation_id = "searchByBody", tag = "search", request_body = SearchBody,
    responses((status = 200, body = HitsPage), (status = 503, description = "The index is not ready.")),
)]
pub(super) async fn post(
    State(context): State<Arc<Context>>,
    Extension(ingress): Extension<Ingress>,
    _: Query<NoParams>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let members = body::object(&context, &headers, body, "{\"q\": \"…\"}").await?;
    answer(&context, ingress, from_body(members)?).await
}

fn from_body(members: Map<String, Value>) -> Result<SearchParams, Problem> {
    let mut pairs = Vec::with_capacity(members.len());
    for (name, value) in members {
        if !SearchParams::NAMES.contains(&name.as_str()) {
            return Err(Problem::bad_body(unknown(&name, SearchParams::NAMES)));
        }
        match value {
            Value::Null => {}
            Value::String(text) if kind_of(&name) == "string" => pairs.push((name, text)),
            Value::Number(number) if kind_of(&name) == "number" => pairs.push((name, number.to_string())),
            Value::Bool(claim) if kind_of(&name) == "boolean" => pairs.push((name, claim.to_string())),
            _ => return Err(Problem::bad_body(format!("`{name}` must be a {}", kind_of(&name)))),
        }
    }
    SearchParams::from_query(&Values::from(pairs))
}

/// What a parameter is in a body.
fn kind_of(name: &str) -> &'static str {
    match name {
        "limit" | "facet_limit" => "number",
        "recount" => "boolean",
        _ => "string",
    }
}

/// How long a search may take.
pub(super) fn time_limit(context: &Context) -> Duration {
    context.settings.request_timeout.mul_f32(TIME_SHARE)
}

async fn answer(context: &Arc<Context>, ingress: Ingress, params: SearchParams) -> Result<Response, Problem> {
    let max = context.settings.page_size_max.min(PAGE_SIZE_MAX);
    let page_size = params.limit.map_or(PAGE_SIZE.min(max), NonZeroUsize::get);
    if page_size > max {
        return Err(Problem::bad_parameter(format!(
            "`limit` must be at most {max} for a search, not {page_size}; use `next` for further pages"
        )));
    }
    let query = SearchQuery::parse(&params.q).map_err(|error| Problem::bad_query(error.to_string()))?;
    let time_limit = time_limit(context);
    let SearchParams { sort, cursor, collapse, group, .. } = params;
    let facets = FacetRequest {
        fields: params.facets,
        limit: params.facet_limit,
        histogram: params.histogram.map(|interval| (interval, params.timezone)),
        on_every_page: params.recount,
    };
    let request = Request { sort, page_size, cursor, collapse, group, facets, time_limit, ..Request::new(query) };
    let found = context.search(move |context| find(context, &request, paging::bytes_max(&ingress))).await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], found).into_response())
}

/// Finds a page as it is sent, of which no more hits are shown than fit into the byte limit; the next page begins with the first one that does not.
fn find(context: &Context, request: &Request, bytes_max: usize) -> Result<Vec<u8>, Problem> {
    let mut page = context.index.search(request).map_err(|e| refused(e, request.time_limit))?;
    loop {
        let found = view(context, request, &page)?;
        let json = serde_json::to_vec(&found).map_err(|e| Problem::hidden(&e))?;
        let (size, hits) = (json.len(), page.hits.len());
        let counts_take = || size.saturating_sub(paging::size_of(&found.hits));
        if size > bytes_max && hits <= 1 && page.facets.is_some() && counts_take() > bytes_max / 2 {
            return Err(Problem::bad_parameter(FACETS_TOO_LONG));
        }
        if size <= bytes_max || hits <= 1 {
            return Ok(json);
        }
        page.truncate((hits * bytes_max / size).clamp(1, hits - 1));
    }
}

fn view(context: &Context, request: &Request, page: &SearchPage) -> Result<HitsPage, Problem> {
    let hits: Vec<HitView> = page.hits.iter().map(hit_view).collect();
    let mut mentioned = BTreeSet::new();
    for hit in &hits {
        mentioned.insert(PeerId(hit.message.message.peer));
        mention(&hit.message.message.content, &mut mentioned);
    }
    let (facets, histogram) = match &page.facets {
        Some(facets) => facets::views(&request.facets, facets, &mut mentioned),
        None => (None, None),
    };
    Ok(HitsPage {
        hits,
        total: total_view(page.total),
        groups: page.groups(),
        peers: describe(&context.archive.flushed(), &mentioned)?,
        facets,
        histogram,
        position: page.position.0,
        next: page.next.clone(),
    })
}

/// How many there are, as it is shown.
pub(super) fn total_view(total: Total) -> TotalView {
    match total {
        Total::Exactly(count) => TotalView { count, exact: true },
        Total::AtLeast(count) => TotalView { count, exact: false },
    }
}

fn hit_view(hit: &Hit) -> HitView {
    let (text, highlights) = (hit.snippet.text.clone(), hit.snippet.highlights_utf16());
    let collapsed = hit.collapsed.as_ref().map(|others| CollapsedView {
        count: others.count,
        by: others.by.iter().map(|kind| kind.name().to_owned()).collect(),
        group: hit.key.to_string(),
    });
    let (message, snippet) = (StoredView::new(&hit.message, &[]), SnippetView { text, highlights });
    HitView { message, snippet, version: hit.version, score: hit.score, collapsed }
}

/// The message that a text such as `-1001500000001/42` names.
fn group(text: &str) -> Option<MessageKey> {
    let (chat, id) = text.rsplit_once('/')?;
    Some(MessageKey { chat: chat.parse().ok()?, id: MessageId(id.parse().ok()?) })
}

/// The problem that a search ended with.
pub(super) fn refused(error: SearchError, limit: Duration) -> Problem {
    match error {
        SearchError::Query(error) => Problem::bad_query(error.to_string()),
        SearchError::Cursor => {
            Problem::bad_parameter("`cursor` does not belong to this query and sort order; start again without it")
        }
        error @ SearchError::TooManyHits { .. } => Problem::bad_query(error.to_string()),
        SearchError::Deadline { .. } => Problem::timed_out(format!(
            "the search took longer than {limit:?}; add words or filters such as `after:` to narrow it"
        )),
        error @ SearchError::TooManyBuckets { .. } => Problem::bad_parameter(format!("`histogram`: {error}")),
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
