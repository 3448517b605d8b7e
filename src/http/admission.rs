//! Admission to a listener: how many connections there are at once, of whom, and which one goes where there is no place for a newcomer.
//!
//! A connection waits for its client while no request of it is answered (idle), while the rest of a request's body has not come, or while the
//! client takes nothing of what it is sent. Where all places are taken, the one that has waited longest is let go (fair accept), so that nobody,
//! however patient, keeps a listener shut for others. One address has only a share of the places; with more, it takes them from itself.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

/// How often a newcomer that found no place looks for one that now waits for its client.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// The share of the places that one loopback address leaves to others: a proxy on this machine sends everything, and so it needs most of them.
const LEFT_BY_LOOPBACK: usize = 8;

/// Whose connection it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The owner's, over the data folder's socket.
    Owner,
    V4(Ipv4Addr),
    /// An IPv6 address, by its network: a single machine has all of these 2^64 addresses.
    V6Network(u64),
    /// This machine's IPv6 address.
    V6Loopback,
}

impl Source {
    pub(super) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) if address.is_loopback() => Self::V6Loopback,
            IpAddr::V6(address) => Self::V6Network((address.to_bits() >> 64) as u64),
        }
    }
}

/// The places of one listener.
#[derive(Debug)]
pub(super) struct Places {
    places_max: usize,
    per_address_max: usize,
    taken: Mutex<Taken>,
    freed: Notify,
}

#[derive(Debug, Default)]
struct Taken {
    places: BTreeMap<u64, Arc<Place>>,
    next: u64,
}

/// Why a newcomer has no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NoPlace {
    /// Its address has as many as it may, and all of them are being answered.
    OfAddress,
    /// All connections are being answered.
    Full,
}

/// A place of a connection, given back when it is dropped.
#[derive(Debug)]
pub(super) struct OccupiedPlace {
    places: Arc<Places>,
    number: u64,
    pub(super) place: Arc<Place>,
}

impl Drop for OccupiedPlace {
    fn drop(&mut self) {
        self.places.taken().places.remove(&self.number);
        self.places.freed.notify_one();
    }
}

impl Places {
    pub(super) fn new(places_max: usize, per_address_max: usize) -> Arc<Self> {
        Arc::new(Self { places_max, per_address_max, taken: Mutex::default(), freed: Notify::new() })
    }

    /// A place for a newcomer, as soon as there is one; `None` where its address has its share already, and uses all of it.
    pub(super) async fn admit(self: &Arc<Self>, source: Source) -> Option<OccupiedPlace> {
        loop {
            match self.try_admit(source) {
                Ok(place) => return Some(place),
                Err(NoPlace::OfAddress) => return None,
                Err(NoPlace::Full) => tokio::select! {
                    () = self.freed.notified() => {}
                    () = sleep(LOOK_AGAIN) => {}
                },
            }
        }
    }

    fn try_admit(self: &Arc<Self>, source: Source) -> Result<OccupiedPlace, NoPlace> {
        let mut taken = self.taken();
        let of_source = taken.places.values().filter(|place| place.source == source).count();
        if of_source >= self.share(source) {
            taken.let_one_go(|place| place.source == source).ok_or(NoPlace::OfAddress)?;
        } else if taken.places.len() >= self.places_max {
            taken.let_one_go(|_| true).ok_or(NoPlace::Full)?;
        }
        let (number, place) = (taken.next, Arc::new(Place::new(source)));
        taken.next += 1;
        taken.places.insert(number, Arc::clone(&place));
        Ok(OccupiedPlace { places: Arc::clone(self), number, place })
    }

