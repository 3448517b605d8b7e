//! Live: what Telegram pushes, archived at once when it follows on what is known.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::unit::{Priority, Subject, Unit};
use super::{Crawler, events};
use crate::lifecycle::{Lifecycle, StepOutcome, Worker};
use crate::model::{AccountName, PeerId};
use crate::telegram::{Push, Update};

/// How a pushed event stands to the state that is known.
#[derive(Debug, PartialEq, Eq)]
enum Follows {
    /// It is the next one.
    On,
    /// It is known already.
    Known,
    /// Something between is missing.
    Gap,
}

fn follows(known: i32, pts: i32, count: i32) -> Follows {
    if pts <= known {
        Follows::Known
    } else if pts.checked_sub(count) == Some(known) {
        Follows::On
    } else {
        Follows::Gap
    }
}

pub(super) fn start(crawler: &Arc<Crawler>, inbox: mpsc::Receiver<Push>, lifecycle: &Lifecycle) {
    let inbox = Arc::new(tokio::sync::Mutex::new(inbox));
    let crawler = Arc::clone(crawler);
    lifecycle.work("live", move || LiveWorker { crawler: Arc::clone(&crawler), inbox: Arc::clone(&inbox), next: None });
}

struct LiveWorker {
    crawler: Arc<Crawler>,
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
        self.crawler.receive(push)?;
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
        self.crawler.worker_ended().await;
        Ok(())
    }
}

impl Crawler {
    fn receive(&self, push: Push) -> anyhow::Result<()> {
        let Push { account, seen, events } = push;
        let gone: BTreeSet<PeerId> = seen.left.iter().chain(&seen.lost).copied().collect();
        let mut write = self.archive.write(self.clock.timestamp());
        self.see(&mut write, &account, seen)?;
        Self::commit(write)?;
        for event in events {
            match event {
                Update::Gap => {
                    self.enqueue(Unit::AccountEvents { account: account.clone() }, Priority::Live);
                    self.look_for_news(&account);
                }
                Update::Membership { channel } => self.membership_changed(&account, channel, gone.contains(&channel)),
                Update::Counted { key, counters } => {
                    let mut write = self.archive.write(self.clock.timestamp());
                    self.counted(&mut write, &account, key, counters)?;
                    Self::commit(write)?;
                }
                Update::ChannelGap { channel } => self.enqueue(Unit::Events { peer: channel }, Priority::Live),
                event => match event.channel() {
                    Some(peer) => self.channel_pushed(&account, peer, event)?,
                    None => self.common_pushed(&account, event)?,
                },
            }
        }
        Ok(())
    }

    fn channel_pushed(&self, account: &AccountName, peer: PeerId, event: Update) -> anyhow::Result<()> {
        // While a difference is asked for, its answer may be older than this event: the next one will bring it. A page of history
        // says as of when it is, so the event stands beside it; what it deletes is deleted from the page too (`overtaken`).
        let Some(claim) = self.queue.claim(Subject::Channel(peer)) else {
            self.enqueue(Unit::Events { peer }, Priority::Live);
            return Ok(());
        };
        let Some(cursor) = self.archive.cursor(peer)? else {
            self.look_for_news(account);
            return Ok(());
        };
        let (pts, count) = place(&event);
        let Some(known) = cursor.pts else { return Ok(()) };
        match follows(known, pts, count) {
            Follows::Known => {}
            Follows::Gap => self.enqueue(Unit::Events { peer }, Priority::Live),
            Follows::On => {
                let now = self.clock.timestamp();
                let mut write = self.archive.write(now);
                write.as_of(Some(pts)).mass_deletion(self.settings.mass_deletion);
                let mut gone = Vec::new();
                match event {
                    Update::Message { parsed, .. } => self.put(&mut write, *parsed),
                    Update::Deleted { ids, .. } => {
                        if claim.is_beside_reader() {
                            gone.clone_from(&ids);
                        }
                        events::delete(&mut write, peer, ids);
                    }
                    _ => {}
                }
                write.cursor(peer, move |cursor| {
                    cursor.pts = Some(pts);
                    cursor.checked_at = Some(now);
                });
                self.overtaken.commit_deletions(peer, gone, || Self::commit(write))?;
                self.add_history(peer, Priority::Fresh)?;
            }
        }
        Ok(())
    }

    fn common_pushed(&self, account: &AccountName, event: Update) -> anyhow::Result<()> {
        let difference = || self.enqueue(Unit::AccountEvents { account: account.clone() }, Priority::Live);
        let Some(_claim) = self.queue.claim(Subject::Account(account.clone())) else {
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
            Follows::Known => {}
            Follows::Gap => difference(),
            Follows::On => {
                let touched = match &event {
                    Update::Message { parsed, .. } => Some(parsed.message.key.peer),
                    _ => None,
                };
                let mut write = self.archive.write(self.clock.timestamp());
                write.mass_deletion(self.settings.mass_deletion);
                self.common_event(&mut write, account, event)?;
                let archived = Self::commit(write)?;
                session.set_updates(crate::accounts::UpdatesState { pts, ..known });
                self.confirm_deletions(account, &archived)?;
                if let Some(peer) = touched {
                    self.add_history(peer, Priority::Fresh)?;
                }
            }
        }
        Ok(())
    }
}

/// The state after an event, and how far it moved that state.
fn place(event: &Update) -> (i32, i32) {
    match *event {
        Update::Message { pts, count, .. } | Update::Deleted { pts, count, .. } | Update::ChannelMoved { pts, count, .. } => {
            (pts, count)
        }
        Update::ChannelGap { .. } | Update::Counted { .. } | Update::Membership { .. } | Update::Gap => (0, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_applied_only_when_it_follows_on_the_known_state() {
        assert_eq!(follows(10, 11, 1), Follows::On);
        assert_eq!(follows(10, 13, 3), Follows::On);
        assert_eq!(follows(10, 10, 1), Follows::Known);
        assert_eq!(follows(10, 12, 1), Follows::Gap);
        assert_eq!(follows(i32::MAX, i32::MIN, 1), Follows::Known);
        assert_eq!(follows(i32::MIN, i32::MIN + 1, i32::MAX), Follows::Gap);
    }
}
