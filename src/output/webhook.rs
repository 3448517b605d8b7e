//! Web hooks as an output: each event is a signed request to a receiver, as Standard Webhooks 1.0 has it
//! (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>).
//!
//! # Guarantees
//! - One request at a time, in the order of the change log; the position moves over an event when its answer is a success (2xx), and never otherwise.
//! - The same event has the same `webhook-id` and, but for counters, the same body at each attempt: receivers are idempotent by it. An attempt has its own
//!   time and signature.
//! - The receiver cannot lead the program elsewhere: redirects are not followed. What it answers is read for its status and `Retry-After` only, and nothing
//!   of it is logged or shown but the status.
//! - A receiver that says that it is gone (410) is asked once an hour; any other that does not confirm, after the usual backoff and what it asks for itself.
//! - Nothing shows the secret, nor what is behind the host of the address, which for many receivers is one too.
//!
//! A receiver that refuses one event for good stands still at it: whoever does not want an event confirms it, or has it skipped (a dead letter).
//!
//! The way through: `address`, `secret` and `settings` (who receives), `receiver` (the requests), `answer` (what is said to them).

mod address;
mod answer;
mod receiver;
mod secret;
mod settings;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

pub use address::{InvalidWebhookUrl, WebhookUrl};
pub use receiver::Receiver;
pub use secret::{InvalidWebhookSecret, WebhookSecret};
pub use settings::{Settings, TIMEOUT, TIMEOUT_MAX, TIMEOUT_MIN};

use super::{Output, OutputError};
use crate::event::EventFilter;
use crate::https_client::{HttpsClient, RequestBody};
use crate::model::Clock;

/// How much longer than the request itself a batch may take: the request is to say itself that it took too long.
const CONFIRM_GRACE: Duration = Duration::from_secs(5);

/// A receiver that takes events.
#[derive(Debug)]
pub struct Webhook {
    settings: Arc<Settings>,
    clock: Arc<dyn Clock>,
    /// Made once: it reads the system's certificates.
    client: OnceLock<HttpsClient<RequestBody>>,
}

impl Webhook {
    /// One that no request was sent to yet.
    #[must_use]
    pub fn new(settings: Settings, clock: Arc<dyn Clock>) -> Self {
        Self { settings: Arc::new(settings), clock, client: OnceLock::new() }
    }

    fn client(&self) -> Result<HttpsClient<RequestBody>, OutputError> {
        if let Some(client) = self.client.get() {
            return Ok(client.clone());
        }
        let client = HttpsClient::new(self.settings.url.is_secure()).map_err(OutputError::permanent)?;
        Ok(self.client.get_or_init(|| client).clone())
    }
}

impl Output for Webhook {
    type Session = Receiver;

    fn target(&self) -> String {
        format!("web hook `{}`", self.settings.url)
    }

    fn window(&self) -> usize {
        1
    }

    fn filter(&self) -> EventFilter {
        self.settings.filter.clone()
    }

    /// A receiver may be charged by the request.
    fn refused_retry_max(&self) -> Duration {
        Duration::from_secs(30)
    }

    /// Matches may be rare: an outage is not to count as going on for weeks.
    fn calm_after(&self) -> u64 {
        10
    }

    fn confirm_timeout(&self) -> Duration {
        self.settings.timeout + CONFIRM_GRACE
    }

    async fn connect(&self) -> Result<Receiver, OutputError> {
        Receiver::reach(self.client()?, &self.settings, &self.clock).await
    }
}
