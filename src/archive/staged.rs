//! A write while it is being worked out: what becomes of each thing that it brings, given what is known.

mod erase;
mod files;
mod log;
mod members;
mod watches;

use std::collections::{BTreeMap, BTreeSet};

use rocksdb::WriteBatch;

use crate::model::{
    AccountName, ChangeKind, ChatId, Counters, IdRange, Message, MessageId, MessageKey, Peer, PeerId, Seq, Timestamp,
};

use super::addresses::Address;
use super::chain::{Link, Secret};
use super::codec::{StoredKey, WrittenValue};
use super::coverage::Coverage;
use super::crawl_state::CrawlState;
use super::family::{
    ACCESS_HASH, COUNTERS, COVERAGE, CRAWL_STATE, EARLIER_FORM, FORM, Family, LOG, OWN, PEER, RECOUNTED, SIZE, TOPIC, USERNAME,
};
use super::key::{AddressKey, ErasureNumber, OwnKey, RecountedKey, Username, VersionKey};
use super::log_end::LogEnd;
use super::members::Membership;
use super::outcome::{Archived, MassDeletion};
use super::record::{Form, LogEntry, MessageRecord, RawRecord};
use super::recounted;
use super::series::{CountersSample, MemberCount};
use super::topics::Topic;
use super::totals::Totals;
use super::view::View;
use super::{Archive, ArchiveError};
pub(super) use erase::ErasureStep;
use files::StagedFiles;
pub(super) use watches::WatchChange;

/// What is told of an account and a peer.
#[derive(Clone, Debug)]
pub(super) enum MembershipChange {
    Joined,
    Left,
    Folders(Vec<String>),
}

/// A write while it is being worked out (read-your-own-writes): what it reads it reads once, what it changes it changes here first.
pub(super) struct Staged<'a> {
    archive: &'a Archive,
    now: Timestamp,
    as_of: Option<i32>,
    pub(super) mass_deletion: Option<MassDeletion>,
    next: Seq,
    link: Link,
    /// When the last change was archived.
    changed_at: Timestamp,
    /// What happened, in order, and the digests of the forms that it brought, also in order.
    kinds: Vec<ChangeKind>,
    leaves: Vec<[u8; 32]>,
    secret: Secret,
    batch: WriteBatch,
    peers: BTreeMap<PeerId, Peer>,
    /// Lower-case usernames that this write gives to a peer, or takes back.
    usernames: BTreeMap<Username, Option<PeerId>>,
    /// Boxed, because the map moves its entries about.
    messages: BTreeMap<MessageKey, Option<Box<Form>>>,
    /// Where messages of this write are outside channels.
    own: BTreeMap<OwnKey, PeerId>,
    members: BTreeMap<PeerId, Vec<Membership>>,
    topics: BTreeMap<MessageKey, Topic>,
    files: StagedFiles,
    /// What this write erases, or keeps out.
    erased: BTreeSet<MessageKey>,
    /// The erasure that it has ordered last.
    last_ordered: Option<ErasureNumber>,
    /// Earlier entries of the change log that it changes what they are proved by.
    entries: BTreeMap<Seq, LogEntry>,
    coverage: BTreeMap<ChatId, Coverage>,
    crawl_states: BTreeMap<ChatId, CrawlState>,
    /// The sums, and what each chat that is touched added to them before.
    totals: Totals,
    before: BTreeMap<ChatId, Before>,
    /// Whether it may change which chats are crawled, or what rules go by.
    moves_crawled: bool,
    archived: Archived,
}

/// A chat before a write.
#[derive(Clone, Copy)]
struct Before {
    totals: Totals,
    /// Whether it could be read, and was followed; `None` where it was not crawled.
    crawled: Option<(bool, bool)>,
}

/// A write that was worked out.
pub(super) struct WorkedOut {
    /// What makes it true.
    pub(super) batch: WriteBatch,
    /// Where the change log ends then.
    pub(super) end: LogEnd,
    /// What became of what it brings.
    pub(super) archived: Archived,
    /// The peers that it changes.
    pub(super) peers: BTreeMap<PeerId, Peer>,
    /// Whether it may change which chats are crawled, or what rules go by.
    pub(super) moves_crawled: bool,
    /// Whether it changes which peers are followed.
    pub(super) moves_followed: bool,
}

