//! Signing in by QR code: a signed-in app of the same account scans a link and accepts it.
//!
//! The link holds a token that lives half a minute; whoever polls again gets the next one, or is told that the last one was
//! accepted (<https://core.telegram.org/api/qr-login>).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use grammers_tl_types::enums::auth::LoginToken;
use grammers_tl_types::functions;

use super::login::is_password_needed;
use super::{Client, LoginError, SignIn};
use crate::model::Timestamp;

/// What a login by QR code needs next.
#[derive(Debug)]
pub enum QrLogin {
    /// A link to show; ask again when Telegram pushes something, or when it expires.
    Show(LoginLink),
    /// It was accepted.
    Accepted(SignIn),
}

/// A link that signs this session in once it is accepted in an app; never logged, for whoever scans it decides.
pub struct LoginLink {
    /// `tg://login?token=..`
    pub url: String,
    /// When it ends, by Telegram's clock.
    pub expires: Timestamp,
}

impl fmt::Debug for LoginLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginLink").field("expires", &self.expires).finish_non_exhaustive()
    }
}

impl Client {
    /// Asks for a link, or for what became of the last one.
    ///
    /// # Errors
    /// See [`LoginError`].
    pub async fn login_by_qr(&self, api_hash: &str) -> Result<QrLogin, LoginError> {
        let request =
            functions::auth::ExportLoginToken { api_id: self.api_id(), api_hash: api_hash.to_owned(), except_ids: Vec::new() };
        let mut answer = self.invoke(&request).await;
        if let Ok(LoginToken::MigrateTo(m)) = &answer {
            // The account that accepted lives in another data centre: the token is good there.
            self.session().set_home(m.dc_id);
            answer = self.invoke(&functions::auth::ImportLoginToken { token: m.token.clone() }).await;
        }
        match answer {
            Ok(LoginToken::Token(t)) => {
                let url = format!("tg://login?token={}", URL_SAFE_NO_PAD.encode(t.token));
                Ok(QrLogin::Show(LoginLink { url, expires: Timestamp(i64::from(t.expires)) }))
            }
            Ok(LoginToken::Success(s)) => Ok(QrLogin::Accepted(SignIn::Done(self.signed_in(&s.authorization)?))),
            Ok(LoginToken::MigrateTo(_)) => Err(LoginError::Unsupported("moved between data centres more than once")),
            Err(error) if is_password_needed(&error) => {
                Ok(QrLogin::Accepted(SignIn::PasswordNeeded { hint: self.password_hint().await? }))
            }
            Err(error) => Err(error.into()),
        }
    }
}
