//! Retention of time series: samples that ended before a time are removed, a bounded number at once.
//!
//! A sample holds until the next one of its series. So the one that was true at the time from which on they are kept stays, and the
//! newest member count of a peer stays for ever: it is what is true now. No change tells of it, and no reader is woken.

use rocksdb::WriteBatch;

use crate::model::{MessageId, MessageKey, PeerId, Timestamp};

use super::codec::{StoredKey, StoredValue};
use super::family::{COUNTERS, Family, KeyRange, MESSAGE, SIZE};
use super::view::Order;
use super::{Archive, ArchiveError};

/// Samples that one step looks at: some milliseconds under the writer's lock, also where each takes a look at its message.
const STEP_SAMPLES: usize = 1_000;

/// Where a pass over all series goes on; the default is its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpiryCursor {
    /// At a sample of a message's counters.
    Counters(MessageKey, Timestamp),
    /// At a sample of a peer's member counts.
    Sizes(PeerId, Timestamp),
}

impl Default for ExpiryCursor {
    fn default() -> Self {
        Self::Counters(MessageKey::new(PeerId(i64::MIN), MessageId(i32::MIN)), Timestamp(i64::MIN))
    }
}

/// Where a step over one family has got.
struct Expired<K> {
    removed: u64,
    next: Option<(K, Timestamp)>,
}

impl Archive {
    /// Removes samples of counters and member counts that ended before a time: one bounded, atomic step of a pass over all of them.
    /// Returns how many it removed, and where the next step goes on; `None` at the end. Idempotent.
    ///
    /// # Errors
    /// When the disk refuses, or a message's record cannot be decoded.
    pub fn expire_samples(&self, before: Timestamp, from: ExpiryCursor) -> Result<(u64, Option<ExpiryCursor>), ArchiveError> {
        match from {
            ExpiryCursor::Counters(message, at) => {
                // The newest counters are the message's own.
                let ended = |message| {
                    let record = self.view().readable(&MESSAGE, &message)?;
                    Ok(record.is_none_or(|record| record.counted_at.unwrap_or(record.archived_at) <= before.0))
                };
                let Expired { removed, next } = self.expire(&COUNTERS, (message, at), before, ended)?;
                let next = next.map(|(message, at)| ExpiryCursor::Counters(message, at));
                Ok((removed, next.or(Some(ExpiryCursor::Sizes(PeerId(i64::MIN), Timestamp(i64::MIN))))))
            }
            ExpiryCursor::Sizes(peer, at) => {
                let Expired { removed, next } = self.expire(&SIZE, (peer, at), before, |_| Ok(false))?;
                Ok((removed, next.map(|(peer, at)| ExpiryCursor::Sizes(peer, at))))
            }
        }
    }

    /// The same for one family; `ended` says of a series whether its last sample had ended by then.
    fn expire<K: Copy + PartialEq, V>(
        &self,
        family: &Family<(K, Timestamp), V>,
        from: (K, Timestamp),
        before: Timestamp,
        ended: impl Fn(K) -> Result<bool, ArchiveError>,
    ) -> Result<Expired<K>, ArchiveError>
    where
        (K, Timestamp): StoredKey,
        V: StoredValue<(K, Timestamp)>,
    {
        // What is looked at stays as it is until the batch is written.
        let writer = self.flush.writer();
        let mut batch = WriteBatch::default();
        let mut removed = 0;
        // A key that is damaged is passed over; `verify` tells of it.
        let rows = self.view().lenient(family, KeyRange::from(&from), Order::OldestFirst);
        let mut keys = rows.filter_map(|row| row.map(|row| row.key().ok()).transpose()).peekable();
        for _ in 0..STEP_SAMPLES {
            let Some((series, at)) = keys.next().transpose()? else { break };
            if at >= before {
                continue;
            }
            let has_ended = match keys.peek() {
                Some(Ok((next, until))) if *next == series => *until <= before,
                _ => ended(series)?,
            };
            if has_ended {
                family.delete(&self.db, &mut batch, &(series, at));
                removed += 1;
            }
        }
        let next = keys.next().transpose()?;
        drop(keys);
        if removed > 0 {
            self.write_batch(batch)?;
        }
        drop(writer);
        Ok(Expired { removed, next })
    }
}
