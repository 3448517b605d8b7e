//! By what an account can address peers: the access hashes that Telegram gave it, in a store of their own, because a session's file is
//! replaced as a whole.
//!
//! A hash is of use only to the account that got it. It becomes true in the write after the answer that taught it, with whatever that answer
//! makes known, so that nothing is crawled that nobody can address.

use prost::Message as _;

use super::codec::{RecordError, StoredValue, WrittenValue};
use super::key::AddressKey;
use super::record::decode;

/// By what an account can address a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// The user that the account is; `None` where that was not known yet.
    pub user: Option<i64>,
    /// The access hash; a basic group has none.
    pub hash: Option<i64>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct AddressRecord {
    #[prost(int64, optional, tag = "1")]
    user: Option<i64>,
    #[prost(sfixed64, optional, tag = "2")]
    hash: Option<i64>,
}

impl WrittenValue<AddressKey> for Address {
    fn to_bytes(&self) -> Vec<u8> {
        AddressRecord { user: self.user, hash: self.hash }.encode_to_vec()
    }
}

impl StoredValue<AddressKey> for Address {
    fn from_bytes(_: &AddressKey, bytes: &[u8]) -> Result<Self, RecordError> {
        let AddressRecord { user, hash } = decode("access hash", bytes)?;
        Ok(Self { user, hash })
    }
}
