//! What this pod knows of a log that it shares with others: its session, how far it has applied,
//! and the own events that the log may not have yet.
//!
//! Changed under the log's lock alone. Nothing here waits or speaks to a server.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::{Event, EventId, Matter, Nonce, Position, Strength, Uid};
use crate::clock::Mono;

/// How long an own event that the log had is remembered, in case a new incarnation lacks it.
const REMEMBERED: Duration = Duration::from_secs(60);

/// Most own events that wait for the log, and most remembered; beyond it one that touches
/// everything stands for them all.
const MOST: usize = 10_000;

/// A stretch of time in which this pod follows one incarnation on one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Differs between any two sessions of this pod.
    pub serial: u64,
    /// The incarnation.
    pub nonce: Nonce,
    /// The replication id of its server: replies of any other are of another session.
    pub replication: Arc<str>,
}

/// Why the index was emptied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flush {
    /// The first time that this pod joined.
    Start,
    /// The log began anew.
    Incarnation,
    /// The log forgot events before this pod had seen them.
    Lost,
}

impl Flush {
    /// Every cause, in the order in which they are counted.
    pub const ALL: [Flush; 3] = [Flush::Start, Flush::Incarnation, Flush::Lost];

    /// The word in metrics and log.
    pub const fn word(self) -> &'static str {
        match self {
            Flush::Start => "start",
            Flush::Incarnation => "incarnation",
            Flush::Lost => "lost",
        }
    }
}

/// What is known of an event that the tail brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Met {
    /// It is another pod's, or its own append has not been confirmed yet: to be applied.
    New,
    /// It has been applied here, with where it stands.
    Known,
    /// It has been applied here, and waited in the queue for being logged.
    Queued,
}

/// The event up to which this pod has applied the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Applied {
    /// Where it stands.
    pub position: Position,
    /// A digest of it: an id may be given again after a fail-over, an event never.
    pub digest: u64,
}

/// One pod's part of a shared log.
#[derive(Debug, Default)]
pub(super) struct Fleet {
    serial: u64,
    session: Option<Session>,
    applied: Option<Applied>,
    /// Own events, applied here, that the log does not have, oldest first.
    queue: VecDeque<Arc<Event>>,
    /// Own events that the log had, with when it took them, oldest first.
    logged: VecDeque<(Mono, Arc<Event>)>,
    /// Own events on their way to the log, and where the tail has brought them if it was faster than
    /// the reply.
    sending: HashMap<Uid, Option<EventId>>,
    /// Own events applied here that the tail has not come by yet.
    ahead: HashSet<Uid>,
    pub(super) unlogged: u64,
    pub(super) flushes: [u64; Flush::ALL.len()],
}

impl Fleet {
    /// The session, whether it may be used or not.
    pub(super) fn joined(&self) -> Option<&Session> {
        self.session.as_ref()
    }

    /// The session, if everything that this pod has announced is in the log.
    pub(super) fn usable(&self) -> Option<&Session> {
        self.session.as_ref().filter(|_| self.queue.is_empty())
    }

    pub(super) fn applied(&self) -> Option<Applied> {
        self.applied
    }

    pub(super) fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Own events that are on their way to the log.
    pub(super) fn under_way(&self) -> usize {
        self.sending.len()
    }

    /// The position that a fetch sent now may claim to have seen.
    pub(super) fn mark(&self) -> Option<Position> {
        self.usable()?;
        self.applied.map(|applied| applied.position)
    }

    /// Begins a session, the tail standing at `applied`.
    pub(super) fn begin(&mut self, applied: Applied, replication: Arc<str>) -> Session {
        self.serial += 1;
        let session = Session {
            serial: self.serial,
            nonce: applied.position.nonce,
            replication,
        };
        self.applied = Some(applied);
        self.session = Some(session.clone());
        session
    }

    /// Ends the session; where this pod stands is kept for the next.
    pub(super) fn part(&mut self) {
        self.serial += 1;
        self.session = None;
    }

