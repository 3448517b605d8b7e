//! Histories: the messages of a chat in ascending order of id.

use std::collections::{BTreeSet, HashSet};

use super::Message;

/// Up to so many deletions at once are cheaper one by one than by going through the whole history.
const SINGLE_REMOVALS_MAX: usize = 8;

/// Messages in ascending order of id.
#[derive(Debug, Default)]
pub struct History {
    messages: Vec<Message>,
    /// The highest id that was ever given, deleted or not.
    top_id: i32,
    /// The ids of pinned messages.
    pinned: BTreeSet<i32>,
}

impl History {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self { messages: Vec::with_capacity(capacity), ..Self::default() }
    }

    /// How many messages there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// All messages, ascending by id.
    #[must_use]
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// The highest id ever given.
    #[must_use]
    pub fn top_id(&self) -> i32 {
        self.top_id
    }

    pub(crate) fn raise_top_id(&mut self, id: i32) {
        self.top_id = self.top_id.max(id);
    }

    /// The newest message that is still there.
    #[must_use]
    pub fn newest(&self) -> Option<&Message> {
        self.messages.last()
    }

    /// The message of an id.
    #[must_use]
    pub fn get(&self, id: i32) -> Option<&Message> {
        self.position(id).and_then(|at| self.messages.get(at))
    }

    pub(crate) fn get_mut(&mut self, id: i32) -> Option<&mut Message> {
        self.position(id).and_then(|at| self.messages.get_mut(at))
    }

    /// Adds a message whose id is above every id given before.
    pub(crate) fn push(&mut self, message: Message) {
        debug_assert!(message.id > self.top_id, "message ids only grow");
        self.top_id = message.id;
        if message.extra.as_ref().is_some_and(|extra| extra.pinned) {
            self.pinned.insert(message.id);
        }
        self.messages.push(message);
    }

    /// Pins a message; says whether it is there.
    pub(crate) fn pin(&mut self, id: i32) -> bool {
        let Some(message) = self.get_mut(id) else { return false };
        message.extra_mut().pinned = true;
        self.pinned.insert(id);
        true
    }

    /// The newest pinned message.
    #[must_use]
    pub fn newest_pinned(&self) -> Option<i32> {
        self.pinned.last().copied()
    }

    /// Removes messages and returns the ids of those that were there, in the order in which they were named.
    pub(crate) fn remove_all(&mut self, ids: &[i32]) -> Vec<i32> {
        let mut seen = HashSet::with_capacity(ids.len());
        let removed: Vec<i32> = ids.iter().copied().filter(|id| self.position(*id).is_some() && seen.insert(*id)).collect();
        if removed.len() <= SINGLE_REMOVALS_MAX {
            for id in &removed {
                if let Some(at) = self.position(*id) {
                    self.messages.remove(at);
                }
            }
        } else {
            self.messages.retain(|message| !seen.contains(&message.id));
        }
        for id in &removed {
            self.pinned.remove(id);
        }
        removed
    }

    /// How many messages have an id below this one.
    #[must_use]
    pub fn count_below(&self, id: i32) -> usize {
        self.messages.partition_point(|message| message.id < id)
    }

    /// How many messages are older than this date.
    #[must_use]
    pub fn count_before(&self, date: i32) -> usize {
        self.messages.partition_point(|message| message.date < date)
    }

    fn position(&self, id: i32) -> Option<usize> {
        self.messages.binary_search_by_key(&id, |message| message.id).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_deletions_leave_what_one_by_one_would_have_left() {
        for count in [1, SINGLE_REMOVALS_MAX, SINGLE_REMOVALS_MAX + 1, 500] {
            let mut history = History::default();
            for id in 1..=1_000 {
                history.push(Message::new(id, id, None, ""));
            }
            history.pin(2);
            history.pin(999);
            let named: Vec<i32> = (0..count as i32).map(|at| 1_000 - at * 2).chain([5_000, 1_000]).collect();
            let removed = history.remove_all(&named);
            assert_eq!(removed, named[..count]);
            assert_eq!(history.len(), 1_000 - count);
            assert!(removed.iter().all(|id| history.get(*id).is_none()));
            assert_eq!(history.newest_pinned(), Some(999));
            assert_eq!(history.remove_all(&[999]), [999]);
            assert_eq!(history.newest_pinned(), (count < 500).then_some(2));
        }
    }
}
