//! Media.

use crate::model::{
    GeoPlace, Giveaway, Media, MediaKind, MessageId, PagePreview, Payment, PeerId, Poll, PollResult, Story, Timestamp, TodoTask,
};

use super::{number_of, numbered};

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct MediaRecord {
    #[prost(uint32, tag = "1")]
    kind: u32,
    #[prost(int64, optional, tag = "2")]
    id: Option<i64>,
    #[prost(string, optional, tag = "3")]
    name: Option<String>,
    #[prost(string, optional, tag = "4")]
    mime: Option<String>,
    #[prost(int64, optional, tag = "5")]
    size: Option<i64>,
    #[prost(int32, optional, tag = "6")]
    width: Option<i32>,
    #[prost(int32, optional, tag = "7")]
    height: Option<i32>,
    #[prost(double, optional, tag = "8")]
    duration: Option<f64>,
    #[prost(string, optional, tag = "9")]
    url: Option<String>,
    #[prost(string, optional, tag = "10")]
    title: Option<String>,
    #[prost(string, optional, tag = "11")]
    question: Option<String>,
    #[prost(string, repeated, tag = "12")]
    options: Vec<String>,
    #[prost(double, optional, tag = "13")]
    latitude: Option<f64>,
    #[prost(double, optional, tag = "14")]
    longitude: Option<f64>,
    #[prost(string, optional, tag = "15")]
    phone: Option<String>,
    #[prost(string, optional, tag = "16")]
    description: Option<String>,
    #[prost(string, optional, tag = "17")]
    performer: Option<String>,
    #[prost(string, optional, tag = "18")]
    emoji: Option<String>,
    #[prost(int64, optional, tag = "19")]
    sticker_set: Option<i64>,
    #[prost(int32, optional, tag = "20")]
    value: Option<i32>,
    #[prost(sint64, optional, tag = "21")]
    user: Option<i64>,
    #[prost(string, optional, tag = "22")]
    vcard: Option<String>,
    #[prost(bool, tag = "23")]
    spoiler: bool,
    #[prost(int32, optional, tag = "24")]
    ttl: Option<i32>,
    #[prost(message, optional, tag = "25")]
    page: Option<PageRecord>,
    #[prost(message, optional, tag = "26")]
    poll: Option<PollRecord>,
    #[prost(message, optional, tag = "27")]
    place: Option<PlaceRecord>,
    #[prost(message, optional, tag = "28")]
    payment: Option<PaymentRecord>,
    #[prost(message, optional, tag = "29")]
    story: Option<StoryRecord>,
    #[prost(message, optional, tag = "30")]
    giveaway: Option<GiveawayRecord>,
    #[prost(message, repeated, tag = "31")]
    tasks: Vec<TaskRecord>,
    #[prost(message, repeated, tag = "32")]
    items: Vec<MediaRecord>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct PageRecord {
    #[prost(string, optional, tag = "1")]
    display_url: Option<String>,
    #[prost(string, optional, tag = "2")]
    site: Option<String>,
    #[prost(string, optional, tag = "3")]
    kind: Option<String>,
    #[prost(string, optional, tag = "4")]
    author: Option<String>,
    #[prost(string, optional, tag = "5")]
    embed: Option<String>,
    #[prost(int64, optional, tag = "6")]
    photo: Option<i64>,
    #[prost(int64, optional, tag = "7")]
    document: Option<i64>,
    #[prost(bool, tag = "8")]
    instant: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
struct PollRecord {
    #[prost(int64, tag = "1")]
    id: i64,
    #[prost(bool, tag = "2")]
    quiz: bool,
    #[prost(bool, tag = "3")]
    closed: bool,
    #[prost(bool, tag = "4")]
    multiple: bool,
    #[prost(bool, tag = "5")]
    public: bool,
    #[prost(int64, optional, tag = "6")]
    closes: Option<i64>,
    #[prost(message, repeated, tag = "7")]
    results: Vec<PollResultRecord>,
    #[prost(int32, optional, tag = "8")]
    voters: Option<i32>,
    #[prost(string, optional, tag = "9")]
    solution: Option<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct PollResultRecord {
    #[prost(int32, optional, tag = "1")]
    voters: Option<i32>,
    #[prost(bool, tag = "2")]
    correct: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
struct PlaceRecord {
    #[prost(string, optional, tag = "1")]
    address: Option<String>,
    #[prost(string, optional, tag = "2")]
    provider: Option<String>,
    #[prost(string, optional, tag = "3")]
    id: Option<String>,
    #[prost(string, optional, tag = "4")]
    kind: Option<String>,
    #[prost(int32, optional, tag = "5")]
    accuracy: Option<i32>,
    #[prost(int32, optional, tag = "6")]
    period: Option<i32>,
    #[prost(int32, optional, tag = "7")]
    heading: Option<i32>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct PaymentRecord {
    #[prost(string, tag = "1")]
    currency: String,
    #[prost(int64, tag = "2")]
    amount: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct StoryRecord {
    #[prost(sint64, tag = "1")]
    peer: i64,
    #[prost(int32, tag = "2")]
    id: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct GiveawayRecord {
    #[prost(sint64, repeated, tag = "1")]
    channels: Vec<i64>,
    #[prost(string, repeated, tag = "2")]
    countries: Vec<String>,
    #[prost(int32, tag = "3")]
    quantity: i32,
    #[prost(int32, optional, tag = "4")]
    unclaimed: Option<i32>,
    #[prost(int32, optional, tag = "5")]
    months: Option<i32>,
    #[prost(int64, optional, tag = "6")]
    stars: Option<i64>,
    #[prost(int64, optional, tag = "7")]
    until: Option<i64>,
    #[prost(sint64, repeated, tag = "8")]
    winners: Vec<i64>,
    #[prost(int32, optional, tag = "9")]
    message: Option<i32>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct TaskRecord {
    #[prost(int32, tag = "1")]
    id: i32,
    #[prost(string, tag = "2")]
    text: String,
    #[prost(sint64, optional, tag = "3")]
    completed_by: Option<i64>,
    #[prost(int64, optional, tag = "4")]
    completed: Option<i64>,
}

impl MediaRecord {
    pub(super) fn of(m: &Media) -> Self {
        Self {
            kind: number_of(&MediaKind::ALL, m.kind),
            id: m.id,
            name: m.name.clone(),
            mime: m.mime.clone(),
            size: m.size,
            width: m.width,
            height: m.height,
            duration: m.duration,
            url: m.url.clone(),
            title: m.title.clone(),
            description: m.description.clone(),
            performer: m.performer.clone(),
            emoji: m.emoji.clone(),
            sticker_set: m.sticker_set,
            value: m.value,
            question: m.question.clone(),
            options: m.options.clone(),
            latitude: m.latitude,
            longitude: m.longitude,
            phone: m.phone.clone(),
            vcard: m.vcard.clone(),
            spoiler: m.spoiler,
            ttl: m.ttl,
            user: m.user.map(|p| p.0),
            page: m.page.as_deref().map(PageRecord::of),
            poll: m.poll.as_deref().map(PollRecord::of),
            place: m.place.as_deref().map(PlaceRecord::of),
            payment: m.payment.as_ref().map(PaymentRecord::of),
            story: m.story.map(|s| StoryRecord { peer: s.peer.0, id: s.id }),
            giveaway: m.giveaway.as_deref().map(GiveawayRecord::of),
            tasks: m.tasks.iter().map(TaskRecord::of).collect(),
            items: m.items.iter().map(Self::of).collect(),
        }
    }

    pub(super) fn into_media(self) -> Media {
        Media {
            kind: numbered(&MediaKind::ALL, self.kind).unwrap_or(MediaKind::Other),
            id: self.id,
            name: self.name,
            mime: self.mime,
            size: self.size,
            width: self.width,
            height: self.height,
            duration: self.duration,
            url: self.url,
            title: self.title,
            description: self.description,
            performer: self.performer,
            emoji: self.emoji,
            sticker_set: self.sticker_set,
            value: self.value,
            question: self.question,
            options: self.options,
            latitude: self.latitude,
            longitude: self.longitude,
            phone: self.phone,
            vcard: self.vcard,
            spoiler: self.spoiler,
            ttl: self.ttl,
            user: self.user.map(PeerId),
            page: self.page.map(|page| Box::new(page.into_page())),
            poll: self.poll.map(|poll| Box::new(poll.into_poll())),
            place: self.place.map(|place| Box::new(place.into_place())),
            payment: self.payment.map(PaymentRecord::into_payment),
            story: self.story.map(|s| Story { peer: PeerId(s.peer), id: s.id }),
            giveaway: self.giveaway.map(|giveaway| Box::new(giveaway.into_giveaway())),
            tasks: self.tasks.into_iter().map(TaskRecord::into_task).collect(),
            items: self.items.into_iter().map(Self::into_media).collect(),
        }
    }
}

impl PageRecord {
    fn of(p: &PagePreview) -> Self {
        let PagePreview { display_url, site, kind, author, embed, photo, document, instant } = p.clone();
        Self { display_url, site, kind, author, embed, photo, document, instant }
    }

    fn into_page(self) -> PagePreview {
        let Self { display_url, site, kind, author, embed, photo, document, instant } = self;
        PagePreview { display_url, site, kind, author, embed, photo, document, instant }
    }
}

impl PollRecord {
    fn of(p: &Poll) -> Self {
        let Poll { id, quiz, closed, multiple, public, closes, results, voters, solution } = p.clone();
        let results = results.into_iter().map(|r| PollResultRecord { voters: r.voters, correct: r.correct }).collect();
        Self { id, quiz, closed, multiple, public, closes: closes.map(|d| d.0), results, voters, solution }
    }

    fn into_poll(self) -> Poll {
        let Self { id, quiz, closed, multiple, public, closes, results, voters, solution } = self;
        let results = results.into_iter().map(|r| PollResult { voters: r.voters, correct: r.correct }).collect();
        Poll { id, quiz, closed, multiple, public, closes: closes.map(Timestamp), results, voters, solution }
    }
}

impl PlaceRecord {
    fn of(p: &GeoPlace) -> Self {
        let GeoPlace { address, provider, id, kind, accuracy, period, heading } = p.clone();
        Self { address, provider, id, kind, accuracy, period, heading }
    }

    fn into_place(self) -> GeoPlace {
        let Self { address, provider, id, kind, accuracy, period, heading } = self;
        GeoPlace { address, provider, id, kind, accuracy, period, heading }
    }
}

impl PaymentRecord {
    pub(super) fn of(p: &Payment) -> Self {
        Self { currency: p.currency.clone(), amount: p.amount }
    }

    pub(super) fn into_payment(self) -> Payment {
        Payment { currency: self.currency, amount: self.amount }
    }
}

impl GiveawayRecord {
    fn of(g: &Giveaway) -> Self {
        Self {
            channels: g.channels.iter().map(|p| p.0).collect(),
            countries: g.countries.clone(),
            quantity: g.quantity,
            unclaimed: g.unclaimed,
            months: g.months,
            stars: g.stars,
            until: g.until.map(|d| d.0),
            winners: g.winners.iter().map(|p| p.0).collect(),
            message: g.message.map(|i| i.0),
        }
    }

    fn into_giveaway(self) -> Giveaway {
        Giveaway {
            channels: self.channels.into_iter().map(PeerId).collect(),
            countries: self.countries,
            quantity: self.quantity,
            unclaimed: self.unclaimed,
            months: self.months,
            stars: self.stars,
            until: self.until.map(Timestamp),
            winners: self.winners.into_iter().map(PeerId).collect(),
            message: self.message.map(MessageId),
        }
    }
}

impl TaskRecord {
    fn of(t: &TodoTask) -> Self {
        Self { id: t.id, text: t.text.clone(), completed_by: t.completed_by.map(|p| p.0), completed: t.completed.map(|d| d.0) }
    }

    fn into_task(self) -> TodoTask {
        TodoTask {
            id: self.id,
            text: self.text,
            completed_by: self.completed_by.map(PeerId),
            completed: self.completed.map(Timestamp),
        }
    }
}
