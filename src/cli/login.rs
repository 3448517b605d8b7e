//! `telescribe login`: signs an account in with its phone number, code and two-step password.

use std::collections::BTreeMap;
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::net::SocketAddrV4;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use tokio::sync::mpsc;

use super::client::Globals;
use super::output::tell;
use crate::accounts::{DataCentre, Session, SessionError, Sessions};
use crate::archive::DataFolder;
use crate::config::{Config, Server};
use crate::lifecycle::Lifecycle;
use crate::model::AccountName;
use crate::telegram::{Client, LoginError, SignIn};

/// How often a wrong code or password may be typed again: Telegram itself gives up soon after.
const TRIES_MAX: usize = 3;

/// Sign an account in
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  telescribe login alpha
  telescribe login alpha --phone +491701234567

The code arrives in the account's Telegram app. Nothing is posted, joined or marked as read.")]
pub(super) struct Args {
    /// The account's name; its session file is called so
    name: AccountName,
    /// The phone number with its country code; asked for when missing
    #[arg(long)]
    phone: Option<String>,
}

pub(super) async fn run(args: Args, globals: &Globals, config: &Config) -> anyhow::Result<ExitCode> {
    if config.telegram.api_hash.is_empty() && config.telegram.server == Server::Telegram {
        bail!("`telegram.api_id` and `telegram.api_hash` are not set; get them from https://my.telegram.org/apps");
    }
    // A daemon that runs has the session in memory and would overwrite what this command saves.
    let _folder = DataFolder::lock(&globals.data)?;
    let store = Sessions::new(&config.accounts.sessions, config.telegram.server.name());
    let session = match store.load(&args.name) {
        Ok(session) => session,
        Err(SessionError::Unknown(_)) => Session::new(args.name.clone(), config.telegram.server.name(), 2, data_centres(config)?),
        Err(error) => return Err(error.into()),
    };
    let session = Arc::new(session);
    let lifecycle = Lifecycle::new();
    let (pushes, _inbox) = mpsc::channel(1);
    let client = Client::new(Arc::clone(&session), config.telegram_settings(), lifecycle.clone(), pushes);
    let outcome = sign_in(&client, &args, config).await;
    // The key is kept even when the login failed: it is the same device that tries again.
    if session.data_centre(session.home()).is_some_and(|dc| dc.auth_key.is_some()) {
        store.save(&session)?;
    }
    client.close();
    lifecycle.stop_hard();
    lifecycle.ended().await;
    let name = outcome?;
    tell(format_args!("account `{}` is signed in as {name}; `telescribe run` crawls with it", args.name));
    Ok(ExitCode::SUCCESS)
}

async fn sign_in(client: &Client, args: &Args, config: &Config) -> anyhow::Result<String> {
    let phone = match &args.phone {
        Some(phone) => phone.clone(),
        None => ask("Phone number, with country code: ")?,
    };
    let login = client.request_code(phone.trim(), &config.telegram.api_hash).await?;
    tell(format_args!("A code was sent by {}.", login.sent_by));
    let mut tries = 1;
    let signed_in = loop {
        match client.sign_in(&login, &ask("Code: ")?).await {
            Err(error @ LoginError::WrongCode) if tries < TRIES_MAX => tell(error),
            outcome => break outcome?,
        }
        tries += 1;
    };
    let hint = match signed_in {
        SignIn::Done(user) => return Ok(user.title),
        SignIn::PasswordNeeded { hint } => hint.map(|h| format!(" (hint: {h})")).unwrap_or_default(),
    };
    let mut tries = 1;
    loop {
        match client.check_password(&ask_secret(&format!("Two-step password{hint}: "))?).await {
            Err(error @ LoginError::WrongPassword) if tries < TRIES_MAX => tell(error),
            outcome => return Ok(outcome?.title),
        }
        tries += 1;
    }
}

/// The data centres to start from: the configured ones, or Telegram's own.
pub(super) fn data_centres(config: &Config) -> anyhow::Result<BTreeMap<i32, DataCentre>> {
    let of = |address: SocketAddrV4| DataCentre { ipv4: address, ipv6: None, auth_key: None };
    let configured = &config.telegram.data_centres;
    if !configured.is_empty() {
        return Ok(configured.iter().map(|dc| (dc.id, of(dc.address))).collect());
    }
    if config.telegram.server != Server::Telegram {
        bail!(
            "`telegram.data_centres` is empty; a server that is not Telegram needs addresses, or session files made by `telescribe simulate`"
        );
    }
    Ok(crate::telegram::data_centres().into_iter().map(|(id, address)| (id, of(address))).collect())
}

fn ask(question: &str) -> anyhow::Result<String> {
    let mut err = std::io::stderr();
    write!(err, "{question}").and_then(|()| err.flush()).context("cannot ask")?;
    let mut line = String::new();
    if std::io::stdin().lock().read_line(&mut line)? == 0 {
        bail!("no answer: standard input has ended");
    }
    Ok(line.trim().to_owned())
}

/// Asks without echo on a terminal; a pipe is read as it is.
fn ask_secret(question: &str) -> anyhow::Result<String> {
    if std::io::stdin().is_terminal() { Ok(rpassword::prompt_password(question)?) } else { ask(question) }
}