    /// Why a flush is due when joining the incarnation `nonce`.
    pub(super) fn flush_cause(&self, nonce: Nonce) -> Flush {
        match self.applied {
            None => Flush::Start,
            Some(applied) if applied.position.nonce != nonce => Flush::Incarnation,
            Some(_) => Flush::Lost,
        }
    }

    /// After the index was emptied: what the log holds is in it again and nothing else is. Own
    /// events of the last minute go to the head of the queue where the incarnation is another.
    pub(super) fn flushed(&mut self, cause: Flush, now: Mono) {
        if let Some(count) = self.flushes.get_mut(cause as usize) {
            *count += 1;
        }
        self.ahead.clear();
        self.sending.values_mut().for_each(|seen| *seen = None);
        self.forget_old(now);
        if cause == Flush::Incarnation {
            for (_, event) in std::mem::take(&mut self.logged).into_iter().rev() {
                self.queue.push_front(event);
            }
            self.bound_queue();
        }
    }

    /// Moves on to an event of the tail.
    pub(super) fn advance(&mut self, id: EventId, digest: u64) {
        if let Some(session) = &self.session {
            let nonce = session.nonce;
            let position = Position { nonce, id };
            self.applied = Some(Applied { position, digest });
        }
    }

    /// What is known here of an event that the tail brings.
    pub(super) fn meet(&mut self, uid: Uid, id: EventId) -> Met {
        if let Some(seen) = self.sending.get_mut(&uid) {
            *seen = Some(id);
            return Met::New;
        }
        if !self.ahead.remove(&uid) {
            return Met::New;
        }
        // It had arrived after all, and only the reply was lost.
        match self.queue.iter().position(|queued| queued.uid == uid) {
            Some(place) => {
                self.queue.remove(place);
                Met::Queued
            }
            None => Met::Known,
        }
    }

    /// Notes that an event is on its way to the log.
    pub(super) fn send(&mut self, uid: Uid) {
        self.sending.insert(uid, None);
    }

    /// The log has an own event: whether the tail has brought it already.
    pub(super) fn arrived(&mut self, event: &Arc<Event>, now: Mono) -> bool {
        let seen = self.sending.remove(&event.uid).flatten().is_some();
        if !seen {
            self.ahead.insert(event.uid);
        }
        self.forget_old(now);
        self.logged.push_back((now, event.clone()));
        seen
    }

    /// The log may not have an own event: where the tail has brought it all the same.
    pub(super) fn missed(&mut self, event: &Arc<Event>, now: Mono) -> Option<EventId> {
        let seen = self.sending.remove(&event.uid).flatten();
        if seen.is_some() {
            self.logged.push_back((now, event.clone()));
        } else {
            self.unlogged += 1;
            self.ahead.insert(event.uid);
            self.queue.push_back(event.clone());
            self.bound_queue();
        }
        seen
    }

    /// The oldest events that wait for the log.
    pub(super) fn first(&self, most: usize) -> Vec<Arc<Event>> {
        self.queue.iter().take(most).cloned().collect()
    }

    /// Takes events that have arrived off the queue.
    pub(super) fn taken(&mut self, events: &[Arc<Event>], now: Mono) {
        let taken: HashSet<Uid> = events.iter().map(|event| event.uid).collect();
        self.queue.retain(|queued| !taken.contains(&queued.uid));
        self.logged
            .extend(events.iter().map(|event| (now, event.clone())));
        self.forget_old(now);
    }

    fn forget_old(&mut self, now: Mono) {
        while self
            .logged
            .front()
            .is_some_and(|(then, _)| now.since(*then) > REMEMBERED)
        {
            self.logged.pop_front();
        }
        if self.logged.len() > MOST {
            self.logged.clear();
            self.logged.push_back((now, everything()));
        }
    }

    fn bound_queue(&mut self) {
        if self.queue.len() > MOST {
            for event in self.queue.drain(..) {
                self.ahead.remove(&event.uid);
            }
            self.queue.push_back(everything());
        }
    }
}

/// Stands for more events than can be remembered.
fn everything() -> Arc<Event> {
    let matter = Matter {
        everything: true,
        ..Matter::default()
    };
    Arc::new(Event::new(matter, None, Strength::Hard))
}
