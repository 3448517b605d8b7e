//! Of which chats outside channels an account has been told everything, without a gap, since their newest id was seen.
//!
//! Outside channels a chat's ids have gaps, which are messages of the account's other chats. Where everything was told, a gap need not be
//! asked for; else each message that is pushed would cost a request for history.
//!
//! # Correctness
//! Whatever was told and not taken over, because the rules exclude the peer, or nobody archives it yet, takes it out of step, until its newest
//! id was seen as of a later state. Kept in memory only: after a restart nobody knows what was not taken over. What is not in step costs a
//! look at the history, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::PeerId;

/// The chats of one account that are in step.
#[derive(Debug, Default)]
pub(super) struct Steps {
    /// Their newest id was seen as of a state from which on every event was taken over.
    in_step: BTreeSet<PeerId>,
    /// As of which state an event of a peer was not.
    dropped_at: BTreeMap<PeerId, i32>,
    /// From which state on events are told without a gap.
    told_from: i32,
}

impl Steps {
    /// The newest id of a peer was seen as of a state.
    pub(super) fn noted(&mut self, peer: PeerId, pts: i32) {
        if pts >= self.told_from && self.dropped_at.get(&peer).is_none_or(|dropped| *dropped <= pts) {
            self.dropped_at.remove(&peer);
            self.in_step.insert(peer);
        }
    }

    /// An event of a peer was not taken over; it brought the account to this state.
    pub(super) fn dropped(&mut self, peer: PeerId, pts: i32) {
        self.in_step.remove(&peer);
        self.dropped_at.insert(peer, pts);
    }

    /// The account was not told of everything before this state.
    pub(super) fn jumped(&mut self, pts: i32) {
        self.in_step.clear();
        self.told_from = pts;
    }

    /// A peer is archived by this account no longer.
    pub(super) fn left(&mut self, peer: PeerId) {
        self.in_step.remove(&peer);
    }

    /// Whether a peer is in step.
    pub(super) fn hold(&self, peer: PeerId) -> bool {
        self.in_step.contains(&peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: PeerId = PeerId(-42);
    const OTHER: PeerId = PeerId(7);

    #[test]
    fn a_chat_is_in_step_from_a_look_on_until_something_of_it_is_not_taken_over() {
        let mut steps = Steps::default();
        assert!(!steps.hold(PEER), "nobody has looked");
        steps.noted(PEER, 10);
        steps.noted(OTHER, 10);
        assert!(steps.hold(PEER));
        steps.dropped(PEER, 12);
        assert!(!steps.hold(PEER) && steps.hold(OTHER));
        steps.noted(PEER, 11);
        assert!(!steps.hold(PEER), "a look that was under way before it was dropped");
        steps.noted(PEER, 12);
        assert!(steps.hold(PEER));
        steps.jumped(20);
        steps.noted(PEER, 19);
        assert!(!steps.hold(PEER) && !steps.hold(OTHER));
        steps.noted(PEER, 20);
        assert!(steps.hold(PEER));
        steps.left(PEER);
        assert!(!steps.hold(PEER));
    }
}
