//! RabbitMQ as an output: a durable topic exchange, publisher confirms, mandatory.
//!
//! It does not use lapin's auto-recovery, which can wait for ever for confirms that never come; a connection that failed is dropped and the
//! delivery retries from the stored position. It never declares queues: who consumes is the consumers' business.
//! lapin logs returned messages with their bodies at `warn`, so the program's log filter must say `lapin=error`: message text never
//! reaches a log.
//!
//! The way through: `url` and `settings` (which broker), `broker` (the connection), `error` (what can go wrong), `batch` (what is in
//! flight).

mod batch;
mod broker;
mod error;
mod settings;
mod url;

use std::time::Duration;

pub use error::BrokerError;
pub use settings::{Settings, WINDOW, WINDOW_MAX, is_exchange_name};
pub use url::{AmqpUrl, InvalidAmqpUrl};

use super::{Output, OutputError};
use broker::Broker;

/// A broker that takes events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RabbitMq(pub Settings);

impl Output for RabbitMq {
    type Session = Broker;

    fn target(&self) -> String {
        format!("`{}`, exchange `{}`", self.0.address(), self.0.exchange)
    }

    fn window(&self) -> usize {
        self.0.window
    }

    fn confirm_timeout(&self) -> Duration {
        self.0.confirm_timeout
    }

    async fn connect(&self) -> Result<Broker, OutputError> {
        Ok(Broker::connect(&self.0).await?)
    }

    fn blocked(&self) -> String {
        "the broker is short of memory or disk; free some, and publishing resumes".to_owned()
    }

    fn unconfirmed(&self) -> OutputError {
        BrokerError::Timeout(self.0.confirm_timeout).into()
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
