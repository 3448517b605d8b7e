//! A SOCKS5 proxy, checked before it is used: one that does not parse is an error at the start, never a direct connection.
//!
//! Its name is resolved as the system does (`/etc/hosts` included), and the transport is told the first of its addresses that takes a
//! connection: by itself it asks a name server, takes the first address that comes, and tells no reason.
//!
//! Its user and password never appear in what is logged or shown.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use tokio::net::TcpStream;

/// How long one address of several may take to be connected to: the others get their turn within one request's time.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A SOCKS5 proxy.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    /// `user:password@`, or nothing.
    credentials: String,
    host: String,
    port: u16,
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
        let (host, port_text) = address.rsplit_once(':').ok_or(InvalidProxy::Address)?;
        let is_name = |host: &str| !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.');
        let is_ipv6 =
            |host: &str| host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).is_some_and(|h| h.parse::<Ipv6Addr>().is_ok());
        let port = port_text.parse().ok().filter(|port| *port != 0).ok_or(InvalidProxy::Address)?;
        if !(is_name(host) || is_ipv6(host)) {
            return Err(InvalidProxy::Address);
        }
        let credentials = credentials.map_or_else(String::new, |credentials| format!("{credentials}@"));
        Ok(Self { credentials, host: host.to_owned(), port })
    }
}

impl Proxy {
    /// The whole of it, password included, for the transport alone: with the first of its addresses that takes a connection.
    ///
    /// # Errors
    /// A text with each address and why it does not, without the password.
    pub(super) async fn connectable_url(&self) -> Result<String, String> {
        let addresses = self.addresses().await?;
        let mut refusals = Vec::new();
        for address in &addresses {
            let connected = match tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
                Ok(connected) => connected.map(drop),
                Err(_) => Err(io::Error::other(format!("no answer within {CONNECT_TIMEOUT:?}"))),
            };
            match connected {
                Ok(()) => return Ok(format!("socks5://{}{address}", self.credentials)),
                Err(error) => refusals.push(format!("{address} ({error})")),
            }
        }
        Err(format!("cannot connect to {}", refusals.join(", ")))
    }

    /// Its addresses, IPv4 first: it is what more proxies listen on, and what a machine without IPv6 can reach.
    async fn addresses(&self) -> Result<Vec<SocketAddr>, String> {
        if let Ok(address) = format!("{}:{}", self.host, self.port).parse() {
            return Ok(vec![address]);
        }
        // Whatever a name server says, this is the machine itself (RFC 6761).
        let is_own = self.host.eq_ignore_ascii_case("localhost");
        let found = match tokio::net::lookup_host((self.host.as_str(), self.port)).await {
            Ok(found) => found.collect(),
            Err(_) if is_own => Vec::new(),
            Err(error) => return Err(format!("the name `{}` cannot be resolved ({error})", self.host)),
        };
        let own: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        let own = own.into_iter().filter(|_| is_own).map(|address| SocketAddr::new(address, self.port));
        let mut addresses: Vec<SocketAddr> = Vec::new();
        for address in found.into_iter().chain(own) {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        addresses.sort_by_key(SocketAddr::is_ipv6);
        if addresses.is_empty() { Err(format!("the name `{}` has no address", self.host)) } else { Ok(addresses) }
    }
}

impl fmt::Display for Proxy {
    /// Where it is, without user and password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "socks5://{}:{}", self.host, self.port)
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
        assert_eq!("socks5://[::1]:1080".parse::<Proxy>().unwrap().to_string(), "socks5://[::1]:1080");
    }

    #[tokio::test]
    async fn the_transport_is_told_an_address_and_the_password_and_nobody_else_is() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        for host in ["127.0.0.1", "localhost", "LocalHost"] {
            let proxy: Proxy = format!("socks5://user:secret@{host}:{port}").parse().unwrap();
            assert_eq!(proxy.connectable_url().await.unwrap(), format!("socks5://user:secret@127.0.0.1:{port}"));
        }
        drop(listener);
        let proxy: Proxy = format!("socks5://user:secret@localhost:{port}").parse().unwrap();
        let error = proxy.connectable_url().await.unwrap_err();
        assert!(error.contains(&format!("127.0.0.1:{port} (")) && error.contains(&format!("[::1]:{port} (")), "{error}");
        assert!(!error.contains("secret"), "{error}");
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
