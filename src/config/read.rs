//! From text to configuration: unknown keys with their line and the nearest known one, then types, then the validation of values.

use std::ops::Range;

use schemars::Schema;
use serde_json::Value as Json;
use toml_edit::{Document, Item, Table, TableLike, Value};

use super::error::without_secrets;
use super::{Config, ConfigError};

/// What an environment variable that overrides a key starts with.
const PREFIX: &str = "TELESCRIBE__";

pub(super) fn read(place: &str, text: &str, environment: impl Iterator<Item = (String, String)>) -> Result<Config, ConfigError> {
    let line = |offset: usize| text.get(..offset).map_or(1, |before| before.matches('\n').count() + 1);
    let here = |span: Option<Range<usize>>| match span {
        Some(span) => format!("{place}, line {}", line(span.start)),
        None => place.to_owned(),
    };
    // Not their whole text, which repeats the line.
    let document = Document::parse(text).map_err(|e| invalid(here(e.span()), None, e.message()))?;
    let schema = schemars::schema_for!(Config);
    check_keys(document.as_table(), &schema, schema.as_value(), "", &|offset| format!("{place}, line {}", line(offset)))?;
    let mut config: Config = toml::from_str(text).map_err(|e| {
        let key = e.span().and_then(|span| key_of(document.as_table(), span.start));
        invalid(here(e.span()), key, e.message())
    })?;

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
                .map_err(|e| invalid(format!("environment variable {name}"), Some(key.replace("__", ".")), e.message()))?;
        }
    }
    check_values(
        &|key| match overrides.iter().map(|(name, _)| name).rfind(|name| overridden_key(name).as_deref() == Some(key)) {
            Some(name) => format!("environment variable {name}"),
            None => line_of(text, key).map_or_else(|| place.to_owned(), |line| format!("{place}, line {line}")),
        },
        &config,
    )?;
    Ok(config)
}

/// The key that an environment variable overrides.
pub(super) fn overridden_key(name: &str) -> Option<String> {
    name.strip_prefix(PREFIX).map(|key| key.to_lowercase().replace("__", "."))
}

/// Validates the values of a configuration that no file was read for.
pub(super) fn check(config: &Config) -> Result<(), ConfigError> {
    check_values(&|_| "the configuration".to_owned(), config)
}

