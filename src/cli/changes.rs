//! `telescribe changes`: shows and follows the change log.

use std::process::ExitCode;

use super::client::{Api, Globals, Target};
use super::output::{Out, ended, minute, one_line};
use super::received::Received;
use crate::archive::LogPosition;
use crate::views::{ChangeView, ChangesPage};

/// Show the change log: what was archived, in order, from a position on
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  telescribe changes --after 20000
  telescribe changes --follow --json | jq -r 'select(.kind == \"message.deleted\") | .message.text'")]
pub struct Args {
    /// The position after which to start: a change's number, or EPOCH:NUMBER; 0 is before the first change
    #[arg(long, value_name = "POSITION", default_value_t)]
    pub after: LogPosition,
    /// Maximum number of changes
    #[arg(long, value_name = "COUNT")]
    pub limit: Option<std::num::NonZeroUsize>,
    /// Wait for new changes at the end, until stopped
    #[arg(long)]
    pub follow: bool,
}

/// Runs the command on standard output.
///
/// # Errors
/// When no server could be reached, or the response was truncated.
pub async fn run(args: Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    ended(write(&args, globals, &mut Out::stdout()).await)
}

/// Runs the command.
///
/// # Errors
/// See [`run`].
pub async fn write(args: &Args, globals: &Globals, out: &mut Out) -> anyhow::Result<ExitCode> {
    let mut target = Target::new("/v1/changes").with("after", args.after).with_some("limit", args.limit);
    if args.follow {
        target = target.with("follow", true);
    }
    let api = Api::open(globals).await?;
    if !globals.json {
        out.columns(format_args!("{:>8}  {:<16}  {:<16}  ABOUT", "CHANGE", "AT", "KIND"))?;
    }
    api.each_line::<ChangesPage>(&target, |line| {
        if globals.json {
            out.line(line)?;
        } else {
            let change = Received::read("/v1/changes", serde_json::from_str(line)?)?;
            let text = for_people(&change.view, out);
            out.line(text)?;
        }
        if args.follow {
            out.flush()?;
        }
        Ok(())
    })
    .await?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn for_people(change: &ChangeView, out: &Out) -> String {
    let ChangeView { seq, at, kind, peer, .. } = change;
    let about = match change.id {
        Some(id) => format!("{peer}/{id}"),
        None => peer.to_string(),
    };
    let text = change.message.as_ref().map(|stored| stored.message.content.text.as_str()).filter(|text| !text.is_empty());
    let said = text.or(change.changed.as_ref().map(|peer| peer.title.as_str())).unwrap_or_default();
    let said: String = one_line(said).chars().take(100).collect();
    let at = out.faint(&minute(at));
    format!("{seq:>8}  {at}  {kind:<16}  {about}  {said}")
}
