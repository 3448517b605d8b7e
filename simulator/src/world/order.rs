//! The order of an account's dialogs, newest first, kept while the world changes.
//!
//! Sorting twenty thousand dialogs at every request would be most of the simulator's work; moving the one that got a message
//! costs a microsecond.

use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;

use super::PeerId;

/// What dialogs are ordered by: the date and id of the newest message, then the peer.
pub(crate) type Rank = (i32, i32, PeerId);

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
    places: HashMap<u32, Rank>,
    all: BTreeSet<(Rank, u32)>,
    archived: BTreeSet<(Rank, u32)>,
}

impl DialogOrder {
    /// Puts a dialog where it belongs, wherever it was before.
    pub(crate) fn place(&mut self, chat: u32, rank: Rank, archived: bool) {
        self.remove(chat);
        self.places.insert(chat, rank);
        self.all.insert((rank, chat));
        if archived {
            self.archived.insert((rank, chat));
        }
    }

    /// Takes a dialog out.
    pub(crate) fn remove(&mut self, chat: u32) {
        if let Some(rank) = self.places.remove(&chat) {
            self.all.remove(&(rank, chat));
            self.archived.remove(&(rank, chat));
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

    /// The dialogs below a rank, or all of them, newest first.
    pub(crate) fn below(&self, listing: Listing, rank: Option<Rank>) -> impl Iterator<Item = u32> + '_ {
        let set = if listing == Listing::Archived { &self.archived } else { &self.all };
        // No dialog has a lower place than 0, so this leaves out the dialog of that very rank.
        let end = rank.map_or(Bound::Unbounded, |rank| Bound::Excluded((rank, 0)));
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
        let rank = |date: i32| (date, 1, PeerId::channel(i64::from(date)));
        for chat in 0..10 {
            order.place(chat, rank(chat as i32), chat % 3 == 0);
        }
        order.place(4, rank(20), false);
        order.remove(7);
        let list = |listing, from| order.below(listing, from).collect::<Vec<u32>>();
        assert_eq!(list(Listing::All, None), [4, 9, 8, 6, 5, 3, 2, 1, 0]);
        assert_eq!(list(Listing::Archived, None), [9, 6, 3, 0]);
        assert_eq!(list(Listing::Main, Some(rank(8))), [5, 2, 1]);
        assert_eq!([Listing::All, Listing::Main, Listing::Archived].map(|listing| order.len(listing)), [9, 5, 4]);
    }
}
