//! What is live is never behind what is past.

use std::time::Duration;

use telescribe::config::Span;
use telescribe::model::{MessageId, MessageKey, PeerId};
use telescribe_simulator::world::ChatKind;
use telescribe_simulator::{Fault, Post, Rule, When, WorldSpec};

use crate::support::fleet::Fleet;
use crate::support::methods::HISTORY;

/// Longer than any test waits for anything.
const FOR_EVER: Duration = Duration::from_secs(600);

#[tokio::test(flavor = "multi_thread")]
async fn a_pushed_message_is_archived_while_its_peers_past_is_being_read() {
    let mut fleet = Fleet::new(WorldSpec { seed: 5, accounts: 1, peers: 10, messages: 2_000, ..WorldSpec::default() }).await;
    fleet.config.telegram.request_timeout = Span::seconds(FOR_EVER.as_secs());
    fleet.config.accounts.request_interval = Span::seconds(1);
    fleet.simulator.fault(Rule::new(Fault::Delay(FOR_EVER), When::Always).method(HISTORY));
    let app = fleet.start().await;
    fleet.until("a page of history is under way", || fleet.simulator.request_count(HISTORY) > 0).await;
    let channels: Vec<_> = fleet.simulator.inspect(|world| {
        world.chats.iter().filter(|c| matches!(c.kind, ChatKind::Channel | ChatKind::Supergroup)).map(|c| c.peer).collect()
    });
    assert!(channels.len() > 1);
    for peer in channels {
        let known = PeerId(peer.marked());
        fleet.until("the peer is known", || app.archive.view().crawl_state(known).unwrap().is_some()).await;
        let id = fleet.simulator.post(peer, Post::text("pushed")).unwrap();
        let key = MessageKey::new(known, MessageId(id));
        fleet.until("what was pushed is archived", || app.archive.view().message(key).unwrap().is_some()).await;
        assert_eq!(app.archive.view().coverage(known).unwrap().messages, 1, "and nothing of the past is");
    }
    assert_eq!(fleet.simulator.request_count(HISTORY), 1, "the page is still under way, and nothing but it waits");
    app.lifecycle.stop_hard();
    app.ended().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_is_pushed_while_the_page_with_its_message_is_under_way_is_not_lost() {
    let fleet = Fleet::new(WorldSpec { seed: 5, accounts: 1, peers: 10, messages: 2_000, ..WorldSpec::default() }).await;
    // What is answered is what was there when it was asked for; it comes a second later.
    let late = fleet.simulator.fault(Rule::new(Fault::Delay(Duration::from_secs(1)), When::Always).method(HISTORY));
    let channels = fleet.simulator.inspect(|world| {
        let of_kind = world.chats.iter().filter(|c| matches!(c.kind, ChatKind::Channel | ChatKind::Supergroup));
        // Of every other channel so many that they are not believed at once.
        let newest =
            |messages: &[telescribe_simulator::world::Message], n: usize| messages.iter().rev().take(n).map(|m| m.id).collect();
        let counted = of_kind.enumerate();
        counted
            .map(|(n, c)| (c.peer, newest(c.history.messages(), if n % 2 == 0 { 1 } else { 120 })))
            .collect::<Vec<(_, Vec<i32>)>>()
    });
    assert!(channels.iter().any(|(_, ids)| ids.len() == 120), "a channel is large enough");
    let app = fleet.start().await;
    for (peer, newest) in channels {
        // The newest page of each is asked for first, and is under way from then on until it comes.
        let begins = format!("peer={} ", peer.marked());
        let asked = || fleet.simulator.ledger().iter().any(|e| e.method == HISTORY && e.parameters.starts_with(&begins));
        fleet.until("its newest page is asked for", asked).await;
        fleet.simulator.delete(peer, &newest).unwrap();
    }
    fleet.simulator.remove_fault(late);
    fleet.until_equal(&app).await;
    fleet.stop(app).await;
}
