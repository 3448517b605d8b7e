//! Where a file is, as an account asks for it, and what comes of asking.

use std::fmt;

use grammers_tl_types::{enums, types};

use super::super::{Client, TelegramError};
use crate::model::{FileAccess, FileId, FileKind, IdSpace, PeerId};

/// One of the byte sequences behind a file's id, as one account asks for it.
#[derive(Clone, PartialEq, Eq)]
pub enum FileLocation {
    /// Of a document: itself where the letter is empty, else one of its thumbnails.
    Document {
        /// Telegram's id of the document.
        id: i64,
        /// The account's access hash.
        hash: i64,
        /// The account's file reference.
        reference: Vec<u8>,
        /// Telegram's letter of the rendition.
        letter: String,
    },
    /// Of a photo: one of its sizes.
    Photo {
        /// Telegram's id of the photo.
        id: i64,
        /// The account's access hash.
        hash: i64,
        /// The account's file reference.
        reference: Vec<u8>,
        /// Telegram's letter of the rendition.
        letter: String,
    },
    /// A peer's profile photo: asked for by the peer, without a reference.
    Avatar {
        /// Whose it is; the account has to know its access hash.
        peer: PeerId,
        /// Telegram's id of the photo.
        photo: i64,
        /// The large one (640 pixels), and not the small (160).
        is_big: bool,
    },
}

impl FileLocation {
    /// A rendition of a file by what an account was told of it.
    #[must_use]
    pub fn of(id: FileId, access: &FileAccess, letter: &str) -> Self {
        let (hash, reference, letter) = (access.hash, access.reference.clone(), letter.to_owned());
        match id.kind {
            FileKind::Document => Self::Document { id: id.id, hash, reference, letter },
            FileKind::Photo => Self::Photo { id: id.id, hash, reference, letter },
        }
    }
}

impl fmt::Debug for FileLocation {
    /// Neither hash nor reference may reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Document { id, letter, .. } => {
                f.debug_struct("Document").field("id", id).field("letter", letter).finish_non_exhaustive()
            }
            Self::Photo { id, letter, .. } => {
                f.debug_struct("Photo").field("id", id).field("letter", letter).finish_non_exhaustive()
            }
            Self::Avatar { peer, photo, is_big } => {
                f.debug_struct("Avatar").field("peer", peer).field("photo", photo).field("is_big", is_big).finish()
            }
        }
    }
}

/// Some bytes of a file.
#[derive(Clone, PartialEq, Eq)]
pub struct Part {
    /// The bytes: fewer than were asked for, or none, where the file ends.
    pub bytes: Vec<u8>,
    /// The MIME type that Telegram found by looking at the file, where it knows one.
    pub mime: Option<&'static str>,
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part").field("bytes", &self.bytes.len()).field("mime", &self.mime).finish()
    }
}

/// The MIME type of what Telegram calls a file's type.
pub(super) fn mime(kind: &enums::storage::FileType) -> Option<&'static str> {
    use enums::storage::FileType as Type;
    match kind {
        Type::FileUnknown | Type::FilePartial => None,
        Type::FileJpeg => Some("image/jpeg"),
        Type::FileGif => Some("image/gif"),
        Type::FilePng => Some("image/png"),
        Type::FilePdf => Some("application/pdf"),
        Type::FileMp3 => Some("audio/mpeg"),
        Type::FileMov => Some("video/quicktime"),
        Type::FileMp4 => Some("video/mp4"),
        Type::FileWebp => Some("image/webp"),
    }
}

impl Client {
    /// A location as this account addresses it.
    pub(super) fn input_location(&self, location: &FileLocation) -> Result<enums::InputFileLocation, TelegramError> {
        Ok(match location.clone() {
            FileLocation::Document { id, hash: access_hash, reference: file_reference, letter: thumb_size } => {
                types::InputDocumentFileLocation { id, access_hash, file_reference, thumb_size }.into()
            }
            FileLocation::Photo { id, hash: access_hash, reference: file_reference, letter: thumb_size } => {
                types::InputPhotoFileLocation { id, access_hash, file_reference, thumb_size }.into()
            }
            FileLocation::Avatar { peer, photo, is_big } => {
                let is_self = peer.kind() == IdSpace::User && self.session().user_id() == Some(peer.bare());
                let peer = if is_self { enums::InputPeer::PeerSelf } else { self.input_peer(peer)? };
                types::InputPeerPhotoFileLocation { big: is_big, peer, photo_id: photo }.into()
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_takes_to_ask_for_a_file_is_not_logged() {
        let access = FileAccess { dc: 4, hash: 987_654, reference: b"secret".to_vec() };
        for (id, shown) in [
            (FileId::document(7), "Document { id: 7, letter: \"m\", .. }"),
            (FileId::photo(7), "Photo { id: 7, letter: \"m\", .. }"),
        ] {
            assert_eq!(format!("{:?}", FileLocation::of(id, &access, "m")), shown);
        }
        assert_eq!(format!("{:?}", Part { bytes: vec![1; 9], mime: None }), "Part { bytes: 9, mime: None }");
    }
}
