//! What `telescribe demo` leaves, for tests of the commands.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test")]

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::files::copy;
use crate::support::program::{Ended, run_in};

/// What a demo left, made once for all tests that run at the same time.
pub(crate) struct Demo {
    folder: TempDir,
    pub(crate) ended: Ended,
}

pub(crate) fn demo() -> Arc<Demo> {
    static SHARED: Mutex<Weak<Demo>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(demo) = shared.upgrade() {
        return demo;
    }
    let folder = TempDir::new().unwrap();
    let arguments = ["demo", "--once", "--folder", "demo", "--peers", "6", "--messages", "600", "--listen", "127.0.0.1:0"];
    let ended = run_in(folder.path(), &arguments);
    let demo = Arc::new(Demo { folder, ended });
    *shared = Arc::downgrade(&demo);
    demo
}

/// A copy of the demo's folder that a test has for itself: a data folder serves one command at a time.
pub(crate) struct Own {
    pub(crate) folder: TempDir,
}

impl Own {
    pub(crate) fn new() -> Self {
        let (demo, folder) = (demo(), TempDir::new().unwrap());
        copy(&demo.folder.path().join("demo"), &folder.path().join("demo"));
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("demo").join(name)
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        run_in(self.folder.path(), &[&["--data", "demo/data"], arguments].concat())
    }

    /// The first message whose text is long enough to be worth something.
    pub(crate) fn some_message(&self) -> Value {
        let truth = fs::read_to_string(self.path("truth.ndjson")).unwrap();
        let mut lines = truth.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.find(|line| line["text"].as_str().is_some_and(|text| text.chars().count() > 15)).unwrap()
    }
}
