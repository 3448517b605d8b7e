//! Attachments of an export: files named by a path below the export's folder, and media without a file.

use std::fs;
use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use super::Warnings;
use super::{fields, text};
use crate::world::{Document, DocumentKind, FileEntry, FileSource, Media, Photo};

/// Something attached, with its file if it has one.
pub(super) struct ExportedAttachment {
    pub media: Media,
    pub file: Option<(i64, FileEntry)>,
}

/// What a message carries. The id is given to its file: exports do not tell Telegram's own.
pub(super) fn attachment_of(
    message: &Value,
    id: i64,
    dc: i32,
    root: &Path,
    warnings: &mut Warnings<'_>,
) -> Option<ExportedAttachment> {
    let bare = |media| Some(ExportedAttachment { media, file: None });
    if let Some(path) = fields::text(message, "photo") {
        let (source, found) = source_of(path, root, warnings);
        let size = found.or_else(|| fields::number(message, "photo_file_size")).unwrap_or(0);
        let (width, height) = dimensions(message).unwrap_or((800, 600));
        let size = i32::try_from(size).unwrap_or(i32::MAX);
        let photo = Photo { id, ..Photo::new(width, height, size) };
        let entry = FileEntry { source, ..photo.file(dc) };
        return Some(ExportedAttachment { media: Media::Photo(photo), file: Some((id, entry)) });
    }
    if let Some(path) = fields::text(message, "file") {
        return Some(document(message, path, id, dc, root, warnings));
    }
    if let Some(contact) = message.get("contact_information") {
        let field = |key| fields::text(contact, key).unwrap_or_default().to_owned();
        return bare(Media::Contact {
            phone: field("phone_number"),
            first_name: field("first_name"),
            last_name: field("last_name"),
            user: 0,
        });
    }
    if let Some(place) = message.get("location_information") {
        let latitude = fields::fraction(place, "latitude").unwrap_or_default();
        let longitude = fields::fraction(place, "longitude").unwrap_or_default();
        return bare(match fields::text(message, "place_name") {
            Some(title) => {
                let address = fields::text(message, "address").unwrap_or_default().into();
                Media::Venue { latitude, longitude, title: title.into(), address }
            }
            None => Media::Geo { latitude, longitude },
        });
    }
    if let Some(poll) = message.get("poll") {
        let answers = poll.get("answers").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let question = text::plain(poll.get("question").unwrap_or(&Value::Null), warnings);
        let options = answers.iter().map(|answer| text::plain(answer.get("text").unwrap_or(&Value::Null), warnings));
        let options = options.collect();
        let voters = answers.iter().map(|answer| fields::small(answer, "voters").unwrap_or(0)).collect();
        return bare(Media::Poll { id, question, options, voters });
    }
    if let Some(dice) = message.get("dice") {
        let emoji = fields::text(dice, "emoticon").or_else(|| fields::text(dice, "emoji")).unwrap_or("🎲").into();
        return bare(Media::Dice { emoji, value: fields::small(dice, "value").unwrap_or(1) });
    }
    if let Some(other) = fields::text(message, "media_type") {
        warnings.warn(format!("media `{other}` without a file was left out"));
    }
    None
}

fn dimensions(message: &Value) -> Option<(i32, i32)> {
    Some((fields::small(message, "width")?, fields::small(message, "height")?))
        .filter(|(width, height)| *width > 0 && *height > 0)
}

fn document(message: &Value, path: &str, id: i64, dc: i32, root: &Path, warnings: &mut Warnings<'_>) -> ExportedAttachment {
    let (source, found) = source_of(path, root, warnings);
    let kind = match fields::text(message, "media_type") {
        None => DocumentKind::File,
        Some("sticker") => DocumentKind::Sticker,
        Some("video_message") => DocumentKind::Round,
        Some("voice_message") => DocumentKind::Voice,
        Some("animation") => DocumentKind::Animation,
        Some("video_file") => DocumentKind::Video,
        Some("audio_file") => DocumentKind::Audio,
        Some(other) => {
            warnings.warn(format!("unknown media `{other}` is served as a file"));
            DocumentKind::File
        }
    };
    let played = !matches!(kind, DocumentKind::File | DocumentKind::Sticker);
    let seen = !matches!(kind, DocumentKind::Audio | DocumentKind::Voice);
    let named = matches!(source, FileSource::Disk(_)).then(|| Path::new(path).file_name()).flatten();
    let name = fields::text(message, "file_name").map(str::to_owned).or_else(|| Some(named?.to_str()?.to_owned()));
    let size = found.or_else(|| fields::number(message, "file_size")).unwrap_or(0);
    let owned = |key| fields::text(message, key).map(str::to_owned);
    let always_seen = matches!(kind, DocumentKind::Video | DocumentKind::Round | DocumentKind::Animation | DocumentKind::Sticker);
    let document = Document {
        id,
        kind,
        name,
        mime: owned("mime_type").unwrap_or_else(|| "application/octet-stream".into()),
        size,
        dimensions: dimensions(message).filter(|_| seen).or(always_seen.then_some((512, 512))),
        // Telegram counts whole seconds; so does every client that reads them.
        duration: played.then(|| fields::fraction(message, "duration_seconds").unwrap_or_default().trunc()),
        title: owned("title").filter(|_| kind == DocumentKind::Audio),
        performer: owned("performer"),
        emoji: owned("sticker_emoji"),
        // An export has its own, which are not read.
        thumbnail: None,
    };
    let entry = FileEntry { source, ..document.file(dc) };
    ExportedAttachment { media: Media::Document(Box::new(document)), file: Some((id, entry)) }
}

/// Where a file is, and how large. Only paths below the export's folder are followed.
fn source_of(path: &str, root: &Path, warnings: &mut Warnings<'_>) -> (FileSource, Option<i64>) {
    let relative = PathBuf::from(path);
    if path.starts_with('(') {
        // "(File not included. Change data exporting settings to download.)" and its kin.
        return (FileSource::Missing, None);
    }
    if !relative.components().all(|component| matches!(component, Component::Normal(_) | Component::CurDir)) {
        warnings.warn(format!("file `{path}` is outside the export"));
        return (FileSource::Missing, None);
    }
    match fs::metadata(root.join(&relative)) {
        Ok(found) if found.is_file() => (FileSource::Disk(relative), i64::try_from(found.len()).ok()),
        _ => {
            warnings.warn(format!("file `{path}` is not there"));
            (FileSource::Missing, None)
        }
    }
}
