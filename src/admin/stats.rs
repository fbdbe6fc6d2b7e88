//! `/stats`: the present state and the counts so far as one JSON object.

use serde_json::{Map, Value, json};

use crate::telemetry::{FleetFigures, OutcomeKind, RuleCounts, Snapshot, Sums, rfc3339};
use crate::version::{VERSION, commit};

/// The object.
pub(super) fn stats(snapshot: &Snapshot, counts: &[RuleCounts]) -> Value {
    let Snapshot {
        memory, log, origin, ..
    } = snapshot;
    let mut stats = json!({
        "version": VERSION,
        "commit": commit(),
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
        "log": {
            "events": log.events,
            "tags": log.tags,
            "patterns": log.patterns,
            "stripes": log.stripes,
            "floor": log.floor,
            "horizon_seconds": log.horizon.as_secs_f64(),
        },
        "origin": { "idle": origin.idle, "busy": origin.busy },
        "rules": counts.iter().filter(|c| c.requests() + c.forwards > 0).map(rule).collect::<Vec<_>>(),
    });
    if let Some(fleet) = &snapshot.fleet {
        add(&mut stats, "log", shared_log(fleet));
        add(&mut stats, "redis", redis(fleet));
    }
    stats
}

/// Adds members to the object that is a member of `stats`, or is made one.
fn add(stats: &mut Value, name: &str, members: Value) {
    if let (Value::Object(stats), Value::Object(mut members)) = (stats, members)
        && let Value::Object(there) = stats.entry(name).or_insert_with(|| Value::Object(Map::new()))
    {
        there.append(&mut members);
    }
}

fn shared_log(fleet: &FleetFigures) -> Value {
    let FleetFigures { log, blind, .. } = fleet;
    let (nonce, id) = &log.position;
    json!({
        "joined": log.joined,
        "position": { "nonce": nonce, "id": id },
        "lag_seconds": log.lag.as_secs_f64(),
        "queued": log.queued,
        "unlogged": log.unlogged,
        "flushes": sums(&log.flushes),
        "blind_forwards": blind.under_way,
        "blind_stood_in": blind.stood_in,
    })
}

fn redis(fleet: &FleetFigures) -> Value {
    let FleetFigures { redis, tier, .. } = fleet;
    json!({
        "connections": redis.connections,
        "breakers_open": redis.breakers_open,
        "lookups": sums(&tier.lookups),
        "corrupt": sums(&tier.corrupt),
        "writes": sums(&tier.writes),
        "writing_bytes": tier.writing,
    })
}

fn sums(sums: &Sums) -> Map<String, Value> {
    sums.iter()
        .map(|&(word, sum)| (word.to_owned(), json!(sum)))
        .collect()
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
