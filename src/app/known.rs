//! What was there at the last start, in `known.json` of the data folder, so that what vanishes since is told.
//!
//! A session file that is gone, a key file that is gone, and a configuration that was cut in the middle look like nothing: an account
//! less, no clients yet, defaults. What would act for somebody else, or lock everybody out, stops the start, with the way out; what only
//! some clients or settings lack is told. Commands that remove something note it here, so that it is not reported.
//!
//! It holds names, user ids, ids of keys and fingerprints: no secret. It is written by a start that succeeds, by a clean stop, and by
//! commands, under a lock, and replaced atomically.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};

use crate::accounts::Session;
use crate::atomic_file;
use crate::config::ConfigFile;
use crate::failpoints;
use crate::model::{AccountName, Timestamp};
use crate::seal::{Key, KeyId, KeyRing, ServerId, fingerprint};

/// The version of the file's form.
const VERSION: u32 = 1;
/// How many names a message lists: more are no longer read.
const LISTED_MAX: usize = 12;

/// What was there at the last start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    version: u32,
    /// When the program last saw all of it: at its last start, or at a clean stop after it (RFC 3339).
    at: String,
    /// The folder of the sessions, for messages.
    folder: PathBuf,
    sessions: BTreeMap<String, KnownSession>,
    /// The client of each key, by the key's id.
    keys: BTreeMap<String, String>,
    /// The fingerprint of each key, by its id; earlier versions noted none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    key_fingerprints: BTreeMap<String, String>,
    /// The server's id; earlier versions had none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    server: Option<String>,
    /// What the configuration's file set, in its order; absent where there was no file to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    configuration: Option<Vec<String>>,
}

/// What tells a session from another account's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KnownSession {
    /// The user, once known.
    user: Option<i64>,
    /// The fingerprints of its authorisation keys.
    keys: Vec<String>,
}

/// The file: what is known, and a checksum over it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KnownFile {
    known: Known,
    digest: String,
}

impl KnownSession {
    fn of(session: &Session) -> Self {
        Self { user: session.user_id(), keys: session.key_fingerprints() }
    }

    /// Whether two sessions are the same account's; `None` where nothing tells. A new login changes the keys, not the user.
    fn is_same(&self, other: &Self) -> Option<bool> {
        if let (Some(one), Some(other)) = (self.user, other.user) {
            return Some(one == other);
        }
        let comparable = !self.keys.is_empty() && !other.keys.is_empty();
        comparable.then(|| self.keys.iter().any(|key| other.keys.contains(key)))
    }
}

/// What a start finds, to be compared with what is known and to be known from then on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found<'a> {
    pub(super) folder: &'a Path,
    pub(super) sessions: &'a BTreeMap<AccountName, Arc<Session>>,
    pub(super) keys: &'a KeyRing,
    pub(super) server: &'a ServerId,
    pub(super) configuration: Option<&'a ConfigFile>,
}

