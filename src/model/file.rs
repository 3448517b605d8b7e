//! Files: what Telegram keeps behind a photo's or a document's id, and where it was seen.
//!
//! One id stands for the same bytes wherever it is posted and whoever sees it. What it takes to ask for them is each account's own, and the
//! file reference runs out: it is renewed by reading again where the file was seen.

use std::fmt;
use std::str::FromStr;

use super::{MediaKind, MessageKey, PeerId, Timestamp};

/// Whose numbering a file's id is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileKind {
    /// Telegram's photos, profile photos among them.
    Photo,
    /// Telegram's documents: any other file.
    Document,
}

impl FileKind {
    /// Every kind; the position is the number under which it is stored, so only append.
    pub const ALL: [Self; 2] = [Self::Photo, Self::Document];

    /// The number under which it is stored.
    #[must_use]
    pub fn number(self) -> u32 {
        self as u32
    }

    /// Its name, in ids and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Photo => "photo",
            Self::Document => "document",
        }
    }
}

/// Telegram's id of a file. It is shown as `photo:5201` or `document:-77`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId {
    /// Whose numbering it is of.
    pub kind: FileKind,
    /// The number; any, also negative.
    pub id: i64,
}

impl FileId {
    /// A photo's id.
    #[must_use]
    pub fn photo(id: i64) -> Self {
        Self { kind: FileKind::Photo, id }
    }

    /// A document's id.
    #[must_use]
    pub fn document(id: i64) -> Self {
        Self { kind: FileKind::Document, id }
    }

    /// The id after it, photos before documents; `None` after the last one.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        match self.id.checked_add(1) {
            Some(id) => Some(Self { id, ..self }),
            None => (self.kind == FileKind::Photo).then_some(Self::document(i64::MIN)),
        }
    }
}

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.name(), self.id)
    }
}

/// A text that is no file id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no file id; one looks like `photo:5201` or `document:77`")]
pub struct InvalidFileId(String);

impl FromStr for FileId {
    type Err = InvalidFileId;

    fn from_str(text: &str) -> Result<Self, InvalidFileId> {
        let parsed = text.split_once(':').and_then(|(kind, id)| {
            let kind = FileKind::ALL.into_iter().find(|known| known.name() == kind)?;
            Some(Self { kind, id: id.parse().ok()? })
        });
        parsed.ok_or_else(|| InvalidFileId(text.to_owned()))
    }
}

/// What a rendition of a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RenditionRole {
    /// The file itself; of a photo, its largest size.
    Original,
    /// A smaller size of a photo.
    Reduced,
    /// A picture that stands for a document: a video's or sticker's thumbnail.
    Thumbnail,
    /// A moving picture that stands for it: an animated profile photo, an animated thumbnail.
    Animation,
}

impl RenditionRole {
    /// Every role; the position is the number under which it is stored, so only append.
    pub const ALL: [Self; 4] = [Self::Original, Self::Reduced, Self::Thumbnail, Self::Animation];
}

/// One of the byte sequences behind a file's id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendition {
    /// Telegram's letter of it, to be asked with; empty for a document itself. Nearly always one letter.
    pub letter: String,
    /// What it is.
    pub role: RenditionRole,
    /// Pixels.
    pub width: Option<i32>,
    /// Pixels.
    pub height: Option<i32>,
    /// Bytes, as Telegram states them.
    pub size: Option<i64>,
}

/// Where in a message, or beside it, a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FilePlace {
    /// It is what the message carries.
    Media,
    /// It is inside of what the message carries: of a story, of paid media, attached to a poll or its options, in a game or invoice.
    Item,
    /// The cover of a video.
    Cover,
    /// The same video in another quality.
    Alternative,
    /// The moving part of a live photo.
    LivePart,
    /// The picture or file of a link's preview.
    Preview,
    /// It is in a page: the Instant View of a link, or a rich message.
    Page,
    /// A service message tells of it: a new profile photo, a wallpaper, a gift.
    Service,
    /// A peer's profile photo, as it was when the peer was seen.
    Avatar,
}

impl FilePlace {
    /// Every place; the position is the number under which it is stored, so only append.
    pub const ALL: [Self; 9] = [
        Self::Media,
        Self::Item,
        Self::Cover,
        Self::Alternative,
        Self::LivePart,
        Self::Preview,
        Self::Page,
        Self::Service,
        Self::Avatar,
    ];

    /// Its name in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Media => "media",
            Self::Item => "item",
            Self::Cover => "cover",
            Self::Alternative => "alternative",
            Self::LivePart => "live_part",
            Self::Preview => "preview",
            Self::Page => "page",
            Self::Service => "service",
            Self::Avatar => "avatar",
        }
    }
}

/// A file as an answer of Telegram tells of it.
#[derive(Clone, Debug, PartialEq)]
pub struct SeenFile {
    /// Its id.
    pub id: FileId,
    /// Where it is.
    pub place: FilePlace,
    /// What kind of media it is: of a document, what its attributes say.
    pub media: MediaKind,
    /// Its name as the sender gave it, never to be used as a path.
    pub name: Option<String>,
    /// Its MIME type as the sender gave it.
    pub mime: Option<String>,
    /// Seconds, of what is played.
    pub duration: Option<f64>,
    /// The id and the short name of a sticker's set, as far as they are told.
    pub sticker_set: Option<i64>,
    /// Seconds for which it can be seen once opened; `i32::MAX` for exactly once.
    pub ttl: Option<i32>,
    /// Its byte sequences, in Telegram's order; exactly one is the original.
    pub renditions: Vec<Rendition>,
    /// A picture of some dozens of bytes (Telegram's stripped thumbnail), as Telegram sent it, without the header that all share.
    pub preview: Option<Vec<u8>>,
    /// What it takes to ask for it.
    pub access: FileAccess,
}

