//! The layout: which accounts and chats there are, who sees what, and how many messages each chat has.

use std::collections::HashMap;

use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::language::Language;
use super::{WorldSpec, extras, generator, history, people, phrases};
use crate::world::{Account, AccountState, BASE_DATE, Chat, ChatKind, PeerId, World, mix};

/// The names that accounts are given; from the second round on with a number.
const ACCOUNT_NAMES: [&str; 26] = [
    "alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india", "juliett", "kilo", "lima", "mike",
    "november", "oscar", "papa", "quebec", "romeo", "sierra", "tango", "uniform", "victor", "whiskey", "xray", "yankee", "zulu",
];
/// Half channels, four in ten supergroups, one in ten basic groups; the ids, and so the order, tell nothing of it.
const KINDS: [ChatKind; 10] = [
    ChatKind::Channel,
    ChatKind::Supergroup,
    ChatKind::Group,
    ChatKind::Channel,
    ChatKind::Supergroup,
    ChatKind::Channel,
    ChatKind::Supergroup,
    ChatKind::Channel,
    ChatKind::Supergroup,
    ChatKind::Channel,
];
/// Ids begin here, well inside Telegram's ranges (channels end at 997,852,516,352, users at 0xff_ffff_ffff).
const FIRST_CHANNEL_ID: i64 = 1_100_000_000;
const FIRST_GROUP_ID: i64 = 200_000_000;
/// How unequal the chats are: the exponent of Zipf's law.
const SKEW: f64 = 0.9;
/// Messages in each private chat; they are only there to be left alone.
const PRIVATE_MESSAGES: usize = 12;
/// Private chats of each account.
const PRIVATE_CHATS: usize = 2;

/// Makes a world.
pub(super) fn generate(spec: &WorldSpec) -> World {
    let mut rng = generator(spec.seed, 1, 0);
    let data_centres: Vec<i32> = (1..=spec.data_centres.max(2) as i32).collect();
    let mut world = World::empty(spec.seed, data_centres);
    world.real_media = spec.real_media;
    people::add_users(&mut world, spec);
    add_accounts(&mut world, spec);
    let first_private = spec.peers;
    add_chats(&mut world, spec, &mut rng);
    add_private_chats(&mut world, spec, &mut rng);
    if spec.linked {
        extras::link(&mut world, spec);
    }
    if spec.forums {
        extras::found_forums(&mut world, spec);
    }
    let mut sizes = sizes(spec, &mut rng);
    let mut copies = if spec.shared_groups { share_groups(&mut world, spec, &mut sizes) } else { HashMap::new() };
    let mut plans: Vec<history::ChatPlan> = (0..world.chats.len())
        .map(|chat| {
            let size = if chat < first_private { sizes.get(chat).copied().unwrap_or(0) } else { PRIVATE_MESSAGES };
            history::ChatPlan::new(spec, chat, size, copies.remove(&chat).unwrap_or_default())
        })
        .collect();
    history::add_copies(&mut world, &mut plans);
    world.build_indexes();
    history::number(&mut world, &mut plans, spec);
    history::fill(&mut world, plans, spec);
    if spec.archive_folder {
        archive_some(&mut world, spec);
    }
    if spec.peer_photos {
        extras::add_photos(&mut world, spec);
    }
    if spec.folders {
        extras::add_folders(&mut world);
    }
    world
}

fn add_accounts(world: &mut World, spec: &WorldSpec) {
    for index in 0..spec.accounts.max(1) {
        let round = index / ACCOUNT_NAMES.len();
        let base = ACCOUNT_NAMES.get(index % ACCOUNT_NAMES.len()).copied().unwrap_or("account");
        let name = if round == 0 { base.to_owned() } else { format!("{base}-{}", round + 1) };
        // Homes are spread, so that no client can take the first data centre for granted.
        let home_dc = world.data_centres.get((index + 1) % world.data_centres.len()).copied().unwrap_or(1);
        let mut account = Account::new(name, people::account_user_id(index), home_dc);
        account.phone = format!("99966{:05}", index + 10_001);
        account.code = format!("{:05}", mix(spec.seed ^ mix(index as u64)) % 100_000);
        account.password = (spec.passwords && index % 2 == 1).then(|| format!("password of {}", account.name));
        account.state = if spec.signed_in { AccountState::SignedIn } else { AccountState::SignedOut };
        world.accounts.push(account);
    }
}

