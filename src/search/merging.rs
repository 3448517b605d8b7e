//! Which segments of the index are merged: few enough for searches to be quick, small enough for a merge to be bounded.
//!
//! Tantivy's own policy merges segments of one size, up to ten million messages each, so that one merge may write an index of eighty million anew, with as much
//! memory for their order (eight bytes a message) and as much free disk; and what is deleted in a segment above ten million stays in it for ever. Here a merge writes no
//! more than eight million, and each segment loses its deleted messages by itself when they are many. A hundred million messages that a crawl commits are written
//! three times in all, and end in some thirty segments (by a test that merges numbers).

use std::collections::HashSet;

use tantivy::index::{SegmentId, SegmentMeta};
use tantivy::merge_policy::{LogMergePolicy, MergeCandidate, MergePolicy};

/// How many messages a merge writes at most: some 500 MB on the disk meanwhile, 64 MB of memory for their order.
const MERGED_MAX: u32 = 8 << 20;
/// Segments of one size that are merged, when there are so many.
const SEGMENTS_MIN: usize = 8;
/// Share of deleted documents at which a segment is rewritten.
const DELETED_SHARE_MAX: f64 = 0.3;

/// The merge policy of the index.
#[derive(Clone, Debug)]
pub(super) struct BoundedMerges {
    by_size: LogMergePolicy,
    merged_max: u32,
}

impl BoundedMerges {
    fn up_to(merged_max: u32) -> Self {
        let mut by_size = LogMergePolicy::default();
        by_size.set_min_num_segments(SEGMENTS_MIN);
        // Two that are smaller than that can be merged.
        by_size.set_max_docs_before_merge((merged_max / 2) as usize);
        Self { by_size, merged_max }
    }

    /// The segments of a candidate that may be merged at once, the smallest first; none where that is only one.
    fn bounded(&self, candidate: &MergeCandidate, segments: &[SegmentMeta]) -> Option<MergeCandidate> {
        let mut chosen: Vec<&SegmentMeta> = segments.iter().filter(|segment| candidate.0.contains(&segment.id())).collect();
        chosen.sort_by_key(|segment| segment.num_docs());
        let mut documents = 0_u32;
        let fits = |segment: &&&SegmentMeta| {
            documents = documents.saturating_add(segment.num_docs());
            documents <= self.merged_max
        };
        let ids: Vec<SegmentId> = chosen.iter().take_while(fits).map(|segment| segment.id()).collect();
        (ids.len() > 1).then_some(MergeCandidate(ids))
    }
}

impl Default for BoundedMerges {
    fn default() -> Self {
        Self::up_to(MERGED_MAX)
    }
}

impl MergePolicy for BoundedMerges {
    fn compute_merge_candidates(&self, segments: &[SegmentMeta]) -> Vec<MergeCandidate> {
        let candidates = self.by_size.compute_merge_candidates(segments);
        let mut candidates: Vec<MergeCandidate> = candidates.iter().filter_map(|of| self.bounded(of, segments)).collect();
        let taken: HashSet<SegmentId> = candidates.iter().flat_map(|candidate| candidate.0.iter().copied()).collect();
        let has_many_deleted =
            |segment: &&SegmentMeta| f64::from(segment.num_deleted_docs()) > f64::from(segment.max_doc()) * DELETED_SHARE_MAX;
        let alone = segments.iter().filter(|segment| !taken.contains(&segment.id())).filter(has_many_deleted);
        candidates.extend(alone.map(|segment| MergeCandidate(vec![segment.id()])));
        candidates
    }
}

#[cfg(test)]
mod tests {
    use tantivy::merge_policy::NoMergePolicy;
    use tantivy::{Index, TantivyDocument, Term};

    use super::super::schema::{schema, settings, tokenizers};
    use super::*;

