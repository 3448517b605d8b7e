//! Media: what messages carry.

use crate::picture;

use super::file::{FileEntry, FileForm, FileSource, PhotoSize, photo_sizes, thumbnail};

/// A photo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Photo {
    /// Telegram's photo id.
    pub id: i64,
    /// Width of the largest size, in pixels.
    pub width: i32,
    /// Height of the largest size, in pixels.
    pub height: i32,
    /// Bytes of the largest size.
    pub size: i32,
    /// Whether the largest size is a progressive JPEG.
    pub progressive: bool,
    /// Whether it is the photo of a peer, which has other sizes.
    pub profile: bool,
}

impl Photo {
    /// A photo without an id; it gets one when it is posted.
    #[must_use]
    pub fn new(width: i32, height: i32, size: i32) -> Self {
        Self { id: 0, width, height, size, progressive: false, profile: false }
    }

    /// A photo for a peer, without an id.
    #[must_use]
    pub fn of_peer(size: i32) -> Self {
        Self { profile: true, ..Self::new(640, 640, size) }
    }

    /// Makes it large enough, in bytes, for real pictures in all its sizes; dimensions that no picture has stay noise.
    pub(crate) fn make_room(&mut self) {
        // A photo that grows by half each time is never far from what it needs.
        for _ in 0..64 {
            let is_short = |(at, of): (usize, &PhotoSize)| {
                let progressive = self.progressive && at == self.sizes().len() - 1;
                let min = picture::size_min(self.id, of.width, of.height, progressive);
                min.is_some_and(|min| min > i64::from(of.size))
            };
            if !self.sizes().iter().enumerate().any(is_short) {
                return;
            }
            self.size = self.size.max(512).saturating_add(self.size / 2);
        }
    }

    /// The sizes that can be downloaded, smallest first; the last one is the photo itself.
    #[must_use]
    pub fn sizes(&self) -> Vec<PhotoSize> {
        photo_sizes(self.width, self.height, self.size, self.profile)
    }

    /// The file behind it.
    pub(crate) fn file(&self, dc: i32) -> FileEntry {
        let Self { width, height, progressive, profile, .. } = *self;
        let form = FileForm::Photo { width, height, progressive, profile };
        FileEntry { size: i64::from(self.size), form, dc, source: FileSource::Derived }
    }
}

/// What kind of document it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the dump")]
pub enum DocumentKind {
    File,
    Video,
    Animation,
    Audio,
    Voice,
    Round,
    Sticker,
}

/// A document: any file that is not a photo.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Telegram's document id.
    pub id: i64,
    /// What kind of document it is.
    pub kind: DocumentKind,
    /// File name.
    pub name: Option<String>,
    /// MIME type.
    pub mime: String,
    /// Bytes.
    pub size: i64,
    /// Pixels, for what is seen.
    pub dimensions: Option<(i32, i32)>,
    /// Seconds, for what is played.
    pub duration: Option<f64>,
    /// The title of a music file.
    pub title: Option<String>,
    /// The performer of a music file.
    pub performer: Option<String>,
    /// The emoji of a sticker.
    pub emoji: Option<String>,
    /// The thumbnail that can be downloaded by its letter.
    pub thumbnail: Option<PhotoSize>,
}

impl Document {
    /// A document without a name, and without an id; it gets one when it is posted.
    #[must_use]
    pub fn new(kind: DocumentKind, mime: impl Into<String>, size: i64) -> Self {
        let dimensions = match kind {
            DocumentKind::Video => Some((1280, 720)),
            DocumentKind::Animation => Some((480, 270)),
            DocumentKind::Round => Some((400, 400)),
            DocumentKind::Sticker => Some((512, 512)),
            DocumentKind::File | DocumentKind::Audio | DocumentKind::Voice => None,
        };
        let is_played = !matches!(kind, DocumentKind::File | DocumentKind::Sticker);
        let mut document = Self {
            id: 0,
            kind,
            name: None,
            mime: mime.into(),
            size,
            dimensions,
            duration: is_played.then_some(3.0),
            title: None,
            performer: None,
            emoji: (kind == DocumentKind::Sticker).then(|| "😀".into()),
            thumbnail: None,
        };
        document.add_thumbnail();
        document
    }

    /// The same with a file name.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Gives it a thumbnail where it is of a kind that has one.
    pub(crate) fn add_thumbnail(&mut self) {
        let is_seen = !matches!(self.kind, DocumentKind::File | DocumentKind::Audio | DocumentKind::Voice);
        self.thumbnail = self.dimensions.filter(|_| is_seen).map(|(width, height)| thumbnail(self.id, width, height));
    }

    /// The file behind it.
    pub(crate) fn file(&self, dc: i32) -> FileEntry {
        let form = FileForm::Document { thumbnail: self.thumbnail };
        let source = if self.mime == WAVE { FileSource::Tone } else { FileSource::Derived };
        FileEntry { size: self.size, form, dc, source }
    }
}

/// The MIME type of sounds that can be played.
pub(crate) const WAVE: &str = "audio/wav";

/// What a message carries.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names are those of the dump")]
pub enum Media {
    Photo(Photo),
    Document(Box<Document>),
    Webpage { id: i64, url: String, site: String, title: String, description: String },
    Poll { id: i64, question: String, options: Vec<String>, voters: Vec<i32> },
    Geo { latitude: f64, longitude: f64 },
    Venue { latitude: f64, longitude: f64, title: String, address: String },
    Contact { phone: String, first_name: String, last_name: String, user: i64 },
    Dice { emoji: String, value: i32 },
}

impl Media {
    /// The id of the photo or document that it is.
    #[must_use]
    pub fn file_id(&self) -> Option<i64> {
        match self {
            Self::Photo(photo) => Some(photo.id),
            Self::Document(document) => Some(document.id),
            _ => None,
        }
    }
}
