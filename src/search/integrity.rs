//! The integrity of an index's files: whether they are there and end as they should, which is cheap, and whether all of their bytes are
//! what was written, by their checksums.
//!
//! Files are read, not mapped: a bad sector is then an error and not the end of the process.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tantivy::directory::footer::Footer;
use tantivy::directory::{FileSlice, OwnedBytes};
use tantivy::index::SegmentComponent;
use tantivy::{HasLen as _, SegmentMeta, TantivyError};

use super::SearchError;
use super::directory::{MANAGED, META, checked};
use super::failure::{is_damage_in_io, not_opened, refused};

/// How much is read of a file at once.
const READ_SIZE: usize = 256 << 10;
/// The most that is read of a file's end to find its footer, which is JSON of some hundred bytes; as much as Tantivy takes for one.
const FOOTER_MAX: u64 = 50_008;
/// What each segment has, beside a list of its deleted documents.
const COMPONENTS: [SegmentComponent; 6] = [
    SegmentComponent::Postings,
    SegmentComponent::Positions,
    SegmentComponent::FastFields,
    SegmentComponent::FieldNorms,
    SegmentComponent::Terms,
    SegmentComponent::Store,
];

/// A file of an index that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedFile {
    /// Its name in the index's folder.
    pub name: String,
    /// How many bytes it has.
    pub bytes: u64,
    /// What was found.
    pub outcome: FileOutcome,
}

/// What the check of a file found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileOutcome {
    /// Every byte is as it was written.
    Whole,
    /// It is missing, cut short, or other bytes than were written.
    Damaged(String),
    /// The system or the disk does not let it be read.
    Unread(String),
}

impl CheckedFile {
    /// What is wrong with it, in words; `None` where nothing is.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        match &self.outcome {
            FileOutcome::Whole => None,
            FileOutcome::Damaged(why) => Some(format!("file `{}` is damaged: {why}", self.name)),
            FileOutcome::Unread(why) => Some(format!("file `{}` cannot be read: {why}", self.name)),
        }
    }
}

/// A check of all files of the newest commit by their checksums, piece by piece: whoever runs it decides how many bytes it reads at once,
/// and how long it rests in between. A file that a merge has replaced meanwhile is passed over.
pub struct IntegrityCheck {
    path: PathBuf,
    index: tantivy::Index,
    waiting: VecDeque<PathBuf>,
    reading: Option<Reading>,
    versions: Versions,
}

impl IntegrityCheck {
    pub(super) fn of(path: &Path, index: &tantivy::Index) -> Result<Self, SearchError> {
        let mut waiting = VecDeque::from([PathBuf::from(META), PathBuf::from(MANAGED)]);
        let files = expected(index).map_err(|e| not_opened(path, &e))?;
        let versions = Versions::of(path, &files);
        waiting.extend(files);
        Ok(Self { path: path.to_owned(), index: index.clone(), waiting, reading: None, versions })
    }

    /// How many files are left, the one in hand included.
    #[must_use]
    pub fn files_left(&self) -> usize {
        self.waiting.len() + usize::from(self.reading.is_some())
    }

    /// Reads on for at most so many bytes (and at least a little, so that it comes to an end), and returns the file that it got to the end
    /// of, if it did. Blocks. To be called until no files are left.
    pub fn step(&mut self, bytes_max: u64) -> Option<CheckedFile> {
        let mut reading = match self.reading.take() {
            Some(reading) => reading,
            None => Reading::begin(&self.path, self.waiting.pop_front()?),
        };
        let outcome = match reading.read(bytes_max, &self.versions) {
            Ok(None) => {
                self.reading = Some(reading);
                return None;
            }
            Ok(Some(outcome)) => outcome,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let is_expected = expected(&self.index).map_or(true, |files| files.contains(&reading.name));
                if !is_expected && !matches!(reading.name.to_str(), Some(META | MANAGED)) {
                    return None;
                }
                FileOutcome::Damaged("it is missing".to_owned())
            }
            Err(error) if is_damage_in_io(&error) => FileOutcome::Damaged(error.to_string()),
            Err(error) => FileOutcome::Unread(error.to_string()),
        };
        Some(CheckedFile { name: reading.name.display().to_string(), bytes: reading.length, outcome })
    }

    /// Checks what is left, without a rest, and returns what is wrong.
    #[must_use]
    pub fn faults(mut self) -> Vec<CheckedFile> {
        let mut found = Vec::new();
        while self.files_left() > 0 {
            found.extend(self.step(u64::MAX).filter(|file| file.outcome != FileOutcome::Whole));
        }
        found
    }
}

/// A file that is being read.
struct Reading {
    name: PathBuf,
    place: PathBuf,
    length: u64,
    open: Option<Open>,
}

struct Open {
    file: File,
    /// Bytes before the footer that are left, and the checksum that they should have.
    left: u64,
    expected: u32,
    hasher: crc32fast::Hasher,
}

