//! Who sees what: which accounts have a peer among their dialogs, since when, and in which of their folders.
//!
//! One entry a (peer, account). What an account left stays, with the time at which that was noticed: who could read a peer
//! when is part of its history. The change log says when the first account came (`peer.joined`) and the last one went
//! (`peer.left`), because that is what decides whether the archive goes on.

use prost::Message as _;

use crate::model::{AccountName, Timestamp};

use super::codec::{RecordError, StoredValue, WrittenValue};
use super::key::MemberKey;
use super::record::decode;

/// An account's membership in a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// Which account.
    pub account: AccountName,
    /// When the peer was first seen among its dialogs, or seen there again after it had left.
    pub since: Timestamp,
    /// When it was noticed that the account has left, or was thrown out; `None` while it is in.
    pub until: Option<Timestamp>,
    /// The titles of the account's folders that hold the peer, in the account's order.
    pub folders: Vec<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct MemberRecord {
    #[prost(int64, tag = "1")]
    since: i64,
    #[prost(int64, optional, tag = "2")]
    until: Option<i64>,
    #[prost(string, repeated, tag = "3")]
    folders: Vec<String>,
}

impl Membership {
    /// Whether the account is in.
    #[must_use]
    pub fn current(&self) -> bool {
        self.until.is_none()
    }
}

impl WrittenValue<MemberKey> for Membership {
    fn to_bytes(&self) -> Vec<u8> {
        MemberRecord { since: self.since.0, until: self.until.map(|t| t.0), folders: self.folders.clone() }.encode_to_vec()
    }
}

impl StoredValue<MemberKey> for Membership {
    fn from_bytes(key: &MemberKey, bytes: &[u8]) -> Result<Self, RecordError> {
        let r: MemberRecord = decode("membership", bytes)?;
        let (since, until) = (Timestamp(r.since), r.until.map(Timestamp));
        Ok(Self { account: key.account, since, until, folders: r.folders })
    }
}
