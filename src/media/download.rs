//! Downloading one file: from the first source that has it, part by part, into a blob.
//!
//! # Guarantees
//! - What was stored of it is kept over a stop, a kill and a source that fails: the next attempt asks for the rest only.
//! - A size that Telegram states is no truth. A file that comes in another size ends where Telegram has no more of it, asked once more.
//! - The record says "stored" after the disk has the bytes, never before.

use std::num::NonZeroUsize;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lru::LruCache;
use tokio::time::Instant;

use super::queue::Claim;
use super::sources::Source;
use crate::accounts::{Lease, LeaseOutcome, Pool, Urgency};
use crate::archive::{Archive, ArchiveError, ArchivedFile};
use crate::blob::{BlobError, Blobs, Stored};
use crate::lifecycle::Lifecycle;
use crate::model::{
    AccountName, Clock, FileAccess, FileId, FileOrigin, FileState, Rendition, RenditionRole, StoredBytes, Timestamp,
};
use crate::parse;
use crate::telegram::{Client, Clients, FileError, FileLocation, PART_MAX, PartRange, Refetched, TelegramError, method};

/// The first pause before a file is tried again that got no answer; doubled at each further failure.
const RETRY_MIN: i64 = 30;
/// How often a place is read again for a new reference at most: whoever asks more often has another trouble than an old one.
const RENEWED_EVERY: Duration = Duration::from_mins(1);
/// Places of files whose last renewal is remembered, of some 100 bytes each: far more than can be renewed in a minute.
const RENEWALS_KEPT: NonZeroUsize = NonZeroUsize::new(4_096).unwrap();
/// The longest.
const RETRY_MAX: i64 = 6 * 3_600;
/// Where Telegram rounds parts to.
pub(super) const UNIT: u64 = 1 << 10;
/// Bytes of a picture that stands for a file: such pictures are a few dozen KiB.
const THUMBNAIL_MAX: u64 = 1 << 20;
/// Pixels of the longest side that such a picture should have, where there is a choice: smaller ones are blurred in a list.
const THUMBNAIL_SIDE: i32 = 200;

/// How many parts are in flight at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parallel {
    pub(super) parts: usize,
    pub(super) premium_parts: usize,
}

/// Downloads files.
pub(super) struct Downloader {
    pub(super) archive: Arc<Archive>,
    pub(super) blobs: Blobs,
    pub(super) clients: Arc<Clients>,
    pub(super) pool: Arc<Pool>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) lifecycle: Lifecycle,
    pub(super) parallel: Parallel,
    pub(super) renewals: Renewals,
}

/// When a file's reference was last renewed at each place.
pub(super) struct Renewals(Mutex<LruCache<(FileId, FileOrigin, AccountName), Instant>>);

impl Renewals {
    pub(super) fn new() -> Self {
        Self(Mutex::new(LruCache::new(RENEWALS_KEPT)))
    }

    /// Notes that one is renewed now; where that was done a moment ago, how long to wait instead.
    fn begin(&self, file: FileId, source: &Source) -> Result<(), Duration> {
        let mut renewals = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (file, source.origin, source.account);
        match renewals.get(&key).map(Instant::elapsed) {
            Some(ago) if ago < RENEWED_EVERY => Err(RENEWED_EVERY - ago),
            _ => {
                renewals.put(key, Instant::now());
                Ok(())
            }
        }
    }
}

/// How an attempt ended that stored nothing.
pub(super) enum Failure {
    /// The program is stopping: nothing is noted.
    Stopping,
    /// It may be tried again, not before this; where it is nobody's fault, that does not count as a failure.
    Later { why: String, not_before: Timestamp, is_failure: bool },
    /// This source does not have it.
    Source(String),
    /// What was asked with has run out.
    Reference(String),
    /// Nothing can be archived: the worker says so, and tries again.
    Local(anyhow::Error),
}

impl From<BlobError> for Failure {
    fn from(error: BlobError) -> Self {
        Self::Local(error.into())
    }
}

impl From<ArchiveError> for Failure {
    fn from(error: ArchiveError) -> Self {
        Self::Local(error.into())
    }
}

