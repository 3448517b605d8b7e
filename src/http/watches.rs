//! `/v1/watches`: saved queries that are run against every new or edited message; adding and removing them where the listener allows it, and trying a
//! query against the past.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::{Extension, Json};
use serde_json::{Map, Value};
use utoipa::IntoParams;

use crate::archive::{ArchivedWatch, Snapshot, StoredMessage};
use crate::model::{PeerId, WatchName};
use crate::search::{SearchQuery, Snippet};
use crate::show::StoredView;
use crate::views::{SnippetView, TrialDayView, TrialHitView, TryWatchBody, WatchBody, WatchTrialView, WatchView, WatchesPage};
use crate::watches::{TRIAL_MESSAGES, Trial, TrialDay, WantedWatch, try_query};

use super::body::{self, OperatorBody};
use super::context::Context;
use super::ingress::Ingress;
use super::mentions::{describe, mention};
use super::paging::{self, PageBudget};
use super::problem::Problem;
use super::query::{FromQuery, NoParams, Query, Values, unknown};
use super::search;

const MEMBERS: [&str; 3] = ["name", "query", "note"];
const TRIAL_MEMBERS: [&str; 2] = ["query", "messages"];

/// Which watches.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListWatchesParams {
    /// `next` of the previous page.
    #[param(value_type = Option<String>)]
    after: Option<WatchName>,
    /// Maximum number of watches.
    #[param(value_type = Option<usize>, minimum = 1)]
    limit: Option<NonZeroUsize>,
}

impl FromQuery for ListWatchesParams {
    const NAMES: &'static [&'static str] = &["after", "limit"];

    fn from_query(values: &Values) -> Result<Self, Problem> {
        Ok(Self { after: values.parsed("after", "a watch's name")?, limit: values.limit()? })
    }
}

/// Lists the watches, in the order of their names.
#[utoipa::path(get, path = "/v1/watches", operation_id = "listWatches", tag = "watches", params(ListWatchesParams), responses((status = 200, body = WatchesPage)))]
pub(super) async fn list(
    State(context): State<Arc<Context>>,
    Extension(ingress): Extension<Ingress>,
    Query(params): Query<ListWatchesParams>,
) -> Result<Json<WatchesPage>, Problem> {
    let budget = PageBudget::new(&context, &ingress, params.limit)?;
    let page = context.read(move |context| {
        let archive = context.archive.flushed();
        let watches = archive.view().watches(params.after.as_ref());
        let page = budget.fill(watches.map(|watch| Ok(view(&watch?))))?;
        Ok(WatchesPage { next: page.next(|last| last.name.clone()), watches: page.entries })
    });
    page.await.map(Json)
}

/// Returns one watch.
#[utoipa::path(
    get, path = "/v1/watches/{name}", operation_id = "getWatch", tag = "watches", params(("name" = String, Path, description = "The watch's name.")),
    responses((status = 200, body = WatchView), (status = 405, description = "`try` names no watch: trials are posted there.")),
)]
pub(super) async fn one(
    State(context): State<Arc<Context>>,
    name: Result<Path<String>, PathRejection>,
    _: Query<NoParams>,
) -> Result<Json<WatchView>, Problem> {
    context.read(move |context| Ok(view(&named(&context.archive.flushed(), name)?))).await.map(Json)
}

/// Adds a watch. It watches what is archived from then on.
#[utoipa::path(
    post, path = "/v1/watches", operation_id = "addWatch", tag = "watches", request_body = WatchBody,
    responses(
        (status = 201, body = WatchView),
        (status = 403, description = "The listener does not set `operate`."),
        (status = 409, description = "There is one of that name, or there are too many."),
        (status = 503, description = "The program is not running, or too many requests are pending."),
    ),
)]
pub(super) async fn add(
    State(context): State<Arc<Context>>,
    _: Query<NoParams>,
    OperatorBody(members): OperatorBody,
) -> Result<(StatusCode, Json<WatchView>), Problem> {
    let (mut name, mut query, mut note) = (None, None, None);
    for (member, value) in members {
        match (member.as_str(), value) {
            ("name", Value::String(text)) => name = Some(text),
            ("query", Value::String(text)) => query = Some(text),
            ("note", Value::String(text)) => note = Some(text),
            ("note", Value::Null) => {}
            (member, _) if MEMBERS.contains(&member) => return Err(Problem::bad_body(format!("`{member}` must be a string"))),
            (member, _) => return Err(Problem::bad_body(unknown(member, &MEMBERS))),
        }
    }
    let (Some(name), Some(query)) = (name, query) else {
        let example = "`name` or `query` is missing; send `{\"name\": \"leaks\", \"query\": \"password leak\"}`";
        return Err(Problem::bad_body(example));
    };
    let watch = context.watch_keeper.add(WantedWatch { name, query, note }).await?;
    Ok((StatusCode::CREATED, Json(view(&watch))))
}

