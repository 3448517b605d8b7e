//! `telescribe run`: the daemon.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::client::Globals;
use super::output::tell;
use crate::app::{App, Surroundings};
use crate::config::Config;
use crate::lifecycle::Lifecycle;
use crate::model::SystemClock;
use crate::telemetry;

/// How long a soft stop may take before it becomes a hard one: below the 90 s after which service managers kill, and longer
/// than any request may take.
const SOFT_STOP_MAX: Duration = Duration::from_secs(60);

/// Crawl, archive, index, publish and serve, until stopped
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  telescribe run
  telescribe --config /etc/telescribe.toml --data /var/lib/telescribe run

SIGTERM or Ctrl-C finishes what is in hand and stops; the next start goes on exactly there. A second one stops at once, and
still nothing is lost.")]
pub(super) struct Args {}

pub(super) async fn run(_: Args, globals: &Globals, config: &Config) -> anyhow::Result<ExitCode> {
    telemetry::log(&config.log)?;
    let around = Surroundings { clock: Arc::new(SystemClock), metrics: telemetry::metrics()? };
    let app = App::start(config, &globals.data, around).await?;
    for address in &app.addresses {
        tracing::info!("listening on http://{address}");
    }
    stopped(&app.lifecycle).await?;
    app.ended().await?;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Waits for a signal to stop, softly; a second one, or too long a wait, stops hard.
pub(super) async fn stopped(lifecycle: &Lifecycle) -> anyhow::Result<()> {
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
        () = lifecycle.stop_asked() => {}
    }
    tracing::info!("stopping: finishing what is in hand (once more stops at once)");
    lifecycle.stop_soft();
    tokio::select! {
        () = lifecycle.ended() => {}
        _ = term.recv() => lifecycle.stop_hard(),
        _ = int.recv() => lifecycle.stop_hard(),
        () = tokio::time::sleep(SOFT_STOP_MAX) => {
            tell("telescribe: some work did not end in time; stopping hard");
            lifecycle.stop_hard();
        }
    }
    Ok(())
}
