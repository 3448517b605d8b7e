//! Takeout sessions: an export of everything, for which Telegram lets an account ask more often.
//! See <https://core.telegram.org/api/takeout>.

use grammers_tl_types::{Serializable, enums, types};

use super::Call;
use crate::answer::{Answer, RpcError};
use crate::world::mix;

impl Call<'_> {
    /// Refuses a call that names a takeout session which the account does not have.
    pub(super) fn check_takeout(&self) -> Result<(), RpcError> {
        let Some(id) = self.takeout else { return Ok(()) };
        let of_account = self.core.world().accounts.get(self.account).and_then(|account| account.takeout);
        if of_account == Some(id) { Ok(()) } else { Err(RpcError::new(400, "TAKEOUT_INVALID")) }
    }

    /// Begins a session; one that was not finished ends.
    pub(super) fn init_takeout_session(&self) -> Answer {
        let mut world = self.core.world_mut();
        let seed = world.seed;
        let account = world.accounts.get_mut(self.account).ok_or(super::AUTH_KEY_UNREGISTERED)?;
        account.takeouts += 1;
        let id = (mix(seed ^ mix(account.user_id as u64 ^ mix(account.takeouts as u64))) >> 1) as i64;
        account.takeout = Some(id);
        Ok(enums::account::Takeout::Takeout(types::account::Takeout { id }).to_bytes())
    }

    pub(super) fn finish_takeout_session(&self) -> Answer {
        let mut world = self.core.world_mut();
        let account = world.accounts.get_mut(self.account).ok_or(super::AUTH_KEY_UNREGISTERED)?;
        account.takeout.take().ok_or(RpcError::new(403, "TAKEOUT_REQUIRED"))?;
        Ok(true.to_bytes())
    }
}
