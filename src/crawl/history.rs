//! History: reading what coverage lacks, newest first.

use chrono::{DateTime, Utc};

use super::unit::{Identity, Priority, Unit};
use super::{Crawler, newest};
use crate::accounts::{Lease, Urgency};
use crate::archive::{ArchiveError, Coverage, Cursor};
use crate::model::{AccountName, IdRange, PeerId, PeerKindOfId, Timestamp};
use crate::telegram::{TelegramError, method};

/// The range to ask for next: the newest that was never read, else the newest that must be read again, else the newest of which a
/// mass deletion is still to be confirmed.
pub(super) fn next_range(coverage: &Coverage, cursor: &Cursor, now: Timestamp) -> Option<IdRange> {
    range_below(cursor.top, coverage, cursor, now)
}

/// The same, of what was never read only up to an id.
fn range_below(top: i32, coverage: &Coverage, cursor: &Cursor, now: Timestamp) -> Option<IdRange> {
    let never = || coverage.read.missing(IdRange::new(1, top)?).ranges().last().copied();
    never().or_else(|| cursor.recheck.ranges().last().copied()).or_else(|| {
        let due = cursor.held_until.is_some_and(|until| until <= now);
        // As one range: what lies between held ids is asked for along the way, and saves a request for each gap.
        let (first, last) = (cursor.held.ranges().first()?, cursor.held.ranges().last()?);
        due.then_some(IdRange { first: first.first, last: last.last })
    })
}

/// Up to how far ahead a difference is waited for instead of reading history: pacing, a short flood wait, a retry. Whoever must wait longer
/// has history read meanwhile.
const DIFFERENCE_WITHIN: chrono::TimeDelta = chrono::TimeDelta::seconds(60);
/// When history looks again after the difference should have come.
const DIFFERENCE_TAKES: chrono::TimeDelta = chrono::TimeDelta::seconds(1);

/// What history is to be asked for of a peer.
pub(super) enum Wanted {
    Nothing,
    /// These ids.
    Now(IdRange),
    /// At this time, what a difference has not brought by then.
    After(DateTime<Utc>),
}

impl Crawler {
    /// What history is to be asked for of a peer now.
    pub(super) fn wanted(&self, peer: PeerId, coverage: &Coverage, cursor: &Cursor) -> Result<Wanted, ArchiveError> {
        let now = self.clock.timestamp();
        let Some(range) = next_range(coverage, cursor, now) else { return Ok(Wanted::Nothing) };
        let Some((read, at)) = self.left_to_difference(peer, coverage, cursor)? else { return Ok(Wanted::Now(range)) };
        Ok(range_below(read, coverage, cursor, now).map_or(Wanted::After(at), Wanted::Now))
    }

    /// Whether the newest ids are left to a difference that waits in the queue and will bring them: up to which id history is to be read
    /// meanwhile, and when to look again. A difference that got no answer and is retried must not cost a request for history too.
    fn left_to_difference(
        &self,
        peer: PeerId,
        coverage: &Coverage,
        cursor: &Cursor,
    ) -> Result<Option<(i32, DateTime<Utc>)>, ArchiveError> {
        let Some(read) = coverage.read.last().filter(|read| *read < cursor.top) else { return Ok(None) };
        let (difference, method, urgency) = match (peer.kind(), &cursor.account) {
            (PeerKindOfId::Channel, _) => (Identity::Events(peer), method::CHANNEL_DIFFERENCE, Urgency::Fresh),
            (_, Some(owner)) => (Identity::AccountEvents(owner.clone()), method::DIFFERENCE, Urgency::Live),
            (_, None) => return Ok(None),
        };
        let Some(expected) = self.queue.expected_at(&difference) else { return Ok(None) };
        // Whoever could ask for it may be parked for hours, which the queue does not know of every unit.
        let readers = self.readers(peer)?;
        let Some(free) = readers.iter().filter_map(|name| self.pool.free_at(name, method, urgency)).min() else {
            return Ok(None);
        };
        let (now, at) = (self.clock.now(), expected.max(free));
        Ok((at <= now + DIFFERENCE_WITHIN).then(|| (read, at.max(now) + DIFFERENCE_TAKES)))
    }

