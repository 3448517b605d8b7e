//! The newest change of each peer, so that a change can name the one before it in its peer.
//!
//! # Correctness
//! An older version of the program appends to the log without noting anything here, of an archive that it opens as its own. So it is noted too of
//! which changes the newest are known: whatever was noted before others came that were not is not taken for the newest.

use crate::model::Seq;

use super::codec::{RecordError, StoredKey as _, StoredValue, WrittenValue};
use super::key::NewestKeptKey;

/// From which change on, and up to which, the newest change of each peer is noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NewestKept {
    pub(super) since: Seq,
    pub(super) up_to: Seq,
}

impl NewestKept {
    /// The same with an entry that is noted, too.
    pub(super) fn with(kept: Option<Self>, first: Seq, last: Seq) -> Self {
        let goes_on = kept.filter(|kept| kept.up_to.next() == first);
        Self { since: goes_on.map_or(first, |kept| kept.since), up_to: last }
    }
}

impl WrittenValue<NewestKeptKey> for NewestKept {
    fn to_bytes(&self) -> Vec<u8> {
        [self.since.encode(), self.up_to.encode()].concat()
    }
}

impl StoredValue<NewestKeptKey> for NewestKept {
    fn from_bytes(_: &NewestKeptKey, bytes: &[u8]) -> Result<Self, RecordError> {
        let (since, up_to) = bytes.split_at_checked(8).ok_or_else(|| RecordError::value("span of changes", "too short"))?;
        Ok(Self { since: Seq::decode(since)?, up_to: Seq::decode(up_to)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_only_where_nothing_came_between() {
        let kept = NewestKept::with(None, Seq(5), Seq(7));
        assert_eq!(kept, NewestKept { since: Seq(5), up_to: Seq(7) });
        assert_eq!(NewestKept::with(Some(kept), Seq(8), Seq(8)), NewestKept { since: Seq(5), up_to: Seq(8) });
        for first in [7, 9] {
            assert_eq!(NewestKept::with(Some(kept), Seq(first), Seq(9)), NewestKept { since: Seq(first), up_to: Seq(9) });
        }
        assert_eq!(NewestKept::from_bytes(&NewestKeptKey, &kept.to_bytes()).unwrap(), kept);
        assert!(
            NewestKept::from_bytes(&NewestKeptKey, &[0; 15]).is_err() && NewestKept::from_bytes(&NewestKeptKey, &[]).is_err()
        );
    }
}
