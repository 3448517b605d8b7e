//! The trouble: what happens to the fleet, in the order of how far the crawl has got.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use telescribe_simulator::world::{Chat, ChatKind};
use telescribe_simulator::{Fault, PeerId, Post, Rule, Simulator, When};
use tokio::time::Instant;

use super::daemon::Daemon;
use crate::support::methods::HISTORY;

/// So many of the last accounts are lost by and by, or are of no use from the start.
pub(super) const EXPENDABLE: usize = 6;
/// Which of them, from the end: the first four are signed out or banned.
const FLOODED: usize = 4;
const UNREACHABLE: usize = 5;
/// Every so many steps something ordinary happens in some peers.
const STIR_EVERY: u64 = 5;
/// How long a data centre stays silent, in steps.
const SILENT_STEPS: u64 = 150;

type Event = fn(&mut Trouble);

/// What happens when so many hundredths of the pages were asked for, and what it is called in the report.
const EVENTS: [(u64, &str, Event); 19] = [
    (3, "a data centre falls silent", |t| {
        t.simulator().silence_dc(2, true);
        t.silent_until = t.steps + SILENT_STEPS;
    }),
    (5, "an account is flooded for a day", Trouble::flooded),
    (10, "an account is signed out", |t| t.expend(0, false)),
    (15, "killed", Trouble::killed),
    (20, "a basic group becomes a supergroup", Trouble::migrated),
    (25, "a data centre restarts, another changes its salt", |t| {
        t.simulator().restart_dc(1);
        t.simulator().rotate_salt(3);
    }),
    (30, "an account is signed out", |t| t.expend(1, false)),
    (35, "messages are deleted in masses", Trouble::wiped),
    (40, "stopped softly", |t| {
        t.daemon.stop();
        t.stir(20);
        t.daemon.start_again();
    }),
    (45, "an account is banned", |t| t.expend(2, true)),
    (50, "an account is thrown out of a channel", Trouble::kicked),
    (51, "an account joins a supergroup that hides its past from it", Trouble::joined_late),
    (52, "accounts are thrown out of basic groups that others of ours are in", Trouble::kicked_from_groups),
    (55, "an account moves to another data centre", |t| {
        let name = t.account(0);
        t.simulator().move_home(&name, 1).unwrap();
    }),
    (60, "Telegram restarts", |t| t.restart_wanted = true),
    (65, "an account is signed out", |t| t.expend(3, false)),
    (70, "killed", Trouble::killed),
    (75, "views and reactions move untold", Trouble::counted),
    (80, "messages are deleted in masses", Trouble::wiped),
];

/// The name of the account whose proxy is dead.
pub(super) fn unreachable(simulator: &Simulator) -> String {
    let accounts = simulator.accounts();
    accounts[accounts.len() - 1 - UNREACHABLE].name.clone()
}

/// A fleet and what happens to it.
pub(super) struct Trouble {
    pub(super) simulator: Option<Simulator>,
    pub(super) daemon: Daemon,
    /// What has happened, and at which page.
    pub(super) log: Vec<(u64, &'static str)>,
    pages: u64,
    wiped: usize,
    next: usize,
    steps: u64,
    silent_until: u64,
    restart_wanted: bool,
    fresh: Vec<(PeerId, i32)>,
    rng: StdRng,
    /// When the simulated Telegram began, and how long after that the program was killed each time.
    began: Instant,
    pub(super) killed_at: Vec<Duration>,
}

impl Trouble {
    pub(super) fn new(simulator: Simulator, began: Instant, daemon: Daemon, pages: u64, wiped: usize) -> Self {
        Self {
            simulator: Some(simulator),
            daemon,
            log: Vec::new(),
            pages,
            wiped,
            next: 0,
            steps: 0,
            silent_until: u64::MAX,
            restart_wanted: false,
            fresh: Vec::new(),
            rng: StdRng::seed_from_u64(7),
            began,
            killed_at: Vec::new(),
        }
    }

    pub(super) fn simulator(&self) -> &Simulator {
        self.simulator.as_ref().unwrap()
    }

