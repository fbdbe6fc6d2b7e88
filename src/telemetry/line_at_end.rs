//! An access-log line that waits for the end of its answer.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use http::Method;

use super::{AccessLine, AccessLogger, Outcome};
use crate::clock::{Clock, Mono};

/// Travels with an answer's content and writes the line when dropped, whole answer or not.
#[derive(Debug)]
pub struct LineAtEnd {
    logger: AccessLogger,
    clock: Clock,
    begun: Mono,
    time: SystemTime,
    outcome: Outcome,
    method: Method,
    path: Box<str>,
    query: Option<Box<str>>,
    host: Box<str>,
    rule: Box<str>,
    origin: Option<Duration>,
    peer: IpAddr,
    request_id: Box<str>,
    /// Grows as content leaves.
    bytes: u64,
}

impl LineAtEnd {
    pub(super) fn new(logger: AccessLogger, line: &AccessLine<'_>, begun: Mono, clock: Clock) -> Self {
        Self {
            logger,
            clock,
            begun,
            time: line.time,
            outcome: *line.outcome,
            method: line.method.clone(),
            path: line.path.into(),
            query: line.query.map(Into::into),
            host: line.host.into(),
            rule: line.rule.into(),
            origin: line.origin,
            peer: line.peer,
            request_id: line.request_id.into(),
            bytes: 0,
        }
    }

    /// Counts content that was handed to the connection.
    pub fn sent(&mut self, bytes: u64) {
        self.bytes += bytes;
    }
}

impl Drop for LineAtEnd {
    fn drop(&mut self) {
        self.logger.write(&AccessLine {
            time: self.time,
            outcome: &self.outcome,
            method: &self.method,
            path: &self.path,
            query: self.query.as_deref(),
            host: &self.host,
            rule: &self.rule,
            bytes: self.bytes,
            duration: self.clock.now().mono.since(self.begun),
            origin: self.origin,
            peer: self.peer,
            request_id: &self.request_id,
        });
    }
}
