//! `larder reload`: has a running Larder read its configuration again, and shows what changed.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use super::Output;
use super::admin_port::AdminPort;

/// How long a reload may take: thousands of rules are compiled in a second.
const TIMEOUT: Duration = Duration::from_secs(60);

/// How messages begin.
const COMMAND: &str = "larder reload";

/// Where the Larder is that is to reload.
#[derive(Debug, Clone, clap::Args)]
pub struct ReloadArgs {
    /// Its admin port.
    #[command(flatten)]
    pub port: AdminPort,
}

/// Reloads. Exit code 0: what was read is in force, but for what is said to need a restart; 1: it was
/// refused, and the last good configuration stays; 2: no Larder was reached.
pub async fn reload(args: &ReloadArgs) -> Output {
    let answer = match args.port.post("/reload", &json!({}), TIMEOUT).await {
        Ok(answer) => answer,
        Err(failure) => return args.port.unasked(COMMAND, &failure),
    };
    let said: Option<Value> = serde_json::from_slice(answer.body()).ok();
    let result = said.as_ref().and_then(|said| said.get("result")?.as_str());
    match (answer.status(), &said, result) {
        (StatusCode::OK, Some(said), Some("applied" | "unchanged")) => receipt(said),
        (StatusCode::OK, ..) => args.port.foreign(COMMAND, "nothing was reloaded"),
        (StatusCode::UNPROCESSABLE_ENTITY, Some(said), Some("refused")) => refusal(said),
        _ => args.port.refused(COMMAND, &answer),
    }
}

/// What changed, a line for each kind; beside it what is still to be done.
fn receipt(said: &Value) -> Output {
    let rules = |kind: &str| names(said.get("rules").and_then(|rules| rules.get(kind)));
    let text = |name: &str| said.get(name).and_then(Value::as_str).unwrap_or_default();
    let mut out = match text("result") {
        "applied" => format!("reloaded: configuration {} is in force\n", text("config_hash")),
        _ => format!(
            "nothing to change: configuration {} is in force\n",
            text("config_hash")
        ),
    };
    for (what, names) in [
        ("rules added", rules("added")),
        ("rules removed", rules("removed")),
        ("rules changed", rules("changed")),
        ("settings changed", names(said.get("settings"))),
    ] {
        if !names.is_empty() {
            out.push_str(&format!("{what}: {names}\n"));
        }
    }
    let mut aside = String::new();
    let waiting = names(said.get("needs_restart"));
    if !waiting.is_empty() {
        aside.push_str(&format!("{COMMAND}: needs a restart: {waiting}\n"));
    }
    for warning in texts(said.get("warnings")) {
        aside.push_str(&format!("{COMMAND}: warning: {warning}\n"));
    }
    Output::ok(out).with_aside(aside)
}

/// Why it was refused, as `larder check` would say it.
fn refusal(said: &Value) -> Output {
    let text = |name: &str| said.get(name).and_then(Value::as_str).unwrap_or_default();
    Output::failed(1, format!("{}\n{COMMAND}: {}\n", text("report"), text("detail")))
}

fn texts(list: Option<&Value>) -> Vec<&str> {
    let items = list.and_then(Value::as_array);
    items.map_or_else(Vec::new, |items| items.iter().filter_map(Value::as_str).collect())
}

fn names(list: Option<&Value>) -> String {
    texts(list).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_names_what_changed_and_what_waits() {
        let said = json!({
            "result": "applied",
            "config_hash": "00ff",
            "rules": { "added": ["a", "b"], "removed": [], "changed": ["c"] },
            "settings": ["log.level"],
            "needs_restart": ["store.memory"],
            "warnings": ["larder.yaml:3:5: odd"],
        });
        let output = receipt(&said);
        assert_eq!(
            output.text,
            "reloaded: configuration 00ff is in force\nrules added: a, b\nrules changed: c\nsettings changed: log.level\n"
        );
        assert_eq!(
            output.aside,
            "larder reload: needs a restart: store.memory\nlarder reload: warning: larder.yaml:3:5: odd\n"
        );
        assert_eq!(output.code, 0);
    }

    #[test]
    fn a_refusal_is_the_report_and_where_that_leaves_you() {
        let said = json!({ "report": "error: x\n", "detail": "the last good one stays in force" });
        let output = refusal(&said);
        assert_eq!(output.code, 1);
        assert_eq!(
            output.text,
            "error: x\n\nlarder reload: the last good one stays in force\n"
        );
    }
}
