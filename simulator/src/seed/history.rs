//! Histories: what happens in a chat, from its creation to the base date.
//!
//! First every chat is planned (how many messages, when), then ids are given (a channel's own, or those of its owner's one
//! sequence, in order of date), then the messages themselves are made.

use std::num::NonZero;
use std::sync::{Mutex, PoisonError};
use std::thread;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::attachment;
use super::language::Language;
use super::text::Writer;
use super::topics::Topics;
use super::{WorldSpec, generator, people, phrases};
use crate::world::{
    BASE_DATE, ChatKind, EntityKind, Forward, History, Journal, Message, NO_CHAT, PeerId, Reaction, Reply, Service, World, mix,
};

/// How long ago generated histories begin.
const SPAN_SECONDS: i32 = 2 * 365 * 86_400;
/// The share of ids that were deleted long ago.
const HOLES: f64 = 0.02;
/// The ids that an account's sequence begins with and that were deleted long ago: so many for each age, of so many ages.
const AGE_IDS: usize = 211;
const AGES: usize = 16;
/// Threads that write histories; more of them wait for memory.
const WRITERS_MAX: usize = 8;
/// How many messages back a reply reaches.
const REPLY_REACH: usize = 60;

/// A chat whose messages are still to be made.
pub(super) struct ChatPlan {
    chat: usize,
    rng: ChaCha8Rng,
    dates: Vec<i32>,
    ids: Vec<i32>,
    top_id: i32,
    /// What other accounts have of it.
    copies: Vec<CopyPlan>,
}

/// The copy that another account has of a basic group: the same messages under other ids.
struct CopyPlan {
    account: usize,
    chat: usize,
    ids: Vec<i32>,
}

impl ChatPlan {
    /// Plans a chat of so many messages: when each is sent, and which other accounts have them too.
    pub(super) fn new(spec: &WorldSpec, chat: usize, size: usize, others: Vec<usize>) -> Self {
        let mut rng = generator(spec.seed, 3, chat as u64);
        let start = BASE_DATE - SPAN_SECONDS + rng.random_range(0..SPAN_SECONDS / 3);
        let mut dates: Vec<i32> = (0..size).map(|_| rng.random_range(start..BASE_DATE)).collect();
        dates.sort_unstable();
        let copies = others.into_iter().map(|account| CopyPlan { account, chat: 0, ids: Vec::new() }).collect();
        Self { chat, rng, dates, ids: Vec::new(), top_id: 0, copies }
    }
}

/// Adds the copies of planned chats, after all other chats.
pub(super) fn add_copies(world: &mut World, plans: &mut [ChatPlan]) {
    for plan in plans {
        for copy in &mut plan.copies {
            let Some(chat) = world.chats.get(plan.chat).map(|chat| chat.copy_for(copy.account)) else { continue };
            copy.chat = world.chats.len();
            if let Some(account) = world.accounts.get_mut(copy.account) {
                account.dialogs.push(copy.chat as u32);
            }
            world.chats.push(chat);
        }
    }
}

