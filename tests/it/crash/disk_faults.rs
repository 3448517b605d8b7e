//! A disk that is full, or answers with errors, and a process that may open no more files: what passes is waited for, what does not is said.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use rlimit::Resource;
use telescribe_simulator::{Fault, Post, Rule, When};

use super::recovery::recover;
use super::report::Outcome;
use super::site::{Crawled, Site, Started, comes, world};
use crate::support::faulty_disk::{DiskFault, Operation};

/// The longest that is waited for a fault to be met, and for what the program makes of it.
const MET_MAX: Duration = Duration::from_secs(4);

/// When the trouble begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Before the very first start.
    FirstStart,
    /// While it crawls.
    Crawl,
    /// Before a start over an archive that is there.
    Start,
    /// Before a stop.
    Stop,
}

/// What the trouble is.
#[derive(Clone, Debug)]
pub(super) enum Trouble {
    /// So many bytes are left.
    Full(u64),
    /// Errors: which operation, on files with what in their names, after how many that succeed, and how often; for good without.
    Errors { operation: Operation, name: &'static str, after: u64, times: Option<u64> },
    /// So many more files can be opened.
    Files(u64),
}

/// One trouble at one stage.
#[derive(Clone, Debug)]
pub(super) struct DiskTrouble {
    pub(super) stage: Stage,
    pub(super) trouble: Trouble,
    pub(super) seed: u64,
}

impl DiskTrouble {
    /// Everything that is tried.
    pub(super) fn all() -> Vec<Self> {
        let mut troubles: Vec<Trouble> = [0, 3_000, 40_000, 200_000, 1_000_000].map(Trouble::Full).to_vec();
        let names = [
            ".log",
            ".sst",
            "MANIFEST",
            "CURRENT",
            "archive",
            "index",
            ".store",
            ".term",
            "meta.json",
            "session",
            "known",
            "keys",
        ];
        for operation in [Operation::Write, Operation::Sync, Operation::Read, Operation::Name] {
            for name in names {
                for (after, times) in [(0, Some(1)), (2, Some(3)), (0, None)] {
                    troubles.push(Trouble::Errors { operation, name, after, times });
                }
            }
        }
        let mut all = Vec::new();
        for stage in [Stage::FirstStart, Stage::Crawl, Stage::Start, Stage::Stop] {
            let seed = all.len() as u64;
            all.extend(troubles.iter().map(|trouble| Self { stage, trouble: trouble.clone(), seed }));
        }
        for stage in [Stage::Crawl, Stage::Stop] {
            all.extend([0, 2, 6].map(|more| Self { stage, trouble: Trouble::Files(more), seed: 9 }));
        }
        all
    }

    pub(super) fn kind(&self) -> &'static str {
        match self.trouble {
            Trouble::Full(_) => "full disk",
            Trouble::Errors { .. } => "disk errors",
            Trouble::Files(_) => "no more files",
        }
    }

    fn begin(&self, site: &Site, process: u32) -> Result<()> {
        match &self.trouble {
            Trouble::Full(bytes) => site.disk().limit_space(*bytes),
            Trouble::Errors { operation, name, after, times } => {
                let fault = DiskFault::lasting(*operation, name).after(*after);
                site.disk().fault(match times {
                    Some(times) => fault.times(*times),
                    None => fault,
                });
            }
            Trouble::Files(more) => {
                let open = std::fs::read_dir(format!("/proc/{process}/fd"))?.count() as u64;
                limit(process, open + more)?;
            }
        }
        Ok(())
    }

    fn end(&self, site: &Site, process: u32) -> Result<()> {
        match self.trouble {
            Trouble::Files(_) => limit(process, u64::MAX),
            _ => {
                site.disk().heal();
                Ok(())
            }
        }
    }

