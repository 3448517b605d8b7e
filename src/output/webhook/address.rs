//! The address of a receiver. What is behind the host is a secret for many receivers, so it is never shown.

use std::fmt;
use std::str::FromStr;

use hyper::Uri;
use url::{Host, Url};

/// Bytes of an address at most: what servers take as a request's line.
const LENGTH_MAX: usize = 2_048;

/// Where a receiver is. It shows scheme, host and port.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookUrl {
    uri: Uri,
    /// Without path and query.
    shown: String,
    is_secure: bool,
    is_loopback: bool,
}

/// A text is no address of a receiver. It is not repeated: there may be a password in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidWebhookUrl(&'static str);

impl WebhookUrl {
    /// Whether the connection is encrypted.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// Whether it is on this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.is_loopback
    }

    /// The whole of it, for the request alone.
    pub(super) fn uri(&self) -> &Uri {
        &self.uri
    }
}

impl FromStr for WebhookUrl {
    type Err = InvalidWebhookUrl;

    fn from_str(text: &str) -> Result<Self, InvalidWebhookUrl> {
        let refused = |why| Err(InvalidWebhookUrl(why));
        let scheme = text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
        if !matches!(scheme.as_deref(), Some("https" | "http")) {
            return refused("must start with https:// or http://");
        }
        // The standard parser would silently leave some of them out.
        if text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
            return refused("must have no spaces, line feeds or backslashes");
        }
        if text.len() > LENGTH_MAX {
            return refused("must have at most 2048 bytes");
        }
        let url = Url::parse(text)
            .map_err(|_| InvalidWebhookUrl("must have a host and, behind its colon, a port number or nothing"))?;
        if !url.username().is_empty()
            || url.password().is_some()
            || text.split(['/', '?', '#']).nth(2).is_some_and(|a| a.contains('@'))
        {
            return refused("must have no user and no password: the receiver knows us by `secret`");
        }
        if url.fragment().is_some() {
            return refused("must not have a #, because what is behind it is never sent");
        }
        let is_loopback = match url.host() {
            Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => return refused("must have a host"),
        };
        if url.port() == Some(0) {
            return refused("must have a port number from 1 to 65535, or no colon after the host");
        }
        let uri = url.as_str().parse().map_err(|_| InvalidWebhookUrl("must be percent-encoded behind the host"))?;
        let shown = url.origin().ascii_serialization();
        Ok(Self { uri, shown, is_secure: url.scheme() == "https", is_loopback })
    }
}

impl fmt::Display for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebhookUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_shows_where_it_is_and_never_what_is_behind_that() {
        for (text, shown, uri) in [
            (
                "https://hooks.example.org/T0/s3cret?token=s3cret",
                "https://hooks.example.org",
                "https://hooks.example.org/T0/s3cret?token=s3cret",
            ),
            ("HTTP://127.0.0.1:8080", "http://127.0.0.1:8080", "http://127.0.0.1:8080/"),
            ("https://[::1]:8443/a", "https://[::1]:8443", "https://[::1]:8443/a"),
            ("https://bücher.example/ä", "https://xn--bcher-kva.example", "https://xn--bcher-kva.example/%C3%A4"),
        ] {
            let url: WebhookUrl = text.parse().unwrap();
            assert_eq!((url.to_string().as_str(), url.uri().to_string().as_str()), (shown, uri));
            assert_eq!(format!("{url:?}"), format!("WebhookUrl({shown})"));
        }
        let parsed = |text: &str| text.parse::<WebhookUrl>().unwrap();
        assert!(parsed("http://localhost:1").is_loopback() && parsed("http://127.9.9.9").is_loopback());
        assert!(parsed("http://[::1]").is_loopback() && !parsed("https://localhost.example.org").is_loopback());
        assert!(parsed("https://a.example").is_secure() && !parsed("http://a.example").is_secure());
    }

    #[test]
    fn what_is_no_address_is_refused_without_being_repeated() {
        for (text, why) in [
            ("", "must start with https://"),
            ("s3cret.example.org", "must start with https://"),
            ("amqp://user:s3cret@h", "must start with https://"),
            ("file:///s3cret", "must start with https://"),
            ("https://", "must have a host"),
            ("https://h:s3cret/", "must have a host"),
            ("https://h:99999/s3cret", "must have a host"),
            ("https://h:0/s3cret", "must have a port number"),
            ("https://user:s3cret@h/", "must have no user"),
            ("https://s3cret@h/", "must have no user"),
            ("https://@h/s3cret", "must have no user"),
            ("https://h/a#s3cret", "must not have a #"),
            ("https://h/a#", "must not have a #"),
            ("https://h/s3cret and more", "must have no spaces"),
            ("https://h/s3cret\n", "must have no spaces"),
            ("https:\\\\h/s3cret", "must start with https://"),
            (&format!("https://h/{}", "s3cret".repeat(400)), "must have at most 2048"),
        ] {
            let error = text.parse::<WebhookUrl>().unwrap_err();
            assert!(error.to_string().starts_with(why), "{text}: {error}");
            assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
        }
    }
}
