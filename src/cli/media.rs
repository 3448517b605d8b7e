//! `telescribe media`: which files are known, in which state each is, and wishes about them.

mod get;
mod progress;
mod rules;

use std::process::ExitCode;

use super::client::{Api, Globals, Target};
use super::output::{Out, ended, one_line};
use super::received::Received;
use crate::config::Config;
use crate::model::FileId;
use crate::views::{FileDetail, FileView, FilesPage, MediaWishBody, MediaWishView};
use progress::ProgressArgs;
pub(super) use progress::summary;
use rules::RulesArgs;

/// List files, download them, and see why one is not downloaded
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  telescribe media                                    files that are wanted and not stored
  telescribe media @example_channel --state stored    the files of a peer, newest message first
  telescribe media list --state failed
  telescribe media progress                           how far the downloads are
  telescribe media rules --explain @example_channel 120
  telescribe media show document:5301020304050607
  telescribe media fetch @example_channel 120
  telescribe media get @example_channel 120
  telescribe media retry

Which files are downloaded is configured: see `[media]` of the configuration. The exit status of a list is 1 while files that are wanted are
missing.")]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    list: ListArgs,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Command {
    /// List files by their state
    List(ListArgs),
    /// Show one file: its state, where it was seen, and what the rules say of it there
    Show(ShowArgs),
    /// Save a stored file under a path
    Get(get::GetArgs),
    /// Download files now, whatever the rules say
    Fetch(FetchArgs),
    /// Try files again that could not be downloaded
    Retry(RetryArgs),
    /// Show how far the downloads are: on a terminal until everything is there
    Progress(ProgressArgs),
    /// List the rules that say which files are downloaded, or explain what they say of a message's files
    Rules(RulesArgs),
}

#[derive(Clone, Debug, clap::Args)]
struct ListArgs {
    /// Only the files of this peer's messages, newest first: @username, a link, or a marked id
    #[arg(value_name = "PEER", allow_negative_numbers = true)]
    peer: Option<String>,
    /// The account whose chat is meant, of basic groups and private chats
    #[arg(long, value_name = "NAME", requires = "peer")]
    account: Option<String>,
    /// missing (wanted or failed), wanted, failed, stored, skipped or seen
    #[arg(long, default_value = "missing", value_name = "STATE")]
    state: String,
}

#[derive(Clone, Debug, clap::Args)]
struct ShowArgs {
    /// The id of a file, such as document:5301020304050607
    #[arg(value_name = "FILE")]
    file: FileId,
}

#[derive(Clone, Debug, clap::Args)]
struct FetchArgs {
    /// The ids of files; or a peer and the id of one of its messages
    #[arg(value_name = "FILE|PEER MESSAGE", required = true, allow_negative_numbers = true)]
    what: Vec<String>,
    /// The account whose message id is meant, in basic groups and private chats
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
}

#[derive(Clone, Debug, clap::Args)]
struct RetryArgs {
    /// The ids of files, or a peer; by default all that have failed
    #[arg(value_name = "FILE|PEER", allow_negative_numbers = true)]
    what: Vec<String>,
    /// The account whose messages are meant, in basic groups and private chats
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
}

/// Runs the command on standard output; the status is 1 where files that are wanted are missing.
///
/// # Errors
/// When no server could be reached, or the request is refused.
pub async fn run(
    args: Args,
    globals: &Globals,
    config: impl Fn() -> anyhow::Result<Config> + Send + Sync,
) -> anyhow::Result<ExitCode> {
    ended(write(&args, globals, config, &mut Out::stdout()).await)
}

/// Runs the command.
///
/// # Errors
/// See [`run`].
pub async fn write(
    args: &Args,
    globals: &Globals,
    config: impl Fn() -> anyhow::Result<Config> + Send + Sync,
    out: &mut Out,
) -> anyhow::Result<ExitCode> {
    // Where the program does not run, the rules are those of the configuration.
    let planned = |archive, clock| crate::app::planned(&config()?, archive, clock);
    let Some(command) = &args.command else { return write_list(&args.list, globals, out).await };
    match command {
        Command::List(list) => write_list(list, globals, out).await,
        Command::Show(show) => write_one(&Api::open_with(globals, &planned).await?, show, globals, out).await,
        Command::Get(get) => get::write(get, globals, out).await,
        Command::Progress(progress) => progress::write(progress, globals, out).await,
        Command::Rules(rules) => rules::write(&Api::open_with(globals, &planned).await?, rules, globals, out).await,
        Command::Fetch(fetch) => {
            let body = meant(&fetch.what, fetch.account.clone())?;
            wish("/v1/media/fetch", &body, globals, out).await
        }
        Command::Retry(retry) => {
            let body = meant(&retry.what, retry.account.clone())?;
            wish("/v1/media/retry", &body, globals, out).await
        }
    }
}

