//! The audit log: who asked what kind of thing when, and how it ended. No query, no text, no name of anybody's but the client's.
//!
//! One JSON object a line, in numbered files of which the newest is written (rotation by size), so that a client that asks much fills no disk. A line is
//! with the system before its response is sent; a power cut can take the last ones.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

/// Bytes of one file: some 80,000 requests, and still opened by every editor.
const FILE_SIZE_MAX: u64 = 16 << 20;

/// More bytes than a line has.
const LINE_LENGTH_MAX: u64 = 1 << 16;

/// Where requests are noted.
#[derive(Debug, Default)]
pub struct AuditLog(Option<Mutex<AuditFiles>>);

#[derive(Debug)]
struct AuditFiles {
    folder: PathBuf,
    /// How many there may be.
    count_max: u64,
    size_max: u64,
    number: u64,
    file: File,
    size: u64,
    /// Whether the last line could not be written.
    is_failing: bool,
}

/// A request and its outcome.
#[derive(Debug, Serialize)]
pub(super) struct AuditRecord<'a> {
    pub(super) at: String,
    /// Its id, as in the log and in the response.
    pub(super) request: &'a str,
    /// `owner`, `plain` or `sealed`.
    pub(super) ingress: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) client: Option<&'a str>,
    /// The id of the client's key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<&'a str>,
    pub(super) method: &'a str,
    /// The route, without what stands for its parameters.
    pub(super) route: &'a str,
    /// The peer that the path names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) peer: Option<i64>,
    pub(super) status: u16,
    pub(super) ms: u64,
}

impl AuditLog {
    /// Writes to files in a folder, which is made where it is missing. With none at most, nothing is noted.
    ///
    /// # Errors
    /// When the folder cannot be made or read, or its newest file cannot be written.
    pub fn open(folder: &Path, files_max: u32) -> io::Result<Self> {
        Self::with_size(folder, files_max, FILE_SIZE_MAX)
    }

    fn with_size(folder: &Path, files_max: u32, size_max: u64) -> io::Result<Self> {
        if files_max == 0 {
            return Ok(Self(None));
        }
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let number = numbers(folder)?.into_iter().max().unwrap_or(1);
        let (file, size) = append_to(folder, number)?;
        let (folder, count_max) = (folder.to_owned(), u64::from(files_max));
        Ok(Self(Some(Mutex::new(AuditFiles { folder, count_max, size_max, number, file, size, is_failing: false }))))
    }

    /// Notes a request. What cannot be written is told of once, and holds up nobody.
    pub(super) fn note(&self, record: &AuditRecord<'_>) {
        let Some(files) = &self.0 else { return };
        let mut files = files.lock().unwrap_or_else(PoisonError::into_inner);
        let written = files.write(record);
        if let Err(error) = &written
            && !files.is_failing
        {
            tracing::error!(
                "requests are not noted in the audit log `{}` until it can be written: {error}",
                files.folder.display()
            );
        }
        files.is_failing = written.is_err();
    }
}

impl AuditFiles {
    fn write(&mut self, record: &AuditRecord<'_>) -> io::Result<()> {
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        let length = line.len() as u64;
        if self.is_failing {
            // A part of the last line may have been written.
            (self.file, self.size) = append_to(&self.folder, self.number)?;
        }
        let is_full = self.size > 0 && self.size + length > self.size_max;
        if is_full {
            (self.file, self.size) = append_to(&self.folder, self.number + 1)?;
            self.number += 1;
        }
        self.file.write_all(&line)?;
        self.size += length;
        if is_full && let Err(error) = self.remove_oldest() {
            tracing::error!("old files of the audit log `{}` stay until the next is full: {error}", self.folder.display());
        }
        Ok(())
    }

    fn remove_oldest(&self) -> io::Result<()> {
        let oldest = numbers(&self.folder)?.into_iter().filter(|number| number + self.count_max <= self.number);
        oldest.map(|number| fs::remove_file(path(&self.folder, number))).fold(Ok(()), Result::and)
    }
}

fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:06}.ndjson"))
}

/// The numbers of the files that there are.
fn numbers(folder: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        numbers.extend(name.to_str().and_then(|name| name.strip_suffix(".ndjson")?.parse::<u64>().ok()));
    }
    Ok(numbers)
}

