//! The form in which stored responses stand in Redis: written by one pod, read by another.
//!
//! A frame begins as [`FIXED`] describes, which scripts rely on. Then come a byte that says how it
//! is sealed, the whole cache key, what its kind has, and the seal over all of it. Numbers are
//! big-endian, and what varies in length stands behind its length. The form is a promise between
//! versions: another form has another version, and what cannot be read is a miss.
//!
//! Nothing a frame says is believed before its seal has been checked and its key compared; and
//! even then no length is: what it costs to read one stays within twice its own length and
//! [`READING`]. Nothing here waits, reads a clock or knows a connection.

mod names;
mod read;
mod seal;
mod write;

#[cfg(test)]
mod tests;

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::HeaderName;

pub use names::{Names, replaced};
pub use read::{Loaded, unpack, unpack_chunk};
pub use seal::Sealer;
pub use write::{pack, pack_nominated};

use crate::invalidation::Position;
use crate::redis::commands::FIXED;

/// Longest content that stands within its entry, and the length of every chunk of longer content
/// but the last; bytes.
pub const CHUNK: usize = 512 * 1024;

/// Longest frame of an entry: content, and more fields and tags than an origin can bring; bytes.
pub const LONGEST: usize = CHUNK + 512 * 1024;

/// Longest frame of a chunk: content, and the whole cache key; bytes.
pub const LONGEST_CHUNK: usize = CHUNK + 128 * 1024;

/// Most field lines, and most nominated fields, of an entry: above what an origin may send.
///
/// A line takes some hundred bytes in memory however short it is; this bounds how many there are.
pub const MOST_FIELDS: usize = 384;

/// What reading any frame allocates at most beyond twice its length, bytes: the tables of
/// [`MOST_FIELDS`] field lines and as many nominated fields.
pub const READING: usize = 128 * 1024;

/// How every frame begins, its version last.
const MAGIC: [u8; 4] = [b'L', b'D', b'R', 3];

/// What is told when an entry is written, beside the response itself.
#[derive(Debug, Clone, Copy)]
pub struct Written {
    /// The response's age now; kept in milliseconds, never less.
    pub age: Duration,
    /// The wall clock now; kept in milliseconds.
    pub wall: SystemTime,
    /// How long Redis is told to keep it; in milliseconds.
    pub retention: Duration,
    /// What tells this content's chunks from those of any other. Not used where it is inline.
    pub content_id: u128,
}

/// A response ready to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// The entry. To be written last.
    pub head: Vec<u8>,
    /// The chunks of its content, in order; none where it is within the entry.
    pub chunks: Vec<Vec<u8>>,
}

/// What was under the key of an entry.
#[derive(Debug)]
pub enum Unpacked {
    /// A response. Whether it is the variant that the request selects is still to be asked.
    Response(Box<Loaded>),
    /// The answers vary: each is under [`Names::variant`] of the request's own values.
    Nominated {
        /// The fields that they vary by.
        names: Vec<HeaderName>,
        /// The mark of the answer that said so.
        position: Position,
    },
}

/// The content of an entry as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// All of it, as a slice of the frame: whoever keeps it copies it.
    Inline(Bytes),
    /// Elsewhere.
    Chunked(Chunks),
}

impl Body {
    /// How many bytes there are in all.
    pub fn len(&self) -> u64 {
        match self {
            Body::Inline(bytes) => bytes.len() as u64,
            Body::Chunked(chunks) => chunks.len,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Where the content of an entry is that does not stand within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunks {
    /// Which content they are of.
    pub content_id: u128,
    /// How many they are.
    pub count: u32,
    /// The length of all of them, bytes.
    pub len: u64,
}

impl Chunks {
    /// How long chunk `n` has to be, bytes; zero past the last.
    pub fn len_of(&self, n: u32) -> u64 {
        let before = u64::from(n).saturating_mul(CHUNK as u64);
        self.len.saturating_sub(before).min(CHUNK as u64)
    }
}

/// Why a frame could not be read; the closed list is a metric label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
#[error("unreadable entry: {}", self.word())]
pub enum Corrupt {
    /// Too short to be any.
    Truncated,
    /// Not ours.
    Magic,
    /// Of a version that is not known here.
    Version,
    /// Neither of the kinds looked for.
    Kind,
    /// Changed since it was written.
    Checksum,
    /// Without the signature that the configured key gives it.
    Signature,
    /// Signed, and there is no key here to tell by.
    Signed,
    /// Of another cache key, or a chunk of other content or another place in it.
    OtherKey,
    /// Sealed as it should be, and senseless all the same.
    Malformed,
}

impl Corrupt {
    /// Every reason, for metrics that are to exist before the first of them.
    pub const ALL: [Corrupt; 9] = [
        Corrupt::Truncated,
        Corrupt::Magic,
        Corrupt::Version,
        Corrupt::Kind,
        Corrupt::Checksum,
        Corrupt::Signature,
        Corrupt::Signed,
        Corrupt::OtherKey,
        Corrupt::Malformed,
    ];

    /// The word in metrics and log.
    pub const fn word(self) -> &'static str {
        match self {
            Corrupt::Truncated => "truncated",
            Corrupt::Magic => "magic",
            Corrupt::Version => "version",
            Corrupt::Kind => "kind",
            Corrupt::Checksum => "checksum",
            Corrupt::Signature => "signature",
            Corrupt::Signed => "signed",
            Corrupt::OtherKey => "other_key",
            Corrupt::Malformed => "malformed",
        }
    }
}

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Response,
    Nominated,
    Chunk,
}

impl Kind {
    const fn byte(self) -> u8 {
        match self {
            Kind::Response => 1,
            Kind::Nominated => 2,
            Kind::Chunk => 3,
        }
    }

    fn of(byte: u8) -> Option<Self> {
        [Kind::Response, Kind::Nominated, Kind::Chunk]
            .into_iter()
            .find(|kind| kind.byte() == byte)
    }
}

/// The bits of a byte of flags, in this order from the lowest.
type Flags<const N: usize> = [bool; N];

/// Where the byte stands that says how a frame is sealed.
const SEAL_AT: usize = FIXED;
