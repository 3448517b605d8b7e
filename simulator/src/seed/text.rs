//! Texts: sentences in a language, with mark-up whose offsets are counted in UTF-16 code units as they are written.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::language::Language;
use super::phrases::one;
use crate::world::{Entity, EntityKind};

/// The longest message, in UTF-16 code units: Telegram's own bound.
const LENGTH_MAX: usize = 4096;

/// Writes one text.
pub(super) struct Writer<'r> {
    language: Language,
    rng: &'r mut ChaCha8Rng,
    text: String,
    length: usize,
    entities: Vec<Entity>,
}

impl<'r> Writer<'r> {
    pub(super) fn new(language: Language, rng: &'r mut ChaCha8Rng) -> Self {
        Self { language, rng, text: String::new(), length: 0, entities: Vec::new() }
    }

    /// Writes plain text, unless it would become too long.
    pub(super) fn put(&mut self, text: &str) -> bool {
        let length = text.encode_utf16().count();
        if self.length + length > LENGTH_MAX {
            return false;
        }
        self.text.push_str(text);
        self.length += length;
        true
    }

    /// Writes marked-up text.
    pub(super) fn marked(&mut self, kind: EntityKind, text: &str) {
        let offset = self.length as i32;
        if self.put(text) {
            self.entities.push(Entity { kind, offset, length: self.length as i32 - offset });
        }
    }

    /// Telegram trims texts, so nothing may end in a space; entities are inside the text by construction.
    pub(super) fn finish(self) -> (String, Vec<Entity>) {
        (self.text.trim_end().to_owned(), self.entities)
    }

    /// Writes a whole message: mostly a line of chat, sometimes a post of paragraphs, now and then as long as one can be.
    pub(super) fn compose(&mut self, is_post: bool) {
        let roll = self.rng.random_range(0..1000);
        let (chatty, several, post) = if is_post { (350, 880, 993) } else { (780, 975, 998) };
        if roll < chatty {
            self.sentence();
        } else if roll < several {
            let sentences = self.rng.random_range(2..7);
            self.sentences(sentences);
        } else if roll < post {
            let target = self.rng.random_range(500..2_000);
            self.fill_to(target);
        } else {
            self.fill_to(LENGTH_MAX);
            self.fill_rest();
        }
        if self.rng.random_bool(if is_post { 0.3 } else { 0.07 }) {
            self.flourish();
        }
    }

    fn sentences(&mut self, count: usize) {
        let gap = self.language.lexicon().gap;
        for at in 0..count {
            if at > 0 {
                self.put(gap);
            }
            self.sentence();
        }
    }

    fn fill_to(&mut self, target: usize) {
        while self.length < target.saturating_sub(100) {
            let before = self.length;
            let sentences = self.rng.random_range(2..6);
            self.sentences(sentences);
            self.put("\n\n");
            if self.length == before {
                break;
            }
        }
    }

    fn fill_rest(&mut self) {
        while self.length < LENGTH_MAX {
            self.put("。");
        }
    }

    fn sentence(&mut self) {
        let lexicon = self.language.lexicon();
        let kind = match self.rng.random_range(0..60) {
            0 => Some(EntityKind::Bold),
            1 => Some(EntityKind::Italic),
            2 => Some(EntityKind::Spoiler),
            _ => None,
        };
        let sentence = if self.rng.random_bool(0.4) {
            (*one(lexicon.whole, self.rng)).to_owned()
        } else {
            let parts = [lexicon.beginnings, lexicon.middles, lexicon.ends].map(|parts| *one(parts, self.rng));
            parts.join(lexicon.space)
        };
        match kind {
            Some(kind) => self.marked(kind, &sentence),
            None => {
                self.put(&sentence);
            }
        }
    }

    /// A link, a tag, a mention, code: what makes texts more than words.
    fn flourish(&mut self) {
        self.put(" ");
        let number = self.rng.random_range(1..10_000);
        match self.rng.random_range(0..20) {
            0..4 => self.marked(EntityKind::Url, &format!("https://example.com/a/{number}?q=天气")),
            4..7 => {
                let tag = *one(self.language.lexicon().hashtags, self.rng);
                self.marked(EntityKind::Hashtag, tag);
            }
            7 | 8 => self.marked(EntityKind::Mention, &format!("@user_{number:x}")),
            9 => self.marked(EntityKind::TextUrl { url: format!("https://example.org/{number}") }, "😀 here"),
            10 => self.marked(EntityKind::Code, &format!("cargo run --release -- {number}")),
            11 => {
                let language = "rust".to_owned();
                self.marked(EntityKind::Pre { language }, &format!("fn main() {{\n    assert_eq!({number}, {number});\n}}"));
            }
            12 => self.marked(EntityKind::CustomEmoji { document: 5_368_324_170_671_202_000 + i64::from(number) }, "🔥"),
            13 => self.marked(EntityKind::Email, &format!("desk{number}@example.com")),
            14 => self.marked(EntityKind::Phone, &format!("+99966{number:05}")),
            15 => self.marked(EntityKind::Cashtag, "$TON"),
            16 => self.marked(EntityKind::BotCommand, "/start"),
            17 => {
                // The chat's author puts a user of the chat in.
                self.marked(EntityKind::MentionName { user: 0 }, "👩‍💻 Мария");
            }
            18 => {
                self.marked(EntityKind::Underline, "重要");
                self.marked(EntityKind::Strike, " 旧的 ");
                self.put("!");
            }
            _ => {
                self.put("\n");
                let quote = *one(self.language.lexicon().whole, self.rng);
                self.marked(EntityKind::Blockquote, quote);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn entities_cover_whole_characters_inside_the_text() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let mut longest = 0;
        for round in 0..5_000 {
            let language = Language::pick(&mut rng);
            let mut writer = Writer::new(language, &mut rng);
            writer.compose(round % 2 == 0);
            let (text, entities) = writer.finish();
            let units: Vec<u16> = text.encode_utf16().collect();
            assert!(units.len() <= LENGTH_MAX && !units.is_empty());
            longest = longest.max(units.len());
            for entity in entities {
                let part = &units[entity.offset as usize..(entity.offset + entity.length) as usize];
                assert!(String::from_utf16(part).is_ok());
            }
        }
        assert_eq!(longest, LENGTH_MAX);
    }
}
