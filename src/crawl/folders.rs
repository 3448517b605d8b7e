//! Reading accounts' folders, on which the operator's rules may depend.

use std::sync::Arc;

use super::admission::Admission;
use super::recorder::Recorder;
use super::resumption::Resumption;
use crate::archive::Archive;
use crate::dispatch::{Assignment, TaskError};

/// Reads folders.
pub(super) struct Folders {
    pub(super) archive: Arc<Archive>,
    pub(super) admission: Arc<Admission>,
    pub(super) recorder: Arc<Recorder>,
    pub(super) resumption: Arc<Resumption>,
}

impl Folders {
    /// Reads an account's folders.
    pub(super) async fn read(&self, assignment: Assignment) -> Result<(), TaskError> {
        let Assignment { lease, client, .. } = assignment;
        let account = *lease.account();
        let folders = client.folders().await?;
        drop(lease);
        let is_first = self.admission.set_folders(&account, folders);
        let mut write = self.recorder.write();
        for entry in self.archive.view().memberships() {
            let (peer, membership) = entry?;
            if membership.account != account || !membership.current() {
                continue;
            }
            let kind = self.archive.view().peer(peer)?.map(|p| p.kind);
            let titles = self.admission.folders_of(&account, peer, kind);
            if titles != membership.folders {
                write.folders(peer, &account, titles);
            }
        }
        let turn = self.recorder.turn().await;
        Recorder::commit(&turn, write)?;
        drop(turn);
        self.resumption.folders_read(is_first)?;
        Ok(())
    }
}
