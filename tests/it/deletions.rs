//! Which deletions the archive believes, whatever the order in which answers arrive.

use std::time::Duration;

use telescribe::archive::{MassDeletion, Raw};

use crate::support::archives::Kept;
use crate::support::messages::{CHAT, NOW, key, message, range};

#[test]
fn a_page_that_is_older_than_a_mass_deletion_does_not_disprove_it() {
    let (kept, peer) = (Kept::new(), CHAT);
    let rule = MassDeletion { ids_min: 10, confirm_after: Duration::ZERO };
    let range = range(1, 20);
    // A page as of a state, with all messages or with none.
    let page = |pts: i32, full: bool| {
        let mut write = kept.write(NOW);
        write.as_of(Some(pts)).mass_deletion(rule).covered(peer, range);
        for id in (1..=20).filter(|_| full) {
            write.message(message(peer, id, ""), Raw::default(), 0);
        }
        write.commit().unwrap();
        let state = kept.view().crawl_state(peer).unwrap().unwrap();
        (state.held.len(), kept.view().coverage(peer).unwrap().deleted)
    };
    assert_eq!(page(10, true), (0, 0));
    let mut write = kept.write(NOW);
    write.as_of(Some(20)).mass_deletion(rule).crawl_state(peer, |state| state.pts = Some(20));
    for id in 1..=20 {
        write.delete(key(peer, id));
    }
    assert_eq!(write.commit().unwrap().held, 20);
    assert_eq!(page(15, true), (20, 0), "it was answered before the deletion");
    assert_eq!(page(20, false), (0, 20), "asked again, they are gone");
}
