//! Wishes: the reader of the change log that asks the rules about each file that was seen.
//!
//! What it decides becomes true in the write that moves its position. Files of messages that were archived before format 5 are found in
//! their bytes by it. At each start it looks through all files before it reads on: one whose bytes are gone (a restored backup has none) is
//! wanted again, and where the rules are others than last time they are asked about every one that is not stored.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::queue::Queue;
use super::rules::{DownloadRules, Explanation, Verdict};
use crate::archive::{Archive, ArchiveError, ArchivedFile, ChangeBatch, Reader, View, Write};
use crate::blob::Blobs;
use crate::lifecycle::{StepOutcome, Worker};
use crate::model::{ChangeKind, Clock, FileId, FileOrigin, FilePlace, FileState, MessageKey, Peer, PeerId};
use crate::parse;
use crate::schedule::PeerFacts;

/// The reader's name.
pub(super) const READER: &str = "media";
/// Changes of one step: few enough that its write takes milliseconds.
const BATCH: usize = 500;
/// Files of one step when the rules have changed.
const JUDGED_AT_ONCE: usize = 1_000;
/// Places of one file that are looked at: a sticker is in a hundred thousand messages.
const PLACES_MAX: usize = 200;

/// Asks the rules.
pub struct Judge {
    rules: DownloadRules,
    clock: Arc<dyn Clock>,
}

/// What rules go by, of the peers that a step has come by.
#[derive(Default)]
struct Peers(BTreeMap<PeerId, Option<(Peer, Vec<String>)>>);

impl Peers {
    fn facts(&mut self, view: View<'_>, id: PeerId, by_folder: bool) -> Result<Option<&(Peer, Vec<String>)>, ArchiveError> {
        if let std::collections::btree_map::Entry::Vacant(unread) = self.0.entry(id) {
            let folders = match by_folder {
                true => {
                    view.members(id)?.into_iter().filter(|member| member.current()).flat_map(|member| member.folders).collect()
                }
                false => Vec::new(),
            };
            unread.insert(view.peer(id)?.map(|peer| (peer, folders)));
        }
        Ok(self.0.get(&id).and_then(Option::as_ref))
    }
}

impl std::fmt::Debug for Judge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Judge").field("rules", &self.rules).finish_non_exhaustive()
    }
}

impl Judge {
    /// One that goes by these rules.
    #[must_use]
    pub fn new(rules: DownloadRules, clock: Arc<dyn Clock>) -> Self {
        Self { rules, clock }
    }

    /// The rules.
    #[must_use]
    pub fn rules(&self) -> &DownloadRules {
        &self.rules
    }

    /// What the rules say of a file at each place where it was seen, at most the first of them; nothing of places of which no peer is known.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn explain(
        &self,
        view: View<'_>,
        file: &ArchivedFile,
        places_max: usize,
    ) -> Result<Vec<(FileOrigin, Explanation)>, ArchiveError> {
        let (mut peers, mut explained) = (Peers::default(), Vec::new());
        for origin in view.file_origins(file.id).take(places_max) {
            let origin = origin?;
            let Some((peer, folders)) = peers.facts(view, origin.origin.peer(), self.rules.is_by_folder())? else { continue };
            let usernames: Vec<&str> = peer.all_usernames().collect();
            let facts = PeerFacts { id: peer.id, usernames: &usernames, title: &peer.title, kind: peer.kind, folders };
            explained.push((origin.origin, self.rules.explain(file, origin.place, &facts, self.clock.timestamp())));
        }
        Ok(explained)
    }

    fn judge(
        &self,
        view: View<'_>,
        peers: &mut Peers,
        file: &ArchivedFile,
        place: FilePlace,
        peer: PeerId,
    ) -> Result<Verdict, ArchiveError> {
        let Some((peer, folders)) = peers.facts(view, peer, self.rules.is_by_folder())? else {
            return Ok(Verdict::Skipped { why: "nothing is known of the peer that it is in".to_owned() });
        };
        let usernames: Vec<&str> = peer.all_usernames().collect();
        let facts = PeerFacts { id: peer.id, usernames: &usernames, title: &peer.title, kind: peer.kind, folders };
        Ok(self.rules.judge(file, place, &facts, self.clock.timestamp()))
    }

    fn verdicts_with(
        &self,
        view: View<'_>,
        peers: &mut Peers,
        file: &ArchivedFile,
    ) -> Result<Vec<(FileOrigin, Verdict)>, ArchiveError> {
        let mut verdicts = Vec::new();
        for origin in view.file_origins(file.id).take(PLACES_MAX) {
            let origin = origin?;
            verdicts.push((origin.origin, self.judge(view, peers, file, origin.place, origin.origin.peer())?));
        }
        Ok(verdicts)
    }
}

