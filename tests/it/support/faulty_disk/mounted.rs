//! The file system as the kernel asks for it (FUSE).

use std::ffi::OsStr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use fuser::{
    BsdFileFlags, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, LockOwner, OpenFlags,
    RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite,
    Request, TimeOrNow, WriteFlags,
};

use super::rules::{Operation, Rules};
use super::tree::{Content, Data, DataChange, Entries, Ino, Tree, now};

/// Nobody else changes the files, so the kernel may believe what it knows.
const VALID: Duration = Duration::from_secs(60);
/// A block, for what is told of space.
const BLOCK: u32 = 4_096;
/// Blocks of a disk with room.
const BLOCKS: u64 = 1 << 28;
/// `fallocate` that leaves the length as it is.
const KEEP_SIZE: i32 = 1;

/// A disk's files and its faults.
#[derive(Debug)]
pub(super) struct Disk {
    pub(super) tree: Tree,
    pub(super) rules: Rules,
}

/// A disk that is mounted.
#[derive(Clone, Debug)]
pub(super) struct Mounted(pub(super) Arc<Mutex<Disk>>);

impl Mounted {
    pub(super) fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Disk {
    fn attributes(&self, ino: Ino) -> Result<FileAttr, Errno> {
        let inode = self.tree.get(ino)?;
        let size = match &inode.content {
            Content::File(data) => data.seen.len() as u64,
            _ => 0,
        };
        Ok(FileAttr {
            ino: INodeNo(ino),
            size,
            blocks: size.div_ceil(512),
            atime: inode.modified,
            mtime: inode.modified,
            ctime: inode.modified,
            crtime: inode.modified,
            kind: inode.kind,
            perm: inode.mode,
            nlink: inode.names,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: BLOCK,
            flags: 0,
        })
    }

    fn make(&mut self, folder: INodeNo, name: &OsStr, kind: FileType, mode: u32, content: Content) -> Result<FileAttr, Errno> {
        self.rules.check(Operation::Name, name)?;
        let ino = self.tree.make(folder.0, name, kind, (mode & 0o7777) as u16, content)?;
        self.attributes(ino)
    }

    fn checked(&mut self, operation: Operation, ino: INodeNo) -> Result<(), Errno> {
        let name = self.tree.get(ino.0)?.name.clone();
        self.rules.check(operation, &name)
    }

    fn write(&mut self, ino: INodeNo, at: u64, bytes: &[u8]) -> Result<u32, Errno> {
        self.checked(Operation::Write, ino)?;
        self.rules.take(bytes.len())?;
        self.tree.alter(ino.0, DataChange::Write { at: at as usize, bytes: bytes.to_vec() })?;
        Ok(bytes.len() as u32)
    }

    fn read(&mut self, ino: INodeNo, at: u64, size: u32) -> Result<&[u8], Errno> {
        self.checked(Operation::Read, ino)?;
        let seen = &self.tree.data(ino.0)?.seen;
        let from = (at as usize).min(seen.len());
        Ok(&seen[from..(from + size as usize).min(seen.len())])
    }

    fn sync(&mut self, ino: INodeNo) -> Result<(), Errno> {
        self.checked(Operation::Sync, ino)?;
        if self.rules.lies { Ok(()) } else { self.tree.sync(ino.0) }
    }

    fn rename(&mut self, from: (INodeNo, &OsStr), to: (INodeNo, &OsStr), flags: RenameFlags) -> Result<(), Errno> {
        self.rules.check(Operation::Name, to.1)?;
        if flags.contains(RenameFlags::RENAME_EXCHANGE) {
            return Err(Errno::EINVAL);
        }
        if flags.contains(RenameFlags::RENAME_NOREPLACE) && self.tree.lookup(to.0.0, to.1).is_ok() {
            return Err(Errno::EEXIST);
        }
        self.tree.rename((from.0.0, from.1), (to.0.0, to.1))
    }

    fn remove(&mut self, folder: INodeNo, name: &OsStr) -> Result<(), Errno> {
        self.rules.check(Operation::Name, name)?;
        self.tree.remove(folder.0, name)
    }

    fn alter(&mut self, ino: INodeNo, mode: Option<u32>, size: Option<u64>, at: Option<TimeOrNow>) -> Result<FileAttr, Errno> {
        if let Some(size) = size {
            self.checked(Operation::Write, ino)?;
            self.tree.alter(ino.0, DataChange::Length(size as usize))?;
        }
        let inode = self.tree.get_mut(ino.0)?;
        // Who may do what is durable at once: nothing here is about it.
        inode.mode = mode.map_or(inode.mode, |mode| (mode & 0o7777) as u16);
        inode.modified = match at {
            None => inode.modified,
            Some(TimeOrNow::Now) => now(),
            Some(TimeOrNow::SpecificTime(time)) => time,
        };
        self.attributes(ino.0)
    }
}

fn made(reply: ReplyEntry, made: Result<FileAttr, Errno>) {
    match made {
        Ok(attributes) => reply.entry(&VALID, &attributes, Generation(0)),
        Err(error) => reply.error(error),
    }
}

fn done(reply: ReplyEmpty, done: Result<(), Errno>) {
    match done {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(error),
    }
}

impl Filesystem for Mounted {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let disk = self.disk();
        made(reply, disk.tree.lookup(parent.0, name).and_then(|ino| disk.attributes(ino)));
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.disk().attributes(ino.0) {
            Ok(attributes) => reply.attr(&VALID, &attributes),
            Err(error) => reply.error(error),
        }
    }

