//! The output of commands: to a handle, with colour and headers for people only, and quietly ended on a broken pipe.

use std::io::{self, IsTerminal as _, Write};
use std::process::ExitCode;

use anstream::{AutoStream, ColorChoice};
use serde_json::Value;

/// Where a command writes.
pub struct Out {
    to: Box<dyn Write + Send>,
    colour: bool,
    /// Whether a person reads it, and no program.
    is_terminal: bool,
}

impl Out {
    /// Standard output; coloured on a terminal, unless the environment says otherwise (`NO_COLOR`, `CLICOLOR`, `CLICOLOR_FORCE`, `TERM`).
    #[must_use]
    pub fn stdout() -> Self {
        let stdout = io::stdout();
        let (colour, is_terminal) = (AutoStream::choice(&stdout) != ColorChoice::Never, stdout.is_terminal());
        Self { to: Box::new(io::BufWriter::new(stdout)), colour, is_terminal }
    }

    /// Any other handle, without colour.
    #[must_use]
    pub fn to(handle: impl Write + Send + 'static) -> Self {
        Self { to: Box::new(handle), colour: false, is_terminal: false }
    }

    /// Writes the names of a table's columns, for people: a program counts lines.
    ///
    /// # Errors
    /// See [`Out::line`].
    pub fn columns(&mut self, names: impl std::fmt::Display) -> io::Result<()> {
        if !self.is_terminal {
            return Ok(());
        }
        let names = self.faint(&names.to_string());
        self.line(names)
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

    /// Writes bytes as they are.
    ///
    /// # Errors
    /// See [`Out::line`].
    pub fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.to.write_all(bytes)
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

/// Archived text as a terminal may show it: without the control characters that would move its cursor or change its state, and without those that turn the
/// direction of what follows (bidirectional embeddings, overrides and isolates), which may be ours. Each letter has its own direction without them.
#[must_use]
pub(super) fn harmless(text: &str) -> String {
    let turns = |c: &char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().filter(|c| !turns(c)).map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

/// Text in one line.
#[must_use]
pub(super) fn one_line(text: &str) -> String {
    harmless(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// A time of the API (RFC 3339) in a row of a table: to the minute, by the clock of its own zone, which is UTC unless the row says otherwise.
#[must_use]
pub(super) fn minute(time: &str) -> String {
    civil(time, 16)
}

/// The same to the second, where seconds are what is asked for: plans have them.
#[must_use]
pub(super) fn second(time: &str) -> String {
    civil(time, 19)
}

fn civil(time: &str, length: usize) -> String {
    one_line(&time.get(..length).unwrap_or(time).replace('T', " "))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_of_a_stranger_moves_or_turns_what_stands_around_it() {
        for (text, shown) in [
            ("a\u{1b}[31mb\u{7}", "a\u{fffd}[31mb\u{fffd}"),
            ("invoice\u{202e}fdp.exe", "invoicefdp.exe"),
            ("\u{2067}שלום\u{2069} \u{202b}עולם\u{202c}", "שלום עולם"),
            ("one\ntwo", "one\ntwo"),
            ("م\u{200f}ن", "م\u{200f}ن"),
        ] {
            assert_eq!(harmless(text), shown);
        }
        assert_eq!(one_line(" a\r\n\tb "), "a b");
    }

    #[test]
    fn a_time_is_shown_to_the_minute_by_its_own_clock() {
        for (time, shown) in [
            ("2026-11-28T01:56:07Z", "2026-11-28 01:56"),
            ("2026-11-28T01:56:07.250+08:00", "2026-11-28 01:56"),
            ("never", "never"),
            ("\u{1b}[31m2026-11-28T01:56:07Z", "\u{fffd}[31m2026-11-28 "),
            ("次の土曜日の朝", "次の土曜日の朝"),
        ] {
            assert_eq!(minute(time).trim_end(), shown.trim_end());
        }
    }
}
