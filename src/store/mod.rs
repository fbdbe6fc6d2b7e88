//! The memory tier: stored responses under a bound in bytes.
//!
//! A stored response never changes; a slot holds the variants of one cache key, and [`Memory`]
//! the slots. Everything counts against `store.memory`: entries with their overhead, and fills
//! on their way. Whether a stored response may be reused is decided elsewhere.

mod budget;
mod cache;
mod content;
mod memory;
mod response;
mod slot;
mod weight;

pub use budget::{Budget, Reservation};
pub use content::Content;
pub use memory::{Inserted, Memory, MemoryStats};
pub use response::{Parts, StoredResponse};
pub use slot::Slot;

#[cfg(test)]
mod tests;
