//! Files: one part a request, over connections of their own.
//!
//! # Guarantees
//! - A connection for files that is broken, silent or slow holds up nothing else: the account's own connection, its backoff and its
//!   [outage](crate::accounts::Outage) know nothing of it. The one request that it makes is the export of an authorisation.
//! - Each account has a few connections with each data centre that it has asked for files ([`FileSettings`]), by the account's proxy, under
//!   the account's keys. They are opened as they are needed and close when nobody has used them for a while.
//! - A data centre that is not the account's home is let know of it once, as `auth.exportAuthorization` and `auth.importAuthorization` have
//!   their own budgets in the pool. What such a data centre says of the key there never signs the account out.
//! - Every call ends within [`Settings::request_timeout`](super::Settings), and soon after a stop.
//! - Errors say what to do next ([`FileError`]). Nothing is retried here but what an authorisation was missing for.
//!
//! # The lease
//! A caller has a lease of the pool for [`method::GET_FILE`] for each call of [`Client::get_part`], whatever the data centre: the method has
//! an interval of its own, and a number of requests in flight of its own beside the account's other requests
//! (`downloads_in_flight_max`). Flood waits are told to the pool here, each under its method: `FLOOD_WAIT` parks `upload.getFile` of the account,
//! `FLOOD_PREMIUM_WAIT` all its file methods, and neither anything else. So after a [`FileError::FloodWait`] the caller only leases again.
//! Not so after those errors that name a time: they are about one data centre, of which the pool knows nothing. For [`Client::refetch`]
//! the lease is one for [`Client::refetch_method`].
//!
//! Content delivery networks are not asked (`cdn_supported` is false).

mod authorization;
mod connections;
mod error;
mod location;
mod origin;
mod parts;

use std::sync::Arc;

use grammers_client::InvocationError;
use grammers_tl_types::{Identifiable as _, RemoteCall, enums, functions};
use tokio::time::Instant;

use super::client::STOP_GRACE;
use super::file_connections::{DataCentreConnections, FileConnections, FileSettings};
use super::{Client, TelegramError, method};
use authorization::name_of;

pub use error::FileError;
pub use location::{FileLocation, Part};
pub use origin::Refetched;
pub use parts::{PART_MAX, PartRange, parts};

/// Why a request over a connection for files has no result.
enum CallError {
    /// There was no answer, or the request was not made.
    NotAnswered(FileError),
    /// Telegram's answer is an error.
    Answered {
        error: TelegramError,
        /// Whether it is about the key that the account's session has.
        is_current_key: bool,
    },
}

impl Client {
    /// The same with other connections for files.
    #[must_use]
    pub fn with_files(mut self, settings: FileSettings) -> Self {
        self.files = FileConnections::new(settings);
        self
    }

