//! Files: what can be downloaded, in which renditions, and where from.

use std::path::PathBuf;
use std::sync::Arc;

/// One of the sizes of a photo, or the thumbnail of a document.
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

/// The sizes of a photo, by letter and longest side, below the photo itself.
const PHOTO_SIDES: [(char, i32); 2] = [('m', 320), ('x', 800)];
/// The same of a profile photo.
const PROFILE_SIDES: [(char, i32); 2] = [('a', 160), ('b', 320)];
/// The letters of the photo itself.
const PHOTO_LETTER: char = 'y';
const PROFILE_LETTER: char = 'c';
/// The letter and the longest side of a document's thumbnail.
const THUMBNAIL: (char, i32) = ('m', 320);

/// The sizes of a photo of these dimensions, smallest first; the last one is the photo itself.
pub(crate) fn photo_sizes(width: i32, height: i32, size: i32, profile: bool) -> Vec<PhotoSize> {
    let longest = width.max(height).max(1);
    let (sides, own) = if profile { (PROFILE_SIDES, PROFILE_LETTER) } else { (PHOTO_SIDES, PHOTO_LETTER) };
    let mut sizes: Vec<_> = sides
        .into_iter()
        .filter(|(_, side)| *side < longest)
        .map(|(letter, side)| {
            let (width, height) = fitted(width, height, side);
            PhotoSize { letter, width, height, size: (size / (longest / side + 1)).max(1) }
        })
        .collect();
    sizes.push(PhotoSize { letter: own, width, height, size });
    sizes
}

/// The thumbnail of what has these dimensions, with a length that follows from the document's id.
pub(crate) fn thumbnail(id: i64, width: i32, height: i32) -> PhotoSize {
    let (letter, side) = THUMBNAIL;
    let (width, height) = if width.max(height) > side { fitted(width, height, side) } else { (width.max(1), height.max(1)) };
    // Between a tenth and a fifth of a byte for each pixel, and never too little for a picture of one colour.
    let pixels = i64::from(width) * i64::from(height);
    let size = 1_200 + pixels / 10 + (super::mix(id as u64) % 997) as i64;
    PhotoSize { letter, width, height, size: i32::try_from(size).unwrap_or(i32::MAX) }
}

/// Dimensions made to fit a square of this side.
fn fitted(width: i32, height: i32, side: i32) -> (i32, i32) {
    let longest = i64::from(width.max(height).max(1));
    let scaled = |length: i32| i32::try_from(i64::from(length) * i64::from(side) / longest).unwrap_or(side).max(1);
    (scaled(width), scaled(height))
}

/// Where a file's bytes come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileSource {
    /// Derived from the world's seed and the file's id; where the world has real media, photos and thumbnails are pictures.
    Derived,
    /// A sound: a WAV file of a tone that follows from the file's id.
    Tone,
    /// A file below [`World::file_root`](super::World::file_root).
    Disk(PathBuf),
    /// These bytes, whatever messages say of them; of a photo, in each of its sizes. A document's thumbnail is derived.
    Given(Arc<[u8]>),
    /// It was mentioned by an export but is not there.
    Missing,
}

/// What a file is to those who download it: which renditions it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileForm {
    /// A photo, in several sizes.
    Photo {
        /// Pixels of the largest size.
        width: i32,
        /// Pixels of the largest size.
        height: i32,
        /// Whether the largest size is a progressive JPEG.
        progressive: bool,
        /// Whether it is the photo of a peer.
        profile: bool,
    },
    /// A document, perhaps with a thumbnail.
    Document {
        /// The thumbnail.
        thumbnail: Option<PhotoSize>,
    },
}

/// A file that can be downloaded.
#[derive(Clone, Debug)]
pub struct FileEntry {
    /// Bytes that there really are, whatever messages say; of the largest size, for a photo.
    pub size: i64,
    /// What it is.
    pub form: FileForm,
    /// The data centre that holds it.
    pub dc: i32,
    /// Where its bytes come from.
    pub source: FileSource,
}

impl FileEntry {
    /// A document without a thumbnail whose bytes follow from its id.
    #[must_use]
    pub fn document(size: i64, dc: i32) -> Self {
        Self { size, form: FileForm::Document { thumbnail: None }, dc, source: FileSource::Derived }
    }

    /// Whether it is a photo.
    #[must_use]
    pub fn is_photo(&self) -> bool {
        matches!(self.form, FileForm::Photo { .. })
    }

    /// The renditions that are pictures: the sizes of a photo, smallest first, or the thumbnail of a document.
    #[must_use]
    pub fn pictures(&self) -> Vec<PhotoSize> {
        match self.form {
            FileForm::Photo { width, height, profile, .. } => {
                photo_sizes(width, height, i32::try_from(self.size).unwrap_or(i32::MAX), profile)
            }
            FileForm::Document { thumbnail } => thumbnail.into_iter().collect(),
        }
    }

    /// Whether a size of it is a progressive JPEG: only the largest is.
    pub(crate) fn is_progressive(&self, of: PhotoSize) -> bool {
        let FileForm::Photo { progressive, .. } = self.form else { return false };
        progressive && self.pictures().last() == Some(&of)
    }

    /// The size of a rendition; the whole document or the largest size of a photo where no letter is named.
    #[must_use]
    pub fn size_of(&self, letter: &str) -> Option<i64> {
        if letter.is_empty() {
            return Some(self.size);
        }
        self.pictures().iter().find(|size| size.letter.to_string() == letter).map(|size| i64::from(size.size))
    }
}

/// One rendition of one file, as [`World::file_list`](super::World::file_list) has them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileRendition {
    /// The photo or document id.
    pub id: i64,
    /// The letter of a photo's size or of a thumbnail; empty for a document itself.
    pub letter: String,
    /// Bytes.
    pub size: i64,
    /// The data centre that holds it.
    pub dc: i32,
}
