//! `telescribe config`: prints the documented default configuration, or validates one.

use std::process::ExitCode;

use super::output::{Out, ended, tell};
use crate::config::{Config, template};

/// Print the documented default configuration, or check one
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  telescribe config > config.toml
  telescribe config --check
  telescribe --config /etc/telescribe.toml config --check")]
pub(super) struct Args {
    /// Check the configuration instead, with the environment's overrides
    #[arg(long)]
    check: bool,
}

pub(super) fn run(args: Args, load: impl Fn() -> anyhow::Result<Config>) -> anyhow::Result<ExitCode> {
    if args.check {
        load()?;
        tell("the configuration is valid");
        return Ok(ExitCode::SUCCESS);
    }
    let print = || {
        let mut out = Out::stdout();
        out.line(template().trim_end())?;
        out.flush()?;
        Ok(ExitCode::SUCCESS)
    };
    ended(print())
}