    /// Segments of so many documents, of which so many are deleted.
    fn segments(sizes: &[(i64, i64)]) -> Vec<SegmentMeta> {
        let (schema, fields) = schema();
        let mut index = Index::builder().schema(schema).settings(settings()).create_in_ram().expect("an index");
        index.set_tokenizers(tokenizers());
        let mut writer = index.writer_with_num_threads(1, 15_000_000).expect("a writer");
        writer.set_merge_policy(Box::new(NoMergePolicy));
        for (size, deleted) in sizes {
            for id in 0..*size {
                let mut document = TantivyDocument::new();
                document.add_i64(fields.date, id);
                document.add_i64(fields.peer, i64::from(id < *deleted));
                writer.add_document(document).expect("added");
            }
            writer.commit().expect("a commit");
        }
        writer.delete_term(Term::from_field_i64(fields.peer, 1));
        writer.commit().expect("a commit");
        index.searchable_segment_metas().expect("segments")
    }

    /// How many documents the segments of each candidate have.
    fn merged(policy: &BoundedMerges, segments: &[SegmentMeta]) -> Vec<Vec<u32>> {
        let size = |id: &SegmentId| segments.iter().find(|segment| segment.id() == *id).expect("a segment").num_docs();
        let mut all: Vec<Vec<u32>> =
            policy.compute_merge_candidates(segments).iter().map(|candidate| candidate.0.iter().map(size).collect()).collect();
        all.sort();
        all
    }

    #[test]
    fn no_merge_writes_more_than_its_bound() {
        let policy = BoundedMerges::up_to(80);
        assert_eq!(merged(&policy, &segments(&[(10, 0); 8])), [vec![10; 8]]);
        assert_eq!(merged(&policy, &segments(&[(10, 0); 12])), [vec![10; 8]], "the others later");
        assert_eq!(merged(&policy, &segments(&[(11, 0); 12])), [vec![11; 7]], "more would be too many");
        assert!(merged(&policy, &segments(&[(41, 0); 12])).is_empty(), "they are large enough to stay");
        assert!(merged(&policy, &segments(&[(10, 0); 7])).is_empty(), "too few");
    }

    /// The segments that commits of these sizes leave, and how many messages were written, by commits and merges together.
    fn left_by(policy: &BoundedMerges, commits: impl Iterator<Item = u32>) -> (Vec<u32>, u64) {
        let index = Index::create_in_ram(schema().0);
        let (mut segments, mut written) = (Vec::new(), 0);
        for commit in commits {
            segments.push(index.new_segment_meta(SegmentId::generate_random(), commit));
            written += u64::from(commit);
            loop {
                let candidates = policy.compute_merge_candidates(&segments);
                if candidates.is_empty() {
                    break;
                }
                for MergeCandidate(ids) in candidates {
                    let merged = segments.extract_if(.., |segment| ids.contains(&segment.id())).map(|of| of.num_docs()).sum();
                    assert!(merged <= policy.merged_max, "{merged}");
                    segments.push(index.new_segment_meta(SegmentId::generate_random(), merged));
                    written += u64::from(merged);
                }
            }
        }
        (segments.iter().map(SegmentMeta::num_docs).collect(), written)
    }

    #[test]
    fn a_hundred_million_messages_stay_in_some_tens_of_segments() {
        const MESSAGES: u32 = 100_000_000;
        // As a crawl commits them, and, for less time, as new ones come in: those are written often, while there are few in a segment.
        for (commit, messages, times_max) in [(200_000, MESSAGES, 4.0), (37, MESSAGES / 1_000, 30.0)] {
            let sizes = (0..messages / commit).map(|number| commit / 2 + number.wrapping_mul(2_654_435_761) % commit);
            let (segments, written) = left_by(&BoundedMerges::default(), sizes);
            let all: u64 = segments.iter().map(|size| u64::from(*size)).sum();
            let times = written as f64 / all as f64;
            assert!(
                segments.len() <= 40 && times < times_max,
                "{commit}: {} segments, written {times:.1} times, {segments:?}",
                segments.len()
            );
        }
    }

    #[test]
    fn a_segment_of_any_size_loses_what_was_deleted() {
        let policy = BoundedMerges::up_to(80);
        assert_eq!(merged(&policy, &segments(&[(200, 61), (200, 60), (5, 2), (5, 1)])), [vec![3], vec![139]]);
    }
}
