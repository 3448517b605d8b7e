//! Trying a query against the past: how often it would have matched what was archived last, without the index.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::running::earlier_versions;
use crate::archive::{Snapshot, StoredMessage};
use crate::model::{ChangeKind, MessageKey, Seq, Timestamp};
use crate::search::{Matcher, PeerNames, QuerySet, SearchError, SearchQuery};

/// How many messages are looked at unless another number is given: a few seconds of one processor.
pub const TRIAL_MESSAGES: u64 = 50_000;
/// How many changes are read at once.
const BATCH: u64 = 1_000;
/// How many days are told one by one; what is older is summed up.
const DAYS_MAX: usize = 31;
/// How many of the messages that match are shown.
const SHOWN_MAX: usize = 10;
/// Seconds of a day.
const DAY: i64 = 86_400;

/// What came of a trial.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trial {
    /// How many messages were looked at: those that were archived last.
    pub examined: u64,
    /// How many of them match.
    pub matched: u64,
    /// Whether the time was up before as many were looked at as was asked for.
    pub is_cut_short: bool,
    /// By the day (UTC) when they were posted, the newest first.
    pub days: Vec<TrialDay>,
    /// Of the days before, together.
    pub earlier: TrialDay,
    /// The newest that match, the last one archived first; not those that are marked deleted.
    pub newest: Vec<StoredMessage>,
}

/// What a trial found of a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrialDay {
    /// When it began; of several days, when the last one did.
    pub day: Timestamp,
    /// How many messages of it were looked at.
    pub examined: u64,
    /// How many of them match.
    pub matched: u64,
}

/// Runs a query against the messages that were archived last, as they are now: so many at most, and no longer than that. Blocks.
///
/// # Errors
/// When the query names an unknown peer, or the archive cannot be read.
pub fn try_query(archive: &Snapshot, query: &SearchQuery, messages: u64, limit: Duration) -> Result<Trial, SearchError> {
    let (names, set) = (PeerNames::of(archive.view()), QuerySet::new([query]));
    query.check_names(&names)?;
    let (mut matcher, end) = (Matcher::new(&set), Instant::now() + limit);
    let (mut trial, mut days) = (Trial::default(), BTreeMap::<i64, TrialDay>::new());
    let mut before = archive.last_seq().0;
    while before > 0 && trial.examined < messages {
        if Instant::now() >= end {
            trial.is_cut_short = true;
            break;
        }
        let after = before.saturating_sub(BATCH);
        let changes = archive.view().changes(Seq(after), usize::try_from(before - after).unwrap_or(usize::MAX))?;
        let of_new = changes.iter().rev().filter_map(|change| match change.kind {
            ChangeKind::MessageNew { key } if change.seq.0 <= before => Some(key),
            _ => None,
        });
        let left = usize::try_from(messages - trial.examined).unwrap_or(usize::MAX);
        let keys: Vec<MessageKey> = of_new.take(left).collect();
        for stored in archive.view().messages_by_key(&keys)?.into_iter().flatten() {
            let is_deleted = stored.deleted_at.is_some();
            let stored = StoredMessage { deleted_at: None, ..stored };
            let earlier = if set.asks_for_earlier() { earlier_versions(archive.view(), &stored)? } else { Vec::new() };
            let is_match = !matcher.matching(&stored, &earlier, &names)?.is_empty();
            let day = stored.message.date.0.div_euclid(DAY);
            let of_day = days.entry(day).or_insert_with(|| TrialDay { day: Timestamp(day * DAY), ..TrialDay::default() });
            of_day.examined += 1;
            of_day.matched += u64::from(is_match);
            trial.examined += 1;
            trial.matched += u64::from(is_match);
            if is_match && !is_deleted && trial.newest.len() < SHOWN_MAX {
                trial.newest.push(stored);
            }
        }
        before = after;
    }
    let mut newest_first = days.into_values().rev();
    trial.days = newest_first.by_ref().take(DAYS_MAX).collect();
    for day in newest_first {
        let TrialDay { day: last, examined, matched } = &mut trial.earlier;
        *last = day.day.max(*last);
        *examined += day.examined;
        *matched += day.matched;
    }
    Ok(trial)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::{Archive, Durability, Raw};
    use crate::model::{Message, MessageId, PeerId};

    #[test]
    fn a_trial_looks_at_what_was_archived_last_day_by_day() {
        let folder = tempfile::tempdir().unwrap();
        let archive = Archive::open(&folder.path().join("archive"), Durability::Os).unwrap();
        for id in 0..100 {
            let mut write = archive.write(Timestamp(1));
            for part in 0..30 {
                let key = MessageKey::new(PeerId::channel(1), MessageId(id * 30 + part + 1));
                let text = if id % 10 == 0 && part == 0 { "книгами" } else { "ничего" };
                let message = Message { text: text.to_owned(), ..Message::new(key, Timestamp(i64::from(id) * DAY + 7)) };
                write.message(message, Raw::default(), 0);
            }
            write.commit().unwrap();
        }
        let (snapshot, limit) = (archive.snapshot(), Duration::from_mins(5));
        let query = SearchQuery::parse("книга").unwrap();
        let all = try_query(&snapshot, &query, 10_000, limit).unwrap();
        assert_eq!((all.examined, all.matched, all.is_cut_short), (3_000, 10, false));
        assert_eq!((all.days.len(), all.newest.len()), (31, 10));
        assert_eq!(all.days[0], TrialDay { day: Timestamp(99 * DAY), examined: 30, matched: 0 });
        assert_eq!(all.days[9], TrialDay { day: Timestamp(90 * DAY), examined: 30, matched: 1 });
        assert_eq!(all.earlier, TrialDay { day: Timestamp(68 * DAY), examined: 69 * 30, matched: 7 });
        let newest: Vec<i32> = all.newest.iter().map(|stored| stored.message.key.id.0).collect();
        assert_eq!(newest[..2], [90 * 30 + 1, 80 * 30 + 1]);
        let some = try_query(&snapshot, &query, 301, limit).unwrap();
        assert_eq!((some.examined, some.matched), (301, 1));
        let none = try_query(&snapshot, &query, 301, Duration::ZERO).unwrap();
        assert_eq!((none.examined, none.is_cut_short), (0, true));
    }
}
