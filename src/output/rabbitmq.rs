//! RabbitMQ as an output: a durable topic exchange, publisher confirms, mandatory.
//!
//! It does not use lapin's auto-recovery, which can wait for ever for confirms that never come; a connection that failed is dropped and the
//! delivery retries from the stored position. It never declares queues: who consumes is the consumers' business.
//! lapin logs returned messages with their bodies at `warn`, so nothing that it logs reaches the program's log: message text never
//! does. Its errors all come back to us.
//!
//! The way through: `url` and `settings` (which broker), `broker` (the connection), `socket` (how it ends in any case), `size_limit` (what is too large
//! for a message), `error` (what can go wrong), `batch` (what is in flight).

mod batch;
mod broker;
mod error;
mod settings;
mod size_limit;
mod socket;
mod url;

use std::time::Duration;

pub use error::BrokerError;
pub use settings::{EVENT_SIZE_LIMIT, EVENT_SIZE_MAX, EVENT_SIZE_MIN, Settings, WINDOW, WINDOW_MAX, is_exchange_name};
pub use url::{AmqpUrl, FRAME_MAX_MIN, InvalidAmqpUrl};

use super::{Output, OutputError};
use broker::Broker;
use size_limit::SizeLimit;

/// A broker that takes events.
#[derive(Clone, Debug)]
pub struct RabbitMq {
    settings: Settings,
    limit: SizeLimit,
}

impl RabbitMq {
    /// One that was not connected to yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let limit = SizeLimit::new(settings.event_size_max);
        Self { settings, limit }
    }
}

impl Output for RabbitMq {
    type Session = Broker;

    fn target(&self) -> String {
        format!("`{}`, exchange `{}`", self.settings.address(), self.settings.exchange)
    }

    fn window(&self) -> usize {
        self.settings.window
    }

    fn confirm_timeout(&self) -> Duration {
        self.settings.confirm_timeout
    }

    fn forget_limits(&self) {
        self.limit.forget();
    }

    async fn connect(&self) -> Result<Broker, OutputError> {
        Ok(Broker::connect(&self.settings, &self.limit).await?)
    }

    fn blocked(&self) -> String {
        "the broker is short of memory or disk; free some, and publishing resumes".to_owned()
    }

    fn unconfirmed(&self) -> OutputError {
        BrokerError::Timeout(self.settings.confirm_timeout).into()
    }
}

impl From<BrokerError> for OutputError {
    fn from(error: BrokerError) -> Self {
        match error {
            BrokerError::Refused { .. } => Self::refused(error),
            _ if error.is_permanent() => Self::permanent(error),
            _ => Self::passing(error),
        }
    }
}
