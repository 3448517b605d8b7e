//! Worlds are what their seed says.

use telescribe_simulator::{Options, Simulator, WorldSpec};

async fn truth(spec: &WorldSpec) -> Vec<u8> {
    let simulator = Simulator::start(spec.generate(), Options::default()).await.unwrap();
    let mut truth = Vec::new();
    simulator.truth(&mut truth).unwrap();
    simulator.stop().await;
    truth
}

#[tokio::test]
async fn the_same_seed_gives_the_same_truth_and_another_seed_another() {
    let spec = WorldSpec { seed: 3, peers: 25, messages: 5_000, shared_groups: true, ..WorldSpec::default() };
    let first = truth(&spec).await;
    assert_eq!(first, truth(&spec).await);
    assert_ne!(first, truth(&WorldSpec { seed: 4, ..spec }).await);
}

#[test]
fn a_world_has_exactly_the_messages_and_peers_that_were_asked_for() {
    for (accounts, peers, messages) in [(1, 1, 1), (1, 3, 0), (2, 10, 3), (3, 10, 10), (5, 77, 9_999)] {
        let world = WorldSpec { accounts, peers, messages, shared_groups: true, ..WorldSpec::default() }.generate();
        assert_eq!(world.message_count(), messages);
        assert_eq!(world.peers().len(), peers);
        assert_eq!(world.accounts.len(), accounts);
    }
}

#[test]
fn a_history_is_ordered_has_holes_and_its_basic_groups_share_a_sequence() {
    let world = WorldSpec { peers: 60, messages: 20_000, shared_groups: true, ..WorldSpec::default() }.generate();
    let mut holes = 0;
    for chat in &world.chats {
        let messages = chat.history.messages();
        assert!(messages.is_sorted_by(|a, b| a.id < b.id && a.date <= b.date));
        assert_eq!(chat.owner.is_some(), !chat.kind.is_channel());
        if chat.kind.is_channel() {
            holes += chat.history.top_id() as usize - messages.len();
            assert_eq!(chat.journal.pts(), chat.history.top_id());
        }
    }
    assert!((100..1_000).contains(&holes), "{holes} ids were deleted");
    let channels = world.chats.iter().filter(|chat| chat.kind.is_channel());
    let shared = channels.filter(|chat| chat.members.len() > 1).count();
    assert!((12..30).contains(&shared), "{shared} of 60 peers are seen by two accounts or more");
    let public = world.chats.iter().filter(|chat| chat.username.is_some()).count();
    assert!((15..40).contains(&public), "{public} of 60 peers have a username");
}

#[tokio::test]
async fn the_truth_is_ordered_and_leaves_empty_members_out() {
    let truth = truth(&WorldSpec { peers: 20, messages: 3_000, shared_groups: true, ..WorldSpec::default() }).await;
    let text = String::from_utf8(truth).unwrap();
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let peers = lines.iter().take_while(|line| line["type"] == "peer").count();
    assert_eq!(peers, 20);
    let key = |line: &serde_json::Value| {
        let account = line["account"].as_str().unwrap_or_default().to_owned();
        (line["peer"].as_i64().unwrap(), account, line["id"].as_i64().unwrap())
    };
    let keys: Vec<(i64, String, i64)> = lines[peers..].iter().map(key).collect();
    assert_eq!(keys.len(), 3_000);
    assert!(keys.is_sorted_by(|a, b| a < b));
    assert!(lines[..peers].iter().map(|line| line["id"].as_i64()).is_sorted());
    for empty in [":null", ":false", ":\"\"", ":[]"] {
        assert!(!text.contains(empty), "{empty}");
    }
    for common in ["今天天气很好", "北京大学", "Москв", "погод", "weather"] {
        assert!(text.contains(common), "{common}");
    }
}
