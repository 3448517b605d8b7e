//! What service messages report of money, gifts and giveaways.

use grammers_tl_types::enums;

use crate::model::{MessageId, Payment, Service};
use crate::parse::media::STARS;
use crate::parse::{non_empty, peer_id, plain, timestamp};

use super::states;

/// The members of the actions that are about money; none of any other.
pub(super) fn members(tl: &enums::MessageAction) -> Service {
    use enums::MessageAction as A;
    let of = Service::default();
    match tl {
        A::PaymentSentMe(a) => Service { payment: paid(&a.currency, a.total_amount), ..of },
        A::PaymentSent(a) => Service { payment: paid(&a.currency, a.total_amount), slug: a.invoice_slug.clone(), ..of },
        A::PaymentRefunded(a) => Service { payment: paid(&a.currency, a.total_amount), users: vec![peer_id(&a.peer)], ..of },
        A::GiftPremium(a) => Service {
            payment: paid(&a.currency, a.amount),
            count: Some(a.days.into()),
            text: a.message.as_ref().and_then(words),
            ..of
        },
        A::GiftCode(a) => Service {
            payment: a.currency.as_ref().zip(a.amount).and_then(|(currency, amount)| paid(currency, amount)),
            count: Some(a.days.into()),
            slug: non_empty(&a.slug),
            users: a.boost_peer.iter().map(peer_id).collect(),
            text: a.message.as_ref().and_then(words),
            states: states(&[(a.via_giveaway, "via_giveaway"), (a.unclaimed, "unclaimed")]),
            ..of
        },
        A::GiftStars(a) => Service { payment: paid(&a.currency, a.amount), count: Some(a.stars), ..of },
        A::GiftTon(a) => Service { payment: paid(&a.currency, a.amount), ..of },
        A::GiveawayLaunch(a) => Service { count: a.stars, ..of },
        A::GiveawayResults(a) => Service { count: Some(a.winners_count.into()), ..of },
        A::PrizeStars(a) => Service {
            count: Some(a.stars),
            users: vec![peer_id(&a.boost_peer)],
            message: Some(MessageId(a.giveaway_msg_id)),
            states: states(&[(a.unclaimed, "unclaimed")]),
            ..of
        },
        A::StarGift(a) => Service {
            text: a.message.as_ref().and_then(words),
            users: a.from_id.iter().chain(&a.to_id).chain(&a.peer).map(peer_id).collect(),
            states: states(&[(a.converted, "converted"), (a.upgraded, "upgraded"), (a.refunded, "refunded")]),
            ..gift(&a.gift)
        },
        A::StarGiftUnique(a) => Service {
            text: a.message.as_ref().and_then(words),
            users: a.from_id.iter().chain(&a.peer).map(peer_id).collect(),
            states: states(&[(a.upgrade, "upgraded"), (a.transferred, "transferred"), (a.refunded, "refunded")]),
            ..gift(&a.gift)
        },
        A::StarGiftPurchaseOffer(a) => Service {
            payment: Some(amount(&a.price)),
            date: Some(timestamp(a.expires_at)),
            states: states(&[(a.accepted, "accepted"), (a.declined, "declined")]),
            ..gift(&a.gift)
        },
        A::StarGiftPurchaseOfferDeclined(a) => {
            Service { payment: Some(amount(&a.price)), states: states(&[(a.expired, "expired")]), ..gift(&a.gift) }
        }
        A::PaidMessagesRefunded(a) => Service { count: Some(a.count.into()), payment: paid(STARS, a.stars), ..of },
        A::PaidMessagesPrice(a) => Service { payment: paid(STARS, a.stars), ..of },
        A::SuggestedPostApproval(a) => Service {
            text: a.reject_comment.clone(),
            date: a.schedule_date.map(timestamp),
            payment: a.price.as_ref().map(amount),
            states: states(&[(a.rejected, "rejected"), (a.balance_too_low, "balance_too_low")]),
            ..of
        },
        A::SuggestedPostSuccess(a) => Service { payment: Some(amount(&a.price)), ..of },
        A::GramTransfer(a) => Service { text: a.comment.clone(), ..of },
        _ => of,
    }
}

fn paid(currency: &str, amount: i64) -> Option<Payment> {
    Some(Payment { currency: currency.to_owned(), amount })
}

fn amount(tl: &enums::StarsAmount) -> Payment {
    match tl {
        enums::StarsAmount::Amount(a) => Payment { currency: STARS.to_owned(), amount: a.amount },
        enums::StarsAmount::StarsTonAmount(a) => Payment { currency: "TON".to_owned(), amount: a.amount },
    }
}

fn gift(tl: &enums::StarGift) -> Service {
    let of = Service::default();
    match tl {
        enums::StarGift::Gift(gift) => Service { title: gift.title.clone(), payment: paid(STARS, gift.stars), ..of },
        enums::StarGift::Unique(gift) => Service { title: non_empty(&gift.title), slug: non_empty(&gift.slug), ..of },
    }
}

fn words(tl: &enums::TextWithEntities) -> Option<String> {
    non_empty(&plain(tl))
}
