//! What the database has of each blob and of each download, as bytes. RocksDB's checksums guard them.

use std::ops::Range;

use super::incoming;
use super::ranges::ByteRanges;

/// Where the bytes of a blob are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BlobPlace {
    /// In the database.
    Small,
    /// In a file of its own.
    Large,
    /// Not here: in the mirror only.
    Elsewhere,
}

/// The index's entry of a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlobEntry {
    pub(super) place: BlobPlace,
    pub(super) size: u64,
    /// Whether the mirror has it too; always where it is nowhere else.
    pub(super) mirrored: bool,
}

impl BlobEntry {
    /// A blob that is here, and not known to be in a mirror.
    pub(super) fn here(place: BlobPlace, size: u64) -> Self {
        Self { place, size, mirrored: false }
    }

    /// One byte of where, eight of how large.
    pub(super) fn encode(self) -> [u8; 9] {
        let mut bytes = [0; 9];
        bytes[0] = match (self.place, self.mirrored) {
            (BlobPlace::Small, false) => 1,
            (BlobPlace::Large, false) => 2,
            (BlobPlace::Small, true) => 3,
            (BlobPlace::Large, true) => 4,
            (BlobPlace::Elsewhere, _) => 5,
        };
        bytes[1..].copy_from_slice(&self.size.to_be_bytes());
        bytes
    }

    pub(super) fn decode(mut bytes: &[u8]) -> Option<Self> {
        let (place, mirrored) = match take::<1>(&mut bytes)? {
            [1] => (BlobPlace::Small, false),
            [2] => (BlobPlace::Large, false),
            [3] => (BlobPlace::Small, true),
            [4] => (BlobPlace::Large, true),
            [5] => (BlobPlace::Elsewhere, true),
            _ => return None,
        };
        let size = take_number(&mut bytes)?;
        bytes.is_empty().then_some(Self { place, size, mirrored })
    }
}

/// How many blobs, and of how many bytes together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct BlobAmount {
    /// Blobs.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl BlobAmount {
    pub(super) fn add(&mut self, size: u64) {
        self.count = self.count.saturating_add(1);
        self.bytes = self.bytes.saturating_add(size);
    }

    fn plus(self, other: Self) -> Self {
        Self { count: self.count.saturating_add(other.count), bytes: self.bytes.saturating_add(other.bytes) }
    }

    fn subtract(&mut self, size: u64) {
        self.count = self.count.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(size);
    }
}

/// What is stored, by where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct BlobTotals {
    /// Blobs of at most [`SMALL_MAX`](super::SMALL_MAX) bytes, in the database.
    pub small: BlobAmount,
    /// Larger ones, each a file.
    pub large: BlobAmount,
    /// Those that are in the mirror only, and take no room here.
    pub elsewhere: BlobAmount,
    /// All that the mirror has, those that are nowhere else included.
    pub mirrored: BlobAmount,
}

impl BlobTotals {
    /// All blobs, wherever they are.
    #[must_use]
    pub fn all(&self) -> BlobAmount {
        self.here().plus(self.elsewhere)
    }

    /// The blobs whose bytes are here.
    #[must_use]
    pub fn here(&self) -> BlobAmount {
        self.small.plus(self.large)
    }

    fn of(&mut self, place: BlobPlace) -> &mut BlobAmount {
        match place {
            BlobPlace::Small => &mut self.small,
            BlobPlace::Large => &mut self.large,
            BlobPlace::Elsewhere => &mut self.elsewhere,
        }
    }

    pub(super) fn with(mut self, entry: BlobEntry) -> Self {
        self.of(entry.place).add(entry.size);
        if entry.mirrored {
            self.mirrored.add(entry.size);
        }
        self
    }

    pub(super) fn without(mut self, entry: BlobEntry) -> Self {
        self.of(entry.place).subtract(entry.size);
        if entry.mirrored {
            self.mirrored.subtract(entry.size);
        }
        self
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let Self { small, large, elsewhere, mirrored } = self;
        let numbers = [small, large, elsewhere, mirrored].into_iter().flat_map(|amount| [amount.count, amount.bytes]);
        numbers.flat_map(u64::to_be_bytes).collect()
    }

    /// What format 1 wrote ends behind the large ones.
    pub(super) fn decode(mut bytes: &[u8]) -> Option<Self> {
        let amount = |bytes: &mut &[u8]| Some(BlobAmount { count: take_number(bytes)?, bytes: take_number(bytes)? });
        let (small, large) = (amount(&mut bytes)?, amount(&mut bytes)?);
        let (elsewhere, mirrored) = match bytes.is_empty() {
            true => Default::default(),
            false => (amount(&mut bytes)?, amount(&mut bytes)?),
        };
        bytes.is_empty().then_some(Self { small, large, elsewhere, mirrored })
    }
}

/// Bytes that were written and that the disk was not asked for yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UnsyncedRange {
    pub(super) bytes: Range<u64>,
    /// Their CRC-32: whoever goes on believes of them what has it.
    pub(super) checksum: u32,
}

/// What is there of a download.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PartialRecord {
    /// The name of its file in `partial/`.
    pub(super) file: String,
    /// How large it will be, where that was said.
    pub(super) size: Option<u64>,
    /// The bytes that the disk has.
    pub(super) synced: ByteRanges,
    /// Those that it may have: a killed process leaves them to the system, a power cut may take them.
    pub(super) unsynced: Vec<UnsyncedRange>,
}

