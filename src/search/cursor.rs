//! Pagination cursors (keyset pagination): where a page ended, named by its last hit, so that the next one starts right after it
//! whatever came in between.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::analyser::WORDS;
use super::collapse::PageStart;
use super::collect::SortKey;
use super::order::SortOrder;
use super::query::SearchQuery;
use super::request::Total;

/// The first byte of a cursor; raised when its layout changes.
const LAYOUT: u8 = 4;
/// Bytes of a cursor, without the statistics and the account's name at its end.
const LENGTH: usize = 1 + 1 + 4 + 4 + 8 + 8 + 8 + 1 + 8 + 1 + 2;

/// Where a page ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PageCursor {
    /// The sort key of its last hit.
    pub(super) after: SortKey,
    /// How many hits the first page counted: it is not counted anew for each.
    pub(super) total: Total,
    /// Of collapsed hits, where the first page began and how many groups it counted.
    pub(super) collapsed: Option<(PageStart, u64)>,
    /// What its scores are made of: see `statistics`.
    pub(super) statistics: Vec<u8>,
}

impl PageCursor {
    /// The cursor as text that belongs to a query, its order, and what else says which hits are listed.
    pub(super) fn encode(&self, query: &SearchQuery, sort: SortOrder, scope: &str) -> String {
        let (exact, count) = match self.total {
            Total::Exactly(count) => (1, count),
            Total::AtLeast(count) => (0, count),
        };
        let mut bytes = Vec::with_capacity(LENGTH);
        bytes.extend([LAYOUT, number(sort)]);
        bytes.extend(fingerprint(query.as_str(), scope).to_be_bytes());
        bytes.extend(self.after.score.to_be_bytes());
        for part in [self.after.date, self.after.peer, self.after.id] {
            bytes.extend(part.to_be_bytes());
        }
        bytes.push(exact);
        bytes.extend(count.to_be_bytes());
        bytes.push(self.collapsed.is_some().into());
        if let Some((start, groups)) = self.collapsed {
            bytes.extend(start.score.to_be_bytes());
            bytes.extend(start.date.to_be_bytes());
            bytes.extend(groups.to_be_bytes());
        }
        // A query has some hundred words at most.
        bytes.extend(u16::try_from(self.statistics.len()).unwrap_or(u16::MAX).to_be_bytes());
        bytes.extend(self.statistics.iter().take(usize::from(u16::MAX)));
        bytes.extend(self.after.account.iter().flat_map(|account| account.as_str().bytes()));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a cursor; `None` when it is damaged, or belongs to another query or order.
    pub(super) fn decode(text: &str, query: &SearchQuery, sort: SortOrder, scope: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| bytes.len() >= LENGTH)?;
        let mut rest = bytes.as_slice();
        let ours = take(&mut rest)? == [LAYOUT]
            && take(&mut rest)? == [number(sort)]
            && u32::from_be_bytes(take(&mut rest)?) == fingerprint(query.as_str(), scope);
        let score = u32::from_be_bytes(take(&mut rest)?);
        let [date, peer, id] = [take(&mut rest)?, take(&mut rest)?, take(&mut rest)?].map(i64::from_be_bytes);
        let exact = take(&mut rest)? == [1];
        let count = u64::from_be_bytes(take(&mut rest)?);
        let total = if exact { Total::Exactly(count) } else { Total::AtLeast(count) };
        let collapsed = if take(&mut rest)? == [1] {
            let (score, date) = (u32::from_be_bytes(take(&mut rest)?), i64::from_be_bytes(take(&mut rest)?));
            Some((PageStart { score, date }, u64::from_be_bytes(take(&mut rest)?)))
        } else {
            None
        };
        let length = usize::from(u16::from_be_bytes(take(&mut rest)?));
        let (statistics, rest) = rest.split_at_checked(length)?;
        let account = match rest {
            [] => None,
            name => Some(std::str::from_utf8(name).ok()?.parse().ok()?),
        };
        let statistics = statistics.to_vec();
        ours.then_some(Self { after: SortKey { score, date, peer, id, account }, total, collapsed, statistics })
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
        SortOrder::Views => 3,
    }
}

/// FNV-1a: tells an honest mistake, not an attack, and a cursor opens nothing that its query would not.
fn fingerprint(text: &str, scope: &str) -> u32 {
    // Another analyser makes other words of it.
    text.bytes()
        .chain(scope.bytes())
        .chain(WORDS.bytes())
        .fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
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
            collapsed: Some((PageStart { score: 6, date: -7 }, 8)),
            statistics: vec![1, 255],
        };
        let text = cursor.encode(&query("a"), SortOrder::Newest, "text");
        let decode = |text: &str, of: &str, sort, scope: &str| PageCursor::decode(text, &query(of), sort, scope);
        assert_eq!(decode(&text, "a", SortOrder::Newest, "text"), Some(cursor));
        assert_eq!(decode(&text, "b", SortOrder::Newest, "text"), None);
        assert_eq!(decode(&text, "a", SortOrder::Oldest, "text"), None);
        assert_eq!(decode(&text, "a", SortOrder::Newest, ""), None);
        assert_eq!(decode(&text[1..], "a", SortOrder::Newest, "text"), None);
        assert_eq!(decode("", "a", SortOrder::Newest, "text"), None);
    }

    proptest! {
        #[test]
        fn a_cursor_reads_back(score: u32, date: i64, peer: i64, id: i64, account in prop::option::of("[a-z]{1,32}"), exact: bool, count: u64, collapsed: Option<(u32, i64, u64)>, statistics in prop::collection::vec(any::<u8>(), 0..9)) {
            let total = if exact { Total::Exactly(count) } else { Total::AtLeast(count) };
            let cursor = PageCursor { after: SortKey { score, date, peer, id, account: account.and_then(|name| name.parse().ok()) }, total, collapsed: collapsed.map(|(score, date, groups)| (PageStart { score, date }, groups)), statistics };
            let text = cursor.encode(&query("x"), SortOrder::Relevance, "");
            prop_assert_eq!(PageCursor::decode(&text, &query("x"), SortOrder::Relevance, ""), Some(cursor));
        }

        #[test]
        fn foreign_text_is_refused_not_panicked_on(text in "\\PC{0,80}") {
            prop_assert_eq!(PageCursor::decode(&text, &query("x"), SortOrder::Newest, ""), None);
        }
    }
}
