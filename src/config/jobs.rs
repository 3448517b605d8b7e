//! The schedule of each job and its overrides: from what the operator writes to the runs that the scheduler starts.
//!
//! A peer belongs to the first override that matches it and sets the job; the job's own run takes the others.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::Span;
use crate::schedule::{Job, Missed, Plan, Run, Scope, Selector, UnknownZone, parse_cron};

/// The longest jitter: for a longer one, write another cron expression.
const JITTER_MAX: Span = Span::seconds(24 * 60 * 60);
/// Characters of an override's name.
const NAME_LENGTH_MAX: usize = 64;

/// When each job runs. A job that still runs is not started again, and `telescribe schedule` shows what comes next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct JobsConfig {
    /// Reads every account's complete list of dialogs: finds peers that were joined, left or renamed.
    #[serde(deserialize_with = "discover")]
    pub discover: JobConfig,
    /// Polls for new messages: one request per account when there are none.
    #[serde(deserialize_with = "catch_up")]
    pub catch_up: JobConfig,
    /// Reads history that is not archived yet: the message ids that coverage lacks.
    #[serde(deserialize_with = "backfill")]
    pub backfill: JobConfig,
    /// Reads recent messages again, to find edits and deletions that Telegram sent no update about.
    #[serde(deserialize_with = "recheck")]
    pub recheck: JobConfig,
    /// Reads member counts, and the view and forward counts of a channel's newest posts.
    #[serde(deserialize_with = "counters")]
    pub counters: JobConfig,
    /// Makes a backup of the archive, the clients' keys and the sealed sessions; asks Telegram nothing. Disabled until `target` is set.
    pub backup: BackupJobConfig,
    /// Other schedules for some peers. Of the overrides that set a job, the first whose selectors match a peer applies to it; what an override
    /// does not set is inherited from the job. Selectors are written as in crawl.allow. Instead of the line below:
    ///
    ///     [[jobs.overrides]]
    ///     name = "breaking news"
    ///     peers = ["@example_news", "title:*breaking*", "folder:Work"]
    ///     catch_up = { cron = "*/5 * * * * *", jitter = "0s" }
    ///     backfill = { enabled = false }
    pub overrides: Vec<OverrideConfig>,
}

/// When a job runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JobConfig {
    /// A cron expression with seconds: second, minute, hour, day of month, month, day of week (1 or SUN is Sunday, 7 or SAT is Saturday).
    /// A date must match both day fields.
    pub cron: String,
    /// The time zone of the expression, such as "Europe/Berlin".
    pub zone: String,
    /// Jitter: a run starts later by a varying amount, at most this, so that not all machines send requests in the same second. Whole
    /// seconds, at most a day; never reaches past the next run.
    pub jitter: Span,
    /// Runs that were missed because the program was stopped or the machine asleep: "once" makes up for all of them with one run as soon as
    /// possible, "skip" leaves them out.
    pub missed: MissedConfig,
    /// Whether the job runs on its schedule; `telescribe schedule run` starts it in any case.
    pub enabled: bool,
}

/// When a backup is made, where, and how many are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BackupJobConfig {
    /// The folder that backups are kept in, best on another disk or machine: "/mnt/backup/telescribe". It is made where it is missing.
    pub target: PathBuf,
    /// How many backups are kept there; older ones are removed when a new one is complete. 0 keeps all.
    pub keep: u32,
    /// As for the other jobs.
    pub cron: String,
    /// The time zone of the expression.
    pub zone: String,
    /// Jitter, as for the other jobs.
    pub jitter: Span,
    /// Runs that were missed: "once" or "skip".
    pub missed: MissedConfig,
    /// Whether the job runs on its schedule, once `target` is set.
    pub enabled: bool,
}

impl Default for BackupJobConfig {
    fn default() -> Self {
        // After the recheck, whose edits and deletions it then has. Two weeks: what is noticed late is often noticed after a holiday.
        let JobConfig { cron, zone, jitter, missed, enabled } = JobConfig::every("0 40 4 * * *").with_jitter(20, 0);
        Self { target: PathBuf::new(), keep: 14, cron, zone, jitter, missed, enabled }
    }
}

