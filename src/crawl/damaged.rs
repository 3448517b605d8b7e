//! Messages that were found damaged in the archive are asked for again.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::planner::Planner;
use super::recorder::{Recorder, Turn};
use crate::archive::Archive;
use crate::dispatch::Priority;
use crate::lifecycle::{Lifecycle, StepOutcome, Worker};
use crate::model::{ChatId, IdRange, MessageKey, RangeSet};

/// The worker that has damaged messages read again.
struct Damaged {
    archive: Arc<Archive>,
    planner: Arc<Planner>,
    recorder: Arc<Recorder>,
}

pub(super) fn start(archive: &Arc<Archive>, planner: &Arc<Planner>, recorder: &Arc<Recorder>, lifecycle: &Lifecycle) {
    let (archive, planner, recorder) = (Arc::clone(archive), Arc::clone(planner), Arc::clone(recorder));
    lifecycle.work("damaged", move || Damaged {
        archive: Arc::clone(&archive),
        planner: Arc::clone(&planner),
        recorder: Arc::clone(&recorder),
    });
}

impl Damaged {
    fn ask_again(&self, turn: &Turn<'_>) -> anyhow::Result<StepOutcome> {
        let mut by_chat: BTreeMap<ChatId, RangeSet> = BTreeMap::new();
        for MessageKey { chat, id } in self.archive.damage().take_messages() {
            if let Some(range) = IdRange::new(id.0, id.0) {
                by_chat.entry(chat).or_default().insert(range);
            }
        }
        if by_chat.is_empty() {
            return Ok(StepOutcome::Idle);
        }
        for (chat, ids) in by_chat {
            // Of a chat that is not crawled nothing can be asked.
            if self.archive.view().crawl_state(chat)?.is_none() {
                continue;
            }
            let mut write = self.recorder.write();
            write.crawl_state(chat, move |state| ids.ranges().iter().for_each(|range| state.recheck.insert(*range)));
            Recorder::commit(turn, write)?;
            self.planner.add_history(chat, Priority::Recheck)?;
        }
        Ok(StepOutcome::Busy)
    }
}

impl Worker for Damaged {
    async fn step(&mut self) -> anyhow::Result<StepOutcome> {
        let turn = self.recorder.turn().await;
        tokio::task::block_in_place(|| self.ask_again(&turn))
    }

    async fn wait(&mut self) {
        self.archive.damage().wait().await;
    }
}
