//! `/`: the web page to search and read, embedded in the program.
//!
//! It loads nothing from elsewhere and may not: its content security policy allows only its own scripts and style. Sealed responses are
//! opened in the browser; the key never leaves it, and is forgotten with the tab.
//!
//! `ask.js` asks, plainly or sealed, and once there was a key never plainly; `seal.js` seals and opens. `view.js` has who owns what a part of the page shows, so that no answer is
//! shown in another's place. `address.js` says what to show: it is all behind `#`, which goes to no server. `messages.js` and `files.js` make cards of
//! messages, and `page.js` puts all of it together.

use std::sync::Arc;

use axum::Router;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::routing::get;

use super::etag::Tagged;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
/// Its files: path, media type, content. Nothing in them is archived, so that everybody may read them.
pub(super) const FILES: [(&str, &str, &str); 9] = [
    ("/", "text/html; charset=utf-8", include_str!("page/index.html")),
    ("/page.css", "text/css; charset=utf-8", include_str!("page/page.css")),
    ("/page.js", JAVASCRIPT, include_str!("page/page.js")),
    ("/address.js", JAVASCRIPT, include_str!("page/address.js")),
    ("/ask.js", JAVASCRIPT, include_str!("page/ask.js")),
    ("/files.js", JAVASCRIPT, include_str!("page/files.js")),
    ("/messages.js", JAVASCRIPT, include_str!("page/messages.js")),
    ("/seal.js", JAVASCRIPT, include_str!("page/seal.js")),
    ("/view.js", JAVASCRIPT, include_str!("page/view.js")),
];

/// The routes of its files.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    FILES.into_iter().fold(Router::new(), |routes, (path, media_type, content)| {
        let file = Arc::new(Tagged::new(media_type, content));
        let answer = move |headers: HeaderMap| {
            let policy =
                [(CONTENT_SECURITY_POLICY, POLICY), (X_CONTENT_TYPE_OPTIONS, "nosniff"), (REFERRER_POLICY, "no-referrer")];
            let response = (policy, file.answer(&headers));
            async move { response }
        };
        routes.route(path, get(answer))
    })
}
