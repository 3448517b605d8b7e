//! `telescribe demo`: everything at once, on a simulated Telegram: crawl, archive, index, publish, serve.

mod live;
mod progress;
mod try_out;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use telescribe_simulator::world::ChatKind;
use telescribe_simulator::{Options, Simulator, World, WorldSpec};

use super::client::Globals;
use super::output::{ended, tell};
use super::signals::Signals;
use super::simulate::{world, write_sessions};
use crate::app::{App, Environment, server_id};
use crate::archive::DataFolder;
use crate::config::{BrokerUrl, Config, JobConfig, ListenerConfig, SealingConfig, Server, Span};
use crate::http::ServeError;
use crate::model::{Clock as _, SystemClock};
use crate::seal::{KeyRing, system_random};
use crate::telemetry;

/// Marks a folder as the demo's own, so that nobody's data is ever wiped.
const MARK: &str = "telescribe-demo";

/// Try everything on a simulated Telegram, without an account
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  telescribe demo
  telescribe demo --world ~/Downloads/Telegram/result.json
  telescribe demo --amqp amqp://guest:guest@127.0.0.1:5672/%2f

It starts from nothing each time, and stops cleanly on Ctrl-C. With --json, how far it has got is written to standard output, a line each
time, the last one with \"complete\": true.")]
pub(super) struct Args {
    /// Where the demo keeps its data; wiped at each start
    #[arg(long, value_name = "FOLDER", default_value = "data/demo")]
    folder: PathBuf,
    /// Seed of the simulated world: the same seed makes the same world
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Number of accounts that crawl
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=1000))]
    accounts: u16,
    /// Number of groups and channels
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    peers: u32,
    /// Number of messages, in all of them together
    #[arg(long, default_value_t = 24_000)]
    messages: u32,
    /// Crawl a Telegram Desktop export (result.json, or its folder) instead of a generated world
    #[arg(long, value_name = "EXPORT", conflicts_with_all = ["seed", "accounts", "peers", "messages"])]
    world: Option<PathBuf>,
    /// A RabbitMQ broker to publish to; without one, nothing is published
    #[arg(long, value_name = "URL")]
    amqp: Option<String>,
    /// Address that HTTP listens on
    #[arg(long, default_value = "127.0.0.1:8470")]
    listen: std::net::SocketAddr,
    /// Stop when everything is crawled, indexed and published, without live messages
    #[arg(long)]
    once: bool,
}

pub(super) async fn run(args: Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    ended(demo(args, globals.json).await)
}

async fn demo(args: Args, json: bool) -> anyhow::Result<ExitCode> {
    let config = config(&args);
    if let Err(why) = config.publish.url.get() {
        bail!("`--amqp` {why}");
    }
    telemetry::log(&config.log)?;
    let data = args.folder.join("data");
    prepare(&args.folder, &data)?;
    tell("1. A simulated Telegram starts on loopback.");
    let world = world(args.world.as_deref(), &spec(&args)?)?;
    let mut signals = Signals::catch()?;
    let simulator = Simulator::start(world, Options::default()).await.context("the simulated Telegram cannot be served")?;
    write_sessions(&simulator, &config.accounts.sessions)?;
    let total = simulator.inspect(World::message_count);
    let peers = simulator.inspect(|world| world.chats.iter().filter(|chat| chat.kind != ChatKind::Private).count());
    tell(format_args!(
        "   {} accounts, {peers} groups and channels, {total} messages in six languages",
        simulator.accounts().len()
    ));
    let key = client_key(&args.folder, &data)?;

    tell("2. Telescribe crawls it.");
    let environment = Environment { clock: Arc::new(SystemClock), metrics: telemetry::metrics()? };
    let started = App::start(&super::run::with_decoder(&config)?, &data, environment).await;
    let app = started.map_err(|error| match error.downcast() {
        Ok(ServeError::Address { address, source }) => {
            anyhow::anyhow!(
                "cannot listen on `{address}`: {source}; choose another address with `--listen`, such as `--listen 127.0.0.1:0`"
            )
        }
        Ok(other) => other.into(),
        Err(error) => error,
    })?;
    let show = async {
        progress::until_caught_up(&app, json).await?;
        if args.once {
            app.lifecycle.stop_soft();
            return Ok(());
        }
        try_out::print(&app, &data, &key)?;
        live::trickle(&simulator, &app).await;
        anyhow::Ok(())
    };
    let (_, shown) = tokio::join!(signals.stop(&app.lifecycle), show);
    app.ended().await?;
    let truth = args.folder.join("truth.ndjson");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&truth)?);
    simulator
        .truth(&mut file)
        .and_then(|()| std::io::Write::flush(&mut file))
        .with_context(|| format!("cannot write `{}`", truth.display()))?;
    simulator.stop().await;
    shown?;
    tell(format_args!(
        "Stopped. What the simulated Telegram holds is in {0}; the archive must hold the same:\n  telescribe --data {1} dump | diff - {0}",
        truth.display(),
        data.display(),
    ));
    Ok(ExitCode::SUCCESS)
}

