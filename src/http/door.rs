//! Through which door a request came, and what it may therefore have.
//!
//! The connection states the door as a request extension. A request without one is treated as a stranger's.

use std::net::SocketAddr;

use axum::http::{HeaderMap, header};

use crate::seal::ClientName;

use super::settings::Sealing;

/// Where a request came in.
#[derive(Clone, Debug)]
pub enum Door {
    /// The socket in the data folder, or the same process: whoever can use these owns the archive.
    Owner,
    /// A TCP listener.
    Tcp {
        /// What the listener asks for.
        sealing: Sealing,
        /// Whether the program may be operated through it.
        operate: bool,
        /// Who connected.
        from: SocketAddr,
    },
    /// A TCP listener, and the request was sealed.
    Sealed {
        /// Who asks.
        client: ClientName,
        /// Whether the program may be operated through it.
        operate: bool,
    },
}

/// Whether a plain request may be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plain {
    Allowed,
    SealFirst,
    ForeignHost,
}

impl Door {
    /// Whether the answer is sealed.
    pub(super) fn is_sealed(&self) -> bool {
        matches!(self, Self::Sealed { .. })
    }

    /// Whether whoever comes through may operate the program, and not only read.
    pub(super) fn may_operate(&self) -> bool {
        match self {
            Self::Owner => true,
            Self::Tcp { operate, .. } | Self::Sealed { operate, .. } => *operate,
        }
    }

    /// The door's name in logs and metrics.
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
            Self::Tcp { .. } => Plain::Allowed,
        }
    }
}

/// Whether a proxy says that it passes the request on for somebody else.
fn came_on(headers: &HeaderMap) -> bool {
    headers.contains_key(header::FORWARDED) || headers.contains_key("x-forwarded-for") || headers.contains_key(header::VIA)
}

fn names_loopback(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()) else { return false };
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}