/// What a verdict makes of a file that is in a state; nothing where it stays as it is.
fn becomes(state: &FileState, verdict: Verdict) -> Option<FileState> {
    match (state, verdict) {
        (FileState::Seen | FileState::Skipped { .. }, Verdict::Wanted { .. }) => Some(FileState::Wanted),
        // Another place may want it: only who looks at all of them takes a wish back.
        (FileState::Seen, Verdict::Skipped { why }) => Some(FileState::Skipped { why }),
        _ => None,
    }
}

/// The worker that reads the change log.
pub(super) struct Wishes {
    reader: Reader,
    judge: Arc<Judge>,
    queue: Arc<Queue>,
    blobs: Blobs,
    /// Where looking through all files goes on; `None` when it is done.
    look_through: Option<FileId>,
    /// Whether the rules are others than last time.
    has_other_rules: bool,
}

impl Wishes {
    pub(super) fn new(
        archive: &Arc<Archive>,
        blobs: &Blobs,
        judge: &Arc<Judge>,
        queue: &Arc<Queue>,
    ) -> Result<Self, ArchiveError> {
        let reader = Reader::open(Arc::clone(archive), READER)?;
        let has_other_rules = archive.view().files_judged_by()? != Some(judge.rules.fingerprint());
        let look_through = Some(FileId::photo(i64::MIN));
        let (judge, queue, blobs) = (Arc::clone(judge), Arc::clone(queue), blobs.clone());
        Ok(Self { reader, judge, queue, blobs, look_through, has_other_rules })
    }

    /// Looks through the next files.
    fn look_through(&mut self, from: FileId) -> anyhow::Result<StepOutcome> {
        let archive = Arc::clone(self.reader.archive());
        let (mut peers, mut write) = (Peers::default(), archive.write(self.judge.clock.timestamp()));
        let mut looked_at = 0;
        let mut last = None;
        for file in archive.view().files(from).take(JUDGED_AT_ONCE) {
            let file = file?;
            looked_at += 1;
            last = Some(file.id);
            if let FileState::Stored(bytes) = &file.state {
                if !self.blobs.contains(&bytes.hash)? {
                    tracing::warn!(file.id = %file.id, "the bytes of file {} are gone; it is downloaded again", file.id);
                    write.file_state(file.id, FileState::Wanted);
                }
                continue;
            }
            if !self.has_other_rules || !matches!(file.state, FileState::Seen | FileState::Wanted | FileState::Skipped { .. }) {
                continue;
            }
            let verdicts = self.judge.verdicts_with(archive.view(), &mut peers, &file)?;
            let wanted = verdicts.iter().any(|(_, verdict)| matches!(verdict, Verdict::Wanted { .. }));
            let state = match verdicts.into_iter().next() {
                _ if wanted => FileState::Wanted,
                Some((_, Verdict::Skipped { why })) => FileState::Skipped { why },
                _ => continue,
            };
            write.file_state(file.id, state);
        }
        self.look_through = match (looked_at == JUDGED_AT_ONCE, last.and_then(FileId::next)) {
            (true, Some(next)) => Some(next),
            _ => {
                write.files_judged_by(self.judge.rules.fingerprint());
                None
            }
        };
        write.commit()?;
        self.queue.wake();
        Ok(StepOutcome::Busy)
    }

