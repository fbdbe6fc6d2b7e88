//! Stored responses: in memory under a bound in bytes and, where pods share them, in Redis.
//!
//! A stored response never changes; a slot holds the variants of one cache key, and [`Memory`]
//! the slots. Everything counts against `store.memory`: entries with their overhead, fills, and
//! content on its way to or from Redis. [`RedisTier`] finds and writes entries there, in the form
//! that [`frame`] describes. Whether a stored response may be reused is decided elsewhere.

mod budget;
mod cache;
mod coded;
mod codings;
mod content;
pub mod frame;
mod memory;
mod response;
mod slot;
mod tier;
mod weight;

pub use budget::{Budget, Reservation};
pub use codings::{Asked, Codings, Form, Made, Making, NewCoding, Promise, Promised};
pub use content::Content;
pub use memory::{Inserted, Memory, MemoryStats};
pub use response::{Parts, StoredResponse};
pub use slot::Slot;
pub use tier::{Found, HeldLease, Lease, Missing, RedisTier, Seeking, TierParts, TierStats};

#[cfg(test)]
mod tests;
