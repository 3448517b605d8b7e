//! A write while it is being worked out: what becomes of each thing that it brings, given what is known.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message as _;
use rocksdb::WriteBatch;

use crate::model::{AccountName, ChangeKind, Counters, IdRange, Message, MessageId, MessageKey, Peer, PeerId, Seq, Timestamp};

use super::members::{Membership, member_key};
use super::record::{ChangeRecord, Coverage, CoverageRecord, Cursor, CursorRecord, MessageRecord, PeerRecord, Raw, decode};
use super::schema::Cf;
use super::series::{counters_key, encode_counters, size_key};
use super::topics::Topic;
use super::write::{Archived, MassDeletion};
use super::{Archive, ArchiveError, key};

/// What is told of an account and a peer.
#[derive(Clone, Debug)]
pub(super) enum Sight {
    Joined,
    Left,
    Folders(Vec<String>),
}

/// A write while it is being worked out: what it reads it reads once, what it changes it changes here first.
pub(super) struct Staged<'a> {
    archive: &'a Archive,
    now: Timestamp,
    as_of: Option<i32>,
    pub(super) mass_deletion: Option<MassDeletion>,
    next: Seq,
    pub(super) batch: WriteBatch,
    peers: BTreeMap<PeerId, Peer>,
    /// Lower-case usernames that this write gives to a peer, or takes back.
    usernames: BTreeMap<String, Option<PeerId>>,
    /// Boxed, because the map moves its entries about.
    messages: BTreeMap<MessageKey, Option<Box<MessageRecord>>>,
    members: BTreeMap<PeerId, Vec<Membership>>,
    topics: BTreeMap<MessageKey, Topic>,
    coverage: BTreeMap<PeerId, Coverage>,
    cursors: BTreeMap<PeerId, Cursor>,
    archived: Archived,
}

impl<'a> Staged<'a> {
    pub(super) fn new(archive: &'a Archive, now: Timestamp, as_of: Option<i32>, next: Seq) -> Self {
        Self {
            archive,
            now,
            as_of,
            mass_deletion: None,
            next,
            batch: WriteBatch::default(),
            peers: BTreeMap::new(),
            usernames: BTreeMap::new(),
            messages: BTreeMap::new(),
            members: BTreeMap::new(),
            topics: BTreeMap::new(),
            coverage: BTreeMap::new(),
            cursors: BTreeMap::new(),
            archived: Archived::default(),
        }
    }

    pub(super) fn peer(&mut self, peer: &Peer) -> Result<(), ArchiveError> {
        let known = match self.peers.get(&peer.id) {
            Some(staged) => Some(staged.clone()),
            None => self.archive.peer(peer.id)?,
        };
        if known.as_ref() == Some(peer) {
            return Ok(());
        }
        for old in known.iter().flat_map(Peer::all_usernames).map(str::to_lowercase) {
            // A username may have moved to another peer since, also in this very write: only our own entry is taken back.
            let holder = match self.usernames.get(&old) {
                Some(staged) => *staged,
                None => self.archive.username_holder(&old)?,
            };
            if holder == Some(peer.id) {
                self.usernames.insert(old, None);
            }
        }
        for new in peer.all_usernames() {
            self.usernames.insert(new.to_lowercase(), Some(peer.id));
        }
        self.batch.put_cf(self.archive.cf(Cf::Peer), key::peer(peer.id), PeerRecord::of(peer).encode_to_vec());
        self.peers.insert(peer.id, peer.clone());
        self.change(ChangeKind::PeerChanged { peer: peer.id });
        Ok(())
    }

