//! What becomes of a single character when a text is folded: letters that are one to people, digits, and what is dropped.
//!
//! Symmetric: characters that are one fold to the same one, whichever of them is written and whichever is asked for. Letters that only
//! look alike across scripts (Latin and Cyrillic a) stay apart.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use unicode_normalization::char::{decompose_canonical, is_combining_mark};

use super::han_variants::HAN_CLASSES;
use super::unicode_tables::{DECIMAL_ZEROES, EMOJI};

/// Folds a character that NFKC and lower case were applied to.
pub(super) fn fold_letter(c: char, mut push: impl FnMut(char)) {
    let several = match c {
        'а'..='я' => return push(c),
        'ё' | 'ѐ' => "е",
        'ѝ' => "и",
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        'ø' => "o",
        'đ' | 'ð' => "d",
        'ł' => "l",
        'þ' => "th",
        'ı' => "i",
        'ħ' => "h",
        'ς' => "σ",
        // Apostrophes, half rings and primes that stand for a letter; the Hebrew geresh.
        '\u{2018}'
        | '\u{2019}'
        | '\u{201b}'
        | '\u{2032}'
        | '\u{2b9}'
        | '\u{2bb}'..='\u{2bf}'
        | '\u{2c8}'
        | '\u{2ca}'
        | '\u{2cb}'
        | '\u{55a}'
        | '\u{5f3}'
        | '\u{a78b}'
        | '\u{a78c}'
        | '\u{1fbf}'
        | '`' => "'",
        // Quotes that are also written for the Hebrew gershayim, which is one of them.
        '\u{201c}'..='\u{201f}' | '\u{2033}' | '\u{5f4}' | '\u{301d}'..='\u{301f}' => "\"",
        '\u{61c}'..='\u{6ff}' => return arabic(c).into_iter().for_each(push),
        // Devanagari letters that NFKC composes with a dot below (nukta).
        '\u{929}' => "\u{928}",
        '\u{931}' => "\u{930}",
        '\u{934}' => "\u{933}",
        _ if is_dropped(c) => "",
        '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}' | '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}' => {
            decompose_canonical(c, |c| {
                if !is_combining_mark(c) {
                    push(c);
                }
            });
            return;
        }
        // Also the Chinese characters that NFKC made of compatibility ideographs and radicals.
        _ => return push(one_of_its_class(c).or_else(|| ascii_digit(c)).unwrap_or(c)),
    };
    several.chars().for_each(push);
}

/// Letters of Arabic, Persian, Urdu and their kin are one where keyboards and habits differ: hamza and madda on a letter, kaf, yeh, heh and
/// teh marbuta. Marks, the lengthening stroke and a hamza of its own are dropped.
fn arabic(c: char) -> Option<char> {
    Some(match c {
        'أ' | 'إ' | 'آ' | 'ٱ' | 'ٲ' | 'ٳ' | 'ٵ' => 'ا',
        'ؤ' | 'ٶ' => 'و',
        'ى' | 'ئ' | 'ی' | 'ٸ' | 'ۍ' | 'ؽ' | 'ؾ' | 'ؿ' => 'ي',
        'ک' | 'ڪ' | 'ػ' | 'ؼ' => 'ك',
        'ة' | 'ہ' | 'ھ' | 'ۀ' | 'ۂ' | 'ۃ' | 'ە' => 'ه',
        'ۓ' => 'ے',
        'ء'
        | 'ٴ'
        | '\u{61c}'
        | '\u{640}'
        | '\u{64b}'..='\u{65f}'
        | '\u{670}'
        | '\u{6d6}'..='\u{6dc}'
        | '\u{6df}'..='\u{6e8}'
        | '\u{6ea}'..='\u{6ed}' => return None,
        _ => ascii_digit(c).unwrap_or(c),
    })
}

/// Diacritics, vowel points, and what has no shape of its own.
fn is_dropped(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36f}'
        // Hebrew points, Arabic marks of the extended block.
        | '\u{591}'..='\u{5bd}' | '\u{5bf}' | '\u{5c1}' | '\u{5c2}' | '\u{5c4}' | '\u{5c5}' | '\u{5c7}'
        | '\u{610}'..='\u{61a}' | '\u{8ca}'..='\u{8e1}' | '\u{8e3}'..='\u{8ff}'
        // The dot below of Indic letters (nukta).
        | '\u{93c}' | '\u{9bc}' | '\u{a3c}' | '\u{abc}' | '\u{b3c}' | '\u{c3c}' | '\u{cbc}'
        | '\u{110ba}' | '\u{11173}' | '\u{111ca}' | '\u{11236}' | '\u{112e9}' | '\u{1133c}' | '\u{114c3}' | '\u{115c0}'
        // Soft hyphen, joiners, directions, byte order mark, fillers, variation selectors, tags, marks around symbols.
        | '\u{ad}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{20d0}'..='\u{20f0}' | '\u{3164}' | '\u{feff}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{e0000}'..='\u{e007f}' | '\u{e0100}'..='\u{e01ef}')
}

