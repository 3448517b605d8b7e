//! The query parser: lexemes first, limits next, structure last (recursive descent).
//!
//! Never Tantivy's own parser, which a kilobyte of parentheses overflows. Length, number of terms and depth are checked on the
//! flat list of lexemes, before the first recursion.

use super::fold::fold;
use super::lex::{Lexeme, LexemeKind, lex};
use super::numbers::{GroupedNumber, grouped};
use super::operator;
use super::order::SortOrder;
use super::query::{
    Node, PREFIX_LENGTH_MIN, Phrase, QUERY_DEPTH_MAX, QUERY_LENGTH_MAX, QUERY_TERMS_MAX, QueryError, SearchQuery,
};

/// Fewest digits of a telephone number that others may follow in the same query.
const NUMBER_DIGITS_MIN: usize = 10;

impl SearchQuery {
    /// Parses a query. An empty one means every message.
    ///
    /// # Errors
    /// When it is too long or too deep, or says something that has no meaning.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        let (root, sort) = parse(text)?;
        Ok(Self::new(text.trim(), root, sort))
    }
}

fn parse(text: &str) -> Result<(Node, Option<SortOrder>), QueryError> {
    if text.chars().count() > QUERY_LENGTH_MAX {
        let what = format!("the query is longer than {QUERY_LENGTH_MAX} characters; search for a part of it");
        return Err(QueryError { at: QUERY_LENGTH_MAX + 1, what });
    }
    let mut lexemes = lex(text)?;
    check_limits(&lexemes)?;
    let sort = take_sort(&mut lexemes)?;
    check_negations(text, &lexemes)?;
    let searches = lexemes
        .iter()
        .find(|l| matches!(l.kind, LexemeKind::Text(_) | LexemeKind::Phrase(_) | LexemeKind::Exact(_) | LexemeKind::Number(_)))
        .map(|l| l.at);
    let mut parser = Parser { lexemes: &lexemes, next: 0 };
    let root = parser.any()?;
    match (root, searches) {
        (None, Some(at)) => {
            Err(QueryError { at, what: "there is no letter, digit, ideograph or emoji to search for; add a word".to_owned() })
        }
        (root, _) => Ok((root.unwrap_or(Node::All), sort)),
    }
}

/// Looks whether each `NOT` stands before something. A `-` that does not is punctuation.
fn check_negations(text: &str, lexemes: &[Lexeme]) -> Result<(), QueryError> {
    let stands_before =
        |next: usize| lexemes.get(next).is_some_and(|next| !matches!(next.kind, LexemeKind::Or | LexemeKind::Close));
    let is_word = |at: usize| text.chars().nth(at.saturating_sub(1)) == Some('N');
    let dangling =
        |(number, lexeme): &(usize, &Lexeme)| lexeme.kind == LexemeKind::Not && !stands_before(number + 1) && is_word(lexeme.at);
    match lexemes.iter().enumerate().find(dangling) {
        Some((_, Lexeme { at, .. })) => {
            let what = "`NOT` stands before nothing; say what is to be left out, or put `NOT` in quotes to search for the word";
            Err(QueryError { at: *at, what: what.to_owned() })
        }
        None => Ok(()),
    }
}

/// Takes out the one `sort:`, which says nothing of what is found.
fn take_sort(lexemes: &mut Vec<Lexeme>) -> Result<Option<SortOrder>, QueryError> {
    let (mut found, mut depth, mut before) = (None, 0_usize, None);
    let mut rest = Vec::with_capacity(lexemes.len());
    for lexeme in lexemes.drain(..) {
        match &lexeme.kind {
            LexemeKind::Open => depth += 1,
            LexemeKind::Close => depth = depth.saturating_sub(1),
            LexemeKind::Filter { name: operator::SORT, value } => {
                let at = lexeme.at;
                let order = operator::sort(at, value)?;
                if depth > 0 || before == Some(LexemeKind::Not) {
                    let what = format!("`sort:{value}` is for the whole query; write it once, at its end");
                    return Err(QueryError { at, what });
                }
                if found.replace(order).is_some() {
                    return Err(QueryError { at, what: "`sort:` stands twice in the query; remove one".to_owned() });
                }
                continue;
            }
            _ => {}
        }
        before = Some(lexeme.kind.clone());
        rest.push(lexeme);
    }
    *lexemes = rest;
    Ok(found)
}

