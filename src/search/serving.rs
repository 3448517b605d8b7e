//! The index that answers searches at present, while the one behind it may be rebuilt and replaced (a hot swap).

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::directory::Access;
use super::export::Export;
use super::find::SearchPage;
use super::folders::IndexFolders;
use super::related::{RelatedPage, RelatedRequest};
use super::request::{Request, Total};
use super::{Index, SearchError};
use crate::archive::{Archive, Snapshot};
use crate::model::{PeerId, Seq};

/// The least time between two checks of all files because of searches that fail: a query that fails for a reason of its own must not have
/// the whole index read each time that somebody asks it.
const CHECK_INTERVAL_MIN: Duration = Duration::from_secs(3_600);

/// How far a rebuild has got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RebuildProgress {
    /// Why the index is rebuilt.
    pub why: String,
    /// The last change that the new index has read.
    pub position: Seq,
    /// The archive's newest change.
    pub last: Seq,
}

/// A handle on the index that answers searches, in all peers or in some only; its clones are the same one.
#[derive(Clone)]
pub struct ServingIndex(Arc<Shared>, Option<Arc<BTreeSet<PeerId>>>);

struct Shared {
    folders: IndexFolders,
    archive: Arc<Archive>,
    opening: Opening,
    state: RwLock<State>,
    suspicion: Mutex<Suspicion>,
    suspected: Notify,
}

#[derive(Default)]
struct Suspicion {
    /// The damage that was met and is not looked into yet.
    met: Option<String>,
    /// When all files were last found to be whole.
    cleared: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opening {
    /// By the first search, for reading: a command that reads only the archive needs none.
    Lazy,
    /// By the program that also writes it.
    Eager,
}

#[derive(Default)]
struct State {
    index: Option<Arc<Index>>,
    /// Why it is rebuilt, and how far that has got.
    rebuild: Option<(String, Seq)>,
}

impl ServingIndex {
    /// The index of an archive, which is not touched before the first search; nothing is ever written.
    #[must_use]
    pub fn lazy(folders: IndexFolders, archive: &Arc<Archive>) -> Self {
        Self::new(folders, archive, Opening::Lazy, State::default())
    }

    /// Opens the index of an archive for a program that also writes it (see [`IndexSupervisor`](super::IndexSupervisor)): makes one where
    /// none is, and finishes a swap that was interrupted. One that cannot be used as it is, is to be rebuilt; it answers until then if it
    /// can be opened and is of this archive.
    ///
    /// # Errors
    /// When the index has seen more than the archive has, the folder holds other files than an index, or the system refuses.
    pub fn open(folders: IndexFolders, archive: &Arc<Archive>) -> Result<Self, SearchError> {
        let state = open(&folders, archive)?;
        Ok(Self::new(folders, archive, Opening::Eager, state))
    }

    /// An index that is open already.
    #[must_use]
    pub fn of(index: Arc<Index>, archive: &Arc<Archive>) -> Self {
        let state = State { rebuild: None, index: Some(Arc::clone(&index)) };
        Self::new(IndexFolders::at(index.path()), archive, Opening::Eager, state)
    }

    fn new(folders: IndexFolders, archive: &Arc<Archive>, opening: Opening, state: State) -> Self {
        let (archive, state) = (Arc::clone(archive), RwLock::new(state));
        let shared = Shared { folders, archive, opening, state, suspicion: Mutex::default(), suspected: Notify::new() };
        Self(Arc::new(shared), None)
    }

    /// The same of some peers only: whatever is found is of these.
    #[must_use]
    pub fn limited_to(&self, only: Arc<BTreeSet<PeerId>>) -> Self {
        Self(Arc::clone(&self.0), Some(only))
    }

    /// What is searched in: the peers that it shows are those of which there are hits.
    fn snapshot(&self) -> Snapshot {
        let flushed = self.0.archive.flushed();
        match &self.1 {
            Some(only) => flushed.limited_to(Arc::clone(only)),
            None => flushed,
        }
    }

    /// The open index.
    ///
    /// # Errors
    /// When there is none, it cannot be used, or its rebuild has to be complete first.
    pub fn get(&self) -> Result<Arc<Index>, SearchError> {
        let state = self.0.state.read().unwrap_or_else(PoisonError::into_inner);
        match (&state.index, &state.rebuild) {
            (Some(index), _) => return Ok(Arc::clone(index)),
            (None, Some((_, position))) => {
                return Err(SearchError::Rebuilding { position: *position, last: self.0.archive.last_seq() });
            }
            (None, None) => drop(state),
        }
        let opened = match self.0.opening {
            Opening::Lazy => self.0.folders.open_to_read(&self.0.archive)?,
            Opening::Eager => return Err(SearchError::NoIndex { path: self.0.folders.current().to_owned() }),
        };
        let mut state = self.0.state.write().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(state.index.get_or_insert_with(|| Arc::new(opened))))
    }

    /// Finds a page of messages; damage that is met is noted. Blocks.
    ///
    /// # Errors
    /// See [`Index::search`] and [`ServingIndex::get`].
    pub fn search(&self, request: &Request) -> Result<SearchPage, SearchError> {
        self.guarded(|index| index.search(&self.snapshot(), request))
    }

    /// Finds the next hits of an export; damage that is met is noted. Blocks.
    ///
    /// # Errors
    /// See [`ServingIndex::search`].
    pub fn continue_export(&self, export: &mut Export, time_limit: Duration) -> Result<(), SearchError> {
        self.guarded(|index| index.continue_export(&self.snapshot(), export, time_limit))
    }

