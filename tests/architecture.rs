//! What the modules may and may not know of each other and of the world, read from the source.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code fails by panicking"
)]

use std::fs;
use std::path::{Path, PathBuf};

/// Modules that decide and never wait, log or read a clock.
const PURE: &[&str] = &[
    "fields",
    "codec",
    "policy",
    "route",
    "config/resolve",
    "config/model",
    "config/changes",
    "config/raw",
    "config/redis/url",
    "config/hidden",
    "store/response",
    "store/frame",
    "proxy/admit",
    "proxy/problem",
    "origin/answer",
    "origin/identity",
    "origin/retry",
    "redis/breaker",
    "redis/failure",
    "redis/layout",
    "redis/replication",
    "redis/slot",
];

/// What only code that does something may mention.
const EFFECTS: &[&str] = &[
    "async ",
    ".await",
    "tokio",
    "tracing::",
    "metrics::",
    "SystemTime::now",
    "Instant::now",
    "clock.now",
    "clock.mono",
    "std::fs",
    "std::net::Tcp",
    "std::thread",
];

/// Each module with the highest modules it may know; everything may know `clock`, `tasks`,
/// `version`, `body` and `config`. What is not listed is not restricted.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("fields", &[]),
    ("codec", &["fields"]),
    ("clock", &[]),
    ("tasks", &[]),
    ("version", &[]),
    ("policy", &["fields", "route"]),
    ("route", &["fields"]),
    ("config", &["codec", "fields", "route", "policy"]),
    ("client", &[]),
    (
        "body",
        &[
            "client",
            "codec",
            "store",
            "origin",
            "fields",
            "policy",
            "telemetry",
        ],
    ),
    ("redis", &["telemetry"]),
    (
        "store",
        &["codec", "fields", "policy", "route", "invalidation", "redis"],
    ),
    ("invalidation", &["fields", "policy", "route", "redis"]),
    ("origin", &["client", "fields", "policy", "telemetry"]),
    ("telemetry", &["codec", "fields", "policy"]),
    (
        "proxy",
        &[
            "client",
            "codec",
            "fields",
            "policy",
            "route",
            "store",
            "invalidation",
            "origin",
            "telemetry",
        ],
    ),
    (
        "server",
        &["client", "fields", "policy", "proxy", "telemetry", "origin"],
    ),
    (
        "admin",
        &[
            "fields",
            "policy",
            "route",
            "store",
            "invalidation",
            "telemetry",
            "proxy",
            "origin",
        ],
    ),
];

/// What every module may know.
const COMMON: &[&str] = &["clock", "tasks", "version", "body", "config"];

#[test]
fn pure_modules_neither_wait_nor_log_nor_read_a_clock() {
    let mut broken = Vec::new();
    for (path, code) in sources() {
        if !PURE.iter().any(|pure| is_within(&path, pure)) {
            continue;
        }
        for (number, line) in code.lines().enumerate() {
            broken.extend(
                EFFECTS
                    .iter()
                    .filter(|effect| line.contains(*effect))
                    .map(|effect| format!("src/{path}:{}: {effect}", number + 1)),
            );
        }
    }
    assert!(broken.is_empty(), "pure code that is not:\n{}", broken.join("\n"));
}

#[test]
fn what_is_listed_as_pure_exists() {
    let sources = sources();
    for pure in PURE {
        assert!(
            sources.iter().any(|(path, _)| is_within(path, pure)),
            "src/{pure}"
        );
    }
}

#[test]
fn dependencies_point_one_way() {
    let mut broken = Vec::new();
    for (path, code) in sources() {
        let module = path.split(['/', '.']).next().unwrap();
        let Some((_, known)) = MAY_KNOW.iter().find(|(name, _)| *name == module) else {
            continue;
        };
        for (number, line) in code.lines().enumerate() {
            for used in crate_modules(line) {
                let common = COMMON.contains(&used.as_str()) && !["fields", "clock"].contains(&module);
                if used != module && !common && !known.contains(&used.as_str()) {
                    broken.push(format!("src/{path}:{}: {module} knows {used}", number + 1));
                }
            }
        }
    }
    assert!(
        broken.is_empty(),
        "dependencies against the grain:\n{}",
        broken.join("\n")
    );
}

