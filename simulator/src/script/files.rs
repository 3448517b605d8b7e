//! What happens to files: their references expire, their bytes are not what was said.

use super::{Post, ScriptError, chat_at};
use crate::simulator::Simulator;
use crate::world::{BareId, FileSource, PeerId, Photo, Service, World, mix};

/// Bytes of a photo that a script gives to a peer.
const PEER_PHOTO_SIZE: i32 = 40_000;

/// An id that no file has yet.
pub(super) fn new_file_id(world: &World) -> i64 {
    let candidates = (world.files.len() as u64..).map(|at| (mix(world.seed ^ mix(at ^ 0xf11e)) >> 2) as i64);
    candidates.into_iter().find(|id| *id != 0 && !world.files.contains_key(id)).unwrap_or(1)
}

impl Simulator {
    /// Makes every file reference that an account was given so far expire. Reading what carries a file again gives a new one.
    ///
    /// # Errors
    /// When there is no such account.
    pub fn expire_file_references(&self, account: &str) -> Result<(), ScriptError> {
        let mut world = self.core.world_mut();
        let found = world.accounts.iter_mut().find(|of| of.name == account);
        found.ok_or_else(|| ScriptError::NoSuchAccount(account.into()))?.reference_epoch += 1;
        Ok(())
    }

    /// Makes every reference to one file expire that any account was given so far.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn expire_file(&self, file: i64) -> Result<(), ScriptError> {
        self.with_file(file, |world| *world.reference_epochs.entry(file).or_default() += 1)
    }

    /// Has reading a message again give references to a file that have expired already, or good ones again. Those that are good now stay
    /// good until [`Simulator::expire_file`].
    ///
    /// # Errors
    /// When there is no such file.
    pub fn withhold_file_references(&self, file: i64, withheld: bool) -> Result<(), ScriptError> {
        self.with_file(file, |world| {
            if withheld {
                world.stale_files.insert(file);
            } else {
                world.stale_files.remove(&file);
            }
        })
    }

    /// Gives a file another length than messages say: the data ends earlier, or goes on. What [`World::file_size`], [`World::file_hash`]
    /// and their kin tell is what is served.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn set_file_size(&self, file: i64, size: i64) -> Result<(), ScriptError> {
        self.with_file(file, |world| {
            if let Some(entry) = world.files.get_mut(&file) {
                entry.size = size.max(0);
            }
        })
    }

    /// Gives a file these bytes, whatever messages say of it; of a photo, in each of its sizes.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn set_file_content(&self, file: i64, content: impl Into<Vec<u8>>) -> Result<(), ScriptError> {
        let content: Vec<u8> = content.into();
        self.with_file(file, |world| {
            if let Some(entry) = world.files.get_mut(&file) {
                entry.size = i64::try_from(content.len()).unwrap_or(i64::MAX);
                entry.source = FileSource::Given(content.into());
            }
        })
    }

    /// Moves a file to another data centre; messages that are read from now on say so.
    ///
    /// # Errors
    /// When there is no such file or data centre.
    pub fn move_file(&self, file: i64, dc: i32) -> Result<(), ScriptError> {
        if !self.core.world().data_centres.contains(&dc) {
            return Err(ScriptError::NoSuchDataCentre(dc));
        }
        self.with_file(file, |world| {
            if let Some(entry) = world.files.get_mut(&file) {
                entry.dc = dc;
            }
        })
    }

    /// Gives a user, group or channel another photo and returns its id. In a group or channel a service message says so.
    ///
    /// # Errors
    /// When there is no such peer, or it is a basic group that nobody is in any more or that became a supergroup.
    pub fn set_photo(&self, peer: PeerId) -> Result<i64, ScriptError> {
        let mut world = self.core.world_mut();
        let photo = Photo { id: new_file_id(&world), ..Photo::of_peer(PEER_PHOTO_SIZE) };
        let dc = world.data_centres.first().copied().unwrap_or(1);
        if let BareId::User(id) = peer.bare() {
            world.user(id).ok_or(ScriptError::NoSuchPeer(peer))?;
        } else {
            let index = chat_at(&world, peer)?;
            let service = Some(Service::ChatEditPhoto { photo: photo.clone() });
            world.files.insert(photo.id, photo.file(dc));
            self.core.post(&mut world, index, Post { service, ..Post::default() })?;
        }
        let id = photo.id;
        world.files.insert(id, photo.file(dc));
        world.peer_photos.insert(peer, photo);
        Ok(id)
    }

    /// Takes the photo of a user, group or channel away; in a group or channel a service message says so.
    ///
    /// # Errors
    /// When there is no such peer, or it is a basic group that nobody is in any more or that became a supergroup.
    pub fn remove_photo(&self, peer: PeerId) -> Result<(), ScriptError> {
        let mut world = self.core.world_mut();
        if !matches!(peer.bare(), BareId::User(_)) {
            let index = chat_at(&world, peer)?;
            self.core.post(&mut world, index, Post { service: Some(Service::ChatDeletePhoto), ..Post::default() })?;
        }
        world.peer_photos.remove(&peer);
        Ok(())
    }

    fn with_file(&self, file: i64, change: impl FnOnce(&mut World)) -> Result<(), ScriptError> {
        let mut world = self.core.world_mut();
        if !world.files.contains_key(&file) {
            return Err(ScriptError::NoSuchFile(file));
        }
        change(&mut world);
        Ok(())
    }
}