    /// Finds the messages that belong to another one; damage that is met is noted. Blocks.
    ///
    /// # Errors
    /// See [`Index::related`] and [`ServingIndex::get`].
    pub fn related(&self, request: &RelatedRequest) -> Result<RelatedPage, SearchError> {
        if self.1.as_ref().is_some_and(|only| !only.contains(&request.chat.peer())) {
            return Ok(RelatedPage { keys: Vec::new(), total: Total::Exactly(0) });
        }
        self.guarded(|index| index.related(request))
    }

    /// Reads the index; damage that is met is noted.
    fn guarded<T>(&self, read: impl FnOnce(&Index) -> Result<T, SearchError>) -> Result<T, SearchError> {
        let outcome = read(self.get()?.as_ref());
        match (outcome, self.0.opening) {
            (Err(SearchError::Damaged { path, why }), Opening::Eager) => match self.rebuild() {
                Some(RebuildProgress { position, last, .. }) => Err(SearchError::Rebuilding { position, last }),
                None if self.is_cleared() => Err(SearchError::Index { path, why }),
                None => {
                    self.report_damage(&why);
                    Err(SearchError::Suspected)
                }
            },
            (outcome, _) => outcome,
        }
    }

    /// How far into the change log searches see; 0 where none is possible.
    #[must_use]
    pub fn position(&self) -> Seq {
        self.get().map_or(Seq(0), |index| index.position())
    }

    /// How many messages searches see.
    #[must_use]
    pub fn document_count(&self) -> u64 {
        self.get().map_or(0, |index| index.document_count())
    }

    /// Why the index is being rebuilt, and how far that has got; `None` where it is not.
    #[must_use]
    pub fn rebuild(&self) -> Option<RebuildProgress> {
        let rebuild = self.0.state.read().unwrap_or_else(PoisonError::into_inner).rebuild.clone();
        rebuild.map(|(why, position)| RebuildProgress { why, position, last: self.0.archive.last_seq() })
    }

    /// Reports that somebody has met damage in the index, as a background check of its checksums does, so that all of its files are
    /// checked and the index is rebuilt if one is damaged. Only the first report is logged, until that is done.
    pub fn report_damage(&self, why: &str) {
        if self.rebuild().is_some() {
            return;
        }
        let mut suspicion = self.suspicion();
        if suspicion.met.is_none() {
            tracing::error!("the search index seems to be damaged, its files are checked now: {why}");
            suspicion.met = Some(why.to_owned());
            self.0.suspected.notify_one();
        }
    }

    /// Whether all files were whole a moment ago, so that it is not them that a search fails on.
    fn is_cleared(&self) -> bool {
        self.suspicion().cleared.is_some_and(|at| at.elapsed() < CHECK_INTERVAL_MIN)
    }

    pub(super) fn is_suspected(&self) -> bool {
        self.suspicion().met.is_some()
    }

    /// Says that all files are whole.
    pub(super) fn clear(&self) {
        *self.suspicion() = Suspicion { met: None, cleared: Some(Instant::now()) };
    }

    fn suspicion(&self) -> MutexGuard<'_, Suspicion> {
        self.0.suspicion.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when damage is met. May be dropped at any moment.
    pub(super) async fn suspected(&self) {
        self.0.suspected.notified().await;
    }

    pub(super) fn folders(&self) -> &IndexFolders {
        &self.0.folders
    }

    pub(super) fn archive(&self) -> &Arc<Archive> {
        &self.0.archive
    }

    /// Says that the index is rebuilt from now on, because of damage that was found.
    pub(super) fn begin_rebuild(&self, why: String) {
        self.0.state.write().unwrap_or_else(PoisonError::into_inner).rebuild = Some((why, Seq(0)));
        *self.suspicion() = Suspicion::default();
    }

    pub(super) fn note_rebuilt(&self, position: Seq) {
        if let Some((_, noted)) = &mut self.0.state.write().unwrap_or_else(PoisonError::into_inner).rebuild {
            *noted = position;
        }
    }

    /// Opens the index anew, after it was replaced. What answers until then goes on where this fails.
    pub(super) fn reopen(&self) -> Result<(), SearchError> {
        let state = open(&self.0.folders, &self.0.archive)?;
        *self.0.state.write().unwrap_or_else(PoisonError::into_inner) = state;
        Ok(())
    }
}

fn open(folders: &IndexFolders, archive: &Archive) -> Result<State, SearchError> {
    folders.recover(archive)?;
    let path = folders.current();
    let interrupted = folders.reason_of_rebuild()?;
    let (index, fault) = match Index::open_as_it_is(path, archive, Access::Write) {
        Ok(index) => {
            let fault = index.fault().map(str::to_owned);
            (Some(index), fault)
        }
        Err(SearchError::Unusable { why, .. }) => (None, Some(why)),
        Err(SearchError::NoIndex { .. }) if interrupted.is_some() => (None, None),
        Err(SearchError::NoIndex { .. }) => (Some(Index::make(path)?), None),
        Err(error) => return Err(error),
    };
    let why = fault.or(interrupted);
    if let Some(why) = &why {
        let meanwhile = if index.is_some() { "it answers until then" } else { "there is no search until then" };
        tracing::warn!("index at `{}` is rebuilt from the archive beside itself, {meanwhile}: {why}", path.display());
    }
    Ok(State { index: index.map(Arc::new), rebuild: why.map(|why| (why, Seq(0))) })
}
