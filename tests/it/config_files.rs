//! Every configuration file of this repository: those in `config` are right;
//! those in `tests/broken` each have their message in a snapshot beside them. Read a changed
//! message as the person who wrote the file.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use larder::config::{Machine, Overrides, Problems, Source, load_on};

use crate::support::schema::objections;

/// The YAML files in a directory of this repository and below it.
fn files(directory: &str) -> Vec<PathBuf> {
    let mut directories = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(directory)];
    let mut files = Vec::new();
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|e| e == "yaml") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

fn broken() -> Vec<PathBuf> {
    files("tests/broken")
}

#[test]
fn every_file_in_config_is_valid_and_warned_of_nothing() {
    let all = files("config");
    for wanted in [
        "larder.yaml",
        "minimal.yaml",
        "examples/shop.yaml",
        "examples/fleet.yaml",
    ] {
        assert!(
            all.iter().any(|path| path.ends_with(wanted)),
            "{wanted} in {all:?}"
        );
    }
    for path in all {
        let source = Source {
            name: path.display().to_string(),
            text: fs::read_to_string(&path).unwrap(),
        };
        match load_on(
            Machine::UNLIMITED,
            Some(source),
            &BTreeMap::new(),
            &Overrides::default(),
        ) {
            Ok(loaded) => {
                let warnings: String = loaded.warnings.iter().map(ToString::to_string).collect();
                assert!(warnings.is_empty(), "{warnings}");
            }
            Err(problems) => panic!("{problems}"),
        }
    }
}

#[test]
fn every_file_to_copy_points_editors_at_the_schema_and_is_right_by_it() {
    let examples = files("examples").into_iter();
    let examples = examples.filter(|path| path.ends_with("larder/larder.yaml"));
    for path in files("config").into_iter().chain(examples) {
        let text = fs::read_to_string(&path).unwrap();
        let first = text.lines().next().unwrap();
        let schema = first.strip_prefix("# yaml-language-server: $schema=");
        let schema = schema.unwrap_or_else(|| panic!("{}: {first}", path.display()));
        let schema = path.parent().unwrap().join(schema).canonicalize().unwrap();
        assert!(schema.ends_with("config/schema.json"), "{}", schema.display());
        assert_eq!(objections(&text), Some(vec![]), "{}", path.display());
    }
}

/// Broken files in which every value is right alone: what is wrong is what they mean together,
/// what lies outside, or a URL's finer points. Only `larder check` finds it.
const RIGHT_BY_SCHEMA: &[&str] = &[
    "admin_token_missing",
    "collapse_fleet_without_redis",
    "h2c_without_http2",
    "invalidate_missing_capture",
    "invalidate_on_a_read",
    "invalidate_paths",
    "invalidate_unknown_name",
    "invalidate_what_stores_nothing",
    "keys_of_a_rule_that_passes",
    "keys_on_a_write",
    "merge_key",
    "missing_variable",
    "object_above_a_quarter",
    "origin_is_listen",
    "origin_missing",
    "origin_without_url",
    "redis_cluster_database",
    "redis_files_missing",
    "redis_password_twice",
    "redis_password_with_a_slash",
    "redis_sentinel_without_master",
    "redis_tls_in_clear",
    "redis_url_database",
    "redis_url_port",
    "redis_url_several_hosts",
    "redis_url_without_host",
    "redis_without_namespace",
    "tags_on_a_write",
    "tags_without_a_source",
    "tie_of_two_rules",
    "ttl_that_never_applies",
    "undefined_policy",
    "undefined_policy_without_section",
    "value_from_the_environment",
    "yaml_tag",
];

#[test]
fn the_schema_refuses_what_is_wrong_by_its_shape() {
    let mut unexpected = Vec::new();
    for path in broken() {
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        // What is no YAML to an editor needs no schema to be marked.
        let refused = objections(&fs::read_to_string(&path).unwrap()).is_none_or(|found| !found.is_empty());
        match (refused, RIGHT_BY_SCHEMA.contains(&stem.as_str())) {
            (true, false) | (false, true) => {}
            (true, true) => unexpected.push(format!(
                "config/schema.json refuses {stem}.yaml: take it from the list in this test"
            )),
            (false, false) => unexpected.push(format!(
                "config/schema.json has nothing against {stem}.yaml: if its mistake is one of shape, add what refuses it; else list it in this test"
            )),
        }
    }
    assert!(unexpected.is_empty(), "\n{}", unexpected.join("\n"));
}

fn problems_of(name: &str, text: String) -> Problems {
    let env = BTreeMap::from(
        [("LIST_LIKE", "[1m, 2m]"), ("SHOP_HOST", "shop")].map(|(k, v)| (k.to_owned(), v.to_owned())),
    );
    let source = Source {
        name: name.to_owned(),
        text,
    };
    match load_on(Machine::UNLIMITED, Some(source), &env, &Overrides::default()) {
        Err(problems) => problems,
        Ok(_) => panic!("{name} is accepted"),
    }
}

#[test]
fn every_broken_file_has_its_message() {
    let files = broken();
    assert!(files.len() >= 35, "{}", files.len());
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../broken");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for path in files {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        let problems = problems_of(&name, fs::read_to_string(&path).unwrap());
        settings.bind(|| insta::assert_snapshot!(stem, problems.to_string()));
    }
}

#[test]
fn every_error_has_a_place_and_says_what_to_write() {
    for path in broken() {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        for problem in problems_of(&name, fs::read_to_string(&path).unwrap()).0 {
            assert!(problem.at.is_some(), "{name}: {problem}");
            assert!(problem.fix.is_some(), "{name}: {problem}");
        }
    }
}

#[test]
fn ten_megabytes_of_brackets_are_refused_at_once() {
    for bracket in ["[", "{", "- ", "a: {"] {
        let text = bracket.repeat(10_000_000 / bracket.len());
        let problems = problems_of("deep.yaml", text);
        let message = problems.to_string();
        assert!(message.len() < 2000, "{}", message.len());
        assert!(
            message.contains("too many levels within one another"),
            "{message}"
        );
    }
}

#[test]
fn a_huge_file_is_refused() {
    let message = problems_of("huge.yaml", "#".repeat(20 << 20)).to_string();
    assert!(message.contains("too large"), "{message}");
}
