//! The connections that rest, most recently used first, and how new ones are made.
//!
//! Decides which connection a request gets, never what becomes of the request.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::OwnedMutexGuard;
use tokio::time::timeout;

use super::conn::Conn;
use super::connect::{Connect, Connected, Version, Wanted};
use super::error::{Cause, ErrorKind};
use super::http2;
use super::patience::Patience;
use super::stats::{Counts, Open};
use super::timeouts::Timeouts;
use crate::clock::{Clock, Mono};
use crate::tasks::Tasks;

/// Shortest and longest time between two looks at the resting connections.
const SHORTEST_SWEEP: Duration = Duration::from_millis(10);
const LONGEST_SWEEP: Duration = Duration::from_millis(250);

pub(super) struct Pool {
    connect: Arc<dyn Connect>,
    timeouts: Arc<Timeouts>,
    pub(super) clock: Clock,
    pub(super) tasks: Tasks,
    pub(super) counts: Arc<Counts>,
    next_id: AtomicU64,
    shelf: Mutex<Shelf>,
    /// What HTTP/2 connections stand.
    shared: Arc<Mutex<http2::List>>,
    /// What the last connection spoke; `None` before the first one, where it has to be agreed on.
    version: Mutex<Option<Version>>,
    /// Held while a connection is made that many will share.
    making: Arc<tokio::sync::Mutex<()>>,
}

/// What rests. Everything here is short and never waits.
#[derive(Default)]
struct Shelf {
    /// Longest rested first.
    resting: Vec<Resting>,
    patience: Patience,
    /// A sweeper runs; it ends with the last resting connection.
    sweeping: bool,
    /// Nothing is kept any more.
    closed: bool,
}

struct Resting {
    conn: Conn,
    since: Mono,
    until: Mono,
}

/// What a request needs of its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Any that works: the request can be repeated.
    Any,
    /// None that the origin might be about to close.
    Certain,
    /// One that was made since, or that nobody used before.
    FreshSince(Mono),
    /// One that nobody used before and nobody will use after, and that speaks HTTP/1.1 if the origin does.
    Alone,
}

impl Need {
    /// What it means where connections are shared.
    fn fit(self, has_content: bool) -> http2::Fit {
        http2::Fit {
            since: match self {
                Need::FreshSince(since) => Some(since),
                Need::Any | Need::Certain | Need::Alone => None,
            },
            certain: self == Need::Certain,
            uploads: has_content,
        }
    }

    fn wanted(self) -> Wanted {
        match self {
            Need::Alone => Wanted::Http1,
            Need::Any | Need::Certain | Need::FreshSince(_) => Wanted::Any,
        }
    }
}

/// What carries a request.
pub(super) enum Taken {
    /// A connection.
    Conn {
        conn: Conn,
        /// How long it rested; `None` for a fresh one.
        rested: Option<Duration>,
    },
    /// A part of one.
    Stream(http2::Stream),
}

type Unmade = (ErrorKind, Cause);

/// What [`Shelf::take`] found.
enum Found {
    Kept(Conn, Duration),
    /// Some rest, but none that may be used.
    TooRisky,
    Nothing,
}

impl Pool {
    pub(super) fn new(
        timeouts: Arc<Timeouts>,
        connect: Arc<dyn Connect>,
        clock: Clock,
        tasks: Tasks,
    ) -> Pool {
        Pool {
            version: Mutex::new(connect.version()),
            connect,
            timeouts,
            clock,
            tasks,
            counts: Arc::default(),
            next_id: AtomicU64::new(0),
            shelf: Mutex::default(),
            shared: Arc::default(),
            making: Arc::default(),
        }
    }

    /// What is to carry a request, kept or fresh, `has_content` or not. `in_use` of at most `most` are in
    /// use, this request's included; the longest rested one makes room.
    pub(super) async fn obtain(
        self: &Arc<Self>,
        need: Need,
        has_content: bool,
        in_use: usize,
        most: usize,
    ) -> Result<Taken, Unmade> {
        if need != Need::Alone && self.speaks() != Some(Version::Http1) {
            return self.obtain_shared(need, has_content).await;
        }
        let mut gone = Vec::new();
        let found = self.shelf.lock().take(need, self.clock.now().mono, &mut gone);
        drop(gone);
        let extra = match found {
            Found::Kept(conn, rested) => {
                self.counts.reused();
                return Ok(Taken::Conn {
                    conn,
                    rested: Some(rested),
                });
            }
            Found::TooRisky => true,
            Found::Nothing => false,
        };
        let surplus = self.shelf.lock().make_room(most.saturating_sub(in_use));
        drop(surplus);
        let mut taken = self.make(need, None).await?;
        if let Taken::Conn { conn, .. } = &mut taken {
            conn.extra = extra;
        }
        Ok(taken)
    }

