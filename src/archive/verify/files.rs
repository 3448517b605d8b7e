//! Files, where they were seen, and the queue of those that are missing: what stands twice says the same.

use super::super::ArchiveError;
use super::super::family::{ATTACHED, FILE, FILE_TOTALS, ORIGIN, QUEUE};
use super::super::file_totals::FileTotals;
use super::super::key::{AttachedKey, FileTotalsKey, OriginKey, QueueKey};
use super::{Findings, View, undamaged};

impl View<'_> {
    pub(super) fn check_files(self, report: &mut Findings<'_>) -> Result<(), ArchiveError> {
        let (mut sums, mut is_all_read) = (FileTotals::default(), true);
        let mut rows = self.all(&FILE, report);
        while let Some(row) = report.next(&mut rows)? {
            let Some(id) = report.readable(|| "a file".to_owned(), row.key()) else { continue };
            let Some(file) = report.readable(|| format!("file {id}"), row.value(&id)) else {
                is_all_read = false;
                continue;
            };
            sums.replace(None, Some(&file));
            if let Some(due) = file.due() {
                let key = QueueKey { large: file.is_large(), due, posted_at: file.posted_at, file: id };
                if self.bytes(&QUEUE, &key)?.is_none() {
                    report.differs(|| format!("file {id} is {} and not in the queue", file.state.name()));
                }
            }
        }
        let stored = undamaged(self.get(&FILE_TOTALS, &FileTotalsKey))?.flatten();
        if is_all_read && stored.is_some_and(|stored| stored != sums) {
            report.differs(|| {
                "the sums over all files are not those of the files that are there; `telescribe repair` sums them up again"
                    .to_owned()
            });
        }
        let mut rows = self.all(&QUEUE, report);
        while let Some(row) = report.next(&mut rows)? {
            let Some(key) = report.readable(|| "an entry of the queue of files".to_owned(), row.key()) else { continue };
            let QueueKey { large, due, posted_at, file: id } = key;
            // A file that is damaged was told of above.
            let Some(file) = undamaged(self.get(&FILE, &id))? else { continue };
            let is_due = file.is_some_and(|f| f.due() == Some(due) && f.posted_at == posted_at && f.is_large() == large);
            if !is_due {
                report.differs(|| format!("file {id} is in the queue in a way that its record does not say"));
            }
        }
        let mut rows = self.all(&ORIGIN, report);
        while let Some(row) = report.next(&mut rows)? {
            let Some(key) = report.readable(|| "where a file was seen".to_owned(), row.key()) else { continue };
            let OriginKey { file, origin } = key;
            report.readable(|| format!("where file {file} was seen"), row.value(&key));
            if undamaged(self.get(&FILE, &file))?.is_some_and(|file| file.is_none()) {
                report.differs(|| format!("file {file} was seen somewhere, and nothing is known of it"));
            }
            if self.bytes(&ATTACHED, &AttachedKey { origin, file })?.is_none() {
                report.differs(|| format!("file {file} is not listed where it was seen"));
            }
        }
        let mut rows = self.all(&ATTACHED, report);
        while let Some(row) = report.next(&mut rows)? {
            let Some(key) = report.readable(|| "a file of a message".to_owned(), row.key()) else { continue };
            let AttachedKey { origin, file } = key;
            report.readable(|| format!("file {file} of a message"), row.value(&key));
            if self.bytes(&ORIGIN, &OriginKey { file, origin })?.is_none() {
                report.differs(|| format!("file {file} is listed where it was not seen"));
            }
        }
        Ok(())
    }
}
