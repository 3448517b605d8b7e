//! What HTTP answers and the commands read: one set of types, which serialise and deserialise.
//!
//! Guarantees:
//! - what is left out when it is written (no value, an empty list, `false`) is that again when it is read;
//! - forward compatibility: members that this version does not know are ignored, and words of which there may be more one day (`kind`,
//!   `state`, `reason`, `outcome`) are text; a member that is missing is an error that names it;
//! - the OpenAPI document is made from them, under the names of `#[schema(as = ..)]`, which are as stable as the members.
//!
//! Messages and peers look as in [`show`](crate::show). Like that, it reads no archive and decides nothing: it is given plain data. The
//! bodies of requests are here too; `http` reads them by hand, so that it can name what is wrong with them.

mod backup;
mod change;
mod context;
mod counters;
mod coverage;
mod dead_letter;
mod dump;
mod erasure;
mod export;
mod fetch;
mod job;
mod media;
mod member;
mod message;
mod mirror;
mod peer;
mod problem;
mod program;
mod recipient;
mod search;
mod status;
mod verify;
mod watch;

pub use backup::{BackupBody, BackupFailureView, BackupRunView, BackupStartView, BackupStatusView, BackupView};
pub use change::{ChangeLine, ChangeView, ChangesPage, LogHeadView};
pub use context::{DiscussionView, MessageContextView, MissingMessageView, RelatedView};
pub use counters::{CountersView, MemberCountView, MemberCountsPage, MessageCountersPage};
pub(crate) use coverage::CoverageRow;
pub use coverage::{CoverageDetail, CoveragePage, CoverageSummary, CoverageView, HoleView};
pub use dead_letter::{
    DeadLetterView, DeadLettersPage, DropEventsBody, DroppedEventsView, ResendEventsBody, ResentEventsView, SkipEventBody,
    SkippedEventView,
};
pub use dump::DumpPage;
pub use erasure::{EraseBody, EraseRunView, EraseStartView, ErasedCountsView, ErasureView, ErasuresPage};
pub use export::{ExportBody, ExportPage};
pub use fetch::{FetchBody, FetchView};
pub use job::{
    AccountWaitView, FollowBody, FollowView, JobPeersView, JobView, JobsView, JoinBody, JoinView, RunJobBody, StartView,
    StartsView, UnfollowBody, UnfollowView,
};
pub use media::{
    DownloadView, FileDetail, FileExplainedView, FilePlaceView, FileRuleView, FileRulesView, FileStreamView, FileTotalsView,
    FileView, FilesExplainedView, FilesPage, MediaProgressView, MediaWishBody, MediaWishView, MessageFileView, MessageFilesView,
    RuleStepView, RulesSaidView,
};
pub use member::{MembershipView, PeerAccountsView, TopicView, TopicsPage};
pub use message::{MessageDetail, MessagesPage, RawView};
pub use mirror::{AmountView, MirrorView};
pub use peer::{KnownPeer, PeersPage};
pub use problem::Problem;
pub use program::{
    AccountStatusView, CrawlView, FloodView, NoResponseView, OpenFilesView, OutputView, ProgramView, PublishView, WorkerView,
};
pub use recipient::RecipientView;
pub use search::{
    BucketView, CollapsedView, FacetKeyView, FacetValueView, FacetView, FacetsView, HistogramView, HitView, HitsPage, SearchBody,
    SnippetView, TotalView,
};
pub use status::{ArchiveStatus, IndexRebuild, IndexStatus, StatusView};
pub use verify::{VerifyLine, VerifyProgressView, VerifyReportView};
pub use watch::{
    FeedAuthorView, FeedItemView, FeedView, TrialDayView, TrialHitView, TryWatchBody, WatchBody, WatchTrialView, WatchView,
    WatchesPage,
};
