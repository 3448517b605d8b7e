//! What a disk refuses, and when its power is cut: faults by rule, a limit of space, and the number of the operation that is the last one.

use std::ffi::OsStr;

use fuser::Errno;

/// What a process asks of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Read,
    Write,
    Sync,
    /// Making, naming and removing files and folders.
    Name,
}

/// An error for some operations on some files.
#[derive(Clone, Debug)]
pub(crate) struct DiskFault {
    operation: Operation,
    /// A part of the file's name.
    name: String,
    passing: u64,
    times: u64,
    error: Errno,
}

impl DiskFault {
    /// Every such operation on files with these words in their names fails, for good.
    pub(crate) fn lasting(operation: Operation, name: &str) -> Self {
        Self { operation, name: name.to_owned(), passing: 0, times: u64::MAX, error: Errno::EIO }
    }

    /// Only so many fail.
    pub(crate) fn times(self, times: u64) -> Self {
        Self { times, ..self }
    }

    /// So many succeed before.
    pub(crate) fn after(self, passing: u64) -> Self {
        Self { passing, ..self }
    }

    fn refuses(&mut self, operation: Operation, name: &OsStr) -> bool {
        if self.operation != operation || self.times == 0 || !name.to_string_lossy().contains(&self.name) {
            return false;
        }
        if self.passing > 0 {
            self.passing -= 1;
            return false;
        }
        self.times = self.times.saturating_sub(u64::from(self.times != u64::MAX));
        true
    }
}

/// What is refused at present.
#[derive(Debug, Default)]
pub(super) struct Rules {
    pub(super) faults: Vec<DiskFault>,
    /// How many operations a fault has refused.
    pub(super) refused: u64,
    /// Bytes that can still be written.
    pub(super) space: Option<u64>,
    /// Operations that change something, so far.
    pub(super) operations: u64,
    /// The operation at which the power is cut.
    pub(super) cut_at: Option<u64>,
    pub(super) is_cut: bool,
    /// What is synced is not made durable.
    pub(super) lies: bool,
}

impl Rules {
    /// Whether an operation is done.
    pub(super) fn check(&mut self, operation: Operation, name: &OsStr) -> Result<(), Errno> {
        if operation != Operation::Read && !self.is_cut {
            self.operations += 1;
            self.is_cut = self.cut_at.is_some_and(|at| self.operations >= at);
        }
        if self.is_cut {
            return Err(Errno::EIO);
        }
        if let Some(fault) = self.faults.iter_mut().find_map(|fault| fault.refuses(operation, name).then_some(fault.error)) {
            self.refused += 1;
            return Err(fault);
        }
        if operation == Operation::Name && self.space == Some(0) {
            self.refused += 1;
            return Err(Errno::ENOSPC);
        }
        Ok(())
    }

    /// Takes room for so many bytes.
    pub(super) fn take(&mut self, bytes: usize) -> Result<(), Errno> {
        let Some(space) = &mut self.space else { return Ok(()) };
        match space.checked_sub(bytes as u64) {
            Some(left) => *space = left,
            None => {
                *space = 0;
                self.refused += 1;
                return Err(Errno::ENOSPC);
            }
        }
        Ok(())
    }
}
