//! The match language as tables of examples, and as properties.

mod patterns;
mod tables;
mod templates;

use http::{HeaderMap, Method};
use proptest::prelude::*;

use super::*;
use crate::config::Rule;

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text, None).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn rule(matches: &[(&str, Option<&str>)]) -> Rule {
    let matches = matches
        .iter()
        .map(|(text, host)| Pattern::parse(text, *host).unwrap());
    Rule {
        matches: matches.collect(),
        ..Rule::unmatched(0)
    }
}

fn rules(texts: &[&str]) -> Vec<Rule> {
    texts.iter().map(|text| rule(&[(text, None)])).collect()
}

fn table(texts: &[&str]) -> Table {
    Table::compile(rules(texts), Rule::unmatched(0)).unwrap()
}

/// Patterns and paths over a tiny alphabet, so that they meet often.
fn any_segment() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("a"),
        Just("b"),
        Just("ab"),
        Just("{x}"),
        Just("a{x}"),
        Just("{x}b"),
        Just("a{x}b")
    ]
    .prop_map(str::to_owned)
}

fn any_pattern() -> impl Strategy<Value = String> {
    (
        prop_oneof![
            Just(""),
            Just("GET "),
            Just("POST "),
            Just("GET|POST "),
            Just("HEAD ")
        ],
        prop::collection::vec(any_segment(), 0..4),
        prop_oneof![3 => Just(""), 1 => Just("/"), 2 => Just("/**")],
    )
        .prop_map(|(methods, segments, end)| {
            let mut path = String::new();
            for (at, segment) in segments.iter().enumerate() {
                path.push('/');
                path.push_str(&segment.replace("{x}", &format!("{{x{at}}}")));
            }
            path.push_str(end);
            if path.is_empty() {
                path.push('/');
            }
            format!("{methods}{path}")
        })
}

fn any_path() -> impl Strategy<Value = String> {
    let segment = prop_oneof![
        Just("a"),
        Just("b"),
        Just("ab"),
        Just("aab"),
        Just("c"),
        Just("%61"),
        Just("")
    ];
    prop::collection::vec(segment, 0..5).prop_map(|segments| format!("/{}", segments.join("/")))
}
