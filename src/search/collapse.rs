//! Collapsing: of hits that belong together only the first in the order is listed, with how many others there are.
//!
//! Hits are gone through in their order, from the first one on for every page. One joins the first group that it belongs to (greedy), or begins one,
//! which it stands for. So what the groups are is decided by the hits and their order alone, whatever segments and pages they are cut into, and a page
//! lists those groups whose first hit is behind the cursor.
//!
//! What comes in while somebody reads page by page: hits before the first hit of the first page are left out, so that a newer one does not
//! take a group over that was not listed yet. One that comes in between the two (a better match, an older message that is archived now) may.
//!
//! Memory is bounded by the number of hits: of more than [`COLLAPSED_MAX`] none are collapsed.

use std::collections::HashMap;
use std::sync::Arc;

use tantivy::query::{Bm25StatisticsProvider, EnableScoring, Query as _};
use tantivy::{DocId, DocSet as _, TERMINATED, TantivyError};

use super::collapse_kinds::{Collapse, CollapseBy, CollapsedHits};
use super::collect::{HitCheck, SortKey, rank_of, sort_key};
use super::columns::{Columns, OpenSegments};
use super::compile::Compiled;
use super::deadline::{Deadline, Steps};
use super::near_index::NearIndex;
use super::order::SortOrder;
use crate::model::MessageKey;

/// How many hits are collapsed: some dozen bytes each while the search runs, and those of the groups.
pub(super) const COLLAPSED_MAX: usize = 500_000;

/// Where the first page began: what comes before it came later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PageStart {
    pub(super) score: u32,
    pub(super) date: i64,
}

/// The collector of collapsed hits.
pub(super) struct CollapsedTopHits<'s> {
    pub(super) segments: &'s OpenSegments,
    pub(super) sort: SortOrder,
    pub(super) collapse: Collapse,
    /// Not the groups, but the hits of the group that this message is in.
    pub(super) group: Option<MessageKey>,
    /// How many.
    pub(super) count: usize,
    /// Only those after this sort key (keyset pagination).
    pub(super) after: Option<SortKey>,
    /// Where the first page began, on a later one.
    pub(super) start: Option<PageStart>,
    pub(super) deadline: Arc<Deadline>,
    /// Whether a hit is one, where the index cannot tell.
    pub(super) check: Option<&'s HitCheck<'s>>,
}

/// What was found.
pub(super) struct CollapsedFound {
    /// The first hits of groups, in order, each with the others; or the hits of one group.
    pub(super) listed: Vec<(SortKey, Option<CollapsedHits>)>,
    /// How many hits there are.
    pub(super) hits: u64,
    /// How many groups there are.
    pub(super) groups: u64,
    /// Where the first page began.
    pub(super) start: Option<PageStart>,
}

/// A hit, as small as it can be: what it is ordered by first, and where the rest is found.
#[derive(Clone, Copy)]
struct GatheredHit {
    score: u32,
    date: i64,
    segment: u32,
    doc: DocId,
}

