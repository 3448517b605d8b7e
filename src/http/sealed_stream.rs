//! A file as a sealed stream: a sealed answer that says which bytes follow, then chunks, each sealed, one a line (docs/sealing.md).
//!
//! # Guarantees
//! - No more than a chunk of the file is in memory (back-pressure): the next one is read when the connection has taken the one before.
//! - A file that cannot be read to its end leaves a stream without a last chunk, which no client takes for all of it.
//!
//! What is wrong before the first byte is a sealed problem, as everywhere.

use std::sync::Arc;

use axum::body::{Body, BodyDataStream, Bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::StreamExt as _;
use futures_util::stream;

use crate::seal::{self, ChunkSealer, FileRange, OpenedRequest};
use crate::views::FileStreamView;

use super::context::Context;
use super::problem::Problem;

/// Marks a response whose body is bytes of a file: they are sealed as a stream.
#[derive(Clone)]
pub(super) struct FileStream(pub(super) FileStreamView);

/// Why a stream was aborted; the log has the rest.
#[derive(Debug, thiserror::Error)]
#[error("the stream was aborted, because the file could not be read to its end")]
struct StreamAborted;

/// Seals a file that is sent as `body`.
pub(super) fn answer(context: &Arc<Context>, request: &OpenedRequest, FileStream(head): FileStream, body: Body) -> Response {
    let json = match serde_json::to_vec(&head) {
        Ok(json) => json,
        Err(error) => return Problem::hidden(&error).into_response(),
    };
    let now = context.clock.now();
    let mut first = request.seal_answer(StatusCode::OK.as_u16(), &json, now, &mut seal::system_random());
    first.push('\n');
    let FileStreamView { sha256, size, offset, length, .. } = head;
    let sealer = request.seal_chunks(&FileRange { sha256, size, offset, end: offset.saturating_add(length) });
    let chunks = Chunks { bytes: body.into_data_stream(), sealer };
    let rest = stream::try_unfold(chunks, Chunks::next);
    let lines = stream::once(async { Ok(Bytes::from(first)) }).chain(rest);
    let headers = [(header::CONTENT_TYPE, seal::LINES_MEDIA_TYPE), (header::CACHE_CONTROL, "no-store")];
    (StatusCode::OK, headers, Body::from_stream(lines)).into_response()
}

/// What is still to be sealed.
struct Chunks {
    bytes: BodyDataStream,
    sealer: ChunkSealer,
}

impl Chunks {
    /// The next lines, and what is left.
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, StreamAborted> {
        if self.sealer.is_complete() {
            return Ok(None);
        }
        let bytes = match self.bytes.next().await {
            Some(bytes) => bytes.map_err(|_| StreamAborted)?,
            None => Bytes::new(),
        };
        let mut random = seal::system_random();
        let mut lines = String::new();
        // A range without a byte has one chunk all the same: it says that nothing is missing.
        for data in bytes.chunks(seal::CHUNK_DATA_MAX).chain(bytes.is_empty().then_some(&[][..])) {
            lines.push_str(&self.sealer.seal(data, &mut random));
            lines.push('\n');
        }
        if bytes.is_empty() && !self.sealer.is_complete() {
            return Err(StreamAborted);
        }
        Ok(Some((Bytes::from(lines), self)))
    }
}
