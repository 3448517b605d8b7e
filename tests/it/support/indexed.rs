//! An archive and its index in a folder that goes away.

use std::path::Path;
use std::sync::Arc;

use telescribe::archive::{Archive, Durability, Raw};
use telescribe::model::{Message, MessageKey};
use telescribe::search::{Index, Indexer, IndexerSettings, Request, SearchError, SearchPage, SearchQuery, SortOrder};
use tempfile::TempDir;

use crate::support::messages::NOW;

pub(crate) struct Indexed {
    pub(crate) archive: Arc<Archive>,
    pub(crate) index: Arc<Index>,
    pub(crate) indexer: Indexer,
    pub(crate) folder: TempDir,
}

impl Indexed {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let archive = Archive::open(&folder.path().join("archive"), Durability::Always).expect("an archive");
        Self::with(Arc::new(archive), folder)
    }

    pub(crate) fn with(archive: Arc<Archive>, folder: TempDir) -> Self {
        let index = Arc::new(open(folder.path(), &archive));
        let indexer = indexer(&index, &archive);
        Self { archive, index, indexer, folder }
    }

    /// The same archive with the index opened anew, after something was done to its folder.
    pub(crate) fn reopened(self, meanwhile: impl FnOnce(&Path)) -> Self {
        let Self { archive, index, indexer, folder } = self;
        drop((index, indexer));
        meanwhile(&folder.path().join("index"));
        Self::with(archive, folder)
    }

    pub(crate) fn archive(&self, messages: impl IntoIterator<Item = Message>) {
        let mut write = self.archive.write(NOW);
        for message in messages {
            let revision = message.edited.map_or(0, |t| t.0);
            write.message(message, Raw::default(), revision);
        }
        write.commit().expect("a write");
    }

    pub(crate) async fn index(&mut self) {
        self.indexer.catch_up().await.expect("indexing");
        assert_eq!(self.index.position(), self.archive.last_seq());
        let found = self.index.verify(&self.archive.flushed()).expect("a comparison");
        assert!(found.is_equal(), "{found:?}");
    }

    pub(crate) fn ask(&self, request: &Request) -> Result<SearchPage, SearchError> {
        self.index.search(&self.archive.flushed(), request)
    }

    /// The ids of the first hits of a query, ascending.
    pub(crate) fn ids(&self, query: &str) -> Vec<i32> {
        let request = Request { page_size: 100, ..request(query) };
        let page = self.ask(&request).unwrap_or_else(|e| panic!("{query}: {e}"));
        let mut ids: Vec<i32> = page.hits.iter().map(|hit| hit.key.id.0).collect();
        ids.sort_unstable();
        ids
    }

    /// Every hit of a query, page by page.
    pub(crate) fn paged(&self, query: &str, sort: SortOrder, page_size: usize) -> Vec<MessageKey> {
        let mut request = Request { sort, page_size, ..request(query) };
        let mut all = Vec::new();
        loop {
            let page = self.ask(&request).expect("a page");
            assert!(page.hits.len() <= page_size);
            all.extend(page.hits.iter().map(|hit| hit.key));
            match page.next {
                Some(next) => request.cursor = Some(next),
                None => return all,
            }
        }
    }
}

pub(crate) fn open(folder: &Path, archive: &Archive) -> Index {
    Index::open(&folder.join("index"), archive).expect("an index")
}

pub(crate) fn indexer(index: &Arc<Index>, archive: &Arc<Archive>) -> Indexer {
    Indexer::new(Arc::clone(index), Arc::clone(archive), IndexerSettings::default())
}

pub(crate) fn request(query: &str) -> Request {
    Request::new(SearchQuery::parse(query).unwrap_or_else(|e| panic!("{query}: {e}")))
}