#[test]
fn every_module_of_the_map_exists_and_no_other_is_unruled() {
    for entry in fs::read_dir(root()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let module = name.strip_suffix(".rs").unwrap_or(&name).to_owned();
        let free = ["main", "lib", "app", "cli"].contains(&module.as_str());
        assert!(
            free || MAY_KNOW.iter().any(|(known, _)| *known == module),
            "src/{name}: say in tests/architecture.rs what it may know"
        );
    }
}

#[test]
fn only_main_prints_or_exits() {
    let effects = [
        "println!",
        "eprintln!",
        "print!(",
        "eprint!(",
        "process::exit",
        "io::stdout()",
        "io::stderr()",
    ];
    let mut broken = Vec::new();
    for (path, code) in sources() {
        // The log has to end somewhere.
        if ["main.rs", "telemetry/log.rs", "telemetry/sink.rs"].contains(&path.as_str()) {
            continue;
        }
        for (number, line) in code.lines().enumerate() {
            broken.extend(
                effects
                    .iter()
                    .filter(|effect| line.contains(*effect))
                    .map(|effect| format!("src/{path}:{}: {effect}", number + 1)),
            );
        }
    }
    assert!(
        broken.is_empty(),
        "only main.rs prints or exits:\n{}",
        broken.join("\n")
    );
}

#[test]
fn the_crate_names_are_found_in_every_form_of_use() {
    for (line, modules) in [
        ("use crate::store::Entry;", vec!["store"]),
        (
            "    let x = crate::proxy::Proxy::new(crate::origin::Pool);",
            vec!["proxy", "origin"],
        ),
        ("use crate::{app, server::Listener};", vec!["app", "server"]),
        ("pub(crate) fn x() {}", vec![]),
    ] {
        assert_eq!(crate_modules(line), modules, "{line}");
    }
}

/// Every source file, by its path under `src`, without tests and comments.
fn sources() -> Vec<(String, String)> {
    let mut files = Vec::new();
    walk(&root(), &mut files);
    let sources: Vec<_> = files
        .into_iter()
        .map(|path| {
            (
                path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned(),
                path,
            )
        })
        .filter(|(name, _)| !name.ends_with("tests.rs") && !name.split('/').any(|part| part == "tests"))
        .map(|(name, path)| {
            (
                name,
                without_tests_and_comments(&fs::read_to_string(&path).unwrap()),
            )
        })
        .collect();
    assert!(sources.len() > 50, "the source is where this test looks");
    sources
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn walk(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, into);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            into.push(path);
        }
    }
}

/// Line numbers stay as they are. What follows an inline `mod tests {` is tests to the end.
fn without_tests_and_comments(code: &str) -> String {
    let mut kept = String::new();
    for line in code.lines() {
        if line.starts_with("mod tests {") {
            break;
        }
        kept.push_str(line.split("//").next().unwrap_or_default());
        kept.push('\n');
    }
    kept
}

fn is_within(path: &str, pure: &str) -> bool {
    path.strip_prefix(pure)
        .is_some_and(|rest| rest.starts_with(['/', '.', '_']))
}

/// The modules that a line names by `crate::`.
fn crate_modules(line: &str) -> Vec<String> {
    let mut names = Vec::new();
    for rest in line.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            Some(list) => names.extend(list.trim_end_matches(['}', ';']).split(',').map(first_word)),
            None => names.push(first_word(rest)),
        }
    }
    names.retain(|name| !name.is_empty() && name.starts_with(|c: char| c.is_ascii_lowercase()));
    names
}

fn first_word(text: &str) -> String {
    text.trim()
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
        .collect()
}
