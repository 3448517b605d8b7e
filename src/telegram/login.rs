//! Signing in: phone number, code, and the two-step password where there is one.
//!
//! Each step is one request, made with [`Client::invoke`]. grammers' own steps hide how a code was sent and how to send it in another
//! way, take an expired code for a wrong one, and panic at answers that are errors here: docs/decisions/0001.

use std::fmt;
use std::time::Duration;

use grammers_crypto::two_factor_auth::{calculate_2fa, check_p_and_g};
use grammers_tl_types::{enums, functions, types};

use super::{Client, TelegramError};
use crate::model::Peer;
use crate::parse;

/// A code that Telegram has sent.
pub struct Login {
    phone: String,
    code_hash: String,
    /// How the code was sent, for the person who waits for it.
    pub sent_by: &'static str,
    /// How [`Client::resend_code`] would send it; `None` where there is no other way.
    pub next: Option<&'static str>,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("sent_by", &self.sent_by).finish_non_exhaustive()
    }
}

/// How far a login got.
#[derive(Debug)]
pub enum SignIn {
    /// Signed in as this user.
    Done(Peer),
    /// The account has a two-step password.
    PasswordNeeded {
        /// The owner's hint.
        hint: Option<String>,
    },
}

/// Why a login failed.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The code is wrong.
    #[error("the code is wrong; take it from the newest message of Telegram itself, and try again")]
    WrongCode,
    /// The code is too old.
    #[error("the code has expired; run the command again for a new one")]
    ExpiredCode,
    /// The code cannot be sent in another way.
    #[error("Telegram has no other way to send the code; wait for the one that it sent")]
    NoOtherWay,
    /// The two-step password is wrong.
    #[error("the password is wrong; it is the two-step password of Telegram's settings, not the code")]
    WrongPassword,
    /// The phone number is not one.
    #[error("Telegram rejects this phone number; write it with its country code, as in +49...")]
    WrongPhone,
    /// The phone number has no account.
    #[error("this phone number has no Telegram account; sign up with an official app first")]
    NoAccount,
    /// The account is banned.
    #[error("Telegram has banned this phone number; appeal in an official Telegram app, or use another account")]
    Banned,
    /// The application's id and hash are not ones.
    #[error("Telegram rejects `telegram.api_id` with `telegram.api_hash`; copy both again from https://my.telegram.org/apps")]
    WrongApplication,
    /// Telegram wants a pause.
    #[error("Telegram refuses this way to sign in for the next {}; retrying earlier only makes the wait longer", in_words(*.0))]
    Wait(Duration),
    /// Telegram wants a pause and does not say how long.
    #[error("Telegram has seen too many attempts with this phone number; try again tomorrow")]
    TooOften,
    /// The server wants something this version cannot do.
    #[error(
        "Telegram requires a way to sign in that this version does not support ({0}); sign in with an official app first, then try again"
    )]
    Unsupported(&'static str),
    /// Telegram gave no answer or refused.
    #[error(transparent)]
    Telegram(TelegramError),
}

impl Client {
    /// Asks Telegram to send a code to a phone number's owner.
    ///
    /// # Errors
    /// See [`LoginError`].
    pub async fn request_code(&self, phone: &str, api_hash: &str) -> Result<Login, LoginError> {
        let request = functions::auth::SendCode {
            phone_number: phone.to_owned(),
            api_id: self.api_id(),
            api_hash: api_hash.to_owned(),
            settings: types::CodeSettings {
                allow_flashcall: false,
                current_number: false,
                allow_app_hash: false,
                allow_missed_call: false,
                allow_firebase: false,
                logout_tokens: None,
                token: None,
                app_sandbox: None,
                unknown_number: false,
            }
            .into(),
        };
        // An account that lives in another data centre is found there by `invoke`.
        let sent = self.invoke(&request).await;
        sent_code(phone, sent?)
    }

