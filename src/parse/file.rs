//! Photos and documents.

use grammers_tl_types::{enums, types};

use crate::model::{Media, MediaKind};

use super::{finite, non_empty};

/// A photo: the largest of its sizes.
pub(super) fn photo(tl: Option<&enums::Photo>) -> Media {
    let mut media = Media::new(MediaKind::Photo);
    match tl {
        Some(enums::Photo::Photo(p)) => {
            media.id = Some(p.id);
            let sizes = p.sizes.iter().filter_map(photo_size);
            if let Some((width, height, size)) = sizes.max_by_key(|(w, h, _)| i64::from(*w) * i64::from(*h)) {
                (media.width, media.height, media.size) = (Some(width), Some(height), Some(i64::from(size)));
            }
        }
        Some(enums::Photo::Empty(p)) => media.id = Some(p.id),
        None => {}
    }
    media
}

/// Width, height and bytes of a size that is a file of its own (thumbnails inside the message are not).
fn photo_size(tl: &enums::PhotoSize) -> Option<(i32, i32, i32)> {
    match tl {
        enums::PhotoSize::Size(s) => Some((s.w, s.h, s.size)),
        enums::PhotoSize::Progressive(s) => Some((s.w, s.h, s.sizes.iter().copied().max()?)),
        enums::PhotoSize::PhotoCachedSize(s) => Some((s.w, s.h, i32::try_from(s.bytes.len()).ok()?)),
        _ => None,
    }
}

/// A document as media.
pub(super) fn document(m: &types::MessageMediaDocument) -> Media {
    let Some(enums::Document::Document(d)) = &m.document else {
        // Expired or view-once media: only its kind is left.
        let kind = if m.voice {
            MediaKind::Voice
        } else if m.round {
            MediaKind::Round
        } else if m.video {
            MediaKind::Video
        } else {
            MediaKind::File
        };
        return Media::new(kind);
    };
    described(d, m.round, m.voice)
}

/// What the attributes of a document say it is; of a round video or a voice message, the message may say so too.
pub(super) fn described(d: &types::Document, round: bool, voice: bool) -> Media {
    use enums::DocumentAttribute as A;
    let mut media = Media::new(MediaKind::File);
    media.id = Some(d.id);
    media.mime = Some(d.mime_type.clone()).filter(|mime| !mime.is_empty());
    media.size = Some(d.size);
    let (mut video, mut round, mut audio, mut voice) = (false, round, false, voice);
    let (mut sticker, mut animated) = (false, false);
    for attribute in &d.attributes {
        match attribute {
            A::Filename(a) => media.name = Some(a.file_name.clone()),
            A::ImageSize(a) => (media.width, media.height) = (Some(a.w), Some(a.h)),
            A::Video(a) => {
                video = true;
                round |= a.round_message;
                (media.width, media.height, media.duration) = (Some(a.w), Some(a.h), finite(a.duration));
            }
            A::Audio(a) => {
                audio = true;
                voice |= a.voice;
                media.duration = Some(f64::from(a.duration));
                media.title.clone_from(&a.title);
                media.performer.clone_from(&a.performer);
            }
            A::Sticker(a) => {
                sticker = true;
                (media.emoji, media.sticker_set) = (non_empty(&a.alt), sticker_set(&a.stickerset));
            }
            A::CustomEmoji(a) => {
                sticker = true;
                (media.emoji, media.sticker_set) = (non_empty(&a.alt), sticker_set(&a.stickerset));
            }
            A::Animated => animated = true,
            A::HasStickers => {}
        }
    }
    media.kind = if sticker {
        MediaKind::Sticker
    } else if animated {
        MediaKind::Animation
    } else if round {
        MediaKind::Round
    } else if video {
        MediaKind::Video
    } else if voice {
        MediaKind::Voice
    } else if audio {
        MediaKind::Audio
    } else {
        MediaKind::File
    };
    media
}

fn sticker_set(tl: &enums::InputStickerSet) -> Option<i64> {
    match tl {
        enums::InputStickerSet::Id(set) => Some(set.id),
        _ => None,
    }
}

/// A photo's id.
pub(super) fn photo_id(tl: &enums::Photo) -> i64 {
    match tl {
        enums::Photo::Photo(p) => p.id,
        enums::Photo::Empty(p) => p.id,
    }
}

/// A document's id.
pub(super) fn document_id(tl: &enums::Document) -> i64 {
    match tl {
        enums::Document::Document(d) => d.id,
        enums::Document::Empty(d) => d.id,
    }
}
