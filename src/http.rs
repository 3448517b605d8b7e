//! HTTP: search and fetch for people and programs, sealed where the listener requires it.
//!
//! Guarantees:
//! - `http` sends nothing to Telegram and never writes to the archive: an operator request (run a job, join a peer) is only queued for the
//!   program's own workers, and only accepted from listeners that may operate;
//! - where a listener requires sealing, nothing archived leaves the program unsealed;
//! - every response is bounded: pages (cursor pagination) by entries and bytes, streams by one chunk in memory (back-pressure), searches by
//!   concurrency and time;
//! - errors are RFC 9457 problem details with a stable code, and hold no text of a library or of the archive;
//! - nobody, with however many connections, keeps a listener shut for others (`admission`, `transport`).
//!
//! It speaks TLS where a listener has a `certificate` (what is sealed is so end to end besides), and keeps no sessions.
//!
//! The way of a request: `server` accepts the connection and notes its `ingress`; `log` is the outermost layer, with the `audit` log; `envelope` opens what
//! comes to `/v1/sealed`, and seals; `rights` says whether it may be asked, with `client_limits` for how much; then one file per resource (`sealed`, `search` with its `facets`, `export` with `csv_lines`, `peers`, `messages`, `message_context` with its `surroundings`, `accounts`, `topics`, `counters`, `coverage`, `changes`, `dump`, `status`,
//! `jobs`, `join`, `backups`, `erasures`, `watches`, `watch_feed`, `media`, `serve`, `message_files`, `page`, `openapi`; what of them may be cached has an `etag`), with shared state in `context` (the archive in it is a `readable_archive`). What a request says is read by extractors (`path`, `query`, `body`);
//! what is answered is a type of [`views`](crate::views), with what several resources need in `paging`, `lines` and `mentions`, or a
//! `problem`. Operator requests go to the `operator`. `local` is the router without a network, for commands.

mod accounts;
mod admission;
mod audit;
mod backups;
mod body;
mod certificate;
mod changes;
mod client_limits;
mod context;
mod counters;
mod coverage;
mod csv_lines;
mod dead_letters;
mod dump;
mod envelope;
mod erasures;
mod etag;
mod export;
mod facets;
mod fetch;
mod follow;
mod ingress;
mod jobs;
mod join;
mod keys;
mod lines;
mod local;
mod log;
mod media;
mod media_rules;
mod mentions;
mod message_context;
mod message_files;
mod messages;
mod openapi;
mod operator;
mod output_keeper;
mod page;
mod paging;
mod path;
mod peers;
mod problem;
mod query;
mod ranges;
mod readable_archive;
mod rights;
mod sealed;
mod sealed_stream;
mod search;
mod serve;
mod server;
mod settings;
pub(crate) mod socket;
mod status;
mod surroundings;
mod topics;
mod transport;
mod verify;
mod watch_feed;
mod watch_keeper;
mod watches;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::IntoResponse as _;
use axum::routing::get;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::SizeAbove;
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use audit::AuditLog;
pub use certificate::CertificateFileError;
pub use context::{Context, NotRunning, StatusSource};
use envelope::Envelope;
pub use ingress::Ingress;
pub use keys::Keys;
pub use local::Local;
pub use operator::{Operator, OperatorError};
pub use output_keeper::{OutputKeeper, OutputRefusal};
pub use problem::Problem;
pub use readable_archive::ReadableArchive;
pub use server::{Bound, ServeError};
pub use settings::{Listener, Sealing, Settings, SettingsError};
pub use watch_keeper::{WatchKeeper, WatchRefusal};

/// Bytes of the shortest response that is compressed: what fits one packet gains nothing.
const COMPRESSED_MIN: u64 = 1_024;

/// The documented paths, to suggest the nearest one for an unknown path.
const PATHS: [&str; 18] = [
    "/v1/sealed",
    "/v1/watches",
    "/v1/erasures",
    "/v1/backups",
    "/v1/join",
    "/v1/search",
    "/v1/search/export",
    "/v1/peers",
    "/v1/coverage",
    "/v1/changes",
    "/v1/dump",
    "/v1/status",
    "/v1/verify",
    "/v1/jobs",
    "/v1/media",
    "/v1/files",
    "/healthz",
    "/openapi.json",
];

/// The API with all its layers; requests need a [`Ingress`] among their extensions.
pub(crate) fn router(context: Arc<Context>) -> Router {
    let (routes, description) = described().split_for_parts();
    let description = openapi::served(&openapi::complete(&description, &context.settings));
    let describe = get(move |headers: HeaderMap| {
        let response = description.answer(&headers);
        async move { response }
    });
    let embedded = page::routes().route("/openapi.json", describe).layer(compression());
    around(routes.merge(embedded).fallback(unknown_path).method_not_allowed_fallback(wrong_method), context)
}

