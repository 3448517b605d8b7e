//! The running simulator: listeners, and the handle that scripts it.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::Ipv4Addr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::access::{self, AccountAccess};
use crate::core::{Address, Core, Options};
use crate::faults::{Rule, RuleId};
use crate::ledger::{EarlyCall, LedgerEntry};
use crate::world::{World, mix};
use crate::{clock, connection, truth};

/// The retries of binding a port again: two seconds.
const REBIND_TRIES_MAX: u32 = 40;
const REBIND_PAUSE: Duration = Duration::from_millis(50);

/// A running simulator. Dropping it stops the listeners too, but only [`Simulator::stop`] waits for them.
pub struct Simulator {
    pub(crate) core: Arc<Core>,
    stop: CancellationToken,
    /// The token of each address's connections; replaced when it restarts.
    connections: Arc<Mutex<HashMap<Address, CancellationToken>>>,
}

impl Simulator {
    /// Starts to serve a world: two listeners a data centre on 127.0.0.1, one of which serves files and nothing else.
    ///
    /// # Errors
    /// When a port cannot be bound.
    pub async fn start(world: World, options: Options) -> io::Result<Self> {
        let mut listeners = Vec::new();
        for (at, address) in Address::of_all(&world.data_centres).into_iter().enumerate() {
            let ports = if address.media_only { &options.media_ports } else { &options.ports };
            let port = ports.get(at % world.data_centres.len().max(1)).copied().unwrap_or(0);
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
            listeners.push((address, listener.local_addr()?.port(), listener));
        }
        let ports = listeners.iter().map(|(address, port, _)| (*address, *port)).collect();
        let core = Arc::new(Core::new(world, options, ports));
        Ok(Self::listen(core, listeners))
    }

    fn listen(core: Arc<Core>, listeners: Vec<(Address, u16, TcpListener)>) -> Self {
        let stop = CancellationToken::new();
        let connections =
            Arc::new(Mutex::new(core.listeners.iter().map(|(at, _)| (*at, stop.child_token())).collect::<HashMap<_, _>>()));
        for (address, port, listener) in listeners {
            tracing::info!(dc = address.dc, media_only = address.media_only, port, "simulated data centre listens");
            let (core, stop, connections) = (Arc::clone(&core), stop.clone(), Arc::clone(&connections));
            core.tasks.clone().spawn(accept(core, address, listener, connections, stop));
        }
        Self { core, stop, connections }
    }

    /// Everything that a client must be given, for each account.
    #[must_use]
    pub fn accounts(&self) -> Vec<AccountAccess> {
        access::of_accounts(&self.core)
    }

    /// [`Simulator::accounts`] as JSON: `{"accounts": [..]}`, keys in hexadecimal.
    #[must_use]
    pub fn access_json(&self) -> String {
        serde_json::to_string_pretty(&serde_json::json!({ "accounts": self.accounts() })).unwrap_or_default()
    }

    /// Looks at the world; requests wait as long as the closure runs if it would have to wait for a script.
    pub fn inspect<T>(&self, look: impl FnOnce(&World) -> T) -> T {
        look(&self.core.world())
    }

    /// Every request so far, in order of arrival.
    #[must_use]
    pub fn ledger(&self) -> Vec<LedgerEntry> {
        self.core.ledger.entries()
    }

    /// How often each account called each method.
    #[must_use]
    pub fn request_counts(&self) -> BTreeMap<(String, &'static str), u64> {
        self.core.ledger.counts()
    }

    /// How often a method was called by all accounts together.
    #[must_use]
    pub fn request_count(&self, method: &str) -> u64 {
        self.request_counts().iter().filter(|((_, name), _)| *name == method).map(|(_, count)| count).sum()
    }

    /// Bytes of files that were sent in answers, those aside that were cut off: what was fetched twice counts twice.
    #[must_use]
    pub fn file_bytes_sent(&self) -> u64 {
        self.core.sent.all()
    }

    /// How many of them had been sent before: of the same size of the same file, to any account.
    #[must_use]
    pub fn file_bytes_sent_again(&self) -> u64 {
        self.core.sent.again()
    }

    /// The calls that came before the end of a wait that the same account had been told to keep to for the same method: ten
    /// thousand of them at most, see [`Simulator::early_call_count`]. Holds for all calls, however many the ledger keeps.
    #[must_use]
    pub fn early_calls(&self) -> Vec<EarlyCall> {
        self.core.ledger.early().0
    }

    /// How many such calls there were.
    #[must_use]
    pub fn early_call_count(&self) -> u64 {
        self.core.ledger.early().1
    }

    /// Forgets the requests so far, but not the waits that still hold.
    pub fn clear_ledger(&self) {
        self.core.ledger.clear();
    }

    /// Adds a fault; rules are tried in the order in which they were added.
    pub fn fault(&self, rule: Rule) -> RuleId {
        self.core.faults.add(rule)
    }

    /// Takes a fault back.
    pub fn remove_fault(&self, id: RuleId) {
        self.core.faults.remove(id);
    }

