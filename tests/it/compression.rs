//! Compression: made once, negotiated, undone where a client cannot read it, and honest in every
//! field that speaks of it.

mod bombs;
mod readers;
mod round_trips;
mod stored;
mod streams;

use bytes::Bytes;
use larder::codec::{Decoder, Encoder, Level};
use larder::fields::coding::Coding;

use crate::support::Response;

pub(super) const RULES: &str = "rules:\n  - { name: all, match: 'GET /**', ttl: 1h }\n";

pub(super) const JSON: (&str, &str) = ("Content-Type", "application/json");

/// Text that compresses, `length` bytes of it.
pub(crate) fn text(length: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(length + 64);
    let mut at = 0_u64;
    while text.len() < length {
        at += 1;
        let digest = at.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        text.extend_from_slice(
            format!(
                "{{\"id\":{at},\"name\":\"item {:x}\",\"price\":{}}},",
                digest >> 40,
                digest % 9973
            )
            .as_bytes(),
        );
    }
    text.truncate(length);
    text
}

pub(super) fn encode(coding: Coding, content: &[u8]) -> Vec<u8> {
    let mut encoder = Encoder::new(coding, Level::Fast, None);
    let mut coded = encoder.push(content).unwrap().to_vec();
    coded.extend_from_slice(&encoder.finish().unwrap());
    coded
}

pub(super) fn decode(coding: Coding, coded: &[u8]) -> Vec<u8> {
    let mut decoder = Decoder::new(coding, 1 << 32);
    let mut input = Bytes::copy_from_slice(coded);
    let mut content = Vec::new();
    loop {
        let piece = decoder.pull(&mut input).unwrap();
        if piece.is_empty() {
            decoder.finish().unwrap();
            return content;
        }
        content.extend_from_slice(&piece);
    }
}

/// An answer's content without its coding.
pub(super) fn decoded(answer: &Response) -> Vec<u8> {
    match answer.field("content-encoding") {
        None => answer.content.to_vec(),
        Some(word) => decode(Coding::of_word(word.as_bytes()).unwrap(), &answer.content),
    }
}

/// Names `Accept-Encoding` in `Vary`.
pub(super) fn varies(answer: &Response) -> bool {
    let lines = answer.lines("vary");
    lines
        .iter()
        .any(|line| line.to_ascii_lowercase().contains("accept-encoding"))
}
