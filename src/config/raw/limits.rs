//! The section `limits`.

use std::time::Duration;

use super::super::reader::Reader;
use super::super::source::Spanned;
use super::super::tree::Node;

/// The section `limits`, as written.
#[derive(Debug, Default)]
pub(in crate::config) struct RawLimits {
    pub header_bytes: Option<Spanned<u64>>,
    pub header_count: Option<Spanned<u64>>,
    pub uri_bytes: Option<Spanned<u64>>,
    pub request_body: Option<Spanned<u64>>,
    pub key_body: Option<Spanned<u64>>,
    pub connections: Option<Spanned<u64>>,
    pub header_timeout: Option<Spanned<Duration>>,
    pub body_timeout: Option<Spanned<Duration>>,
    pub write_timeout: Option<Spanned<Duration>>,
    pub idle_timeout: Option<Spanned<Duration>>,
    pub stream_idle_timeout: Option<Spanned<Duration>>,
    pub variants: Option<Spanned<u64>>,
    pub tags: Option<Spanned<u64>>,
}

impl RawLimits {
    /// Reads the section.
    pub fn read(node: Option<&Node>, r: &mut Reader<'_>) -> Self {
        let Some(mut f) = r.section(node, "limits") else {
            return Self::default();
        };
        let limits = Self {
            header_bytes: r.size(f.get("header_bytes")),
            header_count: r.number(f.get("header_count"), 1),
            uri_bytes: r.size(f.get("uri_bytes")),
            request_body: r.size(f.get("request_body")),
            key_body: r.size(f.get("key_body")),
            connections: r.number(f.get("connections"), 1),
            header_timeout: r.timeout(f.get("header_timeout")),
            body_timeout: r.timeout(f.get("body_timeout")),
            write_timeout: r.timeout(f.get("write_timeout")),
            idle_timeout: r.timeout(f.get("idle_timeout")),
            stream_idle_timeout: r.timeout(f.get("stream_idle_timeout")),
            variants: r.number(f.get("variants"), 1),
            tags: r.number(f.get("tags"), 1),
        };
        r.end(f);
        limits
    }
}
