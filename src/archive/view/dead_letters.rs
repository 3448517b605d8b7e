//! Reading dead letters. Of one whose value is damaged only why it is kept is lost: which event it is, its key says.

use crate::model::Seq;

use super::super::ArchiveError;
use super::super::codec::{RecordError, StoredKey as _};
use super::super::dead_letters::DeadLetter;
use super::super::family::{DEAD_LETTER, KeyRange};
use super::super::key::DeadLetterKey;
use super::super::schema::Cf;
use super::{Order, View};

impl<'a> View<'a> {
    /// The dead letters of an output, in the order of the change log, lazily.
    pub fn dead_letters(self, output: &str) -> impl Iterator<Item = Result<DeadLetter, ArchiveError>> + use<'a> {
        self.dead_letters_after(output, Seq(0))
    }

    /// The dead letters of all outputs behind one, or all, by output and in the order of the change log, lazily. `cursor` names it: its output, its
    /// change in 20 digits, and its event, with a slash between.
    pub fn dead_letters_behind(self, cursor: Option<&str>) -> impl Iterator<Item = Result<DeadLetter, ArchiveError>> + use<'a> {
        let mut keys = KeyRange::under(DeadLetterKey::PREFIX);
        if let Some(cursor) = cursor {
            keys.first = [DeadLetterKey::PREFIX.as_bytes(), cursor.as_bytes(), &[0]].concat();
        }
        self.letters(keys)
    }

    /// The dead letters of an output that are of changes after a position, in order, lazily.
    pub fn dead_letters_after(
        self,
        output: &str,
        position: Seq,
    ) -> impl Iterator<Item = Result<DeadLetter, ArchiveError>> + use<'a> {
        let first = DeadLetterKey { output: output.to_owned(), seq: position.next(), event: String::new() };
        self.letters(KeyRange { first: first.encode().into_bytes(), ..KeyRange::under(DeadLetterKey::under(output)) })
    }

    /// Whether an event is a dead letter of an output.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn is_dead_letter(self, letter: &DeadLetter) -> Result<bool, ArchiveError> {
        self.has(&DEAD_LETTER, &letter.key())
    }

    fn letters(self, keys: KeyRange) -> impl Iterator<Item = Result<DeadLetter, ArchiveError>> + use<'a> {
        let damaged = move |key: &[u8], error: &RecordError| self.note_damage(Cf::Meta, key, error);
        self.lenient(&DEAD_LETTER, keys, Order::OldestFirst).filter_map(move |row| {
            let row = match row {
                Ok(row) => row,
                Err(error) => return Some(Err(error)),
            };
            let key = row.key().inspect_err(|error| damaged(row.key_bytes(), error)).ok()?;
            let letter = row.value(&key).inspect_err(|error| damaged(row.key_bytes(), error));
            Some(Ok(letter.unwrap_or_else(|_| DeadLetter::damaged(key))))
        })
    }
}