/// A size that nobody has said.
const UNKNOWN: u64 = u64::MAX;
/// Set in the length that a record begins with where ranges that are not synced follow those that are: until then none did.
const WITH_UNSYNCED: u64 = 1 << 63;

impl PartialRecord {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(24 + self.file.len() + 16 * self.synced.count() + 20 * self.unsynced.len());
        bytes.extend((self.file.len() as u64 | WITH_UNSYNCED).to_be_bytes());
        bytes.extend(self.file.as_bytes());
        bytes.extend(self.size.unwrap_or(UNKNOWN).to_be_bytes());
        bytes.extend((self.synced.count() as u64).to_be_bytes());
        for range in self.synced.iter() {
            bytes.extend(range.start.to_be_bytes());
            bytes.extend(range.end.to_be_bytes());
        }
        for UnsyncedRange { bytes: range, checksum } in &self.unsynced {
            bytes.extend(range.start.to_be_bytes());
            bytes.extend(range.end.to_be_bytes());
            bytes.extend(checksum.to_be_bytes());
        }
        bytes
    }

    /// How many bytes there are, if the disk has them all.
    pub(super) fn bytes(&self) -> u64 {
        let mut all = self.synced.clone();
        self.unsynced.iter().for_each(|range| all.insert(range.bytes.clone()));
        all.bytes()
    }

    /// None where it is not what [`encode`](Self::encode) makes: then nothing of the download is believed to be there.
    pub(super) fn decode(mut bytes: &[u8]) -> Option<Self> {
        let length = take_number(&mut bytes)?;
        let has_unsynced = length & WITH_UNSYNCED != 0;
        let length = usize::try_from(length & !WITH_UNSYNCED).ok()?;
        let (file, mut bytes) = bytes.split_at_checked(length)?;
        let file = String::from_utf8(file.to_vec()).ok().filter(|name| incoming::is_ours(name))?;
        let size = Some(take_number(&mut bytes)?).filter(|size| *size != UNKNOWN);
        let count = if has_unsynced { take_number(&mut bytes)? } else { bytes.len().div_ceil(16) as u64 };
        let (mut synced, mut unsynced) = (ByteRanges::default(), Vec::new());
        for _ in 0..count {
            synced.insert(take_number(&mut bytes)?..take_number(&mut bytes)?);
        }
        while !bytes.is_empty() {
            let range = take_number(&mut bytes)?..take_number(&mut bytes)?;
            let range = Some(range).filter(|range| !range.is_empty())?;
            unsynced.push(UnsyncedRange { bytes: range, checksum: u32::from_be_bytes(take(&mut bytes)?) });
        }
        Some(Self { file, size, synced, unsynced })
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*taken)
}

fn take_number(bytes: &mut &[u8]) -> Option<u64> {
    take(bytes).map(u64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn records_come_back_as_they_were_and_a_file_name_that_is_none_of_ours_is_never_followed() {
        let mut synced = ByteRanges::default();
        synced.insert(0..10);
        synced.insert(4096..8192);
        let file = "0123456789abcdef-aB3x9ZqW12cdEf45.part".to_owned();
        for size in [None, Some(0), Some(9_000)] {
            let unsynced = vec![UnsyncedRange { bytes: 8192..8200, checksum: 7 }];
            let record = PartialRecord { file: file.clone(), size, synced: synced.clone(), unsynced };
            assert_eq!(record.bytes(), 10 + 4096 + 8);
            assert_eq!(PartialRecord::decode(&record.encode()), Some(record));
        }
        // As they were noted until there were ranges that are not synced.
        let older =
            [&(file.len() as u64).to_be_bytes(), file.as_bytes(), &9_000_u64.to_be_bytes(), &[0; 8], &10_u64.to_be_bytes()];
        let read = PartialRecord::decode(&older.concat()).unwrap();
        assert_eq!((read.size, read.synced.bytes(), read.unsynced.len()), (Some(9_000), 10, 0));
        for file in ["../../etc/passwd", "", "/0123456789abcdef-aB3x9ZqW12cdEf45.part", "0123456789abcdef-aB3x9ZqW12cd/f45.part"]
        {
            let record = PartialRecord { file: file.to_owned(), size: None, synced: ByteRanges::default(), unsynced: Vec::new() };
            assert_eq!(PartialRecord::decode(&record.encode()), None, "{file}");
        }
        let here = [BlobEntry::here(BlobPlace::Small, 0), BlobEntry::here(BlobPlace::Large, u64::MAX)];
        let mirrored = here.map(|entry| BlobEntry { mirrored: true, ..entry });
        let elsewhere = BlobEntry { place: BlobPlace::Elsewhere, ..mirrored[1] };
        for entry in here.into_iter().chain(mirrored).chain([elsewhere]) {
            assert_eq!(BlobEntry::decode(&entry.encode()), Some(entry));
            let totals = BlobTotals::default().with(entry);
            assert_eq!((totals.all().bytes, BlobTotals::decode(&totals.encode())), (entry.size, Some(totals)));
            assert_eq!(totals.without(entry), BlobTotals::default());
            // As format 1 wrote them.
            let (before, after) = (totals.encode(), BlobTotals::decode(&totals.encode()[..32]).unwrap());
            assert_eq!((before.len(), after.here()), (64, totals.here()));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_record_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            // Numbers out of order and ranges without end are taken as they are, never a panic.
            let _record = PartialRecord::decode(&bytes);
            let _entry = BlobEntry::decode(&bytes);
            let _totals = BlobTotals::decode(&bytes);
        }
    }
}
