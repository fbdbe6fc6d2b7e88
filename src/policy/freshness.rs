//! How old a response is and how long it stays fresh (RFC 9111 §4.2).

use std::time::Duration;

use crate::clock::{Mono, Now};

/// The times that a stored response's age is computed from (RFC 9111 §4.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// When the request was sent that brought, or last validated, the response.
    pub requested: Mono,
    /// When its head arrived.
    pub received: Mono,
    /// Age when it was received: corrected_initial_age counted at `received`.
    pub initial_age: Duration,
}

impl Times {
    /// The response's age at `now`: what it had when it came plus how long it has rested here.
    pub fn current_age(&self, now: Now) -> Duration {
        self.initial_age + now.mono.since(self.received)
    }
}
