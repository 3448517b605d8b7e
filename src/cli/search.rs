//! `telescribe search`: full-text search.

use std::num::NonZeroUsize;
use std::process::ExitCode;

use clap::ValueEnum;

use super::client::{Api, Globals, Target};
use super::output::{Out, ended, harmless};
use super::received::Received;
use super::show::name;
use crate::views::{HitView, HitsPage, SearchBody, SnippetView, TotalView};

/// Search messages by their text
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  telescribe search 今天
  telescribe search книга in:@example_channel has:photo
  telescribe search '\"data breach\" OR leak -test after:2024-01-01' --sort relevance
  telescribe search invoice --all --json | jq -r .message.text

The exit status is 1 if nothing is found. docs/query.md describes the query language.")]
pub struct Args {
    /// Words, "phrases", -not, OR, prefix*, and filters such as in: from: has: after: before: is:; quote it, or put -- before a leading -
    #[arg(value_name = "QUERY", required = true, allow_negative_numbers = true)]
    pub query: Vec<String>,
    /// The order of hits
    #[arg(long, value_enum, default_value_t = Sort::Newest)]
    pub sort: Sort,
    /// Maximum number of hits
    #[arg(long, value_name = "COUNT", default_value = "20", conflicts_with = "all")]
    pub limit: NonZeroUsize,
    /// Show all hits, page by page
    #[arg(long)]
    pub all: bool,
}

/// The order of hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Sort {
    /// The newest first
    Newest,
    /// The oldest first
    Oldest,
    /// The best match first
    Relevance,
}

impl Sort {
    fn word(self) -> &'static str {
        match self {
            Self::Newest => "newest",
            Self::Oldest => "oldest",
            Self::Relevance => "relevance",
        }
    }
}

/// Hits per page (pagination): what the server allows.
const PAGE_SIZE_MAX: usize = 100;

/// Runs the command on standard output; the status is 1 when nothing is found.
///
/// # Errors
/// When the query is invalid, or no server could be reached.
pub async fn run(args: Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    ended(write(&args, globals, &mut Out::stdout()).await)
}

/// Runs the command.
///
/// # Errors
/// See [`run`].
pub async fn write(args: &Args, globals: &Globals, out: &mut Out) -> anyhow::Result<ExitCode> {
    let api = Api::open(globals).await?;
    let mut left = if args.all { usize::MAX } else { args.limit.get() };
    let (target, query) = (Target::new("/v1/search"), args.query.join(" "));
    let mut cursor: Option<String> = None;
    let mut shown = 0_usize;
    loop {
        // In the body, which is sealed and in no log, unlike the query of a URL.
        let body = SearchBody {
            q: query.clone(),
            sort: Some(args.sort.word().to_owned()),
            limit: Some(left.min(PAGE_SIZE_MAX)),
            cursor,
        };
        let page: Received<HitsPage> = api.post(&target, &body).await?;
        for (hit, json) in page.entries().take(left) {
            shown += 1;
            if globals.json {
                out.json(json)?;
            } else {
                for_people(&page.view, hit, out)?;
            }
        }
        left = left.saturating_sub(page.view.hits.len());
        cursor = page.view.next.filter(|_| left > 0);
        if cursor.is_none() {
            if !globals.json {
                let line = summary(shown, page.view.total, out);
                out.line(line)?;
            }
            break;
        }
    }
    out.flush()?;
    Ok(if shown > 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn summary(shown: usize, total: TotalView, out: &Out) -> String {
    let TotalView { count, exact } = total;
    out.faint(&format!("{shown} of {}{count}", if exact { "" } else { "at least " }))
}

fn for_people(page: &HitsPage, hit: &HitView, out: &mut Out) -> std::io::Result<()> {
    let message = &hit.message.message;
    let (peer, id) = (message.peer, message.id);
    let date = message.content.date.get(..16).unwrap_or_default().replace('T', " ");
    let sender = match message.content.sender {
        Some(sender) if sender != peer => format!("  {}", name(&page.peers, sender)),
        _ => String::new(),
    };
    let account = message.account.as_ref().map(|account| format!(" --account {account}")).unwrap_or_default();
    let (peer_name, key) = (out.strong(&name(&page.peers, peer)), out.faint(&format!("{peer} {id}{account}")));
    out.line(format_args!("{date}  {peer_name}{sender}  {key}"))?;
    let snippet = snippet(&hit.snippet, out);
    if !snippet.is_empty() {
        out.line(format_args!("    {snippet}"))?;
    }
    Ok(())
}

/// A snippet in one line, with what matches marked.
fn snippet(snippet: &SnippetView, out: &Out) -> String {
    let text: Vec<u16> = snippet.text.encode_utf16().collect();
    let part = |from: usize, to: usize| flat(&String::from_utf16_lossy(text.get(from..to).unwrap_or_default()));
    let mut shown = String::new();
    let mut at = 0;
    for [from, length] in &snippet.highlights {
        let to = from.saturating_add(*length);
        shown.push_str(&part(at, *from));
        shown.push_str(&out.hit(&part(*from, to)));
        at = to;
    }
    shown.push_str(&part(at, text.len()));
    shown.trim().to_owned()
}

/// Line breaks become spaces; spaces at the edges stay, because a part of a line is not a line.
fn flat(text: &str) -> String {
    harmless(&text.replace(['\n', '\r', '\t'], " "))
}
