//! The invalidation log: what writes and purges announce, in order, and whether it touches a
//! stored response or a fill.
//!
//! An [`Event`] is appended to the [`Log`], applied to its index, and only then does the log's
//! [`Order`] rise: who read an order has every event up to it in the index. What the index
//! forgets for room makes more look touched, never less. Nothing here reads a clock, waits, or
//! knows what is stored.

mod event;
mod exact;
mod index;
mod log;
mod patterns;
mod stripes;
mod tag;

pub use event::{Event, EventId, Mark, Matter, Nonce, Order, Position, Strength, Uid, Write};
pub use log::{Bounds, Log, LogStats, Receipt, Recent};
pub use patterns::{check_pattern, literal};
pub use tag::{Subject, Tag, TagId, path_tags, subject_tags};

#[cfg(test)]
mod tests;
