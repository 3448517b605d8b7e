//! `/v1/peers/{peer}/accounts` and `/topics`: the memberships of a peer (which accounts see it), and a forum's topics.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::archive::{Membership, Topic};
use crate::show::{self, PeerView};

use super::context::Context;
use super::peers;
use super::problem::Problem;
use super::query::{Nothing, Query};

/// Topics listed at once. Telegram itself lists no more of them than people can scroll through.
const TOPICS_MAX: usize = 1_000;

/// The accounts that see a peer, or did.
#[derive(Serialize, ToSchema)]
pub(super) struct Accounts {
    peer: PeerView,
    /// By name.
    accounts: Vec<AccountView>,
}

/// An account that sees a peer, or did.
#[derive(Serialize, ToSchema)]
struct AccountView {
    /// The account's name.
    name: String,
    /// When the peer was first seen among its dialogs, or seen there again.
    since: String,
    /// When the account was noticed to have left or to have been removed; absent while it is a member.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    /// The account's folders that hold the peer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    folders: Vec<String>,
}

impl From<Membership> for AccountView {
    fn from(m: Membership) -> Self {
        Self {
            name: m.account.to_string(),
            since: m.since.to_string(),
            until: m.until.map(|at| at.to_string()),
            folders: m.folders,
        }
    }
}

/// Lists the accounts that see a peer, since when, and in which of their folders.
#[utoipa::path(
    get, path = "/v1/peers/{peer}/accounts", tag = "crawl",
    params(("peer" = String, Path, description = "A marked id, or `@` and a username.")),
    responses((status = 200, body = Accounts), (status = 404, body = Problem, content_type = "application/problem+json")),
)]
pub(super) async fn accounts(
    State(context): State<Arc<Context>>,
    peer: Result<Path<String>, PathRejection>,
    _: Query<Nothing>,
) -> Result<Json<Accounts>, Problem> {
    let Path(peer) = peer?;
    let read = move |context: &Context| {
        let peer = peers::resolve(&context.archive, &peer)?;
        let accounts = context.archive.view().members(peer.id)?.into_iter().map(Into::into).collect();
        Ok(Accounts { peer: show::peer(&peer), accounts })
    };
    context.read(read).await.map(Json)
}

/// A forum's topics.
#[derive(Serialize, ToSchema)]
pub(super) struct Topics {
    peer: PeerView,
    /// By id; at most 1,000.
    topics: Vec<TopicView>,
}

/// A forum's topic.
#[derive(Serialize, ToSchema)]
struct TopicView {
    /// Its root message: the `topic` of the messages in it.
    id: i32,
    /// Its current title.
    title: String,
    /// When it was given this title.
    titled_at: String,
}

impl From<Topic> for TopicView {
    fn from(t: Topic) -> Self {
        Self { id: t.id.0, title: t.title, titled_at: t.titled_at.to_string() }
    }
}

/// Lists a forum's topics.
#[utoipa::path(
    get, path = "/v1/peers/{peer}/topics", tag = "archive",
    params(("peer" = String, Path, description = "A marked id, or `@` and a username.")),
    responses((status = 200, body = Topics), (status = 404, body = Problem, content_type = "application/problem+json")),
)]
pub(super) async fn topics(
    State(context): State<Arc<Context>>,
    peer: Result<Path<String>, PathRejection>,
    _: Query<Nothing>,
) -> Result<Json<Topics>, Problem> {
    let Path(peer) = peer?;
    let read = move |context: &Context| {
        let peer = peers::resolve(&context.archive, &peer)?;
        let topics = context.archive.view().topics(peer.id)?.into_iter().take(TOPICS_MAX).map(Into::into).collect();
        Ok(Topics { peer: show::peer(&peer), topics })
    };
    context.read(read).await.map(Json)
}