impl CollapsedTopHits<'_> {
    /// Finds the groups of a page; `None` where there are too many hits.
    pub(super) fn find(
        &self,
        asked: &Compiled,
        statistics: &dyn Bm25StatisticsProvider,
    ) -> Result<Option<CollapsedFound>, TantivyError> {
        let readers = self.segments.searcher().segment_readers();
        let columns: Vec<Arc<Columns>> = readers.iter().map(|reader| self.segments.columns(reader)).collect::<Result<_, _>>()?;
        let Some(mut hits) = self.gather(asked, statistics, &columns)? else { return Ok(None) };
        if self.deadline.has_passed() {
            // Nothing of what comes next would be shown.
            hits.clear();
        }
        self.order(&mut hits, &columns);
        let start = self.start.or_else(|| hits.first().map(|hit| PageStart { score: hit.score, date: hit.date }));
        let mut groups = Groups::new();
        let mut steps = Steps::until(&self.deadline);
        let mut members = Vec::new();
        let mut wanted = None;
        for (number, hit) in (0..).zip(&hits) {
            if !steps.step() {
                break;
            }
            let columns = &columns[hit.segment as usize];
            let group = groups.assign(number, &self.facts(columns, hit.doc), &mut steps);
            if let Some(key) = self.group {
                members.push(group);
                if self.key_of(hit, columns).message_key(self.sort) == Some(key) {
                    wanted = Some(group);
                }
            }
        }
        let behind = |hit: &GatheredHit| {
            let key = self.key_of(hit, &columns[hit.segment as usize]);
            self.after.is_none_or(|after| key > after).then_some(key)
        };
        let (listed, found, count) = if self.group.is_some() {
            let of_group = hits.iter().zip(&members).filter(|(_, group)| Some(**group) == wanted).map(|(hit, _)| hit);
            let listed = of_group.clone().filter_map(|hit| Some((behind(hit)?, None))).take(self.count).collect();
            (listed, of_group.count() as u64, u64::from(wanted.is_some()))
        } else {
            let first = groups.all.iter().filter_map(|group| {
                let others = (group.others > 0).then(|| group.collapsed());
                Some((behind(hits.get(group.first as usize)?)?, others))
            });
            (first.take(self.count).collect(), hits.len() as u64, groups.all.len() as u64)
        };
        Ok(Some(CollapsedFound { listed, hits: found, groups: count, start }))
    }

    /// Every hit, in no order.
    fn gather(
        &self,
        asked: &Compiled,
        statistics: &dyn Bm25StatisticsProvider,
        columns: &[Arc<Columns>],
    ) -> Result<Option<Vec<GatheredHit>>, TantivyError> {
        let searcher = self.segments.searcher();
        let scoring = match self.sort {
            SortOrder::Relevance => EnableScoring::enabled_from_statistics_provider(statistics, searcher),
            SortOrder::Newest | SortOrder::Oldest | SortOrder::Views => EnableScoring::disabled_from_searcher(searcher),
        };
        let weight = asked.query.weight(scoring)?;
        let mut hits = Vec::new();
        for ((segment, reader), columns) in (0..).zip(searcher.segment_readers()).zip(columns) {
            let mut scorer = weight.scorer(reader, 1.0)?;
            let mut steps = Steps::until(&self.deadline);
            let mut doc = scorer.doc();
            while doc != TERMINATED && steps.step() {
                if !reader.is_deleted(doc) {
                    let date = columns.dates.get_val(doc);
                    let (score, date) = match self.sort {
                        SortOrder::Relevance => (!rank_of(scorer.score()), !date),
                        SortOrder::Views => (!columns.views_rank(doc), !date),
                        SortOrder::Newest => (0, !date),
                        SortOrder::Oldest => (0, date),
                    };
                    let is_later = self.start.is_some_and(|start| (score, date) < (start.score, start.date));
                    let hit = GatheredHit { score, date, segment, doc };
                    let passes = |check: &HitCheck<'_>| self.key_of(&hit, columns).message_key(self.sort).is_some_and(check);
                    if !is_later && self.check.is_none_or(passes) {
                        if hits.len() == COLLAPSED_MAX {
                            return Ok(None);
                        }
                        hits.push(hit);
                    }
                }
                doc = scorer.advance();
            }
        }
        Ok(Some(hits))
    }

    /// Puts hits in order; what decides between those of one second is read for these only.
    fn order(&self, hits: &mut [GatheredHit], columns: &[Arc<Columns>]) {
        hits.sort_unstable_by_key(|hit| (hit.score, hit.date));
        for equal in hits.chunk_by_mut(|one, other| (one.score, one.date) == (other.score, other.date)) {
            if equal.len() > 1 && !self.deadline.has_passed() {
                equal.sort_by_cached_key(|hit| self.key_of(hit, &columns[hit.segment as usize]));
            }
        }
    }

    fn key_of(&self, hit: &GatheredHit, columns: &Columns) -> SortKey {
        sort_key(columns, self.sort, !hit.score, hit.doc)
    }

    fn facts(&self, columns: &Columns, doc: DocId) -> Facts {
        let has = |kind| self.collapse.has(kind);
        Facts {
            album: if has(CollapseBy::Album) {
                columns.album(doc).map(|album| (columns.peers.get_val(doc), album))
            } else {
                None
            },
            origin: if has(CollapseBy::Source) { columns.origin(doc) } else { None },
            shape: if has(CollapseBy::Text) { columns.shape(doc) } else { None },
        }
    }
}

/// What a hit may have in common with others.
#[derive(Clone, Copy, Debug, Default)]
struct Facts {
    album: Option<(i64, i64)>,
    origin: Option<u64>,
    shape: Option<u64>,
}

struct Group {
    /// The number of the hit that stands for it.
    first: u32,
    others: u32,
    /// Bits of [`CollapseBy`].
    by: u8,
}

