//! Frames there and back, the promise of their exact bytes, and what is not taken for one.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::clock::Mono;
use crate::codec::Level;
use crate::fields::coding::Coding;
use crate::fields::range::{ContentRange, Part};
use crate::invalidation::{EventId, Mark, Nonce, Order, TagId};
use crate::policy::freshness::Times;
use crate::policy::key::{CacheKey, CredentialState};
use crate::policy::storing::{RequestFacts, Terms};
use crate::policy::vary::Selecting;
use crate::store::{Codings, Content, Form, Parts, StoredResponse};

fn position() -> Position {
    Position {
        nonce: Nonce::from_bytes(*b"0123456789abcdef"),
        id: EventId {
            ms: 0x0102_0304_0506_0708,
            seq: 9,
        },
    }
}

fn mark(position: Option<Position>) -> Mark {
    Mark {
        position,
        stamp: Order(3),
        fetched: Mono(Duration::from_secs(4)),
    }
}

fn times() -> Times {
    Times {
        requested: Mono(Duration::from_secs(1)),
        received: Mono(Duration::from_secs(2)),
        initial_age: Duration::from_secs(3),
    }
}

fn written() -> Written {
    Written {
        age: Duration::from_millis(1500),
        wall: UNIX_EPOCH + Duration::from_millis(1_704_110_400_123),
        retention: Duration::from_secs(3600),
        content_id: 0xc0ffee,
    }
}

