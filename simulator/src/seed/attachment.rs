//! Attachments: what messages carry besides text, and the files behind it.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::WorldSpec;
use super::language::Language;
use super::phrases::{PLACES, file_stem, one, person};
use crate::tone;
use crate::world::{Document, DocumentKind, FileEntry, Media, Photo, WAVE, World, mix};

/// The share of messages that carry something.
const SHARE: f64 = 0.16;

/// The longest side of the smallest photo that is progressive, where photos are real.
const PROGRESSIVE_SIDE_MIN: i32 = 800;

/// Something attached.
pub(super) struct Attachment {
    pub media: Media,
    pub file: Option<(i64, FileEntry)>,
    /// Whether it never has a caption.
    pub stands_alone: bool,
    pub may_be_album: bool,
}

impl Attachment {
    fn new(media: Media) -> Self {
        Self { media, file: None, stands_alone: true, may_be_album: false }
    }

    /// The address that the text must show for the preview to be there.
    pub(super) fn url(&self) -> Option<&str> {
        match &self.media {
            Media::Webpage { url, .. } => Some(url),
            _ => None,
        }
    }
}

/// Decides what, if anything, the message at this place of a chat carries.
pub(super) fn pick(
    world: &World,
    spec: &WorldSpec,
    chat: usize,
    at: usize,
    language: Language,
    rng: &mut ChaCha8Rng,
) -> Option<Attachment> {
    if !rng.random_bool(SHARE) {
        return None;
    }
    let words = language.lexicon();
    Some(match rng.random_range(0..100) {
        0..42 => photo(world, spec, rng),
        42..52 => webpage(language, rng),
        52..62 => document(world, spec, DocumentKind::File, rng),
        62..72 => document(world, spec, DocumentKind::Video, rng),
        72..79 => document(world, spec, DocumentKind::Sticker, rng),
        79..84 => document(world, spec, DocumentKind::Voice, rng),
        84..88 => document(world, spec, DocumentKind::Animation, rng),
        88..91 => document(world, spec, DocumentKind::Audio, rng),
        91..93 => document(world, spec, DocumentKind::Round, rng),
        93..95 => {
            let options: Vec<String> = (0..rng.random_range(2..6)).map(|_| (*one(words.ends, rng)).to_owned()).collect();
            let voters = options.iter().map(|_| rng.random_range(0..500)).collect();
            let question = (*one(words.whole, rng)).to_owned();
            let id = (mix(spec.seed ^ mix((chat as u64) << 32 | at as u64)) >> 2) as i64;
            Attachment::new(Media::Poll { id, question, options, voters })
        }
        95 => {
            let (_, _, latitude, longitude) = *one(&PLACES, rng);
            Attachment::new(Media::Geo { latitude, longitude })
        }
        96 => {
            let (title, address, latitude, longitude) = *one(&PLACES, rng);
            Attachment::new(Media::Venue { latitude, longitude, title: title.into(), address: address.into() })
        }
        97 => {
            let (first_name, last_name) = person(rng);
            let phone = format!("99966{:05}", rng.random_range(0..10_000));
            let last_name = last_name.unwrap_or_default();
            Attachment::new(Media::Contact { phone, first_name, last_name, user: 0 })
        }
        _ => {
            let emoji = (*one(&["🎲", "🎯", "🏀"], rng)).to_owned();
            Attachment::new(Media::Dice { emoji, value: rng.random_range(1..7) })
        }
    })
}

/// A photo id or document id: any positive number, and the same file never twice.
fn file_id(rng: &mut ChaCha8Rng) -> i64 {
    (rng.random::<u64>() >> 2) as i64
}

pub(super) fn file_dc(world: &World, spec: &WorldSpec, id: i64) -> i32 {
    let home = world.accounts.first().map_or(1, |account| account.home_dc);
    if !spec.media_everywhere {
        return home;
    }
    let at = mix(id as u64) as usize % world.data_centres.len().max(1);
    world.data_centres.get(at).copied().unwrap_or(home)
}

