//! The adapter of an account's session to the interface that grammers wants.
//!
//! Only data centres go through grammers. Peers and the updates' state are ours: its caches stay empty, and what it would write there is
//! not kept.

use std::net::{Ipv6Addr, SocketAddrV6};
use std::sync::Arc;

use grammers_client::session::types::{DcOption, PeerId, PeerInfo, UpdateState, UpdatesState};
use grammers_client::session::{BoxFuture, Session as GrammersSession};

use super::NetworkScope;
use crate::accounts::{AuthKey, DataCentre, HomeKeyKept, Session};

/// Why the session refused what grammers wanted to store.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionAdapterError {
    #[error(transparent)]
    HomeKey(#[from] HomeKeyKept),
    #[error("the server announced data centre {id} at {address}, which is not allowed for this kind of server")]
    Address { id: i32, address: String },
    #[error("another connection has made a newer key with data centre {0}")]
    NewerKey(i32),
}

impl SessionAdapterError {
    /// Refuses an address that is out of reach.
    pub(super) fn check(option: &DcOption, reach: NetworkScope) -> Result<(), Self> {
        // An option of port 0 is grammers' placeholder for an address it was not told.
        if option.ipv4.port() != 0 && !reach.allows(*option.ipv4.ip()) {
            return Err(Self::Address { id: option.id, address: option.ipv4.to_string() });
        }
        Ok(())
    }
}

/// A data centre of a session as grammers wants it, with a key.
pub(super) fn dc_option(id: i32, dc: DataCentre, key: Option<AuthKey>) -> DcOption {
    let ipv6 = dc.ipv6.unwrap_or_else(|| SocketAddrV6::new(dc.ipv4.ip().to_ipv6_mapped(), dc.ipv4.port(), 0, 0));
    DcOption { id, ipv4: dc.ipv4, ipv6, auth_key: key.map(|key| *key.bytes()) }
}

/// The adapter: a simulated session never leads to the real network, and a real one never to this machine.
pub(super) struct SessionAdapter {
    pub(super) session: Arc<Session>,
    pub(super) reach: NetworkScope,
}

impl GrammersSession for SessionAdapter {
    type Error = SessionAdapterError;

    fn home_dc_id(&self) -> Result<i32, SessionAdapterError> {
        Ok(self.session.home())
    }

    fn set_home_dc_id(&self, dc_id: i32) -> BoxFuture<'_, Result<(), SessionAdapterError>> {
        self.session.set_home(dc_id);
        Box::pin(async { Ok(()) })
    }

    fn dc_option(&self, dc_id: i32) -> Result<Option<DcOption>, SessionAdapterError> {
        let Some(mut dc) = self.session.data_centre(dc_id) else { return Ok(None) };
        let key = dc.auth_key.take();
        Ok(Some(dc_option(dc_id, dc, key)))
    }

    fn set_dc_option(&self, option: &DcOption) -> BoxFuture<'_, Result<(), SessionAdapterError>> {
        let stored = self.store(option);
        Box::pin(async move { stored })
    }

    fn peer(&self, _: PeerId) -> BoxFuture<'_, Result<Option<PeerInfo>, SessionAdapterError>> {
        Box::pin(async { Ok(None) })
    }

    fn cache_peer(&self, _: PeerInfo) -> BoxFuture<'_, Result<(), SessionAdapterError>> {
        Box::pin(async { Ok(()) })
    }

    fn updates_state(&self) -> BoxFuture<'_, Result<UpdatesState, SessionAdapterError>> {
        Box::pin(async { Ok(UpdatesState::default()) })
    }

    fn set_update_state(&self, _: UpdateState) -> BoxFuture<'_, Result<(), SessionAdapterError>> {
        Box::pin(async { Ok(()) })
    }
}

impl SessionAdapter {
    fn store(&self, option: &DcOption) -> Result<(), SessionAdapterError> {
        SessionAdapterError::check(option, self.reach)?;
        let mapped = |ip: &Ipv6Addr| ip.to_ipv4_mapped().is_some() || ip.is_unspecified();
        let ipv6 = Some(option.ipv6).filter(|a| !mapped(a.ip()));
        let new = DataCentre { ipv4: option.ipv4, ipv6, auth_key: option.auth_key.map(AuthKey::new) };
        Ok(self.session.set_data_centre(option.id, new)?)
    }
}
