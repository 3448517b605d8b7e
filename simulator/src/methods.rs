//! Methods: what a request means.
//!
//! One request goes: unwrapped from its layers ([`unwrap`]), written into the ledger, hit by an injected fault perhaps, refused if
//! the account may not ask, and answered by the file that its method belongs to.

mod auth;
mod counters;
mod dialogs;
mod digest;
mod download;
mod forums;
mod full;
mod history;
mod joining;
mod peers;
mod resolve;
mod takeout;
mod twostep;
mod unwrap;
mod updates;

use std::time::Duration;

use grammers_tl_types::{self as tl, Cursor, Deserializable, Identifiable, Serializable, enums, functions as f, types};

use crate::answer::{Answer, RpcError};
use crate::clock;
use crate::core::{Address, Core};
use crate::encode;
use crate::faults::Fault;
use crate::hub::PushSender;
use crate::ledger::{LedgerEntry, Outcome, WaitId};
use crate::world::AccountState;

/// What is answered when a request does not decode.
pub(crate) const INPUT_FETCH_ERROR: RpcError = RpcError::new(400, "INPUT_FETCH_ERROR");
const AUTH_KEY_UNREGISTERED: RpcError = RpcError::new(401, "AUTH_KEY_UNREGISTERED");
/// What is answered to anything but files where only files are served. Telegram does not say what it answers; this name is our own.
const MEDIA_ADDRESS_ONLY: RpcError = RpcError::new(400, "MEDIA_ADDRESS_ONLY");
/// What is answered at the address of a data centre that serves files only.
const MEDIA_METHODS: [u32; 4] = [
    f::help::GetConfig::CONSTRUCTOR_ID,
    f::help::GetNearestDc::CONSTRUCTOR_ID,
    f::auth::ImportAuthorization::CONSTRUCTOR_ID,
    f::upload::GetFile::CONSTRUCTOR_ID,
];

/// Who asks, over which connection.
pub(crate) struct Caller {
    pub account: usize,
    pub address: Address,
    pushes: PushSender,
    subscribed: bool,
}

impl Caller {
    pub(crate) fn new(account: usize, address: Address, pushes: PushSender) -> Self {
        Self { account, address, pushes, subscribed: false }
    }
}

/// The response to a request.
#[derive(Debug)]
pub(crate) enum Response {
    /// It is answered.
    Answer(Answer),
    /// It is answered later.
    Late(Duration, Answer),
    /// It is answered under a wrong session id.
    WrongSession(Answer),
    /// It is never answered.
    Silence,
    /// The connection is closed in the middle of the answer.
    Cut(Answer),
    /// The connection is closed.
    Close,
}

impl Response {
    /// The same with so much more delay.
    fn later(self, latency: Duration) -> Self {
        match self {
            Self::Answer(answer) if !latency.is_zero() => Self::Late(latency, answer),
            Self::Late(delay, answer) => Self::Late(delay.saturating_add(latency), answer),
            other => other,
        }
    }
}

/// A request, unwrapped, on its way through the methods.
pub(crate) struct Call<'c> {
    pub core: &'c Core,
    pub account: usize,
    pub dc: i32,
    /// Whether the request came to the address that serves files only.
    pub media_only: bool,
    /// Where updates go that the answer itself tells already.
    pub pushes: &'c PushSender,
    pub method: &'static str,
    /// The takeout session that it says it is part of.
    pub takeout: Option<i64>,
    /// The fault that is injected, for those that change what is answered.
    pub fault: Option<Fault>,
    /// The parameters, without the method's constructor.
    body: &'c [u8],
}

impl Call<'_> {
    /// Decodes the parameters.
    pub(crate) fn request<R: Deserializable>(&self) -> Result<R, RpcError> {
        R::deserialize(&mut Cursor::from_slice(self.body)).map_err(|_| INPUT_FETCH_ERROR)
    }
}