    /// Whether the program may end like that while there is trouble.
    fn may_end(&self, status: Option<i32>, said: &str) -> Result<()> {
        // The index is read through mapped memory: the system ends whoever meets an error of the disk there (SIGBUS).
        let is_mapped = matches!(self.trouble, Trouble::Errors { operation: Operation::Read, .. });
        if status.is_none() && is_mapped {
            return Ok(());
        }
        ensure!(status == Some(2), "it ends by itself with {status:?}: {said}");
        ensure!(said.contains('`') || said.contains("check "), "it ends and does not say what is wrong: {said}");
        Ok(())
    }

    pub(super) async fn run(&self) -> Result<Outcome> {
        let site = Site::new(world(self.seed), true).await?;
        site.simulator.fault(Rule::new(Fault::Delay(Duration::from_millis(10)), When::Always).method("messages.getHistory"));
        if self.stage == Stage::Start {
            let Started::Up(mut running) = site.start("").await? else { bail!("it does not start") };
            let Crawled::Equal = site.until_equal(&mut running).await? else { bail!("a crawl without any trouble") };
            site.stop(running).await?;
        }
        if matches!(self.stage, Stage::FirstStart | Stage::Start) {
            self.begin(&site, 0)?;
        }
        let mut running = match site.start("").await? {
            Started::Up(running) => running,
            Started::Ended { status, said } => {
                self.may_end(status, &said)?;
                self.end(&site, 0)?;
                return Ok(recover(&site, None, async |_: &_| Ok(())).await?.outcome());
            }
        };
        let process = running.child.id();
        if self.stage == Stage::Crawl {
            comes(MET_MAX, || site.data().join("archive.json").exists()).await;
            self.begin(&site, process)?;
        }
        if self.stage == Stage::Stop {
            if let Crawled::Differs(said) | Crawled::Ended { said, .. } = site.until_equal(&mut running).await? {
                bail!("a crawl without any trouble: {said}");
            }
            // Something for the stop to keep.
            site.simulator.post(site.peers()[0], Post::text("just before"))?;
            self.begin(&site, process)?;
            crate::support::program::terminate(&running.child);
            let ended = comes(MET_MAX * 5, || running.child.try_wait().is_ok_and(|status| status.is_some())).await;
            ensure!(ended, "a stop does not end: {}", running.said());
            let met = self.is_met(&site, &running.said());
            drop(running);
            site.disk().heal();
            return Ok(recover(&site, None, async |_: &_| Ok(())).await?.outcome().met(met));
        }
        comes(MET_MAX, || self.is_met(&site, &running.said())).await;
        // A while for it to make of it what it wants.
        comes(Duration::from_millis(700), || running.child.try_wait().is_ok_and(|status| status.is_some())).await;
        if running.child.try_wait()?.is_none() {
            self.end(&site, process)?;
        } else {
            site.disk().heal();
        }
        let mut met = self.is_met(&site, &running.said());
        match site.until_equal(&mut running).await? {
            Crawled::Equal => match site.stopped(running).await? {
                (Some(0), said) => met |= self.is_met(&site, &said),
                // RocksDB may not be over it yet.
                (status, said) => self.may_end(status, &said)?,
            },
            Crawled::Ended { status, said } => self.may_end(status, &said)?,
            Crawled::Differs(said) => bail!("the trouble is over, and it does not go on: {said}"),
        }
        Ok(recover(&site, None, async |_: &_| Ok(())).await?.outcome().met(met))
    }

    /// Whether it has happened.
    fn is_met(&self, site: &Site, said: &str) -> bool {
        match self.trouble {
            Trouble::Files(_) => said.contains("Too many open files") || said.contains("os error 24"),
            Trouble::Full(_) | Trouble::Errors { .. } => site.disk().refused() > 0,
        }
    }
}

/// Sets how many files a process may open, up to what it may set itself.
fn limit(process: u32, files: u64) -> Result<()> {
    let mut hard = 0;
    let mut soft = 0;
    let process = i32::try_from(process)?;
    rlimit::prlimit(process, Resource::NOFILE, None, Some((&mut soft, &mut hard)))?;
    rlimit::prlimit(process, Resource::NOFILE, Some((files.min(hard), hard)), None)?;
    Ok(())
}
