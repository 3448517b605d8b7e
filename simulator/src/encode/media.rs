//! Media: photos and documents with the account's own hashes and file references, and everything without a file.

use grammers_tl_types::{enums, types};

use super::AccountView;
use crate::picture;
use crate::world::{BASE_DATE, Document, DocumentKind, Media, PeerId, Photo, PhotoSize, mix};

impl AccountView<'_> {
    fn file_dc(&self, file: i64) -> i32 {
        self.world.files.get(&file).map_or(1, |entry| entry.dc)
    }

    pub(super) fn media(&self, media: &Media, date: i32) -> enums::MessageMedia {
        match media {
            Media::Photo(photo) => enums::MessageMedia::Photo(types::MessageMediaPhoto {
                spoiler: false,
                live_photo: false,
                photo: Some(self.photo(photo, date)),
                ttl_seconds: None,
                video: None,
            }),
            Media::Document(document) => enums::MessageMedia::Document(types::MessageMediaDocument {
                nopremium: false,
                spoiler: false,
                video: matches!(document.kind, DocumentKind::Video),
                round: matches!(document.kind, DocumentKind::Round),
                voice: matches!(document.kind, DocumentKind::Voice),
                document: Some(self.document(document, date)),
                alt_documents: None,
                video_cover: None,
                video_timestamp: None,
                ttl_seconds: None,
            }),
            Media::Webpage { id, url, site, title, description } => webpage(*id, url, site, title, description),
            Media::Poll { id, question, options, voters } => poll(*id, question, options, voters),
            Media::Geo { latitude, longitude } => types::MessageMediaGeo { geo: geo_point(*latitude, *longitude) }.into(),
            Media::Venue { latitude, longitude, title, address } => types::MessageMediaVenue {
                geo: geo_point(*latitude, *longitude),
                title: title.clone(),
                address: address.clone(),
                provider: "foursquare".into(),
                venue_id: String::new(),
                venue_type: String::new(),
            }
            .into(),
            Media::Contact { phone, first_name, last_name, user } => types::MessageMediaContact {
                phone_number: phone.clone(),
                first_name: first_name.clone(),
                last_name: last_name.clone(),
                vcard: String::new(),
                user_id: *user,
            }
            .into(),
            Media::Dice { emoji, value } => {
                types::MessageMediaDice { value: *value, emoticon: emoji.clone(), game_outcome: None }.into()
            }
        }
    }

    /// A tiny inline preview; its first three bytes are the version and the dimensions, as in the real one.
    fn stripped(&self, id: i64, width: i32, height: i32) -> enums::PhotoSize {
        types::PhotoStrippedSize { r#type: "i".into(), bytes: self.stripped_bytes(id, width, height) }.into()
    }

    /// The bytes of the same.
    fn stripped_bytes(&self, id: i64, width: i32, height: i32) -> Vec<u8> {
        if self.world.real_media {
            return picture::stripped(id, width, height);
        }
        let noise = (0..10).flat_map(|block: u64| mix(id as u64 ^ block).to_le_bytes());
        [1, 40, 30].into_iter().chain(noise).collect()
    }

    pub(crate) fn photo(&self, photo: &Photo, date: i32) -> enums::Photo {
        let mut sizes = vec![self.stripped(photo.id, photo.width, photo.height)];
        let downloadable = photo.sizes();
        let last = downloadable.len().saturating_sub(1);
        for (at, size) in downloadable.iter().enumerate() {
            let r#type = size.letter.to_string();
            sizes.push(if at == last && photo.progressive {
                // The bytes after which each further scan of a progressive JPEG is complete.
                let noise = [8, 4, 2, 1].map(|part| size.size / part);
                let sizes = if self.world.real_media { picture::scan_ends(size.size) } else { noise }.to_vec();
                types::PhotoSizeProgressive { r#type, w: size.width, h: size.height, sizes }.into()
            } else {
                types::PhotoSize { r#type, w: size.width, h: size.height, size: size.size }.into()
            });
        }
        enums::Photo::Photo(types::Photo {
            has_stickers: false,
            id: photo.id,
            access_hash: self.file_hash(photo.id),
            file_reference: self.reference(photo.id),
            date,
            sizes,
            video_sizes: None,
            dc_id: self.file_dc(photo.id),
        })
    }

    /// The photo of a user as everybody sees it.
    pub(super) fn user_photo(&self, peer: PeerId) -> Option<enums::UserProfilePhoto> {
        let photo = self.world.photo_of(peer)?;
        let (photo_id, dc_id) = (photo.id, self.file_dc(photo.id));
        let stripped_thumb = Some(self.stripped_bytes(photo.id, photo.width, photo.height));
        Some(types::UserProfilePhoto { has_video: false, personal: false, photo_id, stripped_thumb, dc_id }.into())
    }

    /// The photo of a group or channel as everybody sees it.
    pub(super) fn chat_photo(&self, peer: PeerId) -> enums::ChatPhoto {
        let Some(photo) = self.world.photo_of(peer) else { return enums::ChatPhoto::Empty };
        let (photo_id, dc_id) = (photo.id, self.file_dc(photo.id));
        let stripped_thumb = Some(self.stripped_bytes(photo.id, photo.width, photo.height));
        types::ChatPhoto { has_video: false, photo_id, stripped_thumb, dc_id }.into()
    }

    /// The photo of a peer with all its sizes and a reference, as only those are told who ask for everything.
    pub(crate) fn full_photo(&self, peer: PeerId) -> Option<enums::Photo> {
        self.world.photo_of(peer).map(|photo| self.photo(photo, BASE_DATE))
    }

    fn document(&self, document: &Document, date: i32) -> enums::Document {
        let stripped = matches!(document.kind, DocumentKind::Video | DocumentKind::Animation | DocumentKind::Round);
        let (width, height) = document.dimensions.unwrap_or_default();
        let stripped = stripped.then(|| self.stripped(document.id, width, height));
        let thumbnail = document.thumbnail.map(|of| {
            let PhotoSize { letter, width: w, height: h, size } = of;
            types::PhotoSize { r#type: letter.to_string(), w, h, size }.into()
        });
        let thumbs: Vec<enums::PhotoSize> = stripped.into_iter().chain(thumbnail).collect();
        enums::Document::Document(types::Document {
            id: document.id,
            access_hash: self.file_hash(document.id),
            file_reference: self.reference(document.id),
            date,
            mime_type: document.mime.clone(),
            size: document.size,
            thumbs: Some(thumbs).filter(|thumbs| !thumbs.is_empty()),
            video_thumbs: None,
            dc_id: self.file_dc(document.id),
            attributes: attributes(document),
        })
    }
}

fn attributes(document: &Document) -> Vec<enums::DocumentAttribute> {
    let mut attributes = Vec::new();
    let (w, h) = document.dimensions.unwrap_or_default();
    let duration = document.duration.unwrap_or_default();
    match document.kind {
        DocumentKind::Video | DocumentKind::Round | DocumentKind::Animation => {
            attributes.push(
                types::DocumentAttributeVideo {
                    round_message: document.kind == DocumentKind::Round,
                    supports_streaming: document.kind == DocumentKind::Video,
                    nosound: document.kind == DocumentKind::Animation,
                    duration,
                    w,
                    h,
                    preload_prefix_size: None,
                    video_start_ts: None,
                    video_codec: None,
                }
                .into(),
            );
            if document.kind == DocumentKind::Animation {
                attributes.push(enums::DocumentAttribute::Animated);
            }
        }
        DocumentKind::Audio | DocumentKind::Voice => attributes.push(
            types::DocumentAttributeAudio {
                voice: document.kind == DocumentKind::Voice,
                duration: duration as i32,
                title: document.title.clone(),
                performer: document.performer.clone(),
                waveform: (document.kind == DocumentKind::Voice).then(|| vec![0x55; 63]),
            }
            .into(),
        ),
        DocumentKind::Sticker => {
            attributes.push(types::DocumentAttributeImageSize { w, h }.into());
            attributes.push(
                types::DocumentAttributeSticker {
                    mask: false,
                    alt: document.emoji.clone().unwrap_or_default(),
                    stickerset: enums::InputStickerSet::Empty,
                    mask_coords: None,
                }
                .into(),
            );
        }
        DocumentKind::File => {
            if document.dimensions.is_some() {
                attributes.push(types::DocumentAttributeImageSize { w, h }.into());
            }
        }
    }
    if let Some(name) = &document.name {
        attributes.push(types::DocumentAttributeFilename { file_name: name.clone() }.into());
    }
    attributes
}

fn geo_point(lat: f64, long: f64) -> enums::GeoPoint {
    enums::GeoPoint::Point(types::GeoPoint { long, lat, access_hash: 0, accuracy_radius: None })
}

fn webpage(id: i64, url: &str, site: &str, title: &str, description: &str) -> enums::MessageMedia {
    let display_url = url.strip_prefix("https://").unwrap_or(url).to_owned();
    types::MessageMediaWebPage {
        force_large_media: false,
        force_small_media: false,
        manual: false,
        safe: false,
        webpage: types::WebPage {
            has_large_media: false,
            video_cover_photo: false,
            id,
            url: url.into(),
            display_url,
            hash: 0,
            r#type: Some("article".into()),
            site_name: Some(site.into()),
            title: Some(title.into()),
            description: Some(description.into()),
            photo: None,
            embed_url: None,
            embed_type: None,
            embed_width: None,
            embed_height: None,
            duration: None,
            author: None,
            document: None,
            cached_page: None,
            attributes: None,
        }
        .into(),
    }
    .into()
}

fn poll(id: i64, question: &str, options: &[String], voters: &[i32]) -> enums::MessageMedia {
    let text = |text: &str| enums::TextWithEntities::Entities(types::TextWithEntities { text: text.into(), entities: vec![] });
    let answers = (0u8..)
        .zip(options)
        .map(|(at, option)| {
            types::PollAnswer { text: text(option), option: vec![at], media: None, added_by: None, date: None }.into()
        })
        .collect();
    let results = (0u8..)
        .zip(voters)
        .map(|(at, count)| {
            enums::PollAnswerVoters::Voters(types::PollAnswerVoters {
                chosen: false,
                correct: false,
                option: vec![at],
                voters: Some(*count),
                // The two share a flag: the one is not there without the other.
                recent_voters: Some(vec![]),
            })
        })
        .collect();
    types::MessageMediaPoll {
        poll: types::Poll {
            id,
            closed: false,
            public_voters: false,
            multiple_choice: false,
            quiz: false,
            open_answers: false,
            revoting_disabled: false,
            shuffle_answers: false,
            hide_results_until_close: false,
            creator: false,
            subscribers_only: false,
            question: text(question),
            answers,
            close_period: None,
            close_date: None,
            countries_iso2: None,
            hash: 0,
        }
        .into(),
        results: types::PollResults {
            min: false,
            has_unread_votes: false,
            can_view_stats: false,
            results: Some(results),
            total_voters: Some(voters.iter().sum()),
            recent_voters: None,
            solution: None,
            solution_entities: None,
            solution_media: None,
        }
        .into(),
        attached_media: None,
    }
    .into()
}
