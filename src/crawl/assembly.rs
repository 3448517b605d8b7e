//! How the parts of the crawl are put together, each given only what it needs. Nothing here is kept.

use std::sync::Arc;

use super::abandoned::Abandoned;
use super::account_events::AccountEvents;
use super::admission::Admission;
use super::counters::Counting;
use super::dialogs::Dialogs;
use super::differences::Differences;
use super::fetch::Fetches;
use super::folders::Folders;
use super::follow::Follows;
use super::history::History;
use super::join::Joins;
use super::live::Live;
use super::lost_peers::LostPeers;
use super::overtaken::Overtaken;
use super::peers::Peers;
use super::planner::Planner;
use super::polls::Polls;
use super::recorder::Recorder;
use super::resumption::Resumption;
use super::settings::Settings;
use super::standing::Standings;
use super::sweeps::{Sweeper, Sweeps};
use super::unit::Perform;
use super::units::Units;
use super::visibility::Visibility;
use super::walks::Walks;
use crate::accounts::Pool;
use crate::archive::{Archive, ArchiveError};
use crate::dispatch::Dispatch;
use crate::model::Clock;
use crate::telegram::Clients;

/// The parts that are started, or asked from outside.
pub(super) struct Parts {
    pub(super) dispatch: Arc<Dispatch>,
    pub(super) admission: Arc<Admission>,
    pub(super) planner: Arc<Planner>,
    pub(super) recorder: Arc<Recorder>,
    pub(super) standings: Arc<Standings>,
    pub(super) resumption: Arc<Resumption>,
    pub(super) sweeper: Arc<Sweeper>,
    pub(super) joins: Arc<Joins>,
    pub(super) follows: Arc<Follows>,
    pub(super) fetches: Arc<Fetches>,
    pub(super) live: Arc<Live>,
    pub(super) abandoned: Arc<Abandoned>,
    /// Runs the units, for as long as it is kept.
    pub(super) performer: Arc<dyn Perform>,
}

/// Puts the parts together, and reads which peers there are; nothing is asked yet.
pub(super) fn assemble(
    archive: Arc<Archive>,
    pool: Arc<Pool>,
    clients: Arc<Clients>,
    clock: Arc<dyn Clock>,
    settings: &Settings,
) -> Result<Parts, ArchiveError> {
    let health = archive.health();
    let dispatch =
        Dispatch::new(Arc::clone(&pool), Arc::clone(&clients), Arc::clone(&clock), move || health.borrow().is_writable());
    let peers = Arc::new(Peers::new(Arc::clone(&archive), Arc::clone(&clients)));
    peers.load()?;
    let admission = Arc::new(Admission::new(Arc::clone(&archive), settings.rules.clone()));
    let planner = Arc::new(Planner::new(
        Arc::clone(&archive),
        Arc::clone(&pool),
        Arc::clone(&clients),
        Arc::clone(&clock),
        Arc::clone(&dispatch),
        Arc::clone(&peers),
        Arc::clone(&admission),
    ));
    let lost_peers = Arc::new(LostPeers::new(
        Arc::clone(&archive),
        Arc::clone(&clients),
        Arc::clone(&clock),
        Arc::clone(&peers),
        Arc::clone(&admission),
        Arc::clone(&planner),
    ));
    let recorder = Arc::new(Recorder::new(
        Arc::clone(&archive),
        Arc::clone(&clients),
        Arc::clone(&clock),
        Arc::clone(&dispatch),
        Arc::clone(&peers),
        Arc::clone(&lost_peers),
        settings.mass_deletion,
    ));
    let basis = Basis { archive, pool, clients, clock, dispatch, peers, admission, planner, lost_peers, recorder };
    Ok(basis.parts(settings))
}

/// What the other parts are built on.
struct Basis {
    archive: Arc<Archive>,
    pool: Arc<Pool>,
    clients: Arc<Clients>,
    clock: Arc<dyn Clock>,
    dispatch: Arc<Dispatch>,
    peers: Arc<Peers>,
    admission: Arc<Admission>,
    planner: Arc<Planner>,
    lost_peers: Arc<LostPeers>,
    recorder: Arc<Recorder>,
}