fn check_limits(lexemes: &[Lexeme]) -> Result<(), QueryError> {
    let mut open = Vec::new();
    let mut terms = 0;
    for Lexeme { at, kind } in lexemes {
        let failed = |what: String| Err(QueryError { at: *at, what });
        match kind {
            LexemeKind::Open => {
                open.push(*at);
                if open.len() > QUERY_DEPTH_MAX {
                    return failed(format!("parentheses are nested deeper than {QUERY_DEPTH_MAX}; remove some"));
                }
            }
            LexemeKind::Close => {
                if open.pop().is_none() {
                    return failed("`)` closes nothing; remove it, or put it in quotes to search for it".to_owned());
                }
            }
            LexemeKind::Text(_)
            | LexemeKind::Phrase(_)
            | LexemeKind::Exact(_)
            | LexemeKind::Number(_)
            | LexemeKind::Filter { .. } => {
                terms += 1;
                if terms > QUERY_TERMS_MAX {
                    return failed(format!("the query has more than {QUERY_TERMS_MAX} words and filters; remove some"));
                }
            }
            LexemeKind::Or | LexemeKind::Not => {}
        }
    }
    match open.pop() {
        Some(at) => Err(QueryError { at, what: "`(` is never closed; add a `)`".to_owned() }),
        None => Ok(()),
    }
}

/// Each rule gives `None` where there was nothing to search for, such as a word of punctuation only.
struct Parser<'l> {
    lexemes: &'l [Lexeme],
    next: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&LexemeKind> {
        self.lexemes.get(self.next).map(|l| &l.kind)
    }

    /// `all (OR all)*`
    fn any(&mut self) -> Result<Option<Node>, QueryError> {
        let mut nodes = Vec::new();
        loop {
            let start = self.next;
            let node = self.all()?;
            let or = self.lexemes.get(self.next).filter(|l| l.kind == LexemeKind::Or).map(|l| l.at);
            // A side without a single word, as opposed to one of punctuation, is half an idea.
            let beside = or.or_else(|| {
                start.checked_sub(1).and_then(|at| self.lexemes.get(at)).filter(|l| l.kind == LexemeKind::Or).map(|l| l.at)
            });
            if let (true, Some(at)) = (self.next == start, beside) {
                let what = "`OR` needs something on both sides; add it, or put `OR` in quotes to search for the word".to_owned();
                return Err(QueryError { at, what });
            }
            nodes.extend(node);
            if or.is_none() {
                return Ok(one_of(nodes, Node::Or));
            }
            self.next += 1;
        }
    }

    /// `one+`
    fn all(&mut self) -> Result<Option<Node>, QueryError> {
        let mut nodes = Vec::new();
        while !matches!(self.peek(), None | Some(LexemeKind::Or | LexemeKind::Close)) {
            nodes.extend(self.one()?);
        }
        Ok(one_of(nodes, Node::And))
    }

    /// `-* (word | phrase | filter | "(" any ")")`
    fn one(&mut self) -> Result<Option<Node>, QueryError> {
        let mut negated = false;
        while self.peek() == Some(&LexemeKind::Not) {
            negated = !negated;
            self.next += 1;
        }
        let Some(Lexeme { at, kind }) = self.lexemes.get(self.next) else { return Ok(None) };
        let node = match kind {
            // What follows a `-` that stands before an `OR` or at the end of a group is not for this rule.
            LexemeKind::Or | LexemeKind::Close | LexemeKind::Not => return Ok(None),
            LexemeKind::Open => {
                self.next += 1;
                let node = self.any()?;
                self.next += 1;
                node
            }
            _ => {
                self.next += 1;
                leaf(*at, kind)?
            }
        };
        Ok(node.map(|node| if negated { Node::Not(Box::new(node)) } else { node }))
    }
}

