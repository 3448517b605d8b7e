//! Which deletions the archive believes, whatever the order in which answers arrive.

use std::time::Duration;

use telescribe::archive::{Archive, Durability, MassDeletion, Raw};
use telescribe::model::{IdRange, Message, MessageId, MessageKey, PeerId, Timestamp};

#[test]
fn a_page_that_is_older_than_a_mass_deletion_does_not_disprove_it() {
    let (folder, now) = (tempfile::tempdir().unwrap(), Timestamp(1_706_702_400));
    let archive = Archive::open(&folder.path().join("archive"), Durability::Os).unwrap();
    let peer = PeerId::channel(1_500_000_001);
    let rule = MassDeletion { ids_min: 10, confirm_after: Duration::ZERO };
    let range = IdRange::new(1, 20).unwrap();
    // A page as of a state, with all messages or with none.
    let page = |pts: i32, full: bool| {
        let mut write = archive.write(now);
        write.as_of(Some(pts)).mass_deletion(rule).covered(peer, range);
        for id in (1..=20).filter(|_| full) {
            write.message(Message::new(MessageKey { peer, id: MessageId(id) }, now), Raw::default(), 0);
        }
        write.commit().unwrap();
        let cursor = archive.view().cursor(peer).unwrap().unwrap();
        (cursor.held.len(), archive.view().coverage(peer).unwrap().deleted)
    };
    assert_eq!(page(10, true), (0, 0));
    let mut write = archive.write(now);
    write.as_of(Some(20)).mass_deletion(rule).cursor(peer, |cursor| cursor.pts = Some(20));
    for id in 1..=20 {
        write.delete(MessageKey { peer, id: MessageId(id) });
    }
    assert_eq!(write.commit().unwrap().held, 20);
    assert_eq!(page(15, true), (20, 0), "it was answered before the deletion");
    assert_eq!(page(20, false), (0, 20), "asked again, they are gone");
}
