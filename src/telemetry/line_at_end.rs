//! The access-log line of one request, from its answer's head to its end.

use std::sync::Arc;

use super::{AccessLogger, OpenLine};
use crate::clock::{Clock, Mono};

/// An access-log line that is written when the answer's content has left, or was dropped.
///
/// What is known before is in the line already: nothing of the request is held until then.
#[derive(Debug)]
pub struct LineAtEnd {
    /// Taken when it is written.
    line: Option<OpenLine>,
    access: Arc<AccessLogger>,
    clock: Clock,
    started: Mono,
    bytes: u64,
}

impl LineAtEnd {
    /// A line that has everything but its end; `started`: when the request's head had arrived.
    pub fn new(line: OpenLine, access: Arc<AccessLogger>, clock: Clock, started: Mono) -> Self {
        Self {
            line: Some(line),
            access,
            clock,
            started,
            bytes: 0,
        }
    }

    /// Counts content sent.
    pub fn sent(&mut self, bytes: u64) {
        self.bytes += bytes;
    }
}

impl Drop for LineAtEnd {
    fn drop(&mut self) {
        let duration = self.clock.mono().since(self.started);
        if let Some(line) = self.line.take() {
            self.access.close(line, self.bytes, duration);
        }
    }
}