impl Basis {
    fn parts(self, settings: &Settings) -> Parts {
        let (sweeps, overtaken) = (Arc::new(Sweeps::default()), Arc::new(Overtaken::default()));
        let standings = self.standings(&sweeps);
        let resumption = self.resumption(&standings, settings);
        let differences = self.differences(settings);
        let account_events = self.account_events(&differences);
        let visibility = self.visibility();
        let live = self.live(&account_events, &overtaken, &visibility);
        let dialogs = self.dialogs(settings);
        let joins = self.joins();
        let fetches = self.fetches(&joins);
        let units = Units {
            walks: Walks::new(Arc::clone(&dialogs), Arc::clone(&self.recorder), Arc::clone(&resumption)),
            polls: self.polls(dialogs, &resumption),
            folders: self.folders(&resumption),
            differences,
            account_events,
            history: self.history(overtaken, &visibility, &fetches, settings),
            counting: self.counting(&visibility, settings),
            visibility,
            planner: Arc::clone(&self.planner),
            recorder: Arc::clone(&self.recorder),
            fetches: Arc::clone(&fetches),
        };
        let performer: Arc<dyn Perform> = Arc::new(units);
        self.planner.performed_by(Arc::downgrade(&performer));
        let (sweeper, abandoned) = (self.sweeper(sweeps, settings), self.abandoned());
        let follows = self.follows(&joins, settings);
        let Self { dispatch, admission, planner, recorder, .. } = self;
        Parts {
            dispatch,
            admission,
            planner,
            recorder,
            standings,
            resumption,
            sweeper,
            joins,
            follows,
            fetches,
            live,
            abandoned,
            performer,
        }
    }

    fn standings(&self, sweeps: &Arc<Sweeps>) -> Arc<Standings> {
        Arc::new(Standings {
            pool: Arc::clone(&self.pool),
            clients: Arc::clone(&self.clients),
            clock: Arc::clone(&self.clock),
            dispatch: Arc::clone(&self.dispatch),
            sweeps: Arc::clone(sweeps),
            peers: Arc::clone(&self.peers),
        })
    }

    fn resumption(&self, standings: &Arc<Standings>, settings: &Settings) -> Arc<Resumption> {
        Arc::new(Resumption {
            archive: Arc::clone(&self.archive),
            pool: Arc::clone(&self.pool),
            clients: Arc::clone(&self.clients),
            dispatch: Arc::clone(&self.dispatch),
            admission: Arc::clone(&self.admission),
            planner: Arc::clone(&self.planner),
            lost_peers: Arc::clone(&self.lost_peers),
            standings: Arc::clone(standings),
            resumed: settings.resumed.clone(),
            resumed_with: Default::default(),
        })
    }

    fn dialogs(&self, settings: &Settings) -> Arc<Dialogs> {
        Arc::new(Dialogs {
            archive: Arc::clone(&self.archive),
            peers: Arc::clone(&self.peers),
            admission: Arc::clone(&self.admission),
            planner: Arc::clone(&self.planner),
            linked_groups: settings.linked_groups,
        })
    }

    fn polls(&self, dialogs: Arc<Dialogs>, resumption: &Arc<Resumption>) -> Polls {
        Polls {
            planner: Arc::clone(&self.planner),
            recorder: Arc::clone(&self.recorder),
            dialogs,
            resumption: Arc::clone(resumption),
        }
    }

    fn folders(&self, resumption: &Arc<Resumption>) -> Folders {
        Folders {
            archive: Arc::clone(&self.archive),
            admission: Arc::clone(&self.admission),
            recorder: Arc::clone(&self.recorder),
            resumption: Arc::clone(resumption),
        }
    }

    fn differences(&self, settings: &Settings) -> Arc<Differences> {
        Arc::new(Differences {
            archive: Arc::clone(&self.archive),
            planner: Arc::clone(&self.planner),
            recorder: Arc::clone(&self.recorder),
            recheck_ids_max: settings.recheck_ids_max,
            faults: Default::default(),
        })
    }

    fn account_events(&self, differences: &Arc<Differences>) -> Arc<AccountEvents> {
        Arc::new(AccountEvents {
            clients: Arc::clone(&self.clients),
            peers: Arc::clone(&self.peers),
            admission: Arc::clone(&self.admission),
            planner: Arc::clone(&self.planner),
            recorder: Arc::clone(&self.recorder),
            differences: Arc::clone(differences),
        })
    }

