//! The connections to the storage server, with an end for every wait.
//!
//! `object_store` makes and signs the requests; it brings a client of its own only with another library of cryptography, so they are sent by
//! `https_client`. Two things are done here that it
//! does not do: an answer that is no success becomes a [`Refusal`] at once, and the request that completes a multipart upload is conditional, too.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use object_store::ClientOptions;
use object_store::client::{HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse};

use super::error::Refusal;
use crate::https_client::{HttpsClient, Unanswered, read};

/// How long a server may take to answer, beside the time that the bytes need: a busy one was seen to need seconds for a part.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes a second that a connection must bring across at least: the slowest that is of use for files.
const RATE_MIN: u64 = 64 << 10;
/// Bytes of an answer at most: twice the largest range that is asked for.
const ANSWER_MAX: usize = 32 << 20;
/// The checksum of the bytes of a request, which servers that compare it repeat in the answer.
const CHECKSUM: &str = "x-amz-checksum-sha256";

/// Stands in an answer in which the server has confirmed the checksum that was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConfirmedChecksum;

/// Makes connections.
#[derive(Debug)]
pub(super) struct StorageConnector {
    /// Whether the server knows conditional requests, as far as is known.
    pub(super) is_conditional: Arc<AtomicBool>,
    pub(super) is_secure: bool,
}

impl HttpConnector for StorageConnector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = HttpsClient::new(self.is_secure);
        let client = client.map_err(|source| object_store::Error::Generic { store: "S3", source: Box::new(source) })?;
        Ok(HttpClient::new(StorageConnection { client, is_conditional: Arc::clone(&self.is_conditional) }))
    }
}

struct StorageConnection {
    client: HttpsClient<HttpRequestBody>,
    is_conditional: Arc<AtomicBool>,
}

impl fmt::Debug for StorageConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StorageConnection").finish_non_exhaustive()
    }
}

impl StorageConnection {
    async fn ask(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let completes = request.method().as_str() == "POST" && request.uri().query().is_some_and(|q| q.contains("uploadId="));
        if completes && self.is_conditional.load(Ordering::Relaxed) {
            // Not signed, as it need not be.
            request.headers_mut().insert("if-none-match", object_store::HeaderValue::from_static("*"));
        }
        let checksum = request.headers().get(CHECKSUM).cloned();
        let sent = request.body().content_length() as u64;
        let limit = ANSWER_TIMEOUT + Duration::from_secs((sent + asked_for(&request)) / RATE_MIN);
        let answered = async {
            let (parts, body) = self.client.send(request).await?.into_parts();
            Ok::<_, Unanswered>((parts, read(body, ANSWER_MAX).await?))
        };
        let Ok(answered) = tokio::time::timeout(limit, answered).await else {
            return Err(failed(Unanswered::new(format!("it has not answered for {limit:?}"))));
        };
        let (mut parts, body) = answered.map_err(failed)?;
        if checksum.is_some() && parts.headers.get(CHECKSUM) == checksum.as_ref() {
            parts.extensions.insert(ConfirmedChecksum);
        }
        match parts.status.is_success() {
            true => Ok(HttpResponse::from_parts(parts, body.into())),
            false => Err(failed(Refusal::new(parts.status.as_u16(), &body))),
        }
    }
}

impl object_store::client::HttpService for StorageConnection {
    // As `#[async_trait]` writes it.
    fn call<'this, 'call>(
        &'this self,
        request: HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'call>>
    where
        'this: 'call,
        Self: 'call,
    {
        Box::pin(self.ask(request))
    }
}

/// The bytes of the range that a request asks for.
fn asked_for(request: &HttpRequest) -> u64 {
    let range =
        request.headers().get("range").and_then(|range| range.to_str().ok()).and_then(|range| range.strip_prefix("bytes="));
    let ends = range.and_then(|range| range.split_once('-'));
    let ends = ends.and_then(|(first, last)| Some((first.parse::<u64>().ok()?, last.parse::<u64>().ok()?)));
    ends.map_or(0, |(first, last)| last.saturating_sub(first))
}

fn failed(error: impl Error + Send + Sync + 'static) -> HttpError {
    // A kind that nobody tries again: when and how often is decided by us.
    HttpError::new(HttpErrorKind::Unknown, error)
}
