//! The receiver: events as signed requests, one after the other.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, USER_AGENT};
use hyper::{Method, Request, Response};

use super::answer;
use super::settings::Settings;
use crate::event::Event;
use crate::https_client::{Distrust, HttpsClient, RequestBody, Unanswered, read};
use crate::model::Clock;
use crate::output::{Confirmed, OutputBatch, OutputError, OutputSession};

/// Bytes of an answer's body that are read, so that the connection can be used again; of a longer one nothing more is read than this.
const BODY_MAX: usize = 8 << 10;
/// How long that may take. The event is confirmed or refused before.
const BODY_TIMEOUT: Duration = Duration::from_secs(1);
/// As the HTTP binding of CloudEvents has it, for the structured mode.
const MEDIA_TYPE: &str = "application/cloudevents+json; charset=utf-8";
/// Who asks.
const AGENT: &str = concat!("telescribe/", env!("CARGO_PKG_VERSION"));

/// A receiver that was reached. No connection need be open: each request finds one that is, or makes one.
#[derive(Clone, Debug)]
pub struct Receiver {
    client: HttpsClient<RequestBody>,
    settings: Arc<Settings>,
    clock: Arc<dyn Clock>,
}

/// Events of which one at a time is on its way.
pub struct Attempts {
    receiver: Receiver,
    waiting: VecDeque<Event>,
    current: Option<BoxFuture<'static, Result<(), OutputError>>>,
    confirmed: u64,
}

impl Receiver {
    /// Makes a connection, to see whether one comes about.
    pub(super) async fn reach(
        client: HttpsClient<RequestBody>,
        settings: &Arc<Settings>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, OutputError> {
        let reached = tokio::time::timeout(settings.timeout, client.try_to_connect(settings.url.uri().clone())).await;
        let reached = reached.unwrap_or_else(|_| Err(Unanswered::new(format!("no response for {:?}", settings.timeout))));
        reached.map_err(|why| unreachable(settings, &why))?;
        Ok(Self { client, settings: Arc::clone(settings), clock: Arc::clone(clock) })
    }

    /// Sends an event, and returns when it is confirmed.
    async fn deliver(self, event: Event) -> Result<(), OutputError> {
        let request = self.request(event)?;
        let timeout = self.settings.timeout;
        let answer = match tokio::time::timeout(timeout, self.client.send(request)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(why)) if why.is_unreachable() => return Err(unreachable(&self.settings, &why)),
            Ok(Err(why)) => return Err(OutputError::refused(format!("the receiver did not answer: {why}"))),
            Err(_) => return Err(OutputError::refused(format!("the receiver did not answer for {timeout:?}"))),
        };
        let confirmed = answer::confirmed(&answer, &self.settings.key, self.clock.timestamp());
        drain(answer).await;
        confirmed
    }

    fn request(&self, event: Event) -> Result<Request<RequestBody>, OutputError> {
        let Settings { url, secret, .. } = self.settings.as_ref();
        // Of this attempt: receivers refuse old ones, so that nobody can send them again.
        let timestamp = self.clock.timestamp().0.to_string();
        let signature = secret.sign(&event.id, &timestamp, &event.body);
        let request = Request::builder()
            .method(Method::POST)
            .uri(url.uri().clone())
            .header(CONTENT_TYPE, MEDIA_TYPE)
            .header(USER_AGENT, AGENT)
            .header("webhook-id", &event.id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .body(RequestBody::new(Bytes::from(event.body)));
        request.map_err(|_| OutputError::permanent(format!("the event of change {} cannot be sent as a request", event.seq)))
    }
}

fn unreachable(settings: &Settings, why: &Unanswered) -> OutputError {
    let (url, text) = (&settings.url, why.to_string());
    let way_out = match why.distrust() {
        Some(Distrust::Time) => "; have it renew its certificate, or set the clock of this machine",
        Some(Distrust::Name) => "; use the name that its certificate is for",
        Some(Distrust::Authority) => "; have it use a certificate that is no authority's (`CA:FALSE`)",
        Some(Distrust::Issuer) => {
            "; have the system trust who has issued its certificate, or name another file of certificates in SSL_CERT_FILE"
        }
        None => "; check that it runs and that the address is right",
    };
    OutputError::passing(format!("receiver `{url}` cannot be reached: {text}{way_out}"))
}

/// Reads what is left of an answer, where that is little. What it says is of no interest.
async fn drain(answer: Response<Incoming>) {
    if let Ok(Err(why)) = tokio::time::timeout(BODY_TIMEOUT, read(answer.into_body(), BODY_MAX)).await {
        tracing::trace!("the body of an answer was not read to its end: {why}");
    }
}

impl OutputSession for Receiver {
    type Batch = Attempts;

    /// Receivers close idle connections as they like.
    fn is_open(&self) -> bool {
        true
    }

    async fn send(&mut self, events: Vec<Event>) -> Attempts {
        Attempts { receiver: self.clone(), waiting: events.into(), current: None, confirmed: 0 }
    }

    async fn close(self) {}
}

impl OutputBatch for Attempts {
    async fn settle(&mut self) -> Result<(), OutputError> {
        loop {
            if self.current.is_none() {
                let Some(event) = self.waiting.pop_front() else { return Ok(()) };
                self.current = Some(Box::pin(self.receiver.clone().deliver(event)));
            }
            let Some(current) = self.current.as_mut() else { return Ok(()) };
            let delivered = current.await;
            self.current = None;
            // Nothing behind one that failed is sent.
            delivered.inspect_err(|_| self.waiting.clear())?;
            self.confirmed += 1;
        }
    }

    fn confirmed(&self) -> Confirmed {
        Confirmed { events: self.confirmed, unroutable: 0 }
    }
}