    fn setattr(
        &self,
        _: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        modified: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        match self.disk().alter(ino, mode, size, modified) {
            Ok(attributes) => reply.attr(&VALID, &attributes),
            Err(error) => reply.error(error),
        }
    }

    fn readlink(&self, _: &Request, ino: INodeNo, reply: ReplyData) {
        match self.disk().tree.get(ino.0).map(|inode| &inode.content) {
            Ok(Content::Link(target)) => reply.data(target.as_encoded_bytes()),
            _ => reply.error(Errno::EINVAL),
        }
    }

    fn symlink(&self, _: &Request, parent: INodeNo, name: &OsStr, target: &Path, reply: ReplyEntry) {
        let content = Content::Link(target.as_os_str().to_owned());
        made(reply, self.disk().make(parent, name, FileType::Symlink, 0o777, content));
    }

    fn mknod(&self, _: &Request, parent: INodeNo, name: &OsStr, mode: u32, _: u32, _: u32, reply: ReplyEntry) {
        const KIND: u32 = 0o17_0000;
        let (kind, content) = match mode & KIND {
            0o14_0000 => (FileType::Socket, Content::Other),
            0o10_0000 => (FileType::RegularFile, Content::File(Data::default())),
            _ => return reply.error(Errno::EPERM),
        };
        made(reply, self.disk().make(parent, name, kind, mode, content));
    }

    fn mkdir(&self, _: &Request, parent: INodeNo, name: &OsStr, mode: u32, _: u32, reply: ReplyEntry) {
        let content = Content::Folder(Entries::default());
        made(reply, self.disk().make(parent, name, FileType::Directory, mode, content));
    }

    fn create(&self, _: &Request, parent: INodeNo, name: &OsStr, mode: u32, _: u32, _: i32, reply: ReplyCreate) {
        match self.disk().make(parent, name, FileType::RegularFile, mode, Content::File(Data::default())) {
            Ok(attributes) => reply.created(&VALID, &attributes, Generation(0), FileHandle(0), FopenFlags::empty()),
            Err(error) => reply.error(error),
        }
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        done(reply, self.disk().remove(parent, name));
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        done(reply, self.disk().remove(parent, name));
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        newparent: INodeNo,
        newname: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        done(reply, self.disk().rename((parent, name), (newparent, newname), flags));
    }

    fn link(&self, _: &Request, ino: INodeNo, newparent: INodeNo, newname: &OsStr, reply: ReplyEntry) {
        let mut disk = self.disk();
        let linked = disk.rules.check(Operation::Name, newname).and_then(|()| disk.tree.link(ino.0, newparent.0, newname));
        made(reply, linked.and_then(|()| disk.attributes(ino.0)));
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        reply.opened(FileHandle(0), FopenFlags::empty());
    }

    fn read(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match self.disk().read(ino, offset, size) {
            Ok(bytes) => reply.data(bytes),
            Err(error) => reply.error(error),
        }
    }

    fn write(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        match self.disk().write(ino, offset, data) {
            Ok(written) => reply.written(written),
            Err(error) => reply.error(error),
        }
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn fsync(&self, _: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        done(reply, self.disk().sync(ino));
    }

    fn fsyncdir(&self, _: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        done(reply, self.disk().sync(ino));
    }

    fn readdir(&self, _: &Request, ino: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let disk = self.disk();
        let Ok(entries) = disk.tree.entries(ino.0) else { return reply.error(Errno::ENOTDIR) };
        // A process that removes while it reads must not miss any: places are the files' own numbers, which never change.
        let mut rows: Vec<(Ino, &OsStr)> = entries.seen.iter().map(|(name, ino)| (*ino, name.as_os_str())).collect();
        rows.sort();
        for (child, name) in rows.into_iter().filter(|(child, _)| *child > offset) {
            let kind = disk.tree.get(child).map_or(FileType::RegularFile, |inode| inode.kind);
            if reply.add(INodeNo(child), child, kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        let free = self.disk().rules.space.map_or(BLOCKS / 2, |space| space / u64::from(BLOCK));
        reply.statfs(BLOCKS, free, free, 1 << 20, 1 << 19, BLOCK, 255, BLOCK);
    }

    fn fallocate(&self, _: &Request, ino: INodeNo, _: FileHandle, offset: u64, length: u64, mode: i32, reply: ReplyEmpty) {
        if mode & !KEEP_SIZE != 0 {
            return reply.error(Errno::EOPNOTSUPP);
        }
        let mut disk = self.disk();
        let extended = disk.checked(Operation::Write, ino).and_then(|()| {
            let end = (offset + length) as usize;
            match mode == 0 && disk.tree.data(ino.0)?.seen.len() < end {
                true => disk.tree.alter(ino.0, DataChange::Length(end)),
                false => Ok(()),
            }
        });
        done(reply, extended);
    }
}
