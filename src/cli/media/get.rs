//! `telescribe media get`: saves a stored file, from a running program, a stopped one, or a server elsewhere.
//!
//! # Guarantees
//! - What stands under the path is all of the file, with the SHA-256 that names it, or was not touched: the bytes come into a file beside it, are
//!   verified, flushed and renamed.
//! - Nothing is overwritten without `--force`. A name that a stranger has given is made safe before anything is saved under it.
//! - What has come of a transfer that broke off stays, and the same command goes on from there.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail, ensure};
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use rustix::fs::OFlags;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::cli::client::{Api, FileHead, Globals, Refusal, Target, segment};
use crate::cli::output::{Out, one_line, tell};
use crate::cli::place::place_of;
use crate::model::{ContentHash, FileId, safe_file_name};
use crate::views::FileDetail;

/// Bytes read at a time of what is there already.
const CHUNK: usize = 256 << 10;
/// Digits of the hash in names that are made of it.
const DIGITS: usize = 16;
/// What is said of something that is not to be overwritten.
const IN_THE_WAY: &str = "is there already and is something else; name another path with --out, or overwrite it with --force";

/// Save a file that the archive has
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  telescribe media get @example_channel 120
  telescribe media get document:5301020304050607 --out report.pdf
  telescribe --server http://archive.example:8470 --key me.jwks.json media get @example_channel 120 --out photos/

The bytes are verified by their SHA-256. A transfer that broke off goes on where it was when the command is repeated. The exit status is 1
where the archive has no such file, or only knows of it.")]
pub(super) struct GetArgs {
    /// The id of a file, or its SHA-256; or a peer and the id of one of its messages
    #[arg(value_name = "FILE|SHA256|PEER MESSAGE", required = true, num_args = 1..=2, allow_negative_numbers = true)]
    what: Vec<String>,
    /// Where to save it: a path, or a folder [default: its name, made safe, in this folder]
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
    /// Overwrite what is there
    #[arg(long)]
    force: bool,
    /// Save the small picture that stands for the file instead
    #[arg(long)]
    thumbnail: bool,
    /// Which of the message's files, by its id [default: the first]
    #[arg(long, value_name = "FILE")]
    file: Option<FileId>,
    /// The account whose message id is meant, in basic groups and private chats
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
}

/// Runs the command; the status is 1 where there is no such file.
pub(super) async fn write(args: &GetArgs, globals: &Globals, out: &mut Out) -> anyhow::Result<ExitCode> {
    match save(args, globals, out).await {
        Err(error) if Refusal::is_absence(&error) || error.is::<NotStored>() => {
            tell(format_args!("telescribe: {error}"));
            Ok(ExitCode::from(1))
        }
        other => other.map(|()| ExitCode::SUCCESS),
    }
}

/// The archive knows of a file and does not have it.
#[derive(Debug, thiserror::Error)]
#[error("file {id} is not stored: it is {state}{reason}; `telescribe media fetch {id}` downloads it")]
struct NotStored {
    id: FileId,
    state: String,
    reason: String,
}

