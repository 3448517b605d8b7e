//! Making a backup.
//!
//! # Correctness
//! Sessions and keys are read before the archive is frozen: a session is never ahead of the archive that it is kept with. The manifest is
//! written when the disk has every file that it names; what it replaces is removed after that.
//!
//! What is secret and cannot be read costs nobody the backup of the archive: the copy of the newest backup that has one is taken, so that
//! the retention does not remove the last one there is, and the manifest says so.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::accounts::{SessionError, Sessions};
use crate::archive::FrozenArchive;
use crate::model::{AccountName, Timestamp};

use super::copy::{Watch, copy, end};
use super::error::BackupError;
use super::manifest::{BackupId, Manifest, Role, StoredFile, UnreadPart};
use super::record::{BackupRecord, BackupSuccess};
use super::store::{BackupStore, ListedBackup};

/// What is secret, as it was before the archive was frozen.
#[derive(Debug)]
pub struct Secrets {
    keys: Option<(String, Zeroizing<Vec<u8>>)>,
    sessions: Vec<(AccountName, Zeroizing<Vec<u8>>)>,
    left_out: Vec<AccountName>,
    /// What there is and cannot be read, and why not.
    unread: Vec<(Unread, String)>,
}

/// What is secret and cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Unread {
    /// The clients' keys.
    Keys,
    /// The session of an account.
    Session(AccountName),
    /// The folder of the sessions, so that nobody knows which there are.
    Sessions,
}

impl Unread {
    /// Whether a file of an earlier backup is a copy of it.
    fn is(&self, file: &StoredFile) -> bool {
        match self {
            Self::Keys => file.role == Role::Keys,
            Self::Session(name) => file.role == Role::Session && file.name == name.as_str(),
            Self::Sessions => file.role == Role::Session,
        }
    }

    fn in_words(&self) -> String {
        match self {
            Self::Keys => "the clients' keys".to_owned(),
            Self::Session(name) => format!("the session of account `{name}`"),
            Self::Sessions => "the sessions".to_owned(),
        }
    }
}

impl Secrets {
    /// Reads the file of the clients' keys, where there is one, and the sessions that are sealed. What cannot be read is noted.
    #[must_use]
    pub fn read(keys: &Path, sessions: &Sessions) -> Self {
        let mut secrets = Self { keys: None, sessions: Vec::new(), left_out: Vec::new(), unread: Vec::new() };
        let name = keys.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match fs::read(keys) {
            Ok(bytes) => secrets.keys = Some((name, Zeroizing::new(bytes))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => secrets.unread.push((Unread::Keys, BackupError::io(keys)(error).to_string())),
        }
        let names = sessions.names().unwrap_or_else(|error| {
            secrets.unread.push((Unread::Sessions, error.to_string()));
            Vec::new()
        });
        for name in names {
            match sessions.sealed_copy(&name) {
                Ok(Some(bytes)) => match sessions.load(&name) {
                    // Where its key is not at hand it cannot be looked into, and is taken as it is.
                    Err(error @ SessionError::Damaged { .. }) => secrets.unread.push((Unread::Session(name), error.to_string())),
                    _ => secrets.sessions.push((name, bytes)),
                },
                Ok(None) => secrets.left_out.push(name),
                // It was removed between the two.
                Err(SessionError::Unknown(_)) => {}
                Err(error) => secrets.unread.push((Unread::Session(name), error.to_string())),
            }
        }
        secrets
    }
}

/// What a backup is made of: the archive as it is at one position, and what was read before it was frozen.
#[derive(Debug)]
pub struct BackupSource {
    /// The data folder.
    pub data: PathBuf,
    /// What is secret.
    pub secrets: Secrets,
    /// The archive.
    pub archive: FrozenArchive,
}

/// How a backup is made.
#[derive(Clone, Copy, Debug)]
pub struct BackupOptions {
    /// How many backups of the archive are kept; all without.
    pub keep: Option<u32>,
    /// The time that it is.
    pub now: Timestamp,
}

/// A backup that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackedUp {
    /// Its name.
    pub id: BackupId,
    /// The number of the newest change in it.
    pub change: u64,
    /// How many files it is made of.
    pub files: u64,
    /// Their bytes.
    pub size: u64,
    /// How many of the files the target did not have.
    pub copied_files: u64,
    /// Their bytes.
    pub copied_size: u64,
    /// The accounts whose sessions are in it.
    pub sessions: Vec<AccountName>,
    /// The accounts whose sessions are not, because they are not sealed.
    pub left_out: Vec<AccountName>,
    /// What could not be read.
    pub unread: Vec<UnreadPart>,
    /// The backups that were removed for it.
    pub removed: Vec<BackupId>,
}

