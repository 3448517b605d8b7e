//! `/v1/join`: having an account join a peer, where the door allows it.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::{Extension, Json};
use serde_json::Value;
use utoipa::ToSchema;

use super::context::Context;
use super::door::Door;
use super::jobs::wish;
use super::operator::JoinView;
use super::problem::Problem;
use super::query::{Nothing, Query, unknown};

/// What to join, and who.
#[derive(ToSchema)]
#[schema(as = JoinPeer)]
#[expect(dead_code, reason = "the description of a body that is read by hand, so that unknown members are named")]
pub(super) struct JoinBody {
    /// `@username`, or a link such as `https://t.me/username` or `https://t.me/+hash`.
    peer: String,
    /// The account's name; without it, a signed-in one that is in few peers.
    account: Option<String>,
}

/// Has an account join a group or channel.
#[utoipa::path(
    post, path = "/v1/join", tag = "program", request_body = JoinBody,
    responses(
        (status = 200, body = JoinView),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The listener does not set `operate`.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It cannot be joined, or not now.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The program does not run.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn join(
    State(context): State<Arc<Context>>,
    Extension(door): Extension<Door>,
    _: Query<Nothing>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<JoinView>, Problem> {
    let (mut peer, mut account) = (None, None);
    for (name, value) in wish(&context, &door, &headers, body).await? {
        match (name.as_str(), value) {
            ("peer", Value::String(text)) => peer = Some(text),
            ("account", Value::String(text)) => account = Some(text),
            ("account", Value::Null) => {}
            ("peer" | "account", _) => return Err(Problem::bad_body(format!("`{name}` must be a string"))),
            (name, _) => return Err(Problem::bad_body(unknown(name, &["peer", "account"]))),
        }
    }
    let peer = peer.ok_or_else(|| Problem::bad_body("`peer` says what to join: `{\"peer\": \"@example_channel\"}`"))?;
    Ok(Json(context.operator.join(account.as_deref(), &peer).await?))
}