/// Every route of the API, with its description.
fn described() -> OpenApiRouter<Arc<Context>> {
    let text = OpenApiRouter::with_openapi(openapi::Description::openapi())
        .routes(routes!(search::get, search::post))
        .routes(routes!(export::get, export::post))
        .routes(routes!(peers::list))
        .routes(routes!(peers::one))
        .routes(routes!(messages::history))
        .routes(routes!(messages::one))
        .routes(routes!(message_context::of_message))
        .routes(routes!(counters::of_message))
        .routes(routes!(counters::of_peer))
        .routes(routes!(accounts::accounts))
        .routes(routes!(topics::topics))
        .routes(routes!(changes::head))
        .routes(routes!(coverage::one))
        .routes(routes!(coverage::all))
        .routes(routes!(dump::dump))
        .routes(routes!(status::status))
        .routes(routes!(jobs::list))
        .routes(routes!(jobs::run))
        .routes(routes!(join::join))
        .routes(routes!(fetch::fetch))
        .routes(routes!(fetch::one))
        .routes(routes!(follow::follow))
        .routes(routes!(follow::unfollow))
        .routes(routes!(media::list))
        .routes(routes!(media::one))
        .routes(routes!(media::fetch))
        .routes(routes!(media::retry))
        .routes(routes!(media_rules::rules))
        .routes(routes!(media_rules::explain))
        .routes(routes!(media_rules::progress))
        .routes(routes!(message_files::list))
        .routes(routes!(backups::make))
        .routes(routes!(backups::one))
        .routes(routes!(erasures::list, erasures::erase))
        .routes(routes!(erasures::one))
        .routes(routes!(watches::list, watches::add))
        .routes(routes!(watches::one))
        .routes(routes!(watches::remove))
        .routes(routes!(watches::trial))
        .routes(routes!(watch_feed::feed))
        .routes(routes!(dead_letters::list))
        .routes(routes!(dead_letters::skip))
        .routes(routes!(dead_letters::resend))
        .routes(routes!(dead_letters::let_go))
        .layer(compression());
    // Not compressed: what must arrive the moment that it is sent; files, which mostly are already, and have ranges; what is sealed.
    text.routes(routes!(changes::list))
        .routes(routes!(verify::verify))
        .routes(routes!(serve::blob))
        .routes(routes!(serve::of_message))
        .routes(routes!(sealed::recipient, sealed::nested))
        .routes(routes!(status::healthz))
        .routes(routes!(status::readyz))
}

/// Compresses responses where the client says that it can read that (gzip, zstd). It stands inside the envelope: nothing of a sealed request is compressed, as its
/// length would tell of its content.
fn compression() -> CompressionLayer<SizeAbove> {
    CompressionLayer::new().compress_when(SizeAbove::new(COMPRESSED_MIN))
}

/// `/metrics` alone, for listeners that only this machine can reach.
pub(crate) fn metrics_router(context: Arc<Context>) -> Router {
    let routes = Router::new().route("/metrics", get(status::metrics));
    around(routes.fallback(unknown_path).method_not_allowed_fallback(wrong_method), context)
}

fn around(routes: Router<Arc<Context>>, context: Arc<Context>) -> Router {
    // The last is the outermost. The envelope is no layer, because a layer comes after the choice of the route, which is sealed.
    let routes = routes
        .layer(from_fn_with_state(Arc::clone(&context), log::limit_time))
        .layer(from_fn_with_state(Arc::clone(&context), rights::enforce))
        .layer(CatchPanicLayer::custom(log::panicked))
        .layer(from_fn(log::note));
    let record = from_fn_with_state(Arc::clone(&context), log::record);
    let mut outer = Router::new().fallback(envelope::open_and_seal).layer(record);
    for (name, value) in EVERYWHERE {
        outer = outer.layer(SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value)));
    }
    let routes_for = routes.clone();
    outer.with_state(Envelope { routes: routes.with_state(Arc::clone(&context)), routes_for, context })
}

/// What every response says to browsers and to caches, unless it says otherwise: data of other people's is kept nowhere, taken for nothing else than it
/// is, and neither framed nor loaded by a page from elsewhere.
const EVERYWHERE: [(HeaderName, &str); 5] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

async fn unknown_path(request: Request) -> Problem {
    Problem::unknown_path(query::unknown(request.uri().path(), &PATHS))
}

async fn wrong_method(request: Request) -> axum::response::Response {
    Problem::method_not_allowed(format!("`{}` is not supported here; the header `Allow` lists what is", request.method()))
        .into_response()
}
