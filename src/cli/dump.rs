//! `telescribe dump`: the whole archive as NDJSON.

use std::process::ExitCode;

use super::client::{Api, Globals, Target};
use super::output::{Out, ended};
use crate::views::DumpPage;

/// Write the whole archive as NDJSON (the schema is in docs/dump.md)
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  telescribe dump > archive.ndjson
  telescribe dump --all --peer @example_channel | jq -r .text
  diff <(telescribe simulate --truth -) <(telescribe dump) && echo complete")]
pub struct Args {
    /// Include deleted messages and earlier versions
    #[arg(long)]
    pub all: bool,
    /// Only this peer: a marked id, or @ and a username
    #[arg(long, value_name = "PEER", allow_negative_numbers = true)]
    pub peer: Option<String>,
}

/// Runs the command on standard output.
///
/// # Errors
/// When no server could be reached, or the response was truncated: then the output is incomplete.
pub async fn run(args: Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    ended(write(&args, globals, &mut Out::stdout()).await)
}

/// Runs the command.
///
/// # Errors
/// See [`run`].
pub async fn write(args: &Args, globals: &Globals, out: &mut Out) -> anyhow::Result<ExitCode> {
    let mut target = Target::new("/v1/dump").with_some("peer", args.peer.as_ref());
    if args.all {
        target = target.with("all", true);
    }
    let api = Api::open(globals).await?;
    api.each_line::<DumpPage>(&target, |line| Ok(out.line(line)?)).await?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
