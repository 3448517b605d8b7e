//! What service messages report.
//!
//! One set of members for all of them: what each has is in `docs/dump.md`. What is not here is in the raw bytes.

use super::{MessageId, Payment, PeerId, Timestamp};

/// What a service message reports: its action, and whichever of the other members that action has.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Service {
    /// Telegram's constructor in snake case, without `message_action_`.
    pub action: String,
    /// The new title; the name of a gift.
    pub title: Option<String>,
    /// The users, or other peers, concerned.
    pub users: Vec<PeerId>,
    /// The pinned message; the message of a giveaway.
    pub message: Option<MessageId>,
    /// The supergroup that a basic group became, or the basic group that a supergroup was.
    pub migrated: Option<PeerId>,
    /// Words that come with it: a custom action, the message of a gift, the reason of a refusal, the tasks of a list.
    pub text: Option<String>,
    /// How long a call was, in seconds.
    pub duration: Option<i32>,
    /// After how many seconds messages delete themselves from now on; 0 for never.
    pub period: Option<i32>,
    /// How many: boosts, winners, points, days, gifted Stars, metres, messages.
    pub count: Option<i64>,
    /// When it is to happen, or ends.
    pub date: Option<Timestamp>,
    /// What was paid.
    pub payment: Option<Payment>,
    /// The new photo's id.
    pub photo: Option<i64>,
    /// The new icon of a topic: a custom emoji's document id.
    pub icon: Option<i64>,
    /// The name of a gift code, gift or invoice in links.
    pub slug: Option<String>,
    /// What is so from now on, in words: `closed`, `reopened`, `hidden`, `shown`, `protected`, `video`, `missed`, ...
    pub states: Vec<String>,
    /// The tasks that were completed.
    pub completed: Vec<i32>,
    /// The tasks that are open again.
    pub reopened: Vec<i32>,
}
