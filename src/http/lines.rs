//! Streamed responses (NDJSON), read as they are sent, with back-pressure: never more than one chunk in memory, however slow the client.
//!
//! An error in the middle aborts the connection, so that a truncated response cannot pass for a complete one.

use std::future::Future;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use futures_util::StreamExt as _;
use serde::Serialize;

use super::problem::Problem;

/// The media type of one JSON object per line.
const MEDIA_TYPE: &str = "application/x-ndjson";
/// Bytes of a chunk: large enough that its cost is in reading it, small enough that a hundred clients do not matter.
const CHUNK_SIZE: usize = 64 * 1024;

/// A chunk of lines.
#[derive(Default)]
pub(super) struct Chunk(Vec<u8>);

impl Chunk {
    /// Adds a line.
    pub(super) fn line(&mut self, value: &impl Serialize) -> Result<(), Problem> {
        serde_json::to_writer(&mut self.0, value).map_err(|e| Problem::hidden(&e))?;
        self.0.push(b'\n');
        Ok(())
    }

    /// An empty line: the stream is there, and there is nothing new. Whoever is on the way sees it too, and keeps the connection open.
    pub(super) fn heartbeat() -> Self {
        Self(vec![b'\n'])
    }

    /// Adds what is no line of JSON.
    pub(super) fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }

    /// Whether nothing is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it is time to send it.
    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= CHUNK_SIZE
    }
}

/// A source of chunks.
pub(super) trait Lines: Send + 'static {
    /// The next chunk; `None` at the end.
    fn next(&mut self) -> impl Future<Output = Result<Option<Chunk>, Problem>> + Send;
}

/// Why a response was aborted; the log has the rest.
#[derive(Debug, thiserror::Error)]
#[error("the response was aborted, because the archive could not be read to its end")]
struct BrokenOff;

/// Streams the chunks. The first one is awaited, so that what fails at once is answered as a problem.
pub(super) async fn stream(lines: impl Lines) -> Result<Response, Problem> {
    stream_as(MEDIA_TYPE, lines).await
}

/// The same as another media type.
pub(super) async fn stream_as(media_type: &'static str, mut lines: impl Lines) -> Result<Response, Problem> {
    let first = lines.next().await?;
    let rest = futures_util::stream::unfold((first.map(Ok), lines), |(ready, mut lines)| async move {
        let chunk = match ready {
            Some(chunk) => chunk,
            None => lines.next().await.transpose()?,
        };
        let bytes = chunk.map(|chunk| Bytes::from(chunk.0)).map_err(|_| BrokenOff);
        Some((bytes, (None, lines)))
    });
    // Who compresses it asks once more behind the end.
    let rest = rest.fuse();
    Ok(([(header::CONTENT_TYPE, media_type), (header::CACHE_CONTROL, "no-store")], Body::from_stream(rest)).into_response())
}
