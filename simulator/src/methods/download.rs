//! Downloads, with Telegram's rules about offsets, file references and data centres.
//! See <https://core.telegram.org/api/files#downloading-files>.

use grammers_tl_types::{Serializable, enums, functions as f, types};

use super::Call;
use crate::answer::{Answer, RpcError};
use crate::encode::{AccountView, reference_epoch};

const MIB: i64 = 1 << 20;

impl Call<'_> {
    pub(super) fn get_file(&self) -> Answer {
        let request: f::upload::GetFile = self.request()?;
        let (id, hash, reference, size) = match request.location {
            enums::InputFileLocation::InputDocumentFileLocation(l) => (l.id, l.access_hash, l.file_reference, l.thumb_size),
            enums::InputFileLocation::InputPhotoFileLocation(l) => (l.id, l.access_hash, l.file_reference, l.thumb_size),
            _ => return Err(RpcError::new(400, "LOCATION_INVALID")),
        };
        check_range(request.precise, request.offset, i64::from(request.limit))?;
        let world = self.core.world();
        let view = AccountView::new(&world, self.account);
        let entry = world.files.get(&id).ok_or(RpcError::new(400, "FILE_ID_INVALID"))?;
        if hash != view.file_hash(id) {
            return Err(RpcError::new(400, "LOCATION_INVALID"));
        }
        let current = world.accounts.get(self.account).map_or(0, |account| account.reference_epoch);
        match reference_epoch(view, id, &reference) {
            None if reference.is_empty() => return Err(RpcError::new(400, "FILE_REFERENCE_EMPTY")),
            None => return Err(RpcError::new(400, "FILE_REFERENCE_INVALID")),
            Some(epoch) if epoch < current => return Err(RpcError::new(400, "FILE_REFERENCE_EXPIRED")),
            Some(_) => {}
        }
        if entry.dc != self.dc {
            return Err(RpcError { code: 303, name: format!("FILE_MIGRATE_{}", entry.dc).into() });
        }
        let bytes = world
            .read_file(id, &size, request.offset, i64::from(request.limit))
            .map_err(|_| RpcError::new(400, "LOCATION_INVALID"))?;
        let r#type = match entry.is_photo() || !size.is_empty() {
            true => enums::storage::FileType::FileJpeg,
            false => enums::storage::FileType::FileUnknown,
        };
        let mtime = crate::world::BASE_DATE;
        Ok(enums::upload::File::File(types::upload::File { r#type, mtime, bytes }).to_bytes())
    }
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
