//! What a receiver's answer means: confirmed, or how an event was refused and when it may be sent again. Nothing that the receiver says is repeated but its
//! status.

use std::time::Duration;

use hyper::header::{HeaderMap, RETRY_AFTER};
use hyper::{Response, StatusCode};

use crate::model::Timestamp;
use crate::output::OutputError;

/// The longest that a receiver can put a retry off, whatever it says: what it asks for may be a mistake, and it is to be noticed within an hour that it is
/// there again.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(1);

/// Whether an answer confirms an event. `key` is where the output stands in the configuration.
pub(super) fn confirmed<B>(answer: &Response<B>, key: &str, now: Timestamp) -> Result<(), OutputError> {
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    if status == StatusCode::GONE {
        let text = format!("the receiver says that it is gone (410); remove the output, or change `{key}.url`");
        return Err(OutputError::permanent(text).with_retry_after(RETRY_AFTER_MAX));
    }
    let way_out = match status.as_u16() {
        300..=399 => format!("; redirects are not followed: set `{key}.url` to where it leads"),
        400 | 401 | 403 => "; check that it verifies with the same secret, and that its clock is right".to_owned(),
        404 | 405 => format!("; check `{key}.url`"),
        413 => "; let it take larger requests".to_owned(),
        _ => String::new(),
    };
    let refused = OutputError::refused(format!("the receiver answered {}{way_out}", shown(status)));
    Err(refused.with_retry_after(retry_after(answer.headers(), now).unwrap_or_default()))
}

/// A status as people know it.
fn shown(status: StatusCode) -> String {
    let name = status.canonical_reason().map(|name| format!(" ({name})"));
    format!("{}{}", status.as_u16(), name.unwrap_or_default())
}

/// What `Retry-After` says (RFC 9110, section 10.2.3): seconds, or a date.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More than can be counted is long enough.
        true => Duration::from_secs(text.parse().unwrap_or(u64::MAX)),
        false => {
            let at = chrono::DateTime::parse_from_rfc2822(text).ok()?;
            Duration::from_secs(u64::try_from(at.timestamp().saturating_sub(now.0)).unwrap_or_default())
        }
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use crate::output::OutputErrorKind;

    use super::*;

    const NOW: Timestamp = Timestamp(784_111_777);

    fn answered(status: u16, retry_after: Option<&str>) -> Result<(), OutputError> {
        let mut answer = Response::builder().status(status);
        if let Some(text) = retry_after {
            answer = answer.header("retry-after", text);
        }
        confirmed(&answer.body(()).unwrap(), "outputs.0", NOW)
    }

    #[test]
    fn only_a_success_confirms_and_only_gone_is_permanent() {
        for status in [200, 201, 202, 204, 299] {
            assert_eq!(answered(status, None), Ok(()));
        }
        for (status, text) in [
            (
                301,
                "the receiver answered 301 (Moved Permanently); redirects are not followed: set `outputs.0.url` to where it leads",
            ),
            (304, "the receiver answered 304 (Not Modified); redirects are not followed"),
            (401, "the receiver answered 401 (Unauthorized); check that it verifies with the same secret"),
            (404, "the receiver answered 404 (Not Found); check `outputs.0.url`"),
            (429, "the receiver answered 429 (Too Many Requests)"),
            (500, "the receiver answered 500 (Internal Server Error)"),
            (599, "the receiver answered 599"),
        ] {
            let error = answered(status, None).unwrap_err();
            assert!(error.to_string().starts_with(text), "{error}");
            assert_eq!((error.kind(), error.retry_after()), (OutputErrorKind::Refused, Duration::ZERO));
        }
        let gone = answered(410, Some("1")).unwrap_err();
        assert_eq!((gone.kind(), gone.retry_after()), (OutputErrorKind::Permanent, RETRY_AFTER_MAX));
        assert!(gone.to_string().contains("gone (410); remove the output, or change `outputs.0.url`"), "{gone}");
    }

    #[test]
    fn a_receiver_says_when_it_may_be_asked_again_within_bounds() {
        for (text, seconds) in [
            ("0", 0),
            ("7", 7),
            (" 7 ", 7),
            ("3600", 3_600),
            ("3601", 3_600),
            ("99999999999999999999999", 3_600),
            ("Sun, 06 Nov 1994 08:49:47 GMT", 10),
            ("Sun, 06 Nov 1994 08:49:37 GMT", 0),
            ("Sat, 06 Nov 2094 08:49:37 GMT", 3_600),
            ("Tue, 06 Nov 1894 08:49:37 GMT", 0),
            ("-7", 0),
            ("soon", 0),
            ("", 0),
        ] {
            let error = answered(503, Some(text)).unwrap_err();
            assert_eq!(error.retry_after(), Duration::from_secs(seconds), "{text}");
        }
    }
}
