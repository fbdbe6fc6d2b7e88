//! One forward request for many: who leads a fill, and what its followers are told.
//!
//! A [`Flight`] is one fill under way. Its leader's client is a follower like any other: the fill
//! itself runs as a task of its own, so that no client that goes away can end it. Dropping the
//! task's [`Lead`] without an announcement (a panic, an abort) tells the followers that it died.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderMap, StatusCode};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::body::stream::{Reader, Stream, Writer};
use crate::clock::Mono;
use crate::invalidation::{Order, TagId};
use crate::origin::{OriginBody, OriginError};
use crate::policy::Reason;
use crate::policy::key::CacheKey;
use crate::policy::vary::Selecting;
use crate::store::{Codings, StoredResponse};

/// Every fill under way that others may follow, by key and, where known, variant.
#[derive(Debug, Default)]
pub(super) struct Flights {
    under_way: Mutex<HashMap<FlightKey, Arc<Flight>>>,
    /// Requests waiting for another request's fill.
    followers: Arc<AtomicU64>,
}

/// What requests must share to be one fill.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct FlightKey {
    /// The canonical key.
    pub key: CacheKey,
    /// The values of nominated fields, where `Vary` is known already.
    pub variant: Option<Selecting>,
    /// The rule, as it stands: after a change of rules nobody follows a fill of the old ones.
    pub fingerprint: u64,
}

/// One fill under way.
#[derive(Debug)]
pub(super) struct Flight {
    key: FlightKey,
    /// The order of the log before the fill's request was sent; rule 12 asks against it.
    pub stamp: Order,
    /// When that was read: who follows reuses what was fetched then.
    pub began: Mono,
    /// How many fills for these followers died before this one.
    pub replaces: u8,
    /// The content as it arrives. Whoever joins has a place at its start from then on.
    stream: Arc<Stream>,
    phase: watch::Receiver<Phase>,
}

/// How far a fill has come.
#[derive(Debug, Clone)]
pub(super) enum Phase {
    /// No answer yet.
    Waiting,
    /// A head came that may be stored; content follows in the stream.
    Arrived(Arc<Arrival>),
    /// Somebody else has stored it meanwhile.
    Stored,
    /// Another pod has stored it: it was found in the shared tier.
    Promoted(Arc<StoredResponse>),
    /// The stored response was validated and still holds.
    Validated(Arc<StoredResponse>),
    /// The origin failed, and the stale response may be served instead (RFC 5861 §4).
    Excused(Arc<StoredResponse>, Reason),
    /// The answer is for the leader alone.
    Private(Arc<ForLeader>),
    /// The origin failed.
    Failed(Arc<OriginError>),
}

/// A storable answer's head, as every follower sends it on.
#[derive(Debug)]
pub(super) struct Arrival {
    /// What it is stored under.
    pub key: CacheKey,
    /// Whether its content is whole.
    pub whole: bool,
    /// Whether the request carried any credential.
    pub any_credential: bool,
    /// The codings made of it.
    pub codings: Codings,
    pub status: StatusCode,
    /// What followers and the store get: end-to-end fields with `Via`; without `Age`.
    pub fields: HeaderMap,
    /// What the leader gets: also what is stripped for everyone else, such as `Set-Cookie`.
    pub leader_fields: HeaderMap,
    /// Which requests it is for.
    pub selecting: Selecting,
    /// Everything it can be invalidated by.
    pub tags: Box<[TagId]>,
    /// Its path, for patterns.
    pub path: Box<str>,
    /// Its terms and times, for `Age` and what clients are told.
    pub terms: crate::policy::storing::Terms,
    pub times: crate::policy::freshness::Times,
    /// The content's length, if the origin announced it.
    pub length: Option<u64>,
    /// Why it is not being stored although it could be; `None`: it is.
    pub not_stored: Option<Reason>,
}

/// An answer that nobody but the leader may have.
#[derive(Debug)]
pub(super) struct ForLeader {
    pub reason: Reason,
    /// Whether the request was sent as it came: sent again, it would bring the same.
    pub as_it_came: bool,
    pub response: Mutex<Option<LeaderAnswer>>,
}

/// What the leader gets.
#[derive(Debug)]
pub(super) enum LeaderAnswer {
    /// The origin's answer, unread.
    Forwarded(Box<http::Response<OriginBody>>),
    /// A validated response that must not be stored again.
    Freshened(Arc<StoredResponse>),
}

