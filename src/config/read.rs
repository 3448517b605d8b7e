//! From text to configuration: unknown keys with their line and the nearest known one, then types, then what types cannot say.

use std::path::PathBuf;

use schemars::Schema;
use serde_json::Value as Json;
use toml_edit::{Document, Item, Table, TableLike, Value};

use super::{Config, JobConfig, Server};
use crate::accounts;

/// What an environment variable that overrides a key starts with.
const PREFIX: &str = "TELESCRIBE__";

/// The configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("configuration file `{}`: {source}; `telescribe config > {}` writes one with every default", path.display(), path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A key that does not exist.
    #[error("{place}: unknown key `{key}`{}", near.as_ref().map(|n| format!("; did you mean `{n}`?")).unwrap_or_default())]
    UnknownKey {
        /// File and line, or the environment variable.
        place: String,
        /// The key, with the tables it is in.
        key: String,
        /// The nearest known key.
        near: Option<String>,
    },
    /// It is not TOML, or a value has the wrong type.
    #[error("{place}: {why}")]
    Invalid {
        /// The file, or the environment variable.
        place: String,
        /// What is wrong, with line and column where known.
        why: String,
    },
    /// A value cannot be meant.
    #[error("{place}: `{key}` {why}")]
    Value {
        /// The file.
        place: String,
        /// The key.
        key: String,
        /// What is wrong and what would be right.
        why: String,
    },
}

pub(super) fn read(place: &str, text: &str, environment: impl Iterator<Item = (String, String)>) -> Result<Config, ConfigError> {
    let invalid = |place: &str, why: String| ConfigError::Invalid { place: place.to_owned(), why: why.trim_end().to_owned() };
    let document = Document::parse(text).map_err(|e| invalid(place, e.to_string()))?;
    let schema = schemars::schema_for!(Config);
    let line = |offset: usize| text.get(..offset).map_or(1, |before| before.matches('\n').count() + 1);
    check_keys(document.as_table(), &schema, schema.as_value(), "", &|offset| format!("{place}, line {}", line(offset)))?;
    let mut config: Config = toml::from_str(text).map_err(|e| invalid(place, e.to_string()))?;

    let mut overrides: Vec<(String, String)> = environment.filter(|(name, _)| name.starts_with(PREFIX)).collect();
    if !overrides.is_empty() {
        overrides.sort();
        let mut whole = document.into_mut();
        for (name, value) in &overrides {
            let item = value.parse::<Value>().unwrap_or_else(|_| Value::from(value.as_str()));
            let key = name.trim_start_matches(PREFIX).to_lowercase();
            let mut one = toml_edit::DocumentMut::new();
            set(one.as_table_mut(), &key, item.clone());
            check_keys(one.as_table(), &schema, schema.as_value(), "", &|_| format!("environment variable {name}"))?;
            set(whole.as_table_mut(), &key, item);
            config = toml::from_str(&whole.to_string())
                .map_err(|e| invalid(&format!("environment variable {name}"), e.to_string()))?;
        }
    }
    check_values(place, &config)?;
    Ok(config)
}

fn set(table: &mut Table, key: &str, value: Value) {
    match key.split_once("__") {
        None => {
            table.insert(key, Item::Value(value));
        }
        Some((first, rest)) => {
            let inner = table.entry(first).or_insert_with(toml_edit::table);
            if let Some(inner) = inner.as_table_mut() {
                set(inner, rest, value);
            }
        }
    }
}