    /// Asks Telegram to send the code in another way; the earlier one counts no more.
    ///
    /// # Errors
    /// See [`LoginError`].
    pub async fn resend_code(&self, login: &Login) -> Result<Login, LoginError> {
        let request = functions::auth::ResendCode {
            phone_number: login.phone.clone(),
            phone_code_hash: login.code_hash.clone(),
            reason: None,
        };
        sent_code(&login.phone, self.invoke(&request).await?)
    }

    /// Signs in with the code.
    ///
    /// # Errors
    /// See [`LoginError`].
    pub async fn sign_in(&self, login: &Login, code: &str) -> Result<SignIn, LoginError> {
        let request = functions::auth::SignIn {
            phone_number: login.phone.clone(),
            phone_code_hash: login.code_hash.clone(),
            phone_code: Some(code.trim().to_owned()),
            email_verification: None,
        };
        match self.invoke(&request).await {
            Ok(authorization) => Ok(SignIn::Done(self.signed_in(&authorization)?)),
            Err(error) if is_password_needed(&error) => Ok(SignIn::PasswordNeeded { hint: self.password_hint().await? }),
            Err(error) => Err(error.into()),
        }
    }

    /// The hint that the owner of a two-step password left, if any.
    pub(super) async fn password_hint(&self) -> Result<Option<String>, LoginError> {
        let enums::account::Password::Password(p) = self.invoke(&functions::account::GetPassword {}).await?;
        Ok(p.hint)
    }

    /// Signs in with the two-step password, after the code. The password itself is never sent (SRP,
    /// <https://core.telegram.org/api/srp>).
    ///
    /// # Errors
    /// See [`LoginError`].
    pub async fn check_password(&self, password: &str) -> Result<Peer, LoginError> {
        let enums::account::Password::Password(p) = self.invoke(&functions::account::GetPassword {}).await?;
        let unknown = || LoginError::Unsupported("an unknown password algorithm");
        let (Some(enums::PasswordKdfAlgo::Sha256Sha256Pbkdf2Hmacsha512iter100000Sha256ModPow(algo)), Some(b), Some(srp_id)) =
            (p.current_algo, p.srp_b, p.srp_id)
        else {
            return Err(unknown());
        };
        if !check_p_and_g(&algo.p, &algo.g) {
            return Err(LoginError::Unsupported("an unsafe password algorithm"));
        }
        let (m1, a) = calculate_2fa(&algo.salt1, &algo.salt2, &algo.p, &algo.g, b, p.secure_random, password);
        let password = types::InputCheckPasswordSrp { srp_id, a: a.to_vec(), m1: m1.to_vec() }.into();
        let authorization = self.invoke(&functions::auth::CheckPassword { password }).await?;
        self.signed_in(&authorization)
    }

    /// Ends the account's authorisation at Telegram.
    ///
    /// # Errors
    /// See [`TelegramError`].
    pub async fn log_out(&self) -> Result<(), TelegramError> {
        self.invoke(&functions::auth::LogOut {}).await.map(|_| ())
    }

    /// Notes who the account is: its user, and the access hash that it has for itself.
    pub(super) fn signed_in(&self, authorization: &enums::auth::Authorization) -> Result<Peer, LoginError> {
        let enums::auth::Authorization::Authorization(a) = authorization else { return Err(LoginError::NoAccount) };
        let user = parse::user(&a.user).ok_or(LoginError::NoAccount)?;
        if let enums::User::User(u) = &a.user {
            self.session().learn(user.id, u.access_hash);
        }
        self.session().set_user_id(user.id.bare());
        self.session().clear_lost();
        Ok(user)
    }
}

/// Whether the account has a two-step password, which is all that is still missing.
pub(super) fn is_password_needed(error: &TelegramError) -> bool {
    let (TelegramError::Refused { name, .. } | TelegramError::SignedOut { name }) = error else { return false };
    name == "SESSION_PASSWORD_NEEDED"
}

