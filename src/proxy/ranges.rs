//! Answers with parts of content: 206 and 416 (RFC 9110 §14.2, §15.3.7, §15.5.17).

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use super::collapse::Arrival;
use super::exchange::Exchange;
use super::problem::problem;
use super::respond::head;
use crate::body::stream::Reader;
use crate::body::{Body, Piece};
use crate::fields::range::{self, ContentRange, Part};
use crate::policy::Reason;
use crate::policy::ranges::{Selected, select};
use crate::store::StoredResponse;

/// Digests of the very content that they come with: a part has others than the whole (RFC 9530 §2).
const OF_CONTENT: [&str; 2] = ["content-digest", "content-md5"];

/// A stored response's content, as much of it as the request asks for.
pub(super) fn stored(
    exchange: &Exchange,
    entry: &Arc<StoredResponse>,
    mut fields: HeaderMap,
) -> Response<Body> {
    let whole = |fields| head(entry.status, fields, Body::stored(entry.clone()));
    if !exchange.asks_for_range() {
        return whole(fields);
    }
    let length = entry.content.whole_len();
    match select(&exchange.head.headers, entry.status, &entry.fields, length) {
        Selected::Whole => whole(fields),
        Selected::One(part) => {
            let body = Body::parts(entry.clone(), vec![Piece::Content(part)]);
            one(part, length, fields, body)
        }
        Selected::Several(parts) => {
            let (boundary, pieces) = several(&parts, length, &fields);
            let body = Body::parts(entry.clone(), pieces);
            let size = http_body::Body::size_hint(&body).lower();
            remove_digests(&mut fields);
            // §15.3.7.2: each part has its own type and range; the whole answer has neither.
            fields.insert(header::CONTENT_TYPE, boundary);
            fields.insert(header::CONTENT_LENGTH, size.into());
            head(StatusCode::PARTIAL_CONTENT, fields, body)
        }
        Selected::Unsatisfiable => unsatisfiable(length),
    }
}

/// Content of a fill under way. Only one part of an announced length can be told from the whole
/// before that is there; any other range is ignored, as it may be (§14.2).
pub(super) fn arriving(
    exchange: &Exchange,
    arrival: &Arrival,
    fields: HeaderMap,
    reader: Reader,
) -> Response<Body> {
    let selected = match arrival.length {
        Some(length) if exchange.asks_for_range() => {
            let selected = select(&exchange.head.headers, arrival.status, &arrival.fields, length);
            Some((selected, length))
        }
        Some(_) | None => None,
    };
    match selected {
        Some((Selected::One(part), length)) => one(part, length, fields, Body::fill_part(reader, part)),
        Some((Selected::Unsatisfiable, length)) => unsatisfiable(length),
        Some((Selected::Whole | Selected::Several(_), _)) | None => {
            head(arrival.status, fields, Body::fill(reader, arrival.length))
        }
    }
}

fn one(part: Part, length: u64, mut fields: HeaderMap, body: Body) -> Response<Body> {
    let whole = Some(length);
    remove_digests(&mut fields);
    fields.insert(header::CONTENT_RANGE, ContentRange { part, whole }.value());
    fields.insert(header::CONTENT_LENGTH, part.len().into());
    head(StatusCode::PARTIAL_CONTENT, fields, body)
}

pub(super) fn remove_digests(fields: &mut HeaderMap) {
    for name in OF_CONTENT {
        fields.remove(name);
    }
}

/// The content type and the pieces of an answer of several parts (§14.6).
fn several(parts: &[Part], length: u64, fields: &HeaderMap) -> (HeaderValue, Vec<Piece>) {
    let boundary = boundary();
    let mut pieces = Vec::with_capacity(parts.len() * 2 + 1);
    for (at, part) in parts.iter().enumerate() {
        let mut text = Vec::with_capacity(160);
        // The line end before a delimiter belongs to it (RFC 2046 §5.1.1).
        text.extend_from_slice(if at == 0 { b"--" } else { b"\r\n--" });
        text.extend_from_slice(boundary.as_bytes());
        if let Some(kind) = fields.get(header::CONTENT_TYPE) {
            text.extend_from_slice(b"\r\nContent-Type: ");
            text.extend_from_slice(kind.as_bytes());
        }
        let range = ContentRange {
            part: *part,
            whole: Some(length),
        };
        text.extend_from_slice(b"\r\nContent-Range: ");
        text.extend_from_slice(range.value().as_bytes());
        text.extend_from_slice(b"\r\n\r\n");
        pieces.push(Piece::Text(Bytes::from(text)));
        pieces.push(Piece::Content(*part));
    }
    pieces.push(Piece::Text(Bytes::from(format!("\r\n--{boundary}--\r\n"))));
    let kind = HeaderValue::try_from(format!("multipart/byteranges; boundary={boundary}"));
    let kind = kind.unwrap_or(HeaderValue::from_static("multipart/byteranges"));
    (kind, pieces)
}

/// A delimiter that no content contains but by a chance of one in 2^128: whoever wrote the content
/// cannot know it.
fn boundary() -> String {
    let mut bytes = [0_u8; 16];
    if getrandom::fill(&mut bytes).is_err() {
        use std::hash::BuildHasher;
        let half = |salt: u8| std::hash::RandomState::new().hash_one(salt);
        bytes = ((u128::from(half(0)) << 64) | u128::from(half(1))).to_be_bytes();
    }
    format!("{:032x}", u128::from_be_bytes(bytes))
}

/// 416, with the length that there is.
fn unsatisfiable(length: u64) -> Response<Body> {
    let mut response = problem(StatusCode::RANGE_NOT_SATISFIABLE, Reason::RangeOutside);
    response
        .headers_mut()
        .insert(header::CONTENT_RANGE, range::unsatisfied(length));
    response
}
