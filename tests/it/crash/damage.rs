//! Every file of data folder and sessions, removed, emptied, halved and flipped: what reads writes nothing and shows nothing that is not
//! true, and what runs has all of it in the end, or says what is wrong and the way out.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::Value;
use telescribe_simulator::{Post, Simulator};
use tempfile::TempDir;

use super::http;
use super::recovery::recover;
use super::report::Outcome;
use super::site::{Crawled, Site, Started, comes, keep, world};

/// The longest that is waited for the marker, which is written once a second.
const NOTED_MAX: Duration = Duration::from_secs(30);

/// How the program ended before its files were damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    Stopped,
    Killed,
}

/// What happens to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Harm {
    Removed,
    Emptied,
    Halved,
    FlippedAtStart,
    FlippedInMiddle,
    FlippedAtEnd,
}

impl Harm {
    pub(super) const ALL: [Self; 6] =
        [Self::Removed, Self::Emptied, Self::Halved, Self::FlippedAtStart, Self::FlippedInMiddle, Self::FlippedAtEnd];

    fn happens_to(self, file: &Path, rng: &mut StdRng) -> Result<()> {
        if self == Self::Removed {
            return Ok(fs::remove_file(file)?);
        }
        let mut bytes = fs::read(file)?;
        let (length, third) = (bytes.len(), bytes.len() / 3);
        let from = match self {
            Self::Removed | Self::Emptied => return Ok(fs::write(file, "")?),
            Self::Halved => return Ok(fs::File::options().write(true).open(file)?.set_len(length as u64 / 2)?),
            Self::FlippedAtStart => 0,
            Self::FlippedInMiddle => third,
            Self::FlippedAtEnd => 2 * third,
        };
        let at = from + rng.random_range(0..(third.max(1)));
        bytes[at] ^= 1 << rng.random_range(0..8);
        Ok(fs::write(file, bytes)?)
    }
}

/// The folders as a program leaves them that has archived everything, and what it crawled.
pub(super) struct Bases {
    folder: TempDir,
    simulator: Arc<Simulator>,
}

impl Bases {
    pub(super) async fn make() -> Result<Self> {
        let site = Site::new(world(5), false).await?;
        let folder = tempfile::tempdir()?;
        let bases = Self { simulator: Arc::clone(&site.simulator), folder };
        crawl_to(&site, End::Killed).await?;
        keep(&site, &bases.folder(End::Killed))?;
        crawl_to(&site, End::Stopped).await?;
        keep(&site, &bases.folder(End::Stopped))?;
        Ok(bases)
    }

    fn folder(&self, end: End) -> PathBuf {
        self.folder.path().join(format!("{end:?}"))
    }

    /// Every file that there is, with every harm that can be done to it.
    pub(super) fn harms(&self) -> Vec<Damage> {
        let mut all = Vec::new();
        for end in [End::Stopped, End::Killed] {
            let base = self.folder(end);
            let mut files = Vec::new();
            files_below(&base, &mut files);
            files.sort();
            for path in files {
                let empty = path.metadata().unwrap().len() == 0;
                let file = path.strip_prefix(&base).unwrap().to_owned();
                let harms = Harm::ALL.into_iter().filter(|harm| !empty || *harm == Harm::Removed);
                all.extend(harms.map(|harm| Damage { end, file: file.clone(), harm, seed: 0 }));
            }
        }
        all
    }
}

fn files_below(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // No files are downloaded here: what damage does to their store, its own tests try.
        if path.ends_with("data/blobs") {
            continue;
        }
        if path.is_dir() { files_below(&path, into) } else { into.push(path) }
    }
}

/// Runs the program until it has everything, and ends it.
async fn crawl_to(site: &Site, end: End) -> Result<()> {
    if !site.data().join("keys.json").exists() {
        let made = site.run(&["key", "new", "analyst"]).await;
        ensure!(made.status == 0, "{}", made.err);
    }
    let Started::Up(mut running) = site.start("").await? else { bail!("it does not start") };
    match site.until_equal(&mut running).await? {
        Crawled::Equal => {}
        Crawled::Differs(said) | Crawled::Ended { said, .. } => bail!("a crawl without any trouble: {said}"),
    }
    match end {
        End::Killed => {
            // What nobody has noted yet, nobody can miss: marker and index are behind the log for a second.
            let status = http::json(&site.socket(), "/v1/status").await?;
            let noted = format!("\"change\":{},", status["archive"]["last"]);
            let marker = site.data().join("archive.json");
            let is_noted = || fs::read_to_string(&marker).is_ok_and(|text| text.contains(&noted));
            ensure!(comes(NOTED_MAX, is_noted).await, "the marker does not come to {noted}");
            running.kill();
        }
        End::Stopped => site.stop(running).await?,
    }
    Ok(())
}

