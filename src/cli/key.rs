//! `telescribe key`: the keys of the HTTP clients.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use serde_json::json;

use super::client::Globals;
use super::output::{Out, ended, tell};
use crate::app::{Known, adopt_server_id, server_id};
use crate::archive::DataFolder;
use crate::model::{Clock as _, SystemClock};
use crate::seal::{ClientName, Key, KeyId, KeyRing, ServerId, system_random};

/// Create, list and remove the keys of HTTP clients
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  telescribe key new analyst --out analyst.jwks.json
  telescribe key list
  telescribe key export analyst-7f3a9c21 --out analyst.jwks.json
  telescribe key remove analyst-7f3a9c21
  telescribe key remove --missing
  telescribe key server

A client may have several keys. To rotate a key: create a new one, give it to the client, then remove the old one.
A key file is for this server only: another one with the same keys, or one restored from a backup, does not accept it. There, `telescribe key export` \
makes a file with the same key; or the new server takes the old one's place with `telescribe key server --adopt`.")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Command {
    /// Create a key for a client, and write the file to give to the client (a JWK Set)
    New {
        /// The client's name
        client: ClientName,
        /// Write to a new file that only you can read; by default the output
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Write the file of a key once more, for this server
    Export {
        /// The key's id
        kid: KeyId,
        /// Write to a new file that only you can read; by default the output
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Show this server's id, which the clients' key files name as `aud`
    Server {
        /// Take over the id of a server that this one replaces and that never runs again, as the clients' key files name it
        #[arg(long, value_name = "ID")]
        adopt: Option<ServerId>,
    },
    /// List keys, without their secrets
    List,
    /// Remove a key; its client can no longer use it
    Remove {
        /// The key's id
        #[arg(required_unless_present = "missing")]
        kid: Option<KeyId>,
        /// Give up every key that vanished from the key file without a command: the next start no longer expects it
        #[arg(long, conflicts_with = "kid")]
        missing: bool,
    },
}

pub(super) fn run(args: Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    ended(dispatch(args, globals))
}

fn dispatch(args: Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    let path = DataFolder::keys(&globals.data);
    let mut ring = KeyRing::load(&path)?;
    let mut out = Out::stdout();
    match args.command {
        Command::New { client, out: file } => {
            // A new file would hide that the old one is gone.
            if let Some(known) = Known::read(&globals.data)? {
                known.check_keys(&globals.data, &ring)?;
            }
            DataFolder::make(&globals.data)?;
            let key = ring.add_new(&client, SystemClock.now(), &mut system_random());
            let server = server_id(&globals.data)?;
            // First, so that no key is added that nobody has.
            if let Some(file) = &file {
                KeyRing::export_to(file, &key, &server)?;
            }
            if let Err(error) = ring.save(&path) {
                return Err(without(file.as_deref(), error.into()));
            }
            Known::update(&globals.data, |known| known.note_key(&key))?;
            hand_over(file.as_deref(), &key, &server, &mut out)?;
            tell(format_args!("key `{}` was added; a running telescribe accepts it at once", key.id()));
        }
        Command::Export { kid, out: file } => {
            let key = ring.find(&kid).with_context(|| unknown(&kid))?;
            let server = server_id(&globals.data)?;
            if let Some(file) = &file {
                KeyRing::export_to(file, key, &server)?;
            }
            hand_over(file.as_deref(), key, &server, &mut out)?;
        }
        Command::Server { adopt: None } => {
            DataFolder::make(&globals.data)?;
            let id = server_id(&globals.data)?;
            if globals.json { out.json(&json!({ "server": id.as_str() }))? } else { out.line(id)? }
        }
        Command::Server { adopt: Some(id) } => {
            DataFolder::make(&globals.data)?;
            adopt_server_id(&globals.data, &id)?;
            tell(format_args!("from its next start on, this server is `{id}`; the one that it replaces must never run again"));
        }
        Command::List => {
            for key in ring.keys() {
                if globals.json {
                    let (kid, client) = (key.id().as_str(), key.client().as_str());
                    out.json(&json!({ "kid": kid, "client": client, "created": key.created().to_rfc3339() }))?;
                } else {
                    out.line(format_args!("{}: client {}, created {}", key.id(), key.client(), key.created().to_rfc3339()))?;
                }
            }
        }
        Command::Remove { kid: Some(kid), .. } => {
            let removed = ring.remove(&kid).is_some();
            if removed {
                ring.save(&path)?;
            }
            let was_known = Known::update(&globals.data, |known| known.forget_key(&kid))?;
            match (removed, was_known) {
                (true, _) => tell(format_args!("key `{kid}` was removed")),
                (false, Some(true)) => tell(format_args!("key `{kid}` was missing already; the next start no longer expects it")),
                (false, _) => bail!(unknown(&kid)),
            }
        }
        Command::Remove { kid: None, .. } => {
            let gone = Known::update(&globals.data, |known| known.forget_missing_keys(&ring))?.unwrap_or_default();
            match gone.as_slice() {
                [] => tell("no key is missing"),
                gone => tell(format_args!("the next start no longer expects {}", gone.join(", "))),
            }
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// Says where the file for the client is, or writes it to the output.
fn hand_over(file: Option<&Path>, key: &Key, server: &ServerId, out: &mut Out) -> anyhow::Result<()> {
    match file {
        Some(file) => tell(format_args!("`{}` is for the client: hand it over on a way that you trust", file.display())),
        None => out.line(String::from_utf8_lossy(&KeyRing::export(key, server)).trim_end())?,
    }
    Ok(out.flush()?)
}

/// Removes the file of a key that could not be added.
fn without(file: Option<&Path>, error: anyhow::Error) -> anyhow::Error {
    match file.map(|file| (file, std::fs::remove_file(file))) {
        Some((file, Err(_))) => error.context(format!("`{}` is of no use, because its key was not added", file.display())),
        Some((_, Ok(()))) | None => error,
    }
}

fn unknown(kid: &KeyId) -> String {
    format!("there is no key `{kid}`; `telescribe key list` shows those that exist")
}
