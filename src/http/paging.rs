//! Pagination: how many entries and bytes a page may have, and how one is filled.
//!
//! A page ends before it has too many of either; its first entry always fits, so that every client gets on. The cursor for the next page is
//! the position of the last entry.

use std::io;
use std::num::NonZeroUsize;

use serde::Serialize;

use super::context::Context;
use super::ingress::Ingress;
use super::problem::Problem;

/// Default number of entries in a page.
const PAGE_SIZE: usize = 50;
/// Bytes of JSON in a sealed page: below what every JOSE library opens by default (`seal::PORTABLE_PLAINTEXT_MAX`), with room for
/// the envelope's own members and the page's frame.
const SEALED_PAGE_BYTES: usize = 45 * 1024;
/// Bytes of JSON in a plain page: a page is built in memory.
const PLAIN_PAGE_BYTES: usize = 4 * 1024 * 1024;

/// What a page may still take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PageBudget {
    entries: usize,
    bytes: usize,
    /// Whether it has an entry.
    used: bool,
}

/// The entries of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FilledPage<T> {
    pub(super) entries: Vec<T>,
    /// Whether there are entries after them.
    more: bool,
}

/// Bytes of something as JSON, which is made nowhere. What cannot be serialised has none; the response that holds it fails with its own error.
pub(super) fn size_of(value: &impl Serialize) -> usize {
    struct Counted(usize);

    impl io::Write for Counted {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let mut counted = Counted(0);
    serde_json::to_writer(&mut counted, value).map_or(0, |()| counted.0)
}

/// How many bytes a page may have, by how its request came in.
pub(super) fn bytes_max(ingress: &Ingress) -> usize {
    if ingress.is_sealed() { SEALED_PAGE_BYTES } else { PLAIN_PAGE_BYTES }
}

impl PageBudget {
    /// The budget of a page: as many entries as its request asks for, if the settings allow that many.
    pub(super) fn new(context: &Context, ingress: &Ingress, limit: Option<NonZeroUsize>) -> Result<Self, Problem> {
        let max = context.settings.page_size_max;
        let entries = match limit {
            None => PAGE_SIZE.min(max),
            Some(limit) if limit.get() <= max => limit.get(),
            Some(limit) => {
                let detail = format!("`limit` must be at most {max}, not {limit}; use `next` for further pages");
                return Err(Problem::bad_parameter(detail));
            }
        };
        Ok(Self { entries, ..Self::of_bytes(ingress) })
    }

    /// A budget of bytes alone.
    pub(super) fn of_bytes(ingress: &Ingress) -> Self {
        Self { entries: usize::MAX, bytes: bytes_max(ingress), used: false }
    }

    /// The same with at most so many entries.
    pub(super) fn at_most(self, entries: usize) -> Self {
        Self { entries: self.entries.min(entries), ..self }
    }

    /// How many more entries fit, if they are short.
    pub(super) fn entries(&self) -> usize {
        self.entries
    }

    /// Whether an entry still fits; if so, it is counted.
    pub(super) fn takes(&mut self, entry: &impl Serialize) -> bool {
        let size = size_of(entry) + 1;
        let fits = self.entries > 0 && (size <= self.bytes || !self.used);
        if fits {
            (self.entries, self.bytes, self.used) = (self.entries - 1, self.bytes.saturating_sub(size), true);
        }
        fits
    }

    /// Fills a page with the first entries that fit.
    pub(super) fn fill<T: Serialize>(
        mut self,
        entries: impl IntoIterator<Item = Result<T, Problem>>,
    ) -> Result<FilledPage<T>, Problem> {
        let mut page = FilledPage { entries: Vec::new(), more: false };
        for entry in entries {
            let entry = entry?;
            if !self.takes(&entry) {
                page.more = true;
                break;
            }
            page.entries.push(entry);
        }
        Ok(page)
    }
}

impl<T> FilledPage<T> {
    /// The cursor for the next page; `None` on the last page.
    pub(super) fn next<N>(&self, position: impl FnOnce(&T) -> N) -> Option<N> {
        self.entries.last().filter(|_| self.more).map(position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(entries: usize, bytes: usize) -> PageBudget {
        PageBudget { entries, bytes, used: false }
    }

    fn filled(budget: PageBudget, entries: &[&str]) -> (usize, Option<String>) {
        let page = budget.fill(entries.iter().map(|entry| Ok((*entry).to_owned()))).unwrap();
        (page.entries.len(), page.next(Clone::clone))
    }

    #[test]
    fn a_page_ends_before_it_has_too_many_entries_or_bytes_and_says_whether_there_are_more() {
        let entries = ["aa", "bb", "cc"];
        assert_eq!(filled(budget(3, 100), &entries), (3, None));
        assert_eq!(filled(budget(2, 100), &entries), (2, Some("bb".to_owned())));
        // An entry and what stands between it and the next: five bytes.
        assert_eq!(filled(budget(9, 10), &entries), (2, Some("bb".to_owned())));
        assert_eq!(filled(budget(9, 9), &entries), (1, Some("aa".to_owned())));
        assert_eq!(filled(budget(9, 0), &entries), (1, Some("aa".to_owned())), "the first always fits");
        assert_eq!(filled(budget(9, 0), &[]), (0, None));
    }

    #[test]
    fn what_cannot_be_read_is_no_shorter_page() {
        let entries = [Ok(1), Err(Problem::bad_parameter("damaged")), Ok(2)];
        assert!(budget(9, 100).fill(entries).is_err());
    }
}