/// One damage to one file.
#[derive(Clone, Debug)]
pub(super) struct Damage {
    pub(super) end: End,
    pub(super) file: PathBuf,
    pub(super) harm: Harm,
    pub(super) seed: u64,
}

impl Damage {
    /// Some of all, one of each group of files at least once before any twice.
    pub(super) fn sample(all: &[Self], count: usize, rng: &mut StdRng) -> Vec<Self> {
        let mut groups: Vec<(End, &str)> = all.iter().map(|damage| (damage.end, damage.stage())).collect();
        groups.sort_unstable();
        groups.dedup();
        let mut chosen = Vec::new();
        while chosen.len() < count {
            for group in &groups {
                let of_group: Vec<&Self> = all.iter().filter(|damage| (damage.end, damage.stage()) == *group).collect();
                chosen.extend(of_group.choose(rng).map(|damage| Self { seed: rng.random(), ..(*damage).clone() }));
            }
        }
        chosen.truncate(count);
        chosen
    }

    /// Which part of the folders the file is of.
    pub(super) fn stage(&self) -> &'static str {
        let text = self.file.to_string_lossy();
        let extension = self.file.extension().unwrap_or_default().to_string_lossy();
        match () {
            () if text.starts_with("sessions") => "sessions",
            () if text.contains("/index/") => "index",
            () if extension == "sst" => "archive: tables",
            () if extension == "log" => "archive: write-ahead log",
            () if text.contains("/archive/MANIFEST") || text.ends_with("/CURRENT") => "archive: manifest",
            () if text.contains("/archive/") => "archive: the rest",
            () => "archive.json, known.json, keys.json, locks",
        }
    }

    /// Whether what is lost shows only when something new happens.
    fn is_of_state(&self) -> bool {
        !self.file.starts_with("data/archive") && !self.file.starts_with("data/index")
    }

    pub(super) async fn run(&self, bases: &Bases) -> Result<Outcome> {
        if self.is_of_state() {
            // With a Telegram of its own, because something is to happen in it.
            let site = Site::new(world(self.seed), false).await?;
            crawl_to(&site, self.end).await?;
            let whole = site.beside("whole");
            keep(&site, &whole)?;
            return self.hurt(&site, &whole).await;
        }
        let site = Site::of(Arc::clone(&bases.simulator), false)?;
        site.take_over(&bases.folder(self.end));
        self.hurt(&site, &bases.folder(self.end)).await
    }

    async fn hurt(&self, site: &Site, whole: &Path) -> Result<Outcome> {
        let mut rng = StdRng::seed_from_u64(self.seed);
        let file = site.root().join(&self.file);
        if !file.exists() {
            // Another crawl, other numbers of files; state files are always there.
            bail!("{} is not there", file.display());
        }
        self.harm.happens_to(&file, &mut rng).context("the harm itself")?;
        let before = site.contents();
        for command in ["verify", "status", "dump"] {
            let ended = site.run(&[command]).await;
            let after = site.contents();
            let changed: Vec<_> =
                before.keys().chain(after.keys()).filter(|path| before.get(*path) != after.get(*path)).collect();
            ensure!(changed.is_empty(), "`{command}` changed {changed:?}");
            if command == "dump" && ended.status == 0 {
                ensure!(ended.out == site.truth(), "a dump ends with success and is not all: {}", ended.err);
            }
            ensure!((0..=2).contains(&ended.status), "`{command}` ends with {}: {}{}", ended.status, ended.out, ended.err);
            ensure!(ended.status == 0 || !(ended.out + &ended.err).trim().is_empty(), "`{command}` fails without a word");
        }
        if self.is_of_state() {
            for peer in site.peers() {
                site.simulator.post(peer, Post::text("after the damage"))?;
            }
        }
        let recovery = recover(site, Some(whole), async |_: &_| Ok(())).await?;
        // Nothing else shows that a client is locked out.
        let keys = "data/keys.json";
        ensure!(keys_in(&site.root().join(keys))? == keys_in(&whole.join(keys))?, "the clients' keys are not what they were");
        Ok(recovery.outcome())
    }
}

/// What makes each client's key what it is. Other members mean nothing, whatever they are called (RFC 7517 section 4).
fn keys_in(file: &Path) -> Result<Vec<[Value; 5]>> {
    let set: Value = serde_json::from_slice(&fs::read(file)?)?;
    let keys = set["keys"].as_array().context("no keys")?;
    Ok(keys.iter().map(|key| ["kty", "kid", "client", "created", "k"].map(|member| key[member].clone())).collect())
}
