//! `telescribe search`: full-text search.

use std::num::NonZeroUsize;
use std::process::ExitCode;

use clap::ValueEnum;
use serde_json::{Value, json};

use super::client::{Api, Globals, Target};
use super::output::{Out, ended, harmless};
use super::show::name;

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
    #[arg(value_name = "QUERY", required = true)]
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
        let asked = json!({ "q": query, "sort": args.sort.word(), "limit": left.min(PAGE_SIZE_MAX), "cursor": cursor });
        let page = api.post(&target, &asked).await?;
        for hit in page.get("hits").and_then(Value::as_array).into_iter().flatten().take(left) {
            shown += 1;
            if globals.json {
                out.json(hit)?;
            } else {
                for_people(&page, hit, out)?;
            }
        }
        let total = page.get("total").cloned().unwrap_or_default();
        left = left.saturating_sub(page.get("hits").and_then(Value::as_array).map_or(0, Vec::len));
        match page.get("next").and_then(Value::as_str) {
            Some(next) if left > 0 => cursor = Some(next.to_owned()),
            _ => {
                if !globals.json {
                    let line = summary(shown, &total, out);
                    out.line(line)?;
                }
                break;
            }
        }
    }
    out.flush()?;
    Ok(if shown > 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn summary(shown: usize, total: &Value, out: &Out) -> String {
    let count = total.get("count").and_then(Value::as_u64).unwrap_or_default();
    let exact = total.get("exact").and_then(Value::as_bool).unwrap_or_default();
    out.faint(&format!("{shown} of {}{count}", if exact { "" } else { "at least " }))
}

fn for_people(page: &Value, hit: &Value, out: &mut Out) -> std::io::Result<()> {
    let empty = Value::Null;
    let message = hit.get("message").unwrap_or(&empty);
    let member = |name: &str| message.get(name).unwrap_or(&empty);
    let date = member("date").as_str().unwrap_or_default().get(..16).unwrap_or_default().replace('T', " ");
    let peer = out.strong(&name(page, member("peer")));
    let sender = match message.get("sender") {
        Some(sender) if sender != member("peer") => format!("  {}", name(page, sender)),
        _ => String::new(),
    };
    let key = out.faint(&format!("{} {}", member("peer"), member("id")));
    out.line(format_args!("{date}  {peer}{sender}  {key}"))?;
    let snippet = snippet(hit.get("snippet").unwrap_or(&empty), out);
    if !snippet.is_empty() {
        out.line(format_args!("    {snippet}"))?;
    }
    Ok(())
}

/// A snippet in one line, with what matches marked.
fn snippet(snippet: &Value, out: &Out) -> String {
    let text: Vec<u16> = snippet.get("text").and_then(Value::as_str).unwrap_or_default().encode_utf16().collect();
    let part = |from: usize, to: usize| flat(&String::from_utf16_lossy(text.get(from..to).unwrap_or_default()));
    let mut shown = String::new();
    let mut at = 0;
    for highlight in snippet.get("highlights").and_then(Value::as_array).into_iter().flatten() {
        let number =
            |at: usize| highlight.get(at).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok()).unwrap_or_default();
        let (from, to) = (number(0), number(0) + number(1));
        shown.push_str(&part(at, from));
        shown.push_str(&out.hit(&part(from, to)));
        at = to;
    }
    shown.push_str(&part(at, text.len()));
    shown.trim().to_owned()
}

/// Line breaks become spaces; spaces at the edges stay, because a part of a line is not a line.
fn flat(text: &str) -> String {
    harmless(&text.replace(['\n', '\r', '\t'], " "))
}