    /// What has not happened yet, or is not over.
    pub(super) fn left(&self) -> usize {
        EVENTS.len() - self.next + usize::from(self.steps <= self.silent_until)
    }

    pub(super) fn report(&self) -> String {
        format!("{} of {} pages asked for; {:?}", self.simulator().request_count(HISTORY), self.pages, self.log)
    }

    /// Lets happen what is due.
    pub(super) async fn step(&mut self) {
        self.steps += 1;
        if self.steps == self.silent_until {
            self.simulator().silence_dc(2, false);
        }
        if self.steps.is_multiple_of(STIR_EVERY) {
            self.stir(2);
            self.daemon.note_memory();
        }
        let asked = self.simulator().request_count(HISTORY);
        if let Some((hundredths, what, event)) = EVENTS.get(self.next)
            && asked * 100 >= hundredths * self.pages
        {
            self.log.push((asked, what));
            self.next += 1;
            event(self);
        }
        if std::mem::take(&mut self.restart_wanted) {
            let stopped = self.simulator.take().unwrap().stop_keeping().await;
            self.simulator = Some(stopped.start_again().await.unwrap());
        }
    }

    fn peers(&self, kind: impl Fn(ChatKind) -> bool) -> Vec<PeerId> {
        self.simulator().inspect(|world| {
            let of_kind = world.chats.iter().filter(|chat| kind(chat.kind) && chat.migrated_to.is_none());
            of_kind.map(|chat| chat.peer).collect()
        })
    }

    /// New messages, edits and deletions here and there.
    fn stir(&mut self, peers: usize) {
        let all = self.peers(|kind| kind != ChatKind::Private);
        for _ in 0..peers {
            let peer = all[self.rng.random_range(0..all.len())];
            let simulator = self.simulator.as_ref().unwrap();
            let first = simulator.post(peer, Post::text(format!("step {}", self.steps))).unwrap();
            let second = simulator.post(peer, Post::text("in between")).unwrap();
            match self.rng.random_range(0..4) {
                0 => simulator.edit(peer, first, "said otherwise").unwrap(),
                1 => drop(simulator.delete(peer, &[second]).unwrap()),
                2 => {
                    let old = simulator.inspect(|world| {
                        let messages = world.chat(peer).unwrap().history.messages();
                        messages.iter().filter(|m| m.service().is_none()).map(|m| m.id).nth(self.steps as usize % 40)
                    });
                    if let Some(old) = old {
                        simulator.edit(peer, old, format!("rewritten at step {}", self.steps)).unwrap();
                    }
                }
                _ => {}
            }
            self.fresh.push((peer, first));
        }
    }

    /// The name of an account from the front.
    fn account(&self, at: usize) -> String {
        self.simulator().accounts()[at].name.clone()
    }

    /// Signs out or bans one of the accounts that are not needed.
    fn expend(&mut self, at: usize, banned: bool) {
        let accounts = self.simulator().accounts();
        let name = &accounts[accounts.len() - 1 - at].name;
        if banned { self.simulator().ban(name).unwrap() } else { self.simulator().sign_out(name).unwrap() }
    }

    /// A wait that outlasts everything here, for whatever the account asks.
    fn flooded(&mut self) {
        let accounts = self.simulator().accounts();
        let name = accounts[accounts.len() - 1 - FLOODED].name.clone();
        self.simulator().fault(Rule::new(Fault::FloodWait { seconds: 86_400 }, When::Always).account(name));
    }

    /// Lets a lasting account into a supergroup that another one has seen from the start: it must not be taken for the whole of it.
    fn joined_late(&mut self) {
        let lasting = self.lasting();
        let found = self.simulator().inspect(|world| {
            // A public one hides nothing from anybody.
            let hides = |chat: &&Chat| chat.kind == ChatKind::Supergroup && chat.username.is_none() && chat.migrated_to.is_none();
            let open = world.chats.iter().filter(hides);
            let of = |chat: &Chat| (0..lasting).partition::<Vec<_>, _>(|account| chat.members.contains(account));
            let some =
                open.map(|chat| (chat.peer, of(chat))).find(|(_, (inside, outside))| !inside.is_empty() && !outside.is_empty());
            some.map(|(peer, (_, outside))| (peer, world.accounts[outside[0]].name.clone()))
        });
        let (peer, name) = found.expect("a supergroup that not every lasting account is in");
        self.simulator().hide_prehistory(peer, true).unwrap();
        self.simulator().join(&name, peer).unwrap();
        self.simulator().post(peer, Post::text("welcome")).unwrap();
    }

