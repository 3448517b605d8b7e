//! The Python in which other people's libraries run.

use std::process::Command;

/// The Python that has what tests need; `./dev test` makes one.
pub(crate) fn python(needs: &[&str]) -> String {
    let python = std::env::var("TELESCRIBE_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let import = needs.iter().map(|name| format!("import {name}\n")).collect::<String>();
    let there = Command::new(&python).args(["-c", &import]).output().is_ok_and(|output| output.status.success());
    assert!(there, "`{python}` lacks one of {needs:?}: run `./dev test`, which installs them, or set TELESCRIBE_PYTHON");
    python
}
