//! A trickle of live messages, edits and deletions, so that there is something to follow.

use std::time::Duration;

use telescribe_simulator::{PeerId, Post, Simulator};

use crate::app::App;

/// One thing happens this often: people can follow it.
const BEAT: Duration = Duration::from_millis(700);
/// Every so manieth message is edited a beat later, and every so manieth deleted.
const EDIT_EVERY: usize = 5;
const DELETE_EVERY: usize = 11;

const TEXTS: [&str; 12] = [
    "我觉得今天天气很好,我们去北京大学散步吧",
    "Сегодня в Москве хорошая погода, идём гулять",
    "今日はとても良い天気ですね",
    "الطقس جميل اليوم في القاهرة",
    "The weather is lovely today, shall we go for a walk?",
    "Das Wetter ist heute herrlich, gehen wir spazieren?",
    "有人知道最近的数据泄露是怎么回事吗?",
    "Кто-нибудь читал новости об утечке данных?",
    "新しい記事を公開しました。ぜひ読んでください",
    "هل قرأ أحد الأخبار هذا الصباح؟",
    "Has anyone read the report about the data breach?",
    "Hat jemand den Bericht über das Datenleck gelesen?",
];

/// Posts, edits and deletes until a stop is requested.
pub(super) async fn trickle(simulator: &Simulator, app: &App) {
    let peers: Vec<PeerId> =
        simulator.inspect(|world| world.chats.iter().map(|chat| chat.peer).filter(|peer| peer.marked() < 0).collect());
    let mut posted: Vec<(PeerId, i32)> = Vec::new();
    for n in 0.. {
        tokio::select! {
            () = tokio::time::sleep(BEAT) => {}
            () = app.lifecycle.stop_asked() => return,
        }
        let (Some(peer), Some(text)) = (peers.get((n * 7) % peers.len().max(1)), TEXTS.get(n % TEXTS.len())) else { return };
        let outcome = match posted.last().copied() {
            Some((peer, id)) if n % EDIT_EVERY == EDIT_EVERY - 1 => simulator.edit(peer, id, format!("{text} (edited)")),
            Some((peer, id)) if n % DELETE_EVERY == DELETE_EVERY - 1 => {
                posted.pop();
                simulator.delete(peer, &[id]).map(|_| ())
            }
            _ => simulator.post(*peer, Post::text(*text)).map(|id| posted.push((*peer, id))),
        };
        if let Err(error) = outcome {
            tracing::debug!(%error, "a live event of the demo did not happen");
        }
    }
}
