//! Files: what is known of each, where it was seen, and what has become of it. Their bytes are in `blob`.
//!
//! One record a file ([`ArchivedFile`]), however often it is posted, and one a (file, origin) with what an account needs to ask for it there
//! ([`ArchivedOrigin`]). Both become true in the write of the message that tells of them, so that no later edit takes them back.
//!
//! # Invariants
//! A file is in the queue as long as it is wanted or has failed, once, under the time from which on it may be tried; so what is missing is
//! read off the queue. What is stored, skipped or not decided is not in it.

use prost::Message as _;

use crate::model::{
    AccountName, ContentHash, FileAccess, FileId, FileOrigin, FilePlace, FileState, MediaKind, Rendition, RenditionRole,
    SeenFile, StoredBytes, Timestamp,
};

use super::codec::{RecordError, StoredValue, WrittenValue};
use super::key::{AttachedKey, OriginKey};
use super::record::{decode, number_of, numbered};

/// Bytes above which a file is large, as Telegram's own clients draw the line.
const LARGE_MIN: u64 = 10 << 20;

/// A file.
#[derive(Clone, Debug, PartialEq)]
pub struct ArchivedFile {
    /// Its id.
    pub id: FileId,
    /// What kind of media it is.
    pub media: MediaKind,
    /// Its name as the sender gave it, never to be used as a path.
    pub name: Option<String>,
    /// Its MIME type as the sender gave it.
    pub mime: Option<String>,
    /// Seconds, of what is played.
    pub duration: Option<f64>,
    /// The id of a sticker's set.
    pub sticker_set: Option<i64>,
    /// Seconds for which it can be seen once opened.
    pub ttl: Option<i32>,
    /// The data centre that has it.
    pub dc: i32,
    /// Its byte sequences.
    pub renditions: Vec<Rendition>,
    /// Telegram's stripped thumbnail.
    pub preview: Option<Vec<u8>>,
    /// When it was first seen.
    pub seen_at: Timestamp,
    /// When the newest message was posted that it was seen in: what is new is downloaded first.
    pub posted_at: Timestamp,
    /// What is to become of it, or has.
    pub state: FileState,
    /// When it came into this state.
    pub state_since: Timestamp,
    /// The picture that stands for it, where that is stored.
    pub thumbnail: Option<StoredBytes>,
    /// Why there is no such picture, where one could not be made of the stored bytes.
    pub no_thumbnail: Option<String>,
}

impl ArchivedFile {
    /// A file that is seen for the first time, in something that was posted then.
    #[must_use]
    pub fn first_seen(seen: &SeenFile, posted_at: Timestamp, now: Timestamp) -> Self {
        let mut file = Self {
            id: seen.id,
            media: seen.media,
            name: None,
            mime: None,
            duration: None,
            sticker_set: None,
            ttl: None,
            dc: seen.access.dc,
            renditions: Vec::new(),
            preview: None,
            seen_at: now,
            posted_at,
            state: FileState::Seen,
            state_since: now,
            thumbnail: None,
            no_thumbnail: None,
        };
        file.learn(seen);
        file
    }

    /// Takes over what is told of it: nothing that was known is lost, and what is told last counts.
    pub(super) fn learn(&mut self, seen: &SeenFile) {
        let SeenFile { id: _, place: _, media, name, mime, duration, sticker_set, ttl, renditions, preview, access } = seen;
        self.media = *media;
        self.name = name.clone().or(self.name.take());
        self.mime = mime.clone().or(self.mime.take());
        self.duration = duration.or(self.duration);
        self.sticker_set = sticker_set.or(self.sticker_set);
        self.ttl = ttl.or(self.ttl);
        self.dc = access.dc;
        if renditions.len() >= self.renditions.len() {
            self.renditions.clone_from(renditions);
        }
        self.preview = preview.clone().or(self.preview.take());
    }

    /// The file itself.
    #[must_use]
    pub fn original(&self) -> Option<&Rendition> {
        self.renditions.iter().find(|rendition| rendition.role == RenditionRole::Original)
    }

