//! Answers of many lines (NDJSON), read as they are sent: never more than a chunk in memory, however slow the client.
//!
//! A failure in the middle breaks the connection off, so that what was sent cannot pass for all there is.

use std::future::Future;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;

use super::problem::Problem;

/// The media type of one JSON object a line.
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

    /// Whether it is time to send it.
    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= CHUNK_SIZE
    }
}

/// Something that gives chunks until it has no more.
pub(super) trait Lines: Send + 'static {
    /// The next chunk; `None` at the end.
    fn next(&mut self) -> impl Future<Output = Result<Option<Chunk>, Problem>> + Send;
}

/// Why an answer was broken off; the log has the rest.
#[derive(Debug, thiserror::Error)]
#[error("the answer could not be read to its end")]
struct BrokenOff;

/// Streams the chunks. The first one is awaited, so that what fails at once is told as a problem.
pub(super) async fn stream(mut lines: impl Lines) -> Result<Response, Problem> {
    let first = lines.next().await?;
    let rest = futures_util::stream::unfold((first.map(Ok), lines), |(ready, mut lines)| async move {
        let chunk = match ready {
            Some(chunk) => chunk,
            None => lines.next().await.transpose()?,
        };
        let bytes = chunk.map(|chunk| Bytes::from(chunk.0)).map_err(|_| BrokenOff);
        Some((bytes, (None, lines)))
    });
    Ok(([(header::CONTENT_TYPE, MEDIA_TYPE), (header::CACHE_CONTROL, "no-store")], Body::from_stream(rest)).into_response())
}
