//! How far the program has got, for who reads its log: a line when an account is ready, when peers are found, while there is much to read, and when
//! everything is there.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::accounts::AccountState;
use crate::app::App;
use crate::archive::Archive;
use crate::crawl::{Crawler, Progress};
use crate::lifecycle::Lifecycle;
use crate::model::AccountName;
use crate::search::ServingIndex;

/// How often it is looked.
const LOOK: Duration = Duration::from_secs(1);
/// How often is told how far it is, while there is much to read.
const TELL: Duration = Duration::from_secs(60);

/// Tells of it until a stop is asked for.
pub(super) fn follow(app: &App) {
    let mut told = Told {
        crawler: Arc::clone(&app.crawler),
        archive: Arc::clone(&app.archive),
        index: app.index.clone(),
        ready: BTreeSet::new(),
        peers: (0, 0),
        reading: Some((Instant::now(), Progress::of(&app.archive).ids_read)),
    };
    let lifecycle: Lifecycle = app.lifecycle.clone();
    app.lifecycle.task(async move {
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK) => told.look(),
                () = lifecycle.stop_asked() => return,
            }
        }
    });
}

/// What was told already.
struct Told {
    crawler: Arc<Crawler>,
    archive: Arc<Archive>,
    index: ServingIndex,
    ready: BTreeSet<AccountName>,
    /// Peers: those that were found at the last look, and those that were told of.
    peers: (u64, u64),
    /// While there is much to read: when that was told last, and how many ids were read then.
    reading: Option<(Instant, u64)>,
}

impl Told {
    fn look(&mut self) {
        for account in self.crawler.accounts() {
            let name = account.name;
            if account.state == AccountState::Ready && self.crawler.has_answer(&name) && self.ready.insert(name) {
                tracing::info!(account.name = %name, "account `{name}` is ready");
            }
        }
        let progress = Progress::of(&self.archive);
        let Progress { peers, messages, ids_read, ids_missing, .. } = progress;
        // What nobody can read is not waited for.
        let is_read = progress.peers_complete.saturating_add(progress.peers_unavailable) >= peers;
        let (seen, told) = self.peers;
        self.peers.0 = peers;
        let is_complete = peers > 0 && is_read && self.crawler.backlog() == (0, 0);
        if peers != told && (peers == seen || is_complete) {
            self.peers.1 = peers;
            tracing::info!(peers, "{peers} peers are crawled; {ids_missing} ids of messages are to be read");
        }
        match self.reading {
            Some(_) if is_complete => {
                self.reading = None;
                let (indexed, unavailable) = (self.index.document_count(), progress.peers_unavailable);
                let but =
                    if unavailable > 0 { format!(", but of {unavailable} that no account can read") } else { String::new() };
                tracing::info!(
                    peers,
                    messages,
                    "everything is archived: {messages} messages of {peers} peers{but}; {indexed} are indexed"
                );
            }
            // Where nothing was read meanwhile, there is a wait that was told of.
            Some((at, before)) if ids_missing > 0 && ids_read > before && at.elapsed() >= TELL => {
                let all = ids_read.saturating_add(ids_missing).max(1);
                let done = u128::from(ids_read) * 100 / u128::from(all);
                let left = left(ids_read.saturating_sub(before), at.elapsed(), ids_missing);
                self.reading = Some((Instant::now(), ids_read));
                tracing::info!(
                    messages,
                    ids_missing,
                    "{messages} messages are archived, {done} % of all ids are read; {ids_missing} are left{left}"
                );
            }
            // What comes in one by one is no backlog; what lasts is told of, and that it has ended.
            None if !is_read && ids_missing > BACKLOG => self.reading = Some((Instant::now(), ids_read)),
            _ => {}
        }
    }
}

/// Ids to be read, from which on it is told how far it is.
const BACKLOG: u64 = 1_000;

/// How long the rest takes, at the rate of the last time.
fn left(read: u64, within: Duration, missing: u64) -> String {
    if read == 0 {
        return String::new();
    }
    let seconds = u128::from(missing) * within.as_millis() / u128::from(read) / 1_000;
    match (seconds / 3_600, seconds / 60) {
        (0, 0) => ", less than a minute at this rate".to_owned(),
        (0, minutes) => format!(", about {minutes} min at this rate"),
        (hours, _) if hours < 48 => format!(", about {hours} h at this rate"),
        (hours, _) => format!(", about {} days at this rate", hours / 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_is_told_in_a_unit_that_people_use() {
        let minute = Duration::from_secs(60);
        for (read, missing, text) in [
            (0, 5, ""),
            (600, 60, ", less than a minute at this rate"),
            (600, 6_000, ", about 10 min at this rate"),
            (10, 6_000, ", about 10 h at this rate"),
            (10, 60_000, ", about 4 days at this rate"),
            (1, u64::MAX, ", about 12810238940076077 days at this rate"),
        ] {
            assert_eq!(left(read, minute, missing), text);
        }
    }
}
