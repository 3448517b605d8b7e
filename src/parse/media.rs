//! Everything a message carries besides text and files.

use grammers_tl_types::{enums, types};

use crate::model::{GeoPlace, Giveaway, Media, MediaKind, MessageId, PagePreview, Payment, PeerId, Story, TodoTask};

use super::file::{document, document_id, photo, photo_id};
use super::{UnknownConstructors, finite, non_empty, peer_id, plain, poll, timestamp};

/// Telegram's own currency.
pub(super) const STARS: &str = "XTR";

/// Parses media; `None` for Telegram's explicit "nothing".
pub(super) fn media(tl: &enums::MessageMedia, unknown: &mut UnknownConstructors) -> Option<Media> {
    let mut media = outer(tl, unknown)?;
    media.items = match tl {
        enums::MessageMedia::Story(m) => match &m.story {
            Some(enums::StoryItem::Item(story)) => outer(&story.media, unknown).into_iter().collect(),
            _ => Vec::new(),
        },
        enums::MessageMedia::PaidMedia(m) => m.extended_media.iter().filter_map(|tl| extended(tl, unknown)).collect(),
        enums::MessageMedia::Invoice(m) => m.extended_media.iter().filter_map(|tl| extended(tl, unknown)).collect(),
        enums::MessageMedia::Poll(m) => m.attached_media.iter().filter_map(|tl| outer(tl, unknown)).collect(),
        _ => Vec::new(),
    };
    Some(media)
}

/// Media without what is inside: a recursion limit of one level. Nothing that Telegram shows nests deeper, and what it could send must
/// not be able to.
fn outer(tl: &enums::MessageMedia, unknown: &mut UnknownConstructors) -> Option<Media> {
    use enums::MessageMedia as M;
    let of = Media::new;
    Some(match tl {
        M::Empty => return None,
        M::Photo(m) => Media { spoiler: m.spoiler, ttl: m.ttl_seconds, ..photo(m.photo.as_ref()) },
        M::Document(m) => Media { spoiler: m.spoiler, ttl: m.ttl_seconds, ..document(m) },
        M::WebPage(m) => webpage(&m.webpage),
        M::Poll(m) => poll::poll(m, unknown),
        M::Geo(m) => geo(&m.geo, MediaKind::Geo, GeoPlace::default()),
        M::GeoLive(m) => {
            geo(&m.geo, MediaKind::Geo, GeoPlace { period: Some(m.period), heading: m.heading, ..GeoPlace::default() })
        }
        M::Venue(m) => {
            let place = GeoPlace {
                address: non_empty(&m.address),
                provider: non_empty(&m.provider),
                id: non_empty(&m.venue_id),
                kind: non_empty(&m.venue_type),
                ..GeoPlace::default()
            };
            Media { title: Some(m.title.clone()), ..geo(&m.geo, MediaKind::Venue, place) }
        }
        M::Contact(m) => {
            let names = [m.first_name.as_str(), m.last_name.as_str()];
            let title = names.into_iter().filter(|n| !n.is_empty()).collect::<Vec<_>>().join(" ");
            Media {
                title: Some(title),
                phone: Some(m.phone_number.clone()),
                // 0 stands for somebody who is not on Telegram.
                user: (m.user_id != 0).then(|| PeerId::user(m.user_id)),
                vcard: non_empty(&m.vcard),
                ..of(MediaKind::Contact)
            }
        }
        M::Dice(m) => Media { emoji: non_empty(&m.emoticon), value: Some(m.value), ..of(MediaKind::Dice) },
        M::Game(m) => {
            let enums::Game::Game(game) = &m.game;
            Media {
                name: non_empty(&game.short_name),
                title: Some(game.title.clone()),
                description: non_empty(&game.description),
                ..of(MediaKind::Game)
            }
        }
        M::Invoice(m) => Media {
            title: Some(m.title.clone()),
            description: non_empty(&m.description),
            payment: Some(Payment { currency: m.currency.clone(), amount: m.total_amount }),
            ..of(MediaKind::Invoice)
        },
        M::Story(m) => Media {
            story: Some(Story { peer: peer_id(&m.peer), id: m.id }),
            description: match &m.story {
                Some(enums::StoryItem::Item(story)) => story.caption.clone(),
                _ => None,
            },
            ..of(MediaKind::Story)
        },
        M::Giveaway(m) => giveaway(m),
        M::GiveawayResults(m) => giveaway_results(m),
        M::PaidMedia(m) => {
            Media { payment: Some(Payment { currency: STARS.to_owned(), amount: m.stars_amount }), ..of(MediaKind::Paid) }
        }
        M::ToDo(m) => todo(m),
        M::VideoStream(_) => of(MediaKind::Stream),
        M::Unsupported => {
            unknown.note(tl);
            of(MediaKind::Unsupported)
        }
    })
}

