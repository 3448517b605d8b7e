//! `/`: the web page to search and read, embedded in the program.
//!
//! It loads nothing from elsewhere and may not: its content security policy allows only its own scripts and style. Sealed responses are
//! opened in the browser; the key never leaves it, and is forgotten with the tab.
//!
//! `ask.js` asks, plainly or sealed, and once there was a key never plainly. `view.js` has who owns what a part of the page shows, so that no answer is
//! shown in another's place. `address.js` says what to show: it is all behind `#`, which goes to no server. `messages.js` and `files.js` make cards of
//! messages, and `page.js` puts all of it together.

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::response::IntoResponse;
use axum::routing::get;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

fn file(media_type: &'static str, content: &'static str) -> impl IntoResponse {
    let headers = [
        (CONTENT_TYPE, media_type),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-cache"),
    ];
    (headers, content)
}

/// The files of the page: path, media type, content. Nothing in them is archived, so that everybody may read them.
pub(super) const FILES: [(&str, &str, &str); 8] = [
    ("/", "text/html; charset=utf-8", include_str!("page/index.html")),
    ("/page.css", "text/css; charset=utf-8", include_str!("page/page.css")),
    ("/page.js", SCRIPT, include_str!("page/page.js")),
    ("/address.js", SCRIPT, include_str!("page/address.js")),
    ("/ask.js", SCRIPT, include_str!("page/ask.js")),
    ("/files.js", SCRIPT, include_str!("page/files.js")),
    ("/messages.js", SCRIPT, include_str!("page/messages.js")),
    ("/view.js", SCRIPT, include_str!("page/view.js")),
];
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Adds the page to the routes.
pub(super) fn add_to<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    let add = |router: Router<S>, (path, media_type, content)| {
        router.route(path, get(move || async move { file(media_type, content) }))
    };
    FILES.into_iter().fold(router, add)
}