impl Core {
    /// Handles one request from start to end, and says which wait the answer asks for.
    pub(crate) fn handle(&self, caller: &mut Caller, body: &[u8]) -> (Response, Option<WaitId>) {
        let at = self.ledger.now();
        let unwrapped = match unwrap::unwrap(body) {
            Ok(unwrapped) => unwrapped,
            Err(error) => return (Response::Answer(Err(error)), None),
        };
        let method = tl::name_for_id(unwrapped.constructor);
        let mut parameters = digest::digest(unwrapped.constructor, unwrapped.body);
        if unwrapped.takeout.is_some() {
            parameters.push_str(if parameters.is_empty() { "takeout=yes" } else { " takeout=yes" });
        }
        let (account, home_dc, state) = {
            let world = self.world();
            match world.accounts.get(caller.account) {
                Some(account) => (account.name.clone(), account.home_dc, account.state),
                None => return (Response::Close, None),
            }
        };
        // As with Telegram, updates go to the home data centre's connections that did not ask to be spared; and whoever shows a
        // QR code, wherever, is told when it was accepted.
        let Address { dc, media_only } = caller.address;
        let wants_updates = dc == home_dc && !media_only && state == AccountState::SignedIn;
        let shows_code = unwrapped.constructor == f::auth::ExportLoginToken::CONSTRUCTOR_ID;
        if !caller.subscribed && !unwrapped.without_updates && (wants_updates || shows_code) {
            caller.subscribed = true;
            self.hub.subscribe(caller.account, caller.pushes.clone());
        }
        let fault = if self.is_silent(caller.address) {
            Some(Fault::Silence)
        } else {
            self.faults.next_fault(&account, method, &parameters)
        };
        let call = Call {
            core: self,
            account: caller.account,
            dc,
            media_only,
            pushes: &caller.pushes,
            method,
            takeout: unwrapped.takeout,
            fault: fault.clone(),
            body: unwrapped.body,
        };
        let response = match fault {
            Some(Fault::Drop) => Response::Close,
            Some(Fault::Cut) => Response::Cut(call.answer(unwrapped.constructor)),
            Some(Fault::Silence) => Response::Silence,
            Some(Fault::Delay(delay)) => Response::Late(delay, call.answer(unwrapped.constructor)),
            Some(Fault::WrongSession) => Response::WrongSession(call.answer(unwrapped.constructor)),
            Some(fault) if fault.error().is_some() => Response::Answer(fault.error().map_or(Ok(vec![]), Err)),
            Some(_) | None => Response::Answer(call.answer(unwrapped.constructor)),
        };
        let response = response.later(self.latencies.of(method));
        let outcome = match &response {
            Response::Answer(answer) | Response::Late(_, answer) | Response::WrongSession(answer) => match answer {
                Ok(_) => Outcome::Ok,
                Err(error) => Outcome::Error(error.name.to_string()),
            },
            Response::Silence => Outcome::Silent,
            Response::Close | Response::Cut(_) => Outcome::Closed,
        };
        tracing::trace!(account.name = account, dc, media_only, method, ?outcome, "request");
        let delay = if let Response::Late(delay, _) = &response { *delay } else { Duration::ZERO };
        let wait = self.ledger.write(LedgerEntry { at, account, dc, media_only, method, parameters, outcome }, delay);
        (response, wait)
    }
}

