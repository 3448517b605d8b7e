//! The stream of a connection, with a timeout on write progress and with back-pressure.
//!
//! A client that takes nothing of what it is sent for a while has ended the connection; one that is slow, and takes something, is fine. Until it
//! has taken what waits, nothing more is read of it: answers to requests that it sends without reading (pipelining) do not pile up in memory.
//!
//! It stands below TLS, where progress is seen in bytes that the system has taken. The system takes them in steps of a part of its buffer, so the
//! listeners keep that small (`server`).

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use axum::body::{Body, Bytes};
use hyper::body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::admission::{InService, Place};

/// A stream whose client must go on taking what it is sent.
pub(super) struct PacedStream<S> {
    stream: S,
    place: Arc<Place>,
    /// How long nothing may be taken; for ever where there is none.
    write_timeout: Option<Duration>,
    blocked: Option<Blocked>,
}

/// The system takes no more, because the client does not.
struct Blocked {
    until: Option<Pin<Box<Sleep>>>,
    /// What wants to read as soon as it does.
    reader: Option<Waker>,
}

impl<S> PacedStream<S> {
    pub(super) fn new(stream: S, place: Arc<Place>, write_timeout: Option<Duration>) -> Self {
        Self { stream, place, write_timeout, blocked: None }
    }

    fn noted(&mut self, context: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            if let Some(blocked) = self.blocked.take() {
                self.place.went_on();
                if let Some(reader) = blocked.reader {
                    reader.wake();
                }
            }
            return written;
        }
        let (place, timeout) = (&self.place, self.write_timeout);
        let blocked = self.blocked.get_or_insert_with(|| {
            place.blocked();
            Blocked { until: timeout.map(|timeout| Box::pin(sleep(timeout))), reader: None }
        });
        let Some(until) = &mut blocked.until else { return Poll::Pending };
        ready!(until.as_mut().poll(context));
        metrics::counter!("telescribe_http_connections_dropped_total", "why" => "not_read").increment(1);
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client has taken nothing of what it is sent")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for PacedStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Some(blocked) = &mut self.blocked {
            blocked.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for PacedStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.noted(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.noted(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// A request's body; its connection is known to wait for it.
pub(super) struct AwaitedBody {
    body: hyper::body::Incoming,
    place: Arc<Place>,
}

impl AwaitedBody {
    pub(super) fn new(body: hyper::body::Incoming, place: Arc<Place>) -> Self {
        Self { body, place }
    }
}

impl hyper::body::Body for AwaitedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        self.place.awaits_body(polled.is_pending());
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for AwaitedBody {
    fn drop(&mut self) {
        self.place.awaits_body(false);
    }
}

/// A response's body; its request is in service until all of it is handed over.
pub(super) struct ServedBody {
    body: Body,
    _in_service: InService,
}

impl ServedBody {
    pub(super) fn new(body: Body, in_service: InService) -> Self {
        Self { body, _in_service: in_service }
    }
}

impl hyper::body::Body for ServedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::super::admission::{OccupiedPlace, Places, Source};
    use super::*;

    async fn place() -> OccupiedPlace {
        Places::new(1, 1).admit(Source::V4(Ipv4Addr::LOCALHOST)).await.unwrap()
    }

    #[tokio::test]
    async fn what_nobody_takes_ends_in_time_and_each_byte_that_is_taken_begins_it_anew() {
        let occupied = place().await;
        let (ours, mut theirs) = tokio::io::duplex(16);
        let mut paced = PacedStream::new(ours, Arc::clone(&occupied.place), Some(Duration::from_secs(600)));
        let end = |paced: &PacedStream<_>| paced.blocked.as_ref().unwrap().until.as_ref().unwrap().deadline();
        paced.write_all(&[7; 16]).await.unwrap();
        assert!(futures_util::poll!(std::pin::pin!(paced.write_all(&[7; 16]))).is_pending());
        let first = end(&paced);
        theirs.read_u8().await.unwrap();
        assert!(futures_util::poll!(std::pin::pin!(paced.write_all(&[7; 16]))).is_pending());
        assert!(end(&paced) > first);
        theirs.read_u8().await.unwrap();
        assert_eq!(paced.write(&[7; 1]).await.unwrap(), 1);
        paced.write_timeout = Some(Duration::from_millis(1));
        let error = paced.write_all(&[7; 16]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn nothing_is_read_before_what_waits_is_taken() {
        let occupied = place().await;
        let (ours, mut theirs) = tokio::io::duplex(16);
        let mut paced = PacedStream::new(ours, Arc::clone(&occupied.place), None);
        theirs.write_all(b"more").await.unwrap();
        let (mut reading, mut writing) = tokio::io::split(&mut paced);
        let mut written = std::pin::pin!(writing.write_all(&[7; 20]));
        assert!(futures_util::poll!(&mut written).is_pending());
        let mut answer = [0; 4];
        let mut read = std::pin::pin!(reading.read_exact(&mut answer));
        assert!(futures_util::poll!(&mut read).is_pending(), "it is there, but what was sent is not taken");
        theirs.read_exact(&mut [0; 20][..16]).await.unwrap();
        let (written, read) = tokio::join!(written, read);
        written.unwrap();
        read.unwrap();
        assert_eq!(&answer, b"more");
    }
}
