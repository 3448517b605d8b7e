//! The mirror: every stored file once more, in a bucket of a storage server that speaks S3.
//!
//! It is a reader of the change log like the index and the outputs. Each blob is an object under its SHA-256: `PREFIX/ab/cd/abcdef…`. Which blobs the
//! mirror has is known in `blob`, beside the blobs themselves, so that collection, verification and quota go by it.
//!
//! # Guarantees
//! - A blob counts as mirrored when its object was verified: by checksums that the server has confirmed, or by reading it back (`upload.rs`).
//! - An object is created, never overwritten (`If-None-Match: *`): nothing is uploaded twice, and who loses a race changes nothing.
//! - A copy here goes (`drop_local`) only after all of the object was read back, and is then read through the mirror, in ranges.
//! - One that cannot be mirrored holds up no other. An outage is a state in log and status; what was under way is taken up again.
//! - A stop waits for no upload. What it leaves at the server (parts of a multipart upload) is noted before it is there, and removed by the next start.
//! - A bucket and prefix are one archive's: where another archive has claimed them, nothing is written.
//! - What the bucket loses is noticed within a day (`audit.rs`), and mirrored again where it is here.
//! - A key or a token never reaches a log, an error or a status, and no text of the server does but its error's code.
//!
//! # Correctness
//! At each start all files are walked, and the log is followed from then on. The walk finds what the log does not tell: files that were stored before
//! there was a mirror, blobs that a collection has entered again, marks that a power cut has taken, another bucket. It costs a look at each file,
//! which `media` takes at each start too; reading the log from its start would cost one at each message, and not find the half of it. The position
//! moves when all that a batch of changes has brought is mirrored, and after the marks are durable.
//!
//! Uploading and removing an object are done by one worker, never both for one hash at a time. So an object is not removed that has just been found to
//! be there.

mod audit;
mod backlog;
mod backoff;
mod connection;
mod error;
mod settings;
mod source;
mod status;
mod store;
mod upload;
mod worker;

use std::sync::Arc;

use tokio::sync::Notify;

use crate::archive::Archive;
use crate::blob::{BlobTotals, Blobs};
use crate::lifecycle::Lifecycle;
use crate::model::Clock;
use source::MirrorReads;
use status::Status;
use store::Store;
use upload::Uploader;
use worker::{MirrorParts, MirrorWorker};

pub use settings::{Credentials, Endpoint, InvalidCredentials, InvalidEndpoint, MirrorSettings, UPLOADS_MAX};
pub use status::{MirrorReport, MirrorState};

/// The reader's name, under which the archive keeps its position, and the worker's.
pub const MIRROR_READER: &str = "mirror";

/// A mirror that runs.
#[derive(Debug)]
pub struct Mirror {
    target: String,
    status: Arc<Status>,
    archive: Arc<Archive>,
    blobs: Blobs,
}

impl Mirror {
    /// Shows the counters from the start, so that the first upload is seen as an increase; also where there is no mirror.
    pub fn show_counters() {
        metrics::counter!("telescribe_mirror_uploaded_total").increment(0);
        metrics::counter!("telescribe_mirror_uploaded_bytes_total").increment(0);
        metrics::counter!("telescribe_mirror_removed_total").increment(0);
    }

    /// Starts mirroring, and has what is in the mirror only be read from it. `seed` makes the jitter of retries.
    ///
    /// # Errors
    /// When no connection could ever be made with these settings; not where the server is down.
    pub fn start(
        archive: &Arc<Archive>,
        blobs: &Blobs,
        clock: &Arc<dyn Clock>,
        settings: MirrorSettings,
        seed: u64,
        lifecycle: &Lifecycle,
    ) -> anyhow::Result<Arc<Self>> {
        let store = Arc::new(Store::new(&settings, seed)?);
        let (status, suspicion) = (Arc::new(Status::default()), Arc::new(Notify::new()));
        blobs.read_from(Arc::new(MirrorReads::new(&store, lifecycle, &suspicion)));
        let mirror = Self {
            target: store.target().to_owned(),
            status: Arc::clone(&status),
            archive: Arc::clone(archive),
            blobs: blobs.clone(),
        };
        let uploader = Arc::new(Uploader::new(&store, blobs, &settings));
        let parts = MirrorParts {
            archive: Arc::clone(archive),
            blobs: blobs.clone(),
            clock: Arc::clone(clock),
            lifecycle: lifecycle.clone(),
            store,
            uploader,
            status,
            suspicion,
            uploads: settings.uploads,
            removes: settings.delete,
            drops: settings.drop_local,
            seed,
        };
        lifecycle.work(MIRROR_READER, move || MirrorWorker::new(parts.clone()));
        Ok(Arc::new(mirror))
    }

    /// Where files are mirrored to, such as `s3://bucket/prefix at https://s3.example.org`.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// How it is doing.
    #[must_use]
    pub fn report(&self) -> MirrorReport {
        let BlobTotals { small, large, elsewhere, mirrored } = self.blobs.totals();
        let here = small.count + large.count;
        let mut report = self.status.report();
        report.lag = self.archive.last_seq().0.saturating_sub(report.position);
        (report.objects, report.only_there) = (mirrored, elsewhere);
        report.waiting = here.saturating_sub(mirrored.count.saturating_sub(elsewhere.count));
        report
    }
}
