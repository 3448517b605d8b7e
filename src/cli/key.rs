//! `telescribe key`: the keys of the HTTP clients.

use std::process::ExitCode;

use anyhow::bail;
use serde_json::json;

use super::client::Globals;
use super::output::{Out, ended, tell};
use crate::archive::DataFolder;
use crate::model::{Clock as _, SystemClock};
use crate::seal::{ClientName, KeyId, KeyRing, system_random};

/// Create, list and remove the keys of HTTP clients
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  telescribe key new analyst > analyst.jwks.json
  telescribe key list
  telescribe key remove analyst-7f3a9c21

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
        kid: KeyId,
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
            DataFolder::make(&globals.data)?;
            let key = ring.add_new(&client, SystemClock.now(), &mut system_random());
            ring.save(&path)?;
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
        Command::Remove { kid } => {
            if ring.remove(&kid).is_none() {
                bail!("there is no key `{kid}`; `telescribe key list` shows those that exist");
            }
            ring.save(&path)?;
            tell(format_args!("key `{kid}` was removed"));
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