    /// Takes all faults back.
    pub fn clear_faults(&self) {
        self.core.faults.clear();
    }

    /// Has every answer of a method come so much later, faults or not: a round trip. Zero takes it back.
    pub fn set_latency(&self, method: &str, latency: Duration) {
        self.core.latencies.set(method, latency);
    }

    /// Restarts a data centre: every connection to it is closed, new ones are accepted at once.
    pub fn restart_dc(&self, dc: i32) {
        self.restart(Address { dc, media_only: false });
        self.restart(Address { dc, media_only: true });
    }

    /// Restarts the address of a data centre that serves files only.
    pub fn restart_media_dc(&self, dc: i32) {
        self.restart(Address { dc, media_only: true });
    }

    fn restart(&self, address: Address) {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(token) = connections.insert(address, self.stop.child_token()) {
            token.cancel();
        }
    }

    /// Makes a data centre fall silent, or speak again: it accepts connections and reads requests, but answers and pushes
    /// nothing, not even to a ping. What was asked meanwhile is never answered, and is in the ledger as such.
    pub fn silence_dc(&self, dc: i32, silent: bool) {
        self.core.silence(Address { dc, media_only: false }, silent);
        self.core.silence(Address { dc, media_only: true }, silent);
    }

    /// Makes only the address of a data centre fall silent, or speak again, that serves files.
    pub fn silence_media_dc(&self, dc: i32, silent: bool) {
        self.core.silence(Address { dc, media_only: true }, silent);
    }

    /// Changes the salt of a data centre: the next request of every session is answered `bad_server_salt`.
    pub fn rotate_salt(&self, dc: i32) {
        let salt = self.core.salt(dc);
        salt.store(mix(salt.load(Ordering::Relaxed) as u64 ^ clock::since_epoch().as_nanos() as u64) as i64, Ordering::Relaxed);
    }

    /// Writes the truth as NDJSON in the schema of `docs/dump.md`: groups and channels, of basic groups what each account has.
    ///
    /// # Errors
    /// When the writer fails.
    pub fn truth(&self, out: &mut impl io::Write) -> io::Result<()> {
        truth::write(&self.core.world(), false, out)
    }

    /// The same with the private chats of all accounts: the users with whom there are any as peers, and what each account has.
    ///
    /// # Errors
    /// When the writer fails.
    pub fn truth_with_private(&self, out: &mut impl io::Write) -> io::Result<()> {
        truth::write(&self.core.world(), true, out)
    }

    /// Stops listening, closes every connection, and waits until nothing is left running.
    pub async fn stop(self) {
        self.stop_keeping().await;
    }

    /// The same, and keeps everything for [`Stopped::start_again`].
    pub async fn stop_keeping(self) -> Stopped {
        self.stop.cancel();
        self.core.tasks.close();
        self.core.tasks.wait().await;
        Stopped { core: Arc::clone(&self.core) }
    }
}

/// A simulator that was stopped: its world, script and ledger, with nobody listening.
pub struct Stopped {
    core: Arc<Core>,
}

impl Stopped {
    /// Looks at the world.
    pub fn inspect<T>(&self, look: impl FnOnce(&World) -> T) -> T {
        look(&self.core.world())
    }

    /// Takes the world out, to be served with other options. What only the running simulator knew (faults, ledger) ends here.
    #[must_use]
    pub fn into_world(self) -> World {
        std::mem::replace(&mut *self.core.world_mut(), World::empty(0, Vec::new()))
    }

    /// Listens again on the same ports. Ledger, its clock, faults, limits, salts and silences are as they were.
    ///
    /// # Errors
    /// When a port cannot be bound within two seconds.
    pub async fn start_again(self) -> io::Result<Simulator> {
        let mut listeners = Vec::new();
        for (address, port) in &self.core.listeners {
            listeners.push((*address, *port, bind_again(*port).await?));
        }
        self.core.tasks.reopen();
        Ok(Simulator::listen(self.core, listeners))
    }
}

/// Binds a port that was ours. A client that kept trying may hold it for a moment: on loopback the port that the system picks
/// for its end of a connection can be the very one that nobody listens on.
async fn bind_again(port: u16) -> io::Result<TcpListener> {
    let mut tries = 0;
    loop {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries < REBIND_TRIES_MAX => {
                tries += 1;
                tokio::time::sleep(REBIND_PAUSE).await;
            }
            bound => return bound,
        }
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.stop.cancel();
        self.core.tasks.close();
    }
}

async fn accept(
    core: Arc<Core>,
    address: Address,
    listener: TcpListener,
    connections: Arc<Mutex<HashMap<Address, CancellationToken>>>,
    stop: CancellationToken,
) {
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(dc = address.dc, %error, "cannot accept a connection");
                // Out of file descriptors, most likely: give others the time to close some.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let token = {
            let connections = connections.lock().unwrap_or_else(PoisonError::into_inner);
            connections.get(&address).map_or_else(|| stop.child_token(), CancellationToken::child_token)
        };
        core.tasks.spawn(connection::serve(Arc::clone(&core), address, stream, token));
    }
}
