//! The query parser: lexemes first, limits next, structure last (recursive descent).
//!
//! Never Tantivy's own parser, which a kilobyte of parentheses overflows. Length, number of terms and depth are checked on the
//! flat list of lexemes, before the first recursion.

use super::fold::fold;
use super::lex::{Lexeme, LexemeKind, lex};
use super::numbers::{GroupedNumber, grouped};
use super::operator;
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
        Ok(Self::new(text.trim(), parse(text)?))
    }
}

fn parse(text: &str) -> Result<Node, QueryError> {
    if text.chars().count() > QUERY_LENGTH_MAX {
        let what = format!("the query is longer than {QUERY_LENGTH_MAX} characters; search for a part of it");
        return Err(QueryError { at: QUERY_LENGTH_MAX + 1, what });
    }
    let lexemes = lex(text)?;
    check_limits(&lexemes)?;
    let searches = lexemes
        .iter()
        .find(|l| matches!(l.kind, LexemeKind::Text(_) | LexemeKind::Phrase(_) | LexemeKind::Number(_)))
        .map(|l| l.at);
    let mut parser = Parser { lexemes: &lexemes, next: 0 };
    let root = parser.any()?;
    match (root, searches) {
        (None, Some(at)) => {
            Err(QueryError { at, what: "there is no letter, digit, ideograph or emoji to search for; add a word".to_owned() })
        }
        (root, _) => Ok(root.unwrap_or(Node::All)),
    }
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
            LexemeKind::Text(_) | LexemeKind::Phrase(_) | LexemeKind::Number(_) | LexemeKind::Filter { .. } => {
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
        LexemeKind::Filter { name, value } => Ok(Some(Node::Filter(at, operator::filter(at, name, value)?))),
        LexemeKind::Phrase(text) => Ok(Phrase::of(text).map(Node::Text)),
        LexemeKind::Number(text) => Ok(number(text)),
        LexemeKind::Text(text) => {
            let Some(beginning) = text.strip_suffix('*') else { return Ok(Phrase::of(text).map(Node::Text)) };
            let phrase = Phrase::with_prefix(beginning);
            let short = phrase.as_ref().and_then(|p| p.prefix.as_ref()).filter(|p| p.letters.chars().count() < PREFIX_LENGTH_MIN);
            if let Some(prefix) = short {
                let what =
                    format!("`{}*` is too short; give at least {PREFIX_LENGTH_MIN} letters before the `*`", prefix.letters);
                return Err(QueryError { at, what });
            }
            Ok(phrase.map(Node::Text))
        }
        LexemeKind::Open | LexemeKind::Close | LexemeKind::Or | LexemeKind::Not => Ok(None),
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

    use super::super::query::Filter;
    use super::*;

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
            ("in:@durov from:42", "(In(Username(\"durov\")) From(Id(42)))"),
            ("in:https://t.me/s/durov/5 from:tg://user?id=42", "(In(Username(\"durov\")) From(Id(42)))"),
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
            "OR a",
            "after:yesterday",
            "before:2024-13-01",
            "in:",
            "in:a-b",
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
        OR a => `OR` needs something on both sides; add it, or put `OR` in quotes to search for the word (at character 1 of the query)
        after:yesterday => `yesterday` is not a date; write `after:2024-01-31`, `after:2024-01` or `after:2024` (at character 1 of the query)
        before:2024-13-01 => `2024-13-01` is not a date; write `before:2024-01-31`, `before:2024-01` or `before:2024` (at character 1 of the query)
        in: => `in:` has no value; write it without a space after the colon, such as `in:@username` (at character 1 of the query)
        in:a-b => `a-b` is neither an id nor a username; write `in:` and an id such as `-1001234567890` or `@username` (at character 1 of the query)
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
    }

    proptest! {
        #[test]
        fn the_parser_never_panics_and_keeps_its_limits(text in "([()\"* :-]|OR |has:|in:|after:|[a-z今\\PC]){0,80}") {
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
