//! `telescribe login`: signs an account in, by phone number and code or by QR code, and its two-step password.
//!
//! Nothing is written before the login has succeeded: whatever ends it earlier leaves the sessions folder as it was.

mod phone;
mod qr;

use std::collections::BTreeMap;
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::net::SocketAddrV4;
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use tokio::sync::mpsc;

use super::client::Globals;
use super::output::{harmless, tell};
use crate::accounts::{DataCentre, Session, SessionError, SessionLoss, Sessions};
use crate::app::{Known, open_sessions};
use crate::config::{Config, Server};
use crate::lifecycle::Lifecycle;
use crate::model::{AccountName, Clock as _, Peer, SystemClock};
use crate::telegram::{Client, LoginError, Push, SignIn, TelegramError};

/// How often a wrong code or password may be retried: Telegram itself gives up soon after.
const TRIES_MAX: usize = 3;
/// What Telegram may push while somebody types: a login waits for one thing only.
const PUSHES_MAX: usize = 16;

/// Sign an account in
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  telescribe login alpha
  telescribe login alpha --qr
  telescribe login alpha --phone +491701234567

The code arrives in the account's Telegram app; with --qr the app scans a code instead. Nothing is posted, joined or marked
as read.")]
pub(super) struct Args {
    /// The account's name, also of its session file
    name: AccountName,
    /// The phone number with its country code; prompted for if missing
    #[arg(long)]
    phone: Option<Phone>,
    /// Show a QR code that the account's Telegram app scans (Settings, Devices, Link Desktop Device)
    #[arg(long, conflicts_with = "phone")]
    qr: bool,
}

/// A phone number, which no log ever shows.
#[derive(Clone)]
struct Phone(String);

impl FromStr for Phone {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.trim().to_owned()))
    }
}

impl std::fmt::Debug for Phone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Phone(..)")
    }
}

/// An account's session and the one connection of a login.
struct Speaker {
    client: Client,
    pushes: mpsc::Receiver<Push>,
    lifecycle: Lifecycle,
}

impl Speaker {
    fn new(session: &Arc<Session>, config: &Config) -> Self {
        let lifecycle = Lifecycle::new();
        let (sender, pushes) = mpsc::channel(PUSHES_MAX);
        let client = Client::new(Arc::clone(session), config.telegram_settings(), lifecycle.clone(), sender);
        Self { client, pushes, lifecycle }
    }

    async fn end(self) {
        self.client.close();
        self.lifecycle.stop_hard();
        self.lifecycle.ended().await;
    }
}

pub(super) async fn run(args: Args, globals: &Globals, config: &Config) -> anyhow::Result<ExitCode> {
    if config.telegram.api_hash.is_empty() && config.telegram.server == Server::Telegram {
        bail!("`telegram.api_id` and `telegram.api_hash` are not set; get them from https://my.telegram.org/apps");
    }
    let store = open_sessions(config)?;
    let _lock = store.lock(&args.name)?;
    let server = config.telegram.server.name();
    let session = match store.load(&args.name) {
        Ok(session) => session,
        Err(SessionError::Unknown(_)) => Session::new(args.name, server, 2, data_centres(config)?),
        Err(error) => return Err(error.into()),
    };
    needs_no_new_key(&session, config.telegram.server)?;
    let session = Arc::new(session);
    if let Some(user) = signed_in_already(&session, &store, config).await? {
        tell(format_args!("account `{}` is already signed in{user}; there is nothing to do", args.name));
        return Ok(ExitCode::SUCCESS);
    }
    let mut speaker = Speaker::new(&session, config);
    let outcome = sign_in(&mut speaker, &args, config).await;
    speaker.end().await;
    let user = outcome?;
    store.save(&session)?;
    Known::update(&globals.data, |known| known.note_session(&session))?;
    tell(format_args!(
        "account `{}` is signed in as {}; `telescribe run` crawls with it (restart it if it is running)",
        args.name,
        harmless(&user.title)
    ));
    Ok(ExitCode::SUCCESS)
}