/// Compares the keys of a table, and of those in it, with the schema's.
fn check_keys(
    table: &dyn TableLike,
    root: &Schema,
    schema: &Json,
    path: &str,
    place: &dyn Fn(usize) -> String,
) -> Result<(), ConfigError> {
    let Some(known) = resolve(root, schema).get("properties").and_then(Json::as_object) else { return Ok(()) };
    for (key, item) in table.iter() {
        let full = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        let Some(inner) = known.get(key) else {
            let offset = table.key(key).and_then(toml_edit::Key::span).or_else(|| item.span()).map_or(0, |span| span.start);
            let near = known.keys().map(|k| (strsim::jaro_winkler(k, key), k)).max_by(|a, b| a.0.total_cmp(&b.0));
            let near = near.filter(|(likeness, _)| *likeness > 0.7).map(|(_, k)| k.clone());
            return Err(ConfigError::UnknownKey { place: place(offset), key: full, near });
        };
        if let Some(table) = item.as_table_like() {
            check_keys(table, root, inner, &full, place)?;
        }
        let element = resolve(root, inner).get("items").unwrap_or(&Json::Null);
        if let Some(tables) = item.as_array_of_tables() {
            for table in tables.iter() {
                check_keys(table, root, element, &full, place)?;
            }
        }
        for value in item.as_array().into_iter().flatten() {
            if let Some(table) = value.as_inline_table() {
                check_keys(table, root, element, &full, place)?;
            }
        }
    }
    Ok(())
}

/// Follows a `$ref` into the schema's definitions.
pub(super) fn resolve<'a>(root: &'a Schema, schema: &'a Json) -> &'a Json {
    let name = schema.get("$ref").and_then(Json::as_str).and_then(|r| r.strip_prefix("#/$defs/"));
    name.and_then(|name| root.as_value().get("$defs")?.get(name)).unwrap_or(schema)
}

fn check_values(place: &str, config: &Config) -> Result<(), ConfigError> {
    let wrong = |key: &str, why: String| Err(ConfigError::Value { place: place.to_owned(), key: key.to_owned(), why });
    let jobs = [("discover", &config.jobs.discover), ("catch_up", &config.jobs.catch_up), ("backfill", &config.jobs.backfill)];
    for (name, job) in jobs {
        if let Err((key, why)) = job.plan() {
            return wrong(&format!("jobs.{name}.{key}"), why);
        }
    }
    if config.accounts.requests_in_flight_max == 0 {
        return wrong("accounts.requests_in_flight_max", "must be at least 1".to_owned());
    }
    if config.search.memory_mib < 15 {
        return wrong("search.memory_mib", "must be at least 15: the index cannot work with less".to_owned());
    }
    if let Err(error) = config.http.check() {
        return wrong("http", error.to_string());
    }
    let reach = config.telegram.reach();
    for dc in &config.telegram.data_centres {
        if !reach.allows(*dc.address.ip()) {
            let why = match config.telegram.server {
                Server::Simulated => "must be on loopback for the simulated server",
                Server::Telegram | Server::SelfHosted => {
                    "must not be on loopback for Telegram; set telegram.server to \"simulated\" or \"self-hosted\""
                }
            };
            return wrong("telegram.data_centres", format!("{} {why}", dc.address));
        }
    }
    let own = config.accounts.proxies.iter().map(|(name, url)| (format!("accounts.proxies.{name}"), url));
    for (key, url) in own.chain([("telegram.proxy".to_owned(), &config.telegram.proxy)]) {
        if let Err(error) = url.check() {
            return wrong(&key, error.to_string());
        }
    }
    if let Some(method) = config.accounts.intervals.keys().find(|method| !accounts::is_known_method(method)) {
        let known = accounts::known_methods().collect::<Vec<_>>().join(", ");
        return wrong(
            &format!("accounts.intervals.{method}"),
            format!("is not a method that is paced by itself; those are {known}"),
        );
    }
    Ok(())
}

