//! All of several queries and none of others.
//!
//! Tantivy's intersection looks for its first hit when it is made, and from one hit to the next without a pause: over a hundred million
//! documents without one that is longer than a search may take. This one asks its clauses whether they have a candidate (`seek_danger`,
//! which does not look any further), and makes a step towards the deadline for each. A phrase is a conjunction of one clause.
//!
//! The score is the sum of the clauses' scores, rounded: sums of such numbers are exact in any order, so that a message has one score wherever in the
//! index it is, which cursors rely on.

use std::sync::Arc;

use tantivy::query::{EnableScoring, Explanation, Query, Scorer, Weight};
use tantivy::{DocId, DocSet, Score, SeekDangerResult, SegmentReader, TERMINATED, TantivyError, Term};

use super::deadline::{Deadline, Steps};

/// What scores are multiples of: sums of up to 2^12 of them are exact in 24 bits.
pub(super) const SCORE_STEP: Score = 1.0 / 4_096.0;

/// A score as it is compared.
pub(super) fn rounded(score: Score) -> Score {
    (score / SCORE_STEP).round() * SCORE_STEP
}

/// All of some queries, and none of others.
#[derive(Clone, Debug)]
pub(super) struct Conjunction {
    required: Vec<Arc<dyn Query>>,
    /// A hit scores better if it has these.
    preferred: Vec<Arc<dyn Query>>,
    excluded: Vec<Arc<dyn Query>>,
    deadline: Arc<Deadline>,
}

impl Conjunction {
    /// All of some queries, of which there is at least one.
    pub(super) fn of(required: Vec<Box<dyn Query>>, deadline: &Arc<Deadline>) -> Self {
        let required = required.into_iter().map(Arc::from).collect();
        Self { required, preferred: Vec::new(), excluded: Vec::new(), deadline: Arc::clone(deadline) }
    }

    /// What lets a hit score better.
    pub(super) fn prefer(mut self, query: Box<dyn Query>) -> Self {
        self.preferred.push(Arc::from(query));
        self
    }

    /// What no hit may have.
    pub(super) fn exclude(mut self, query: Box<dyn Query>) -> Self {
        self.excluded.push(Arc::from(query));
        self
    }

    fn queries(&self) -> impl Iterator<Item = &Arc<dyn Query>> {
        self.required.iter().chain(&self.preferred).chain(&self.excluded)
    }
}

impl Query for Conjunction {
    fn weight(&self, scoring: EnableScoring<'_>) -> Result<Box<dyn Weight>, TantivyError> {
        let weights =
            |queries: &[Arc<dyn Query>]| queries.iter().map(|query| query.weight(scoring)).collect::<Result<Vec<_>, _>>();
        Ok(Box::new(ConjunctionWeight {
            required: weights(&self.required)?,
            preferred: if scoring.is_scoring_enabled() { weights(&self.preferred)? } else { Vec::new() },
            excluded: weights(&self.excluded)?,
            deadline: Arc::clone(&self.deadline),
        }))
    }

    fn query_terms<'a>(&'a self, visitor: &mut dyn FnMut(&'a Term, bool)) {
        self.queries().for_each(|query| query.query_terms(visitor));
    }
}

struct ConjunctionWeight {
    required: Vec<Box<dyn Weight>>,
    preferred: Vec<Box<dyn Weight>>,
    excluded: Vec<Box<dyn Weight>>,
    deadline: Arc<Deadline>,
}

impl ConjunctionWeight {
    /// The scorer before its first step.
    fn unmoved(&self, reader: &SegmentReader, first: DocId, boost: Score) -> Result<ConjunctionScorer, TantivyError> {
        let clauses = |weights: &[Box<dyn Weight>]| {
            weights.iter().map(|weight| Clause::of(weight.as_ref(), reader, first, boost)).collect::<Result<Vec<_>, _>>()
        };
        let mut required = clauses(&self.required)?;
        // The rarest is asked first.
        required.sort_by_key(|clause| clause.scorer.cost());
        let (preferred, excluded) = (clauses(&self.preferred)?, clauses(&self.excluded)?);
        Ok(ConjunctionScorer { required, preferred, excluded, doc: first, steps: Steps::until(&self.deadline) })
    }
}

impl Weight for ConjunctionWeight {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> Result<Box<dyn Scorer>, TantivyError> {
        let mut scorer = self.unmoved(reader, 0, boost)?;
        scorer.settle(0);
        Ok(Box::new(scorer))
    }

    fn scorer_danger(
        &self,
        reader: &SegmentReader,
        target: DocId,
        boost: Score,
    ) -> Result<(SeekDangerResult, Box<dyn Scorer>), TantivyError> {
        let mut scorer = self.unmoved(reader, target, boost)?;
        let result = scorer.ask(target);
        Ok((result, Box::new(scorer)))
    }

