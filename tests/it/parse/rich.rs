//! Messages that are pages.

use grammers_tl_types::{enums, types};
use serde_json::json;

use super::schema::{int, list, long, made, string};
use super::{DATE, message, shown};
use telescribe::parse;

fn words(text: &str) -> Vec<u8> {
    made("textPlain", &[("text", string(text))])
}

fn styled(constructor: &str, text: Vec<u8>) -> Vec<u8> {
    made(constructor, &[("text", text)])
}

fn page(blocks: Vec<Vec<u8>>) -> Vec<u8> {
    made("richMessage", &[("blocks", list(blocks))])
}

#[test]
fn the_words_of_a_page_become_the_text_and_its_mark_up() {
    let link = made("textUrl", &[("text", words("link")), ("url", string("https://example.org/"))]);
    let sentence = made("textConcat", &[("texts", list([words("👍 a "), styled("textItalic", link), words("!")]))]);
    let item = |text| made("pageListItemText", &[("text", words(text))]);
    let cell = |text| made("pageTableCell", &[("text", words(text))]);
    let row = made("pageTableRow", &[("cells", list([cell("x"), cell("y")]))]);
    let caption = made("pageCaption", &[("text", words("A photo")), ("credit", made("textEmpty", &[]))]);
    let button = made("inlineButtonTypeUrl", &[("url", string("https://example.org/b"))]);
    let button = made("pageButton", &[("text", words("Open")), ("type", button)]);
    let parsed = message(&[(
        "rich_message",
        page(vec![
            styled("pageBlockHeading1", words("Title")),
            styled("pageBlockParagraph", sentence),
            made("pageBlockDivider", &[]),
            made("pageBlockList", &[("items", list([item("one"), item("two")]))]),
            made("pageBlockTable", &[("rows", list([row]))]),
            made("pageBlockPhoto", &[("photo_id", long(8)), ("caption", caption)]),
            made("pageBlockButtonRow", &[("buttons", list([button]))]),
            styled("pageBlockFooter", made("textDate", &[("text", words("now")), ("date", int(DATE))])),
        ]),
    )]);
    assert_eq!(
        shown(&parsed),
        json!({
            "text": "Title\n👍 a link!\none\ntwo\nx\ty\nA photo\nOpen\nnow",
            "entities": [
                { "kind": "bold", "offset": 0, "length": 5 },
                { "kind": "italic", "offset": 11, "length": 4 },
                { "kind": "text_url", "offset": 11, "length": 4, "url": "https://example.org/" },
                { "kind": "text_url", "offset": 37, "length": 4, "url": "https://example.org/b" },
                { "kind": "date", "offset": 42, "length": 3, "date": "2024-01-31T12:00:00Z" },
            ],
            "rich": true,
        })
    );
    assert!(parsed.not_understood.is_empty());
}

#[test]
fn a_page_beside_a_text_stays_raw_and_is_reported() {
    let blocks = || page(vec![styled("pageBlockParagraph", words("page"))]);
    let parsed = message(&[("message", string("text")), ("rich_message", blocks())]);
    assert_eq!(shown(&parsed), json!({ "text": "text" }));
    assert_eq!(parsed.not_understood, ["richMessage"]);
    let unsupported = message(&[("rich_message", page(vec![made("pageBlockUnsupported", &[])]))]);
    assert_eq!(unsupported.not_understood, ["pageBlockUnsupported"]);
}

#[test]
fn what_nests_deeper_than_people_write_is_left_out_and_reported() {
    let mut text: enums::RichText = types::TextPlain { text: "deep".to_owned() }.into();
    for _ in 0..1_000 {
        text = types::TextBold { text }.into();
    }
    let mut parsed = message(&[]);
    let enums::Message::Message(mut tl) = super::decoded(&parsed.raw) else { panic!("a message") };
    let blocks = vec![types::PageBlockParagraph { text }.into()];
    let page = types::RichMessage { rtl: false, part: false, blocks, photos: Vec::new(), documents: Vec::new() };
    tl.rich_message = Some(page.into());
    parsed = parse::message(&enums::Message::Message(tl)).unwrap();
    assert_eq!(parsed.message.text, "");
    assert_eq!(parsed.not_understood, ["textBold"]);
}
