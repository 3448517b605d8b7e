//! Facets and the date histogram of a search, as they are answered.

use std::collections::BTreeSet;

use chrono::{DateTime, SecondsFormat};

use crate::model::PeerId;
use crate::schedule::Zone;
use crate::search::{Facet, FacetField, FacetRequest, FacetValue, Facets, Histogram};
use crate::views::{BucketView, FacetKeyView, FacetValueView, FacetView, FacetsView, HistogramView};

/// What was counted; the peers among it are added to those that are mentioned.
pub(super) fn views(
    request: &FacetRequest,
    found: &Facets,
    mentioned: &mut BTreeSet<PeerId>,
) -> (Option<FacetsView>, Option<HistogramView>) {
    let mut views = FacetsView::default();
    for (field, facet) in &found.facets {
        let view = Some(facet_view(facet, mentioned));
        match field {
            FacetField::Peer => views.peer = view,
            FacetField::Sender => views.sender = view,
            FacetField::Kind => views.kind = view,
            FacetField::Lang => views.lang = view,
            FacetField::Host => views.host = view,
            FacetField::Hashtag => views.hashtag = view,
        }
    }
    let asked = request.histogram.as_ref().zip(found.histogram.as_ref());
    let histogram = asked.map(|((interval, zone), histogram)| histogram_view(interval.as_str(), zone, histogram));
    (Some(views).filter(|_| !found.facets.is_empty()), histogram)
}

fn facet_view(facet: &Facet, mentioned: &mut BTreeSet<PeerId>) -> FacetView {
    let mut value = |(value, count): &(FacetValue, u64)| {
        let value = match value {
            FacetValue::Id(id) => {
                mentioned.insert(PeerId(*id));
                FacetKeyView::Id(*id)
            }
            FacetValue::Text(text) => FacetKeyView::Text(text.to_string()),
        };
        FacetValueView { value, count: *count }
    };
    let values = facet.values.iter().map(&mut value).collect();
    FacetView { values, other: facet.other, without: facet.without, exact: facet.is_exact }
}

fn histogram_view(interval: &str, zone: &Zone, histogram: &Histogram) -> HistogramView {
    let shown = |at: i64| {
        let at = DateTime::from_timestamp(at, 0).unwrap_or_default();
        zone.local(at).to_rfc3339_opts(SecondsFormat::Secs, true)
    };
    HistogramView {
        interval: interval.to_owned(),
        timezone: zone.name().to_owned(),
        buckets: histogram.buckets.iter().map(|(from, count)| BucketView { from: shown(*from), count: *count }).collect(),
        end: histogram.end.map(shown),
        exact: histogram.is_exact,
    }
}
