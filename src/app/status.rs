//! What the running program shows of itself in `/v1/status`.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::jobs::JobControl;

use crate::accounts::{AccountState, LostSession};
use crate::archive::Archive;
use crate::crawl::{Crawler, Progress};
use crate::http::{Operator as _, StatusSource};
use crate::lifecycle::Lifecycle;
use crate::model::{Clock, PeerId};
use crate::publish;

/// The source of the status while the program runs.
pub(super) struct RunningProgram {
    pub(super) crawler: Arc<Crawler>,
    pub(super) archive: Arc<Archive>,
    pub(super) publishing: Option<Arc<publish::Status>>,
    pub(super) lifecycle: Lifecycle,
    pub(super) job_control: Arc<JobControl>,
    pub(super) clock: Arc<dyn Clock>,
}

impl RunningProgram {
    fn accounts(&self) -> Value {
        let account = |a: &crate::accounts::AccountStatus| {
            let parked: Map<String, Value> =
                a.parked.iter().map(|(method, until)| (method.clone(), until.to_rfc3339().into())).collect();
            let (state, why) = match &a.state {
                AccountState::Ready => ("ready", Value::Null),
                AccountState::SignedOut(why) => ("signed_out", why.as_str().into()),
                AccountState::Banned(why) => ("banned", why.as_str().into()),
                AccountState::Duplicated(why) => ("duplicated", why.as_str().into()),
            };
            let way_out = why.as_str().map(|name| {
                let lost = LostSession { name: name.to_owned(), at: self.clock.now() };
                lost.way_out(&a.name)
            });
            let intervals: Map<String, Value> =
                a.intervals.iter().map(|(method, interval)| (method.clone(), interval.as_secs_f64().into())).collect();
            let last_flood = a.last_flood.as_ref().map(|(method, at)| json!({ "method": method, "at": at.to_rfc3339() }));
            json!({
                "name": a.name.as_str(), "state": state, "reason": why, "way_out": way_out, "requests": a.requests,
                "requests_running": a.requests_running, "downloads_running": a.downloads_running,
                "rests_until": a.rests_until.map(|at| at.to_rfc3339()), "parked_until": parked,
                "interval_seconds": intervals, "floods": a.floods, "last_flood": last_flood,
            })
        };
        self.crawler.accounts().iter().map(account).collect()
    }

    fn crawl(&self) -> Value {
        let (waiting, working) = self.crawler.backlog();
        let mut crawl =
            json!({ "units_waiting": waiting, "units_running": working, "not_understood": self.crawler.not_understood() });
        if let (Ok(p), Some(members)) = (Progress::of(&self.archive), crawl.as_object_mut()) {
            let counts = [
                ("peers", p.peers),
                ("peers_complete", p.peers_complete),
                ("peers_unavailable", p.peers_unavailable),
                ("messages", p.messages),
                ("ids_read", p.ids_read),
                ("ids_missing", p.ids_missing),
                ("ids_recheck", p.ids_recheck),
                ("deletions_held", p.deletions_held),
            ];
            members.extend(counts.map(|(name, count)| (name.to_owned(), count.into())));
        }
        crawl
    }

    fn workers(&self) -> Value {
        let worker = |(name, w): (&String, &crate::lifecycle::WorkerStatus)| json!({ "name": name, "steps": w.steps, "failures": w.failures, "failing": w.failing, "stopped": w.stopped });
        self.lifecycle.workers().iter().map(worker).collect()
    }
}

impl StatusSource for RunningProgram {
    fn status(&self) -> Map<String, Value> {
        let publishing = self.publishing.as_ref().map(|status| status.report(self.archive.last_seq()));
        [
            ("running".to_owned(), true.into()),
            ("crawl".to_owned(), self.crawl()),
            ("accounts".to_owned(), self.accounts()),
            ("jobs".to_owned(), serde_json::to_value(self.job_control.jobs()).unwrap_or_default()),
            ("publish".to_owned(), serde_json::to_value(publishing).unwrap_or_default()),
            ("workers".to_owned(), self.workers()),
        ]
        .into_iter()
        .collect()
    }

    fn unready(&self) -> Option<String> {
        let accounts = self.crawler.accounts();
        let nobody = accounts.iter().all(|a| a.state != AccountState::Ready);
        nobody.then(|| "no account is signed in".to_owned())
    }

    fn hindrance(&self, peer: PeerId) -> Option<String> {
        self.crawler.hindrance(peer)
    }
}