/// Gives every planned message its id.
pub(super) fn number(world: &mut World, plans: &mut [ChatPlan], spec: &WorldSpec) {
    // When, in which plan, in which of its copies.
    let mut of_account: Vec<Vec<(i32, usize, Option<usize>)>> = vec![Vec::new(); world.accounts.len()];
    for (at, plan) in plans.iter_mut().enumerate() {
        let Some(chat) = world.chats.get(plan.chat) else { continue };
        match chat.owner {
            None => number_channel(plan),
            Some(owner) => {
                let copies = (0..).zip(&plan.copies).map(|(at, copy)| (Some(at), copy.account));
                for (copy, account) in [(None, owner)].into_iter().chain(copies) {
                    if let Some(sequence) = of_account.get_mut(account) {
                        sequence.extend(plan.dates.iter().map(|date| (*date, at, copy)));
                    }
                }
            }
        }
    }
    for (account, mut sequence) in of_account.into_iter().enumerate() {
        sequence.sort_unstable();
        let mut rng = generator(spec.seed, 4, account as u64);
        // Accounts are not equally old: what two of them have in common is far apart in their sequences.
        let before = account % AGES * AGE_IDS;
        let Some(account) = world.accounts.get_mut(account) else { continue };
        account.sequence.resize(before, NO_CHAT);
        for (_, at, copy) in sequence {
            while rng.random_bool(HOLES) {
                account.sequence.push(NO_CHAT);
            }
            let Some(plan) = plans.get_mut(at) else { continue };
            let id = account.sequence.len() as i32 + 1;
            if let Some(copy) = copy.and_then(|copy| plan.copies.get_mut(copy)) {
                account.sequence.push(copy.chat as u32);
                copy.ids.push(id);
            } else {
                account.sequence.push(plan.chat as u32);
                plan.ids.push(id);
                plan.top_id = id;
            }
        }
        account.journal = Journal::starting_at(account.sequence.len() as i32);
    }
}

/// A channel counts for itself; some ids are missing, in some channels the very first ones.
fn number_channel(plan: &mut ChatPlan) {
    let mut id = 0;
    if plan.rng.random_bool(0.1) {
        id += plan.rng.random_range(1..6);
    }
    for _ in 0..plan.dates.len() {
        id += 1;
        while plan.rng.random_bool(HOLES) {
            id += 1;
        }
        plan.ids.push(id);
    }
    // The newest messages may have been deleted too.
    plan.top_id = if plan.rng.random_bool(0.1) { id + plan.rng.random_range(1..4) } else { id };
}

/// Makes the messages.
pub(super) fn fill(world: &mut World, plans: Vec<ChatPlan>, spec: &WorldSpec) {
    let public: Vec<(PeerId, i32)> = world
        .chats
        .iter()
        .filter(|chat| chat.kind == ChatKind::Channel && chat.username.is_some())
        .map(|chat| (chat.peer, chat.date))
        .collect();
    for (at, history, files) in write_all(world, plans, &public, spec) {
        let Some(chat) = world.chats.get_mut(at) else { continue };
        chat.adopt(history);
        world.files.extend(files);
    }
}

/// A chat's finished history and the files in it.
type WrittenHistory = (usize, History, Vec<(i64, crate::world::FileEntry)>);

