//! The section `limits`.

use std::time::Duration;

use super::super::reader::Reader;
use super::super::size;
use super::super::source::Spanned;
use super::super::tree::Node;

/// Least for all fields: below, ordinary requests of browsers would be refused.
const HEADER_BYTES: u64 = 1024;
/// Most field lines: a `HeaderMap` panics beyond 24,576 names, and Larder's own come on top.
const HEADER_COUNT: u64 = 16_384;
/// Longest request target: `Uri` holds no more.
const URI_BYTES: u64 = u16::MAX as u64 - 1;

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
    pub decoded_body: Option<Spanned<u64>>,
}

impl RawLimits {
    /// Reads the section.
    pub fn read(node: Option<&Node>, r: &mut Reader<'_>) -> Self {
        let Some(mut f) = r.section(node, "limits") else {
            return Self::default();
        };
        let limits = Self {
            header_bytes: at_least(r.size(f.get("header_bytes")), HEADER_BYTES, r),
            header_count: at_most(
                r.number(f.get("header_count"), 1),
                HEADER_COUNT,
                "the table that fields are kept in has room for some 24,000, those that Larder adds included",
                r,
            ),
            uri_bytes: at_most(
                r.size(f.get("uri_bytes")),
                URI_BYTES,
                "a longer request target cannot be read",
                r,
            ),
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
            decoded_body: r.size(f.get("decoded_body")),
        };
        r.end(f);
        limits
    }
}

fn at_least(read: Option<Spanned<u64>>, least: u64, r: &mut Reader<'_>) -> Option<Spanned<u64>> {
    let read = read?;
    if read.value >= least {
        return Some(read);
    }
    let (found, least) = (size::show(read.value), size::show(least));
    let problem = r.report.error(
        &read.place,
        format!("{found} for all fields of a request is too little"),
    );
    problem.cause("the fields of an ordinary request would not fit");
    problem.fix(format!("write at least {least}"));
    None
}

fn at_most(read: Option<Spanned<u64>>, most: u64, cause: &str, r: &mut Reader<'_>) -> Option<Spanned<u64>> {
    let read = read?;
    if read.value <= most {
        return Some(read);
    }
    let problem = r
        .report
        .error(&read.place, format!("{} is too large", read.value));
    problem.cause(cause).fix(format!("write at most {most}"));
    None
}
