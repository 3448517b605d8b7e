//! In which language a text is written.
//!
//! By its script, and by the letters that only one language of a script has; among those that share the Latin letters by the frequencies of their
//! sequences (whichlang, a model that is compiled in). It is a guess: short texts of shared scripts have none rather than a wrong one.

use whichlang::{Lang, detect_language};

/// Bytes of a text that are looked at: more would not change what is found, and cost as much as indexing the text.
const LOOKED_AT: usize = 300;
/// Fewest letters of a text in Latin letters: a name or two words may be of any language.
const LATIN_MIN: usize = 12;
/// Fewest letters of a text in a script that several languages share.
const SHARED_MIN: usize = 4;

/// Every language that is told from others, as ISO 639-1 has it, and its English name.
pub(super) const LANGUAGES: [(&str, &str); 36] = [
    ("ar", "Arabic"),
    ("be", "Belarusian"),
    ("bn", "Bengali"),
    ("de", "German"),
    ("el", "Greek"),
    ("en", "English"),
    ("es", "Spanish"),
    ("fa", "Persian"),
    ("fr", "French"),
    ("gu", "Gujarati"),
    ("he", "Hebrew"),
    ("hi", "Hindi"),
    ("hy", "Armenian"),
    ("it", "Italian"),
    ("ja", "Japanese"),
    ("ka", "Georgian"),
    ("kk", "Kazakh"),
    ("km", "Khmer"),
    ("kn", "Kannada"),
    ("ko", "Korean"),
    ("lo", "Lao"),
    ("ml", "Malayalam"),
    ("my", "Burmese"),
    ("nl", "Dutch"),
    ("pt", "Portuguese"),
    ("ru", "Russian"),
    ("sr", "Serbian"),
    ("sv", "Swedish"),
    ("ta", "Tamil"),
    ("te", "Telugu"),
    ("th", "Thai"),
    ("tr", "Turkish"),
    ("uk", "Ukrainian"),
    ("ur", "Urdu"),
    ("vi", "Vietnamese"),
    ("zh", "Chinese"),
];

/// The scripts that are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Script {
    Shared(SharedScript),
    /// One that a single language is written in, as far as people chat in it.
    Own(&'static str),
}

/// The scripts that several languages are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SharedScript {
    Latin,
    Cyrillic,
    Arabic,
    Han,
    Kana,
    Devanagari,
}

/// The languages that are told from others of their script by letters that only they have; of Russian, by what it has and those above have not.
#[derive(Clone, Copy)]
enum Told {
    Ukrainian,
    Belarusian,
    Kazakh,
    Serbian,
    Russian,
    Persian,
    Urdu,
    Arabic,
}

/// The language of a text, if it can be told.
pub(super) fn language_of(text: &str) -> Option<&'static str> {
    let text = text.get(..text.floor_char_boundary(LOOKED_AT))?;
    // Addresses and names of files are of no language.
    let words: Vec<&str> = text.split_whitespace().filter(|word| !word.contains(['/', '@', '#', '_'])).collect();
    let words = words.join(" ");
    let mut letters = Letters::default();
    words.chars().for_each(|c| letters.add(c));
    letters.language(&words)
}

/// How many letters of each script a text has.
#[derive(Default)]
struct Letters {
    shared: [usize; SharedScript::Devanagari as usize + 1],
    own: Option<(&'static str, usize)>,
    /// Letters that only one language of the script has.
    telling: [usize; Told::Arabic as usize + 1],
}

impl Letters {
    fn add(&mut self, c: char) {
        match script_of(c) {
            Some(Script::Own(language)) => {
                let (known, count) = self.own.get_or_insert((language, 0));
                *count += usize::from(*known == language);
            }
            Some(Script::Shared(script)) => {
                self.shared[script as usize] += 1;
                if let Some(told) = told_by(c) {
                    self.telling[told as usize] += 1;
                }
            }
            None => {}
        }
    }

    fn of(&self, script: SharedScript) -> usize {
        self.shared[script as usize]
    }

    fn telling(&self, language: Told) -> usize {
        self.telling[language as usize]
    }

