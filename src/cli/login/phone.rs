//! Signing in with the code that Telegram sends to the owner of a phone number.

use super::super::output::tell;
use super::{TRIES_MAX, ask};
use crate::telegram::{Client, Login, LoginError, SignIn};

/// How often a code may be sent before the person should look for another way: Telegram answers more with a long wait.
const CODES_MAX: usize = 3;

pub(super) async fn sign_in(client: &Client, phone: Option<&str>, api_hash: &str) -> anyhow::Result<SignIn> {
    let asked;
    let phone = match phone {
        Some(phone) => phone,
        None => {
            asked = ask("Phone number, with country code: ")?;
            &asked
        }
    };
    let mut login = client.request_code(phone.trim(), api_hash).await?;
    tell_sent(&login);
    let (mut tries, mut codes) = (1, 1);
    loop {
        let code = ask("Code: ")?;
        let outcome = match code.is_empty() {
            false => client.sign_in(&login, &code).await,
            true if codes < CODES_MAX => match client.resend_code(&login).await {
                Ok(again) => {
                    login = again;
                    codes += 1;
                    tell_sent(&login);
                    continue;
                }
                Err(error) => Err(error),
            },
            true => Err(LoginError::NoOtherWay),
        };
        match outcome {
            Err(error @ (LoginError::WrongCode | LoginError::NoOtherWay)) if tries < TRIES_MAX => {
                tell(error);
                tries += 1;
            }
            Err(LoginError::ExpiredCode) if codes < CODES_MAX => {
                tell("The code has expired; another one is being sent.");
                login = client.request_code(phone.trim(), api_hash).await?;
                codes += 1;
                tell_sent(&login);
            }
            outcome => return Ok(outcome?),
        }
    }
}

fn tell_sent(login: &Login) {
    let otherwise = login.next.map_or_else(
        || "an empty line requests it again".to_owned(),
        |next| format!("an empty line requests it by {next} instead"),
    );
    tell(format_args!("A code was sent by {}; {otherwise}.", login.sent_by));
}
