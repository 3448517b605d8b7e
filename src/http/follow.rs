//! `/v1/follow` and `/v1/unfollow`: public groups and channels that are crawled without joining them, where the listener allows it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::Value;

use crate::views::{FollowBody, FollowView, UnfollowBody, UnfollowView};

use super::body::OperatorBody;
use super::context::Context;
use super::problem::Problem;
use super::query::{NoParams, Query, unknown};

/// Crawls a public group or channel without joining it.
#[utoipa::path(
    post, path = "/v1/follow", operation_id = "follow", tag = "program", request_body = FollowBody,
    responses(
        (status = 200, body = FollowView),
        (status = 403, description = "The listener does not set `operate`."),
        (status = 409, description = "The peer cannot be followed, or not at present (rate limit)."),
        (status = 503, description = "The program is not running."),
    ),
)]
pub(super) async fn follow(
    State(context): State<Arc<Context>>,
    _: Query<NoParams>,
    OperatorBody(members): OperatorBody,
) -> Result<Json<FollowView>, Problem> {
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
    Ok(Json(context.operator.follow(account.as_deref(), &named(peer)?).await?))
}

/// Stops crawling a public group or channel that was followed, where no account is a member.
#[utoipa::path(
    post, path = "/v1/unfollow", operation_id = "unfollow", tag = "program", request_body = UnfollowBody,
    responses(
        (status = 200, body = UnfollowView),
        (status = 403, description = "The listener does not set `operate`."),
        (status = 409, description = "The peer is not followed."),
        (status = 503, description = "The program is not running."),
    ),
)]
pub(super) async fn unfollow(
    State(context): State<Arc<Context>>,
    _: Query<NoParams>,
    OperatorBody(members): OperatorBody,
) -> Result<Json<UnfollowView>, Problem> {
    let mut peer = None;
    for (name, value) in members {
        match (name.as_str(), value) {
            ("peer", Value::String(text)) => peer = Some(text),
            ("peer", _) => return Err(Problem::bad_body("`peer` must be a string")),
            (name, _) => return Err(Problem::bad_body(unknown(name, &["peer"]))),
        }
    }
    Ok(Json(context.operator.unfollow(&named(peer)?).await?))
}

fn named(peer: Option<String>) -> Result<String, Problem> {
    peer.ok_or_else(|| Problem::bad_body("`peer` is missing; send `{\"peer\": \"@example_channel\"}`"))
}