fn spec(args: &Args) -> anyhow::Result<WorldSpec> {
    Ok(WorldSpec {
        seed: args.seed,
        accounts: usize::from(args.accounts),
        peers: usize::try_from(args.peers)?,
        messages: usize::try_from(args.messages)?,
        // Pictures that can be looked at, and sounds that can be heard.
        real_media: true,
        ..WorldSpec::default()
    })
}

fn config(args: &Args) -> Config {
    let mut config = Config::default();
    config.telegram.server = Server::Simulated;
    config.telegram.request_timeout = Span::seconds(10);
    config.accounts.sessions = args.folder.join("sessions");
    // No real account: the simulated Telegram needs no rate limit.
    config.accounts.request_interval = Span::seconds(0);
    config.accounts.rest_after_crash = Span::seconds(0);
    // Small files only: the disk of whoever tries it is no place for gigabytes of noise.
    config.media.size_max_mib = 1;
    config.accounts.intervals.insert("upload.getFile".to_owned(), Span::seconds(0));
    config.jobs.catch_up = JobConfig::every("*/5 * * * * *");
    config.jobs.backfill = JobConfig::every("*/10 * * * * *");
    // Plain for the browser on this machine, sealed for everyone else.
    config.http.listeners = vec![ListenerConfig::new(args.listen, SealingConfig::Optional)];
    config.http.metrics = Vec::new();
    config.publish.url = BrokerUrl::read(args.amqp.as_deref().unwrap_or_default());
    config.log.filter = "warn".to_owned();
    config
}

/// Wipes what an earlier demo left; refuses a folder that is not a demo's.
fn prepare(folder: &Path, data: &Path) -> anyhow::Result<()> {
    let mark = folder.join(MARK);
    let foreign = || folder.read_dir().is_ok_and(|mut entries| entries.next().is_some()) && !mark.exists();
    if foreign() {
        bail!("`{}` is not empty and was not made by the demo; choose another folder with --folder", folder.display());
    }
    // A demo that still runs keeps its data.
    drop(DataFolder::lock(data)?);
    for part in [data.to_owned(), folder.join("sessions")] {
        if part.exists() {
            std::fs::remove_dir_all(&part).with_context(|| format!("cannot remove `{}`", part.display()))?;
        }
    }
    std::fs::write(&mark, "This folder is wiped at each `telescribe demo`.\n")?;
    Ok(DataFolder::make(data)?)
}

/// Makes a client's key, in the data folder and as the file for the client.
fn client_key(folder: &Path, data: &Path) -> anyhow::Result<PathBuf> {
    let mut ring = KeyRing::default();
    let key = ring.add_new(&"demo".parse()?, SystemClock.now(), &mut system_random());
    ring.save(&DataFolder::keys(data))?;
    let path = folder.join("demo.jwks.json");
    // That of an earlier demo, whose data is gone.
    if path.exists() {
        std::fs::remove_file(&path)?;
    }
    KeyRing::export_to(&path, &key, &server_id(data)?)?;
    Ok(path)
}
