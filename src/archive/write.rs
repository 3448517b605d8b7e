//! One write (a transaction): what it brings is collected first, then becomes true at once (atomic).

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Instant;

use rocksdb::{WriteBatch, WriteOptions};

use crate::failpoints;
use crate::model::{
    AccountName, ChatId, Counters, ErasureSelection, FileId, FileOrigin, FileState, IdRange, Message, MessageId, MessageKey,
    Peer, PeerId, SeenFile, Seq, StoredBytes, Timestamp, UpdatesState, WatchName,
};

use super::addresses::Address;
use super::crawl_state::CrawlState;
use super::dead_letters::DeadLetter;
use super::erasure::{Erasure, ErasureStage};
use super::family::{ERASURE, JOB_START, JUDGED_BY, POSITION, UNKNOWN_USERNAME, UPDATES, WALKED};
use super::key::{AccountKey, AddressKey, JobKey, JudgedByKey, PositionKey, UnknownUsernameKey, Username, WalkedKey};
use super::outcome::{Archived, MassDeletion};
use super::record::Raw;
use super::staged::{ErasureStep, MembershipChange, Staged, WatchChange, WorkedOut};
use super::updates::AccountUpdates;
use super::view::ToldIn;
use super::{Archive, ArchiveError, Durability};

type CrawlStateChange = Box<dyn FnOnce(&mut CrawlState) + Send>;

/// A page of history, a live update, or anything else that must become true as one (atomic).
#[must_use = "a write that is not committed changes nothing"]
pub struct Write<'a> {
    archive: &'a Archive,
    now: Timestamp,
    as_of: Option<i32>,
    account: Option<AccountName>,
    mass_deletion: Option<MassDeletion>,
    messages: Vec<(Message, Raw, i64)>,
    /// Of these, the ones that follow on everything that is known of their chat.
    follows_on: BTreeSet<MessageKey>,
    deleted: Vec<MessageKey>,
    deleted_outside_channels: Vec<(AccountName, MessageId)>,
    covered: Vec<(ChatId, IdRange)>,
    uncovered: Vec<(ChatId, IdRange)>,
    peers: Vec<Peer>,
    membership_changes: Vec<(PeerId, AccountName, MembershipChange)>,
    counters: Vec<(MessageKey, Counters)>,
    sizes: Vec<(PeerId, i32)>,
    crawl_states: Vec<(ChatId, CrawlStateChange)>,
    updates: Vec<(AccountName, AccountUpdates)>,
    positions: Vec<(String, Seq)>,
    dead_letters: Vec<DeadLetter>,
    renewed_dead_letters: Vec<DeadLetter>,
    removed_dead_letters: Vec<DeadLetter>,
    recount_indexed: Vec<(MessageKey, i32)>,
    walked: Vec<(AccountName, Timestamp)>,
    job_starts: Vec<String>,
    addresses: Vec<(AddressKey, Option<Address>)>,
    unknown_usernames: Vec<Username>,
    files_seen: Vec<(FileOrigin, Timestamp, Option<AccountName>, SeenFile)>,
    file_states: Vec<(FileId, FileState)>,
    thumbnails: Vec<(FileId, Result<StoredBytes, String>)>,
    judged_by: Option<u64>,
    renewed: Vec<Erasure>,
    orders: Vec<(String, ErasureSelection, Timestamp)>,
    erasures: Vec<ErasureStep>,
    watches: Vec<WatchChange>,
}

impl Archive {
    /// Starts a write. `now` is the time it is recorded under.
    pub fn write(&self, now: Timestamp) -> Write<'_> {
        Write {
            archive: self,
            now,
            as_of: None,
            account: None,
            mass_deletion: None,
            messages: Vec::new(),
            follows_on: BTreeSet::new(),
            deleted: Vec::new(),
            deleted_outside_channels: Vec::new(),
            covered: Vec::new(),
            uncovered: Vec::new(),
            peers: Vec::new(),
            membership_changes: Vec::new(),
            counters: Vec::new(),
            sizes: Vec::new(),
            crawl_states: Vec::new(),
            updates: Vec::new(),
            positions: Vec::new(),
            dead_letters: Vec::new(),
            renewed_dead_letters: Vec::new(),
            removed_dead_letters: Vec::new(),
            recount_indexed: Vec::new(),
            walked: Vec::new(),
            job_starts: Vec::new(),
            addresses: Vec::new(),
            unknown_usernames: Vec::new(),
            files_seen: Vec::new(),
            file_states: Vec::new(),
            thumbnails: Vec::new(),
            judged_by: None,
            renewed: Vec::new(),
            orders: Vec::new(),
            erasures: Vec::new(),
            watches: Vec::new(),
        }
    }
}

