//! The bucket: its objects by the hash of their bytes, and what may be asked of it. The only file that knows how `object_store` is called.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::TryStreamExt as _;
use futures_util::future::BoxFuture;
use object_store::aws::{AmazonS3, AmazonS3Builder, Checksum};
use object_store::multipart::{MultipartStore as _, PartId};
use object_store::path::Path;
use object_store::{
    ClientOptions, GetOptions, GetRange, ObjectStore as _, ObjectStoreExt as _, PutMode, PutOptions, PutPayload, PutResult,
    RetryConfig,
};

use super::backoff::{Jitter, doubled};
use super::connection::{ConfirmedChecksum, StorageConnector};
use super::error::StoreError;
use super::settings::MirrorSettings;
use crate::blob::BlobHash;

/// Tries of one request that gets no answer, before that is an outage: what is over in a second is none.
const TRIES: u32 = 4;
/// The first wait between them; doubled each time.
const RETRY_FIRST: Duration = Duration::from_millis(100);
/// The longest.
const RETRY_MAX: Duration = Duration::from_secs(2);
/// What says whose the bucket and prefix are.
const OWNER: &str = "telescribe.json";
/// Bytes of that at most.
const OWNER_MAX: u64 = 1 << 10;
/// Bytes of an object that are read at once.
pub(super) const READ_AT_ONCE: u64 = 8 << 20;

/// An object that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// It is new, and the server has said whether its bytes have the checksum that they were sent with.
    New {
        /// Whether it has.
        is_confirmed: bool,
    },
    /// It was there already, and stays as it is.
    WasThere,
}

/// A part of an object that is being uploaded.
#[derive(Clone, Debug)]
pub(super) struct UploadedPart {
    id: PartId,
    /// Whether the server has said that its bytes have the checksum that they were sent with.
    pub(super) is_confirmed: bool,
}

/// The bucket.
#[derive(Debug)]
pub(super) struct Store {
    s3: AmazonS3,
    bucket: String,
    prefix: String,
    target: String,
    is_conditional: Arc<AtomicBool>,
    jitter: Jitter,
}

impl Store {
    pub(super) fn new(settings: &MirrorSettings, seed: u64) -> anyhow::Result<Self> {
        let is_conditional = Arc::new(AtomicBool::new(true));
        let base = settings.base();
        let connector = StorageConnector { is_conditional: Arc::clone(&is_conditional), is_secure: base.is_secure() };
        // A wait of its own would be a second one around ours.
        let retry = RetryConfig { max_retries: 0, ..RetryConfig::default() };
        let credentials = &settings.credentials;
        let mut builder = AmazonS3Builder::new()
            .with_endpoint(base.to_string())
            .with_virtual_hosted_style_request(!settings.path_style)
            .with_bucket_name(&settings.bucket)
            .with_region(&settings.region)
            .with_access_key_id(&credentials.key_id)
            .with_secret_access_key(&credentials.secret)
            .with_checksum_algorithm(Checksum::SHA256)
            .with_disable_bulk_delete(true)
            .with_allow_http(!base.is_secure())
            .with_client_options(ClientOptions::new().with_default_content_type("application/octet-stream"))
            .with_retry(retry)
            .with_http_connector(connector);
        if let Some(token) = &credentials.token {
            builder = builder.with_token(token);
        }
        let s3 = builder
            .build()
            .map_err(|_| anyhow::anyhow!(
                "no connection to storage servers can be made: this system has no certificates (install ca-certificates), or `mirror.endpoint` is none"
            ))?;
        let (bucket, prefix, target) = (settings.bucket.clone(), settings.prefix.clone(), settings.target());
        Ok(Self { s3, bucket, prefix, target, is_conditional, jitter: Jitter::new(seed) })
    }

    /// Where it is, for people.
    pub(super) fn target(&self) -> &str {
        &self.target
    }

    /// The name of a blob's object: two levels of folders, so that tools for people can list one.
    pub(super) fn name_of(&self, hash: &BlobHash) -> String {
        let [first, second, ..] = hash.0;
        self.below(&format!("{first:02x}/{second:02x}/{hash}"))
    }

