//! RFC 9111 as decisions, following its table of contents. Pure: callers pass `now`; nothing
//! here waits, logs, reads a clock or touches content.

pub mod key;
pub mod reason;
pub mod freshness;
pub mod storing;
pub mod reuse;
pub mod validation;
pub mod invalidation;
pub mod overrides;
pub mod vary;

pub use reason::Reason;