impl Call<'_> {
    /// Refuses what an account may not ask in its state, or in this data centre.
    fn refuse(&self, constructor: u32) -> Result<(), RpcError> {
        if self.media_only && !MEDIA_METHODS.contains(&constructor) {
            return Err(MEDIA_ADDRESS_ONLY);
        }
        let open = [
            f::help::GetConfig::CONSTRUCTOR_ID,
            f::help::GetNearestDc::CONSTRUCTOR_ID,
            f::auth::ImportAuthorization::CONSTRUCTOR_ID,
            f::auth::SendCode::CONSTRUCTOR_ID,
            f::auth::ResendCode::CONSTRUCTOR_ID,
            f::auth::SignIn::CONSTRUCTOR_ID,
            f::auth::CheckPassword::CONSTRUCTOR_ID,
            f::auth::ExportLoginToken::CONSTRUCTOR_ID,
            f::auth::ImportLoginToken::CONSTRUCTOR_ID,
            f::auth::LogOut::CONSTRUCTOR_ID,
            f::account::GetPassword::CONSTRUCTOR_ID,
        ];
        if open.contains(&constructor) {
            return Ok(());
        }
        let world = self.core.world();
        let account = world.accounts.get(self.account).ok_or(AUTH_KEY_UNREGISTERED)?;
        match account.state {
            AccountState::SignedOut => Err(AUTH_KEY_UNREGISTERED),
            AccountState::Banned => Err(RpcError::new(401, "USER_DEACTIVATED_BAN")),
            AccountState::SignedIn if account.former_homes.contains(&self.dc) => {
                // What lets the client into the new home is asked for in the old one.
                if constructor == f::auth::ExportAuthorization::CONSTRUCTOR_ID {
                    return Ok(());
                }
                Err(RpcError { code: 303, name: format!("USER_MIGRATE_{}", account.home_dc).into() })
            }
            AccountState::SignedIn => {
                let is_home = self.dc == account.home_dc && account.former_homes.is_empty();
                if is_home || account.imported.contains(&self.dc) { Ok(()) } else { Err(AUTH_KEY_UNREGISTERED) }
            }
        }
    }

    fn answer(&self, constructor: u32) -> Answer {
        self.refuse(constructor)?;
        self.check_takeout()?;
        self.core.limits.take(self.account, self.method, self.takeout.is_some(), self.core.ledger.now())?;
        match constructor {
            f::help::GetConfig::CONSTRUCTOR_ID => {
                Ok(encode::config(self.dc, &self.core.listeners, clock::unix_seconds()).to_bytes())
            }
            f::help::GetNearestDc::CONSTRUCTOR_ID => self.get_nearest_dc(),
            f::users::GetUsers::CONSTRUCTOR_ID => self.get_users(),
            f::users::GetFullUser::CONSTRUCTOR_ID => self.get_full_user(),
            f::photos::GetUserPhotos::CONSTRUCTOR_ID => self.get_user_photos(),
            f::updates::GetState::CONSTRUCTOR_ID => Ok(self.state().to_bytes()),
            f::updates::GetDifference::CONSTRUCTOR_ID => self.get_difference(),
            f::updates::GetChannelDifference::CONSTRUCTOR_ID => self.get_channel_difference(),
            f::messages::GetDialogs::CONSTRUCTOR_ID => self.get_dialogs(),
            f::messages::GetPinnedDialogs::CONSTRUCTOR_ID => self.get_pinned_dialogs(),
            f::messages::GetDialogFilters::CONSTRUCTOR_ID => self.get_dialog_filters(),
            f::messages::GetPeerDialogs::CONSTRUCTOR_ID => self.get_peer_dialogs(),
            f::messages::GetHistory::CONSTRUCTOR_ID => self.get_history(),
            f::messages::GetMessages::CONSTRUCTOR_ID => self.get_messages(),
            f::channels::GetMessages::CONSTRUCTOR_ID => self.get_channel_messages(),
            f::channels::GetChannels::CONSTRUCTOR_ID => self.get_channels(),
            f::channels::GetFullChannel::CONSTRUCTOR_ID => self.get_full_channel(),
            f::channels::GetParticipants::CONSTRUCTOR_ID => self.get_participants(),
            f::messages::GetFullChat::CONSTRUCTOR_ID => self.get_full_chat(),
            f::messages::GetChats::CONSTRUCTOR_ID => self.get_chats(),
            f::contacts::ResolveUsername::CONSTRUCTOR_ID => self.resolve_username(),
            f::upload::GetFile::CONSTRUCTOR_ID => self.get_file(),
            f::account::InitTakeoutSession::CONSTRUCTOR_ID => self.init_takeout_session(),
            f::account::FinishTakeoutSession::CONSTRUCTOR_ID => self.finish_takeout_session(),
            f::account::UpdateStatus::CONSTRUCTOR_ID => Ok(true.to_bytes()),
            f::channels::JoinChannel::CONSTRUCTOR_ID => self.join_channel(),
            f::channels::LeaveChannel::CONSTRUCTOR_ID => self.leave_channel(),
            f::messages::ImportChatInvite::CONSTRUCTOR_ID => self.import_chat_invite(),
            f::messages::CheckChatInvite::CONSTRUCTOR_ID => self.check_chat_invite(),
            f::messages::DeleteChatUser::CONSTRUCTOR_ID => self.delete_chat_user(),
            f::messages::GetForumTopics::CONSTRUCTOR_ID => self.get_forum_topics(),
            f::messages::GetForumTopicsById::CONSTRUCTOR_ID => self.get_forum_topics_by_id(),
            f::messages::GetMessagesViews::CONSTRUCTOR_ID => self.get_messages_views(),
            f::account::GetPassword::CONSTRUCTOR_ID => self.get_password(),
            f::auth::SendCode::CONSTRUCTOR_ID | f::auth::ResendCode::CONSTRUCTOR_ID => self.send_code(constructor),
            f::auth::SignIn::CONSTRUCTOR_ID => self.sign_in(),
            f::auth::CheckPassword::CONSTRUCTOR_ID => self.check_password(),
            f::auth::LogOut::CONSTRUCTOR_ID => self.log_out(),
            f::auth::ExportLoginToken::CONSTRUCTOR_ID => self.export_login_token(),
            f::auth::ImportLoginToken::CONSTRUCTOR_ID => self.import_login_token(),
            f::auth::ExportAuthorization::CONSTRUCTOR_ID => self.export_authorization(),
            f::auth::ImportAuthorization::CONSTRUCTOR_ID => self.import_authorization(),
            _ => Err(RpcError::new(400, "METHOD_NOT_SIMULATED")),
        }
    }

    fn get_nearest_dc(&self) -> Answer {
        let nearest = types::NearestDc { country: "FI".into(), this_dc: self.dc, nearest_dc: self.dc };
        Ok(enums::NearestDc::Dc(nearest).to_bytes())
    }
}
