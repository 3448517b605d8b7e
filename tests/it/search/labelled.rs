//! A labelled set: what a query must find and what not, in every script and for everything that people write in two ways.

use telescribe::model::{Button, ButtonKind, Media, MediaKind};
use telescribe::search::{PAGE_SIZE_MAX, Request};

use crate::support::indexed::{Indexed, request};
use crate::support::messages::text;

/// `text<TAB>query<TAB>1 or 0`.
const TABLE: &str = include_str!("labelled.tsv");
/// Fewest rows: a table that was not read has none.
const ROWS_MIN: usize = 150;

/// A text of the table, with its escapes replaced.
fn written(text: &str) -> String {
    let mut parts = text.split("\\u{");
    let mut out = parts.next().unwrap_or_default().replace("\\n", "\n");
    for part in parts {
        let (code, rest) = part.split_once('}').expect("a code in braces");
        out.extend(u32::from_str_radix(code, 16).ok().and_then(char::from_u32));
        out.push_str(&rest.replace("\\n", "\n"));
    }
    out
}

#[tokio::test]
async fn the_labelled_set_is_found_as_it_is_labelled() {
    let rows: Vec<[&str; 3]> = TABLE
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with("# "))
        .map(|line| line.split('\t').collect::<Vec<_>>().try_into().unwrap_or_else(|_| panic!("three columns: {line}")))
        .collect();
    assert!(rows.len() >= ROWS_MIN, "{}", rows.len());
    let mut world = Indexed::new();
    world.archive(rows.iter().zip(1..).map(|([said, _, _], id)| text(id, &written(said))));
    world.index().await;
    let mut wrong = Vec::new();
    for ([said, query, label], id) in rows.iter().zip(1..) {
        let page = world.ask(&Request { page_size: PAGE_SIZE_MAX, ..request(query) });
        let page = page.unwrap_or_else(|e| panic!("{query}: {e}"));
        let hit = page.hits.iter().find(|hit| hit.key.id.0 == id);
        if hit.is_some() != (*label == "1") {
            wrong.push(format!("`{query}` in `{said}`: {label} is right"));
        }
        // What was found is shown.
        let negated = query.contains(" -");
        if hit.is_some_and(|hit| hit.snippet.highlights.is_empty()) && !negated {
            wrong.push(format!("`{query}` in `{said}` is not highlighted"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn a_phrase_is_left_out_wherever_its_first_message_is() {
    let mut world = Indexed::new();
    world.archive([text(1, "one"), text(2, "one two"), text(3, "one two three"), text(4, "three two")]);
    world.index().await;
    assert_eq!(world.ids("one -\"two three\""), [1, 2]);
    assert_eq!(world.ids("-\"two three\""), [1, 2, 4]);
    assert_eq!(world.ids("one -(\"two three\" OR \"no such\")"), [1, 2]);
    assert_eq!(world.ids("-(-\"two three\" one) two"), [3, 4]);
}

#[tokio::test]
async fn no_phrase_reaches_from_a_text_into_a_button_an_option_or_a_name() {
    let mut world = Indexed::new();
    let mut button = text(1, "今天");
    button.buttons = vec![vec![Button::new(ButtonKind::Callback, "很好".to_owned())]];
    let mut poll = text(2, "please choose");
    let options = vec!["red one".to_owned(), "blue two".to_owned()];
    poll.media = Some(Media { question: Some("your colour".to_owned()), options, ..Media::new(MediaKind::Poll) });
    let mut file = text(3, "股");
    file.media = Some(Media { name: Some("A.pdf".to_owned()), ..Media::new(MediaKind::File) });
    world.archive([button, poll, file]);
    world.index().await;
    for query in [
        "今天很好",
        "\"今天，很好\"",
        "\"choose your\"",
        "\"colour red\"",
        "\"choose, your\"",
        "\"one blue\"",
        "股A",
        "\"股，A\"",
    ] {
        assert!(world.ids(query).is_empty(), "{query}");
    }
    assert_eq!(world.ids("今天 很好"), [1]);
    assert_eq!(world.ids("\"blue two\""), [2]);
    assert_eq!(world.ids("股 A"), [3]);
}
