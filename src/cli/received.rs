//! Responses as the commands read them: typed, with all of what came beside it; and lists page by page.

use anyhow::bail;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::show::StoredView;
use crate::views::{
    ChangeLine, ChangesPage, CountersView, CoveragePage, CoverageView, DeadLetterView, DeadLettersPage, DumpPage, ErasureView,
    ErasuresPage, FileView, FilesPage, HitView, HitsPage, JobView, JobsView, KnownPeer, MemberCountView, MemberCountsPage,
    MessageCountersPage, MessagesPage, PeersPage, WatchView, WatchesPage,
};

/// A response.
#[derive(Clone, Debug)]
pub struct Received<T> {
    /// What this version of the program knows of it.
    pub view: T,
    /// All of it, for `--json`: also what only a newer server knows.
    pub json: Value,
}

impl<T: DeserializeOwned> Received<T> {
    /// Reads the response to a request for a target.
    pub(super) fn read(target: &str, json: Value) -> anyhow::Result<Self> {
        let path = target.split('?').next().unwrap_or_default();
        let version = env!("CARGO_PKG_VERSION");
        match T::deserialize(&json) {
            Ok(view) => Ok(Self { view, json }),
            Err(error) => bail!(
                "the response to `{path}` is not understood ({error}); this is telescribe {version}: use the version that the server has"
            ),
        }
    }
}

impl<P: ListPage> Received<P> {
    /// The entries of a page, each with all of it, for `--json`.
    pub fn entries(&self) -> impl Iterator<Item = (&P::Entry, &Value)> {
        let json = self.json.get(P::ENTRIES).and_then(Value::as_array);
        self.view.entries().iter().zip(json.into_iter().flatten())
    }
}

/// A page of a list (pagination).
pub trait ListPage: DeserializeOwned {
    /// What it has many of.
    type Entry;
    /// The member with the entries.
    const ENTRIES: &'static str;

    /// Its entries.
    fn entries(&self) -> &[Self::Entry];

    /// The cursor for the next page; `None` on the last page.
    fn next(&self) -> Option<String>;
}

macro_rules! pages {
    ($($page:ty, $entry:ty, $entries:ident;)*) => {
        $(impl ListPage for $page {
            type Entry = $entry;
            const ENTRIES: &'static str = stringify!($entries);

            fn entries(&self) -> &[$entry] {
                &self.$entries
            }

            fn next(&self) -> Option<String> {
                self.next.as_ref().map(ToString::to_string)
            }
        })*
    };
}

pages! {
    PeersPage, KnownPeer, peers;
    CoveragePage, CoverageView, peers;
    MemberCountsPage, MemberCountView, members;
    MessageCountersPage, CountersView, counters;
    HitsPage, HitView, hits;
    MessagesPage, StoredView, messages;
    DumpPage, Value, lines;
    FilesPage, FileView, files;
    WatchesPage, WatchView, watches;
    DeadLettersPage, DeadLetterView, dead_letters;
    ErasuresPage, ErasureView, erasures;
}

/// Not in pages: all jobs are in one.
impl ListPage for JobsView {
    type Entry = JobView;
    const ENTRIES: &'static str = "jobs";

    fn entries(&self) -> &[JobView] {
        &self.jobs
    }

    fn next(&self) -> Option<String> {
        None
    }
}

impl ListPage for ChangesPage {
    type Entry = ChangeLine;
    const ENTRIES: &'static str = "changes";

    fn entries(&self) -> &[ChangeLine] {
        &self.changes
    }

    fn next(&self) -> Option<String> {
        // The last page has a cursor too: it is where to follow from.
        Some(self.next.to_string())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn peer() -> Value {
        json!({ "type": "peer", "id": 7, "kind": "user", "title": "A", "crawled": true, "messages": 2, "messages_deleted": 1 })
    }

    #[test]
    fn what_only_a_newer_server_knows_is_ignored_but_kept_for_json() {
        let mut newer = peer();
        newer["mood"] = json!("good");
        newer["kind"] = json!("hologram");
        let page = json!({ "peers": [newer.clone(), peer()], "next": 7, "took": 0.5 });
        let received = Received::<PeersPage>::read("/v1/peers?all=true", page).unwrap();
        let entries: Vec<(&KnownPeer, &Value)> = received.entries().collect();
        assert_eq!((entries[0].0.peer.kind.as_ref(), entries[0].1), ("hologram", &newer));
        assert_eq!((entries[1].0.messages, entries[1].1), (2, &peer()));
        assert_eq!(received.view.next(), Some("7".to_owned()));
    }

    #[test]
    fn what_is_missing_is_named() {
        let mut older = peer();
        older.as_object_mut().unwrap().remove("messages");
        let error = Received::<PeersPage>::read("/v1/peers?all=true", json!({ "peers": [older] })).unwrap_err().to_string();
        assert!(error.starts_with("the response to `/v1/peers` is not understood (missing field `messages`"), "{error}");
    }
}