/// What a wish is about: files, a peer, or a peer and one of its messages.
fn meant(what: &[String], account: Option<String>) -> anyhow::Result<MediaWishBody> {
    let is_file = |text: &String| text.parse::<FileId>().is_ok();
    match what {
        files if files.iter().all(is_file) => Ok(MediaWishBody { files: files.to_vec(), account, ..MediaWishBody::default() }),
        [peer] => Ok(MediaWishBody { peer: Some(peer.clone()), account, ..MediaWishBody::default() }),
        [peer, message] => {
            let id = message.parse().map_err(|_| anyhow::anyhow!("`{message}` is not the id of a message"))?;
            Ok(MediaWishBody { peer: Some(peer.clone()), message: Some(id), account, ..MediaWishBody::default() })
        }
        _ => anyhow::bail!("name files (`document:77`), or one peer and one message"),
    }
}

async fn write_list(args: &ListArgs, globals: &Globals, out: &mut Out) -> anyhow::Result<ExitCode> {
    let api = Api::open(globals).await?;
    let (mut count, mut is_missing) = (0_u64, false);
    let mut target = Target::new("/v1/media").with("state", &args.state);
    for (name, value) in [("peer", &args.peer), ("account", &args.account)] {
        target = value.iter().fold(target, |target, value| target.with(name, value));
    }
    api.each_page::<FilesPage>(target, |page| {
        for (file, json) in page.entries() {
            count += 1;
            is_missing |= matches!(file.state.as_str(), "wanted" | "failed");
            if globals.json {
                out.json(json)?;
            } else {
                let line = for_people(file, out);
                out.line(line)?;
            }
        }
        Ok(())
    })
    .await?;
    if count == 0 && !globals.json {
        out.line(match args.state.as_str() {
            "missing" => "no file is missing: all that the rules want are stored".to_owned(),
            state => format!("no file is {state}"),
        })?;
    }
    out.flush()?;
    Ok(ExitCode::from(u8::from(is_missing)))
}

async fn write_one(api: &Api, args: &ShowArgs, globals: &Globals, out: &mut Out) -> anyhow::Result<ExitCode> {
    let received: Received<FileDetail> = api.get(&Target::new(format!("/v1/files/{}", args.file))).await?;
    if globals.json {
        out.json(&received.json)?;
    } else {
        let FileDetail { file, places } = &received.view;
        out.line(for_people(file, out))?;
        if let Some(sha256) = &file.sha256 {
            out.line(format_args!("  sha256 {sha256}"))?;
        }
        for place in places {
            let message = place.message.map_or("profile photo".to_owned(), |id| format!("message {id}"));
            let account = place.account.as_ref().map(|account| format!(" of account {account}")).unwrap_or_default();
            let said = place.rules.as_ref().map(|said| format!(": {}", one_line(said))).unwrap_or_default();
            out.line(format_args!("  in {} {message}{account} ({}){said}", place.peer, place.place))?;
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

async fn wish(path: &str, body: &MediaWishBody, globals: &Globals, out: &mut Out) -> anyhow::Result<ExitCode> {
    let api = Api::open(globals).await?;
    let received: Received<MediaWishView> = api.post(&Target::new(path), body).await?;
    if globals.json {
        out.json(&received.json)?;
    } else {
        match received.view.files {
            0 => out.line("nothing to do: what was named is stored already, on its way, or has not failed")?,
            1 => out.line("1 file is downloaded; `telescribe media` shows what is missing")?,
            count => out.line(format_args!("{count} files are downloaded; `telescribe media` shows what is missing"))?,
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn for_people(file: &FileView, out: &Out) -> String {
    let size = file.size.map_or_else(|| "?".to_owned(), |size| indicatif::HumanBytes(size).to_string());
    let name =
        file.name.as_deref().map(one_line).filter(|name| !name.is_empty()).map(|name| format!("  {name}")).unwrap_or_default();
    let tries = file.tries.filter(|tries| *tries > 1).map(|tries| format!(", {tries} times")).unwrap_or_default();
    let next = file.next_try.as_ref().map(|at| format!(", again at {at}")).unwrap_or_default();
    let why = file.reason.as_deref().map(|why| format!(": {}{tries}{next}", one_line(why))).unwrap_or_default();
    let message = file.message.map(|id| format!("{id:>8}  ")).unwrap_or_default();
    format!("{message}{:<30}  {:<9}  {size:>10}  {}{name}{why}", file.id, file.media, out.strong(&file.state))
}