    fn visibility(&self) -> Arc<Visibility> {
        Arc::new(Visibility {
            archive: Arc::clone(&self.archive),
            peers: Arc::clone(&self.peers),
            planner: Arc::clone(&self.planner),
            recorder: Arc::clone(&self.recorder),
            then: Default::default(),
            unanswered: Default::default(),
            asked: Default::default(),
        })
    }

    fn live(&self, account_events: &Arc<AccountEvents>, overtaken: &Arc<Overtaken>, visibility: &Arc<Visibility>) -> Arc<Live> {
        Arc::new(Live {
            archive: Arc::clone(&self.archive),
            clients: Arc::clone(&self.clients),
            dispatch: Arc::clone(&self.dispatch),
            peers: Arc::clone(&self.peers),
            admission: Arc::clone(&self.admission),
            planner: Arc::clone(&self.planner),
            recorder: Arc::clone(&self.recorder),
            account_events: Arc::clone(account_events),
            overtaken: Arc::clone(overtaken),
            visibility: Arc::clone(visibility),
        })
    }

    fn history(
        &self,
        overtaken: Arc<Overtaken>,
        visibility: &Arc<Visibility>,
        fetches: &Arc<Fetches>,
        settings: &Settings,
    ) -> History {
        History {
            archive: Arc::clone(&self.archive),
            pool: Arc::clone(&self.pool),
            clock: Arc::clone(&self.clock),
            planner: Arc::clone(&self.planner),
            recorder: Arc::clone(&self.recorder),
            overtaken,
            visibility: Arc::clone(visibility),
            fetches: Arc::clone(fetches),
            recheck_ids_max: settings.recheck_ids_max,
        }
    }

    fn counting(&self, visibility: &Arc<Visibility>, settings: &Settings) -> Counting {
        Counting {
            archive: Arc::clone(&self.archive),
            peers: Arc::clone(&self.peers),
            admission: Arc::clone(&self.admission),
            planner: Arc::clone(&self.planner),
            recorder: Arc::clone(&self.recorder),
            visibility: Arc::clone(visibility),
            linked_groups: settings.linked_groups,
        }
    }

    fn sweeper(&self, sweeps: Arc<Sweeps>, settings: &Settings) -> Arc<Sweeper> {
        Arc::new(Sweeper {
            archive: Arc::clone(&self.archive),
            sweeps,
            peers: Arc::clone(&self.peers),
            admission: Arc::clone(&self.admission),
            planner: Arc::clone(&self.planner),
            lost_peers: Arc::clone(&self.lost_peers),
            recorder: Arc::clone(&self.recorder),
            recheck_ids_max: settings.recheck_ids_max,
            recheck_window: settings.recheck_window,
        })
    }

    fn abandoned(&self) -> Arc<Abandoned> {
        Arc::new(Abandoned {
            archive: Arc::clone(&self.archive),
            pool: Arc::clone(&self.pool),
            peers: Arc::clone(&self.peers),
            recorder: Arc::clone(&self.recorder),
            lost_peers: Arc::clone(&self.lost_peers),
        })
    }

    fn follows(&self, joins: &Arc<Joins>, settings: &Settings) -> Arc<Follows> {
        Arc::new(Follows {
            archive: Arc::clone(&self.archive),
            pool: Arc::clone(&self.pool),
            peers: Arc::clone(&self.peers),
            admission: Arc::clone(&self.admission),
            planner: Arc::clone(&self.planner),
            recorder: Arc::clone(&self.recorder),
            joins: Arc::clone(joins),
            configured: settings.followed.clone(),
        })
    }

    fn fetches(&self, joins: &Arc<Joins>) -> Arc<Fetches> {
        Arc::new(Fetches {
            archive: Arc::clone(&self.archive),
            pool: Arc::clone(&self.pool),
            peers: Arc::clone(&self.peers),
            admission: Arc::clone(&self.admission),
            planner: Arc::clone(&self.planner),
            recorder: Arc::clone(&self.recorder),
            joins: Arc::clone(joins),
            runs: Default::default(),
        })
    }

    fn joins(&self) -> Arc<Joins> {
        Arc::new(Joins {
            archive: Arc::clone(&self.archive),
            pool: Arc::clone(&self.pool),
            clients: Arc::clone(&self.clients),
            clock: Arc::clone(&self.clock),
            planner: Arc::clone(&self.planner),
            recorder: Arc::clone(&self.recorder),
        })
    }
}
