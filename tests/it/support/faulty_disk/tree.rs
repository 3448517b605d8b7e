//! The tree of files: what a process sees, and beside it what the disk has.
//!
//! The model is more hostile than ext4 in ordered mode. Data of a file is durable when the file is synced, and not before; a file's entry
//! in its folder when the file or the folder is synced. What was not synced is kept in the order in which it was done, for `durable` to
//! choose from.

#![expect(clippy::unwrap_used, reason = "a tree that contradicts itself fails the test")]

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::time::SystemTime;

use fuser::{Errno, FileType};

/// The number of a file or folder.
pub(super) type Ino = u64;
/// The folder at the top.
pub(super) const ROOT: Ino = 1;

/// A change of a file's data that the disk does not have for certain.
#[derive(Clone, Debug)]
pub(super) enum DataChange {
    Write { at: usize, bytes: Vec<u8> },
    Length(usize),
}

/// The data of a file.
#[derive(Clone, Debug, Default)]
pub(super) struct Data {
    pub(super) seen: Vec<u8>,
    pub(super) synced: Vec<u8>,
    pub(super) unsynced: Vec<DataChange>,
}

/// The entries of a folder.
#[derive(Clone, Debug, Default)]
pub(super) struct Entries {
    pub(super) seen: BTreeMap<OsString, Ino>,
    pub(super) synced: BTreeMap<OsString, Ino>,
}

#[derive(Clone, Debug)]
pub(super) enum Content {
    File(Data),
    Folder(Entries),
    Link(OsString),
    /// A socket, which has no content.
    Other,
}

#[derive(Clone, Debug)]
pub(super) struct Inode {
    pub(super) content: Content,
    pub(super) kind: FileType,
    pub(super) mode: u16,
    pub(super) modified: SystemTime,
    pub(super) names: u32,
    /// Its newest name, for rules.
    pub(super) name: OsString,
}

/// One name of one folder becomes a file's, or nobody's.
#[derive(Clone, Debug)]
pub(super) struct EntryChange {
    pub(super) folder: Ino,
    pub(super) name: OsString,
    pub(super) to: Option<Ino>,
}

/// What happens to entries at once (atomically): a rename changes two.
pub(super) type EntryChanges = Vec<EntryChange>;

/// The files and folders of a disk.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    pub(super) inodes: BTreeMap<Ino, Inode>,
    /// Changes of entries that the disk does not have for certain, in order.
    pub(super) unsynced: Vec<EntryChanges>,
    next: Ino,
}

impl Tree {
    pub(super) fn new() -> Self {
        let content = Content::Folder(Entries::default());
        let root = Inode {
            content,
            kind: FileType::Directory,
            mode: 0o700,
            modified: SystemTime::UNIX_EPOCH,
            names: 1,
            name: OsString::new(),
        };
        Self { inodes: BTreeMap::from([(ROOT, root)]), unsynced: Vec::new(), next: ROOT + 1 }
    }

    pub(super) fn get(&self, ino: Ino) -> Result<&Inode, Errno> {
        self.inodes.get(&ino).ok_or(Errno::ENOENT)
    }

    pub(super) fn get_mut(&mut self, ino: Ino) -> Result<&mut Inode, Errno> {
        self.inodes.get_mut(&ino).ok_or(Errno::ENOENT)
    }

    pub(super) fn data(&self, ino: Ino) -> Result<&Data, Errno> {
        match &self.get(ino)?.content {
            Content::File(data) => Ok(data),
            _ => Err(Errno::EISDIR),
        }
    }

    pub(super) fn entries(&self, folder: Ino) -> Result<&Entries, Errno> {
        match &self.get(folder)?.content {
            Content::Folder(entries) => Ok(entries),
            _ => Err(Errno::ENOTDIR),
        }
    }

    pub(super) fn lookup(&self, folder: Ino, name: &OsStr) -> Result<Ino, Errno> {
        self.entries(folder)?.seen.get(name).copied().ok_or(Errno::ENOENT)
    }

    /// Makes something new under a name.
    pub(super) fn make(&mut self, folder: Ino, name: &OsStr, kind: FileType, mode: u16, content: Content) -> Result<Ino, Errno> {
        if self.entries(folder)?.seen.contains_key(name) {
            return Err(Errno::EEXIST);
        }
        let ino = self.next;
        self.next += 1;
        let inode = Inode { content, kind, mode, modified: now(), names: 0, name: name.to_owned() };
        self.inodes.insert(ino, inode);
        self.change(vec![EntryChange { folder, name: name.to_owned(), to: Some(ino) }]);
        Ok(ino)
    }

    pub(super) fn link(&mut self, ino: Ino, folder: Ino, name: &OsStr) -> Result<(), Errno> {
        if self.entries(folder)?.seen.contains_key(name) {
            return Err(Errno::EEXIST);
        }
        self.change(vec![EntryChange { folder, name: name.to_owned(), to: Some(ino) }]);
        Ok(())
    }