/// A photo.
pub(super) fn photo(world: &World, spec: &WorldSpec, rng: &mut ChaCha8Rng) -> Attachment {
    const SHAPES: [(i32, i32); 6] = [(1280, 960), (960, 1280), (1280, 720), (800, 800), (640, 480), (180, 240)];
    let (width, height) = *one(&SHAPES, rng);
    let size = width * height / rng.random_range(5..20);
    let id = file_id(rng);
    let mut photo = Photo { id, width, height, size, progressive: rng.random_bool(0.3), profile: false };
    if spec.real_media {
        // Small ones are never progressive, in the wild neither.
        photo.progressive &= width.max(height) >= PROGRESSIVE_SIDE_MIN;
    }
    Attachment {
        file: Some((id, photo.file(file_dc(world, spec, id)))),
        media: Media::Photo(photo),
        stands_alone: false,
        may_be_album: true,
    }
}

fn webpage(language: Language, rng: &mut ChaCha8Rng) -> Attachment {
    let words = language.lexicon();
    let number = rng.random_range(1..100_000);
    Attachment {
        media: Media::Webpage {
            id: i64::from(number) * 7_919,
            url: format!("https://news.example.com/{number}"),
            site: "Example News".into(),
            title: (*one(words.titles, rng)).to_owned(),
            description: (*one(words.whole, rng)).to_owned(),
        },
        file: None,
        stands_alone: false,
        may_be_album: false,
    }
}

fn document(world: &World, spec: &WorldSpec, kind: DocumentKind, rng: &mut ChaCha8Rng) -> Attachment {
    let id = file_id(rng);
    let (name, mime, size, dimensions, duration) = match kind {
        DocumentKind::File => {
            const TYPES: [(&str, &str); 6] = [
                ("pdf", "application/pdf"),
                ("zip", "application/zip"),
                ("txt", "text/plain"),
                ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
                ("csv", "text/csv"),
                ("bin", "application/octet-stream"),
            ];
            let (extension, mime) = *one(&TYPES, rng);
            (Some(format!("{}.{extension}", file_stem(rng))), mime, rng.random_range(200..3_000_000), None, None)
        }
        DocumentKind::Video => {
            let seconds = rng.random_range(3..300);
            let name = rng.random_bool(0.5).then(|| format!("{}.mp4", file_stem(rng)));
            // Fractions that a double holds exactly.
            let duration = f64::from(seconds) + *one(&[0.0, 0.25, 0.5], rng);
            (name, "video/mp4", i64::from(seconds) * 20_011, Some((1280, 720)), Some(duration))
        }
        DocumentKind::Animation => {
            (Some("animation.gif.mp4".into()), "video/mp4", rng.random_range(20_000..800_000), Some((480, 270)), Some(3.0))
        }
        DocumentKind::Audio => {
            let seconds = rng.random_range(60..400);
            let name = format!("{}.mp3", file_stem(rng));
            (Some(name), "audio/mpeg", i64::from(seconds) * 8_009, None, Some(f64::from(seconds)))
        }
        DocumentKind::Voice => {
            let seconds = rng.random_range(1..120);
            (None, "audio/ogg", i64::from(seconds) * 4_001, None, Some(f64::from(seconds)))
        }
        DocumentKind::Round => {
            let seconds = rng.random_range(2..60);
            (None, "video/mp4", i64::from(seconds) * 30_011, Some((400, 400)), Some(f64::from(seconds)))
        }
        DocumentKind::Sticker => {
            (Some("sticker.webp".into()), "image/webp", rng.random_range(5_000..60_000), Some((512, 512)), None)
        }
    };
    let is_audio = kind == DocumentKind::Audio;
    let title = is_audio.then(|| file_stem(rng));
    let performer = is_audio.then(|| person(rng).0);
    let emoji = (kind == DocumentKind::Sticker).then(|| "😀".to_owned());
    let is_sound = spec.real_media && matches!(kind, DocumentKind::Voice | DocumentKind::Audio);
    let (name, mime, size) = if is_sound {
        let samples = duration.unwrap_or_default() as i64 * tone::SAMPLE_RATE;
        (name.map(|name| name.replace(".mp3", ".wav")), WAVE, tone::HEADER + samples)
    } else {
        (name, mime, size)
    };
    let size = spec.file_sizes.size_of(spec.seed, id, size);
    let (mime, thumbnail) = (mime.into(), None);
    let mut document = Document { id, kind, name, mime, size, dimensions, duration, title, performer, emoji, thumbnail };
    document.add_thumbnail();
    Attachment {
        file: Some((id, document.file(file_dc(world, spec, id)))),
        media: Media::Document(Box::new(document)),
        stands_alone: matches!(kind, DocumentKind::Sticker | DocumentKind::Round | DocumentKind::Voice),
        may_be_album: false,
    }
}
