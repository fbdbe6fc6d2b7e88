//! `larder purge`: asks a running Larder's admin port to drop something, and shows the receipt.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use super::Output;
use super::admin_port::AdminPort;

/// How long the admin port may take; counting walks the whole memory tier.
const TIMEOUT: Duration = Duration::from_secs(60);

/// What to purge, and where.
#[derive(Debug, Clone, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(true).args(["tag", "path", "pattern", "all"]))]
pub struct PurgeArgs {
    /// Everything with this tag; may be repeated
    #[arg(long, value_name = "TAG")]
    pub tag: Vec<String>,
    /// This path under every query, or with /** at its end everything below it; may be repeated
    #[arg(long, value_name = "PATH")]
    pub path: Vec<String>,
    /// Everything stored from a path that matches; may be repeated
    #[arg(long, value_name = "PATTERN")]
    pub pattern: Vec<String>,
    /// Everything
    #[arg(long)]
    pub all: bool,
    /// Make stale instead of dropping
    #[arg(long)]
    pub soft: bool,
    /// Change nothing, only count what would be dropped
    #[arg(long)]
    pub dry_run: bool,
    /// Count what was dropped from the memory of the Larder that is asked
    #[arg(long)]
    pub count: bool,
    /// Wait until the pods that share a Redis have applied it, at most a second, and say which have
    #[arg(long)]
    pub pods: bool,
    /// Whom to ask.
    #[command(flatten)]
    pub port: AdminPort,
}

/// How messages begin.
const COMMAND: &str = "larder purge";

/// Purges. Exit code 0: done; 1: the admin port refused; 2: it was not reached, or something else
/// answered.
pub async fn purge(args: &PurgeArgs) -> Output {
    match args.port.post("/purge", &content(args), TIMEOUT).await {
        Ok(answer) if answer.status() == StatusCode::OK => match receipt(answer.body()) {
            Some((receipt, aside)) => Output::ok(receipt).with_aside(aside),
            None => args.port.foreign(COMMAND, "nothing was purged"),
        },
        Ok(answer) => args.port.refused(COMMAND, &answer),
        Err(failure) => args.port.unasked(COMMAND, &failure),
    }
}

fn content(args: &PurgeArgs) -> Value {
    json!({
        "tags": args.tag,
        "paths": args.path,
        "patterns": args.pattern,
        "all": args.all,
        "soft": args.soft,
        "dry_run": args.dry_run,
        "count": args.count,
        "pods": args.pods,
    })
}

/// The receipt, indented, and what is said beside it; `None` where it is none. An application may
/// well answer 200 to any POST, and that must not look like a purge.
fn receipt(content: &[u8]) -> Option<(String, String)> {
    let value: Value = serde_json::from_slice(content).ok()?;
    let is_receipt = value.get("logged").is_some_and(Value::is_boolean) && value.get("position").is_some();
    let pretty = serde_json::to_string_pretty(&value).ok()?;
    is_receipt.then(|| (pretty + "\n", aside(&value)))
}

/// What a receipt says of pods, in words, and a warning where something is not as it should be.
fn aside(receipt: &Value) -> String {
    let mut said = String::new();
    if let Some(pods) = receipt.get("pods").and_then(Value::as_array) {
        said = format!("larder purge: {}\n", applied(pods));
    }
    if let Some(note) = receipt.get("note").and_then(Value::as_str) {
        said += &format!("larder purge: warning: {note}\n");
    }
    said
}

fn applied(pods: &[Value]) -> String {
    let has = |pod: &&Value| pod.get("applied").and_then(Value::as_bool) == Some(true);
    let missing: Vec<&str> = pods
        .iter()
        .filter(|pod| !has(pod))
        .filter_map(|pod| pod.get("pod")?.as_str())
        .collect();
    let all = pods.len();
    let (have, pods) = (all - missing.len(), if all == 1 { "pod" } else { "pods" });
    let counted = format!("applied by {have} of {all} {pods}");
    match missing.as_slice() {
        [] => counted,
        [one] => format!("{counted}; {one} has not yet"),
        more => format!("{counted}; {} have not yet", more.join(", ")),
    }
}

#[cfg(test)]
mod tests;
