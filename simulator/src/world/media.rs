//! Media and the files behind it.

use std::path::PathBuf;

/// A photo.
#[derive(Clone, Debug, PartialEq)]
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
}

/// One of a photo's sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PhotoSize {
    /// Telegram's one-letter type.
    pub letter: char,
    /// Pixels.
    pub width: i32,
    /// Pixels.
    pub height: i32,
    /// Bytes.
    pub size: i32,
}

impl Photo {
    /// The sizes that can be downloaded, smallest first; the last one is the photo itself.
    #[must_use]
    pub fn sizes(&self) -> Vec<PhotoSize> {
        photo_sizes(self.width, self.height, self.size)
    }
}

/// The sizes of a photo of these dimensions.
pub(crate) fn photo_sizes(width: i32, height: i32, size: i32) -> Vec<PhotoSize> {
    let longest = width.max(height).max(1);
    let mut sizes: Vec<_> = [('m', 320), ('x', 800)]
        .into_iter()
        .filter(|(_, side)| *side < longest)
        .map(|(letter, side)| PhotoSize {
            letter,
            width: (width * side / longest).max(1),
            height: (height * side / longest).max(1),
            size: (size / (longest / side + 1)).max(1),
        })
        .collect();
    sizes.push(PhotoSize { letter: 'y', width, height, size });
    sizes
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
}

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

/// Where a file's bytes come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileSource {
    /// Derived from the world's seed and the file's id.
    Derived,
    /// A file below [`World::file_root`](super::World::file_root).
    Disk(PathBuf),
    /// It was mentioned by an export but is not there.
    Missing,
}

/// A file that can be downloaded.
#[derive(Clone, Debug)]
pub struct FileEntry {
    /// Bytes; of the largest size, for a photo.
    pub size: i64,
    /// Dimensions, for a photo.
    pub photo: Option<(i32, i32)>,
    /// The data centre that holds it.
    pub dc: i32,
    /// Where its bytes come from.
    pub source: FileSource,
}
