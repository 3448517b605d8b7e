//! `telescribe config`: prints the documented default configuration, or validates one.

use std::process::ExitCode;

use super::client::Globals;
use super::output::{Out, ended, tell};
use crate::app::{Known, check_backup_target, mirror_settings, ready_outputs};
use crate::config::{Config, template};

/// Print the documented default configuration, or check one
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  telescribe config > config.toml
  telescribe config --check
  telescribe --config /etc/telescribe.toml config --check

A configuration that has lost its end since the last start stops the start: it may have been cut off, and what is gone may be
a proxy, or what must not be crawled. If it was shortened on purpose, --accept says so.")]
pub(super) struct Args {
    /// Check the configuration instead, with the environment's overrides
    #[arg(long)]
    check: bool,
    /// Accept that the configuration sets less than at the last start
    #[arg(long, conflicts_with = "check")]
    accept: bool,
}

pub(super) fn run(args: Args, globals: &Globals, load: impl Fn() -> anyhow::Result<Config>) -> anyhow::Result<ExitCode> {
    if args.check {
        let config = load()?;
        check_backup_target(&config, &globals.data)?;
        let (outputs, mirror) = (ready_outputs(&config)?, mirror_settings(&config)?);
        config.http.settings().check_certificates()?;
        tell("the configuration is valid");
        if let Some(mirror) = mirror {
            tell(format_args!(
                "files are mirrored to {}; whether that can be reached is seen when the program runs",
                mirror.target()
            ));
        }
        for output in outputs {
            if let Some(receiver) = output.receiver() {
                tell(format_args!(
                    "events are sent to the web hook `{}` at {receiver}; whether that can be reached is seen when the program runs",
                    output.name()
                ));
            }
        }
        return Ok(ExitCode::SUCCESS);
    }
    if args.accept {
        let config = load()?;
        check_backup_target(&config, &globals.data)?;
        return accept(globals, &config);
    }
    let print = || {
        let mut out = Out::stdout();
        out.line(template().trim_end())?;
        out.flush()?;
        Ok(ExitCode::SUCCESS)
    };
    ended(print())
}

fn accept(globals: &Globals, config: &Config) -> anyhow::Result<ExitCode> {
    let noted = match &config.file {
        Some(file) => Known::update(&globals.data, |known| known.accept_configuration(file))?,
        None => None,
    };
    match noted {
        Some(()) => tell("the configuration is valid, and accepted as it is"),
        None => tell(format_args!(
            "the configuration is valid; nothing was started in `{}` yet, so there is nothing to compare it with",
            globals.data.display()
        )),
    }
    Ok(ExitCode::SUCCESS)
}
