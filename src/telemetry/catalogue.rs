//! The catalogue of metrics: each name, its kind and what it tells, which `/metrics` shows as its help text.
//!
//! The text stands here and in `docs/metrics.md`, which says also which labels there are and when to worry; `tests/it/metrics.rs` holds
//! code, catalogue and page together. No label is ever a peer, a user or what somebody looked for.

/// How a metric behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MetricKind {
    /// Only grows, from 0 at the start of the program.
    Counter,
    /// A state, which goes up and down.
    Gauge,
    /// How many observations were at most as large as each of these bounds.
    Histogram(&'static [f64]),
    /// Quantiles of recent observations.
    Summary,
}

/// A metric of the program.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Its kind.
    pub kind: MetricKind,
    /// What it tells, in one sentence.
    pub help: &'static str,
}

/// Seconds. A page takes about a millisecond, with an fsync some ten; what takes a second is in trouble.
const WRITE_SECONDS: &[f64] = &[0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// Every metric of the program, in the order of the page.
pub const CATALOGUE: [Metric; 47] = [
    counter("telescribe_requests_total", "Requests of the crawl to Telegram, by method and outcome."),
    counter("telescribe_messages_total", "Messages that were archived, by what became of them."),
    counter(
        "telescribe_unreadable_total",
        "Messages that were passed over because Telegram's answer about them could not be read.",
    ),
    counter("telescribe_not_understood_total", "What Telegram sent and this version has no name for, by constructor."),
    counter("telescribe_files_stored_total", "Files whose bytes were stored."),
    counter("telescribe_file_bytes_stored_total", "Bytes of files that were stored, each content once."),
    counter("telescribe_file_bytes_fetched_total", "Bytes of files that Telegram has sent."),
    counter(
        "telescribe_file_references_renewed_total",
        "Places of files that were read again, because a file reference had run out.",
    ),
    counter("telescribe_thumbnails_total", "Small pictures of stored pictures that were made or could not be, by outcome."),
    counter("telescribe_jobs_started_total", "Runs of scheduled jobs that were started."),
    counter("telescribe_jobs_skipped_total", "Runs of scheduled jobs that were skipped, because the one before had not ended."),
    gauge("telescribe_files", "Files that the archive knows, by state."),
    gauge("telescribe_files_missing_bytes", "Bytes, as Telegram states them, of files that are wanted and not stored."),
    gauge("telescribe_queue_tasks", "Tasks that wait for their turn, each of them one request, by priority."),
    gauge("telescribe_accounts", "Accounts, by state."),
    gauge("telescribe_accounts_parked", "Signed-in accounts that Telegram made wait, for one method or for all."),
    gauge("telescribe_ids_missing", "Message ids of crawled peers that were not read yet: the holes in the archive."),
    Metric {
        name: "telescribe_archive_write_seconds",
        kind: MetricKind::Histogram(WRITE_SECONDS),
        help: "How long an atomic write to the archive took, the wait for the writes before it included.",
    },
    Metric {
        name: "telescribe_archive_flush_seconds",
        kind: MetricKind::Histogram(WRITE_SECONDS),
        help: "How long the disk took to take what was committed (fsync), so that readers may see it.",
    },
    counter(
        "telescribe_archive_damaged_total",
        "Records of the archive that were found damaged and passed over, by column family.",
    ),
    counter(
        "telescribe_samples_expired_total",
        "Samples of time series that were removed, because they were older than the retention.",
    ),
    counter("telescribe_scrubbed_bytes_total", "Bytes of archive and index that scrubs have read."),
    gauge("telescribe_scrub_differences", "Differences and damage that the last scrub found."),
    gauge("telescribe_archive_disk_bytes", "Size of the archive on disk, its write-ahead log included."),
    gauge("telescribe_index_disk_bytes", "Size of the search index on disk."),
    gauge("telescribe_index_rebuilding", "Whether the search index is being rebuilt, because it is damaged or outdated: 1 or 0."),
    gauge(
        "telescribe_index_rebuild_lag_changes",
        "Changes of the archive that a rebuild of the search index has still to read; 0 where none is under way.",
    ),
    gauge("telescribe_reader_lag_changes", "Changes of the archive that a reader has not processed yet, by reader."),
    counter("telescribe_backups_total", "Backups that were asked for or scheduled, by outcome."),
    gauge(
        "telescribe_backup_newest_timestamp_seconds",
        "When the newest backup in a folder was made, in seconds since 1970; 0 where there is none.",
    ),
    gauge("telescribe_backup_failing", "Whether the last backup in a folder was not made: 1, or 0."),
    gauge(
        "telescribe_backup_unread",
        "What could not be read for the newest backup in a folder: sessions, or the clients' keys.",
    ),
    counter("telescribe_mirror_uploaded_total", "Contents of files that were uploaded to the mirror."),
    counter("telescribe_mirror_uploaded_bytes_total", "Bytes of files that were uploaded to the mirror."),
    counter(
        "telescribe_mirror_removed_total",
        "Objects that were removed from the mirror, because nothing refers to them any more.",
    ),
    gauge("telescribe_mirror_down", "Whether the mirror cannot be written at present: 1, or 0."),
    gauge("telescribe_mirror_objects", "Contents of files that the mirror has."),
    gauge("telescribe_mirror_bytes", "Bytes of files that the mirror has."),
    gauge("telescribe_mirror_waiting", "Contents of stored files that the mirror does not have yet; 0 where there is no mirror."),
    gauge("telescribe_mirror_failed", "Contents of files that could not be mirrored and are tried again within a day."),
    gauge("telescribe_workers_failing", "Workers whose last step failed and is retried."),
    gauge("telescribe_open_files", "Files that the process has open, sockets included."),
    gauge("telescribe_open_files_limit", "How many files the process may have open."),
    counter("telescribe_http_requests_total", "HTTP requests, by route and status."),
    Metric { name: "telescribe_http_request_seconds", kind: MetricKind::Summary, help: "How long HTTP requests took, by route." },
    counter("telescribe_http_refused_total", "Sealed HTTP requests that were refused, by reason."),
    counter("telescribe_http_connections_dropped_total", "HTTP connections that the program ended or did not take, by reason."),
];

const fn counter(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: MetricKind::Counter, help }
}

const fn gauge(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: MetricKind::Gauge, help }
}

/// Tells the recorder what each metric is. To be called once, when there is one.
pub(super) fn describe() {
    for Metric { name, kind, help } in CATALOGUE {
        match kind {
            MetricKind::Counter => metrics::describe_counter!(name, help),
            MetricKind::Gauge => metrics::describe_gauge!(name, help),
            MetricKind::Histogram(_) | MetricKind::Summary => metrics::describe_histogram!(name, help),
        }
    }
}
