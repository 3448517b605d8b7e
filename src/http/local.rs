//! The router without a network: a command that has opened the archive itself sends it the requests that it would send to a running daemon.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, ready};

use axum::Router;
use axum::body::{Body, Bytes};
use hyper::body::{Frame, SizeHint};
use tower::ServiceExt as _;

use super::context::Context;
use super::ingress::Ingress;

/// The API in this process.
#[derive(Clone, Debug)]
pub struct Local(Router);

/// The body of a response, read as it is made.
pub struct Answer(Body);

impl Local {
    /// The API over a context; its caller is trusted as the owner.
    #[must_use]
    pub fn new(context: Arc<Context>) -> Self {
        Self(super::router(context))
    }

    /// Sends a request.
    pub async fn ask(&self, request: hyper::Request<Bytes>) -> hyper::Response<Answer> {
        let mut request = request.map(Body::from);
        request.extensions_mut().insert(Ingress::Owner);
        let response = self.0.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
        response.map(Answer)
    }
}

impl hyper::body::Body for Answer {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let frame = ready!(Pin::new(&mut self.0).poll_frame(cx));
        Poll::Ready(frame.map(|frame| frame.map_err(io::Error::other)))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}
