//! The bytes of files: by their hash, and by the message that they are in.
//!
//! # Guarantees
//! - What strangers have uploaded runs nowhere: the media type is what the first bytes say, of a short list that browsers only show or play;
//!   anything else is a download of unknown type. `nosniff`, a sandbox without any source, and a name that is no path go with all of it, and no
//!   page of another site can embed it.
//! - Ranges of bytes (RFC 9110, one at a time), so that a video can be sought in and a download resumed; the hash is the `ETag`.
//! - No more than a chunk is in memory.
//!
//! Sealed requests get a stream of sealed chunks (`sealed_stream`); which bytes they ask for is in their query, which is authenticated.

use std::sync::Arc;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::response::Builder;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use utoipa::IntoParams;

use crate::blob::{BlobHash, BlobReader, Blobs};
use crate::model::{AccountName, FileId, FileState, safe_file_name};
use crate::views::FileStreamView;

use super::context::Context;
use super::ingress::Ingress;
use super::message_files::attached;
use super::path::{ACCOUNT, MessagePath};
use super::problem::Problem;
use super::query::{FromQuery, Query, Values};
use super::ranges::{Asked, asked};
use super::sealed_stream::FileStream;

/// Bytes read at a time.
const CHUNK: usize = 256 << 10;
/// Bytes by which a media type is told.
const MAGIC: usize = 8 << 10;
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

/// Which bytes, for sealed requests, whose headers anybody on the way could change.
#[derive(Clone, Copy, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct BlobParams {
    /// Where the bytes begin; sealed requests only. Plain ones use `Range`.
    offset: Option<u64>,
    /// How many are wanted, all by default; sealed requests only.
    length: Option<u64>,
}

impl FromQuery for BlobParams {
    const NAMES: &'static [&'static str] = &["offset", "length"];

    fn from_query(values: &Values) -> Result<Self, Problem> {
        let number = |name| values.parsed(name, "a number of bytes");
        Ok(Self { offset: number("offset")?, length: number("length")? })
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
    /// How many are wanted, all by default; sealed requests only.
    length: Option<u64>,
}

impl FromQuery for MessageMediaParams {
    const NAMES: &'static [&'static str] = &["account", "file", "thumbnail", "offset", "length"];

    fn from_query(values: &Values) -> Result<Self, Problem> {
        let BlobParams { offset, length } = BlobParams::from_query(values)?;
        Ok(Self {
            account: values.parsed("account", ACCOUNT)?,
            file: values.parsed("file", "the id of a file, such as `document:77`")?,
            thumbnail: values.claim("thumbnail")?,
            offset,
            length,
        })
    }
}

/// Serves the bytes of a file by their hash.
#[utoipa::path(
    get, path = "/v1/media/{sha256}", operation_id = "getBlob", tag = "media",
    params(("sha256" = String, Path, description = "The SHA-256 of the file."), BlobParams),
    responses(
        (status = 200, description = "Plain: the bytes. Sealed: what is said here of them, then chunks as in docs/sealing.md.", content((Vec<u8> = "application/octet-stream"), (FileStreamView = "application/json"))),
        (status = 206, description = "The range of bytes that was asked for.", content_type = "application/octet-stream"),
        (status = 304, description = "The client has it already."),
        (status = 412, description = "`If-Match` names something else."),
        (status = 416, description = "The file has no such range."),
        (status = 503, description = "The file is in the mirror only, which cannot be asked at present."),
    ),
)]
pub(super) async fn blob(
    State(context): State<Arc<Context>>,
    Extension(ingress): Extension<Ingress>,
    sha256: Result<Path<String>, PathRejection>,
    method: Method,
    headers: HeaderMap,
    Query(params): Query<BlobParams>,
) -> Result<Response, Problem> {
    let invalid = || Problem::bad_parameter("a file is named by its SHA-256: 64 hexadecimal digits");
    let Path(text) = sha256.map_err(|_| invalid())?;
    let hash: BlobHash = text.parse().map_err(|_| invalid())?;
    answer(&context, &ingress, (&method, &headers), (Wanted { hash, name: None }, params)).await
}

