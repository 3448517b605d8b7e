//! The command line: one file per command.
//!
//! Commands that read (`search`, `show`, `history`, `peers`, `changes`, `dump`, `coverage`, `counters`, `log`, `status`, `schedule`) are HTTP clients,
//! whichever server answers: see [`client`]. `join`, `schedule run` and `backup` send operator requests the same way. Commands that change what is on
//! disk take the exclusive lock of the data folder.
//!
//! The exit status is 0 for success, 1 for a negative result (nothing found, something incomplete or different), 2 for an error.

mod account;
pub mod backup;
pub mod changes;
mod check_config;
pub mod client;
mod conversation;
pub mod counters;
pub mod coverage;
pub mod dead_letters;
mod demo;
pub mod dump;
pub mod erase;
mod export;
mod facets;
pub mod fetch;
pub mod follow;
pub mod history;
pub mod join;
mod key;
mod log;
mod login;
pub mod media;
mod output;
pub mod peers;
mod place;
pub mod received;
mod reindex;
mod repair;
pub mod restore;
mod run;
pub mod schedule;
pub mod search;
pub mod show;
mod signals;
mod simulate;
pub mod status;
mod upgrade;
mod verify;
pub mod watch;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::Config;
use crate::{open_files, pictures};
use client::Globals;
pub use output::Out;
use signals::Signals;

/// An archival crawler for Telegram: crawl, archive, search, publish, serve
#[derive(Debug, Parser)]
#[command(name = "telescribe", version, propagate_version = true, max_term_width = 120)]
#[command(after_help = "Examples:
  telescribe demo                     everything, on a simulated Telegram, without an account
  telescribe login alpha              sign an account in
  telescribe run                      crawl, archive, index, publish, serve
  telescribe search 今天              find messages")]
struct Cli {
    #[command(flatten)]
    globals: Globals,
    /// The configuration file [default: config.toml, where there is one]
    #[arg(long, global = true, value_name = "FILE", env = "TELESCRIBE_CONFIG")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Args),
    Run(run::Args),
    Simulate(simulate::Args),
    Login(login::Args),
    Account(account::Args),
    Peers(peers::Args),
    Search(search::Args),
    Show(show::Args),
    History(history::Args),
    Changes(changes::Args),
    Dump(dump::Args),
    Coverage(coverage::Args),
    Counters(counters::Args),
    Join(join::Args),
    Fetch(fetch::Args),
    Media(media::Args),
    Follow(follow::FollowArgs),
    Unfollow(follow::UnfollowArgs),
    Watch(watch::Args),
    DeadLetters(dead_letters::Args),
    Status(status::Args),
    Schedule(schedule::Args),
    Log(log::Args),
    Verify(verify::Args),
    Backup(backup::Args),
    Restore(restore::Args),
    Erase(erase::Args),
    Repair(repair::Args),
    Reindex(reindex::Args),
    Upgrade(upgrade::Args),
    Key(key::Args),
    Config(check_config::Args),
}

/// Decodes a picture, where this process was started for that and for nothing else: before there is a runtime, a log, or anything open.
#[must_use]
pub fn as_decoder() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let is_asked = arguments.next().is_some_and(|first| first == pictures::ARGUMENT) && arguments.next().is_none();
    is_asked.then(pictures::decode_stdin)
}

/// Runs the command of this process's arguments.
pub async fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; where even printing them fails, nobody is left to tell.
            let failed = error.print().is_err() || error.use_stderr();
            return ExitCode::from(if failed { 2 } else { 0 });
        }
    };
    if let Err(error) = open_files::raise_limit() {
        output::tell(format_args!("telescribe: the limit of open files could not be raised: {error}"));
    }
    let outcome = dispatch(cli).await;
    match outcome {
        Ok(code) => code,
        Err(error) => {
            output::tell(format_args!("telescribe: {}", in_full(&error)));
            ExitCode::from(2)
        }
    }
}

/// An error with its causes. Many errors state their cause in their own text already: no cause is said twice.
fn in_full(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

async fn dispatch(cli: Cli) -> anyhow::Result<ExitCode> {
    let Cli { globals, config, command } = cli;
    let config = || {
        let path = config.clone().unwrap_or_else(|| PathBuf::from("config.toml"));
        Config::load(&path, config.is_some(), std::env::vars()).map_err(anyhow::Error::from)
    };
    match command {
        Command::Demo(args) => demo::run(args, &globals).await,
        Command::Run(args) => {
            let signals = Signals::catch()?;
            run::run(args, &globals, &config()?, signals).await
        }
        Command::Simulate(args) => simulate::run(args).await,
        Command::Login(args) => login::run(args, &globals, &config()?).await,
        Command::Account(args) => account::run(args, &globals, &config()?).await,
        Command::Peers(args) => peers::run(args, &globals).await,
        Command::Search(args) => search::run(args, &globals).await,
        Command::Show(args) => show::run(args, &globals).await,
        Command::History(args) => history::run(args, &globals).await,
        Command::Changes(args) => changes::run(args, &globals).await,
        Command::Dump(args) => dump::run(args, &globals).await,
        Command::Coverage(args) => coverage::run(args, &globals).await,
        Command::Counters(args) => counters::run(args, &globals).await,
        Command::Join(args) => join::run(args, &globals).await,
        Command::Fetch(args) => fetch::run(args, &globals).await,
        Command::Media(args) => media::run(args, &globals, config).await,
        Command::Follow(args) => follow::follow(args, &globals).await,
        Command::Unfollow(args) => follow::unfollow(args, &globals).await,
        Command::Watch(args) => watch::run(args, &globals).await,
        Command::DeadLetters(args) => dead_letters::run(args, &globals).await,
        Command::Status(args) => status::run(args, &globals).await,
        Command::Schedule(args) => schedule::run(args, &globals, config).await,
        Command::Log(args) => log::run(args, &globals).await,
        Command::Verify(args) => verify::run(args, &globals).await,
        Command::Backup(args) => backup::run(args, &globals, config).await,
        Command::Restore(args) => restore::run(args, &globals, &config()?),
        Command::Erase(args) => erase::run(args, &globals, config).await,
        Command::Repair(args) => repair::run(args, &globals),
        Command::Upgrade(args) => upgrade::run(args, &globals),
        Command::Reindex(args) => reindex::run(args, &globals, &config()?).await,
        Command::Key(args) => key::run(args, &globals),
        Command::Config(args) => check_config::run(args, &globals, config),
    }
}
