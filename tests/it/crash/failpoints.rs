//! Every failpoint of the write path, as an error and as the end of the process, at its n-th hit.

use anyhow::{Result, bail, ensure};
use std::time::Duration;
use telescribe::failpoints::FAILPOINTS;
use telescribe_simulator::{Fault, Rule, When};

use super::follower::{Consumer, Follower};
use super::recovery::recover;
use super::report::Outcome;
use super::site::{Crawled, Site, Started, comes, world};

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
                    let met = comes(HIT_MAX, || running.child.try_wait().is_ok_and(|status| status.is_some())).await;
                    running.kill();
                    met
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
