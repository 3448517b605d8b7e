//! `[[outputs]]` of kind "webhook": which receiver, which events, and where its secret is.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use super::{OutputConfig, Wrong};
use crate::event::{EventFilter, WATCH_MATCHED};
use crate::model::WatchName;
use crate::output::webhook::{Settings, TIMEOUT, TIMEOUT_MAX, TIMEOUT_MIN, WebhookSecret, WebhookUrl};

/// A web hook whose secret is not read yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedWebhook {
    /// Where it stands in the configuration.
    pub key: String,
    /// Where the receiver is.
    pub url: WebhookUrl,
    /// Its secret, where the configuration has it.
    pub secret: Option<WebhookSecret>,
    /// The file that has it.
    pub secret_file: Option<PathBuf>,
    /// Which events are sent.
    pub filter: EventFilter,
    /// How long a request may take.
    pub timeout: Duration,
}

impl PlannedWebhook {
    /// How to send, with this secret.
    #[must_use]
    pub fn settings(&self, secret: WebhookSecret) -> Settings {
        let Self { key, url, filter, timeout, .. } = self.clone();
        Settings { key, url, secret, filter, timeout }
    }
}

impl OutputConfig {
    /// The web hook, checked. `key` is where it stands in the configuration.
    pub(super) fn webhook(&self, key: &str) -> Result<PlannedWebhook, Wrong> {
        let wrong = |of: &str, why: String| (format!("{key}.{of}"), why);
        let url = self.url.receiver().map_err(|error| wrong("url", error.to_string()))?;
        let url =
            url.ok_or_else(|| wrong("url", "must name a receiver, such as https://hooks.example.org/telescribe".to_owned()))?;
        if !url.is_secure() && !url.is_loopback() && self.allow_http != Some(true) {
            let why = "must start with https://: messages would cross the network in clear; set `allow_http = true` if that network is trusted";
            return Err(wrong("url", why.to_owned()));
        }
        let secret = self.secret.get().map_err(|error| wrong("secret", error.to_string()))?;
        if secret.is_some() && self.secret_file.is_some() {
            return Err(wrong("secret_file", "is set beside `secret`; set one of them only".to_owned()));
        }
        let timeout = self.timeout.map_or(TIMEOUT, |span| span.duration());
        if !(TIMEOUT_MIN..=TIMEOUT_MAX).contains(&timeout) {
            return Err(wrong("timeout", format!("must be {TIMEOUT_MIN:?} to {TIMEOUT_MAX:?}")));
        }
        let filter = self.filter().map_err(|(of, why)| wrong(of, why))?;
        Ok(PlannedWebhook {
            key: key.to_owned(),
            url,
            secret: secret.cloned(),
            secret_file: self.secret_file.clone(),
            filter,
            timeout,
        })
    }

