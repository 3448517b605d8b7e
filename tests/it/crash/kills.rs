//! A program that is killed again and again, at any moment.

use anyhow::Result;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use std::time::Duration;
use telescribe_simulator::{Fault, Post, Rule, When};
use tokio::time::sleep;

use super::follower::{Consumer, Follower};
use super::recovery::recover;
use super::report::Outcome;
use super::site::{Site, world};

/// How often one archive is killed.
pub(super) const KILLS: u32 = 10;
/// The longest that the program lives between two kills: some starts end before the first request, some in full flight.
const LIFE_MAX: Duration = Duration::from_millis(700);

/// A crawl that is killed some times.
#[derive(Clone, Debug)]
pub(super) struct Kills {
    pub(super) seed: u64,
    pub(super) kills: u32,
}

impl Kills {
    pub(super) async fn run(&self, broker: Option<&str>) -> Result<Outcome> {
        let mut rng = StdRng::seed_from_u64(self.seed);
        let mut site = Site::new(world(self.seed), false).await?;
        let name = format!("test.kills.{}", self.seed);
        let consumer = Consumer::of(&mut site, broker, &name).await?;
        site.simulator.fault(Rule::new(Fault::Delay(Duration::from_millis(40)), When::Always).method("messages.getHistory"));
        let follower = Follower::start(&site.socket());
        let peers = site.peers();
        for kill in 0..self.kills {
            let running = site.spawn("")?;
            sleep(rng.random_range(Duration::ZERO..LIFE_MAX)).await;
            running.kill();
            let peer = peers[rng.random_range(0..peers.len())];
            let id = site.simulator.post(peer, Post::text(format!("between kills {kill}")))?;
            if kill % 3 == 0 {
                site.simulator.edit(peer, id, "between kills, edited")?;
            }
            if kill % 4 == 0 {
                site.simulator.delete(peer, &[id])?;
            }
        }
        site.simulator.clear_faults();
        let check = async |_: &_| -> Result<()> {
            let all = follower.check().await?;
            match &consumer {
                Some(consumer) => consumer.check(&all).await,
                None => Ok(()),
            }
        };
        Ok(recover(&site, None, check).await?.outcome())
    }
}