fn add_chats(world: &mut World, spec: &WorldSpec, rng: &mut ChaCha8Rng) {
    let accounts = world.accounts.len();
    for index in 0..spec.peers {
        let kind = KINDS.get(index % KINDS.len()).copied().unwrap_or(ChatKind::Channel);
        // Gaps between ids, and none of them twice.
        let step = index as i64 * 1_009 + rng.random_range(0..1_000);
        let peer = match kind {
            ChatKind::Group => PeerId::group(FIRST_GROUP_ID + step),
            _ => PeerId::channel(FIRST_CHANNEL_ID + step),
        };
        let language = Language::pick(rng);
        let mut members = vec![rng.random_range(0..accounts)];
        if kind != ChatKind::Group && accounts > 1 && rng.random_bool(0.37) {
            let more = rng.random_range(1..accounts.min(4));
            let mut others: Vec<usize> = (0..accounts).filter(|account| !members.contains(account)).collect();
            others.shuffle(rng);
            members.extend(others.into_iter().take(more));
            members.sort_unstable();
        }
        spare(&mut members, kind, spec, index);
        let has_username = kind != ChatKind::Group && rng.random_bool(0.5);
        let username = has_username.then(|| phrases::username(rng, index));
        let participants = people::participants(world, &members, kind, rng);
        let title = phrases::title(language, kind, rng);
        let chat = Chat {
            username,
            about: phrases::about(language, rng),
            date: BASE_DATE - rng.random_range(731..800) * 86_400,
            owner: (kind == ChatKind::Group).then(|| members.first().copied().unwrap_or(0)),
            participants_count: participants.len() as i32 + rng.random_range(0..5_000) * i32::from(kind != ChatKind::Group),
            members,
            participants,
            invite: Some(world.invite_hash(peer, 0)),
            ..Chat::new(peer, kind, title)
        };
        add_chat(world, chat);
    }
}

/// Keeps a chat readable when its expendable accounts are lost: a basic group goes to another account, any other gets one more member.
fn spare(members: &mut Vec<usize>, kind: ChatKind, spec: &WorldSpec, index: usize) {
    let accounts = spec.accounts.max(1);
    let lasting = accounts.saturating_sub(spec.expendable).max(1);
    if members.iter().any(|member| *member < lasting) {
        return;
    }
    // Not from the generator of the layout: a world without expendable accounts must stay what it was.
    let other = mix(spec.seed ^ mix(index as u64 ^ 0x0ff)) as usize % lasting;
    if kind == ChatKind::Group {
        members.clear();
    }
    members.insert(0, other);
}

