//! What the running program shows of itself in `/v1/status`.

use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use tokio::time::Instant;

use crate::accounts::{AccountState, AccountStatus, LostSession, Outage};
use crate::archive::Archive;
use crate::config::PUBLISH;
use crate::crawl::{Crawler, Progress};
use crate::http::{Operator as _, StatusSource};
use crate::lifecycle::{Lifecycle, WorkerStatus};
use crate::mirror::Mirror;
use crate::model::{AccountName, ChatId, Clock};
use crate::views::{AccountStatusView, CrawlView, FloodView, NoResponseView, OutputView, ProgramView, PublishView, WorkerView};

use super::backups::Backups;
use super::jobs::JobControl;
use super::mirror::mirror_view;
use super::{RunningOutput, open_files};

/// How many accounts without a response `/readyz` describes: they mostly have the same reason.
const OUTAGES_SHOWN: usize = 3;

/// The source of the status while the program runs.
pub(super) struct RunningProgram {
    pub(super) crawler: Arc<Crawler>,
    pub(super) archive: Arc<Archive>,
    pub(super) outputs: Vec<RunningOutput>,
    pub(super) lifecycle: Lifecycle,
    pub(super) job_control: Arc<JobControl>,
    pub(super) backups: Arc<Backups>,
    pub(super) mirror: Option<Arc<Mirror>>,
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
        let no_response = self.outage(account).map(|outage| self.no_response(&outage));
        let way_out = reason.clone().map(|name| LostSession { name, at: self.clock.now() }.way_out(&account.name));
        let flood = |(method, at): &(String, DateTime<Utc>)| FloodView { method: method.clone(), at: at.to_rfc3339() };
        AccountStatusView {
            name: account.name.to_string(),
            state: state.into(),
            reason: reason.or_else(|| no_response.as_ref().map(|no_response| no_response.why.clone())),
            way_out,
            requests: account.requests,
            requests_running: account.requests_running,
            downloads_running: account.downloads_running,
            rests_until: account.rests_until.map(|at| at.to_rfc3339()),
            parked_until: account.parked.iter().map(|(method, until)| (method.clone(), until.to_rfc3339())).collect(),
            interval_seconds: account.intervals.iter().map(|(method, least)| (method.clone(), least.as_secs_f64())).collect(),
            floods: account.floods,
            last_flood: account.last_flood.as_ref().map(flood),
            no_response,
        }
    }

    /// What is known of an account that is signed in and gets no response.
    fn outage(&self, account: &AccountStatus) -> Option<Outage> {
        self.crawler.outage(&account.name).filter(|_| account.state == AccountState::Ready)
    }

    /// The outages of all accounts that are signed in; `None` where one of them works, which is enough, or there is none.
    fn outages(&self) -> Option<Vec<(AccountName, Outage)>> {
        let accounts = self.crawler.accounts();
        let signed_in = accounts.iter().filter(|account| account.state == AccountState::Ready);
        let of = |account: &AccountStatus| Some((account.name, self.outage(account).filter(Outage::is_certain)?));
        signed_in.map(of).collect::<Option<Vec<_>>>().filter(|outages| !outages.is_empty())
    }

    fn no_response(&self, outage: &Outage) -> NoResponseView {
        let (shown, now) = (self.clock.now(), Instant::now());
        let text = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
        NoResponseView {
            since: text(shown - (now - outage.since)),
            method: outage.method.clone(),
            why: outage.why.clone(),
            next_try: text(shown + outage.next_try.saturating_duration_since(now)),
            attempts: outage.attempts,
        }
    }

    fn crawl(&self) -> CrawlView {
        let (units_waiting, units_running) = self.crawler.backlog();
        let unknown = self.crawler.not_understood().into_iter().map(|(name, count)| (name.to_owned(), count));
        let crawl = CrawlView {
            units_waiting: units_waiting as u64,
            units_running: units_running as u64,
            unknown_constructors: unknown.collect(),
            ..CrawlView::default()
        };
        let progress = Progress::of(&self.archive);
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

    /// When a moment of this process is, by the clock.
    fn time_of(&self, moment: Instant) -> String {
        let at = self.clock.now() + moment.saturating_duration_since(Instant::now());
        at.to_rfc3339_opts(SecondsFormat::Secs, true)
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
            next_try: report.next_try.map(|at| self.time_of(at)),
            refused_event: report.refused_event,
            dead_letters: report.dead_letters,
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
            mirror: self.mirror.as_deref().map(mirror_view),
            workers: Some(self.workers()),
            open_files: open_files::view(),
        }
    }

    fn unready(&self) -> Option<String> {
        let accounts = self.crawler.accounts();
        let nobody = accounts.iter().all(|a| a.state != AccountState::Ready);
        if nobody {
            return Some("no account is signed in".to_owned());
        }
        self.outages().map(|_| "no account gets a response from Telegram".to_owned())
    }

    fn unready_detail(&self) -> Option<String> {
        let outages = self.outages()?;
        let told = outages.iter().take(OUTAGES_SHOWN).map(|(account, outage)| {
            let NoResponseView { since, method, why, next_try, .. } = self.no_response(outage);
            format!("{account}: {method} to {why}, since {since}, next try at {next_try}")
        });
        let more = outages.len().saturating_sub(OUTAGES_SHOWN);
        let more = (more > 0).then(|| format!("and {more} more"));
        Some(told.chain(more).collect::<Vec<_>>().join("; "))
    }

    fn hindrance(&self, chat: ChatId) -> Option<String> {
        self.crawler.hindrance(chat)
    }
}