    fn explain(&self, reader: &SegmentReader, doc: DocId) -> Result<Explanation, TantivyError> {
        let mut scorer = self.scorer(reader, 1.0)?;
        scorer.seek(doc);
        Ok(Explanation::new("a conjunction", scorer.score()))
    }
}

/// A clause and what it said last. It is only asked for what lies ahead of that, and never twice.
struct Clause {
    scorer: Box<dyn Scorer>,
    /// What it was asked for last.
    asked: DocId,
    said: SeekDangerResult,
}

impl Clause {
    fn of(weight: &dyn Weight, reader: &SegmentReader, first: DocId, boost: Score) -> Result<Self, TantivyError> {
        let (said, scorer) = weight.scorer_danger(reader, first, boost)?;
        Ok(Self { scorer, asked: first, said })
    }

    /// Whether it has a document; if not, no document before the one that is returned.
    #[inline]
    fn ask(&mut self, target: DocId) -> SeekDangerResult {
        match self.said {
            SeekDangerResult::SeekLowerBound(next) if next > target => {}
            _ if self.asked == target => {}
            _ => {
                self.asked = target;
                self.said = self.scorer.seek_danger(target);
            }
        }
        self.said
    }

    fn has(&mut self, target: DocId) -> bool {
        self.ask(target) == SeekDangerResult::Found
    }
}

struct ConjunctionScorer {
    required: Vec<Clause>,
    preferred: Vec<Clause>,
    excluded: Vec<Clause>,
    /// The hit that it is at.
    doc: DocId,
    steps: Steps,
}

impl ConjunctionScorer {
    /// Asks for one document.
    fn ask(&mut self, target: DocId) -> SeekDangerResult {
        if target >= TERMINATED || !self.steps.step() {
            self.doc = TERMINATED;
            return SeekDangerResult::SeekLowerBound(TERMINATED);
        }
        for clause in &mut self.required {
            if let SeekDangerResult::SeekLowerBound(next) = clause.ask(target) {
                return SeekDangerResult::SeekLowerBound(next);
            }
        }
        if self.excluded.iter_mut().any(|clause| clause.has(target)) {
            return SeekDangerResult::SeekLowerBound(target + 1);
        }
        self.doc = target;
        SeekDangerResult::Found
    }

    /// Goes to the first hit that is not before a document.
    fn settle(&mut self, mut candidate: DocId) -> DocId {
        while let SeekDangerResult::SeekLowerBound(next) = self.ask(candidate) {
            if self.doc == TERMINATED {
                break;
            }
            candidate = next;
        }
        self.doc
    }
}

impl DocSet for ConjunctionScorer {
    fn advance(&mut self) -> DocId {
        if self.doc == TERMINATED { TERMINATED } else { self.settle(self.doc + 1) }
    }

    fn seek(&mut self, target: DocId) -> DocId {
        if target <= self.doc { self.doc } else { self.settle(target) }
    }

    fn seek_danger(&mut self, target: DocId) -> SeekDangerResult {
        self.ask(target)
    }

    fn doc(&self) -> DocId {
        self.doc
    }

    fn size_hint(&self) -> u32 {
        self.required.iter().map(|clause| clause.scorer.size_hint()).min().unwrap_or_default()
    }

    fn cost(&self) -> u64 {
        self.required.first().map_or(0, |clause| clause.scorer.cost())
    }
}

