//! Commands in this process, and what they write.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test")]

use std::path::Path;
use std::sync::{Arc, Mutex};

use clap::Parser as _;
use telescribe::cli::client::Globals;
use telescribe::cli::{Out, schedule};

use crate::support::fleet::Fleet;

/// What a command writes.
#[derive(Clone, Default)]
pub(crate) struct Written(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        std::io::Write::write(&mut *self.0.lock().unwrap(), bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Written {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(std::mem::take(&mut self.0.lock().unwrap())).unwrap()
    }
}

pub(crate) fn globals(data: &Path) -> Globals {
    Globals { data: data.to_owned(), json: false, server: None, ca: None, key: None }
}

/// `telescribe schedule` as it is typed.
#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    args: schedule::Args,
}

/// Runs `telescribe schedule` on a data folder; the error is what a person reads.
pub(crate) async fn scheduled(fleet: &Fleet, words: &[&str]) -> Result<String, String> {
    let line = Line::parse_from([&["schedule"], words].concat());
    let written = Written::default();
    let config = || Ok(fleet.config.clone());
    let done = schedule::write(&line.args, &fleet.globals(), config, &mut Out::to(written.clone())).await;
    done.map(|_| written.text()).map_err(|error| error.to_string())
}
