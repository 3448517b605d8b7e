//! `telescribe account new-key | seal | unseal`: session files under the operator's master key.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, bail};

use super::super::output::{Out, tell};
use crate::accounts::{Sessions, read_master_key};
use crate::app::MASTER_KEY_VARIABLE;
use crate::seal::{MasterKey, system_random};

pub(super) const NEW_KEY_EXAMPLES: &str = "Examples:
  (umask 077; telescribe account new-key > master.key)

Name the file in `accounts.master_key_file`, or put the key into TELESCRIBE_MASTER_KEY; then run `telescribe account seal`. Keep a
copy somewhere else than with the sessions: without the key, every account has to sign in again.";

pub(super) const SEAL_EXAMPLES: &str = "Examples:
  telescribe account seal
  telescribe account seal --old-key-file old-master.key";

pub(super) fn new_key() -> anyhow::Result<ExitCode> {
    let key = MasterKey::generate(&mut system_random());
    let mut out = Out::stdout();
    out.line(key.text().as_str())?;
    out.flush()?;
    tell(format_args!("master key `{}`; make it readable for the program's user only (chmod 600)", key.id()));
    Ok(ExitCode::SUCCESS)
}

pub(super) fn seal(store: &Sessions, old_key_file: Option<&Path>) -> anyhow::Result<ExitCode> {
    let key = needed(store)?;
    let old = old_key_file.map(read_master_key).transpose()?;
    let from = store.clone().sealed([key.clone()].into_iter().chain(old));
    let (converted, all) = convert(&from, store)?;
    tell(format_args!(
        "{converted} of {all} session files were sealed with the master key `{}`, the others already were",
        key.id()
    ));
    Ok(ExitCode::SUCCESS)
}

pub(super) fn unseal(store: &Sessions) -> anyhow::Result<ExitCode> {
    needed(store)?;
    let (converted, all) = convert(store, &store.clone().sealed([]))?;
    tell(format_args!(
        "{converted} of {all} session files were unsealed, the others already were; remove the master key from \
         `accounts.master_key_file` or {MASTER_KEY_VARIABLE} now, or they are sealed again when they are next saved"
    ));
    Ok(ExitCode::SUCCESS)
}

fn needed(store: &Sessions) -> anyhow::Result<MasterKey> {
    let Some(key) = store.master_key() else {
        bail!(
            "no master key is set; make one with `telescribe account new-key > master.key` and name it in \
             `accounts.master_key_file`, or in {MASTER_KEY_VARIABLE}"
        );
    };
    Ok(key.clone())
}

/// Converts every session file, each as a whole; returns how many were, and of how many.
fn convert(from: &Sessions, to: &Sessions) -> anyhow::Result<(usize, usize)> {
    let names = from.names()?;
    let mut converted = 0;
    for (done, name) in names.iter().enumerate() {
        let rest = || format!("{done} of {} session files are converted, the others unchanged; run it again", names.len());
        converted += usize::from(from.convert(name, to).with_context(rest)?);
    }
    Ok((converted, names.len()))
}
