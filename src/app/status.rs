//! What the running program shows of itself in `/v1/status`.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::accounts::{AccountState, AccountStatus, LostSession};
use crate::archive::Archive;
use crate::config::PUBLISH;
use crate::crawl::{Crawler, Progress};
use crate::http::{Operator as _, StatusSource};
use crate::lifecycle::{Lifecycle, WorkerStatus};
use crate::model::{Clock, PeerId};
use crate::views::{AccountStatusView, CrawlView, FloodView, OutputView, ProgramView, PublishView, WorkerView};

use super::backups::Backups;
use super::jobs::JobControl;
use super::{RunningOutput, open_files};

/// The source of the status while the program runs.
pub(super) struct RunningProgram {
    pub(super) crawler: Arc<Crawler>,
    pub(super) archive: Arc<Archive>,
    pub(super) outputs: Vec<RunningOutput>,
    pub(super) lifecycle: Lifecycle,
    pub(super) job_control: Arc<JobControl>,
    pub(super) backups: Arc<Backups>,
    pub(super) clock: Arc<dyn Clock>,
}

impl RunningProgram {
    fn account(&self, account: &AccountStatus) -> AccountStatusView {
        let (state, reason) = match &account.state {
            AccountState::Ready => ("ready", None),
            AccountState::SignedOut(why) => ("signed_out", Some(why.clone())),
            AccountState::Banned(why) => ("banned", Some(why.clone())),
            AccountState::Duplicated(why) => ("duplicated", Some(why.clone())),
        };
        let way_out = reason.clone().map(|name| LostSession { name, at: self.clock.now() }.way_out(&account.name));
        let flood = |(method, at): &(String, DateTime<Utc>)| FloodView { method: method.clone(), at: at.to_rfc3339() };
        AccountStatusView {
            name: account.name.to_string(),
            state: state.into(),
            reason,
            way_out,
            requests: account.requests,
            requests_running: account.requests_running,
            downloads_running: account.downloads_running,
            rests_until: account.rests_until.map(|at| at.to_rfc3339()),
            parked_until: account.parked.iter().map(|(method, until)| (method.clone(), until.to_rfc3339())).collect(),
            interval_seconds: account.intervals.iter().map(|(method, least)| (method.clone(), least.as_secs_f64())).collect(),
            floods: account.floods,
            last_flood: account.last_flood.as_ref().map(flood),
        }
    }

    fn crawl(&self) -> CrawlView {
        let (units_waiting, units_running) = self.crawler.backlog();
        let not_understood = self.crawler.not_understood().into_iter().map(|(name, count)| (name.to_owned(), count)).collect();
        let crawl = CrawlView {
            units_waiting: units_waiting as u64,
            units_running: units_running as u64,
            not_understood,
            ..CrawlView::default()
        };
        let Ok(progress) = Progress::of(&self.archive) else { return crawl };
        CrawlView {
            peers: Some(progress.peers),
            peers_complete: Some(progress.peers_complete),
            peers_unavailable: Some(progress.peers_unavailable),
            messages: Some(progress.messages),
            ids_read: Some(progress.ids_read),
            ids_missing: Some(progress.ids_missing),
            ids_recheck: Some(progress.ids_recheck),
            deletions_held: Some(progress.deletions_held),
            ..crawl
        }
    }

    fn publish(&self, output: &RunningOutput) -> PublishView {
        let report = output.status.report(self.archive.last_seq());
        PublishView {
            state: report.state.as_str().into(),
            position: report.position,
            lag: report.lag,
            confirmed: report.confirmed,
            unroutable: report.unroutable,
            connections: report.connections,
            last_error: report.last_error,
        }
    }

    fn output(&self, output: &RunningOutput) -> OutputView {
        OutputView { name: output.name.clone(), kind: output.kind.into(), report: self.publish(output) }
    }

    fn workers(&self) -> Vec<WorkerView> {
        let worker = |(name, worker): (String, WorkerStatus)| WorkerView {
            name,
            steps: worker.steps,
            failures: worker.failures,
            failing: worker.failing.or(worker.trouble),
            stopped: worker.stopped,
        };
        self.lifecycle.workers().into_iter().map(worker).collect()
    }
}

impl StatusSource for RunningProgram {
    fn status(&self) -> ProgramView {
        ProgramView {
            running: true,
            crawl: Some(self.crawl()),
            accounts: Some(self.crawler.accounts().iter().map(|account| self.account(account)).collect()),
            jobs: Some(self.job_control.jobs()),
            publish: Some(self.outputs.iter().find(|output| output.name == PUBLISH).map(|output| self.publish(output))),
            outputs: Some(self.outputs.iter().map(|output| self.output(output)).collect()),
            backup: Some(self.backups.status()),
            workers: Some(self.workers()),
            open_files: open_files::view(),
        }
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
