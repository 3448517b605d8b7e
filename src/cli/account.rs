//! `telescribe account`: the accounts on this machine.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use serde_json::json;
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use super::client::Globals;
use super::output::{Out, ended, tell};
use crate::accounts::{AuthKey, DataCentre, Session, Sessions};
use crate::archive::DataFolder;
use crate::config::Config;
use crate::lifecycle::Lifecycle;
use crate::model::AccountName;
use crate::telegram::{Client, TelegramError};

/// List, check, import and log out accounts
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  telescribe account list
  telescribe account check
  telescribe account import bravo --dc 4 --key-file bravo.key
  telescribe account logout bravo")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Command {
    /// List the accounts
    List,
    /// Ask Telegram whether each account is still signed in (exit status 1 when one is not)
    Check {
        /// Only this one
        name: Option<AccountName>,
    },
    /// Add an account from a raw authorisation key
    #[command(after_help = "Examples:
  telescribe account import bravo --dc 4 --key-file bravo.key

The file holds the 256 bytes of the key: raw, as 512 hexadecimal digits, or in base64.")]
    Import {
        /// The account's name; its session file is called so
        name: AccountName,
        /// The data centre the key belongs to
        #[arg(long)]
        dc: i32,
        /// The file with the key
        #[arg(long, value_name = "FILE")]
        key_file: PathBuf,
    },
    /// End an account's authorisation at Telegram, and remove its session file
    Logout {
        /// Which account
        name: AccountName,
    },
}

pub(super) async fn run(args: Args, globals: &Globals, config: &Config) -> anyhow::Result<ExitCode> {
    ended(dispatch(args, globals, config).await)
}

async fn dispatch(args: Args, globals: &Globals, config: &Config) -> anyhow::Result<ExitCode> {
    let store = Sessions::new(&config.accounts.sessions, config.telegram.server.name());
    match args.command {
        Command::List => list(&store, globals),
        Command::Check { name } => check(&store, name, globals, config).await,
        Command::Import { name, dc, key_file } => {
            let mut data_centres = super::login::data_centres(config)?;
            let known = data_centres.keys().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let Some(home) = data_centres.get_mut(&dc) else {
                bail!(
                    "data centre {dc} is not known; there are {known} (`telegram.data_centres` of the configuration adds more)"
                );
            };
            *home = DataCentre { auth_key: Some(read_key(&key_file)?), ..home.clone() };
            store.create(&Session::new(name.clone(), config.telegram.server.name(), dc, data_centres))?;
            tell(format_args!("account `{name}` was added; `telescribe account check {name}` asks Telegram about it"));
            Ok(ExitCode::SUCCESS)
        }
        Command::Logout { name } => {
            let _folder = DataFolder::lock(&globals.data)?;
            let session = Arc::new(store.load(&name)?);
            match ask(session, config, async |client| client.log_out().await).await {
                Ok(()) => {}
                Err(error) if error.lost().is_some() => {}
                Err(error) => bail!("account `{name}` could not be logged out: {error}; its session file was kept"),
            }
            store.remove(&name)?;
            tell(format_args!("account `{name}` was logged out and its session file removed"));
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn list(store: &Sessions, globals: &Globals) -> anyhow::Result<ExitCode> {
    let mut out = Out::stdout();
    let sessions = store.load_all()?;
    if sessions.is_empty() {
        tell("there is no account yet; `telescribe login NAME` adds one");
    }
    for (name, session) in sessions {
        let (user, dc, peers) = (session.user_id(), session.home(), session.peers().len());
        if globals.json {
            out.json(&json!({ "name": name.as_str(), "user": user, "home_dc": dc, "peers_known": peers }))?;
        } else {
            let user = user.map_or_else(|| "not asked yet".to_owned(), |id| id.to_string());
            out.line(format_args!("{name}: user {user}, data centre {dc}, {peers} peers known"))?;
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

async fn check(store: &Sessions, only: Option<AccountName>, globals: &Globals, config: &Config) -> anyhow::Result<ExitCode> {
    // Two processes on one session risk that Telegram ends it (AUTH_KEY_DUPLICATED).
    let _folder = DataFolder::lock(&globals.data)?;
    let names = match only {
        Some(name) => vec![name],
        None => store.names()?,
    };
    let mut out = Out::stdout();
    let mut all_well = true;
    for name in names {
        let session = Arc::new(store.load(&name)?);
        let answer = ask(Arc::clone(&session), config, async |client| client.myself().await).await;
        store.save(&session)?;
        let (state, text) = match answer {
            Ok(_) => ("ready", "signed in".to_owned()),
            Err(error @ TelegramError::Banned { .. }) => ("banned", error.to_string()),
            Err(error) if error.lost().is_some() => ("signed_out", format!("{error}; run `telescribe login {name}`")),
            Err(error) => ("unknown", format!("no answer: {error}")),
        };
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

/// Asks Telegram one thing as one account.
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

fn read_key(path: &std::path::Path) -> anyhow::Result<AuthKey> {
    let bytes = Zeroizing::new(std::fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))?);
    key_of(&bytes).with_context(|| {
        format!("`{}` holds no authorisation key: expected 256 bytes, 512 hexadecimal digits, or base64", path.display())
    })
}

/// A key as 256 raw bytes, as hexadecimal digits, or in base64.
fn key_of(bytes: &[u8]) -> Option<AuthKey> {
    if let Ok(raw) = bytes.try_into() {
        return Some(AuthKey::new(raw));
    }
    let text = std::str::from_utf8(bytes).ok()?.trim();
    let digits = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let decoded = if text.len() == 512 {
        text.as_bytes().chunks(2).map(digits).collect::<Option<Vec<u8>>>()?
    } else {
        base64::engine::general_purpose::STANDARD.decode(text).ok()?
    };
    Zeroizing::new(decoded).as_slice().try_into().ok().map(AuthKey::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_raw_in_hexadecimal_and_in_base64() {
        let key: [u8; 256] = std::array::from_fn(|i| (i * 7) as u8);
        let hex: String = key.iter().map(|b| format!("{b:02x}")).collect();
        let base64 = base64::engine::general_purpose::STANDARD.encode(key) + "\n";
        for form in [key.to_vec(), hex.into_bytes(), base64.into_bytes()] {
            assert_eq!(key_of(&form).unwrap().bytes(), &key);
        }
        for bad in [&b""[..], b"abc", &[b'z'; 512], &key[..255]] {
            assert!(key_of(bad).is_none());
        }
    }
}