async fn save(args: &GetArgs, globals: &Globals, out: &mut Out) -> anyhow::Result<()> {
    let api = Api::open_with_files(globals).await?;
    let (target, known_name) = target(args, &api).await?;
    let file = api.file_head(&target).await?;
    let name = known_name.as_ref().or(file.name.as_ref());
    let path = path(args.out.as_deref(), &default_name(name.map(String::as_str), &file));
    let path = place_of(&path, args.force)?;
    let shown = one_line(&path.to_string_lossy());
    let is_there = match fs::symlink_metadata(&path) {
        Ok(_) if args.force => false,
        Ok(found) => {
            ensure!(found.is_file() && found.len() == file.size && hash_of(&path)? == file.sha256, "`{shown}` {IN_THE_WAY}");
            true
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(error).with_context(|| format!("cannot look at `{shown}`")),
    };
    let resumed_from = if is_there { file.size } else { transfer(&api, &file, &path, args.force).await? };
    if globals.json {
        let sha256 = file.sha256.to_string();
        out.json(&json!({ "path": path, "size": file.size, "sha256": sha256, "mime": file.mime, "resumed_from": resumed_from }))?;
    } else if is_there {
        out.line(format_args!("`{shown}` is there already and is this file"))?;
    } else {
        out.line(format_args!("saved `{shown}`, {}, SHA-256 {}", HumanBytes(file.size), file.sha256))?;
    }
    Ok(out.flush()?)
}

/// What is asked for, and the name that is known of it already.
async fn target(args: &GetArgs, api: &Api) -> anyhow::Result<(Target, Option<String>)> {
    let by_hash = |hash: ContentHash| Target::new(format!("/v1/media/{hash}"));
    match args.what.as_slice() {
        [one] => {
            ensure!(args.file.is_none() && args.account.is_none(), "`--file` and `--account` are for a peer and a message");
            if let Ok(hash) = one.parse::<ContentHash>() {
                ensure!(!args.thumbnail, "`--thumbnail` is for files that are named by their id or by a message");
                return Ok((by_hash(hash), None));
            }
            let Ok(id) = one.parse::<FileId>() else {
                bail!("`{one}` is neither the id of a file (`document:77`) nor a SHA-256; a peer needs a message beside it");
            };
            let FileDetail { file, .. } = api.get(&Target::new(format!("/v1/files/{id}"))).await?.view;
            let (stored, name) = if args.thumbnail { (file.thumbnail, None) } else { (file.sha256, file.name) };
            let Some(hash) = stored else {
                let why = if args.thumbnail { file.no_thumbnail } else { file.reason };
                let reason = why.map(|why| format!(" ({})", one_line(&why))).unwrap_or_default();
                let state = if args.thumbnail { "without a small picture".to_owned() } else { file.state };
                return Err(NotStored { id, state, reason }.into());
            };
            Ok((by_hash(hash.parse()?), name))
        }
        [peer, message] => {
            let id: i32 = message.parse().with_context(|| format!("`{message}` is not the id of a message"))?;
            let target = Target::new(format!("/v1/peers/{}/messages/{id}/media", segment(peer)));
            let target = target.with_some("account", args.account.as_ref()).with_some("file", args.file);
            Ok((target.with_some("thumbnail", args.thumbnail.then_some(true)), None))
        }
        _ => bail!("name one file, or one peer and one message"),
    }
}

/// A name that nobody can mean anything by.
fn default_name(name: Option<&str>, file: &FileHead) -> String {
    let safe = name.map(safe_file_name).unwrap_or_default();
    if !safe.is_empty() {
        return safe;
    }
    let digits: String = file.sha256.to_string().chars().take(DIGITS).collect();
    format!("{digits}.{}", ending(&file.mime))
}

/// The usual ending of a media type.
fn ending(mime: &str) -> &'static str {
    const ENDINGS: [(&str, &str); 16] = [
        ("image/jpeg", "jpg"),
        ("image/png", "png"),
        ("image/gif", "gif"),
        ("image/webp", "webp"),
        ("image/bmp", "bmp"),
        ("image/avif", "avif"),
        ("video/mp4", "mp4"),
        ("video/webm", "webm"),
        ("video/quicktime", "mov"),
        ("audio/mpeg", "mp3"),
        ("audio/ogg", "ogg"),
        ("audio/mp4", "m4a"),
        ("audio/m4a", "m4a"),
        ("audio/x-wav", "wav"),
        ("audio/x-flac", "flac"),
        ("audio/aac", "aac"),
    ];
    ENDINGS.into_iter().find(|(known, _)| *known == mime).map_or("bin", |(_, ending)| ending)
}

fn path(out: Option<&Path>, default: &str) -> PathBuf {
    match out {
        Some(out) if out.is_dir() => out.join(default),
        Some(out) => out.to_owned(),
        None => PathBuf::from(default),
    }
}

/// Brings a file to its path; returns how many bytes were there from an earlier attempt.
async fn transfer(api: &Api, file: &FileHead, path: &Path, force: bool) -> anyhow::Result<u64> {
    let digits: String = file.sha256.to_string().chars().take(DIGITS).collect();
    let mut name = path.file_name().context("the path has no name to save under")?.to_owned();
    name.push(format!(".{digits}.part"));
    let part = path.with_file_name(name);
    let shown = one_line(&part.to_string_lossy());
    let mut to = open_part(&part, &shown)?;
    let (mut hasher, mut there) = read_all(&mut to)?;
    if there > file.size {
        to.set_len(0)?;
        io::Seek::rewind(&mut to)?;
        (hasher, there) = (Sha256::new(), 0);
    }
    let progress = progress(file.size, there);
    if there < file.size {
        let taken = api.each_bytes(file, there, |bytes| {
            to.write_all(bytes).with_context(|| format!("cannot write `{shown}`"))?;
            hasher.update(bytes);
            progress.inc(bytes.len() as u64);
            Ok(())
        });
        taken
            .await
            .with_context(|| format!("it broke off; what has come is in `{shown}`, and the same command goes on from there"))?;
    }
    progress.finish_and_clear();
    to.sync_all().with_context(|| format!("cannot write `{shown}`"))?;
    if ContentHash(hasher.finalize().into()) != file.sha256 {
        fs::remove_file(&part)?;
        bail!("what came has not the SHA-256 {}; it was removed, run the command again", file.sha256);
    }
    put_in_place(&part, path, force)?;
    Ok(there)
}

