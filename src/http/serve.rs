//! The bytes of files: by their hash, and by the message that they are in.
//!
//! # Guarantees
//! - What strangers have uploaded runs nowhere: the media type is what the first bytes say, of a short list that browsers only show or play;
//!   anything else is a download of unknown type. `nosniff`, a sandbox without any source, and a name that is no path go with all of it.
//! - Ranges of bytes (RFC 9110, one at a time), so that a video can be sought in and a download resumed; the hash is the `ETag`.
//! - No more than a chunk is in memory.
//!
//! Sealed requests get one sealed chunk of JSON each ([`FileChunkView`]): which bytes it has, of how many, is authenticated with them.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::stream;
use utoipa::IntoParams;

use crate::blob::{BlobHash, BlobReader, Blobs};
use crate::model::{AccountName, FileId, FileOrigin, FilePlace, FileState};
use crate::views::FileChunkView;

use super::context::Context;
use super::ingress::Ingress;
use super::path::{ACCOUNT, MessagePath};
use super::problem::Problem;
use super::query::{FromQuery, Query, Values};

/// Bytes read at a time.
const CHUNK: usize = 256 << 10;
/// Bytes in a sealed chunk: as base64 it stays below what every JOSE library opens by default.
const SEALED_CHUNK: usize = 33 << 10;
/// Bytes by which a media type is told.
const MAGIC: usize = 8 << 10;
/// Characters of a file's name that are passed on: longer ones are cut before their end.
const NAME_MAX: usize = 120;
/// What browsers only show or play. SVG and HTML are not among them: they can hold programs.
const SHOWN: [&str; 17] = [
    "image/jpeg",
    "image/png",
    "image/gif",
    "image/webp",
    "image/bmp",
    "image/avif",
    "video/mp4",
    "video/webm",
    "video/quicktime",
    "audio/mpeg",
    "audio/ogg",
    "audio/mp4",
    "audio/m4a",
    "audio/x-wav",
    "audio/x-flac",
    "audio/opus",
    "audio/aac",
];
/// What nobody can run, shown as a download.
const UNKNOWN: &str = "application/octet-stream";

/// Which bytes, for sealed requests, which have no headers of their own.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct BlobParams {
    /// Where the bytes begin; sealed requests only. Plain ones use `Range`.
    offset: Option<u64>,
}

impl FromQuery for BlobParams {
    const NAMES: &'static [&'static str] = &["offset"];

    fn from_query(values: &Values) -> Result<Self, Problem> {
        Ok(Self { offset: values.parsed("offset", "a number of bytes")? })
    }
}

/// Which file of a message.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct MessageMediaParams {
    /// Whose message id is meant, in basic groups and private chats; needed where several accounts archived the peer.
    #[param(value_type = Option<String>)]
    account: Option<AccountName>,
    /// The id of one of the message's files; by default the first of what it carries.
    #[param(value_type = Option<String>)]
    file: Option<FileId>,
    /// Whether the picture that stands for the file is wanted instead.
    #[param(value_type = Option<bool>)]
    thumbnail: bool,
    /// Where the bytes begin; sealed requests only. Plain ones use `Range`.
    offset: Option<u64>,
}

impl FromQuery for MessageMediaParams {
    const NAMES: &'static [&'static str] = &["account", "file", "thumbnail", "offset"];

    fn from_query(values: &Values) -> Result<Self, Problem> {
        Ok(Self {
            account: values.parsed("account", ACCOUNT)?,
            file: values.parsed("file", "the id of a file, such as `document:77`")?,
            thumbnail: values.claim("thumbnail")?,
            offset: values.parsed("offset", "a number of bytes")?,
        })
    }
}

