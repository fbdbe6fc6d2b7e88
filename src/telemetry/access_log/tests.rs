use std::sync::Mutex;

use http::StatusCode;

use super::*;
use crate::policy::Reason;

fn settings(access: AccessLog, format: LogFormat) -> LogSettings {
    LogSettings {
        format,
        level: "info".to_owned(),
        access,
        slow_request: Duration::from_secs(1),
        trust_request_id: true,
    }
}

fn outcome(kind: OutcomeKind, status: u16, millis: u64) -> Outcome {
    Outcome {
        rule: 0,
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
        bytes: 12,
        duration: Duration::from_micros(1_234),
        origin: Some(Duration::from_millis(1)),
        peer: IpAddr::from([127, 0, 0, 1]),
        request_id: "r1",
    }
}

/// The lines that `write` makes of one request.
fn written(format: LogFormat, path: &str, query: Option<&str>) -> String {
    let lines = Arc::new(Mutex::new(String::new()));
    let sink: Sink = {
        let lines = lines.clone();
        Arc::new(move |line| lines.lock().unwrap().push_str(line))
    };
    let logger = AccessLogger::new(&settings(AccessLog::All, format), [7; 32], sink);
    logger.write(&line(&outcome(OutcomeKind::Miss, 200, 1), path, query));
    lines.lock().unwrap().clone()
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
        let logger = AccessLogger::new(&settings(access, LogFormat::Json), [0; 32], Arc::new(|_| {}));
        let asked = [fine, missing, failed, broken, slow].map(|outcome| logger.wants(&outcome));
        assert_eq!(asked, wanted, "{access:?}");
        assert_eq!(logger.is_on(), wanted != [false; 5]);
    }
}

#[test]
fn a_rate_picks_its_share() {
    let access = AccessLog::Rate(0.01);
    let logger = AccessLogger::new(&settings(access, LogFormat::Json), [0; 32], Arc::new(|_| {}));
    let fine = outcome(OutcomeKind::Hit, 200, 1);
    let picked = (0..100_000).filter(|_| logger.wants(&fine)).count();
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
