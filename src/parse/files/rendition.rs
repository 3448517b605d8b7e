//! A photo or a document as a file: its byte sequences, and what it takes to ask for them.

use std::collections::HashSet;

use grammers_tl_types::{enums, types};

use crate::model::{FileAccess, FileId, FilePlace, Media, MediaKind, Rendition, RenditionRole, SeenFile};
use crate::parse::non_empty;

/// A photo; `None` for an empty one, and for one of which no size can be asked for.
pub(super) fn photo(tl: &enums::Photo, place: FilePlace, ttl: Option<i32>) -> Option<SeenFile> {
    let enums::Photo::Photo(p) = tl else { return None };
    let mut renditions: Vec<_> = p.sizes.iter().filter_map(|size| picture(size, RenditionRole::Reduced)).collect();
    // As `Media` has it, so that both tell the same measures.
    let largest = renditions.iter_mut().max_by_key(|rendition| area(rendition))?;
    largest.role = RenditionRole::Original;
    renditions.extend(p.video_sizes.iter().flatten().filter_map(animation));
    each_letter_once(&mut renditions);
    Some(SeenFile {
        id: FileId::photo(p.id),
        place,
        media: MediaKind::Photo,
        name: None,
        mime: None,
        duration: None,
        sticker_set: None,
        ttl,
        renditions,
        preview: preview(&p.sizes),
        access: FileAccess { dc: p.dc_id, hash: p.access_hash, reference: p.file_reference.clone() },
    })
}

/// A document, with what its attributes say of it.
pub(super) fn document(d: &types::Document, described: &Media, place: FilePlace, ttl: Option<i32>) -> Option<SeenFile> {
    let thumbs = d.thumbs.as_deref().unwrap_or_default();
    let original = Rendition {
        letter: String::new(),
        role: RenditionRole::Original,
        width: described.width,
        height: described.height,
        size: bytes(d.size),
    };
    let mut renditions = vec![original];
    renditions.extend(thumbs.iter().filter_map(|size| picture(size, RenditionRole::Thumbnail)));
    renditions.extend(d.video_thumbs.iter().flatten().filter_map(animation));
    each_letter_once(&mut renditions);
    Some(SeenFile {
        id: FileId::document(d.id),
        place,
        media: described.kind,
        name: described.name.as_deref().and_then(non_empty),
        mime: described.mime.clone(),
        duration: described.duration,
        sticker_set: described.sticker_set,
        ttl,
        renditions,
        preview: preview(thumbs),
        access: FileAccess { dc: d.dc_id, hash: d.access_hash, reference: d.file_reference.clone() },
    })
}

fn area(rendition: &Rendition) -> i64 {
    i64::from(rendition.width.unwrap_or_default()) * i64::from(rendition.height.unwrap_or_default())
}

/// A number of bytes; none is negative.
fn bytes(size: i64) -> Option<i64> {
    Some(size).filter(|size| *size >= 0)
}

/// A size that can be asked for by its letter.
fn picture(tl: &enums::PhotoSize, role: RenditionRole) -> Option<Rendition> {
    use enums::PhotoSize as S;
    let (letter, width, height, size) = match tl {
        S::Size(s) => (&s.r#type, s.w, s.h, Some(s.size.into())),
        // Its sizes are where each quality ends; the whole is the largest.
        S::Progressive(s) => (&s.r#type, s.w, s.h, s.sizes.iter().copied().max().map(i64::from)),
        S::PhotoCachedSize(s) => (&s.r#type, s.w, s.h, i64::try_from(s.bytes.len()).ok()),
        S::Empty(_) | S::PhotoStrippedSize(_) | S::PhotoPathSize(_) => return None,
    };
    let letter = non_empty(letter)?;
    Some(Rendition { letter, role, width: Some(width), height: Some(height), size: size.and_then(bytes) })
}

/// A moving picture; those that a client draws of an emoji or a sticker are no bytes of this file.
fn animation(tl: &enums::VideoSize) -> Option<Rendition> {
    match tl {
        enums::VideoSize::Size(s) => Some(Rendition {
            letter: non_empty(&s.r#type)?,
            role: RenditionRole::Animation,
            width: Some(s.w),
            height: Some(s.h),
            size: bytes(s.size.into()),
        }),
        enums::VideoSize::EmojiMarkup(_) | enums::VideoSize::StickerMarkup(_) => None,
    }
}

/// A letter stands for one byte sequence: the first of it, or the original.
fn each_letter_once(renditions: &mut Vec<Rendition>) {
    let original = renditions.iter().find(|rendition| rendition.role == RenditionRole::Original);
    let mut taken: HashSet<String> = original.map(|original| original.letter.clone()).into_iter().collect();
    renditions.retain(|rendition| rendition.role == RenditionRole::Original || taken.insert(rendition.letter.clone()));
}

/// The picture that is inside of the message: a tiny JPEG without its header, or a sticker's outline.
fn preview(sizes: &[enums::PhotoSize]) -> Option<Vec<u8>> {
    let stripped = sizes.iter().find_map(|size| match size {
        enums::PhotoSize::PhotoStrippedSize(s) => Some(&s.bytes),
        _ => None,
    });
    let outline = sizes.iter().find_map(|size| match size {
        enums::PhotoSize::PhotoPathSize(s) => Some(&s.bytes),
        _ => None,
    });
    stripped.or(outline).filter(|bytes| !bytes.is_empty()).cloned()
}