impl Group {
    fn collapsed(&self) -> CollapsedHits {
        CollapsedHits { count: self.others.into(), by: Collapse::of_bits(self.by).kinds().collect() }
    }
}

/// The groups so far, and what is known of their hits.
struct Groups {
    all: Vec<Group>,
    albums: HashMap<(i64, i64), u32>,
    origins: HashMap<u64, u32>,
    near: NearIndex,
    /// The group of each shape that was met: most of a wave are the very same.
    shapes: HashMap<u64, u32>,
}

impl Groups {
    fn new() -> Self {
        let (albums, origins, shapes) = (HashMap::new(), HashMap::new(), HashMap::new());
        Self { all: Vec::new(), albums, origins, near: NearIndex::new(), shapes }
    }

    /// Puts a hit into the first group that it belongs to, or into one of its own.
    fn assign(&mut self, number: u32, facts: &Facts, steps: &mut Steps) -> u32 {
        let by_album = facts.album.and_then(|album| self.albums.get(&album).copied());
        let by_source = facts.origin.and_then(|origin| self.origins.get(&origin).copied());
        let known = |shape: &u64| self.shapes.get(shape).copied();
        let by_text = facts.shape.and_then(|shape| known(&shape).or_else(|| self.near.first_near(shape, || steps.step())));
        let found = [by_album, by_source, by_text];
        let group = match found.into_iter().flatten().min() {
            Some(first) => {
                if let Some(group) = self.all.get_mut(first as usize) {
                    group.others += 1;
                    let kinds = CollapseBy::ALL.into_iter().zip(found).filter(|(_, found)| *found == Some(first));
                    kinds.for_each(|(kind, _)| group.by |= kind.bit());
                }
                first
            }
            None => {
                self.all.push(Group { first: number, others: 0, by: 0 });
                self.all.len() as u32 - 1
            }
        };
        if let Some(album) = facts.album {
            self.albums.entry(album).or_insert(group);
        }
        if let Some(origin) = facts.origin {
            self.origins.entry(origin).or_insert(group);
        }
        if let Some(shape) = facts.shape {
            // A text that is near one that is known stands for nothing itself, so that waves do not run into each other by small steps.
            if by_text.is_none() {
                self.near.add(shape, group);
            }
            self.shapes.entry(shape).or_insert(by_text.unwrap_or(group));
        }
        group
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use tantivy::query::AllQuery;

    use super::super::near::are_near;
    use super::super::test_index::segments_of;
    use super::*;

    /// A message of these facts: date, views, album, origin, and which shape with which cells changed.
    type Facet = (i64, i64, Option<i64>, Option<u64>, Option<(usize, Vec<u32>)>);

    const SHAPES: [u64; 2] = [0x0123_4567_89ab_cdef, 0xffff_0000_8888_1111];

    fn shape_of(facet: &Facet) -> Option<u64> {
        let (base, changed) = facet.4.as_ref()?;
        Some(changed.iter().fold(SHAPES[*base], |shape, cell| shape ^ 5 << (cell * 4)))
    }

    fn index(segments: &[Vec<Facet>], deleted: &[i64]) -> OpenSegments {
        segments_of(segments, deleted.iter().copied(), |facet, fields, document| {
            document.add_i64(fields.peer, -1_000_000_000_001);
            document.add_i64(fields.date, facet.0);
            document.add_i64(fields.views, facet.1);
            facet.2.iter().for_each(|album| document.add_i64(fields.album, *album));
            facet.3.iter().for_each(|origin| document.add_u64(fields.origin, *origin));
            shape_of(facet).iter().for_each(|shape| document.add_u64(fields.shape, *shape));
        })
    }

    /// The ids of each group, by comparing each message with all before it.
    fn by_comparing(messages: &[(i64, &Facet)], collapse: Collapse) -> Vec<Vec<i64>> {
        let mut groups: Vec<Vec<i64>> = Vec::new();
        let mut albums: Vec<(i64, usize)> = Vec::new();
        let mut origins: Vec<(u64, usize)> = Vec::new();
        // Those that stand for a group, and the group of each that was met.
        let mut near: Vec<(u64, usize)> = Vec::new();
        let mut met: Vec<(u64, usize)> = Vec::new();
        for (id, facet) in messages {
            let album = facet.2.filter(|_| collapse.has(CollapseBy::Album));
            let origin = facet.3.filter(|_| collapse.has(CollapseBy::Source));
            let shape = shape_of(facet).filter(|_| collapse.has(CollapseBy::Text));
            let by_album = albums.iter().find(|(known, _)| Some(*known) == album).map(|(_, group)| *group);
            let by_origin = origins.iter().find(|(known, _)| Some(*known) == origin).map(|(_, group)| *group);
            let by_text = shape.and_then(|shape| {
                let same = met.iter().find(|(known, _)| *known == shape).map(|(_, group)| *group);
                same.or_else(|| near.iter().filter(|(known, _)| are_near(*known, shape)).map(|(_, group)| *group).min())
            });
            let group = [by_album, by_origin, by_text].into_iter().flatten().min().unwrap_or_else(|| {
                groups.push(Vec::new());
                groups.len() - 1
            });
            groups[group].push(*id);
            albums.extend(album.map(|album| (album, group)));
            origins.extend(origin.map(|origin| (origin, group)));
            if let Some(shape) = shape {
                if by_text.is_none() {
                    near.push((shape, group));
                }
                met.push((shape, by_text.unwrap_or(group)));
            }
        }
        groups
    }

    fn collector(segments: &OpenSegments, sort: SortOrder, collapse: Collapse, count: usize) -> CollapsedTopHits<'_> {
        let deadline = Deadline::after(Duration::from_mins(5));
        CollapsedTopHits { segments, sort, collapse, group: None, count, after: None, start: None, deadline, check: None }
    }

