//! The JSON Schema of the configuration, asked for its opinion.

use std::sync::LazyLock;

use jsonschema::Validator;
use larder::config::SCHEMA;
use serde_json::Value;

static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| {
    let schema = serde_json::from_str(SCHEMA).expect("the schema is JSON");
    jsonschema::draft202012::new(&schema).expect("the schema is one")
});

/// What the schema has against a configuration, each with its place; `None`: it is no YAML that
/// an editor could read.
pub fn objections(yaml: &str) -> Option<Vec<String>> {
    // As editors read it: YAML 1.2, in which `on` and `off` are words.
    let options = serde_yaml::options! { strict_booleans: true };
    let document: Value = serde_yaml::from_str_with_options(yaml, options).ok()?;
    let errors = VALIDATOR.iter_errors(&document);
    Some(
        errors
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect(),
    )
}
