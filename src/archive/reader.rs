//! Readers (consumers) of the change log, each with a name and a position of its own (its checkpoint).
//!
//! A reader that is stopped, at whatever moment, reads again from the position that it stored last: at least once, in order. What it
//! makes of the changes must therefore be idempotent.

use std::sync::Arc;

use tokio::sync::watch;

use crate::failpoints;
use crate::model::{Change, Seq, Timestamp};

use super::{Archive, ArchiveError, DeadLetter, Snapshot};

/// The next changes of a reader.
#[derive(Debug)]
pub struct ChangeBatch {
    /// In order; none at the end of the log.
    pub changes: Vec<Change>,
    /// The archive in which they are true: what they are about is read from it.
    pub snapshot: Snapshot,
}

/// A reader of the change log.
#[derive(Debug)]
pub struct Reader {
    archive: Arc<Archive>,
    name: String,
    read: Seq,
    newest: watch::Receiver<Seq>,
}

impl Reader {
    /// A reader whose position is kept in the archive, at that position.
    ///
    /// # Errors
    /// When the disk refuses, or the position cannot be decoded.
    pub fn open(archive: Arc<Archive>, name: &str) -> Result<Self, ArchiveError> {
        let position = archive.view().position(name)?;
        Ok(Self::at(archive, name, position))
    }

    /// A reader that keeps its position itself, with what it makes of the changes, so that the two cannot drift apart.
    #[must_use]
    pub fn at(archive: Arc<Archive>, name: &str, position: Seq) -> Self {
        let newest = archive.subscribe();
        Self { archive, name: name.to_owned(), read: position, newest }
    }

    /// The archive that it reads.
    #[must_use]
    pub fn archive(&self) -> &Arc<Archive> {
        &self.archive
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The last change that it was given.
    #[must_use]
    pub fn read(&self) -> Seq {
        self.read
    }

    /// How many changes it has not been given yet.
    #[must_use]
    pub fn lag(&self) -> u64 {
        self.newest.borrow().0.saturating_sub(self.read.0)
    }

    /// The next changes that the disk has, in order, at most `limit`.
    ///
    /// # Errors
    /// When the disk refuses; it stays where it is then.
    pub fn next_batch(&mut self, limit: usize) -> Result<ChangeBatch, ArchiveError> {
        let snapshot = self.archive.flushed();
        let changes = snapshot.view().changes(self.read, limit)?;
        self.read = match changes.last() {
            Some(last) if changes.len() >= limit => last.seq,
            // The end of the log, also where what is last in it is damaged.
            _ => self.read.max(snapshot.last_seq()),
        };
        Ok(ChangeBatch { changes, snapshot })
    }

    /// Seeks to a position, as after a failure: the next batch begins behind it.
    pub fn seek(&mut self, position: Seq) {
        self.read = position;
    }

    /// Goes back to the position that was stored last, for a retry.
    ///
    /// # Errors
    /// See [`Reader::open`].
    pub fn rewind(&mut self) -> Result<Seq, ArchiveError> {
        self.read = self.archive.view().position(&self.name)?;
        Ok(self.read)
    }

    /// Stores in the archive that everything up to a position is done (a checkpoint).
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn store(&self, position: Seq, at: Timestamp) -> Result<(), ArchiveError> {
        self.store_with(Some(position), Vec::new(), at)
    }

    /// The same, together with events that could not be delivered (atomic): `None` where the position stays. With neither it does nothing.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn store_with(&self, position: Option<Seq>, letters: Vec<DeadLetter>, at: Timestamp) -> Result<(), ArchiveError> {
        let io = |source| ArchiveError::Io { path: self.archive.path.to_path_buf(), source };
        failpoints::hit("position-write").map_err(io)?;
        let mut write = self.archive.write(at);
        if let Some(position) = position {
            write.position(&self.name, position);
        }
        for letter in letters {
            write.add_dead_letter(letter);
        }
        write.commit()?;
        failpoints::pass("position-written");
        Ok(())
    }

    /// Says anew why an event could not be delivered, unless it was let go of meanwhile.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn renew(&self, letter: DeadLetter) -> Result<(), ArchiveError> {
        let io = |source| ArchiveError::Io { path: self.archive.path.to_path_buf(), source };
        failpoints::hit("position-write").map_err(io)?;
        let mut write = self.archive.write(letter.at);
        write.renew_dead_letter(letter);
        write.commit()?;
        Ok(())
    }

    /// Returns when there is something to read. May be dropped at any moment.
    pub async fn wait(&mut self) {
        let read = self.read;
        // Without an archive there is nothing to wait for, and the program is ending.
        if self.newest.wait_for(|newest| *newest > read).await.is_err() {
            std::future::pending().await
        }
    }
}
