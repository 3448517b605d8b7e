//! A SOCKS5 proxy, checked before it is used: one that does not parse is an error at the start, never a direct connection.
//!
//! Its user and password never appear in what is logged or shown.

use std::fmt;
use std::str::FromStr;

/// A SOCKS5 proxy.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    url: String,
    address: String,
}

/// Why a text is no proxy. It never repeats the text, which may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidProxy {
    /// Another kind of proxy.
    #[error("must start with socks5://; other proxies are not supported, and none is used silently")]
    Scheme,
    /// No host, or no port.
    #[error("must name a host and a port, as in socks5://127.0.0.1:1080")]
    Address,
    /// Only one of the two, or a character that does not survive the way to the proxy.
    #[error(
        "must have both user and password or neither, of only letters, digits and the characters -._~!$&'()*+, \
         (set a password of these at the proxy)"
    )]
    Credentials,
}

/// Characters beside letters and digits that reach the proxy as they are written: the transport takes others apart or escapes them.
const PLAIN: &str = "-._~!$&'()*+,";

impl FromStr for Proxy {
    type Err = InvalidProxy;

    fn from_str(text: &str) -> Result<Self, InvalidProxy> {
        let rest = text.strip_prefix("socks5://").ok_or(InvalidProxy::Scheme)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (credentials, address) = rest.rsplit_once('@').map_or((None, rest), |(c, address)| (Some(c), address));
        if let Some(credentials) = credentials {
            let (user, password) = credentials.split_once(':').ok_or(InvalidProxy::Credentials)?;
            let plain =
                |s: &str| !s.is_empty() && s.len() <= 255 && s.chars().all(|c| c.is_ascii_alphanumeric() || PLAIN.contains(c));
            if !plain(user) || !plain(password) {
                return Err(InvalidProxy::Credentials);
            }
        }
        let (host, port) = address.rsplit_once(':').ok_or(InvalidProxy::Address)?;
        let is_name = |host: &str| !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.');
        let is_ipv6 = |host: &str| {
            host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).is_some_and(|h| h.parse::<std::net::Ipv6Addr>().is_ok())
        };
        if !(is_name(host) || is_ipv6(host)) || port.parse::<u16>().map_or(true, |port| port == 0) {
            return Err(InvalidProxy::Address);
        }
        Ok(Self { address: format!("socks5://{address}"), url: format!("socks5://{rest}") })
    }
}

impl Proxy {
    /// The whole of it, password included, for the transport alone.
    pub(super) fn url(&self) -> &str {
        &self.url
    }
}

impl fmt::Display for Proxy {
    /// Where it is, without user and password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_proxy_is_shown_without_its_password() {
        let proxy: Proxy = "socks5://user:secret@proxy.example:1080/".parse().unwrap();
        assert_eq!(proxy.to_string(), "socks5://proxy.example:1080");
        assert_eq!(format!("{proxy:?}"), "Proxy(socks5://proxy.example:1080)");
        assert_eq!(proxy.url(), "socks5://user:secret@proxy.example:1080");
        assert!("socks5://[::1]:1080".parse::<Proxy>().is_ok());
    }

    #[test]
    fn what_would_not_be_used_as_written_is_refused() {
        for (text, error) in [
            ("http://proxy:80", InvalidProxy::Scheme),
            ("socks5h://proxy:80", InvalidProxy::Scheme),
            ("proxy:80", InvalidProxy::Scheme),
            ("socks5://proxy", InvalidProxy::Address),
            ("socks5://:1080", InvalidProxy::Address),
            ("socks5://proxy:0", InvalidProxy::Address),
            ("socks5://proxy:99999", InvalidProxy::Address),
            ("socks5://pro xy:1080", InvalidProxy::Address),
            ("socks5://proxy:1080/path", InvalidProxy::Address),
            ("socks5://user@proxy:1080", InvalidProxy::Credentials),
            ("socks5://user:@proxy:1080", InvalidProxy::Credentials),
            ("socks5://user:p@ss@proxy:1080", InvalidProxy::Credentials),
            ("socks5://user:p%40ss@proxy:1080", InvalidProxy::Credentials),
            ("socks5://user:pässword@proxy:1080", InvalidProxy::Credentials),
        ] {
            assert_eq!(text.parse::<Proxy>().unwrap_err(), error, "{text}");
            assert!(!error.to_string().contains("p@ss"));
        }
    }

    proptest! {
        #[test]
        fn a_password_is_never_shown_however_it_is_written(
            user in "[/#?@:%&=+\\[\\]\\PC]{0,4}", before in "[/#?@:%&=+0-9\\[\\]\\PC]{0,4}", behind in "[/#?@:%&=+\\[\\]\\PC]{0,4}",
            scheme in "(socks5://|socks5:/|socks5h://|)"
        ) {
            let shown = match format!("{scheme}{user}:{before}s3cretw0rd{behind}@127.0.0.1:1080").parse::<Proxy>() {
                Ok(proxy) => format!("{proxy} {proxy:?}"),
                Err(error) => format!("{error} {error:?}"),
            };
            prop_assert!(!shown.contains("s3cretw0rd"), "{}", shown);
        }
    }
}
