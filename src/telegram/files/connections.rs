//! How a request comes to a connection: one of those that are open, or a new one by the account's proxy.

use std::sync::Arc;
use std::time::Duration;

use grammers_client::SenderPool;
use tokio::time::Instant;

use super::super::client::connection_params;
use super::super::file_connections::{Choice, DataCentreConnections, FileConnection, FileSessionAdapter, UsedConnection};
use super::super::{Client, method};
use super::FileError;

/// The longest backoff between connections to a data centre that does not answer: files can wait longer than news.
const RECONNECT_MAX: Duration = Duration::from_secs(60);

impl Client {
    /// A connection to a data centre.
    pub(super) async fn file_connection(
        &self,
        to: &DataCentreConnections,
        deadline: Instant,
    ) -> Result<UsedConnection, FileError> {
        // Where no key is known, the first connection makes the one that all have.
        let has_key = self.session().data_centre(to.dc).is_some_and(|dc| dc.auth_key.is_some());
        let most = if has_key { self.files.settings.most(self.session().is_premium()) } else { 1 };
        let choose = || to.choose(most, |failures| self.backoff_up_to(RECONNECT_MAX, failures));
        let waits = |retry_in| FileError::Transient { why: format!("{} does not answer", self.place(to.dc)), retry_in };
        let fallback = match choose() {
            Choice::Use(connection) => return Ok(connection),
            Choice::Wait(wait) => return Err(waits(wait)),
            Choice::Open(fallback) => fallback,
        };
        let _opening = match (to.opening.try_lock(), fallback.and_then(|fallback| fallback.take())) {
            (Ok(opening), _) => opening,
            (Err(_), Some(connection)) => return Ok(connection),
            (Err(_), None) => {
                let opening = tokio::time::timeout_at(deadline, to.opening.lock()).await;
                opening.map_err(|_| FileError::transient("timed out while another request connects"))?
            }
        };
        match choose() {
            Choice::Use(connection) => return Ok(connection),
            Choice::Wait(wait) => return Err(waits(wait)),
            Choice::Open(_) => {}
        }
        if let Some(not_before) = self.pool.as_ref().and_then(|pool| pool.parked_until(self.session().name(), method::CONFIG)) {
            return Err(FileError::RateLimited { method: method::CONFIG, not_before });
        }
        let proxy_url = match self.proxy() {
            Some(proxy) => match tokio::time::timeout_at(deadline, proxy.connectable_url()).await {
                Ok(Ok(url)) => Some(url),
                Ok(Err(why)) => return Err(self.no_file_answer(to, None, &why)),
                Err(_) => return Err(self.no_file_answer(to, None, "timed out at the proxy")),
            },
            None => None,
        };
        let connection = self.open_file_connection(to.dc, proxy_url);
        let used = connection.take().ok_or(FileError::Stopping)?;
        to.add(connection);
        Ok(used)
    }

    /// A request got no answer: its connection ends, and what was asked over it meanwhile.
    pub(super) fn no_file_answer(
        &self,
        from: &DataCentreConnections,
        connection: Option<&FileConnection>,
        why: &str,
    ) -> FileError {
        if self.closed().is_cancelled() {
            return FileError::Stopping;
        }
        let why = format!("{}: {why}", self.place(from.dc));
        let backoff = |failures| self.backoff_up_to(RECONNECT_MAX, failures);
        let retry_in = from.note_failure(self.session().name(), connection, &why, backoff);
        FileError::Transient { why, retry_in }
    }

    /// A request was answered.
    pub(super) fn file_answer(&self, from: &DataCentreConnections, connection: &FileConnection) {
        from.note_answer(self.session().name(), connection);
    }

    fn open_file_connection(&self, dc: i32, proxy_url: Option<String>) -> Arc<FileConnection> {
        let session = Arc::new(FileSessionAdapter::new(Arc::clone(self.session()), self.settings().reach, dc));
        // What is pushed over such a connection is pushed over the account's own one too: nobody listens here.
        let params = connection_params(proxy_url, 1);
        let SenderPool { runner, handle, updates: _ } =
            SenderPool::with_configuration(Arc::clone(&session), self.settings().api_id, params);
        let ended = self.closed().child_token();
        let connection = FileConnection::new(handle.thin, ended.clone(), session);
        // A panic of the runner ends the task, and with it the guard: the connection counts as ended.
        let guard = ended.clone().drop_guard();
        let (idle_after, watched) = (self.files.settings.idle_after, Arc::clone(&connection));
        self.lifecycle().task(async move {
            let _guard = guard;
            tokio::select! {
                () = runner.run() => {}
                () = ended.cancelled() => {}
                () = watched.idle(idle_after) => {}
            }
        });
        connection
    }
}