impl BackedUp {
    /// What there is to remember of it.
    #[must_use]
    pub fn to_record(&self, target: &Path, at: Timestamp) -> BackupSuccess {
        BackupSuccess {
            id: self.id.to_string(),
            target: target.to_owned(),
            at: at.0,
            change: self.change,
            size: self.size,
            copied_size: self.copied_size,
            sessions_left_out: self.left_out.iter().map(ToString::to_string).collect(),
            unread: self.unread.clone(),
        }
    }
}

/// Makes a backup in a target folder.
///
/// # Errors
/// When the target is in use, not what it was, or the disk refuses; then there is no new backup, and every earlier one is as it was.
pub fn back_up(source: &BackupSource, target: &Path, options: BackupOptions, watch: &Watch<'_>) -> Result<BackedUp, BackupError> {
    refuse_inside(target, &source.data)?;
    BackupRecord::load(&source.data).check_target(target, &source.data)?;
    let store = BackupStore::open_to_write(target)?;
    let earlier = store.backups()?;
    // What a backup has left that was stopped half way.
    store.collect()?;
    let position = source.archive.position();
    let mut manifest = Manifest::new(position, options.now, env!("CARGO_PKG_VERSION"), &source.secrets.left_out);
    let number = earlier.last().map_or(0, |backup| backup.id.number) + 1;
    let mut making = Making { store: &store, watch, known: known_tables(&earlier, &manifest), copied_files: 0, copied_size: 0 };
    for (name, size) in source.archive.files()? {
        manifest.files.push(making.archive_file(source.archive.folder(), name, size)?);
    }
    if let Some((name, bytes)) = &source.secrets.keys {
        manifest.files.push(making.add(Role::Keys, name.clone(), Path::new(name), bytes.as_slice())?);
    }
    for (name, bytes) in &source.secrets.sessions {
        manifest.files.push(making.add(Role::Session, name.to_string(), Path::new(name.as_str()), bytes.as_slice())?);
    }
    for (unread, why) in &source.secrets.unread {
        let part = making.copy_of_earlier(&earlier, &mut manifest, unread, why);
        tracing::error!("a backup in `{}` is made nevertheless: {part}", target.display());
        manifest.unread.push(part);
    }
    let id = BackupId::new(options.now, number);
    let Making { copied_files, copied_size, .. } = making;
    store.add(&id, &manifest)?;
    let removed = retain(&store, &manifest.archive, options.keep)?;
    store.collect()?;
    Ok(BackedUp {
        id,
        change: manifest.change,
        files: manifest.files.len() as u64,
        size: manifest.size(),
        copied_files,
        copied_size,
        sessions: source.secrets.sessions.iter().map(|(name, _)| *name).collect(),
        left_out: source.secrets.left_out.clone(),
        unread: manifest.unread,
        removed,
    })
}

/// Refuses a target inside of the data folder: it would be lost together with it. Neither has to be there yet.
///
/// # Errors
/// When it is inside, or a path cannot be resolved.
pub fn refuse_inside(target: &Path, data: &Path) -> Result<(), BackupError> {
    if resolved(target)?.starts_with(resolved(data)?) {
        return Err(BackupError::InsideData { target: target.to_owned() });
    }
    Ok(())
}

/// The path without links, as far as it is there.
fn resolved(path: &Path) -> Result<PathBuf, BackupError> {
    let named = std::path::absolute(path).map_err(BackupError::io(path))?;
    // Of what is not there yet the folders above it tell where it will be.
    let there = named.ancestors().find_map(|folder| Some((folder, fs::canonicalize(folder).ok()?)));
    Ok(match there {
        Some((folder, real)) => named.strip_prefix(folder).map_or(real.clone(), |rest| real.join(rest)),
        None => named,
    })
}

