//! Names: of people, chats, usernames, files and places.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::language::Language;
use crate::world::ChatKind;

const FIRST_NAMES: [&str; 40] = [
    "伟",
    "芳",
    "小明",
    "丽",
    "志强",
    "静",
    "Алексей",
    "Мария",
    "Иван",
    "Ольга",
    "Дмитрий",
    "Наталья",
    "محمد",
    "فاطمة",
    "أحمد",
    "ليلى",
    "さくら",
    "健太",
    "陽子",
    "翔",
    "Anna",
    "James",
    "Emily",
    "Robert",
    "Sarah",
    "David",
    "Grace",
    "Peter",
    "Jürgen",
    "Heike",
    "Björn",
    "Ursula",
    "Chloé",
    "José",
    "Zoë",
    "Łukasz",
    "Wei",
    "Mei",
    "Sergey",
    "🌸 Lena",
];
const LAST_NAMES: [&str; 30] = [
    "王",
    "李",
    "张",
    "刘",
    "陈",
    "杨",
    "Иванов",
    "Петрова",
    "Смирнов",
    "Кузнецова",
    "الأحمد",
    "حسن",
    "佐藤",
    "鈴木",
    "高橋",
    "Smith",
    "Johnson",
    "Brown",
    "Taylor",
    "Müller",
    "Schmidt",
    "Weiß",
    "O'Neill",
    "García",
    "Nowak",
    "Chen",
    "Wang",
    "Ivanov",
    "van Dijk",
    "d'Angelo",
];
const USERNAME_WORDS: [&str; 24] = [
    "news", "daily", "weather", "open", "city", "book", "photo", "code", "rust", "market", "travel", "history", "science",
    "music", "film", "north", "river", "golden", "quiet", "public", "metro", "garden", "signal", "archive",
];
const FILE_WORDS: [&str; 16] = [
    "report",
    "会议记录",
    "отчёт",
    "invoice",
    "schedule",
    "photos",
    "backup",
    "تقرير",
    "資料",
    "Übersicht",
    "dataset",
    "manual",
    "draft v2",
    "final",
    "notes",
    "list",
];
/// Places with their coordinates.
pub(super) const PLACES: [(&str, &str, f64, f64); 8] = [
    ("北京大学", "海淀区颐和园路5号", 39.9869, 116.3059),
    ("Красная площадь", "Москва", 55.7539, 37.6208),
    ("東京タワー", "港区芝公園", 35.6586, 139.7454),
    ("Kölner Dom", "Domkloster 4", 50.9413, 6.9583),
    ("British Museum", "Great Russell St", 51.5194, -0.127),
    ("المتحف المصري", "ميدان التحرير", 30.0478, 31.2336),
    ("臺北101", "信義路五段7號", 25.0339, 121.5645),
    ("Sydney Opera House", "Bennelong Point", -33.8568, 151.2153),
];

/// One of a list.
pub(super) fn one<'l, T>(list: &'l [T], rng: &mut ChaCha8Rng) -> &'l T {
    #[expect(clippy::indexing_slicing, reason = "every list of words has entries, and the index is drawn below its length")]
    &list[rng.random_range(0..list.len())]
}

/// A person's first and, mostly, last name.
pub(super) fn person(rng: &mut ChaCha8Rng) -> (String, Option<String>) {
    let first = one(&FIRST_NAMES, rng).to_string();
    let last = rng.random_bool(0.7).then(|| one(&LAST_NAMES, rng).to_string());
    (first, last)
}

/// A chat's title.
pub(super) fn title(language: Language, kind: ChatKind, rng: &mut ChaCha8Rng) -> String {
    let base = one(language.lexicon().titles, rng);
    match (kind, rng.random_range(0..4)) {
        (ChatKind::Group, _) => format!("{base} {}", rng.random_range(2..9)),
        (_, 0) => format!("{base} 🔥"),
        (_, 1) => format!("{base} | {}", rng.random_range(2019..2026)),
        _ => (*base).to_owned(),
    }
}

/// A chat's description.
pub(super) fn about(language: Language, rng: &mut ChaCha8Rng) -> String {
    (*one(language.lexicon().whole, rng)).to_owned()
}

/// A username that no other chat has.
pub(super) fn username(rng: &mut ChaCha8Rng, index: usize) -> String {
    format!("{}_{}_{index}", one(&USERNAME_WORDS, rng), one(&USERNAME_WORDS, rng))
}

/// A file's name without its extension.
pub(super) fn file_stem(rng: &mut ChaCha8Rng) -> String {
    format!("{} {}", one(&FILE_WORDS, rng), rng.random_range(1..2_000))
}
