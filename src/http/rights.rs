//! What each route needs, in one table, and the one place where it is checked (authorisation).
//!
//! # Guarantees
//! - A route that is not in the table is answered to nobody, nor is a method of a route.
//! - A key that is limited to peers is answered by those routes only whose answer can be limited; what that is then made of has nothing else in it
//!   (`readable_archive`).
//!
//! It stands behind the choice of the route and before everything that the route does.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tokio::time::Instant;

use crate::seal::KeyScope::{self, Admin, Changes, Fetch, Media, Operate, Search};

use super::client_limits::{self, ClientUse};
use super::context::Context;
use super::ingress::Ingress;
use super::page;
use super::problem::Problem;

/// What a route needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// Nothing: it has nothing that is archived.
    Nothing,
    /// A scope of the key; and of the listener, where it is not for reading.
    Scope(KeyScope),
    /// The same, and that the request is not sealed, because its response cannot be.
    Unsealed(KeyScope),
    /// To come from the owner of the data folder.
    Owner,
}

/// Whether a key that is limited to peers may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limited {
    /// No: what is answered is not of peers, or not only of these.
    No,
    /// Yes: all of it is read from a limited archive and index.
    Yes,
    /// The same where the query names a peer.
    OfPeer,
}

type RouteRule = (Method, &'static str, Need, Limited);

const fn get(path: &'static str, need: Need, limited: Limited) -> RouteRule {
    (Method::GET, path, need, limited)
}

const fn post(path: &'static str, need: Need, limited: Limited) -> RouteRule {
    (Method::POST, path, need, limited)
}

const fn reading(path: &'static str, scope: KeyScope, limited: Limited) -> RouteRule {
    get(path, Need::Scope(scope), limited)
}

const fn doing(path: &'static str) -> RouteRule {
    post(path, Need::Scope(Operate), Limited::No)
}

const fn open(path: &'static str) -> RouteRule {
    get(path, Need::Nothing, Limited::Yes)
}

/// That of the page's own files.
static PAGE: RouteRule = open("/");

/// Those of every other route.
const RULES: &[RouteRule] = &[
    open("/openapi.json"),
    open("/healthz"),
    open("/readyz"),
    // On a listener of its own.
    open("/metrics"),
    open("/v1/sealed"),
    post("/v1/sealed", Need::Nothing, Limited::Yes),
    reading("/v1/search", Search, Limited::Yes),
    post("/v1/search", Need::Scope(Search), Limited::Yes),
    reading("/v1/search/export", Search, Limited::Yes),
    post("/v1/search/export", Need::Scope(Search), Limited::Yes),
    // Watches are of everything, and each tells what somebody looks for.
    reading("/v1/watches", Search, Limited::No),
    reading("/v1/watches/{name}", Search, Limited::No),
    reading("/v1/watches/{name}/feed", Search, Limited::No),
    post("/v1/watches/try", Need::Scope(Search), Limited::No),
    reading("/v1/peers", Fetch, Limited::Yes),
    reading("/v1/peers/{peer}", Fetch, Limited::Yes),
    reading("/v1/peers/{peer}/accounts", Fetch, Limited::Yes),
    reading("/v1/peers/{peer}/counters", Fetch, Limited::Yes),
    reading("/v1/peers/{peer}/coverage", Fetch, Limited::Yes),
    reading("/v1/peers/{peer}/topics", Fetch, Limited::Yes),
    reading("/v1/peers/{peer}/messages", Fetch, Limited::Yes),
    reading("/v1/peers/{peer}/messages/{message}", Fetch, Limited::Yes),
    reading("/v1/peers/{peer}/messages/{message}/context", Fetch, Limited::Yes),
    reading("/v1/peers/{peer}/messages/{message}/counters", Fetch, Limited::Yes),
    reading("/v1/coverage", Fetch, Limited::Yes),
    reading("/v1/dump", Fetch, Limited::Yes),
    reading("/v1/status", Fetch, Limited::No),
    reading("/v1/jobs", Fetch, Limited::No),
    reading("/v1/dead-letters", Fetch, Limited::No),
    reading("/v1/fetch/{run}", Fetch, Limited::No),
    reading("/v1/backups/{run}", Fetch, Limited::No),
    reading("/v1/erasures", Fetch, Limited::No),
    reading("/v1/erasures/{run}", Fetch, Limited::No),
    reading("/v1/peers/{peer}/messages/{message}/files", Media, Limited::Yes),
    reading("/v1/peers/{peer}/messages/{message}/media", Media, Limited::Yes),
    // Without a peer these are of all files, and a file is of many peers.
    reading("/v1/media", Media, Limited::OfPeer),
    reading("/v1/media/{sha256}", Media, Limited::No),
    reading("/v1/media/rules", Media, Limited::No),
    reading("/v1/media/progress", Media, Limited::No),
    reading("/v1/peers/{peer}/messages/{message}/media/rules", Media, Limited::No),
    reading("/v1/files/{file}", Media, Limited::No),
    reading("/v1/changes", Changes, Limited::Yes),
    reading("/v1/changes/head", Changes, Limited::Yes),
    doing("/v1/jobs/{job}/run"),
    doing("/v1/join"),
    doing("/v1/follow"),
    doing("/v1/unfollow"),
    doing("/v1/fetch"),
    doing("/v1/media/fetch"),
    doing("/v1/media/retry"),
    doing("/v1/watches"),
    doing("/v1/watches/{name}/remove"),
    doing("/v1/outputs/{name}/skip"),
    doing("/v1/outputs/{name}/resend"),
    doing("/v1/outputs/{name}/drop"),
    // It reads all there is, and takes as long as that takes, which no sealed response may.
    get("/v1/verify", Need::Unsealed(Operate), Limited::No),
    post("/v1/erasures", Need::Scope(Admin), Limited::No),
    // The folder that it goes to is named in the request.
    post("/v1/backups", Need::Owner, Limited::No),
];

/// Whether a route tells of nothing that is archived, so that nobody need know who has asked.
pub(super) fn is_open(method: &Method, route: &str) -> bool {
    matches!(rule(method, route), Some((_, _, Need::Nothing, _)))
}

/// Answers what may be asked by who asks it, and refuses the rest.
pub(super) async fn enforce(State(context): State<Arc<Context>>, request: Request, next: Next) -> Response {
    match admit(&context, &request) {
        Ok(Some(client)) => client_limits::answer_for(client, next.run(request)).await,
        Ok(None) => next.run(request).await,
        Err(refusal) => *refusal,
    }
}

/// The client that asks, where it is one.
fn admit(context: &Context, request: &Request) -> Result<Option<Arc<ClientUse>>, Box<Response>> {
    let refused = |problem: Problem| Box::new(problem.into_response());
    let Some(ingress) = request.extensions().get::<Ingress>() else { return Err(refused(Problem::unauthorized())) };
    let client = ingress.key().map(|key| context.client_limits.admit(key.client(), Instant::now()));
    let client = client.transpose().map_err(refused)?;
    // What no route has is answered as that.
    let Some(path) = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str) else { return Ok(client) };
    let Some(rule) = rule(request.method(), path) else { return Err(Box::new(unruled(request.method(), path))) };
    check(rule, ingress, request.uri().query().unwrap_or_default()).map_err(refused)?;
    Ok(client)
}

