//! What the operator of the program may see and wish for, and who sees to it: a trait object, because `http` starts nothing itself.
//!
//! A wish is handed over and answered at once with what will become of it. What comes of it is done by the program's own workers,
//! under their own rules.

use serde::Serialize;
use utoipa::ToSchema;

use futures_util::future::BoxFuture;

use super::problem::Problem;
use crate::show::PeerView;

/// The part of the program that wishes are handed to.
pub trait Operator: Send + Sync {
    /// What runs when, and how it is doing. May read the disk.
    fn jobs(&self) -> Vec<JobView>;

    /// Has a job run now, for the peers that selectors name, or for everybody it is planned for when there are none. Returns what
    /// will be started. May read the disk.
    ///
    /// # Errors
    /// When there is no such job, the peers cannot be meant, it runs already, or nobody is there to run it.
    fn run(&self, job: &str, peers: &[String]) -> Result<Vec<StartView>, OperatorError>;

    /// Has an account join a peer: the one that is named, or one that is in few.
    fn join<'a>(&'a self, account: Option<&'a str>, target: &'a str) -> BoxFuture<'a, Result<JoinView, OperatorError>>;
}

/// A wish is refused. Each kind has a stable code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OperatorError {
    /// There is no such job.
    #[error("{0}")]
    UnknownJob(String),
    /// The peers cannot be meant.
    #[error("{0}")]
    BadSelector(String),
    /// It runs already.
    #[error("{0}")]
    Running(String),
    /// What is to be joined cannot be meant.
    #[error("{0}")]
    BadTarget(String),
    /// It cannot be joined, or not now.
    #[error("{0}")]
    NotJoined(String),
    /// Too many wishes wait.
    #[error("many wishes wait already; try again in a moment")]
    Busy,
    /// The program does not run.
    #[error("start it with `telescribe run`, then ask again")]
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

/// A job for some peers, with its plan and how it is doing.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Job)]
pub struct JobView {
    /// The job: `discover`, `catch-up`, `backfill`, `recheck` or `counters`.
    pub name: &'static str,
    /// The name of the override that this run is of; absent for the job's own run.
    #[serde(rename = "override", skip_serializing_if = "Option::is_none")]
    pub override_name: Option<String>,
    /// For whom; absent where it is everybody.
    #[serde(skip_serializing_if = "PeersView::is_everybody")]
    pub peers: PeersView,
    /// The cron expression, with seconds.
    pub cron: String,
    /// The time zone of the expression.
    pub zone: String,
    /// How much later than its time a run may start.
    pub jitter: String,
    /// What becomes of missed runs: `once` or `skip`.
    pub missed: &'static str,
    /// `running` (something of it gets on, or no account has ended it), `due` (starts within seconds, or as soon as the program runs),
    /// `waiting`, `disabled`, or `over` when the expression names no future time.
    pub state: &'static str,
    /// The next starts, jitter included, in the run's time zone (RFC 3339).
    pub next: Vec<String>,
    /// When it was last started; null when it never was.
    pub last_started: Option<String>,
    /// When it last ended, as far as was noticed.
    pub last_ended: Option<String>,
    /// How many of its times were left out since the program started because it still ran; null where the program does not run.
    pub skipped: Option<u64>,
    /// The accounts whose part of an earlier run still waits; the others go on without them. Absent where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub accounts_waiting: Vec<AccountWaitView>,
}

/// An account whose part of a job waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = AccountWait)]
pub struct AccountWaitView {
    /// The account.
    pub account: String,
    /// Until when, where Telegram asked for a wait (RFC 3339); null where nobody answers it.
    pub until: Option<String>,
}

/// Some peers, by selectors.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, ToSchema)]
#[schema(as = JobPeers)]
pub struct PeersView {
    /// Only these; everybody when it is absent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub only: Vec<String>,
    /// Not these, even where `only` names them.
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
    /// For whom; absent where it is everybody.
    #[serde(skip_serializing_if = "PeersView::is_everybody")]
    pub peers: PeersView,
}

/// What became of a wish to join.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Join)]
pub struct JoinView {
    /// Which account.
    pub account: String,
    /// The peer, where Telegram told it.
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