    fn below(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.to_owned() } else { format!("{}/{name}", self.prefix) }
    }

    fn path_of(&self, hash: &BlobHash) -> Path {
        Path::from(self.name_of(hash))
    }

    fn error(&self, error: object_store::Error) -> StoreError {
        StoreError::of(&error, &self.bucket)
    }

    /// Asks again a few times what gets no answer.
    async fn retried<'a, T>(&'a self, ask: impl Fn() -> BoxFuture<'a, object_store::Result<T>> + Send) -> Result<T, StoreError> {
        let mut failures = 0;
        loop {
            match ask().await.map_err(|error| self.error(error)) {
                Err(error) if error.is_passing() && failures + 1 < TRIES => {
                    tokio::time::sleep(self.jitter.of(doubled(RETRY_FIRST, failures, RETRY_MAX))).await;
                    failures += 1;
                }
                outcome => return outcome,
            }
        }
    }

    /// Claims bucket and prefix for an archive.
    ///
    /// # Errors
    /// Where they are another archive's.
    pub(super) async fn claim(&self, archive: &str) -> Result<(), StoreError> {
        let path = Path::from(self.below(OWNER));
        let owner = serde_json::json!({ "archive": archive }).to_string();
        let written = self.create_at(&path, owner.clone().into_bytes()).await?;
        if written != Written::WasThere {
            return Ok(());
        }
        let found = self.read_at(&path, 0..OWNER_MAX).await?.unwrap_or_default();
        let found = serde_json::from_slice::<serde_json::Value>(&found).unwrap_or_default();
        match found.get("archive").and_then(serde_json::Value::as_str) {
            Some(found) if found == archive => Ok(()),
            _ => Err(StoreError::Refused(format!(
                "`s3://{}/{path}` says that another archive is mirrored there: set another `mirror.prefix` for this one",
                self.bucket
            ))),
        }
    }

    /// Creates a blob's object from bytes that are in one piece.
    pub(super) async fn create(&self, hash: &BlobHash, bytes: Vec<u8>) -> Result<Written, StoreError> {
        self.create_at(&self.path_of(hash), bytes).await
    }

    async fn create_at(&self, path: &Path, bytes: Vec<u8>) -> Result<Written, StoreError> {
        let payload = PutPayload::from(bytes);
        if self.is_conditional.load(Ordering::Relaxed) {
            match self.put(path, &payload, PutMode::Create).await {
                Ok(result) => return Ok(Written::New { is_confirmed: is_confirmed(&result) }),
                Err(StoreError::Exists) => return Ok(Written::WasThere),
                Err(StoreError::Unconditional) => self.is_conditional.store(false, Ordering::Relaxed),
                Err(error) => return Err(error),
            }
        }
        // As near to it as such a server lets us be: under one name there is one content.
        if self.size_at(path).await?.is_some() {
            return Ok(Written::WasThere);
        }
        let result = self.put(path, &payload, PutMode::Overwrite).await?;
        Ok(Written::New { is_confirmed: is_confirmed(&result) })
    }

    async fn put(&self, path: &Path, payload: &PutPayload, mode: PutMode) -> Result<PutResult, StoreError> {
        let put = || -> BoxFuture<'_, _> {
            let (path, payload) = (path.clone(), payload.clone());
            let options = PutOptions { mode: mode.clone(), ..PutOptions::default() };
            Box::pin(async move { self.s3.put_opts(&path, payload, options).await })
        };
        self.retried(put).await.map_err(|error| self.no_bucket(error))
    }

    /// Where something new is not found, it is the bucket that is not.
    fn no_bucket(&self, error: StoreError) -> StoreError {
        match error {
            StoreError::Missing => StoreError::Refused(format!(
                "the storage server finds no bucket `{}` (404): check `mirror.bucket`, `mirror.endpoint` and `mirror.path_style`",
                self.bucket
            )),
            error => error,
        }
    }

    /// Begins an object in parts; returns the upload's id.
    pub(super) async fn begin(&self, hash: &BlobHash) -> Result<String, StoreError> {
        let path = self.path_of(hash);
        let begin = || -> BoxFuture<'_, _> {
            let path = path.clone();
            Box::pin(async move { self.s3.create_multipart(&path).await })
        };
        self.retried(begin).await.map_err(|error| self.no_bucket(error))
    }

    /// Uploads a part, of which the first has the number 0.
    pub(super) async fn part(
        &self,
        hash: &BlobHash,
        upload: &str,
        number: usize,
        bytes: Vec<u8>,
    ) -> Result<UploadedPart, StoreError> {
        let (path, upload, payload) = (self.path_of(hash), upload.to_owned(), PutPayload::from(bytes));
        let put = || -> BoxFuture<'_, _> {
            let (path, upload, payload) = (path.clone(), upload.clone(), payload.clone());
            Box::pin(async move { self.s3.put_part(&path, &upload, number, payload).await })
        };
        let id = self.retried(put).await?;
        // What the server confirms stands in it, beside the part's tag.
        let is_confirmed = id.content_id.contains("checksum_sha256");
        Ok(UploadedPart { id, is_confirmed })
    }

    /// Completes an object in parts, unless it is there already: then the parts stay, and are to be discarded.
    pub(super) async fn complete(&self, hash: &BlobHash, upload: &str, parts: &[UploadedPart]) -> Result<Written, StoreError> {
        let (path, upload) = (self.path_of(hash), upload.to_owned());
        let ids: Vec<PartId> = parts.iter().map(|part| part.id.clone()).collect();
        let complete = || -> BoxFuture<'_, _> {
            let (path, upload, ids) = (path.clone(), upload.clone(), ids.clone());
            Box::pin(async move { self.s3.complete_multipart(&path, &upload, ids).await })
        };
        let completed = match self.retried(complete).await {
            Err(StoreError::Unconditional) => {
                self.is_conditional.store(false, Ordering::Relaxed);
                self.retried(complete).await
            }
            outcome => outcome,
        };
        match completed {
            Ok(_) => Ok(Written::New { is_confirmed: parts.iter().all(|part| part.is_confirmed) }),
            Err(StoreError::Exists) => Ok(Written::WasThere),
            Err(error) => Err(error),
        }
    }

    /// Discards an object in parts; nothing happens where it is not there any more.
    pub(super) async fn abort(&self, hash: &BlobHash, upload: &str) -> Result<(), StoreError> {
        let (path, upload) = (self.path_of(hash), upload.to_owned());
        let abort = || -> BoxFuture<'_, _> {
            let (path, upload) = (path.clone(), upload.clone());
            Box::pin(async move { self.s3.abort_multipart(&path, &upload).await })
        };
        match self.retried(abort).await {
            Err(StoreError::Missing | StoreError::Object(_)) => Ok(()),
            outcome => outcome,
        }
    }

    /// How large a blob's object is; `None` where there is none.
    pub(super) async fn size(&self, hash: &BlobHash) -> Result<Option<u64>, StoreError> {
        self.size_at(&self.path_of(hash)).await
    }

    async fn size_at(&self, path: &Path) -> Result<Option<u64>, StoreError> {
        let head = || -> BoxFuture<'_, _> {
            let (path, options) = (path.clone(), GetOptions { head: true, ..GetOptions::default() });
            Box::pin(async move { self.s3.get_opts(&path, options).await })
        };
        match self.retried(head).await {
            Ok(found) => Ok(Some(found.meta.size)),
            Err(StoreError::Missing) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads a range of a blob's object, which has it; `None` where there is none.
    pub(super) async fn read(&self, hash: &BlobHash, range: Range<u64>) -> Result<Option<Vec<u8>>, StoreError> {
        self.read_at(&self.path_of(hash), range).await
    }

    async fn read_at(&self, path: &Path, range: Range<u64>) -> Result<Option<Vec<u8>>, StoreError> {
        let read = || -> BoxFuture<'_, _> {
            let range = Some(GetRange::Bounded(range.clone()));
            let (path, options) = (path.clone(), GetOptions { range, ..GetOptions::default() });
            Box::pin(async move { self.s3.get_opts(&path, options).await?.bytes().await })
        };
        match self.retried(read).await {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(StoreError::Missing) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads all of an object of so many bytes, and says whether they are what its name says; false where there is none.
    pub(super) async fn is_whole(&self, hash: &BlobHash, size: u64) -> Result<bool, StoreError> {
        if self.size(hash).await? != Some(size) {
            return Ok(false);
        }
        let mut hasher = BlobHash::hasher();
        let mut at = 0;
        while at < size {
            let end = size.min(at + READ_AT_ONCE);
            match self.read(hash, at..end).await? {
                Some(bytes) if bytes.len() as u64 == end - at => hasher.update(&bytes),
                _ => return Ok(false),
            }
            at = end;
        }
        Ok(hasher.finish() == *hash)
    }

    /// The blobs whose hash begins with this byte and that have an object, with its size.
    pub(super) async fn list(&self, first: u8) -> Result<Vec<(BlobHash, u64)>, StoreError> {
        let folder = Path::from(self.below(&format!("{first:02x}")));
        let list = || -> BoxFuture<'_, _> {
            let folder = folder.clone();
            Box::pin(async move { self.s3.list(Some(&folder)).try_collect::<Vec<_>>().await })
        };
        let found = self.retried(list).await?;
        let named =
            found.into_iter().filter_map(|object| Some((object.location.filename()?.parse::<BlobHash>().ok()?, object.size)));
        Ok(named.collect())
    }

    /// Removes a blob's object; nothing happens where there is none.
    pub(super) async fn remove(&self, hash: &BlobHash) -> Result<(), StoreError> {
        let path = self.path_of(hash);
        let delete = || -> BoxFuture<'_, _> {
            let path = path.clone();
            Box::pin(async move { self.s3.delete(&path).await })
        };
        match self.retried(delete).await {
            Err(StoreError::Missing) => Ok(()),
            outcome => outcome,
        }
    }
}

/// Whether the server has said which checksum the bytes have: it compares it with the one that they are sent with, and refuses another.
fn is_confirmed(result: &PutResult) -> bool {
    result.extensions.get::<ConfirmedChecksum>().is_some()
}
