//! Query parameters, validated strictly: an unknown, repeated or malformed one is named and refused, never ignored.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::num::NonZeroUsize;
use std::str::FromStr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use percent_encoding::percent_decode_str;

use super::problem::Problem;

/// How similar an unknown name must be to a known one to be suggested (Jaro-Winkler, 1 is equal).
const LIKENESS_MIN: f64 = 0.75;

/// What a resource reads from its query.
pub(super) trait FromQuery: Sized {
    /// The known names.
    const NAMES: &'static [&'static str];

    /// Takes the values.
    fn from_query(values: &Values) -> Result<Self, Problem>;
}

/// The parameters of a query, each at most once and each known.
pub(super) struct Values(BTreeMap<String, String>);

/// The extractor for [`FromQuery`].
pub(super) struct Query<T>(pub(super) T);

/// A resource without parameters.
pub(super) struct NoParams;

impl FromQuery for NoParams {
    const NAMES: &'static [&'static str] = &[];

    fn from_query(_: &Values) -> Result<Self, Problem> {
        Ok(Self)
    }
}

impl<S: Sync, T: FromQuery> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let values = Values::read(parts.uri.query().unwrap_or_default(), T::NAMES)?;
        T::from_query(&values).map(Self)
    }
}

impl From<Vec<(String, String)>> for Values {
    fn from(pairs: Vec<(String, String)>) -> Self {
        Self(pairs.into_iter().collect())
    }
}

impl Values {
    fn read(query: &str, known: &[&str]) -> Result<Self, Problem> {
        // What the decoder below would quietly replace.
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let is_text = |part: &str| percent_decode_str(part).decode_utf8().is_ok();
            if !is_text(name) {
                return Err(Problem::bad_parameter("the name of a parameter is no UTF-8"));
            }
            if !is_text(value) {
                return Err(Problem::bad_parameter(format!("`{}` is no UTF-8; encode it as that, percent-encoded", shown(name))));
            }
        }
        let pairs: Vec<(String, String)> =
            serde_urlencoded::from_str(query).map_err(|_| Problem::bad_parameter("the query string must be `name=value&…`"))?;
        let mut values = BTreeMap::new();
        for (name, value) in pairs {
            if !known.contains(&name.as_str()) {
                return Err(Problem::bad_parameter(unknown(&name, known)));
            }
            if values.insert(name.clone(), value).is_some() {
                return Err(Problem::bad_parameter(format!("`{name}` was given twice")));
            }
        }
        Ok(Self(values))
    }

    /// A parameter as text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A parameter that is parsed; `what` says what it must be.
    pub(super) fn parsed<T: FromStr>(&self, name: &str, what: &str) -> Result<Option<T>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| Problem::bad_parameter(format!("`{name}` must be {what}, not `{}`", shown(text))))
    }

    /// The maximum number of entries of a page.
    pub(super) fn limit(&self) -> Result<Option<NonZeroUsize>, Problem> {
        self.parsed("limit", "a number (1 or greater)")
    }

    /// `true` or `false`, the latter when it is not there; the name alone means `true`.
    pub(super) fn claim(&self, name: &str) -> Result<bool, Problem> {
        self.choice(name, &[("true", true), ("", true), ("false", false)]).map(Option::unwrap_or_default)
    }

    /// One of several words.
    pub(super) fn choice<T: Copy>(&self, name: &str, choices: &[(&str, T)]) -> Result<Option<T>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let found = choices.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        found.map(Some).ok_or_else(|| {
            let words = listed(choices.iter().map(|(word, _)| *word).filter(|word| !word.is_empty()));
            Problem::bad_parameter(format!("`{name}` must be one of {words}, not `{}`", shown(text)))
        })
    }
}

/// The error for an unknown name: with the nearest known one, or all of them.
pub(super) fn unknown(name: &str, known: &[&str]) -> String {
    let nearest = known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(candidate, name), candidate))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN);
    let name = shown(name);
    match (nearest, known) {
        (Some((_, nearest)), _) => format!("`{name}` is unknown; did you mean `{nearest}`?"),
        (None, []) => format!("`{name}` is unknown; there are no parameters"),
        (None, known) => format!("`{name}` is unknown; known are {}", listed(known)),
    }
}

fn listed(words: impl IntoIterator<Item = impl Display>) -> String {
    words.into_iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// A client's text, short and harmless enough to be sent back.
fn shown(text: &str) -> String {
    text.chars().take(40).flat_map(char::escape_debug).collect()
}
