//! `/v1/sealed`: where every sealed request goes, whatever it asks for; and what a client must know to make one.
//!
//! Sealed requests are opened by the `envelope`, before any route: what is here documents them, and tells whom they must be for.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;
use axum::{Extension, Json};

use crate::views::RecipientView;

use super::context::Context;
use super::ingress::{Ingress, Plain};
use super::problem::Problem;
use super::query::{NoParams, Query};

/// The one path of sealed requests.
pub(super) const PATH: &str = "/v1/sealed";

/// Tells whom a sealed request must be for.
///
/// Everybody may ask.
#[utoipa::path(get, path = "/v1/sealed", operation_id = "getRecipient", tag = "sealing", responses((status = 200, body = RecipientView)))]
pub(super) async fn recipient(
    State(context): State<Arc<Context>>,
    Extension(ingress): Extension<Ingress>,
    headers: HeaderMap,
    _: Query<NoParams>,
) -> impl IntoResponse {
    let here = context.recipient.destination();
    let recipient = RecipientView {
        server: here.server.to_string(),
        start: here.start.clone(),
        required: ingress.plain(&headers) != Plain::Allowed,
    };
    // An older start than this one is of no use to anybody.
    ([(header::CACHE_CONTROL, "no-store")], Json(recipient))
}

/// Opens a sealed request, carries it out, and seals its response.
///
/// The body is a JWE whose plaintext has the method, the target (path and query) and the body of any other operation; the response is one whose
/// plaintext has its status and body. docs/sealing.md has the format, and clients.
#[utoipa::path(
    post, path = "/v1/sealed", operation_id = "sendSealed", tag = "sealing", security(("sealed" = [])),
    request_body(content = String, content_type = "application/jose", description = "A JWE in compact serialisation, `A256KW` with `A256GCM`."),
    responses(
        (status = 200, description = "Sealed; the true status is inside. Of a file, a sealed response and sealed chunks, one a line.", content(
            (String = "application/jose"), (String = "application/x-jose-lines"),
        )),
        (status = 401, description = "The one answer to everything that is wrong with a seal."),
        (status = 413, description = "The body is longer than `body_size_max`, or than a sealed request can be."),
    ),
)]
pub(super) async fn nested() -> Problem {
    Problem::bad_body(
        "this request was opened already, and asks to be opened: `target` is what is asked for, such as `/v1/search`",
    )
}
