//! The segments that searches read, with the fast columns that hits are ordered by kept open: opening one parses the header of each of its
//! blocks, which would be nearly all that a light query does.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tantivy::columnar::{Column, ColumnValues, StrColumn};
use tantivy::index::SegmentId;
use tantivy::{DocId, Searcher, SegmentReader, TantivyError};

use super::facts::post;
use super::schema::{ACCOUNT, ALBUM, DATE, ID, ORIGIN, PEER, SHAPE, VIEWS};
use crate::model::{AccountName, PeerId};

/// What one commit has, ready to be searched.
pub(super) struct OpenSegments {
    searcher: Searcher,
    columns: HashMap<SegmentId, Arc<Columns>>,
}

impl OpenSegments {
    /// Opens the columns of those segments that were not open before. A segment's never change; it only loses documents.
    pub(super) fn new(searcher: Searcher, before: Option<&Self>) -> Result<Self, TantivyError> {
        let open = |reader: &SegmentReader| {
            let id = reader.segment_id();
            let known = before.and_then(|before| before.columns.get(&id));
            let columns = known.map_or_else(|| Columns::of(reader).map(Arc::new), |known| Ok(Arc::clone(known)))?;
            Ok((id, columns))
        };
        let columns = searcher.segment_readers().iter().map(open).collect::<Result<_, TantivyError>>()?;
        Ok(Self { searcher, columns })
    }

    pub(super) fn searcher(&self) -> &Searcher {
        &self.searcher
    }

    /// The columns of a segment of [`OpenSegments::searcher`].
    pub(super) fn columns(&self, reader: &SegmentReader) -> Result<Arc<Columns>, TantivyError> {
        match self.columns.get(&reader.segment_id()) {
            Some(columns) => Ok(Arc::clone(columns)),
            None => Columns::of(reader).map(Arc::new),
        }
    }
}

impl std::fmt::Debug for OpenSegments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenSegments").field("segments", &self.columns.len()).finish_non_exhaustive()
    }
}

/// The columns of a segment that sort keys are made from.
pub(super) struct Columns {
    pub(super) dates: Arc<dyn ColumnValues<i64>>,
    pub(super) peers: Arc<dyn ColumnValues<i64>>,
    pub(super) ids: Arc<dyn ColumnValues<i64>>,
    /// None in a segment of channels' messages only.
    accounts: Option<StrColumn>,
    /// None in a segment where nothing is counted.
    views: Option<Column<i64>>,
    /// None in a segment without any, as the two below.
    albums: Option<Column<i64>>,
    origins: Option<Column<u64>>,
    shapes: Option<Column<u64>>,
    numbers: Kept<Column<i64>>,
    words: Kept<StrColumn>,
}

/// Columns that only some searches need, by their names; none where no document has a value.
type Kept<C> = Mutex<HashMap<&'static str, Option<C>>>;

fn kept<C: Clone>(
    known: &Kept<C>,
    name: &'static str,
    open: impl FnOnce() -> Result<Option<C>, TantivyError>,
) -> Result<Option<C>, TantivyError> {
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(column) = known.get(name) {
        return Ok(column.clone());
    }
    let column = open()?;
    known.insert(name, column.clone());
    Ok(column)
}

impl Columns {
    fn of(reader: &SegmentReader) -> Result<Self, TantivyError> {
        let column = |name| Ok::<_, TantivyError>(reader.fast_fields().i64(name)?.first_or_default_col(0));
        let fast = reader.fast_fields();
        Ok(Self {
            dates: column(DATE)?,
            peers: column(PEER)?,
            ids: column(ID)?,
            accounts: fast.str(ACCOUNT)?,
            views: fast.column_opt(VIEWS)?,
            albums: fast.column_opt(ALBUM)?,
            origins: fast.column_opt(ORIGIN)?,
            shapes: fast.column_opt(SHAPE)?,
            numbers: Kept::default(),
            words: Kept::default(),
        })
    }

    /// How often the message of a document was viewed, as of when it was indexed.
    pub(super) fn views(&self, doc: DocId) -> Option<i64> {
        self.views.as_ref()?.first(doc)
    }

    /// The same as a rank: those that are not counted have the least.
    pub(super) fn views_rank(&self, doc: DocId) -> u32 {
        u32::try_from(self.views(doc).unwrap_or_default()).unwrap_or_default()
    }

    /// The album that the message of a document is part of.
    pub(super) fn album(&self, doc: DocId) -> Option<i64> {
        self.albums.as_ref()?.first(doc)
    }

    /// The number of the post that it copies, or is; nothing of what is neither.
    pub(super) fn origin(&self, doc: DocId) -> Option<u64> {
        let peer = PeerId(self.peers.get_val(doc));
        let own = || (!peer.has_own_ids()).then(|| post(peer, self.ids.get_val(doc)));
        self.origins.as_ref().and_then(|origins| origins.first(doc)).or_else(own)
    }

    /// The shape of its text.
    pub(super) fn shape(&self, doc: DocId) -> Option<u64> {
        self.shapes.as_ref()?.first(doc)
    }

    /// A column of numbers that facets are made of, opened by the first one.
    pub(super) fn numbers(&self, reader: &SegmentReader, name: &'static str) -> Result<Option<Column<i64>>, TantivyError> {
        kept(&self.numbers, name, || reader.fast_fields().column_opt(name))
    }

    /// A column of words that facets are made of, opened by the first one.
    pub(super) fn words(&self, reader: &SegmentReader, name: &'static str) -> Result<Option<StrColumn>, TantivyError> {
        kept(&self.words, name, || reader.fast_fields().str(name))
    }

    /// Whose id the message of a document has.
    pub(super) fn account(&self, doc: DocId) -> Option<AccountName> {
        account_of(self.accounts.as_ref(), doc)
    }

    /// The first document of the same second as another one.
    pub(super) fn start_of_second(&self, documents: DocId, doc: DocId) -> DocId {
        if doc >= documents { documents } else { self.first_older(documents, self.dates.get_val(doc).saturating_add(1)).min(doc) }
    }

    /// The first document of a segment of so many that is older than a date, by binary search: the newest come first.
    pub(super) fn first_older(&self, documents: DocId, date: i64) -> DocId {
        let (mut low, mut high) = (0, documents);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.dates.get_val(middle) >= date { low = middle + 1 } else { high = middle }
        }
        low
    }
}

/// Whose id the message of a document has.
pub(super) fn account_of(accounts: Option<&StrColumn>, doc: DocId) -> Option<AccountName> {
    let accounts = accounts?;
    let mut name = String::new();
    let found = accounts.ord_to_str(accounts.term_ords(doc).next()?, &mut name).ok()?;
    found.then(|| name.parse().ok())?
}
