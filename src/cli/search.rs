//! `telescribe search`: full-text search.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::process::ExitCode;

use clap::ValueEnum;
use serde_json::{Map, Value, json};

use super::client::{Api, Globals, Refusal, Target};
use super::conversation::line;
pub use super::export::{ExportArgs, Format};
pub use super::facets::FacetArgs;
use super::output::{Out, ended, harmless, minute};
use super::peers::name;
use super::received::Received;
use super::{export, facets};
use crate::search::SearchQuery;
use crate::show::PeerView;
use crate::views::{CollapsedView, HitView, HitsPage, MessageContextView, SearchBody, SnippetView, TotalView};

/// Hits that are shown where nothing else is said.
const LIMIT: NonZeroUsize = NonZeroUsize::new(20).unwrap();

/// Search messages by their text
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  telescribe search 今天
  telescribe search книга in:@example_channel has:photo
  telescribe search '\"data breach\" OR leak -test after:2024-01-01' --sort relevance
  telescribe search invoice --all --json | jq -r .message.text
  telescribe search 'airdrop OR казино' --collapse text,album
  telescribe search 今天 --context 3
  telescribe search invoice in:@example_channel --export csv --out invoices.csv
  telescribe search 'leak OR breach' in:@example_channel after:2024-01-01
  telescribe search leak --facets peer,sender,lang,host --histogram month --timezone Europe/Berlin

Each argument is a group of its own; without any, all messages are found. With --json and without --all, the last line says how many
there are in all, and where to go on (--cursor). The exit status is 1 if nothing is found. docs/query.md describes the query language.")]
pub struct Args {
    /// Words, "phrases", -not, OR, prefix*, and filters such as in: from: has: after: before: is:; quote it, or put -- before a leading -
    #[arg(value_name = "QUERY", allow_negative_numbers = true)]
    pub query: Vec<String>,
    /// The order of hits
    #[arg(long, value_enum, default_value_t = Sort::Newest)]
    pub sort: Sort,
    /// Maximum number of hits
    #[arg(long, value_name = "COUNT", default_value_t = LIMIT, conflicts_with = "all")]
    pub limit: NonZeroUsize,
    /// Show all hits, page by page
    #[arg(long)]
    pub all: bool,
    /// Go on behind the hits of an earlier search for the same: its `next`
    #[arg(long, value_name = "NEXT", conflicts_with = "export")]
    pub cursor: Option<String>,
    /// Of hits that belong together show only the first: parts of an album, forwards of a post, texts that are nearly the same
    #[arg(long, value_name = "KINDS", value_enum, value_delimiter = ',')]
    pub collapse: Vec<CollapseKind>,
    /// With the same --collapse, show all hits of the group that this one is in
    #[arg(long, value_name = "PEER/ID", requires = "collapse", allow_hyphen_values = true)]
    pub group: Option<String>,
    /// Show so many messages before and after each hit
    #[arg(short = 'C', long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=10))]
    pub context: Option<u8>,
    /// What is counted over all hits
    #[command(flatten)]
    pub facets: FacetArgs,
    /// Where all hits go
    #[command(flatten)]
    pub export: ExportArgs,
}

impl Args {
    /// The newest hits of a query, as without any option.
    #[must_use]
    pub fn new(query: Vec<String>) -> Self {
        Self {
            query,
            sort: Sort::Newest,
            limit: LIMIT,
            all: false,
            cursor: None,
            collapse: Vec::new(),
            group: None,
            context: None,
            facets: FacetArgs::default(),
            export: ExportArgs::default(),
        }
    }
}

/// What hits have in common that are collapsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CollapseKind {
    /// They are parts of one album
    Album,
    /// They are forwards of one post, or the post itself
    Source,
    /// Their texts are nearly the same
    Text,
}

impl CollapseKind {
    fn word(self) -> &'static str {
        match self {
            Self::Album => "album",
            Self::Source => "source",
            Self::Text => "text",
        }
    }
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
    /// What was viewed most often first
    Views,
}

