//! What goes wrong at the storage server, by what is done next. The server's own texts are not passed on: they repeat access keys and signatures.

use std::error::Error;

use crate::https_client::Unanswered;

/// How a request failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum StoreError {
    /// It passes by itself: try again, later each time.
    #[error("{0}")]
    Unreachable(String),
    /// Only a person can repair it.
    #[error("{0}")]
    Refused(String),
    /// It is about this object alone: others go on.
    #[error("{0}")]
    Object(String),
    /// The object is there already (a precondition failed).
    #[error("the object is there already")]
    Exists,
    /// There is no such object.
    #[error("there is no such object")]
    Missing,
    /// The server does not know conditional requests.
    #[error("the server knows no conditional requests")]
    Unconditional,
}

/// An answer that is no success: its status, and the code in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{status} {code}")]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) code: String,
}

/// Characters of an error's code: the longest of S3's has 45.
const CODE_MAX: usize = 64;

impl Refusal {
    pub(super) fn new(status: u16, body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        let code = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")).map_or("", |(code, _)| code);
        let is_code = code.len() <= CODE_MAX && code.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
        Self { status, code: if is_code { code.to_owned() } else { String::new() } }
    }

    fn told(&self) -> String {
        if self.code.is_empty() { self.status.to_string() } else { self.to_string() }
    }

    fn into_error(self, bucket: &str) -> StoreError {
        let told = self.told();
        match (self.status, self.code.as_str()) {
            (412 | 304, _) => StoreError::Exists,
            (501, _) => StoreError::Unconditional,
            (_, "NoSuchBucket") => {
                StoreError::Refused(format!("there is no bucket `{bucket}`: create it, or set `mirror.bucket`"))
            }
            (404, "NoSuchUpload") => StoreError::Object("the server has forgotten the upload".to_owned()),
            (404, _) => StoreError::Missing,
            (_, "RequestTimeTooSkewed") => {
                StoreError::Refused(format!("the storage server has another time ({told}): set this machine's clock"))
            }
            (401 | 403, _) => StoreError::Refused(format!(
                "the storage server refuses the credentials ({told}): check the keys, and that they may read, write and delete in bucket \
                 `{bucket}`"
            )),
            (300..=399, _) | (400, "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException") => {
                StoreError::Refused(format!(
                    "the storage server says that bucket `{bucket}` is elsewhere ({told}): check `mirror.region` and `mirror.endpoint`"
                ))
            }
            (400, "InvalidBucketName") => StoreError::Refused(format!("`{bucket}` is no name of a bucket: set `mirror.bucket`")),
            (507, _) | (_, "QuotaExceeded" | "XMinioStorageFull" | "XMinioAdminBucketQuotaExceeded") => {
                StoreError::Refused(format!("the storage server is full ({told}): make room there"))
            }
            (408 | 409 | 429 | 500..=599, _) | (_, "SlowDown" | "RequestTimeout" | "InternalError") => {
                StoreError::Unreachable(format!("the storage server cannot answer at present ({told})"))
            }
            _ => StoreError::Object(format!("the storage server refuses it ({told})")),
        }
    }
}

impl StoreError {
    /// Whether the same request may succeed a moment later.
    pub(super) fn is_passing(&self) -> bool {
        matches!(self, Self::Unreachable(_))
    }

    /// What an error of the client means. `bucket` is told to people.
    pub(super) fn of(error: &(dyn Error + 'static), bucket: &str) -> Self {
        let mut cause = Some(error);
        while let Some(here) = cause {
            if let Some(refusal) = here.downcast_ref::<Refusal>() {
                return refusal.clone().into_error(bucket);
            }
            if let Some(why) = here.downcast_ref::<Unanswered>() {
                return Self::Unreachable(format!("the storage server does not answer: {why}"));
            }
            cause = here.source();
        }
        // Not its text: it may repeat what the server has said.
        tracing::debug!("the client of the storage server failed in a way that is not known");
        Self::Unreachable("the storage server gave an answer that cannot be understood".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_says_is_never_repeated_but_its_code() {
        let body = b"<Error><Code>SignatureDoesNotMatch</Code><AWSAccessKeyId>AKIASECRET</AWSAccessKeyId></Error>";
        let error = Refusal::new(403, body).into_error("files");
        assert!(matches!(&error, StoreError::Refused(text) if text.contains("403 SignatureDoesNotMatch")), "{error:?}");
        assert!(!error.to_string().contains("AKIA"), "{error}");
        for (status, body, expected) in [
            (412, "", StoreError::Exists),
            (404, "", StoreError::Missing),
            (501, "<Code>NotImplemented</Code>", StoreError::Unconditional),
        ] {
            assert_eq!(Refusal::new(status, body.as_bytes()).into_error("files"), expected);
        }
        let of = |status, code: &str| Refusal::new(status, format!("<Code>{code}</Code>").as_bytes()).into_error("files");
        assert!(matches!(of(404, "NoSuchBucket"), StoreError::Refused(text) if text.contains("no bucket `files`")));
        assert!(matches!(of(301, "PermanentRedirect"), StoreError::Refused(text) if text.contains("mirror.region")));
        assert!(of(503, "SlowDown").is_passing() && of(200, "InternalError").is_passing());
        assert!(matches!(of(400, "EntityTooLarge"), StoreError::Object(_)));
        assert!(matches!(of(400, "a code\nwith <text>"), StoreError::Object(text) if !text.contains("text")));
    }
}
