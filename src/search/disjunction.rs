//! Any of a few queries.
//!
//! Tantivy's union takes all documents of its clauses in a window of four thousand before it says which is the first. That is quick where most of them are
//! wanted, and slow for who jumps ahead: by relevance from the best of one block to that of another, and in a conjunction to where a rarer word is. This one
//! asks its clauses for the document that it is asked for, and no further.

use std::sync::Arc;

use tantivy::query::{BooleanQuery, EnableScoring, Explanation, Query, Scorer, Weight};
use tantivy::{DocId, DocSet, Score, SegmentReader, TERMINATED, TantivyError, Term};

/// Most clauses that are asked one by one; of more, the next document would be looked for among too many.
const CLAUSES_MAX: usize = 8;

/// Any of some queries; the scores of those that a document has are added up.
pub(super) fn any_of(mut any: Vec<Box<dyn Query>>) -> Box<dyn Query> {
    match any.len() {
        1 => any.remove(0),
        2..=CLAUSES_MAX => Box::new(Disjunction(any.into_iter().map(Arc::from).collect())),
        _ => Box::new(BooleanQuery::union(any)),
    }
}

#[derive(Clone, Debug)]
struct Disjunction(Vec<Arc<dyn Query>>);

impl Query for Disjunction {
    fn weight(&self, scoring: EnableScoring<'_>) -> Result<Box<dyn Weight>, TantivyError> {
        let weights = self.0.iter().map(|query| query.weight(scoring)).collect::<Result<_, _>>()?;
        Ok(Box::new(DisjunctionWeight(weights)))
    }

    fn query_terms<'a>(&'a self, visitor: &mut dyn FnMut(&'a Term, bool)) {
        self.0.iter().for_each(|query| query.query_terms(visitor));
    }
}

struct DisjunctionWeight(Vec<Box<dyn Weight>>);

impl Weight for DisjunctionWeight {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> Result<Box<dyn Scorer>, TantivyError> {
        let clauses = self.0.iter().map(|weight| weight.scorer(reader, boost)).collect::<Result<_, _>>()?;
        let mut scorer = DisjunctionScorer { clauses, doc: 0 };
        scorer.settle();
        Ok(Box::new(scorer))
    }

    fn explain(&self, reader: &SegmentReader, doc: DocId) -> Result<Explanation, TantivyError> {
        let mut scorer = self.scorer(reader, 1.0)?;
        scorer.seek(doc);
        Ok(Explanation::new("any of some clauses", scorer.score()))
    }
}

struct DisjunctionScorer {
    clauses: Vec<Box<dyn Scorer>>,
    /// The first document of all that the clauses are at.
    doc: DocId,
}

impl DisjunctionScorer {
    fn settle(&mut self) -> DocId {
        self.doc = self.clauses.iter().map(|clause| clause.doc()).min().unwrap_or(TERMINATED);
        self.doc
    }
}

impl DocSet for DisjunctionScorer {
    fn advance(&mut self) -> DocId {
        if self.doc == TERMINATED {
            return TERMINATED;
        }
        for clause in self.clauses.iter_mut().filter(|clause| clause.doc() == self.doc) {
            clause.advance();
        }
        self.settle()
    }

    fn seek(&mut self, target: DocId) -> DocId {
        if target <= self.doc {
            return self.doc;
        }
        for clause in self.clauses.iter_mut().filter(|clause| clause.doc() < target) {
            clause.seek(target);
        }
        self.settle()
    }

    fn doc(&self) -> DocId {
        self.doc
    }

    fn size_hint(&self) -> u32 {
        self.clauses.iter().fold(0, |sum, clause| sum.saturating_add(clause.size_hint()))
    }

    fn cost(&self) -> u64 {
        self.clauses.iter().map(|clause| clause.cost()).sum()
    }
}

impl Scorer for DisjunctionScorer {
    fn score(&mut self) -> Score {
        self.clauses.iter_mut().filter(|clause| clause.doc() == self.doc).map(|clause| clause.score()).sum()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tantivy::query::TermQuery;
    use tantivy::schema::{IndexRecordOption, Schema, TEXT};
    use tantivy::{Index, TantivyDocument};

    use super::*;

    proptest! {
        #[test]
        fn what_it_has_is_what_tantivys_union_has_however_it_is_asked(
            texts in prop::collection::vec("[abcde]( [abcde]){0,4}", 1..300),
            asked in prop::collection::vec("[abcdx]", 2..5),
            jumps in prop::collection::vec(0_u32..20, 0..60),
        ) {
            let mut schema = Schema::builder();
            let field = schema.add_text_field("text", TEXT);
            let index = Index::create_in_ram(schema.build());
            let mut writer = index.writer_with_num_threads(1, 15_000_000).expect("a writer");
            for text in &texts {
                let mut document = TantivyDocument::new();
                document.add_text(field, text);
                writer.add_document(document).expect("added");
            }
            writer.commit().expect("a commit");
            let searcher = index.reader().expect("a reader").searcher();
            let terms = || asked.iter().map(|word| -> Box<dyn Query> {
                Box::new(TermQuery::new(Term::from_field_text(field, word), IndexRecordOption::WithFreqs))
            }).collect::<Vec<_>>();
            let (ours, theirs) = (any_of(terms()), BooleanQuery::union(terms()));
            let scoring = EnableScoring::enabled_from_searcher(&searcher);
            let weights = (ours.weight(scoring).expect("a weight"), theirs.weight(scoring).expect("a weight"));
            for reader in searcher.segment_readers() {
                let mut ours = weights.0.scorer(reader, 1.0).expect("a scorer");
                let mut theirs = weights.1.scorer(reader, 1.0).expect("a scorer");
                let mut jumps = jumps.iter();
                loop {
                    prop_assert_eq!(ours.doc(), theirs.doc());
                    if ours.doc() == TERMINATED {
                        prop_assert_eq!((ours.advance(), ours.seek(TERMINATED)), (TERMINATED, TERMINATED));
                        break;
                    }
                    prop_assert!((ours.score() - theirs.score()).abs() < 1e-4);
                    match jumps.next() {
                        Some(jump) if *jump > 0 => {
                            let target = ours.doc() + jump;
                            prop_assert_eq!(ours.seek(target), theirs.seek(target));
                        }
                        _ => prop_assert_eq!(ours.advance(), theirs.advance()),
                    }
                }
            }
        }
    }
}
