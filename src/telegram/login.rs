//! Signing in: phone number, code, and the two-step password where there is one.

use grammers_crypto::two_factor_auth::{calculate_2fa, check_p_and_g};
use grammers_tl_types::{enums, functions, types};

use super::{Client, TelegramError};
use crate::model::Peer;
use crate::parse;

/// A code that Telegram has sent.
#[derive(Debug)]
pub struct Login {
    phone: String,
    code_hash: String,
    /// How the code was sent, for the person who waits for it.
    pub sent_by: &'static str,
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
    #[error("the code is wrong; look at the newest message of Telegram itself, and try again")]
    WrongCode,
    /// The code is too old.
    #[error("the code has expired; run the command again for a new one")]
    ExpiredCode,
    /// The two-step password is wrong.
    #[error("the password is wrong; it is the two-step password of Telegram's settings, not the code")]
    WrongPassword,
    /// The phone number is not one.
    #[error("Telegram does not take this phone number; write it with its country code, as in +49...")]
    WrongPhone,
    /// The phone number has no account.
    #[error("this phone number has no Telegram account; sign up with an official app first")]
    NoAccount,
    /// The server wants something this version cannot do.
    #[error(
        "Telegram asks for a way to sign in that this version does not know ({0}); sign in with an official app first, then try again"
    )]
    Unsupported(&'static str),
    /// Telegram gave no answer or refused.
    #[error(transparent)]
    Telegram(#[from] TelegramError),
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
        let sent = self.invoke(&request).await;
        match sent.map_err(named)? {
            enums::auth::SentCode::Code(c) => {
                Ok(Login { phone: phone.to_owned(), code_hash: c.phone_code_hash, sent_by: sent_by(&c.r#type) })
            }
            enums::auth::SentCode::Success(_) => Err(LoginError::Unsupported("signed in without a code")),
            enums::auth::SentCode::PaymentRequired(_) => Err(LoginError::Unsupported("payment")),
        }
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
            Err(TelegramError::Refused { name, .. } | TelegramError::SignedOut { name }) if name == "SESSION_PASSWORD_NEEDED" => {
                let enums::account::Password::Password(p) = self.invoke(&functions::account::GetPassword {}).await?;
                Ok(SignIn::PasswordNeeded { hint: p.hint })
            }
            Err(error) => Err(named(error)),
        }
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
        let authorization = self.invoke(&functions::auth::CheckPassword { password }).await.map_err(named)?;
        self.signed_in(&authorization)
    }

    /// Ends the account's authorisation at Telegram.
    ///
    /// # Errors
    /// See [`TelegramError`].
    pub async fn log_out(&self) -> Result<(), TelegramError> {
        self.invoke(&functions::auth::LogOut {}).await.map(|_| ())
    }

    fn signed_in(&self, authorization: &enums::auth::Authorization) -> Result<Peer, LoginError> {
        let enums::auth::Authorization::Authorization(a) = authorization else { return Err(LoginError::NoAccount) };
        let user = parse::user(&a.user).ok_or(LoginError::NoAccount)?;
        self.session().set_user_id(user.id.bare());
        Ok(user)
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

fn named(error: TelegramError) -> LoginError {
    let name = match &error {
        TelegramError::Refused { name, .. } | TelegramError::SignedOut { name } | TelegramError::Banned { name } => name.as_str(),
        _ => return LoginError::Telegram(error),
    };
    match name {
        "PHONE_CODE_INVALID" | "PHONE_CODE_EMPTY" => LoginError::WrongCode,
        "PHONE_CODE_EXPIRED" => LoginError::ExpiredCode,
        "PASSWORD_HASH_INVALID" => LoginError::WrongPassword,
        "PHONE_NUMBER_INVALID" | "PHONE_NUMBER_BANNED" => LoginError::WrongPhone,
        "PHONE_NUMBER_UNOCCUPIED" => LoginError::NoAccount,
        _ => LoginError::Telegram(error),
    }
}
