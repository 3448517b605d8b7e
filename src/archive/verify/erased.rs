//! What was erased: known as such, by an erasure that there is, and nothing of it left.

use super::super::ArchiveError;
use super::super::codec::StoredKey as _;
use super::super::family::{ATTACHED, EARLIER_FORM, ERASED, ERASURE, FORM, KeyRange};
use super::super::view::Order;
use super::{ByChat, Findings, View};
use crate::model::FileOrigin;

impl View<'_> {
    /// Returns how many messages of each chat were erased.
    pub(super) fn check_erased(self, report: &mut Findings<'_>) -> Result<ByChat<u64>, ArchiveError> {
        self.check_family(&ERASURE, report)?;
        let mut erased: ByChat<u64> = ByChat::new();
        let mut rows = self.all(&ERASED, report);
        while let Some(row) = report.next(&mut rows)? {
            let Some(key) = report.readable(|| "an erased message".to_owned(), row.key()) else { continue };
            *erased.entry(key.chat).or_default() += 1;
            if let Some(tombstone) = report.readable(|| format!("erased message {key}"), row.value(&key))
                && self.bytes(&ERASURE, &tombstone.erasure)?.is_none()
            {
                report.differs(|| format!("message {key} was erased by erasure {}, which is not known", tombstone.erasure));
            }
            let earlier = self.lenient(&EARLIER_FORM, KeyRange::under(key.encode()), Order::OldestFirst).next().is_some();
            if earlier || self.bytes(&FORM, &key)?.is_some() {
                report.differs(|| format!("message {key} was erased, and it is there"));
            }
            let origin = FileOrigin::Message(key).encode();
            if self.lenient(&ATTACHED, KeyRange::under(origin), Order::OldestFirst).next().is_some() {
                report.differs(|| format!("message {key} was erased, and its files are still listed"));
            }
        }
        Ok(erased)
    }
}
