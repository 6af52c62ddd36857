//! Those who have connected and are not admitted yet: so many in all, and so many of one address, that one host cannot keep others out.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// How many may be on their way to a place at once.
const MAX_IN_ALL: usize = 128;
/// How many of them may come from one address; a client opens eight connections at once by its default.
const MAX_OF_ONE: usize = 32;

/// The number of those on their way, by address.
#[derive(Default)]
pub(super) struct Strangers(Mutex<HashMap<IpAddr, usize>>);

/// One of them; dropped when it is admitted or gone.
pub(super) struct Stranger {
    all: Arc<Strangers>,
    address: IpAddr,
}

impl Strangers {
    /// Counts one more, unless there are too many.
    pub(super) fn one_more(self: &Arc<Self>, address: IpAddr) -> Option<Stranger> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let in_all: usize = counts.values().sum();
        let count = counts.get(&address).copied().unwrap_or_default();
        if in_all >= MAX_IN_ALL || count >= MAX_OF_ONE {
            return None;
        }
        counts.insert(address, count + 1);
        Some(Stranger {
            all: Arc::clone(self),
            address,
        })
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let mut counts = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_has_its_share_and_all_have_theirs() {
        let strangers = Arc::new(Strangers::default());
        let from = |last: u8| IpAddr::from([10, 0, 0, last]);
        let mut inside = Vec::new();
        inside.extend((0..100).filter_map(|_| strangers.one_more(from(1))));
        assert_eq!(inside.len(), MAX_OF_ONE);
        inside.extend((0..250).filter_map(|number| strangers.one_more(from(2 + number))));
        assert_eq!(inside.len(), MAX_IN_ALL);
        // One that leaves makes room for one, of any address but the first.
        inside.pop();
        assert!(strangers.one_more(from(1)).is_none());
        assert!(strangers.one_more(from(9)).is_some());
        drop(inside);
        assert!(strangers.0.lock().unwrap().is_empty());
    }
}
