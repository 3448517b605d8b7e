//! The outputs as the operator set them up: what they are, with which secrets, and how they are started.

use std::env::{VarError, var};
use std::sync::Arc;

use anyhow::Context as _;
use zeroize::Zeroizing;

use super::RunningOutput;
use super::secret_file::read_secret_file;
use crate::archive::{Archive, ArchiveError, DeadLetter};
use crate::config::{Config, OutputKind, OutputTarget, PlannedOutput, PlannedWebhook};
use crate::http::{OutputKeeper, OutputRefusal};
use crate::lifecycle::Lifecycle;
use crate::model::Clock;
use crate::output::Resending;
use crate::output::rabbitmq::{self, RabbitMq};
use crate::output::webhook::{self, Webhook, WebhookSecret};

/// An output that can be started.
#[derive(Clone, Debug)]
pub struct ReadyOutput {
    name: String,
    settings: OutputSettings,
}

#[derive(Clone, Debug)]
enum OutputSettings {
    RabbitMq(rabbitmq::Settings),
    Webhook(webhook::Settings),
}

/// The outputs that are to run. Reads their secrets, and asks nobody.
///
/// # Errors
/// When a setting is wrong, or a secret is missing, is none, or is there twice.
pub fn ready_outputs(config: &Config) -> anyhow::Result<Vec<ReadyOutput>> {
    let planned = config.planned_outputs().map_err(|(key, why)| anyhow::anyhow!("`{key}` of the configuration {why}"))?;
    let ready = |PlannedOutput { name, target }| {
        let settings = match target {
            OutputTarget::RabbitMq(settings) => OutputSettings::RabbitMq(settings),
            OutputTarget::Webhook(hook) => OutputSettings::Webhook(hook.settings(secret(&name, &hook)?)),
        };
        Ok(ReadyOutput { name, settings })
    };
    planned.into_iter().map(ready).collect()
}

impl ReadyOutput {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The receiver of a web hook, as it may be shown; nothing where it is no web hook.
    #[must_use]
    pub fn receiver(&self) -> Option<String> {
        match &self.settings {
            OutputSettings::RabbitMq(_) => None,
            OutputSettings::Webhook(settings) => Some(settings.url.to_string()),
        }
    }

    /// Starts delivering to it.
    pub(super) fn start(self, archive: &Arc<Archive>, clock: &Arc<dyn Clock>, lifecycle: &Lifecycle) -> RunningOutput {
        let name = self.name.as_str();
        match self.settings {
            OutputSettings::RabbitMq(settings) => {
                RunningOutput::start(name, OutputKind::Rabbitmq.name(), RabbitMq::new(settings), archive, lifecycle)
            }
            OutputSettings::Webhook(settings) => {
                tell_of_unknown_watches(name, &settings, archive);
                let hook = Webhook::new(settings, Arc::clone(clock));
                RunningOutput::start(name, OutputKind::Webhook.name(), hook, archive, lifecycle)
            }
        }
    }
}

/// The outputs that run, for what their operator asks of them.
pub(super) struct RunningOutputs {
    pub(super) outputs: Vec<RunningOutput>,
    pub(super) archive: Arc<Archive>,
    pub(super) clock: Arc<dyn Clock>,
}

impl RunningOutputs {
    fn named(&self, name: &str) -> Result<&RunningOutput, OutputRefusal> {
        self.outputs.iter().find(|output| output.name == name).ok_or(OutputRefusal::Unknown)
    }

    /// The dead letters of an output, or the one of an event.
    fn letters(&self, output: &str, event: Option<&str>) -> Result<Vec<DeadLetter>, ArchiveError> {
        let letters = self.archive.view().dead_letters(output);
        let is_meant = |letter: &DeadLetter| event.is_none_or(|event| letter.event == event);
        letters.filter(|letter| letter.as_ref().map_or(true, is_meant)).collect()
    }
}

impl OutputKeeper for RunningOutputs {
    fn skip(&self, output: &str, event: &str) -> Result<(), OutputRefusal> {
        let Err(refused) = self.named(output)?.status.ask_to_skip(event) else { return Ok(()) };
        // Asked again (idempotent).
        if !self.letters(output, Some(event))?.is_empty() {
            return Ok(());
        }
        Err(refused.map_or(OutputRefusal::NothingRefused, OutputRefusal::OtherRefused))
    }

    fn resend(&self, output: &str, event: Option<&str>) -> Result<u64, OutputRefusal> {
        let status = &self.named(output)?.status;
        let count = self.letters(output, event)?.len() as u64;
        // Those that come later are not asked for.
        if count > 0 {
            status.ask_to_resend(event.map_or(Resending::All, |event| Resending::One(event.to_owned())));
        }
        Ok(count)
    }

