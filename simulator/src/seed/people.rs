//! People: the users of a world, and who takes part where.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{WorldSpec, generator, phrases};
use crate::world::{ChatKind, User, World, mix};

/// Users begin here; the accounts' own come first.
const FIRST_USER_ID: i64 = 5_000_000_000;
/// Bots begin here.
const FIRST_BOT_ID: i64 = 1_900_000_000;
/// The inline bots of a world.
const BOTS: i64 = 5;
/// Writers of one chat.
const WRITERS_MAX: usize = 400;

/// The user of an account.
pub(super) fn account_user_id(index: usize) -> i64 {
    FIRST_USER_ID + index as i64 * 17
}

/// One of the inline bots.
pub(super) fn bot(rng: &mut ChaCha8Rng) -> i64 {
    FIRST_BOT_ID + rng.random_range(0..BOTS)
}

/// Adds the accounts' users, the bots, and everyone who writes.
pub(super) fn add_users(world: &mut World, spec: &WorldSpec) {
    let mut rng = generator(spec.seed, 2, 0);
    let writers = if spec.users > 0 { spec.users } else { (spec.messages / 40).clamp(40, 20_000) };
    for index in 0..spec.accounts.max(1) {
        let (first_name, last_name) = phrases::person(&mut rng);
        world.users.push(User { id: account_user_id(index), first_name, last_name, username: None, bot: false });
    }
    for bot in 0..BOTS {
        world.users.push(User {
            id: FIRST_BOT_ID + bot,
            first_name: format!("Helper {bot}"),
            last_name: None,
            username: Some(format!("helper_{bot}_bot")),
            bot: true,
        });
    }
    let first = account_user_id(spec.accounts.max(1)) + 1_000;
    for index in 0..writers {
        let (first_name, last_name) = phrases::person(&mut rng);
        let id = first + index as i64 * 331 + rng.random_range(0..330);
        let username = rng.random_bool(0.3).then(|| format!("user_{:x}", mix(id as u64) & 0xff_ffff_ffff));
        world.users.push(User { id, first_name, last_name, username, bot: false });
    }
}

/// Who writes in a chat: some of the writers, and the accounts that are in a group.
pub(super) fn participants(world: &World, members: &[usize], kind: ChatKind, rng: &mut ChaCha8Rng) -> Vec<i64> {
    // After the accounts' own users and the bots: they are sorted only when all chats are there.
    let writers = world.users.get(world.accounts.len() + BOTS as usize..).unwrap_or_default();
    let most = if kind == ChatKind::Group { 20 } else { WRITERS_MAX };
    let count = rng.random_range(3..=most.max(4)).min(writers.len());
    let from = if writers.is_empty() { 0 } else { rng.random_range(0..writers.len()) };
    let mut participants: Vec<i64> =
        (0..count).filter_map(|at| writers.get((from + at * 7) % writers.len())).map(|user| user.id).collect();
    if kind != ChatKind::Channel {
        participants.extend(members.iter().map(|member| account_user_id(*member)));
    }
    participants.sort_unstable();
    participants.dedup();
    participants
}
