//! `telescribe account`: the accounts on this machine, and the key that their sessions are sealed with.

mod import;
mod list;
mod seal;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::bail;
use serde_json::json;
use tokio::sync::mpsc;

use super::client::Globals;
use super::login::note_lost;
use super::output::{Out, ended, tell};
use crate::accounts::{Session, SessionError, Sessions};
use crate::app::{Known, open_sessions};
use crate::config::Config;
use crate::lifecycle::Lifecycle;
use crate::model::AccountName;
use crate::telegram::{Client, TelegramError};

/// List, check, import, seal, log out and remove accounts
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  telescribe account list
  telescribe account check
  telescribe account import bravo ~/telethon/bravo.session
  telescribe account logout bravo
  telescribe account new-key > master.key")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Command {
    /// List the accounts with their last known state (exit status 1 if one cannot be used)
    List,
    /// Ask Telegram whether each account is still signed in (exit status 1 if one is not)
    Check {
        /// Only this account
        name: Option<AccountName>,
    },
    /// Add an account from a session of Telethon, Pyrogram or GramJS, or from an authorisation key
    #[command(after_help = import::EXAMPLES)]
    Import(import::Args),
    /// Log an account out at Telegram, and remove its session file
    Logout {
        /// The account's name
        name: AccountName,
    },
    /// Remove an account's session file without logging out at Telegram
    Remove {
        /// The account's name
        name: AccountName,
    },
    /// Generate a master key, and print it
    #[command(after_help = seal::NEW_KEY_EXAMPLES)]
    NewKey,
    /// Seal (encrypt) every session file with the master key
    #[command(after_help = seal::SEAL_EXAMPLES)]
    Seal {
        /// The file of the previous master key, to change keys
        #[arg(long, value_name = "FILE")]
        old_key_file: Option<PathBuf>,
    },
    /// Unseal (decrypt) every session file
    Unseal,
}

pub(super) async fn run(args: Args, globals: &Globals, config: &Config) -> anyhow::Result<ExitCode> {
    ended(dispatch(args, globals, config).await)
}

async fn dispatch(args: Args, globals: &Globals, config: &Config) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::List => list::run(&open_sessions(config)?, globals),
        Command::Check { name } => check(&open_sessions(config)?, name, globals, config).await,
        Command::Import(args) => import::run(args, &open_sessions(config)?, config, &globals.data),
        Command::Logout { name } => logout(&open_sessions(config)?, &name, globals, config).await,
        // The master key may be lost already: it must not be needed here.
        Command::Remove { name } => {
            remove(&Sessions::new(&config.accounts.sessions, config.telegram.server.name()), &name, globals)
        }
        Command::NewKey => seal::new_key(),
        Command::Seal { old_key_file } => seal::seal(&open_sessions(config)?, old_key_file.as_deref()),
        Command::Unseal => seal::unseal(&open_sessions(config)?),
    }
}

async fn logout(store: &Sessions, name: &AccountName, globals: &Globals, config: &Config) -> anyhow::Result<ExitCode> {
    let (session, _lock) = store.take(name)?;
    match ask(Arc::new(session), config, async |client| client.log_out().await).await {
        Ok(()) | Err(TelegramError::SignedOut { .. }) => {}
        Err(error) => bail!("account `{name}` could not be logged out: {error}; its session file was kept"),
    }
    store.remove(name)?;
    Known::update(&globals.data, |known| known.forget_session(name))?;
    tell(format_args!("account `{name}` was logged out and its session file removed"));
    Ok(ExitCode::SUCCESS)
}

fn remove(store: &Sessions, name: &AccountName, globals: &Globals) -> anyhow::Result<ExitCode> {
    let _lock = store.lock(name)?;
    let removed = store.remove(name);
    let was_known = match &removed {
        Ok(()) | Err(SessionError::Unknown(_)) => Known::update(&globals.data, |known| known.forget_session(name))?,
        Err(_) => None,
    };
    if was_known == Some(true) && removed.is_err() {
        tell(format_args!("the session file of account `{name}` was missing already; the next start no longer expects it"));
        return Ok(ExitCode::SUCCESS);
    }
    removed?;
    tell(format_args!(
        "the session file of account `{name}` was removed; its session stays valid until it is ended in an app: Settings, Devices"
    ));
    Ok(ExitCode::SUCCESS)
}

async fn check(store: &Sessions, only: Option<AccountName>, globals: &Globals, config: &Config) -> anyhow::Result<ExitCode> {
    let names = match only {
        Some(name) => vec![name],
        None => store.names()?,
    };
    let mut out = Out::stdout();
    let mut all_well = true;
    for name in names {
        let (session, _lock) = store.take(&name)?;
        let session = Arc::new(session);
        let answer = ask(Arc::clone(&session), config, async |client| client.myself().await).await;
        let (state, text) = match answer {
            Ok(_) => {
                session.clear_lost();
                ("ready", "signed in".to_owned())
            }
            Err(error) => match note_lost(&session, &error).filter(|_| error.lost_name().is_some()) {
                Some(lost) => (lost.loss().as_str(), lost.in_full(&name)),
                None => ("unknown", format!("no response: {error}")),
            },
        };
        store.save(&session)?;
        all_well &= state == "ready";
        if globals.json {
            out.json(&json!({ "name": name.as_str(), "state": state, "user": session.user_id() }))?;
        } else {
            out.line(format_args!("{name}: {text}"))?;
        }
        out.flush()?;
    }
    Ok(ExitCode::from(u8::from(!all_well)))
}

/// Sends Telegram one request as one account.
async fn ask<T>(
    session: Arc<Session>,
    config: &Config,
    question: impl AsyncFnOnce(&Client) -> Result<T, TelegramError>,
) -> Result<T, TelegramError> {
    let lifecycle = Lifecycle::new();
    let (pushes, _inbox) = mpsc::channel(1);
    let client = Client::new(session, config.telegram_settings(), lifecycle.clone(), pushes);
    let answer = question(&client).await;
    client.close();
    lifecycle.stop_hard();
    lifecycle.ended().await;
    answer
}