    /// Reads one page of a peer's history.
    pub(super) async fn history_page(
        &self,
        lease: Lease,
        peer: PeerId,
        priority: Priority,
    ) -> anyhow::Result<Result<(), TelegramError>> {
        let (coverage, cursor) = (self.archive.coverage(peer)?, self.archive.cursor(peer)?.unwrap_or_default());
        let range = match self.wanted(peer, &coverage, &cursor)? {
            Wanted::Nothing => return Ok(Ok(())),
            Wanted::Now(range) => range,
            Wanted::After(at) => {
                drop(lease);
                self.again(Unit::History { peer }, priority, 0, at);
                return Ok(Ok(()));
            }
        };
        let account = lease.account().clone();
        let Some(client) = self.clients.get(&account) else { return Ok(Ok(())) };
        // Only the past is large enough to be worth what a takeout asks of the account's owner.
        let takeout = priority == Priority::Backfill && (client.in_takeout().await || self.may_begin_takeout(&account));
        let answer = match takeout {
            true => client.history_by_takeout(peer, range).await,
            false => client.history(peer, range).await,
        };
        let page = match answer {
            Ok(page) => page,
            Err(error) => return Ok(Err(error)),
        };
        drop(lease);
        let now = self.clock.timestamp();
        let mut write = self.archive.write(now);
        write.as_of(page.pts).mass_deletion(self.settings.mass_deletion).window(peer, page.window);
        for parsed in page.messages {
            self.put(&mut write, parsed);
        }
        self.see(&mut write, &account, page.seen)?;
        let stateless = peer.kind() == PeerKindOfId::Channel && cursor.pts.is_none();
        let again = if stateless { newest(&coverage.read, self.settings.recheck_ids_max) } else { Default::default() };
        let pts = page.pts;
        write.cursor(peer, move |cursor| {
            cursor.checked_at = Some(now);
            cursor.unavailable = None;
            if stateless {
                // From here on differences tell; what was read before may have changed unseen.
                cursor.pts = pts;
                for range in again.ranges() {
                    cursor.recheck.insert(*range);
                }
            }
        });
        let archived = self.overtaken.commit_page(peer, write, Self::commit)?;
        if archived.held > 0 {
            tracing::warn!(
                peer.id = peer.0,
                "mass deletion in peer {peer}: {} messages are gone at once; a second request must confirm it first",
                archived.held
            );
        }
        self.add_history(peer, priority)?;
        Ok(Ok(()))
    }
}

impl Crawler {
    /// Whether Telegram has not asked the account to wait before it begins a takeout. The pool remembers that over a restart.
    fn may_begin_takeout(&self, account: &AccountName) -> bool {
        let free_at = self.pool.free_at(account, method::INIT_TAKEOUT, Urgency::Background);
        free_at.is_some_and(|at| at <= self.clock.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RangeSet;

    fn state(top: i32, read: &[(i32, i32)], recheck: &[(i32, i32)]) -> (Coverage, Cursor) {
        let set = |ranges: &[(i32, i32)]| -> RangeSet { ranges.iter().filter_map(|(a, b)| IdRange::new(*a, *b)).collect() };
        (Coverage { read: set(read), ..Default::default() }, Cursor { top, recheck: set(recheck), ..Default::default() })
    }

    #[test]
    fn what_is_held_is_asked_for_again_when_its_time_has_come() {
        let (coverage, mut cursor) = state(50, &[(1, 50)], &[]);
        cursor.held = [(5, 9), (20, 21)].iter().filter_map(|(a, b)| IdRange::new(*a, *b)).collect();
        cursor.held_until = Some(Timestamp(10));
        assert_eq!(next_range(&coverage, &cursor, Timestamp(9)), None);
        assert_eq!(next_range(&coverage, &cursor, Timestamp(10)), IdRange::new(5, 21));
    }

    #[test]
    fn the_newest_hole_is_read_first_then_what_must_be_read_again_then_nothing() {
        for (top, read, recheck, next) in [
            (0, vec![], vec![], None),
            (50, vec![], vec![], Some((1, 50))),
            (50, vec![(1, 10), (20, 40)], vec![(5, 9)], Some((41, 50))),
            (50, vec![(1, 10), (20, 50)], vec![(5, 9)], Some((11, 19))),
            (50, vec![(3, 50)], vec![], Some((1, 2))),
            (50, vec![(1, 50)], vec![(5, 9), (12, 30)], Some((12, 30))),
            (50, vec![(1, 50)], vec![], None),
        ] {
            let (coverage, cursor) = state(top, &read, &recheck);
            assert_eq!(
                next_range(&coverage, &cursor, Timestamp(0)).map(|r| (r.first, r.last)),
                next,
                "{top} {read:?} {recheck:?}"
            );
        }
    }
}
