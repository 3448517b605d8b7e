//! A disk for fault injection: a file system (FUSE) that fails, fills up and loses power as it is told to.
//!
//! It is kept in memory, in two states: what a process sees, and what is durable. A power cut leaves the durable state and whatever a seed
//! chooses of the rest; the next mount begins with that. Mounting needs `/dev/fuse` and root.

mod durable;
mod mounted;
mod rules;
mod tree;

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fuser::{BackgroundSession, Config, MountOption};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use mounted::{Disk, Mounted};
use rules::Rules;
use tree::Tree;

pub(crate) use rules::{DiskFault, Operation};

/// How often unmounting is tried while somebody still has a file open.
const UNMOUNT_ATTEMPTS: u32 = 200;
const UNMOUNT_PAUSE: Duration = Duration::from_millis(10);

/// A mounted disk.
pub(crate) struct FaultyDisk {
    place: PathBuf,
    mounted: Mounted,
    session: Option<BackgroundSession>,
}

impl FaultyDisk {
    /// Why no such disk can be mounted here; `None` where it can.
    pub(crate) fn unavailable() -> Option<String> {
        let folder = tempfile::tempdir().ok()?;
        match Self::mount(folder.path()) {
            Ok(_) => None,
            Err(error) => Some(format!("no file system can be mounted through /dev/fuse: {error}")),
        }
    }

    /// Mounts an empty disk on a folder.
    pub(crate) fn mount(place: &Path) -> io::Result<Self> {
        let mounted = Mounted(Arc::new(Mutex::new(Disk { tree: Tree::new(), rules: Rules::default() })));
        let session = Some(spawn(&mounted, place)?);
        Ok(Self { place: place.to_owned(), mounted, session })
    }

    /// How many operations have changed something.
    pub(crate) fn operations(&self) -> u64 {
        self.mounted.disk().rules.operations
    }

    /// Has the power be cut at the operation of that number: it fails, as does everything after it, and changes nothing.
    pub(crate) fn cut_at(&self, operation: u64) {
        self.mounted.disk().rules.cut_at = Some(operation);
    }

    /// Cuts the power now.
    pub(crate) fn cut(&self) {
        self.mounted.disk().rules.is_cut = true;
    }

    /// From now on it says that it has synced, and has not.
    pub(crate) fn lie(&self) {
        self.mounted.disk().rules.lies = true;
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.mounted.disk().rules.is_cut
    }

    /// Mounts what is left after the power cut. Nobody may have a file of it open.
    pub(crate) fn power_on(&mut self, seed: u64) -> io::Result<()> {
        self.unmount()?;
        let tree = durable::after_power_cut(&self.mounted.disk().tree, &mut StdRng::seed_from_u64(seed));
        self.mounted = Mounted(Arc::new(Mutex::new(Disk { tree, rules: Rules::default() })));
        self.session = Some(spawn(&self.mounted, &self.place)?);
        Ok(())
    }

    /// Has operations fail from now on.
    pub(crate) fn fault(&self, fault: DiskFault) {
        self.mounted.disk().rules.faults.push(fault);
    }

    /// Only so many bytes more can be written.
    pub(crate) fn limit_space(&self, bytes: u64) {
        self.mounted.disk().rules.space = Some(bytes);
    }

    /// Nothing fails any more, and there is room.
    pub(crate) fn heal(&self) {
        let mut disk = self.mounted.disk();
        disk.rules.faults.clear();
        disk.rules.space = None;
    }

    /// How many operations were refused.
    pub(crate) fn refused(&self) -> u64 {
        self.mounted.disk().rules.refused
    }

    fn unmount(&mut self) -> io::Result<()> {
        let Some(session) = self.session.take() else { return Ok(()) };
        for _ in 0..UNMOUNT_ATTEMPTS {
            // Busy for as long as a killed process has not given back its files.
            if Command::new("umount").arg(&self.place).output()?.status.success() {
                return session.join();
            }
            std::thread::sleep(UNMOUNT_PAUSE);
        }
        // Out of the way at least, for what runs after this.
        Command::new("umount").arg("-l").arg(&self.place).output()?;
        Err(io::Error::other(format!("{} stays busy", self.place.display())))
    }
}

impl Drop for FaultyDisk {
    fn drop(&mut self) {
        // The trial has ended, and with it whoever could be told.
        self.unmount().ok();
    }
}

