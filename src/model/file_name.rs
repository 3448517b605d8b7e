//! Names of files as strangers give them, made safe to show and to save under.

/// Bytes of a name that is passed on: file systems take 255, and whoever saves under it may add an ending while it is written.
const LENGTH_MAX: usize = 200;
/// Bytes of an ending that stays when a name is cut.
const ENDING_MAX: usize = 16;
/// Names that are devices on Windows, whatever ending they have; a digit follows the last two.
const DEVICES: [&str; 6] = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];

/// A name that is no path, hides nothing and can be saved anywhere; its ending stays. Empty where nothing of it is left.
///
/// # Guarantees
/// - No separator, no control character, no character that turns the direction of text or cannot be seen, none that a file system refuses.
/// - It does not begin with `.` or `-`, does not end in a dot or a space, and is no device.
/// - At most 201 bytes. Made safe again it stays as it is (idempotent).
#[must_use]
pub fn safe_file_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let kept: String = last.chars().filter(|c| !is_left_out(*c)).collect();
    let short = shorten(trim(&kept));
    let is_taken_for_something_else = short.starts_with('-') || is_device(&short);
    if is_taken_for_something_else { format!("_{short}") } else { short }
}

fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || c == '.')
}

/// Cuts a name before its ending.
fn shorten(name: &str) -> String {
    if name.len() <= LENGTH_MAX {
        return name.to_owned();
    }
    let ending = name.rsplit_once('.').map(|(_, ending)| ending).filter(|ending| ending.len() <= ENDING_MAX);
    let room = LENGTH_MAX - ending.map_or(0, |ending| ending.len() + 1);
    let stem = trim(name.get(..name.floor_char_boundary(room)).unwrap_or_default());
    ending.map_or_else(|| stem.to_owned(), |ending| format!("{stem}.{ending}"))
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_uppercase();
    let numbered = |before: &str| {
        let mut rest = stem.strip_prefix(before).unwrap_or_default().chars();
        matches!((rest.next(), rest.next()), (Some('0'..='9' | '¹' | '²' | '³'), None))
    };
    DEVICES.contains(&stem.as_str()) || numbered("COM") || numbered("LPT")
}

/// Whether a character is left out: it moves a cursor, cannot be seen, turns what is beside it round, or is refused by a file system.
fn is_left_out(c: char) -> bool {
    c.is_control()
        || matches!(c, '<' | '>' | ':' | '"' | '|' | '?' | '*')
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_no_paths_and_hide_nothing() {
        for (name, safe) in [
            ("report.pdf", "report.pdf"),
            ("../../etc/passwd", "passwd"),
            ("C:\\Windows\\system32\\evil.exe", "evil.exe"),
            ("", ""),
            (".", ""),
            ("..", ""),
            ("......", ""),
            (" . . ", ""),
            ("/", ""),
            (".bashrc", "bashrc"),
            ("a\r\nSet-Cookie: x", "aSet-Cookie x"),
            ("a\"; filename=\"b.exe", "a; filename=b.exe"),
            ("photo\u{202e}gpj.exe", "photogpj.exe"),
            ("a\u{2028}b\u{e0041}c.txt", "abc.txt"),
            ("\u{200f}отчёт\u{0}.pdf", "отчёт.pdf"),
            ("今天 很好.txt", "今天 很好.txt"),
            ("CON", "_CON"),
            ("con.txt", "_con.txt"),
            ("Aux .tar.gz", "_Aux .tar.gz"),
            ("lpt9", "_lpt9"),
            ("com¹.txt", "_com¹.txt"),
            ("console.txt", "console.txt"),
            ("com10", "com10"),
            ("-rf", "_-rf"),
            ("a.txt. . ", "a.txt"),
            ("what?.txt", "what.txt"),
        ] {
            assert_eq!(safe_file_name(name), safe, "{name:?}");
        }
    }

    #[test]
    fn a_long_name_is_cut_before_its_ending() {
        for stem in ["x", "很", "👍", "é "] {
            let long = safe_file_name(&format!("{}.jpeg", stem.repeat(4_096)));
            assert!(long.len() <= LENGTH_MAX && long.len() > LENGTH_MAX - 8 && long.ends_with(".jpeg"), "{long}");
            let long = safe_file_name(&stem.repeat(4_096));
            assert!(long.len() <= LENGTH_MAX && long.len() > LENGTH_MAX - 4, "{long}");
        }
        assert_eq!(safe_file_name(&format!("a.{}", "x".repeat(4_096))).len(), LENGTH_MAX);
    }

    proptest! {
        #[test]
        fn a_name_is_always_safe(name in "(\\PC|[./\\\\ :\u{202e}\r\n\0-]|CON|nul|com1){0,80}") {
            let safe = safe_file_name(&name);
            prop_assert!(!safe.contains(['/', '\\', ':', '"']) && !safe.chars().any(is_left_out));
            prop_assert!(!safe.starts_with(['.', '-', ' ']) && !safe.ends_with(['.', ' ']) && !is_device(&safe));
            prop_assert!(safe.len() <= LENGTH_MAX + 1);
            prop_assert_eq!(safe_file_name(&safe), safe);
        }
    }
}
