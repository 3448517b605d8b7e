//! A damaged record of a running program costs itself: pages, dump, index and events go on, and the message is read again.

use telescribe::model::{ChatId, MessageKey};
use telescribe_simulator::WorldSpec;

use crate::support::disk::{put, raw_db, stored_at};
use crate::support::fleet::Fleet;

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_message_costs_itself_and_is_read_from_telegram_again() {
    let fleet = Fleet::new(WorldSpec { seed: 9, accounts: 2, peers: 5, messages: 400, ..WorldSpec::default() }).await;
    let app = fleet.start_and_finish().await;
    let (chat, stored) = {
        let view = app.archive.view();
        let (chat, state) = view.crawl_states(ChatId::FIRST).map(Result::unwrap).max_by_key(|(_, state)| state.top).unwrap();
        let all = telescribe::model::IdRange { first: 1, last: state.top };
        let messages = view.messages(chat, all, telescribe::archive::Order::OldestFirst).map(Result::unwrap);
        (chat, messages.map(|stored| stored.message.key).collect::<Vec<MessageKey>>())
    };
    fleet.stop(app).await;
    let damaged = stored[stored.len() / 2];
    put(&raw_db(&fleet.data().join("archive")), "message", &stored_at(damaged), &[u8::MAX; 2]);
    // The index is made of all of it again.
    std::fs::remove_dir_all(fleet.data().join("index")).unwrap();

    let app = fleet.start().await;
    // Index, pages and dump get past it; who meets it first has it asked for again.
    fleet.until("the index has read everything", || app.index.position() == app.archive.last_seq()).await;
    let account = chat.account().map(|account| format!("&account={account}")).unwrap_or_default();
    let messages = format!("/v1/peers/{}/messages?limit=50&before={}{account}", chat.peer(), damaged.id.0 + 5);
    let page = fleet.get(&messages).await;
    assert!(page["messages"].as_array().unwrap().len() > 1, "{page:#}");
    fleet.until_equal(&app).await;
    let healed = app.archive.view().message(damaged).unwrap().unwrap();
    assert_eq!(healed.version, 1, "what was there before is kept as an earlier form");
    assert_eq!(app.archive.damage().count(), 1);
    fleet.stop(app).await;
}