impl<'a> Staged<'a> {
    pub(super) fn new(archive: &'a Archive, now: Timestamp, as_of: Option<i32>, after: LogEnd) -> Self {
        Self {
            archive,
            now,
            as_of,
            mass_deletion: None,
            next: after.next,
            link: after.link,
            changed_at: after.at,
            kinds: Vec::new(),
            leaves: Vec::new(),
            secret: Secret::random(),
            batch: WriteBatch::default(),
            peers: BTreeMap::new(),
            usernames: BTreeMap::new(),
            messages: BTreeMap::new(),
            own: BTreeMap::new(),
            members: BTreeMap::new(),
            topics: BTreeMap::new(),
            files: StagedFiles::new(after.files),
            erased: BTreeSet::new(),
            last_ordered: None,
            entries: BTreeMap::new(),
            coverage: BTreeMap::new(),
            crawl_states: BTreeMap::new(),
            totals: after.totals,
            before: BTreeMap::new(),
            moves_crawled: false,
            archived: Archived::default(),
        }
    }

    pub(super) fn peer(&mut self, peer: Peer) -> Result<(), ArchiveError> {
        let Some(mut peer) = self.kept_of(peer)? else { return Ok(()) };
        let known = match self.peers.get(&peer.id) {
            Some(staged) => Some(staged.clone()),
            None if self.archive.recent_peers.has(&peer) => return Ok(()),
            None => self.view().peer(peer.id)?,
        };
        if let Some(known) = known.as_ref().filter(|_| peer.is_nameless()) {
            peer.title.clone_from(&known.title);
        }
        if known.as_ref() == Some(&peer) {
            if !self.peers.contains_key(&peer.id) {
                self.archive.recent_peers.note(known);
            }
            return Ok(());
        }
        for old in known.iter().flat_map(Peer::all_usernames).map(Username::new) {
            // A username may have moved to another peer since, also in this very write: only our own entry is taken back.
            let holder = match self.usernames.get(&old) {
                Some(staged) => *staged,
                None => self.view().readable(&USERNAME, &old)?,
            };
            if holder == Some(peer.id) {
                self.usernames.insert(old, None);
            }
        }
        for new in peer.all_usernames() {
            self.usernames.insert(Username::new(new), Some(peer.id));
        }
        // Senders and sources of forwards come by all the time.
        self.moves_crawled |= !self.view().chats(peer.id)?.is_empty();
        self.put(&PEER, &peer.id, &peer);
        self.change(ChangeKind::PeerChanged { peer: peer.id });
        self.peers.insert(peer.id, peer);
        Ok(())
    }

