//! Promises about parts of texts: in dense scripts a query is found exactly where it stands, and every text finds itself.

use proptest::strategy::{Strategy as _, ValueTree as _};
use telescribe::search::{PAGE_SIZE_MAX, SearchQuery, SortOrder};

use crate::support::indexed::Indexed;
use crate::support::messages::text;

fn random_texts(pattern: &str, count: usize) -> Vec<String> {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let texts = proptest::string::string_regex(pattern).expect("a pattern");
    (0..count).map(|_| texts.new_tree(&mut runner).expect("a text").current()).collect()
}

async fn indexed(texts: &[String]) -> Indexed {
    let mut world = Indexed::new();
    world.archive(texts.iter().zip(1..).map(|(said, id)| text(id, said)));
    world.index().await;
    world
}

#[tokio::test]
async fn dense_texts_are_found_by_what_stands_in_them_and_never_across_punctuation() {
    let texts = random_texts("([天地人]|[あイ]|[가나]|[กข]|[，。!# \n]|[天人가]){1,16}", 60);
    let world = indexed(&texts).await;
    let mut crossing = 0;
    for text in &texts {
        let chars: Vec<char> = text.chars().collect();
        for from in 0..chars.len() {
            for to in from + 1..=chars.len().min(from + 8) {
                let query: String = chars[from..to].iter().filter(|c| c.is_alphanumeric()).collect();
                if query.is_empty() {
                    continue;
                }
                let expected: Vec<i32> =
                    texts.iter().zip(1..).filter(|(text, _)| text.contains(&query)).map(|(_, id)| id).collect();
                assert_eq!(world.ids(&query), expected, "`{query}` of `{text}`");
                crossing += usize::from(query.chars().count() < to - from);
            }
        }
    }
    assert!(crossing > 500, "{crossing}");
}

#[tokio::test]
async fn index_and_query_read_a_text_in_the_same_way() {
    let texts = random_texts("(\\PC|[a-zа-я '’#+.0-9-]|[漢字語]|[אב\"]|%D0%9A|1️⃣|[①№™]|[٣۴]){1,30}", 500);
    let world = indexed(&texts).await;
    let mut asked = 0;
    for (text, id) in texts.iter().zip(1..).filter(|(text, _)| !text.contains('"')) {
        let query = format!("\"{text}\"");
        if SearchQuery::parse(&query).is_err() {
            continue;
        }
        assert!(world.paged(&query, SortOrder::Newest, PAGE_SIZE_MAX).iter().any(|key| key.id.0 == id), "{query}");
        asked += 1;
    }
    assert!(asked > 150, "{asked}");
}