/// Serves a file of a message.
#[utoipa::path(
    get, path = "/v1/peers/{peer}/messages/{message}/media", operation_id = "getMessageMedia", tag = "media", params(MessagePath, MessageMediaParams),
    responses(
        (status = 200, description = "Plain: the bytes. Sealed: what is said here of them, then chunks as in docs/sealing.md.", content((Vec<u8> = "application/octet-stream"), (FileStreamView = "application/json"))),
        (status = 206, description = "The range of bytes that was asked for.", content_type = "application/octet-stream"),
        (status = 304, description = "The client has it already."),
        (status = 404, description = "There is no such file, or it is not stored; the detail says why."),
        (status = 412, description = "`If-Match` names something else."),
        (status = 416, description = "The file has no such range."),
        (status = 503, description = "The file is in the mirror only, which cannot be asked at present."),
    ),
)]
pub(super) async fn of_message(
    State(context): State<Arc<Context>>,
    Extension(ingress): Extension<Ingress>,
    method: Method,
    headers: HeaderMap,
    Query(params): Query<MessageMediaParams>,
    path: MessagePath,
) -> Result<Response, Problem> {
    let part = BlobParams { offset: params.offset, length: params.length };
    let wanted = context.read(move |context| find(context, &path, &params)).await?;
    answer(&context, &ingress, (&method, &headers), (wanted, part)).await
}

/// What is to be served.
struct Wanted {
    hash: BlobHash,
    name: Option<String>,
}

fn find(context: &Context, path: &MessagePath, params: &MessageMediaParams) -> Result<Wanted, Problem> {
    let archive = context.archive.flushed();
    let mut attached = attached(archive.view(), path.key(&archive, params.account)?)?;
    if let Some(wanted) = params.file {
        attached.retain(|(file, _)| *file == wanted);
    }
    let Some((id, _)) = attached.first() else {
        return Err(Problem::unknown_file("the archive knows of no such file in this message"));
    };
    let unknown = || Problem::unknown_file("the archive knows nothing of this file");
    let file = archive.view().file(*id)?.ok_or_else(unknown)?;
    if params.thumbnail {
        let none = || match &file.no_thumbnail {
            Some(why) => Problem::unknown_media(format!("there is no picture that stands for this file: {why}")),
            None => Problem::unknown_media("no picture that stands for this file is stored"),
        };
        return Ok(Wanted { hash: file.thumbnail.ok_or_else(none)?.hash, name: None });
    }
    match &file.state {
        FileState::Stored(bytes) => Ok(Wanted { hash: bytes.hash, name: file.name.clone() }),
        FileState::Seen => Err(Problem::unknown_media("the file is not stored: no rule was asked about it yet")),
        FileState::Wanted => Err(Problem::unknown_media("the file is not stored yet: it is to be downloaded")),
        FileState::Skipped { why } => {
            Err(Problem::unknown_media(format!("the file is not stored ({why}); `telescribe media fetch` downloads it")))
        }
        FileState::Failed { why, .. } => Err(Problem::unknown_media(format!("the file could not be downloaded ({why})"))),
    }
}