    pub(super) fn message(&mut self, message: Message, raw: RawRecord, revision: i64) -> Result<(), ArchiveError> {
        if self.kept_out(&message)? {
            return Ok(());
        }
        let key = message.key;
        let state = self.crawl_state(key.chat)?;
        state.raise_top(key.id);
        if let Some(id) = IdRange::new(key.id.0, key.id.0).filter(|_| !state.unreadable.is_empty()) {
            state.unreadable.remove(id);
        }
        let read = &mut self.coverage(key.chat)?.read;
        let covered = read.contains(key.id.0);
        if let Some(id) = IdRange::new(key.id.0, key.id.0) {
            read.insert(id);
        }
        self.topic(&message)?;
        let mut record = MessageRecord::of(&message);
        record.archived_at = self.now.0;
        record.as_of = self.as_of;
        record.revision = revision;
        // Invariant: what is archived is covered. An id that is not needs no look into the store, and in unread history none is.
        let known = if covered { self.stored(key)?.clone() } else { None };
        let Some(known) = known else {
            if covered && let Some(damaged) = self.view().bytes(&FORM, &key)? {
                return self.replace_damaged(key, &damaged, Form { record, raw });
            }
            let coverage = self.coverage(key.chat)?;
            coverage.messages = coverage.messages.saturating_add(1);
            self.archived.new += 1;
            self.new_form(key, Form { record, raw });
            return Ok(());
        };
        let Form { record: known, raw: known_raw } = *known;
        let older = matches!((record.as_of, known.as_of), (Some(new), Some(old)) if new < old) || revision < known.revision;
        if older {
            self.archived.unchanged += 1;
            return Ok(());
        }
        record.version = known.version;
        // An answer without pts does not lower the bar for those that were too old before it.
        record.as_of = record.as_of.or(known.as_of);
        let same = known.clone().into_message(key).same_content_as(&message);
        if same && known.deleted_at.is_none() {
            self.archived.unchanged += 1;
            record.archived_at = known.archived_at;
            record.counted_at = known.counted_at;
            // Counters move all the time: the newest are kept here and the earlier ones as samples, without a version and without
            // waking the readers.
            self.sample(key, &known, &mut record);
            if record != known {
                // Of a form that was archived before format 3 and is damaged there may be none.
                let raw = if known_raw.is_empty() { raw } else { known_raw };
                self.put_form(key, Form { record, raw });
            }
            return Ok(());
        }
        if known.deleted_at.is_some() {
            let coverage = self.coverage(key.chat)?;
            coverage.deleted = coverage.deleted.saturating_sub(1);
        }
        record.version = known.version.saturating_add(1);
        let earlier = VersionKey { message: key, version: known.version };
        self.put(&EARLIER_FORM, &earlier, &Form { record: known, raw: known_raw });
        self.archived.edited += 1;
        self.new_form(key, Form { record, raw });
        Ok(())
    }

    /// A message is the next of its chat, so the ids before it are of an account's other chats.
    pub(super) fn follow_on(&mut self, key: MessageKey) -> Result<(), ArchiveError> {
        let top = self.crawl_state(key.chat)?.top;
        let read = &mut self.coverage(key.chat)?.read;
        let between = IdRange::new(top.saturating_add(1), key.id.0.saturating_sub(1));
        if let Some(between) = between.filter(|_| read.last() == Some(top)) {
            read.insert(between);
        }
        Ok(())
    }

    /// The message outside channels that an account's id means.
    pub(super) fn outside_channels(&self, account: AccountName, id: MessageId) -> Result<Option<MessageKey>, ArchiveError> {
        let key = OwnKey { account, id };
        let peer = match self.own.get(&key) {
            Some(peer) => Some(*peer),
            None => self.view().readable(&OWN, &key)?,
        };
        Ok(peer.map(|peer| MessageKey { chat: ChatId::seen_by(account, peer), id }))
    }

    /// A message whose newest form is damaged was asked for again. The damaged bytes stay as they are, as an earlier form.
    fn replace_damaged(&mut self, key: MessageKey, damaged: &[u8], mut form: Form) -> Result<(), ArchiveError> {
        let version = self.view().versions_stored(key)?;
        EARLIER_FORM.put_bytes(&self.archive.db, &mut self.batch, &VersionKey { message: key, version }, damaged);
        form.record.version = version.saturating_add(1);
        // Whether it was marked deleted nobody knows any more.
        let counted = self.view().coverage_of_messages(key.chat)?;
        let coverage = self.coverage(key.chat)?;
        (coverage.messages, coverage.deleted) = (counted.messages.max(coverage.messages), counted.deleted);
        tracing::warn!(message.key = %key, "message {key} was damaged in the archive; it was read from Telegram again");
        self.archived.edited += 1;
        self.new_form(key, form);
        Ok(())
    }

