//! A large file: many parts at once, in any order, and where it ends.
//!
//! As many requests as are allowed are in flight all the time: a part that has come is written by another thread, while the next one is asked for.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::stream::{self, StreamExt as _};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::download::{Asked, Downloader, Failure, UNIT, aligned, key_of};
use super::queue::Claim;
use crate::blob::{BlobError, Partial, Stored};
use crate::panics;
use crate::telegram::{PART_MAX, PartRange, parts};

/// How often a part is asked for that comes shorter than it should, before that counts as no answer.
const SHORT_MAX: u32 = 4;
/// What a file may have more of than Telegram states.
const EXCESS_MAX: u64 = 1 << 30;
/// While so many parts are in flight, one more is being written.
const WRITTEN_BESIDE: usize = 4;

impl Downloader {
    /// A large file, many parts at once.
    pub(super) async fn in_parts(&self, claim: &Claim, asked: &Asked<'_>, size: Option<u64>) -> Result<Stored, Failure> {
        let partial = Arc::new(tokio::task::block_in_place(|| self.blobs.partial(&key_of(&claim.file), None))?);
        claim.running.resumes(partial.bytes_done());
        let ended = AtomicU64::new(u64::MAX);
        let stated = size.unwrap_or(0);
        let ranges = Self::missing(&partial, stated);
        let in_flight = if asked.client.session().is_premium() { self.parallel.premium_parts } else { self.parallel.parts };
        let requests = Semaphore::new(in_flight);
        // Where one part fails, those that are under way come to their end, as Telegram sends them anyway, and no further one is begun.
        let failed = Mutex::new(None);
        let failure = || failed.lock().unwrap_or_else(PoisonError::into_inner);
        let fetched = stream::iter(ranges).for_each_concurrent(in_flight + in_flight.div_ceil(WRITTEN_BESIDE), |range| {
            let (partial, requests, ended, failure) = (&partial, &requests, &ended, &failure);
            async move {
                let Ok(request) = requests.acquire().await else { return };
                if range.offset() >= ended.load(Ordering::Relaxed) || failure().is_some() {
                    return;
                }
                if let Err(why) = self.store_part(claim, asked, (partial, request), (range, size), ended).await {
                    failure().get_or_insert(why);
                }
            }
        });
        fetched.await;
        if ended.load(Ordering::Relaxed) < u64::MAX && failure().is_none() {
            claim.fetched();
        }
        // What has come is kept, also where the rest has not.
        let synced = Arc::clone(&partial);
        blocking(move || synced.sync()).await?;
        if let Some(why) = failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(why);
        }
        let end = match ended.load(Ordering::Relaxed) {
            u64::MAX => self.beyond(claim, asked, &partial, stated).await?,
            end => end,
        };
        // Nobody writes any more.
        let Some(partial) = Arc::into_inner(partial) else {
            return Err(Failure::Local(anyhow::anyhow!("a part of file {} is still being written", claim.file.id)));
        };
        let incomplete = || Failure::Later {
            why: "Telegram answered with less than it has".to_owned(),
            not_before: self.clock.timestamp(),
            is_failure: true,
        };
        blocking(move || match partial.finish(end) {
            Err(BlobError::Incomplete { .. }) => Ok(None),
            finished => finished.map(Some),
        })
        .await?
        .ok_or_else(incomplete)
    }

    /// The parts of a file that are not there yet.
    fn missing(partial: &Partial, size: u64) -> Vec<PartRange> {
        let gaps = partial.missing();
        let is_missing = |part: &PartRange| {
            let (first, end) = (part.offset(), (part.offset() + u64::from(part.limit())).min(size));
            gaps.iter().any(|gap| gap.start < end && gap.end > first)
        };
        parts(size, PART_MAX).filter(is_missing).collect()
    }

    /// Asks for a part until all of it is there, or the file ends in it. Another may be asked for while the disk takes it.
    async fn store_part(
        &self,
        claim: &Claim,
        asked: &Asked<'_>,
        (partial, request): (&Arc<Partial>, SemaphorePermit<'_>),
        (range, stated): (PartRange, Option<u64>),
        ended: &AtomicU64,
    ) -> Result<(), Failure> {
        let (mut offset, end) = (range.offset(), range.offset() + u64::from(range.limit()));
        let (mut short, mut request) = (0, Some(request));
        while offset < end {
            let limit = u32::try_from(end - offset).unwrap_or(PART_MAX);
            let bytes = self.part(asked, offset, limit).await?;
            let got = bytes.len() as u64;
            if got == u64::from(limit) || stated == Some(offset + got) {
                drop(request.take());
            }
            if got > 0 {
                let partial = Arc::clone(partial);
                blocking(move || partial.write_at(offset, &bytes)).await?;
                claim.running.add(got);
            }
            if got == u64::from(limit) {
                return Ok(());
            }
            if stated == Some(offset + got) || self.is_end(asked, offset + got).await? {
                ended.fetch_min(offset + got, Ordering::Relaxed);
                return Ok(());
            }
            // It goes on where Telegram serves from again.
            let next = (offset + got) / UNIT * UNIT;
            short += 1;
            if short >= SHORT_MAX && next == offset {
                let why = "Telegram answers with less than was asked for".to_owned();
                return Err(Failure::Later { why, not_before: self.clock.timestamp(), is_failure: true });
            }
            offset = next;
        }
        Ok(())
    }

    /// Whether a file ends at a byte: asked for what is there, because an answer may be short for other reasons.
    pub(super) async fn is_end(&self, asked: &Asked<'_>, at: u64) -> Result<bool, Failure> {
        let offset = at / UNIT * UNIT;
        let bytes = self.part(asked, offset, UNIT as u32).await?;
        Ok(bytes.len() as u64 <= at - offset)
    }

    /// What a file has beyond the size that was stated, one part after the other; returns where it ends.
    async fn beyond(&self, claim: &Claim, asked: &Asked<'_>, partial: &Partial, stated: u64) -> Result<u64, Failure> {
        // Behind the last byte that is there: of a download without a size, what is missing last has no end.
        let mut at = partial.missing().last().map_or(0, |gap| gap.start).max(stated);
        loop {
            if self.is_end(asked, at).await? {
                return Ok(at);
            }
            if at > stated.saturating_add(EXCESS_MAX) {
                return Err(Failure::Source(format!("it goes on behind the {stated} bytes that Telegram stated")));
            }
            let (offset, limit) = aligned(at);
            let bytes = self.part(asked, offset, limit).await?;
            let end = offset + bytes.len() as u64;
            if end > at {
                tokio::task::block_in_place(|| partial.write_at(offset, &bytes))?;
                claim.running.add(end - at);
                at = end;
            }
        }
    }
}

/// Does something where threads may block, so that the other parts of a file go on meanwhile.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, BlobError> + Send + 'static) -> Result<T, Failure> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => Ok(outcome?),
        Err(error) => Err(Failure::Local(panics::of_task(error))),
    }
}