impl Archive {
    /// Writes a batch, for who holds the writer's lock, and has the disk take it soon.
    pub(super) fn write_batch(&self, batch: WriteBatch) -> Result<(), ArchiveError> {
        failpoints::hit("archive-write").map_err(|source| {
            self.flush.health.failed(&source);
            ArchiveError::Io { path: self.path.to_path_buf(), source }
        })?;
        let mut options = WriteOptions::default();
        options.set_sync(self.durability == Durability::Always);
        let written = self.db.write_opt(batch, &options);
        failpoints::pass("archive-written");
        self.flush.wake();
        // The thread that flushes finds out when trouble is over.
        written.inspect_err(|error| self.flush.health.failed(error)).map_err(|e| self.store(e))
    }
}

impl Write<'_> {
    /// States the peer's pts at which Telegram gave the answer, so that it cannot replace what a later answer said.
    pub fn as_of(&mut self, pts: Option<i32>) -> &mut Self {
        self.as_of = pts;
        self
    }

    /// States which account got the answer; kept with Telegram's bytes (provenance).
    pub fn got_by(&mut self, account: &AccountName) -> &mut Self {
        self.account = Some(*account);
        self
    }

    /// Holds mass deletions back: they become ids to be asked for again, and are believed when they are still not there.
    pub fn mass_deletion(&mut self, rule: MassDeletion) -> &mut Self {
        self.mass_deletion = Some(rule);
        self
    }

    /// Makes room for so many messages more.
    pub fn reserve(&mut self, messages: usize) -> &mut Self {
        self.messages.reserve(messages);
        self
    }

    /// Adds a message. `revision` is Telegram's edit date, also of an edit that it hides, or 0.
    pub fn message(&mut self, message: Message, raw: Raw, revision: i64) -> &mut Self {
        self.messages.push((message, raw, revision));
        self
    }

    /// States that Telegram was asked for every id of a range and that the messages of this write are all it has there:
    /// the range counts as read, and what was archived of it before and is not among them is marked deleted.
    pub fn covered(&mut self, chat: impl Into<ChatId>, range: IdRange) -> &mut Self {
        self.covered.push((chat.into(), range));
        self
    }

    /// States that ids count as read which were not, because whoever read them does not see them; nothing of them may be archived.
    pub fn uncover(&mut self, chat: impl Into<ChatId>, range: IdRange) -> &mut Self {
        self.uncovered.push((chat.into(), range));
        self
    }

    /// States that nothing of a chat lies between the newest id known and this one, which a message of this write has: outside channels ids are
    /// used by an account's other chats too. Of a chat of which newer ids are known than were read it states nothing.
    pub fn follows_on(&mut self, chat: ChatId, id: MessageId) -> &mut Self {
        self.follows_on.insert(MessageKey { chat, id });
        self
    }

    /// Marks messages outside channels deleted, of which Telegram names only the account's ids.
    pub fn delete_outside_channels(&mut self, account: &AccountName, ids: &[MessageId]) -> &mut Self {
        self.deleted_outside_channels.extend(ids.iter().map(|id| (*account, *id)));
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

    /// Notes that a peer is among an account's dialogs.
    pub fn joined(&mut self, peer: PeerId, account: &AccountName) -> &mut Self {
        self.membership_changes.push((peer, *account, MembershipChange::Joined));
        self
    }

    /// Notes that a peer is no longer among an account's dialogs; nothing happens when it never was.
    pub fn left(&mut self, peer: PeerId, account: &AccountName) -> &mut Self {
        self.membership_changes.push((peer, *account, MembershipChange::Left));
        self
    }

    /// Notes in which of an account's folders a peer is; nothing happens when it is not among its dialogs.
    pub fn folders(&mut self, peer: PeerId, account: &AccountName, folders: Vec<String>) -> &mut Self {
        self.membership_changes.push((peer, *account, MembershipChange::Folders(folders)));
        self
    }

    /// Notes what is counted about a message: those of its counters that are given replace what was known.
    pub fn counters(&mut self, key: MessageKey, counters: Counters) -> &mut Self {
        self.counters.push((key, counters));
        self
    }

    /// Lets go of messages of [`View::recounted`](super::View::recounted) that the index has as they were given, with their views.
    pub(super) fn recount_indexed(&mut self, indexed: Vec<(MessageKey, i32)>) -> &mut Self {
        self.recount_indexed.extend(indexed);
        self
    }

    /// Adds a file that was seen somewhere, which was posted then, by this account; where that is `None`, by whoever got the answer.
    pub fn file_seen(
        &mut self,
        origin: FileOrigin,
        posted_at: Timestamp,
        account: Option<AccountName>,
        seen: SeenFile,
    ) -> &mut Self {
        self.files_seen.push((origin, posted_at, account, seen));
        self
    }

    /// Notes what is to become of a file, or has; nothing happens where it is not known.
    pub fn file_state(&mut self, id: FileId, state: FileState) -> &mut Self {
        self.file_states.push((id, state));
        self
    }

    /// Notes by which rules every file was judged that is not stored.
    pub fn files_judged_by(&mut self, rules: u64) -> &mut Self {
        self.judged_by = Some(rules);
        self
    }

    /// Notes that the picture which stands for a file is stored.
    pub fn file_thumbnail(&mut self, id: FileId, thumbnail: StoredBytes) -> &mut Self {
        self.thumbnails.push((id, Ok(thumbnail)));
        self
    }

    /// Notes why no picture can be made that stands for a file.
    pub fn no_file_thumbnail(&mut self, id: FileId, why: String) -> &mut Self {
        self.thumbnails.push((id, Err(why)));
        self
    }

    /// Orders an erasure: from then on nothing of what it is of is archived. `id` names it in every copy
    /// of the archive.
    pub fn order_erasure(&mut self, id: &str, selection: ErasureSelection, ordered_at: Timestamp) -> &mut Self {
        self.orders.push((id.to_owned(), selection, ordered_at));
        self
    }

    /// Orders an erasure that has ended once more, as given: what it is of may have become another.
    pub fn renew_erasure(&mut self, erasure: Erasure) -> &mut Self {
        self.renewed.push(erasure);
        self
    }

    /// Takes a step of an erasure, which is to be as given afterwards: these messages are erased. `told` says where the change log tells of them.
    /// With the step that ends [`ErasureStage::Messages`] goes what is no message.
    pub fn erase(&mut self, erasure: Erasure, messages: Vec<MessageKey>, told: ToldIn) -> &mut Self {
        let is_last = erasure.stage == ErasureStage::Traces;
        self.erasures.push(ErasureStep { erasure, messages, told, is_last });
        self
    }

    /// Notes how many members a peer has.
    pub fn member_count(&mut self, peer: PeerId, count: i32) -> &mut Self {
        self.sizes.push((peer, count));
        self
    }

    /// Changes a chat's crawl state (read-modify-write), as it is when the write is committed.
    pub fn crawl_state(&mut self, chat: impl Into<ChatId>, change: impl FnOnce(&mut CrawlState) + Send + 'static) -> &mut Self {
        self.crawl_states.push((chat.into(), Box::new(change)));
        self
    }

    /// Notes up to which state an account, which is a user, has archived what happens outside channels.
    pub fn updates_state(&mut self, account: &AccountName, user: i64, state: UpdatesState) -> &mut Self {
        self.updates.push((*account, AccountUpdates { user, state }));
        self
    }

    /// Moves a reader's position (its checkpoint).
    pub fn position(&mut self, reader: &str, position: Seq) -> &mut Self {
        self.positions.push((reader.to_owned(), position));
        self
    }

    /// Keeps an event that an output could not deliver.
    pub fn add_dead_letter(&mut self, letter: DeadLetter) -> &mut Self {
        self.dead_letters.push(letter);
        self
    }

    /// Says anew why an event could not be delivered. Where it was let go of meanwhile, it stays so.
    pub fn renew_dead_letter(&mut self, letter: DeadLetter) -> &mut Self {
        self.renewed_dead_letters.push(letter);
        self
    }

    /// Lets go of an event that an output could not deliver.
    pub fn remove_dead_letter(&mut self, letter: DeadLetter) -> &mut Self {
        self.removed_dead_letters.push(letter);
        self
    }

    /// Notes that an account's dialogs were walked, from those whose newest message was posted at this time.
    pub fn walked(&mut self, account: &AccountName, from: Timestamp) -> &mut Self {
        self.walked.push((*account, from));
        self
    }

    /// Notes that a job is started.
    pub fn job_started(&mut self, job: &str) -> &mut Self {
        self.job_starts.push(job.to_owned());
        self
    }

    /// Notes by what an account can address a peer, or that it no longer can.
    pub fn address(&mut self, account: AccountName, peer: PeerId, address: Option<Address>) -> &mut Self {
        self.addresses.push((AddressKey { account, peer }, address));
        self
    }

    /// Notes that nobody has a username (without `@`, in any case).
    pub fn username_unknown(&mut self, name: &str) -> &mut Self {
        self.unknown_usernames.push(Username::new(name));
        self
    }

    /// Adds a watch, in the place of one that has its name. It watches what is archived behind this write.
    pub fn add_watch(&mut self, name: WatchName, query: &str, note: Option<&str>) -> &mut Self {
        self.watches.push(WatchChange::Added { name, query: query.to_owned(), note: note.map(str::to_owned) });
        self
    }

    /// Removes a watch.
    pub fn remove_watch(&mut self, name: WatchName) -> &mut Self {
        self.watches.push(WatchChange::Removed(name));
        self
    }

    /// Makes all of it true, atomically, under the one writer's lock. When this returns, it is as durable as the archive was opened for.
    ///
    /// # Errors
    /// When the disk refuses, or a stored record cannot be decoded; then nothing of the write is true.
    pub fn commit(self) -> Result<Archived, ArchiveError> {
        let (archive, began) = (self.archive, Instant::now());
        let mut end = archive.flush.writer();
        let mut staged = Staged::new(archive, self.now, self.as_of, *end);
        staged.mass_deletion = self.mass_deletion;
        for peer in self.peers {
            staged.peer(peer)?;
        }
        for (peer, account, change) in self.membership_changes {
            staged.membership(peer, &account, change)?;
        }
        for (chat, range) in self.uncovered {
            staged.uncover(chat, range)?;
        }
        let brought: BTreeSet<MessageKey> = self.messages.iter().map(|(m, ..)| m.key).collect();
        for (message, mut raw, revision) in self.messages {
            if self.follows_on.contains(&message.key) {
                staged.follow_on(message.key)?;
            }
            raw.account = raw.account.or(self.account);
            staged.message(message, raw.into(), revision)?;
        }
        for (chat, range) in self.covered {
            staged.covered(chat, range, &brought)?;
        }
        let mut deleted = self.deleted;
        for (account, id) in self.deleted_outside_channels {
            deleted.extend(staged.outside_channels(account, id)?);
        }
        staged.delete_all(deleted)?;
        for (origin, posted_at, account, seen) in self.files_seen {
            staged.file_seen(origin, posted_at, account.or(self.account), seen)?;
        }
        for (id, state) in self.file_states {
            staged.file_state(id, state)?;
        }
        for (id, thumbnail) in self.thumbnails {
            staged.file_thumbnail(id, thumbnail)?;
        }
        if let Some(rules) = self.judged_by {
            staged.put(&JUDGED_BY, &JudgedByKey, &rules);
        }
        for (key, counters) in self.counters {
            staged.counters(key, counters)?;
        }
        for (peer, count) in self.sizes {
            staged.size(peer, count)?;
        }
        for (chat, change) in self.crawl_states {
            change(staged.crawl_state(chat)?);
        }
        for (account, updates) in self.updates {
            staged.put(&UPDATES, &AccountKey(account), &updates);
        }
        for (reader, position) in self.positions {
            staged.put(&POSITION, &PositionKey(reader), &position);
        }
        self.dead_letters.iter().for_each(|letter| staged.add_dead_letter(letter));
        for letter in &self.renewed_dead_letters {
            staged.renew_dead_letter(letter)?;
        }
        self.removed_dead_letters.iter().for_each(|letter| staged.remove_dead_letter(&letter.key()));
        staged.recount_indexed(self.recount_indexed)?;
        for (account, from) in self.walked {
            staged.put(&WALKED, &WalkedKey(account), &from);
        }
        for (key, address) in self.addresses {
            staged.address(&key, address)?;
        }
        for job in self.job_starts {
            staged.put(&JOB_START, &JobKey(job), &self.now);
        }
        for name in self.unknown_usernames {
            staged.put(&UNKNOWN_USERNAME, &UnknownUsernameKey(name), &self.now);
        }
        let mut ordered = Vec::new();
        for erasure in self.renewed {
            staged.put(&ERASURE, &erasure.number, &erasure);
            ordered.push(erasure);
        }
        for (id, selection, ordered_at) in self.orders {
            ordered.push(staged.order_erasure(id, selection, ordered_at)?);
        }
        for step in self.erasures {
            staged.erase(step)?;
        }
        staged.watches(self.watches)?;
        let WorkedOut { batch, end: after, mut archived, peers, moves_crawled, moves_followed } = staged.finish()?;
        archived.last = after.last();
        // Nothing new (idempotent): most pushed updates mention peers that are known. Not worth a place in the log, or a disk flush.
        if batch.is_empty() {
            return Ok(archived);
        }
        archive.write_batch(batch)?;
        *end = after;
        if moves_crawled {
            archive.crawled_generation.fetch_add(1, Ordering::SeqCst);
        }
        if moves_followed {
            archive.followed_generation.fetch_add(1, Ordering::SeqCst);
        }
        ordered.iter().for_each(|erasure| archive.gate.note(erasure));
        archive.recent_peers.note(peers.into_values());
        let durable = (archive.durability == Durability::Always).then(|| archive.flush.snapshot_at(&end));
        drop(end);
        if let Some(snapshot) = durable {
            archive.flush.advance(snapshot);
        }
        metrics::histogram!("telescribe_archive_write_seconds").record(began.elapsed());
        Ok(archived)
    }
}