impl BackupJobConfig {
    /// The folder, and how many backups are kept there; `None` where no folder is set.
    #[must_use]
    pub fn target(&self) -> Option<(PathBuf, Option<u32>)> {
        (!self.target.as_os_str().is_empty()).then(|| (self.target.clone(), Some(self.keep).filter(|keep| *keep > 0)))
    }

    fn schedule(&self) -> JobConfig {
        let enabled = self.enabled && self.target().is_some();
        JobConfig { cron: self.cron.clone(), zone: self.zone.clone(), jitter: self.jitter, missed: self.missed, enabled }
    }
}

/// What to do about missed runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MissedConfig {
    /// One run makes up for all of them.
    #[default]
    Once,
    /// They are left out.
    Skip,
}

/// What an override, or a file, changes of a job's schedule.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct JobChange {
    /// Another expression.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cron: Option<String>,
    /// Another time zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Another jitter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jitter: Option<Span>,
    /// Another treatment of missed runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missed: Option<MissedConfig>,
    /// Whether it runs on its schedule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// Other schedules for some peers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OverrideConfig {
    /// Its name in the schedule.
    pub name: String,
    /// Peer selectors.
    pub peers: Vec<String>,
    /// Refused: a discovery reads an account's complete list of dialogs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "JobChange")]
    pub discover: Option<JobChange>,
    /// Another schedule for polling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "JobChange")]
    pub catch_up: Option<JobChange>,
    /// Another schedule for reading history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "JobChange")]
    pub backfill: Option<JobChange>,
    /// Another schedule for reading messages again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "JobChange")]
    pub recheck: Option<JobChange>,
    /// Another schedule for reading counters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "JobChange")]
    pub counters: Option<JobChange>,
}

/// A plan is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{key}` {why}")]
pub struct InvalidPlan {
    /// The key, with the tables it is in.
    pub key: String,
    /// What is wrong and what would be right.
    pub why: String,
}

impl JobConfig {
    /// A plan in UTC without jitter.
    #[must_use]
    pub fn every(cron: &str) -> Self {
        let zone = "UTC".to_owned();
        Self { cron: cron.to_owned(), zone, jitter: Span::seconds(0), missed: MissedConfig::Once, enabled: true }
    }

    fn with_jitter(self, minutes: u64, seconds: u64) -> Self {
        Self { jitter: Span::seconds(minutes * 60 + seconds), ..self }
    }

    fn changed(mut self, change: JobChange) -> Self {
        self.cron = change.cron.unwrap_or(self.cron);
        self.zone = change.zone.unwrap_or(self.zone);
        self.jitter = change.jitter.unwrap_or(self.jitter);
        self.missed = change.missed.unwrap_or(self.missed);
        self.enabled = change.enabled.unwrap_or(self.enabled);
        self
    }

    fn plan(&self, place: &str) -> Result<Plan, InvalidPlan> {
        let wrong = |key: &str, why: String| InvalidPlan { key: format!("{place}.{key}"), why };
        let cron = parse_cron(&self.cron).map_err(|why| wrong("cron", why))?;
        let zone = self.zone.parse().map_err(|error: UnknownZone| wrong("zone", error.to_string()))?;
        let jitter = self.jitter.duration();
        if jitter.subsec_nanos() != 0 {
            return Err(wrong("jitter", format!("must be whole seconds, not `{}`", self.jitter)));
        }
        if self.jitter > JITTER_MAX {
            return Err(wrong("jitter", format!("must be at most {JITTER_MAX}, not `{}`", self.jitter)));
        }
        let missed = match self.missed {
            MissedConfig::Once => Missed::Once,
            MissedConfig::Skip => Missed::Skip,
        };
        Ok(Plan { jitter, missed, enabled: self.enabled, ..Plan::new(cron, zone) })
    }
}

