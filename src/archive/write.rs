//! One write: what it brings is collected first, then becomes true at once.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message as _;
use rocksdb::{WriteBatch, WriteOptions};

use crate::model::{ChangeKind, IdRange, Message, MessageId, MessageKey, Peer, PeerId, Seq, Timestamp};

use super::record::{ChangeRecord, Coverage, CoverageRecord, Cursor, CursorRecord, MessageRecord, PeerRecord, Raw, decode};
use super::schema::Cf;
use super::{Archive, ArchiveError, Durability, key};

type CursorChange = Box<dyn FnOnce(&mut Cursor) + Send>;

/// A page of history, a live update, or anything else that must become true as one.
#[must_use = "a write that is not committed changes nothing"]
pub struct Write<'a> {
    archive: &'a Archive,
    now: Timestamp,
    as_of: Option<i32>,
    messages: Vec<(Message, Raw, i64)>,
    deleted: Vec<MessageKey>,
    windows: Vec<(PeerId, IdRange)>,
    peers: Vec<Peer>,
    cursors: Vec<(PeerId, CursorChange)>,
    positions: Vec<(String, Seq)>,
}

/// What a committed write made true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Archived {
    /// Messages archived for the first time.
    pub new: usize,
    /// Messages with a new version.
    pub edited: usize,
    /// Messages newly marked deleted.
    pub deleted: usize,
    /// Messages that were known like this, or whose newer form was known.
    pub unchanged: usize,
    /// The number of the newest change afterwards.
    pub last: Seq,
}

impl Archive {
    /// Starts a write. `now` is the time it is recorded under.
    pub fn write(&self, now: Timestamp) -> Write<'_> {
        Write {
            archive: self,
            now,
            as_of: None,
            messages: Vec::new(),
            deleted: Vec::new(),
            windows: Vec::new(),
            peers: Vec::new(),
            cursors: Vec::new(),
            positions: Vec::new(),
        }
    }
}

impl Write<'_> {
    /// States the peer's pts at which Telegram gave the answer, so that it cannot replace what a later answer said.
    pub fn as_of(&mut self, pts: Option<i32>) -> &mut Self {
        self.as_of = pts;
        self
    }

    /// Adds a message. `revision` is Telegram's edit date, also of an edit that it hides, or 0.
    pub fn message(&mut self, message: Message, raw: Raw, revision: i64) -> &mut Self {
        self.messages.push((message, raw, revision));
        self
    }

    /// States that Telegram was asked for every id of a range and that the messages of this write are all it has there:
    /// the range counts as read, and what was archived of it before and is not among them is marked deleted.
    pub fn window(&mut self, peer: PeerId, range: IdRange) -> &mut Self {
        self.windows.push((peer, range));
        self
    }

    /// Marks a message deleted; nothing happens when it was never archived.
    pub fn delete(&mut self, key: MessageKey) -> &mut Self {
        self.deleted.push(key);
        self
    }

    /// Adds a peer, or what is new about it.
    pub fn peer(&mut self, peer: Peer) -> &mut Self {
        self.peers.push(peer);
        self
    }

    /// Changes a peer's cursor, as it is when the write is committed.
    pub fn cursor(&mut self, peer: PeerId, change: impl FnOnce(&mut Cursor) + Send + 'static) -> &mut Self {
        self.cursors.push((peer, Box::new(change)));
        self
    }

    /// Moves a reader's position.
    pub fn position(&mut self, reader: &str, position: Seq) -> &mut Self {
        self.positions.push((reader.to_owned(), position));
        self
    }

    /// Makes all of it true. When this returns, it is as durable as the archive was opened for.
    ///
    /// # Errors
    /// When the disk refuses, or something stored could not be understood; then nothing of the write is true.
    pub fn commit(self) -> Result<Archived, ArchiveError> {
        let archive = self.archive;
        let mut next = archive.writer();
        let mut staged = Staged::new(archive, self.now, self.as_of, *next);
        for peer in &self.peers {
            staged.peer(peer)?;
        }
        let brought: BTreeSet<MessageKey> = self.messages.iter().map(|(m, ..)| m.key).collect();
        for (message, raw, revision) in self.messages {
            staged.message(message, &raw, revision)?;
        }
        for (peer, range) in self.windows {
            staged.window(peer, range, &brought)?;
        }
        for key in self.deleted {
            staged.delete(key)?;
        }
        for (peer, change) in self.cursors {
            change(staged.cursor(peer)?);
        }
        for (reader, position) in self.positions {
            staged.batch.put_cf(archive.cf(Cf::Meta), super::changes::position_key(&reader), key::seq(position));
        }
        let (batch, after, mut archived) = staged.finish();
        archived.last = Seq(after.0.saturating_sub(1));
        // Nothing new: most pushed updates mention peers that are known. Not worth a place in the log, or a disk flush.
        if batch.is_empty() {
            return Ok(archived);
        }
        let mut options = WriteOptions::default();
        options.set_sync(archive.durability == Durability::Always);
        archive.db.write_opt(batch, &options).map_err(|e| archive.store(e))?;
        *next = after;
        archive.last.send_if_modified(|last| std::mem::replace(last, archived.last) != archived.last);
        Ok(archived)
    }
}

