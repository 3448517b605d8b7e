//! Outages: what is known while an account gets no response, told as a state and not as one line for each attempt.

use std::time::Duration;

use tokio::time::Instant;

use crate::model::AccountName;

/// Attempts after which an outage is more than the end of a connection, which Telegram closes now and then for no reason.
const ATTEMPTS_CERTAIN: u32 = 2;
/// The same for an outage in which one attempt takes long.
const CERTAIN_AFTER: Duration = Duration::from_secs(5);

/// An account gets no response from Telegram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outage {
    /// When the first request was made that got none.
    pub since: Instant,
    /// The method that was called last.
    pub method: String,
    /// Which data centre, through which proxy, and what happened.
    pub why: String,
    /// Before this it is not tried again.
    pub next_try: Instant,
    /// Requests that got none.
    pub attempts: u32,
}

impl Outage {
    /// Whether it is more than the end of one connection.
    #[must_use]
    pub fn is_certain(&self) -> bool {
        self.attempts >= ATTEMPTS_CERTAIN || self.since.elapsed() >= CERTAIN_AFTER
    }

    /// A request got no response: the outage begins, or goes on.
    pub(crate) fn meet(outage: &mut Option<Self>, account: &AccountName, met: Self) {
        let Some(known) = outage else {
            let Self { method, why, .. } = &met;
            tracing::warn!(
                account.name = %account, method,
                "account `{account}` gets no response from Telegram to {method} ({why}); it is tried again until it does"
            );
            *outage = Some(met);
            return;
        };
        let attempts = known.attempts.saturating_add(1);
        if known.why == met.why {
            tracing::debug!(account.name = %account, method = met.method, "account `{account}` got no response {attempts} times in a row");
        } else {
            tracing::warn!(
                account.name = %account, method = met.method,
                "account `{account}` still gets no response from Telegram to {}, now because of something else ({})", met.method, met.why
            );
        }
        *known = Self { since: known.since, attempts, ..met };
    }

    /// Telegram answered.
    pub(crate) fn end(outage: Option<Self>, account: &AccountName) {
        if let Some(Self { since, attempts, .. }) = outage {
            let lasted = Duration::from_secs(since.elapsed().as_secs());
            tracing::info!(account.name = %account, "account `{account}` gets responses from Telegram again, after {attempts} attempts in {lasted:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_lasts_from_its_first_request_and_one_lost_connection_is_not_certain() {
        let (account, now) = ("alpha".parse().unwrap(), Instant::now());
        let met = |since: Instant, why: &str| Outage {
            since,
            method: "updates.getState".to_owned(),
            why: why.to_owned(),
            next_try: now,
            attempts: 1,
        };
        let mut outage = None;
        Outage::meet(&mut outage, &account, met(now, "refused"));
        assert!(!outage.as_ref().unwrap().is_certain());
        Outage::meet(&mut outage, &account, met(now + Duration::from_secs(1), "timed out"));
        let known = outage.unwrap();
        assert_eq!((known.since, known.attempts, known.why.as_str()), (now, 2, "timed out"));
        assert!(known.is_certain());
        assert!(now.checked_sub(CERTAIN_AFTER).is_none_or(|earlier| met(earlier, "timed out").is_certain()));
    }
}
