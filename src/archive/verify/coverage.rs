//! Coverage and crawl states: readable, with the right counts.

use crate::model::ChatId;

use super::super::ArchiveError;
use super::super::coverage::Coverage;
use super::super::family::{COVERAGE, CRAWL_STATE};
use super::messages::Stored;
use super::{ByChat, Findings, View};

impl View<'_> {
    pub(super) fn check_coverage(
        self,
        mut stored: ByChat<Stored>,
        mut erased: ByChat<u64>,
        report: &mut Findings<'_>,
    ) -> Result<(), ArchiveError> {
        let mut compare = |chat: ChatId, stored: Stored, c: &Coverage, report: &mut Findings<'_>| {
            let erased = erased.remove(&chat).unwrap_or_default();
            if c.erased != erased {
                report.differs(|| format!("chat {chat} has {erased} erased messages, its coverage says {}", c.erased));
            }
            let Stored { messages, deleted, .. } = stored;
            if (c.messages, c.deleted) != (messages, deleted) {
                let (m, d) = (c.messages, c.deleted);
                report
                    .differs(|| format!("chat {chat} has {messages} messages ({deleted} deleted), its coverage says {m} ({d})"));
            }
        };
        let mut rows = self.all(&COVERAGE, report);
        while let Some(row) = report.next(&mut rows)? {
            let Some(chat) = report.readable(|| "a coverage".to_owned(), row.key()) else { continue };
            let count = stored.remove(&chat).unwrap_or_default();
            if let Some(coverage) = report.readable(|| format!("coverage of chat {chat}"), row.value(&chat)) {
                compare(chat, count, &coverage, report);
            }
        }
        for (chat, count) in stored {
            compare(chat, count, &Coverage::default(), report);
        }
        for (chat, erased) in erased {
            report.differs(|| format!("chat {chat} has {erased} erased messages, and no coverage"));
        }
        let mut rows = self.all(&CRAWL_STATE, report);
        while let Some(row) = report.next(&mut rows)? {
            let Some(chat) = report.readable(|| "a crawl state".to_owned(), row.key()) else { continue };
            report.readable(|| format!("crawl state of chat {chat}"), row.value(&chat));
        }
        Ok(())
    }
}
