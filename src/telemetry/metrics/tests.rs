use std::collections::BTreeSet;

use super::*;
use crate::config::Rule;
use crate::fields::coding::Coding;
use crate::telemetry::{CertificateFigures, FleetFigures, RedisOperation};

fn rules(number: usize) -> Vec<Arc<Rule>> {
    let named = |index| {
        let mut rule = Rule::unmatched(0);
        rule.name = Arc::from(format!("rule-{index:03}"));
        rule.index = index;
        Arc::new(rule)
    };
    (0..number).map(named).collect()
}

/// Nothing counted yet, of so many rules.
struct Counting {
    metrics: Metrics,
    meters: Meters,
    rules: Vec<Arc<Rule>>,
}

impl std::ops::Deref for Counting {
    type Target = Metrics;

    fn deref(&self) -> &Metrics {
        &self.metrics
    }
}

impl Counting {
    fn of(number: usize, limit: usize) -> Counting {
        let metrics = Metrics::new(number.min(limit));
        let rules = rules(number);
        Counting {
            meters: metrics.meters(&rules, limit),
            metrics,
            rules,
        }
    }

    /// The meter of a rule; `usize::MAX`: of no rule.
    fn meter(&self, rule: usize) -> &Meter {
        let rule = self.rules.get(rule);
        rule.map_or(self.meters.unmatched(), |rule| self.meters.of(rule))
    }
}

fn outcome(kind: OutcomeKind) -> Outcome {
    Outcome {
        kind,
        reason: Some(Reason::UriMiss),
        forwarded: true,
        stored: false,
        status: StatusCode::OK,
        duration: Duration::from_millis(3),
    }
}

fn value(text: &str, series: &str) -> Option<f64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    line.parse().ok()
}

