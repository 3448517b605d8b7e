//! Rich messages: headings, paragraphs, lists and tables in place of a plain text.
//!
//! Their words become a text with mark-up, a line for each block, so that they are read and found like any other message.
//! Layout, and photos and files between the words, are in the raw bytes only.

use grammers_tl_types::enums::{self, PageBlock as B, RichText as T};

use crate::model::{Entity, EntityKind, PeerId};

use super::{UnknownConstructors, button, timestamp};

/// The recursion limit: how deep blocks and mark-up may nest. No page that people write comes near, and a stack is not endless.
const DEPTH_MAX: u32 = 48;

/// The words of a page and their mark-up.
pub(super) fn text(tl: &enums::RichMessage, unknown: &mut UnknownConstructors) -> (String, Vec<Entity>) {
    let enums::RichMessage::Message(page) = tl;
    let mut writer = Writer { text: String::new(), at: 0, entities: Vec::new(), depth: 0, unknown };
    writer.blocks(&page.blocks);
    (writer.text, writer.entities)
}

struct Writer<'a> {
    text: String,
    /// The length of the text in UTF-16 code units.
    at: i32,
    entities: Vec<Entity>,
    depth: u32,
    unknown: &'a mut UnknownConstructors,
}

impl Writer<'_> {
    fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.at = self.at.saturating_add(i32::try_from(text.encode_utf16().count()).unwrap_or(i32::MAX));
    }

    /// Begins a line, unless this is the beginning of one.
    fn line(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.push("\n");
        }
    }

    /// Marks up what is written, if anything is.
    fn marked(&mut self, kind: EntityKind, with: impl FnOnce(&mut Entity), write: impl FnOnce(&mut Self)) {
        let (from, place) = (self.at, self.entities.len());
        write(self);
        if self.at > from {
            let mut entity = Entity::new(kind, from, self.at - from);
            with(&mut entity);
            // Before what is inside it, as Telegram has it.
            self.entities.insert(place, entity);
        }
    }

    fn link(&mut self, url: &str, write: impl FnOnce(&mut Self)) {
        self.marked(EntityKind::TextUrl, |e| e.url = Some(url.to_owned()), write);
    }

    fn address(&mut self, url: &str) {
        self.line();
        self.marked(EntityKind::Url, |_| {}, |w| w.push(url));
    }

    fn titled(&mut self, text: &enums::RichText) {
        self.line();
        self.marked(EntityKind::Bold, |_| {}, |w| w.rich(text));
    }

    fn paragraph(&mut self, text: &enums::RichText) {
        self.line();
        self.rich(text);
    }

    fn caption(&mut self, enums::PageCaption::Caption(caption): &enums::PageCaption) {
        self.paragraph(&caption.text);
        self.paragraph(&caption.credit);
    }

    fn blocks(&mut self, blocks: &[enums::PageBlock]) {
        for block in blocks {
            self.deeper(block, |w| w.block(block));
        }
    }

    fn deeper(&mut self, tl: &impl grammers_tl_types::Serializable, go: impl FnOnce(&mut Self)) {
        if self.depth >= DEPTH_MAX {
            self.unknown.note(tl);
            return;
        }
        self.depth += 1;
        go(self);
        self.depth -= 1;
    }

    fn block(&mut self, block: &enums::PageBlock) {
        match block {
            B::Title(b) => self.titled(&b.text),
            B::Subtitle(b) => self.titled(&b.text),
            B::Header(b) => self.titled(&b.text),
            B::Subheader(b) => self.titled(&b.text),
            B::Heading1(b) => self.titled(&b.text),
            B::Heading2(b) => self.titled(&b.text),
            B::Heading3(b) => self.titled(&b.text),
            B::Heading4(b) => self.titled(&b.text),
            B::Heading5(b) => self.titled(&b.text),
            B::Heading6(b) => self.titled(&b.text),
            B::AuthorDate(b) => self.paragraph(&b.author),
            B::Paragraph(b) => self.paragraph(&b.text),
            B::Footer(b) => self.paragraph(&b.text),
            B::Kicker(b) => self.paragraph(&b.text),
            B::Thinking(b) => self.paragraph(&b.text),
            B::Math(b) => {
                self.line();
                self.push(&b.source);
            }
            B::Preformatted(b) => {
                self.line();
                let language = Some(b.language.clone()).filter(|language| !language.is_empty());
                self.marked(EntityKind::Pre, |e| e.language = language, |w| w.rich(&b.text));
            }
            B::Blockquote(b) => {
                self.line();
                self.marked(EntityKind::Blockquote, |e| e.collapsed = b.collapsed, |w| w.rich(&b.text));
                self.paragraph(&b.caption);
            }
            B::Pullquote(b) => {
                self.line();
                self.marked(EntityKind::Blockquote, |_| {}, |w| w.rich(&b.text));
                self.paragraph(&b.caption);
            }
            B::BlockquoteBlocks(b) => {
                self.line();
                self.marked(EntityKind::Blockquote, |_| {}, |w| w.blocks(&b.blocks));
                self.paragraph(&b.caption);
            }
            B::List(b) => b.items.iter().for_each(|item| match item {
                enums::PageListItem::Text(i) => self.paragraph(&i.text),
                enums::PageListItem::Blocks(i) => self.blocks(&i.blocks),
            }),
            B::OrderedList(b) => b.items.iter().for_each(|item| match item {
                enums::PageListOrderedItem::Text(i) => self.paragraph(&i.text),
                enums::PageListOrderedItem::Blocks(i) => self.blocks(&i.blocks),
            }),
            B::Details(b) => {
                self.paragraph(&b.title);
                self.blocks(&b.blocks);
            }
            B::Table(b) => {
                self.paragraph(&b.title);
                b.rows.iter().for_each(|row| self.row(row));
            }
            B::RelatedArticles(b) => {
                self.paragraph(&b.title);
                for enums::PageRelatedArticle::Article(a) in &b.articles {
                    self.line();
                    self.link(&a.url, |w| w.push(a.title.as_deref().unwrap_or(&a.url)));
                    self.line();
                    self.push(a.description.as_deref().unwrap_or_default());
                }
            }
            B::ButtonRow(b) => b.buttons.iter().for_each(|enums::PageButton::Button(b)| {
                self.line();
                self.button(&b.r#type, &b.text);
            }),
            B::Photo(b) => self.caption(&b.caption),
            B::Video(b) => self.caption(&b.caption),
            B::Audio(b) => self.caption(&b.caption),
            B::Document(b) => self.caption(&b.caption),
            B::Map(b) => self.caption(&b.caption),
            B::Cover(b) => self.deeper(&b.cover, |w| w.block(&b.cover)),
            B::Collage(b) => {
                self.blocks(&b.items);
                self.caption(&b.caption);
            }
            B::Slideshow(b) => {
                self.blocks(&b.items);
                self.caption(&b.caption);
            }
            B::Embed(b) => {
                self.address(b.url.as_deref().unwrap_or_default());
                self.caption(&b.caption);
            }
            B::EmbedPost(b) => {
                self.address(&b.url);
                self.line();
                self.push(&b.author);
                self.blocks(&b.blocks);
                self.caption(&b.caption);
            }
            B::Channel(b) => {
                self.line();
                self.push(&super::chat(&b.channel).map(|peer| peer.title).unwrap_or_default());
            }
            B::Divider | B::Anchor(_) => {}
            // What this layer cannot show, and what only clients send.
            B::Unsupported | B::InputPageBlockMap(_) => self.unknown.note(block),
        }
    }

    fn row(&mut self, enums::PageTableRow::Row(row): &enums::PageTableRow) {
        self.line();
        for (at, enums::PageTableCell::Cell(cell)) in row.cells.iter().enumerate() {
            if at > 0 {
                self.push("\t");
            }
            if let Some(text) = &cell.text {
                self.rich(text);
            }
        }
    }

    /// What a button does has no place in a text, unless it is a link.
    fn button(&mut self, kind: &enums::InlineButtonType, text: &enums::RichText) {
        match button::inline(kind, String::new(), self.unknown).url {
            Some(url) => self.link(&url, |w| w.rich(text)),
            None => self.rich(text),
        }
    }

    fn rich(&mut self, text: &enums::RichText) {
        self.deeper(text, |w| w.words(text));
    }

    fn words(&mut self, text: &enums::RichText) {
        use EntityKind as K;
        let plain = |_: &mut Entity| {};
        match text {
            T::TextEmpty | T::TextImage(_) => {}
            T::TextPlain(t) => self.push(&t.text),
            T::TextConcat(t) => t.texts.iter().for_each(|text| self.rich(text)),
            T::TextBold(t) => self.marked(K::Bold, plain, |w| w.rich(&t.text)),
            T::TextItalic(t) => self.marked(K::Italic, plain, |w| w.rich(&t.text)),
            T::TextUnderline(t) => self.marked(K::Underline, plain, |w| w.rich(&t.text)),
            T::TextStrike(t) => self.marked(K::Strike, plain, |w| w.rich(&t.text)),
            T::TextFixed(t) => self.marked(K::Code, plain, |w| w.rich(&t.text)),
            T::TextSpoiler(t) => self.marked(K::Spoiler, plain, |w| w.rich(&t.text)),
            T::TextMention(t) => self.marked(K::Mention, plain, |w| w.rich(&t.text)),
            T::TextHashtag(t) => self.marked(K::Hashtag, plain, |w| w.rich(&t.text)),
            T::TextBotCommand(t) => self.marked(K::BotCommand, plain, |w| w.rich(&t.text)),
            T::TextCashtag(t) => self.marked(K::Cashtag, plain, |w| w.rich(&t.text)),
            T::TextAutoUrl(t) => self.marked(K::Url, plain, |w| w.rich(&t.text)),
            T::TextAutoEmail(t) => self.marked(K::Email, plain, |w| w.rich(&t.text)),
            T::TextAutoPhone(t) => self.marked(K::Phone, plain, |w| w.rich(&t.text)),
            T::TextBankCard(t) => self.marked(K::BankCard, plain, |w| w.rich(&t.text)),
            T::TextTonAddress(t) => self.marked(K::TonAddress, plain, |w| w.rich(&t.text)),
            T::TextUrl(t) => self.link(&t.url, |w| w.rich(&t.text)),
            T::TextEmail(t) => self.link(&format!("mailto:{}", t.email), |w| w.rich(&t.text)),
            T::TextPhone(t) => self.link(&format!("tel:{}", t.phone), |w| w.rich(&t.text)),
            T::TextMentionName(t) => {
                self.marked(K::MentionName, |e| e.user = Some(PeerId::user(t.user_id)), |w| w.rich(&t.text));
            }
            T::TextDate(t) => self.marked(K::Date, |e| e.date = Some(timestamp(t.date)), |w| w.rich(&t.text)),
            T::TextDiff(t) => {
                let mut old =
                    Writer { text: String::new(), at: 0, entities: Vec::new(), depth: self.depth, unknown: self.unknown };
                old.rich(&t.old_text);
                let old = old.text;
                self.marked(K::DiffReplace, |e| e.old = Some(old), |w| w.rich(&t.text));
            }
            T::TextCustomEmoji(t) => self.marked(K::CustomEmoji, |e| e.emoji = Some(t.document_id), |w| w.push(&t.alt)),
            T::TextButton(t) => self.button(&t.r#type, &t.text),
            T::TextMath(t) => self.push(&t.source),
            // No kind of mark-up in a message's text.
            T::TextSubscript(t) => self.rich(&t.text),
            T::TextSuperscript(t) => self.rich(&t.text),
            T::TextMarked(t) => self.rich(&t.text),
            T::TextAnchor(t) => self.rich(&t.text),
        }
    }
}
