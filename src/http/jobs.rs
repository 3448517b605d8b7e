//! `/v1/jobs`: the schedule; and running a job now, where the listener allows it.
//!
//! A request to run a job is queued with the program's [`Operator`](super::Operator); the scheduler starts it, not the handler.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::{Map, Value};

use crate::views::{JobsView, RunJobBody, StartsView};

use super::body::OperatorBody;
use super::context::Context;
use super::problem::Problem;
use super::query::{NoParams, Query, unknown};

/// Selectors of one request; for more, an override is the right place.
const SELECTORS_MAX: usize = 100;

/// Lists jobs and their overrides.
#[utoipa::path(get, path = "/v1/jobs", operation_id = "listJobs", tag = "program", responses((status = 200, body = JobsView)))]
pub(super) async fn list(State(context): State<Arc<Context>>, _: Query<NoParams>) -> Result<Json<JobsView>, Problem> {
    context.read(|context| Ok(JobsView { jobs: context.operator.jobs() })).await.map(Json)
}

/// Runs a job now.
#[utoipa::path(
    post, path = "/v1/jobs/{job}/run", operation_id = "runJob", tag = "program", request_body = RunJobBody,
    params(("job" = String, Path, description = "`discover`, `catch-up`, `backfill`, `recheck`, `counters` or `backup`.")),
    responses(
        (status = 202, description = "The job will be started within seconds.", body = StartsView),
        (status = 403, description = "The listener does not set `operate`."),
        (status = 409, description = "The job is already running."),
        (status = 503, description = "The program is not running, or too many requests are pending."),
    ),
)]
pub(super) async fn run(
    State(context): State<Arc<Context>>,
    job: Result<Path<String>, PathRejection>,
    _: Query<NoParams>,
    OperatorBody(members): OperatorBody,
) -> Result<(StatusCode, Json<StartsView>), Problem> {
    let Path(job) = job?;
    let peers = peers(members)?;
    let starts = context.read(move |context| Ok(context.operator.run(&job, &peers)?)).await?;
    Ok((StatusCode::ACCEPTED, Json(StartsView { starts })))
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
