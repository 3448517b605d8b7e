//! A simulated Telegram in a process of its own, so that processor time and memory are told apart: this program, started again with `serve`.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use telescribe::accounts::Sessions;
use telescribe::config::Server;
use telescribe_simulator::{Options, Simulator, World};

use crate::world::sessions;

/// What the simulator says when it is asked what was done to it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Served {
    pub(crate) history_requests: u64,
    pub(crate) requests: u64,
    pub(crate) cpu_seconds: f64,
}

/// The simulator's process, as this one sees it.
pub(crate) struct Telegram {
    child: Child,
    ask: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    pub(crate) messages: usize,
}

impl Telegram {
    pub(crate) fn start(folder: &Path) -> anyhow::Result<Self> {
        Self::start_with(folder, &[])
    }

    /// The same with variables of its environment.
    pub(crate) fn start_with(folder: &Path, variables: &[(&str, String)]) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args([OsStr::new("serve"), folder.as_os_str()])
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let ask = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().context("the simulator has no output")?);
        let mut telegram = Self { child, ask, answers, messages: 0 };
        telegram.messages = telegram.line()?.parse()?;
        Ok(telegram)
    }

    /// What was asked of it since the last call.
    pub(crate) fn served(&mut self) -> anyhow::Result<Served> {
        self.ask.as_mut().context("the simulator was stopped")?.write_all(b"served\n")?;
        Ok(serde_json::from_str(&self.line()?)?)
    }

    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        self.ask.take();
        ensure!(self.child.wait()?.success(), "the simulator failed");
        Ok(())
    }

    fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        ensure!(self.answers.read_line(&mut line)? > 0, "the simulator has ended");
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for Telegram {
    fn drop(&mut self) {
        // Without its input it ends by itself; this is for a benchmark that failed.
        self.ask.take();
        if let Err(error) = self.child.wait() {
            eprintln!("the simulator: {error}");
        }
    }
}

/// The simulator's process: leaves its accounts' sessions in a folder, serves until its input ends, and says what it served when a line
/// comes in.
pub(crate) async fn serve(folder: &Path, world: World) -> anyhow::Result<()> {
    serve_with(folder, world, |_| {}).await
}

/// The same; something is done to it before anybody is let in.
pub(crate) async fn serve_with(folder: &Path, world: World, prepare: impl FnOnce(&Simulator)) -> anyhow::Result<()> {
    let messages = world.message_count();
    let simulator = Simulator::start(world, Options::default()).await?;
    prepare(&simulator);
    let store = Sessions::new(&folder.join("sessions"), Server::Simulated.name());
    for session in sessions(&simulator)? {
        store.save(&session)?;
    }
    println!("{messages}");
    let mut before = cpu_seconds();
    let mut lines = std::io::stdin().lines();
    while tokio::task::block_in_place(|| lines.next()).transpose()?.is_some() {
        let counts = simulator.request_counts();
        let now = cpu_seconds();
        let served = Served {
            history_requests: simulator.request_count("messages.getHistory"),
            requests: counts.values().sum(),
            cpu_seconds: now - std::mem::replace(&mut before, now),
        };
        simulator.clear_ledger();
        println!("{}", serde_json::to_string(&served)?);
    }
    simulator.stop().await;
    Ok(())
}

/// Processor time of this process, of the program and of the system on its behalf, to the nanosecond.
pub(crate) fn cpu_seconds() -> f64 {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default().as_secs_f64()
}