/// Serves the bytes of a file by their hash.
#[utoipa::path(
    get, path = "/v1/media/{sha256}", tag = "media",
    params(("sha256" = String, Path, description = "The SHA-256 of the file."), BlobParams),
    responses(
        (status = 200, description = "Plain: the bytes. Sealed: a chunk.", content((Vec<u8> = "application/octet-stream"), (FileChunkView = "application/json"))),
        (status = 206, description = "The range of bytes that was asked for.", content_type = "application/octet-stream"),
        (status = 304, description = "The client has it already."),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 416, body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn blob(
    State(context): State<Arc<Context>>,
    Extension(ingress): Extension<Ingress>,
    sha256: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    Query(params): Query<BlobParams>,
) -> Result<Response, Problem> {
    let invalid = || Problem::bad_parameter("a file is named by its SHA-256: 64 hexadecimal digits");
    let Path(text) = sha256.map_err(|_| invalid())?;
    let hash: BlobHash = text.parse().map_err(|_| invalid())?;
    answer(&context, &ingress, &headers, Wanted { hash, name: None, offset: params.offset }).await
}

/// Serves a file of a message.
#[utoipa::path(
    get, path = "/v1/peers/{peer}/messages/{message}/media", tag = "media", params(MessagePath, MessageMediaParams),
    responses(
        (status = 200, description = "Plain: the bytes. Sealed: a chunk.", content((Vec<u8> = "application/octet-stream"), (FileChunkView = "application/json"))),
        (status = 206, description = "The range of bytes that was asked for.", content_type = "application/octet-stream"),
        (status = 304, description = "The client has it already."),
        (status = 404, description = "There is no such file, or it is not stored; the detail says why.", body = Problem, content_type = "application/problem+json"),
        (status = 416, body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn of_message(
    State(context): State<Arc<Context>>,
    Extension(ingress): Extension<Ingress>,
    headers: HeaderMap,
    Query(params): Query<MessageMediaParams>,
    path: MessagePath,
) -> Result<Response, Problem> {
    let offset = params.offset;
    let wanted = context.read(move |context| find(context, &path, &params)).await?;
    answer(&context, &ingress, &headers, Wanted { offset, ..wanted }).await
}

/// What is to be served.
struct Wanted {
    hash: BlobHash,
    name: Option<String>,
    offset: Option<u64>,
}

fn find(context: &Context, path: &MessagePath, params: &MessageMediaParams) -> Result<Wanted, Problem> {
    let archive = context.archive.flushed();
    let key = path.key(&archive, params.account)?;
    let mut attached = archive.view().attached(FileOrigin::Message(key))?;
    if let Some(wanted) = params.file {
        attached.retain(|(file, _)| *file == wanted);
    }
    // What it carries comes before what is beside it.
    attached.sort_by_key(|(_, place)| FilePlace::ALL.iter().position(|known| known == place));
    let Some((id, _)) = attached.first() else {
        return Err(Problem::unknown_file("the archive knows of no such file in this message"));
    };
    let unknown = || Problem::unknown_file("the archive knows nothing of this file");
    let file = archive.view().file(*id)?.ok_or_else(unknown)?;
    if params.thumbnail {
        let thumbnail = file.thumbnail.ok_or_else(|| Problem::unknown_media("no picture that stands for this file is stored"))?;
        return Ok(Wanted { hash: thumbnail.hash, name: None, offset: None });
    }
    match &file.state {
        FileState::Stored(bytes) => Ok(Wanted { hash: bytes.hash, name: file.name.clone(), offset: None }),
        FileState::Seen => Err(Problem::unknown_media("the file is not stored: no rule was asked about it yet")),
        FileState::Wanted => Err(Problem::unknown_media("the file is not stored yet: it is to be downloaded")),
        FileState::Skipped { why } => {
            Err(Problem::unknown_media(format!("the file is not stored ({why}); `telescribe media fetch` downloads it")))
        }
        FileState::Failed { why, .. } => Err(Problem::unknown_media(format!("the file could not be downloaded ({why})"))),
    }
}

async fn answer(context: &Arc<Context>, ingress: &Ingress, headers: &HeaderMap, wanted: Wanted) -> Result<Response, Problem> {
    let Wanted { hash, name, offset } = wanted;
    let open = move |context: &Context| {
        let blobs = blobs(context)?;
        let missing = || Problem::unknown_media("nothing is stored under this hash");
        let reader = blobs.get(&hash)?.ok_or_else(missing)?;
        let magic = reader.read_range(0, MAGIC)?;
        Ok((reader, media_type(&magic)))
    };
    let (reader, mime) = context.read(open).await?;
    if ingress.is_sealed() {
        let chunk = context.read(move |_| chunk(&reader, mime, offset.unwrap_or(0))).await?;
        return Ok(Json(chunk).into_response());
    }
    if offset.is_some() {
        return Err(Problem::bad_parameter("`offset` is for sealed requests; plain ones send a `Range` header"));
    }
    let etag = format!("\"{hash}\"");
    let is_known = |name: &header::HeaderName| {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|tag| tag.trim().trim_start_matches("W/") == etag || tag.trim() == "*")
    };
    let (size, mut response) = (reader.size(), Response::builder());
    let common = [
        (header::ETAG, etag.clone()),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
        (header::CONTENT_TYPE, mime.to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'".to_owned()),
        // Content under a hash never changes, but who may read it does.
        (header::CACHE_CONTROL, "private, no-cache".to_owned()),
        (header::CONTENT_DISPOSITION, disposition(mime, name.as_deref())),
    ];
    for (name, value) in common {
        response = response.header(name, HeaderValue::from_str(&value).unwrap_or(HeaderValue::from_static(UNKNOWN)));
    }
    let built =
        |response: axum::http::response::Builder, body: Body| response.body(body).map_err(|error| Problem::hidden(&error));
    if is_known(&header::IF_NONE_MATCH) {
        return built(response.status(StatusCode::NOT_MODIFIED), Body::empty());
    }
    // A range of another version is a range of nothing; there is one version.
    let is_current = headers.get(header::IF_RANGE).is_none_or(|tag| tag.to_str().is_ok_and(|tag| tag == etag));
    let range = headers.get(header::RANGE).filter(|_| is_current).and_then(|range| range.to_str().ok());
    match range.and_then(|range| part_of(range, size)) {
        None => {
            let response = response.header(header::CONTENT_LENGTH, size);
            built(response, body(Arc::clone(context), reader, 0, size))
        }
        Some(Ok((first, last))) => {
            let response = response.status(StatusCode::PARTIAL_CONTENT).header(header::CONTENT_LENGTH, last - first + 1);
            let response = response.header(header::CONTENT_RANGE, format!("bytes {first}-{last}/{size}"));
            built(response, body(Arc::clone(context), reader, first, last + 1))
        }
        Some(Err(())) => {
            let mut refused = Problem::bad_range(format!("the file has {size} bytes")).into_response();
            if let Ok(value) = HeaderValue::from_str(&format!("bytes */{size}")) {
                refused.headers_mut().insert(header::CONTENT_RANGE, value);
            }
            Ok(refused)
        }
    }
}

fn blobs(context: &Context) -> Result<&Blobs, Problem> {
    context.blobs.as_ref().ok_or_else(|| Problem::unready("files are served by a running program"))
}

/// Streams bytes, one chunk after the other.
fn body(context: Arc<Context>, reader: BlobReader, from: u64, end: u64) -> Body {
    let reader = Arc::new(reader);
    Body::from_stream(stream::try_unfold(from, move |at| {
        let (context, reader) = (Arc::clone(&context), Arc::clone(&reader));
        async move {
            if at >= end {
                return Ok::<_, std::io::Error>(None);
            }
            let length = usize::try_from(end - at).unwrap_or(CHUNK).min(CHUNK);
            let read = move |_: &Context| reader.read_range(at, length).map_err(Problem::from);
            let bytes = context.read(read).await.map_err(|_| std::io::Error::other("the file cannot be read"))?;
            if bytes.is_empty() {
                return Err(std::io::Error::other("the file ended too early"));
            }
            let next = at + bytes.len() as u64;
            Ok(Some((Bytes::from(bytes), next)))
        }
    }))
}

/// One chunk, to be sealed.
fn chunk(reader: &BlobReader, mime: &str, offset: u64) -> Result<FileChunkView, Problem> {
    let size = reader.size();
    if offset > size {
        return Err(Problem::bad_range(format!("the file has {size} bytes")));
    }
    let bytes = reader.read_range(offset, SEALED_CHUNK)?;
    let end = offset + bytes.len() as u64;
    Ok(FileChunkView {
        sha256: reader.hash().to_string(),
        size,
        offset,
        data: STANDARD.encode(&bytes),
        next: (end < size).then_some(end),
        mime: mime.to_owned(),
    })
}

/// The media type that the first bytes of a file say.
fn media_type(magic: &[u8]) -> &'static str {
    let found = infer::get(magic).map(|kind| kind.mime_type());
    found.filter(|mime| SHOWN.contains(mime)).unwrap_or(UNKNOWN)
}

/// How a browser is to take it: what it can only show or play, in its place; the rest as a download.
fn disposition(mime: &str, name: Option<&str>) -> String {
    let kind = if mime == UNKNOWN { "attachment" } else { "inline" };
    match name.map(safe_name).filter(|name| !name.is_empty()) {
        None => kind.to_owned(),
        Some(name) => format!(
            "{kind}; filename*=UTF-8''{}",
            percent_encoding::utf8_percent_encode(&name, percent_encoding::NON_ALPHANUMERIC)
        ),
    }
}

/// A name that is no path, hides nothing and is not too long; its ending stays.
fn safe_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let is_hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | ':' | '"')
    };
    let kept: Vec<char> = last.chars().filter(|c| !is_hidden(*c)).collect();
    let text: String = kept.iter().collect();
    let trimmed = text.trim().trim_start_matches('.').trim();
    let count = trimmed.chars().count();
    if count <= NAME_MAX {
        return trimmed.to_owned();
    }
    let ending =
        trimmed.rsplit_once('.').map(|(_, ending)| ending).filter(|ending| ending.chars().count() <= 8).unwrap_or_default();
    let stem: String = trimmed.chars().take(NAME_MAX - 9).collect();
    format!("{stem}.{ending}")
}