fn sent_code(phone: &str, sent: enums::auth::SentCode) -> Result<Login, LoginError> {
    match sent {
        enums::auth::SentCode::Code(c) => Ok(Login {
            phone: phone.to_owned(),
            code_hash: c.phone_code_hash,
            sent_by: sent_by(&c.r#type),
            next: c.next_type.as_ref().map(next_by),
        }),
        enums::auth::SentCode::Success(_) => Err(LoginError::Unsupported("signed in without a code")),
        enums::auth::SentCode::PaymentRequired(_) => Err(LoginError::Unsupported("payment")),
    }
}

fn sent_by(kind: &enums::auth::SentCodeType) -> &'static str {
    use enums::auth::SentCodeType as T;
    match kind {
        T::App(_) => "a message in the Telegram app",
        T::Sms(_) | T::SmsWord(_) | T::SmsPhrase(_) | T::FirebaseSms(_) => "a text message",
        T::Call(_) => "a phone call",
        T::FlashCall(_) | T::MissedCall(_) => "a missed call",
        T::EmailCode(_) => "an e-mail",
        T::FragmentSms(_) => "fragment.com",
        T::SetUpEmailRequired(_) => "an e-mail address that must first be set up in an official app",
    }
}

fn next_by(kind: &enums::auth::CodeType) -> &'static str {
    use enums::auth::CodeType as T;
    match kind {
        T::Sms => "a text message",
        T::Call => "a phone call",
        T::FlashCall | T::MissedCall => "a missed call",
        T::FragmentSms => "fragment.com",
    }
}

/// A wait as people say it, rounded up.
fn in_words(wait: Duration) -> String {
    let minutes = wait.as_secs().div_ceil(60);
    match (wait.as_secs(), minutes / 60, minutes % 60) {
        (seconds, ..) if seconds < 120 => format!("{seconds} s"),
        (_, 0, minutes) => format!("{minutes} min"),
        (_, hours, 0) => format!("{hours} h"),
        (_, hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

impl From<TelegramError> for LoginError {
    fn from(error: TelegramError) -> Self {
        let name = match &error {
            TelegramError::FloodWait { name, .. } if name == "PEER_FLOOD" => return Self::TooOften,
            TelegramError::FloodWait { wait, .. } => return Self::Wait(*wait),
            TelegramError::Refused { name, .. } | TelegramError::SignedOut { name } | TelegramError::Banned { name } => {
                name.as_str()
            }
            TelegramError::PeerUnavailable { .. }
            | TelegramError::Transient { .. }
            | TelegramError::ServerFault { .. }
            | TelegramError::Unreadable { .. }
            | TelegramError::RetryLater { .. }
            | TelegramError::Duplicated { .. } => return Self::Telegram(error),
        };
        match name {
            "PHONE_CODE_INVALID" | "PHONE_CODE_EMPTY" => Self::WrongCode,
            "PHONE_CODE_EXPIRED" => Self::ExpiredCode,
            "SEND_CODE_UNAVAILABLE" => Self::NoOtherWay,
            "PASSWORD_HASH_INVALID" => Self::WrongPassword,
            "PHONE_NUMBER_INVALID" => Self::WrongPhone,
            "PHONE_NUMBER_BANNED" | "USER_DEACTIVATED" | "USER_DEACTIVATED_BAN" => Self::Banned,
            "PHONE_NUMBER_UNOCCUPIED" => Self::NoAccount,
            "PHONE_NUMBER_FLOOD" | "PHONE_PASSWORD_FLOOD" => Self::TooOften,
            "API_ID_INVALID" | "API_ID_PUBLISHED_FLOOD" => Self::WrongApplication,
            _ => Self::Telegram(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_told_in_words() {
        for (seconds, words) in [(31, "31 s"), (300, "5 min"), (301, "6 min"), (3_600, "1 h"), (86_000, "23 h 54 min")] {
            assert_eq!(in_words(Duration::from_secs(seconds)), words);
        }
    }

    #[test]
    fn no_debug_shows_a_phone_number() {
        let login = Login { phone: "+491701234567".into(), code_hash: "secret".into(), sent_by: "an app", next: None };
        assert_eq!(format!("{login:?}"), "Login { sent_by: \"an app\", .. }");
    }
}
