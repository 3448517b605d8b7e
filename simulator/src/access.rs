//! Access: what a client must be given to connect as an account.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};

use serde::Serialize;

use crate::core::Core;
use crate::wire::sealing::AuthKey;
use crate::world::{AccountState, PeerId};

/// One data centre as one account reaches it.
#[derive(Clone, Serialize)]
pub struct DataCentreAccess {
    /// The data centre's number.
    pub id: i32,
    /// Its listener.
    pub address: SocketAddrV4,
    /// The authorisation key that both sides know; in JSON as 512 hexadecimal digits.
    #[serde(serialize_with = "hexadecimal")]
    pub auth_key: [u8; 256],
}

/// An account and how to connect as it.
#[derive(Clone, Serialize)]
pub struct AccountAccess {
    /// A short name: `alpha`, `bravo`, ..
    pub name: String,
    /// Telegram's user id.
    pub user_id: i64,
    /// The account's hash for its own user.
    pub access_hash: i64,
    /// First and last name.
    pub full_name: String,
    /// The data centre the account lives in.
    pub home_dc: i32,
    /// Its phone number, digits only.
    pub phone: String,
    /// The code that signs it in.
    pub code: String,
    /// Its two-step password, where one is set.
    pub password: Option<String>,
    /// Whether its key is signed in.
    pub signed_in: bool,
    /// Every data centre.
    pub data_centres: Vec<DataCentreAccess>,
    /// The addresses of the same data centres, with the same keys, that serve files and nothing else.
    pub media_data_centres: Vec<DataCentreAccess>,
}

impl fmt::Debug for DataCentreAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataCentreAccess").field("id", &self.id).field("address", &self.address).finish_non_exhaustive()
    }
}

impl fmt::Debug for AccountAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountAccess").field("name", &self.name).field("user_id", &self.user_id).finish_non_exhaustive()
    }
}

fn hexadecimal<S: serde::Serializer>(bytes: &[u8; 256], serializer: S) -> Result<S::Ok, S::Error> {
    use std::fmt::Write;
    let mut digits = String::with_capacity(512);
    for byte in bytes {
        write!(digits, "{byte:02x}").map_err(serde::ser::Error::custom)?;
    }
    serializer.serialize_str(&digits)
}

fn data_centres(core: &Core, seed: u64, user_id: i64, media_only: bool) -> Vec<DataCentreAccess> {
    let listeners = core.listeners.iter().filter(|(address, _)| address.media_only == media_only);
    let access = listeners.map(|(address, port)| DataCentreAccess {
        id: address.dc,
        address: SocketAddrV4::new(Ipv4Addr::LOCALHOST, *port),
        auth_key: *AuthKey::derive(seed, user_id, address.dc).bytes(),
    });
    access.collect()
}

/// The access of every account.
pub(crate) fn of_accounts(core: &Core) -> Vec<AccountAccess> {
    let world = core.world();
    (0..)
        .zip(&world.accounts)
        .map(|(index, account)| AccountAccess {
            name: account.name.clone(),
            user_id: account.user_id,
            access_hash: world.access_hash(index, PeerId::user(account.user_id)),
            full_name: world.user(account.user_id).map(crate::world::User::full_name).unwrap_or_default(),
            home_dc: account.home_dc,
            phone: account.phone.clone(),
            code: account.code.clone(),
            password: account.password.clone(),
            signed_in: account.state == AccountState::SignedIn,
            data_centres: data_centres(core, world.seed, account.user_id, false),
            media_data_centres: data_centres(core, world.seed, account.user_id, true),
        })
        .collect()
}
