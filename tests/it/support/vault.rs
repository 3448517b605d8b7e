//! An archive with stored files, and a mirror for them, without anybody who downloads.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use telescribe::archive::{Archive, DataFolder, Durability};
use telescribe::blob::{BlobCopies, BlobHash, BlobLimits, Blobs};
use telescribe::lifecycle::Lifecycle;
use telescribe::mirror::{Credentials, Mirror, MirrorReport, MirrorSettings, MirrorState};
use telescribe::model::{Clock, FileId, FileOrigin, FileState, FixedClock, StoredBytes};
use tempfile::TempDir;

use crate::support::archives::seen;
use crate::support::messages::{NOW, at};
use crate::support::storage::{Objects, Storage};
use crate::support::waiting::{PATIENCE, until};

/// Bytes that look random and are the same for the same seed.
pub(crate) fn content(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..length.div_ceil(8)).flat_map(|_| next()).take(length).collect()
}

/// An archive with stored files.
pub(crate) struct Vault {
    folder: TempDir,
    pub(crate) archive: Arc<Archive>,
    pub(crate) blobs: Blobs,
    pub(crate) settings: MirrorSettings,
    /// What is stored: the size by the hash.
    stored: BTreeMap<BlobHash, u64>,
    next: i64,
}

/// A mirror that runs.
pub(crate) struct Running {
    pub(crate) mirror: Arc<Mirror>,
    pub(crate) lifecycle: Lifecycle,
}

impl Vault {
    /// An empty one, with the settings of a mirror in a bucket.
    pub(crate) fn new(storage: &Storage, bucket: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let (archive, blobs) = open(&folder);
        let settings = MirrorSettings {
            endpoint: Some(storage.endpoint.parse().unwrap()),
            bucket: bucket.to_owned(),
            region: "us-east-1".to_owned(),
            prefix: "files".to_owned(),
            path_style: true,
            credentials: Credentials::new(&storage.key_id, &storage.secret, None).unwrap(),
            uploads: 4,
            drop_local: false,
            delete: true,
        };
        Self { folder, archive, blobs, settings, stored: BTreeMap::new(), next: 1 }
    }

    /// The same after the process has ended.
    pub(crate) fn open_again(self) -> Self {
        let Self { folder, archive, blobs, settings, stored, next } = self;
        drop((archive, blobs));
        let (archive, blobs) = open(&folder);
        Self { folder, archive, blobs, settings, stored, next }
    }

    pub(crate) fn blobs_folder(&self) -> PathBuf {
        DataFolder::blobs_at(self.folder.path())
    }

    /// Stores a file as a download does. Returns the name of its bytes.
    pub(crate) fn store(&mut self, bytes: &[u8]) -> BlobHash {
        self.store_with_picture(bytes, None)
    }

    /// The same with a picture that stands for it.
    pub(crate) fn store_with_picture(&mut self, bytes: &[u8], picture: Option<&[u8]>) -> BlobHash {
        let picture = picture.map(|picture| self.blobs.put(picture).unwrap());
        let stored = self.blobs.put(bytes).unwrap();
        self.blobs.flush().unwrap();
        let (id, origin) = (FileId::document(self.next), FileOrigin::Message(at(self.next as i32)));
        self.next += 1;
        let mut write = self.archive.write(NOW);
        write.file_seen(origin, NOW, None, seen(id, bytes.len() as i64));
        if let Some(picture) = picture {
            write.file_thumbnail(id, StoredBytes { hash: picture.hash, size: picture.size });
            self.stored.insert(picture.hash, picture.size);
        }
        write.file_state(id, FileState::Stored(StoredBytes { hash: stored.hash, size: stored.size }));
        write.commit().unwrap();
        self.stored.insert(stored.hash, stored.size);
        stored.hash
    }

    /// Has the archive refer to no file of these bytes any more, and collects.
    pub(crate) fn forget(&mut self, hash: &BlobHash) {
        self.stored.remove(hash).unwrap();
        let stored = self.stored.clone();
        self.blobs.collect(|hash| stored.contains_key(hash), NOW).unwrap();
    }

    /// Starts the mirror.
    pub(crate) fn mirror(&self) -> Running {
        let (lifecycle, clock) = (Lifecycle::new(), Arc::new(FixedClock::new(NOW)) as Arc<dyn Clock>);
        let mirror = Mirror::start(&self.archive, &self.blobs, &clock, self.settings.clone(), 7, &lifecycle).unwrap();
        Running { mirror, lifecycle }
    }

    /// The objects that the bucket is to have.
    pub(crate) fn objects(&self) -> Objects {
        let name = |hash: &BlobHash| {
            let hash = hash.to_string();
            (format!("{}/{}/{}/{hash}", self.settings.prefix, &hash[..2], &hash[2..4]), hash)
        };
        let object = |(hash, size): (&BlobHash, &u64)| {
            let (name, hash) = name(hash);
            (name, (*size, hash))
        };
        self.stored.iter().map(object).collect()
    }

    /// Whether all is in the mirror.
    pub(crate) fn is_mirrored(&self, running: &Running) -> bool {
        let is = |hash: &BlobHash| matches!(self.blobs.copies(hash).unwrap(), Some(BlobCopies::Both | BlobCopies::Mirror));
        self.stored.keys().all(is) && running.mirror.report().lag == 0
    }

    /// Waits until all is in the mirror, and holds the bucket against it.
    pub(crate) async fn check(&self, running: &Running, storage: &Storage) {
        let report = || running.mirror.report();
        until("everything is mirrored", || self.is_mirrored(running)).await;
        assert_eq!(report().state, MirrorState::Connected, "{:?}", report());
        assert_eq!((report().waiting, report().objects.count), (0, self.stored.len() as u64), "{:?}", report());
        assert_eq!(report().objects.bytes, self.stored.values().sum::<u64>());
        self.check_bucket(storage);
    }

    /// Holds the bucket against what is stored: every object once, with the right bytes, and nothing else.
    pub(crate) fn check_bucket(&self, storage: &Storage) {
        let mut found = storage.objects(&self.settings.bucket);
        assert!(found.remove(&format!("{}/telescribe.json", self.settings.prefix)).is_some(), "{found:?}");
        assert_eq!(found, self.objects());
    }
}

impl Running {
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&MirrorReport) -> bool) {
        until(what, || holds(&self.mirror.report())).await;
    }

    /// Stops softly; everything must end.
    pub(crate) async fn stop(self) {
        self.lifecycle.stop_soft();
        tokio::time::timeout(PATIENCE, self.lifecycle.ended()).await.expect("a soft stop ends");
        assert_eq!(self.lifecycle.tasks(), 0);
    }
}

fn open(folder: &TempDir) -> (Arc<Archive>, Blobs) {
    let archive = Archive::open(&folder.path().join("archive"), Durability::Always).unwrap();
    (Arc::new(archive), Blobs::open(&DataFolder::blobs_at(folder.path()), BlobLimits::default()).unwrap())
}
