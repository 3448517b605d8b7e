//! `telescribe history`: the messages of a peer, as they were archived.

use std::num::NonZeroUsize;
use std::process::ExitCode;

use serde_json::json;

use super::client::{Api, Globals, Target, segment};
use super::conversation::line;
use super::output::{Out, ended};
use super::peers::title;
use super::received::Received;
use crate::model::PeerLink;
use crate::show::PeerView;
use crate::views::MessagesPage;

/// Messages that are shown where nothing else is said.
const LIMIT: NonZeroUsize = NonZeroUsize::new(20).unwrap();

/// Show the messages of a peer, the newest first; the exit status is 1 if there are none
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  telescribe history @example_channel
  telescribe history @example_channel --oldest --limit 100
  telescribe history https://t.me/example_channel/4242 --before 4242
  telescribe history -1001500000001 --all --json | jq -r 'select(.deleted) | .text'")]
pub struct Args {
    /// A marked id, @ and a username, or a link as it was copied; one to a message begins there
    #[arg(value_name = "PEER", allow_negative_numbers = true)]
    pub peer: String,
    /// Whose messages are meant, in basic groups and private chats that several accounts archived
    #[arg(long, value_name = "ACCOUNT")]
    pub account: Option<String>,
    /// Only messages before this one
    #[arg(long, value_name = "ID")]
    pub before: Option<i32>,
    /// Only messages after this one
    #[arg(long, value_name = "ID")]
    pub after: Option<i32>,
    /// The oldest first
    #[arg(long)]
    pub oldest: bool,
    /// Maximum number of messages
    #[arg(long, value_name = "COUNT", default_value_t = LIMIT, conflicts_with = "all")]
    pub limit: NonZeroUsize,
    /// Show all messages, page by page
    #[arg(long)]
    pub all: bool,
}

/// Runs the command on standard output; the status is 1 when there are no messages.
///
/// # Errors
/// When no server could be reached, or the archive holds nothing of the peer.
pub async fn run(args: Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    ended(write(&args, globals, &mut Out::stdout()).await)
}

/// Runs the command.
///
/// # Errors
/// See [`run`].
pub async fn write(args: &Args, globals: &Globals, out: &mut Out) -> anyhow::Result<ExitCode> {
    let (way, order) = if args.oldest { ("after", "oldest") } else { ("before", "newest") };
    // A link to a message begins there: with it, or with what is older.
    let linked =
        PeerLink::message(&args.peer).map(|id| if args.oldest { id.0.saturating_sub(1) } else { id.0.saturating_add(1) });
    let begin = |said: Option<i32>, name| said.or(linked.filter(|_| way == name));
    let target = Target::new(format!("/v1/peers/{}/messages", segment(&args.peer))).with("order", order);
    let target = target.with_some("account", args.account.as_ref());
    let target = target.with_some("before", begin(args.before, "before"));
    let mut target = target.with_some("after", begin(args.after, "after"));
    let api = Api::open(globals).await?;
    let (mut left, mut shown) = (if args.all { usize::MAX } else { args.limit.get() }, 0_usize);
    while left > 0 {
        if !args.all {
            target = target.with("limit", left.min(PAGE_SIZE_MAX));
        }
        let page: Received<MessagesPage> = api.get(&target).await?;
        if shown == 0 && !globals.json {
            let head = out.strong(&title(&page.view.peer));
            out.line(head)?;
        }
        write_page(&page, globals.json, out)?;
        shown += page.view.messages.len();
        left = left.saturating_sub(page.view.messages.len());
        match page.view.next {
            Some(next) => target = target.with(way, next),
            None => break,
        }
    }
    if !globals.json && shown == 0 {
        out.line("no messages")?;
    }
    out.flush()?;
    Ok(ExitCode::from(u8::from(shown == 0)))
}

/// Messages per page (pagination): what every server allows.
const PAGE_SIZE_MAX: usize = 100;

fn write_page(page: &Received<MessagesPage>, as_json: bool, out: &mut Out) -> anyhow::Result<()> {
    let MessagesPage { peer, peers, .. } = &page.view;
    let known: Vec<&PeerView> = peers.iter().chain([peer]).collect();
    for (stored, json) in page.entries() {
        if as_json {
            let mut whole = json.clone();
            let mentioned: Vec<i64> = stored.message.content.mentions().chain([peer.id]).collect();
            let named: Vec<&&PeerView> = known.iter().filter(|peer| mentioned.contains(&peer.id)).collect();
            if let Some(members) = whole.as_object_mut() {
                members.insert("peers".to_owned(), json!(named));
            }
            out.json(&whole)?;
        } else {
            out.line(line(stored, &known, out))?;
        }
    }
    Ok(())
}
