//! How far each account has followed what happens outside channels, up to which everything is archived.
//!
//! It is written with what it accounts for (atomic), so that it is never ahead of the archive: an archive that went back asks Telegram
//! for what it has lost. A session has a state too, for an archive that has none yet.

use prost::Message as _;

use crate::model::UpdatesState;

use super::codec::{RecordError, StoredValue, WrittenValue};
use super::key::AccountKey;
use super::record::decode;

/// A state, and whose it is: an account's name may be given to another user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AccountUpdates {
    pub(super) user: i64,
    pub(super) state: UpdatesState,
}

#[derive(Clone, PartialEq, prost::Message)]
struct UpdatesRecord {
    #[prost(int64, tag = "1")]
    user: i64,
    #[prost(int32, tag = "2")]
    pts: i32,
    #[prost(int32, tag = "3")]
    qts: i32,
    #[prost(int32, tag = "4")]
    date: i32,
    #[prost(int32, tag = "5")]
    seq: i32,
}

impl WrittenValue<AccountKey> for AccountUpdates {
    fn to_bytes(&self) -> Vec<u8> {
        let UpdatesState { pts, qts, date, seq } = self.state;
        UpdatesRecord { user: self.user, pts, qts, date, seq }.encode_to_vec()
    }
}

impl StoredValue<AccountKey> for AccountUpdates {
    fn from_bytes(_: &AccountKey, bytes: &[u8]) -> Result<Self, RecordError> {
        let UpdatesRecord { user, pts, qts, date, seq } = decode("updates state", bytes)?;
        Ok(Self { user, state: UpdatesState { pts, qts, date, seq } })
    }
}
