//! The server's id, in `server.json` of the data folder: clients seal their requests for it, so that two servers with the same keys do not accept
//! each other's.
//!
//! It is made once, is of this data folder only, and is in no backup: a restored folder is another server, because the one that was backed up
//! may still run. Where it takes the other's place, the operator says so ([`adopt_server_id`]). A file that is gone or damaged is made anew from
//! what is [`Known`], so that no client is locked out by it.

use std::io;
use std::path::Path;

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};

use crate::archive::DataFolder;
use crate::atomic_file;
use crate::seal::{ServerId, fingerprint, system_random};

use super::known::Known;

/// The file: the id, and a checksum over it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ServerFile {
    id: String,
    digest: String,
}

/// What stands where the id should.
enum Stored {
    Whole(ServerId),
    Missing,
    Damaged,
}

/// Returns the id of the server of a data folder, which must be there; makes one where there was none.
///
/// # Errors
/// When the file is damaged and nothing is known of it, or the disk refuses.
pub fn server_id(data: &Path) -> anyhow::Result<ServerId> {
    let path = DataFolder::server(data);
    let known = Known::read(data)?.and_then(|known| known.server());
    match (read(&path)?, known) {
        (Stored::Whole(id), known) => {
            if known.as_ref().is_some_and(|known| *known != id) {
                tracing::warn!(
                    "`{}` has the id of another server than this one was; if that is not meant, delete it: it is made anew",
                    path.display()
                );
            }
            Ok(id)
        }
        (Stored::Missing | Stored::Damaged, Some(id)) => {
            written(&path, atomic_file::replace(&path, &content(&id)?).map(drop))?;
            tracing::warn!("`{}` was missing or damaged; it was made anew, with the server's id as it was", path.display());
            Ok(id)
        }
        (Stored::Missing, None) => {
            let id = ServerId::generate(&mut system_random());
            match atomic_file::create(&path, &content(&id)?) {
                // Another command was quicker.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match read(&path)? {
                    Stored::Whole(id) => Ok(id),
                    Stored::Missing | Stored::Damaged => bail!("`{}` changes while it is read; try again", path.display()),
                },
                made => written(&path, made).map(|()| id),
            }
        }
        (Stored::Damaged, None) => bail!(
            "`{}` is damaged: it has the server's id, for which clients seal their requests; restore it, or delete it: the server then gets \
             another id, and clients need new key files (`telescribe key export`)",
            path.display()
        ),
    }
}

/// Gives the server of a data folder, which must be there, the id of another one, whose place it takes.
///
/// # Errors
/// When the disk refuses.
pub fn adopt_server_id(data: &Path, id: &ServerId) -> anyhow::Result<()> {
    let path = DataFolder::server(data);
    written(&path, atomic_file::replace(&path, &content(id)?).map(drop))?;
    Known::update(data, |known| known.note_server(id)).map(drop)
}

fn read(path: &Path) -> anyhow::Result<Stored> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Stored::Missing),
        Err(error) => return Err(error).with_context(|| format!("`{}` cannot be read", path.display())),
    };
    let whole = serde_json::from_slice::<ServerFile>(&text).ok().filter(|file| file.digest == digest(&file.id));
    Ok(whole.and_then(|file| file.id.parse().ok()).map_or(Stored::Damaged, Stored::Whole))
}

fn written(path: &Path, outcome: io::Result<()>) -> anyhow::Result<()> {
    outcome.with_context(|| format!("`{}` cannot be written", path.display()))
}

fn content(id: &ServerId) -> anyhow::Result<Vec<u8>> {
    let mut text = serde_json::to_vec(&ServerFile { id: id.to_string(), digest: digest(id.as_str()) })?;
    text.push(b'\n');
    Ok(text)
}

fn digest(id: &str) -> String {
    fingerprint("telescribe server", id.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_stays_and_what_is_damaged_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = DataFolder::server(folder.path());
        let id = server_id(folder.path()).unwrap();
        assert_eq!(server_id(folder.path()).unwrap(), id);
        assert_ne!(server_id(tempfile::tempdir().unwrap().path()).unwrap(), id);
        let whole = std::fs::read_to_string(&path).unwrap();
        for harmed in [whole.replacen(&id.as_str()[..4], "0000", 1), whole[..20].to_owned(), String::new()] {
            std::fs::write(&path, &harmed).unwrap();
            let error = server_id(folder.path()).unwrap_err().to_string();
            assert!(error.contains("is damaged") && error.contains("restore it, or delete it"), "{harmed}: {error}");
        }
        let other = ServerId::generate(&mut system_random());
        adopt_server_id(folder.path(), &other).unwrap();
        assert_eq!(server_id(folder.path()).unwrap(), other);
    }
}
