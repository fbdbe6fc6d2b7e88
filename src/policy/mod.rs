//! RFC 9111 as decisions, following its table of contents. Pure: callers pass `now`; nothing
//! here waits, logs, reads a clock or touches content.

#[cfg(test)]
mod clauses;
pub mod coding;
pub mod freshness;
pub mod invalidation;
pub mod key;
pub mod overrides;
pub mod ranges;
pub mod reason;
pub mod request;
pub mod reuse;
pub mod storing;
pub mod validation;
pub mod vary;
pub mod words;

pub use reason::Reason;