impl Scorer for ConjunctionScorer {
    fn score(&mut self) -> Score {
        let doc = self.doc;
        let required: Score = self.required.iter_mut().map(|clause| rounded(clause.scorer.score())).sum();
        let preferred: Score =
            self.preferred.iter_mut().map(|clause| if clause.has(doc) { rounded(clause.scorer.score()) } else { 0.0 }).sum();
        required + preferred
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tantivy::collector::{Count, TopDocs};
    use tantivy::query::{PhraseQuery, TermQuery};
    use tantivy::schema::{Field, IndexRecordOption, Schema, TEXT};
    use tantivy::{Index, Searcher, TantivyDocument};

    use super::super::deadline::STEPS;
    use super::super::expansion::{AnyWord, WordSet};
    use super::*;

    fn searcher(texts: impl IntoIterator<Item = String>) -> (Searcher, Field) {
        let mut schema = Schema::builder();
        let field = schema.add_text_field("text", TEXT);
        let index = Index::create_in_ram(schema.build());
        let mut writer = index.writer_with_num_threads(1, 15_000_000).expect("a writer");
        for text in texts {
            let mut document = TantivyDocument::new();
            document.add_text(field, text);
            writer.add_document(document).expect("added");
        }
        writer.commit().expect("a commit");
        (index.reader().expect("a reader").searcher(), field)
    }

    fn word(field: Field, word: &str) -> Term {
        Term::from_field_text(field, word)
    }

    fn term(field: Field, text: &str) -> Box<dyn Query> {
        Box::new(TermQuery::new(word(field, text), IndexRecordOption::WithFreqs))
    }

    #[test]
    fn whoever_finds_nothing_for_long_looks_at_the_clock() {
        let (searcher, field) = searcher((0..20_000).map(|n| if n % 2 == 0 { "a b x".to_owned() } else { format!("c w{n}") }));
        let phrase = |texts: &[&str]| -> Box<dyn Query> {
            Box::new(PhraseQuery::new(texts.iter().map(|text| word(field, text)).collect()))
        };
        let any = |words: WordSet, deadline: &Arc<Deadline>| -> Box<dyn Query> {
            Box::new(AnyWord { field, words, deadline: Arc::clone(deadline) })
        };
        let conjunctions = |deadline: &Arc<Deadline>| -> Vec<(&str, Box<dyn Query>)> {
            vec![
                ("words", Box::new(Conjunction::of(vec![term(field, "a"), term(field, "c")], deadline))),
                ("a phrase", Box::new(Conjunction::of(vec![phrase(&["b", "a"])], deadline))),
                ("a word without it", Box::new(Conjunction::of(vec![term(field, "a")], deadline).exclude(term(field, "x")))),
                ("beginnings", any(WordSet::BeginningWith("w".to_owned(), Vec::new()), deadline)),
                ("hosts", any(WordSet::HostsBelow("example.com".to_owned()), deadline)),
            ]
        };
        let unlimited = Deadline::at_look(u32::MAX);
        for ((what, limited), (_, whole)) in conjunctions(&Deadline::at_look(0)).into_iter().zip(conjunctions(&unlimited)) {
            let expected = if what == "beginnings" { 10_000 } else { 0 };
            assert_eq!(searcher.search(&whole, &Count).expect("found"), expected, "{what}");
            assert_eq!(searcher.search(&limited, &Count).expect("found"), 0, "{what}");
        }
        assert!(!unlimited.is_missed());
        for nth in 0..5 {
            let deadline = Deadline::at_look(2);
            let (what, query) = conjunctions(&deadline).remove(nth);
            searcher.search(&query, &Count).expect("found");
            assert!(deadline.is_missed(), "{what}");
        }
        const { assert!(STEPS < 1_000, "what these texts are enough for") }
    }

    /// Which of some texts have what is asked for.
    fn matching(texts: &[String], matches: impl Fn(&[&str]) -> bool) -> Vec<u32> {
        let has = |text: &String| matches(&text.split(' ').collect::<Vec<_>>());
        (0_u32..).zip(texts).filter(|(_, text)| has(text)).map(|(doc, _)| doc).collect()
    }

    fn found(searcher: &Searcher, query: &dyn Query) -> Vec<u32> {
        let all = TopDocs::with_limit(1_000).order_by_score();
        let mut docs: Vec<u32> = searcher.search(query, &all).expect("found").into_iter().map(|(_, at)| at.doc_id).collect();
        docs.sort_unstable();
        docs
    }

    proptest! {
        #[test]
        fn all_and_none_are_found_however_they_are_nested(
            texts in prop::collection::vec("[abcd]( [abcd]){0,4}", 1..200),
            required in prop::collection::vec("[abcd]", 1..3),
            inner in prop::collection::vec("[abcd]", 1..3),
            excluded in "[abcde]",
        ) {
            let (searcher, field) = searcher(texts.clone());
            let deadline = Deadline::at_look(u32::MAX);
            let terms = |words: &[String]| words.iter().map(|word| term(field, word)).collect::<Vec<_>>();
            let nested = Conjunction::of(terms(&inner), &deadline).exclude(term(field, &excluded));
            let mut all = terms(&required);
            all.push(Box::new(nested.clone()));
            let query = Conjunction::of(all, &deadline).prefer(term(field, "d"));
            let has = |words: &[&str], wanted: &[String]| wanted.iter().all(|wanted| words.contains(&wanted.as_str()));
            let by_hand = matching(&texts, |words| has(words, &required) && has(words, &inner) && !words.contains(&excluded.as_str()));
            prop_assert_eq!(found(&searcher, &query), by_hand);
            let not_nested = Conjunction::of(terms(&required), &deadline).exclude(Box::new(nested));
            let by_hand = matching(&texts, |words| {
                has(words, &required) && (!has(words, &inner) || words.contains(&excluded.as_str()))
            });
            prop_assert_eq!(found(&searcher, &not_nested), by_hand);
        }
    }
}