/// Writes on every core. Each chat has a generator of its own, so it does not matter who writes it.
fn write_all(world: &World, plans: Vec<ChatPlan>, public: &[(PeerId, i32)], spec: &WorldSpec) -> Vec<WrittenHistory> {
    let queue = Mutex::new(plans.into_iter());
    let take = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let write = || {
        let mut written = Vec::new();
        while let Some(plan) = take() {
            let at = plan.chat;
            let mut author = HistoryWriter::new(world, plan, public, spec);
            let history = author.write();
            for copy in std::mem::take(&mut author.plan.copies) {
                written.push((copy.chat, copied(&history, &copy.ids), Vec::new()));
            }
            written.push((at, history, author.files));
        }
        written
    };
    let writers = thread::available_parallelism().map_or(1, NonZero::get).min(WRITERS_MAX);
    thread::scope(|scope| {
        let others: Vec<_> = (1..writers).map(|_| scope.spawn(write)).collect();
        let mut written = write();
        for other in others {
            match other.join() {
                Ok(theirs) => written.extend(theirs),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        written
    })
}

/// The same messages under other ids, one for each.
fn copied(history: &History, ids: &[i32]) -> History {
    let mut copied = History::with_capacity(ids.len());
    for (message, id) in history.messages().iter().zip(ids) {
        let mut message = message.clone();
        message.id = *id;
        message.name_ids_by(|id| ids.get(history.count_below(id)).copied());
        copied.push(message);
    }
    copied
}

/// Makes the messages of one chat.
struct HistoryWriter<'w> {
    world: &'w World,
    public: &'w [(PeerId, i32)],
    spec: &'w WorldSpec,
    plan: ChatPlan,
    peer: PeerId,
    kind: ChatKind,
    title: String,
    date: i32,
    participants: Vec<i64>,
    language: Language,
    /// The album being posted: its id, who posts it, and how many parts are still to come.
    album: Option<(i64, Option<PeerId>, i32, u32)>,
    pin_next: Option<i32>,
    topics: Option<Topics>,
    files: Vec<(i64, crate::world::FileEntry)>,
}

impl<'w> HistoryWriter<'w> {
    fn new(world: &'w World, mut plan: ChatPlan, public: &'w [(PeerId, i32)], spec: &'w WorldSpec) -> Self {
        let chat = world.chats.get(plan.chat);
        let language = Language::pick(&mut plan.rng);
        Self {
            world,
            public,
            spec,
            peer: chat.map_or(PeerId::user(1), |chat| chat.peer),
            kind: chat.map_or(ChatKind::Private, |chat| chat.kind),
            title: chat.map(|chat| chat.title.clone()).unwrap_or_default(),
            date: chat.map_or(0, |chat| chat.date),
            participants: chat.map(|chat| chat.participants.clone()).unwrap_or_default(),
            topics: chat.filter(|chat| chat.forum).map(|_| Topics::new(spec, plan.chat)),
            plan,
            language,
            album: None,
            pin_next: None,
            files: Vec::new(),
        }
    }

    fn write(&mut self) -> History {
        let (ids, dates) = (std::mem::take(&mut self.plan.ids), std::mem::take(&mut self.plan.dates));
        let mut history = History::with_capacity(ids.len());
        for (at, (id, date)) in ids.into_iter().zip(dates).enumerate() {
            let made = self.topic(at, id, date).or_else(|| self.service(at, id, date, &mut history));
            let mut message = match made {
                Some(message) => message,
                None => self.message(at, id, date, &history),
            };
            if let Some(topics) = &mut self.topics {
                topics.place(&mut message, &history);
            }
            if let Some(extra) = &mut message.extra {
                // Of millions of lists, what was reserved for more would be a quarter of the memory.
                extra.entities.shrink_to_fit();
                extra.reactions.shrink_to_fit();
            }
            history.push(message);
        }
        history.raise_top_id(self.plan.top_id);
        history
    }

    fn sender(&mut self) -> Option<PeerId> {
        match self.kind {
            ChatKind::Channel => None,
            // An administrator who writes as the group itself.
            ChatKind::Supergroup if self.plan.rng.random_bool(0.01) => Some(self.peer),
            _ => {
                // A few write most of it.
                let most = self.participants.len().max(1) as f64;
                let at = (self.plan.rng.random::<f64>().powi(2) * most) as usize;
                self.participants.get(at).map(|user| PeerId::user(*user))
            }
        }
    }

    fn participant(&mut self) -> i64 {
        let at = self.plan.rng.random_range(0..self.participants.len().max(1));
        self.participants.get(at).copied().unwrap_or(1)
    }

    /// In a forum, perhaps a message that creates a topic.
    fn topic(&mut self, at: usize, id: i32, date: i32) -> Option<Message> {
        if self.topics.is_none() || self.album.is_some() {
            return None;
        }
        let (sender, language) = (self.sender(), self.language);
        self.topics.as_mut()?.create(at, id, date, sender, language)
    }

    /// The first message of a chat is its creation; some later ones are service messages too.
    fn service(&mut self, at: usize, id: i32, date: i32, history: &mut History) -> Option<Message> {
        if self.kind == ChatKind::Private || self.album.is_some() {
            return None;
        }
        let service = if at == 0 && (id == 1 || self.kind == ChatKind::Group) {
            let title = self.title.clone();
            match self.kind {
                ChatKind::Group => Service::ChatCreate { title, users: self.participants.iter().copied().take(5).collect() },
                _ => Service::ChannelCreate { title },
            }
        } else if let Some(message) = self.pin_next.take() {
            history.pin(message);
            Service::PinMessage { message }
        } else {
            let chance = if self.kind == ChatKind::Channel { 0.002 } else { 0.012 };
            if !self.plan.rng.random_bool(chance) {
                return None;
            }
            match (self.kind, self.plan.rng.random_range(0..10)) {
                (_, 0) => Service::ChatEditTitle { title: self.title.clone() },
                (ChatKind::Channel, _) => return None,
                (_, 1..5) => Service::ChatAddUser { users: vec![self.participant()] },
                (_, 5 | 6) => Service::ChatDeleteUser { user: self.participant() },
                (ChatKind::Supergroup, 7) => Service::ChatJoinedByRequest,
                _ => Service::ChatJoinedByLink { inviter: self.participant() },
            }
        };
        let sender = self.sender();
        let mut message = Message::new(id, date, sender, "");
        message.extra_mut().service = Some(service);
        Some(message)
    }

    fn message(&mut self, at: usize, id: i32, date: i32, history: &History) -> Message {
        if let Some(part) = self.album_part(id, date) {
            return part;
        }
        let sender = self.sender();
        let language = if self.plan.rng.random_bool(0.9) { self.language } else { Language::pick(&mut self.plan.rng) };
        let media = attachment::pick(self.world, self.spec, self.plan.chat, at, language, &mut self.plan.rng);
        let is_bare = media.as_ref().is_some_and(|media| media.stands_alone || self.plan.rng.random_bool(0.4));
        let mut writer = Writer::new(language, &mut self.plan.rng);
        if !is_bare {
            writer.compose(self.kind == ChatKind::Channel);
            if let Some(url) = media.as_ref().and_then(|media| media.url()) {
                writer.put(" ");
                writer.marked(EntityKind::Url, url);
            }
        }
        let (text, mut entities) = writer.finish();
        // Someone without a username is mentioned by name.
        for entity in &mut entities {
            if let EntityKind::MentionName { user } = &mut entity.kind {
                *user = self.participant();
            }
        }
        let mut message = Message::new(id, date, sender, text);
        if !entities.is_empty() {
            message.extra_mut().entities = entities;
        }
        let album_begins = media.as_ref().is_some_and(|media| media.may_be_album) && self.plan.rng.random_bool(0.25);
        if let Some(media) = media {
            message.extra_mut().media = Some(media.media);
            self.files.extend(media.file);
        }
        if album_begins {
            let album = (mix(self.spec.seed ^ mix(self.peer.marked() as u64 ^ id as u64)) >> 2) as i64;
            message.extra_mut().album = Some(album);
            self.album = Some((album, sender, date, self.plan.rng.random_range(1..9)));
        }
        self.decorate(&mut message, history);
        message
    }

    /// The next part of the album being posted: another photo without text.
    fn album_part(&mut self, id: i32, date: i32) -> Option<Message> {
        let (album, sender, _, left) = self.album.take()?;
        if left > 1 {
            self.album = Some((album, sender, date, left - 1));
        }
        let photo = attachment::photo(self.world, self.spec, &mut self.plan.rng);
        let mut message = Message::new(id, date, sender, "");
        if self.kind == ChatKind::Channel {
            message.views = self.plan.rng.random_range(1..50_000);
            message.forwards = message.views / 100;
        }
        let extra = message.extra_mut();
        extra.media = Some(photo.media);
        extra.album = Some(album);
        self.files.extend(photo.file);
        Some(message)
    }

    fn decorate(&mut self, message: &mut Message, history: &History) {
        let (rng, kind) = (&mut self.plan.rng, self.kind);
        let is_channel = kind == ChatKind::Channel;
        if is_channel {
            // Skewed: most posts are seen by few.
            message.views = 1 + (rng.random::<f64>().powi(4) * 200_000.0) as i32;
            message.forwards = message.views / rng.random_range(50..500);
            if rng.random_bool(0.2) {
                message.extra_mut().replies = Some(rng.random_range(0..300));
            }
            if rng.random_bool(0.1) {
                let (first, last) = phrases::person(rng);
                message.extra_mut().author = Some(last.map_or(first.clone(), |last| format!("{first} {last}")));
            }
        }
        if !history.is_empty() && rng.random_bool(if is_channel { 0.02 } else { 0.3 }) {
            let back = rng.random_range(1..=REPLY_REACH.min(history.len()));
            if let Some(target) = history.messages().get(history.len() - back) {
                let root = target.extra.as_ref().and_then(|extra| extra.reply.as_ref());
                let thread = root.map(|reply| reply.topic.unwrap_or(reply.id));
                let quote = (target.text.len() > 40 && rng.random_bool(0.1))
                    .then(|| target.text.chars().take(20).collect::<String>())
                    .filter(|quote| !quote.trim().is_empty());
                let topic = thread.filter(|_| kind == ChatKind::Supergroup);
                message.extra_mut().reply = Some(Reply { id: target.id, topic, quote });
            }
        } else if rng.random_bool(if is_channel { 0.08 } else { 0.04 }) {
            message.extra_mut().forward = self.forward(message.date);
        }
        let (rng, kind) = (&mut self.plan.rng, self.kind);
        if rng.random_bool(if is_channel { 0.4 } else { 0.08 }) {
            message.extra_mut().reactions = reactions(rng, is_channel);
        }
        if rng.random_bool(0.05) {
            let edited = message.date + rng.random_range(10..7_200);
            let extra = message.extra_mut();
            extra.edited = Some(edited);
            extra.edit_hidden = rng.random_bool(0.2);
        }
        if !is_channel && rng.random_bool(0.004) {
            message.extra_mut().via_bot = Some(people::bot(rng));
        }
        if kind == ChatKind::Supergroup && message.sender == Some(self.peer) && rng.random_bool(0.5) {
            message.extra_mut().author = Some("admin".into());
        }
        if kind != ChatKind::Private && rng.random_bool(0.002) {
            self.pin_next = Some(message.id);
        }
    }

    fn forward(&mut self, date: i32) -> Option<Forward> {
        let rng = &mut self.plan.rng;
        let date = date - rng.random_range(60..30 * 86_400);
        Some(match rng.random_range(0..10) {
            0..6 if !self.public.is_empty() => {
                let at = rng.random_range(0..self.public.len());
                let (peer, created) = self.public.get(at).copied()?;
                Forward { from: Some(peer), name: None, date: date.max(created), post: Some(rng.random_range(1..5_000)) }
            }
            6 | 7 => {
                let (first, last) = phrases::person(rng);
                let name = Some(last.map_or(first.clone(), |last| format!("{first} {last}")));
                Forward { from: None, name, date: date.max(self.date), post: None }
            }
            _ => {
                let user = self.participant();
                Forward { from: Some(PeerId::user(user)), name: None, date: date.max(self.date), post: None }
            }
        })
    }
}

fn reactions(rng: &mut ChaCha8Rng, many: bool) -> Vec<Reaction> {
    const EMOJI: [&str; 10] = ["👍", "❤", "🔥", "😁", "🤔", "👎", "🎉", "😢", "5368324170671202286", "paid"];
    let most = if many { 2_000 } else { 12 };
    let mut count = rng.random_range(1..=most);
    let mut reactions = Vec::new();
    let from = rng.random_range(0..EMOJI.len());
    for at in 0..rng.random_range(1..5) {
        if let Some(emoji) = EMOJI.get((from + at * 3) % EMOJI.len()) {
            reactions.push(Reaction { emoji: (*emoji).into(), count });
        }
        count = count * 2 / 3;
        if count == 0 {
            break;
        }
    }
    reactions
}
