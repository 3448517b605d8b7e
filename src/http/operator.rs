//! What the operator of the program may see and request (run a job, join a peer): a trait, because `http` starts nothing itself.
//!
//! A request is queued, and answered at once with what will be started. The program's own workers do it, at their own pace and priority.

use serde::Serialize;
use utoipa::ToSchema;

use futures_util::future::BoxFuture;

use super::problem::Problem;
use crate::show::PeerView;

/// The part of the program that carries out operator requests.
pub trait Operator: Send + Sync {
    /// The jobs with their schedules and states. May read the disk.
    fn jobs(&self) -> Vec<JobView>;

    /// Runs a job now, for the peers that selectors match or, without selectors, for all that it is scheduled for. Returns what will be
    /// started. May read the disk.
    ///
    /// # Errors
    /// When there is no such job, a selector is invalid, the job is already running, or the program is not.
    fn run(&self, job: &str, peers: &[String]) -> Result<Vec<StartView>, OperatorError>;

    /// Joins a peer with an account: the one that is named, or one that is a member of few peers.
    fn join<'a>(&'a self, account: Option<&'a str>, target: &'a str) -> BoxFuture<'a, Result<JoinView, OperatorError>>;
}

/// An operator request is refused. Each kind has a stable code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OperatorError {
    /// There is no such job.
    #[error("{0}")]
    UnknownJob(String),
    /// A peer selector is invalid.
    #[error("{0}")]
    BadSelector(String),
    /// The job is already running.
    #[error("{0}")]
    Running(String),
    /// What is to be joined is neither a username nor an invite link.
    #[error("{0}")]
    BadTarget(String),
    /// The peer cannot be joined, or not yet.
    #[error("{0}")]
    NotJoined(String),
    /// Too many requests are pending.
    #[error("the queue of operator requests is full; retry in a moment")]
    Busy,
    /// The program is not running.
    #[error("start it with `telescribe run`, then retry")]
    NotRunning,
}

impl From<OperatorError> for Problem {
    fn from(error: OperatorError) -> Self {
        let detail = error.to_string();
        match error {
            OperatorError::UnknownJob(_) => Self::unknown_job(detail),
            OperatorError::BadSelector(_) => Self::bad_selector(detail),
            OperatorError::Running(_) => Self::job_running(detail),
            OperatorError::BadTarget(_) => Self::bad_target(detail),
            OperatorError::NotJoined(_) => Self::not_joined(detail),
            OperatorError::Busy => Self::busy(detail),
            OperatorError::NotRunning => Self::not_running(detail),
        }
    }
}

/// A job, or an override of it for some peers, with its schedule and its state.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Job)]
pub struct JobView {
    /// The job: `discover`, `catch-up`, `backfill`, `recheck` or `counters`.
    pub name: &'static str,
    /// The name of the override that this run is of; absent for the job's own run.
    #[serde(rename = "override", skip_serializing_if = "Option::is_none")]
    pub override_name: Option<String>,
    /// The peers it is for; absent where it is for all peers.
    #[serde(skip_serializing_if = "PeersView::is_everybody")]
    pub peers: PeersView,
    /// The cron expression, with seconds.
    pub cron: String,
    /// The time zone of the expression.
    pub zone: String,
    /// By how much a run may start later than scheduled.
    pub jitter: String,
    /// What is done about missed runs: `once` or `skip`.
    pub missed: &'static str,
    /// `running` (requests of it are in progress, or no account has finished it), `due` (starts within seconds, or as soon as the program
    /// runs), `waiting`, `disabled`, or `over` where the expression has no future time.
    pub state: &'static str,
    /// The next starts, jitter included, in the run's time zone (RFC 3339).
    pub next: Vec<String>,
    /// When it was last started; null when it never was.
    pub last_started: Option<String>,
    /// When it last ended, as far as is known.
    pub last_ended: Option<String>,
    /// How many of its runs were skipped since the program started because the one before had not ended; null where the program is not running.
    pub skipped: Option<u64>,
    /// The accounts whose share of an earlier run is still pending; the others go on without them. Absent where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub accounts_waiting: Vec<AccountWaitView>,
}

/// An account whose share of a job is pending.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = AccountWait)]
pub struct AccountWaitView {
    /// The account.
    pub account: String,
    /// When the wait that Telegram asked for ends (RFC 3339); null where the account gets no response.
    pub until: Option<String>,
}

/// A set of peers, by selectors.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, ToSchema)]
#[schema(as = JobPeers)]
pub struct PeersView {
    /// Only peers that these selectors match; all peers if absent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub only: Vec<String>,
    /// No peers that these selectors match, even if `only` matches them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub except: Vec<String>,
}

/// A run that will be started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Start)]
pub struct StartView {
    /// The job and, after a `/`, the override.
    pub run: String,
    /// The peers it is for; absent where it is for all peers.
    #[serde(skip_serializing_if = "PeersView::is_everybody")]
    pub peers: PeersView,
}

/// The outcome of joining.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Join)]
pub struct JoinView {
    /// The name of the account.
    pub account: String,
    /// The peer, if Telegram returned it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<PeerView>,
    /// `joined`, `already_in`, or `requested`: an administrator of the peer has to agree first.
    pub outcome: &'static str,
}

impl PeersView {
    /// Shows selectors as they were written.
    pub fn of<T: std::fmt::Display>(only: &[T], except: &[T]) -> Self {
        let texts = |selectors: &[T]| selectors.iter().map(ToString::to_string).collect();
        Self { only: texts(only), except: texts(except) }
    }

    fn is_everybody(&self) -> bool {
        self.only.is_empty() && self.except.is_empty()
    }
}

impl StartView {
    /// A run for some peers.
    #[must_use]
    pub fn new(run: String, peers: PeersView) -> Self {
        Self { run, peers }
    }
}