impl OverrideConfig {
    fn of(&self, job: Job) -> Option<&JobChange> {
        match job {
            Job::Discover => self.discover.as_ref(),
            Job::CatchUp => self.catch_up.as_ref(),
            Job::Backfill => self.backfill.as_ref(),
            Job::Recheck => self.recheck.as_ref(),
            Job::Counters => self.counters.as_ref(),
            Job::Backup => None,
        }
    }
}

impl JobsConfig {
    /// A job's own plan.
    #[must_use]
    pub fn of(&self, job: Job) -> JobConfig {
        match job {
            Job::Discover => self.discover.clone(),
            Job::CatchUp => self.catch_up.clone(),
            Job::Backfill => self.backfill.clone(),
            Job::Recheck => self.recheck.clone(),
            Job::Counters => self.counters.clone(),
            Job::Backup => self.backup.schedule(),
        }
    }

    /// What runs: for each job its own run, and then those of its overrides.
    ///
    /// # Errors
    /// The first invalid plan.
    pub fn runs(&self) -> Result<Vec<Run>, InvalidPlan> {
        let overrides = self.selected()?;
        let mut runs = Vec::new();
        for job in Job::ALL {
            let own = self.of(job);
            let mut taken: Vec<Selector> = Vec::new();
            let mut others = Vec::new();
            for (at, (settings, peers)) in overrides.iter().enumerate() {
                let Some(change) = settings.of(job) else { continue };
                let place = format!("jobs.overrides.{at}.{}", key(job));
                if !job.is_per_peer() {
                    let why = "cannot be set for some peers only: it reads whole dialog lists, which is how peers are found; set `jobs.discover`";
                    return Err(InvalidPlan { key: place, why: why.to_owned() });
                }
                let plan = own.clone().changed(change.clone()).plan(&place)?;
                let scope = Scope { only: peers.clone(), except: taken.clone() };
                others.push(Run { job, name: Some(settings.name.clone()), scope, plan });
                taken.extend(peers.iter().cloned());
            }
            let plan = own.plan(&format!("jobs.{}", key(job)))?;
            runs.push(Run { job, name: None, scope: Scope { only: Vec::new(), except: taken }, plan });
            runs.append(&mut others);
        }
        Ok(runs)
    }

    /// The overrides with their selectors.
    fn selected(&self) -> Result<Vec<(&OverrideConfig, Vec<Selector>)>, InvalidPlan> {
        let mut selected = Vec::new();
        for (at, settings) in self.overrides.iter().enumerate() {
            let wrong = |key: &str, why: String| InvalidPlan { key: format!("jobs.overrides.{at}.{key}"), why };
            let name = &settings.name;
            let fits = |c: char| !c.is_control() && c != '/';
            if name.trim().is_empty() || name.chars().count() > NAME_LENGTH_MAX || !name.chars().all(fits) {
                return Err(wrong("name", format!("must have 1 to {NAME_LENGTH_MAX} characters, none of them `/`")));
            }
            if self.overrides.iter().take(at).any(|earlier| earlier.name == *name) {
                return Err(wrong("name", format!("`{name}` is used twice; give each override a name of its own")));
            }
            if settings.peers.is_empty() {
                return Err(wrong("peers", "is empty; what is for all peers belongs into the job itself".to_owned()));
            }
            if Job::ALL.iter().all(|job| settings.of(*job).is_none()) {
                return Err(wrong("name", format!("`{name}` sets no job; add one, such as catch_up = {{ cron = \"…\" }}")));
            }
            let peers: Result<Vec<Selector>, _> = settings.peers.iter().map(|text| text.parse()).collect();
            selected.push((settings, peers.map_err(|error| wrong("peers", format!("is wrong: {error}")))?));
        }
        Ok(selected)
    }
}

