//! The messages that were viewed so often, by the column of it: there are no terms for numbers that change.

use std::ops::RangeInclusive;
use std::sync::Arc;

use tantivy::query::{EnableScoring, Explanation, Query, Scorer, Weight};
use tantivy::{DocId, DocSet, Score, SeekDangerResult, SegmentReader, TERMINATED, TantivyError};

use super::columns::{Columns, OpenSegments};
use super::deadline::{Deadline, Steps};

/// The messages with a number of views in a range.
#[derive(Clone, Debug)]
pub(super) struct ViewedBetween {
    pub(super) views: RangeInclusive<i64>,
    pub(super) segments: Arc<OpenSegments>,
    pub(super) deadline: Arc<Deadline>,
}

impl Query for ViewedBetween {
    fn weight(&self, _: EnableScoring<'_>) -> Result<Box<dyn Weight>, TantivyError> {
        Ok(Box::new(self.clone()))
    }
}

impl Weight for ViewedBetween {
    fn scorer(&self, reader: &SegmentReader, _: Score) -> Result<Box<dyn Scorer>, TantivyError> {
        let mut documents = self.documents(reader)?;
        documents.settle(0);
        Ok(Box::new(documents))
    }

    fn scorer_danger(
        &self,
        reader: &SegmentReader,
        target: DocId,
        _: Score,
    ) -> Result<(SeekDangerResult, Box<dyn Scorer>), TantivyError> {
        let mut documents = self.documents(reader)?;
        let result = documents.seek_danger(target);
        Ok((result, Box::new(documents)))
    }

    fn explain(&self, _: &SegmentReader, _: DocId) -> Result<Explanation, TantivyError> {
        Ok(Explanation::new("a number of views", 0.0))
    }
}

impl ViewedBetween {
    fn documents(&self, reader: &SegmentReader) -> Result<ViewedDocuments, TantivyError> {
        let (columns, views) = (self.segments.columns(reader)?, self.views.clone());
        Ok(ViewedDocuments { columns, views, doc: 0, end: reader.max_doc(), steps: Steps::until(&self.deadline) })
    }
}

struct ViewedDocuments {
    columns: Arc<Columns>,
    views: RangeInclusive<i64>,
    doc: DocId,
    end: DocId,
    steps: Steps,
}

impl ViewedDocuments {
    fn has(&self, doc: DocId) -> bool {
        doc < self.end && self.columns.views(doc).is_some_and(|views| self.views.contains(&views))
    }

    fn settle(&mut self, mut doc: DocId) -> DocId {
        while doc < self.end && !self.has(doc) {
            if !self.steps.step() {
                doc = self.end;
                break;
            }
            doc += 1;
        }
        self.doc = if doc < self.end { doc } else { TERMINATED };
        self.doc
    }
}

impl DocSet for ViewedDocuments {
    fn advance(&mut self) -> DocId {
        if self.doc == TERMINATED { TERMINATED } else { self.settle(self.doc + 1) }
    }

    fn seek(&mut self, target: DocId) -> DocId {
        if target <= self.doc { self.doc } else { self.settle(target) }
    }

    fn seek_danger(&mut self, target: DocId) -> SeekDangerResult {
        if target >= self.end {
            self.doc = TERMINATED;
            return SeekDangerResult::SeekLowerBound(TERMINATED);
        }
        if self.has(target) {
            self.doc = target;
            return SeekDangerResult::Found;
        }
        SeekDangerResult::SeekLowerBound(target + 1)
    }

    fn doc(&self) -> DocId {
        self.doc
    }

    fn size_hint(&self) -> u32 {
        self.end
    }
}

impl Scorer for ViewedDocuments {
    fn score(&mut self) -> Score {
        0.0
    }
}