fn invalid(place: String, key: Option<String>, message: &str) -> ConfigError {
    let message = without_secrets(message.trim_end());
    ConfigError::Invalid { place, why: key.map_or_else(|| message.clone(), |key| format!("`{key}` is wrong: {message}")) }
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

/// The line on which the file sets a key or, where it leaves it to the default, the nearest table around it.
fn line_of(text: &str, key: &str) -> Option<usize> {
    let document = Document::parse(text).ok()?;
    let mut here = document.as_item();
    let mut offset = None;
    let mut rest = Some(key);
    while let Some(path) = rest {
        // The name of a method is one key, with a dot in it.
        let (part, behind) = if here.get(path).is_some() {
            (path, None)
        } else {
            path.split_once('.').map_or((path, None), |(part, behind)| (part, Some(behind)))
        };
        let inner = match part.parse::<usize>() {
            Ok(at) => here.get(at),
            Err(_) => here.get(part),
        };
        let Some(inner) = inner else { break };
        rest = behind;
        let key = here.as_table_like().and_then(|table| table.key(part)).and_then(toml_edit::Key::span);
        offset = key.or_else(|| inner.span()).map(|span| span.start).or(offset);
        here = inner;
    }
    text.get(..offset?).map(|before| before.matches('\n').count() + 1)
}

/// The key whose value is at an offset, with the tables it is in.
fn key_of(table: &dyn TableLike, offset: usize) -> Option<String> {
    table.iter().find_map(|(key, item)| {
        let in_array = || {
            let mut tables = item.as_array_of_tables()?.iter().enumerate();
            tables.find_map(|(at, table)| key_of(table, offset).map(|inner| format!("{key}.{at}.{inner}")))
        };
        let inner = item.as_table_like().and_then(|inner| key_of(inner, offset)).map(|inner| format!("{key}.{inner}"));
        let inner = inner.or_else(in_array);
        let holds = || item.span().is_some_and(|span| span.contains(&offset));
        inner.or_else(|| holds().then(|| key.to_owned())).map(|key| without_secrets(&key))
    })
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
            return Err(ConfigError::UnknownKey { place: place(offset), key: without_secrets(&full), near });
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

fn check_values(place: &dyn Fn(&str) -> String, config: &Config) -> Result<(), ConfigError> {
    config.check_values().map_err(|(key, why)| ConfigError::Value { place: place(&key), key, why })
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
    fn what_is_invalid_is_refused_with_the_way_out() {
        for (text, part) in [
            ("[jobs.discover]\ncron = \"every hour\"\n", "jobs.discover.cron` is not a cron expression"),
            ("[jobs.discover]\ncron = \"0 7 * * * *\"\nzone = \"Mars/Base\"\n", "is not a time zone"),
            ("[jobs.recheck]\njitter = \"1500ms\"\n", "config.toml, line 2: `jobs.recheck.jitter` must be whole seconds"),
            ("[jobs.recheck]\njitter = \"2d\"\n", "must be at most 1d"),
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
            (
                "[[archive.retention]]\nname = \"a\"\nkeep = \"30d\"\n",
                "`archive.retention[0].peers` must name peers; a rule that erases the old messages of every peer has `everything = true`",
            ),
            (
                "[[archive.retention]]\nname = \"a\"\npeers = [\"@a_channel\"]\nkeep = \"30m\"\n",
                "`archive.retention[0].keep` must be at least 1d, not `30m`",
            ),
            (
                "[[archive.retention]]\nname = \"a\"\npeers = [\"what is this\"]\nkeep = \"30d\"\n",
                "`archive.retention[0].peers` `what is this` is not a peer selector",
            ),
            (
                "[archive]\nseries_retention = \"30m\"\n",
                "line 2: `archive.series_retention` must be at least 1d, or \"0s\" to keep",
            ),
            ("[publish]\nurl = \"http://127.0.0.1\"\n", "config.toml, line 2: `publish.url` must start with amqp://"),
            ("[publish]\n\nurl = \"amqp://127.0.0.1:99999\"\n", "config.toml, line 3: `publish.url` must have a port number"),
            (
                "[publish]\nurl = \"amqp://127.0.0.1/?foo=1\"\n",
                "config.toml, line 2: `publish.url` has an unknown parameter `foo`; known are auth_mechanism, ",
            ),
            ("[publish]\nexchange = \"amq.topic\"\n", "config.toml, line 2: `publish.exchange` must have 1 to 246 bytes"),
            (
                "[accounts.intervals]\n\"messages.getHistroy\" = \"1s\"\n",
                "line 2: `accounts.intervals.messages.getHistroy` is not",
            ),
            ("[accounts.intervals]\n\"messages.getHistroy\" = \"1s\"\n", "known are messages.getHistory"),
            ("[[http.listeners]]\naddress = \"0.0.0.0:80\"\nsealing = \"off\"\n", "sealing = \"off\""),
            ("[http]\nrequest_timeout = 10\n", "line 2"),
            ("[mirror]\nendpoint = \"https://s3.example.org\"\n", "line 1: `mirror.bucket` must name a bucket"),
            ("[mirror]\nbucket = \"Files\"\n", "line 2: `mirror.bucket` must have 3 to 63 lower-case letters"),
            (
                "[mirror]\nbucket = \"files\"\nendpoint = \"http://192.0.2.1\"\n",
                "line 3: `mirror.endpoint` must start with https://",
            ),
            ("[mirror]\nbucket = \"files\"\nendpoint = \"https://u:p@h\"\n", "line 3: `mirror.endpoint` must have no user"),
            ("[mirror]\nbucket = \"files\"\nprefix = \"/a\"\n", "line 3: `mirror.prefix` must have letters"),
            ("[mirror]\nbucket = \"files\"\nuploads = 33\n", "line 3: `mirror.uploads` must be 1 to 32"),
        ] {
            let error = read_text(text, &[]).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn an_invalid_override_is_refused_with_its_line_and_the_reason() {
        let one = "[[jobs.overrides]]\nname = \"a\"\npeers = [\"@a\"]\n";
        let refused = |text: &str| read_text(text, &[]).unwrap_err();
        assert_eq!(
            refused(&format!("{one}discover = {{ cron = \"0 0 * * * *\" }}\n")),
            "config.toml, line 4: `jobs.overrides.0.discover` cannot be set for some peers only: it reads whole dialog lists, which is how peers are found; set `jobs.discover`"
        );
        for (text, part) in [
            (
                format!("{one}catch_up = {{ cron = \"often\" }}\n"),
                "line 4: `jobs.overrides.0.catch_up.cron` is not a cron expression",
            ),
            (format!("{one}catch_up = {{}}\n\n{one}catch_up = {{}}\n"), "line 7: `jobs.overrides.1.name` `a` is used twice"),
            (one.to_owned(), "line 2: `jobs.overrides.0.name` `a` sets no job"),
            ("[[jobs.overrides]]\nname = \"a/b\"\npeers = [\"@a\"]\n".to_owned(), "line 2: `jobs.overrides.0.name` must have"),
            (format!("{one}catch_up = {{}}\n").replace("\"@a\"", ""), "line 3: `jobs.overrides.0.peers` is empty"),
            (
                one.replace("@a", "news") + "catch_up = {}\n",
                "line 3: `jobs.overrides.0.peers` is wrong: `news` is not a peer selector",
            ),
            (format!("{one}catch_upp = {{}}\n"), "line 4: unknown key `jobs.overrides.catch_upp`; did you mean `catch_up`?"),
            (
                format!("{one}catch_up = {{ crom = \"\" }}\n"),
                "line 4: unknown key `jobs.overrides.catch_up.crom`; did you mean `cron`?",
            ),
        ] {
            let error = refused(&text);
            assert!(error.contains(part), "{text}: {error}");
        }
        let error = read_text("[jobs.recheck]\n", &[("TELESCRIBE__JOBS__RECHECK__ZONE", "Mars/Base")]).unwrap_err();
        assert_eq!(
            error,
            "environment variable TELESCRIBE__JOBS__RECHECK__ZONE: `jobs.recheck.zone` `Mars/Base` is not a time zone; write a name such as \"Europe/Berlin\""
        );
    }

    #[test]
    fn the_password_of_a_proxy_is_never_shown() {
        let text = "[accounts.proxies]\nalpha = \"socks5://user:secret@127.0.0.1:1080\"\n[telegram]\nproxy = \"socks5://u:secret@h:1\"\n";
        let config = read_text(text, &[]).unwrap();
        assert_eq!(config.telegram_settings().proxies["alpha"].to_string(), "socks5://127.0.0.1:1080");
        let shown = format!("{config:?} {:?} {}", config.telegram_settings(), serde_json::to_string(&config).unwrap());
        assert!(shown.contains("127.0.0.1:1080") && !shown.contains("secret"), "{shown}");
        let error = read_text(&text.replace("socks5", "socks4"), &[]).unwrap_err();
        assert!(!error.contains("secret"), "{error}");
    }

    #[test]
    fn each_output_has_a_name_of_its_own_and_a_broker() {
        let output = |name: &str, rest: &str| format!("[[outputs]]\nname = \"{name}\"\nkind = \"rabbitmq\"\n{rest}\n");
        let (at_a, at_b) = ("url = \"amqp://a.example\"", "url = \"amqp://b.example\"\nexchange = \"other\"\ndeclare = false");
        let text = format!("[publish]\nurl = \"amqp://p.example\"\n{}{}", output("research", at_a), output("mirror-2", at_b));
        let planned = read_text(&text, &[]).unwrap().planned_outputs().unwrap();
        let names: Vec<&str> = planned.iter().map(|output| output.name.as_str()).collect();
        assert_eq!(names, ["publish", "research", "mirror-2"]);
        for (wrong, error) in [
            (
                output("publish", at_a),
                "config.toml, line 2: `outputs.0.name` `publish` is taken by the program itself; choose another",
            ),
            (
                output("search", at_a),
                "config.toml, line 2: `outputs.0.name` `search` is taken by the program itself; choose another",
            ),
            (
                output("thumbnails", at_a),
                "config.toml, line 2: `outputs.0.name` `thumbnails` is taken by the program itself; choose another",
            ),
            (
                output("A b", at_a),
                "config.toml, line 2: `outputs.0.name` must have 1 to 64 lower-case letters, digits and hyphens",
            ),
            (
                format!("{}{}", output("a", at_a), output("a", at_b)),
                "config.toml, line 6: `outputs.1.name` `a` is used twice; each output needs a name of its own",
            ),
            (output("a", "url = \"\""), "config.toml, line 4: `outputs.0.url` must name a broker"),
            (
                output("a", &format!("{at_a}\nexchange = \"amq.x\"")),
                "config.toml, line 5: `outputs.0.exchange` must have 1 to 246 bytes",
            ),
            (output("a", ""), "config.toml, line 1: `outputs.0.url` must name a broker"),
            (
                output("a", &format!("{at_a}\nexchanges = \"x\"")),
                "config.toml, line 5: unknown key `outputs.exchanges`; did you mean `exchange`?",
            ),
            ("[[outputs]]\nname = \"a\"\n".to_owned(), "config.toml, line 1: `outputs` is wrong: missing field `kind`"),
            (
                "[[outputs]]\nname = \"a\"\nkind = \"kafka\"\n".to_owned(),
                "config.toml, line 3: `outputs.0.kind` is wrong: unknown variant, expected `rabbitmq` or `webhook`",
            ),
        ] {
            let found = read_text(&wrong, &[]).unwrap_err();
            assert!(found.starts_with(error), "{found}");
        }
    }

    #[test]
    fn the_password_of_the_broker_is_never_shown() {
        let url = "amqp://crawler:s3cret@127.0.0.1:5672/%2f";
        let config = read_text(&format!("[publish]\nurl = \"{url}\"\n"), &[]).unwrap();
        let planned = config.planned_outputs().unwrap();
        let shown = format!("{config:?} {planned:?} {}", serde_json::to_string(&config).unwrap());
        assert!(shown.contains("crawler@127.0.0.1") && !shown.contains("s3cret"), "{shown}");

        let slash = url.replace("s3cret", "7/s3cret");
        let refusal =
            "`publish.url` has an `@` after the host: percent-encode special characters in user and password: write / as %2F, ";
        let error = read_text(&format!("[publish]\nurl = \"{slash}\"\n"), &[]).unwrap_err();
        assert!(error.starts_with(&format!("config.toml, line 2: {refusal}")) && !error.contains("s3cret"), "{error}");
        let error = read_text("", &[("TELESCRIBE__PUBLISH__URL", slash.as_str())]).unwrap_err();
        assert!(error.starts_with(&format!("environment variable TELESCRIBE__PUBLISH__URL: {refusal}")), "{error}");
        assert!(!error.contains("s3cret"), "{error}");
    }

    #[test]
    fn a_url_at_the_wrong_place_or_without_its_quotes_is_not_shown() {
        for (text, part) in [
            (
                "publish = \"amqp://crawler:s3cret@h\"\n",
                "config.toml, line 1: `publish` is wrong: invalid type: string, expected ",
            ),
            ("[publish]\nurl = amqp://crawler:s3cret@h\n", "config.toml, line 2: "),
            ("[publish]\nurl = \"amqp://crawler:s3cret@h\n", "config.toml, line 2: "),
            ("[publish]\nurl = \"amqp://crawler:\\s3cret@h\"\n", "config.toml, line 2: "),
            ("[publish]\nurl \"amqp://crawler:s3cret@h\"\n", "config.toml, line 2: "),
            ("[publish]\namqp://crawler:s3cret@h\n", "config.toml, line 2: "),
            ("[publish]\n\"amqp://crawler:s3cret@h\" = 1\n", "config.toml, line 2: unknown key `publish.amqp://…`"),
            ("[publish]\nurl = [\"amqp://crawler:s3cret@h\"]\n", "config.toml, line 2: `publish.url` is wrong: "),
            ("[accounts]\nproxies = \"socks5://crawler:s3cret@h:1\"\n", "config.toml, line 2: `accounts.proxies` is wrong: "),
            ("[telegram]\nproxy = { url = \"socks5://crawler:s3cret@h:1\" }\n", "config.toml, line 2: `telegram.proxy"),
            ("[telegram]\nserver = \"socks5://crawler:s3cret@h:1\"\n", "config.toml, line 2: `telegram.server` is wrong: "),
            ("[http]\nrequest_timeout = \"amqp://crawler:s3cret@h\"\n", "config.toml, line 2: `http.request_timeout` is wrong: "),
        ] {
            let error = read_text(text, &[]).unwrap_err();
            assert!(error.starts_with(part) && !error.contains("s3cret"), "{text}: {error}");
        }
        let url = "amqp://crawler:s3cret@h";
        for (name, part) in [
            ("TELESCRIBE__PUBLISH", "environment variable TELESCRIBE__PUBLISH: `publish` is wrong: "),
            ("TELESCRIBE__TELEGRAM__API_ID", "environment variable TELESCRIBE__TELEGRAM__API_ID: `telegram.api_id` is wrong: "),
        ] {
            let error = read_text("[publish]\nurl = \"amqp://crawler:s3cret@h\"\n", &[(name, url)]).unwrap_err();
            assert!(error.starts_with(part) && !error.contains("s3cret"), "{name}: {error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_broken_line_with_a_url_in_it_is_never_shown(
            before in "[\\PC\"'=\\[{ ]{0,6}", scheme in "(amqp|socks5)://", user in "[a-z\"\\\\]{0,3}", behind in "[\\PC\"'\\]}]{0,6}", key in "(publish|telegram|accounts)"
        ) {
            let text = format!("[{key}]\n{before}{scheme}{user}:s3cretw0rd@h{behind}\n");
            if let Err(error) = read_text(&text, &[]) {
                proptest::prop_assert!(!error.contains("s3cretw0rd"), "{}: {}", text, error);
            }
        }
    }
}