    /// A part of an HTTP/2 connection. One at a time makes a new one, and who waits meanwhile shares it;
    /// who has waited for as long as a connection may take makes one of its own.
    async fn obtain_shared(self: &Arc<Self>, need: Need, has_content: bool) -> Result<Taken, Unmade> {
        let fit = need.fit(has_content);
        if let Some(stream) = self.claim(fit) {
            return Ok(stream);
        }
        let waiting = Arc::clone(&self.making).lock_owned();
        let making = timeout(self.timeouts.connect(), waiting).await.ok();
        if let Some(stream) = self.claim(fit) {
            return Ok(stream);
        }
        // Where HTTP/1.1 was agreed on meanwhile, nothing is shared.
        let making = making.filter(|_| self.speaks() != Some(Version::Http1));
        self.make(need, making).await
    }

    fn claim(&self, fit: http2::Fit) -> Option<Taken> {
        let stream = self.shared.lock().claim(fit)?;
        self.counts.reused();
        Some(Taken::Stream(stream))
    }

    /// Makes a connection. What HTTP/2 it is to share is shared once the origin has said for how many;
    /// until then `making` is held.
    async fn make(
        self: &Arc<Self>,
        need: Need,
        making: Option<OwnedMutexGuard<()>>,
    ) -> Result<Taken, Unmade> {
        let unreachable = |cause: Cause| (ErrorKind::Unreachable, cause);
        let wanted = need.wanted();
        let Connected { io, version } = timeout(self.timeouts.connect(), self.connect.connect(wanted))
            .await
            .map_err(|late| (ErrorKind::ConnectTimeout, Cause::from(late)))?
            .map_err(|error| unreachable(error.into()))?;
        if wanted == Wanted::Any {
            *self.version.lock() = Some(version);
        }
        let open = Open::new(&self.counts);
        match version {
            Version::Http1 => {
                let id = self.next_id.fetch_add(1, Ordering::Relaxed);
                let conn = Conn::new(id, io, open, Arc::downgrade(self), &self.tasks).await;
                let conn = conn.map_err(|error| unreachable(error.into()))?;
                Ok(Taken::Conn { conn, rested: None })
            }
            Version::Http2 => {
                let made = http2::Conn::new(io, open, self.clock.clone()).await;
                let (conn, driver) = made.map_err(|error| unreachable(error.into()))?;
                let stream = conn.stream();
                driver.run(&conn, &self.shared, &self.timeouts, &self.tasks);
                if need != Need::Alone {
                    http2::share(&conn, &self.shared, making, &self.timeouts, &self.tasks);
                }
                Ok(Taken::Stream(stream))
            }
        }
    }

    /// What a connection will speak, as far as is known.
    fn speaks(&self) -> Option<Version> {
        *self.version.lock()
    }

    /// Lets a connection rest whose exchange has ended at a message boundary, for `announced` at
    /// most if the origin named a time.
    pub(super) fn keep(self: &Arc<Self>, conn: Conn, announced: Option<Duration>) {
        let most = self.timeouts.idle();
        let rest = announced.map_or(most, |time| time.min(most));
        let now = self.clock.now().mono;
        let mut shelf = self.shelf.lock();
        let too_many = conn.extra && !shelf.resting.is_empty();
        if shelf.closed || too_many || rest.is_zero() || conn.is_closed() {
            drop(shelf);
            return drop(conn);
        }
        shelf.resting.push(Resting {
            conn,
            since: now,
            until: Mono(now.0.saturating_add(rest)),
        });
        if !std::mem::replace(&mut shelf.sweeping, true) {
            drop(shelf);
            self.tasks.detach(sweep(Arc::downgrade(self), rest));
        }
    }

