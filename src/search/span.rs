//! The messages of a span of time: as each segment is in the order of time, they follow each other.

use std::sync::Arc;

use tantivy::query::{EnableScoring, Explanation, Query, Scorer, Weight};
use tantivy::{DocId, DocSet, Score, SegmentReader, TERMINATED, TantivyError};

use super::columns::OpenSegments;

/// The messages from one time on and before another one.
#[derive(Clone, Debug)]
pub(super) struct TimeSpan {
    pub(super) not_before: i64,
    pub(super) before: i64,
    pub(super) segments: Arc<OpenSegments>,
}

impl Query for TimeSpan {
    fn weight(&self, _: EnableScoring<'_>) -> Result<Box<dyn Weight>, TantivyError> {
        Ok(Box::new(self.clone()))
    }
}

impl Weight for TimeSpan {
    fn scorer(&self, reader: &SegmentReader, _: Score) -> Result<Box<dyn Scorer>, TantivyError> {
        let columns = self.segments.columns(reader)?;
        // The newest come first.
        let (first, end) =
            (columns.first_older(reader.max_doc(), self.before), columns.first_older(reader.max_doc(), self.not_before));
        Ok(Box::new(Documents { doc: if first < end { first } else { TERMINATED }, end }))
    }

    fn explain(&self, _: &SegmentReader, _: DocId) -> Result<Explanation, TantivyError> {
        Ok(Explanation::new("a span of time", 0.0))
    }
}

/// Documents that follow each other.
struct Documents {
    doc: DocId,
    end: DocId,
}

impl DocSet for Documents {
    fn advance(&mut self) -> DocId {
        self.seek(self.doc.saturating_add(1))
    }

    fn seek(&mut self, target: DocId) -> DocId {
        self.doc = if target < self.end { self.doc.max(target) } else { TERMINATED };
        self.doc
    }

    fn doc(&self) -> DocId {
        self.doc
    }

    fn size_hint(&self) -> u32 {
        self.end.saturating_sub(self.doc)
    }
}

impl Scorer for Documents {
    fn score(&mut self) -> Score {
        0.0
    }
}
