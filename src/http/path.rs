//! Extractors for the segments of paths: the peer and the message that a request is about, or the problem with them.
//!
//! They read the archive, so they stand last among a handler's arguments: what is wrong with the others is found without that.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{Required, Schema};

use crate::archive::Snapshot;
use crate::model::{AccountName, ChatId, MessageId, MessageKey, Peer, PeerId, PeerLink};

use super::context::Context;
use super::log;
use super::mentions::bare;
use super::problem::Problem;

/// `{peer}`: the peer that a path names by id, by `@username` or by a link, also one of which only messages are archived yet.
pub(super) struct PeerPath(pub(super) Peer);

/// `{peer}` and `{message}`: the peer, and the id of a message that need not be there.
pub(super) struct MessagePath {
    pub(super) peer: Peer,
    pub(super) id: MessageId,
}

impl MessagePath {
    /// The key of the message; `account` says whose id is meant, where that is not the same for all.
    pub(super) fn key(&self, archive: &Snapshot, account: Option<AccountName>) -> Result<MessageKey, Problem> {
        Ok(MessageKey { chat: chat(archive, self.peer.id, account)?, id: self.id })
    }
}

/// What `account` is for.
pub(super) const ACCOUNT: &str = "an account's name: whose message ids are meant, in basic groups and private chats";

/// The chat with a peer as an account sees it. Without an account it is the only one that there is.
pub(super) fn chat(archive: &Snapshot, peer: PeerId, account: Option<AccountName>) -> Result<ChatId, Problem> {
    let chats = archive.view().chats(peer)?;
    let asked = match account {
        Some(account) => Some(ChatId::seen_by(account, peer)),
        None if !peer.has_own_ids() => Some(peer.into()),
        None => None,
    };
    let names = || {
        let names = chats.iter().filter_map(|(chat, _)| chat.account());
        names.map(|account| format!("`{account}`")).collect::<Vec<_>>().join(", ")
    };
    match (asked, chats.as_slice()) {
        (Some(asked), chats) if !peer.has_own_ids() || chats.iter().any(|(chat, _)| *chat == asked) => Ok(asked),
        (None, [(only, _)]) => Ok(*only),
        (None, []) => Ok(peer.into()),
        (Some(_), []) => Err(Problem::unknown_peer("no account archives this peer")),
        (Some(_), _) => Err(Problem::unknown_peer(format!("this account does not archive the peer; these do: {}", names()))),
        (None, _) => {
            Err(Problem::bad_parameter(format!("message ids are each account's own here; name one by `account`: {}", names())))
        }
    }
}

impl FromRequestParts<Arc<Context>> for PeerPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, context: &Arc<Context>) -> Result<Self, Problem> {
        let peer = Segments::of(parts, context).await?.get("peer")?;
        let peer = context.read(move |context| resolve(&context.archive.flushed(), &peer)).await?;
        log::is_about(peer.id);
        Ok(Self(peer))
    }
}

impl FromRequestParts<Arc<Context>> for MessagePath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, context: &Arc<Context>) -> Result<Self, Problem> {
        let id = Segments::of(parts, context).await?.get("message")?;
        let id = id.parse().map_err(|_| Problem::bad_parameter("the message id must be a number"))?;
        let PeerPath(peer) = PeerPath::from_request_parts(parts, context).await?;
        Ok(Self { peer, id: MessageId(id) })
    }
}

/// The segments of a path that its route names, decoded.
struct Segments(RawPathParams);

impl Segments {
    async fn of(parts: &mut Parts, context: &Arc<Context>) -> Result<Self, Problem> {
        RawPathParams::from_request_parts(parts, context).await.map(Self).map_err(|_| not_utf8())
    }

    fn get(&self, name: &str) -> Result<String, Problem> {
        let segment = self.0.iter().find(|(known, _)| *known == name).map(|(_, text)| text.to_owned());
        segment.ok_or_else(|| Problem::hidden(&format!("the route has no `{name}`")))
    }
}

/// The peer that a text names by id, by `@username` or by a link; one that may not be seen is unknown.
pub(super) fn resolve(archive: &Snapshot, text: &str) -> Result<Peer, Problem> {
    let unknown = || {
        Problem::unknown_peer(
            "the archive holds nothing of this peer; `telescribe peers --all` and `/v1/peers?all=true` list those it knows",
        )
    };
    let by_username = |name: &str| {
        let found = archive.view().peer_by_username(name)?.filter(|peer| archive.shows(peer.id));
        found.ok_or_else(unknown)
    };
    if let Some(username) = text.strip_prefix('@') {
        return by_username(username);
    }
    const FORMS: &str = "the peer must be a marked id such as `-1001500000001`, `@` and a username, or a link with one of them";
    let id = match PeerLink::parse(text) {
        Some(Ok(PeerLink::Username(name))) => return by_username(&name),
        Some(Ok(PeerLink::Id(id))) => id,
        Some(Ok(PeerLink::Invite(_))) => {
            return Err(Problem::bad_parameter(format!("an invite link does not tell whose it is; {FORMS}")));
        }
        Some(Err(error)) => return Err(Problem::bad_parameter(format!("this is {error}; {FORMS}"))),
        None => text.parse::<PeerId>().map_err(|_| Problem::bad_parameter(FORMS))?,
    };
    match archive.view().peer(id)? {
        _ if !archive.shows(id) => Err(unknown()),
        Some(peer) => Ok(peer),
        None if !archive.view().chats(id)?.is_empty() => Ok(bare(id)),
        None => Err(unknown()),
    }
}

fn not_utf8() -> Problem {
    Problem::bad_parameter("the path is not valid UTF-8")
}

impl From<PathRejection> for Problem {
    fn from(_: PathRejection) -> Self {
        not_utf8()
    }
}

impl IntoParams for PeerPath {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let schema = ObjectBuilder::new().schema_type(Type::String);
        vec![segment("peer", "A marked id, `@` and a username, or a link such as `https://t.me/username`.", schema)]
    }
}

impl IntoParams for MessagePath {
    fn into_params(into: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let number = ObjectBuilder::new().schema_type(Type::Integer).format(Some(SchemaFormat::KnownFormat(KnownFormat::Int32)));
        let mut params = PeerPath::into_params(into);
        params.push(segment("message", "Telegram's message id.", number));
        params
    }
}

fn segment(name: &str, description: &str, schema: ObjectBuilder) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(Some(description))
        .schema(Some(Schema::Object(schema.build())))
        .build()
}
