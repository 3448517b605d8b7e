//! The change log: gapless, readable, and sealed by its hash chain.

use crate::model::{Change, MessageKey, Seq};

use super::super::ArchiveError;
use super::super::chain::{Link, Linking, Proof};
use super::super::family::{EARLIER_FORM, FORM, LOG};
use super::super::key::VersionKey;
use super::super::record::{Form, LogEntry, Seal};
use super::newest::Newest;
use super::{ByChat, Findings, Multiset, View, undamaged};

/// What the change log tells of a chat's messages.
#[derive(Default)]
pub(super) struct Told {
    /// Forms that became true, and deletions.
    pub(super) changes: Multiset,
}

impl View<'_> {
    /// Reads the change log once, in order.
    pub(super) fn check_log(self, report: &mut Findings<'_>) -> Result<ByChat<Told>, ArchiveError> {
        let mut told: ByChat<Told> = ByChat::new();
        let has_erased = self.has_erased()?;
        let (mut chain, mut newest) = (Chain::default(), Newest::default());
        let mut at = Seq(0);
        let mut rows = self.all(&LOG, report);
        while let Some(row) = report.next(&mut rows)? {
            let Some(last) = report.readable(|| format!("the change log after {at}"), row.key()) else { continue };
            let after = std::mem::replace(&mut at, last);
            let Some(entry) = report.readable(|| span(after, last), row.value(&last)) else {
                chain.before = None;
                newest.cannot_read(last);
                continue;
            };
            if entry.first() != after.next() {
                report.differs(|| format!("the change log jumps from {after} to {}", entry.first()));
            }
            report.report.changes += entry.kinds.len() as u64;
            for kind in &entry.kinds {
                let kind = self.with_owner(*kind)?;
                // Of what was erased nothing is stored that could be compared.
                let Some(key) = kind.message() else { continue };
                if !has_erased || !self.is_erased(key)? {
                    told.entry(key.chat).or_default().changes.add(&kind);
                }
            }
            chain.check(self, &entry, report)?;
            newest.check(&entry, report);
        }
        self.check_newest(newest, at, report)?;
        Ok(told)
    }

    fn form(self, key: MessageKey, version: u32) -> Result<Option<Form>, ArchiveError> {
        let newest = undamaged(self.get(&FORM, &key))?.flatten();
        if newest.as_ref().is_some_and(|form| form.record.version == version) {
            return Ok(newest);
        }
        Ok(undamaged(self.get(&EARLIER_FORM, &VersionKey { message: key, version }))?.flatten())
    }
}

fn span(after: Seq, last: Seq) -> String {
    if after.next() == last { format!("change log entry {last}") } else { format!("change log entry {} to {last}", after.next()) }
}

/// The hash chain as far as it was followed.
struct Chain {
    /// The link before; `None` behind an entry that cannot be read.
    before: Option<Link>,
}

impl Default for Chain {
    fn default() -> Self {
        Self { before: Some(Link::default()) }
    }
}

impl Chain {
    fn check(&mut self, view: View<'_>, entry: &LogEntry, report: &mut Findings<'_>) -> Result<(), ArchiveError> {
        let Some(Seal { link, proofs }) = &entry.seal else {
            // The chain begins with format 3; what follows a link has one.
            if self.before.is_some_and(|before| before != Link::default()) {
                report.differs(|| format!("change {} is not sealed by the hash chain", entry.last));
            }
            return Ok(());
        };
        let Some(before) = self.before.replace(*link) else { return Ok(()) };
        let mut linking = Linking::new(before, entry.last, &entry.sealed());
        let forms = entry.changes().filter(|change| change.kind.form().is_some());
        for (nth, Change { seq, kind, .. }) in forms.enumerate() {
            let (Some((sealed, _)), Some((key, version))) = (kind.form(), view.with_owner(kind)?.form()) else { continue };
            let salt = match proofs.of_form(nth, &sealed) {
                Proof::Salt(salt) => salt,
                Proof::Leaf(leaf) => {
                    linking.add(&leaf);
                    continue;
                }
                // What was damaged before it was erased cannot be proved any more.
                Proof::Unknown => return Ok(()),
            };
            let Some(form) = view.form(key, version)? else {
                report.differs(|| format!("form {version} of message {key}, which change {seq} tells of, cannot be read"));
                return Ok(());
            };
            linking.add(&salt.leaf(&sealed, version, &form.raw.to_bytes()));
        }
        if linking.link() != *link {
            report.differs(|| {
                format!(
                    "the hash chain does not fit changes {} to {}: they, or raw bytes that they brought, were changed",
                    entry.first(),
                    entry.last
                )
            });
        }
        Ok(())
    }
}
