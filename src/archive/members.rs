//! Who sees what: which accounts have a peer among their dialogs, since when, and in which of their folders.
//!
//! One entry a (peer, account). What an account left stays, with the time at which that was noticed: who could read a peer
//! when is part of its history. The change log says when the first account came (`peer.joined`) and the last one went
//! (`peer.left`), because that is what decides whether the archive goes on.

use prost::Message as _;
use rocksdb::IteratorMode;

use crate::model::{AccountName, PeerId, Timestamp};

use super::read::bounds;
use super::record::{RecordError, decode};
use super::schema::Cf;
use super::{Archive, ArchiveError, key};

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

pub(super) fn member_key(peer: PeerId, account: &AccountName) -> Vec<u8> {
    let mut bytes = key::peer(peer).to_vec();
    bytes.extend_from_slice(account.as_str().as_bytes());
    bytes
}

impl Membership {
    /// Whether the account is in.
    #[must_use]
    pub fn current(&self) -> bool {
        self.until.is_none()
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        MemberRecord { since: self.since.0, until: self.until.map(|t| t.0), folders: self.folders.clone() }.encode_to_vec()
    }

    fn read(key: &[u8], value: &[u8]) -> Result<(PeerId, Self), RecordError> {
        let (peer, account) = key.split_at_checked(8).ok_or_else(|| RecordError::key("membership", key))?;
        let account = std::str::from_utf8(account).map_err(|e| RecordError::value("membership", e))?;
        let account = account.parse().map_err(|e| RecordError::value("membership", e))?;
        let r: MemberRecord = decode("membership", value)?;
        let (since, until) = (Timestamp(r.since), r.until.map(Timestamp));
        Ok((key::read_peer(peer)?, Self { account, since, until, folders: r.folders }))
    }
}

impl Archive {
    /// The accounts that have, or had, a peer among their dialogs, by name.
    ///
    /// # Errors
    /// When the disk refuses, or something stored could not be understood.
    pub fn members(&self, peer: PeerId) -> Result<Vec<Membership>, ArchiveError> {
        // Every account name comes before this byte.
        let mut after = key::peer(peer).to_vec();
        after.push(u8::MAX);
        self.db
            .iterator_cf_opt(self.cf(Cf::Member), bounds(key::peer(peer).to_vec(), after), IteratorMode::Start)
            .map(|entry| {
                let (key, value) = entry.map_err(|e| self.store(e))?;
                Ok(Membership::read(&key, &value)?.1)
            })
            .collect()
    }

    /// Every membership of every account, by peer, lazily.
    pub fn memberships(&self) -> impl Iterator<Item = Result<(PeerId, Membership), ArchiveError>> {
        self.db.iterator_cf(self.cf(Cf::Member), IteratorMode::Start).map(|entry| {
            let (key, value) = entry.map_err(|e| self.store(e))?;
            Ok(Membership::read(&key, &value)?)
        })
    }
}
