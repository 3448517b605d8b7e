//! What a world has only where it is asked for: discussion groups, forums, folders.
//!
//! None of it takes from the generators of the rest, so that a world without it stays what it was.

use super::WorldSpec;
use super::attachment::file_dc;
use crate::world::{Chat, ChatKind, Folder, PeerId, Photo, World, mix};

/// Peers that a folder of a generated world names; Telegram allows a hundred.
const FOLDER_PEERS: usize = 20;

/// Says yes in one of so many cases.
fn one_in(cases: u64, spec: &WorldSpec, subject: usize) -> bool {
    mix(spec.seed ^ mix(subject as u64 ^ (cases << 32))).is_multiple_of(cases)
}

/// Links the first channel that is followed by a supergroup with it, and about every second of the others: the group discusses
/// the channel's posts.
pub(super) fn link(world: &mut World, spec: &WorldSpec) {
    let mut is_first = true;
    for at in 1..world.chats.len() {
        let Some([channel, group]) = world.chats.get_mut(at - 1..=at) else { continue };
        if channel.kind == ChatKind::Channel && group.kind == ChatKind::Supergroup && (is_first || one_in(2, spec, at)) {
            (channel.linked, group.linked) = (Some(group.peer), Some(channel.peer));
            is_first = false;
        }
    }
}

/// Makes forums of the first supergroup that is no discussion group, which cannot be one, and of about every third other.
pub(super) fn found_forums(world: &mut World, spec: &WorldSpec) {
    let may_be_forum = |chat: &Chat| chat.kind == ChatKind::Supergroup && chat.linked.is_none();
    let supergroups = (0..).zip(&mut world.chats).filter(|(_, chat)| may_be_forum(chat));
    let mut is_first = true;
    for (at, chat) in supergroups {
        if is_first || one_in(3, spec, at) {
            chat.make_forum();
            is_first = false;
        }
    }
}

/// Gives a photo to two of three groups, channels and users.
pub(super) fn add_photos(world: &mut World, spec: &WorldSpec) {
    let users = world.users.iter().map(|user| PeerId::user(user.id));
    let peers: Vec<PeerId> = world.peers().into_iter().chain(users).collect();
    for peer in peers {
        let chance = mix(spec.seed ^ mix(peer.marked() as u64 ^ 0xfaced));
        if chance.is_multiple_of(3) {
            continue;
        }
        let id = (mix(chance) >> 2) as i64;
        let photo = Photo { id, ..Photo::of_peer(30_000 + (chance % 50_000) as i32) };
        let dc = file_dc(world, spec, id);
        world.files.insert(id, photo.file(dc));
        world.peer_photos.insert(peer, photo);
    }
}

/// Gives each account a folder that names peers and one that is described by kinds.
pub(super) fn add_folders(world: &mut World) {
    let World { accounts, chats, .. } = world;
    for account in accounts {
        let dialogs: Vec<&Chat> = account.dialogs.iter().filter_map(|chat| chats.get(*chat as usize)).collect();
        let peers = |matches: &dyn Fn(&Chat) -> bool, step: usize| -> Vec<PeerId> {
            let matching = dialogs.iter().filter(|chat| chat.kind != ChatKind::Private && matches(chat));
            matching.step_by(step).take(FOLDER_PEERS).map(|chat| chat.peer).collect()
        };
        let named = Folder {
            id: 2,
            title: "Reading".into(),
            pinned_peers: peers(&|chat| chat.kind == ChatKind::Channel, 7),
            include_peers: peers(&|chat| chat.kind == ChatKind::Supergroup, 3),
            ..Folder::default()
        };
        let described = Folder {
            id: 3,
            title: "Groups".into(),
            groups: true,
            exclude_archived: true,
            exclude_peers: peers(&|chat| chat.kind == ChatKind::Group, 2),
            ..Folder::default()
        };
        account.folders = vec![named, described];
    }
}
