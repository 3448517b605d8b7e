//! Peers and their usernames.

use super::super::ArchiveError;
use super::super::family::{PEER, USERNAME};
use super::super::key::Username;
use super::{Findings, View, undamaged};

impl View<'_> {
    pub(super) fn check_peers(self, report: &mut Findings<'_>) -> Result<(), ArchiveError> {
        let mut rows = self.all(&PEER, report);
        while let Some(row) = report.next(&mut rows)? {
            let Some(id) = report.readable(|| "a peer".to_owned(), row.key()) else { continue };
            let Some(peer) = report.readable(|| format!("peer {id}"), row.value(&id)) else { continue };
            for username in peer.all_usernames().map(Username::new) {
                // Another peer may have it by now; then this one was not seen since, and there is no difference. Where it leads is
                // looked at below.
                if undamaged(self.get(&USERNAME, &username))?.is_some_and(|holder| holder.is_none()) {
                    report.differs(|| format!("username `{}` of peer {id} leads nowhere", username.as_str()));
                }
            }
        }
        let mut rows = self.all(&USERNAME, report);
        while let Some(row) = report.next(&mut rows)? {
            let Some(username) = report.readable(|| "a username".to_owned(), row.key()) else { continue };
            let name = username.as_str();
            let Some(id) = report.readable(|| format!("username `{name}`"), row.value(&username)) else { continue };
            // A peer that is damaged was told of above.
            match undamaged(self.get(&PEER, &id))? {
                Some(None) => report.differs(|| format!("username `{name}` refers to peer {id}, which is not archived")),
                Some(Some(peer)) if peer.all_usernames().all(|u| Username::new(u) != username) => {
                    report.differs(|| format!("username `{name}` refers to peer {id}, which does not have it"));
                }
                _ => {}
            }
        }
        Ok(())
    }
}