impl SeenFile {
    /// The file itself.
    #[must_use]
    pub fn original(&self) -> Option<&Rendition> {
        self.renditions.iter().find(|rendition| rendition.role == RenditionRole::Original)
    }
}

/// What it takes to ask for a file: each account's own.
#[derive(Clone, PartialEq, Eq)]
pub struct FileAccess {
    /// The data centre that has it.
    pub dc: i32,
    /// The access hash.
    pub hash: i64,
    /// The file reference, which runs out; empty where none is needed.
    pub reference: Vec<u8>,
}

impl fmt::Debug for FileAccess {
    /// Neither hash nor reference may reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileAccess").field("dc", &self.dc).finish_non_exhaustive()
    }
}

/// Where a file was seen: what is read again when its reference has run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileOrigin {
    /// In a message.
    Message(MessageKey),
    /// As a peer's profile photo.
    Avatar(PeerId),
}

impl FileOrigin {
    /// The peer whose it is.
    #[must_use]
    pub fn peer(&self) -> PeerId {
        match self {
            Self::Message(key) => key.peer(),
            Self::Avatar(peer) => *peer,
        }
    }

    /// The message, if it is one.
    #[must_use]
    pub fn message(&self) -> Option<MessageKey> {
        match self {
            Self::Message(key) => Some(*key),
            Self::Avatar(_) => None,
        }
    }
}

/// The SHA-256 of bytes, by which they are stored (docs/decisions/0018). As text it is 64 lower-case hexadecimal digits, as `sha256sum` prints it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash(pub [u8; 32]);

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not the hash of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the hash of a file: write the SHA-256 as 64 lower-case hexadecimal digits, as `sha256sum` prints it")]
pub struct InvalidContentHash;

impl FromStr for ContentHash {
    type Err = InvalidContentHash;

    /// Takes the one spelling that [`Display`](fmt::Display) writes, so that no bytes have two names.
    fn from_str(text: &str) -> Result<Self, InvalidContentHash> {
        let digit = |c: u8| match c {
            b'0'..=b'9' => Some(c - b'0'),
            b'a'..=b'f' => Some(c - b'a' + 10),
            _ => None,
        };
        let mut hash = [0; 32];
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != hash.len() || !rest.is_empty() {
            return Err(InvalidContentHash);
        }
        for (byte, [high, low]) in hash.iter_mut().zip(pairs) {
            *byte = digit(*high).zip(digit(*low)).map(|(high, low)| high << 4 | low).ok_or(InvalidContentHash)?;
        }
        Ok(Self(hash))
    }
}

/// Bytes that are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredBytes {
    /// Their digest.
    pub hash: ContentHash,
    /// How many there are.
    pub size: u64,
}

/// What is to become of a file, or has.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum FileState {
    /// It was seen, and no rule was asked yet.
    #[default]
    Seen,
    /// It is to be downloaded.
    Wanted,
    /// It is stored.
    Stored(StoredBytes),
    /// It is not to be downloaded.
    Skipped {
        /// Why: the rule, in the operator's words.
        why: String,
    },
    /// It could not be downloaded.
    Failed {
        /// Why, the last time.
        why: String,
        /// How often in a row.
        tries: u32,
        /// When it is tried again; `None` where that is of no use before it is seen anew.
        next_try: Option<Timestamp>,
    },
}

impl FileState {
    /// Its name in JSON.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Seen => "seen",
            Self::Wanted => "wanted",
            Self::Stored(_) => "stored",
            Self::Skipped { .. } => "skipped",
            Self::Failed { .. } => "failed",
        }
    }

    /// The bytes, where they are stored.
    #[must_use]
    pub fn stored(&self) -> Option<StoredBytes> {
        match self {
            Self::Stored(bytes) => Some(*bytes),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_id_is_read_as_it_is_shown() {
        for id in [FileId::photo(5_201), FileId::document(i64::MIN), FileId::document(0)] {
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        for text in ["", "photo", "photo:", "photo:x", "video:1", "photo:1:2", "5201", "photo:9223372036854775808"] {
            assert_eq!(text.parse::<FileId>(), Err(InvalidFileId(text.to_owned())));
        }
    }

    #[test]
    fn every_id_comes_after_another_but_the_last() {
        assert_eq!(FileId::photo(7).next(), Some(FileId::photo(8)));
        assert_eq!(FileId::photo(i64::MAX).next(), Some(FileId::document(i64::MIN)));
        assert_eq!(FileId::document(i64::MAX).next(), None);
    }

    #[test]
    fn what_it_takes_to_ask_for_a_file_is_not_logged() {
        let access = FileAccess { dc: 4, hash: 987_654, reference: b"secret".to_vec() };
        assert_eq!(format!("{access:?}"), "FileAccess { dc: 4, .. }");
    }
}
