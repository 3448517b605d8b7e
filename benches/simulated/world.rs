//! The worlds that benchmarks crawl, and what a client needs to do so.
//!
//! `TELESCRIBE_BENCH_MESSAGES` says how many messages there are. `TELESCRIBE_CORPUS` may name a file of `language<TAB>text` lines:
//! the texts then come from there, by way of an export of Telegram Desktop, which has one account. Otherwise the world is
//! generated from a seed, with three accounts.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::json;
use telescribe::accounts::{AuthKey, DataCentre, Session};
use telescribe::config::Server;
use telescribe::telegram::{NetworkScope, Settings};
use telescribe_simulator::{AccountAccess, Simulator, World, WorldSpec};

/// Groups and channels of a world.
const PEERS: usize = 40;
const SEED: u64 = 42;

/// A world of so many messages.
pub(crate) fn world(messages: usize) -> anyhow::Result<World> {
    match std::env::var("TELESCRIBE_CORPUS") {
        Ok(corpus) => of_corpus(Path::new(&corpus), messages),
        Err(_) => Ok(WorldSpec { seed: SEED, peers: PEERS, messages, ..WorldSpec::default() }.generate()),
    }
}

/// Supergroups in which people say the lines of a file, equally many in each.
fn of_corpus(corpus: &Path, messages: usize) -> anyhow::Result<World> {
    let lines = std::fs::read_to_string(corpus).with_context(|| format!("cannot read `{}`", corpus.display()))?;
    let texts: Vec<&str> = lines.lines().filter_map(|line| Some(line.split_once('\t')?.1)).collect();
    ensure!(!texts.is_empty(), "`{}` has no line of the form language<TAB>text", corpus.display());
    // Languages come in blocks: spread them, so that every size of run has all of them.
    let stride = (texts.len() / messages.clamp(1, texts.len())).max(1);
    let line = |n: usize| texts[(n * stride + n / texts.len()) % texts.len()];
    let chat = |peer: usize| {
        let message = |(id, n): (usize, usize)| {
            let user = n * 7_919 % 2_000;
            json!({
                "id": id + 1, "type": "message", "date_unixtime": (1_600_000_000 + n * 60).to_string(),
                "from": format!("User {user}"), "from_id": format!("user{}", 7_000_000 + user), "text": line(n),
            })
        };
        let messages: Vec<_> = (peer..messages).step_by(PEERS).enumerate().map(message).collect();
        json!({"name": format!("Group {peer}"), "type": "private_supergroup", "id": 1_500_000_000 + peer, "messages": messages})
    };
    let folder = tempfile::tempdir()?;
    let chats: Vec<_> = (0..PEERS).map(chat).collect();
    std::fs::write(folder.path().join("result.json"), json!({"chats": {"list": chats}}).to_string())?;
    let (world, warnings) = World::from_export(folder.path())?;
    ensure!(warnings.is_empty(), "the export of the corpus: {}", warnings[0]);
    Ok(world)
}

/// The sessions of a simulator's accounts.
pub(crate) fn sessions(simulator: &Simulator) -> anyhow::Result<Vec<Session>> {
    let session = |account: AccountAccess| {
        let data_centres: BTreeMap<i32, DataCentre> = account
            .data_centres
            .iter()
            .map(|dc| (dc.id, DataCentre { ipv4: dc.address, ipv6: None, auth_key: Some(AuthKey::new(dc.auth_key)) }))
            .collect();
        Ok(Session::new(account.name.parse()?, Server::Simulated.name(), account.home_dc, data_centres))
    };
    simulator.accounts().into_iter().map(session).collect()
}

/// How to speak to a simulator.
pub(crate) fn settings() -> Settings {
    Settings {
        api_id: 1,
        request_timeout: Duration::from_secs(60),
        reach: NetworkScope::Loopback,
        proxy: None,
        proxies: BTreeMap::new(),
        takeout: false,
    }
}

/// A number from the environment.
pub(crate) fn number(name: &str, otherwise: usize) -> anyhow::Result<usize> {
    std::env::var(name).map_or(Ok(otherwise), |value| value.parse().with_context(|| format!("`{name}` is not a number")))
}

pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
