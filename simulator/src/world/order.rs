//! The order of an account's dialogs, newest first, kept while the world changes.
//!
//! Sorting twenty thousand dialogs at every request would be most of the simulator's work; moving the one that got a message
//! costs a microsecond.

use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;

use super::PeerId;

/// The sort key of dialogs: the date and id of the newest message, then the peer.
pub(crate) type DialogSortKey = (i32, i32, PeerId);

/// Which dialogs are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listing {
    /// All, archived or not, as Telegram does it where no folder is named.
    All,
    /// Those outside of the archive folder.
    Main,
    /// Those in it.
    Archived,
}

/// The dialogs of one account in order.
#[derive(Debug, Default)]
pub(crate) struct DialogOrder {
    places: HashMap<u32, DialogSortKey>,
    all: BTreeSet<(DialogSortKey, u32)>,
    archived: BTreeSet<(DialogSortKey, u32)>,
}

impl DialogOrder {
    /// Puts a dialog where it belongs, wherever it was before; idempotent.
    pub(crate) fn place(&mut self, chat: u32, sort_key: DialogSortKey, archived: bool) {
        self.remove(chat);
        self.places.insert(chat, sort_key);
        self.all.insert((sort_key, chat));
        if archived {
            self.archived.insert((sort_key, chat));
        }
    }

    /// Takes a dialog out.
    pub(crate) fn remove(&mut self, chat: u32) {
        if let Some(sort_key) = self.places.remove(&chat) {
            self.all.remove(&(sort_key, chat));
            self.archived.remove(&(sort_key, chat));
        }
    }

    /// How many dialogs there are.
    pub(crate) fn len(&self, listing: Listing) -> usize {
        match listing {
            Listing::All => self.all.len(),
            Listing::Main => self.all.len() - self.archived.len(),
            Listing::Archived => self.archived.len(),
        }
    }

    /// The dialogs below a sort key, or all of them, newest first (keyset pagination).
    pub(crate) fn below(&self, listing: Listing, sort_key: Option<DialogSortKey>) -> impl Iterator<Item = u32> + '_ {
        let set = if listing == Listing::Archived { &self.archived } else { &self.all };
        // No dialog has a lower place than 0, so this leaves out the dialog of that very sort key.
        let end = sort_key.map_or(Bound::Unbounded, |sort_key| Bound::Excluded((sort_key, 0)));
        let newest_first = set.range((Bound::Unbounded, end)).rev();
        newest_first.filter(move |place| listing != Listing::Main || !self.archived.contains(place)).map(|(_, chat)| *chat)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dialog_that_moves_is_listed_once_and_where_it_belongs() {
        let mut order = DialogOrder::default();
        let sort_key = |date: i32| (date, 1, PeerId::channel(i64::from(date)));
        for chat in 0..10 {
            order.place(chat, sort_key(chat as i32), chat % 3 == 0);
        }
        order.place(4, sort_key(20), false);
        order.remove(7);
        let list = |listing, from| order.below(listing, from).collect::<Vec<u32>>();
        assert_eq!(list(Listing::All, None), [4, 9, 8, 6, 5, 3, 2, 1, 0]);
        assert_eq!(list(Listing::Archived, None), [9, 6, 3, 0]);
        assert_eq!(list(Listing::Main, Some(sort_key(8))), [5, 2, 1]);
        assert_eq!([Listing::All, Listing::Main, Listing::Archived].map(|listing| order.len(listing)), [9, 5, 4]);
    }
}