impl Known {
    /// Reads what is known in a data folder; `None` where nothing is.
    ///
    /// # Errors
    /// When the file is damaged, or cannot be read.
    pub fn read(data: &Path) -> anyhow::Result<Option<Self>> {
        let path = place(data);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("`{}` cannot be read", path.display())),
        };
        let file = serde_json::from_slice::<KnownFile>(&text).ok().filter(|file| file.known.digest() == file.digest);
        let Some(KnownFile { known, .. }) = file else {
            bail!(
                "`{0}` is damaged: it notes which accounts, client keys and settings there were, so that what vanishes is noticed; \
                 restore it, or delete it to start with what is there now",
                path.display()
            )
        };
        if known.version != VERSION {
            bail!("`{}` was written by another version of telescribe; use that one, or delete the file", path.display());
        }
        Ok(Some(known))
    }

    /// What there is, as of now. Settings that come from no file leave those known that a file set earlier.
    pub(super) fn of(found: Found<'_>, earlier: Option<Self>, at: Timestamp) -> Self {
        let configuration = found.configuration.map(|file| file.keys.clone());
        let mut known = Self {
            version: VERSION,
            at: at.to_string(),
            folder: found.folder.to_owned(),
            sessions: BTreeMap::new(),
            keys: BTreeMap::new(),
            key_fingerprints: BTreeMap::new(),
            server: Some(found.server.to_string()),
            configuration: configuration.or_else(|| earlier?.configuration),
        };
        found.sessions.values().for_each(|session| known.note_session(session));
        found.keys.keys().iter().for_each(|key| known.note_key(key));
        known
    }

    /// Notes a session that was added or has changed.
    pub fn note_session(&mut self, session: &Session) {
        self.sessions.insert(session.name().to_string(), KnownSession::of(session));
    }

    /// Forgets a session; says whether it was known.
    pub fn forget_session(&mut self, name: &AccountName) -> bool {
        self.sessions.remove(name.as_str()).is_some()
    }

    /// The server's id, where it is known.
    pub(super) fn server(&self) -> Option<ServerId> {
        self.server.as_ref()?.parse().ok()
    }

    /// Notes the server's id.
    pub(super) fn note_server(&mut self, id: &ServerId) {
        self.server = Some(id.to_string());
    }

    /// Notes a client's key that was added.
    pub fn note_key(&mut self, key: &Key) {
        self.keys.insert(key.id().to_string(), key.client().to_string());
        self.key_fingerprints.insert(key.id().to_string(), key.fingerprint());
    }

    /// Forgets a client's key; says whether it was known.
    pub fn forget_key(&mut self, id: &KeyId) -> bool {
        self.key_fingerprints.remove(id.as_str());
        self.keys.remove(id.as_str()).is_some()
    }

    /// Forgets every client's key that is not among these; returns their ids.
    pub fn forget_missing_keys(&mut self, ring: &KeyRing) -> Vec<String> {
        let gone: Vec<String> = self.missing_keys(ring).into_iter().map(|(id, _)| id.to_owned()).collect();
        for id in &gone {
            self.keys.remove(id);
            self.key_fingerprints.remove(id);
        }
        gone
    }

    /// Takes the configuration's file as it is for what was known.
    pub fn accept_configuration(&mut self, file: &ConfigFile) {
        self.configuration = Some(file.keys.clone());
    }

    pub(super) fn set_seen(&mut self, at: Timestamp) {
        self.at = at.to_string();
    }

    /// Writes what a start found. The data folder must be there.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(super) fn write(&self, data: &Path) -> anyhow::Result<()> {
        let _lock = lock(data)?;
        let path = place(data);
        atomic_file::clear_leftovers(&path).with_context(|| format!("what is left of `{}` cannot be removed", path.display()))?;
        self.replace(data)
    }

    /// Changes what is known (read-modify-write, under a lock); does nothing where nothing is known yet. Returns what `change` does.
    ///
    /// # Errors
    /// When the file is damaged, or the disk refuses.
    pub fn update<T>(data: &Path, change: impl FnOnce(&mut Self) -> T) -> anyhow::Result<Option<T>> {
        if !place(data).exists() {
            return Ok(None);
        }
        let _lock = lock(data)?;
        let Some(earlier) = Self::read(data)? else { return Ok(None) };
        let mut known = earlier.clone();
        let done = change(&mut known);
        if known != earlier {
            known.replace(data)?;
        }
        Ok(Some(done))
    }

    fn replace(&self, data: &Path) -> anyhow::Result<()> {
        let path = place(data);
        let file = KnownFile { known: self.clone(), digest: self.digest() };
        let mut text = serde_json::to_vec_pretty(&file)?;
        text.push(b'\n');
        let replaced = failpoints::hit("known-write").and_then(|()| atomic_file::replace(&path, &text));
        replaced.with_context(|| format!("`{}` cannot be written", path.display()))?;
        failpoints::pass("known-written");
        Ok(())
    }

    fn digest(&self) -> String {
        fingerprint("telescribe known", &serde_json::to_vec(self).unwrap_or_default())
    }

    /// Compares sessions, client keys and configuration with what is known: what must not go on unnoticed is an error, the rest is logged.
    pub(super) fn check(&self, data: &Path, found: Found<'_>) -> anyhow::Result<()> {
        if let Some(file) = found.configuration {
            self.check_configuration(data, file)?;
        }
        self.check_sessions(data, found.sessions)?;
        self.check_keys(data, found.keys)?;
        let all = self.missing_keys(found.keys);
        for (id, client) in all {
            tracing::warn!(
                "key `{id}` of client `{client}` is gone since the last start ({}), and no command removed it: it can no longer be used",
                self.at
            );
        }
        Ok(())
    }

    /// Fails when sessions are gone, or are another account's.
    fn check_sessions(&self, data: &Path, sessions: &BTreeMap<AccountName, Arc<Session>>) -> anyhow::Result<()> {
        let now: BTreeMap<&str, KnownSession> = sessions.iter().map(|(name, s)| (name.as_str(), KnownSession::of(s))).collect();
        let at = &self.at;
        let swapped: Vec<String> =
            self.sessions.iter().filter_map(|(name, known)| self.swapped(name, known, now.get(name.as_str())?)).collect();
        if !swapped.is_empty() {
            bail!(
                "since the last start ({at}) the {}; put its own file back; if this one is meant, give it a new name and run {}",
                swapped.join(", the "),
                command(data, "account remove NAME")
            );
        }
        for (name, known) in &self.sessions {
            let lost = |now: &KnownSession| known.keys.iter().any(|key| !now.keys.contains(key));
            if now.get(name.as_str()).is_some_and(lost) {
                tracing::warn!(
                    account.name = %name,
                    "the session file of account `{name}` has lost an authorisation key since the last start ({at}), and no command changed it: \
                     where the account gets no response, restore a copy of the file, or sign in again with `telescribe login {name}`"
                );
            }
        }
        let missing: Vec<&str> = self.sessions.keys().map(String::as_str).filter(|name| !now.contains_key(name)).collect();
        let folder = self.folder.display();
        let [first, rest @ ..] = missing.as_slice() else { return Ok(()) };
        if !rest.is_empty() {
            bail!(
                "the session files of accounts {} are missing: they were in `{folder}` at the last start ({at}); put them back, or run {} \
                 for each to go on without it",
                listed(&missing),
                command(data, "account remove NAME")
            );
        }
        let is_renamed = |(name, session): &(&&str, &KnownSession)| {
            !self.sessions.contains_key(**name)
                && self.sessions.get(*first).and_then(|known| known.is_same(session)) == Some(true)
        };
        let renamed = now.iter().find(is_renamed).map(|(name, _)| format!(" (`{name}` is the same account)"));
        bail!(
            "the session file of account `{first}` is missing: it was in `{folder}` at the last start ({at}); put it back, or run {} to go \
             on without it{}",
            command(data, &format!("account remove {first}")),
            renamed.unwrap_or_default()
        );
    }

    /// What is to be said of a session that is not the account's that it was.
    fn swapped(&self, name: &str, known: &KnownSession, now: &KnownSession) -> Option<String> {
        if known.is_same(now) != Some(false) {
            return None;
        }
        let whose = self.sessions.iter().find(|(_, other)| other.is_same(now) == Some(true));
        let whose = whose.map(|(name, _)| format!(", that of `{name}`")).unwrap_or_default();
        Some(format!("session file of account `{name}` is another account's{whose}"))
    }

    /// The keys that are not there any more as they were. One that has changed, by a flipped bit, opens nothing of its client's.
    fn missing_keys(&self, ring: &KeyRing) -> Vec<(&str, &str)> {
        let now: BTreeMap<&str, String> = ring.keys().iter().map(|key| (key.id().as_str(), key.fingerprint())).collect();
        let is_as_it_was = |id: &str| {
            let known = self.key_fingerprints.get(id);
            now.get(id).is_some_and(|found| known.is_none_or(|known| known == found))
        };
        let gone = self.keys.iter().filter(|(id, _)| !is_as_it_was(id));
        gone.map(|(id, client)| (id.as_str(), client.as_str())).collect()
    }

    /// Fails when every client's key that is known is gone.
    ///
    /// # Errors
    /// With the clients that are locked out, and the way out.
    pub fn check_keys(&self, data: &Path, ring: &KeyRing) -> anyhow::Result<()> {
        let gone = self.missing_keys(ring);
        if gone.is_empty() || gone.len() < self.keys.len() {
            return Ok(());
        }
        let path = crate::archive::DataFolder::keys(data);
        let what = if path.exists() { "has none of its keys any more" } else { "is missing" };
        let clients: BTreeSet<&str> = gone.into_iter().map(|(_, client)| client).collect();
        bail!(
            "key file `{}` {what}: at the last start ({}) there were keys of {}, who can no longer send requests; put it back, or run {} \
             to go on without them",
            path.display(),
            self.at,
            listed(&clients.into_iter().collect::<Vec<_>>()),
            command(data, "key remove --missing")
        );
    }

    /// Fails when the configuration looks cut off; logs what else it has lost.
    fn check_configuration(&self, data: &Path, file: &ConfigFile) -> anyhow::Result<()> {
        let Some(earlier) = &self.configuration else { return Ok(()) };
        let (lost, path, at) = (file.lost(earlier), file.path.display(), &self.at);
        if lost.is_empty() {
            return Ok(());
        }
        // Tables say more than keys.
        let (tables, keys): (Vec<_>, Vec<_>) = lost.into_iter().partition(|name| name.starts_with('['));
        let lost = listed(&[tables, keys].concat());
        if !file.is_cut(earlier) {
            tracing::warn!(
                "since the last start ({at}) the configuration `{path}` no longer sets {lost}; where that is not meant, put it back"
            );
            return Ok(());
        }
        let what = match file.exists {
            true => format!("looks cut off: since the last start ({at}) its end is gone, with {lost}"),
            false => format!("is missing: at the last start ({at}) there was one, with {lost}"),
        };
        bail!("the configuration `{path}` {what}; put it back, or, if this is meant, run {}", command(data, "config --accept"));
    }
}

