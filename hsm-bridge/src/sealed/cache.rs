//! Values that were dear to come by, bounded in number: a new half takes what is used, and the old half is dropped when that is full.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, PoisonError, RwLock};

/// A bounded memory; a value that is used again within half its size of others stays.
pub(super) struct Cache<K, V> {
    half: usize,
    halves: RwLock<Halves<K, V>>,
}

struct Halves<K, V> {
    young: HashMap<K, Arc<V>>,
    old: HashMap<K, Arc<V>>,
}

impl<K: Copy + Eq + Hash, V> Cache<K, V> {
    pub(super) fn new(size: usize) -> Self {
        Self {
            half: (size / 2).max(1),
            halves: RwLock::new(Halves {
                young: HashMap::new(),
                old: HashMap::new(),
            }),
        }
    }

    pub(super) fn get(&self, key: K) -> Option<Arc<V>> {
        let halves = self.halves.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = halves.young.get(&key) {
            return Some(Arc::clone(value));
        }
        let value = Arc::clone(halves.old.get(&key)?);
        drop(halves);
        Some(self.put(key, value))
    }

    /// Remembers a value, unless another was remembered meanwhile; gives the one that stays.
    pub(super) fn put(&self, key: K, value: Arc<V>) -> Arc<V> {
        let mut halves = self.halves.write().unwrap_or_else(PoisonError::into_inner);
        if halves.young.len() >= self.half && !halves.young.contains_key(&key) {
            halves.old = std::mem::take(&mut halves.young);
        }
        Arc::clone(halves.young.entry(key).or_insert(value))
    }

    pub(super) fn forget(&self, key: K) {
        let mut halves = self.halves.write().unwrap_or_else(PoisonError::into_inner);
        halves.young.remove(&key);
        halves.old.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_grows_beyond_its_size_and_keeps_what_is_used() {
        let cache = Cache::new(8);
        cache.put(0_u32, Arc::new(0_u32));
        for number in 1..100 {
            cache.put(number, Arc::new(number));
            assert_eq!(cache.get(0).as_deref(), Some(&0), "{number}");
            let halves = cache.halves.read().unwrap();
            assert!(halves.young.len() + halves.old.len() <= 8);
        }
        assert!(cache.get(50).is_none());
        cache.forget(0);
        assert!(cache.get(0).is_none());
    }
}
