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

SIGTERM or Ctrl-C finishes the requests in progress and stops; the next start resumes exactly there. A second signal
stops at once; nothing is lost then either.")]
pub(super) struct Args {}

pub(super) async fn run(_: Args, globals: &Globals, config: &Config, mut signals: Signals) -> anyhow::Result<ExitCode> {
    telemetry::log(&config.log)?;
    let environment = Environment { clock: Arc::new(SystemClock), metrics: telemetry::metrics()? };
    let app = tokio::select! {
        biased;
        app = App::start(config, &globals.data, environment) => app?,
        () = signals.next() => {
            tracing::info!("stopped before the start was complete");
            return Ok(ExitCode::SUCCESS);
        }
    };
    for address in &app.addresses {
        tracing::info!("listening on http://{address}");
    }
    signals.stop(&app.lifecycle).await;
    tokio::select! {
        ended = app.ended() => ended?,
        // What is left (the index catching up, tables flushed from the log) is done at the next start.
        () = signals.next() => tracing::warn!("stopped at once, without finishing; the next start resumes, and has more to read"),
    }
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}
