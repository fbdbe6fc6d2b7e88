//! The words of the log: events, where they stand in it, and what a fetch remembers of it.

use std::fmt;
use std::hash::BuildHasher;

use http::Method;

use super::Tag;
use crate::clock::Mono;

/// Names one life of the log; ids compare only within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Nonce(u128);

impl Nonce {
    /// A nonce that no other incarnation has.
    pub fn random() -> Self {
        Self(random())
    }

    /// Where a nonce has to stand and there is no incarnation.
    pub(crate) const NONE: Self = Self(0);

    /// The nonce that [`Nonce::to_bytes`] gave.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }

    /// The nonce as other pods are told it, in the order of its digits.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }
}

impl Nonce {
    /// Reads what [`fmt::Display`] writes: 32 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let all_digits = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        all_digits.then(|| u128::from_str_radix(text, 16).ok().map(Self))?
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Where an event stands within an incarnation; written `ms-seq`, as a Redis stream writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct EventId {
    /// Milliseconds since 1970 when it was appended; never less than the id before.
    pub ms: u64,
    /// Tells apart what was appended in one millisecond.
    pub seq: u64,
}

impl EventId {
    /// Reads what [`fmt::Display`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        let (ms, seq) = text.split_once('-')?;
        Some(Self {
            ms: ms.parse().ok()?,
            seq: seq.parse().ok()?,
        })
    }

    /// The id before this one: nothing is between the two.
    pub fn before(self) -> Self {
        match (self.ms, self.seq) {
            (0, 0) => self,
            (ms, 0) => Self {
                ms: ms - 1,
                seq: u64::MAX,
            },
            (ms, seq) => Self { ms, seq: seq - 1 },
        }
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

/// A place in the log: an incarnation and an id within it. Not ordered, since ids of different
/// incarnations do not compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    /// The incarnation.
    pub nonce: Nonce,
    /// The event.
    pub id: EventId,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.nonce, self.id)
    }
}

/// A count of the changes of this pod's index; means nothing outside the pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Order(pub(crate) u64);

impl Order {
    /// The number itself, for display and for keeping it in an atomic.
    pub fn count(self) -> u64 {
        self.0
    }
}

/// What a fetch remembers of the log, taken before it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// What this pod had applied; `None` where the log was out of reach.
    pub position: Option<Position>,
    /// The order read before the fetch: events up to it were answered before, so the fetch has
    /// seen what they announced.
    pub stamp: Order,
    /// When the mark was taken.
    pub fetched: Mono,
}

/// What an event does to what it touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Strength {
    /// It is gone.
    Hard,
    /// It is stale.
    Soft,
}

/// What an event touches: all of these together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Matter {
    /// Everything there is.
    pub everything: bool,
    /// What carries any of these.
    pub tags: Vec<Tag>,
    /// Globs on paths that are not plain prefixes, such as `/a/*/b`: `*` stays within a segment,
    /// `**` does not, and a trailing `/**` also stands for the path before it. One that cannot be
    /// read touches everything.
    pub patterns: Vec<String>,
}

/// The write an event stands for, from which other pods derive what their own rules add.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// Its method.
    pub method: Method,
    /// Its target URI.
    pub target: String,
    /// A digest of the rules under which the event's matter was made: whoever has the same rules
    /// has nothing to add.
    pub rules: u64,
}

/// Tells events apart, whatever incarnation they ended up in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Uid(u128);

impl Uid {
    /// A uid that no other event has.
    pub fn random() -> Self {
        Self(random())
    }

    /// As it travels.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// What [`Uid::to_bytes`] gave.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// What a write or purge announces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Tells it apart.
    pub uid: Uid,
    /// What it touches.
    pub matter: Matter,
    /// The write behind it; `None` for a purge.
    pub write: Option<Write>,
    /// What it does to what it touches.
    pub strength: Strength,
}

impl Event {
    /// An event with a uid of its own.
    pub fn new(matter: Matter, write: Option<Write>, strength: Strength) -> Self {
        Self {
            uid: Uid::random(),
            matter,
            write,
            strength,
        }
    }
}

/// 128 random bits: from the system or, where it has none to give, from the keys that the
/// standard library drew for its hash maps.
fn random() -> u128 {
    let mut bytes = [0; 16];
    match getrandom::fill(&mut bytes) {
        Ok(()) => u128::from_le_bytes(bytes),
        Err(_) => {
            let half = |salt: u8| u128::from(std::hash::RandomState::new().hash_one(salt));
            (half(0) << 64) | half(1)
        }
    }
}
