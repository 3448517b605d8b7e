//! The jobs with their schedules, and operator requests: running a job, joining a peer.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::show::PeerView;

/// The jobs and their schedules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Jobs)]
pub struct JobsView {
    /// Each job, and each of its overrides.
    pub(crate) jobs: Vec<JobView>,
}

/// A job, or an override of it for some peers, with its schedule and its state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Job)]
pub struct JobView {
    /// The job: `discover`, `catch-up`, `backfill`, `recheck`, `counters` or `backup`.
    pub name: Cow<'static, str>,
    /// The name of the override that this run is of; absent for the job's own run.
    #[serde(rename = "override", skip_serializing_if = "Option::is_none")]
    pub override_name: Option<String>,
    /// The peers it is for; absent where it is for all peers.
    #[serde(default, skip_serializing_if = "JobPeersView::is_everybody")]
    pub peers: JobPeersView,
    /// The cron expression, with seconds.
    pub cron: String,
    /// The time zone of the expression.
    pub zone: String,
    /// By how much a run may start later than scheduled.
    pub jitter: String,
    /// What is done about missed runs: `once` or `skip`.
    pub missed: Cow<'static, str>,
    /// `running` (requests of it are in progress, or no account has finished it), `due` (starts within seconds, or as soon as the program
    /// runs), `waiting`, `disabled`, or `over` where the expression has no future time.
    pub state: Cow<'static, str>,
    /// The next starts, jitter included, in the run's time zone (RFC 3339).
    pub next: Vec<String>,
    /// When it was last started; null when it never was.
    pub last_started: Option<String>,
    /// When it last ended, as far as is known.
    pub last_ended: Option<String>,
    /// How many of its runs were skipped since the program started because the one before had not ended; null where the program is not running.
    pub skipped: Option<u64>,
    /// The accounts whose share of an earlier run is still pending; the others go on without them. Absent where there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub accounts_waiting: Vec<AccountWaitView>,
}

/// An account whose share of a job is pending.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = AccountWait)]
pub struct AccountWaitView {
    /// The account.
    pub account: String,
    /// When the wait that Telegram asked for ends (RFC 3339); null where the account gets no response.
    pub until: Option<String>,
}

/// A set of peers, by selectors.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = JobPeers)]
pub struct JobPeersView {
    /// Only peers that these selectors match; all peers if absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub only: Vec<String>,
    /// No peers that these selectors match, even if `only` matches them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub except: Vec<String>,
}

/// The peers to run the job for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = RunJob)]
pub struct RunJobBody {
    /// Selectors: a marked id, `@username`, `title:*news*`, `folder:Work` or `kind:channel`. Without them the job runs as it is
    /// scheduled, its overrides included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) peers: Option<Vec<String>>,
}

/// The runs that will be started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Starts)]
pub struct StartsView {
    /// The job's own run, those of its overrides, or one for the peers that were named.
    pub(crate) starts: Vec<StartView>,
}

/// A run that will be started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Start)]
pub struct StartView {
    /// The job and, after a `/`, the override.
    pub run: String,
    /// The peers it is for; absent where it is for all peers.
    #[serde(default, skip_serializing_if = "JobPeersView::is_everybody")]
    pub peers: JobPeersView,
}

/// What to join, and with which account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = JoinPeer)]
pub struct JoinBody {
    /// `@username`, or a link such as `https://t.me/username` or `https://t.me/+hash`.
    pub(crate) peer: String,
    /// The account's name; by default a signed-in account that is a member of few peers.
    pub(crate) account: Option<String>,
}

/// The outcome of joining.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Join)]
pub struct JoinView {
    /// The name of the account.
    pub account: String,
    /// The peer, if Telegram returned it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<PeerView>,
    /// `joined`, `already_in`, or `requested`: an administrator of the peer has to agree first.
    pub outcome: Cow<'static, str>,
}

/// What to crawl without joining it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = FollowPeer)]
pub struct FollowBody {
    /// `@username`, or a link such as `https://t.me/username`.
    pub(crate) peer: String,
    /// The name of the account that looks it up; by default a signed-in account that is a member of few peers.
    pub(crate) account: Option<String>,
}

/// The outcome of following.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Follow)]
pub struct FollowView {
    /// The name of the account through which it can be read.
    pub account: String,
    /// The peer.
    pub peer: PeerView,
    /// `followed`, or `already_followed`.
    pub outcome: Cow<'static, str>,
}

/// What to crawl no longer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = UnfollowPeer)]
pub struct UnfollowBody {
    /// A marked id, `@username`, or a link such as `https://t.me/username`.
    pub(crate) peer: String,
}

/// What is crawled no longer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Unfollow)]
pub struct UnfollowView {
    /// The peer.
    pub peer: PeerView,
}

impl FollowView {
    /// It is followed from now on.
    pub const FOLLOWED: &'static str = "followed";
    /// It was followed before.
    pub const ALREADY: &'static str = "already_followed";
}

impl JobPeersView {
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
    pub fn new(run: String, peers: JobPeersView) -> Self {
        Self { run, peers }
    }
}

impl JoinView {
    /// The account is a member now.
    pub const JOINED: &'static str = "joined";
    /// The account was a member before.
    pub const ALREADY_IN: &'static str = "already_in";
    /// An administrator of the peer has to agree first.
    pub const REQUESTED: &'static str = "requested";
}
