//! `docs/conformance.md` names tests that exist, and has a line for every clause.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Clauses that the page must speak of, whatever the rows cite.
const CLAUSES: &[&str] = &[
    "9111 §3",
    "9111 §3.1",
    "9111 §3.2",
    "9111 §3.3",
    "9111 §3.4",
    "9111 §3.5",
    "9111 §4",
    "9111 §4.1",
    "9111 §4.2",
    "9111 §4.2.1",
    "9111 §4.2.2",
    "9111 §4.2.3",
    "9111 §4.2.4",
    "9111 §4.3.1",
    "9111 §4.3.2",
    "9111 §4.3.3",
    "9111 §4.3.4",
    "9111 §4.3.5",
    "9111 §4.4",
    "9111 §5.1",
    "9111 §5.2",
    "9111 §5.2.1",
    "9111 §5.2.1.1",
    "9111 §5.2.1.2",
    "9111 §5.2.1.3",
    "9111 §5.2.1.4",
    "9111 §5.2.1.5",
    "9111 §5.2.1.6",
    "9111 §5.2.1.7",
    "9111 §5.2.2.1",
    "9111 §5.2.2.2",
    "9111 §5.2.2.3",
    "9111 §5.2.2.4",
    "9111 §5.2.2.5",
    "9111 §5.2.2.6",
    "9111 §5.2.2.7",
    "9111 §5.2.2.8",
    "9111 §5.2.2.9",
    "9111 §5.2.2.10",
    "9111 §5.2.3",
    "9111 §5.3",
    "9111 §5.4",
    "9111 §5.5",
    "9110 §8.8.2",
    "9110 §8.8.2.2",
    "9110 §8.8.3",
    "9110 §13.1.1",
    "9110 §13.1.2",
    "9110 §13.1.3",
    "9110 §13.1.4",
    "9110 §13.1.5",
    "9110 §13.2.1",
    "9110 §13.2.2",
    "9110 §14.1",
    "9110 §14.1.2",
    "9110 §14.2",
    "9110 §14.4",
    "9110 §15.3.7",
    "9110 §15.3.7.1",
    "9110 §15.3.7.2",
    "9110 §15.3.7.3",
    "9110 §15.4.5",
    "5861 §3",
    "5861 §4",
    "8246 §2",
    "9211 §2",
    "9211 §2.1",
    "9211 §2.2",
    "9211 §2.3",
    "9211 §2.4",
    "9213 §2",
    "9213 §2.1",
    "9213 §2.2",
    "9875 §2",
    "9875 §2.1",
    "9875 §3",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn page() -> String {
    fs::read_to_string(root().join("docs/conformance.md")).unwrap()
}

/// The first cells of all lines: the clauses that the page has a line for.
fn clauses(page: &str) -> BTreeSet<&str> {
    let cells = page
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    cells.filter(|cell| cell.contains('§')).collect()
}

/// The sources that `theme` may stand for, as one text without the line breaks of long strings.
fn sources(theme: &str) -> String {
    let places =
        ["tests/it/conformance", "tests/it"].map(|place| root().join(place).join(format!("{theme}.rs")));
    let texts: Vec<String> = places
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .collect();
    assert!(!texts.is_empty(), "no tests called {theme}");
    texts.concat()
}

#[test]
fn every_test_that_the_page_names_exists() {
    let page = page();
    let mut named = 0;
    for span in page
        .lines()
        .filter(|line| line.starts_with("| "))
        .flat_map(|line| line.split('`').skip(1).step_by(2))
    {
        let exists = if let Some((theme, function)) = span.split_once("::") {
            sources(theme).contains(&format!("fn {function}("))
        } else if let Some((theme, row)) = span.split_once(": ").filter(|(theme, _)| is_theme(theme)) {
            sources(theme).contains(&format!("\"{row}\""))
        } else {
            continue;
        };
        assert!(exists, "`{span}` is no test");
        named += 1;
    }
    assert!(named > 150, "only {named} tests are named");
}

/// Whether a span such as `partial: true` speaks of tests at all.
fn is_theme(word: &str) -> bool {
    root().join(format!("tests/it/conformance/{word}.rs")).exists()
}

#[test]
fn every_clause_has_a_line() {
    let page = page();
    let present = clauses(&page);
    for clause in CLAUSES {
        assert!(present.contains(clause), "no line for {clause}");
    }
    let mut files: Vec<PathBuf> = fs::read_dir(root().join("tests/it/conformance"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    for file in files.iter().filter(|file| !file.ends_with("page.rs")) {
        let text = fs::read_to_string(file).unwrap();
        for cited in text.split('"').filter(|text| is_clause(text)) {
            assert!(
                present.contains(cited),
                "no line for {cited}, which {} cites",
                file.display()
            );
        }
    }
}

/// Whether a string is such as `9111 §4.2`.
fn is_clause(text: &str) -> bool {
    let Some((document, section)) = text.split_once(" §") else {
        return false;
    };
    document.len() == 4
        && document.bytes().all(|byte| byte.is_ascii_digit())
        && section.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

#[test]
fn every_line_names_a_test() {
    for line in page()
        .lines()
        .filter(|line| line.starts_with("| ") && line.contains(" §"))
    {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").collect();
        let is_clause_line = cells.first().is_some_and(|cell| is_clause(cell.trim()));
        assert!(
            !is_clause_line || cells.get(2).is_some_and(|cell| cell.contains('`')),
            "{line}"
        );
    }
}