    fn language(&self, text: &str) -> Option<&'static str> {
        let own = self.own.map_or(0, |(_, count)| count);
        // Each character of these says as much as some letters do, and links and names in Latin letters stand in all texts.
        let (han, kana) = (self.of(SharedScript::Han), self.of(SharedScript::Kana));
        let east = 3 * (han + kana);
        let others =
            [SharedScript::Cyrillic, SharedScript::Arabic, SharedScript::Devanagari].map(|script| (self.of(script), script));
        let (most, script) = others.into_iter().max_by_key(|(count, _)| *count)?;
        let latin = self.of(SharedScript::Latin) / 2;
        match (script, most.max(own).max(east).max(latin)) {
            (_, 0) => None,
            (_, largest) if largest == own => self.own.map(|(language, _)| language),
            (_, largest) if largest == east => Some(if kana > 0 { "ja" } else { "zh" }),
            (SharedScript::Cyrillic, largest) if largest == most && most >= SHARED_MIN => Some(self.cyrillic()),
            (SharedScript::Arabic, largest) if largest == most && most >= SHARED_MIN => Some(self.arabic()),
            (SharedScript::Devanagari, largest) if largest == most && most >= SHARED_MIN => Some("hi"),
            (_, largest) if largest == latin && self.of(SharedScript::Latin) >= LATIN_MIN => latin_language(text),
            _ => None,
        }
    }

    fn cyrillic(&self) -> &'static str {
        // Belarusian shares its і with Ukrainian, and ы, э and ё with Russian.
        let (uk, be, russian) = (self.telling(Told::Ukrainian), self.telling(Told::Belarusian), self.telling(Told::Russian));
        let both = self.telling(Told::Kazakh).max(self.telling(Told::Serbian));
        match (both > 0 && both >= russian / 4, uk > 0, russian > 0) {
            (true, ..) if self.telling(Told::Kazakh) >= self.telling(Told::Serbian) => "kk",
            (true, ..) => "sr",
            _ if be > 0 => "be",
            (_, true, _) if uk > russian / 4 => "uk",
            _ => "ru",
        }
    }

    fn arabic(&self) -> &'static str {
        let [fa, ur, ar] = [Told::Persian, Told::Urdu, Told::Arabic].map(|language| self.telling(language));
        if ur > 0 && ur * 4 >= fa {
            "ur"
        } else if fa > ar {
            "fa"
        } else {
            "ar"
        }
    }
}

/// Of which language a letter tells, where others that are written in the same script do not have it.
fn told_by(c: char) -> Option<Told> {
    Some(match c {
        'і' | 'ї' | 'є' | 'ґ' | 'І' | 'Ї' | 'Є' | 'Ґ' => Told::Ukrainian,
        'ў' | 'Ў' => Told::Belarusian,
        'ә' | 'ғ' | 'қ' | 'ң' | 'ө' | 'ұ' | 'ү' | 'һ' | 'Ә' | 'Ғ' | 'Қ' | 'Ң' | 'Ө' | 'Ұ' | 'Ү' | 'Һ' => {
            Told::Kazakh
        }
        'ђ' | 'ј' | 'љ' | 'њ' | 'ћ' | 'џ' | 'Ђ' | 'Ј' | 'Љ' | 'Њ' | 'Ћ' | 'Џ' => Told::Serbian,
        'ы' | 'э' | 'ъ' | 'ё' | 'Ы' | 'Э' | 'Ъ' | 'Ё' => Told::Russian,
        'پ' | 'چ' | 'ژ' | 'گ' | 'ک' | 'ی' => Told::Persian,
        'ٹ' | 'ڈ' | 'ڑ' | 'ں' | 'ے' | 'ہ' => Told::Urdu,
        'ة' | 'ى' | 'ي' | 'ك' | 'أ' | 'إ' | 'ؤ' | 'ئ' => Told::Arabic,
        _ => return None,
    })
}