/// Opens what an earlier attempt has left, or begins; one process at a time.
fn open_part(part: &Path, shown: &str) -> anyhow::Result<File> {
    let no_follow = OFlags::NOFOLLOW.bits().cast_signed();
    let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).custom_flags(no_follow).open(part);
    let file = opened.with_context(|| format!("cannot write `{shown}`"))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => bail!("another process is writing `{shown}`"),
        // Where the file system has no locks, nobody else is told; the rename is atomic all the same.
        Err(TryLockError::Error(error)) => tracing::debug!("no lock on `{shown}`: {error}"),
    }
    Ok(file)
}

/// Puts a complete file under its name, atomically, and never over another one unless that is wanted.
fn put_in_place(part: &Path, path: &Path, force: bool) -> anyhow::Result<()> {
    let shown = one_line(&path.to_string_lossy());
    if force {
        fs::rename(part, path).with_context(|| format!("cannot save `{shown}`"))?;
    } else {
        let part = tempfile::TempPath::try_from_path(part.to_owned())?;
        if let Err(error) = part.persist_noclobber(path) {
            // It is complete: it stays for whoever clears the way.
            drop(error.path.keep());
            let exists = error.error.kind() == io::ErrorKind::AlreadyExists;
            bail!("`{shown}` {}", if exists { IN_THE_WAY.to_owned() } else { format!("cannot be saved: {}", error.error) });
        }
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(File::open(folder)?.sync_all()?)
}

fn hash_of(path: &Path) -> anyhow::Result<ContentHash> {
    let (hasher, _) = read_all(&mut File::open(path)?)?;
    Ok(ContentHash(hasher.finalize().into()))
}

/// Hashes what is there, up to the end, and counts it.
fn read_all(file: &mut File) -> io::Result<(Sha256, u64)> {
    let (mut hasher, mut chunk, mut size) = (Sha256::new(), vec![0; CHUNK], 0);
    loop {
        match file.read(&mut chunk) {
            Ok(0) => return Ok((hasher, size)),
            Ok(count) => {
                hasher.update(chunk.get(..count).unwrap_or_default());
                size += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// A bar on a terminal, and nothing elsewhere.
fn progress(size: u64, there: u64) -> ProgressBar {
    let bar = ProgressBar::new(size);
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left") {
        bar.set_style(style);
    }
    bar.set_position(there);
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(mime: &str) -> FileHead {
        FileHead { sha256: ContentHash([0xab; 32]), size: 1, mime: mime.to_owned(), name: None }
    }

    #[test]
    fn a_file_without_a_safe_name_is_named_by_its_hash() {
        assert_eq!(default_name(Some("../../etc/passwd"), &file("image/png")), "passwd");
        assert_eq!(default_name(Some("CON"), &file("image/png")), "_CON");
        for name in [None, Some(""), Some(".."), Some("\u{202e}")] {
            assert_eq!(default_name(name, &file("image/png")), "abababababababab.png");
        }
        assert_eq!(default_name(None, &file("application/octet-stream")), "abababababababab.bin");
    }

    #[test]
    fn a_complete_file_is_put_over_nothing_that_came_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let (part, path) = (folder.path().join("a.part"), folder.path().join("a"));
        fs::write(&part, "new").unwrap();
        fs::write(&path, "old").unwrap();
        assert!(put_in_place(&part, &path, false).unwrap_err().to_string().contains("--force"));
        assert_eq!((fs::read(&part).unwrap(), fs::read(&path).unwrap()), (b"new".to_vec(), b"old".to_vec()));
        put_in_place(&part, &path, true).unwrap();
        assert_eq!((part.exists(), fs::read(&path).unwrap()), (false, b"new".to_vec()));
        fs::write(&part, "newer").unwrap();
        put_in_place(&part, &folder.path().join("b"), false).unwrap();
        assert!(!part.exists());
    }
}