pub(super) fn place(data: &Path) -> PathBuf {
    data.join("known.json")
}

/// Keeps others from changing what is known meanwhile; they take milliseconds. The file stays, because removing it would be a race.
fn lock(data: &Path) -> anyhow::Result<File> {
    let path = data.join("known.lock");
    let failed = || format!("`{}` cannot be locked", path.display());
    let lock = File::options().create(true).truncate(false).write(true).open(&path).with_context(failed)?;
    lock.lock().with_context(failed)?;
    Ok(lock)
}

/// A command to type, for this data folder.
fn command(data: &Path, command: &str) -> String {
    if data == Path::new("data") {
        return format!("`telescribe {command}`");
    }
    format!("`telescribe --data {} {command}`", data.display())
}

/// Names in backticks, as many as somebody reads.
fn listed(names: &[&str]) -> String {
    let mut text = names.iter().take(LISTED_MAX).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if let Some(more) = names.len().checked_sub(LISTED_MAX).filter(|more| *more > 0) {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(user: Option<i64>, keys: &[&str]) -> KnownSession {
        KnownSession { user, keys: keys.iter().map(|key| (*key).to_owned()).collect() }
    }

    #[test]
    fn an_account_is_known_by_its_user_and_before_that_by_any_of_its_keys() {
        let known = session(Some(1), &["a", "b"]);
        for (other, same) in [
            (session(Some(1), &["a"]), Some(true)),
            (session(Some(2), &["a"]), Some(false)),
            // Signed in anew.
            (session(Some(1), &["c"]), Some(true)),
            // Moved to another data centre, or not asked yet.
            (session(None, &["b", "c"]), Some(true)),
            (session(None, &["c"]), Some(false)),
            (session(None, &[]), None),
        ] {
            assert_eq!(known.is_same(&other), same, "{other:?}");
            assert_eq!(other.is_same(&known), same, "{other:?}");
        }
    }

    #[test]
    fn names_are_listed_as_far_as_they_are_read() {
        let names: Vec<String> = (1..=14).map(|n| n.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(listed(&names[..2]), "`1`, `2`");
        assert!(listed(&names).ends_with("`12` and 2 more"), "{}", listed(&names));
        assert!(listed(&names[..12]).ends_with("`12`"));
    }

    #[test]
    fn a_way_out_names_the_data_folder_where_it_is_another() {
        assert_eq!(command(Path::new("data"), "key list"), "`telescribe key list`");
        assert_eq!(command(Path::new("/srv/t"), "key list"), "`telescribe --data /srv/t key list`");
    }
}