    /// Which events are sent.
    fn filter(&self) -> Result<EventFilter, (&'static str, String)> {
        let events = self.events.clone().unwrap_or_else(|| vec![WATCH_MATCHED.to_owned()]);
        if events.is_empty() {
            return Err(("events", format!("must name an event, such as \"{WATCH_MATCHED}\"; leave it out for that one")));
        }
        let watches = match &self.watches {
            None => None,
            Some(names) if names.is_empty() => {
                return Err(("watches", "must name a watch; leave it out for all".to_owned()));
            }
            Some(_) if !events.iter().any(|name| name == WATCH_MATCHED) => {
                return Err(("watches", format!("is of no use, because `events` does not have \"{WATCH_MATCHED}\"")));
            }
            Some(names) => {
                let names: Result<BTreeSet<WatchName>, _> = names.iter().map(|name| name.parse()).collect();
                Some(names.map_err(|error| ("watches", format!("is wrong: {error}")))?)
            }
        };
        EventFilter::new(&events, watches).map_err(|error| ("events", format!("is wrong: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::read::read;
    use super::super::{OutputTarget, PlannedOutput};
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn hook(rest: &str) -> String {
        format!("[[outputs]]\nname = \"alerts\"\nkind = \"webhook\"\n{rest}\n")
    }

    fn planned(rest: &str) -> Result<PlannedWebhook, String> {
        let config = read("config.toml", &hook(rest), std::iter::empty()).map_err(|error| error.to_string())?;
        let shown = format!("{config:?} {}", serde_json::to_string(&config).unwrap());
        assert!(!shown.contains("MfKQ9r8") && !shown.contains("T0K3N"), "{shown}");
        match config.planned_outputs().unwrap().as_slice() {
            [PlannedOutput { target: OutputTarget::Webhook(hook), .. }] => Ok(hook.clone()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_web_hook_has_defaults_and_shows_neither_its_secret_nor_its_path() {
        let plain = planned("url = \"https://hooks.example.org/T0K3N\"").unwrap();
        assert_eq!((plain.key.as_str(), plain.url.to_string().as_str()), ("outputs.0", "https://hooks.example.org"));
        assert_eq!((plain.secret.clone(), plain.secret_file.clone(), plain.timeout), (None, None, Duration::from_secs(15)));
        assert_eq!(plain.filter, EventFilter::new(&[WATCH_MATCHED.to_owned()], None).unwrap());
        let rest = format!(
            "url = \"http://127.0.0.1:8080\"\nsecret = \"{SECRET}\"\nevents = [\"watch.matched\", \"message.new\"]\nwatches = [\"leaks\"]\ntimeout = \"1m\""
        );
        let whole = planned(&rest).unwrap();
        assert_eq!((whole.secret.clone(), whole.timeout), (Some(SECRET.parse().unwrap()), Duration::from_mins(1)));
        let events = ["message.new", WATCH_MATCHED].map(str::to_owned);
        assert_eq!(whole.filter, EventFilter::new(&events, Some(["leaks".parse().unwrap()].into())).unwrap());
        assert!(!format!("{plain:?} {whole:?}").contains("MfKQ9r8"), "{whole:?}");
        planned("url = \"http://192.0.2.1/\"\nallow_http = true\nsecret_file = \"alerts.secret\"").unwrap();
    }

    #[test]
    fn what_is_invalid_is_refused_with_its_line_and_the_way_out() {
        let url = "url = \"https://h.example/T0K3N\"";
        for (rest, error) in [
            (String::new(), "line 1: `outputs.0.url` must name a receiver"),
            ("url = \"\"".to_owned(), "line 4: `outputs.0.url` must name a receiver"),
            ("url = \"amqp://u:T0K3N@h\"".to_owned(), "line 4: `outputs.0.url` must start with https:// or http://"),
            ("url = \"https://u:T0K3N@h\"".to_owned(), "line 4: `outputs.0.url` must have no user and no password"),
            ("url = \"https://h/#T0K3N\"".to_owned(), "line 4: `outputs.0.url` must not have a #"),
            (
                "url = \"http://192.0.2.1/T0K3N\"".to_owned(),
                "line 4: `outputs.0.url` must start with https://: messages would cross the network in clear; set `allow_http = true` if",
            ),
            (format!("{url}\nsecret = \"T0K3N\""), "line 5: `outputs.0.secret` must begin with whsec_; make one with: echo"),
            (format!("{url}\nsecret = \"whsec_T0K3N\""), "line 5: `outputs.0.secret` must be "),
            (
                format!("{url}\nsecret = \"{SECRET}\"\nsecret_file = \"f\""),
                "line 6: `outputs.0.secret_file` is set beside `secret`; set one of them only",
            ),
            (
                format!("{url}\nevents = [\"watch.matched\", \"watch.match\"]"),
                "line 5: `outputs.0.events` is wrong: there is no event `watch.match`; known are message.new, ",
            ),
            (format!("{url}\nevents = []"), "line 5: `outputs.0.events` must name an event"),
            (format!("{url}\nwatches = []"), "line 5: `outputs.0.watches` must name a watch; leave it out for all"),
            (format!("{url}\nwatches = [\"A b\"]"), "line 5: `outputs.0.watches` is wrong: `A b` cannot be the name of a watch"),
            (
                format!("{url}\nwatches = [\"a\"]\nevents = [\"peer.left\"]"),
                "line 5: `outputs.0.watches` is of no use, because `events` does not have \"watch.matched\"",
            ),
            (format!("{url}\ntimeout = \"0s\""), "line 5: `outputs.0.timeout` must be 1s to 300s"),
            (format!("{url}\ntimeout = \"1h\""), "line 5: `outputs.0.timeout` must be 1s to 300s"),
            (format!("{url}\ntimeout = 5"), "line 5: `outputs.0.timeout` is wrong: "),
            (
                format!("{url}\nwindow = 5"),
                "line 5: `outputs.0.window` is a setting of outputs of kind \"rabbitmq\"; remove it here",
            ),
            (format!("{url}\nsecrets = 5"), "line 5: unknown key `outputs.secrets`; did you mean `secret`?"),
        ] {
            let found = planned(&rest).unwrap_err();
            assert!(found.starts_with(&format!("config.toml, {error}")), "{rest}: {found}");
            assert!(!found.contains("T0K3N") && !found.contains("MfKQ9r8"), "{found}");
        }
        let text = "[[outputs]]\nname = \"a\"\nkind = \"rabbitmq\"\nurl = \"amqp://h\"\nwatches = [\"a\"]\n";
        let error = read("config.toml", text, std::iter::empty()).unwrap_err().to_string();
        assert_eq!(error, "config.toml, line 5: `outputs.0.watches` is a setting of outputs of kind \"webhook\"; remove it here");
        let error = read("config.toml", &text.replace("amqp://h\"\nwatches = [\"a\"]", "https://h/T0K3N\""), std::iter::empty());
        let error = error.unwrap_err().to_string();
        assert!(error.starts_with("config.toml, line 4: `outputs.0.url` must start with amqp://"), "{error}");
    }
}
