//! The examples of the README and of the pages, typed as they stand, in the order in which they stand, on a simulated Telegram.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use telescribe_simulator::world::ChatKind;
use telescribe_simulator::{Options, Post, World, WorldSpec};

use super::{pages, shell_lines};
use crate::support::fleet::{Fleet, small};

/// What cannot be typed in a test, by how it begins.
const NOT_HERE: [&str; 22] = [
    // Another program's, or a folder's that is made by it.
    "./dev",
    "openssl",
    "python",
    "node",
    "jq",
    "telescribe --data data/demo/data",
    // It is the program that runs here.
    "telescribe run",
    "telescribe config --accept",
    // A person signs in, with a phone, or has files of other programs.
    "telescribe login",
    "telescribe account",
    "chmod 600 master.key",
    "telescribe simulate",
    // An address that is made up, and one that somebody else may have; docs/sealing.md is tried with its own.
    "telescribe join https://t.me/+",
    "telescribe --server",
    // The ids of keys and backups are other ones each time.
    "telescribe key export",
    "telescribe restore /mnt/backup/telescribe --backup",
    "telescribe --data /var/lib",
    // A peer of somebody else's.
    "telescribe erase -1001500000001",
    // A restore is into a folder that has no archive.
    "telescribe restore /mnt/backup/telescribe",
    // Nothing is missing.
    "telescribe key remove --missing",
    "telescribe upgrade",
    "telescribe repair",
];
/// What needs the data folder for itself.
const ALONE: [&str; 2] = ["telescribe reindex", "telescribe --data data.restored restore"];
/// What may say by its status that there is nothing, or that something is missing.
const MAY_SAY_NO: [&str; 8] = [
    "telescribe media",
    "telescribe media list",
    "telescribe counters",
    "telescribe coverage",
    "telescribe erase --list",
    "telescribe erase",
    "telescribe watch",
    "telescribe search airdrop",
];

/// A world that has what the examples name.
fn world() -> World {
    (11..)
        .map(|seed| WorldSpec { seed, messages: 4_000, media_everywhere: true, ..small() }.generate())
        .find_map(|mut world| {
            let has = |chat: &telescribe_simulator::world::Chat| {
                !chat.members.is_empty() && [42, 120, 150].iter().all(|id| chat.history.messages().iter().any(|of| of.id == *id))
            };
            let of = |kind: ChatKind, world: &World| world.chats.iter().position(|chat| chat.kind == kind && has(chat));
            let (channel, group) = (of(ChatKind::Channel, &world)?, of(ChatKind::Supergroup, &world)?);
            world.chats[channel].username = Some("example_channel".to_owned());
            world.chats[group].username = Some("example_group".to_owned());
            let writer = *world.chats[group].participants.first()?;
            world.users.iter_mut().find(|user| user.id == writer)?.username = Some("example_user".to_owned());
            Some(world)
        })
        .unwrap()
}

struct Terminal {
    fleet: Fleet,
    bin: PathBuf,
}

impl Terminal {
    async fn new() -> Self {
        let mut fleet = Fleet::of(world(), Options::default()).await;
        fleet.config.media.enabled = true;
        let named =
            |world: &World| world.chats.iter().find(|chat| chat.username.as_deref() == Some("example_channel")).map(|c| c.peer);
        let channel = fleet.simulator.inspect(named).unwrap();
        for text in ["今天", "leak утечка, see https://example.org", "airdrop", "the last leak"] {
            fleet.simulator.post(channel, Post::text(text)).unwrap();
        }
        let breach = Post { text: "of a data breach".to_owned(), ..Post::document("leak.txt", "text/plain", 9) };
        fleet.simulator.post(channel, breach).unwrap();
        let bin = fleet.path("bin");
        std::fs::create_dir(&bin).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_telescribe"), bin.join("telescribe")).unwrap();
        Self { fleet, bin }
    }

    /// A line, as it stands but for the places of this machine that a test may not touch.
    fn typed(&self, line: &str) -> Command {
        let mut command = Command::new("sh");
        let path = format!("{}:{}", self.bin.display(), std::env::var("PATH").unwrap_or_default());
        let here = line.replace("/mnt/backup", &self.fleet.path("backup").display().to_string());
        command.args(["-c", &here]).current_dir(self.fleet.path("")).env("PATH", path).env("HOME", self.fleet.path(""));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TELESCRIBE_")) {
            command.env_remove(name);
        }
        command.env("TELESCRIBE__TELEGRAM__SERVER", "simulated").stdin(Stdio::null());
        command
    }
}

fn begins(line: &str, with: &[&str]) -> bool {
    with.iter().any(|beginning| line.starts_with(beginning))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_is_typed_as_it_stands_and_works() {
    let terminal = Terminal::new().await;
    let fleet = &terminal.fleet;
    let mut program = fleet.daemon().spawn().unwrap();
    fleet.until("the program answers", || fleet.data().join("telescribe.sock").exists()).await;
    let peers = fleet.truth().lines().filter(|line| line.contains("\"type\":\"peer\"")).count() as u64;
    let done = |status: &serde_json::Value| {
        let crawl = &status["crawl"];
        crawl["peers_complete"].as_u64() >= Some(peers) && status["index"]["documents"] == crawl["messages"]
    };
    fleet.until_got("/v1/status", done).await;
    let (mut wrong, mut seen) = (Vec::new(), BTreeSet::new());
    let mut run = |line: &str| {
        let output = terminal.typed(line).output().unwrap();
        let most = if begins(line, &MAY_SAY_NO) { 1 } else { 0 };
        if output.status.code().is_none_or(|code| code > most) {
            let said = [output.stdout, output.stderr].concat();
            wrong.push(format!("{line}: {:?}\n{}", output.status.code(), String::from_utf8_lossy(&said)));
        }
    };
    let lines: Vec<String> = pages().iter().flat_map(|page| shell_lines(page)).collect();
    let lines: Vec<&str> = lines
        .iter()
        .map(|line| line.split(" #").next().unwrap_or(line).trim())
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    let typed = |line: &&&str| !begins(line, &NOT_HERE);
    for line in lines.iter().filter(typed).filter(|line| !begins(line, &ALONE)) {
        if line.starts_with("telescribe changes --follow") {
            let mut following = terminal.typed(&format!("exec {line}")).stdout(Stdio::piped()).spawn().unwrap();
            let mut first = String::new();
            BufReader::new(following.stdout.take().unwrap()).read_line(&mut first).unwrap();
            assert!(first.contains("peer."), "{first}");
            following.kill().unwrap();
            following.wait().unwrap();
        // Files are made once.
        } else if seen.insert(*line) {
            run(line);
        }
    }
    program.kill().unwrap();
    program.wait().unwrap();
    for line in lines.iter().filter(typed).filter(|line| begins(line, &ALONE)) {
        run(line);
    }
    assert!(wrong.is_empty(), "{} examples do not work:\n{}", wrong.len(), wrong.join("\n"));
    let stale: Vec<&str> = NOT_HERE
        .iter()
        .chain(&ALONE)
        .chain(&MAY_SAY_NO)
        .copied()
        .filter(|known| !lines.iter().any(|line| line.starts_with(known)))
        .collect();
    assert!(stale.is_empty(), "no example begins so any more: {stale:?}");
}
