//! Recovery as an operator does it: start it; where it refuses, do what it says, and start it again, until all is equal to the truth.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use tokio::time::Instant;

use super::report::Outcome;
use super::site::{Crawled, Running, Site, Started};

/// How often it may refuse, each time with another way out.
const REFUSALS_MAX: usize = 5;

/// What the program said and what was done about it.
#[derive(Debug, Default)]
pub(super) struct Recovery {
    refusals: Vec<String>,
    took: Duration,
}

impl Recovery {
    pub(super) fn outcome(self) -> Outcome {
        match self.refusals.first() {
            None => Outcome::equal(self.took),
            Some(_) => Outcome::refused(self.took, self.refusals.join(" | ")),
        }
    }
}

/// Starts the program, as often as it takes, until the archive equals the truth, has `check` look at it while it runs, stops it, and
/// verifies. `whole` is a backup of the site's folders, where there is one.
///
/// # Errors
/// When it ends otherwise than by saying what is wrong and what to do, or what it says does not help: wrong.
pub(super) async fn recover(site: &Site, whole: Option<&Path>, check: impl AsyncFn(&Running) -> Result<()>) -> Result<Recovery> {
    let mut recovery = Recovery::default();
    let began = Instant::now();
    for _ in 0..=REFUSALS_MAX {
        let before = site.contents();
        let said = match site.start("").await? {
            Started::Up(mut running) => match site.until_equal(&mut running).await? {
                Crawled::Equal => {
                    check(&running).await?;
                    recovery.took = began.elapsed();
                    match site.stopped(running).await? {
                        (Some(0), _) => {
                            let verified = site.run(&["verify"]).await;
                            if verified.status == 0 && verified.out.ends_with("no differences\n") {
                                return Ok(recovery);
                            }
                            format!("{}{}", verified.out, verified.err)
                        }
                        // What it met only then.
                        (Some(2), said) => said,
                        (status, said) => bail!("a stop ends with {status:?}: {said}"),
                    }
                }
                Crawled::Ended { status, said } => {
                    ensure!(status == Some(2), "it ends by itself with {status:?}: {said}");
                    said
                }
                Crawled::Differs(said) => {
                    let (status, _) = site.stopped(running).await.context(said.clone())?;
                    ensure!(matches!(status, Some(0 | 2)), "a stop ends with {status:?}: {said}");
                    let verified = site.run(&["verify"]).await;
                    format!("{said}\n{}{}", verified.out, verified.err)
                }
            },
            Started::Ended { status, said } => {
                ensure!(status == Some(2), "a start ends with {status:?}: {said}");
                let after = site.contents();
                let changed: Vec<_> =
                    before.keys().chain(after.keys()).filter(|path| before.get(*path) != after.get(*path)).collect();
                ensure!(changed.is_empty(), "it was refused, but {changed:?} changed: {said}");
                said
            }
        };
        let done = follow_way_out(site, &said, whole).await.with_context(|| format!("refused: {said}"))?;
        recovery.refusals.push(format!("{} -> {done}", brief(&said)));
    }
    bail!("it is refused again and again: {:#?}", recovery.refusals)
}

/// The line that says it, without the places of this run.
fn brief(said: &str) -> String {
    let line = said.lines().find(|line| line.contains('`')).or(said.lines().last()).unwrap_or_default();
    line.chars().take(300).collect()
}

/// Does what the program said is the way out.
async fn follow_way_out(site: &Site, said: &str, whole: Option<&Path>) -> Result<String> {
    for command in ["repair", "reindex"] {
        if said.contains(&format!("`telescribe {command}`")) {
            let ended = site.run(&[command]).await;
            if ended.status == 0 {
                return Ok(format!("telescribe {command}"));
            }
            ensure!(ended.status == 2, "`telescribe {command}` ends with {}: {}{}", ended.status, ended.out, ended.err);
            // It may know better what is wrong.
            ensure!(!ended.err.contains(&format!("`telescribe {command}`")), "{command} says to run it: {}", ended.err);
            return Box::pin(follow_way_out(site, &ended.err, whole)).await;
        }
    }
    if said.contains("move that folder, `archive.json` and the index away") {
        let aside = tempfile::Builder::new().prefix("aside-").tempdir_in(site.root())?.keep();
        for name in ["archive", "archive.json", "index", "index.new", "index.old"] {
            if site.data().join(name).exists() {
                fs::rename(site.data().join(name), aside.join(name))?;
            }
        }
        return Ok("moved away, begun anew".to_owned());
    }
    if said.contains("if it is meant to be there, move that file away") {
        fs::remove_file(site.data().join("archive.json"))?;
        return Ok("archive.json moved away".to_owned());
    }
    if said.contains("put a copy of it back")
        || said.contains("restore a copy")
        || said.contains("restore it")
        || said.contains("put it back")
        || said.contains("put its own file back")
    {
        let whole = whole.context("there is no backup here")?;
        let named = named_files(said, site, whole);
        ensure!(!named.is_empty(), "no file is named");
        for path in &named {
            let relative = path.strip_prefix(site.root())?;
            fs::copy(whole.join(relative), path)?;
            keep_mode(path)?;
        }
        return Ok(format!("restored {:?}", named.iter().filter_map(|path| path.file_name()).collect::<Vec<_>>()));
    }
    let passing = ["check free space", "check the limit of open files", "check permissions", "check the volume", "disk's health"];
    if passing.iter().any(|words| said.contains(words)) {
        // What was wrong with the disk is over when a recovery begins.
        return Ok("started again".to_owned());
    }
    bail!("no way out is named")
}

fn keep_mode(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o600))?)
}

/// The files of a site that a text names in backticks: itself, or an account's session.
fn named_files(said: &str, site: &Site, whole: &Path) -> BTreeSet<PathBuf> {
    let names = said.split('`').skip(1).step_by(2);
    let places = names.flat_map(|name| [PathBuf::from(name), site.root().join("sessions").join(format!("{name}.session"))]);
    places.filter(|path| path.strip_prefix(site.root()).is_ok_and(|relative| whole.join(relative).is_file())).collect()
}
