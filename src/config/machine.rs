//! What the machine grants this process: the only place that reads `/sys/fs/cgroup`.

use std::fs;
use std::path::{Path, PathBuf};

/// What the process may use.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Machine {
    /// The cgroup's memory limit, bytes.
    pub memory_limit: Option<u64>,
    /// The cgroup's CPU limit, in CPUs.
    pub cpu_limit: Option<f64>,
    /// CPUs the process may run on.
    pub cores: usize,
}

impl Machine {
    /// One without limits and with two cores; what tests see.
    pub const UNLIMITED: Machine = Machine {
        memory_limit: None,
        cpu_limit: None,
        cores: 2,
    };

    /// This one. What cannot be read counts as no limit.
    pub fn here() -> Machine {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let limits = levels(&own).into_iter().map(|level| Machine {
            memory_limit: memory(&level),
            cpu_limit: cpu(&level),
            cores,
        });
        limits.fold(
            Machine {
                memory_limit: None,
                cpu_limit: None,
                cores,
            },
            tighter,
        )
    }
}

/// A limit of any level holds, so the tightest counts.
fn tighter(a: Machine, b: Machine) -> Machine {
    let least = |x: Option<f64>, y: Option<f64>| match (x, y) {
        (Some(x), Some(y)) => Some(x.min(y)),
        (x, y) => x.or(y),
    };
    let memory_limit = match (a.memory_limit, b.memory_limit) {
        (Some(x), Some(y)) => Some(x.min(y)),
        (x, y) => x.or(y),
    };
    Machine {
        memory_limit,
        cpu_limit: least(a.cpu_limit, b.cpu_limit),
        cores: a.cores,
    }
}

/// The directories of the process's cgroup and of those around it, for version 2 and 1.
fn levels(own: &str) -> Vec<PathBuf> {
    let root = Path::new("/sys/fs/cgroup");
    let mut levels = vec![root.to_owned(), root.join("memory"), root.join("cpu")];
    for line in own.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else {
            continue;
        };
        let base = match controllers {
            "" => root.to_owned(),
            other if other.split(',').any(|c| c == "memory") => root.join("memory"),
            other if other.split(',').any(|c| c == "cpu") => root.join("cpu"),
            _ => continue,
        };
        let mut level = base;
        for step in Path::new(path.trim_start_matches('/')).components() {
            level.push(step);
            levels.push(level.clone());
        }
    }
    levels
}

fn number(path: PathBuf) -> Option<f64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn memory(level: &Path) -> Option<u64> {
    let read = |name: &str| {
        fs::read_to_string(level.join(name))
            .ok()?
            .trim()
            .parse::<u64>()
            .ok()
    };
    // Version 1 writes "no limit" as a number near the largest.
    read("memory.max")
        .or_else(|| read("memory.limit_in_bytes"))
        .filter(|limit| *limit > 0 && *limit < 1 << 60)
}

fn cpu(level: &Path) -> Option<f64> {
    if let Some(limit) = fs::read_to_string(level.join("cpu.max"))
        .ok()
        .and_then(|text| cpu_max(&text))
    {
        return Some(limit);
    }
    let quota = number(level.join("cpu.cfs_quota_us")).filter(|quota| *quota > 0.0)?;
    let period = number(level.join("cpu.cfs_period_us")).filter(|period| *period > 0.0)?;
    Some(quota / period)
}

/// `150000 100000` is one and a half; `max 100000` is no limit.
fn cpu_max(text: &str) -> Option<f64> {
    let mut words = text.split_whitespace().map(|word| word.parse::<f64>().ok());
    let (quota, period) = (words.next()??, words.next()??);
    (quota > 0.0 && period > 0.0).then_some(quota / period)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cpu_limit_is_a_quota_over_a_period() {
        for (text, expected) in [
            ("150000 100000\n", Some(1.5)),
            ("max 100000\n", None),
            ("", None),
            ("0 100000", None),
        ] {
            assert_eq!(cpu_max(text), expected, "{text}");
        }
    }

    #[test]
    fn every_level_of_the_cgroup_counts() {
        let levels = levels("0::/kubepods/pod1\n");
        assert!(levels.contains(&PathBuf::from("/sys/fs/cgroup/kubepods")));
        assert!(levels.contains(&PathBuf::from("/sys/fs/cgroup/kubepods/pod1")));
    }

    #[test]
    fn the_tightest_limit_counts() {
        let limit = |memory_limit, cpu_limit| Machine {
            memory_limit,
            cpu_limit,
            cores: 4,
        };
        let found = tighter(limit(Some(5), None), limit(Some(3), Some(1.5)));
        assert_eq!(found, limit(Some(3), Some(1.5)));
    }
}
