//! Signing in and out, and letting an account into the other data centres.
//!
//! A key belongs to one account for good, so signing in means: the account of the key, with its own phone number. What is
//! simulated is everything around it: the wrong number, the wrong code, the password, the wrong data centre.

use grammers_tl_types::{Identifiable, Serializable, enums, functions as f, types};

use super::Call;
use crate::answer::{Answer, RpcError};
use crate::clock;
use crate::encode::AccountView;
use crate::world::{AccountState, World, mix};

/// How long a QR code is shown before it must be asked for anew; Telegram's own value.
const LOGIN_TOKEN_SECONDS: i32 = 30;

impl Call<'_> {
    /// Refuses to sign in anywhere but at home.
    fn at_home(&self, world: &World, migrate: &str) -> Result<(), RpcError> {
        let home = world.accounts.get(self.account).map_or(self.dc, |account| account.home_dc);
        if home == self.dc {
            return Ok(());
        }
        Err(RpcError { code: 303, name: format!("{migrate}_{home}").into() })
    }

    fn code_hash(&self, world: &World) -> String {
        format!("{:016x}", mix(world.seed ^ mix(self.account as u64 ^ 0xc0de)))
    }

    fn check_phone(&self, world: &World, phone: &str) -> Result<(), RpcError> {
        let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
        match world.accounts.get(self.account) {
            Some(account) if account.phone == digits => Ok(()),
            _ => Err(RpcError::new(400, "PHONE_NUMBER_INVALID")),
        }
    }

    pub(super) fn send_code(&self, constructor: u32) -> Answer {
        let phone = if constructor == f::auth::SendCode::CONSTRUCTOR_ID {
            self.request::<f::auth::SendCode>()?.phone_number
        } else {
            self.request::<f::auth::ResendCode>()?.phone_number
        };
        let world = self.core.world();
        self.check_phone(&world, &phone)?;
        self.at_home(&world, "PHONE_MIGRATE")?;
        let account = world.accounts.get(self.account).ok_or(RpcError::new(400, "PHONE_NUMBER_INVALID"))?;
        if account.state == AccountState::Banned {
            return Err(RpcError::new(400, "PHONE_NUMBER_BANNED"));
        }
        let length = account.code.len() as i32;
        let sent = types::auth::SentCode {
            r#type: types::auth::SentCodeTypeApp { length }.into(),
            phone_code_hash: self.code_hash(&world),
            next_type: None,
            timeout: None,
        };
        Ok(enums::auth::SentCode::Code(sent).to_bytes())
    }

    pub(super) fn sign_in(&self) -> Answer {
        let request: f::auth::SignIn = self.request()?;
        let mut world = self.core.world_mut();
        self.check_phone(&world, &request.phone_number)?;
        self.at_home(&world, "PHONE_MIGRATE")?;
        if request.phone_code_hash != self.code_hash(&world) {
            return Err(RpcError::new(400, "PHONE_CODE_EXPIRED"));
        }
        let account = world.accounts.get_mut(self.account).ok_or(RpcError::new(400, "PHONE_NUMBER_INVALID"))?;
        match request.phone_code.as_deref() {
            None | Some("") => return Err(RpcError::new(400, "PHONE_CODE_EMPTY")),
            Some(code) if code != account.code => return Err(RpcError::new(400, "PHONE_CODE_INVALID")),
            Some(_) => {}
        }
        if account.password.is_some() {
            account.login_accepted = true;
            return Err(RpcError::new(401, "SESSION_PASSWORD_NEEDED"));
        }
        account.sign_in();
        Ok(self.authorization(&world).to_bytes())
    }

    pub(super) fn authorization(&self, world: &World) -> enums::auth::Authorization {
        let view = AccountView::new(world, self.account);
        let user = match world.user(view.own_id()) {
            Some(user) => view.user(user),
            None => enums::User::Empty(types::UserEmpty { id: view.own_id() }),
        };
        enums::auth::Authorization::Authorization(types::auth::Authorization {
            setup_password_required: false,
            otherwise_relogin_days: None,
            tmp_sessions: None,
            future_auth_token: None,
            user,
        })
    }

    pub(super) fn log_out(&self) -> Answer {
        let mut world = self.core.world_mut();
        if let Some(account) = world.accounts.get_mut(self.account) {
            account.state = AccountState::SignedOut;
            account.imported.clear();
        }
        Ok(enums::auth::LoggedOut::Out(types::auth::LoggedOut { future_auth_token: None }).to_bytes())
    }

    fn login_token(&self, world: &World) -> Vec<u8> {
        mix(world.seed ^ mix(self.account as u64 ^ 0x0071)).to_le_bytes().repeat(4)
    }

    /// Hands out a QR login's token until it was accepted; what follows happens at home.
    pub(super) fn export_login_token(&self) -> Answer {
        let mut world = self.core.world_mut();
        let token = self.login_token(&world);
        let account = world.accounts.get(self.account).ok_or(RpcError::new(401, "AUTH_KEY_UNREGISTERED"))?;
        if account.state != AccountState::SignedIn && !account.login_accepted {
            let token = types::auth::LoginToken { expires: clock::unix_seconds() + LOGIN_TOKEN_SECONDS, token };
            return Ok(enums::auth::LoginToken::Token(token).to_bytes());
        }
        if account.home_dc != self.dc {
            let elsewhere = types::auth::LoginTokenMigrateTo { dc_id: account.home_dc, token };
            return Ok(enums::auth::LoginToken::MigrateTo(elsewhere).to_bytes());
        }
        self.accepted_login(&mut world)
    }

    /// Signs in with a token that another data centre handed out.
    pub(super) fn import_login_token(&self) -> Answer {
        let request: f::auth::ImportLoginToken = self.request()?;
        let mut world = self.core.world_mut();
        if request.token != self.login_token(&world) {
            return Err(RpcError::new(400, "AUTH_TOKEN_INVALID"));
        }
        self.at_home(&world, "USER_MIGRATE")?;
        self.accepted_login(&mut world)
    }

    fn accepted_login(&self, world: &mut World) -> Answer {
        let account = world.accounts.get_mut(self.account).ok_or(RpcError::new(401, "AUTH_KEY_UNREGISTERED"))?;
        if account.state != AccountState::SignedIn && account.password.is_some() {
            return Err(RpcError::new(401, "SESSION_PASSWORD_NEEDED"));
        }
        account.sign_in();
        account.login_accepted = false;
        let success = types::auth::LoginTokenSuccess { authorization: self.authorization(world) };
        Ok(enums::auth::LoginToken::Success(success).to_bytes())
    }

    fn export_bytes(&self, world: &World, dc: i32) -> Vec<u8> {
        mix(world.seed ^ mix(self.account as u64 ^ mix(dc as u64))).to_le_bytes().repeat(8)
    }

    pub(super) fn export_authorization(&self) -> Answer {
        let request: f::auth::ExportAuthorization = self.request()?;
        let world = self.core.world();
        if request.dc_id == self.dc || !world.data_centres.contains(&request.dc_id) {
            return Err(RpcError::new(400, "DC_ID_INVALID"));
        }
        let id = AccountView::new(&world, self.account).own_id();
        let exported = types::auth::ExportedAuthorization { id, bytes: self.export_bytes(&world, request.dc_id) };
        Ok(enums::auth::ExportedAuthorization::Authorization(exported).to_bytes())
    }

    pub(super) fn import_authorization(&self) -> Answer {
        let request: f::auth::ImportAuthorization = self.request()?;
        let mut world = self.core.world_mut();
        let own_id = AccountView::new(&world, self.account).own_id();
        if request.id != own_id || request.bytes != self.export_bytes(&world, self.dc) {
            return Err(RpcError::new(400, "AUTH_BYTES_INVALID"));
        }
        if let Some(account) = world.accounts.get_mut(self.account) {
            account.imported.insert(self.dc);
        }
        Ok(self.authorization(&world).to_bytes())
    }
}
