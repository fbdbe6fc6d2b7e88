use std::net::Ipv6Addr;
use std::sync::Mutex;

use http::StatusCode;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::policy::Reason;
use crate::telemetry::rfc3339;

fn settings(access: AccessLog) -> LogSettings {
    LogSettings {
        format: LogFormat::Json,
        level: "info".to_owned(),
        access,
        slow_request: Duration::from_secs(1),
        trust_request_id: true,
    }
}

fn outcome(kind: OutcomeKind, status: u16, millis: u64) -> Outcome {
    Outcome {
        kind,
        reason: Some(Reason::UriMiss),
        forwarded: true,
        stored: true,
        status: StatusCode::from_u16(status).unwrap(),
        duration: Duration::from_millis(millis),
    }
}

fn line<'a>(outcome: &'a Outcome, path: &'a str, query: Option<&'a str>) -> AccessLine<'a> {
    AccessLine {
        time: SystemTime::UNIX_EPOCH,
        outcome,
        method: &Method::GET,
        path,
        query,
        host: "shop.example",
        rule: "product",
        origin: Some(Duration::from_millis(1)),
        peer: IpAddr::from([127, 0, 0, 1]),
        request_id: "r1",
    }
}

/// What is written of one request that took 12 bytes and 1.234 ms.
fn written_of(format: LogFormat, line: &AccessLine<'_>) -> String {
    let lines = Arc::new(Mutex::new(String::new()));
    let sink: Sink = {
        let lines = lines.clone();
        Arc::new(move |line| lines.lock().unwrap().push_str(line))
    };
    let logger = AccessLogger::new(format, sink);
    let open = logger.open(line);
    assert_eq!(*lines.lock().unwrap(), "", "nothing before the end");
    logger.close(open, 12, Duration::from_micros(1_234));
    lines.lock().unwrap().clone()
}

fn written(format: LogFormat, path: &str, query: Option<&str>) -> String {
    written_of(format, &line(&outcome(OutcomeKind::Miss, 200, 1), path, query))
}

#[test]
fn the_setting_decides_who_gets_a_line() {
    let fine = outcome(OutcomeKind::Hit, 200, 1);
    let missing = outcome(OutcomeKind::Miss, 404, 1);
    let failed = outcome(OutcomeKind::Miss, 500, 1);
    let broken = outcome(OutcomeKind::Error, 413, 1);
    let slow = outcome(OutcomeKind::Miss, 200, 1_000);
    let rows = [
        (AccessLog::All, [true, true, true, true, true]),
        (AccessLog::Errors, [false, false, true, true, true]),
        (AccessLog::Off, [false, false, false, false, false]),
        (AccessLog::Rate(0.0), [false, false, true, true, true]),
        (AccessLog::Rate(1.0), [true, true, true, true, true]),
    ];
    for (access, wanted) in rows {
        let logger = AccessLogger::new(LogFormat::Json, Arc::new(|_| {}));
        let settings = settings(access);
        let asked = [fine, missing, failed, broken, slow].map(|outcome| logger.wants(&settings, &outcome));
        assert_eq!(asked, wanted, "{access:?}");
    }
}

#[test]
fn a_rate_picks_its_share() {
    let settings = settings(AccessLog::Rate(0.01));
    let logger = AccessLogger::new(LogFormat::Json, Arc::new(|_| {}));
    let fine = outcome(OutcomeKind::Hit, 200, 1);
    let picked = (0..100_000).filter(|_| logger.wants(&settings, &fine)).count();
    assert!((950..=1_050).contains(&picked), "{picked}");
}

#[test]
fn a_json_line_is_one_object_with_everything_in_order() {
    let line = written(LogFormat::Json, "/products/a", None);
    assert_eq!(
        line,
        "{\"time\":\"1970-01-01T00:00:00.000Z\",\"method\":\"GET\",\"path\":\"/products/a\",\
         \"host\":\"shop.example\",\"status\":200,\"outcome\":\"miss\",\"reason\":\"uri-miss\",\
         \"stored\":true,\"rule\":\"product\",\"bytes\":12,\"duration_ms\":1.234,\"origin_ms\":1.0,\
         \"peer\":\"127.0.0.1\",\"request_id\":\"r1\"}\n"
    );
}

#[test]
fn a_text_line_says_the_same() {
    let line = written(LogFormat::Text, "/products/a b", None);
    assert!(
        line.starts_with("time=1970-01-01T00:00:00.000Z method=GET path=\"/products/a b\" host="),
        "{line}"
    );
    assert!(
        line.contains(" outcome=miss reason=uri-miss stored=true rule=product bytes=12 "),
        "{line}"
    );
}

#[test]
fn control_bytes_and_direction_marks_never_reach_a_line() {
    let nasty = "/a\n\r\u{1b}[31m\u{7f}\u{9b}\u{202e}\"\\ x";
    for format in [LogFormat::Json, LogFormat::Text] {
        let line = written(format, nasty, Some(nasty));
        let body = line.strip_suffix('\n').unwrap();
        assert!(
            !body.contains(|c: char| c.is_control() || c == '\u{202e}'),
            "{line:?}"
        );
    }
    let value: Value = serde_json::from_str(&written(LogFormat::Json, nasty, None)).unwrap();
    assert_eq!(value["path"], nasty);
}

