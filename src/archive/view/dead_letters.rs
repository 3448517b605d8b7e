//! Reading dead letters.

use crate::model::Seq;

use super::super::ArchiveError;
use super::super::codec::StoredKey as _;
use super::super::dead_letters::DeadLetter;
use super::super::family::{DEAD_LETTER, KeyRange};
use super::super::key::DeadLetterKey;
use super::{Order, View};

impl<'a> View<'a> {
    /// The dead letters of an output, in the order of the change log, lazily. One that is damaged is passed over.
    pub fn dead_letters(self, output: &str) -> impl Iterator<Item = Result<DeadLetter, ArchiveError>> + use<'a> {
        self.dead_letters_after(output, Seq(0))
    }

    /// The dead letters of all outputs behind one, or all, by output and in the order of the change log, lazily. One that is damaged is passed over.
    /// `cursor` names it: its output, its change in 20 digits, and its event, with a slash between.
    pub fn dead_letters_behind(self, cursor: Option<&str>) -> impl Iterator<Item = Result<DeadLetter, ArchiveError>> + use<'a> {
        let mut keys = KeyRange::under(DeadLetterKey::PREFIX);
        if let Some(cursor) = cursor {
            keys.first = [DeadLetterKey::PREFIX.as_bytes(), cursor.as_bytes(), &[0]].concat();
        }
        self.scan(&DEAD_LETTER, keys, Order::OldestFirst).map(|entry| entry.map(|(_, letter)| letter))
    }

    /// The dead letters of an output that are of changes after a position, in order, lazily. One that is damaged is passed over.
    pub fn dead_letters_after(
        self,
        output: &str,
        position: Seq,
    ) -> impl Iterator<Item = Result<DeadLetter, ArchiveError>> + use<'a> {
        let first = DeadLetterKey { output: output.to_owned(), seq: position.next(), event: String::new() };
        let keys = KeyRange { first: first.encode().into_bytes(), ..KeyRange::under(DeadLetterKey::under(output)) };
        self.scan(&DEAD_LETTER, keys, Order::OldestFirst).map(|entry| entry.map(|(_, letter)| letter))
    }
}