async fn answer(
    context: &Arc<Context>,
    ingress: &Ingress,
    (method, headers): (&Method, &HeaderMap),
    (wanted, part): (Wanted, BlobParams),
) -> Result<Response, Problem> {
    let Wanted { hash, name } = wanted;
    let name = name.as_deref().map(safe_file_name).filter(|name| !name.is_empty());
    let open = move |context: &Context| {
        let missing = || Problem::unknown_media("nothing is stored under this hash");
        let reader = blobs(context)?.get(&hash)?.ok_or_else(missing)?;
        let magic = reader.read_range(0, MAGIC)?;
        Ok((reader, media_type(&magic)))
    };
    let (reader, mime) = context.read(open).await?;
    if ingress.is_sealed() {
        return sealed(context, reader, (mime, name), part);
    }
    if part.offset.is_some() || part.length.is_some() {
        return Err(Problem::bad_parameter("`offset` and `length` are for sealed requests; plain ones send a `Range` header"));
    }
    let (etag, size) = (format!("\"{hash}\""), reader.size());
    let asked = asked(method, headers, &etag, size);
    let response = with_headers(Response::builder(), asked, (mime, name.as_deref()), &etag);
    let part = |first, end| if method == Method::HEAD { Body::empty() } else { body(Arc::clone(context), reader, first, end) };
    let built = match asked {
        Asked::Whole => response.header(header::CONTENT_LENGTH, size).body(part(0, size)),
        Asked::Part(first, last) => response
            .status(StatusCode::PARTIAL_CONTENT)
            .header(header::CONTENT_LENGTH, last - first + 1)
            .header(header::CONTENT_RANGE, format!("bytes {first}-{last}/{size}"))
            .body(part(first, last + 1)),
        Asked::Known => response.status(StatusCode::NOT_MODIFIED).body(Body::empty()),
        Asked::SomethingElse => return Err(Problem::precondition_failed("`If-Match` does not name what is stored")),
        Asked::NoSuchPart => {
            let mut refused = Problem::bad_range(format!("the file has {size} bytes")).into_response();
            if let Ok(value) = HeaderValue::from_str(&format!("bytes */{size}")) {
                refused.headers_mut().insert(header::CONTENT_RANGE, value);
            }
            return Ok(refused);
        }
    };
    built.map_err(|error| Problem::hidden(&error))
}

/// What goes with all of it, and with what has bytes.
fn with_headers(mut response: Builder, asked: Asked, (mime, name): (&str, Option<&str>), etag: &str) -> Builder {
    let common = [
        (header::ETAG, etag),
        // Content under a hash never changes, but who may read it does.
        (header::CACHE_CONTROL, "private, no-cache"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'; frame-ancestors 'none'"),
        // Else any site could find out what is stored, by embedding it.
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in common {
        response = response.header(name, value);
    }
    if asked == Asked::Known {
        return response;
    }
    response
        .header(header::ACCEPT_RANGES, "bytes")
        .header(header::CONTENT_TYPE, mime)
        .header(header::CONTENT_DISPOSITION, disposition(mime, name))
}

/// The bytes for a sealed request: `envelope` makes a stream of sealed chunks of them.
fn sealed(
    context: &Arc<Context>,
    reader: BlobReader,
    (mime, name): (&str, Option<String>),
    part: BlobParams,
) -> Result<Response, Problem> {
    let (size, sha256) = (reader.size(), reader.hash().to_string());
    let offset = part.offset.unwrap_or(0);
    if offset > size {
        return Err(Problem::bad_range(format!("the file has {size} bytes")));
    }
    let length = part.length.unwrap_or(u64::MAX).min(size - offset);
    let head = FileStreamView { sha256, size, offset, length, mime: mime.to_owned(), name };
    let mut response = Response::new(body(Arc::clone(context), reader, offset, offset + length));
    response.extensions_mut().insert(FileStream(head));
    Ok(response)
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

/// The media type that the first bytes of a file say.
fn media_type(magic: &[u8]) -> &'static str {
    let found = infer::get(magic).map(|kind| kind.mime_type());
    found.filter(|mime| SHOWN.contains(mime)).unwrap_or(UNKNOWN)
}

/// How a browser is to take it: what it can only show or play, in its place; the rest as a download.
fn disposition(mime: &str, name: Option<&str>) -> String {
    let kind = if mime == UNKNOWN { "attachment" } else { "inline" };
    match name {
        None => kind.to_owned(),
        Some(name) => format!(
            "{kind}; filename*=UTF-8''{}",
            percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_token_whatever_is_in_it() {
        assert_eq!(disposition("image/png", Some("a b.png")), "inline; filename*=UTF-8''a%20b%2Epng");
        assert_eq!(disposition(UNKNOWN, Some("\"; x=今")), "attachment; filename*=UTF-8''%22%3B%20x%3D%E4%BB%8A");
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
}
