//! Coverage and crawl states: readable, with the right counts.

use crate::model::PeerId;

use super::super::ArchiveError;
use super::super::coverage::Coverage;
use super::super::family::{COVERAGE, CRAWL_STATE};
use super::messages::Stored;
use super::{ByPeer, Findings, View};

impl View<'_> {
    pub(super) fn check_coverage(self, mut stored: ByPeer<Stored>, report: &mut Findings<'_>) -> Result<(), ArchiveError> {
        let compare = |peer: PeerId, stored: Stored, c: &Coverage, report: &mut Findings<'_>| {
            let Stored { messages, deleted, .. } = stored;
            if (c.messages, c.deleted) != (messages, deleted) {
                let (m, d) = (c.messages, c.deleted);
                report
                    .differs(|| format!("peer {peer} has {messages} messages ({deleted} deleted), its coverage says {m} ({d})"));
            }
        };
        let mut rows = self.all(&COVERAGE, report);
        while let Some(row) = report.next(&mut rows)? {
            let Some(peer) = report.readable(|| "a coverage".to_owned(), row.key()) else { continue };
            let count = stored.remove(&peer).unwrap_or_default();
            if let Some(coverage) = report.readable(|| format!("coverage of peer {peer}"), row.value(&peer)) {
                compare(peer, count, &coverage, report);
            }
        }
        for (peer, count) in stored {
            compare(peer, count, &Coverage::default(), report);
        }
        let mut rows = self.all(&CRAWL_STATE, report);
        while let Some(row) = report.next(&mut rows)? {
            let Some(peer) = report.readable(|| "a crawl state".to_owned(), row.key()) else { continue };
            report.readable(|| format!("crawl state of peer {peer}"), row.value(&peer));
        }
        Ok(())
    }
}
