//! Rules about files and running downloads, as they are shown.

use crate::config::Span;
use crate::media::{Action, DownloadRule, Explanation, RuleStep, RunningDownload, Verdict};
use crate::views::{DownloadView, FileRuleView, JobPeersView, RuleStepView, RulesSaidView};

/// A rule.
pub(super) fn rule(rule: &DownloadRule) -> FileRuleView {
    let action = match rule.action {
        Action::Download => "download",
        Action::OnDemand => "on-demand",
        Action::Skip => "skip",
    };
    FileRuleView {
        name: rule.name.clone(),
        peers: JobPeersView::of(&rule.peers.only, &rule.peers.except),
        kinds: rule.kinds.iter().map(|kind| kind.name().to_owned()).collect(),
        places: rule.places.iter().map(|place| place.name().to_owned()).collect(),
        size_max: rule.size_max,
        age_max: rule.age_max.map(|age| Span::new(age).to_string()),
        action: action.into(),
    }
}

/// What the rules say of a file at a place.
pub(super) fn said(Explanation { steps, verdict }: Explanation) -> RulesSaidView {
    let (verdict, wanted) = match verdict {
        Verdict::Wanted { rule } => (format!("rule `{rule}`: wanted"), true),
        Verdict::Skipped { why } => (why, false),
    };
    let step = |RuleStep { rule, passed_over }| RuleStepView { rule, passed_over };
    RulesSaidView { steps: steps.into_iter().map(step).collect(), verdict, wanted }
}

/// A download that runs.
pub(super) fn download(running: &RunningDownload) -> DownloadView {
    DownloadView {
        file: running.file.to_string(),
        account: running.account.map(|account| account.to_string()),
        done: running.done,
        size: running.size,
        bytes_per_second: running.rate,
    }
}
