//! `/v1/jobs`: the schedule; and running a job now, where the listener allows it.
//!
//! A request to run a job is queued with the program's [`Operator`](super::Operator); the scheduler starts it, not the handler.

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
use super::ingress::Ingress;
use super::envelope;
use super::operator::{JobView, StartView};
use super::problem::Problem;
use super::query::{Nothing, Query, unknown};

/// Selectors of one request; for more, an override is the right place.
const SELECTORS_MAX: usize = 100;

/// The jobs and their schedules.
#[derive(Serialize, ToSchema)]
#[schema(as = Jobs)]
pub(super) struct JobsView {
    jobs: Vec<JobView>,
}

/// The runs that will be started.
#[derive(Serialize, ToSchema)]
#[schema(as = Starts)]
pub(super) struct StartsView {
    starts: Vec<StartView>,
}

/// The peers to run the job for.
#[derive(ToSchema)]
#[schema(as = RunJob)]
#[expect(dead_code, reason = "the description of a body that is read by hand, so that unknown members are named")]
pub(super) struct RunBody {
    /// Selectors: a marked id, `@username`, `title:*news*`, `folder:Work` or `kind:channel`. Without them the job runs as it is
    /// scheduled, its overrides included.
    peers: Option<Vec<String>>,
}

/// Lists jobs and their overrides.
#[utoipa::path(get, path = "/v1/jobs", tag = "program", responses((status = 200, body = JobsView)))]
pub(super) async fn list(State(context): State<Arc<Context>>, _: Query<Nothing>) -> Result<Json<JobsView>, Problem> {
    context.read(|context| Ok(JobsView { jobs: context.operator.jobs() })).await.map(Json)
}

/// Runs a job now.
#[utoipa::path(
    post, path = "/v1/jobs/{job}/run", tag = "program", request_body = RunBody,
    params(("job" = String, Path, description = "`discover`, `catch-up`, `backfill`, `recheck` or `counters`.")),
    responses(
        (status = 202, description = "The job will be started within seconds.", body = StartsView),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The listener does not set `operate`.", body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The job is already running.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The program is not running, or too many requests are pending.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn run(
    State(context): State<Arc<Context>>,
    Extension(ingress): Extension<Ingress>,
    job: Result<Path<String>, PathRejection>,
    _: Query<Nothing>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<StartsView>), Problem> {
    let Path(job) = job?;
    let members = operator_body(&context, &ingress, &headers, body).await?;
    let peers = peers(members)?;
    let starts = context.read(move |context| Ok(context.operator.run(&job, &peers)?)).await?;
    Ok((StatusCode::ACCEPTED, Json(StartsView { starts })))
}

/// The members of an operator request's body, where the listener accepts such requests.
///
/// A plain request must have the content type of JSON, even when it is empty, against cross-site request forgery: a website could otherwise
/// make a browser on this machine send it. Before it sends JSON to another origin, a browser sends a preflight request, which is not permitted.
pub(super) async fn operator_body(
    context: &Context,
    ingress: &Ingress,
    headers: &HeaderMap,
    body: Body,
) -> Result<Map<String, Value>, Problem> {
    if !ingress.may_operate() {
        return Err(Problem::not_operator("set `operate = true` for this listener, or use the socket in the data folder"));
    }
    let bytes = envelope::read(body, context.settings.body_size_max).await?;
    match envelope::media_type(headers) {
        Some(json) if json.eq_ignore_ascii_case("application/json") => {}
        None if bytes.is_empty() && !matches!(ingress, Ingress::Tcp { .. }) => {}
        _ => return Err(Problem::unsupported_media_type("send `application/json`, with `{}` for no options")),
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
                // An empty list must not mean all peers.
                if peers.is_empty() {
                    return Err(Problem::bad_selector("`peers` is empty; leave it out to select all peers"));
                }
            }
            ("peers", _) => return Err(wrong()),
            (name, _) => return Err(Problem::bad_body(unknown(name, &["peers"]))),
        }
    }
    if peers.len() > SELECTORS_MAX {
        return Err(Problem::bad_selector(format!("`peers` takes at most {SELECTORS_MAX} selectors; use an override for more")));
    }
    Ok(peers)
}
