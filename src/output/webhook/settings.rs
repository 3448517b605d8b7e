//! A web hook's settings: who receives, which events, and how long an answer may take.

use std::time::Duration;

use super::{WebhookSecret, WebhookUrl};
use crate::event::EventFilter;

/// How long a request may take, unless it is set: the specification recommends 15 to 30 seconds.
pub const TIMEOUT: Duration = Duration::from_secs(15);
/// The shortest that can be set.
pub const TIMEOUT_MIN: Duration = Duration::from_secs(1);
/// The longest: what is behind an event waits meanwhile.
pub const TIMEOUT_MAX: Duration = Duration::from_secs(300);

/// A web hook's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where it stands in the configuration, such as `outputs.0`; for errors that name what to change.
    pub key: String,
    /// Where the receiver is.
    pub url: WebhookUrl,
    /// What requests are signed with.
    pub secret: WebhookSecret,
    /// Which events are sent.
    pub filter: EventFilter,
    /// How long a request may take, from the connection to the head of the answer.
    pub timeout: Duration,
}
