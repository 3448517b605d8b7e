//! Files: every photo and document that a message tells of, and where in it.
//!
//! Pure, and bounded: what nests deeper than Telegram shows anything is passed over. Left out is what has no id or no bytes to be asked for:
//! expired media, what must still be paid for, pictures that bots keep on their own servers (`WebDocument`), and custom emoji, of which a
//! message has the ids only. `docs/media.md` has every place, with what becomes of it; the raw bytes keep all.

mod avatar;
mod rendition;

use std::collections::HashSet;

use grammers_tl_types::{Deserializable as _, enums, types};

use crate::model::{FileId, FilePlace, SeenFile};

pub use avatar::{chat_avatar, full_photo, user_avatar};

/// The recursion limit: how deep media may nest in media. The deepest that Telegram shows is an option of a poll, with a link, to a story,
/// with a video; and a stack is not endless.
const DEPTH_MAX: u32 = 8;

/// Archived bytes of a message that this version cannot read: they are of a layer with other constructors, or damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the message's raw bytes, of layer {layer}, cannot be read with layer {}; a version for that layer can",
    grammers_tl_types::LAYER
)]
pub struct UnreadableRaw {
    /// The layer under which the bytes were archived.
    pub layer: i32,
}

/// Every file that a message tells of, in the order of the message: each once in each place. None for an empty message.
#[must_use]
pub fn files(tl: &enums::Message) -> Vec<SeenFile> {
    let mut finder = FileFinder::default();
    match tl {
        enums::Message::Empty(_) => {}
        enums::Message::Message(m) => finder.ordinary(m),
        enums::Message::Service(m) => finder.service(m),
    }
    finder.found
}

/// The same of the bytes that were archived of a message, under whichever layer.
///
/// # Errors
/// When they cannot be read: a constructor that changed since has another number, so nothing is taken for what it is not.
pub fn files_of_raw(layer: i32, tl: &[u8]) -> Result<Vec<SeenFile>, UnreadableRaw> {
    enums::Message::from_bytes(tl).map(|message| files(&message)).map_err(|_| UnreadableRaw { layer })
}

#[derive(Default)]
struct FileFinder {
    found: Vec<SeenFile>,
    listed: HashSet<(FileId, FilePlace)>,
    depth: u32,
}

impl FileFinder {
    fn ordinary(&mut self, m: &types::Message) {
        if let Some(media) = &m.media {
            self.media(FilePlace::Media, media);
        }
        if let Some(enums::RichMessage::Message(page)) = &m.rich_message {
            self.all(FilePlace::Page, &page.photos, &page.documents);
        }
        self.reply(m.reply_to.as_ref());
    }

    fn service(&mut self, m: &types::MessageService) {
        self.action(&m.action);
        self.reply(m.reply_to.as_ref());
    }

    /// What a message replies to is in the reply only where it is of another chat.
    fn reply(&mut self, header: Option<&enums::MessageReplyHeader>) {
        if let Some(enums::MessageReplyHeader::Header(header)) = header
            && let Some(media) = &header.reply_media
        {
            self.media(FilePlace::Item, media);
        }
    }

    fn add(&mut self, file: Option<SeenFile>) {
        self.found.extend(file.filter(|file| self.listed.insert((file.id, file.place))));
    }

    fn photo(&mut self, place: FilePlace, tl: &enums::Photo, ttl: Option<i32>) {
        self.add(rendition::photo(tl, place, ttl));
    }

    fn document(&mut self, place: FilePlace, tl: &enums::Document, ttl: Option<i32>) {
        if let enums::Document::Document(d) = tl {
            self.add(rendition::document(d, &super::file::described(d, false, false), place, ttl));
        }
    }

    fn all(&mut self, place: FilePlace, photos: &[enums::Photo], documents: &[enums::Document]) {
        photos.iter().for_each(|photo| self.photo(place, photo, None));
        documents.iter().for_each(|document| self.document(place, document, None));
    }

