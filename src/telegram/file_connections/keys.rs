//! The adapter of an account's session to what grammers wants, for a connection for files.
//!
//! Such a connection writes nothing back but a key that was made with a data centre which is not the account's home: no address, of
//! whatever use, and no state of updates. Home's key is never replaced, and of two connections that make a key with the same data centre
//! the first one is kept, so that every connection has the one that the account's authorisation was imported to.

use std::sync::{Arc, Mutex, PoisonError};

use grammers_client::session::types::{DcOption, PeerId, PeerInfo, UpdateState, UpdatesState};
use grammers_client::session::{BoxFuture, Session as GrammersSession};

use super::super::NetworkScope;
use super::super::session::{SessionAdapterError, dc_option};
use crate::accounts::{AuthKey, HomeKeyKept, Session};

/// The adapter of one connection to one data centre.
pub(in crate::telegram) struct FileSessionAdapter {
    session: Arc<Session>,
    reach: NetworkScope,
    dc: i32,
    /// The connection's key, which it had from the session or has made.
    key: Mutex<Option<AuthKey>>,
}

impl FileSessionAdapter {
    pub(in crate::telegram) fn new(session: Arc<Session>, reach: NetworkScope, dc: i32) -> Self {
        let key = session.data_centre(dc).and_then(|known| known.auth_key.clone());
        Self { session, reach, dc, key: Mutex::new(key) }
    }

    /// Whether the connection has the key that the session has.
    pub(in crate::telegram) fn has_current_key(&self) -> bool {
        self.key() == self.session.data_centre(self.dc).and_then(|dc| dc.auth_key.clone())
    }

    fn key(&self) -> Option<AuthKey> {
        self.key.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn store(&self, option: &DcOption) -> Result<(), SessionAdapterError> {
        SessionAdapterError::check(option, self.reach)?;
        let (old, new) = (self.key(), option.auth_key.map(AuthKey::new));
        let Some(new) = new.filter(|new| option.id == self.dc && old.as_ref() != Some(new)) else { return Ok(()) };
        if self.session.home() == self.dc && self.has_current_key() {
            return Err(HomeKeyKept.into());
        }
        if !self.session.replace_foreign_key(self.dc, old.as_ref(), new.clone()) {
            return Err(SessionAdapterError::NewerKey(self.dc));
        }
        *self.key.lock().unwrap_or_else(PoisonError::into_inner) = Some(new);
        Ok(())
    }
}

impl GrammersSession for FileSessionAdapter {
    type Error = SessionAdapterError;

    fn home_dc_id(&self) -> Result<i32, SessionAdapterError> {
        Ok(self.session.home())
    }

    fn set_home_dc_id(&self, _: i32) -> BoxFuture<'_, Result<(), SessionAdapterError>> {
        Box::pin(async { Ok(()) })
    }

    fn dc_option(&self, dc_id: i32) -> Result<Option<DcOption>, SessionAdapterError> {
        let key = if dc_id == self.dc { self.key() } else { None };
        Ok(self.session.data_centre(dc_id).map(|dc| dc_option(dc_id, dc, key)))
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::accounts::DataCentre;

    fn key(n: u8) -> AuthKey {
        AuthKey::new([n; 256])
    }

    /// A session at home in 2 that has keys with 2 and 4 and none with 5.
    fn session() -> Arc<Session> {
        let dc = |dc: u8, key| DataCentre { ipv4: format!("127.0.0.{dc}:443").parse().unwrap(), ipv6: None, auth_key: key };
        let dcs = BTreeMap::from([(2, dc(2, Some(key(2)))), (4, dc(4, Some(key(4)))), (5, dc(5, None))]);
        Arc::new(Session::new("alpha".parse().unwrap(), "simulated", 2, dcs))
    }

    fn adapter(session: &Arc<Session>, dc: i32) -> FileSessionAdapter {
        FileSessionAdapter::new(Arc::clone(session), NetworkScope::Loopback, dc)
    }

    fn told(adapter: &FileSessionAdapter, dc: i32, address: &str, key: Option<AuthKey>) -> Result<(), SessionAdapterError> {
        let mut option = dc_option(dc, adapter.session.data_centre(dc).unwrap(), key);
        option.ipv4 = address.parse().unwrap();
        adapter.store(&option)
    }

    #[test]
    fn nothing_is_written_back_but_a_key_that_is_new() {
        let session = session();
        let known = |dc| session.data_centre(dc);
        let before = [known(2), known(4), known(5)];
        let of_four = adapter(&session, 4);
        for dc in [2, 4, 5] {
            told(&of_four, dc, "127.0.0.9:443", of_four.dc_option(dc).unwrap().unwrap().auth_key.map(AuthKey::new)).unwrap();
        }
        assert_eq!([known(2), known(4), known(5)], before, "neither an address nor a key");
        let of_five = adapter(&session, 5);
        told(&of_five, 5, "127.0.0.9:443", Some(key(55))).unwrap();
        assert_eq!(known(5).unwrap(), DataCentre { auth_key: Some(key(55)), ..before[2].clone().unwrap() });
        assert!(of_five.has_current_key());
    }

    #[test]
    fn homes_key_is_never_replaced_and_of_two_new_keys_the_first_is_kept() {
        let session = session();
        let error = told(&adapter(&session, 2), 2, "127.0.0.2:443", Some(key(22))).unwrap_err();
        assert!(matches!(error, SessionAdapterError::HomeKey(_)), "{error}");
        let (first, second) = (adapter(&session, 4), adapter(&session, 4));
        told(&first, 4, "127.0.0.4:443", Some(key(44))).unwrap();
        let error = told(&second, 4, "127.0.0.4:443", Some(key(45))).unwrap_err();
        assert!(matches!(error, SessionAdapterError::NewerKey(4)), "{error}");
        assert_eq!(session.data_centre(4).unwrap().auth_key, Some(key(44)));
        assert!(first.has_current_key() && !second.has_current_key());
        assert_eq!(session.data_centre(2).unwrap().auth_key, Some(key(2)));
    }

    #[test]
    fn an_address_out_of_reach_is_refused() {
        let error = told(&adapter(&session(), 4), 4, "149.154.167.50:443", None).unwrap_err();
        assert!(matches!(error, SessionAdapterError::Address { id: 4, .. }), "{error}");
    }
}