fn script_of(c: char) -> Option<Script> {
    Some(match c {
        'a'..='z' | 'A'..='Z' => Script::Shared(SharedScript::Latin),
        '\0'..='\u{bf}' | '\u{d7}' | '\u{f7}' => return None,
        '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}' => Script::Shared(SharedScript::Latin),
        '\u{400}'..='\u{52f}' => Script::Shared(SharedScript::Cyrillic),
        '\u{620}'..='\u{64a}'
        | '\u{66e}'..='\u{6d3}'
        | '\u{6fa}'..='\u{6ff}'
        | '\u{fb50}'..='\u{fdff}'
        | '\u{fe70}'..='\u{fefc}' => Script::Shared(SharedScript::Arabic),
        '\u{3041}'..='\u{309f}' | '\u{30a1}'..='\u{30ff}' | '\u{ff66}'..='\u{ff9d}' => Script::Shared(SharedScript::Kana),
        '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}' => {
            Script::Shared(SharedScript::Han)
        }
        '\u{904}'..='\u{939}' => Script::Shared(SharedScript::Devanagari),
        '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}' => Script::Own("el"),
        '\u{531}'..='\u{587}' => Script::Own("hy"),
        '\u{5d0}'..='\u{5f2}' => Script::Own("he"),
        '\u{985}'..='\u{9b9}' => Script::Own("bn"),
        '\u{a85}'..='\u{ab9}' => Script::Own("gu"),
        '\u{b85}'..='\u{bb9}' => Script::Own("ta"),
        '\u{c05}'..='\u{c39}' => Script::Own("te"),
        '\u{c85}'..='\u{cb9}' => Script::Own("kn"),
        '\u{d05}'..='\u{d3a}' => Script::Own("ml"),
        '\u{e01}'..='\u{e3a}' => Script::Own("th"),
        '\u{e81}'..='\u{eb0}' => Script::Own("lo"),
        '\u{1000}'..='\u{102a}' => Script::Own("my"),
        '\u{10a0}'..='\u{10ff}' => Script::Own("ka"),
        '\u{1780}'..='\u{17b3}' => Script::Own("km"),
        '\u{1100}'..='\u{11ff}' | '\u{3131}'..='\u{318e}' | '\u{ac00}'..='\u{d7a3}' => Script::Own("ko"),
        _ => return None,
    })
}

/// Among the languages that are written in Latin letters.
fn latin_language(text: &str) -> Option<&'static str> {
    match detect_language(text) {
        Lang::Deu => Some("de"),
        Lang::Eng => Some("en"),
        Lang::Fra => Some("fr"),
        Lang::Ita => Some("it"),
        Lang::Nld => Some("nl"),
        Lang::Por => Some("pt"),
        Lang::Spa => Some("es"),
        Lang::Swe => Some("sv"),
        Lang::Tur => Some("tr"),
        Lang::Vie => Some("vi"),
        // Not written in these letters.
        Lang::Ara | Lang::Cmn | Lang::Hin | Lang::Jpn | Lang::Kor | Lang::Rus => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_told_by_script_by_letters_and_by_frequencies() {
        for (text, expected) in [
            ("Сегодня на рынке снова выросли цены", Some("ru")),
            ("Сьогодні на ринку знову зросли ціни", Some("uk")),
            ("Сёння на рынку зноў выраслі цэны, як і ўчора", Some("be")),
            ("Бүгін базарда бағалар қайтадан өсті", Some("kk")),
            ("Данас су цене на пијаци поново порасле, људи", Some("sr")),
            ("今天市场价格又上涨了", Some("zh")),
            ("今日は市場の価格がまた上がった", Some("ja")),
            ("오늘 시장 가격이 다시 올랐다", Some("ko")),
            ("ارتفعت الأسعار في السوق مرة أخرى اليوم", Some("ar")),
            ("امروز قیمت‌ها در بازار دوباره بالا رفت", Some("fa")),
            ("آج بازار میں قیمتیں پھر بڑھ گئیں ہے", Some("ur")),
            ("המחירים בשוק עלו שוב היום", Some("he")),
            ("วันนี้ราคาในตลาดขึ้นอีกแล้ว", Some("th")),
            ("Prices at the market have risen again today", Some("en")),
            ("Die Preise auf dem Markt sind heute wieder gestiegen", Some("de")),
            ("Les prix sur le marché ont encore augmenté aujourd'hui", Some("fr")),
            ("Bugün pazarda fiyatlar yine yükseldi, çok pahalı", Some("tr")),
            ("Hôm nay giá cả ở chợ lại tăng lên rồi", Some("vi")),
            ("Смотрите https://example.com/a/very/long/address/of/a/page", Some("ru")),
            ("ok", None),
            ("https://example.com/a/very/long/address/of/a/page", None),
            ("12:30 👍", None),
            ("", None),
        ] {
            assert_eq!(language_of(text), expected, "{text}");
        }
    }

    #[test]
    fn every_language_that_is_told_has_a_name() {
        let known = |code: &str| LANGUAGES.iter().any(|(known, _)| *known == code);
        let own = (0..0x11_0000).filter_map(char::from_u32).filter_map(script_of);
        assert!(own.filter_map(|script| if let Script::Own(code) = script { Some(code) } else { None }).all(known));
        assert!(LANGUAGES.is_sorted());
    }
}