    /// Its size as Telegram states it.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        self.original()?.size.and_then(|size| u64::try_from(size).ok())
    }

    /// Whether it is large: such files are queued apart, so that they do not hold up the many small ones, nor the other way round.
    #[must_use]
    pub fn is_large(&self) -> bool {
        self.size().is_some_and(|size| size > LARGE_MIN)
    }

    /// From when on it may be tried, if it is in the queue.
    #[must_use]
    pub fn due(&self) -> Option<Timestamp> {
        match self.state {
            FileState::Wanted => Some(Timestamp(0)),
            FileState::Failed { next_try, .. } => Some(next_try.unwrap_or(Timestamp(i64::MAX))),
            FileState::Seen | FileState::Stored(_) | FileState::Skipped { .. } => None,
        }
    }
}

/// Where a file was seen, and what an account needs to ask for it there.
#[derive(Clone, Debug, PartialEq)]
pub struct ArchivedOrigin {
    /// The message, or the peer whose profile photo it was.
    pub origin: FileOrigin,
    /// Where in the message.
    pub place: FilePlace,
    /// Which account was told; `None` where that is not known.
    pub account: Option<AccountName>,
    /// What that account needs.
    pub access: FileAccess,
    /// When it was told.
    pub told_at: Timestamp,
}

#[derive(Clone, PartialEq, prost::Message)]
struct FileRecord {
    /// Position in [`MediaKind::ALL`].
    #[prost(uint32, tag = "1")]
    media: u32,
    #[prost(string, optional, tag = "2")]
    name: Option<String>,
    #[prost(string, optional, tag = "3")]
    mime: Option<String>,
    #[prost(double, optional, tag = "4")]
    duration: Option<f64>,
    #[prost(int64, optional, tag = "5")]
    sticker_set: Option<i64>,
    #[prost(int32, optional, tag = "6")]
    ttl: Option<i32>,
    #[prost(int32, tag = "7")]
    dc: i32,
    #[prost(message, repeated, tag = "8")]
    renditions: Vec<RenditionRecord>,
    #[prost(bytes = "vec", optional, tag = "9")]
    preview: Option<Vec<u8>>,
    #[prost(int64, tag = "10")]
    seen_at: i64,
    #[prost(int64, tag = "11")]
    posted_at: i64,
    /// 0 seen, 1 wanted, 2 stored, 3 skipped, 4 failed.
    #[prost(uint32, tag = "12")]
    state: u32,
    #[prost(int64, tag = "13")]
    state_since: i64,
    #[prost(message, optional, tag = "14")]
    stored: Option<BytesRecord>,
    /// Why it is skipped, or failed.
    #[prost(string, tag = "15")]
    why: String,
    #[prost(uint32, tag = "16")]
    tries: u32,
    #[prost(int64, optional, tag = "17")]
    next_try: Option<i64>,
    #[prost(message, optional, tag = "18")]
    thumbnail: Option<BytesRecord>,
    #[prost(string, optional, tag = "19")]
    no_thumbnail: Option<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RenditionRecord {
    #[prost(string, tag = "1")]
    letter: String,
    /// Position in [`RenditionRole::ALL`].
    #[prost(uint32, tag = "2")]
    role: u32,
    #[prost(int32, optional, tag = "3")]
    width: Option<i32>,
    #[prost(int32, optional, tag = "4")]
    height: Option<i32>,
    #[prost(int64, optional, tag = "5")]
    size: Option<i64>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct BytesRecord {
    #[prost(bytes = "vec", tag = "1")]
    hash: Vec<u8>,
    #[prost(uint64, tag = "2")]
    size: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct OriginRecord {
    /// Position in [`FilePlace::ALL`].
    #[prost(uint32, tag = "1")]
    place: u32,
    #[prost(string, tag = "2")]
    account: String,
    #[prost(int32, tag = "3")]
    dc: i32,
    #[prost(sfixed64, tag = "4")]
    hash: i64,
    #[prost(bytes = "vec", tag = "5")]
    reference: Vec<u8>,
    #[prost(int64, tag = "6")]
    told_at: i64,
}

impl BytesRecord {
    fn of(bytes: StoredBytes) -> Self {
        Self { hash: bytes.hash.0.to_vec(), size: bytes.size }
    }

    fn read(self) -> Result<StoredBytes, RecordError> {
        let hash = <[u8; 32]>::try_from(self.hash).map_err(|_| RecordError::value("file", "a hash that has not 32 bytes"))?;
        Ok(StoredBytes { hash: ContentHash(hash), size: self.size })
    }
}

impl WrittenValue<FileId> for ArchivedFile {
    fn to_bytes(&self) -> Vec<u8> {
        let (mut stored, mut why, mut tries, mut next_try) = (None, String::new(), 0, None);
        let state = match &self.state {
            FileState::Seen => 0,
            FileState::Wanted => 1,
            FileState::Stored(bytes) => {
                stored = Some(BytesRecord::of(*bytes));
                2
            }
            FileState::Skipped { why: rule } => {
                why.clone_from(rule);
                3
            }
            FileState::Failed { why: reason, tries: times, next_try: next } => {
                (why, tries, next_try) = (reason.clone(), *times, next.map(|at| at.0));
                4
            }
        };
        let rendition = |r: &Rendition| RenditionRecord {
            letter: r.letter.clone(),
            role: number_of(&RenditionRole::ALL, r.role),
            width: r.width,
            height: r.height,
            size: r.size,
        };
        let record = FileRecord {
            media: number_of(&MediaKind::ALL, self.media),
            name: self.name.clone(),
            mime: self.mime.clone(),
            duration: self.duration,
            sticker_set: self.sticker_set,
            ttl: self.ttl,
            dc: self.dc,
            renditions: self.renditions.iter().map(rendition).collect(),
            preview: self.preview.clone(),
            seen_at: self.seen_at.0,
            posted_at: self.posted_at.0,
            state,
            state_since: self.state_since.0,
            stored,
            why,
            tries,
            next_try,
            thumbnail: self.thumbnail.map(BytesRecord::of),
            no_thumbnail: self.no_thumbnail.clone(),
        };
        record.encode_to_vec()
    }
}

impl StoredValue<FileId> for ArchivedFile {
    fn from_bytes(id: &FileId, bytes: &[u8]) -> Result<Self, RecordError> {
        let r: FileRecord = decode("file", bytes)?;
        let state = match r.state {
            0 => FileState::Seen,
            1 => FileState::Wanted,
            2 => FileState::Stored(r.stored.ok_or_else(|| RecordError::value("file", "stored, and no hash"))?.read()?),
            3 => FileState::Skipped { why: r.why },
            4 => FileState::Failed { why: r.why, tries: r.tries, next_try: r.next_try.map(Timestamp) },
            other => return Err(RecordError::value("file", format!("unknown state {other}"))),
        };
        let rendition = |r: RenditionRecord| {
            let role = numbered(&RenditionRole::ALL, r.role).ok_or_else(|| RecordError::value("file", "unknown rendition"))?;
            Ok(Rendition { letter: r.letter, role, width: r.width, height: r.height, size: r.size })
        };
        Ok(Self {
            id: *id,
            media: numbered(&MediaKind::ALL, r.media).unwrap_or(MediaKind::Other),
            name: r.name,
            mime: r.mime,
            duration: r.duration,
            sticker_set: r.sticker_set,
            ttl: r.ttl,
            dc: r.dc,
            renditions: r.renditions.into_iter().map(rendition).collect::<Result<_, RecordError>>()?,
            preview: r.preview,
            seen_at: Timestamp(r.seen_at),
            posted_at: Timestamp(r.posted_at),
            state,
            state_since: Timestamp(r.state_since),
            thumbnail: r.thumbnail.map(BytesRecord::read).transpose()?,
            no_thumbnail: r.no_thumbnail,
        })
    }
}

impl WrittenValue<OriginKey> for ArchivedOrigin {
    fn to_bytes(&self) -> Vec<u8> {
        let record = OriginRecord {
            place: number_of(&FilePlace::ALL, self.place),
            account: self.account.map(|name| name.as_str().to_owned()).unwrap_or_default(),
            dc: self.access.dc,
            hash: self.access.hash,
            reference: self.access.reference.clone(),
            told_at: self.told_at.0,
        };
        record.encode_to_vec()
    }
}

impl StoredValue<OriginKey> for ArchivedOrigin {
    fn from_bytes(key: &OriginKey, bytes: &[u8]) -> Result<Self, RecordError> {
        let r: OriginRecord = decode("origin of a file", bytes)?;
        let account = match r.account.as_str() {
            "" => None,
            name => Some(name.parse().map_err(|e| RecordError::value("origin of a file", e))?),
        };
        let place = numbered(&FilePlace::ALL, r.place).ok_or_else(|| RecordError::value("origin of a file", "unknown place"))?;
        let access = FileAccess { dc: r.dc, hash: r.hash, reference: r.reference };
        Ok(Self { origin: key.origin, place, account, access, told_at: Timestamp(r.told_at) })
    }
}

/// Nothing: that the entry is there says all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct There;

impl<K> WrittenValue<K> for There {
    fn to_bytes(&self) -> Vec<u8> {
        Vec::new()
    }
}

impl<K> StoredValue<K> for There {
    fn from_bytes(_: &K, _: &[u8]) -> Result<Self, RecordError> {
        Ok(Self)
    }
}

impl WrittenValue<AttachedKey> for FilePlace {
    fn to_bytes(&self) -> Vec<u8> {
        vec![u8::try_from(number_of(&Self::ALL, *self)).unwrap_or(u8::MAX)]
    }
}

impl StoredValue<AttachedKey> for FilePlace {
    fn from_bytes(_: &AttachedKey, bytes: &[u8]) -> Result<Self, RecordError> {
        let place = bytes.first().and_then(|number| numbered(&Self::ALL, u32::from(*number)));
        place.ok_or_else(|| RecordError::value("file of a message", "unknown place"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes() -> impl Strategy<Value = StoredBytes> {
        (any::<[u8; 32]>(), any::<u64>()).prop_map(|(hash, size)| StoredBytes { hash: ContentHash(hash), size })
    }

    fn state() -> impl Strategy<Value = FileState> {
        prop_oneof![
            Just(FileState::Seen),
            Just(FileState::Wanted),
            bytes().prop_map(FileState::Stored),
            ".{0,9}".prop_map(|why| FileState::Skipped { why }),
            (".{0,9}", any::<u32>(), prop::option::of(any::<i64>())).prop_map(|(why, tries, next_try)| FileState::Failed {
                why,
                tries,
                next_try: next_try.map(Timestamp)
            }),
        ]
    }

    proptest! {
        #[test]
        fn a_file_reads_back(
            state in state(), thumbnail in prop::option::of(bytes()), name in prop::option::of(".{0,40}"), times in any::<[i64; 3]>(),
            size in prop::option::of(any::<i64>()), role in prop::sample::select(RenditionRole::ALL.to_vec()),
            preview in prop::option::of(prop::collection::vec(any::<u8>(), 0..50)), kind in prop::sample::select(MediaKind::ALL.to_vec()),
            no_thumbnail in prop::option::of(".{0,9}"),
        ) {
            let id = FileId::document(7);
            let file = ArchivedFile {
                id, media: kind, name, mime: Some("video/mp4".to_owned()), duration: Some(1.5), sticker_set: None, ttl: Some(i32::MAX), dc: 4,
                renditions: vec![Rendition { letter: "y".to_owned(), role, width: Some(1), height: None, size }], preview,
                seen_at: Timestamp(times[0]), posted_at: Timestamp(times[1]), state, state_since: Timestamp(times[2]), thumbnail,
                no_thumbnail,
            };
            prop_assert_eq!(ArchivedFile::from_bytes(&id, &file.to_bytes()).expect("own bytes"), file);
        }

        #[test]
        fn foreign_bytes_are_refused_not_panicked_on(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let id = FileId::photo(1);
            drop(ArchivedFile::from_bytes(&id, &bytes));
            let origin = FileOrigin::Avatar(crate::model::PeerId(1));
            drop(ArchivedOrigin::from_bytes(&OriginKey { file: id, origin }, &bytes));
            drop(FilePlace::from_bytes(&AttachedKey { origin, file: id }, &bytes));
        }
    }
}
