//! Power cuts while a crawl runs: what the disk does not have for certain is lost or torn, and whoever followed sees nothing change.

use anyhow::{Context as _, Result, bail, ensure};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use std::time::Duration;
use telescribe_simulator::{Fault, Post, Rule, When};
use tokio::time::sleep;

use super::follower::{Consumer, Follower};
use super::recovery::recover;
use super::report::Outcome;
use super::site::{Crawled, EVERY, Site, Started, comes, world};

/// The longest that a crawl takes to get to the operation at which the power is cut, or to its end.
const CRAWL_MAX: Duration = Duration::from_secs(60);
/// How long Telegram takes for a page, so that a crawl lasts for many flushes.
const PAGE_DELAY: Duration = Duration::from_millis(25);

/// One power cut.
#[derive(Clone, Debug)]
pub(super) struct PowerCut {
    pub(super) seed: u64,
    /// The archive's `sync` setting.
    pub(super) sync: &'static str,
    /// Whether the disk says that it has synced what it has not, from when the archive is there.
    pub(super) lying: bool,
}

impl PowerCut {
    pub(super) async fn run(&self, broker: Option<&str>, operations: u64) -> Result<Outcome> {
        let mut rng = StdRng::seed_from_u64(self.seed);
        let name = format!("test.cut.{}.{}", self.sync, self.seed);
        let mut site = site(self.sync, self.seed).await?;
        let consumer = Consumer::of(&mut site, broker, &name).await?;
        site.simulator.fault(Rule::new(Fault::Delay(PAGE_DELAY), When::Always).method("messages.getHistory"));
        // Some cuts hit the start, some what comes after the crawl.
        let first = if self.lying { operations / 2 } else { 1 };
        site.disk().cut_at(site.disk().operations() + rng.random_range(first..=operations));
        let mut running = site.spawn("")?;
        let follower = Follower::start(&site.socket());
        if self.lying {
            comes(CRAWL_MAX, || site.data().join("archive.json").exists()).await;
            site.disk().lie();
        }
        let marker = stir(&site, &mut rng, || site.disk().is_cut()).await?;
        if !comes(CRAWL_MAX, || site.disk().is_cut() || running.child.try_wait().is_ok_and(|ended| ended.is_some())).await {
            // All is archived and at rest.
            site.disk().cut();
        }
        ensure!(site.disk().is_cut(), "it has ended before the power was cut: {}", running.said());
        running.kill();
        site.disk_mut().power_on(rng.random()).context("the disk after the cut")?;
        site.simulator.clear_faults();
        let seen_before = follower.seen().count();
        let check = async |_: &_| -> Result<()> {
            let all = tokio::time::timeout(CRAWL_MAX, follower.check()).await.context("the follower does not catch up")??;
            ensure!(all.count() >= seen_before, "{seen_before} events were seen, {} are there", all.count());
            if let Some(consumer) = &consumer {
                consumer.check(&all).await?;
            }
            site.finds(&marker).await
        };
        Ok(recover(&site, None, check).await?.outcome())
    }
}

async fn site(sync: &str, seed: u64) -> Result<Site> {
    let mut site = Site::new(world(seed), true).await?;
    site.set("TELESCRIBE__ARCHIVE__SYNC", sync);
    Ok(site)
}

/// How many operations of a disk a crawl takes, so that cuts are spread over all of it.
pub(super) async fn operations(sync: &str) -> Result<u64> {
    let site = site(sync, 1).await?;
    site.simulator.fault(Rule::new(Fault::Delay(PAGE_DELAY), When::Always).method("messages.getHistory"));
    let Started::Up(mut running) = site.start("").await? else { bail!("the first start ends") };
    let mut rng = StdRng::seed_from_u64(1);
    stir(&site, &mut rng, || false).await?;
    match site.until_equal(&mut running).await? {
        Crawled::Equal => {}
        Crawled::Differs(said) | Crawled::Ended { said, .. } => bail!("a crawl without any trouble: {said}"),
    }
    site.stop(running).await?;
    Ok(site.disk().operations())
}

/// Lets ordinary things happen in the groups, for a second or until it is over. Returns words that are to be found in the end.
pub(super) async fn stir(site: &Site, rng: &mut StdRng, is_over: impl Fn() -> bool) -> Result<String> {
    let peers = site.peers();
    let mut posted = Vec::new();
    for step in 0..20 {
        if is_over() {
            break;
        }
        let peer = peers[rng.random_range(0..peers.len())];
        let id = site.simulator.post(peer, Post::text(format!("meanwhile {step}")))?;
        posted.push((peer, id));
        // Never empty: one was posted just now.
        let (peer, id) = posted[rng.random_range(0..posted.len())];
        match step % 4 {
            1 => site.simulator.edit(peer, id, format!("meanwhile {step}, edited"))?,
            3 => {
                site.simulator.delete(peer, &[id])?;
                posted.retain(|one| *one != (peer, id));
            }
            _ => {}
        }
        sleep(EVERY * 3).await;
    }
    // Nobody edits or deletes this one.
    site.simulator.post(peers[0], Post::text("unmistakable lighthouse"))?;
    Ok("unmistakable lighthouse".to_owned())
}
