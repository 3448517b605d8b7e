//! Every failpoint of the write path, as an error and as the end of the process, at its n-th hit.

use std::fs;

use anyhow::{Context as _, Result, bail, ensure};
use std::time::Duration;
use telescribe::failpoints::FAILPOINTS;
use telescribe_simulator::{Fault, Rule, When};

use super::follower::{Consumer, Follower};
use super::recovery::recover;
use super::report::Outcome;
use super::site::{Crawled, Running, Site, Started, comes, world};

/// The longest that is waited for a hit; some are never hit so often.
const HIT_MAX: Duration = Duration::from_secs(5);

/// What an error of a failpoint says.
const SAID: &str = "a failpoint";

/// What happens at a failpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Error,
    Abort,
}

/// One failpoint, at one hit.
#[derive(Clone, Debug)]
pub(super) struct Hit {
    pub(super) name: &'static str,
    action: Action,
    hit: u64,
    pub(super) seed: u64,
}

impl Hit {
    /// Every failpoint at these hits.
    pub(super) fn all(hits: &[u64], seed: u64) -> Vec<Self> {
        let mut all = Vec::new();
        for failpoint in FAILPOINTS {
            let actions =
                [Action::Abort, Action::Error].into_iter().filter(|action| *action == Action::Abort || failpoint.may_fail);
            for action in actions {
                all.extend(hits.iter().map(|hit| Self { name: failpoint.name, action, hit: *hit, seed }));
            }
        }
        all
    }

    /// As the crate `fail` reads it.
    fn configured(&self) -> String {
        let action = match self.action {
            Action::Error => "1*return",
            Action::Abort => "1*return(abort)",
        };
        match self.hit - 1 {
            0 => format!("{}={action}->off", self.name),
            before => format!("{}={before}*off->{action}->off", self.name),
        }
    }

    pub(super) async fn run(&self, broker: Option<&str>) -> Result<Outcome> {
        let mut site = Site::new(world(self.seed), false).await?;
        let name = format!("test.fail.{}.{:?}.{}", self.name, self.action, self.hit);
        let consumer = Consumer::of(&mut site, broker, &name).await?;
        site.simulator.fault(Rule::new(Fault::Delay(Duration::from_millis(10)), When::Always).method("messages.getHistory"));
        let follower = Follower::start(&site.socket());
        if self.name == "index-swap" {
            // Only an index that is damaged is built anew and swapped.
            damage_index(&site).await?;
        }
        let met = match site.start(&self.configured()).await? {
            Started::Ended { status, said } => self.may_end(status, &said)?,
            Started::Up(mut running) => match self.action {
                Action::Error => match site.until_equal(&mut running).await? {
                    Crawled::Equal => match site.stopped(running).await? {
                        (Some(0), said) => said.contains(SAID),
                        // It may be hit only then.
                        (status, said) => self.may_end(status, &said)?,
                    },
                    Crawled::Ended { status, said } => self.may_end(status, &said)?,
                    Crawled::Differs(said) => bail!("the trouble is over, and it does not go on: {said}"),
                },
                Action::Abort => {
                    let has_ended = |running: &mut Running| running.child.try_wait().is_ok_and(|status| status.is_some());
                    match comes(HIT_MAX, || has_ended(&mut running)).await {
                        true => {
                            running.kill();
                            true
                        }
                        // Some are only hit by a stop.
                        false => site.stopped(running).await?.0.is_none(),
                    }
                }
            },
        };
        let check = async |_: &_| -> Result<()> {
            let all = follower.check().await?;
            match &consumer {
                Some(consumer) => consumer.check(&all).await,
                None => Ok(()),
            }
        };
        Ok(recover(&site, None, check).await?.outcome().met(met))
    }

    /// Fails when a program may not end like that; true, because the failpoint has ended it.
    fn may_end(&self, status: Option<i32>, said: &str) -> Result<bool> {
        match self.action {
            // By a signal.
            Action::Abort => ensure!(status.is_none(), "it ends with {status:?} and not by the failpoint: {said}"),
            Action::Error => {
                ensure!(status == Some(2) && said.contains(SAID), "it ends with {status:?}, and does not say why: {said}");
            }
        }
        Ok(true)
    }
}

/// Leaves an archive that is whole, and an index that lacks a file.
async fn damage_index(site: &Site) -> Result<()> {
    let Started::Up(mut running) = site.start("").await? else { bail!("it does not start") };
    let Crawled::Equal = site.until_equal(&mut running).await? else { bail!("a crawl without any trouble") };
    site.stop(running).await?;
    let files = fs::read_dir(site.data().join("index"))?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    let store = files.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "store"));
    Ok(fs::remove_file(store.context("an index without a store")?)?)
}
