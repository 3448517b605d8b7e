//! `telescribe account import`: adds an account that another program signed in.

use std::io::{self, Read as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use zeroize::Zeroizing;

use super::super::login::data_centres;
use super::super::output::tell;
use crate::accounts::{IMPORT_LENGTH_MAX, ImportError, Imported, Origin, Sessions};
use crate::app::Known;
use crate::config::Config;
use crate::model::AccountName;

pub(super) const EXAMPLES: &str = "Examples:
  telescribe account import bravo ~/telethon/bravo.session
  telescribe account import bravo bravo.string
  telescribe account import bravo - < bravo.string
  telescribe account import bravo bravo.key --dc 4

The kind of file is detected from its content: a session file (SQLite) or session string of Telethon or Pyrogram, a session
string of GramJS, or the 256 bytes of an authorisation key: raw, as 512 hexadecimal digits, or in base64. A string is also
found among other text, such as `SESSION=...`. Stop the program that made it first: Telegram ends a session that two
programs use.";

/// What SQLite keeps beside a file that is not whole without it.
const JOURNALS: [&str; 2] = ["-wal", "-journal"];

#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    /// The account's name, also of its session file
    name: AccountName,
    /// The file; `-` reads standard input
    file: PathBuf,
    /// The data centre of a bare authorisation key, or the one to choose from a file with several keys
    #[arg(long)]
    dc: Option<i32>,
}

pub(super) fn run(args: Args, store: &Sessions, config: &Config, data: &Path) -> anyhow::Result<ExitCode> {
    let Args { name, file, dc } = args;
    let source = if file == Path::new("-") { "standard input".to_owned() } else { format!("`{}`", file.display()) };
    let bytes = read(&file)?;
    let is = |error: ImportError| anyhow::anyhow!("{source} is {error}");
    let imported = Imported::read(&bytes, dc).map_err(is)?;
    if let Some(address) = imported.address.filter(|address| !is_within_reach(config, *address)) {
        bail!(
            "{source} was made for a server at {address}, but the configuration says `{}` (`telegram.server`)",
            config.telegram.server.name()
        );
    }
    let (origin, api_id, peers_left) = (imported.origin, imported.api_id, imported.peers_left);
    let session = imported.into_session(name, config.telegram.server.name(), data_centres(config)?, dc).map_err(is)?;
    let lock = store.lock(&name)?;
    store.create(&session)?;
    drop(lock);
    Known::update(data, |known| known.note_session(&session))?;

    let peers = session.peers().len();
    tell(format_args!(
        "account `{name}` was added from {origin}, with {peers} peers; `telescribe account check {name}` checks it with Telegram"
    ));
    if peers_left > 0 {
        tell(format_args!(
            "{peers_left} peers of the file were left, because it does not say that their access hashes are of today's form; \
             Telegram's answers tell them again"
        ));
    }
    if origin != Origin::Key {
        tell("do not use that session in another program any more, or Telegram will end it");
    }
    if let Some(api_id) = api_id.filter(|id| *id != config.telegram.api_id) {
        tell(format_args!(
            "it was made with the application id {api_id}, but `telegram.api_id` is {}; if Telegram refuses it, set the former",
            config.telegram.api_id
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn is_within_reach(config: &Config, address: IpAddr) -> bool {
    let reach = config.telegram.reach();
    match address {
        IpAddr::V4(address) => reach.allows(address),
        IpAddr::V6(address) if address.is_loopback() => reach.allows(std::net::Ipv4Addr::LOCALHOST),
        // Any other is on the network, for which an address of the documentation stands here.
        IpAddr::V6(_) => reach.allows(std::net::Ipv4Addr::new(192, 0, 2, 1)),
    }
}

fn read(file: &Path) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    if file == Path::new("-") {
        return limited(io::stdin().lock()).context("cannot read standard input");
    }
    let cannot = || format!("cannot read `{}`", file.display());
    let opened = match std::fs::File::open(file) {
        // A string that was typed as the argument must not be repeated, perhaps into a log.
        Err(_) if file.to_str().is_some_and(is_session) => bail!(
            "that is a session string, not a file: as an argument it is in the shell's history and in the list of processes; end \
             that session in an app (Settings, Devices), and pass a new one in a file or on standard input"
        ),
        opened => opened.with_context(cannot)?,
    };
    if opened.metadata().with_context(cannot)?.is_dir() {
        bail!(
            "`{}` is a folder; Telegram Desktop's cannot be imported: sign in with `telescribe login NAME --qr` instead",
            file.display()
        );
    }
    for suffix in JOURNALS {
        let mut beside = file.as_os_str().to_owned();
        beside.push(suffix);
        if std::fs::metadata(&beside).is_ok_and(|metadata| metadata.len() > 0) {
            let (file, beside) = (file.display(), Path::new(&beside).display());
            bail!(
                "`{file}` is incomplete without `{beside}`: stop the program that uses it; if that file remains, merge the two \
                 with: sqlite3 {file} 'PRAGMA journal_mode=DELETE'"
            );
        }
    }
    limited(opened).with_context(cannot)
}

/// Whether a text is a session or the greater part of one.
fn is_session(text: &str) -> bool {
    !matches!(Imported::read(text.as_bytes(), None), Err(ImportError::Unknown | ImportError::OtherJson))
}

fn limited(source: impl io::Read) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    source.take(IMPORT_LENGTH_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > IMPORT_LENGTH_MAX {
        return Err(io::Error::other("it is too large for a session"));
    }
    Ok(bytes)
}
