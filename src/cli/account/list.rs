//! `telescribe account list`: what the session files say, without asking Telegram.

use std::process::ExitCode;

use serde_json::json;

use super::super::client::Globals;
use super::super::output::{Out, tell};
use crate::accounts::{LostSession, Session, SessionError, SessionFormat, Sessions};
use crate::model::{AccountName, Timestamp};

pub(super) fn run(store: &Sessions, globals: &Globals) -> anyhow::Result<ExitCode> {
    let mut out = Out::stdout();
    let names = store.names()?;
    if names.is_empty() {
        tell("there is no account yet; `telescribe login NAME` adds one");
    }
    let mut all_usable = true;
    for name in names {
        match look(store, &name) {
            Ok((session, form)) if globals.json => out.json(&described(&session, &form))?,
            Ok((session, form)) => out.line(in_words(&session, &form))?,
            // One that is damaged, or sealed under another key, does not hide the others.
            Err(error) => {
                all_usable = false;
                if globals.json {
                    out.json(&json!({ "name": name.as_str(), "state": "unusable", "why": error.to_string() }))?;
                } else {
                    out.line(format_args!("{name}: {error}"))?;
                }
            }
        }
    }
    out.flush()?;
    Ok(ExitCode::from(u8::from(!all_usable)))
}

fn look(store: &Sessions, name: &AccountName) -> Result<(Session, SessionFormat), SessionError> {
    Ok((store.load(name)?, store.format(name)?))
}

/// The last known state of a session, in one word.
fn state(session: &Session, lost: Option<&LostSession>) -> &'static str {
    match (lost, session.user_id()) {
        (Some(lost), _) => lost.loss().as_str(),
        (None, Some(_)) => "ready",
        (None, None) => "unknown",
    }
}

fn described(session: &Session, form: &SessionFormat) -> serde_json::Value {
    let lost = session.lost();
    let sealed_by = match form {
        SessionFormat::Plain => None,
        SessionFormat::Sealed(key) => Some(key.as_str()),
    };
    let mut line = json!({
        "name": session.name().as_str(),
        "state": state(session, lost.as_ref()),
        "user": session.user_id(),
        "home_dc": session.home(),
        "sealed_by": sealed_by,
    });
    if let Some(lost) = lost {
        line["lost"] = json!({
            "name": lost.name,
            "at": Timestamp::from(lost.at).to_string(),
            "way_out": lost.way_out(session.name()),
        });
    }
    line
}

fn in_words(session: &Session, form: &SessionFormat) -> String {
    let name = session.name();
    let user = session.user_id().map_or_else(|| "unknown".to_owned(), |id| id.to_string());
    let form = match form {
        SessionFormat::Plain => "plain",
        SessionFormat::Sealed(_) => "sealed",
    };
    let dc = session.home();
    let lost = session.lost().map(|lost| format!("; since {} {}", Timestamp::from(lost.at), lost.in_full(name)));
    format!("{name}: user {user}, data centre {dc}, {form}{}", lost.unwrap_or_default())
}
