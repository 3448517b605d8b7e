//! An archive of messages: texts of a corpus, or made up.

use anyhow::{Context as _, ensure};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use telescribe::archive::{Archive, Raw};
use telescribe::model::{Media, MediaKind, Message, MessageId, MessageKey, PeerId, Timestamp};

/// As many as a page of history has.
const PAGE: usize = 100;
const SEED: u64 = 42;
const WORDS: [&str; 6] = [
    "the and message channel running news about report yesterday friends meeting tomorrow please thanks video price market city police",
    "и в не на что сообщение новости канал сегодня вчера книга друзьями город рынок цены работает полиция встреча спасибо ёлка",
    "我 觉得 今天 天气 很好 消息 频道 新闻 朋友 明天 见面 价格 市场 城市 警察 谢谢 视频 工作 学习 漢語 臺灣",
    "今日は 天気が いいですね ニュース チャンネル 友達と 会議 明日 価格 市場 ありがとう 動画 仕事 コーヒー を 飲みながら",
    "رسالة قناة أخبار اليوم أمس كتاب أصدقاء مدينة سوق أسعار يعمل شرطة اجتماع شكرا صورة فيديو غدا في من على",
    "und die Nachricht Kanal Nachrichten heute gestern Straße Freunde Stadt Markt Preise läuft Polizei Treffen danke größer",
];
/// Which of them are written without spaces.
const UNSPACED: [bool; 6] = [false, false, true, true, false, false];

/// Archives the texts in some peers, behind so many ids of each, page by page, and returns the keys in the order of the change log.
pub(crate) fn fill(archive: &Archive, texts: &[String], (peers, before): (usize, i32)) -> anyhow::Result<Vec<MessageKey>> {
    let mut random = StdRng::seed_from_u64(SEED);
    let mut keys = Vec::with_capacity(texts.len());
    let mut tops = vec![before; peers];
    for page in texts.chunks(PAGE) {
        let peer = random.random_range(0..tops.len());
        let mut write = archive.write(Timestamp(1_700_000_000));
        for text in page {
            tops[peer] += 1;
            let key = MessageKey::new(PeerId(-1_001_000_000_000 - i64::try_from(peer)? * 7_919), MessageId(tops[peer]));
            let mut message =
                Message::new(key, Timestamp(1_600_000_000 + i64::from(tops[peer]) * 600 + random.random_range(0..600)));
            message.text.clone_from(text);
            message.sender = Some(PeerId(random.random_range(1_000..3_000)));
            message.media = random.random_ratio(1, 8).then(|| Media::new(MediaKind::Photo));
            keys.push(key);
            write.message(message, Raw::default(), 0);
        }
        write.commit()?;
    }
    archive.sync()?;
    Ok(keys)
}

/// So many texts, of the file that `TELESCRIBE_CORPUS` names, or else made up.
pub(crate) fn texts(count: usize) -> anyhow::Result<Vec<String>> {
    if let Ok(corpus) = std::env::var("TELESCRIBE_CORPUS") {
        let lines = std::fs::read_to_string(&corpus).with_context(|| format!("cannot read `{corpus}`"))?;
        let texts: Vec<&str> = lines.lines().filter_map(|line| Some(line.split_once('\t')?.1)).collect();
        ensure!(!texts.is_empty(), "`{corpus}` has no line of the form language<TAB>text");
        // Languages come in blocks: spread them, so that every size of run has all of them.
        let stride = texts.len() / count.clamp(1, texts.len());
        return Ok((0..count).map(|n| texts[(n * stride.max(1) + n / texts.len()) % texts.len()].to_owned()).collect());
    }
    let mut random = StdRng::seed_from_u64(SEED);
    let words: Vec<Vec<&str>> = WORDS.iter().map(|list| list.split(' ').collect()).collect();
    let text = |_| {
        let language = random.random_range(0..words.len());
        let length = random.random_range(2..20);
        // A tenth of all words is rare, as names and numbers are.
        let word = |random: &mut StdRng| match random.random_range(0..10) {
            0 => format!("{:x}", random.random_range(0..1_000_000)),
            _ => (*words[language].choose(random).unwrap_or(&"")).to_owned(),
        };
        let words: Vec<String> = (0..length).map(|_| word(&mut random)).collect();
        words.join(if UNSPACED[language] { "" } else { " " })
    };
    Ok((0..count).map(text).collect())
}

/// A number of the environment.
pub(crate) fn number(name: &str, otherwise: usize) -> anyhow::Result<usize> {
    std::env::var(name).map_or(Ok(otherwise), |value| value.parse().with_context(|| format!("`{name}` is not a number")))
}
