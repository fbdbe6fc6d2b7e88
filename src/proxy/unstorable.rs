//! Remembers for a while which keys' answers could not be stored: requests for them neither wait
//! for each other nor give up their conditionals. Never a reason not to store.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::Mono;
use crate::policy::key::CacheKey;

/// How long requests for an unstorable key are not collapsed.
const APART: Duration = Duration::from_secs(10);

/// How long conditional requests for an unstorable key are forwarded as they came.
const UNTOUCHED: Duration = Duration::from_secs(60);

/// Most keys remembered; beyond it the oldest knowledge is dropped whole.
const MOST: usize = 16 * 1024;

/// Whose answers could not be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Whose {
    /// Everybody's.
    Everybodys,
    /// Those of clients with credentials that nothing names.
    Personal,
}

/// The keys, by place, with when each was found unstorable. A shared place costs a little
/// collapsing, nothing else.
#[derive(Debug, Default)]
pub(super) struct Unstorable {
    since: Mutex<HashMap<(u128, Whose), Mono>>,
}

impl Unstorable {
    /// Remembers a key.
    pub fn remember(&self, key: &CacheKey, whose: Whose, now: Mono) {
        let mut since = self.since.lock();
        if since.len() >= MOST {
            since.retain(|_, then| now.since(*then) < APART);
            if since.len() >= MOST {
                since.clear();
            }
        }
        since.insert((key.place(), whose), now);
    }

    /// Whether requests for the key should not wait for each other.
    pub fn keeps_apart(&self, key: &CacheKey, now: Mono) -> bool {
        self.within(key, Whose::Everybodys, now, APART)
    }

    /// Whether conditional requests for the key should be forwarded as they came.
    pub fn leaves_untouched(&self, key: &CacheKey, whose: Whose, now: Mono) -> bool {
        self.within(key, Whose::Everybodys, now, UNTOUCHED)
            || whose == Whose::Personal && self.within(key, whose, now, UNTOUCHED)
    }

    /// Forgets every key: the rules changed.
    pub fn forget_all(&self) {
        self.since.lock().clear();
    }

    fn within(&self, key: &CacheKey, whose: Whose, now: Mono, limit: Duration) -> bool {
        self.since
            .lock()
            .get(&(key.place(), whose))
            .is_some_and(|then| now.since(*then) < limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_kept_apart_for_ten_seconds_and_left_untouched_for_sixty() {
        let unstorable = Unstorable::default();
        let key = CacheKey::new("a");
        let at = |seconds| Mono(Duration::from_secs(seconds));
        assert!(!unstorable.keeps_apart(&key, at(0)));
        unstorable.remember(&key, Whose::Everybodys, at(0));
        assert!(unstorable.keeps_apart(&key, at(9)));
        assert!(!unstorable.keeps_apart(&key, at(10)));
        assert!(unstorable.leaves_untouched(&key, Whose::Personal, at(59)));
        assert!(!unstorable.leaves_untouched(&key, Whose::Everybodys, at(60)));
        unstorable.forget_all();
        assert!(!unstorable.leaves_untouched(&key, Whose::Everybodys, at(1)));
    }

    #[test]
    fn what_is_one_clients_is_nobody_elses() {
        let unstorable = Unstorable::default();
        let (key, now) = (CacheKey::new("a"), Mono::default());
        unstorable.remember(&key, Whose::Personal, now);
        assert!(!unstorable.keeps_apart(&key, now));
        assert!(!unstorable.leaves_untouched(&key, Whose::Everybodys, now));
        assert!(unstorable.leaves_untouched(&key, Whose::Personal, now));
    }

    #[test]
    fn what_it_remembers_is_bounded() {
        let unstorable = Unstorable::default();
        for n in 0..MOST * 2 {
            unstorable.remember(&CacheKey::new(n.to_string()), Whose::Everybodys, Mono::default());
        }
        assert!(unstorable.since.lock().len() <= MOST);
    }
}
