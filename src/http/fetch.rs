//! `/v1/fetch`: reading a part of a history now, ahead of the backfill, where the listener allows it. The response waits until it is archived.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::Value;

use crate::views::{FetchBody, FetchView};

use super::body::OperatorBody;
use super::context::Context;
use super::operator::OperatorError;
use super::problem::Problem;
use super::query::{NoParams, Query, unknown};

const MEMBERS: [&str; 4] = ["peer", "account", "ids", "since"];

/// Reads a part of a peer's history now, and answers when it is archived.
#[utoipa::path(
    post, path = "/v1/fetch", operation_id = "fetchMessages", tag = "program", request_body = FetchBody,
    responses(
        (status = 200, description = "It is archived, or failed.", body = FetchView),
        (status = 202, description = "It goes on; `/v1/fetch/{run}` waits for it further.", body = FetchView),
        (status = 403, description = "The listener does not set `operate`."),
        (status = 409, description = "Nobody can read it, or not at present."),
        (status = 503, description = "The program is not running, or too many fetches are under way."),
    ),
)]
pub(super) async fn fetch(
    State(context): State<Arc<Context>>,
    _: Query<NoParams>,
    OperatorBody(members): OperatorBody,
) -> Result<(StatusCode, Json<FetchView>), Problem> {
    let mut body = FetchBody { peer: String::new(), account: None, ids: None, since: None };
    for (name, value) in members {
        let text = match value {
            Value::String(text) => text,
            Value::Null if name != "peer" => continue,
            _ if MEMBERS.contains(&name.as_str()) => return Err(Problem::bad_body(format!("`{name}` must be a string"))),
            _ => return Err(Problem::bad_body(unknown(&name, &MEMBERS))),
        };
        match name.as_str() {
            "peer" => body.peer = text,
            "account" => body.account = Some(text),
            "ids" => body.ids = Some(text),
            "since" => body.since = Some(text),
            name => return Err(Problem::bad_body(unknown(name, &MEMBERS))),
        }
    }
    if body.peer.is_empty() {
        return Err(Problem::bad_body("`peer` is missing; send `{\"peer\": \"@example_channel\", \"ids\": \"100-200\"}`"));
    }
    let run = context.operator.fetch(&body).await?;
    waited_for(&context, run).await?.ok_or_else(|| OperatorError::NotRunning.into())
}

/// Waits for a fetch further.
#[utoipa::path(
    get, path = "/v1/fetch/{run}", operation_id = "getFetch", tag = "program",
    params(("run" = u64, Path, description = "The number that the request to fetch was answered with.")),
    responses(
        (status = 200, description = "It is archived, or failed.", body = FetchView),
        (status = 202, description = "It goes on.", body = FetchView),
        (status = 503, description = "The program is stopping."),
    ),
)]
pub(super) async fn one(
    State(context): State<Arc<Context>>,
    run: Result<Path<u64>, PathRejection>,
    _: Query<NoParams>,
) -> Result<(StatusCode, Json<FetchView>), Problem> {
    let unknown = || Problem::unknown_fetch("the program has not been asked for it since it started, or it was long ago");
    let Path(run) = run.map_err(|_| unknown())?;
    waited_for(&context, run).await?.ok_or_else(unknown)
}

async fn waited_for(context: &Context, run: u64) -> Result<Option<(StatusCode, Json<FetchView>)>, Problem> {
    let patience = context.settings.patience();
    let fetched = tokio::select! {
        fetched = context.operator.fetched(run, patience) => fetched?,
        () = context.lifecycle.stop_asked() => return Err(Problem::unready("the program is stopping")),
    };
    Ok(fetched.map(|view| {
        let is_going_on = view.state == FetchView::READING;
        (if is_going_on { StatusCode::ACCEPTED } else { StatusCode::OK }, Json(view))
    }))
}