/// Removes a watch; its events stop. Returns what it was.
#[utoipa::path(
    post, path = "/v1/watches/{name}/remove", operation_id = "removeWatch", tag = "watches", params(("name" = String, Path, description = "The watch's name.")),
    request_body = Option<serde_json::Map<String, serde_json::Value>>,
    responses(
        (status = 200, body = WatchView),
        (status = 403, description = "The listener does not set `operate`."),
        (status = 503, description = "The program is not running, or too many requests are pending."),
    ),
)]
pub(super) async fn remove(
    State(context): State<Arc<Context>>,
    name: Result<Path<String>, PathRejection>,
    _: Query<NoParams>,
    OperatorBody(members): OperatorBody,
) -> Result<Json<WatchView>, Problem> {
    if let Some(member) = members.keys().next() {
        return Err(Problem::bad_body(format!("`{member}` is not known; send `{{}}`")));
    }
    let Path(name) = name.map_err(|_| no_watch())?;
    Ok(Json(view(&context.watch_keeper.remove(name).await?)))
}

/// Tries a query against what was archived last: how often it would have matched.
#[utoipa::path(
    post, path = "/v1/watches/try", operation_id = "tryWatch", tag = "watches", request_body = TryWatchBody,
    responses((status = 200, body = WatchTrialView)),
)]
pub(super) async fn trial(
    State(context): State<Arc<Context>>,
    Extension(ingress): Extension<Ingress>,
    _: Query<NoParams>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<WatchTrialView>, Problem> {
    if !body::is_json(&headers) {
        return Err(Problem::unsupported_media_type("send `application/json`; what is sealed goes to `POST /v1/sealed`"));
    }
    let bytes = body::read(body, context.settings.body_size_max).await?;
    let members: Map<String, Value> = serde_json::from_slice(&bytes)
        .map_err(|_| Problem::bad_body("the body must be a JSON object such as `{\"query\": \"…\"}`"))?;
    let TryWatchBody { query, messages } = read_trial(members)?;
    let query = SearchQuery::parse(&query).map_err(|error| Problem::bad_query(error.to_string()))?;
    let time_limit = search::time_limit(&context);
    let tried = context.search(move |context| {
        let archive = context.archive.flushed();
        let trial = try_query(&archive, &query, messages.unwrap_or(TRIAL_MESSAGES), time_limit);
        let trial = trial.map_err(|error| search::refused(error, time_limit))?;
        trial_view(&archive, &query, trial, paging::bytes_max(&ingress))
    });
    tried.await.map(Json)
}

fn read_trial(members: Map<String, Value>) -> Result<TryWatchBody, Problem> {
    let (mut query, mut messages) = (None, None);
    for (member, value) in members {
        match (member.as_str(), value) {
            ("query", Value::String(text)) => query = Some(text),
            ("messages", Value::Null) => {}
            ("messages", value) => {
                let count = value.as_u64().filter(|count| *count > 0);
                messages = Some(count.ok_or_else(|| Problem::bad_body("`messages` must be a whole number from 1 up"))?);
            }
            ("query", _) => return Err(Problem::bad_body("`query` must be a string")),
            (member, _) => return Err(Problem::bad_body(unknown(member, &TRIAL_MEMBERS))),
        }
    }
    let query = query.ok_or_else(|| Problem::bad_body("`query` is missing; send `{\"query\": \"password leak\"}`"))?;
    Ok(TryWatchBody { query, messages })
}

/// A trial as it is shown, with as many messages as fit.
fn trial_view(archive: &Snapshot, query: &SearchQuery, trial: Trial, bytes_max: usize) -> Result<WatchTrialView, Problem> {
    let day = |TrialDay { day, examined, matched }| {
        let day = day.to_string().split('T').next().unwrap_or_default().to_owned();
        TrialDayView { day, examined, matched }
    };
    let mut view = WatchTrialView {
        examined: trial.examined,
        matched: trial.matched,
        cut_short: trial.is_cut_short,
        days: trial.days.into_iter().map(day).collect(),
        earlier: Some(trial.earlier).filter(|earlier| earlier.examined > 0).map(day),
        newest: Vec::new(),
        peers: Vec::new(),
    };
    let hit = |stored: &StoredMessage| TrialHitView {
        message: StoredView::new(stored, &[]),
        snippet: snippet(query.snippet(&stored.message)),
    };
    view.newest = trial.newest.iter().map(hit).collect();
    loop {
        let mut mentioned = BTreeSet::new();
        for hit in &view.newest {
            mentioned.insert(PeerId(hit.message.message.peer));
            mention(&hit.message.message.content, &mut mentioned);
        }
        view.peers = describe(archive, &mentioned)?;
        if paging::size_of(&view) <= bytes_max || view.newest.pop().is_none() {
            return Ok(view);
        }
    }
}

fn snippet(snippet: Snippet) -> SnippetView {
    let highlights = snippet.highlights_utf16();
    SnippetView { text: snippet.text, highlights }
}

fn view(watch: &ArchivedWatch) -> WatchView {
    WatchView::new(watch, SearchQuery::parse(&watch.query).err().map(|error| error.to_string()))
}

/// The watch that a path names.
pub(super) fn named(archive: &Snapshot, name: Result<Path<String>, PathRejection>) -> Result<ArchivedWatch, Problem> {
    let name = name.ok().and_then(|Path(name)| name.parse::<WatchName>().ok()).ok_or_else(no_watch)?;
    archive.view().watch(&name)?.ok_or_else(no_watch)
}

fn no_watch() -> Problem {
    Problem::unknown_watch("there is no watch of this name; `telescribe watch list` and `/v1/watches` list them")
}