    fn found(of: &CollapsedTopHits<'_>) -> CollapsedFound {
        let asked = Compiled { query: Box::new(AllQuery), words: None };
        of.find(&asked, of.segments.searcher()).expect("read").expect("few hits")
    }

    fn id(key: &SortKey, sort: SortOrder) -> i64 {
        i64::from(key.message_key(sort).expect("a key").id.0)
    }

    fn facet() -> impl Strategy<Value = Facet> {
        let shape = prop::option::of((0_usize..2, prop::collection::vec(0_u32..16, 0..7)));
        (0_i64..12, 0_i64..4, prop::option::weighted(0.3, 0_i64..6), prop::option::weighted(0.3, 0_u64..6), shape)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]
        #[test]
        fn over_all_pages_each_group_is_listed_once_by_its_first_hit_with_the_number_of_the_others(
            segments in prop::collection::vec(prop::collection::vec(facet(), 1..40), 1..4),
            deleted in prop::collection::vec(1_i64..60, 0..12),
            count in 1_usize..9,
            kinds in 1_u8..8,
            sort in prop::sample::select(vec![SortOrder::Newest, SortOrder::Oldest, SortOrder::Views]),
        ) {
            let (open, collapse) = (index(&segments, &deleted), Collapse::of_bits(kinds));
            let all = segments.concat();
            let mut ordered: Vec<(i64, &Facet)> = (1..).zip(&all).filter(|(id, _)| !deleted.contains(id)).collect();
            ordered.sort_by_key(|(id, facet)| match sort {
                SortOrder::Oldest => (0, facet.0, *id),
                SortOrder::Views => (-facet.1, -facet.0, -*id),
                _ => (0, -facet.0, -*id),
            });
            let expected = by_comparing(&ordered, collapse);
            let mut of = collector(&open, sort, collapse, count);
            let mut listed = Vec::new();
            loop {
                let page = found(&of);
                prop_assert_eq!((page.hits, page.groups), (ordered.len() as u64, expected.len() as u64));
                prop_assert!(page.listed.len() == count || listed.len() + page.listed.len() == expected.len());
                listed.extend(page.listed.iter().map(|(key, others)| (id(key, sort), others.as_ref().map_or(0, |others| others.count))));
                (of.after, of.start) = (page.listed.last().map(|(key, _)| *key), page.start);
                if of.after.is_none() {
                    break;
                }
            }
            let first: Vec<(i64, u64)> = expected.iter().map(|ids| (ids[0], ids.len() as u64 - 1)).collect();
            prop_assert_eq!(listed, first);
            // What any of a group names is all of it.
            for ids in expected.iter().take(5) {
                let named = MessageKey::new(crate::model::PeerId(-1_000_000_000_001), crate::model::MessageId(ids[ids.len() / 2] as i32));
                let of = CollapsedTopHits { group: Some(named), ..collector(&open, sort, collapse, usize::MAX) };
                let found = found(&of);
                prop_assert_eq!((found.hits, found.groups), (ids.len() as u64, 1));
                prop_assert_eq!(&found.listed.iter().map(|(key, _)| id(key, sort)).collect::<Vec<_>>(), ids);
            }
        }
    }
}
