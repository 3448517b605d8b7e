//! Live: what Telegram pushes, archived at once when it follows on the known pts (in order, without a gap).

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::account_events::AccountEvents;
use super::admission::Admission;
use super::overtaken::Overtaken;
use super::peers::Peers;
use super::planner::Planner;
use super::recorder::{Recorder, Turn, delete};
use super::unit::{Unit, messages_of, messages_outside_channels};
use super::visibility::Visibility;
use crate::archive::Archive;
use crate::dispatch::{Dispatch, Priority};
use crate::lifecycle::{Lifecycle, StepOutcome, Worker};
use crate::model::{AccountName, ChatId, PeerId, UpdatesState};
use crate::telegram::{Clients, Push, Update};

/// Archives what is pushed.
pub(super) struct Live {
    pub(super) archive: Arc<Archive>,
    pub(super) clients: Arc<Clients>,
    pub(super) dispatch: Arc<Dispatch>,
    pub(super) peers: Arc<Peers>,
    pub(super) admission: Arc<Admission>,
    pub(super) planner: Arc<Planner>,
    pub(super) recorder: Arc<Recorder>,
    pub(super) account_events: Arc<AccountEvents>,
    pub(super) overtaken: Arc<Overtaken>,
    pub(super) visibility: Arc<Visibility>,
}

/// How a pushed event stands to the pts that is known.
#[derive(Debug, PartialEq, Eq)]
enum Succession {
    /// It is the next one.
    On,
    /// It is known already (a duplicate).
    Known,
    /// Something between is missing (a gap).
    Gap,
}

fn follows(known: i32, pts: i32, count: i32) -> Succession {
    if pts <= known {
        Succession::Known
    } else if pts.checked_sub(count) == Some(known) {
        Succession::On
    } else {
        Succession::Gap
    }
}

pub(super) fn start(live: &Arc<Live>, inbox: mpsc::Receiver<Push>, lifecycle: &Lifecycle) {
    let inbox = Arc::new(tokio::sync::Mutex::new(inbox));
    live.clients.use_until_released();
    let live = Arc::clone(live);
    lifecycle.work("live", move || LiveWorker { live: Arc::clone(&live), inbox: Arc::clone(&inbox), next: None });
}

struct LiveWorker {
    live: Arc<Live>,
    /// Shared with the worker that takes over after a panic.
    inbox: Arc<tokio::sync::Mutex<mpsc::Receiver<Push>>>,
    next: Option<Push>,
}

impl Worker for LiveWorker {
    async fn step(&mut self) -> anyhow::Result<StepOutcome> {
        let push = match self.next.take() {
            Some(push) => push,
            None => match self.inbox.lock().await.try_recv() {
                Ok(push) => push,
                Err(_) => return Ok(StepOutcome::Idle),
            },
        };
        let turn = self.live.recorder.turn().await;
        self.live.receive(&turn, push)?;
        Ok(StepOutcome::Busy)
    }

    async fn wait(&mut self) {
        self.next = self.inbox.lock().await.recv().await;
        if self.next.is_none() {
            // Every connection is closed: the program is stopping.
            std::future::pending::<()>().await;
        }
    }

    async fn finish(&mut self) -> anyhow::Result<()> {
        self.live.clients.release().await;
        Ok(())
    }
}

impl Live {
    fn receive(&self, turn: &Turn<'_>, push: Push) -> anyhow::Result<()> {
        let Push { account, seen, events } = push;
        let gone: BTreeSet<PeerId> = seen.left.iter().chain(&seen.lost).copied().collect();
        let mut write = self.recorder.write();
        self.recorder.mention(&mut write, &account, seen)?;
        Recorder::commit(turn, write)?;
        for event in events {
            match event {
                Update::Gap => {
                    self.visibility.forget_all_of(&account);
                    self.planner.add(Unit::AccountEvents { account }, Priority::Live);
                    self.planner.add_walk_for_news(&account);
                }
                Update::Membership { channel } => self.membership_changed(&account, channel, gone.contains(&channel)),
                Update::Hidden { channel, visible_from } => {
                    if self.visibility.note(turn, &account, channel, visible_from)? {
                        self.planner.add_history(channel, Priority::Backfill)?;
                    }
                }
                Update::Counted { key, counters } => {
                    let mut write = self.recorder.write();
                    Recorder::counted(&mut write, &account, key, counters);
                    Recorder::commit(turn, write)?;
                }
                Update::ChannelGap { channel } => self.planner.add(Unit::Events { peer: channel }, Priority::Live),
                event => match event.channel() {
                    Some(peer) => self.channel_pushed(turn, &account, peer, event)?,
                    None => self.common_pushed(turn, &account, event)?,
                },
            }
        }
        Ok(())
    }

    /// An account's membership in a group or channel has changed: what it is now says the peer itself.
    fn membership_changed(&self, account: &AccountName, peer: PeerId, gone: bool) {
        self.visibility.forget(account, peer);
        // One that the account is out of was told by the same update; one that it is in may be far down in its dialogs.
        if gone {
            return;
        }
        if self.peers.is_known_to(account, peer) {
            self.planner.add_poll_of(account, peer);
        } else {
            self.planner.add_walk_for_news(account);
        }
    }

