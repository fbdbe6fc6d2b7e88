//! The process's limit of open files, which every connection counts against.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// For listeners, the log, the configuration and the runtime.
const OTHERS: usize = 64;

/// Lets the process open files for so many connections, as far as the system's hard limit goes:
/// the soft one, often 1,024, is low for the sake of programs that cannot count further. Warns
/// where the hard limit is too low; clients beyond it then wait to be accepted.
pub fn make_room(connections: usize) {
    let needed = connections.saturating_add(OTHERS) as u64;
    let limit = getrlimit(Resource::Nofile);
    let Some(wanted) = raised(limit, needed) else {
        return;
    };
    let allowed = match setrlimit(Resource::Nofile, wanted) {
        Ok(()) => wanted.current,
        Err(_) => limit.current,
    };
    if let Some(allowed) = allowed.filter(|allowed| *allowed < needed) {
        tracing::warn!(
            allowed,
            needed,
            fix = "raise the limit of open files, or lower `limits.connections`",
            "too few files may be open for as many connections as `limits` allows"
        );
    }
}

/// The limit to set, if the present one is too low; `None` in a limit: unlimited.
fn raised(limit: Rlimit, needed: u64) -> Option<Rlimit> {
    limit.current.filter(|current| *current < needed)?;
    Some(Rlimit {
        current: Some(limit.maximum.map_or(needed, |most| most.min(needed))),
        maximum: limit.maximum,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_is_raised_as_far_as_needed_and_allowed() {
        for (current, maximum, expected) in [
            (Some(1_024), Some(1_048_576), Some(10_000)),
            (Some(1_024), Some(4_096), Some(4_096)),
            (Some(1_024), None, Some(10_000)),
            (Some(1_024), Some(1_024), Some(1_024)),
            (Some(20_000), Some(1_048_576), None),
            (None, None, None),
        ] {
            let raised = raised(Rlimit { current, maximum }, 10_000);
            assert_eq!(raised.and_then(|limit| limit.current), expected);
            assert!(raised.is_none_or(|limit| limit.maximum == maximum));
        }
    }
}