fn sum(text: &str, name: &str) -> f64 {
    let of_name = |line: &&str| line.starts_with(&format!("{name}{{"));
    text.lines()
        .filter(of_name)
        .filter_map(|l| l.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

/// Uses every cell of every rule and everything else once.
fn exercise(metrics: &Counting, rules: usize) -> u64 {
    let mut requests = 0;
    for rule in (0..rules).chain([usize::MAX]) {
        for kind in OutcomeKind::ALL {
            metrics.account(metrics.meter(rule), &outcome(kind));
            requests += 1;
        }
        for &reason in Reason::ALL {
            metrics.not_stored(metrics.meter(rule), reason);
            metrics.forwarded_in_background(metrics.meter(rule), reason);
        }
        metrics.stored(metrics.meter(rule));
        for status in [101, 200, 301, 404, 500] {
            let status = StatusCode::from_u16(status).unwrap();
            metrics.origin_answered(metrics.meter(rule), Some(status), Duration::from_secs(1));
        }
        metrics.origin_answered(metrics.meter(rule), None, Duration::from_secs(1));
    }
    for source in [Source::Write, Source::Purge] {
        metrics.invalidated(source, Strength::Hard);
        metrics.invalidated(source, Strength::Soft);
    }
    for coding in Coding::ALL {
        for pass in [Pass::First, Pass::Later, Pass::Stream] {
            metrics.coded(coding, pass, (1000, 300), Duration::from_millis(1));
        }
        metrics.coding_saved(coding, 700);
        for ended in [Decoding::Done, Decoding::Corrupt, Decoding::TooLong] {
            metrics.decoded(coding, ended);
        }
    }
    metrics.panicked();
    for failure in ClientFailure::ALL {
        metrics.clients_failed(failure, 1);
    }
    metrics.redis_failed((1, "timeout"));
    metrics.redis_asked(RedisOperation::Lookup, None, Duration::from_millis(1));
    metrics.redis_asked(RedisOperation::Watch, Some((0, "unavailable")), Duration::ZERO);
    requests
}

/// The figures of a Larder with a Redis that has just started.
fn with_redis() -> Snapshot {
    let none = |words: &[&'static str]| words.iter().map(|&word| (word, 0)).collect();
    let mut fleet = FleetFigures::default();
    fleet.tier.lookups = none(&["hit", "miss"]);
    fleet.tier.corrupt = none(&["magic"]);
    fleet.tier.writes = none(&["written"]);
    fleet.log.flushes = none(&["start"]);
    Snapshot {
        fleet: Some(fleet),
        certificates: vec![certificate("shop.test", 7)],
        ..Snapshot::default()
    }
}

fn certificate(name: &str, ends: u64) -> CertificateFigures {
    CertificateFigures {
        listener: "unix:/a \"b\"".to_owned(),
        name: name.to_owned(),
        expires: SystemTime::UNIX_EPOCH + Duration::from_secs(ends),
    }
}

#[test]
fn a_certificate_is_shown_once_for_its_name_and_not_when_it_is_gone() {
    let metrics = Counting::of(1, 1);
    let shown = |certificates| {
        let text = metrics.render(&Snapshot {
            certificates,
            ..Snapshot::default()
        });
        let of_name = |line: &&str| line.starts_with(names::CERTIFICATE_EXPIRY);
        let lines: Vec<String> = text.lines().filter(of_name).map(str::to_owned).collect();
        lines
    };
    let name = names::CERTIFICATE_EXPIRY;
    let line = |shop: &str, ends: u64| format!(r#"{name}{{listener="unix:/a \"b\"",name="{shop}"}} {ends}"#);
    let several = vec![certificate("b", 9), certificate("a", 5), certificate("b", 7)];
    assert_eq!(shown(several), [line("a", 5), line("b", 7)]);
    assert_eq!(shown(vec![certificate("c", 8)]), [line("c", 8)]);
    assert_eq!(shown(Vec::new()), [""; 0]);
}

#[test]
fn what_pods_share_is_shown_from_the_start_and_only_where_there_is_a_redis() {
    let metrics = Counting::of(1, 1);
    let text = metrics.render(&Snapshot::default());
    for name in [
        "larder_redis_",
        "larder_store_",
        "larder_log_joined",
        "larder_blind",
    ] {
        let shown = text.lines().find(|line| line.starts_with(name));
        assert_eq!(shown, None);
    }
    let mut snapshot = with_redis();
    let text = metrics.render(&snapshot);
    for series in [
        "larder_store_lookups_total{tier=\"redis\",result=\"hit\"}",
        "larder_store_writes_total{tier=\"redis\",result=\"written\"}",
        "larder_store_writing_bytes{tier=\"redis\"}",
        "larder_redis_corrupt_entries_total{kind=\"magic\"}",
        "larder_log_flushes_total{cause=\"start\"}",
        "larder_log_unlogged_total",
        "larder_log_joined",
        "larder_blind_stood_in_total",
    ] {
        assert_eq!(value(&text, series), Some(0.0), "{series}");
    }
    let fleet = snapshot.fleet.as_mut().unwrap();
    fleet.log.joined = true;
    fleet.log.lag = Duration::from_millis(250);
    fleet.log.position_time = Duration::from_millis(1_795_578_008_861);
    fleet.tier.lookups = vec![("hit", 7), ("miss", 2)];
    let text = metrics.render(&snapshot);
    for (series, expected) in [
        ("larder_log_joined", 1.0),
        ("larder_log_lag_seconds", 0.25),
        ("larder_log_position_seconds", 1_795_578_008.861),
        ("larder_store_lookups_total{tier=\"redis\",result=\"hit\"}", 7.0),
    ] {
        assert_eq!(value(&text, series), Some(expected), "{series}");
    }
}

#[test]
fn outcomes_sum_to_requests_whatever_the_rule() {
    let metrics = Counting::of(5, 3);
    let requests = exercise(&metrics, 5);
    let text = metrics.render(&Snapshot::default());
    assert_eq!(sum(&text, names::REQUESTS), requests as f64);
    assert_eq!(
        sum(&text, "larder_request_duration_seconds_count"),
        requests as f64
    );
    let counted: u64 = metrics.counts().iter().map(RuleCounts::requests).sum();
    assert_eq!(counted, requests);
}

#[test]
fn rules_beyond_the_limit_share_the_label_other_and_unmatched_requests_have_none() {
    let metrics = Counting::of(4, 2);
    for rule in [0, 1, 2, 3, usize::MAX] {
        metrics.account(metrics.meter(rule), &outcome(OutcomeKind::Hit));
    }
    let text = metrics.render(&Snapshot::default());
    let hits = |rule: &str| {
        value(
            &text,
            &format!("larder_requests_total{{rule=\"{rule}\",outcome=\"hit\"}}"),
        )
    };
    assert_eq!(hits("rule-000"), Some(1.0));
    assert_eq!(hits("rule-001"), Some(1.0));
    assert_eq!(hits("rule-002"), None);
    assert_eq!(hits("other"), Some(2.0));
    assert_eq!(hits("none"), Some(1.0));
}

#[test]
fn only_what_was_forwarded_counts_as_a_forward() {
    let metrics = Counting::of(1, 1);
    let followed = Outcome {
        forwarded: false,
        ..outcome(OutcomeKind::Collapsed)
    };
    metrics.account(metrics.meter(0), &followed);
    assert_eq!(metrics.counts()[0].forwards, 0);
    metrics.account(metrics.meter(0), &outcome(OutcomeKind::Miss));
    assert_eq!(metrics.counts()[0].forwards, 1);
    assert_eq!(metrics.counts()[0].of(OutcomeKind::Collapsed), 1);
}

#[test]
fn what_is_shown_has_the_names_and_labels_of_the_catalogue_and_nothing_is_missing() {
    let metrics = Counting::of(1, 1);
    exercise(&metrics, 1);
    let text = metrics.render(&with_redis());
    let mut shown = BTreeSet::new();
    for line in text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let (name, labels) = series(line);
        let metric = CATALOGUE.iter().find(|m| name == m.name || is_part_of(&name, m));
        let metric = metric.unwrap_or_else(|| panic!("{line} is not in the catalogue"));
        let labels: Vec<_> = labels.iter().map(String::as_str).filter(|&l| l != "le").collect();
        assert_eq!(labels, metric.labels, "{line}");
        shown.insert(metric.name);
    }
    let listed: BTreeSet<_> = CATALOGUE.iter().map(|metric| metric.name).collect();
    assert_eq!(shown, listed);
}

fn is_part_of(name: &str, metric: &names::Metric) -> bool {
    let suffix = name.strip_prefix(metric.name);
    metric.kind == Kind::Histogram && matches!(suffix, Some("_bucket" | "_sum" | "_count"))
}

/// Name and label names of an exposition line.
fn series(line: &str) -> (String, Vec<String>) {
    let Some((name, rest)) = line.split_once('{') else {
        return (line.split(' ').next().unwrap().to_owned(), Vec::new());
    };
    let labels = rest.rsplit_once('}').unwrap().0;
    let label = |pair: &str| pair.split('=').next().unwrap().to_owned();
    (name.to_owned(), labels.split(',').map(label).collect())
}

#[test]
fn the_exposition_stays_within_100_kb_and_4_kb_a_rule() {
    use OutcomeKind::{Collapsed, Hit, Miss, Stale};
    for number in [1, 16, 17, 200, 1_000] {
        let metrics = Counting::of(number, 200);
        for rule in (0..number).chain([usize::MAX]) {
            for kind in [Hit, Miss, Collapsed, Stale] {
                metrics.account(metrics.meter(rule), &outcome(kind));
            }
            for reason in [Reason::Stale, Reason::Invalidated, Reason::Credentials] {
                metrics.forwarded_in_background(metrics.meter(rule), reason);
                metrics.not_stored(metrics.meter(rule), reason);
            }
            metrics.stored(metrics.meter(rule));
            metrics.origin_answered(
                metrics.meter(rule),
                Some(StatusCode::OK),
                Duration::from_millis(200),
            );
            metrics.origin_answered(
                metrics.meter(rule),
                Some(StatusCode::NOT_FOUND),
                Duration::from_millis(200),
            );
        }
        let bytes = metrics.render(&Snapshot::default()).len();
        assert!(
            bytes < 100_000 + 4_000 * number.min(200),
            "{number} rules: {bytes} bytes"
        );
    }
}

#[test]
fn durations_fall_into_buckets_and_outlive_upkeep() {
    let metrics = Counting::of(1, 1);
    metrics.account(metrics.meter(0), &outcome(OutcomeKind::Hit));
    metrics.upkeep();
    metrics.account(metrics.meter(0), &outcome(OutcomeKind::Hit));
    let text = metrics.render(&Snapshot::default());
    let bucket = |le: &str| {
        let labels = format!("rule=\"rule-000\",outcome=\"hit\",le=\"{le}\"");
        value(
            &text,
            &format!("larder_request_duration_seconds_bucket{{{labels}}}"),
        )
    };
    assert_eq!(bucket("0.001"), Some(0.0));
    assert_eq!(bucket("0.005"), Some(2.0));
    assert_eq!(bucket("+Inf"), Some(2.0));
}

#[test]
fn gauges_show_the_snapshot_of_the_scrape() {
    let metrics = Counting::of(0, 200);
    let mut snapshot = Snapshot {
        client_connections: 7,
        log_dropped: 2,
        ..Snapshot::default()
    };
    snapshot.memory.bytes = 4_096;
    snapshot.origin.idle = 3;
    let text = metrics.render(&snapshot);
    assert_eq!(value(&text, "larder_connections{side=\"client\"}"), Some(7.0));
    assert_eq!(value(&text, "larder_memory_bytes"), Some(4_096.0));
    assert_eq!(
        value(&text, "larder_origin_connections{state=\"idle\"}"),
        Some(3.0)
    );
    assert_eq!(value(&text, "larder_log_dropped_total"), Some(2.0));
    snapshot.memory.bytes = 1;
    assert_eq!(
        value(&metrics.render(&snapshot), "larder_memory_bytes"),
        Some(1.0)
    );
}

#[test]
fn clients_that_failed_are_told_apart_by_reason() {
    let metrics = Counting::of(1, 1);
    for (failure, number) in ClientFailure::ALL.into_iter().zip([1, 2, 3]) {
        metrics.clients_failed(failure, number);
        metrics.clients_failed(failure, 0);
    }
    let text = metrics.render(&Snapshot::default());
    let shown = ["tls", "http2", "stalled"].map(|reason| {
        let labels = format!("{{reason=\"{reason}\"}}");
        value(&text, &format!("larder_client_connection_errors_total{labels}"))
    });
    assert_eq!(shown, [Some(1.0), Some(2.0), Some(3.0)]);
}

#[test]
fn statuses_are_told_apart_by_class() {
    let rows = [
        (None, "error"),
        (Some(101), "1xx"),
        (Some(204), "2xx"),
        (Some(599), "5xx"),
        (Some(999), "error"),
    ];
    for (status, word) in rows {
        let status = status.map(|status| StatusCode::from_u16(status).unwrap());
        assert_eq!(CLASSES[class(status)], word);
    }
}
