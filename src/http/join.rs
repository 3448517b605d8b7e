//! `/v1/join`: joining a peer with an account, where the listener allows it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::Value;

use crate::views::{JoinBody, JoinView};

use super::body::OperatorBody;
use super::context::Context;
use super::problem::Problem;
use super::query::{NoParams, Query, unknown};

/// Joins a group or channel with an account.
#[utoipa::path(
    post, path = "/v1/join", operation_id = "join", tag = "program", request_body = JoinBody,
    responses(
        (status = 200, body = JoinView),
        (status = 403, description = "The listener does not set `operate`."),
        (status = 409, description = "The peer cannot be joined, or not at present (rate limit)."),
        (status = 503, description = "The program is not running."),
    ),
)]
pub(super) async fn join(
    State(context): State<Arc<Context>>,
    _: Query<NoParams>,
    OperatorBody(members): OperatorBody,
) -> Result<Json<JoinView>, Problem> {
    let (mut peer, mut account) = (None, None);
    for (name, value) in members {
        match (name.as_str(), value) {
            ("peer", Value::String(text)) => peer = Some(text),
            ("account", Value::String(text)) => account = Some(text),
            ("account", Value::Null) => {}
            ("peer" | "account", _) => return Err(Problem::bad_body(format!("`{name}` must be a string"))),
            (name, _) => return Err(Problem::bad_body(unknown(name, &["peer", "account"]))),
        }
    }
    let peer = peer.ok_or_else(|| Problem::bad_body("`peer` is missing; send `{\"peer\": \"@example_channel\"}`"))?;
    Ok(Json(context.operator.join(account.as_deref(), &peer).await?))
}
