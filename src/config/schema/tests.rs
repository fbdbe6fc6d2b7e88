//! The schema against the readers: the same keys at the same places, the same defaults, and for
//! values alone the same verdict.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::{Map, Value, json};

use super::super::tests::{REFERENCE, reference_with_redis};
use super::super::{Machine, Overrides, Problem, Source, load_on};
use super::SCHEMA;

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(SCHEMA).unwrap());
static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| jsonschema::draft202012::new(&DOCUMENT).unwrap());

/// What the schema has against a text, each with its place; nothing if it is right.
pub(in crate::config) fn objections(text: &str) -> Vec<String> {
    let document = yaml(text);
    VALIDATOR
        .iter_errors(&document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

/// A text as editors read it: YAML 1.2, in which `on` and `off` are words.
fn yaml(text: &str) -> Value {
    let options = serde_yaml::options! { strict_booleans: true };
    serde_yaml::from_str_with_options(text, options).unwrap()
}

fn problems(text: &str) -> Vec<Problem> {
    let source = Source {
        name: "larder.yaml".into(),
        text: text.into(),
    };
    let read = load_on(
        Machine::UNLIMITED,
        Some(source),
        &BTreeMap::new(),
        &Overrides::default(),
    );
    read.err().map(|problems| problems.0).unwrap_or_default()
}

/// Where a key may stand: the keys on the way to it, and `[]` for an item of a list.
type Place = Vec<String>;

/// What the schema says, by place.
#[derive(Default)]
struct Said {
    /// The keys of each section.
    sections: BTreeMap<Place, BTreeSet<String>>,
    /// The defaults of keys.
    defaults: BTreeMap<Place, Value>,
    /// The keys that have a description.
    described: BTreeSet<Place>,
}

impl Said {
    fn new() -> Said {
        let mut said = Said::default();
        said.walk(&DOCUMENT, &mut Vec::new());
        said
    }

    fn walk(&mut self, schema: &Value, place: &mut Place) {
        if let Some(pointer) = schema["$ref"].as_str() {
            let target = DOCUMENT.pointer(pointer.trim_start_matches('#'));
            self.walk(target.unwrap_or_else(|| panic!("{pointer} is not there")), place);
        }
        for option in schema["anyOf"].as_array().into_iter().flatten() {
            self.walk(option, place);
        }
        if let Some(default) = schema.get("default") {
            self.defaults.insert(place.clone(), default.clone());
        }
        if schema["description"].is_string() {
            self.described.insert(place.clone());
        }
        if let Some(keys) = schema["properties"].as_object() {
            assert_eq!(schema["additionalProperties"], false, "{place:?} takes any key");
            self.sections
                .entry(place.clone())
                .or_default()
                .extend(keys.keys().cloned());
            for (key, schema) in keys {
                self.below(schema, key, place);
            }
        }
        self.below(&schema["items"], "[]", place);
        self.below(&schema["additionalProperties"], "some_name", place);
        for schema in schema["patternProperties"].as_object().into_iter().flatten() {
            self.below(schema.1, "404", place);
        }
    }

    fn below(&mut self, schema: &Value, step: &str, place: &mut Place) {
        if schema.is_object() {
            place.push(step.to_owned());
            self.walk(schema, place);
            place.pop();
        }
    }
}

/// A document with `leaf` at a place.
fn document(place: &[String], leaf: Value) -> Value {
    place.iter().rev().fold(leaf, |inner, step| match step.as_str() {
        "[]" => json!([inner]),
        key => Value::Object(Map::from_iter([(key.to_owned(), inner)])),
    })
}

/// What Larder's own message about an unknown key says of a place: the section's name and the
/// keys that are known there. Nothing where no keys are read.
fn read_at(place: &[String]) -> Option<(String, BTreeSet<String>)> {
    let text = document(place, json!({ "qqqqqqqq": "x" })).to_string();
    let problem = problems(&text)
        .into_iter()
        .find(|problem| problem.title == "unknown key `qqqqqqqq`")?;
    let cause = problem.cause.unwrap();
    let (section, keys) = cause.rsplit_once(": ").unwrap();
    let section = section
        .strip_prefix("known under `")
        .map_or("", |section| section.trim_end_matches('`'));
    Some((section.to_owned(), keys.split(", ").map(str::to_owned).collect()))
}

/// The sections that the readers name, from their sources.
fn sections_in_the_sources() -> BTreeSet<String> {
    let mut sections = BTreeSet::new();
    let readers = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/raw");
    for file in fs::read_dir(readers).unwrap() {
        let source = fs::read_to_string(file.unwrap().path()).unwrap();
        for call in source.split(".section(").skip(1) {
            let mut open = 1;
            let end = call.find(|c| {
                open += i32::from(c == '(') - i32::from(c == ')');
                open == 0
            });
            let arguments = &call[..end.unwrap()];
            let name = arguments.rsplit('"').nth(1);
            sections.insert(
                name.unwrap_or_else(|| panic!("no name in {arguments}"))
                    .to_owned(),
            );
        }
    }
    sections
}

#[test]
fn the_schema_has_the_keys_that_are_read_and_no_others() {
    let mut wrong = Vec::new();
    let mut reached = BTreeSet::new();
    for (place, written) in Said::new().sections {
        let at = place.join(".");
        let Some((section, read)) = read_at(&place) else {
            wrong.push(format!(
                "`{at}`: the schema has keys here, and Larder reads none: {written:?}"
            ));
            continue;
        };
        for key in read.difference(&written) {
            wrong.push(format!("`{at}`: config/schema.json lacks `{key}`"));
        }
        for key in written.difference(&read) {
            wrong.push(format!(
                "`{at}`: config/schema.json has `{key}`, which nothing reads"
            ));
        }
        reached.insert(section);
    }
    for section in sections_in_the_sources().difference(&reached) {
        wrong.push(format!(
            "src/config/raw reads a section `{section}`, and config/schema.json has no keys where it stands"
        ));
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_sources_are_read_as_they_are_written() {
    let sections = sections_in_the_sources();
    for known in ["", "rules", "redis", "ttl: { }", "key.query", "level"] {
        assert!(sections.contains(known), "{known} in {sections:?}");
    }
}

#[test]
fn the_schema_is_one_and_describes_every_key() {
    jsonschema::draft202012::meta::validate(&DOCUMENT).unwrap();
    let said = Said::new();
    let keys = said.sections.iter().flat_map(|(place, keys)| {
        keys.iter().map(|key| {
            let mut place = place.clone();
            place.push(key.clone());
            place
        })
    });
    let (described, bare): (Vec<Place>, Vec<Place>) = keys.partition(|key| said.described.contains(key));
    assert!(bare.is_empty(), "{bare:?} have no description");
    assert!(described.len() > 100, "{}", described.len());
}

/// The values of a file, by place.
fn leaves(value: &Value, place: &mut Place, into: &mut BTreeMap<Place, Value>) {
    let mut below = |step: &str, value: &Value| {
        place.push(step.to_owned());
        leaves(value, place, into);
        place.pop();
    };
    match value {
        Value::Object(entries) if !entries.is_empty() => {
            entries.iter().for_each(|(key, value)| below(key, value));
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            items.iter().for_each(|item| below("[]", item));
        }
        _ => {
            into.entry(place.clone()).or_insert_with(|| value.clone());
        }
    }
}

#[test]
fn the_defaults_are_those_of_the_reference() {
    /// What the reference shows, and what has no default or another one.
    const EXAMPLES: [&str; 6] = [
        "origin.url",
        "store.redis.url",
        "store.redis.namespace",
        "rules.[].name",
        "rules.[].match",
        "rules.[].ttl",
    ];
    let mut shown = BTreeMap::new();
    for text in [REFERENCE.to_owned(), reference_with_redis()] {
        leaves(&yaml(&text), &mut Vec::new(), &mut shown);
    }
    let said = Said::new().defaults;
    let mut wrong = Vec::new();
    for (place, shown) in &shown {
        let at = place.join(".");
        // The named ttls are examples, and `defaults` has the keys of a rule.
        if EXAMPLES.contains(&at.as_str()) || ["ttl", "defaults"].contains(&place[0].as_str()) {
            continue;
        }
        match said.get(place) {
            Some(default) if default == shown => {}
            said => wrong.push(format!(
                "`{at}`: config/larder.yaml shows {shown}, and config/schema.json says {said:?}"
            )),
        }
    }
    for place in said.keys() {
        let at = place.join(".");
        let unseen = ["rules.[].ttl", "rules.[].key.body.others"].contains(&at.as_str());
        if !shown.contains_key(place) && !unseen && place[0] != "defaults" {
            wrong.push(format!(
                "`{at}`: config/schema.json has a default, and config/larder.yaml does not show it"
            ));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn values_are_judged_as_larder_judges_them() {
    let rows = [
        // Where, then right values, then wrong ones.
        ("enabled: ~", "true;false;\"true\"", "on;yes;1;[];\"\""),
        (
            "listen: ~",
            "0.0.0.0:80;'[::]:80';unix:/x;[{ address: 0.0.0.0:80 }];{ address: unix:/x };[{ address: 0.0.0.0:80, tls: null }]",
            "8080;localhost:80;:80;unix:x;[];[{}];{ tls: {} };{ address: 0.0.0.0:80, ssl: true };{ address: 0.0.0.0:80, tls: { cert: a } }",
        ),
        ("forwarded: ~", "append;pass;strip;null", "apend;true;[pass]"),
        (
            "credentials: ~",
            "[];[X-A, X-B*];null",
            "X-A;[\"a b\"];['*'];[X-*-B];{}",
        ),
        (
            "store: { memory: ~ }",
            "auto;64MiB;1048576;\"2097152\";null",
            "64MB;0;-1;1.5GiB;big",
        ),
        ("store: ~", "{};null", "[];64MiB"),
        (
            "ttl: { a: ~ }",
            "1h;origin;{ max: 1h }",
            "long;5 minutes;null;{};{ maximum: 1h };7",
        ),
        ("ttl: { ~: 1h }", "a;a.b;_x;a-1", "origin;5m;a b"),
        ("upgrade: ~", "[];[websocket]", "[h2c];websocket;['a b']"),
        ("drain_delay: ~", "0s;250ms;5s;1m", "5;5 s;-5s;true"),
        ("drain_timeout: ~", "0s;250ms;30s;5m;1h;7d", "30;5min;1.5h;-5s;1H"),
        ("workers: ~", "auto;1;1024;\"4\";null", "0;1025;-1;many;1.5"),
        ("metrics: { rules: ~ }", "0;10", "-1;x"),
        (
            "log: { level: ~ }",
            "info;off;'info,larder::proxy=debug'",
            "inf;'';'info,'",
        ),
        (
            "log: { access: ~ }",
            "all;errors;off;1%;0.5 %;100%",
            "some;150%;10;-1%;1e1%",
        ),
        ("log: { slow_request: ~ }", "1s;10ms", "0s;1"),
        ("limits: { header_bytes: ~ }", "1024;32KiB", "512;32KB"),
        ("limits: { header_count: ~ }", "1;16384", "0;16385"),
        ("limits: { uri_bytes: ~ }", "65534;8KiB", "65535;0"),
        ("limits: { connections: ~ }", "1;4294967295", "0;99999999999"),
        ("limits: { idle_timeout: ~ }", "1ms", "0s;000s"),
        (
            "defaults: { ttl: ~ }",
            "5m;origin;{ min: 1m, max: 2m }",
            "[];{};5",
        ),
        (
            "defaults: { ttl_by_status: { ~: 30s } }",
            "404;301;599;207",
            "206;304;199;600;40;ok",
        ),
        (
            "defaults: { ttl_by_status: { 404: ~ } }",
            "0s;1d",
            "origin;{ min: 1m };null;30",
        ),
        (
            "defaults: { client_ttl: ~ }",
            "origin;none;remaining;0s;null",
            "never;30",
        ),
        ("defaults: { jitter: ~ }", "0%;12.5%", "10;101%;'%'"),
        (
            "defaults: { key: { query: ~ } }",
            "all;none;[page, 1];{ except: [utm_*] };null",
            "page;[];['a*'];{ except: [] };{ except: ['*'] };['a=b']",
        ),
        (
            "defaults: { key: { headers: ~ } }",
            "[Accept-Language]",
            "['two words'];Accept",
        ),
        (
            "defaults: { key: { body: ~ } }",
            "true;false",
            "yes;{ json: [] };{ others: pass };[]",
        ),
        (
            "defaults: { share: ~ }",
            "auto;public;{ per: cookie sid };{ per: header X-A }",
            "private;{};{ per: claim sub };{ per: cookie };{ cookie: sid }",
        ),
        (
            "defaults: { ignore_origin: ~ }",
            "[];[no-store, vary]",
            "no-store;[nostore]",
        ),
        (
            "defaults: { targeted: ~ }",
            "[];[CDN-Cache-Control]",
            "[expires];[Cache-control];['a b']",
        ),
        (
            "defaults: { compress: ~ }",
            "true;false;off;{};{ min_size: 1KiB };{ types: [text/*, '*/*'] }",
            "gzip;[br];{ codings: [] };{ codings: [deflate] };{ types: [json] };{ level: 9 };{ level: { first: 9 } }",
        ),
        ("defaults: { collapse: ~ }", "pod;off", "on;true"),
        (
            "rules: [{ match: ~ }]",
            "/a;GET /a;PUT|DELETE /a",
            "products;get /a;GET /a?b=c;[];null",
        ),
        ("rules: [{ match: ~ }]", "[GET /a, POST /b]", "[];[a];[null]"),
        ("rules: ~", "[];null", "{};[null];[GET /a];[{ ttl: 5m }]"),
        (
            "rules: [{ match: /a, name: ~ }]",
            "a-b_1;7",
            "my rule;none;other;a.b",
        ),
        (
            "rules: [{ match: /a, host: ~ }]",
            "shop.example.com;'*.example.com';null",
            "https://a.b;'a b';'*'",
        ),
    ];
    let mut wrong = Vec::new();
    for (frame, right, not) in rows {
        let values = right.split(';').map(|value| (value, true));
        for (value, expected) in values.chain(not.split(';').map(|value| (value, false))) {
            let text = format!("origin: http://a\n{}\n", frame.replace('~', value));
            let problems = problems(&text);
            let objections = objections(&text);
            if problems.is_empty() != expected || objections.is_empty() != expected {
                let problems: Vec<&str> = problems.iter().map(|problem| problem.title.as_str()).collect();
                wrong.push(format!(
                    "{text}  should be right: {expected}; Larder: {problems:?}; schema: {objections:?}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