impl JobConfig {
    /// The plan that the two texts say; the key and what is wrong with it otherwise.
    pub(crate) fn plan(&self) -> Result<crate::schedule::Plan, (&'static str, String)> {
        let form = "seconds, minutes, hours, day of month, month, day of week, as in \"0 */5 * * * *\"";
        let cron = self.cron.parse().map_err(|e| ("cron", format!("is no cron expression ({e}); it has {form}")))?;
        let zone =
            self.zone.parse().map_err(|_| ("zone", format!("`{}` is no time zone, such as \"Europe/Berlin\"", self.zone)))?;
        Ok(crate::schedule::Plan { cron, zone })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
        let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        read("config.toml", text, environment).map_err(|e| e.to_string())
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line_and_the_nearest_known_one() {
        let error = read_text("[http]\npage_size_max = 10\n\n[telegram]\napi_idd = 5\n", &[]).unwrap_err();
        assert_eq!(error, "config.toml, line 5: unknown key `telegram.api_idd`; did you mean `api_id`?");
        let error = read_text("[[http.listeners]]\naddress = \"127.0.0.1:1\"\nsealed = \"off\"\n", &[]).unwrap_err();
        assert_eq!(error, "config.toml, line 3: unknown key `http.listeners.sealed`; did you mean `sealing`?");
        let error = read_text("[telegarm]\n", &[]).unwrap_err();
        assert_eq!(error, "config.toml, line 1: unknown key `telegarm`; did you mean `telegram`?");
    }

    #[test]
    fn a_value_of_the_wrong_type_is_refused_with_its_line() {
        let error = read_text("[telegram]\napi_id = \"five\"\n", &[]).unwrap_err();
        assert!(error.contains("line 2") && error.contains("api_id"), "{error}");
    }

    #[test]
    fn the_environment_overrides_the_file() {
        let config = read_text(
            "[telegram]\napi_id = 5\n",
            &[("TELESCRIBE__TELEGRAM__API_ID", "7"), ("TELESCRIBE__JOBS__CATCH_UP__CRON", "0 * * * * *"), ("HOME", "/")],
        );
        let config = config.unwrap();
        assert_eq!((config.telegram.api_id, config.jobs.catch_up.cron.as_str()), (7, "0 * * * * *"));
        let error = read_text("", &[("TELESCRIBE__TELEGRAM__APIID", "7")]).unwrap_err();
        assert_eq!(
            error,
            "environment variable TELESCRIBE__TELEGRAM__APIID: unknown key `telegram.apiid`; did you mean `api_id`?"
        );
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_the_way_out() {
        for (text, part) in [
            ("[jobs.discover]\ncron = \"every hour\"\n", "jobs.discover.cron` is no cron expression"),
            ("[jobs.discover]\ncron = \"0 7 * * * *\"\nzone = \"Mars/Base\"\n", "is no time zone"),
            ("[telegram]\ndata_centres = [{ id = 2, address = \"127.0.0.1:443\" }]\n", "must not be on loopback"),
            (
                "[telegram]\nserver = \"simulated\"\ndata_centres = [{ id = 2, address = \"192.0.2.1:443\" }]\n",
                "must be on loopback",
            ),
            ("[telegram]\nproxy = \"http://proxy:80\"\n", "must start with socks5://"),
            (
                "[accounts.proxies]\nalpha = \"socks5://user:p@ss@proxy:1\"\n",
                "accounts.proxies.alpha` must have both user and password",
            ),
            ("[accounts.intervals]\n\"messages.getHistroy\" = \"1s\"\n", "those are messages.getHistory"),
            ("[[http.listeners]]\naddress = \"0.0.0.0:80\"\nsealing = \"off\"\n", "sealing = \"off\""),
            ("[http]\nrequest_timeout = 10\n", "line 2"),
        ] {
            let error = read_text(text, &[]).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn a_proxys_password_is_never_shown() {
        let text = "[accounts.proxies]\nalpha = \"socks5://user:secret@127.0.0.1:1080\"\n[telegram]\nproxy = \"socks5://u:secret@h:1\"\n";
        let config = read_text(text, &[]).unwrap();
        assert_eq!(config.telegram_settings().proxies["alpha"].to_string(), "socks5://127.0.0.1:1080");
        let shown = format!("{config:?} {:?} {}", config.telegram_settings(), serde_json::to_string(&config).unwrap());
        assert!(shown.contains("127.0.0.1:1080") && !shown.contains("secret"), "{shown}");
        let error = read_text(&text.replace("socks5", "socks4"), &[]).unwrap_err();
        assert!(!error.contains("secret"), "{error}");
    }

    #[test]
    fn an_empty_file_and_the_generated_one_are_the_defaults() {
        assert_eq!(read_text("", &[]).unwrap(), Config::default());
        assert_eq!(read_text(&super::super::template(), &[]).unwrap(), Config::default());
    }
}
