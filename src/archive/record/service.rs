//! What service messages report.

use crate::model::{MessageId, PeerId, Service, Timestamp};

use super::media::PaymentRecord;

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ServiceRecord {
    #[prost(string, tag = "1")]
    action: String,
    #[prost(string, optional, tag = "2")]
    title: Option<String>,
    #[prost(sint64, repeated, tag = "3")]
    users: Vec<i64>,
    #[prost(int32, optional, tag = "4")]
    message: Option<i32>,
    #[prost(sint64, optional, tag = "5")]
    migrated: Option<i64>,
    #[prost(string, optional, tag = "6")]
    text: Option<String>,
    #[prost(int32, optional, tag = "7")]
    duration: Option<i32>,
    #[prost(int32, optional, tag = "8")]
    period: Option<i32>,
    #[prost(int64, optional, tag = "9")]
    count: Option<i64>,
    #[prost(int64, optional, tag = "10")]
    date: Option<i64>,
    #[prost(message, optional, tag = "11")]
    payment: Option<PaymentRecord>,
    #[prost(int64, optional, tag = "12")]
    photo: Option<i64>,
    #[prost(int64, optional, tag = "13")]
    icon: Option<i64>,
    #[prost(string, optional, tag = "14")]
    slug: Option<String>,
    #[prost(string, repeated, tag = "15")]
    states: Vec<String>,
    #[prost(int32, repeated, tag = "16")]
    completed: Vec<i32>,
    #[prost(int32, repeated, tag = "17")]
    reopened: Vec<i32>,
}

impl ServiceRecord {
    pub(super) fn of(s: &Service) -> Self {
        Self {
            action: s.action.clone(),
            title: s.title.clone(),
            users: s.users.iter().map(|p| p.0).collect(),
            message: s.message.map(|i| i.0),
            migrated: s.migrated.map(|p| p.0),
            text: s.text.clone(),
            duration: s.duration,
            period: s.period,
            count: s.count,
            date: s.date.map(|d| d.0),
            payment: s.payment.as_ref().map(PaymentRecord::of),
            photo: s.photo,
            icon: s.icon,
            slug: s.slug.clone(),
            states: s.states.clone(),
            completed: s.completed.clone(),
            reopened: s.reopened.clone(),
        }
    }

    pub(super) fn into_service(self) -> Service {
        Service {
            action: self.action,
            title: self.title,
            users: self.users.into_iter().map(PeerId).collect(),
            message: self.message.map(MessageId),
            migrated: self.migrated.map(PeerId),
            text: self.text,
            duration: self.duration,
            period: self.period,
            count: self.count,
            date: self.date.map(Timestamp),
            payment: self.payment.map(PaymentRecord::into_payment),
            photo: self.photo,
            icon: self.icon,
            slug: self.slug,
            states: self.states,
            completed: self.completed,
            reopened: self.reopened,
        }
    }
}