    pub(super) fn covered(&mut self, chat: ChatId, range: IdRange, brought: &BTreeSet<MessageKey>) -> Result<(), ArchiveError> {
        let read = &mut self.coverage(chat)?.read;
        let covered = read.count_in(range);
        read.insert(range);
        let ids = |id| MessageKey { chat, id: MessageId(id) };
        let brought_in_range = brought.range(ids(range.first)..=ids(range.last)).count();
        // Invariant: what is archived is covered. Of history that was not read before, the store need not be asked for more than this write brings.
        let known = if covered == brought_in_range as u64 { Vec::new() } else { self.view().live_ids(chat, range)? };
        let absent: Vec<MessageId> = known.into_iter().filter(|id| !brought.contains(&MessageKey { chat, id: *id })).collect();
        let (rule, now) = (self.mass_deletion, self.now);
        let state = self.crawl_state(chat)?;
        state.recheck.remove(range);
        let asked_again = state.held_until.is_some_and(|until| until <= now);
        let known_to_be_held = asked_again && absent.iter().all(|id| state.held.contains(id.0));
        match rule.filter(|rule| absent.len() >= rule.ids_min && !known_to_be_held) {
            Some(rule) => {
                let wait = i64::try_from(rule.confirm_after.as_secs()).unwrap_or(i64::MAX);
                self.hold(chat, &absent, Timestamp(now.0.saturating_add(wait)))?;
            }
            None => {
                // A page that is older than the deletions that are held does not say that the messages are there.
                let stale = matches!((self.as_of, self.crawl_state(chat)?.pts), (Some(page), Some(known)) if page < known);
                if !stale {
                    self.release(chat, range)?;
                }
                for id in absent {
                    self.delete(MessageKey { chat, id })?;
                }
            }
        }
        Ok(())
    }

    /// States that ids of a range that were read hold nothing that is archived, and were read by an account that does not see them.
    pub(super) fn uncover(&mut self, chat: ChatId, range: IdRange) -> Result<(), ArchiveError> {
        self.coverage(chat)?.read.remove(range);
        Ok(())
    }

    /// Deletions that Telegram named. Too many at once are asked for first: a chat's own answer says what is still there.
    pub(super) fn delete_all(&mut self, keys: Vec<MessageKey>) -> Result<(), ArchiveError> {
        let mut by_chat: BTreeMap<ChatId, Vec<MessageId>> = BTreeMap::new();
        for key in keys {
            by_chat.entry(key.chat).or_default().push(key.id);
        }
        for (chat, mut ids) in by_chat {
            // Ranges grow at their end.
            ids.sort_unstable();
            let many = self.mass_deletion.is_some_and(|rule| ids.len() >= rule.ids_min);
            let mut live = Vec::new();
            for id in ids {
                let key = MessageKey { chat, id };
                if !many {
                    self.delete(key)?;
                } else if self.stored(key)?.as_ref().is_some_and(|form| form.record.deleted_at.is_none()) {
                    live.push(id);
                }
            }
            if !live.is_empty() {
                self.hold(chat, &live, self.now)?;
            }
        }
        Ok(())
    }

    fn hold(&mut self, chat: ChatId, ids: &[MessageId], until: Timestamp) -> Result<(), ArchiveError> {
        self.archived.held += ids.len();
        let state = self.crawl_state(chat)?;
        for id in ids {
            state.held.add(id.0);
        }
        state.held_until = Some(until);
        Ok(())
    }

    fn release(&mut self, chat: ChatId, range: IdRange) -> Result<(), ArchiveError> {
        let state = self.crawl_state(chat)?;
        state.held.remove(range);
        if state.held.is_empty() {
            state.held_until = None;
        }
        Ok(())
    }

    pub(super) fn counters(&mut self, key: MessageKey, new: Counters) -> Result<(), ArchiveError> {
        let Some(known) = self.stored(key)?.clone() else { return Ok(()) };
        let Form { record: known, raw } = *known;
        let mut record = known.clone();
        record.count(&new);
        self.sample(key, &known, &mut record);
        if record != known {
            self.put_form(key, Form { record, raw });
        }
        Ok(())
    }

    /// Keeps what a message's counters were, where they have moved.
    fn sample(&mut self, key: MessageKey, known: &MessageRecord, new: &mut MessageRecord) {
        let was = known.counters();
        if let Some(views) = recounted::moved(&was, &new.counters()) {
            self.put(&RECOUNTED, &RecountedKey(key), &views);
        }
        if was != new.counters() {
            let at = Timestamp(known.counted_at.unwrap_or(known.archived_at));
            self.put(&COUNTERS, &(key, at), &CountersSample(was));
            new.counted_at = Some(self.now.0);
        }
    }