    /// Media, and what is inside of it: its own files are in this place.
    fn media(&mut self, place: FilePlace, tl: &enums::MessageMedia) {
        if self.depth < DEPTH_MAX {
            self.depth += 1;
            self.media_here(place, tl);
            self.depth -= 1;
        }
    }

    fn media_here(&mut self, place: FilePlace, tl: &enums::MessageMedia) {
        use enums::MessageMedia as M;
        let inside = if place == FilePlace::Media { FilePlace::Item } else { place };
        match tl {
            M::Photo(m) => {
                m.photo.iter().for_each(|photo| self.photo(place, photo, m.ttl_seconds));
                m.video.iter().for_each(|video| self.document(FilePlace::LivePart, video, m.ttl_seconds));
            }
            M::Document(m) => self.document_and_beside(place, m),
            M::WebPage(m) => self.webpage(&m.webpage),
            M::Game(m) => {
                let enums::Game::Game(game) = &m.game;
                self.photo(inside, &game.photo, None);
                game.document.iter().for_each(|document| self.document(inside, document, None));
            }
            M::Invoice(m) => m.extended_media.iter().for_each(|media| self.extended(inside, media)),
            M::PaidMedia(m) => m.extended_media.iter().for_each(|media| self.extended(inside, media)),
            M::Story(m) => m.story.iter().for_each(|story| self.story(inside, story)),
            M::Poll(m) => self.poll(inside, m),
            M::Empty
            | M::Geo(_)
            | M::GeoLive(_)
            | M::Venue(_)
            | M::Contact(_)
            | M::Dice(_)
            | M::Giveaway(_)
            | M::GiveawayResults(_)
            | M::ToDo(_)
            | M::VideoStream(_)
            | M::Unsupported => {}
        }
    }

    /// A document as media, with its cover and its other qualities.
    fn document_and_beside(&mut self, place: FilePlace, m: &types::MessageMediaDocument) {
        if let Some(enums::Document::Document(d)) = &m.document {
            self.add(rendition::document(d, &super::file::described(d, m.round, m.voice), place, m.ttl_seconds));
        }
        m.video_cover.iter().for_each(|cover| self.photo(FilePlace::Cover, cover, m.ttl_seconds));
        m.alt_documents.iter().flatten().for_each(|other| self.document(FilePlace::Alternative, other, m.ttl_seconds));
    }

    /// What must be paid for is a file only once it is paid.
    fn extended(&mut self, place: FilePlace, tl: &enums::MessageExtendedMedia) {
        match tl {
            enums::MessageExtendedMedia::Media(m) => self.media(place, &m.media),
            enums::MessageExtendedMedia::Preview(_) => {}
        }
    }

    fn story(&mut self, place: FilePlace, tl: &enums::StoryItem) {
        if let enums::StoryItem::Item(story) = tl {
            self.media(place, &story.media);
            story.music.iter().for_each(|music| self.document(place, music, None));
        }
    }

    fn poll(&mut self, place: FilePlace, m: &types::MessageMediaPoll) {
        let enums::Poll::Poll(poll) = &m.poll;
        let enums::PollResults::Results(results) = &m.results;
        m.attached_media.iter().for_each(|media| self.media(place, media));
        poll.answers.iter().for_each(|answer| self.answer(place, answer));
        results.solution_media.iter().for_each(|media| self.media(place, media));
    }

    fn answer(&mut self, place: FilePlace, tl: &enums::PollAnswer) {
        match tl {
            enums::PollAnswer::Answer(answer) => answer.media.iter().for_each(|media| self.media(place, media)),
            // Only clients send it.
            enums::PollAnswer::InputPollAnswer(_) => {}
        }
    }

    fn webpage(&mut self, tl: &enums::WebPage) {
        let enums::WebPage::Page(page) = tl else { return };
        page.photo.iter().for_each(|photo| self.photo(FilePlace::Preview, photo, None));
        page.document.iter().for_each(|document| self.document(FilePlace::Preview, document, None));
        page.attributes.iter().flatten().for_each(|attribute| self.page_attribute(attribute));
        if let Some(enums::Page::Page(instant)) = &page.cached_page {
            self.all(FilePlace::Page, &instant.photos, &instant.documents);
        }
    }

