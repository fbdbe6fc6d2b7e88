use super::*;
use crate::config::Compress;
use crate::fields::media_range::MediaRange;
use std::sync::Arc;

fn fields(lines: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for (name, value) in lines {
        fields.append(*name, HeaderValue::from_static(value));
    }
    fields
}

const JSON: (&str, &str) = ("content-type", "application/json; charset=utf-8");

#[test]
fn text_from_500_bytes_is_negotiated_unless_something_speaks_against_it() {
    type Row = (&'static [(&'static str, &'static str)], u16, Option<u64>, bool);
    let table: &[Row] = &[
        (&[JSON], 200, Some(500), true),
        (&[JSON], 200, Some(499), false),
        (&[JSON], 200, None, true),
        (&[JSON], 404, Some(5000), true),
        (&[JSON], 206, Some(5000), false),
        (&[JSON], 204, None, false),
        (&[JSON], 304, None, false),
        (&[], 200, Some(5000), false),
        (&[("content-type", "image/png")], 200, Some(5000), false),
        (&[("content-type", "text/event-stream")], 200, None, false),
        (&[JSON, ("content-encoding", "gzip")], 200, Some(5000), false),
        (&[JSON, ("content-encoding", "identity")], 200, Some(5000), true),
        (
            &[JSON, ("content-range", "bytes 0-9/100")],
            200,
            Some(5000),
            false,
        ),
        (
            &[JSON, ("cache-control", "max-age=60, No-Transform")],
            200,
            Some(5000),
            false,
        ),
        (&[JSON, ("content-digest", "sha-256=:x:")], 200, Some(5000), false),
        (&[JSON, ("repr-digest", "sha-256=:x:")], 200, Some(5000), false),
        (&[JSON, ("digest", "sha-256=x")], 200, Some(5000), false),
        (&[JSON, ("set-cookie", "sid=1")], 200, Some(5000), false),
    ];
    let rule = Rule::unmatched(1 << 20);
    for (lines, status, length, expected) in table {
        let fields = fields(lines);
        let answer = Answer {
            status: StatusCode::from_u16(*status).unwrap(),
            fields: &fields,
            length: *length,
            personal: false,
        };
        assert_eq!(
            is_negotiated(&rule, answer),
            *expected,
            "{lines:?} {status} {length:?}"
        );
    }
}

#[test]
fn secrets_are_compressed_only_where_a_rule_asks_for_it() {
    let fields = fields(&[JSON, ("set-cookie", "sid=1")]);
    let answer = Answer {
        status: StatusCode::OK,
        fields: &fields,
        length: None,
        personal: true,
    };
    let mut rule = Rule::unmatched(1 << 20);
    assert!(!is_negotiated(&rule, answer));
    rule.compress = Some(Arc::new(Compress {
        credentials: true,
        ..Compress::default()
    }));
    assert!(is_negotiated(&rule, answer));
    rule.compress = Some(Arc::new(Compress {
        credentials: true,
        types: vec![MediaRange::parse("text/*").unwrap()],
        ..Compress::default()
    }));
    assert!(!is_negotiated(&rule, answer));
    rule.compress = None;
    assert!(!is_negotiated(&rule, answer));
}

#[test]
fn an_answer_is_personal_by_its_request_s_credentials_unless_everyone_shares_it() {
    let mut rule = Rule::unmatched(1 << 20);
    assert!(is_personal(&rule, true, false));
    assert!(!is_personal(&rule, true, true));
    assert!(!is_personal(&rule, false, false));
    rule.share = Share::Public;
    assert!(!is_personal(&rule, true, false));
}

#[test]
fn a_coded_answer_has_a_weak_tag_of_its_own_and_no_ranges() {
    let plain = fields(&[
        JSON,
        ("etag", "\"v1\""),
        ("accept-ranges", "bytes"),
        ("content-length", "900"),
    ]);
    let coded = coded_fields(&plain, Coding::Br, Some(100));
    assert_eq!(coded["etag"], "W/\"v1;larder\"");
    assert_eq!(coded["content-encoding"], "br");
    assert_eq!(coded["content-length"], "100");
    assert!(!coded.contains_key("accept-ranges"));
    let coded = coded_fields(&fields(&[JSON, ("etag", "W/\"v1\"")]), Coding::Gzip, None);
    assert_eq!(coded["etag"], "W/\"v1;larder.w\"");
    let decoded = decoded_fields(&fields(&[
        ("content-encoding", "gzip"),
        ("etag", "\"g\""),
        ("content-length", "9"),
    ]));
    assert_eq!(decoded["etag"], "W/\"g;larder\"");
    assert!(!decoded.contains_key("content-encoding") && !decoded.contains_key("content-length"));
}

#[test]
fn tags_of_codings_are_turned_back_into_the_origin_s_own() {
    let table = [
        ("W/\"v1;larder\"", Some("\"v1\"")),
        ("\"a\", W/\"v1;larder\" ,W/\"b\"", Some("\"a\", \"v1\" ,W/\"b\"")),
        ("W/\"v,1;larder\"", Some("\"v,1\"")),
        ("\"v1;larder\"", None),
        ("\"v1\"", None),
        ("*", None),
    ];
    for (sent, expected) in table {
        for name in ["if-match", "if-none-match"] {
            let mut request = fields(&[]);
            request.insert(name, HeaderValue::from_static(sent));
            assert_eq!(
                etag::restore(&mut request).is_some(),
                expected.is_some(),
                "{sent}"
            );
            assert_eq!(request[name], expected.unwrap_or(sent), "{sent}");
        }
    }
    let mut request = fields(&[("if-range", "W/\"v1;larder\"")]);
    assert!(etag::restore(&mut request).is_none());
}

#[test]
fn vary_names_accept_encoding_once() {
    let table: &[(&[&str], &[&str])] = &[
        (&[], &["Accept-Encoding"]),
        (&["Accept"], &["Accept, Accept-Encoding"]),
        (&["Accept", "X-A"], &["Accept, Accept-Encoding", "X-A"]),
        (&["X-A, accept-encoding"], &["X-A, accept-encoding"]),
        (&["*"], &["*"]),
    ];
    for (lines, expected) in table {
        let mut fields = HeaderMap::new();
        for line in *lines {
            fields.append(header::VARY, line.parse().unwrap());
        }
        vary_by_coding(&mut fields);
        let found: Vec<_> = fields.get_all(header::VARY).iter().collect();
        assert_eq!(found, *expected, "{lines:?}");
    }
}
