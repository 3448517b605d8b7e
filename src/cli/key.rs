//! `telescribe key`: the keys of the HTTP clients.

use std::process::ExitCode;

use anyhow::bail;
use serde_json::json;

use super::client::Globals;
use super::output::{Out, ended, tell};
use crate::app::Known;
use crate::archive::DataFolder;
use crate::model::{Clock as _, SystemClock};
use crate::seal::{ClientName, KeyId, KeyRing, system_random};

/// Create, list and remove the keys of HTTP clients
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  telescribe key new analyst > analyst.jwks.json
  telescribe key list
  telescribe key remove analyst-7f3a9c21
  telescribe key remove --missing

A client may have several keys. To rotate a key: create a new one, give it to the client, then remove the old one.")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Command {
    /// Create a key for a client, and print it as the JWK Set to give to the client
    New {
        /// The client's name
        client: ClientName,
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
        Command::New { client } => {
            // A new file would hide that the old one is gone.
            if let Some(known) = Known::read(&globals.data)? {
                known.check_keys(&globals.data, &ring)?;
            }
            DataFolder::make(&globals.data)?;
            let key = ring.add_new(&client, SystemClock.now(), &mut system_random());
            ring.save(&path)?;
            Known::update(&globals.data, |known| known.note_key(&key))?;
            out.line(String::from_utf8_lossy(&KeyRing::export(&key)).trim_end())?;
            out.flush()?;
            tell(format_args!("key `{}` was added; a running telescribe accepts it at once", key.id()));
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
                (false, _) => bail!("there is no key `{kid}`; `telescribe key list` shows those that exist"),
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