    fn let_go(&self, output: &str, event: Option<&str>) -> Result<u64, OutputRefusal> {
        let running = self.named(output).ok();
        let mut letters = self.letters(output, event)?;
        if running.is_none() && letters.is_empty() {
            return Err(OutputRefusal::Unknown);
        }
        if running.is_some() {
            let position = self.archive.view().position(output)?;
            letters.retain(|letter| letter.seq <= position);
        }
        let count = letters.len() as u64;
        let mut write = self.archive.write(self.clock.timestamp());
        for letter in letters {
            write.remove_dead_letter(letter);
        }
        write.commit()?;
        if let Some(running) = running {
            running.status.note_dead_letters(self.letters(output, None)?.len() as u64);
        }
        Ok(count)
    }
}

/// Warns of watches that are named and not there: they may be added yet, or the name is not theirs.
fn tell_of_unknown_watches(name: &str, settings: &webhook::Settings, archive: &Archive) {
    let archive = archive.flushed();
    for watch in settings.filter.named_watches() {
        // What cannot be read is told of by who needs it.
        if let Ok(None) = archive.view().watch(watch) {
            let key = &settings.key;
            tracing::warn!(
                output.name = name,
                "output `{name}`: there is no watch `{watch}`, which `{key}.watches` names: nothing is sent of it until one is added"
            );
        }
    }
}

/// The environment variable that may hold the secret of a web hook. Names of outputs have no underscore, so each has one of its own.
fn variable(name: &str) -> String {
    format!("TELESCRIBE_OUTPUT_{}_SECRET", name.to_ascii_uppercase().replace('-', "_"))
}

/// The secret of a web hook: of the configuration, of a file, or of the environment.
fn secret(name: &str, hook: &PlannedWebhook) -> anyhow::Result<WebhookSecret> {
    let variable = variable(name);
    let of_environment = match var(&variable) {
        Ok(text) => Some(Zeroizing::new(text)),
        Err(VarError::NotPresent) => None,
        Err(VarError::NotUnicode(_)) => anyhow::bail!("{variable} is not a text"),
    };
    let key = &hook.key;
    match (&hook.secret, &hook.secret_file, of_environment) {
        (Some(_), _, Some(_)) => anyhow::bail!("`{key}.secret` and {variable} are both set; set one of them only"),
        (_, Some(_), Some(_)) => anyhow::bail!("`{key}.secret_file` and {variable} are both set; set one of them only"),
        (Some(secret), _, None) => Ok(secret.clone()),
        (None, Some(path), None) => {
            let of = format!("{key}.secret_file");
            let text = read_secret_file(&of, path)?;
            text.parse().with_context(|| format!("`{of}` `{}`", path.display()))
        }
        (None, None, Some(text)) => text.parse().context(variable),
        (None, None, None) => anyhow::bail!(
            "output `{name}` has no secret: set `{key}.secret_file`, `{key}.secret` or {variable}; make one with: echo \"whsec_$(openssl rand -base64 32)\""
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::Durability;
    use crate::model::{Seq, SystemClock, Timestamp};
    use crate::output;

    fn letter(output: &str, seq: u64, event: &str) -> DeadLetter {
        let (output, event, why) = (output.to_owned(), event.to_owned(), String::new());
        DeadLetter { output, seq: Seq(seq), event, at: Timestamp(1), why }
    }

    #[test]
    fn dead_letters_are_dropped_also_of_an_output_that_is_not_configured_but_not_those_of_a_change_that_is_not_over() {
        let folder = tempfile::tempdir().unwrap();
        let archive = Arc::new(Archive::open(&folder.path().join("archive"), Durability::Os).unwrap());
        let mut write = archive.write(Timestamp(1));
        for kept in [letter("gone", 7, "g"), letter("alerts", 4, "a"), letter("alerts", 5, "b"), letter("alerts", 6, "c")] {
            write.add_dead_letter(kept);
        }
        write.position("alerts", Seq(5));
        write.commit().unwrap();
        let alerts = RunningOutput { name: "alerts".to_owned(), kind: "webhook", status: Arc::new(output::Status::new()) };
        let running = RunningOutputs { outputs: vec![alerts], archive: Arc::clone(&archive), clock: Arc::new(SystemClock) };
        let left = |output: &str| running.letters(output, None).unwrap().into_iter().map(|l| l.event).collect::<Vec<_>>();

        assert_eq!(running.let_go("alerts", Some("nothing")).unwrap(), 0);
        assert_eq!((running.let_go("alerts", Some("a")).unwrap(), left("alerts")), (1, vec!["b".to_owned(), "c".to_owned()]));
        assert_eq!((running.let_go("alerts", None).unwrap(), left("alerts")), (1, vec!["c".to_owned()]));
        assert_eq!((running.let_go("gone", None).unwrap(), left("gone")), (1, vec![]));
        assert!(matches!(running.let_go("gone", None), Err(OutputRefusal::Unknown)));

        // What was skipped is a dead letter: asked again, that is done.
        assert!(running.skip("alerts", "c").is_ok());
        assert!(matches!(running.skip("alerts", "d"), Err(OutputRefusal::NothingRefused)));
        assert!(matches!(running.skip("gone", "g"), Err(OutputRefusal::Unknown)));
    }
}
