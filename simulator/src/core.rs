//! The core: the world that is served, and what every connection, method and script shares.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio_util::task::TaskTracker;

use crate::faults::{Faults, Latencies};
use crate::hub::Hub;
use crate::ledger::Ledger;
use crate::limits::{Limits, RateLimits};
use crate::sent::SentBytes;
use crate::wire::sealing::AuthKey;
use crate::world::{World, mix};

/// How a simulator is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// A port for each data centre in order; those that are missing or 0 are chosen by the system.
    pub ports: Vec<u16>,
    /// The same for the addresses that serve files and nothing else.
    pub media_ports: Vec<u16>,
    /// Answers above so many bytes are compressed; none by default.
    pub gzip_above: Option<usize>,
    /// `updates.getDifference` over more pts than this answers `differenceTooLong`.
    pub difference_gap_max: i32,
    /// `updates.getChannelDifference` over more pts than this answers `channelDifferenceTooLong`.
    pub channel_difference_gap_max: i32,
    /// How often accounts may call which method; as often as they like by default.
    pub limits: Limits,
    /// Channels and supergroups that an account may be in: beyond it, joining is refused with `CHANNELS_TOO_MUCH`.
    pub channels_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        // Telegram does not say its bounds; these are in the range that clients report.
        Self {
            ports: Vec::new(),
            media_ports: Vec::new(),
            gzip_above: None,
            difference_gap_max: 5_000,
            channel_difference_gap_max: 1_000,
            limits: Limits::default(),
            channels_max: 500,
        }
    }
}

/// What every connection shares.
pub(crate) struct Core {
    world: RwLock<World>,
    pub(crate) options: Options,
    pub(crate) faults: Faults,
    pub(crate) latencies: Latencies,
    pub(crate) ledger: Ledger,
    pub(crate) sent: SentBytes,
    pub(crate) hub: Hub,
    pub(crate) limits: RateLimits,
    /// Where it listens: the addresses and their ports.
    pub(crate) listeners: Vec<(Address, u16)>,
    pub(crate) tasks: TaskTracker,
    keys: HashMap<(i32, [u8; 8]), (usize, AuthKey)>,
    salts: HashMap<i32, Arc<AtomicI64>>,
    silent: HashMap<Address, AtomicBool>,
}

/// One of the two addresses of a data centre.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Address {
    pub dc: i32,
    /// Whether it serves files and nothing else.
    pub media_only: bool,
}

impl Address {
    /// Both addresses of every data centre, first all the ones that serve everything.
    pub(crate) fn of_all(data_centres: &[i32]) -> Vec<Self> {
        [false, true].into_iter().flat_map(|media_only| data_centres.iter().map(move |dc| Self { dc: *dc, media_only })).collect()
    }
}

impl Core {
    /// A world to be served at these ports, one an address.
    pub(crate) fn new(mut world: World, options: Options, listeners: Vec<(Address, u16)>) -> Self {
        world.order_dialogs();
        let keys = world
            .data_centres
            .iter()
            .flat_map(|dc| (0..).zip(&world.accounts).map(move |(at, account)| (*dc, at, account.user_id)))
            .map(|(dc, account, user_id)| {
                let key = AuthKey::derive(world.seed, user_id, dc);
                ((dc, key.id()), (account, key))
            })
            .collect();
        let salt = |dc: i32| Arc::new(AtomicI64::new(mix(world.seed ^ mix(dc as u64)) as i64));
        Self {
            silent: Address::of_all(&world.data_centres).into_iter().map(|at| (at, AtomicBool::new(false))).collect(),
            salts: world.data_centres.iter().map(|dc| (*dc, salt(*dc))).collect(),
            keys,
            limits: RateLimits::new(&options.limits),
            options,
            faults: Faults::default(),
            latencies: Latencies::default(),
            ledger: Ledger::new(),
            sent: SentBytes::default(),
            hub: Hub::default(),
            listeners,
            tasks: TaskTracker::new(),
            world: RwLock::new(world),
        }
    }

    /// Makes an address fall silent, or speak again.
    pub(crate) fn silence(&self, at: Address, silent: bool) {
        if let Some(is_silent) = self.silent.get(&at) {
            is_silent.store(silent, Ordering::Relaxed);
        }
    }

    /// Whether nothing is answered at an address at the moment.
    pub(crate) fn is_silent(&self, at: Address) -> bool {
        self.silent.get(&at).is_some_and(|silent| silent.load(Ordering::Relaxed))
    }

    pub(crate) fn world(&self) -> RwLockReadGuard<'_, World> {
        self.world.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn world_mut(&self) -> RwLockWriteGuard<'_, World> {
        self.world.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The account of a key in a data centre.
    pub(crate) fn key(&self, dc: i32, id: [u8; 8]) -> Option<(usize, AuthKey)> {
        self.keys.get(&(dc, id)).cloned()
    }

    /// The salt that a data centre accepts.
    pub(crate) fn salt(&self, dc: i32) -> Arc<AtomicI64> {
        self.salts.get(&dc).cloned().unwrap_or_default()
    }
}