    /// How many places one source may have.
    fn share(&self, source: Source) -> usize {
        let is_loopback = match source {
            Source::Owner => return usize::MAX,
            Source::V4(address) => address.is_loopback(),
            Source::V6Loopback => true,
            Source::V6Network(_) => false,
        };
        let of_loopback = self.places_max - self.places_max / LEFT_BY_LOOPBACK;
        if is_loopback { of_loopback } else { self.per_address_max }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// Lets the one go that waits longest for its client, of those that are meant.
    fn let_one_go(&mut self, is_meant: impl Fn(&Place) -> bool) -> Option<()> {
        let waiting = |(number, place): (&u64, &Arc<Place>)| Some((place.waits_since()?, *number));
        let mut waiting: Vec<(Instant, u64)> =
            self.places.iter().filter(|(_, place)| is_meant(place)).filter_map(waiting).collect();
        waiting.sort_unstable();
        // What has got something meanwhile stays.
        let gone = waiting.into_iter().find(|(_, number)| self.places.get(number).is_some_and(|place| place.let_go()))?;
        self.places.remove(&gone.1);
        Some(())
    }
}

/// What is known of a connection.
#[derive(Debug)]
pub(super) struct Place {
    source: Source,
    opened: Instant,
    activity: Mutex<Activity>,
    let_go: Notify,
}

#[derive(Debug)]
struct Activity {
    /// Requests that are answered.
    answering: usize,
    /// Whether what answers waits for the request's body.
    awaits_body: bool,
    /// Since when it is as it is: since the beginning of the last request, or the end of what was sent.
    since: Instant,
    /// Since when the client has taken nothing of what it is sent.
    blocked: Option<Instant>,
    is_let_go: bool,
}

impl Activity {
    fn waits_since(&self) -> Option<Instant> {
        self.blocked.or_else(|| (self.answering == 0 || self.awaits_body).then_some(self.since))
    }
}

impl Place {
    fn new(source: Source) -> Self {
        let now = Instant::now();
        let activity = Activity { answering: 0, awaits_body: false, since: now, blocked: None, is_let_go: false };
        Self { source, opened: now, activity: Mutex::new(activity), let_go: Notify::new() }
    }

    /// How long ago the connection came about.
    pub(super) fn age(&self) -> Duration {
        self.opened.elapsed()
    }

    /// A request has come; `None` where the connection was let go just now, and nothing is answered any more.
    pub(super) fn begin(self: &Arc<Self>) -> Option<InService> {
        let mut activity = self.activity();
        if activity.is_let_go {
            return None;
        }
        activity.answering += 1;
        activity.since = Instant::now();
        Some(InService(Arc::clone(self)))
    }

    /// What answers waits for the request's body, or does no longer.
    pub(super) fn awaits_body(&self, awaits: bool) {
        self.activity().awaits_body = awaits;
    }

    /// The client takes nothing of what it is sent.
    pub(super) fn blocked(&self) {
        self.activity().blocked = Some(Instant::now());
    }

    /// The client has taken something again, or is greeted.
    pub(super) fn went_on(&self) {
        let mut activity = self.activity();
        activity.blocked = None;
        if activity.answering == 0 {
            activity.since = Instant::now();
        }
    }

    /// Returns when the connection must end for another one.
    pub(super) async fn must_go(&self) {
        self.let_go.notified().await;
    }

    /// Returns when the head of the next request is overdue; what is still being sent counts as a beginning.
    pub(super) async fn head_overdue(&self, timeout: Duration) {
        loop {
            match self.head_due(timeout) {
                Some(due) if due <= Instant::now() => return,
                Some(due) => sleep_until(due).await,
                // It waits for no head: none is due earlier than that.
                None => sleep(timeout).await,
            }
        }
    }

    fn head_due(&self, timeout: Duration) -> Option<Instant> {
        let activity = self.activity();
        (activity.answering == 0 && activity.blocked.is_none()).then(|| activity.since + timeout)
    }

    fn waits_since(&self) -> Option<Instant> {
        self.activity().waits_since()
    }

    /// Ends the connection, if it still waits for its client.
    fn let_go(&self) -> bool {
        let mut activity = self.activity();
        activity.is_let_go = activity.waits_since().is_some();
        if activity.is_let_go {
            self.let_go.notify_one();
        }
        activity.is_let_go
    }