/// Where a file's bytes are asked for.
pub(super) struct Asked<'a> {
    pub(super) client: &'a Arc<Client>,
    account: AccountName,
    location: FileLocation,
    dc: std::sync::atomic::AtomicI32,
}

impl Downloader {
    /// Downloads a file, and notes what came of it.
    ///
    /// # Errors
    /// When archive or blobs cannot be written.
    pub(super) async fn download(&self, claim: &Claim) -> anyhow::Result<()> {
        let mut reasons: Vec<String> = Vec::new();
        let mut later: Option<(String, Timestamp, bool)> = None;
        for source in &claim.sources {
            match self.try_source(claim, source).await {
                Ok(stored) => return self.note_stored(&claim.file, stored),
                Err(Failure::Stopping) => return Ok(()),
                Err(Failure::Local(error)) => return Err(error),
                // What was renewed a moment ago and has run out again is there all the same.
                Err(Failure::Reference(why)) => {
                    let now = self.clock.timestamp();
                    if later.as_ref().is_none_or(|(_, earlier, _)| now < *earlier) {
                        later = Some((why, now, true));
                    }
                }
                Err(Failure::Source(why)) => {
                    tracing::debug!(file.id = %claim.file.id, account.name = %source.account, "a source does not have it: {why}");
                    if !reasons.contains(&why) {
                        reasons.push(why);
                    }
                }
                // Another account may be free to ask; where none is, the first one that can comes.
                Err(Failure::Later { why, not_before, is_failure }) => {
                    if later.as_ref().is_none_or(|(_, earlier, _)| not_before < *earlier) {
                        later = Some((why, not_before, is_failure));
                    }
                }
            }
        }
        let state = match later {
            Some((why, next_try, is_failure)) => self.failed(&claim.file, why, Some(next_try), is_failure),
            None if reasons.is_empty() => {
                let why = "no account can read any message that it is in".to_owned();
                self.failed(&claim.file, why, Some(self.after(RETRY_MAX)), true)
            }
            None => self.failed(&claim.file, reasons.join("; "), None, true),
        };
        if let FileState::Failed { why, next_try: None, .. } = &state {
            tracing::warn!(file.id = %claim.file.id, "file {} cannot be downloaded: {why}", claim.file.id);
        }
        self.note(claim.file.id, state)
    }

    fn failed(&self, file: &ArchivedFile, why: String, next_try: Option<Timestamp>, is_failure: bool) -> FileState {
        let before = match &file.state {
            FileState::Failed { tries, .. } => *tries,
            _ => 0,
        };
        let tries = before.saturating_add(u32::from(is_failure));
        // Where it got no answer: later each time.
        let backoff = RETRY_MIN.saturating_mul(1 << tries.saturating_sub(1).min(20)).min(RETRY_MAX);
        let next_try = next_try.map(|at| if is_failure { at.max(self.after(backoff)) } else { at });
        FileState::Failed { why, tries, next_try }
    }

    fn after(&self, seconds: i64) -> Timestamp {
        Timestamp(self.clock.timestamp().0.saturating_add(seconds))
    }

    fn note(&self, id: FileId, state: FileState) -> anyhow::Result<()> {
        let mut write = self.archive.write(self.clock.timestamp());
        write.file_state(id, state);
        tokio::task::block_in_place(|| write.commit())?;
        Ok(())
    }

    fn note_stored(&self, file: &ArchivedFile, stored: Stored) -> anyhow::Result<()> {
        // The pin goes when the archive refers to it.
        let bytes = bytes_of(&stored);
        tokio::task::block_in_place(|| self.blobs.flush())?;
        self.note(file.id, FileState::Stored(bytes))?;
        metrics::counter!("telescribe_files_stored_total").increment(1);
        metrics::counter!("telescribe_file_bytes_stored_total").increment(if stored.was_known { 0 } else { stored.size });
        drop(stored);
        Ok(())
    }

