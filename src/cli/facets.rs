//! What `telescribe search` counts over all hits: facets and the date histogram, as people read them.

use super::output::{Out, one_line};
use super::peers::name;
use crate::views::{FacetKeyView, FacetView, HistogramView, HitsPage};

/// Characters of the longest bar of a histogram.
const BAR: u64 = 40;

/// What is counted over all hits, not only those that are shown.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct FacetArgs {
    /// Count all hits by: peer, sender, kind, lang, host, hashtag
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', conflicts_with = "group")]
    pub facets: Vec<String>,
    /// Maximum number of values of each [default: 10]
    #[arg(long, value_name = "COUNT", requires = "facets")]
    pub facet_limit: Option<usize>,
    /// Count all hits by time: hour, day, week, month, quarter, year, or a number with s, m, h or d such as 6h
    #[arg(long, value_name = "INTERVAL", conflicts_with = "group")]
    pub histogram: Option<String>,
    /// Whose clock the histogram goes by, such as Europe/Berlin [default: UTC]
    #[arg(long, value_name = "ZONE", requires = "histogram")]
    pub timezone: Option<String>,
}

impl FacetArgs {
    /// Whether anything is to be counted.
    pub(super) fn is_any(&self) -> bool {
        !self.facets.is_empty() || self.histogram.is_some()
    }

    /// The names as one parameter.
    pub(super) fn names(&self) -> Option<String> {
        (!self.facets.is_empty()).then(|| self.facets.join(","))
    }
}

/// Writes what a page says of all hits.
pub(super) fn for_people(page: &HitsPage, out: &mut Out) -> std::io::Result<()> {
    if let Some(facets) = &page.facets {
        let all = [
            ("PEER", &facets.peer),
            ("SENDER", &facets.sender),
            ("KIND", &facets.kind),
            ("LANG", &facets.lang),
            ("HOST", &facets.host),
            ("HASHTAG", &facets.hashtag),
        ];
        for (head, facet) in all {
            if let Some(facet) = facet {
                write_facet(head, facet, page, out)?;
            }
        }
    }
    page.histogram.as_ref().map_or(Ok(()), |histogram| write_histogram(histogram, out))
}

fn at_least(exact: bool) -> &'static str {
    if exact { "" } else { " (at least)" }
}

fn write_facet(head: &str, facet: &FacetView, page: &HitsPage, out: &mut Out) -> std::io::Result<()> {
    let head = out.faint(&format!("{head}{}", at_least(facet.exact)));
    out.line(format_args!("\n{head}"))?;
    for value in &facet.values {
        let shown = match &value.value {
            FacetKeyView::Id(id) => format!("{}  {}", out.strong(&name(&page.peers, *id)), out.faint(&id.to_string())),
            FacetKeyView::Text(text) => out.strong(&one_line(text)),
        };
        out.line(format_args!("{:>9}  {shown}", value.count))?;
    }
    for (count, what) in [(facet.other, "other values"), (facet.without, "none")] {
        if count > 0 {
            let what = out.faint(&format!("({what})"));
            out.line(format_args!("{count:>9}  {what}"))?;
        }
    }
    Ok(())
}

fn write_histogram(histogram: &HistogramView, out: &mut Out) -> std::io::Result<()> {
    let HistogramView { interval, timezone, buckets, exact, .. } = histogram;
    let head = format!("{} ({}){}", interval.to_uppercase(), one_line(timezone), at_least(*exact));
    let head = out.faint(&one_line(&head));
    out.line(format_args!("\n{head}"))?;
    let most = buckets.iter().map(|bucket| bucket.count).max().unwrap_or_default().max(1);
    for bucket in buckets {
        let bar = "#".repeat(usize::try_from(u128::from(bucket.count) * u128::from(BAR) / u128::from(most)).unwrap_or_default());
        let line = format!("{}  {:>9}  {bar}", when(interval, timezone, &bucket.from), bucket.count);
        out.line(line.trim_end())?;
    }
    Ok(())
}

/// The beginning of a bucket, as exactly as its interval needs: by hours, a time may come twice, and only its offset tells which one it is.
fn when(interval: &str, timezone: &str, from: &str) -> String {
    let length = match interval {
        "year" => 4,
        "month" | "quarter" => 7,
        "day" | "week" => 10,
        days if days.ends_with('d') => 10,
        seconds if seconds.ends_with('s') => 19,
        _ => 16,
    };
    let shown = one_line(from.get(..length).unwrap_or(from)).replace('T', " ");
    match from.get(19..) {
        Some(offset) if length > 10 && timezone != "UTC" => format!("{shown} {}", one_line(&offset.replace('Z', "+00:00"))),
        _ => shown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_named_as_exactly_as_it_must_be() {
        let from = "2024-10-27T02:00:00+02:00";
        for (interval, shown) in [
            ("year", "2024"),
            ("quarter", "2024-10"),
            ("week", "2024-10-27"),
            ("10d", "2024-10-27"),
            ("hour", "2024-10-27 02:00 +02:00"),
            ("90s", "2024-10-27 02:00:00 +02:00"),
        ] {
            assert_eq!(when(interval, "Europe/Berlin", from), shown);
        }
        assert_eq!(when("6h", "UTC", "2024-10-27T06:00:00Z"), "2024-10-27 06:00");
        assert_eq!(when("hour", "Europe/London", "2024-12-27T06:00:00Z"), "2024-12-27 06:00 +00:00");
    }
}