#[test]
fn query_values_are_shown_as_keyed_digests_only() {
    let value: Value = serde_json::from_str(&written(
        LogFormat::Json,
        "/",
        Some("token=secret&page=1&again=secret&bare"),
    ))
    .unwrap();
    let query = value["query"].as_str().unwrap();
    assert!(!query.contains("secret") && !query.contains("bare"), "{query}");
    let parts: Vec<_> = query
        .split('&')
        .map(|part| part.split_once('~').unwrap())
        .collect();
    assert_eq!(
        parts.iter().map(|part| part.0).collect::<Vec<_>>(),
        ["token=", "page=", "again=", ""]
    );
    assert_eq!(parts[0].1, parts[2].1);
    assert_ne!(parts[0].1, parts[1].1);
}

#[test]
fn what_does_not_apply_is_left_out() {
    let hit = Outcome {
        reason: None,
        stored: false,
        ..outcome(OutcomeKind::Hit, 304, 1)
    };
    let line = AccessLine {
        origin: None,
        peer: IpAddr::V6(Ipv6Addr::LOCALHOST),
        ..line(&hit, "/", Some(""))
    };
    assert_eq!(
        written_of(LogFormat::Text, &line),
        "time=1970-01-01T00:00:00.000Z method=GET path=/ host=shop.example status=304 outcome=hit \
         rule=product bytes=12 duration_ms=1.234 peer=::1 request_id=r1\n"
    );
    let object: Value = serde_json::from_str(&written_of(LogFormat::Json, &line)).unwrap();
    assert_eq!(object["peer"], "::1");
    assert_eq!(object.as_object().unwrap().len(), 11);
}

/// The members of a text line, read as a consumer would: up to the next space, or a JSON string.
fn parsed_text(line: &str) -> Vec<(String, Value)> {
    let mut rest = line.strip_suffix('\n').unwrap();
    let mut members = Vec::new();
    while !rest.is_empty() {
        let (name, value) = rest.split_once('=').unwrap();
        let (value, length) = if value.starts_with('"') {
            let mut strings = serde_json::Deserializer::from_str(value).into_iter::<String>();
            (strings.next().unwrap().unwrap(), strings.byte_offset())
        } else {
            let length = value.find(' ').unwrap_or(value.len());
            (value[..length].to_owned(), length)
        };
        members.push((name.to_owned(), Value::String(value)));
        rest = &rest[name.len() + 1 + length..];
        rest = rest.strip_prefix(' ').unwrap_or(rest);
    }
    members
}

fn parsed_json(line: &str) -> Vec<(String, Value)> {
    let Value::Object(object) = serde_json::from_str(line).unwrap() else {
        panic!("not an object: {line}");
    };
    object.into_iter().collect()
}

/// Any bytes at all, as far as they may become text, and more often than chance would have it
/// those that matter.
fn any_text() -> impl Strategy<Value = String> {
    let bytes = prop_oneof![
        any::<u8>(),
        prop::sample::select(b"\"\\ =&\n\r\t\x1b\x7f\xc2\x85\xe2\x80\xae".to_vec()),
    ];
    prop_oneof![
        prop::collection::vec(bytes, 0..40).prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
        "[a-z/]{0,40}",
        ".{0,20}",
    ]
}

proptest! {
    #[test]
    fn whatever_a_client_sends_is_read_back_member_by_member(
        path in any_text(),
        host in any_text(),
        rule in any_text(),
        request_id in any_text(),
        query in prop::option::of(any_text()),
        seconds in 0..4_000_000_000_u64,
        origin in prop::option::of(0..100_000_000_u64),
        peer in any::<IpAddr>(),
    ) {
        let outcome = outcome(OutcomeKind::Miss, 200, 1);
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let line = AccessLine {
            time,
            host: &host,
            rule: &rule,
            request_id: &request_id,
            origin: origin.map(Duration::from_micros),
            peer,
            ..line(&outcome, &path, query.as_deref())
        };
        let mut expected = vec![
            ("time", json!(rfc3339(time))),
            ("method", json!("GET")),
            ("path", json!(path)),
            ("query", Value::Null),
            ("host", json!(host)),
            ("status", json!(200)),
            ("outcome", json!("miss")),
            ("reason", json!("uri-miss")),
            ("stored", json!(true)),
            ("rule", json!(rule)),
            ("bytes", json!(12)),
            ("duration_ms", json!(1.234)),
            ("origin_ms", origin.map_or(Value::Null, |micros| json!(micros as f64 / 1e3))),
            ("peer", json!(peer.to_string())),
            ("request_id", json!(request_id)),
        ];
        expected.retain(|(name, value)| match *name {
            "query" => query.as_ref().is_some_and(|query| !query.is_empty()),
            _ => !value.is_null(),
        });

        let (json, text) = (written_of(LogFormat::Json, &line), written_of(LogFormat::Text, &line));
        for (written, members) in [(&json, parsed_json(&json)), (&text, parsed_text(&text))] {
            let body = written.strip_suffix('\n').unwrap();
            prop_assert!(!body.contains(|c: char| c.is_control() || c == '\u{202e}'), "{:?}", written);
            prop_assert_eq!(members.len(), expected.len(), "{}", written);
            for ((name, value), (expected_name, expected)) in members.into_iter().zip(&expected) {
                prop_assert_eq!(&name, expected_name, "{}", written);
                let bare = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                if name == "query" {
                    let names = |query: &str| -> Vec<String> {
                        let name = |pair: &str| pair.split_once('=').map_or("", |(name, _)| name).to_owned();
                        query.split('&').map(name).collect()
                    };
                    prop_assert_eq!(names(&bare(&value)), names(query.as_deref().unwrap()));
                } else {
                    prop_assert_eq!(bare(&value), bare(expected), "{}", written);
                }
            }
        }
    }
}
