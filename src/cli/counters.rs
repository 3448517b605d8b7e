//! `telescribe counters`: members, views and reactions over time.

use std::process::ExitCode;

use super::client::{Api, Globals, Target, segment};
use super::output::{Out, ended, minute, one_line, tell};
use super::received::ListPage;
use crate::views::{CountersView, MemberCountView, MemberCountsPage, MessageCountersPage};

/// Show a peer's members, or a message's views, forwards, replies and reactions, over time
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  telescribe counters @example_channel
  telescribe counters @example_channel 42
  telescribe counters @example_channel --json | jq -r '[.at, .count] | @csv'")]
pub struct Args {
    /// A marked id, or @ and a username
    #[arg(value_name = "PEER", allow_negative_numbers = true)]
    pub peer: String,
    /// A message's id; by default, the peer's members are shown
    #[arg(value_name = "ID")]
    pub message: Option<i32>,
    /// Whose message id it is, in basic groups and private chats that several accounts archived
    #[arg(long, value_name = "ACCOUNT", requires = "message")]
    pub account: Option<String>,
}

/// Runs the command on standard output; the status is 1 when there are no counters yet.
///
/// # Errors
/// When no server could be reached, or there is no such peer or message.
pub async fn run(args: Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    ended(write(&args, globals, &mut Out::stdout()).await)
}

/// Runs the command.
///
/// # Errors
/// See [`run`].
pub async fn write(args: &Args, globals: &Globals, out: &mut Out) -> anyhow::Result<ExitCode> {
    let api = Api::open(globals).await?;
    let peer = segment(&args.peer);
    let any = match args.message {
        Some(id) => {
            let target = Target::new(format!("/v1/peers/{peer}/messages/{id}/counters"));
            let target = target.with_some("account", args.account.as_ref());
            each::<MessageCountersPage>(&api, target, globals, out, of_message).await?
        }
        None => each::<MemberCountsPage>(&api, Target::new(format!("/v1/peers/{peer}/counters")), globals, out, of_peer).await?,
    };
    out.flush()?;
    if !any {
        tell("there are no counters yet; `telescribe schedule run counters` reads them now");
    }
    Ok(ExitCode::from(u8::from(!any)))
}

/// Writes every sample, in words by `for_people`; returns whether there is any.
async fn each<P: ListPage>(
    api: &Api,
    target: Target,
    globals: &Globals,
    out: &mut Out,
    for_people: fn(&P::Entry) -> String,
) -> anyhow::Result<bool> {
    let mut any = false;
    api.each_page::<P>(target, |page| {
        for (sample, json) in page.entries() {
            any = true;
            if globals.json {
                out.json(json)?;
            } else {
                out.line(for_people(sample))?;
            }
        }
        Ok(())
    })
    .await?;
    Ok(any)
}

fn of_peer(sample: &MemberCountView) -> String {
    format!("{}  {} members", minute(&sample.at), sample.count)
}

fn of_message(sample: &CountersView) -> String {
    let counts = [(sample.views, "views"), (sample.forwards, "forwards"), (sample.replies, "replies")];
    let mut parts: Vec<String> = counts.into_iter().filter_map(|(count, name)| Some(format!("{} {name}", count?))).collect();
    parts.extend(sample.reactions.iter().map(|reaction| format!("{} {}", one_line(&reaction.emoji), reaction.count)));
    let counters = if parts.is_empty() { "no counters".to_owned() } else { parts.join(", ") };
    format!("{}  {counters}", minute(&sample.at))
}
