//! Profile photos: as every mention of a peer has them, and as a peer's full description has them.

use grammers_tl_types::enums;

use crate::model::{FileAccess, FileId, FilePlace, MediaKind, Rendition, RenditionRole, SeenFile};

use super::rendition;

/// The profile photo of a user, to be asked for by peer: without access hash and file reference.
///
/// `None` without one, and for a photo that is not the user's own: the one that an account gave its contact, which is nobody else's
/// business, or the outdated one of a `min` user.
#[must_use]
pub fn user_avatar(tl: &enums::User) -> Option<SeenFile> {
    let enums::User::User(u) = tl else { return None };
    match &u.photo {
        Some(enums::UserProfilePhoto::Photo(p)) if !p.personal && (!u.min || u.apply_min_photo) => {
            Some(by_peer(p.photo_id, p.dc_id, p.stripped_thumb.as_ref()))
        }
        _ => None,
    }
}

/// The profile photo of a group or channel, to be asked for by peer: without access hash and file reference.
#[must_use]
pub fn chat_avatar(tl: &enums::Chat) -> Option<SeenFile> {
    let photo = match tl {
        enums::Chat::Chat(c) => &c.photo,
        enums::Chat::Channel(c) => &c.photo,
        // Of the others Telegram tells none; a community has no messages of its own.
        enums::Chat::Empty(_)
        | enums::Chat::Forbidden(_)
        | enums::Chat::ChannelForbidden(_)
        | enums::Chat::Community(_)
        | enums::Chat::CommunityForbidden(_) => return None,
    };
    match photo {
        enums::ChatPhoto::Photo(p) => Some(by_peer(p.photo_id, p.dc_id, p.stripped_thumb.as_ref())),
        enums::ChatPhoto::Empty => None,
    }
}

/// The profile photo as the full description of a peer has it (`channelFull.chat_photo`, `userFull.profile_photo`), to be asked for like
/// any other photo: every size, and how it moves.
#[must_use]
pub fn full_photo(tl: &enums::Photo) -> Option<SeenFile> {
    rendition::photo(tl, FilePlace::Avatar, None)
}

/// The two sizes that `inputPeerPhotoFileLocation` gives; that it also moves (`has_video`) is only in the full description.
/// See <https://core.telegram.org/api/files#downloading-files>.
fn by_peer(id: i64, dc: i32, stripped: Option<&Vec<u8>>) -> SeenFile {
    let square = |letter: &str, role, side| Rendition {
        letter: letter.to_owned(),
        role,
        width: Some(side),
        height: Some(side),
        size: None,
    };
    SeenFile {
        id: FileId::photo(id),
        place: FilePlace::Avatar,
        media: MediaKind::Photo,
        name: None,
        mime: None,
        duration: None,
        sticker_set: None,
        ttl: None,
        renditions: vec![square("a", RenditionRole::Reduced, 160), square("c", RenditionRole::Original, 640)],
        preview: stripped.filter(|bytes| !bytes.is_empty()).cloned(),
        access: FileAccess { dc, hash: 0, reference: Vec::new() },
    }
}
