//! `/stats`: the present state and the counts so far as one JSON object.

use serde_json::{Map, Value, json};

use crate::telemetry::{OutcomeKind, RuleCounts, Snapshot, rfc3339};

/// The object.
pub(super) fn stats(snapshot: &Snapshot, counts: &[RuleCounts]) -> Value {
    let Snapshot {
        memory, log, origin, ..
    } = snapshot;
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "started": rfc3339(snapshot.started),
        "uptime_seconds": snapshot.uptime.as_secs(),
        "config_hash": snapshot.config_hash,
        "connections": snapshot.client_connections,
        "collapsed_followers": snapshot.collapsed_followers,
        "memory": {
            "bytes": memory.bytes,
            "budget_bytes": memory.budget,
            "entries": memory.entries,
            "evictions": memory.evictions,
            "in_flight_bytes": memory.in_flight,
        },
        "log": { "events": log.events, "tags": log.tags, "patterns": log.patterns },
        "origin": { "idle": origin.idle, "busy": origin.busy },
        "rules": counts.iter().filter(|c| c.requests() + c.forwards > 0).map(rule).collect::<Vec<_>>(),
    })
}

fn rule(counts: &RuleCounts) -> Value {
    let outcomes: Map<_, _> = OutcomeKind::ALL
        .into_iter()
        .filter(|&kind| counts.of(kind) > 0)
        .map(|kind| (kind.word().to_owned(), json!(counts.of(kind))))
        .collect();
    json!({
        "rule": &*counts.rule,
        "requests": counts.requests(),
        "outcomes": outcomes,
        "forwards": counts.forwards,
        "stored": counts.stored,
    })
}
