//! Pagination cursors (keyset pagination): where a page ended, named by its last hit, so that the next one starts right after it
//! whatever came in between.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::collect::SortKey;
use super::query::SearchQuery;
use super::request::{SortOrder, Total};

/// The first byte of a cursor; raised when its layout changes.
const LAYOUT: u8 = 2;
/// Bytes of a cursor, without the account's name at its end.
const LENGTH: usize = 1 + 1 + 4 + 4 + 8 + 8 + 8 + 1 + 8;

/// Where a page ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PageCursor {
    /// The sort key of its last hit.
    pub(super) after: SortKey,
    /// How many hits the first page counted: it is not counted anew for each.
    pub(super) total: Total,
}

impl PageCursor {
    /// The cursor as text that belongs to a query and its order.
    pub(super) fn encode(&self, query: &SearchQuery, sort: SortOrder) -> String {
        let (exact, count) = match self.total {
            Total::Exactly(count) => (1, count),
            Total::AtLeast(count) => (0, count),
        };
        let mut bytes = Vec::with_capacity(LENGTH);
        bytes.extend([LAYOUT, number(sort)]);
        bytes.extend(fingerprint(query.as_str()).to_be_bytes());
        bytes.extend(self.after.score.to_be_bytes());
        for part in [self.after.date, self.after.peer, self.after.id] {
            bytes.extend(part.to_be_bytes());
        }
        bytes.push(exact);
        bytes.extend(count.to_be_bytes());
        bytes.extend(self.after.account.iter().flat_map(|account| account.as_str().bytes()));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a cursor; `None` when it is damaged, or belongs to another query or order.
    pub(super) fn decode(text: &str, query: &SearchQuery, sort: SortOrder) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| bytes.len() >= LENGTH)?;
        let mut rest = bytes.as_slice();
        let ours = take(&mut rest)? == [LAYOUT]
            && take(&mut rest)? == [number(sort)]
            && u32::from_be_bytes(take(&mut rest)?) == fingerprint(query.as_str());
        let score = u32::from_be_bytes(take(&mut rest)?);
        let [date, peer, id] = [take(&mut rest)?, take(&mut rest)?, take(&mut rest)?].map(i64::from_be_bytes);
        let exact = take(&mut rest)? == [1];
        let count = u64::from_be_bytes(take(&mut rest)?);
        let total = if exact { Total::Exactly(count) } else { Total::AtLeast(count) };
        let account = match rest {
            [] => None,
            name => Some(std::str::from_utf8(name).ok()?.parse().ok()?),
        };
        ours.then_some(Self { after: SortKey { score, date, peer, id, account }, total })
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (first, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*first)
}

fn number(sort: SortOrder) -> u8 {
    match sort {
        SortOrder::Relevance => 0,
        SortOrder::Newest => 1,
        SortOrder::Oldest => 2,
    }
}

/// FNV-1a: tells an honest mistake, not an attack, and a cursor opens nothing that its query would not.
fn fingerprint(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn query(text: &str) -> SearchQuery {
        SearchQuery::parse(text).expect("a query")
    }

    #[test]
    fn a_cursor_of_another_query_is_refused() {
        let cursor = PageCursor {
            after: SortKey { score: 1, date: 2, peer: -3, id: 4, account: "alpha".parse().ok() },
            total: Total::Exactly(5),
        };
        let text = cursor.encode(&query("a"), SortOrder::Newest);
        assert_eq!(PageCursor::decode(&text, &query("a"), SortOrder::Newest), Some(cursor));
        assert_eq!(PageCursor::decode(&text, &query("b"), SortOrder::Newest), None);
        assert_eq!(PageCursor::decode(&text, &query("a"), SortOrder::Oldest), None);
        assert_eq!(PageCursor::decode(&text[1..], &query("a"), SortOrder::Newest), None);
        assert_eq!(PageCursor::decode("", &query("a"), SortOrder::Newest), None);
    }

    proptest! {
        #[test]
        fn a_cursor_reads_back(score: u32, date: i64, peer: i64, id: i64, account in prop::option::of("[a-z]{1,32}"), exact: bool, count: u64) {
            let total = if exact { Total::Exactly(count) } else { Total::AtLeast(count) };
            let cursor = PageCursor { after: SortKey { score, date, peer, id, account: account.and_then(|name| name.parse().ok()) }, total };
            let text = cursor.encode(&query("x"), SortOrder::Relevance);
            prop_assert_eq!(PageCursor::decode(&text, &query("x"), SortOrder::Relevance), Some(cursor));
        }

        #[test]
        fn foreign_text_is_refused_not_panicked_on(text in "\\PC{0,80}") {
            prop_assert_eq!(PageCursor::decode(&text, &query("x"), SortOrder::Newest), None);
        }
    }
}
