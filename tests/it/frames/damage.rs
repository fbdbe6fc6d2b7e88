//! Frames of every kind, and what may happen to them.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use larder::clock::Mono;
use larder::codec::Level;
use larder::fields::coding::Coding;
use larder::invalidation::{EventId, Mark, Nonce, Order, Position, Tag};
use larder::policy::freshness::Times;
use larder::policy::key::{CacheKey, CredentialState};
use larder::policy::storing::{RequestFacts, Terms};
use larder::policy::vary::Selecting;
use larder::store::frame::{CHUNK, Sealer, Written, pack, pack_nominated, unpack, unpack_chunk};
use larder::store::frame::{Corrupt, Unpacked};
use larder::store::{Codings, Content, Form, Parts, StoredResponse};
use sha2::Sha256;

use super::Rng;

/// What signs, where anything does.
pub const SECRET: &[u8] = b"between pods";

/// A frame as written, and what it is to be read as.
#[derive(Clone)]
pub struct Sample {
    pub key: CacheKey,
    pub frame: Vec<u8>,
    /// The content and the place of a chunk.
    pub chunk: Option<(u128, u32)>,
}

/// What a sample read as.
#[derive(Debug)]
pub enum Read {
    Unpacked(Unpacked),
    Chunk(Bytes),
}

impl Sample {
    /// Reads `frame` as if it were this one.
    pub fn read(&self, frame: &Bytes, sealer: &Sealer) -> Result<Read, Corrupt> {
        match self.chunk {
            None => unpack(frame, &self.key, sealer).map(Read::Unpacked),
            Some((id, n)) => unpack_chunk(frame, &self.key, id, n, sealer).map(Read::Chunk),
        }
    }
}

pub fn sealer(signed: bool) -> Sealer {
    Sealer::new(signed.then_some(SECRET))
}

/// A seal as the documentation of the format has it, made without the code under test.
pub fn seal(mut body: Vec<u8>, secret: Option<&[u8]>) -> Vec<u8> {
    match secret {
        None => body.extend(xxhash_rust::xxh3::xxh3_64(&body).to_be_bytes()),
        Some(secret) => {
            let mut keyed = Hmac::<Sha256>::new_from_slice(secret).unwrap();
            keyed.update(&body);
            body.extend(keyed.finalize().into_bytes());
        }
    }
    body
}

/// A frame without its seal.
pub fn body(frame: &[u8], signed: bool) -> &[u8] {
    &frame[..frame.len() - if signed { 32 } else { 8 }]
}

pub fn position() -> Position {
    Position {
        nonce: Nonce::from_bytes([7; 16]),
        id: EventId { ms: 1, seq: 2 },
    }
}

pub fn written() -> Written {
    Written {
        age: Duration::from_secs(1),
        wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_704_110_400),
        retention: Duration::from_secs(60),
        content_id: 0xc0ffee,
    }
}

/// A response of `len` bytes with these fields.
pub fn parts(key: &str, fields: HeaderMap, selecting: Selecting, len: usize) -> Parts {
    Parts {
        key: CacheKey::new(key.as_bytes().to_vec()),
        status: StatusCode::OK,
        fields,
        selecting,
        times: Times {
            requested: Mono::default(),
            received: Mono::default(),
            initial_age: Duration::ZERO,
        },
        terms: Terms {
            lifetime: Duration::from_secs(60),
            public: true,
            ..Terms::default()
        },
        facts: RequestFacts {
            method: Method::GET,
            credentials: CredentialState::Named,
            authorization: false,
            any_credential: true,
            credential_fields: 0,
            no_store: false,
        },
        tags: Box::new([Tag::Named("product:1".to_owned()).id()]),
        path: "/products/1".into(),
        rule: "product".into(),
        fingerprint: 42,
        mark: Mark {
            position: Some(position()),
            stamp: Order::default(),
            fetched: Mono::default(),
        },
        content: Content::from_chunks(vec![Bytes::from(vec![b'c'; len])]),
        codings: codings(len),
    }
}

/// A coding beside content of some length.
fn codings(len: usize) -> Codings {
    if len == 0 {
        return Codings::none();
    }
    Codings::of(vec![Form {
        coding: Coding::Br,
        level: Level::Fast,
        content: Content::from_chunks(vec![Bytes::from(vec![b'z'; len / 4])]),
    }])
}