fn one_of(mut nodes: Vec<Node>, several: impl FnOnce(Vec<Node>) -> Node) -> Option<Node> {
    if nodes.len() > 1 { Some(several(nodes)) } else { nodes.pop() }
}

fn leaf(at: usize, kind: &LexemeKind) -> Result<Option<Node>, QueryError> {
    match kind {
        LexemeKind::Filter { name: operator::EARLIER, value } => earlier(at, value),
        LexemeKind::Filter { name, value } => Ok(Some(Node::Filter(at, operator::filter(at, name, value)?))),
        LexemeKind::Phrase(text) => Ok(Phrase::of(text).map(Node::Text)),
        LexemeKind::Exact(text) => Ok(Phrase::exactly(text).map(Node::Text)),
        LexemeKind::Number(text) => Ok(number(text)),
        LexemeKind::Text(text) => Ok(word(at, text)?.map(Node::Text)),
        LexemeKind::Open | LexemeKind::Close | LexemeKind::Or | LexemeKind::Not => Ok(None),
    }
}

/// A word, the beginning of one (`prefix*`), or one with slips (`word~`).
fn word(at: usize, text: &str) -> Result<Option<Phrase>, QueryError> {
    // A lone `~` behind something else than a word is how people end a sentence.
    if let Some(similar) = text.strip_suffix('~').and_then(Phrase::similar) {
        return Ok(Some(similar));
    }
    let Some(beginning) = text.strip_suffix('*') else { return Ok(Phrase::of(text)) };
    let phrase = Phrase::with_prefix(beginning);
    let short = phrase.as_ref().and_then(|p| p.prefix.as_ref()).filter(|p| p.letters.chars().count() < PREFIX_LENGTH_MIN);
    if let Some(prefix) = short {
        let what = format!("`{}*` is too short; give at least {PREFIX_LENGTH_MIN} letters before the `*`", prefix.letters);
        return Err(QueryError { at, what });
    }
    Ok(phrase)
}

/// What `earlier:` asks for: a word, or words in quotes, that an earlier version of the message has.
fn earlier(at: usize, value: &str) -> Result<Option<Node>, QueryError> {
    let phrase = if value.contains(char::is_whitespace) { Phrase::of(value) } else { word(at, value)? };
    match phrase {
        Some(phrase) => Ok(Some(Node::Text(Phrase { earlier: true, ..phrase }))),
        None => {
            let what =
                "`earlier:` needs a word, or words in quotes, that an earlier version has, such as `earlier:draft`".to_owned();
            Err(QueryError { at, what })
        }
    }
}