    fn activity(&self) -> MutexGuard<'_, Activity> {
        self.activity.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is answered, until the end of its response.
#[derive(Debug)]
pub(super) struct InService(Arc<Place>);

impl Drop for InService {
    fn drop(&mut self) {
        let mut activity = self.0.activity();
        activity.answering -= 1;
        activity.awaits_body = false;
        activity.since = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Source = Source::V4(Ipv4Addr::LOCALHOST);

    fn of(last: u8) -> Source {
        Source::V4(Ipv4Addr::new(192, 0, 2, last))
    }

    fn is_let_go(occupied: &OccupiedPlace) -> bool {
        occupied.place.activity().is_let_go
    }

    #[tokio::test]
    async fn the_connection_that_waits_longest_makes_room_and_none_that_is_answered_does() {
        let places = Places::new(3, 3);
        let taken = [1, 2, 3].map(|last| places.try_admit(of(last)).unwrap());
        let first = taken[0].place.begin().unwrap();
        let newcomer = places.try_admit(of(4)).unwrap();
        assert_eq!(taken.each_ref().map(is_let_go), [false, true, false]);
        assert!(taken[1].place.begin().is_none(), "it answers nothing any more");
        taken[1].place.must_go().await;
        let _answered = (taken[2].place.begin().unwrap(), newcomer.place.begin().unwrap());
        assert_eq!(places.try_admit(of(5)).unwrap_err(), NoPlace::Full);
        // The end of a response is a beginning.
        drop(first);
        assert!(places.try_admit(of(5)).is_ok() && is_let_go(&taken[0]));
    }

    #[test]
    fn a_client_that_takes_nothing_waits_too_and_so_does_one_whose_body_does_not_come() {
        let places = Places::new(2, 2);
        let (slow, other) = (places.try_admit(of(1)).unwrap(), places.try_admit(of(2)).unwrap());
        let _answered = (slow.place.begin().unwrap(), other.place.begin().unwrap());
        assert_eq!(places.try_admit(of(3)).unwrap_err(), NoPlace::Full);
        slow.place.blocked();
        slow.place.went_on();
        assert_eq!(places.try_admit(of(3)).unwrap_err(), NoPlace::Full, "it has taken something");
        slow.place.blocked();
        let third = places.try_admit(of(3)).unwrap();
        assert!(is_let_go(&slow));
        let _also_answered = third.place.begin().unwrap();
        other.place.awaits_body(true);
        assert!(places.try_admit(of(4)).is_ok() && is_let_go(&other));
    }

    #[tokio::test]
    async fn an_address_takes_more_than_its_share_only_from_itself() {
        let places = Places::new(16, 2);
        let of_one = [(); 3].map(|()| places.try_admit(of(1)).unwrap());
        assert_eq!(of_one.each_ref().map(is_let_go), [true, false, false]);
        let answered = of_one.each_ref().map(|occupied| occupied.place.begin());
        assert!(places.admit(of(1)).await.is_none());
        assert!(places.try_admit(of(2)).is_ok());
        drop((of_one, answered));
        // A proxy on this machine may have most of them, and the owner of the data folder all.
        let here = [(); 15].map(|()| places.try_admit(HERE).unwrap());
        assert_eq!(here.iter().filter(|occupied| is_let_go(occupied)).count(), 1);
        drop(here);
        let own = [(); 16].map(|()| places.try_admit(Source::Owner).unwrap());
        assert!(!own.iter().any(is_let_go) && places.taken().places.len() == 16);
        drop(own);
        assert!(places.taken().places.is_empty());
    }

    #[test]
    fn an_address_is_the_same_however_it_is_written_and_a_network_of_ipv6_is_one() {
        let source = |text: &str| Source::of(text.parse().unwrap());
        assert_eq!(source("::ffff:192.0.2.1"), of(1));
        assert_eq!(source("2001:db8::1"), source("2001:db8::ffff:0:0:2"));
        assert_ne!(source("2001:db8::1"), source("2001:db8:0:1::1"));
        assert_eq!(source("::1"), Source::V6Loopback);
    }

    #[test]
    fn a_head_is_due_only_where_one_is_waited_for() {
        const TIMEOUT: Duration = Duration::from_secs(5);
        let places = Places::new(1, 1);
        let occupied = places.try_admit(of(1)).unwrap();
        let place = &occupied.place;
        let first = place.head_due(TIMEOUT).unwrap();
        assert!(first > Instant::now());
        let answered = place.begin();
        assert_eq!(place.head_due(TIMEOUT), None);
        drop(answered);
        place.blocked();
        assert_eq!(place.head_due(TIMEOUT), None, "it is still to take the last response");
        place.went_on();
        assert!(place.head_due(TIMEOUT).unwrap() >= first);
    }
}
