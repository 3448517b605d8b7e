//! What is joined to a word by an apostrophe and is none of it: articles before it (elision: `l'Ukraine`, `dell'Italia`), Turkish
//! endings after it (`Erdoğan'ın`, `TBMM'de`). By lists, on folded words; other apostrophes are letters (O'Brien, м'ята).

/// What French, Italian, Catalan and Occitan elide, without its apostrophe.
const ELIDED: [&str; 37] = [
    "l", "d", "j", "m", "n", "s", "t", "c", "qu", "jusqu", "lorsqu", "puisqu", "quoiqu", "quelqu", "presqu", "entr", "un", "all",
    "dall", "dell", "nell", "sull", "coll", "quell", "bell", "nessun", "ciascun", "senz", "mezz", "sant", "quant", "tutt",
    "anch", "com", "gl", "degl", "v",
];
/// Fewest letters of what an article may stand before: shorter ones (`d'oh`) are no names.
const AFTER_ELISION_MIN: usize = 2;
/// Fewest letters of what an ending may follow: O'Dea is one name.
const NAME_LENGTH_MIN: usize = 2;
/// Longest row of Turkish endings that is one, in letters.
const ENDING_LENGTH_MAX: usize = 12;

/// The part of a word that others write without what is joined to it; `None` where nothing is.
pub(super) fn without_affixes(word: &str) -> Option<&str> {
    let (before, after) = word.split_once('\'')?;
    if ELIDED.contains(&before) && after.chars().count() >= AFTER_ELISION_MIN {
        // `all'inizio dell'anno`: what follows may have an ending of its own.
        return Some(without_affixes(after).unwrap_or(after));
    }
    let is_name = before.chars().count() >= NAME_LENGTH_MIN;
    (is_name && !after.contains('\'') && is_ending(after)).then_some(before)
}

/// Whether letters are Turkish endings of case, possession and number, one after another; also the English `s`, for words that the
/// stemmer leaves alone.
fn is_ending(letters: &str) -> bool {
    if letters == "s" {
        return true;
    }
    !letters.is_empty() && letters.len() <= ENDING_LENGTH_MAX && letters.is_ascii() && are_endings(letters)
}

/// The endings, with `A` for a or e, `I` for i or u (folded ı, ü), `D` for d or t, longest first.
const ENDINGS: [&str; 32] = [
    "nDAki", "nDAn", "DAki", "nIn", "DAn", "lAr", "lIk", "lI", "nDA", "sIz", "yDI", "yle", "yla", "ImIz", "InIz", "cA", "DA",
    "DIr", "lA", "ki", "nA", "nI", "sI", "yA", "yI", "In", "Im", "ncI", "IncI", "DI", "A", "I",
];

fn are_endings(letters: &str) -> bool {
    ENDINGS.iter().any(|ending| rest_after(letters, ending).is_some_and(|rest| rest.is_empty() || are_endings(rest)))
}

/// What follows an ending.
fn rest_after<'l>(letters: &'l str, ending: &str) -> Option<&'l str> {
    let mut rest = letters.chars();
    for pattern in ending.chars() {
        let letter = rest.next()?;
        let fits = match pattern {
            'A' => matches!(letter, 'a' | 'e'),
            'I' => matches!(letter, 'i' | 'u'),
            'D' => matches!(letter, 'd' | 't'),
            _ => letter == pattern,
        };
        if !fits {
            return None;
        }
    }
    Some(rest.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_behind_articles_and_before_endings() {
        for (word, name) in [
            ("l'ukraine", "ukraine"),
            ("d'iran", "iran"),
            ("qu'elle", "elle"),
            ("dell'italia", "italia"),
            ("erdogan'in", "erdogan"),
            ("tbmm'de", "tbmm"),
            ("turkiye'nin", "turkiye"), // typos: ignore
            ("ankara'dan", "ankara"),
            ("istanbul'daki", "istanbul"),
            ("kerimov'un", "kerimov"),
            ("2024'te", "2024"),
            ("abd'ye", "abd"),
            ("izmir'liler", "izmir"),
            ("putin'le", "putin"),
            ("rusya'yi", "rusya"),
            ("iphone15's", "iphone15"),
        ] {
            assert_eq!(without_affixes(word), Some(name), "{word}");
        }
    }

    #[test]
    fn other_apostrophes_are_letters() {
        for word in [
            "o'brien",
            "don't",
            "aujourd'hui",
            "м'ята",
            "об'єкт",
            "we're",
            "they'll",
            "i've",
            "o'zbekiston",
            "rock'n",
            "qur'an",
            "o'dea",
            "o'",
        ] {
            assert_eq!(without_affixes(word), None, "{word}");
        }
    }
}