    pub(super) fn message(&mut self, message: Message, raw: &Raw, revision: i64) -> Result<(), ArchiveError> {
        let key = message.key;
        self.cursor(key.peer)?.see(key.id);
        let read = &mut self.coverage(key.peer)?.read;
        let covered = read.contains(key.id.0);
        if let Some(id) = IdRange::new(key.id.0, key.id.0) {
            read.insert(id);
        }
        self.topic(&message)?;
        let mut record = MessageRecord::of(&message);
        record.archived_at = self.now.0;
        record.as_of = self.as_of;
        record.revision = revision;
        // What is archived is covered: an id that is not needs no look into the store, and in unread history none is.
        let known = if covered { self.stored(key)?.clone() } else { None };
        let Some(known) = known else {
            let coverage = self.coverage(key.peer)?;
            coverage.messages = coverage.messages.saturating_add(1);
            self.archived.new += 1;
            self.change(ChangeKind::MessageNew { key });
            self.put(key, record, Some(raw));
            return Ok(());
        };
        let older = matches!((record.as_of, known.as_of), (Some(new), Some(old)) if new < old) || revision < known.revision;
        if older {
            self.archived.unchanged += 1;
            return Ok(());
        }
        record.version = known.version;
        // An answer without pts does not make room for those that were too early before it.
        record.as_of = record.as_of.or(known.as_of);
        let same = known.clone().into_message(key).same_content_as(&message);
        if same && known.deleted_at.is_none() {
            self.archived.unchanged += 1;
            record.archived_at = known.archived_at;
            record.counted_at = known.counted_at;
            // Counters move all the time: the newest are kept here and the earlier ones as samples, without a version and without
            // waking the readers.
            self.sample(key, &known, &mut record);
            if record != *known {
                self.put(key, record, Some(raw));
            }
            return Ok(());
        }
        if known.deleted_at.is_some() {
            let coverage = self.coverage(key.peer)?;
            coverage.deleted = coverage.deleted.saturating_sub(1);
        }
        self.batch.put_cf(self.archive.cf(Cf::Version), key::version(key, known.version), known.encode_to_vec());
        record.version = known.version.saturating_add(1);
        self.archived.edited += 1;
        self.change(ChangeKind::MessageEdited { key, version: record.version });
        self.put(key, record, Some(raw));
        Ok(())
    }

    pub(super) fn window(&mut self, peer: PeerId, range: IdRange, brought: &BTreeSet<MessageKey>) -> Result<(), ArchiveError> {
        self.coverage(peer)?.read.insert(range);
        let known = self.archive.live_ids(peer, range)?;
        let absent: Vec<MessageId> = known.into_iter().filter(|id| !brought.contains(&MessageKey { peer, id: *id })).collect();
        let (rule, now) = (self.mass_deletion, self.now);
        let cursor = self.cursor(peer)?;
        cursor.recheck.remove(range);
        let asked_again = cursor.held_until.is_some_and(|until| until <= now);
        let known_to_be_held = asked_again && absent.iter().all(|id| cursor.held.contains(id.0));
        match rule.filter(|rule| absent.len() >= rule.ids_min && !known_to_be_held) {
            Some(rule) => {
                let wait = i64::try_from(rule.confirm_after.as_secs()).unwrap_or(i64::MAX);
                self.hold(peer, &absent, Timestamp(now.0.saturating_add(wait)))?;
            }
            None => {
                // A page that is older than the deletions that are held does not say that the messages are there.
                let stale = matches!((self.as_of, self.cursor(peer)?.pts), (Some(page), Some(known)) if page < known);
                if !stale {
                    self.release(peer, range)?;
                }
                for id in absent {
                    self.delete(MessageKey { peer, id })?;
                }
            }
        }
        Ok(())
    }

    /// Deletions that Telegram named. Too many at once are asked for first: a peer's own answer says what is still there.
    pub(super) fn delete_all(&mut self, keys: Vec<MessageKey>) -> Result<(), ArchiveError> {
        let mut by_peer: BTreeMap<PeerId, Vec<MessageId>> = BTreeMap::new();
        for key in keys {
            by_peer.entry(key.peer).or_default().push(key.id);
        }
        for (peer, mut ids) in by_peer {
            // Ranges grow at their end.
            ids.sort_unstable();
            let many = self.mass_deletion.is_some_and(|rule| ids.len() >= rule.ids_min);
            let mut live = Vec::new();
            for id in ids {
                let key = MessageKey { peer, id };
                if !many {
                    self.delete(key)?;
                } else if self.stored(key)?.as_ref().is_some_and(|m| m.deleted_at.is_none()) {
                    live.push(id);
                }
            }
            if !live.is_empty() {
                self.hold(peer, &live, self.now)?;
            }
        }
        Ok(())
    }

