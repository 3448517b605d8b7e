//! Fault injection: rules about what goes wrong, when, and for whom. Deterministic: the same seed injects the same faults.
//!
//! A rule is matched by account and method, fires as its [`When`] says, and the first rule that fires decides. Counting and
//! chance are the rule's own, so two rules do not disturb each other, and the same seed fails the same calls.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::answer::RpcError;
use crate::world::mix;

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A rate limit: `420 FLOOD_WAIT_n`.
    FloodWait {
        /// The wait that is asked for.
        seconds: u32,
    },
    /// The rate limit of downloads for those who do not pay: `420 FLOOD_PREMIUM_WAIT_n`.
    FloodPremiumWait {
        /// The wait that is asked for.
        seconds: u32,
    },
    /// Any error, such as `500 INTERNAL`, `400 CHANNEL_PRIVATE`, `-503 Timeout`, `400 FILE_REFERENCE_0_EXPIRED` or `303 FILE_MIGRATE_4`.
    Error {
        /// Telegram's error code.
        code: i32,
        /// Telegram's error name.
        name: String,
    },
    /// The TCP connection is closed instead of an answer.
    Drop,
    /// The TCP connection is closed in the middle of the answer.
    Cut,
    /// The right answer comes late.
    Delay(Duration),
    /// There is never an answer.
    Silence,
    /// The right answer comes under a session id that is not the client's.
    WrongSession,
    /// `updates.getDifference` and `updates.getChannelDifference` say that the gap is too long.
    TooLong,
    /// `upload.getFile` answers so many bytes at most, although the file goes on.
    ShortRead {
        /// Bytes; none is an answer too.
        bytes: usize,
    },
    /// `upload.getFile` answers `upload.fileCdnRedirect`, also to a client that did not say that it can follow.
    CdnRedirect,
}

/// When a rule fires, counted over the calls that it matches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum When {
    /// Every time.
    Always,
    /// The next so many calls.
    Next(u32),
    /// Only the call of this number, counted from 1.
    Nth(u32),
    /// A share of the calls, chosen by a seed.
    Share {
        /// From 0 to 1.
        share: f64,
        /// Which calls.
        seed: u64,
    },
}

/// A rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// The account's name; any account if absent.
    pub account: Option<String>,
    /// The method as in the schema; any method but the connection's own set-up (`help.getConfig`) if absent.
    pub method: Option<String>,
    /// Words that must all be among the parameters as the ledger has them, such as `offset=524288`; any parameters if empty.
    pub parameters: Vec<String>,
    /// When it fires.
    pub when: When,
    /// What goes wrong.
    pub fault: Fault,
}

impl Rule {
    /// A rule for any account and method.
    #[must_use]
    pub fn new(fault: Fault, when: When) -> Self {
        Self { account: None, method: None, parameters: Vec::new(), when, fault }
    }

    /// Only for this account.
    #[must_use]
    pub fn account(mut self, name: impl Into<String>) -> Self {
        self.account = Some(name.into());
        self
    }

    /// Only for this method.
    #[must_use]
    pub fn method(mut self, name: impl Into<String>) -> Self {
        self.method = Some(name.into());
        self
    }

    /// Only where this is one of the parameters as the ledger has them, such as `offset=524288`; may be said several times.
    #[must_use]
    pub fn parameter(mut self, word: impl Into<String>) -> Self {
        self.parameters.push(word.into());
        self
    }

    /// Only for the download of this file.
    #[must_use]
    pub fn file(self, id: i64) -> Self {
        self.method("upload.getFile").parameter(format!("file={id}"))
    }

    fn matches(&self, account: &str, method: &str, parameters: &str) -> bool {
        self.account.as_ref().is_none_or(|name| name == account)
            && self.parameters.iter().all(|word| parameters.split(' ').any(|other| other == word))
            && match &self.method {
                Some(name) => name == method,
                None => method != "help.getConfig",
            }
    }
}

/// Names a rule, to take it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleId(u64);

#[derive(Default)]
struct RuleSet {
    next: u64,
    rules: Vec<(RuleId, Rule, u32)>,
}

/// The rules in force.
#[derive(Default)]
pub(crate) struct Faults {
    book: Mutex<RuleSet>,
}

impl Faults {
    pub(crate) fn add(&self, rule: Rule) -> RuleId {
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        book.next += 1;
        let id = RuleId(book.next);
        book.rules.push((id, rule, 0));
        id
    }

    pub(crate) fn remove(&self, id: RuleId) {
        self.book.lock().unwrap_or_else(PoisonError::into_inner).rules.retain(|(rule, ..)| *rule != id);
    }

    pub(crate) fn clear(&self) {
        self.book.lock().unwrap_or_else(PoisonError::into_inner).rules.clear();
    }

    /// The fault that is injected into this call, if any.
    pub(crate) fn next_fault(&self, account: &str, method: &str, parameters: &str) -> Option<Fault> {
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, rule, calls) in &mut book.rules {
            if !rule.matches(account, method, parameters) {
                continue;
            }
            *calls = calls.saturating_add(1);
            let fires = match rule.when {
                When::Always => true,
                When::Next(count) => *calls <= count,
                When::Nth(number) => *calls == number,
                When::Share { share, seed } => {
                    let chance = (mix(seed ^ mix(u64::from(*calls))) >> 11) as f64 / (1u64 << 53) as f64;
                    chance < share
                }
            };
            if fires {
                return Some(rule.fault.clone());
            }
        }
        None
    }
}

/// How long the answers of which method are on their way, besides all faults.
#[derive(Default)]
pub(crate) struct Latencies {
    of_methods: Mutex<HashMap<String, Duration>>,
}

impl Latencies {
    pub(crate) fn set(&self, method: &str, latency: Duration) {
        let mut of_methods = self.of_methods.lock().unwrap_or_else(PoisonError::into_inner);
        if latency.is_zero() {
            of_methods.remove(method);
        } else {
            of_methods.insert(method.to_owned(), latency);
        }
    }

    pub(crate) fn of(&self, method: &str) -> Duration {
        self.of_methods.lock().unwrap_or_else(PoisonError::into_inner).get(method).copied().unwrap_or_default()
    }
}

impl Fault {
    /// The error that it answers, for the faults that are one.
    pub(crate) fn error(&self) -> Option<RpcError> {
        match self {
            Self::FloodWait { seconds } => Some(RpcError { code: 420, name: format!("FLOOD_WAIT_{seconds}").into() }),
            Self::FloodPremiumWait { seconds } => {
                Some(RpcError { code: 420, name: format!("FLOOD_PREMIUM_WAIT_{seconds}").into() })
            }
            Self::Error { code, name } => Some(RpcError { code: *code, name: name.clone().into() }),
            _ => None,
        }
    }
}
