//! The JSON view of a service message.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::Service;

use super::{PaymentView, marked, non_empty, number, time};

/// What a service message reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Service)]
pub struct ServiceView {
    /// `chat_create`, `pin_message`, ...
    pub action: String,
    /// The new title; the name of a gift.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The marked ids of the users, or other peers, concerned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub users: Vec<i64>,
    /// The pinned message; the message of a giveaway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<i32>,
    /// The marked id of the supergroup that a basic group became, or of the basic group that a supergroup was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub migrated: Option<i64>,
    /// Words that come with it: a custom action, the message of a gift, the reason of a refusal, the tasks of a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// How long a call was, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<i32>,
    /// After how many seconds messages delete themselves from now on; 0 for never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period: Option<i32>,
    /// How many: boosts, winners, points, days, gifted Stars, metres, messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<i64>,
    /// When it is to happen, or ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// What was paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment: Option<PaymentView>,
    /// The new photo's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub photo: Option<i64>,
    /// The new icon of a topic: a custom emoji's document id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icon: Option<i64>,
    /// The name of a gift code, gift or invoice in links.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slug: Option<String>,
    /// What is so from now on: `closed`, `reopened`, `hidden`, `shown`, `protected`, `video`, `missed`, ...
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub states: Vec<String>,
    /// The tasks that were completed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub completed: Vec<i32>,
    /// The tasks that are open again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub reopened: Vec<i32>,
}

impl From<&Service> for ServiceView {
    fn from(service: &Service) -> Self {
        Self {
            action: service.action.clone(),
            title: non_empty(service.title.as_ref()),
            users: service.users.iter().map(|u| u.0).collect(),
            message: number(service.message),
            migrated: marked(service.migrated),
            text: non_empty(service.text.as_ref()),
            duration: service.duration,
            period: service.period,
            count: service.count,
            date: service.date.map(time),
            payment: service.payment.as_ref().map(Into::into),
            photo: service.photo,
            icon: service.icon,
            slug: non_empty(service.slug.as_ref()),
            states: service.states.clone(),
            completed: service.completed.clone(),
            reopened: service.reopened.clone(),
        }
    }
}
