//! The schemes that are understood, and what others stand for.

use super::{Refused, shown};

/// What a URL names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// One server.
    One,
    /// The master that sentinels know.
    Sentinel,
    /// The nodes of a cluster.
    Cluster,
    /// One server, behind a socket in the file system.
    Unix,
}

/// What is understood: the scheme, what it stands for, and whether connections are secured.
pub(super) const SCHEMES: [(&str, Kind, bool); 8] = [
    ("redis", Kind::One, false),
    ("rediss", Kind::One, true),
    ("redis+sentinel", Kind::Sentinel, false),
    ("rediss+sentinel", Kind::Sentinel, true),
    ("redis-cluster", Kind::Cluster, false),
    ("rediss-cluster", Kind::Cluster, true),
    ("redis+unix", Kind::Unix, false),
    ("unix", Kind::Unix, false),
];

/// Other people's schemes, and the right ones.
const FOREIGN: [(&str, &str); 20] = [
    ("valkey", "redis"),
    ("valkeys", "rediss"),
    ("redis+tls", "rediss"),
    ("redis+ssl", "rediss"),
    ("redis-tls", "rediss"),
    ("tls", "rediss"),
    ("ssl", "rediss"),
    ("tcp", "redis"),
    ("sentinel", "redis+sentinel"),
    ("redis-sentinel", "redis+sentinel"),
    ("valkey+sentinel", "redis+sentinel"),
    ("rediss-sentinel", "rediss+sentinel"),
    ("cluster", "redis-cluster"),
    ("redis+cluster", "redis-cluster"),
    ("valkey-cluster", "redis-cluster"),
    ("rediss+cluster", "rediss-cluster"),
    ("redis-socket", "redis+unix"),
    ("valkey+unix", "redis+unix"),
    ("unix+redis", "redis+unix"),
    ("redis-unix", "redis+unix"),
];

/// What to say of a scheme that is not understood.
pub(super) fn other(scheme: &str, rest: &str) -> Refused {
    let lower = scheme.to_ascii_lowercase();
    let known = SCHEMES.iter().map(|(name, ..)| *name).find(|name| *name == lower);
    let foreign = FOREIGN.iter().find(|(name, _)| *name == lower);
    let write = |right: &str, rest: &str| format!("write {}", shown(right, rest));
    if let Some(right) = known {
        return Refused {
            cause: "schemes are written in lower case".into(),
            fix: write(right, rest),
        };
    }
    let Some((_, right)) = foreign else {
        return Refused {
            cause: "this scheme is not one of Redis".into(),
            fix: "write redis://, rediss://, redis+unix://, redis+sentinel:// or redis-cluster://".into(),
        };
    };
    // `redis-sentinel://a,b/0#mymaster`: elsewhere the master's name comes last.
    let rest = match rest.split_once('#') {
        Some((before, master)) if right.ends_with("sentinel") => {
            let (hosts, database) = before.split_once('/').unwrap_or((before, ""));
            let database = if database.is_empty() {
                String::new()
            } else {
                format!("/{database}")
            };
            format!("{hosts}/{master}{database}")
        }
        _ => rest.to_owned(),
    };
    Refused {
        cause: format!("`{scheme}://` is another program's word for it"),
        fix: write(right, &rest),
    }
}
