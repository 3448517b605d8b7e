//! The list of erasures beside the archive: what outlives an archive that goes back, and so is applied to one that was restored.
//!
//! An older backup, or an archive that has lost its newest changes, knows nothing of the erasures that were ordered since. The list stands in the data
//! folder and in each folder that backups were made in, as `erasures.json`: whoever puts such an archive in place finds what has to be erased again. It
//! holds ids and times, nothing of what was erased.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::archive::{Archive, ArchiveError, Erasure};
use crate::atomic_file;
use crate::backup::BackupRecord;
use crate::model::{ChatId, ErasureScope, ErasureSelection, MessageId, PeerId, Timestamp};

/// The list's name.
const NAME: &str = "erasures.json";

/// An erasure in the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct ListedErasure {
    archive: String,
    id: String,
    ordered_at: i64,
    scope: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    peer: Option<i64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    peers: Vec<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    messages: Vec<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<i64>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct ListedErasures {
    erasures: Vec<ListedErasure>,
}

impl ListedErasure {
    fn of(archive: &Archive, erasure: &Erasure) -> Self {
        let blank = |scope: &str, peer| Self {
            archive: archive.id().to_owned(),
            id: erasure.id.clone(),
            ordered_at: erasure.ordered_at.0,
            scope: scope.to_owned(),
            peer,
            peers: Vec::new(),
            account: None,
            messages: Vec::new(),
            before: erasure.selection.before.map(|at| at.0),
        };
        match &erasure.selection.scope {
            ErasureScope::Peer(peer) => blank("peer", Some(peer.0)),
            ErasureScope::Sender(sender) => blank("sender", Some(sender.0)),
            ErasureScope::Everything => blank("everything", None),
            ErasureScope::Peers(peers) => Self { peers: peers.iter().map(|peer| peer.0).collect(), ..blank("peers", None) },
            ErasureScope::Messages { chat, ids } => Self {
                account: chat.account().map(|account| account.to_string()),
                messages: ids.iter().map(|id| id.0).collect(),
                ..blank("messages", Some(chat.peer().0))
            },
        }
    }

    /// What is erased; `None` where a newer version has written it.
    fn selection(&self) -> Option<ErasureSelection> {
        let scope = match (self.scope.as_str(), self.peer.map(PeerId)) {
            ("peer", Some(peer)) => ErasureScope::Peer(peer),
            ("sender", Some(peer)) => ErasureScope::Sender(peer),
            ("peers", None) => ErasureScope::Peers(self.peers.iter().copied().map(PeerId).collect()),
            ("everything", None) => ErasureScope::Everything,
            ("messages", Some(peer)) => {
                let account = self.account.as_deref().map(str::parse).transpose().ok()?;
                ErasureScope::Messages {
                    chat: ChatId::new(peer, account),
                    ids: self.messages.iter().copied().map(MessageId).collect(),
                }
            }
            _ => return None,
        };
        Some(ErasureSelection { scope, before: self.before.map(Timestamp) })
    }
}