/// A file to append to, and its size. A line that has no end (the disk was full, the power was cut) is cut off: it would spoil the next one.
fn append_to(folder: &Path, number: u64) -> io::Result<(File, u64)> {
    let file = File::options().create(true).read(true).append(true).mode(0o600).open(path(folder, number))?;
    let length = file.metadata()?.len();
    let start = length.saturating_sub(LINE_LENGTH_MAX);
    let mut end = vec![0; usize::try_from(length - start).unwrap_or_default()];
    file.read_exact_at(&mut end, start)?;
    let size = end.iter().rposition(|byte| *byte == b'\n').map_or(start, |last| start + last as u64 + 1);
    if size < length {
        file.set_len(size)?;
    }
    Ok((file, size))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn record(request: &str) -> AuditRecord<'_> {
        let (at, ingress, from, key) = ("2026-11-20T10:00:00Z".to_owned(), "sealed", None, Some("desk-1"));
        let (method, route, peer) = ("GET", "/v1/peers/{peer}", Some(-1_001_500_000_001));
        AuditRecord { at, request, ingress, from, client: Some("desk"), key, method, route, peer, status: 200, ms: 3 }
    }

    #[test]
    fn requests_are_noted_in_files_that_only_the_owner_reads_and_of_which_the_oldest_go() {
        let folder = tempfile::tempdir().unwrap();
        let audit = folder.path().join("audit");
        let names = || {
            let mut names: Vec<_> =
                fs::read_dir(&audit).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        };
        for round in 0..3 {
            // Each opening goes on where the last one has ended.
            let log = AuditLog::with_size(&audit, 2, 1_000).unwrap();
            for number in 0..4 {
                log.note(&record(&format!("{round}-{number}")));
            }
        }
        assert_eq!(names(), ["000002.ndjson", "000003.ndjson"]);
        let newest = fs::read_to_string(audit.join("000003.ndjson")).unwrap();
        insta::assert_snapshot!(newest.lines().last().unwrap(), @r#"{"at":"2026-11-20T10:00:00Z","request":"2-3","ingress":"sealed","client":"desk","key":"desk-1","method":"GET","route":"/v1/peers/{peer}","peer":-1001500000001,"status":200,"ms":3}"#);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&audit), mode(&audit.join("000003.ndjson"))), (0o700, 0o600));
    }

    #[test]
    fn a_line_of_which_only_a_part_was_written_spoils_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let newest = path(folder.path(), 1);
        let write_part = || File::options().append(true).open(&newest).unwrap().write_all(b"{\"at\":\"20").unwrap();
        let log = AuditLog::open(folder.path(), 2).unwrap();
        log.note(&record("1"));
        // As a disk that is full has it.
        write_part();
        log.0.as_ref().unwrap().lock().unwrap().is_failing = true;
        log.note(&record("2"));
        log.note(&record("3"));
        drop(log);
        // As a power cut has it.
        write_part();
        AuditLog::open(folder.path(), 2).unwrap().note(&record("4"));
        let noted = fs::read_to_string(&newest).unwrap();
        let lines = noted.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["request"].clone());
        assert_eq!(lines.collect::<Vec<_>>(), ["1", "2", "3", "4"]);
    }

    #[test]
    fn a_line_is_noted_also_where_old_files_cannot_be_removed() {
        let folder = tempfile::tempdir().unwrap();
        let log = AuditLog::with_size(folder.path(), 1, 1).unwrap();
        log.note(&record("1"));
        // No file, so that removing it as one fails, whoever runs the test.
        fs::remove_file(path(folder.path(), 1)).unwrap();
        fs::create_dir(path(folder.path(), 1)).unwrap();
        log.note(&record("2"));
        log.note(&record("3"));
        for number in [2, 3] {
            let noted = fs::read_to_string(path(folder.path(), number)).unwrap_or_default();
            assert_eq!(noted.lines().count(), usize::from(number == 3), "{number}: {noted}");
        }
    }

    #[test]
    fn without_files_nothing_is_noted() {
        let folder = tempfile::tempdir().unwrap();
        AuditLog::open(&folder.path().join("audit"), 0).unwrap().note(&record("1"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
