//! History: reading what coverage lacks, newest first.

use super::{Crawler, Priority, Unit, newest};
use crate::accounts::Lease;
use crate::archive::{Coverage, Cursor};
use crate::model::{IdRange, PeerId, PeerKindOfId};
use crate::telegram::TelegramError;

/// The range to ask for next: the newest that was never read, else the newest that must be read again.
pub(super) fn next_range(coverage: &Coverage, cursor: &Cursor) -> Option<IdRange> {
    let all = IdRange::new(1, cursor.top)?;
    let never = coverage.read.missing(all).ranges().last().copied();
    never.or_else(|| cursor.recheck.ranges().last().copied())
}

impl Crawler {
    /// Reads one page of a peer's history.
    pub(super) async fn history_page(
        &self,
        lease: Lease,
        peer: PeerId,
        priority: Priority,
    ) -> anyhow::Result<Result<(), TelegramError>> {
        let (coverage, cursor) = (self.archive.coverage(peer)?, self.archive.cursor(peer)?.unwrap_or_default());
        let Some(range) = next_range(&coverage, &cursor) else { return Ok(Ok(())) };
        let Some(client) = self.clients.get(lease.account()) else { return Ok(Ok(())) };
        let page = match client.history(peer, range).await {
            Ok(page) => page,
            Err(error) => return Ok(Err(error)),
        };
        drop(lease);
        let now = self.clock.timestamp();
        let mut write = self.archive.write(now);
        write.as_of(page.pts).window(peer, page.window);
        for parsed in page.messages {
            self.put(&mut write, parsed);
        }
        Self::see(&mut write, page.seen);
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
        Self::commit(write)?;
        if next_range(&self.archive.coverage(peer)?, &self.archive.cursor(peer)?.unwrap_or_default()).is_some() {
            self.queue.add(Unit::History { peer }, priority);
        }
        Ok(Ok(()))
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
            assert_eq!(next_range(&coverage, &cursor).map(|r| (r.first, r.last)), next, "{top} {read:?} {recheck:?}");
        }
    }
}
