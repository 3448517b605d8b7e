//! Telegram's methods by their names in the schema, as the simulator's ledger and faults name them.

pub(crate) const HISTORY: &str = "messages.getHistory";
pub(crate) const DIALOGS: &str = "messages.getDialogs";
pub(crate) const PEER_DIALOGS: &str = "messages.getPeerDialogs";
pub(crate) const EXPORT: &str = "auth.exportAuthorization";
pub(crate) const IMPORT: &str = "auth.importAuthorization";
pub(crate) const INIT_TAKEOUT: &str = "account.initTakeoutSession";
pub(crate) const GET_FILE: &str = "upload.getFile";