/// What must be paid for: itself once it is paid, and until then its measures.
fn extended(tl: &enums::MessageExtendedMedia, unknown: &mut UnknownConstructors) -> Option<Media> {
    match tl {
        enums::MessageExtendedMedia::Media(m) => outer(&m.media, unknown),
        enums::MessageExtendedMedia::Preview(p) => {
            let kind = if p.video_duration.is_some() { MediaKind::Video } else { MediaKind::Photo };
            Some(Media { width: p.w, height: p.h, duration: p.video_duration.map(f64::from), ..Media::new(kind) })
        }
    }
}

fn webpage(tl: &enums::WebPage) -> Media {
    let of = Media::new(MediaKind::Webpage);
    match tl {
        enums::WebPage::Page(p) => {
            let page = PagePreview {
                display_url: non_empty(&p.display_url),
                site: p.site_name.clone(),
                kind: p.r#type.clone(),
                author: p.author.clone(),
                embed: p.embed_url.clone(),
                photo: p.photo.as_ref().map(photo_id),
                document: p.document.as_ref().map(document_id),
                instant: p.cached_page.is_some(),
            };
            Media {
                url: Some(p.url.clone()),
                title: p.title.clone(),
                description: p.description.clone(),
                page: Some(Box::new(page)).filter(|page| **page != PagePreview::default()),
                ..of
            }
        }
        enums::WebPage::Pending(p) => Media { url: p.url.clone(), ..of },
        enums::WebPage::Empty(p) => Media { url: p.url.clone(), ..of },
        enums::WebPage::NotModified(_) => of,
    }
}

fn geo(tl: &enums::GeoPoint, kind: MediaKind, place: GeoPlace) -> Media {
    let mut media = Media::new(kind);
    let mut place = place;
    if let enums::GeoPoint::Point(p) = tl {
        (media.latitude, media.longitude) = (finite(p.lat), finite(p.long));
        place.accuracy = p.accuracy_radius;
    }
    media.place = Some(Box::new(place)).filter(|place| **place != GeoPlace::default());
    media
}

fn giveaway(m: &types::MessageMediaGiveaway) -> Media {
    let giveaway = Giveaway {
        channels: m.channels.iter().copied().map(PeerId::channel).collect(),
        countries: m.countries_iso2.clone().unwrap_or_default(),
        quantity: m.quantity,
        months: m.months,
        stars: m.stars,
        until: Some(timestamp(m.until_date)),
        ..Giveaway::default()
    };
    Media { description: m.prize_description.clone(), giveaway: Some(Box::new(giveaway)), ..Media::new(MediaKind::Giveaway) }
}

fn giveaway_results(m: &types::MessageMediaGiveawayResults) -> Media {
    let giveaway = Giveaway {
        channels: vec![PeerId::channel(m.channel_id)],
        countries: Vec::new(),
        quantity: m.winners_count,
        unclaimed: Some(m.unclaimed_count),
        months: m.months,
        stars: m.stars,
        until: Some(timestamp(m.until_date)),
        winners: m.winners.iter().copied().map(PeerId::user).collect(),
        message: Some(MessageId(m.launch_msg_id)),
    };
    Media {
        description: m.prize_description.clone(),
        giveaway: Some(Box::new(giveaway)),
        ..Media::new(MediaKind::GiveawayResults)
    }
}

fn todo(m: &types::MessageMediaToDo) -> Media {
    let enums::TodoList::List(list) = &m.todo;
    let task = |enums::TodoItem::Item(item): &enums::TodoItem| {
        let of_it = |enums::TodoCompletion::Completion(c): &&enums::TodoCompletion| c.id == item.id;
        let done = m.completions.iter().flatten().find(of_it).map(|enums::TodoCompletion::Completion(c)| c);
        TodoTask {
            id: item.id,
            text: plain(&item.title),
            completed_by: done.map(|c| peer_id(&c.completed_by)),
            completed: done.map(|c| timestamp(c.date)),
        }
    };
    Media { title: Some(plain(&list.title)), tasks: list.list.iter().map(task).collect(), ..Media::new(MediaKind::Todo) }
}
