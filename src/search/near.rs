//! Near-duplicate detection: a number made of a text, its shape, that is nearly the same for texts that are nearly the same (spam waves).
//!
//! The index calls [`shape`] with the text of each message ([`Message::text`](crate::model::Message), nothing else of it) and stores what it
//! returns as an optional fast column; a message without has none. Searches that collapse compare the shapes of hits by [`are_near`].
//!
//! A shape is a sketch of 16 minimum hashes of 4 bits each (b-bit MinHash). Two texts have equal cells as often as they have the same
//! features (the Jaccard index), and by chance one in 16. It is no SimHash of 64 bits: of a message of twelve words in which one differs,
//! some eight bits of that would differ, as they would of texts that have little to do with each other.
//!
//! Features are words, and overlapping sequences of characters in scripts without spaces, both folded as the index folds them, in any order.
//! Short words (mostly the ones that every text has) are one with those that follow. What a wave varies is no feature: links, mentions,
//! numbers and words with digits, emoji, punctuation, and names, unless there is little else. A name is a word with a capital first letter that begins no
//! sentence, or is addressed (`Anna, ...`): what begins a sentence in one text of a wave does not in another. Cyrillic letters that look like Latin ones are those.
//!
//! The hashes are our own (FNV-1a over characters, with MurmurHash3's finaliser), because a library's may differ by version and platform. Whatever changes the shape
//! of a text is a change of what the index has: raise the number in [`WORDS`](super::analyser::WORDS).

use std::ops::Range;

use unicode_normalization::char::is_combining_mark;

use super::fold::{FoldSink, fold};
use super::letters::is_emoji;
use super::units::is_dense;

/// How many minimum hashes a shape has.
const CELLS: usize = 16;
/// The bits of each.
const CELL_BITS: usize = 4;
/// How many cells may differ between texts that are near each other. With five, a text in which one word of twenty differs is found all but once in a thousand times,
/// and texts that have a fifth of their features in common are taken for one once in four thousand times.
pub(super) const CELLS_APART_MAX: u32 = 5;
/// The least that a text must have: eight words, or sixteen characters of a script without spaces.
const AMOUNT_MIN: u32 = 16;
/// What a word counts for.
const WORD_AMOUNT: u32 = 2;
/// Words shorter than this are one feature with the next.
const FEATURE_LENGTH_MIN: u32 = 4;
/// With fewer features than this, names are features too.
const PLAIN_MIN: u32 = 4;
/// FNV-1a of 64 bits.
const FNV_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x100_0000_01b3;
/// One odd multiplier for each cell.
const MULTIPLIERS: [u64; CELLS] = multipliers();

/// The shape of a text; `None` of one that is too short to be told from others by it.
pub(super) fn shape(text: &str) -> Option<u64> {
    let mut features = Features::new();
    for line in text.lines() {
        features.begins_sentence = true;
        for chunk in line.split_whitespace() {
            features.add(chunk);
        }
    }
    features.into_shape()
}

/// Whether two shapes are of texts that are nearly the same.
pub(super) fn are_near(one: u64, other: u64) -> bool {
    cells_apart(one, other) <= CELLS_APART_MAX
}

/// In how many cells two shapes differ.
fn cells_apart(one: u64, other: u64) -> u32 {
    const LOWEST_BITS: u64 = 0x1111_1111_1111_1111;
    let bits = one ^ other;
    let pairs = bits | bits >> 1;
    ((pairs | pairs >> 2) & LOWEST_BITS).count_ones()
}

/// Whether a piece of a text without spaces is an address or a mention: `https://example.org`, `t.me/name`, `@name`, `name@example.org`.
fn is_link(piece: &str) -> bool {
    if !piece.bytes().any(|b| matches!(b, b'.' | b'@' | b':')) {
        return false;
    }
    let inner = piece.trim_start_matches(|c: char| !c.is_alphanumeric() && c != '@');
    let inner = inner.trim_end_matches(|c: char| !c.is_alphanumeric() && c != '/');
    if inner.contains('@') || inner.contains("://") {
        return true;
    }
    let (host, has_path) = match inner.find(['/', '?', '#', ':']) {
        Some(end) => (&inner[..end], true),
        None => (inner, false),
    };
    let Some((names, top)) = host.rsplit_once('.') else { return false };
    let is_label = |label: &str| !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_');
    // A sentence that follows on another without a space has a capital letter.
    let is_top = top.chars().count() >= 2 && top.chars().all(|c| c.is_alphabetic() && (has_path || !c.is_uppercase()));
    is_top && names.split('.').all(is_label)
}