    /// Lets go of messages whose views are indexed, unless they have moved again.
    pub(super) fn recount_indexed(&mut self, indexed: Vec<(MessageKey, i32)>) -> Result<(), ArchiveError> {
        for (key, views) in indexed {
            let key = RecountedKey(key);
            if self.view().readable(&RECOUNTED, &key)?.is_none_or(|noted| noted == views) {
                RECOUNTED.delete(&self.archive.db, &mut self.batch, &key);
            }
        }
        Ok(())
    }

    pub(super) fn size(&mut self, peer: PeerId, count: i32) -> Result<(), ArchiveError> {
        if self.view().member_count(peer)?.is_none_or(|known| known.value != count) {
            self.put(&SIZE, &(peer, self.now), &MemberCount(count));
        }
        Ok(())
    }

    fn topic(&mut self, message: &Message) -> Result<(), ArchiveError> {
        let Some(topic) = Topic::of(message) else { return Ok(()) };
        let key = MessageKey { chat: message.key.chat, id: topic.id };
        let known = match self.topics.get(&key) {
            Some(staged) => Some(staged.clone()),
            None => self.view().readable(&TOPIC, &key)?,
        };
        // History comes newest first: an earlier title must not replace a later one.
        if known.is_none_or(|known| known.titled_at <= topic.titled_at) {
            self.put(&TOPIC, &key, &topic);
            self.topics.insert(key, topic);
        }
        Ok(())
    }

    fn delete(&mut self, key: MessageKey) -> Result<(), ArchiveError> {
        let Some(known) = self.stored(key)?.clone() else { return Ok(()) };
        let Form { mut record, raw } = *known;
        let older = matches!((self.as_of, record.as_of), (Some(new), Some(old)) if new < old);
        if record.deleted_at.is_some() || older {
            return Ok(());
        }
        let coverage = self.coverage(key.chat)?;
        coverage.deleted = coverage.deleted.saturating_add(1);
        self.archived.deleted += 1;
        self.change(ChangeKind::MessageDeleted { key });
        record.deleted_at = Some(self.now.0);
        record.as_of = self.as_of.or(record.as_of);
        self.put_form(key, Form { record, raw });
        Ok(())
    }

    /// A form that was not known.
    fn new_form(&mut self, key: MessageKey, form: Form) {
        let version = form.record.version;
        self.change(if version == 0 { ChangeKind::MessageNew { key } } else { ChangeKind::MessageEdited { key, version } });
        if let Some(account) = key.chat.account().filter(|_| version == 0) {
            let own = OwnKey { account, id: key.id };
            self.put(&OWN, &own, &key.peer());
            self.own.insert(own, key.peer());
        }
        let bytes = form.encode();
        self.leaves.push(self.secret.leaf(&key, version, bytes.raw()));
        FORM.put_bytes(&self.archive.db, &mut self.batch, &key, bytes.all());
        self.messages.insert(key, Some(Box::new(form)));
    }

    fn put_form(&mut self, key: MessageKey, form: Form) {
        self.put(&FORM, &key, &form);
        self.messages.insert(key, Some(Box::new(form)));
    }

    /// By what an account can address a peer, if it can.
    pub(super) fn address(&mut self, key: &AddressKey, address: Option<Address>) -> Result<(), ArchiveError> {
        match address {
            Some(_) if self.is_nothing_kept_of(key.peer)? => {}
            Some(address) => self.put(&ACCESS_HASH, key, &address),
            None => ACCESS_HASH.delete(&self.archive.db, &mut self.batch, key),
        }
        Ok(())
    }

    /// Adds an entry of any family to the batch.
    pub(super) fn put<K: StoredKey, V: WrittenValue<K>>(&mut self, family: &Family<K, V>, key: &K, value: &V) {
        family.put(&self.archive.db, &mut self.batch, key, value);
    }

