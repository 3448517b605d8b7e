//! Where and how to publish.

use std::fmt;
use std::time::Duration;

use lapin::uri::AMQPUri;

use super::BrokerError;

/// How many events may be unconfirmed at once. 100 to 200 have all the throughput of 1,000 at a tenth of the latency; one at a
/// time is 14 to 37 times slower.
const WINDOW: usize = 200;
/// How long the broker may take to confirm: longer than a fsync on a busy disk, shorter than an operator's patience.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a connection may take to be made, TLS, login and topology included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How often either side must be heard: a dead peer is noticed within two of these.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// AMQP's limit on names is 255 bytes; the alternate exchange's name is 9 longer than ours.
const EXCHANGE_LENGTH_MAX: usize = 246;

/// Where and how to publish.
#[derive(Clone, PartialEq, Eq)]
pub struct Settings {
    /// `amqp://user:password@host:port/vhost`, or `amqps://`. Secret: see [`Settings::address`] for what may be shown.
    pub url: String,
    /// The name of the topic exchange.
    pub exchange: String,
    /// Whether the exchanges are declared at connect; otherwise the exchange must be there and is used as it is.
    pub declare: bool,
    /// How many events may be unconfirmed at once.
    pub window: usize,
    /// How long the broker may take to confirm, unless it says that it is blocked.
    pub confirm_timeout: Duration,
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// How often either side must be heard, in whole seconds; the URL's `heartbeat` goes before it.
    pub heartbeat: Duration,
}

impl Settings {
    /// The defaults for a broker.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            exchange: "telescribe".to_owned(),
            declare: true,
            window: WINDOW,
            confirm_timeout: CONFIRM_TIMEOUT,
            connect_timeout: CONNECT_TIMEOUT,
            heartbeat: HEARTBEAT,
        }
    }

    /// Where events go, as it may be shown and logged: without password and query.
    #[must_use]
    pub fn address(&self) -> String {
        match self.uri() {
            Ok(uri) => {
                let host =
                    if uri.authority.host.contains(':') { format!("[{}]", uri.authority.host) } else { uri.authority.host };
                let vhost = if uri.vhost == "/" { "%2f" } else { &uri.vhost };
                format!("{}://{}@{host}:{}/{vhost}", uri.scheme, uri.authority.userinfo.username, uri.authority.port)
            }
            Err(_) => "(not an AMQP URL)".to_owned(),
        }
    }

    /// Checks what can be checked without a broker; for the start of the program.
    ///
    /// # Errors
    /// When the URL or the exchange's name cannot be used.
    pub fn check(&self) -> Result<(), BrokerError> {
        let allowed =
            !self.exchange.is_empty() && self.exchange.len() <= EXCHANGE_LENGTH_MAX && !self.exchange.starts_with("amq.");
        if !allowed {
            return Err(BrokerError::ExchangeName { exchange: self.exchange.clone() });
        }
        self.uri().map(|_| ())
    }

    /// The exchange that takes what no queue is bound for.
    #[must_use]
    pub fn unrouted(&self) -> String {
        format!("{}.unrouted", self.exchange)
    }

    /// How many events make a batch: half a window, so that one batch is prepared and sent while the other is confirmed.
    pub(super) fn batch(&self) -> usize {
        (self.window / 2).max(1)
    }

    pub(super) fn uri(&self) -> Result<AMQPUri, BrokerError> {
        // The parser's own error repeats the URL, password included.
        let mut uri: AMQPUri = self.url.parse().map_err(|_: String| BrokerError::Url)?;
        if let Some(host) = ipv6_host(&self.url) {
            // The parser drops such a host and would silently connect to `localhost`.
            uri.authority.host = host.to_owned();
        }
        let heartbeat = u16::try_from(self.heartbeat.as_secs()).unwrap_or(u16::MAX);
        uri.query.heartbeat.get_or_insert(heartbeat);
        Ok(uri)
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("address", &self.address()).field("exchange", &self.exchange).finish_non_exhaustive()
    }
}

fn ipv6_host(url: &str) -> Option<&str> {
    let authority = url.split_once("://")?.1.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    Some(host.strip_prefix('[')?.split_once(']')?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_never_shown() {
        let settings = Settings::new("amqps://crawler:s3cret@mq.example.org/%2farchive?heartbeat=5");
        assert_eq!(settings.address(), "amqps://crawler@mq.example.org:5671//archive");
        assert!(!format!("{settings:?}").contains("s3cret"));
        for bad in ["http://crawler:s3cret@mq/", "amqp:s3cret", "amqp://crawler:s3cret@mq:port/", ""] {
            let settings = Settings::new(bad);
            let error = settings.check().unwrap_err().to_string();
            assert!(!format!("{error} {settings:?}").contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn an_ipv6_host_is_kept() {
        let settings = Settings::new("amqp://u:p@[::1]:5673/%2f");
        assert_eq!(settings.address(), "amqp://u@[::1]:5673/%2f");
        assert_eq!(settings.uri().unwrap().authority.host, "::1");
    }

    #[test]
    fn an_exchange_name_that_the_broker_would_refuse_is_refused_at_start() {
        for bad in ["", "amq.topic", &"x".repeat(247)] {
            let settings = Settings { exchange: bad.to_owned(), ..Settings::new("amqp://localhost") };
            assert!(matches!(settings.check(), Err(BrokerError::ExchangeName { .. })), "{bad}");
        }
        assert!(Settings::new("amqp://localhost").check().is_ok());
    }
}