/// Lets more accounts into the first basic group and about every second other, none of them expendable: two or three have it from the
/// start, each the whole of it. Its messages become fewer by as much, so that the world has as many as it was asked for. Returns who comes
/// to which chat.
fn share_groups(world: &mut World, spec: &WorldSpec, sizes: &mut [usize]) -> HashMap<usize, Vec<usize>> {
    let lasting = spec.accounts.max(1).saturating_sub(spec.expendable).max(1);
    let (mut shared, mut left_over, mut is_first) = (HashMap::new(), 0, true);
    for (index, (chat, size)) in world.chats.iter_mut().zip(&mut *sizes).enumerate() {
        // Not from the generator of the layout, so that nothing else moves.
        let chance = mix(spec.seed ^ mix(index as u64 ^ 0xc0b1e5));
        // Never all of three or more, so that somebody is left who is not in it.
        let others = if lasting > 3 { 1 + usize::from(chance & 2 > 0) } else { 1.min(lasting - 1) };
        let copies = 1 + others;
        if chat.kind != ChatKind::Group || others == 0 || *size < copies || !(is_first || chance & 1 > 0) {
            continue;
        }
        let Some(owner) = chat.owner else { continue };
        let lasting_but_owner: Vec<usize> = (0..lasting).filter(|account| *account != owner).collect();
        let from = (chance >> 8) as usize;
        let added: Vec<usize> =
            (0..others).filter_map(|at| lasting_but_owner.get((from + at) % lasting_but_owner.len())).copied().collect();
        left_over += *size % copies;
        *size /= copies;
        chat.members.extend(&added);
        chat.members.sort_unstable();
        chat.participants.extend(added.iter().map(|account| people::account_user_id(*account)));
        chat.participants.sort_unstable();
        chat.participants_count += added.len() as i32;
        shared.insert(index, added);
        is_first = false;
    }
    // A message that does not go into all copies goes elsewhere: the first chat of all is a channel.
    sizes.iter_mut().take(1).for_each(|size| *size += left_over);
    shared
}

fn add_chat(world: &mut World, chat: Chat) -> u32 {
    let index = world.chats.len() as u32;
    for member in &chat.members {
        if let Some(account) = world.accounts.get_mut(*member) {
            account.dialogs.push(index);
        }
    }
    world.chats.push(chat);
    index
}

fn add_private_chats(world: &mut World, spec: &WorldSpec, rng: &mut ChaCha8Rng) {
    for account in 0..world.accounts.len() {
        let own = people::account_user_id(account);
        for _ in 0..PRIVATE_CHATS {
            let at = rng.random_range(0..world.users.len());
            let Some(user) = world.users.get(at).map(|user| user.id) else { continue };
            let taken = world.accounts.get(account).is_some_and(|account| account.own_chats.contains_key(&PeerId::user(user)));
            if user == own || taken {
                continue;
            }
            let chat = Chat {
                date: BASE_DATE - 400 * 86_400,
                owner: Some(account),
                members: vec![account],
                participants: vec![user, own],
                participants_count: 2,
                ..Chat::new(PeerId::user(user), ChatKind::Private, String::new())
            };
            let index = add_chat(world, chat);
            if let Some(account) = world.accounts.get_mut(account) {
                account.own_chats.insert(PeerId::user(user), index);
            }
        }
    }
    debug_assert!(world.chats.len() >= spec.peers);
}

/// How many messages each chat has: skewed, and exactly as many as asked for in sum.
fn sizes(spec: &WorldSpec, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let mut ranks: Vec<usize> = (1..=spec.peers).collect();
    ranks.shuffle(rng);
    let weights: Vec<f64> = ranks.iter().map(|rank| (*rank as f64).powf(-SKEW)).collect();
    let total: f64 = weights.iter().sum();
    // Everyone gets one message if there are enough, and the rest by weight.
    let one_each = usize::from(spec.messages >= spec.peers);
    let rest = spec.messages - one_each * spec.peers;
    let mut sizes: Vec<usize> = weights.iter().map(|weight| one_each + (rest as f64 * weight / total).floor() as usize).collect();
    let missing = spec.messages.saturating_sub(sizes.iter().sum());
    for at in 0..if sizes.is_empty() { 0 } else { missing } {
        let at = at % sizes.len();
        if let Some(size) = sizes.get_mut(at) {
            *size += 1;
        }
    }
    sizes
}

fn archive_some(world: &mut World, spec: &WorldSpec) {
    for (index, account) in (0u64..).zip(&mut world.accounts) {
        account.archived = account
            .dialogs
            .iter()
            .copied()
            .filter(|chat| mix(spec.seed ^ mix(index << 32 | u64::from(*chat) ^ 0xa5)).is_multiple_of(10))
            .collect();
    }
}
