//! Says in the log what is wrong with Redis: each kind by its name, at most once a minute.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{Failure, FailureKind};
use crate::clock::Mono;
use crate::config::RedisAddress;

/// Between two lines of one kind.
const PAUSE: Duration = Duration::from_secs(60);

/// When each kind of trouble may be told again.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    /// By [`FailureKind`]: milliseconds on the monotonic clock. Whoever tells moves it ahead.
    next: [AtomicU64; FailureKind::ALL.len()],
}

impl Trouble {
    /// Tells it, unless this kind was told within the last minute; whether it did.
    pub(super) fn tell(&self, server: &RedisAddress, failure: &Failure, now: Mono) -> bool {
        // Why nothing was sent has been said when the connection ended or the breaker opened.
        if failure.kind == FailureKind::Unavailable || !self.may_tell(failure.kind, now) {
            return false;
        }
        tracing::warn!(
            server = %server,
            kind = failure.kind.word(),
            "Redis cannot be used as it should: {}; {}",
            failure.detail,
            failure.kind.advice(),
        );
        true
    }

    fn may_tell(&self, kind: FailureKind, now: Mono) -> bool {
        let Some(cell) = self.next.get(kind as usize) else {
            return false;
        };
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let (next, later) = (cell.load(Ordering::Relaxed), millis(now.0 + PAUSE));
        millis(now.0) >= next
            && cell
                .compare_exchange(next, later, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_told_once_a_minute() {
        let trouble = Trouble::default();
        let tell = |kind, seconds| {
            let server = RedisAddress::Tcp("redis".into(), 6379);
            let failure = Failure::new(kind, "so it is");
            trouble.tell(&server, &failure, Mono(Duration::from_secs(seconds)))
        };
        assert!(tell(FailureKind::Refused, 5));
        assert!(!tell(FailureKind::Refused, 64));
        assert!(tell(FailureKind::Timeout, 64));
        assert!(tell(FailureKind::Refused, 65));
        assert!(!tell(FailureKind::Unavailable, 900));
    }
}