    fn view(&self) -> View<'a> {
        self.archive.view()
    }

    fn change(&mut self, kind: ChangeKind) {
        self.kinds.push(kind);
        self.next = self.next.next();
    }

    /// The form of a message that is known; none where it is damaged.
    fn stored(&mut self, key: MessageKey) -> Result<&Option<Box<Form>>, ArchiveError> {
        if !self.messages.contains_key(&key) {
            let form = self.view().readable(&FORM, &key)?;
            self.messages.insert(key, form.map(Box::new));
        }
        Ok(self.messages.entry(key).or_default())
    }

    fn coverage(&mut self, chat: ChatId) -> Result<&mut Coverage, ArchiveError> {
        self.note_totals(chat)?;
        if !self.coverage.contains_key(&chat) {
            self.coverage.insert(chat, self.view().coverage(chat)?);
        }
        Ok(self.coverage.entry(chat).or_default())
    }

    pub(super) fn crawl_state(&mut self, chat: ChatId) -> Result<&mut CrawlState, ArchiveError> {
        self.note_totals(chat)?;
        if !self.crawl_states.contains_key(&chat) {
            self.crawl_states.insert(chat, self.view().crawl_state(chat)?.unwrap_or_default());
        }
        Ok(self.crawl_states.entry(chat).or_default())
    }

    /// Notes what a chat adds to the totals, before it is changed.
    fn note_totals(&mut self, chat: ChatId) -> Result<(), ArchiveError> {
        if !self.before.contains_key(&chat) {
            let state = self.view().crawl_state(chat)?;
            let totals = match &state {
                Some(state) => Totals::of(&self.view().coverage(chat)?, state),
                None => Totals::default(),
            };
            self.before.insert(chat, Before { totals, crawled: state.as_ref().map(standing) });
        }
        Ok(())
    }

    /// The totals after this write.
    fn new_totals(&self) -> Result<Totals, ArchiveError> {
        let mut totals = self.totals;
        for (chat, before) in &self.before {
            let state = match self.crawl_states.get(chat) {
                Some(state) => Some(state.clone()),
                None => self.view().crawl_state(*chat)?,
            };
            let coverage = match self.coverage.get(chat) {
                Some(coverage) => coverage.clone(),
                None => self.view().coverage(*chat)?,
            };
            totals.replace(before.totals, state.map_or_else(Totals::default, |state| Totals::of(&coverage, &state)));
        }
        Ok(totals)
    }

    /// All that was worked out.
    pub(super) fn finish(mut self) -> Result<WorkedOut, ArchiveError> {
        let now = self.now;
        self.crawl_states.values_mut().for_each(|state| state.date_unavailability(now));
        let totals = self.new_totals()?;
        let is_moved = |(chat, state): (&ChatId, &CrawlState)| {
            self.before.get(chat).and_then(|before| before.crawled) != Some(standing(state))
        };
        let moves_crawled = self.moves_crawled || self.crawl_states.iter().any(is_moved);
        let was_followed = |chat| self.before.get(chat).and_then(|before| before.crawled).is_some_and(|(_, followed)| followed);
        let moves_followed = self.crawl_states.iter().any(|(chat, state)| was_followed(chat) != state.followed);
        let files = self.new_file_totals();
        self.log()?;
        let db = &self.archive.db;
        for (name, holder) in &self.usernames {
            match holder {
                Some(peer) => USERNAME.put(db, &mut self.batch, name, peer),
                None => USERNAME.delete(db, &mut self.batch, name),
            }
        }
        for (last, entry) in &self.entries {
            LOG.put(db, &mut self.batch, last, entry);
        }
        for (chat, coverage) in &self.coverage {
            COVERAGE.put(db, &mut self.batch, chat, coverage);
        }
        for (chat, state) in &self.crawl_states {
            CRAWL_STATE.put(db, &mut self.batch, chat, state);
        }
        let end = LogEnd { next: self.next, link: self.link, at: self.changed_at, totals, files };
        Ok(WorkedOut { batch: self.batch, end, archived: self.archived, peers: self.peers, moves_crawled, moves_followed })
    }
}

/// What decides of a crawl state whether its chat is looked at.
fn standing(state: &CrawlState) -> (bool, bool) {
    (state.unavailable.is_none(), state.followed)
}