/// A small answer in every respect unlike the default.
fn small() -> Parts {
    let mut fields = HeaderMap::new();
    for (name, value) in [("etag", "\"e\""), ("x-a", "1"), ("vary", "accept"), ("x-a", "")] {
        fields.append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    Parts {
        key: CacheKey::new(&b"the key"[..]),
        status: StatusCode::NOT_FOUND,
        fields,
        selecting: Selecting {
            fields: Box::new([
                (http::header::ACCEPT, Some(b"text/html".as_slice().into())),
                (HeaderName::from_static("x-b"), None),
            ]),
            language: Some(b"de".as_slice().into()),
        },
        times: times(),
        terms: Terms {
            lifetime: Duration::new(60, 5),
            always_validate: true,
            never_stale: false,
            stale_while_revalidate: Duration::from_secs(7),
            stale_if_error: Duration::from_secs(8),
            public: true,
            authorization_shareable: false,
            heuristic: true,
        },
        facts: RequestFacts {
            method: Method::POST,
            credentials: CredentialState::Unnamed,
            authorization: false,
            any_credential: true,
            credential_fields: 0x99AA_BBCC_DDEE_FF00,
            no_store: true,
        },
        tags: Box::new([TagId::from_bits(1), TagId::from_bits(u64::MAX)]),
        path: "/a/b".into(),
        rule: "rule".into(),
        fingerprint: 0x1122_3344_5566_7788,
        mark: mark(Some(position())),
        content: Content::from_chunks(vec![Bytes::from_static(b"content")]),
        codings: Codings::of(vec![
            form(Coding::Gzip, Level::Fast, b"in gzip"),
            form(Coding::Zstd, Level::Best, b"zst"),
        ]),
    }
}

/// The same with this content, and no codings of it.
fn bare(content: Vec<u8>) -> Parts {
    Parts {
        content: Content::from_chunks(vec![content.into()]),
        codings: Codings::none(),
        ..small()
    }
}

fn form(coding: Coding, level: Level, content: &[u8]) -> Form {
    Form {
        coding,
        level,
        content: Content::from_chunks(vec![Bytes::copy_from_slice(content)]),
    }
}

fn sealers() -> [Sealer; 2] {
    [Sealer::new(None), Sealer::new(Some(b"secret"))]
}

fn packed(parts: Parts, sealer: &Sealer) -> Packed {
    pack(&StoredResponse::new(parts), written(), sealer).unwrap()
}

fn loaded(head: Vec<u8>, key: &CacheKey, sealer: &Sealer) -> Loaded {
    match unpack(&Bytes::from(head), key, sealer).unwrap() {
        Unpacked::Response(loaded) => *loaded,
        Unpacked::Nominated { names, .. } => panic!("{names:?}"),
    }
}

/// Reads all of what was packed, as the store does.
fn read(packed: Packed, key: &CacheKey, sealer: &Sealer) -> (Loaded, Content) {
    let loaded = loaded(packed.head, key, sealer);
    let content = match &loaded.body {
        Body::Inline(content) => vec![content.clone()],
        Body::Chunked(chunks) => {
            assert_eq!(chunks.count as usize, packed.chunks.len());
            let numbered = (0..).zip(packed.chunks);
            numbered
                .map(|(n, chunk)| {
                    let frame = Bytes::from(chunk);
                    let content = unpack_chunk(&frame, key, chunks.content_id, n, sealer).unwrap();
                    assert_eq!(content.len() as u64, chunks.len_of(n));
                    content
                })
                .collect()
        }
    };
    (loaded, Content::from_chunks(content))
}

/// Both, member by member; a new member is to be named here.
fn assert_same(one: &Parts, other: &Parts) {
    let Parts {
        key,
        status,
        fields,
        selecting,
        times,
        terms,
        facts,
        tags,
        path,
        rule,
        fingerprint,
        mark,
        content,
        codings,
    } = one;
    assert_eq!(key, &other.key);
    assert_eq!(status, &other.status);
    let lines = |fields: &HeaderMap| -> Vec<_> {
        fields
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    };
    assert_eq!(lines(fields), lines(&other.fields), "in order, every line");
    assert_eq!(selecting.fields, other.selecting.fields);
    assert_eq!(selecting.language, other.selecting.language);
    assert_eq!(format!("{times:?}"), format!("{:?}", other.times));
    assert_eq!(terms, &other.terms);
    assert_eq!(format!("{facts:?}"), format!("{:?}", other.facts));
    assert_eq!(tags, &other.tags);
    assert_eq!(path, &other.path);
    assert_eq!(rule, &other.rule);
    assert_eq!(fingerprint, &other.fingerprint);
    assert_eq!(mark, &other.mark);
    assert!(content.segments().concat() == other.content.segments().concat());
    assert!(content.is_whole() && other.content.is_whole());
    assert_eq!(codings.making().is_some(), other.codings.making().is_some());
    let forms = |codings: &Codings| -> Vec<_> {
        let forms = codings.forms().iter();
        forms
            .map(|form| (form.coding, form.level, form.content.segments().concat()))
            .collect()
    };
    assert!(forms(codings) == forms(&other.codings));
}

fn round_trip(parts: Parts, written: Written, sealer: &Sealer) {
    let response = StoredResponse::new(parts);
    let packed = pack(&response, written, sealer).unwrap();
    let (loaded, content) = read(packed, &response.key, sealer);
    assert_eq!(Some(loaded.position), response.mark.position);
    assert!(loaded.age >= written.age && loaded.age - written.age < Duration::from_millis(1));
    let wall = |wall: SystemTime| wall.duration_since(UNIX_EPOCH).unwrap().as_millis();
    assert_eq!(wall(loaded.wall), wall(written.wall));
    assert_eq!(loaded.retention.as_millis(), written.retention.as_millis());
    // What the reading pod adds is its own.
    let again = StoredResponse::new(loaded.into_parts(content, response.times, response.mark));
    assert_same(&again, &response);
}

fn bytes(most: usize) -> impl Strategy<Value = Box<[u8]>> {
    vec(any::<u8>(), 0..most).prop_map(Into::into)
}

fn field_name() -> impl Strategy<Value = HeaderName> {
    prop_oneof![
        Just(http::header::ETAG),
        Just(http::header::VARY),
        Just(http::header::SET_COOKIE),
        "[a-z0-9!#$%&'*+.^_`|~-]{1,80}".prop_map(|name| HeaderName::from_bytes(name.as_bytes()).unwrap()),
    ]
}

fn field_value() -> impl Strategy<Value = HeaderValue> {
    let octet = any::<u8>().prop_filter("no control", |b| *b == 9 || (*b >= 32 && *b != 127));
    vec(octet, 0..60).prop_map(|value| HeaderValue::from_bytes(&value).unwrap())
}

fn terms() -> impl Strategy<Value = Terms> {
    let duration = || (any::<u64>(), 0..1_000_000_000_u32).prop_map(|(s, ns)| Duration::new(s, ns));
    (duration(), duration(), duration(), any::<[bool; 5]>()).prop_map(
        |(lifetime, stale_while_revalidate, stale_if_error, flags)| Terms {
            lifetime,
            stale_while_revalidate,
            stale_if_error,
            always_validate: flags[0],
            never_stale: flags[1],
            public: flags[2],
            authorization_shareable: flags[3],
            heuristic: flags[4],
        },
    )
}

fn facts() -> impl Strategy<Value = RequestFacts> {
    let credentials = prop_oneof![
        Just(CredentialState::Absent),
        Just(CredentialState::Named),
        Just(CredentialState::UnnamedAuthorization),
        Just(CredentialState::Unnamed),
    ];
    let parts = ("[A-Z]{1,30}", credentials, any::<u64>(), any::<[bool; 3]>());
    parts.prop_map(|(method, credentials, credential_fields, flags)| RequestFacts {
        method: method.parse().unwrap(),
        credentials,
        authorization: flags[0],
        any_credential: flags[1],
        credential_fields,
        no_store: flags[2],
    })
}

fn selecting() -> impl Strategy<Value = Selecting> {
    let nominated = (field_name(), proptest::option::of(bytes(20)));
    (vec(nominated, 0..5), proptest::option::of(bytes(8))).prop_map(|(fields, language)| Selecting {
        fields: fields.into(),
        language,
    })
}

fn codings() -> impl Strategy<Value = Codings> {
    let level = prop_oneof![Just(Level::Fast), Just(Level::Default), Just(Level::Best)];
    let forms = vec((level, bytes(2000)), 0..=Coding::ALL.len());
    let forms = forms.prop_map(|contents| {
        let forms = Coding::ALL.into_iter().zip(contents);
        Codings::of(
            forms
                .map(|(coding, (level, content))| form(coding, level, &content))
                .collect(),
        )
    });
    prop_oneof![Just(Codings::none()), forms]
}

fn parts() -> impl Strategy<Value = Parts> {
    let head = (100..1000_u16, vec((field_name(), field_value()), 0..20));
    let words = ("\\PC{0,40}", "\\PC{0,20}", any::<u64>());
    let place = (any::<[u8; 16]>(), any::<u64>(), any::<u64>());
    let tags = vec(any::<u64>(), 0..20);
    let told = (bytes(80), head, words, place, tags, (bytes(3000), codings()));
    (told, selecting(), terms(), facts()).prop_map(|(told, selecting, terms, facts)| {
        let (key, (status, lines), (path, rule, fingerprint), (nonce, ms, seq), tags, (content, codings)) =
            told;
        let mut fields = HeaderMap::new();
        for (name, value) in lines {
            fields.append(name, value);
        }
        let position = Position {
            nonce: Nonce::from_bytes(nonce),
            id: EventId { ms, seq },
        };
        Parts {
            key: CacheKey::new(key.into_vec()),
            status: StatusCode::from_u16(status).unwrap(),
            fields,
            selecting,
            times: times(),
            terms,
            facts,
            tags: tags.into_iter().map(TagId::from_bits).collect(),
            path: path.into(),
            rule: rule.into(),
            fingerprint,
            mark: mark(Some(position)),
            content: Content::from_chunks(vec![content.into_vec().into()]),
            codings,
        }
    })
}

proptest! {
    #[test]
    fn a_response_comes_back_as_it_went(
        parts in parts(),
        age in any::<u32>(),
        wall in 0..1_u64 << 62,
        retention in any::<u64>(),
        signed in any::<bool>(),
    ) {
        let written = Written {
            age: Duration::from_micros(age.into()),
            wall: UNIX_EPOCH + Duration::from_nanos(wall),
            retention: Duration::from_nanos(retention),
            content_id: 7,
        };
        round_trip(parts, written, &sealers()[usize::from(signed)]);
    }

    #[test]
    fn nominated_fields_come_back_as_they_went(names in vec(field_name(), 0..20), signed in any::<bool>()) {
        let sealer = &sealers()[usize::from(signed)];
        let key = CacheKey::new(&b"k"[..]);
        let frame = Bytes::from(pack_nominated(&key, position(), &names, sealer).unwrap());
        match unpack(&frame, &key, sealer).unwrap() {
            Unpacked::Nominated { names: again, position: at } => {
                prop_assert_eq!(again, names);
                prop_assert_eq!(at, position());
            }
            Unpacked::Response(loaded) => panic!("{loaded:?}"),
        }
    }
}

#[test]
fn content_of_any_length_comes_back_from_its_chunks() {
    for sealer in sealers() {
        for (len, count) in [
            (0, 0),
            (1, 0),
            (CHUNK, 0),
            (CHUNK + 1, 2),
            (2 * CHUNK, 2),
            (3 * CHUNK + 100_000, 4),
        ] {
            let content: Vec<u8> = (0..len).map(|n| (n % 251) as u8).collect();
            let parts = bare(content);
            assert_eq!(packed(parts.clone(), &sealer).chunks.len(), count, "{len}");
            round_trip(parts, written(), &sealer);
        }
    }
}

/// What stands in Redis must stay readable: who changes this text changes the version too.
#[test]
fn the_bytes_of_a_frame_are_the_same_in_every_version() {
    let shown = |frame: Vec<u8>| {
        let line = |line: &[u8]| line.iter().map(|b| format!("{b:02x}")).collect::<String>();
        frame.chunks(32).map(line).collect::<Vec<_>>().join("\n")
    };
    let [checked, signed] = sealers();
    insta::assert_snapshot!(shown(packed(small(), &checked).head), @"
    4c44520301303132333435363738396162636465660102030405060708000000
    0000000009000000000000000000000000000000000000000000000000077468
    65206b65790194000000000000003c0000000500000000000000070000000000
    00000000000008000000001500000004504f5354030699aabbccddeeff001122
    33445566778800000000000005dc0000018cc4e5227b000000000036ee800000
    000472756c65000000042f612f6200000006000000000000000100ea3aa5c314
    25364d84ee33a0728079984dae56d9699ce9af8bd47fc0f09a82ffffffffffff
    ffff01000000026465000200066163636570740100000009746578742f68746d
    6c0003782d62000004000465746167000000032265220003782d610000000131
    0003782d61000000000004766172790000000661636365707401020000000000
    0000000007020200000000000000030000000000000011636f6e74656e74696e
    20677a69707a7374f1577454048dd860
    ");
    let nominated = pack_nominated(&small().key, position(), &[http::header::ACCEPT], &signed);
    insta::assert_snapshot!(shown(nominated.unwrap()), @"
    4c44520302303132333435363738396162636465660102030405060708000000
    0000000009000000000000000000000000000000000000000001000000077468
    65206b6579000100066163636570744b2bf87594aa308a75ce502a535c6129e2
    9ec9c5f9f2f2f2ac541244e81e03bc
    ");
    let long = bare(vec![7; CHUNK + 3]);
    insta::assert_snapshot!(shown(packed(long, &checked).chunks.remove(1)), @"
    4c44520303000000000000000000000000000000000000000000000000000000
    000000000000000000000000000000000000c0ffee0000000100000000077468
    65206b6579070707bff53e0980dc5561
    ");
}

#[test]
fn the_beginning_is_as_the_scripts_have_it() {
    let long = bare(vec![7; CHUNK + 3]);
    let head = packed(long, &sealers()[0]).head;
    assert_eq!(head[4], 1);
    assert_eq!(head[5..21], *b"0123456789abcdef");
    assert_eq!(head[21..29], [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(head[29..37], 9_u64.to_be_bytes());
    assert_eq!(replaced(head[37..57].try_into().unwrap()), Some((0xc0ffee, 2)));
    let inline = packed(small(), &sealers()[0]).head;
    assert_eq!(replaced(inline[37..57].try_into().unwrap()), None);
}

#[test]
fn what_may_not_be_shared_is_not_packed() {
    let range = ContentRange {
        part: Part { first: 0, last: 6 },
        whole: Some(10),
    };
    let lines = (0..=MOST_FIELDS).map(|n| {
        let name: HeaderName = format!("x-{n}").parse().unwrap();
        (name, HeaderValue::from_static(""))
    });
    let none = || Box::<[u8]>::default();
    let nominated = vec![(http::header::ACCEPT, Some(none())); MOST_FIELDS + 1];
    let refused = [
        Parts {
            mark: mark(None),
            ..small()
        },
        Parts {
            content: small().content.as_part(range).unwrap(),
            ..small()
        },
        Parts {
            fields: lines.clone().collect(),
            ..small()
        },
        Parts {
            selecting: Selecting {
                fields: nominated.into(),
                language: None,
            },
            ..small()
        },
    ];
    for (n, parts) in refused.into_iter().enumerate() {
        let response = StoredResponse::new(parts);
        assert_eq!(pack(&response, written(), &sealers()[0]), None, "{n}");
    }
    let fields = lines.skip(1).collect();
    round_trip(Parts { fields, ..small() }, written(), &sealers()[0]);
    let names = vec![http::header::ACCEPT; MOST_FIELDS + 1];
    assert_eq!(
        pack_nominated(&small().key, position(), &names, &sealers()[0]),
        None
    );
}

#[test]
fn extreme_times_are_kept_within_what_can_be_written() {
    let written = Written {
        age: Duration::MAX,
        wall: UNIX_EPOCH - Duration::from_secs(1),
        retention: Duration::MAX,
        content_id: 0,
    };
    let sealer = &sealers()[0];
    let packed = pack(&StoredResponse::new(small()), written, sealer).unwrap();
    let loaded = loaded(packed.head, &small().key, sealer);
    assert_eq!(loaded.age, Duration::from_millis(u64::MAX));
    assert_eq!(loaded.wall, UNIX_EPOCH);
    assert_eq!(loaded.retention, Duration::from_millis(u64::MAX));
}

#[test]
fn only_what_is_sealed_as_configured_counts() {
    let [checked, signed] = sealers();
    let other = Sealer::new(Some(b"another"));
    let key = small().key;
    let read = |head: &[u8], sealer: &Sealer| unpack(&Bytes::copy_from_slice(head), &key, sealer).map(|_| ());
    let plain = packed(small(), &checked).head;
    let proven = packed(small(), &signed).head;
    assert_eq!(read(&plain, &checked), Ok(()));
    assert_eq!(read(&proven, &signed), Ok(()));
    assert_eq!(read(&plain, &signed), Err(Corrupt::Signature), "unsigned");
    assert_eq!(read(&proven, &other), Err(Corrupt::Signature), "by another");
    assert_eq!(
        read(&proven, &checked),
        Err(Corrupt::Signed),
        "nothing to tell by"
    );
}

#[test]
fn each_thing_wrong_has_its_word() {
    let [sealer, _] = sealers();
    let key = small().key;
    let head = packed(small(), &sealer).head;
    let reseal = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut frame = head[..head.len() - 8].to_vec();
        change(&mut frame);
        sealer.seal(&mut frame);
        frame
    };
    let nominated = pack_nominated(&key, position(), &[http::header::ACCEPT], &sealer).unwrap();
    let table: Vec<(Vec<u8>, Corrupt)> = vec![
        (vec![], Corrupt::Truncated),
        (head[..57].to_vec(), Corrupt::Truncated),
        (head[..60].to_vec(), Corrupt::Truncated),
        (head[..head.len() - 1].to_vec(), Corrupt::Checksum),
        (vec![b'x'; 100], Corrupt::Magic),
        (reseal(&|frame| frame[3] = 1), Corrupt::Version),
        (reseal(&|frame| frame[4] = 3), Corrupt::Kind),
        (reseal(&|frame| frame[4] = 9), Corrupt::Kind),
        (reseal(&|frame| frame[57] = 2), Corrupt::Checksum),
        (reseal(&|frame| frame[62] ^= 1), Corrupt::OtherKey),
        (reseal(&|frame| frame.push(0)), Corrupt::Malformed),
        (
            reseal(&|frame| frame.truncate(frame.len() - 1)),
            Corrupt::Malformed,
        ),
        (reseal(&|frame| frame[56] = 1), Corrupt::Malformed),
        // The lifetime's nanoseconds, with seconds that leave no room for more.
        (reseal(&|frame| frame[71..83].fill(0xff)), Corrupt::Malformed),
        // A flag of the terms that means nothing.
        (reseal(&|frame| frame[107] |= 0x20), Corrupt::Malformed),
        (nominated[..nominated.len() - 1].to_vec(), Corrupt::Checksum),
    ];
    for (n, (frame, expected)) in table.into_iter().enumerate() {
        assert_eq!(
            unpack(&frame.into(), &key, &sealer).err(),
            Some(expected),
            "row {n}"
        );
    }
}

#[test]
fn a_chunk_counts_in_its_own_place_only() {
    for sealer in sealers() {
        let long = bare(vec![7; CHUNK + 3]);
        let key = small().key;
        let Packed { head, chunks } = packed(long, &sealer);
        let chunk = Bytes::from(chunks[1].clone());
        let read = |key: &CacheKey, id, n| unpack_chunk(&chunk, key, id, n, &sealer).map(|c| c.len());
        assert_eq!(read(&key, 0xc0ffee, 1), Ok(3));
        assert_eq!(read(&key, 0xc0ffee, 0), Err(Corrupt::OtherKey), "another place");
        assert_eq!(read(&key, 0xc0fffe, 1), Err(Corrupt::OtherKey), "other content");
        let other = CacheKey::new(&b"other"[..]);
        assert_eq!(read(&other, 0xc0ffee, 1), Err(Corrupt::OtherKey), "another key");
        assert_eq!(unpack(&chunk, &key, &sealer).err(), Some(Corrupt::Kind));
        let head = Bytes::from(head);
        assert_eq!(
            unpack_chunk(&head, &key, 0xc0ffee, 2, &sealer),
            Err(Corrupt::Kind)
        );
    }
}

#[test]
fn an_entry_has_as_many_chunks_as_its_content_fills() {
    let [sealer, _] = sealers();
    let long = bare(vec![7; CHUNK + 3]);
    let head = packed(long, &sealer).head;
    let claims = |count: u32, len: u64| {
        let mut frame = head[..head.len() - 8].to_vec();
        frame[53..57].copy_from_slice(&count.to_be_bytes());
        let at = frame.len() - 8;
        frame[at..].copy_from_slice(&len.to_be_bytes());
        sealer.seal(&mut frame);
        unpack(&frame.into(), &small().key, &sealer).map(|_| ())
    };
    let chunk = CHUNK as u64;
    for (count, len) in [(2, chunk + 1), (2, 2 * chunk), (3, 2 * chunk + 1), (0, 0)] {
        assert_eq!(claims(count, len), Ok(()), "{count} for {len}");
    }
    for (count, len) in [
        (0, chunk + 1),
        (1, chunk + 1),
        (3, 2 * chunk),
        (1, chunk),
        (1, 3),
        (0, 1),
        (u32::MAX, u64::MAX),
        (0, u64::MAX),
    ] {
        assert_eq!(claims(count, len), Err(Corrupt::Malformed), "{count} for {len}");
    }
    let most = u64::from(u32::MAX) * chunk;
    assert_eq!(claims(u32::MAX, most), Ok(()));
}

#[test]
fn inline_content_and_values_are_slices_of_the_frame() {
    let [sealer, _] = sealers();
    let frame = Bytes::from(packed(small(), &sealer).head);
    let Ok(Unpacked::Response(loaded)) = unpack(&frame, &small().key, &sealer) else {
        panic!("unreadable");
    };
    let within = |bytes: &[u8]| frame.as_ptr_range().contains(&bytes.as_ptr());
    assert!(matches!(&loaded.body, Body::Inline(content) if within(content)));
    assert!(within(loaded.fields["etag"].as_bytes()));
}

#[test]
fn every_reason_has_a_word_of_its_own() {
    let mut words: Vec<_> = Corrupt::ALL.into_iter().map(Corrupt::word).collect();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), Corrupt::ALL.len());
}