    /// A driver has ended. If its connection was resting, it was the origin that ended it.
    pub(super) fn ended(&self, id: u64, how: hyper::Result<()>) {
        let now = self.clock.now().mono;
        let mut shelf = self.shelf.lock();
        let Some(place) = shelf.resting.iter().position(|resting| resting.conn.id == id) else {
            return;
        };
        let resting = shelf.resting.remove(place);
        // Bytes that nobody asked for are a fault of the last answer, and say nothing about rests;
        // an announced end is none of the silent ones.
        if is_plain_end(&how) && now < resting.until {
            shelf.patience.ended(now.since(resting.since), now);
        }
        drop(shelf);
    }

    /// A kept connection turned out to be over, when a request was to be or had been written.
    pub(super) fn ended_after(&self, rested: Duration) {
        let now = self.clock.now().mono;
        self.shelf.lock().patience.ended(rested, now);
    }

    /// Closes everything that rests, now and from now on.
    pub(super) fn close_idle(&self) {
        let resting = {
            let mut shelf = self.shelf.lock();
            shelf.closed = true;
            std::mem::take(&mut shelf.resting)
        };
        drop(resting);
        let shared = self.shared.lock().close();
        drop(shared);
    }

    /// As if the origin had shown that it keeps connections.
    #[cfg(test)]
    pub(super) fn trust(&self) {
        self.shelf.lock().patience.stood(Duration::from_secs(3600));
    }

    /// Requests whose content waits for the origin to take some.
    #[cfg(test)]
    pub(super) fn waiting_uploads(&self) -> usize {
        self.shared.lock().waiting_uploads()
    }

    pub(super) fn idle(&self) -> usize {
        self.shelf.lock().resting.len() + self.shared.lock().idle()
    }
}

/// Whether a connection only ended or broke, and brought nothing unexpected before.
fn is_plain_end(how: &hyper::Result<()>) -> bool {
    match how {
        Ok(()) => true,
        Err(error) => std::error::Error::source(error)
            .is_some_and(|cause| cause.downcast_ref::<std::io::Error>().is_some()),
    }
}

impl Shelf {
    /// The most recently used connection that may serve; what turned out to be over goes to `gone`.
    fn take(&mut self, need: Need, now: Mono, gone: &mut Vec<Conn>) -> Found {
        let longest = match need {
            Need::Any => Duration::MAX,
            Need::Certain => self.patience.rest_for_unsafe(now),
            Need::FreshSince(_) | Need::Alone => return Found::Nothing,
        };
        let mut place = self.resting.len();
        while let Some(resting) = place.checked_sub(1).and_then(|last| self.resting.get(last)) {
            place -= 1;
            let rested = now.since(resting.since);
            if rested >= longest {
                return Found::TooRisky;
            }
            if resting.conn.is_closed()
                || (resting.conn.is_ready() && resting.conn.wire.has_readable_or_end())
            {
                self.patience.ended(rested, now);
                gone.push(self.resting.remove(place).conn);
            } else if resting.until <= now {
                gone.push(self.resting.remove(place).conn);
            } else if resting.conn.is_ready() {
                self.patience.stood(rested);
                return Found::Kept(self.resting.remove(place).conn, rested);
            }
        }
        Found::Nothing
    }

    /// Removes the longest rested ones until at most `most` rest.
    fn make_room(&mut self, most: usize) -> Vec<Resting> {
        let surplus = self.resting.len().saturating_sub(most);
        self.resting.drain(..surplus).collect()
    }

    /// Removes what has rested long enough; tells when the next one will have.
    fn evict(&mut self, now: Mono) -> (Vec<Resting>, Option<Duration>) {
        let (over, resting) = self
            .resting
            .drain(..)
            .partition::<Vec<_>, _>(|resting| resting.until <= now);
        self.resting = resting;
        for resting in &over {
            let rested = now.since(resting.since);
            if resting.conn.is_closed() || resting.conn.wire.has_readable_or_end() {
                self.patience.ended(rested, now);
            } else {
                self.patience.stood(rested);
            }
        }
        let next = self.resting.iter().map(|resting| resting.until.since(now)).min();
        self.sweeping = next.is_some();
        (over, next)
    }
}

/// Closes resting connections when their time is up; ends when none is left, or the pool is gone.
async fn sweep(pool: Weak<Pool>, first: Duration) {
    let mut wait = first;
    loop {
        tokio::time::sleep(wait.clamp(SHORTEST_SWEEP, LONGEST_SWEEP)).await;
        let Some(pool) = pool.upgrade() else { return };
        let (over, next) = pool.shelf.lock().evict(pool.clock.now().mono);
        drop(over);
        match next {
            Some(next) => wait = next,
            None => return,
        }
    }
}
