//! Glob patterns, as people name titles by: `*` is any number of characters and `?` is one; case does not matter.

/// A glob pattern.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Glob {
    /// Case-folded.
    pattern: Vec<char>,
}

impl Glob {
    /// The pattern that a text is: every text is one.
    #[must_use]
    pub fn new(pattern: &str) -> Self {
        Self { pattern: folded(pattern) }
    }

    /// Whether a text matches. Takes the product of both lengths at most: after a mismatch only the last `*` takes one character more.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let (pattern, text) = (&self.pattern, folded(text));
        let (mut p, mut t) = (0, 0);
        let mut star: Option<(usize, usize)> = None;
        while t < text.len() {
            match pattern.get(p) {
                Some('*') => {
                    star = Some((p, t));
                    p += 1;
                }
                Some(c) if *c == '?' || text.get(t) == Some(c) => (p, t) = (p + 1, t + 1),
                _ => {
                    let Some((at, taken)) = star else { return false };
                    star = Some((at, taken + 1));
                    (p, t) = (at + 1, taken + 1);
                }
            }
        }
        pattern.iter().skip(p).all(|c| *c == '*')
    }
}

/// Case folding. By way of the upper case, because several lower-case letters share one (`ς` and `σ`, `ß` and `ss`).
fn folded(text: &str) -> Vec<char> {
    text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_pattern_made_to_be_slow_is_not() {
        let pattern = Glob::new(&format!("{}b", "*a".repeat(150)));
        assert!(!pattern.matches(&"a".repeat(5_000)));
    }

    proptest! {
        #[test]
        fn a_pattern_fits_every_text_that_it_was_made_from(parts in prop::collection::vec("[a-c]{0,3}", 1..5), between in "[a-c]{0,3}") {
            prop_assert!(Glob::new(&parts.join("*")).matches(&parts.join(&between)));
        }
    }
}