impl Sort {
    fn word(self) -> &'static str {
        match self {
            Self::Newest => "newest",
            Self::Oldest => "oldest",
            Self::Relevance => "relevance",
            Self::Views => "views",
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
    if let Some(format) = args.export.export {
        return export::write((query_of(&args.query), args.sort.word()), (format, &args.export), globals, out).await;
    }
    let api = Api::open(globals).await?;
    let mut left = if args.all { usize::MAX } else { args.limit.get() };
    let (target, query) = (Target::new("/v1/search"), query_of(&args.query));
    let collapse = args.collapse.iter().map(|kind| kind.word()).collect::<Vec<_>>().join(",");
    let collapse = Some(collapse).filter(|kinds| !kinds.is_empty());
    let mut cursor = args.cursor.clone();
    let mut shown = 0_usize;
    // The first page, which alone counts.
    let mut counted: Option<Received<HitsPage>> = None;
    let next = loop {
        // In the body, which is sealed and in no log, unlike the query of a URL.
        let body = SearchBody {
            q: query.clone(),
            sort: Some(args.sort.word().to_owned()),
            limit: Some(left.min(PAGE_SIZE_MAX)),
            cursor,
            collapse: collapse.clone(),
            group: args.group.clone(),
            facets: args.facets.names(),
            facet_limit: args.facets.facet_limit,
            histogram: args.facets.histogram.clone(),
            timezone: args.facets.timezone.clone(),
            recount: None,
        };
        let page: Received<HitsPage> = api.post(&target, &body).await?;
        for (hit, json) in page.entries().take(left) {
            let around = match args.context {
                Some(count) => around(&api, hit, count).await?,
                None => None,
            };
            if globals.json {
                out.json(&self_contained(json, hit, &page.view, around.as_ref()))?;
            } else {
                if args.context.is_some() && shown > 0 {
                    out.line("--")?;
                }
                in_context(&page.view, hit, around.as_ref(), out)?;
            }
            shown += 1;
        }
        left = left.saturating_sub(page.view.hits.len());
        counted.get_or_insert_with(|| page.clone());
        cursor = page.view.next.clone().filter(|_| left > 0);
        if cursor.is_none() {
            if !globals.json {
                let line = summary(shown, &page.view, out);
                out.line(line)?;
            }
            break page.view.next;
        }
    };
    match counted.filter(|_| args.facets.is_any() || (shown > 0 && !args.all)) {
        Some(page) if globals.json => out.json(&of_all(&page.json, args.facets.is_any(), next))?,
        Some(page) if args.facets.is_any() => facets::for_people(&page.view, out)?,
        _ => {}
    }
    out.flush()?;
    Ok(if shown > 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// The query that arguments make: each is a group of its own, so that the `OR` in one ends with it.
pub(super) fn query_of(arguments: &[String]) -> String {
    let group = |argument: &String| {
        let words: Vec<&str> = argument.split_whitespace().collect();
        let is_choice = arguments.len() > 1 && words.len() > 1 && words.contains(&"OR") && SearchQuery::parse(argument).is_ok();
        // What stands beside a query and in no group (`sort:`) leaves it as it is.
        let group = Some(format!("({argument})")).filter(|group| is_choice && SearchQuery::parse(group).is_ok());
        group.unwrap_or_else(|| argument.clone())
    };
    arguments.iter().map(group).collect::<Vec<_>>().join(" ")
}

/// What is said of all hits, in a line of its own: how many there are, what was counted, and where those behind the shown ones begin.
fn of_all(page: &Value, is_counted: bool, next: Option<String>) -> Value {
    let names: &[&str] = if is_counted { &["total", "groups", "facets", "histogram", "peers"] } else { &["total", "groups"] };
    let members = names.iter().filter_map(|name| Some(((*name).to_owned(), page.get(name)?.clone())));
    members.chain(next.map(|next| ("next".to_owned(), next.into()))).collect::<Map<_, _>>().into()
}

fn summary(shown: usize, page: &HitsPage, out: &Out) -> String {
    let TotalView { count, exact } = page.total;
    let at_least = if exact { "" } else { "at least " };
    out.faint(&match page.groups {
        Some(groups) => format!("{shown} of {groups} groups of {at_least}{count}"),
        None => format!("{shown} of {at_least}{count}"),
    })
}

/// What is around a hit; nothing where it has gone meanwhile.
async fn around(api: &Api, hit: &HitView, count: u8) -> anyhow::Result<Option<Received<MessageContextView>>> {
    let message = &hit.message.message;
    let target = Target::new(format!("/v1/peers/{}/messages/{}/context", message.peer, message.id));
    let target = target.with_some("account", message.account.as_ref());
    let target = target.with("before", count).with("after", count).with("replies", 0);
    match api.get(&target).await {
        Ok(found) => Ok(Some(found)),
        Err(error) if Refusal::is_absence(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A hit as it came, with the peers that it mentions, and with what is around it.
fn self_contained(json: &Value, hit: &HitView, page: &HitsPage, around: Option<&Received<MessageContextView>>) -> Value {
    let mut whole = json.clone();
    let Some(members) = whole.as_object_mut() else { return whole };
    let message = &hit.message.message;
    let mentioned: BTreeSet<i64> = message.content.mentions().chain([message.peer]).collect();
    let peers: Vec<&PeerView> = page.peers.iter().filter(|peer| mentioned.contains(&peer.id)).collect();
    members.insert("peers".to_owned(), json!(peers));
    if let Some(around) = around {
        let part = |name: &str| around.json.get(name).cloned().unwrap_or_default();
        members.insert("context".to_owned(), json!({ "before": part("before"), "after": part("after"), "peers": part("peers") }));
    }
    whole
}

/// A hit between the messages before and after it, as grep does.
fn in_context(
    page: &HitsPage,
    hit: &HitView,
    around: Option<&Received<MessageContextView>>,
    out: &mut Out,
) -> std::io::Result<()> {
    let Some(Received { view, .. }) = around else { return for_people(page, hit, out) };
    let peers: Vec<&PeerView> = view.peers.iter().chain([&view.peer]).collect();
    for stored in &view.before {
        out.line(format_args!("  {}", line(stored, &peers, out)))?;
    }
    for_people(page, hit, out)?;
    for stored in &view.after {
        out.line(format_args!("  {}", line(stored, &peers, out)))?;
    }
    Ok(())
}

fn for_people(page: &HitsPage, hit: &HitView, out: &mut Out) -> std::io::Result<()> {
    let message = &hit.message.message;
    let (peer, id) = (message.peer, message.id);
    let date = minute(&message.content.date);
    let sender = match message.content.sender {
        Some(sender) if sender != peer => format!("  {}", name(&page.peers, sender)),
        _ => String::new(),
    };
    let account = message.account.as_ref().map(|account| format!(" --account {account}")).unwrap_or_default();
    let (peer_name, key) = (out.strong(&name(&page.peers, peer)), out.faint(&format!("{peer} {id}{account}")));
    let earlier = hit.version.map(|number| format!("version {number}, before an edit"));
    let deleted = hit.message.deleted.is_some().then(|| "deleted".to_owned());
    let marks: String = deleted.into_iter().chain(earlier).map(|mark| format!("  [{mark}]")).collect();
    out.line(format_args!("{date}  {peer_name}{sender}  {key}{marks}"))?;
    let snippet = snippet(&hit.snippet, out);
    if !snippet.is_empty() {
        out.line(format_args!("    {snippet}"))?;
    }
    if let Some(CollapsedView { count, by, group }) = &hit.collapsed {
        let line = format!("    and {count} more by {}: --group {group}", by.join(", "));
        let line = out.faint(&harmless(&line));
        out.line(line)?;
    }
    Ok(())
}

/// A snippet in one line, with what matches marked.
pub(super) fn snippet(snippet: &SnippetView, out: &Out) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_argument_is_a_group_of_its_own() {
        for (arguments, query) in [
            (&[][..], ""),
            (&["a OR b"], "a OR b"),
            (&["a OR b", "in:@c"], "(a OR b) in:@c"),
            (&["in:@c", "\"a b\" OR d", "-e"], "in:@c (\"a b\" OR d) -e"),
            // What a shell has taken apart is one query.
            (&["a", "OR", "b", "in:@c"], "a OR b in:@c"),
            (&["(a OR", "b)", "c"], "(a OR b) c"),
            (&["a b", "c"], "a b c"),
            (&["a OR b sort:oldest", "c"], "a OR b sort:oldest c"),
        ] {
            let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
            assert_eq!(query_of(&arguments), query);
        }
    }
}