    pub(super) fn remove(&mut self, folder: Ino, name: &OsStr) -> Result<(), Errno> {
        let ino = self.lookup(folder, name)?;
        if self.entries(ino).is_ok_and(|entries| !entries.seen.is_empty()) {
            return Err(Errno::ENOTEMPTY);
        }
        self.change(vec![EntryChange { folder, name: name.to_owned(), to: None }]);
        Ok(())
    }

    pub(super) fn rename(&mut self, from: (Ino, &OsStr), to: (Ino, &OsStr)) -> Result<(), Errno> {
        let ino = self.lookup(from.0, from.1)?;
        if let Ok(there) = self.lookup(to.0, to.1) {
            if there == ino {
                return Ok(());
            }
            if self.entries(there).is_ok_and(|entries| !entries.seen.is_empty()) {
                return Err(Errno::ENOTEMPTY);
            }
        }
        self.entries(to.0)?;
        self.change(vec![
            EntryChange { folder: from.0, name: from.1.to_owned(), to: None },
            EntryChange { folder: to.0, name: to.1.to_owned(), to: Some(ino) },
        ]);
        Ok(())
    }

    fn change(&mut self, changes: EntryChanges) {
        for EntryChange { folder, name, to } in &changes {
            let Content::Folder(entries) = &mut self.inodes.get_mut(folder).unwrap().content else { continue };
            let before = match to {
                Some(ino) => entries.seen.insert(name.clone(), *ino),
                None => entries.seen.remove(name),
            };
            if let Some(before) = before.and_then(|ino| self.inodes.get_mut(&ino)) {
                before.names = before.names.saturating_sub(1);
            }
            if let Some(named) = to.and_then(|ino| self.inodes.get_mut(&ino)) {
                named.names += 1;
                named.name.clone_from(name);
            }
        }
        self.unsynced.push(changes);
    }

    pub(super) fn alter(&mut self, ino: Ino, change: DataChange) -> Result<(), Errno> {
        let inode = self.get_mut(ino)?;
        inode.modified = now();
        let Content::File(data) = &mut inode.content else { return Err(Errno::EISDIR) };
        apply(&mut data.seen, &change);
        data.unsynced.push(change);
        Ok(())
    }

    /// The disk takes a file's data, or a folder's entries, and under which name it is.
    pub(super) fn sync(&mut self, ino: Ino) -> Result<(), Errno> {
        if let Content::File(data) = &mut self.get_mut(ino)?.content {
            for change in std::mem::take(&mut data.unsynced) {
                apply(&mut data.synced, &change);
            }
        }
        let mut bounds: BTreeMap<Ino, usize> = BTreeMap::new();
        for (at, changes) in self.unsynced.iter().enumerate() {
            for change in changes.iter().filter(|change| change.folder == ino || change.to == Some(ino)) {
                bounds.insert(change.folder, at);
            }
        }
        self.sync_entries(bounds);
        Ok(())
    }

    /// The disk takes the changes of some folders, each up to a place in the order, and whatever precedes them.
    fn sync_entries(&mut self, mut bounds: BTreeMap<Ino, usize>) {
        let mut taken = vec![false; self.unsynced.len()];
        for (at, changes) in self.unsynced.iter().enumerate().rev() {
            let is_wanted = |change: &EntryChange| bounds.get(&change.folder).is_some_and(|bound| *bound >= at);
            if changes.iter().any(is_wanted) {
                taken[at] = true;
                for change in changes {
                    let bound = bounds.entry(change.folder).or_insert(at);
                    *bound = (*bound).max(at);
                }
            }
        }
        let mut at = taken.into_iter();
        let (durable, left) = std::mem::take(&mut self.unsynced).into_iter().partition(|_| at.next().unwrap());
        self.unsynced = left;
        Vec::into_iter(durable).for_each(|changes| self.make_durable(&changes));
    }

    pub(super) fn make_durable(&mut self, changes: &[EntryChange]) {
        for EntryChange { folder, name, to } in changes {
            let Content::Folder(entries) = &mut self.inodes.get_mut(folder).unwrap().content else { continue };
            match to {
                Some(ino) => entries.synced.insert(name.clone(), *ino),
                None => entries.synced.remove(name),
            };
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "files are as old as the system says")]
pub(super) fn now() -> SystemTime {
    SystemTime::now()
}

/// Changes the data of a file.
pub(super) fn apply(data: &mut Vec<u8>, change: &DataChange) {
    match change {
        DataChange::Length(length) => data.resize(*length, 0),
        DataChange::Write { at, bytes } => {
            let end = at + bytes.len();
            if data.len() < end {
                data.resize(end, 0);
            }
            data[*at..end].copy_from_slice(bytes);
        }
    }
}
