//! What is made once and may be cached: an entity tag goes with it, and a client that has it already is told so (RFC 9110, section 13).

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

/// Content with its entity tag.
#[derive(Clone, Debug)]
pub(super) struct Tagged {
    media_type: &'static str,
    content: Bytes,
    tag: String,
}

impl Tagged {
    /// Tags content.
    pub(super) fn new(media_type: &'static str, content: impl Into<Bytes>) -> Self {
        let content = content.into();
        let tag = tag_of(&content);
        Self { media_type, content, tag }
    }

    /// The response to a request: all of it, or 304 where the client has it. It may be kept, and is asked for anew before it is used again.
    pub(super) fn answer(&self, headers: &HeaderMap) -> Response {
        let mut response = if is_known(headers, &self.tag) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            ([(header::CONTENT_TYPE, self.media_type)], self.content.clone()).into_response()
        };
        set_tag(&mut response, &self.tag);
        response
    }
}

/// An entity tag: the same for the same bytes, in each process of this version of the program. It is weak, because what it names can be compressed.
pub(super) fn tag_of(content: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    format!("W/\"{:016x}\"", hasher.finish())
}

/// Whether `If-None-Match` names what has this tag. Our tags have no comma.
pub(super) fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let bare = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let lists = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|known| known.trim() == "*" || bare(known) == bare(tag))
}

/// Has a response say which version it is of, and that it may be kept.
pub(super) fn set_tag(response: &mut Response, tag: &str) {
    for (name, value) in [(header::ETAG, tag), (header::CACHE_CONTROL, "no-cache")] {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn status(page: &Tagged, known: &str) -> StatusCode {
        let headers = HeaderMap::from_iter([(header::IF_NONE_MATCH, HeaderValue::from_str(known).unwrap())]);
        page.answer(&headers).status()
    }

    #[test]
    fn a_client_that_has_it_is_told_so_and_one_that_has_another_gets_all_of_it() {
        let page = Tagged::new("text/css", "a { b: c }");
        let whole = page.answer(&HeaderMap::new());
        assert_eq!(
            (whole.status(), &whole.headers()[header::CACHE_CONTROL]),
            (StatusCode::OK, &HeaderValue::from_static("no-cache"))
        );
        let tag = whole.headers()[header::ETAG].to_str().unwrap();
        let strong = tag.trim_start_matches("W/");
        for known in [tag, strong, "*", &format!("\"other\", {tag}")] {
            assert_eq!(status(&page, known), StatusCode::NOT_MODIFIED, "{known}");
        }
        let other = Tagged::new("text/css", "a { b: d }");
        assert_eq!(status(&other, tag), StatusCode::OK);
    }
}
