//! The layers around a request: `invokeWithLayer`, `initConnection` and their kin.

use grammers_tl_types::{Cursor, Deserializable, Identifiable, deserialize, enums, functions as f};

use super::INPUT_FETCH_ERROR;
use crate::answer::RpcError;

/// Layers around one request; a client uses three or four.
const LAYERS_MAX: usize = 10;

/// A request without its layers.
pub(super) struct Unwrapped<'b> {
    pub constructor: u32,
    pub body: &'b [u8],
    pub without_updates: bool,
    /// The takeout session that it says it is part of.
    pub takeout: Option<i64>,
}

/// A query of no bytes, to find where the fields of `initConnection` end.
struct Nothing;

impl Deserializable for Nothing {
    fn deserialize(_: &mut Cursor<'_>) -> deserialize::Result<Self> {
        Ok(Self)
    }
}

/// Takes the layers off.
pub(super) fn unwrap(mut body: &[u8]) -> Result<Unwrapped<'_>, RpcError> {
    let (mut without_updates, mut takeout) = (false, None);
    for _ in 0..LAYERS_MAX {
        let constructor = u32::from_bytes(body).map_err(|_| INPUT_FETCH_ERROR)?;
        let rest = body.get(4..).ok_or(INPUT_FETCH_ERROR)?;
        let mut cursor = Cursor::from_slice(rest);
        let skipped = match constructor {
            f::InvokeWithLayer::<Nothing>::CONSTRUCTOR_ID => i32::deserialize(&mut cursor).map(drop),
            f::InitConnection::<Nothing>::CONSTRUCTOR_ID => f::InitConnection::<Nothing>::deserialize(&mut cursor).map(drop),
            f::InvokeAfterMsg::<Nothing>::CONSTRUCTOR_ID => i64::deserialize(&mut cursor).map(drop),
            f::InvokeAfterMsgs::<Nothing>::CONSTRUCTOR_ID => Vec::<i64>::deserialize(&mut cursor).map(drop),
            f::InvokeWithMessagesRange::<Nothing>::CONSTRUCTOR_ID => enums::MessageRange::deserialize(&mut cursor).map(drop),
            f::InvokeWithoutUpdates::<Nothing>::CONSTRUCTOR_ID => {
                without_updates = true;
                Ok(())
            }
            f::InvokeWithTakeout::<Nothing>::CONSTRUCTOR_ID => i64::deserialize(&mut cursor).map(|id| takeout = Some(id)),
            _ => return Ok(Unwrapped { constructor, body: rest, without_updates, takeout }),
        };
        skipped.map_err(|_| INPUT_FETCH_ERROR)?;
        body = rest.get(cursor.pos()..).ok_or(INPUT_FETCH_ERROR)?;
    }
    Err(INPUT_FETCH_ERROR)
}
