//! `/v1/jobs`: what runs when; and running it now, where the door allows it.
//!
//! A wish is handed to the program's [`Operator`](super::Operator); it is started by the scheduler and not from here.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::{Extension, Json};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::context::Context;
use super::door::Door;
use super::envelope;
use super::operator::{JobView, StartView};
use super::problem::Problem;
use super::query::{Nothing, Query, unknown};

/// Selectors of one wish; more of them are an override.
const SELECTORS_MAX: usize = 100;

/// What runs when.
#[derive(Serialize, ToSchema)]
#[schema(as = Jobs)]
pub(super) struct JobsView {
    jobs: Vec<JobView>,
}

/// What will be started.
#[derive(Serialize, ToSchema)]
#[schema(as = Starts)]
pub(super) struct StartsView {
    starts: Vec<StartView>,
}

/// For whom.
#[derive(ToSchema)]
#[schema(as = RunJob)]
#[expect(dead_code, reason = "the description of a body that is read by hand, so that unknown members are named")]
pub(super) struct RunBody {
    /// Selectors: a marked id, `@username`, `title:*news*`, `folder:Work` or `kind:channel`. Without them the job runs as it is
    /// planned, its overrides included.
    peers: Option<Vec<String>>,
}

/// Lists jobs and their overrides.
#[utoipa::path(get, path = "/v1/jobs", tag = "program", responses((status = 200, body = JobsView)))]
pub(super) async fn list(State(context): State<Arc<Context>>, _: Query<Nothing>) -> Result<Json<JobsView>, Problem> {
    context.read(|context| Ok(JobsView { jobs: context.operator.jobs() })).await.map(Json)
}

/// Has a job run now.
#[utoipa::path(
    post, path = "/v1/jobs/{job}/run", tag = "program", request_body = RunBody,
    params(("job" = String, Path, description = "`discover`, `catch-up`, `backfill`, `recheck` or `counters`.")),
    responses(
        (status = 202, description = "It will be started within seconds.", body = StartsView),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The listener does not set `operate`.", body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It runs already.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The program does not run, or too many wishes wait.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn run(
    State(context): State<Arc<Context>>,
    Extension(door): Extension<Door>,
    job: Result<Path<String>, PathRejection>,
    _: Query<Nothing>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<StartsView>), Problem> {
    let Path(job) = job?;
    let members = wish(&context, &door, &headers, body).await?;
    let peers = peers(members)?;
    let starts = context.read(move |context| Ok(context.operator.run(&job, &peers)?)).await?;
    Ok((StatusCode::ACCEPTED, Json(StartsView { starts })))
}

/// The members of a wish, from a door that may wish.
///
/// A plain one must say that it is JSON, even when it is empty: a page of some website could otherwise make a browser on this machine
/// send it. A browser asks before it sends JSON elsewhere, and is not answered.
pub(super) async fn wish(context: &Context, door: &Door, headers: &HeaderMap, body: Body) -> Result<Map<String, Value>, Problem> {
    if !door.may_operate() {
        return Err(Problem::not_operator(
            "this listener only reads; set `operate = true` for it, or ask over the data folder's socket",
        ));
    }
    let bytes = envelope::read(body, context.settings.body_size_max).await?;
    match envelope::media_type(headers) {
        Some(json) if json.eq_ignore_ascii_case("application/json") => {}
        None if bytes.is_empty() && !matches!(door, Door::Tcp { .. }) => {}
        _ => return Err(Problem::unsupported_media_type("send `application/json`, `{}` where nothing is to be said")),
    }
    if bytes.is_empty() {
        return Ok(Map::new());
    }
    serde_json::from_slice(&bytes)
        .map_err(|_| Problem::bad_body("the body must be a JSON object such as `{\"peers\": [\"@a\"]}`"))
}

fn peers(members: Map<String, Value>) -> Result<Vec<String>, Problem> {
    let mut peers = Vec::new();
    for (name, value) in members {
        let wrong = || Problem::bad_body("`peers` must be a list of selectors such as `[\"@a\", \"title:*news*\"]`");
        match (name.as_str(), value) {
            ("peers", Value::Null) => {}
            ("peers", Value::Array(values)) => {
                for value in values {
                    peers.push(value.as_str().ok_or_else(wrong)?.to_owned());
                }
                // Nobody is not everybody.
                if peers.is_empty() {
                    return Err(Problem::bad_selector("`peers` names nobody; leave it out for everybody"));
                }
            }
            ("peers", _) => return Err(wrong()),
            (name, _) => return Err(Problem::bad_body(unknown(name, &["peers"]))),
        }
    }
    if peers.len() > SELECTORS_MAX {
        return Err(Problem::bad_selector(format!("at most {SELECTORS_MAX} selectors; plan an override for more")));
    }
    Ok(peers)
}