/// Asks whether there is anything to do for an account that exists; tells who it is when there is not.
async fn signed_in_already(session: &Arc<Session>, store: &Sessions, config: &Config) -> anyhow::Result<Option<String>> {
    if session.data_centre(session.home()).is_none_or(|dc| dc.auth_key.is_none()) {
        return Ok(None);
    }
    let name = session.name();
    let speaker = Speaker::new(session, config);
    let answer = speaker.client.myself().await;
    speaker.end().await;
    match answer {
        Ok(user) => {
            session.clear_lost();
            store.save(session)?;
            Ok(Some(user.map(|user| format!(" as {}", harmless(&user.title))).unwrap_or_default()))
        }
        Err(error) if error.lost_name().is_some() => {
            let lost = note_lost(session, &error);
            store.save(session)?;
            if let Some(lost) = lost.filter(|lost| lost.loss() == SessionLoss::Banned) {
                bail!("account `{name}` is {}", lost.in_full(name));
            }
            // The simulated server makes no keys: what it handed out is all there is.
            if error.is_key_dead() && config.telegram.server != Server::Simulated {
                session.forget_keys();
            }
            Ok(None)
        }
        Err(error) => bail!("cannot tell whether account `{name}` is signed in: {}", LoginError::from(error)),
    }
}

/// Notes in the session that Telegram no longer serves it.
pub(super) fn note_lost(session: &Session, error: &TelegramError) -> Option<crate::accounts::LostSession> {
    if let Some(name) = error.lost_name() {
        session.set_lost(name, SystemClock.now());
    }
    session.lost()
}

async fn sign_in(speaker: &mut Speaker, args: &Args, config: &Config) -> anyhow::Result<Peer> {
    let api_hash = &config.telegram.api_hash;
    let signed_in = match args.qr {
        true => qr::sign_in(&speaker.client, &mut speaker.pushes, api_hash).await?,
        false => phone::sign_in(&speaker.client, args.phone.as_ref().map(|phone| phone.0.as_str()), api_hash).await?,
    };
    let user = match signed_in {
        SignIn::Done(user) => user,
        SignIn::PasswordNeeded { hint } => password(&speaker.client, hint).await?,
    };
    // What happens from now on is news: a session that knows no state yet starts from here.
    if speaker.client.session().updates().is_none() {
        match speaker.client.state().await {
            Ok(state) => speaker.client.session().set_updates(state),
            // The first crawl asks again.
            Err(error) => tracing::debug!(%error, "the updates state could not be had"),
        }
    }
    Ok(user)
}

async fn password(client: &Client, hint: Option<String>) -> anyhow::Result<Peer> {
    let hint = hint.map(|hint| format!(" (hint: {})", harmless(&hint))).unwrap_or_default();
    let mut tries = 1;
    loop {
        match client.check_password(&ask_secret(&format!("Two-step password{hint}: "))?).await {
            Err(error @ LoginError::WrongPassword) if tries < TRIES_MAX => tell(error),
            outcome => return Ok(outcome?),
        }
        tries += 1;
    }
}

/// The data centres to start from: the configured ones, or Telegram's own.
/// Refuses a login for which a key would have to be made with a server whose public key the client library does not have: it has only
/// Telegram's own, and takes no others.
fn needs_no_new_key(session: &Session, server: Server) -> anyhow::Result<()> {
    let home = session.home();
    if session.data_centre(home).is_some_and(|dc| dc.auth_key.is_some()) {
        return Ok(());
    }
    let name = session.name();
    match server {
        Server::Telegram => Ok(()),
        Server::Simulated => bail!(
            "account `{name}` has no authorisation key, and none can be made with the simulated Telegram; use the session files that \
             `telescribe simulate --sessions FOLDER` makes"
        ),
        Server::SelfHosted => bail!(
            "account `{name}` has no authorisation key for data centre {home}, and none can be made with a self-hosted server, whose \
             public key cannot be configured; import a session that another program has made there: `telescribe account import {name} FILE`"
        ),
    }
}

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
    write!(err, "{question}").and_then(|()| err.flush()).context("cannot prompt")?;
    let mut line = String::new();
    if std::io::stdin().lock().read_line(&mut line)? == 0 {
        bail!("no input: standard input has ended");
    }
    Ok(line.trim().to_owned())
}

/// Asks without echo on a terminal; a pipe is read as it is.
fn ask_secret(question: &str) -> anyhow::Result<String> {
    if std::io::stdin().is_terminal() { Ok(rpassword::prompt_password(question)?) } else { ask(question) }
}
