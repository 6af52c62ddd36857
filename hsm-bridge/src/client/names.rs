//! Looking up the address of a host within a deadline.
//!
//! The system's resolver cannot be told to stop, so it works on a thread of its own that is left behind when it takes too long. No more
//! than [`MAX_OUTSTANDING`] of these are there at once in a process, whatever the number of clients: who comes later waits for one to end.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::time::Instant;

/// How many look-ups may be under way at once.
const MAX_OUTSTANDING: usize = 4;

static PLACES: Places = Places {
    taken: Mutex::new(0),
    freed: Condvar::new(),
};

/// The addresses of `host:port`; an error of the kind `TimedOut` at the deadline.
pub(super) fn look_up(address: &str, deadline: Instant) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = address.parse() {
        return Ok(vec![address]);
    }
    look_up_by(&PLACES, address, deadline, |address| {
        address.to_socket_addrs().map(Iterator::collect)
    })
}

/// The places for look-ups.
struct Places {
    taken: Mutex<usize>,
    freed: Condvar,
}

/// One of the places; dropped when its look-up has ended, however long that took.
struct Place(&'static Places);

impl Places {
    fn take(&'static self, deadline: Instant) -> io::Result<Place> {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let left = deadline.saturating_duration_since(Instant::now());
        let (mut taken, _) = self
            .freed
            .wait_timeout_while(taken, left, |taken| *taken >= MAX_OUTSTANDING)
            .unwrap_or_else(PoisonError::into_inner);
        if *taken >= MAX_OUTSTANDING {
            return Err(late());
        }
        *taken += 1;
        Ok(Place(self))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        *taken -= 1;
        self.0.freed.notify_one();
    }
}

fn late() -> io::Error {
    let why = "the name of the gate's host was not looked up in time";
    io::Error::new(ErrorKind::TimedOut, why)
}

fn look_up_by(
    places: &'static Places,
    address: &str,
    deadline: Instant,
    resolve: impl FnOnce(&str) -> io::Result<Vec<SocketAddr>> + Send + 'static,
) -> io::Result<Vec<SocketAddr>> {
    let place = places.take(deadline)?;
    let (tell, told) = mpsc::sync_channel(1);
    let name: Arc<str> = address.into();
    std::thread::Builder::new()
        .name("look-up".to_owned())
        .spawn(move || {
            let found = resolve(&name);
            drop(place);
            // Nobody hears it when the deadline has passed.
            let _heard = tell.send(found);
        })?;
    let left = deadline.saturating_duration_since(Instant::now());
    told.recv_timeout(left).map_err(|_| late())?
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    fn places() -> &'static Places {
        Box::leak(Box::new(Places {
            taken: Mutex::new(0),
            freed: Condvar::new(),
        }))
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(100)
    }

    #[test]
    fn a_name_and_an_address_are_found() {
        let later = Instant::now() + Duration::from_secs(20);
        let found = look_up("localhost:8450", later).unwrap();
        assert!(
            found
                .iter()
                .all(|it| it.ip().is_loopback() && it.port() == 8450)
        );
        assert!(!found.is_empty());
        assert_eq!(look_up("[::1]:1", soon()).unwrap().len(), 1);
        assert!(look_up("no port", later).is_err());
    }

    #[test]
    fn a_resolver_that_hangs_costs_its_deadline_and_no_more_than_so_many_threads() {
        let places = places();
        let asked = Arc::new(AtomicUsize::new(0));
        let (release, held) = mpsc::channel::<()>();
        let held = Arc::new(Mutex::new(held));
        let hang = || {
            let (asked, held) = (Arc::clone(&asked), Arc::clone(&held));
            move |_: &str| {
                asked.fetch_add(1, Ordering::SeqCst);
                // Until the other end is dropped.
                let _ended = held.lock().unwrap().recv();
                Ok(Vec::new())
            }
        };
        let began = Instant::now();
        for _ in 0..MAX_OUTSTANDING + 3 {
            let said = look_up_by(places, "gate.example:8450", soon(), hang());
            assert_eq!(said.unwrap_err().kind(), ErrorKind::TimedOut);
        }
        assert!(began.elapsed() < Duration::from_secs(10));
        assert_eq!(asked.load(Ordering::SeqCst), MAX_OUTSTANDING);
        // The places come back when the resolver does.
        drop(release);
        let address: SocketAddr = "192.0.2.1:8450".parse().unwrap();
        let later = Instant::now() + Duration::from_secs(20);
        let found = look_up_by(places, "gate.example:8450", later, move |_| {
            Ok(vec![address])
        });
        assert_eq!(found.unwrap(), [address]);
    }
}