    /// What a link to something of Telegram's own shows of it.
    fn page_attribute(&mut self, tl: &enums::WebPageAttribute) {
        use enums::WebPageAttribute as A;
        let place = FilePlace::Preview;
        match tl {
            A::Theme(a) => {
                self.all(place, &[], a.documents.as_deref().unwrap_or_default());
                a.settings.iter().for_each(|settings| self.theme(place, settings));
            }
            A::Story(a) => a.story.iter().for_each(|story| self.story(place, story)),
            A::StickerSet(a) => self.all(place, &[], &a.stickers),
            A::UniqueStarGift(a) => self.gift(place, &a.gift),
            A::StarGiftCollection(a) => self.all(place, &[], &a.icons),
            A::StarGiftAuction(a) => self.gift(place, &a.gift),
            A::AiComposeTone(_) => {}
        }
    }

    fn action(&mut self, tl: &enums::MessageAction) {
        use enums::MessageAction as A;
        let place = FilePlace::Service;
        match tl {
            A::ChatEditPhoto(a) => self.photo(place, &a.photo, None),
            A::SuggestProfilePhoto(a) => self.photo(place, &a.photo, None),
            A::SetChatWallPaper(a) => self.wallpaper(place, &a.wallpaper),
            A::SetChatTheme(a) => {
                if let enums::ChatTheme::UniqueGift(theme) = &a.theme {
                    self.gift(place, &theme.gift);
                    theme.theme_settings.iter().for_each(|settings| self.theme(place, settings));
                }
            }
            A::BotAllowed(a) => {
                if let Some(enums::BotApp::App(app)) = &a.app {
                    self.photo(place, &app.photo, None);
                    app.document.iter().for_each(|document| self.document(place, document, None));
                }
            }
            A::RequestedPeerSentMe(a) => a.peers.iter().for_each(|peer| self.requested(place, peer)),
            A::StarGift(a) => self.gift(place, &a.gift),
            A::StarGiftUnique(a) => self.gift(place, &a.gift),
            A::StarGiftPurchaseOffer(a) => self.gift(place, &a.gift),
            A::StarGiftPurchaseOfferDeclined(a) => self.gift(place, &a.gift),
            A::PollAppendAnswer(a) => self.answer(place, &a.answer),
            A::PollDeleteAnswer(a) => self.answer(place, &a.answer),
            // A test holds this list to the schema.
            _ => {}
        }
    }

    fn requested(&mut self, place: FilePlace, tl: &enums::RequestedPeer) {
        let photo = match tl {
            enums::RequestedPeer::User(peer) => &peer.photo,
            enums::RequestedPeer::Chat(peer) => &peer.photo,
            enums::RequestedPeer::Channel(peer) => &peer.photo,
        };
        photo.iter().for_each(|photo| self.photo(place, photo, None));
    }

    fn gift(&mut self, place: FilePlace, tl: &enums::StarGift) {
        use enums::StarGiftAttribute as A;
        match tl {
            enums::StarGift::Gift(gift) => self.document(place, &gift.sticker, None),
            enums::StarGift::Unique(gift) => gift.attributes.iter().for_each(|attribute| match attribute {
                A::Model(a) => self.document(place, &a.document, None),
                A::Pattern(a) => self.document(place, &a.document, None),
                A::Backdrop(_) | A::OriginalDetails(_) => {}
            }),
        }
    }

    fn theme(&mut self, place: FilePlace, tl: &enums::ThemeSettings) {
        let enums::ThemeSettings::Settings(settings) = tl;
        settings.wallpaper.iter().for_each(|wallpaper| self.wallpaper(place, wallpaper));
    }

    fn wallpaper(&mut self, place: FilePlace, tl: &enums::WallPaper) {
        match tl {
            enums::WallPaper::Paper(wallpaper) => self.document(place, &wallpaper.document, None),
            // A colour, or several.
            enums::WallPaper::NoFile(_) => {}
        }
    }
}