impl ListedErasures {
    fn read(folder: &Path) -> io::Result<Self> {
        match std::fs::read(folder.join(NAME)) {
            Ok(text) => Ok(serde_json::from_slice(&text)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    /// Adds those that are not in it; whether there were any.
    fn add(&mut self, erasures: &[ListedErasure]) -> bool {
        let known = self.erasures.len();
        for erasure in erasures {
            if self.erasures.iter().all(|other| other.id != erasure.id) {
                self.erasures.push(erasure.clone());
            }
        }
        self.erasures.len() > known
    }

    fn write(&self, folder: &Path) -> io::Result<()> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        atomic_file::replace(&folder.join(NAME), &text).map(drop)
    }
}

/// Brings the lists up to date with the erasures of an archive: that of its data folder, and those in the folders that backups of it were made in, as far
/// as they can be reached now.
///
/// # Errors
/// When the list in the data folder cannot be written, or the archive cannot be read.
pub fn note_erasures(archive: &Archive, data: &Path) -> Result<(), ArchiveError> {
    let ordered = archive.view().erasures()?;
    if ordered.is_empty() {
        return Ok(());
    }
    let listed: Vec<ListedErasure> = ordered.iter().map(|erasure| ListedErasure::of(archive, erasure)).collect();
    let add_to = |folder: &Path| {
        let mut list = ListedErasures::read(folder)?;
        if list.add(&listed) { list.write(folder) } else { Ok(()) }
    };
    add_to(data).map_err(|source| ArchiveError::Io { path: data.join(NAME), source })?;
    for target in BackupRecord::load(data).targets.into_iter().filter(|target| target.target.is_dir()) {
        if let Err(error) = add_to(&target.target) {
            tracing::warn!("the list of erasures could not be written in `{}`: {error}", target.target.display());
        }
    }
    Ok(())
}

/// Orders again what a list in a folder says was erased from this archive and the archive does not know of, as one that went back does not. Returns how
/// many erasures that are.
///
/// # Errors
/// When the list cannot be read, or the archive cannot be written.
pub fn order_again(archive: &Archive, folder: &Path, now: Timestamp) -> Result<usize, ArchiveError> {
    let list = ListedErasures::read(folder).map_err(|source| ArchiveError::Io { path: folder.join(NAME), source })?;
    let known = archive.view().erasures()?;
    let unknown = list
        .erasures
        .iter()
        .filter(|listed| listed.archive == archive.id() && known.iter().all(|erasure| erasure.id != listed.id));
    let mut count = 0;
    for listed in unknown {
        let Some(selection) = listed.selection() else {
            tracing::error!(
                "erasure `{}` of the list was ordered by a newer version, and cannot be applied by this one",
                listed.id
            );
            continue;
        };
        let mut write = archive.write(now);
        write.order_erasure(&listed.id, selection, Timestamp(listed.ordered_at));
        write.commit()?;
        count += 1;
    }
    archive.sync()?;
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::Durability;

    #[test]
    fn what_was_erased_is_erased_again_from_an_archive_that_went_back() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path();
        let archive = Archive::open(&data.join("archive"), Durability::Os).unwrap();
        let chat = ChatId::seen_by("alpha".parse().unwrap(), PeerId(-42));
        let scopes = [
            ErasureScope::Peer(PeerId(-7)),
            ErasureScope::Sender(PeerId(7)),
            ErasureScope::Everything,
            ErasureScope::Peers(vec![PeerId(-9), PeerId(-7)]),
            ErasureScope::Messages { chat, ids: vec![MessageId(3), MessageId(5)] },
        ];
        let mut write = archive.write(Timestamp(1_000));
        for (nth, scope) in scopes.iter().enumerate() {
            let selection = ErasureSelection { scope: scope.clone(), before: (nth == 2).then_some(Timestamp(50)) };
            write.order_erasure(&format!("id {nth}"), selection, Timestamp(900));
        }
        write.commit().unwrap();
        note_erasures(&archive, data).unwrap();
        assert_eq!(order_again(&archive, data, Timestamp(2_000)).unwrap(), 0, "it knows them");
        let ordered = archive.view().erasures().unwrap();
        let id = archive.id().to_owned();
        drop(archive);

        let mut list = ListedErasures::read(data).unwrap();
        assert!(list.erasures.iter().all(|listed| listed.archive == id));
        // An archive that knows nothing of them, as it would be with the same id.
        let other = Archive::open(&data.join("restored"), Durability::Os).unwrap();
        assert_eq!(order_again(&other, data, Timestamp(2_000)).unwrap(), 0, "they are another archive's");
        list.erasures.iter_mut().for_each(|listed| listed.archive = other.id().to_owned());
        list.write(data).unwrap();
        assert_eq!(order_again(&other, data, Timestamp(2_000)).unwrap(), 5);
        assert_eq!(other.view().erasures().unwrap(), ordered);
    }
}