    fn channel_pushed(&self, turn: &Turn<'_>, account: &AccountName, peer: PeerId, event: Update) -> anyhow::Result<()> {
        // The rules first: what they exclude costs no request, and nothing of it is archived.
        if self.admission.is_known(peer)? && !self.admission.admits(peer, None)? {
            return Ok(());
        }
        // A race: while a difference is asked for, its answer may be older than this event; the next one will bring it. A page of history
        // says as of when it is, so the event stands beside it; what it deletes is deleted from the page too (`overtaken`).
        let Some(claim) = self.dispatch.claim(messages_of(peer)) else {
            self.planner.add(Unit::Events { peer }, Priority::Live);
            return Ok(());
        };
        let Some(state) = self.archive.view().crawl_state(peer)? else {
            match self.peers.is_known_to(account, peer) {
                true => self.planner.add_poll_of(account, peer),
                false => self.planner.add_walk_for_news(account),
            }
            return Ok(());
        };
        let (pts, count) = place(&event);
        let Some(known) = state.pts else { return Ok(()) };
        match follows(known, pts, count) {
            Succession::Known => {}
            Succession::Gap => self.planner.add(Unit::Events { peer }, Priority::Live),
            Succession::On => {
                let now = self.recorder.now();
                let mut write = self.recorder.write_answer(account, Some(pts));
                let mut gone = Vec::new();
                match event {
                    Update::Message { parsed, .. } => self.recorder.put(&mut write, account, *parsed),
                    Update::Deleted { ids, .. } => {
                        if claim.is_shared() {
                            gone.clone_from(&ids);
                        }
                        delete(&mut write, peer.into(), ids);
                    }
                    _ => {}
                }
                write.crawl_state(peer, move |state| {
                    state.pts = Some(pts);
                    state.checked_at = Some(now);
                });
                self.overtaken.commit_deletions(peer.into(), gone, || Recorder::commit(turn, write))?;
                self.planner.add_history(peer, Priority::Fresh)?;
            }
        }
        Ok(())
    }

    /// Whether an event is a message of a peer that the rules exclude, of which only the state counts.
    fn is_excluded(&self, event: &Update) -> anyhow::Result<bool> {
        let Update::Shortened { peer, .. } = *event else { return Ok(false) };
        let is_denied = || anyhow::Ok(self.admission.is_known(peer)? && !self.admission.admits(peer, None)?);
        Ok(!self.admission.admits_kind_of(peer) || is_denied()?)
    }

    fn common_pushed(&self, turn: &Turn<'_>, account: &AccountName, event: Update) -> anyhow::Result<()> {
        let difference = || self.planner.add(Unit::AccountEvents { account: *account }, Priority::Live);
        let Some(_claim) = self.dispatch.claim(messages_outside_channels(account)) else {
            difference();
            return Ok(());
        };
        let Some(session) = self.clients.get(account).map(|c| c.session()) else { return Ok(()) };
        let Some(known) = session.updates() else {
            difference();
            return Ok(());
        };
        let (pts, count) = place(&event);
        match follows(known.pts, pts, count) {
            Succession::Known => {}
            Succession::Gap => difference(),
            // Nobody wants what it holds.
            Succession::On if self.is_excluded(&event)? => {
                if let Update::Shortened { peer, .. } = event {
                    self.peers.dropped(account, peer, pts);
                }
                Recorder::commit_state(turn, self.recorder.write(), session, UpdatesState { pts, ..known })?;
            }
            Succession::On if matches!(event, Update::Shortened { .. }) => difference(),
            Succession::On => {
                let touched = match &event {
                    Update::Message { parsed, .. } => Some(ChatId::seen_by(*account, parsed.message.key.peer())),
                    _ => None,
                };
                let mut write = self.recorder.write_answer(account, None);
                self.account_events.add_event(&mut write, account, event, pts)?;
                let archived = Recorder::commit_state(turn, write, session, UpdatesState { pts, ..known })?;
                self.planner.confirm_deletions(account, &archived)?;
                if let Some(chat) = touched.filter(|chat| self.peers.owns(account, chat.peer())) {
                    self.planner.add_history(chat, Priority::Fresh)?;
                }
            }
        }
        Ok(())
    }
}

/// The state after an event, and how far it moved that state.
fn place(event: &Update) -> (i32, i32) {
    match *event {
        Update::Message { pts, count, .. }
        | Update::Shortened { pts, count, .. }
        | Update::Deleted { pts, count, .. }
        | Update::ChannelMoved { pts, count, .. } => (pts, count),
        Update::ChannelGap { .. } | Update::Counted { .. } | Update::Membership { .. } | Update::Hidden { .. } | Update::Gap => {
            (0, 0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_applied_only_when_it_follows_on_the_known_state() {
        assert_eq!(follows(10, 11, 1), Succession::On);
        assert_eq!(follows(10, 13, 3), Succession::On);
        assert_eq!(follows(10, 10, 1), Succession::Known);
        assert_eq!(follows(10, 12, 1), Succession::Gap);
        assert_eq!(follows(i32::MAX, i32::MIN, 1), Succession::Known);
        assert_eq!(follows(i32::MIN, i32::MIN + 1, i32::MAX), Succession::Gap);
    }
}
