//! What is left of a tree after a power cut: everything that was synced, and of the rest whatever a seed chooses.
//!
//! Changes of a folder's entries survive in their order, up to any of them, for each folder by itself (a rename between two folders
//! survives in both or in none). Of a file's data that was not synced there survives nothing, all, a beginning whose last write is torn at
//! a sector, or any of its sectors: the rest are zeros then, as a file system leaves them that extends a file before it writes.

use std::collections::{BTreeMap, BTreeSet};

use rand::RngExt as _;
use rand::rngs::StdRng;

use super::tree::{Content, Data, DataChange, Entries, Ino, ROOT, Tree, apply};

/// What a disk writes as one.
const SECTOR: usize = 512;

/// The tree that the next start finds.
pub(super) fn after_power_cut(tree: &Tree, rng: &mut StdRng) -> Tree {
    let mut left = tree.clone();
    keep_entries(&mut left, rng);
    let reachable = reachable(&left);
    left.inodes.retain(|ino, _| reachable.contains_key(ino));
    for (ino, inode) in &mut left.inodes {
        inode.names = reachable.get(ino).copied().unwrap_or(1);
        match &mut inode.content {
            Content::File(data) => {
                let seen = data_left(data, rng);
                *data = Data { synced: seen.clone(), seen, unsynced: Vec::new() };
            }
            Content::Folder(entries) => entries.seen.clone_from(&entries.synced),
            Content::Link(_) | Content::Other => {}
        }
    }
    left
}

/// Makes a beginning of each folder's changes durable.
fn keep_entries(tree: &mut Tree, rng: &mut StdRng) {
    let unsynced = std::mem::take(&mut tree.unsynced);
    let mut counts: BTreeMap<Ino, usize> = BTreeMap::new();
    for change in unsynced.iter().flatten() {
        *counts.entry(change.folder).or_default() += 1;
    }
    let mut room: BTreeMap<Ino, usize> = counts.into_iter().map(|(folder, count)| (folder, some_of(count, rng))).collect();
    for changes in unsynced {
        let folders: BTreeSet<Ino> = changes.iter().map(|change| change.folder).collect();
        if folders.iter().all(|folder| room[folder] > 0) {
            tree.make_durable(&changes);
            changes.iter().for_each(|change| *room.entry(change.folder).or_default() = room[&change.folder].saturating_sub(1));
        } else {
            // What follows in these folders is not on the disk either.
            folders.into_iter().for_each(|folder| *room.entry(folder).or_default() = 0);
        }
    }
}

/// None, all or any number.
fn some_of(count: usize, rng: &mut StdRng) -> usize {
    match rng.random_range(0..4) {
        0 => 0,
        1 => count,
        _ => rng.random_range(0..=count),
    }
}

/// How often each file and folder has a durable name.
fn reachable(tree: &Tree) -> BTreeMap<Ino, u32> {
    let (mut found, mut open) = (BTreeMap::from([(ROOT, 1)]), vec![ROOT]);
    while let Some(ino) = open.pop() {
        let Some(Content::Folder(Entries { synced, .. })) = tree.inodes.get(&ino).map(|inode| &inode.content) else { continue };
        for child in synced.values() {
            let names = found.entry(*child).or_insert(0);
            *names += 1;
            if *names == 1 {
                open.push(*child);
            }
        }
    }
    found
}

fn data_left(data: &Data, rng: &mut StdRng) -> Vec<u8> {
    let only_writes = data.unsynced.iter().all(|change| matches!(change, DataChange::Write { .. }));
    match rng.random_range(0..4) {
        _ if data.unsynced.is_empty() => data.synced.clone(),
        0 => data.synced.clone(),
        1 => data.seen.clone(),
        2 if only_writes => any_sectors(data, rng),
        _ => beginning(data, rng),
    }
}

/// A beginning of what was done, the last of it torn.
fn beginning(data: &Data, rng: &mut StdRng) -> Vec<u8> {
    let mut left = data.synced.clone();
    let whole = rng.random_range(0..data.unsynced.len());
    data.unsynced[..whole].iter().for_each(|change| apply(&mut left, change));
    if let DataChange::Write { at, bytes } = &data.unsynced[whole] {
        // Sectors are those of the file.
        let end = (at + rng.random_range(0..=bytes.len())) / SECTOR * SECTOR;
        let torn = bytes[..end.saturating_sub(*at)].to_vec();
        if !torn.is_empty() {
            apply(&mut left, &DataChange::Write { at: *at, bytes: torn });
        }
    }
    left
}

/// Any sectors of what was written.
fn any_sectors(data: &Data, rng: &mut StdRng) -> Vec<u8> {
    let mut written = BTreeSet::new();
    for change in &data.unsynced {
        if let DataChange::Write { at, bytes } = change {
            written.extend(at / SECTOR..(at + bytes.len()).div_ceil(SECTOR));
        }
    }
    let mut left = data.synced.clone();
    for sector in written.into_iter().filter(|_| rng.random_bool(0.5)) {
        let (from, to) = (sector * SECTOR, ((sector + 1) * SECTOR).min(data.seen.len()));
        if from < to {
            apply(&mut left, &DataChange::Write { at: from, bytes: data.seen[from..to].to_vec() });
        }
    }
    left
}
