//! Any of the words that begin with some letters, are nearly a word, or are hosts below another one: a step towards the deadline for each word and
//! each block of messages that have it, as in a large index there are hundreds of thousands.

use std::sync::Arc;

use tantivy::query::{BitSetDocSet, ConstScorer, EmptyScorer, EnableScoring, Explanation, FuzzyTermQuery, Query, Scorer, Weight};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::termdict::TermDictionary;
use tantivy::{BitSet, InvertedIndexReader, Score, SegmentReader, TantivyError, Term};

use super::deadline::{Deadline, Steps};
use super::slips::Similar;

/// Any of some words.
#[derive(Clone, Debug)]
pub(super) struct AnyWord {
    pub(super) field: Field,
    pub(super) words: WordSet,
    pub(super) deadline: Arc<Deadline>,
}

/// Which words.
#[derive(Clone, Debug)]
pub(super) enum WordSet {
    /// Those that begin with some letters, and these.
    BeginningWith(String, Vec<Term>),
    /// Those that are nearly a word.
    SimilarTo(Similar),
    /// A host and those below it.
    HostsBelow(String),
    /// These.
    Terms(Vec<Term>),
}

impl Query for AnyWord {
    fn weight(&self, _: EnableScoring<'_>) -> Result<Box<dyn Weight>, TantivyError> {
        Ok(Box::new(self.clone()))
    }
}

impl Weight for AnyWord {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> Result<Box<dyn Scorer>, TantivyError> {
        let index = reader.inverted_index(self.field)?;
        let mut found = WordDocuments {
            steps: Steps::until(&self.deadline),
            documents: BitSet::with_max_value(reader.max_doc()),
            index: &index,
        };
        let is_complete = match &self.words {
            WordSet::BeginningWith(letters, others) => found.beginning_with(letters.as_bytes())? && found.terms(others)?,
            WordSet::SimilarTo(similar) => found.similar_to(self.field, similar)?,
            WordSet::HostsBelow(host) => found.hosts_below(host)?,
            WordSet::Terms(terms) => found.terms(terms)?,
        };
        if !is_complete {
            return Ok(Box::new(EmptyScorer));
        }
        Ok(Box::new(ConstScorer::new(BitSetDocSet::from(found.documents), boost)))
    }

    fn explain(&self, _: &SegmentReader, _: u32) -> Result<Explanation, TantivyError> {
        Ok(Explanation::new("any of some words", 1.0))
    }
}

/// The documents of the words that were found so far. Each step says whether there was time for it.
struct WordDocuments<'i> {
    steps: Steps,
    documents: BitSet,
    index: &'i InvertedIndexReader,
}

impl<'i> WordDocuments<'i> {
    fn dictionary(&self) -> &'i TermDictionary {
        self.index.terms()
    }

    /// Adds the documents that have a word.
    fn add(&mut self, word: &tantivy::postings::TermInfo) -> Result<bool, TantivyError> {
        let mut postings = self.index.read_block_postings_from_terminfo(word, IndexRecordOption::Basic)?;
        loop {
            if !self.steps.step() {
                return Ok(false);
            }
            let block = postings.docs();
            if block.is_empty() {
                return Ok(true);
            }
            for doc in block {
                self.documents.insert(*doc);
            }
            postings.advance();
        }
    }

    fn beginning_with(&mut self, letters: &[u8]) -> Result<bool, TantivyError> {
        let mut words = self.dictionary().range().ge(letters).into_stream()?;
        while words.advance() && words.key().starts_with(letters) {
            if !self.add(words.value())? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn similar_to(&mut self, field: Field, similar: &Similar) -> Result<bool, TantivyError> {
        for text in &similar.terms {
            if !self.term(&Term::from_field_text(field, text))? {
                return Ok(false);
            }
        }
        for form in &similar.forms {
            let term = Term::from_field_text(field, form);
            let automaton = FuzzyTermQuery::new(term, similar.slips, true).automaton()?;
            let mut words = self.dictionary().search(automaton).into_stream()?;
            while words.advance() {
                // Pairs of characters and signs are near a short word too.
                let is_word = std::str::from_utf8(words.key()).is_ok_and(|word| word.chars().all(char::is_alphanumeric));
                if is_word && !self.add(words.value())? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn hosts_below(&mut self, host: &str) -> Result<bool, TantivyError> {
        let below = format!(".{host}");
        let mut hosts = self.dictionary().stream()?;
        while hosts.advance() {
            if !self.steps.step() {
                return Ok(false);
            }
            let is_below = hosts.key() == host.as_bytes() || hosts.key().ends_with(below.as_bytes());
            if is_below && !self.add(hosts.value())? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn terms(&mut self, terms: &[Term]) -> Result<bool, TantivyError> {
        for term in terms {
            if !self.term(term)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn term(&mut self, term: &Term) -> Result<bool, TantivyError> {
        match self.index.get_term_info(term)? {
            Some(info) => self.add(&info),
            None => Ok(self.steps.step()),
        }
    }
}
