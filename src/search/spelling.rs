//! British spellings of English words as the American ones, so that either finds the other. By endings and a list, on folded words;
//! a word that no one spells otherwise (rise) may change too, on both sides alike.

use std::borrow::Cow;

/// Endings, what they are in American spelling, and what may follow them.
const ENDINGS: [(&str, &str, &[&str]); 4] = [
    ("is", "iz", &["e", "ed", "es", "er", "ers", "ing", "ation", "ations"]),
    ("ys", "yz", &["e", "ed", "er", "ers", "ing"]),
    ("ll", "l", &["ed", "ing", "er", "ers"]),
    ("ogue", "og", &["", "s"]),
];
/// Fewest letters of a word that has another spelling: grey.
const BRITISH_LENGTH_MIN: usize = 4;
/// Fewest letters before an ending: wise, rising and filled are not meant.
const BEFORE_ENDING_MIN: usize = 4;
/// Beginnings of words, and what they are in American spelling.
const BEGINNINGS: [(&str, &str); 44] = [
    ("armour", "armor"),
    ("behaviour", "behavior"),
    ("colour", "color"),
    ("endeavour", "endeavor"),
    ("favour", "favor"),
    ("flavour", "flavor"),
    ("glamour", "glamor"),
    ("harbour", "harbor"),
    ("honour", "honor"),
    ("humour", "humor"),
    ("labour", "labor"),
    ("neighbour", "neighbor"),
    ("odour", "odor"),
    ("parlour", "parlor"),
    ("rumour", "rumor"),
    ("saviour", "savior"),
    ("splendour", "splendor"),
    ("tumour", "tumor"),
    ("vapour", "vapor"),
    ("vigour", "vigor"),
    ("centre", "center"),
    ("metre", "meter"),
    ("litre", "liter"),
    ("kilometre", "kilometer"),
    ("theatre", "theater"),
    ("fibre", "fiber"),
    ("calibre", "caliber"),
    ("sabre", "saber"),
    ("defence", "defense"),
    ("offence", "offense"),
    ("licence", "license"),
    ("pretence", "pretense"),
    ("grey", "gray"),
    ("tyre", "tire"),
    ("aluminium", "aluminum"),
    ("aeroplane", "airplane"),
    ("cheque", "check"),
    ("programme", "program"),
    ("jewellery", "jewelry"),
    ("manoeuvre", "maneuver"),
    ("sceptic", "skeptic"),
    ("storey", "story"),
    ("plough", "plow"),
    ("moustache", "mustache"),
];

/// An English word as it is spelled in America.
pub(super) fn american(word: &str) -> Cow<'_, str> {
    // Most words are none of these.
    if word.len() < BRITISH_LENGTH_MIN {
        return Cow::Borrowed(word);
    }
    let first = word.as_bytes().first();
    let begins = |(british, _): &&(&str, &str)| british.as_bytes().first() == first && word.starts_with(british);
    if let Some((british, spelled)) = BEGINNINGS.iter().find(begins) {
        return Cow::Owned(format!("{spelled}{}", &word[british.len()..]));
    }
    let rest = word.as_bytes().get(BEFORE_ENDING_MIN..).unwrap_or_default();
    if !rest.windows(2).any(|pair| matches!(pair, b"is" | b"ys" | b"ll" | b"og")) {
        return Cow::Borrowed(word);
    }
    for (british, spelled, suffixes) in ENDINGS {
        let before = |suffix: &str| word.strip_suffix(suffix)?.strip_suffix(british).filter(|b| b.len() >= BEFORE_ENDING_MIN);
        if let Some((before, suffix)) = suffixes.iter().find_map(|suffix| Some((before(suffix)?, suffix))) {
            return Cow::Owned(format!("{before}{spelled}{suffix}"));
        }
    }
    Cow::Borrowed(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_spelling_is_one() {
        for (british, spelled) in [
            ("organisation", "organization"),
            ("realised", "realized"),
            ("analysing", "analyzing"),
            ("travelled", "traveled"),
            ("catalogue", "catalog"),
            ("neighbourhood", "neighborhood"),
            ("theatres", "theaters"),
        ] {
            assert_eq!(american(british), spelled);
            assert_eq!(american(spelled), spelled);
        }
        for word in ["wise", "filled", "hour", "four", "rising", "vogue", "telling"] {
            assert_eq!(american(word), word);
        }
    }
}