impl Default for JobsConfig {
    fn default() -> Self {
        Self {
            discover: JobConfig::every("0 7 * * * *").with_jitter(5, 0),
            // Half a minute is what people call at once, and costs two requests per minute and account.
            catch_up: JobConfig::every("*/30 * * * * *").with_jitter(0, 10),
            backfill: JobConfig::every("0 */5 * * * *").with_jitter(1, 0),
            // At night in Europe, where most of the world posts least.
            recheck: JobConfig::every("0 30 2 * * *").with_jitter(30, 0),
            counters: JobConfig::every("0 20 */6 * * *").with_jitter(20, 0),
            backup: BackupJobConfig::default(),
            overrides: Vec::new(),
        }
    }
}

/// A job's key in the configuration.
fn key(job: Job) -> String {
    job.name().replace('-', "_")
}

// A file that sets one key of a job leaves the job's other defaults as they are.
macro_rules! changes_of_the_default {
    ($($job:ident),*) => {
        $(fn $job<'de, D: Deserializer<'de>>(deserializer: D) -> Result<JobConfig, D::Error> {
            Ok(JobsConfig::default().$job.changed(JobChange::deserialize(deserializer)?))
        })*
    };
}

changes_of_the_default!(discover, catch_up, backfill, recheck, counters);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{PeerId, PeerKind};
    use crate::schedule::PeerFacts;

    fn jobs(text: &str) -> JobsConfig {
        toml::from_str(text).unwrap()
    }

    const OVERRIDES: &str = r#"
        catch_up = { zone = "Europe/Berlin" }
        [[overrides]]
        name = "breaking news"
        peers = ["@a", "title:*news*"]
        catch_up = { cron = "*/5 * * * * *" }
        backfill = { enabled = false }
        [[overrides]]
        name = "quiet"
        peers = ["@a", "@b"]
        catch_up = { cron = "0 0 * * * *", jitter = "1m" }
        recheck = { missed = "skip" }
    "#;

    #[test]
    fn what_a_file_does_not_set_of_a_job_stays_as_it_is() {
        let config = jobs(OVERRIDES);
        assert_eq!(config.catch_up, JobConfig { zone: "Europe/Berlin".to_owned(), ..JobsConfig::default().catch_up });
        assert_eq!(config.recheck, JobsConfig::default().recheck);
        let runs = config.runs().unwrap();
        let keys: Vec<String> = runs.iter().map(Run::key).collect();
        assert_eq!(
            keys,
            [
                "discover",
                "catch-up",
                "catch-up/breaking news",
                "catch-up/quiet",
                "backfill",
                "backfill/breaking news",
                "recheck",
                "recheck/quiet",
                "counters",
                "backup"
            ]
        );
        let quiet = &runs[3].plan;
        assert_eq!((quiet.cron.source(), quiet.zone.name(), quiet.jitter.as_secs()), ("0 0 * * * *", "Europe/Berlin", 60));
        assert_eq!(runs[2].plan.jitter, runs[1].plan.jitter, "as in the job itself");
        assert!(!runs[5].plan.enabled && runs[4].plan.enabled);
        assert_eq!((runs[7].plan.missed, runs[6].plan.missed), (Missed::Skip, Missed::Once));
    }

    #[test]
    fn each_peer_is_in_one_run_of_a_job_the_first_override_that_names_it_or_the_jobs_own() {
        let runs = jobs(OVERRIDES).runs().unwrap();
        for (username, title, catch_up, recheck) in [
            ("a", "x", "catch-up/breaking news", "recheck/quiet"),
            ("b", "x", "catch-up/quiet", "recheck/quiet"),
            ("b", "the news", "catch-up/breaking news", "recheck/quiet"),
            ("c", "x", "catch-up", "recheck"),
        ] {
            let usernames = [username];
            let peer = PeerFacts { id: PeerId(-1), usernames: &usernames, title, kind: PeerKind::Channel, folders: &[] };
            for (job, expected) in [(Job::CatchUp, catch_up), (Job::Recheck, recheck), (Job::Discover, "discover")] {
                let covering: Vec<String> =
                    runs.iter().filter(|run| run.job == job && run.scope.covers(&peer)).map(Run::key).collect();
                assert_eq!(covering, [expected], "@{username} `{title}`");
            }
        }
    }
}