/// Takes a folded piece of a text.
struct Piece<'t, 'f> {
    text: &'t str,
    features: &'f mut Features,
}

impl FoldSink for Piece<'_, '_> {
    fn push(&mut self, folded: char, from: Range<usize>) {
        match folded {
            'a'..='z' | '0'..='9' | 'а'..='я' => self.letter(folded, from.start),
            '\'' => {}
            '\0'..='\u{7f}' => self.features.sign(folded),
            _ if is_dense(folded) => self.features.dense(folded),
            _ if is_emoji(folded) => self.features.end_sentence(),
            _ if folded.is_alphanumeric() || is_combining_mark(folded) => self.letter(folded, from.start),
            _ => self.features.end_word(None),
        }
    }
}

impl Piece<'_, '_> {
    /// Takes a letter or digit of a word, which was written at a place.
    fn letter(&mut self, folded: char, at: usize) {
        let written = || self.text.get(at..).and_then(|rest| rest.chars().next()).unwrap_or(folded);
        let word = &mut self.features.word;
        if word.length == 0 {
            word.is_capital = written().is_uppercase();
            word.begins_sentence = std::mem::take(&mut self.features.begins_sentence);
        } else if word.is_capital && !word.has_small {
            word.has_small = written().is_lowercase();
        }
        word.has_digit |= folded.is_numeric();
        word.length += 1;
        word.hash = step(word.hash, latin(folded));
    }
}

/// A word that has not ended.
struct OpenWord {
    hash: u64,
    length: u32,
    /// Whether it begins with a capital letter.
    is_capital: bool,
    /// Whether it has small letters too: otherwise everything may be in capitals.
    has_small: bool,
    begins_sentence: bool,
    has_digit: bool,
}

impl OpenWord {
    const NONE: Self =
        Self { hash: FNV_BASIS, length: 0, is_capital: false, has_small: false, begins_sentence: false, has_digit: false };

    /// Whether it is a name, as far as a letter and the sign behind it tell.
    fn is_name(&self, before: Option<char>) -> bool {
        self.is_capital && self.has_small && (!self.begins_sentence || matches!(before, Some(',' | '-')))
    }
}

/// The features of a text, as the minima of their hashes.
struct Features {
    plain: Minima,
    names: Minima,
    word: OpenWord,
    /// Short words that wait for the next: their hash and their letters.
    short: (u64, u32),
    /// The last dense characters, the newest last, and how many there were.
    dense: ([char; 4], u32),
    amount: u32,
    /// Whether a sentence begins with the next word.
    begins_sentence: bool,
}

impl Features {
    fn new() -> Self {
        Self {
            plain: Minima::NONE,
            names: Minima::NONE,
            word: OpenWord::NONE,
            short: (FNV_BASIS, 0),
            dense: (['\0'; 4], 0),
            amount: 0,
            begins_sentence: true,
        }
    }

    /// Adds a piece of a line that has no spaces.
    fn add(&mut self, chunk: &str) {
        let mut rest = chunk;
        while let Some(first) = rest.chars().next() {
            let dense = is_dense(first);
            let (piece, after) = rest.split_at(rest.find(|c| is_dense(c) != dense).unwrap_or(rest.len()));
            if dense || !is_link(piece) {
                fold(piece, &mut Piece { text: piece, features: self });
                self.end_word(None);
            }
            self.begins_sentence |= piece.ends_with(ends_sentence);
            rest = after;
        }
    }

    /// Takes a sign of ASCII.
    fn sign(&mut self, sign: char) {
        self.end_word(Some(sign));
        self.begins_sentence |= ends_sentence(sign);
    }

    fn end_sentence(&mut self) {
        self.end_word(None);
        self.begins_sentence = true;
    }

