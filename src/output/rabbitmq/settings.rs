//! The publisher's settings: broker, exchange, window, timeouts.

use std::time::Duration;

use lapin::uri::AMQPUri;

use super::AmqpUrl;

/// The default window: how many events may be unconfirmed at once. 100 to 200 have all the throughput of 1,000 at a tenth of the
/// latency; one at a time is 14 to 37 times slower.
pub const WINDOW: usize = 200;
/// The largest window: it has the throughput of the default already, and so many events may come out of order where a queue refuses them.
pub const WINDOW_MAX: usize = 1_000;
/// The largest event that is sent whole, unless it is set: below what RabbitMQ takes by default, which is 16 MiB since version 4.
pub const EVENT_SIZE_MAX: usize = 8 << 20;
/// The least that can be set: a claim check has some hundred bytes.
pub const EVENT_SIZE_MIN: usize = 4 << 10;
/// The most that can be set: what RabbitMQ can be set to.
pub const EVENT_SIZE_LIMIT: usize = 512 << 20;
/// How long the broker may take to confirm: longer than a fsync on a busy disk, shorter than an operator's patience.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a connection may take to be made, TLS, login and topology included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How often either side must be heard: a dead peer is noticed within two of these.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// AMQP's limit on names is 255 bytes; the alternate exchange's name is 9 longer than ours.
const EXCHANGE_LENGTH_MAX: usize = 246;

/// The publisher's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where it stands in the configuration, such as `publish`; for errors that name what to change.
    pub key: String,
    /// Which broker, and as whom.
    pub url: AmqpUrl,
    /// The name of the topic exchange.
    pub exchange: String,
    /// Whether the exchanges are declared at connect; otherwise the exchange must be there and is used as it is.
    pub declare: bool,
    /// The window: how many events may be unconfirmed at once. With 1 the order holds also in a queue that refuses events.
    pub window: usize,
    /// The largest event that is sent whole, in bytes; of a larger one a claim check is sent.
    pub event_size_max: usize,
    /// How long the broker may take to confirm, unless it says that it is blocked.
    pub confirm_timeout: Duration,
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// How often either side must be heard, in whole seconds; the URL's `heartbeat` goes before it.
    pub heartbeat: Duration,
}

impl Settings {
    /// For a broker and an exchange, with the usual window and timeouts. `key` is where they stand in the configuration.
    #[must_use]
    pub fn new(key: &str, url: AmqpUrl, exchange: &str, declare: bool) -> Self {
        Self {
            key: key.to_owned(),
            url,
            exchange: exchange.to_owned(),
            declare,
            window: WINDOW,
            event_size_max: EVENT_SIZE_MAX,
            confirm_timeout: CONFIRM_TIMEOUT,
            connect_timeout: CONNECT_TIMEOUT,
            heartbeat: HEARTBEAT,
        }
    }

    /// Where events go, as it may be shown and logged: without password and parameters.
    #[must_use]
    pub fn address(&self) -> String {
        self.url.to_string()
    }

    /// The exchange that takes what no queue is bound for.
    #[must_use]
    pub fn unrouted(&self) -> String {
        format!("{}.unrouted", self.exchange)
    }

    /// What the transport is given, password included.
    pub(super) fn uri(&self) -> AMQPUri {
        let mut uri = self.url.uri().clone();
        let heartbeat = u16::try_from(self.heartbeat.as_secs()).unwrap_or(u16::MAX);
        uri.query.heartbeat.get_or_insert(heartbeat);
        uri
    }
}

/// Whether an exchange can be called that.
#[must_use]
pub fn is_exchange_name(name: &str) -> bool {
    (1..=EXCHANGE_LENGTH_MAX).contains(&name.len()) && !name.starts_with("amq.") && !name.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str) -> Settings {
        Settings::new("publish", url.parse().unwrap(), "telescribe", true)
    }

    #[test]
    fn the_password_is_never_shown() {
        let settings = settings("amqps://crawler:s3cret@mq.example.org/%2farchive?heartbeat=5");
        assert_eq!(settings.address(), "amqps://crawler@mq.example.org:5671/%2farchive");
        assert!(!format!("{settings:?}").contains("s3cret"));
        assert_eq!((settings.uri().authority.userinfo.password.as_str(), settings.uri().query.heartbeat), ("s3cret", Some(5)));
    }

    #[test]
    fn an_ipv6_host_is_kept() {
        let settings = settings("amqp://u:p@[::1]:5673/%2f");
        assert_eq!(settings.address(), "amqp://u@[::1]:5673/%2f");
        assert_eq!(settings.uri().authority.host, "::1");
    }

    #[test]
    fn an_exchange_name_that_the_broker_would_refuse_is_none() {
        for bad in ["", "amq.topic", "two\nlines", &"x".repeat(247)] {
            assert!(!is_exchange_name(bad), "{bad}");
        }
        assert!(is_exchange_name("telescribe"));
    }
}