    /// Downloads from one place through one account, whose reference is renewed where it has run out.
    async fn try_source(&self, claim: &Claim, source: &Source) -> Result<Stored, Failure> {
        let Some(client) = self.clients.get(&source.account) else {
            return Err(Failure::Source("the account is not signed in any more".to_owned()));
        };
        let mut access = match &source.access {
            Some(access) => access.clone(),
            None => self.renew(client, claim.file.id, source).await?,
        };
        let mut was_renewed = source.access.is_none();
        loop {
            match self.with_access(claim, client, source, &access).await {
                Err(Failure::Reference(_)) if !was_renewed => {
                    was_renewed = true;
                    access = self.renew(client, claim.file.id, source).await?;
                }
                outcome => return outcome,
            }
        }
    }

    /// Reads again where a file was seen.
    async fn renew(&self, client: &Arc<Client>, id: FileId, source: &Source) -> Result<FileAccess, Failure> {
        if let Err(wait) = self.renewals.begin(id, source) {
            let why = "its reference has run out again, a moment after it was renewed".to_owned();
            let not_before = self.after(i64::try_from(wait.as_secs()).unwrap_or(0) + 1);
            return Err(Failure::Later { why, not_before, is_failure: true });
        }
        let lease = self.lease(&source.account, Client::refetch_method(source.origin)).await?;
        let answer = client.refetch(source.origin).await;
        drop(lease);
        let found = match answer {
            Ok(Some(found)) => found,
            Ok(None) => return Err(Failure::Source("the message that it was in is gone".to_owned())),
            Err(error) => return Err(self.of_telegram(error)),
        };
        metrics::counter!("telescribe_file_references_renewed_total").increment(1);
        let seen = match &found {
            Refetched::Message(message) => parse::files(message),
            Refetched::User(user) => parse::user_avatar(user).into_iter().collect(),
            Refetched::Chat(chat) => parse::chat_avatar(chat).into_iter().collect(),
        };
        let Some(seen) = seen.into_iter().find(|seen| seen.id == id) else {
            return Err(Failure::Source("the message that it was in has another file now".to_owned()));
        };
        let access = seen.access.clone();
        let mut write = self.archive.write(self.clock.timestamp());
        let posted_at = self.archive.view().file(id)?.map_or(Timestamp(0), |file| file.posted_at);
        write.file_seen(source.origin, posted_at, Some(source.account), seen);
        tokio::task::block_in_place(|| write.commit())?;
        Ok(access)
    }

    async fn with_access(
        &self,
        claim: &Claim,
        client: &Arc<Client>,
        source: &Source,
        access: &FileAccess,
    ) -> Result<Stored, Failure> {
        let file = &claim.file;
        let asked = |rendition: &Rendition| Asked {
            client,
            account: source.account,
            location: match source.origin {
                FileOrigin::Avatar(peer) if access.reference.is_empty() => {
                    FileLocation::Avatar { peer, photo: file.id.id, is_big: rendition.role == RenditionRole::Original }
                }
                _ => FileLocation::of(file.id, access, &rendition.letter),
            },
            dc: access.dc.into(),
        };
        if let Some(picture) = thumbnail(file).filter(|_| file.thumbnail.is_none()) {
            self.store_thumbnail(file.id, &asked(picture), stated_size(picture)).await?;
        }
        let Some(original) = file.original() else {
            return Err(Failure::Source("Telegram has not said what to ask for".to_owned()));
        };
        let size = stated_size(original);
        let asked = asked(original);
        match size {
            Some(size) if size < u64::from(PART_MAX) => self.in_one_part(claim, &asked, size).await,
            _ => self.in_parts(claim, &asked, size).await,
        }
    }