    fn hold(&mut self, peer: PeerId, ids: &[MessageId], until: Timestamp) -> Result<(), ArchiveError> {
        self.archived.held += ids.len();
        let cursor = self.cursor(peer)?;
        for id in ids {
            cursor.held.add(id.0);
        }
        cursor.held_until = Some(until);
        Ok(())
    }

    fn release(&mut self, peer: PeerId, range: IdRange) -> Result<(), ArchiveError> {
        let cursor = self.cursor(peer)?;
        cursor.held.remove(range);
        if cursor.held.is_empty() {
            cursor.held_until = None;
        }
        Ok(())
    }

    /// What an account sees of a peer.
    pub(super) fn sight(&mut self, peer: PeerId, account: &AccountName, sight: Sight) -> Result<(), ArchiveError> {
        if !self.members.contains_key(&peer) {
            self.members.insert(peer, self.archive.members(peer)?);
        }
        let now = self.now;
        let members = self.members.entry(peer).or_default();
        let before = members.iter().any(Membership::current);
        let at = members.iter().position(|m| m.account == *account);
        let known = at.and_then(|at| members.get_mut(at));
        let changed = match (sight, known) {
            (Sight::Joined, Some(m)) if m.current() => return Ok(()),
            (Sight::Joined, Some(m)) => {
                (m.since, m.until) = (now, None);
                m.clone()
            }
            (Sight::Joined, None) => {
                let m = Membership { account: account.clone(), since: now, until: None, folders: Vec::new() };
                members.push(m.clone());
                m
            }
            (Sight::Left, Some(m)) if m.current() => {
                m.until = Some(now);
                m.clone()
            }
            (Sight::Folders(folders), Some(m)) if m.current() && m.folders != folders => {
                m.folders = folders;
                m.clone()
            }
            (Sight::Left | Sight::Folders(_), _) => return Ok(()),
        };
        let after = members.iter().any(Membership::current);
        self.batch.put_cf(self.archive.cf(Cf::Member), member_key(peer, account), changed.encode());
        match (before, after) {
            (false, true) => self.change(ChangeKind::PeerJoined { peer }),
            (true, false) => self.change(ChangeKind::PeerLeft { peer }),
            _ => {}
        }
        Ok(())
    }

    pub(super) fn counters(&mut self, key: MessageKey, new: Counters) -> Result<(), ArchiveError> {
        let Some(known) = self.stored(key)?.clone() else { return Ok(()) };
        let mut record = (*known).clone();
        record.count(&new);
        self.sample(key, &known, &mut record);
        if record != *known {
            self.put(key, record, None);
        }
        Ok(())
    }

    /// Keeps what a message's counters were, where they have moved.
    fn sample(&mut self, key: MessageKey, known: &MessageRecord, new: &mut MessageRecord) {
        let was = known.counters();
        if was != new.counters() {
            let at = Timestamp(known.counted_at.unwrap_or(known.archived_at));
            self.batch.put_cf(self.archive.cf(Cf::Counters), counters_key(key, at), encode_counters(&was));
            new.counted_at = Some(self.now.0);
        }
    }

    pub(super) fn size(&mut self, peer: PeerId, count: i32) -> Result<(), ArchiveError> {
        if self.archive.member_count(peer)?.is_none_or(|known| known.value != count) {
            self.batch.put_cf(self.archive.cf(Cf::Size), size_key(peer, self.now), count.to_be_bytes());
        }
        Ok(())
    }