/// A number in groups: as one word, or in these groups wherever they stand.
fn number(text: &str) -> Option<Node> {
    let mut folded = String::new();
    fold(text, &mut folded);
    let start = folded.find(|c: char| c.is_ascii_digit())?;
    let (numbers, end) = grouped(&folded, start)?;
    let pieces = |text: &str| text.split([' ', '(', ')']).filter_map(Phrase::of).map(Node::Text).collect::<Vec<_>>();
    let is_asked = |number: &&GroupedNumber| {
        number.bytes.start == start && (number.bytes.end == end || number.digits.len() >= NUMBER_DIGITS_MIN)
    };
    let mut any: Vec<Node> = numbers
        .iter()
        .filter(is_asked)
        .filter_map(|number| {
            let mut all = pieces(&folded[number.bytes.end..end]);
            all.push(Node::Text(Phrase::number(&number.digits)));
            one_of(all, Node::And)
        })
        .collect();
    any.extend(one_of(pieces(&folded[..end]), Node::And));
    one_of(any, Node::Or)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::query::{Filter, PeerRef};
    use super::*;
    use crate::model::{Glob, PeerId, Timestamp};

    fn shape(node: &Node) -> String {
        let several = |all: &[Node], between: &str| format!("({})", all.iter().map(shape).collect::<Vec<_>>().join(between));
        match node {
            Node::All => "*".to_owned(),
            Node::And(all) => several(all, " "),
            Node::Or(all) => several(all, "|"),
            Node::Not(node) => format!("-{}", shape(node)),
            Node::Text(phrase) => {
                let units = phrase.units.iter().map(|u| u.text.clone());
                units.chain(phrase.prefix.iter().map(|p| format!("{}*", p.letters))).collect::<Vec<_>>().join("+")
            }
            Node::Filter(_, filter) => format!("{filter:?}"),
        }
    }

    #[test]
    fn queries_have_the_documented_meaning() {
        for (query, expected) in [
            ("", "*"),
            ("hello world", "(hello world)"),
            ("\"hello world\"", "hello+world"),
            ("“hello world” «да нет»", "(hello+world да+нет)"),
            ("a OR b c", "(a|(b c))"),
            ("(a OR b) -c", "((a|b) -c)"),
            ("NOT a AND --b", "(-a b)"),
            ("foo-bar -12:30", "(foo+bar -12+30)"),
            ("telesc*", "telesc*"),
            ("今天*", "今+天"),
            ("user_nam*", "user+nam*"),
            ("http://x.org/a", "http+x+org+a"),
            ("hello !", "hello"),
            ("a OR (b (c))", "(a|(b c))"),
            ("or and not", "(or and not)"),
            ("has:photo", "Tag(\"has:photo\")"),
            ("IS:Deleted", "Tag(\"is:deleted\")"),
            ("\"has:photo\"", "has+photo"),
            ("in:@durov from:42", "(In([Username(\"durov\")]) From([Id(42)]))"),
            ("in:https://t.me/s/durov/5 from:tg://user?id=42", "(In([Username(\"durov\")]) From([Id(42)]))"),
            ("notes: x", "(note x)"),
            ("צה\"ל", "צהל"),
            ("27\" monitor", "(27 monitor)"),
            ("foo\"bar baz\"", "(foo bar+baz)"),
            ("foo\"bar", "foo+bar"),
            ("-1001234567890", "1001234567890"),
            ("a -2024", "(a -2024)"),
            ("+7 495 765-43-21", "(74957654321|(7 495 765+43+21))"),
            ("(1 OR 2)", "(1|2)"),
            ("(202) 555-0143 x", "((2025550143|(202 555+0143)) x)"),
            ("10 20", "(10 20)"),
            ("2024-01-31", "2024+01+31"),
        ] {
            let parsed = SearchQuery::parse(query).unwrap_or_else(|e| panic!("{query}: {e}"));
            assert_eq!(shape(parsed.root()), expected, "{query}");
        }
    }

    #[test]
    fn an_exact_form_a_similar_word_and_an_earlier_one_are_asked_for() {
        let phrase = |text: &str| match SearchQuery::parse(text).unwrap_or_else(|e| panic!("{text}: {e}")).root() {
            Node::Text(phrase) => phrase.clone(),
            other => panic!("{text}: {other:?}"),
        };
        let exact = |text: &str| phrase(text).units.iter().map(|unit| unit.exact.clone().unwrap_or_default()).collect::<Vec<_>>();
        assert_eq!(exact("=Running"), ["running"]);
        assert_eq!(exact("=\"Data Breaches\""), ["data", "breaches"]);
        assert_eq!(exact("=«книгами»"), ["книгами"]);
        assert_eq!(exact("running"), [""]);
        assert_eq!(exact("=今天"), ["", ""], "characters have no forms");
        let slips = |text: &str| phrase(text).similar.map(|similar| similar.slips);
        assert_eq!((slips("telgram~"), slips("telegramm~"), slips("tel~"), slips("今天~")), (Some(1), Some(2), None, None));
        assert!(phrase("earlier:draft").earlier && phrase("earlier:\"first draft\"").units.len() == 2);
        assert!(phrase("earlier:draf*").prefix.is_some() && !phrase("draft").earlier);
    }

    #[test]
    fn filters_take_lists_patterns_numbers_and_spans() {
        let filter = |text: &str| match SearchQuery::parse(text).unwrap_or_else(|e| panic!("{text}: {e}")).root() {
            Node::Filter(_, filter) => filter.clone(),
            other => panic!("{text}: {other:?}"),
        };
        let named = |name: &str| PeerRef::Username(name.to_owned());
        assert_eq!(filter("in:@a,@b,-1005"), Filter::In(vec![named("a"), named("b"), PeerRef::Id(PeerId(-1005))]));
        assert_eq!(filter("in:*news*"), Filter::In(vec![PeerRef::Title(Glob::new("*news*"))]));
        assert_eq!(filter("from:\"title:My, News?\""), Filter::From(vec![PeerRef::Title(Glob::new("my, news?"))]));
        assert_eq!(filter("lang:zh-TW"), filter("LANG:chinese"));
        assert_eq!(filter("lang:uk"), Filter::Language("uk"));
        assert_eq!(filter("host:https://www.Example.com/x"), Filter::Host("example.com".to_owned()));
        assert_eq!(filter("hashtag:#Новости"), Filter::Hashtag("новости".to_owned()));
        assert_eq!(filter("topic:7"), Filter::Topic(7));
        for (text, expected) in [
            (">1000", 1_001..=i64::MAX),
            (">=1000", 1_000..=i64::MAX),
            ("1k", 1_000..=i64::MAX),
            ("<2M", 0..=1_999_999),
            ("<=10", 0..=10),
            ("5..7", 5..=7),
        ] {
            assert_eq!(filter(&format!("views:{text}")), Filter::Views(expected), "{text}");
        }
        let day = 86_400;
        let start = filter("after:2024-02-29");
        let Filter::NotBefore(Timestamp(start)) = start else { panic!("{start:?}") };
        for (text, before, after) in [
            ("2024-02-29", 3 * day, 4 * day),
            ("2024-02-29~12h", day / 2, day + day / 2),
            ("2024-02-29~1w", 7 * day, 8 * day),
            ("2024-02-29T00:00:00Z", 3_600, 3_601),
            ("2024-02-29T00:00:00Z~0h", 0, 1),
        ] {
            assert_eq!(
                filter(&format!("around:{text}")),
                Filter::Between(Timestamp(start - before), Timestamp(start + after)),
                "{text}"
            );
        }
    }

    #[test]
    fn the_order_may_stand_in_the_query_once_and_for_all_of_it() {
        let sort = |text: &str| SearchQuery::parse(text).map(|query| (query.sort(), shape(query.root())));
        assert_eq!(sort("a sort:views b"), Ok((Some(SortOrder::Views), "(a b)".to_owned())));
        assert_eq!(sort("sort:OLDEST"), Ok((Some(SortOrder::Oldest), "*".to_owned())));
        assert_eq!(sort("a"), Ok((None, "a".to_owned())));
        for wrong in ["sort:views sort:views", "-sort:views", "(a sort:views)", "sort:best", "sort:"] {
            assert!(sort(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_documented_examples_are_understood() {
        let page = include_str!("../../docs/query.md");
        let block = page.split("```").nth(1).expect("examples").trim();
        for line in block.lines() {
            let (query, _) = line.split_once("  ").expect("a query and its meaning");
            SearchQuery::parse(query).unwrap_or_else(|e| panic!("{query}: {e}"));
        }
        let table = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
        for query in table.flat_map(|(queries, _)| queries.split("` `")).flat_map(|queries| queries.split("`, `")) {
            SearchQuery::parse(query).unwrap_or_else(|e| panic!("{query}: {e}"));
        }
        assert_eq!(block.lines().count(), 4);
    }

    #[test]
    fn errors_say_what_where_and_the_way_out() {
        let errors: Vec<String> = [
            "form:123",
            "a has:foto",
            "is:delete",
            "(a",
            "a )",
            "\"a",
            "!!!",
            "ab*",
            "a OR",
            "a NOT",
            "(-b NOT) c",
            "OR a",
            "after:yesterday",
            "before:2024-13-01",
            "in:",
            "in:a-b",
            "in:,",
            "in:\"a, b\"",
            "lang:klingon",
            "topic:x",
            "views:many",
            "views:9..3",
            "host:",
            "around:2024-01-31~x",
            "sort:best",
            "(sort:newest)",
            "earlier:!",
        ]
        .map(|q| format!("{q} => {}", SearchQuery::parse(q).map_or_else(|e| e.to_string(), |q| format!("{q:?}"))))
        .into();
        insta::assert_snapshot!(errors.join("\n"), @r#"
        form:123 => there is no filter `form:`; did you mean `from:`? To search for the words, put them in quotes (at character 1 of the query)
        a has:foto => `has:` has no value `foto`; did you mean `has:photo`? It takes photo, video, animation, audio, voice, round, sticker, file, webpage, poll, geo, venue, contact, dice, game, invoice, story, other, giveaway, giveaway_results, paid, todo, stream, unsupported, media, link (at character 3 of the query)
        is:delete => `is:` has no value `delete`; did you mean `is:deleted`? It takes deleted, edited, forwarded, reply, service (at character 1 of the query)
        (a => `(` is never closed; add a `)` (at character 1 of the query)
        a ) => `)` closes nothing; remove it, or put it in quotes to search for it (at character 3 of the query)
        "a => `"` is never closed; add a second one, or remove it (at character 1 of the query)
        !!! => there is no letter, digit, ideograph or emoji to search for; add a word (at character 1 of the query)
        ab* => `ab*` is too short; give at least 3 letters before the `*` (at character 1 of the query)
        a OR => `OR` needs something on both sides; add it, or put `OR` in quotes to search for the word (at character 3 of the query)
        a NOT => `NOT` stands before nothing; say what is to be left out, or put `NOT` in quotes to search for the word (at character 3 of the query)
        (-b NOT) c => `NOT` stands before nothing; say what is to be left out, or put `NOT` in quotes to search for the word (at character 5 of the query)
        OR a => `OR` needs something on both sides; add it, or put `OR` in quotes to search for the word (at character 1 of the query)
        after:yesterday => `yesterday` is not a date; write `after:2024-01-31`, `after:2024-01`, `after:2024` or a time with its zone, such as `after:2024-01-31T12:00:00Z` (at character 1 of the query)
        before:2024-13-01 => `2024-13-01` is not a date; write `before:2024-01-31`, `before:2024-01`, `before:2024` or a time with its zone, such as `before:2024-01-31T12:00:00Z` (at character 1 of the query)
        in: => `in:` has no value; write it without a space after the colon, such as `in:@username` (at character 1 of the query)
        in:a-b => `a-b` is neither an id nor a username; write `in:` and an id such as `-1001234567890` or `@username` (at character 1 of the query)
        in:, => `in:` takes 1 to 32 peers, with commas between them and no spaces, or a pattern such as `in:title:*news*` (at character 1 of the query)
        in:"a, b" => `a, b` is neither an id nor a username; for a title, write `in:"title:a, b"` (at character 1 of the query)
        lang:klingon => `lang:` does not know `klingon`; it takes ar, be, bn, de, el, en, es, fa, fr, gu, he, hi, hy, it, ja, ka, kk, km, kn, ko, lo, ml, my, nl, pt, ru, sr, sv, ta, te, th, tr, uk, ur, vi, zh (at character 1 of the query)
        topic:x => `x` is no message id; write `topic:` and the number behind the last `/` of its link (at character 1 of the query)
        views:many => `many` is no number of views; write `views:>1000`, `views:<=10k` or `views:1000..5000` (at character 1 of the query)
        views:9..3 => `9..3` is no number of views; write `views:>1000`, `views:<=10k` or `views:1000..5000` (at character 1 of the query)
        host: => `host:` has no value; write it without a space after the colon, such as `host:example.com` (at character 1 of the query)
        around:2024-01-31~x => `x` is no length of time; write `around:2024-01-31~12h`, or `d` for days and `w` for weeks (at character 1 of the query)
        sort:best => `sort:` has no value `best`; it takes newest, oldest, relevance, views (at character 1 of the query)
        (sort:newest) => `sort:newest` is for the whole query; write it once, at its end (at character 2 of the query)
        earlier:! => `earlier:` needs a word, or words in quotes, that an earlier version has, such as `earlier:draft` (at character 1 of the query)
        "#);
    }

    #[test]
    fn limits_are_checked_before_anything_recurses() {
        let deep = |n: usize| format!("{}a{}", "(".repeat(n), ")".repeat(n));
        assert!(SearchQuery::parse(&deep(QUERY_DEPTH_MAX)).is_ok());
        assert!(SearchQuery::parse(&deep(QUERY_DEPTH_MAX + 1)).is_err());
        assert!(SearchQuery::parse(&"(".repeat(QUERY_LENGTH_MAX)).is_err());
        assert!(SearchQuery::parse(&"-".repeat(QUERY_LENGTH_MAX)).is_ok_and(|q| *q.root() == Node::All));
        assert!(SearchQuery::parse(&vec!["a"; QUERY_TERMS_MAX].join(" ")).is_ok());
        assert!(SearchQuery::parse(&vec!["a"; QUERY_TERMS_MAX + 1].join(" ")).is_err());
        assert!(SearchQuery::parse(&"今".repeat(QUERY_LENGTH_MAX)).is_ok());
        assert!(SearchQuery::parse(&"今".repeat(QUERY_LENGTH_MAX + 1)).is_err());
    }

    #[test]
    fn dates_are_days_months_or_years_in_utc_and_included() {
        let bound = |query: &str| match SearchQuery::parse(query).expect("a date").root() {
            Node::Filter(_, Filter::NotBefore(t) | Filter::Before(t)) => t.to_string(),
            other => panic!("{other:?}"),
        };
        assert_eq!(bound("after:2024-02-29"), "2024-02-29T00:00:00Z");
        assert_eq!(bound("before:2024-02-29"), "2024-03-01T00:00:00Z");
        assert_eq!(bound("before:2024-12"), "2025-01-01T00:00:00Z");
        assert_eq!(bound("after:2024"), "2024-01-01T00:00:00Z");
        assert_eq!(bound("before:2024"), "2025-01-01T00:00:00Z");
        assert_eq!(bound("after:2024-02-29T12:00:00+02:00"), "2024-02-29T10:00:00Z");
        assert_eq!(bound("before:2024-02-29T12:00:00+02:00"), "2024-02-29T10:00:01Z");
        let around = |query: &str| match SearchQuery::parse(query).expect("a span").root() {
            Node::Filter(_, Filter::Between(first, end)) => [first.to_string(), end.to_string()],
            other => panic!("{other:?}"),
        };
        assert_eq!(around("around:2024-02"), ["2024-01-01T00:00:00Z", "2024-04-01T00:00:00Z"]);
        assert_eq!(around("around:2024"), ["2023-01-01T00:00:00Z", "2026-01-01T00:00:00Z"]);
        assert_eq!(around("around:2024-02-29"), ["2024-02-26T00:00:00Z", "2024-03-04T00:00:00Z"]);
        assert_eq!(around("around:2024-02-29T12:00:00Z"), ["2024-02-29T11:00:00Z", "2024-02-29T13:00:01Z"]);
    }

    proptest! {
        #[test]
        fn the_parser_never_panics_and_keeps_its_limits(text in "([()\"*~= :-]|OR |has:|in:|after:|earlier:|views:|around:|sort:|[a-z今\\PC]){0,80}") {
            if let Ok(query) = SearchQuery::parse(&text) {
                prop_assert!(query.as_str().chars().count() <= QUERY_LENGTH_MAX);
                prop_assert!(query.positive_phrases().len() <= QUERY_TERMS_MAX);
            }
        }

        #[test]
        fn an_error_points_into_the_query(text in "\\PC{0,600}") {
            if let Err(error) = SearchQuery::parse(&text) {
                prop_assert!(error.at >= 1 && error.at <= text.chars().count().max(1), "{error}");
            }
        }
    }
}
