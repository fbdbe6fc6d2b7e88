//! From what the user wrote to what the program reads: defaults, cross-checks, compiled patterns.
//! Pure: what the machine grants and what other files hold come in as values.

mod address;
mod fields;
mod fingerprint;
mod invalidate;
mod name;
mod rule;
mod terms;
mod ties;
mod ttl;

use std::sync::Arc;
use std::time::Duration;

use super::machine::Machine;
use super::model::{
    AccessLog, Address, Config, Forwarded, Limits, Listen, ListenerTls, LogFormat, LogSettings, Origin,
    OriginTls, Redis, Rule, Secret, Store,
};
use super::raw::{Auto, Raw, RawLimits, RawLog, RawRule};
use super::report::Report;
use super::source::{Place, Spanned};
use super::{size, warnings};

pub(super) use address::{host_of, is_secured, with_braces};
pub(super) use invalidate::{shape, touches};

/// What is known beside the file.
pub(super) struct Surroundings<'a> {
    /// What the machine grants.
    pub machine: Machine,
    /// The memory tier of a Larder that runs already.
    pub running: Option<Store>,
    /// What the token file holds.
    pub admin_token: Option<Secret>,
    /// The shared tier, what its files hold included.
    pub redis: Option<Arc<Redis>>,
    /// How each listener is secured, in their order; those that are missing are not.
    pub listen_tls: Vec<Option<ListenerTls>>,
    /// How the origin is.
    pub origin_tls: Option<OriginTls>,
    /// Digest of the file.
    pub hash: &'a str,
}

const MIB: u64 = 1 << 20;

/// The least that holds the log, the index and a few entries.
const LEAST_MEMORY: u64 = MIB;

const DEFAULT_MAX_OBJECT: u64 = 8 * MIB;

/// Resolves the whole file; `None` if something needed is missing. Every problem is noted.
pub(super) fn resolve(raw: &Raw, around: Surroundings<'_>, report: &mut Report) -> Option<Config> {
    let (listen, admin) = address::listeners(raw, report);
    let origin = address::origin(raw, report);
    address::conflicts(
        raw,
        listen.as_deref().unwrap_or_default(),
        admin,
        origin.as_ref(),
        report,
    );
    let store = store(raw, around.machine, report);
    let in_force = around.running.unwrap_or(store);
    let credentials = fields::credentials(raw.credentials.as_deref(), report);
    let forwarded = value(&raw.forwarded, Forwarded::Append);
    let shared = fingerprint::Shared {
        credentials: &credentials,
        forwarded,
    };
    let mut rules = rule::rules(raw, (store, in_force), shared, report);
    invalidate::resolve(&raw.rules, &mut rules, report);
    let upgrade = fields::upgrade(raw.upgrade.as_deref(), report);
    let log = log(&raw.log, report);
    let mut unmatched = Rule::unmatched(in_force.max_object);
    // A write rule may name any path.
    unmatched.written = rules.iter().any(|rule| !rule.invalidate.is_empty());
    unmatched.fingerprint = fingerprint::of(&unmatched, shared);
    let table = ties::compile(rules, unmatched, &raw.rules, report)?;
    if !report.has_errors() {
        warnings::all(&raw.rules, &raw.defaults, &table, report);
    }
    Some(Config {
        enabled: value(&raw.enabled, true),
        listen: secured(listen?, around.listen_tls),
        admin: admin?,
        admin_token: around.admin_token,
        origin: Origin {
            tls: around.origin_tls,
            ..origin?
        },
        forwarded,
        credentials,
        store,
        redis: around.redis,
        rules: Arc::new(table),
        upgrade,
        limits: limits(&raw.limits),
        log,
        metric_rules: count(&raw.metric_rules, 200),
        cache_status: value(&raw.cache_status, true),
        drain_delay: value(&raw.drain_delay, Duration::ZERO),
        drain_timeout: value(&raw.drain_timeout, Duration::from_secs(25)),
        workers: workers(raw, around.machine),
        hash: around.hash.to_owned(),
    })
}

/// Each place with what it is secured by.
fn secured(places: Vec<Address>, tls: Vec<Option<ListenerTls>>) -> Vec<Listen> {
    let tls = tls.into_iter().chain(std::iter::repeat(None));
    let listen = |(address, tls)| Listen { address, tls };
    places.into_iter().zip(tls).map(listen).collect()
}

/// What was written, or the default.
fn value<T: Copy>(written: &Option<Spanned<T>>, default: T) -> T {
    written.as_ref().map_or(default, |w| w.value)
}

fn count(written: &Option<Spanned<u64>>, default: usize) -> usize {
    written
        .as_ref()
        .map_or(default, |w| usize::try_from(w.value).unwrap_or(usize::MAX))
}

fn store(raw: &Raw, machine: Machine, report: &mut Report) -> Store {
    let memory = match &raw.memory {
        Some(Spanned {
            value: Auto::Set(bytes),
            place,
        }) => {
            if *bytes < LEAST_MEMORY {
                let problem = report.error(place, format!("{} of memory is too little", size::show(*bytes)));
                problem.cause("entries, their overhead and fills in flight share it");
                problem.fix("write at least 1MiB, or `auto`");
            }
            *bytes
        }
        Some(Spanned {
            value: Auto::Auto, ..
        })
        | None => auto_memory(machine),
    };
    let largest = memory / 4;
    let max_object = match &raw.max_object {
        Some(written) => {
            check_max_object(written, memory, report);
            written.value.min(largest)
        }
        None => DEFAULT_MAX_OBJECT.min(largest),
    };
    Store { memory, max_object }
}