/// Fields such as applications send.
pub fn usual_fields() -> HeaderMap {
    let lines = [
        ("date", "Mon, 01 Jan 2024 12:00:00 GMT"),
        ("content-type", "application/json"),
        ("etag", "\"33a64df551425fcc\""),
        ("cache-control", "public, max-age=3600, must-revalidate"),
        ("vary", "accept-encoding"),
        ("x-request-id", "7f9c24e5-7f9c-24e5-7f9c-24e57f9c24e5"),
        ("link", "</style.css>; rel=preload"),
        ("link", "</script.js>; rel=preload"),
    ];
    let line = |(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
    let mut fields = HeaderMap::new();
    for (name, value) in lines.map(line) {
        fields.append(name, value);
    }
    fields
}

pub fn usual_selecting() -> Selecting {
    Selecting {
        fields: Box::new([
            (header::ACCEPT_ENCODING, Some(b"br,gzip".as_slice().into())),
            (HeaderName::from_static("x-flavour"), None),
        ]),
        language: Some(b"en".as_slice().into()),
    }
}

/// Frames of every kind, of several keys; each written by `sealer`.
pub fn samples(sealer: &Sealer) -> Vec<Sample> {
    let mut samples = Vec::new();
    for key in ["a key", "another key, and a longer one"] {
        let key_of = CacheKey::new(key.as_bytes().to_vec());
        for (len, fields, selecting) in [
            (0, HeaderMap::new(), Selecting::default()),
            (1024, usual_fields(), usual_selecting()),
            (CHUNK + 100, usual_fields(), Selecting::default()),
        ] {
            let response = StoredResponse::new(parts(key, fields, selecting, len));
            let mut packed = pack(&response, written(), sealer).unwrap();
            samples.push(Sample {
                key: key_of.clone(),
                frame: packed.head,
                chunk: None,
            });
            samples.extend(packed.chunks.pop().map(|frame| Sample {
                key: key_of.clone(),
                frame,
                chunk: Some((written().content_id, 1)),
            }));
        }
        let names = [header::ACCEPT, HeaderName::from_static("x-flavour")];
        samples.push(Sample {
            frame: pack_nominated(&key_of, position(), &names, sealer).unwrap(),
            key: key_of,
            chunk: None,
        });
    }
    samples
}

/// Changes `bytes` in one of many ways, or in several; `others` are what it may be mixed with.
pub fn damage(bytes: &mut Vec<u8>, others: &[Sample], rng: &mut Rng) {
    loop {
        damage_once(bytes, others, rng);
        if !rng.next().is_multiple_of(3) {
            return;
        }
    }
}

fn damage_once(bytes: &mut Vec<u8>, others: &[Sample], rng: &mut Rng) {
    let mut at = |len: usize| rng.below(len.max(1) as u64) as usize;
    let (place, kind) = (at(bytes.len()), at(9));
    let (len, other) = (at(64), &others[at(others.len())].frame);
    let from = at(other.len());
    let end = (place + len).min(bytes.len());
    match kind {
        0 | 1 => flip(bytes, place, 1 << at(8)),
        2 => bytes.truncate(place),
        3 => drop(bytes.drain(place..end)),
        4 => bytes.extend_from_slice(&other[from..(from + len).min(other.len())]),
        5 => {
            let piece = other[from..(from + len).min(other.len())].to_vec();
            drop(bytes.splice(place..end, piece));
        }
        // Where lengths are, these are huge, or about as long as what is left.
        6 => overwrite(bytes, place, &[0xff; 8][..1 + at(8)]),
        7 => {
            let left = bytes.len() - place;
            let near = u32::try_from(left + at(9)).unwrap().wrapping_sub(4);
            overwrite(bytes, place, &near.to_be_bytes()[at(4)..]);
        }
        _ => {
            for _ in 0..=at(4) {
                let (place, bits) = (at(bytes.len()), at(256) as u8);
                flip(bytes, place, bits);
            }
        }
    }
}

fn flip(bytes: &mut [u8], place: usize, bits: u8) {
    if let Some(byte) = bytes.get_mut(place) {
        *byte ^= bits;
    }
}

fn overwrite(bytes: &mut [u8], place: usize, with: &[u8]) {
    let over = bytes.iter_mut().skip(place).zip(with);
    over.for_each(|(byte, with)| *byte = *with);
}