fn spawn(mounted: &Mounted, place: &Path) -> io::Result<BackgroundSession> {
    let mut config = Config::default();
    config.mount_options = vec![MountOption::FSName("faulty-disk".to_owned()), MountOption::DefaultPermissions];
    fuser::spawn_mount(mounted.clone(), place, &config)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::Write as _;

    use super::*;

    /// A disk, where one can be mounted.
    fn disk() -> Option<(tempfile::TempDir, FaultyDisk)> {
        if FaultyDisk::unavailable().is_some() {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let disk = FaultyDisk::mount(folder.path()).unwrap();
        Some((folder, disk))
    }

    fn read(folder: &Path, name: &str) -> Option<Vec<u8>> {
        fs::read(folder.join(name)).ok()
    }

    #[test]
    fn what_was_synced_survives_every_power_cut_and_what_was_not_survives_some() {
        let (mut kept, mut lost) = (0, 0);
        for seed in 0..30 {
            let Some((folder, mut disk)) = disk() else { return };
            let mut synced = File::create(folder.path().join("synced")).unwrap();
            synced.write_all(&[1; 3_000]).unwrap();
            synced.sync_all().unwrap();
            synced.write_all(&[2; 3_000]).unwrap();
            drop(synced);
            fs::write(folder.path().join("unsynced"), [3; 100]).unwrap();
            disk.cut();
            assert!(fs::write(folder.path().join("late"), "").is_err(), "without power nothing is written");
            disk.power_on(seed).unwrap();
            let left = read(folder.path(), "synced").unwrap();
            assert!(left.len() >= 3_000 && left[..3_000] == [1; 3_000], "seed {seed}: {}", left.len());
            assert!(left[3_000..].iter().all(|byte| [0, 2].contains(byte)));
            assert_eq!(read(folder.path(), "late"), None);
            let both = left.len() == 6_000 && read(folder.path(), "unsynced").is_some();
            (kept, lost) = (kept + u32::from(both), lost + u32::from(left.len() == 3_000));
        }
        assert!(kept > 0 && lost > 0, "{kept} kept all, {lost} lost what was not synced");
    }

    #[test]
    fn a_file_that_is_replaced_by_a_synced_one_is_the_old_or_the_new_one_after_any_power_cut() {
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..30 {
            let Some((folder, mut disk)) = disk() else { return };
            let place = folder.path().join("marker");
            for content in ["old", "new"] {
                let beside = folder.path().join("beside");
                let mut file = File::create(&beside).unwrap();
                file.write_all(content.as_bytes()).unwrap();
                file.sync_all().unwrap();
                fs::rename(&beside, &place).unwrap();
                if content == "old" {
                    File::open(folder.path()).unwrap().sync_all().unwrap();
                }
            }
            disk.cut();
            disk.power_on(seed).unwrap();
            seen.insert(fs::read_to_string(&place).unwrap());
        }
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["new", "old"]);
    }

    #[test]
    fn a_folder_that_is_moved_is_at_one_place_with_everything_that_was_synced_in_it() {
        for seed in 0..30 {
            let Some((folder, mut disk)) = disk() else { return };
            let (from, to) = (folder.path().join("beside/made"), folder.path().join("made"));
            fs::create_dir_all(&from).unwrap();
            File::open(folder.path()).unwrap().sync_all().unwrap();
            File::create(from.join("file")).unwrap().sync_all().unwrap();
            File::open(&from).unwrap().sync_all().unwrap();
            fs::rename(&from, &to).unwrap();
            disk.cut_at(disk.operations() + 1);
            assert!(fs::write(folder.path().join("late"), "").is_err());
            assert!(disk.is_cut());
            disk.power_on(seed).unwrap();
            assert_eq!(from.join("file").exists(), !to.join("file").exists(), "seed {seed}");
        }
    }

    #[test]
    fn faults_and_a_full_disk_are_told_and_pass() {
        let Some((folder, disk)) = disk() else { return };
        let file = folder.path().join("000012.log");
        disk.fault(DiskFault::lasting(Operation::Write, ".log").after(1).times(1));
        fs::write(&file, "passes").unwrap();
        assert_eq!(fs::write(&file, "fails").unwrap_err().raw_os_error(), Some(5));
        disk.fault(DiskFault::lasting(Operation::Sync, ".log"));
        assert!(File::open(&file).unwrap().sync_all().is_err());
        assert_eq!(disk.refused(), 2);
        disk.heal();
        File::open(&file).unwrap().sync_all().unwrap();
        disk.limit_space(10);
        assert_eq!(fs::write(&file, [7; 11]).unwrap_err().raw_os_error(), Some(28));
        disk.heal();
        fs::write(&file, [7; 11]).unwrap();
        assert_eq!(fs::read(&file).unwrap(), [7; 11]);
    }
}