/// The first and the last byte of a range; `None` where it is not understood, which means all of it; an error where it has no byte.
fn part_of(range: &str, size: u64) -> Option<Result<(u64, u64), ()>> {
    let range = range.trim().strip_prefix("bytes=")?;
    // Several ranges may be answered with all of it.
    let (first, last) = range.split_once('-').filter(|_| !range.contains(','))?;
    let (first, last) = (first.trim(), last.trim());
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    let part = match (first, last) {
        ("", last) if is_number(last) => {
            let length: u64 = last.parse().unwrap_or(u64::MAX);
            (length > 0 && size > 0).then(|| (size.saturating_sub(length), size - 1))
        }
        (first, "") if is_number(first) => {
            let first: u64 = first.parse().unwrap_or(u64::MAX);
            (first < size).then(|| (first, size - 1))
        }
        (first, last) if is_number(first) && is_number(last) => {
            let (first, last): (u64, u64) = (first.parse().unwrap_or(u64::MAX), last.parse().unwrap_or(u64::MAX));
            if last < first {
                return None;
            }
            (first < size).then(|| (first, last.min(size - 1)))
        }
        _ => return None,
    };
    Some(part.ok_or(()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_range_is_read_as_rfc_9110_says() {
        for (range, found) in [
            ("bytes=0-0", Some(Ok((0, 0)))),
            ("bytes=0-", Some(Ok((0, 99)))),
            ("bytes=10-19", Some(Ok((10, 19)))),
            ("bytes=90-200", Some(Ok((90, 99)))),
            ("bytes=-10", Some(Ok((90, 99)))),
            ("bytes=-200", Some(Ok((0, 99)))),
            ("bytes=100-", Some(Err(()))),
            ("bytes=100-200", Some(Err(()))),
            ("bytes=-0", Some(Err(()))),
            ("bytes=99999999999999999999999-", Some(Err(()))),
            ("bytes=5-4", None),
            ("bytes=0-1,5-6", None),
            ("bytes=", None),
            ("bytes=-", None),
            ("bytes=a-b", None),
            ("lines=0-1", None),
            ("0-1", None),
        ] {
            assert_eq!(part_of(range, 100), found, "{range}");
        }
        assert_eq!(part_of("bytes=0-", 0), Some(Err(())));
    }

    #[test]
    fn names_are_no_paths_and_hide_nothing() {
        for (name, safe) in [
            ("report.pdf", "report.pdf"),
            ("../../etc/passwd", "passwd"),
            ("C:\\Windows\\system32\\evil.exe", "evil.exe"),
            ("..", ""),
            (".bashrc", "bashrc"),
            ("a\r\nSet-Cookie: x", "aSet-Cookie x"),
            ("photo\u{202e}gpj.exe", "photogpj.exe"),
            ("\u{200f}отчёт\u{0}.pdf", "отчёт.pdf"),
            ("今天 很好.txt", "今天 很好.txt"),
        ] {
            assert_eq!(safe_name(name), safe, "{name:?}");
        }
        let long = safe_name(&format!("{}.jpeg", "x".repeat(4_096)));
        assert!(long.len() <= NAME_MAX && long.ends_with(".jpeg"), "{long}");
        assert_eq!(disposition("image/png", Some("a b.png")), "inline; filename*=UTF-8''a%20b%2Epng");
        assert_eq!(disposition(UNKNOWN, None), "attachment");
    }

    #[test]
    fn what_can_run_is_a_download_of_unknown_type() {
        let jpeg = [0xff, 0xd8, 0xff, 0xe0, 0, 16];
        assert_eq!(media_type(&jpeg), "image/jpeg");
        for content in [
            "<html><script>alert(1)</script></html>",
            "<svg xmlns=\"http://www.w3.org/2000/svg\"><script/></svg>",
            "%PDF-1.7",
            "",
            "MZ",
        ] {
            assert_eq!(media_type(content.as_bytes()), UNKNOWN, "{content}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_asked_for_lies_within_the_file(range in "(bytes=)?[0-9]{0,20}-?[0-9]{0,20}", size: u64) {
            if let Some(Ok((first, last))) = part_of(&range, size) {
                prop_assert!(first <= last && last < size);
            }
        }

        #[test]
        fn a_name_is_always_safe(name in any::<String>()) {
            let safe = safe_name(&name);
            prop_assert!(!safe.contains(['/', '\\']) && !safe.chars().any(char::is_control) && !safe.starts_with('.'));
            prop_assert!(safe.chars().count() <= NAME_MAX);
        }
    }
}
