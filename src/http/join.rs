//! `/v1/join`: joining a peer with an account, where the listener allows it.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::{Extension, Json};
use serde_json::Value;
use utoipa::ToSchema;

use super::context::Context;
use super::ingress::Ingress;
use super::jobs::operator_body;
use super::operator::JoinView;
use super::problem::Problem;
use super::query::{Nothing, Query, unknown};

/// What to join, and with which account.
#[derive(ToSchema)]
#[schema(as = JoinPeer)]
#[expect(dead_code, reason = "the description of a body that is read by hand, so that unknown members are named")]
pub(super) struct JoinBody {
    /// `@username`, or a link such as `https://t.me/username` or `https://t.me/+hash`.
    peer: String,
    /// The account's name; by default a signed-in account that is a member of few peers.
    account: Option<String>,
}

/// Joins a group or channel with an account.
#[utoipa::path(
    post, path = "/v1/join", tag = "program", request_body = JoinBody,
    responses(
        (status = 200, body = JoinView),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The listener does not set `operate`.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The peer cannot be joined, or not at present (rate limit).", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The program is not running.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn join(
    State(context): State<Arc<Context>>,
    Extension(ingress): Extension<Ingress>,
    _: Query<Nothing>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<JoinView>, Problem> {
    let (mut peer, mut account) = (None, None);
    for (name, value) in operator_body(&context, &ingress, &headers, body).await? {
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
