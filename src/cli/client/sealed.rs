//! Sealed requests over the same client: each is one `POST /v1/sealed`, whatever it asks, so that only its size and time can be seen.
//!
//! Which server is meant is in the key file. Which start of it, the server tells; after a restart it is asked again, once a request.

use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use hyper::{Response, StatusCode};
use serde_json::Value;

use super::{AnswerBody, Api, Payload, whole, within_patience};
use crate::cli::output::one_line;
use crate::model::{Clock as _, SystemClock};
use crate::seal::{self, Destination, Key, KeyRing, Purpose, ServerId};
use crate::views::RecipientView;

/// The one path of sealed requests.
const PATH: &str = "/v1/sealed";
/// How long a command waits before it asks once more for what it has asked too often, at most.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(10);
/// Bytes of what a server says of itself, at most.
const RECIPIENT_MAX: usize = 4 << 10;

/// Seals requests for a server.
pub(super) struct Sealer {
    pub(super) key: Arc<Key>,
    server: ServerId,
    /// The start of the server as of the last request.
    start: Mutex<Option<String>>,
}

impl Sealer {
    /// With the newest key of a client's file.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let ring = KeyRing::load(path)?;
        let none = || format!("there is no key in `{}`; `telescribe key new NAME --out FILE` makes one", path.display());
        let key = ring.keys().last().cloned().with_context(none)?;
        let server = key.server().cloned().with_context(|| {
            format!(
                "the key file `{}` does not say which server it is for (`aud`): it is not one for a client, or of an earlier version; \
                 `telescribe key export {} --out FILE`, on the machine of that server, makes one",
                path.display(),
                key.id()
            )
        })?;
        Ok(Self { key, server, start: Mutex::default() })
    }

    fn start(&self) -> Option<String> {
        self.start.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_start(&self, start: &str) {
        *self.start.lock().unwrap_or_else(PoisonError::into_inner) = Some(start.to_owned());
    }

    /// What is said of a request that this server refused.
    fn refused(&self, by: &RecipientView) -> String {
        if by.server != self.server.as_str() {
            return format!(
                "the server refused the sealed request: the key file is for the server `{}`, and this one says that it is `{}`; if it is meant, \
                 get its own key file (`telescribe key export {}` there)",
                self.server,
                one_line(&by.server),
                self.key.id()
            );
        }
        if self.key.rights().have_ended(SystemClock.now()) {
            return format!(
                "the key `{}` has expired; its server's operator makes the next one with `telescribe key rotate {} --out FILE`",
                self.key.id(),
                self.key.client()
            );
        }
        format!(
            "the server refused the sealed request; is `{}` a key of this server, and is this machine's clock right to within two minutes?",
            self.key.id()
        )
    }

    /// What is said of a response that is not this server's.
    pub(super) fn not_sealed(&self, status: StatusCode) -> String {
        format!("the response (status {status}) is not sealed with `{}`: it came from a proxy or another server", self.key.id())
    }
}

impl Api {
    pub(super) async fn call_sealed(
        &self,
        target: &str,
        posted: Option<&Value>,
        sealer: &Sealer,
    ) -> anyhow::Result<(StatusCode, Value)> {
        let mut is_again = false;
        loop {
            let (status, body) = self.call_sealed_once(target, posted, sealer).await?;
            let wait = body.get("retry_after").and_then(Value::as_u64).filter(|_| status == StatusCode::TOO_MANY_REQUESTS);
            match wait {
                // Who reads page after page comes to the rate that he may have: he then goes on at that rate.
                Some(seconds) if !is_again => tokio::time::sleep(Duration::from_secs(seconds).min(RETRY_AFTER_MAX)).await,
                _ => return Ok((status, body)),
            }
            is_again = true;
        }
    }