/// What joining came to.
pub(super) enum Joined {
    /// Nobody was fetching it: this request leads.
    Lead(Lead, Follow),
    /// Somebody is.
    Follow(Follow),
}

/// The fill's end of a flight.
#[derive(Debug)]
pub(super) struct Lead {
    flight: Arc<Flight>,
    flights: Arc<Flights>,
    phase: watch::Sender<Phase>,
    /// Where the content goes.
    pub writer: Writer,
}

/// A client's end of a flight.
#[derive(Debug)]
pub(super) struct Follow {
    pub flight: Arc<Flight>,
    /// Its place in the content, taken when it begins to read.
    pub reader: Option<Reader>,
    /// Only where the fill is another request's.
    waiting: Option<Waiting>,
}

/// Counts a follower for as long as it waits.
#[derive(Debug)]
struct Waiting {
    followers: Arc<AtomicU64>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.followers.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Flights {
    /// Follows the fill under way for `key`, unless `may_follow` objects; else leads a new one in
    /// its place. `start`: the log's order, and the time, now.
    pub fn join(
        self: &Arc<Self>,
        key: FlightKey,
        start: (Order, Mono),
        replaces: u8,
        may_follow: impl FnOnce(&Flight) -> bool,
    ) -> Joined {
        let mut under_way = self.under_way.lock();
        if let Some(flight) = under_way.get(&key)
            && may_follow(flight)
            && let Some(reader) = flight.stream.read()
        {
            self.followers.fetch_add(1, Ordering::Relaxed);
            let waiting = Some(Waiting {
                followers: self.followers.clone(),
            });
            return Joined::Follow(Follow {
                flight: flight.clone(),
                reader: Some(reader),
                waiting,
            });
        }
        let (lead, follow) = self.lead(key.clone(), start, replaces);
        under_way.insert(key, lead.flight.clone());
        Joined::Lead(lead, follow)
    }

    /// Leads a fill that nobody can join.
    pub fn alone(self: &Arc<Self>, key: FlightKey, start: (Order, Mono)) -> (Lead, Follow) {
        self.lead(key, start, 0)
    }

    fn lead(self: &Arc<Self>, key: FlightKey, (stamp, began): (Order, Mono), replaces: u8) -> (Lead, Follow) {
        let (sender, phase) = watch::channel(Phase::Waiting);
        let (stream, writer) = Stream::new();
        let reader = stream.read();
        let flight = Arc::new(Flight {
            key,
            stamp,
            began,
            replaces,
            stream,
            phase,
        });
        let lead = Lead {
            flight: flight.clone(),
            flights: self.clone(),
            phase: sender,
            writer,
        };
        (
            lead,
            Follow {
                flight,
                reader,
                waiting: None,
            },
        )
    }

    /// How many requests wait for another request's fill.
    pub fn followers(&self) -> u64 {
        self.followers.load(Ordering::Relaxed)
    }

    fn leave(&self, flight: &Arc<Flight>) {
        let mut under_way = self.under_way.lock();
        if under_way
            .get(&flight.key)
            .is_some_and(|listed| Arc::ptr_eq(listed, flight))
        {
            under_way.remove(&flight.key);
        }
    }
}

impl Lead {
    /// Tells every follower how far the fill has come.
    pub fn announce(&self, phase: Phase) {
        // Nobody listening is no fault: the clients may have gone.
        self.phase.send_replace(phase);
    }

    /// The content, for whoever wants to know when nobody reads it any more.
    pub fn content(&self) -> Arc<Stream> {
        self.flight.stream.clone()
    }

    /// Nobody joins from here on; those who follow go on.
    pub fn close(&self) {
        self.flights.leave(&self.flight);
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        self.close();
    }
}

impl Follow {
    /// Waits for news; `None` when the fill died without any.
    pub async fn news(&self) -> Option<Phase> {
        let mut phase = self.flight.phase.clone();
        let news = phase.wait_for(|phase| !matches!(phase, Phase::Waiting)).await;
        news.ok().map(|phase| phase.clone())
    }

    /// Whether this is the client that the fill is for in the first place.
    pub fn is_leader(&self) -> bool {
        self.waiting.is_none()
    }
}