/// A quarter of the limit, since the application beside it needs the rest.
fn auto_memory(machine: Machine) -> u64 {
    machine
        .memory_limit
        .map_or(128 * MIB, |limit| (limit / 4).clamp(32 * MIB, 512 * MIB))
}

/// Larger than a quarter of the memory, one answer would evict most others.
fn check_max_object(written: &Spanned<u64>, memory: u64, report: &mut Report) {
    let largest = memory / 4;
    if written.value > largest {
        let title = format!(
            "`max_object: {}` is more than a quarter of the memory",
            size::show(written.value)
        );
        report
            .error(&written.place, title)
            .cause(format!(
                "`store.memory` is {}; one answer must not push out most others",
                size::show(memory)
            ))
            .fix(format!(
                "write at most {}, or raise `store.memory`",
                size::show(largest)
            ));
    }
}

fn workers(raw: &Raw, machine: Machine) -> usize {
    match &raw.workers {
        Some(Spanned {
            value: Auto::Set(count),
            ..
        }) => usize::try_from(*count).unwrap_or(1),
        Some(Spanned {
            value: Auto::Auto, ..
        })
        | None => match machine.cpu_limit {
            // The check above bounds it: a limit beyond the cores cannot be used.
            Some(limit) => (limit.ceil() as usize).clamp(1, machine.cores.max(1)),
            None => machine.cores.clamp(1, 2),
        },
    }
}

fn limits(raw: &RawLimits) -> Limits {
    let seconds = Duration::from_secs;
    Limits {
        header_bytes: count(&raw.header_bytes, 32 * 1024),
        header_count: count(&raw.header_count, 100),
        uri_bytes: count(&raw.uri_bytes, 8 * 1024),
        request_body: raw.request_body.as_ref().map(|b| b.value),
        key_body: count(&raw.key_body, 64 * 1024),
        connections: count(&raw.connections, 10_000),
        header_timeout: value(&raw.header_timeout, seconds(10)),
        body_timeout: value(&raw.body_timeout, seconds(30)),
        write_timeout: value(&raw.write_timeout, seconds(30)),
        idle_timeout: value(&raw.idle_timeout, seconds(75)),
        stream_idle_timeout: value(&raw.stream_idle_timeout, seconds(3600)),
        variants: count(&raw.variants, 32),
        tags: count(&raw.tags, 64),
        decoded_body: value(&raw.decoded_body, 64 * 1024 * 1024),
    }
}

fn log(raw: &RawLog, report: &mut Report) -> LogSettings {
    const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];
    if let Some(level) = &raw.level {
        // `larder::proxy=debug,info`: the level is what follows the last `=`.
        let known = |part: &str| LEVELS.contains(&part.rsplit('=').next().unwrap_or(part).trim());
        if !level.value.split(',').all(known) {
            let near = super::similar::did_you_mean(&level.value, LEVELS);
            let problem = report.error(&level.place, format!("`{}` is not a log level", level.value));
            problem.label(near.unwrap_or_default());
            problem.cause("levels are error, warn, info, debug and trace, alone or for a module");
            problem.fix("write one such as info, or info,larder::proxy=debug");
        }
    }
    LogSettings {
        format: value(&raw.format, LogFormat::Json),
        level: raw
            .level
            .as_ref()
            .map_or_else(|| "info".to_owned(), |l| l.value.clone()),
        access: value(&raw.access, AccessLog::Errors),
        slow_request: value(&raw.slow_request, Duration::from_secs(1)),
        trust_request_id: value(&raw.trust_request_id, true),
    }
}

/// Where to point for a rule as a whole: its name, else its match, else all of it.
pub(super) fn rule_place(rule: &RawRule) -> &Place {
    let by_name = rule.name.as_ref().map(|name| &name.place);
    let by_match = rule.matches.first().map(|matched| &matched.place);
    by_name.or(by_match).unwrap_or(&rule.place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_a_quarter_of_the_limit_within_bounds() {
        for (limit, mib) in [
            (None, 128),
            (Some(64), 32),
            (Some(256), 64),
            (Some(1024), 256),
            (Some(8192), 512),
        ] {
            let machine = Machine {
                memory_limit: limit.map(|l| l * MIB),
                ..Machine::UNLIMITED
            };
            assert_eq!(auto_memory(machine), mib * MIB, "{limit:?}");
        }
    }

    #[test]
    fn workers_are_the_cpu_limit_rounded_up_else_at_most_two() {
        let raw = Raw::default();
        for (cpu_limit, cores, expected) in [
            (Some(0.5), 8, 1),
            (Some(1.5), 8, 2),
            (Some(4.0), 8, 4),
            (Some(9.0), 4, 4),
            (None, 8, 2),
            (None, 1, 1),
        ] {
            let machine = Machine {
                memory_limit: None,
                cpu_limit,
                cores,
            };
            assert_eq!(workers(&raw, machine), expected, "{cpu_limit:?} of {cores}");
        }
    }
}