    fn read(&mut self) -> Result<StepOutcome, ArchiveError> {
        let before = self.reader.read();
        let ChangeBatch { changes, .. } = self.reader.next_batch(BATCH)?;
        if changes.is_empty() {
            return Ok(StepOutcome::Idle);
        }
        let archive = Arc::clone(self.reader.archive());
        let keys: BTreeSet<MessageKey> = changes
            .iter()
            .filter(|change| matches!(change.kind, ChangeKind::MessageNew { .. } | ChangeKind::MessageEdited { .. }))
            .filter_map(|change| change.kind.message())
            .collect();
        let mut write = archive.write(self.judge.clock.timestamp());
        let written = keys.iter().try_for_each(|key| self.message(archive.view(), &mut Peers::default(), &mut write, *key));
        let committed = written.and_then(|()| {
            write.position(READER, self.reader.read());
            write.commit()
        });
        if let Err(error) = committed {
            self.reader.seek(before);
            return Err(error);
        }
        self.queue.wake();
        Ok(StepOutcome::Busy)
    }

    fn message(&self, view: View<'_>, peers: &mut Peers, write: &mut Write<'_>, key: MessageKey) -> Result<(), ArchiveError> {
        let attached = view.attached(FileOrigin::Message(key))?;
        if attached.is_empty() {
            return self.message_of_before(view, write, key);
        }
        for (id, place) in attached {
            let Some(file) = view.file(id)? else { continue };
            let verdict = self.judge.judge(view, peers, &file, place, key.peer())?;
            if let Some(state) = becomes(&file.state, verdict) {
                write.file_state(id, state);
            }
        }
        Ok(())
    }

    /// A message that was archived before files were: they are in its bytes. They are judged at the end of this write's own pass.
    fn message_of_before(&self, view: View<'_>, write: &mut Write<'_>, key: MessageKey) -> Result<(), ArchiveError> {
        let Some(stored) = view.message(key)? else { return Ok(()) };
        if stored.message.media.is_none() && stored.message.service.is_none() && !stored.message.rich {
            return Ok(());
        }
        let Some(raw) = view.raw(key)? else { return Ok(()) };
        for seen in parse::files_of_raw(raw.layer, &raw.tl).unwrap_or_default() {
            let file = ArchivedFile::first_seen(&seen, stored.message.date, self.judge.clock.timestamp());
            let verdict = self.judge.judge(view, &mut Peers::default(), &file, seen.place, key.peer())?;
            let id = seen.id;
            write.file_seen(FileOrigin::Message(key), stored.message.date, raw.account, seen);
            let known = view.file(id)?.map(|file| file.state).unwrap_or_default();
            if let Some(state) = becomes(&known, verdict) {
                write.file_state(id, state);
            }
        }
        Ok(())
    }
}

impl Worker for Wishes {
    async fn step(&mut self) -> anyhow::Result<StepOutcome> {
        match self.look_through {
            Some(from) => tokio::task::block_in_place(|| self.look_through(from)),
            None => tokio::task::block_in_place(|| Ok(self.read()?)),
        }
    }

    async fn wait(&mut self) {
        self.reader.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_of_one_place_is_not_taken_back_by_another() {
        let wanted = || Verdict::Wanted { rule: "a".to_owned() };
        let skipped = || Verdict::Skipped { why: "b".to_owned() };
        let skip = FileState::Skipped { why: "b".to_owned() };
        let failed = FileState::Failed { why: "c".to_owned(), tries: 1, next_try: None };
        assert_eq!(becomes(&FileState::Seen, wanted()), Some(FileState::Wanted));
        assert_eq!(becomes(&FileState::Seen, skipped()), Some(skip.clone()));
        assert_eq!(becomes(&skip, wanted()), Some(FileState::Wanted));
        assert_eq!(becomes(&FileState::Wanted, skipped()), None);
        assert_eq!(becomes(&failed, wanted()), None);
    }
}