impl Reading {
    fn begin(folder: &Path, name: PathBuf) -> Self {
        Self { place: folder.join(&name), name, length: 0, open: None }
    }

    /// Reads on; the outcome is there at the end of the file.
    fn read(&mut self, bytes_max: u64, versions: &Versions) -> io::Result<Option<FileOutcome>> {
        if matches!(self.name.to_str(), Some(META | MANAGED)) {
            let list = std::fs::read(&self.place)?;
            self.length = list.len() as u64;
            let damaged = checked(&list).err().map(|why| FileOutcome::Damaged(why.to_owned()));
            return Ok(Some(damaged.unwrap_or(FileOutcome::Whole)));
        }
        let open = match &mut self.open {
            Some(open) => open,
            none => {
                let mut file = File::open(&self.place)?;
                self.length = file.metadata()?.len();
                let (footer, before) = footer(&mut file, self.length)?;
                versions.check(&footer)?;
                file.seek(SeekFrom::Start(0))?;
                none.insert(Open { file, left: before, expected: footer.crc, hasher: crc32fast::Hasher::new() })
            }
        };
        let mut budget = bytes_max.max(1);
        let mut piece = vec![0; READ_SIZE];
        while open.left > 0 && budget > 0 {
            let wanted = (READ_SIZE as u64).min(open.left).min(budget) as usize;
            let piece = &mut piece[..wanted];
            open.file.read_exact(piece)?;
            open.hasher.update(piece);
            open.left -= wanted as u64;
            budget -= wanted as u64;
        }
        if open.left > 0 {
            return Ok(None);
        }
        let is_whole = open.hasher.clone().finalize() == open.expected;
        Ok(Some(if is_whole { FileOutcome::Whole } else { FileOutcome::Damaged("its checksum is wrong".to_owned()) }))
    }
}

/// The versions of Tantivy that have written files of an index. A footer names one, and nothing protects its digits: one that no other file
/// has, nor this program, is a flipped bit.
struct Versions(BTreeMap<String, usize>);

impl Versions {
    fn of(folder: &Path, files: &[PathBuf]) -> Self {
        let mut versions = BTreeMap::from([(version(tantivy::version()), 2)]);
        // What cannot be read now is found when its turn comes.
        let footers = files.iter().filter_map(|name| footer_of(&folder.join(name)).ok());
        footers.for_each(|footer| *versions.entry(version(&footer.version)).or_default() += 1);
        Self(versions)
    }

    fn check(&self, footer: &Footer) -> io::Result<()> {
        let version = version(&footer.version);
        if self.0.get(&version).is_none_or(|files| *files < 2) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("its footer names version {version}")));
        }
        Ok(())
    }
}

fn version(version: &tantivy::Version) -> String {
    version.to_string()
}

fn footer_of(place: &Path) -> io::Result<Footer> {
    let mut file = File::open(place)?;
    let length = file.metadata()?.len();
    Ok(footer(&mut file, length)?.0)
}

/// The footer at the end of a file, and how many bytes are before it.
fn footer(file: &mut File, length: u64) -> io::Result<(Footer, u64)> {
    let size = length.min(FOOTER_MAX);
    file.seek(SeekFrom::Start(length - size))?;
    let mut end = vec![0; size as usize];
    file.read_exact(&mut end)?;
    let (footer, before) = Footer::extract_footer(FileSlice::new(Arc::new(OwnedBytes::new(end))))?;
    footer.is_compatible().map_err(|why| io::Error::new(io::ErrorKind::InvalidData, format!("{why:?}")))?;
    Ok((footer, length - size + before.len() as u64))
}

/// The files of all segments of the newest commit.
fn expected(index: &tantivy::Index) -> Result<Vec<PathBuf>, TantivyError> {
    let files = |segment: &SegmentMeta| {
        let deleted = segment.has_deletes().then_some(SegmentComponent::Delete);
        COMPONENTS.into_iter().chain(deleted).map(|component| segment.relative_path(component)).collect::<Vec<_>>()
    };
    Ok(index.load_metas()?.segments.iter().flat_map(files).collect())
}

/// The first file that is missing or does not end as it should, without reading more than the ends; what is wrong with it, in words.
pub(super) fn first_fault(path: &Path, index: &tantivy::Index) -> Result<Option<String>, SearchError> {
    let managed = path.join(MANAGED);
    if !managed.try_exists().map_err(|e| refused(&managed, &e))? {
        return Ok(Some(format!("file `{MANAGED}` is damaged: it is missing")));
    }
    for name in expected(index).map_err(|e| not_opened(path, &e))? {
        let why = match footer_of(&path.join(&name)) {
            Ok(_) => continue,
            Err(error) if error.kind() == io::ErrorKind::NotFound => "it is missing".to_owned(),
            Err(error) if is_damage_in_io(&error) => error.to_string(),
            Err(error) => return Err(refused(&path.join(&name), &error)),
        };
        return Ok(Some(format!("file `{}` is damaged: {why}", name.display())));
    }
    Ok(None)
}
