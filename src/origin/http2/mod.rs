//! HTTP/2 to the origin (RFC 9113): one connection carries many requests at once.
//!
//! A connection lives as long as it is in the [`List`] or a [`Stream`] of it is there. It leaves the
//! list when it has rested for the origin's idle timeout, when it is old, and when it ends.

mod conn;
mod content;
mod driver;
mod exchange;
mod list;
mod upload;
mod voice;

use std::time::Duration;

use http::HeaderMap;

use crate::fields::section_length;

pub(super) use conn::{Conn, Stream};
pub(super) use content::Incoming;
pub(super) use driver::share;
pub(super) use exchange::head;
pub(super) use list::{Fit, List};

/// Most requests at once on one connection; the origin may want fewer (RFC 9113 §5.1.2). More make
/// another connection.
const STREAMS: usize = 100;
/// Content that may arrive of one answer before it is read, bytes.
const STREAM_WINDOW: u32 = 64 * 1024;
/// The same of all together: answers that nobody reads never hold up the others.
const CONNECTION_WINDOW: u32 = STREAM_WINDOW * 100;
/// Largest answer head or trailer section, as HTTP/2 counts it (RFC 9113 §6.5.2), and the most field
/// lines of a head.
const HEAD: usize = 32 * 1024;
const FIELD_LINES: usize = 256;
/// How long a connection may take to say its last word, and an answer that is there to end.
pub(super) const FAREWELL: Duration = Duration::from_secs(1);

/// The size of a field section as HTTP/2 counts it, bytes.
fn size(fields: &HeaderMap) -> usize {
    section_length(fields, 32)
}
