//! The ingress of a request: how it came in, and what it is therefore authorised to do.
//!
//! The connection adds it to each request as an extension. A request without one is refused.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::http::{HeaderMap, header};

use crate::seal::{Key, KeyScope};

use super::settings::Sealing;

/// How a request came in.
#[derive(Clone, Debug)]
pub enum Ingress {
    /// The socket in the data folder, or the same process: who can use these owns the archive.
    Owner,
    /// A TCP listener.
    Tcp {
        /// What the listener requires.
        sealing: Sealing,
        /// Whether the listener accepts operator requests.
        operate: bool,
        /// The client's address.
        from: SocketAddr,
    },
    /// A TCP listener, and the request was sealed.
    Sealed {
        /// The key that it was sealed with.
        key: Arc<Key>,
        /// The address that it came from, which may be a proxy's.
        from: Option<SocketAddr>,
        /// Whether the listener accepts operator requests.
        operate: bool,
    },
}

/// Whether a plain request may be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plain {
    Allowed,
    SealFirst,
    ForeignHost,
    CrossSite,
}

impl Ingress {
    /// Whether the answer is sealed.
    pub(super) fn is_sealed(&self) -> bool {
        matches!(self, Self::Sealed { .. })
    }

    /// Whether operator requests are accepted, and not only reading.
    pub(super) fn may_operate(&self) -> bool {
        match self {
            Self::Owner => true,
            Self::Tcp { operate, .. } | Self::Sealed { operate, .. } => *operate,
        }
    }

    /// Whether something may be asked of what is not for everybody: as the listener says and, where the request was sealed, its key.
    pub(super) fn may(&self, scope: KeyScope) -> bool {
        let is_reading = KeyScope::READING.contains(&scope);
        (is_reading || self.may_operate()) && self.key().is_none_or(|key| key.rights().have(scope))
    }

    /// The key that sealed the request.
    pub(super) fn key(&self) -> Option<&Arc<Key>> {
        match self {
            Self::Sealed { key, .. } => Some(key),
            Self::Owner | Self::Tcp { .. } => None,
        }
    }

    /// The address that the request came from.
    pub(super) fn from(&self) -> Option<SocketAddr> {
        match self {
            Self::Owner => None,
            Self::Tcp { from, .. } => Some(*from),
            Self::Sealed { from, .. } => *from,
        }
    }

    /// Its name in logs.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Tcp { .. } => "plain",
            Self::Sealed { .. } => "sealed",
        }
    }

    /// Whether a plain request for archived data may be answered here.
    pub(super) fn plain(&self, headers: &HeaderMap) -> Plain {
        match self {
            Self::Owner | Self::Sealed { .. } => Plain::Allowed,
            Self::Tcp { sealing: Sealing::Required, .. } => Plain::SealFirst,
            Self::Tcp { sealing: Sealing::Optional, from, .. } if !from.ip().to_canonical().is_loopback() || came_on(headers) => {
                Plain::SealFirst
            }
            // A page of some website, open in a browser of this machine, must not read the archive: by DNS rebinding its name
            // can be made to mean this machine, but its requests still carry the name.
            Self::Tcp { .. } if !names_loopback(headers) => Plain::ForeignHost,
            // Nor ask for it at all, even where the browser would keep the answer to itself: how long one takes tells something too.
            Self::Tcp { .. } if is_cross_site(headers) => Plain::CrossSite,
            Self::Tcp { .. } => Plain::Allowed,
        }
    }
}

/// Whether the headers of a proxy say that the request was forwarded.
fn came_on(headers: &HeaderMap) -> bool {
    headers.contains_key(header::FORWARDED) || headers.contains_key("x-forwarded-for") || headers.contains_key(header::VIA)
}

/// Whether a browser says that another site has it ask (Fetch Metadata).
fn is_cross_site(headers: &HeaderMap) -> bool {
    headers.get_all("sec-fetch-site").iter().any(|site| site.as_bytes().eq_ignore_ascii_case(b"cross-site"))
}

/// Whether the one `Host` is this machine: of two, somebody on the way may have heeded the other.
fn names_loopback(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next().and_then(|host| host.to_str().ok()), hosts.next()) else { return false };
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}
