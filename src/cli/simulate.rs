//! `telescribe simulate`: a simulated Telegram on this machine, to try things out and to test against.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use telescribe_simulator::{AccountAccess, Options, Simulator, World, WorldSpec};

use super::output::{Out, ended, tell};
use super::signals::Signals;
use crate::accounts::{AuthKey, DataCentre, Session, Sessions};
use crate::config::{LogConfig, Server};
use crate::lifecycle::Lifecycle;
use crate::telemetry;

/// Serve a simulated Telegram on loopback
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  telescribe simulate --sessions sim/sessions --peers 30 --messages 20000
  telescribe simulate --world ~/Downloads/Telegram/result.json --sessions sim/sessions
  telescribe simulate --seed 7 --truth - | head

Then crawl it with: TELESCRIBE__TELEGRAM__SERVER=simulated TELESCRIBE__ACCOUNTS__SESSIONS=sim/sessions telescribe run")]
pub(super) struct Args {
    /// Seed of the generated world: the same seed makes the same world
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Number of accounts
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=1000))]
    accounts: u16,
    /// Number of groups and channels
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    peers: u32,
    /// Number of messages, in all of them together
    #[arg(long, default_value_t = 20_000)]
    messages: u32,
    /// Serve a Telegram Desktop export (result.json, or its folder) instead of a generated world
    #[arg(long, value_name = "EXPORT", conflicts_with_all = ["seed", "accounts", "peers", "messages"])]
    world: Option<PathBuf>,
    /// Write the accounts' session files into this folder
    #[arg(long, value_name = "FOLDER", required_unless_present = "truth")]
    sessions: Option<PathBuf>,
    /// Leave the accounts signed out, to try `telescribe login`; phone numbers and codes are printed
    #[arg(long)]
    signed_out: bool,
    /// Write all messages as NDJSON (docs/dump.md); with `-`, to standard output, and nothing is served
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
}

/// The world of an export, or one that follows from a seed.
pub(super) fn world(export: Option<&Path>, spec: &WorldSpec) -> anyhow::Result<World> {
    let Some(path) = export else { return Ok(spec.generate()) };
    let (world, warnings) = World::from_export(path)?;
    for warning in warnings {
        tell(format_args!("telescribe: {warning}"));
    }
    Ok(world)
}

impl Args {
    fn spec(&self) -> anyhow::Result<WorldSpec> {
        Ok(WorldSpec {
            seed: self.seed,
            accounts: usize::from(self.accounts),
            peers: usize::try_from(self.peers)?,
            messages: usize::try_from(self.messages)?,
            signed_in: !self.signed_out,
            ..WorldSpec::default()
        })
    }
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    ended(serve(args).await)
}

async fn serve(args: Args) -> anyhow::Result<ExitCode> {
    telemetry::log(&LogConfig::default())?;
    let world = world(args.world.as_deref(), &args.spec()?)?;
    let mut signals = Signals::catch()?;
    let simulator = Simulator::start(world, Options::default()).await.context("the simulated Telegram cannot be served")?;
    if let Some(path) = &args.truth {
        write_truth(&simulator, path)?;
        if path == Path::new("-") {
            simulator.stop().await;
            return Ok(ExitCode::SUCCESS);
        }
    }
    let mut out = Out::stdout();
    if let Some(folder) = &args.sessions {
        write_sessions(&simulator, folder)?;
        out.line(format_args!("session files of {} accounts written to {}", simulator.accounts().len(), folder.display()))?;
    }
    for account in simulator.accounts().iter().filter(|a| !a.signed_in) {
        let password = account.password.as_deref().map(|p| format!(", password {p}")).unwrap_or_default();
        out.line(format_args!("account {}: phone +{}, code {}{password}", account.name, account.phone, account.code))?;
    }
    out.line("serving a simulated Telegram; Ctrl-C stops it")?;
    out.flush()?;
    signals.stop(&Lifecycle::new()).await;
    if let Some(path) = &args.truth {
        write_truth(&simulator, path)?;
    }
    simulator.stop().await;
    Ok(ExitCode::SUCCESS)
}

fn write_truth(simulator: &Simulator, path: &Path) -> anyhow::Result<()> {
    if path == Path::new("-") {
        let mut out = BufWriter::new(std::io::stdout());
        simulator.truth(&mut out)?;
        out.flush()?;
    } else {
        let file = File::create(path).with_context(|| format!("cannot write `{}`", path.display()))?;
        let mut out = BufWriter::new(file);
        simulator.truth(&mut out).and_then(|()| out.flush()).with_context(|| format!("cannot write `{}`", path.display()))?;
    }
    Ok(())
}

/// Writes the session files that a simulator's accounts need, replacing those of earlier worlds.
///
/// # Errors
/// When the folder cannot be written.
pub(super) fn write_sessions(simulator: &Simulator, folder: &Path) -> anyhow::Result<()> {
    let store = Sessions::new(folder, Server::Simulated.name());
    for account in simulator.accounts() {
        store.save(&session(&account)?)?;
    }
    Ok(())
}

/// The session of a simulated account.
fn session(account: &AccountAccess) -> anyhow::Result<Session> {
    let data_centres: BTreeMap<i32, DataCentre> = account
        .data_centres
        .iter()
        .map(|dc| (dc.id, DataCentre { ipv4: dc.address, ipv6: None, auth_key: Some(AuthKey::new(dc.auth_key)) }))
        .collect();
    Ok(Session::new(account.name.parse()?, Server::Simulated.name(), account.home_dc, data_centres))
}