/// The ASCII digit with the value of a decimal digit of another script.
pub(super) fn ascii_digit(c: char) -> Option<char> {
    if !c.is_numeric() {
        return None;
    }
    let zero = DECIMAL_ZEROES.get(DECIMAL_ZEROES.partition_point(|zero| *zero <= c).checked_sub(1)?)?;
    char::from_digit(u32::from(c) - u32::from(*zero), 10)
}

/// Whether a character is an emoji, or a symbol that is used as one.
pub(super) fn is_emoji(c: char) -> bool {
    match c {
        '\0'..='\u{a8}' => false,
        '\u{2600}'..='\u{27bf}' | '\u{2b00}'..='\u{2bff}' | '\u{1f000}'..='\u{1f0ff}' | '\u{1f1e6}'..='\u{1f1ff}' => true,
        '\u{1f300}'..='\u{1faff}' => true,
        '\u{b0}'..='\u{1fff}' => false,
        _ => EMOJI.get(EMOJI.partition_point(|(_, last)| *last < c)).is_some_and(|(first, _)| *first <= c),
    }
}

/// Whether a character is a sign that NFKC makes letters or digits of, which are none of the word beside it: № ℃ ① ㋿ ㏊. Raised and lowered
/// digits (m², H₂O) belong to their word.
pub(super) fn is_sign(c: char) -> bool {
    match c {
        '\0'..='\u{20ff}' => false,
        '\u{2100}' | '\u{2101}' | '\u{2103}' | '\u{2105}' | '\u{2106}' | '\u{2109}' | '\u{2116}' | '\u{2120}' | '\u{2121}' => {
            true
        }
        '\u{213b}'
        | '\u{2460}'..='\u{24ff}'
        | '\u{3200}'..='\u{33ff}'
        | '\u{1f100}'..='\u{1f1e5}'
        | '\u{1f200}'..='\u{1f2ff}' => !is_emoji(c),
        _ => false,
    }
}

/// Where the Chinese characters of the basic plane begin: extension A.
const HAN_FIRST: u32 = 0x3400;
/// Where they end.
const HAN_LAST: u32 = 0x9fff;

/// What stands for each Chinese character: Simplified, Traditional, regional and Japanese forms of one are one (docs/decisions/0022).
static HAN: LazyLock<Han> = LazyLock::new(|| {
    let mut basic: Box<[char]> = (HAN_FIRST..=HAN_LAST).filter_map(char::from_u32).collect();
    let mut others = BTreeMap::new();
    for class in HAN_CLASSES.split(' ') {
        let Some(first) = class.chars().next() else { continue };
        for c in class.chars() {
            match place(c).and_then(|at| basic.get_mut(at)) {
                Some(slot) => *slot = first,
                None => {
                    others.insert(c, first);
                }
            }
        }
    }
    Han { basic, others }
});

struct Han {
    /// Of every character from [`HAN_FIRST`] to [`HAN_LAST`]: 28 thousand.
    basic: Box<[char]>,
    /// Of those of other planes that have one.
    others: BTreeMap<char, char>,
}

fn place(c: char) -> Option<usize> {
    matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}').then(|| usize::try_from(u32::from(c) - HAN_FIRST).ok())?
}

/// The one that stands for a Chinese character; `None` for everything else.
pub(super) fn one_of_its_class(c: char) -> Option<char> {
    match c {
        '\0'..='\u{33ff}' => None,
        '\u{20000}'..='\u{3ffff}' => HAN.others.get(&c).copied(),
        _ => HAN.basic.get(place(c)?).copied(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_for_a_class_stands_for_itself() {
        let classes: Vec<&str> = HAN_CLASSES.split(' ').collect();
        assert!(classes.len() > 4_000, "{}", classes.len());
        for class in classes {
            let first = class.chars().next().expect("a class");
            assert!(class.chars().count() > 1, "{class}");
            assert!(class.chars().all(|c| one_of_its_class(c) == Some(first)), "{class}");
        }
    }

    #[test]
    fn digits_of_every_script_have_their_value() {
        for (digits, value) in [("٠٩", "09"), ("۰۹", "09"), ("०९", "09"), ("๐๙", "09"), ("𞥐𞥙", "09"), ("߀߉", "09")]
        {
            assert_eq!(digits.chars().filter_map(ascii_digit).collect::<String>(), value);
        }
        assert_eq!("½Ⅷ①百a".chars().filter_map(ascii_digit).count(), 0);
    }

    #[test]
    fn emoji_and_signs_are_told_from_letters() {
        assert!("⏰⌛▶⏸⌨🆘🆕‼⁉©®™ℹ↗◼〰㊗🈁Ⓜ🅰🀄👍🏽🇩⬛☎".chars().all(is_emoji));
        assert!("№℃①⑩ⓐ㈱㍿㎏🄰🈂".chars().all(|c| is_sign(c) != is_emoji(c)));
        assert!("aя今ア가ก①²½→=1#*".chars().all(|c| !is_emoji(c)));
        assert!("aя今ア²₂½ℝ".chars().all(|c| !is_sign(c)));
    }
}