/// A write while it is being worked out: what it reads it reads once, what it changes it changes here first.
struct Staged<'a> {
    archive: &'a Archive,
    now: Timestamp,
    as_of: Option<i32>,
    next: Seq,
    batch: WriteBatch,
    peers: BTreeMap<PeerId, Peer>,
    /// Lower-case usernames that this write gives to a peer, or takes back.
    usernames: BTreeMap<String, Option<PeerId>>,
    /// Boxed, because the map moves its entries about.
    messages: BTreeMap<MessageKey, Option<Box<MessageRecord>>>,
    coverage: BTreeMap<PeerId, Coverage>,
    cursors: BTreeMap<PeerId, Cursor>,
    archived: Archived,
}

impl<'a> Staged<'a> {
    fn new(archive: &'a Archive, now: Timestamp, as_of: Option<i32>, next: Seq) -> Self {
        Self {
            archive,
            now,
            as_of,
            next,
            batch: WriteBatch::default(),
            peers: BTreeMap::new(),
            usernames: BTreeMap::new(),
            messages: BTreeMap::new(),
            coverage: BTreeMap::new(),
            cursors: BTreeMap::new(),
            archived: Archived::default(),
        }
    }

    fn peer(&mut self, peer: &Peer) -> Result<(), ArchiveError> {
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

    fn message(&mut self, message: Message, raw: &Raw, revision: i64) -> Result<(), ArchiveError> {
        let key = message.key;
        self.cursor(key.peer)?.see(key.id);
        let read = &mut self.coverage(key.peer)?.read;
        let covered = read.contains(key.id.0);
        if let Some(id) = IdRange::new(key.id.0, key.id.0) {
            read.insert(id);
        }
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
        let same = known.clone().into_message(key).says_the_same(&message);
        if same && known.deleted_at.is_none() {
            self.archived.unchanged += 1;
            record.archived_at = known.archived_at;
            // Counters move all the time: the newest are kept, without a version and without waking the readers.
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

    fn window(&mut self, peer: PeerId, range: IdRange, brought: &BTreeSet<MessageKey>) -> Result<(), ArchiveError> {
        self.coverage(peer)?.read.insert(range);
        self.cursor(peer)?.recheck.remove(range);
        let known = self.archive.live_ids(peer, range)?;
        for id in known {
            let key = MessageKey { peer, id };
            if !brought.contains(&key) {
                self.delete(key)?;
            }
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

    fn cursor(&mut self, peer: PeerId) -> Result<&mut Cursor, ArchiveError> {
        if !self.cursors.contains_key(&peer) {
            self.cursors.insert(peer, self.archive.cursor(peer)?.unwrap_or_default());
        }
        Ok(self.cursors.entry(peer).or_default())
    }

    fn finish(mut self) -> (WriteBatch, Seq, Archived) {
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