/// The tables of the newest backup of the same history of the archive, by name: they never change.
fn known_tables(earlier: &[ListedBackup], manifest: &Manifest) -> BTreeMap<String, StoredFile> {
    let same = |of: &&Manifest| of.archive == manifest.archive && of.epoch == manifest.epoch;
    let newest = earlier.iter().rev().filter_map(|backup| backup.manifest.as_ref().ok()).find(same);
    let tables = newest.into_iter().flat_map(|of| &of.files).filter(|file| file.role == Role::Archive && file.end.is_some());
    tables.map(|file| (file.name.clone(), file.clone())).collect()
}

/// Removes all but the newest backups of an archive. One that cannot be read is not counted, and stays.
fn retain(store: &BackupStore, archive: &str, keep: Option<u32>) -> Result<Vec<BackupId>, BackupError> {
    let Some(keep) = keep.filter(|keep| *keep > 0) else { return Ok(Vec::new()) };
    let mut of_archive = store.backups()?;
    of_archive.retain(|backup| backup.manifest.as_ref().is_ok_and(|manifest| manifest.archive == archive));
    let surplus = of_archive.len().saturating_sub(keep as usize);
    let mut removed = Vec::new();
    for backup in of_archive.into_iter().take(surplus) {
        store.remove(&backup.id)?;
        removed.push(backup.id);
    }
    Ok(removed)
}

struct Making<'a> {
    store: &'a BackupStore,
    watch: &'a Watch<'a>,
    known: BTreeMap<String, StoredFile>,
    copied_files: u64,
    copied_size: u64,
}

impl Making<'_> {
    fn archive_file(&mut self, folder: &Path, name: String, size: u64) -> Result<StoredFile, BackupError> {
        let path = folder.join(&name);
        if !name.ends_with(".sst") {
            let file = File::open(&path).map_err(BackupError::io(&path))?;
            return self.add(Role::Archive, name, &path, file);
        }
        let end = end(&path)?;
        // A name alone does not tell: the same archive may have been copied, and both have gone on.
        let known = self.known.get(&name).filter(|known| known.size == size && known.end.as_ref() == Some(&end));
        if let Some(known) = known.filter(|known| self.has(known)) {
            return Ok(known.clone());
        }
        let file = File::open(&path).map_err(BackupError::io(&path))?;
        let file = self.add(Role::Archive, name, &path, file)?;
        if file.size != size {
            return Err(BackupError::Changed { path });
        }
        Ok(StoredFile { end: Some(end), ..file })
    }

    /// Adds the copies that the newest backup with any has of what cannot be read, and says so.
    fn copy_of_earlier(&self, earlier: &[ListedBackup], manifest: &mut Manifest, unread: &Unread, why: &str) -> UnreadPart {
        let copies = earlier.iter().rev().find_map(|backup| {
            let of = backup.manifest.as_ref().ok().filter(|of| of.archive == manifest.archive)?;
            let files: Vec<_> = of.files.iter().filter(|file| unread.is(file) && self.has(file)).cloned().collect();
            (!files.is_empty()).then(|| (backup.id.to_string(), files))
        });
        let (copy_of, files) = copies.unzip();
        manifest.files.extend(files.into_iter().flatten());
        UnreadPart { what: unread.in_words(), why: why.to_owned(), copy_of }
    }

    fn has(&self, file: &StoredFile) -> bool {
        fs::metadata(self.store.path_of(file)).is_ok_and(|found| found.is_file() && found.len() == file.size)
    }

    fn add(&mut self, role: Role, name: String, path: &Path, from: impl Read) -> Result<StoredFile, BackupError> {
        let (incoming, content) = copy(path, from, &self.store.files(), self.watch)?;
        let place = self.store.content_path(&content.sha256);
        // One that is there with this content is replaced: it may be damaged since, and this one was read just now.
        incoming.persist(&place).map_err(|failed| BackupError::io(&place)(failed.error))?;
        self.copied_files += 1;
        self.copied_size += content.size;
        Ok(StoredFile { role, name, size: content.size, sha256: content.sha256, end: None })
    }
}