    /// A part of a file, from the data centre that has it. The caller has a lease for [`method::GET_FILE`].
    ///
    /// A part is shorter than was asked for where the file ends, and empty beyond.
    ///
    /// # Errors
    /// See [`FileError`]; at the latest after [`Settings::request_timeout`](super::Settings).
    pub async fn get_part(&self, location: &FileLocation, dc: i32, range: PartRange) -> Result<Part, FileError> {
        if self.lifecycle().stopping() || self.closed().is_cancelled() {
            return Err(FileError::Stopping);
        }
        let location = self.input_location(location).map_err(|error| FileError::of(error, method::GET_FILE, dc))?;
        let query = functions::upload::GetFile {
            precise: range.is_precise(),
            cdn_supported: false,
            location,
            offset: i64::try_from(range.offset()).unwrap_or(i64::MAX),
            limit: i32::try_from(range.limit()).unwrap_or(i32::MAX),
        };
        let deadline = Instant::now() + self.settings().request_timeout;
        let stopped = async {
            self.lifecycle().stop_asked().await;
            tokio::time::sleep(STOP_GRACE).await;
        };
        // Updates belong to the account's own connection.
        let request = functions::InvokeWithoutUpdates { query };
        let answer = tokio::select! {
            answer = self.ask_for_file(dc, &request, deadline) => answer?,
            () = stopped => return Err(FileError::Stopping),
            () = self.closed().cancelled() => return Err(FileError::Stopping),
        };
        match answer {
            enums::upload::File::File(file) => Ok(Part { mime: location::mime(&file.r#type), bytes: file.bytes }),
            enums::upload::File::CdnRedirect(redirect) => Err(FileError::CdnRedirect { dc: redirect.dc_id }),
        }
    }

    /// Asks a data centre, and once more where it did not let the account in.
    async fn ask_for_file<R: RemoteCall>(&self, dc: i32, request: &R, deadline: Instant) -> Result<R::Return, FileError> {
        let at = self.files_of(dc);
        let mut was_let_in = false;
        loop {
            let home = self.session().home();
            let authorization = if dc == home { None } else { Some(self.authorize_files(&at, deadline).await?) };
            let (error, is_current_key) = match self.call_for_files(&at, request, deadline).await {
                Ok(answer) => return Ok(answer),
                Err(CallError::NotAnswered(error)) => return Err(error),
                Err(CallError::Answered { error, is_current_key }) => (error, is_current_key),
            };
            self.park(method::GET_FILE, &error);
            let moved = Self::migration(dc, &error);
            // A former home says of an account that it has moved, and means that it does not let it in.
            let is_shut = error.lost().is_some() || moved.is_some_and(|moved| moved.to == home);
            match authorization {
                Some(generation) if is_shut && !was_let_in => {
                    was_let_in = true;
                    self.not_let_in(&at, generation, deadline).await?;
                    self.authorize_files(&at, deadline).await?;
                    // The caller's lease is for one request.
                    let spent = self.spend_for(method::GET_FILE);
                    spent.map_err(|not_before| FileError::RateLimited { method: method::GET_FILE, not_before })?;
                }
                Some(generation) if is_shut => {
                    return Err(self.never_let_in(&at, generation, &name_of(&error), deadline).await?);
                }
                // It is about a key that is none of the account's any more.
                None if is_shut && !is_current_key => return Err(FileError::transient("the connection had an old key")),
                _ => {
                    if let (None, Some(moved)) = (authorization, moved) {
                        let is_moved = self.migrate(moved, deadline).await;
                        is_moved.map_err(|error| FileError::of(error, method::GET_FILE, dc))?;
                        return Err(FileError::transient("the account has moved"));
                    }
                    return Err(FileError::of(error, method::GET_FILE, dc));
                }
            }
        }
    }

    /// Calls a method over one of the connections for files.
    async fn call_for_files<R: RemoteCall>(
        &self,
        at: &DataCentreConnections,
        request: &R,
        deadline: Instant,
    ) -> Result<R::Return, CallError> {
        let connection = self.file_connection(at, deadline).await.map_err(CallError::NotAnswered)?;
        let why = tokio::select! {
            answer = tokio::time::timeout_at(deadline, connection.handle.invoke_in_dc(at.dc, request)) => match answer {
                Ok(Ok(answer)) => {
                    self.file_answer(at, &connection);
                    return Ok(answer);
                }
                Ok(Err(error)) => {
                    let is_greeting = matches!(&error, InvocationError::Rpc(error) if error.caused_by == Some(GREETING));
                    match TelegramError::from(error) {
                        TelegramError::Transient { why } => why,
                        error => {
                            self.file_answer(at, &connection);
                            return Err(self.answered(error, is_greeting, connection.session.has_current_key()));
                        }
                    }
                }
                Err(_) => format!("timed out after {:?}", self.settings().request_timeout),
            },
            () = connection.ended.cancelled() => "connection ended".to_owned(),
        };
        // One that broke or timed out may never answer again: the next request makes another.
        Err(CallError::NotAnswered(self.no_file_answer(at, Some(&connection), &why)))
    }

    /// An answer that is an error. A wait that met the request with which connections begin is not about what was asked; the account's own
    /// connection goes on, and only a new one has to wait too.
    fn answered(&self, error: TelegramError, is_greeting: bool, is_current_key: bool) -> CallError {
        match error {
            error @ TelegramError::FloodWait { .. } if is_greeting => {
                self.park(method::CONFIG, &error);
                CallError::NotAnswered(FileError::of(error, method::CONFIG, self.session().home()))
            }
            error => CallError::Answered { error, is_current_key },
        }
    }

    /// The connections to a data centre.
    fn files_of(&self, dc: i32) -> Arc<DataCentreConnections> {
        self.files.to(dc, || self.session().data_centre(dc).is_some_and(|dc| dc.auth_key.is_some()))
    }
}

/// The request with which every connection begins.
const GREETING: u32 = functions::InvokeWithLayer::<functions::help::GetConfig>::CONSTRUCTOR_ID;
