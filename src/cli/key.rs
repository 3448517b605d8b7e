//! `telescribe key`: the keys of the HTTP clients.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::json;

use super::client::Globals;
use super::output::{Out, ended, minute, tell};
use crate::app::{Known, adopt_server_id, server_id};
use crate::archive::DataFolder;
use crate::config::Span;
use crate::model::{Clock as _, PeerId, SystemClock};
use crate::seal::{ClientName, Key, KeyId, KeyRing, KeyScope, Rights, ServerId, system_random};

/// Create, list and remove the keys of HTTP clients
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  telescribe key new analyst --out analyst.jwks.json
  telescribe key new desk --scopes search,fetch,media --peers=-1001500000001 --expires 90d --out desk.jwks.json
  telescribe key rotate analyst --overlap 7d --out analyst-2.jwks.json
  telescribe key list
  telescribe key export analyst-7f3a9c21 --out analyst.jwks.json
  telescribe key remove analyst-7f3a9c21
  telescribe key remove --missing
  telescribe key server

A client may have several keys. To rotate a key is to create a new one with the same rights, and to have the old one end later: give the new one to the \
client before that.
A key may read, unless `--scopes` says otherwise: search (searching, watches), fetch (messages, peers, coverage, status), media (files), changes (the change \
log), operate (run jobs, join peers), admin (erase). The last two also need a listener with `operate = true`.
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
        /// What the client may do: of search, fetch, media, changes, operate, admin
        #[arg(long, value_name = "SCOPES", value_delimiter = ',', default_values_t = KeyScope::READING)]
        scopes: Vec<KeyScope>,
        /// Limit the key to these peers, by their ids: `--peers=-1001500000001,-1001500000002`; by default the client sees all
        #[arg(long, value_name = "IDS", value_delimiter = ',', allow_hyphen_values = true)]
        peers: Vec<PeerId>,
        /// After how long the key ends, such as 90d; by default never
        #[arg(long, value_name = "TIME")]
        expires: Option<Span>,
    },
    /// Create the next key of a client, with the rights of its newest one, and have the others end
    Rotate {
        /// The client's name
        client: ClientName,
        /// Write to a new file that only you can read; by default the output
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// For how long the others are still accepted
        #[arg(long, value_name = "TIME", default_value = "7d")]
        overlap: Span,
        /// After how long the new key ends; by default after as long as the newest one was to, or never
        #[arg(long, value_name = "TIME")]
        expires: Option<Span>,
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
        Command::New { client, out: file, scopes, peers, expires } => {
            let now = SystemClock.now();
            let peers: BTreeSet<PeerId> = peers.into_iter().collect();
            let ends = expires.map(|expires| after(now, expires)).transpose()?;
            let rights =
                Rights { scopes: scopes.into_iter().collect(), peers: (!peers.is_empty()).then(|| Arc::new(peers)), ends };
            add(&mut ring, globals, file.as_deref(), &mut out, |ring| Ok(ring.add(&client, rights, now, &mut system_random())))?;
        }
        Command::Rotate { client, out: file, overlap, expires } => {
            let now = SystemClock.now();
            let newest = ring.newest(&client).with_context(|| {
                format!("there is no key of a client `{client}`; `telescribe key new {client} --out FILE` makes the first one")
            })?;
            let ends = match (expires, newest.rights().ends) {
                (Some(expires), _) => Some(after(now, expires)?),
                (None, Some(ends)) => Some(now + (ends - newest.created())),
                (None, None) => None,
            };
            let rights = Rights { ends, ..newest.rights().clone() };
            let others_end = after(now, overlap)?;
            let mut ended = Vec::new();
            add(&mut ring, globals, file.as_deref(), &mut out, |ring| {
                ended = ring.end_all(&client, others_end);
                Ok(ring.add(&client, rights, now, &mut system_random()))
            })?;
            for key in ended {
                tell(format_args!("key `{}` ends at {}", key.id(), shown(others_end)));
            }
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
                let line = if globals.json { listed_as_json(key).to_string() } else { listed(key, SystemClock.now()) };
                out.line(line)?;
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

/// Makes a key, for its client and for the server.
fn add(
    ring: &mut KeyRing,
    globals: &Globals,
    file: Option<&Path>,
    out: &mut Out,
    make: impl FnOnce(&mut KeyRing) -> anyhow::Result<Arc<Key>>,
) -> anyhow::Result<()> {
    // A new file would hide that the old one is gone.
    if let Some(known) = Known::read(&globals.data)? {
        known.check_keys(&globals.data, ring)?;
    }
    DataFolder::make(&globals.data)?;
    let key = make(ring)?;
    let server = server_id(&globals.data)?;
    // First, so that no key is added that nobody has.
    if let Some(file) = file {
        KeyRing::export_to(file, &key, &server)?;
    }
    if let Err(error) = ring.save(&DataFolder::keys(&globals.data)) {
        return Err(without(file, error.into()));
    }
    Known::update(&globals.data, |known| known.note_key(&key))?;
    hand_over(file, &key, &server, out)?;
    tell(format_args!("key `{}` was added; a running telescribe accepts it at once", key.id()));
    Ok(())
}

/// A key as it is listed.
fn listed(key: &Key, now: DateTime<Utc>) -> String {
    let rights = key.rights();
    let mut line = format!("{}: client {}, created {}", key.id(), key.client(), minute(&shown(key.created())));
    if rights.scopes.len() < KeyScope::ALL.len() {
        line.push_str(&format!(", may {}", joined(&rights.scopes)));
    }
    if let Some(peers) = &rights.peers {
        line.push_str(&format!(", in {}", joined(peers.as_ref())));
    }
    if let Some(ends) = rights.ends {
        let when = if rights.have_ended(now) {
            "expired"
        } else if rights.end_soon(now) {
            "EXPIRES SOON,"
        } else {
            "expires"
        };
        line.push_str(&format!(", {when} {}", minute(&shown(ends))));
    }
    line
}

fn listed_as_json(key: &Key) -> serde_json::Value {
    let rights = key.rights();
    let (kid, client) = (key.id().as_str(), key.client().as_str());
    let mut shown_as = json!({ "kid": kid, "client": client, "created": key.created().to_rfc3339() });
    if rights.scopes.len() < KeyScope::ALL.len() {
        shown_as["scopes"] = rights.scopes.iter().map(|scope| scope.as_str()).collect();
    }
    if let Some(peers) = &rights.peers {
        shown_as["peers"] = peers.iter().map(|peer| peer.0).collect();
    }
    if let Some(ends) = rights.ends {
        shown_as["expires"] = shown(ends).into();
    }
    shown_as
}

fn joined(words: impl IntoIterator<Item = impl std::fmt::Display>) -> String {
    words.into_iter().map(|word| word.to_string()).collect::<Vec<_>>().join(", ")
}

fn shown(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// The time when a span from now on has passed.
fn after(now: DateTime<Utc>, span: Span) -> anyhow::Result<DateTime<Utc>> {
    ensure!(!span.duration().is_zero(), "a key that ends at once is of no use; give a time such as `90d`");
    let after = TimeDelta::from_std(span.duration()).ok().and_then(|span| now.checked_add_signed(span));
    after.context("that is longer than time is counted; leave it out where a key is not to end")
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
