//! Downloads, with Telegram's rules about offsets, file references and data centres.
//! See <https://core.telegram.org/api/files#downloading-files>.

use grammers_tl_types::{Serializable, enums, functions as f, types};

use super::Call;
use crate::answer::{Answer, RpcError};
use crate::encode::{AccountView, ReferenceState};
use crate::faults::Fault;
use crate::world::{BASE_DATE, FileEntry, World, mix};

const MIB: i64 = 1 << 20;
/// Where a redirect to the content delivery network leads: to Telegram's own number for it. Nothing listens there.
const CDN_DC: i32 = 203;

const LOCATION_INVALID: RpcError = RpcError::new(400, "LOCATION_INVALID");
const FILE_ID_INVALID: RpcError = RpcError::new(400, "FILE_ID_INVALID");

/// The rendition of a file that is asked for.
struct Wanted<'w> {
    id: i64,
    entry: &'w FileEntry,
    letter: String,
}

impl Call<'_> {
    pub(super) fn get_file(&self) -> Answer {
        let request: f::upload::GetFile = self.request()?;
        check_range(request.precise, request.offset, i64::from(request.limit))?;
        let world = self.core.world();
        let Wanted { id, entry, letter } = self.wanted(&world, &request.location)?;
        if entry.dc != self.dc {
            return Err(RpcError { code: 303, name: format!("FILE_MIGRATE_{}", entry.dc).into() });
        }
        if request.cdn_supported || self.fault == Some(Fault::CdnRedirect) {
            return Ok(cdn_redirect(&world, id).to_bytes());
        }
        let limit = match self.fault {
            Some(Fault::ShortRead { bytes }) => i64::from(request.limit).min(i64::try_from(bytes).unwrap_or(i64::MAX)),
            _ => i64::from(request.limit),
        };
        let bytes = world.read_file(id, &letter, request.offset, limit).map_err(|_| LOCATION_INVALID)?;
        if self.fault != Some(Fault::Cut) {
            self.core.sent.add(id, &letter, request.offset, bytes.len());
        }
        let is_picture = entry.is_photo() || !letter.is_empty();
        let r#type = if is_picture { enums::storage::FileType::FileJpeg } else { enums::storage::FileType::FileUnknown };
        Ok(enums::upload::File::File(types::upload::File { r#type, mtime: BASE_DATE, bytes }).to_bytes())
    }

    /// What a location means, if the account may have it.
    fn wanted<'w>(&self, world: &'w World, location: &enums::InputFileLocation) -> Result<Wanted<'w>, RpcError> {
        let (id, hash, reference, letter, is_photo) = match location {
            enums::InputFileLocation::InputDocumentFileLocation(l) => {
                (l.id, l.access_hash, &l.file_reference, &l.thumb_size, false)
            }
            enums::InputFileLocation::InputPhotoFileLocation(l) => (l.id, l.access_hash, &l.file_reference, &l.thumb_size, true),
            enums::InputFileLocation::InputPeerPhotoFileLocation(l) => return self.peer_photo(world, l),
            _ => return Err(LOCATION_INVALID),
        };
        let view = AccountView::new(world, self.account);
        let entry = world.files.get(&id).filter(|entry| entry.is_photo() == is_photo).ok_or(FILE_ID_INVALID)?;
        if hash != view.file_hash(id) {
            return Err(LOCATION_INVALID);
        }
        match view.reference_state(id, reference) {
            ReferenceState::Empty => Err(RpcError::new(400, "FILE_REFERENCE_EMPTY")),
            ReferenceState::Invalid => Err(RpcError::new(400, "FILE_REFERENCE_INVALID")),
            ReferenceState::Expired => Err(RpcError::new(400, "FILE_REFERENCE_EXPIRED")),
            ReferenceState::Good => Ok(Wanted { id, entry, letter: letter.clone() }),
        }
    }

    /// The photo that a peer shows now: who may see the peer may see it, and needs no reference.
    fn peer_photo<'w>(&self, world: &'w World, wanted: &types::InputPeerPhotoFileLocation) -> Result<Wanted<'w>, RpcError> {
        let peer = self.peer_of(world, &wanted.peer)?;
        let photo = world.photo_of(peer).filter(|photo| photo.id == wanted.photo_id).ok_or(LOCATION_INVALID)?;
        let entry = world.files.get(&photo.id).ok_or(LOCATION_INVALID)?;
        let letter = if wanted.big { BIG } else { SMALL };
        // A photo that is small itself has no smaller size.
        let letter = if entry.size_of(letter).is_some() { letter } else { "" };
        Ok(Wanted { id: photo.id, entry, letter: letter.to_owned() })
    }
}

/// The sizes of a peer's photo that are served without a reference.
const BIG: &str = "c";
const SMALL: &str = "a";

/// A redirect to the content delivery network; what the token stands for is not simulated.
fn cdn_redirect(world: &World, id: i64) -> enums::upload::File {
    let derived = |purpose: u64, length: usize| {
        let blocks = (0..).flat_map(|block: u64| mix(world.seed ^ mix(id as u64 ^ mix(purpose ^ (block << 8)))).to_le_bytes());
        blocks.take(length).collect::<Vec<u8>>()
    };
    enums::upload::File::CdnRedirect(types::upload::FileCdnRedirect {
        dc_id: CDN_DC,
        file_token: derived(1, 32),
        encryption_key: derived(2, 32),
        encryption_iv: derived(3, 16),
        file_hashes: vec![],
    })
}

/// Offset and limit are multiples of 4 KiB (1 KiB where precise), and a part never crosses a border of 1 MiB.
fn check_range(precise: bool, offset: i64, limit: i64) -> Result<(), RpcError> {
    let unit = if precise { 1024 } else { 4096 };
    if offset < 0 || offset % unit != 0 {
        return Err(RpcError::new(400, "OFFSET_INVALID"));
    }
    let divides = precise || MIB % limit.max(1) == 0;
    if limit <= 0 || limit > MIB || limit % unit != 0 || !divides || offset / MIB != (offset + limit - 1) / MIB {
        return Err(RpcError::new(400, "LIMIT_INVALID"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ranges_that_telegram_allows_are_served() {
        for (precise, offset, limit, allowed) in [
            (false, 0, 4096, true),
            (false, 4096, 4096, true),
            (false, 1024, 4096, false),
            (false, 0, 12_288, false),
            (false, 0, 2 * MIB, false),
            (true, 1024, 1024, true),
            (true, 0, 512 * 1024, true),
            (true, MIB - 1024, 2048, false),
            (true, 100, 1024, false),
            (true, 0, 0, false),
            (true, -1024, 1024, false),
        ] {
            assert_eq!(check_range(precise, offset, limit).is_ok(), allowed, "{precise} {offset} {limit}");
        }
    }
}
