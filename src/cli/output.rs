//! The output of commands: to a handle, with colour on a terminal only, and quietly ended on a broken pipe.

use std::io::{self, IsTerminal as _, Write};
use std::process::ExitCode;

use serde_json::Value;

/// Where a command writes.
pub struct Out {
    to: Box<dyn Write + Send>,
    colour: bool,
}

impl Out {
    /// Standard output.
    #[must_use]
    pub fn stdout() -> Self {
        let stdout = io::stdout();
        let colour = stdout.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { to: Box::new(io::BufWriter::new(stdout)), colour }
    }

    /// Any other handle, without colour.
    #[must_use]
    pub fn to(handle: impl Write + Send + 'static) -> Self {
        Self { to: Box::new(handle), colour: false }
    }

    /// Writes a line.
    ///
    /// # Errors
    /// When nobody reads any more, as those below.
    pub fn line(&mut self, text: impl std::fmt::Display) -> io::Result<()> {
        writeln!(self.to, "{text}")
    }

    /// Writes a line of JSON.
    ///
    /// # Errors
    /// See [`Out::line`].
    pub fn json(&mut self, value: &Value) -> io::Result<()> {
        self.line(value)
    }

    /// Flushes what was written.
    ///
    /// # Errors
    /// See [`Out::line`].
    pub fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }

    /// Text that stands out on a terminal.
    #[must_use]
    pub fn strong(&self, text: &str) -> String {
        self.marked("1", text)
    }

    /// Text that stays in the background on a terminal.
    #[must_use]
    pub fn faint(&self, text: &str) -> String {
        self.marked("2", text)
    }

    /// Text that was searched for.
    #[must_use]
    pub fn hit(&self, text: &str) -> String {
        self.marked("1;33", text)
    }

    fn marked(&self, code: &str, text: &str) -> String {
        if self.colour && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Archived text as a terminal may show it: without the control characters that would move its cursor or change its state.
#[must_use]
pub(super) fn harmless(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

/// Text in one line.
#[must_use]
pub(super) fn one_line(text: &str) -> String {
    harmless(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Ends a command. A reader that went away (`| head`) had what it wanted: that is no error.
///
/// # Errors
/// Every other error of the command.
pub(super) fn ended(result: anyhow::Result<ExitCode>) -> anyhow::Result<ExitCode> {
    match result {
        Err(error) if error.chain().any(is_broken_pipe) => Ok(ExitCode::SUCCESS),
        other => other,
    }
}

fn is_broken_pipe(error: &(dyn std::error::Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Writes to standard error: for the person, not for the program that reads the output.
pub(super) fn tell(text: impl std::fmt::Display) {
    // Whoever closed standard error does not want to know.
    if let Err(error) = writeln!(io::stderr(), "{text}") {
        tracing::debug!(%error, "standard error is closed");
    }
}
