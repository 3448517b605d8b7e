//! Reading large histories by takeout: a session inside the session to which Telegram gives more, and which the account's owner is told
//! about (<https://core.telegram.org/api/takeout>).
//!
//! One takeout an account, begun at the first page that wants one. Where none is possible now, pages are read as usual. It never makes
//! a page impossible that could be read without it.

use std::time::Duration;

use grammers_tl_types::{RemoteCall, functions};
use tokio::time::Instant;

use super::{Client, HistoryPage, PAGE_SIZE, TelegramError, method};
use crate::model::{IdRange, PeerId};

/// The wait before beginning a takeout is retried, where Telegram names no time: a takeout that ended early is begun anew a few times
/// a day, not at every page.
const RETRY_AFTER: Duration = Duration::from_secs(3_600);

impl Client {
    /// A page of a peer's history, as [`Client::history`], through a takeout session where the settings want that and one can be had.
    ///
    /// # Errors
    /// See [`TelegramError`]. `TAKEOUT_INIT_DELAY` says once how long no takeout can be begun; until then pages are read as usual.
    pub async fn history_by_takeout(&self, peer: PeerId, range: IdRange) -> Result<HistoryPage, TelegramError> {
        let Some(id) = self.takeout_id().await? else { return self.history(peer, range, PAGE_SIZE).await };
        let query = self.history_request(peer, range)?;
        let request = functions::InvokeWithTakeout { takeout_id: id, query };
        match self.invoke(&request).await {
            Ok(messages) => self.page(peer, range, messages),
            Err(TelegramError::Refused { name, .. }) if name.starts_with("TAKEOUT_") => {
                tracing::info!(account.name = %self.session().name(), "the takeout of account `{}` has ended ({name})", self.session().name());
                let mut takeout = self.takeout.lock().await;
                if takeout.id == Some(id) {
                    takeout.id = None;
                }
                drop(takeout);
                self.retry_later("the takeout has ended")?;
                self.history(peer, range, PAGE_SIZE).await
            }
            Err(error) => Err(error),
        }
    }

    /// Whether a takeout is under way.
    pub async fn in_takeout(&self) -> bool {
        self.takeout.lock().await.id.is_some()
    }

    /// Tells Telegram that the takeout is done; nothing when there is none. To be called when no large history is left, or at a stop.
    ///
    /// # Errors
    /// See [`TelegramError`]; the takeout is forgotten all the same.
    pub async fn end_takeout(&self) -> Result<(), TelegramError> {
        let Some(id) = self.takeout.lock().await.id.take() else { return Ok(()) };
        if self.spend_for(method::FINISH_TAKEOUT).is_err() {
            // Telegram ends a takeout by itself when nobody asks for anything any more.
            return Ok(());
        }
        let query = functions::account::FinishTakeoutSession { success: true };
        let request = functions::InvokeWithTakeout { takeout_id: id, query };
        let deadline = Instant::now() + self.settings().request_timeout;
        self.invoke_dependent(method::FINISH_TAKEOUT, self.session().home(), &request, deadline).await.map(|_| ())
    }

    /// The takeout, begun where there is none and one may be begun.
    async fn takeout_id(&self) -> Result<Option<i64>, TelegramError> {
        if !self.settings().takeout {
            return Ok(None);
        }
        // The lock is held over the call: two pages that race begin one takeout.
        let mut takeout = self.takeout.lock().await;
        if takeout.id.is_some() || takeout.not_before.is_some_and(|at| at > Instant::now()) {
            return Ok(takeout.id);
        }
        if self.spend_for(method::INIT_TAKEOUT).is_err() {
            return Ok(None);
        }
        takeout.not_before = Some(Instant::now() + RETRY_AFTER);
        let account = self.session().name();
        match self.invoke(&begin()).await {
            Ok(begun) => {
                tracing::info!(account.name = %account, "account `{account}` has begun a takeout");
                takeout.id = Some(id_of(begun));
            }
            Err(TelegramError::FloodWait { wait, .. }) => {
                takeout.not_before = Some(Instant::now() + wait);
                // Whatever its name was: it is about beginning takeouts, and not about reading.
                return Err(TelegramError::FloodWait { wait, name: "TAKEOUT_INIT_DELAY".to_owned() });
            }
            Err(TelegramError::Refused { name, .. }) => {
                tracing::warn!(account.name = %account, "account `{account}` cannot begin a takeout ({name}); it reads without one");
            }
            // Also where nobody answered: pages are read as usual meanwhile, and a takeout is not asked for again at each of them.
            Err(error) => return Err(error),
        }
        Ok(takeout.id)
    }
}

/// What is to be taken out: messages of every kind of peer. Files are downloaded by their messages, contacts are not wanted.
fn begin() -> functions::account::InitTakeoutSession {
    functions::account::InitTakeoutSession {
        contacts: false,
        message_users: true,
        message_chats: true,
        message_megagroups: true,
        message_channels: true,
        files: false,
        file_max_size: None,
    }
}

fn id_of(begun: <functions::account::InitTakeoutSession as RemoteCall>::Return) -> i64 {
    let grammers_tl_types::enums::account::Takeout::Takeout(takeout) = begun;
    takeout.id
}