    fn topic(&mut self, message: &Message) -> Result<(), ArchiveError> {
        let Some(topic) = Topic::of(message) else { return Ok(()) };
        let key = MessageKey { peer: message.key.peer, id: topic.id };
        let known = match self.topics.get(&key) {
            Some(staged) => Some(staged.clone()),
            None => self.archive.topic(key)?,
        };
        // History comes newest first: an earlier title must not replace a later one.
        if known.is_none_or(|known| known.titled_at <= topic.titled_at) {
            self.batch.put_cf(self.archive.cf(Cf::Topic), key::message(key), topic.encode());
            self.topics.insert(key, topic);
        }
        Ok(())
    }

    fn delete(&mut self, key: MessageKey) -> Result<(), ArchiveError> {
        let Some(known) = self.stored(key)?.clone() else { return Ok(()) };
        let older = matches!((self.as_of, known.as_of), (Some(new), Some(old)) if new < old);
        if known.deleted_at.is_some() || older {
            return Ok(());
        }
        let coverage = self.coverage(key.peer)?;
        coverage.deleted = coverage.deleted.saturating_add(1);
        self.archived.deleted += 1;
        self.change(ChangeKind::MessageDeleted { key });
        let mut record = *known;
        record.deleted_at = Some(self.now.0);
        record.as_of = self.as_of.or(record.as_of);
        self.put(key, record, None);
        Ok(())
    }

    fn put(&mut self, key: MessageKey, record: MessageRecord, raw: Option<&Raw>) {
        let bytes = key::message(key);
        self.batch.put_cf(self.archive.cf(Cf::Message), bytes, record.encode_to_vec());
        if let Some(raw) = raw {
            self.batch.put_cf(self.archive.cf(Cf::Raw), bytes, raw.encode_to_vec());
        }
        self.messages.insert(key, Some(Box::new(record)));
    }

    fn change(&mut self, kind: ChangeKind) {
        self.batch.put_cf(self.archive.cf(Cf::Change), key::seq(self.next), ChangeRecord::of(kind, self.now).encode_to_vec());
        self.next = self.next.next();
    }

    fn stored(&mut self, key: MessageKey) -> Result<&Option<Box<MessageRecord>>, ArchiveError> {
        if !self.messages.contains_key(&key) {
            let bytes = self.archive.get(Cf::Message, key::message(key))?;
            let record = bytes.map(|b| decode("message", &b)).transpose()?.map(Box::new);
            self.messages.insert(key, record);
        }
        Ok(self.messages.entry(key).or_default())
    }

    fn coverage(&mut self, peer: PeerId) -> Result<&mut Coverage, ArchiveError> {
        if !self.coverage.contains_key(&peer) {
            self.coverage.insert(peer, self.archive.coverage(peer)?);
        }
        Ok(self.coverage.entry(peer).or_default())
    }

    pub(super) fn cursor(&mut self, peer: PeerId) -> Result<&mut Cursor, ArchiveError> {
        if !self.cursors.contains_key(&peer) {
            self.cursors.insert(peer, self.archive.cursor(peer)?.unwrap_or_default());
        }
        Ok(self.cursors.entry(peer).or_default())
    }

    pub(super) fn finish(mut self) -> (WriteBatch, Seq, Archived) {
        let usernames = self.archive.cf(Cf::Username);
        for (name, holder) in &self.usernames {
            match holder {
                Some(peer) => self.batch.put_cf(usernames, name, key::peer(*peer)),
                None => self.batch.delete_cf(usernames, name),
            }
        }
        for (peer, coverage) in &self.coverage {
            self.batch.put_cf(self.archive.cf(Cf::Coverage), key::peer(*peer), CoverageRecord::of(coverage).encode_to_vec());
        }
        for (peer, cursor) in &self.cursors {
            self.batch.put_cf(self.archive.cf(Cf::Cursor), key::peer(*peer), CursorRecord::of(cursor).encode_to_vec());
        }
        (self.batch, self.next, self.archived)
    }
}

impl Cursor {
    fn see(&mut self, id: MessageId) {
        self.top = self.top.max(id.0);
    }
}