    /// Ends a word before a sign, or before anything else.
    fn end_word(&mut self, before: Option<char>) {
        let word = std::mem::replace(&mut self.word, OpenWord::NONE);
        if word.length == 0 || word.has_digit {
            return;
        }
        self.amount = self.amount.saturating_add(WORD_AMOUNT);
        if word.is_name(before) {
            self.names.take(word.hash);
            return;
        }
        let (before, letters) = self.short;
        self.short = (before.rotate_left(5) ^ word.hash, letters + word.length);
        if self.short.1 >= FEATURE_LENGTH_MIN {
            self.end_short();
        }
    }

    fn end_short(&mut self) {
        let (hash, letters) = std::mem::replace(&mut self.short, (FNV_BASIS, 0));
        if letters > 0 {
            self.plain.take(hash);
        }
    }

    /// Takes a character of a script without spaces, whatever stands between it and the last one.
    fn dense(&mut self, c: char) {
        self.end_word(None);
        self.amount = self.amount.saturating_add(1);
        let (last, count) = &mut self.dense;
        last.rotate_left(1);
        last[3] = c;
        *count += 1;
        let length = sequence(c);
        if usize::try_from(*count).is_ok_and(|count| count >= length) {
            let hash = last[last.len() - length..].iter().fold(FNV_BASIS, |hash, c| step(hash, *c));
            self.plain.take(hash);
        }
    }

    fn into_shape(mut self) -> Option<u64> {
        self.end_word(None);
        self.end_short();
        if self.amount < AMOUNT_MIN {
            return None;
        }
        if self.plain.count < PLAIN_MIN.max(self.names.count) {
            self.plain.join(&self.names);
        }
        (self.plain.count > 0).then(|| self.plain.sketch())
    }
}

/// Whether a sentence ends with a sign.
fn ends_sentence(sign: char) -> bool {
    matches!(sign, '.' | '!' | '?' | ':')
}

/// How many characters are a feature: a Chinese or Korean one says more than a letter.
fn sequence(c: char) -> usize {
    match c {
        '\0'..='\u{1fff}' => 4,
        '\u{3041}'..='\u{30ff}' => 3,
        _ => 2,
    }
}

/// The Latin letter that a Cyrillic one looks like, in capitals at least.
fn latin(c: char) -> char {
    match c {
        'а' => 'a',
        'в' => 'b',
        'е' => 'e',
        'і' => 'i',
        'ј' => 'j',
        'к' => 'k',
        'м' => 'm',
        'н' => 'h',
        'о' => 'o',
        'р' => 'p',
        'с' => 'c',
        'ѕ' => 's',
        'т' => 't',
        'у' => 'y',
        'х' => 'x',
        _ => c,
    }
}

/// The least hash of each of sixteen orders.
struct Minima {
    least: [u64; CELLS],
    count: u32,
}

impl Minima {
    const NONE: Self = Self { least: [u64::MAX; CELLS], count: 0 };

    fn take(&mut self, hash: u64) {
        let hash = mixed(hash);
        for (least, multiplier) in self.least.iter_mut().zip(MULTIPLIERS) {
            *least = (*least).min(hash.wrapping_mul(multiplier));
        }
        self.count += 1;
    }

    fn join(&mut self, other: &Self) {
        for (least, other) in self.least.iter_mut().zip(other.least) {
            *least = (*least).min(other);
        }
        self.count += other.count;
    }

    /// A few bits of each.
    fn sketch(&self) -> u64 {
        self.least.iter().fold(0, |sketch, least| sketch << CELL_BITS | mixed(*least) >> (u64::BITS as usize - CELL_BITS))
    }
}

fn step(hash: u64, c: char) -> u64 {
    (hash ^ u64::from(u32::from(c))).wrapping_mul(FNV_PRIME)
}

/// MurmurHash3's finaliser of 64 bits.
const fn mixed(mut hash: u64) -> u64 {
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ hash >> 33
}