    /// A picture is of use also where the file itself is not to be had; that it is missing stops nothing.
    async fn store_thumbnail(&self, id: FileId, asked: &Asked<'_>, size: Option<u64>) -> Result<(), Failure> {
        match self.whole(asked, size, THUMBNAIL_MAX).await {
            Ok(bytes) if !bytes.is_empty() => {
                let stored = tokio::task::block_in_place(|| {
                    let stored = self.blobs.put(&bytes)?;
                    self.blobs.flush().map(|()| stored)
                })?;
                let mut write = self.archive.write(self.clock.timestamp());
                write.file_thumbnail(id, bytes_of(&stored));
                tokio::task::block_in_place(|| write.commit())?;
                Ok(())
            }
            Ok(_) | Err(Failure::Source(_) | Failure::Later { is_failure: true, .. }) => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    /// A file that one request may bring. Where it brings less or more than was stated, it is taken for a large one: its size is not known; and so is
    /// one that was taken for it before, of which something is there.
    async fn in_one_part(&self, claim: &Claim, asked: &Asked<'_>, size: u64) -> Result<Stored, Failure> {
        if tokio::task::block_in_place(|| self.blobs.has_partial(&key_of(&claim.file)))? {
            return self.in_parts(claim, asked, Some(size)).await;
        }
        let bytes = self.part(asked, 0, PART_MAX).await?;
        if bytes.len() as u64 != size {
            return self.in_parts(claim, asked, Some(size)).await;
        }
        claim.running.add(size);
        claim.fetched();
        Ok(tokio::task::block_in_place(|| self.blobs.put(&bytes))?)
    }

    /// Everything that Telegram has of a picture that stands for a file, however long it said that it is.
    async fn whole(&self, asked: &Asked<'_>, stated: Option<u64>, most: u64) -> Result<Vec<u8>, Failure> {
        let mut bytes = Vec::new();
        loop {
            let at = bytes.len() as u64;
            let (offset, limit) = aligned(at);
            let part = self.part(asked, offset, limit).await?;
            let skip = usize::try_from(at - offset).unwrap_or(0).min(part.len());
            let fresh = part.get(skip..).unwrap_or_default();
            bytes.extend_from_slice(fresh);
            let end = offset + part.len() as u64;
            if part.len() < limit as usize && (stated == Some(end) || self.is_end(asked, end).await?) {
                return Ok(bytes);
            }
            if bytes.len() as u64 > most {
                return Err(Failure::Source(format!("it has more than {most} bytes, which is not what Telegram stated")));
            }
        }
    }

    /// One part, in the data centre that has it, when the account may ask for it.
    pub(super) async fn part(&self, asked: &Asked<'_>, offset: u64, limit: u32) -> Result<Vec<u8>, Failure> {
        let Some(range) = PartRange::new(offset, limit) else {
            return Err(Failure::Local(anyhow::anyhow!("there is no part of {limit} bytes at {offset}")));
        };
        let mut moved = 0;
        loop {
            let lease = self.lease(&asked.account, method::GET_FILE).await?;
            let dc = asked.dc.load(Ordering::Relaxed);
            let answer = asked.client.get_part(&asked.location, dc, range).await;
            drop(lease);
            match answer {
                Ok(part) => {
                    metrics::counter!("telescribe_file_bytes_fetched_total").increment(part.bytes.len() as u64);
                    return Ok(part.bytes);
                }
                Err(FileError::Migrated(to)) if moved < 3 => {
                    moved += 1;
                    asked.dc.store(to, Ordering::Relaxed);
                }
                // The pool knows how long.
                Err(FileError::FloodWait { .. }) => {}
                Err(error) => return Err(self.of_file(error)),
            }
        }
    }

    fn of_file(&self, error: FileError) -> Failure {
        let now = self.clock.timestamp();
        let at = |wait: Duration| Timestamp(now.0.saturating_add(i64::try_from(wait.as_secs()).unwrap_or(i64::MAX)));
        let why = error.to_string();
        match error {
            FileError::Stopping => Failure::Stopping,
            FileError::ReferenceExpired { .. } => Failure::Reference(why),
            FileError::Transient { retry_in, .. } => Failure::Later { why, not_before: at(retry_in), is_failure: true },
            FileError::Unauthorized { retry_in, .. } => Failure::Later { why, not_before: at(retry_in), is_failure: false },
            FileError::RateLimited { not_before, .. } => Failure::Later { why, not_before: not_before.into(), is_failure: false },
            FileError::FloodWait { wait, .. } => Failure::Later { why, not_before: at(wait), is_failure: false },
            FileError::Migrated(_) | FileError::CdnRedirect { .. } | FileError::Gone { .. } | FileError::Refused { .. } => {
                Failure::Source(why)
            }
            FileError::SignedOut(error) => Failure::Source(error.to_string()),
        }
    }

    fn of_telegram(&self, error: TelegramError) -> Failure {
        let why = error.to_string();
        match error {
            TelegramError::FloodWait { wait, .. } => Failure::Later {
                why,
                not_before: self.after(i64::try_from(wait.as_secs()).unwrap_or(i64::MAX)),
                is_failure: false,
            },
            TelegramError::RetryLater { .. } if self.lifecycle.stopping() => Failure::Stopping,
            TelegramError::Transient { .. } | TelegramError::ServerFault { .. } | TelegramError::RetryLater { .. } => {
                Failure::Later { why, not_before: self.clock.timestamp(), is_failure: true }
            }
            _ => Failure::Source(why),
        }
    }

    /// Waits for permission to ask.
    async fn lease(&self, account: &AccountName, method: &'static str) -> Result<Lease, Failure> {
        loop {
            if self.lifecycle.stopping() {
                return Err(Failure::Stopping);
            }
            let wait = match self.pool.lease([account], method, Urgency::Background) {
                LeaseOutcome::Granted(lease) => return Ok(lease),
                LeaseOutcome::NoCandidate => return Err(Failure::Source("the account is not signed in any more".to_owned())),
                LeaseOutcome::Busy => BUSY_WAIT,
                LeaseOutcome::NotBefore(at) => {
                    let wait = (at - self.clock.now()).to_std().unwrap_or_default();
                    if wait > PATIENCE {
                        let why = format!("account `{account}` may not call {method} before {at}");
                        return Err(Failure::Later { why, not_before: at.into(), is_failure: false });
                    }
                    wait
                }
            };
            tokio::select! {
                () = self.lifecycle.stop_asked() => return Err(Failure::Stopping),
                () = tokio::time::sleep(wait.max(Duration::from_millis(1))) => {}
            }
        }
    }
}

/// How long is waited before it is asked again whether an account has a request to spare.
const BUSY_WAIT: Duration = Duration::from_millis(10);
/// How long a download waits for permission in its place. Where it takes longer, others are downloaded meanwhile.
const PATIENCE: Duration = Duration::from_secs(20);

/// The part with a byte in it: as long as Telegram serves there.
pub(super) fn aligned(at: u64) -> (u64, u32) {
    let offset = at / UNIT * UNIT;
    let to_border = u64::from(PART_MAX) - offset % u64::from(PART_MAX);
    (offset, u32::try_from(to_border).unwrap_or(PART_MAX))
}

/// Under which a download is gone on with.
pub(super) fn key_of(file: &ArchivedFile) -> String {
    format!("{}.{}", file.id, file.original().map_or("", |original| original.letter.as_str()))
}

/// Bytes of a rendition as Telegram states them.
fn stated_size(rendition: &Rendition) -> Option<u64> {
    rendition.size.and_then(|size| u64::try_from(size).ok())
}

/// The picture that is to stand for a file: the largest of its thumbnails; of a photo, the smallest of its sizes that is large enough for a list, or else
/// the largest of those that are not.
fn thumbnail(file: &ArchivedFile) -> Option<&Rendition> {
    let of = |role| file.renditions.iter().filter(move |rendition| rendition.role == role);
    let pixels = |rendition: &&Rendition| i64::from(rendition.width.unwrap_or(0)) * i64::from(rendition.height.unwrap_or(0));
    let is_enough = |rendition: &&Rendition| rendition.width.max(rendition.height).unwrap_or(0) >= THUMBNAIL_SIDE;
    let reduced = || of(RenditionRole::Reduced).filter(is_enough).min_by_key(pixels);
    let largest = || of(RenditionRole::Reduced).max_by_key(pixels);
    of(RenditionRole::Thumbnail).max_by_key(pixels).or_else(reduced).or_else(largest)
}

pub(super) fn bytes_of(stored: &Stored) -> StoredBytes {
    StoredBytes { hash: stored.hash, size: stored.size }
}