    /// How many accounts last to the end.
    fn lasting(&self) -> usize {
        self.simulator().accounts().len() - EXPENDABLE
    }

    fn killed(&mut self) {
        self.killed_at.push(self.began.elapsed());
        self.daemon.kill();
        self.stir(5);
        self.daemon.start_again();
    }

    fn migrated(&mut self) {
        // Those that several accounts are in are needed later.
        let groups = self.peers(|kind| kind == ChatKind::Group);
        let is_alone = |group: &&PeerId| groups.iter().filter(|other| other == group).count() == 1;
        let group = *groups.iter().find(is_alone).unwrap();
        let successor = self.simulator().migrate(group).unwrap();
        self.simulator().post(successor, Post::text("here we are")).unwrap();
    }

    /// Deletes the newest messages of the largest channel.
    fn wiped(&mut self) {
        let wiped = self.wiped;
        let (peer, ids) = self.simulator().inspect(|world| {
            let largest = world.chats.iter().filter(|chat| chat.kind == ChatKind::Channel).max_by_key(|c| c.history.len());
            let chat = largest.unwrap();
            let ids: Vec<i32> = chat.history.messages().iter().rev().take(wiped).map(|m| m.id).collect();
            (chat.peer, ids)
        });
        self.simulator().delete(peer, &ids).unwrap();
    }

    /// Throws an account out of a channel that another one reads too.
    fn kicked(&mut self) {
        let accounts = self.simulator().accounts();
        let lasting = self.lasting();
        let found = self.simulator().inspect(|world| {
            let lasts = |chat: &Chat| chat.members.iter().filter(|m| **m < lasting).count() > 1;
            let shared = world.chats.iter().find(|chat| chat.kind == ChatKind::Channel && lasts(chat));
            shared.map(|chat| (chat.peer, chat.members.iter().copied().find(|m| *m < lasting).unwrap()))
        });
        let (peer, member) = found.expect("a channel that two lasting accounts read");
        // Telegram goes on listing it, as one it may not read.
        self.simulator().list_forbidden(&accounts[member].name, true).unwrap();
        self.simulator().kick(&accounts[member].name, peer).unwrap();
    }

    /// Throws an account out of some of the basic groups that another one is in too: who of them archives it is found out by then.
    fn kicked_from_groups(&mut self) {
        let shared = self.simulator().inspect(|world| {
            let mut members: BTreeMap<PeerId, Vec<String>> = BTreeMap::new();
            for chat in world.chats.iter().filter(|chat| chat.kind == ChatKind::Group && chat.migrated_to.is_none()) {
                let names = chat.members.iter().map(|member| world.accounts[*member].name.clone());
                members.entry(chat.peer).or_default().extend(names);
            }
            members.retain(|_, names| names.len() > 1);
            members
        });
        assert!(!shared.is_empty(), "basic groups that several accounts are in");
        for (at, (peer, names)) in shared.iter().take(10).enumerate() {
            self.simulator().kick(&names[at % names.len()], *peer).unwrap();
        }
    }

    /// Views and reactions of what was posted lately; views are pushed to nobody.
    fn counted(&mut self) {
        for at in 0..self.fresh.len().min(20) {
            let (peer, id) = self.fresh[self.fresh.len() - 1 - at];
            let simulator = self.simulator.as_ref().unwrap();
            let there = simulator.inspect(|world| {
                let chat = world.chat(peer).unwrap();
                chat.history.get(id).map(|_| chat.kind == ChatKind::Channel)
            });
            match there {
                Some(true) => simulator.set_views(peer, id, 1_000 + id, 7).unwrap(),
                Some(false) => simulator.react(peer, id, "👍", 3).unwrap(),
                None => {}
            }
        }
    }
}
