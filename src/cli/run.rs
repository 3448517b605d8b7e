//! `telescribe run`: the daemon.

mod progress;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use super::client::Globals;
use super::signals::Signals;
use crate::app::{App, Environment};
use crate::config::Config;
use crate::lifecycle::Ending;
use crate::model::SystemClock;
use crate::pictures::Decoder;
use crate::telemetry;

/// Crawl, archive, index, publish and serve, until stopped
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  telescribe run
  telescribe --config /etc/telescribe.toml --data /var/lib/telescribe run

SIGTERM or Ctrl-C finishes the requests in progress and stops; the next start resumes exactly there. A second signal
stops at once; nothing is lost then either.")]
pub(super) struct Args {}

/// The wait before another start after one that failed, at first and at most.
const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(60);

pub(super) async fn run(_: Args, globals: &Globals, config: &Config, mut signals: Signals) -> anyhow::Result<ExitCode> {
    telemetry::log(&config.log)?;
    let config = &with_decoder(config)?;
    let environment = Environment { clock: Arc::new(SystemClock), metrics: telemetry::metrics()? };
    let mut again = false;
    loop {
        let Some(app) = start(again, globals, config, &environment, &mut signals).await? else {
            tracing::info!("stopped before the start was complete");
            return Ok(ExitCode::SUCCESS);
        };
        for (address, listener) in app.addresses.iter().zip(&config.http.listeners) {
            let scheme = if listener.certificate.is_some() { "https" } else { "http" };
            tracing::info!("listening on {scheme}://{address}");
        }
        progress::follow(&app);
        let mut asked = signals.stop(&app.lifecycle).await;
        let ended = tokio::select! {
            ended = app.ended() => ended,
            // What is left (the index catching up, tables flushed from the log) is done at the next start.
            () = signals.next() => {
                asked = true;
                tracing::warn!("stopped at once, without finishing; the next start resumes, and has more to read");
                Ok(())
            }
        };
        match app.lifecycle.ending() {
            None => ended?,
            // Who asked it to stop meanwhile wants no new beginning.
            Some(Ending::Reopen(_)) if asked => ended?,
            Some(Ending::Failed(why)) => anyhow::bail!("{why}"),
            Some(Ending::Reopen(why)) => {
                // What it could not write is asked for again.
                tracing::warn!("{why}; everything is opened again");
                again = true;
                continue;
            }
        }
        tracing::info!("stopped");
        return Ok(ExitCode::SUCCESS);
    }
}

/// The configuration, with this program as the one that decodes pictures.
pub(super) fn with_decoder(config: &Config) -> anyhow::Result<Config> {
    let mut config = config.clone();
    config.media.decoder = Some(Decoder::this_program()?);
    Ok(config)
}

/// Starts the program; `None` when it is stopped meanwhile. One that is started again is tried until it succeeds: what hindered it passes.
async fn start(
    again: bool,
    globals: &Globals,
    config: &Config,
    environment: &Environment,
    signals: &mut Signals,
) -> anyhow::Result<Option<App>> {
    let (mut pause, mut told) = (RETRY_MIN, false);
    loop {
        let error = tokio::select! {
            biased;
            app = App::start(config, &globals.data, environment.clone()) => match app {
                Ok(app) => return Ok(Some(app)),
                Err(error) => error,
            },
            () = signals.next() => return Ok(None),
        };
        if !again {
            return Err(error);
        }
        if !std::mem::replace(&mut told, true) {
            tracing::error!("it cannot be opened again yet: {error:#}; it is tried until it can");
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = signals.next() => return Ok(None),
        }
        pause = (pause * 2).min(RETRY_MAX);
    }
}
