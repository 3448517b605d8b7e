//! `telescribe run`: the daemon.

use std::process::ExitCode;
use std::sync::Arc;

use super::client::Globals;
use super::signals::Signals;
use crate::app::{App, Environment};
use crate::config::Config;
use crate::model::SystemClock;
use crate::telemetry;

/// Crawl, archive, index, publish and serve, until stopped
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  telescribe run
  telescribe --config /etc/telescribe.toml --data /var/lib/telescribe run

SIGTERM or Ctrl-C finishes what is in hand and stops; the next start goes on exactly there. A second one stops at once, and
still nothing is lost.")]
pub(super) struct Args {}

pub(super) async fn run(_: Args, globals: &Globals, config: &Config, mut signals: Signals) -> anyhow::Result<ExitCode> {
    telemetry::log(&config.log)?;
    let environment = Environment { clock: Arc::new(SystemClock), metrics: telemetry::metrics()? };
    let app = tokio::select! {
        biased;
        app = App::start(config, &globals.data, environment) => app?,
        () = signals.next() => {
            tracing::info!("stopped before anything had begun");
            return Ok(ExitCode::SUCCESS);
        }
    };
    for address in &app.addresses {
        tracing::info!("listening on http://{address}");
    }
    signals.stop(&app.lifecycle).await;
    tokio::select! {
        ended = app.ended() => ended?,
        // What is left (the index catching up, tables written from the log) is done at the next start as well.
        () = signals.next() => tracing::warn!("stopped at once; the next start has more to read"),
    }
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}