const fn multipliers() -> [u64; CELLS] {
    let mut all = [0; CELLS];
    let mut seed = FNV_BASIS;
    let mut at = 0;
    while at < CELLS {
        seed = seed.wrapping_add(FNV_PRIME);
        all[at] = mixed(seed) | 1;
        at += 1;
    }
    all
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Texts as spam waves send them: `{name}`, `{number}`, `{link}` and `{emoji}` are what they vary.
    const WAVES: [&str; 6] = [
        "{emoji}Hi {name}! Earn up to {number}$ per day working from home, no experience needed, just two hours of free time. Write to our manager {link} today{emoji}",
        "URGENT {emoji} {name}, your wallet has been selected for the airdrop of {number} tokens. Connect before midnight at {link} and claim the reward{emoji}",
        "{name}, привет! Ищем ответственных людей на удалённую работу, доход от {number} рублей в неделю, обучение бесплатное. Пиши в личку {link} {emoji}",
        "Срочно! {emoji} Наш игрок {name} выиграл {number} рублей в нашем казино, забери свой бонус за регистрацию прямо сейчас по ссылке {link} {emoji}",
        "{emoji}招聘兼职，每天只需要两个小时，日赚{number}元，不需要任何经验，当天结算工资，有意者请联系客服{link}，名额有限先到先得{emoji}",
        "尊敬的{name}先生您好，您的账户已被系统抽中为本月幸运会员，可以领取{number}元现金红包，请立即点击{link}完成实名认证，逾期将自动作废{emoji}",
    ];
    /// Of one topic each, and not the same.
    const APART: [[&str; 3]; 3] = [
        [
            "The central bank raised its key interest rate by half a point on Thursday, saying that inflation remains too high",
            "Inflation slowed for the third month in a row, so the central bank may leave its interest rate where it is, analysts say",
            "Banks are raising the rates of their loans faster than those of their deposits, and the regulator wants to know why",
        ],
        [
            "Центральный банк повысил ключевую ставку на половину пункта и объяснил это тем, что инфляция остаётся слишком высокой",
            "Инфляция замедляется третий месяц подряд, поэтому аналитики ждут, что ключевая ставка останется на прежнем уровне",
            "Банки повышают ставки по кредитам быстрее, чем по вкладам, и регулятор намерен выяснить причины такого поведения",
        ],
        [
            "央行周四宣布将基准利率上调半个百分点，并表示通货膨胀水平仍然过高，未来可能继续收紧货币政策",
            "通胀连续第三个月放缓，分析人士认为央行很可能维持利率不变，等待更多经济数据再作决定",
            "各家银行贷款利率上涨的速度快于存款利率，监管机构要求它们说明原因并保护储户的利益",
        ],
    ];

    fn varied(wave: &str, [name, number, link, emoji]: [&str; 4]) -> String {
        wave.replace("{name}", name).replace("{number}", number).replace("{link}", link).replace("{emoji}", emoji)
    }

    fn of(text: &str) -> u64 {
        shape(text).expect("long enough")
    }

    proptest! {
        #[test]
        fn a_wave_meets_whatever_it_varies(
            wave in 0..WAVES.len(),
            names in prop::array::uniform2(prop::sample::select(vec!["Anna", "O'Brien", "Иван", "Екатерина", "@somebody_22", "Jean-Luc", "Łukasz"])),
            chinese in prop::array::uniform2(prop::sample::select(vec!["张伟", "王秀英", "李", "欧阳", "陈"])),
            numbers in prop::array::uniform2("[1-9][0-9]{1,2}([., ][0-9]{3}){0,2}"),
            links in prop::array::uniform2(prop::sample::select(vec![
                "https://t.me/+AbCdEf12", "t.me/job_now", "@manager_77", "www.example.com/a?b=c#d", "win.example.org", "http://пример.рф/путь", "mail@example.net",
            ])),
            emoji in prop::array::uniform2(prop::sample::select(vec!["", "🔥🔥🔥", "❤️", "1️⃣", "👍🏽", "🇩🇪", "‼️", "\u{200b}"])),
        ) {
            let texts = [0, 1].map(|at| {
                let name = if WAVES[wave].contains("先生") { chinese[at] } else { names[at] };
                varied(WAVES[wave], [name, &numbers[at], links[at], emoji[at]])
            });
            let [one, other] = texts.each_ref().map(|text| of(text));
            prop_assert!(are_near(one, other), "{} cells apart: {:?}", cells_apart(one, other), texts);
        }

        #[test]
        fn every_text_has_a_shape_or_none(text in "(\\PC|[aя今.@:/' 1\u{301}🏴]){0,60}") {
            prop_assert_eq!(shape(&text), shape(&text));
        }
    }

    #[test]
    fn a_name_that_begins_a_sentence_is_one_word_among_others() {
        let names = ["Anna", "Иван", "Екатерина", "Мария", "Дмитрий", "Łukasz", "Сергей", "Ольга"];
        let mut pairs = [0, 0];
        for wave in [
            "{name} заработала {number} за неделю на новом проекте, переходи по ссылке и начинай зарабатывать уже сегодня",
            "{name} just won the jackpot of {number} in our casino, claim your free welcome bonus right now before midnight",
            "Срочно! {name} выиграл {number} рублей в нашем казино, забери свой бонус за регистрацию прямо сейчас по ссылке {link}",
        ] {
            let shapes = names.map(|name| of(&varied(wave, [name, "10", "x.com/a", ""])));
            for (at, one) in shapes.iter().enumerate() {
                shapes[..at].iter().for_each(|other| pairs[usize::from(are_near(*one, *other))] += 1);
            }
        }
        // Not all: a shape has some bits, and no more.
        assert!(pairs[1] >= 80 && pairs[0] + pairs[1] == 84, "{pairs:?}");
    }

    #[test]
    fn what_begins_a_sentence_in_one_text_and_not_in_another_is_the_same() {
        let texts = [
            "Ищем курьеров на подработку, оплата каждый день, опыт не нужен, пишите в личку @job_now",
            "Ищем курьеров на подработку! Оплата каждый день. Опыт не нужен, пишите в личку t.me/work22",
            "Анна, ищем курьеров на подработку - оплата каждый день.\nОпыт не нужен, пишите в личку",
        ];
        assert_eq!(texts.map(of), [of(texts[0]); 3]);
    }

    #[test]
    fn waves_and_texts_of_one_topic_stay_apart() {
        let waves = WAVES.map(|wave| varied(wave, ["Anna", "500", "t.me/a", "🔥"]));
        let all: Vec<&str> = waves.iter().map(String::as_str).chain(APART.into_iter().flatten()).collect();
        for (at, one) in all.iter().enumerate() {
            for other in &all[..at] {
                let apart = cells_apart(of(one), of(other));
                assert!(apart > CELLS_APART_MAX + 2, "{apart} cells: {one} | {other}");
            }
        }
    }

    #[test]
    fn letters_that_look_alike_cases_and_signs_change_nothing() {
        let text = "срочно требуются курьеры, оплата каждый день, пишите менеджеру прямо сейчас";
        let other = "CPOЧHO ТPEБУЮTCЯ KУPЬEPЫ!!! ОПЛАТА — КАЖДЫЙ ДЕНЬ\nпишите, менеджеру... «прямо» сей\u{ad}час";
        assert_eq!(of(text), of(other));
        assert_eq!(of("加微信领取免费福利课程名额只有今天有效"), of("加·微 信🎁領取。免費，福利課程\n名额只有12今天有效"));
    }

    #[test]
    fn what_is_short_has_no_shape() {
        for text in [
            "",
            "ok",
            "one two three four five six seven",
            "https://example.com/ a b c d e f g 1 2 3 4",
            "今天天气很好我们出去玩吧朋友们",
        ] {
            assert_eq!(shape(text), None, "{text}");
        }
        assert!(
            shape("Anna Berta Clara Dora Emma Frida Greta Hanna").is_some(),
            "names are something where there is nothing else"
        );
    }

    #[test]
    fn a_shape_is_the_same_in_every_version() {
        let shapes = [7_719_014_025_166_501_350, 3_092_270_429_233_847_341, 2_628_668_454_108_578_948];
        assert_eq!(APART.map(|texts| of(texts[0])), shapes);
    }

    #[test]
    fn links_are_told_from_sentences() {
        for link in
            ["https://a.b/c", "(t.me/x)", "@name,", "«example.com»", "a@b.org", "example.com/A.B", "tg://resolve?domain=x"]
        {
            assert!(is_link(link), "{link}");
        }
        for text in ["word.", "end.Next", "e.g.", "12:30", "ну...да", "a/b", "3.14", "...", "", "и.т"] {
            assert!(!is_link(text), "{text}");
        }
    }
}