    async fn call_sealed_once(
        &self,
        target: &str,
        posted: Option<&Value>,
        sealer: &Sealer,
    ) -> anyhow::Result<(StatusCode, Value)> {
        let (status, bytes, jti) = within_patience(async {
            let (response, jti) = self.ask_sealed(target, posted, sealer).await?;
            let (status, bytes) = whole(response, Purpose::Answer.length_max()).await?;
            Ok((status, bytes, jti))
        })
        .await?;
        let token = std::str::from_utf8(&bytes).unwrap_or_default().trim();
        let answer = seal::open_answer(token, &sealer.key, &jti).with_context(|| sealer.not_sealed(status))?;
        Ok((StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY), answer.body))
    }

    /// Sends a request sealed; returns the response, and the nonce that it must answer.
    ///
    /// # Errors
    /// When the server refuses it, also as one of its present start.
    pub(super) async fn ask_sealed(
        &self,
        target: &str,
        posted: Option<&Value>,
        sealer: &Sealer,
    ) -> anyhow::Result<(Response<AnswerBody>, String)> {
        let method = if posted.is_some() { "POST" } else { "GET" };
        let mut start = match sealer.start() {
            Some(start) => start,
            None => self.recipient().await?.start,
        };
        let mut is_first = true;
        loop {
            let to = Destination { server: sealer.server.clone(), start };
            let (now, random) = (SystemClock.now(), &mut seal::system_random());
            let request = seal::seal_request(&sealer.key, &to, method, target, posted, now, random);
            ensure!(
                request.token.len() <= Purpose::Request.length_max(),
                "the request is too long to be sealed: it may have {} characters, and has {}",
                Purpose::Request.length_max(),
                request.token.len()
            );
            let response = self.send(PATH, Payload::Sealed(request.token)).await?;
            if response.status() != StatusCode::UNAUTHORIZED {
                sealer.set_start(&to.start);
                return Ok((response, request.jti));
            }
            // It was refused, so it has done nothing; perhaps the server was started anew.
            let newest = self.recipient().await?;
            if !is_first || newest.start == to.start {
                bail!(sealer.refused(&newest));
            }
            (start, is_first) = (newest.start, false);
        }
    }

    /// Asks whom sealed requests must be for, and whether requests must be sealed.
    async fn recipient(&self) -> anyhow::Result<RecipientView> {
        let (status, bytes) =
            within_patience(async { whole(self.send(PATH, Payload::Nothing).await?, RECIPIENT_MAX).await }).await?;
        let read = serde_json::from_slice(&bytes).ok().filter(|_| status == StatusCode::OK);
        read.with_context(|| {
            format!(
                "the server does not say how it is asked (status {status} for `{PATH}`); nothing else was sent: it is no telescribe, or one of another version"
            )
        })
    }

    /// Fails where a server wants every request sealed; nothing of what is to be asked is sent before.
    pub(super) async fn check_that_plain_is_answered(&self, authority: &str) -> anyhow::Result<()> {
        if self.recipient().await?.required {
            bail!(
                "the server at `{authority}` answers sealed requests only, and nothing was sent: pass `--key FILE` with the key file of this client, \
                 which `telescribe key new NAME --out FILE` makes on the machine of the server"
            );
        }
        Ok(())
    }
}

/// Fails for a server that is not on this machine: it is asked sealed or not at all.
pub(super) fn check_that_it_is_here(authority: &str) -> anyhow::Result<()> {
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let is_here =
        host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback());
    if !is_here {
        bail!(
            "without `--key`, `{authority}` would be asked in the clear, and nothing was sent: pass `--key FILE` with the key file of this client, \
             which `telescribe key new NAME --out FILE` makes on the machine of the server"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check_that_it_is_here;

    #[test]
    fn only_this_machine_is_asked_without_a_key() {
        for here in ["127.0.0.1:8470", "localhost:8470", "LOCALHOST:1", "[::1]:8470", "127.8.7.6:1", "[::ffff:127.0.0.1]:1"] {
            check_that_it_is_here(here).unwrap();
        }
        for elsewhere in [
            "archive.example:8470",
            "10.0.0.1:8470",
            "localhost.example:1",
            "[fe80::1]:8470",
            "0.0.0.0:8470",
            "127.0.0.1.example:1",
        ] {
            let error = check_that_it_is_here(elsewhere).unwrap_err().to_string();
            assert!(error.contains("nothing was sent") && error.contains("--key FILE"), "{error}");
        }
    }
}
