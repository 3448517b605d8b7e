//! The secret that a receiver shares with us, as Standard Webhooks writes it: `whsec_` and the base64 of a key.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::general_purpose::STANDARD as BASE64;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::seal::MacKey;

/// What each begins with.
const PREFIX: &str = "whsec_";
/// Bytes of a key: what the specification asks for.
const KEY_MIN: usize = 24;
const KEY_MAX: usize = 64;
/// How many may be in use at once: the new one and the one before, while a receiver changes over.
const KEYS_MAX: usize = 2;
/// Padding may be there or not: both are handed out.
const LENIENT: GeneralPurpose =
    GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));

/// The keys that each request is signed with: one, or two while a receiver changes over to another. Nothing shows them.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSecret(Vec<MacKey>);

/// A text has no such keys in it. It is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidWebhookSecret(&'static str);

impl WebhookSecret {
    /// The signatures of a request, as `webhook-signature` has them.
    pub(super) fn sign(&self, id: &str, timestamp: &str, body: &[u8]) -> String {
        // An id has dots of its own. Cut elsewhere, the same bytes would be a body that does not begin as JSON, so no receiver takes them for another.
        let parts = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body];
        let signatures = self.0.iter().map(|key| format!("v1,{}", BASE64.encode(key.tag(&parts))));
        signatures.collect::<Vec<_>>().join(" ")
    }
}

impl FromStr for WebhookSecret {
    type Err = InvalidWebhookSecret;

    fn from_str(text: &str) -> Result<Self, InvalidWebhookSecret> {
        let key = |word: &str| {
            let encoded = word.strip_prefix(PREFIX).ok_or(InvalidWebhookSecret(
                "must begin with whsec_; make one with: echo \"whsec_$(openssl rand -base64 32)\"",
            ))?;
            let key = LENIENT.decode(encoded).map_err(|_| InvalidWebhookSecret("must be base64 behind whsec_"))?;
            match (KEY_MIN..=KEY_MAX).contains(&key.len()) {
                true => Ok(MacKey::new(key)),
                false => Err(InvalidWebhookSecret("must be the base64 of 24 to 64 bytes behind whsec_")),
            }
        };
        let keys = text.split_ascii_whitespace().map(key).collect::<Result<Vec<_>, _>>()?;
        match keys.len() {
            0 => Err(InvalidWebhookSecret("must not be empty; make one with: echo \"whsec_$(openssl rand -base64 32)\"")),
            1..=KEYS_MAX => Ok(Self(keys)),
            _ => Err(InvalidWebhookSecret("must be one secret, or two with a space between while the receiver changes over")),
        }
    }
}

impl fmt::Display for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("whsec_…")
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    /// What the specification's own libraries are tested with.
    #[test]
    fn a_signature_is_that_of_the_specification() {
        let secret: WebhookSecret = SECRET.parse().unwrap();
        let signature = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn two_secrets_sign_each_request_both() {
        let other = format!("whsec_{}", BASE64.encode([7; 32]));
        let both: WebhookSecret = format!("{other} {SECRET}\n").parse().unwrap();
        let alone = |text: &str| text.parse::<WebhookSecret>().unwrap().sign("id", "1", b"{}");
        assert_eq!(both.sign("id", "1", b"{}"), format!("{} {}", alone(&other), alone(SECRET)));
    }

    #[test]
    fn what_is_no_secret_is_refused_without_being_repeated_and_none_is_shown() {
        let of = |length: usize| format!("whsec_{}", BASE64.encode(vec![0xab; length]));
        for good in [24, 25, 26, 32, 64] {
            let padded = of(good);
            let secret: WebhookSecret = padded.parse().unwrap();
            assert_eq!(secret, padded.trim_end_matches('=').parse().unwrap());
            assert_eq!(format!("{secret} {secret:?}"), "whsec_… WebhookSecret");
        }
        for (text, why) in [
            (String::new(), "must not be empty; make one with"),
            (" \n".to_owned(), "must not be empty"),
            ("s3cret".to_owned(), "must begin with whsec_"),
            ("whsec_s3cret!".to_owned(), "must be base64"),
            ("whsec_".to_owned(), "must be the base64 of 24 to 64 bytes"),
            (of(23), "must be the base64 of 24 to 64 bytes"),
            (of(65), "must be the base64 of 24 to 64 bytes"),
            (format!("{} {} {}", of(24), of(25), of(26)), "must be one secret, or two"),
        ] {
            let error = text.parse::<WebhookSecret>().unwrap_err();
            assert!(error.to_string().starts_with(why), "{error}");
            assert!(!format!("{error} {error:?}").contains("s3cret") && !error.to_string().contains("q6ur"), "{error}");
        }
    }
}