fn rule(method: &Method, route: &str) -> Option<&'static RouteRule> {
    // The head of a response is a part of it.
    let method = if *method == Method::HEAD { &Method::GET } else { method };
    rules(route).find(|(of, ..)| of == method)
}

/// The rules of a route, one for each of its methods.
fn rules(route: &str) -> impl Iterator<Item = &'static RouteRule> {
    let is_page = page::FILES.iter().any(|(path, ..)| *path == route);
    is_page.then_some(&PAGE).into_iter().chain(RULES.iter().filter(move |(_, path, ..)| *path == route))
}

fn check((_, _, need, limited): &RouteRule, ingress: &Ingress, query: &str) -> Result<(), Problem> {
    let (scope, is_answerable) = match *need {
        Need::Nothing => return Ok(()),
        Need::Scope(scope) => (scope, true),
        Need::Unsealed(scope) => (scope, !ingress.is_sealed()),
        Need::Owner => (Operate, true),
    };
    let is_reading = KeyScope::READING.contains(&scope);
    if !is_answerable || (!is_reading && !ingress.may_operate()) {
        return Err(Problem::not_operator(match is_answerable {
            true => "set `operate = true` for this listener, or use the socket in the data folder",
            false => "ask over the socket in the data folder, as the command does there: no sealed response can take that long",
        }));
    }
    if !ingress.may(scope) {
        return Err(Problem::not_allowed(format!(
            "the key does not have the scope `{scope}`; `telescribe key list` shows those that it has"
        )));
    }
    if *need == Need::Owner && !matches!(ingress, Ingress::Owner) {
        return Err(Problem::not_owner(
            "use the socket in the data folder, as `telescribe backup` does; a job of the schedule can be run from here: `backup`",
        ));
    }
    let is_limited = ingress.key().is_some_and(|key| key.rights().peers.is_some());
    match limited {
        Limited::No if is_limited => {
            Err(Problem::not_allowed("the key is limited to some peers, and what is answered here is not only of these"))
        }
        Limited::OfPeer if is_limited && !names_peer(query) => {
            Err(Problem::not_allowed("the key is limited to some peers; name one of them with `peer`"))
        }
        _ => Ok(()),
    }
}

fn names_peer(query: &str) -> bool {
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap_or_default();
    pairs.iter().any(|(name, _)| name == "peer")
}

/// The response to a method that no rule has for this route; where there is no rule for any, the route was forgotten.
fn unruled(method: &Method, path: &str) -> Response {
    let methods: Vec<&str> = rules(path).map(|(method, ..)| method.as_str()).collect();
    if methods.is_empty() {
        tracing::error!("nobody may ask for `{path}`, because no rule says who may");
        return Problem::not_allowed("nobody may ask for this").into_response();
    }
    let detail = format!("`{method}` is not supported here; the header `Allow` lists what is");
    let mut response = Problem::method_not_allowed(detail).into_response();
    let allowed = methods.join(",").replace("GET", "GET,HEAD");
    if let Ok(allowed) = HeaderValue::from_str(&allowed) {
        response.headers_mut().insert(header::ALLOW, allowed);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_without_a_rule_is_answered_to_nobody() {
        assert!(rule(&Method::GET, "/v1/forgotten").is_none());
        assert_eq!(unruled(&Method::GET, "/v1/forgotten").status(), 403);
        let response = unruled(&Method::DELETE, "/v1/search");
        assert_eq!((response.status().as_u16(), response.headers()[header::ALLOW].to_str().unwrap()), (405, "GET,HEAD,POST"));
    }

    #[test]
    fn no_route_has_two_rules() {
        for (index, (method, path, ..)) in RULES.iter().enumerate() {
            assert!(!RULES[..index].iter().any(|(of, other, ..)| of == method && other == path), "{method} {path}");
        }
    }
}
