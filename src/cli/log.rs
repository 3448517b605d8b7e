//! `telescribe log`: what proves that the change log is the one that it was.

use std::process::ExitCode;

use super::client::{Api, Globals, Target};
use super::output::{Out, ended};
use crate::views::LogHeadView;

/// Show what proves the change log: the newest link of its hash chain
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  telescribe log head
  telescribe log head --json >> heads.ndjson

Every entry of the change log has a link, made with SHA-256 from the link before it, from what it tells, and from Telegram's
bytes of what it brought. Who notes heads elsewhere can prove later that nothing up to them was changed: `telescribe verify`
makes all links again.")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Command {
    /// Print the newest link of the hash chain, with the number of the change that it is of
    Head,
}

pub(super) async fn run(args: Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    let Command::Head = args.command;
    ended(head(globals, &mut Out::stdout()).await)
}

async fn head(globals: &Globals, out: &mut Out) -> anyhow::Result<ExitCode> {
    let received = Api::open(globals).await?.get::<LogHeadView>(&Target::new("/v1/changes/head")).await?;
    if globals.json {
        out.json(&received.json)?;
    } else {
        let LogHeadView { archive, epoch, seq, link } = &received.view;
        let link = link.as_deref().unwrap_or("(no link, because the key is limited to some peers)");
        out.line(format_args!("{link}  change {seq} of archive {archive}, epoch {epoch}"))?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
