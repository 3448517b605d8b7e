//! The status of the running program: crawling, accounts, jobs, publishing, workers.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::{BackupStatusView, JobView, MirrorView};

/// The status of the program beside its archive and index. All members but `running` and `backup` are absent where it does not run.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = ProgramStatus)]
pub struct ProgramView {
    /// Whether the program runs; false where a command reads the archive itself.
    pub running: bool,
    /// The crawl.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crawl: Option<CrawlView>,
    /// The accounts, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accounts: Option<Vec<AccountStatusView>>,
    /// The jobs, as `/v1/jobs` lists them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jobs: Option<Vec<JobView>>,
    /// The output that `publish` of the configuration plans; null where it names no broker.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    #[schema(value_type = Option<PublishView>)]
    pub publish: Option<Option<PublishView>>,
    /// All outputs, that of `publish` included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Vec<OutputView>>,
    /// The newest backup; also where the program does not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<BackupStatusView>,
    /// The mirror of stored files; absent where none is configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirror: Option<MirrorView>,
    /// The workers, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workers: Option<Vec<WorkerView>>,
    /// The process's open files; absent where the system does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_files: Option<OpenFilesView>,
}

/// The process's open files, sockets included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = OpenFiles)]
pub struct OpenFilesView {
    /// How many are open.
    pub open: u64,
    /// How many may be open: the soft limit, which the program raises to the hard one.
    pub limit: u64,
    /// Of these, the archive's share: the most tables that it keeps open.
    pub archive_max: u64,
}

/// A member that is there, be it null.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// The status of the crawl. The counts of peers, messages and ids are absent where the archive cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = CrawlStatus)]
pub struct CrawlView {
    /// Requests that are queued.
    pub units_waiting: u64,
    /// Requests that are in progress.
    pub units_running: u64,
    /// Constructors of Telegram's schema that this version has no name for, and how many messages contain each, since the program started.
    pub unknown_constructors: BTreeMap<String, u64>,
    /// Peers that are crawled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peers: Option<u64>,
    /// Of these, the complete ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peers_complete: Option<u64>,
    /// Of these, the ones that no account can read at present.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peers_unavailable: Option<u64>,
    /// Messages that are archived, also those deleted since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages: Option<u64>,
    /// Ids that were read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ids_read: Option<u64>,
    /// Ids that were not read yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ids_missing: Option<u64>,
    /// Ids that must be read again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ids_recheck: Option<u64>,
    /// Messages of mass deletions that await confirmation by a second request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletions_held: Option<u64>,
}

/// The status of an account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = AccountStatus)]
pub struct AccountStatusView {
    /// Its name.
    pub name: String,
    /// `ready`, `signed_out`, `banned` or `duplicated`.
    pub state: Cow<'static, str>,
    /// Telegram's error name for a state that is not `ready`; what is in the way of responses, where there are none.
    pub reason: Option<String>,
    /// What to do about such a state.
    pub way_out: Option<String>,
    /// Requests since the program started.
    pub requests: u64,
    /// Requests in progress, file requests aside.
    pub requests_running: usize,
    /// File requests in progress.
    pub downloads_running: usize,
    /// Until when it sends no requests at all (RFC 3339).
    pub rests_until: Option<String>,
    /// The methods that Telegram has asked it to wait with, and until when (RFC 3339).
    pub parked_until: BTreeMap<String, String>,
    /// The learnt rate limit of each method: the least seconds between two calls.
    pub interval_seconds: BTreeMap<String, f64>,
    /// Flood waits that Telegram ever asked for.
    pub floods: u64,
    /// The last of them.
    pub last_flood: Option<FloodView>,
    /// What is known while it gets no response from Telegram; null where it does.
    #[serde(default)]
    pub no_response: Option<NoResponseView>,
}

/// An account gets no response from Telegram.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = NoResponse)]
pub struct NoResponseView {
    /// When the first request was sent that got none (RFC 3339).
    pub since: String,
    /// The method that was called last.
    pub method: String,
    /// Which data centre, its address, through which proxy, and what happened.
    pub why: String,
    /// When it is tried again (RFC 3339); a time that has passed means now.
    pub next_try: String,
    /// Requests that got no response.
    pub attempts: u32,
}

/// A flood wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Flood)]
pub struct FloodView {
    /// The method it was for.
    pub method: String,
    /// When Telegram asked for it (RFC 3339).
    pub at: String,
}

/// The status of publishing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = PublishStatus)]
pub struct PublishView {
    /// `disconnected`, `connected`, or `blocked` (the broker is short of memory or disk, or a full queue or a receiver refuses events).
    pub state: Cow<'static, str>,
    /// The last change that the broker has confirmed.
    pub position: u64,
    /// How many changes are not confirmed yet.
    pub lag: u64,
    /// Events confirmed since the program started, those published again included.
    pub confirmed: u64,
    /// Events that no queue was bound for, since the program started.
    pub unroutable: u64,
    /// Connections made since the program started.
    pub connections: u64,
    /// What went wrong last; absent when nothing is in the way any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// When it is tried again (RFC 3339), while something is in the way; a time that has passed means now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_try: Option<String>,
    /// The id of the event that is refused, and holds back what is behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused_event: Option<String>,
    /// Events that could not be delivered, and are kept (dead letters).
    #[serde(default)]
    pub dead_letters: u64,
}

/// The status of an output of events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = OutputStatus)]
pub struct OutputView {
    /// Its name, under which its position is kept.
    pub name: String,
    /// Its kind: `rabbitmq` or `webhook`.
    pub kind: Cow<'static, str>,
    /// How it is doing.
    #[serde(flatten)]
    pub report: PublishView,
}

/// The status of a worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = WorkerStatus)]
pub struct WorkerView {
    /// Its name.
    pub name: String,
    /// Steps that did something.
    pub steps: u64,
    /// Steps that failed.
    pub failures: u64,
    /// What the last failure said, until a step succeeds again.
    pub failing: Option<String>,
    /// Whether it has ended.
    pub stopped: bool,
}
