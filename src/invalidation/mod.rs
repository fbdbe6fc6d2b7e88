//! The invalidation log: what writes and purges announce, in order, and whether it touches a
//! stored response or a fill.
//!
//! An [`Event`] is appended to the [`Log`], applied to its index, and only then does the log's
//! [`Order`] rise: who read an order has every event up to it in the index. What the index
//! forgets for room makes more look touched, never less. Nothing here reads a clock, waits, or
//! knows what is stored.

mod append;
mod event;
mod exact;
mod fleet;
mod index;
mod join;
mod log;
mod named;
mod patterns;
mod pods;
mod replies;
mod shared;
mod stripes;
mod tag;
mod tail;
mod wire;

pub use append::Waiting;
pub use event::{Event, EventId, Mark, Matter, Nonce, Order, Position, Strength, Uid, Write};
pub use fleet::{Applied, Flush, Session};
pub use join::{LogTasks, Sharing};
pub use log::{Bounds, Log, LogStats, Receipt, Recent};
pub use patterns::{check_pattern, literal};
pub use pods::{Pod, Pods};
pub use replies::{Names, incarnation, newest};
pub use shared::{Admitted, Derive, Head, Logged, Refused};
pub use tag::{Subject, Tag, TagId, path_tags, subject_tags};

#[cfg(test)]
mod tests;
