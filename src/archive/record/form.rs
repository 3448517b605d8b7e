//! A form of a message as it is stored: what was understood of it, and after that, in the same value, Telegram's own bytes.
//!
//! Both are in one value because the words are in both: within a block, compression sees them once. Each can be read without the
//! other, because protobuf passes over fields that are not asked for.
//!
//! Telegram's bytes are those with which the form was archived (immutable): counters that move afterwards change the record only.

use prost::Message as _;

use crate::model::{AccountName, MessageKey};

use super::super::codec::{RecordError, StoredValue, WrittenValue};
use super::super::key::VersionKey;
use super::{MessageRecord, decode};

/// Telegram's own bytes of a form of a message, and where they are from (provenance).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Raw {
    /// The layer of the TL schema that they are to be read with.
    pub layer: i32,
    /// The boxed `Message` as TL.
    pub tl: Vec<u8>,
    /// The account that got them; unknown in what was archived before format 3. When it got them is when the form was archived.
    pub account: Option<AccountName>,
}

/// The same on disk. Its tags follow those of [`MessageRecord`].
#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::archive) struct RawRecord {
    #[prost(int32, tag = "48")]
    layer: i32,
    #[prost(bytes = "vec", tag = "49")]
    tl: Vec<u8>,
    #[prost(string, optional, tag = "50")]
    account: Option<String>,
}

/// A form of a message.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::archive) struct Form {
    pub(in crate::archive) record: MessageRecord,
    pub(in crate::archive) raw: RawRecord,
}

impl From<Raw> for RawRecord {
    fn from(raw: Raw) -> Self {
        Self { layer: raw.layer, tl: raw.tl, account: raw.account.map(|name| name.to_string()) }
    }
}

impl RawRecord {
    /// Whether there are none, as in forms that were replaced before format 3.
    pub(in crate::archive) fn is_empty(&self) -> bool {
        self.tl.is_empty()
    }

    /// Its fields as they stand in a form's value.
    pub(in crate::archive) fn to_bytes(&self) -> Vec<u8> {
        self.encode_to_vec()
    }

    fn of(bytes: &[u8]) -> Result<Self, RecordError> {
        decode("raw message", bytes)
    }

    fn into_raw(self) -> Result<Raw, RecordError> {
        let account = self.account.map(|name| name.parse().map_err(|e| RecordError::value("raw message", e))).transpose()?;
        Ok(Raw { layer: self.layer, tl: self.tl, account })
    }
}

/// A form as it stands in its value.
pub(in crate::archive) struct EncodedForm {
    bytes: Vec<u8>,
    /// Where the fields of the raw bytes begin.
    raw_at: usize,
}

impl EncodedForm {
    /// All of the value.
    pub(in crate::archive) fn all(&self) -> &[u8] {
        &self.bytes
    }

    /// The fields of the raw bytes.
    pub(in crate::archive) fn raw(&self) -> &[u8] {
        self.bytes.get(self.raw_at..).unwrap_or_default()
    }
}

impl Form {
    /// It as it stands in its value.
    pub(in crate::archive) fn encode(&self) -> EncodedForm {
        let raw_at = self.record.encoded_len();
        let mut bytes = Vec::with_capacity(raw_at + self.raw.encoded_len());
        self.record.encode_raw(&mut bytes);
        self.raw.encode_raw(&mut bytes);
        EncodedForm { bytes, raw_at }
    }

    fn of(what: &'static str, bytes: &[u8]) -> Result<Self, RecordError> {
        Ok(Self { record: decode(what, bytes)?, raw: RawRecord::of(bytes)? })
    }
}

impl WrittenValue<MessageKey> for Form {
    fn to_bytes(&self) -> Vec<u8> {
        self.encode().bytes
    }
}

impl StoredValue<MessageKey> for Form {
    fn from_bytes(_: &MessageKey, bytes: &[u8]) -> Result<Self, RecordError> {
        Self::of("message", bytes)
    }
}

impl WrittenValue<VersionKey> for Form {
    fn to_bytes(&self) -> Vec<u8> {
        self.encode().bytes
    }
}

impl StoredValue<VersionKey> for Form {
    fn from_bytes(_: &VersionKey, bytes: &[u8]) -> Result<Self, RecordError> {
        Self::of("earlier version", bytes)
    }
}

impl StoredValue<MessageKey> for Raw {
    fn from_bytes(_: &MessageKey, bytes: &[u8]) -> Result<Self, RecordError> {
        RawRecord::of(bytes)?.into_raw()
    }
}

impl StoredValue<VersionKey> for Raw {
    fn from_bytes(_: &VersionKey, bytes: &[u8]) -> Result<Self, RecordError> {
        RawRecord::of(bytes)?.into_raw()
    }
}
