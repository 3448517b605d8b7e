//! Everything a message carries besides text.

use grammers_tl_types::{enums, types};

use crate::model::{Media, MediaKind};

use super::{finite, name};

/// Parses media; `None` for Telegram's explicit "nothing".
pub(super) fn media(tl: &enums::MessageMedia, not_understood: &mut Vec<&'static str>) -> Option<Media> {
    use enums::MessageMedia as M;
    let of = Media::new;
    Some(match tl {
        M::Empty => return None,
        M::Photo(m) => photo(m.photo.as_ref()),
        M::Document(m) => document(m),
        M::WebPage(m) => webpage(&m.webpage),
        M::Poll(m) => {
            let enums::Poll::Poll(poll) = &m.poll;
            let text = |enums::TextWithEntities::Entities(t): &enums::TextWithEntities| t.text.clone();
            let options = poll
                .answers
                .iter()
                .filter_map(|a| match a {
                    enums::PollAnswer::Answer(a) => Some(text(&a.text)),
                    _ => None,
                })
                .collect();
            Media { question: Some(text(&poll.question)), options, ..of(MediaKind::Poll) }
        }
        M::Geo(m) => geo(&m.geo, MediaKind::Geo),
        M::GeoLive(m) => geo(&m.geo, MediaKind::Geo),
        M::Venue(m) => Media { title: Some(m.title.clone()), ..geo(&m.geo, MediaKind::Venue) },
        M::Contact(m) => {
            let names = [m.first_name.as_str(), m.last_name.as_str()];
            let title = names.into_iter().filter(|n| !n.is_empty()).collect::<Vec<_>>().join(" ");
            Media { title: Some(title), phone: Some(m.phone_number.clone()), ..of(MediaKind::Contact) }
        }
        M::Dice(_) => of(MediaKind::Dice),
        M::Game(m) => {
            let enums::Game::Game(game) = &m.game;
            Media { title: Some(game.title.clone()), ..of(MediaKind::Game) }
        }
        M::Invoice(m) => Media { title: Some(m.title.clone()), ..of(MediaKind::Invoice) },
        M::Story(_) => of(MediaKind::Story),
        other => {
            not_understood.push(name(other));
            of(MediaKind::Other)
        }
    })
}

fn photo(tl: Option<&enums::Photo>) -> Media {
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

fn document(m: &types::MessageMediaDocument) -> Media {
    use enums::DocumentAttribute as A;
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
    let mut media = Media::new(MediaKind::File);
    media.id = Some(d.id);
    media.mime = Some(d.mime_type.clone()).filter(|mime| !mime.is_empty());
    media.size = Some(d.size);
    let (mut video, mut round, mut audio, mut voice) = (false, m.round, false, m.voice);
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
            }
            A::Sticker(_) | A::CustomEmoji(_) => sticker = true,
            A::Animated => animated = true,
            _ => {}
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

fn webpage(tl: &enums::WebPage) -> Media {
    let of = Media::new(MediaKind::Webpage);
    match tl {
        enums::WebPage::Page(p) => Media { url: Some(p.url.clone()), title: p.title.clone(), ..of },
        enums::WebPage::Pending(p) => Media { url: p.url.clone(), ..of },
        enums::WebPage::Empty(p) => Media { url: p.url.clone(), ..of },
        enums::WebPage::NotModified(_) => of,
    }
}

fn geo(tl: &enums::GeoPoint, kind: MediaKind) -> Media {
    match tl {
        enums::GeoPoint::Point(p) => Media { latitude: finite(p.lat), longitude: finite(p.long), ..Media::new(kind) },
        enums::GeoPoint::Empty => Media::new(kind),
    }
}
