//! `larder purge`: asks a running Larder's admin port to drop something, and shows the receipt.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use serde_json::{Value, json};

use super::Output;
use super::client::{Client, ClientError, causes};

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
    /// The admin port
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9321")]
    pub admin: String,
    /// File with the admin token
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}

/// Why there is no receipt.
#[derive(Debug, thiserror::Error)]
enum PurgeFailure {
    #[error("cannot read the token file {}", path.display())]
    Token { path: PathBuf, source: std::io::Error },
    #[error("the token file {} holds no token: write the one word of `admin_token_file` into it", .0.display())]
    NoToken(PathBuf),
    #[error("cannot purge")]
    Client(#[from] ClientError),
}

/// Purges. Exit code 0: done; 1: the admin port refused; 2: it was not reached, or something else
/// answered.
pub async fn purge(args: &PurgeArgs) -> Output {
    match ask(args).await {
        Ok(answer) if answer.status() == StatusCode::OK => match receipt(answer.body()) {
            Some((receipt, aside)) => Output::ok(receipt).with_aside(aside),
            None => Output::failed(
                2,
                format!(
                    "larder purge: what answers at {} is not the admin port of a Larder: nothing was purged\n",
                    args.admin
                ),
            ),
        },
        Ok(answer) => Output::failed(1, refusal(&answer, args)),
        Err(failure) => {
            let fix = match &failure {
                PurgeFailure::Client(ClientError::Connect { .. }) => {
                    "\n = fix: look whether Larder runs, and name its admin port with --admin URL"
                }
                _ => "",
            };
            Output::failed(2, format!("larder purge: {}{fix}\n", causes(&failure)))
        }
    }
}

async fn ask(args: &PurgeArgs) -> Result<Response<Bytes>, PurgeFailure> {
    let mut request = Request::post("/purge").header(header::CONTENT_TYPE, "application/json");
    if let Some(path) = &args.token_file {
        request = request.header(header::AUTHORIZATION, format!("Bearer {}", token(path)?));
    }
    let no_token = |_| PurgeFailure::NoToken(args.token_file.clone().unwrap_or_default());
    let request = request
        .body(Full::from(content(args).to_string()))
        .map_err(no_token)?;
    Ok(Client::new(&args.admin, TIMEOUT)?.send(request).await?)
}

fn token(path: &Path) -> Result<String, PurgeFailure> {
    let text = std::fs::read_to_string(path).map_err(|source| PurgeFailure::Token {
        path: path.to_owned(),
        source,
    })?;
    match text.trim() {
        "" => Err(PurgeFailure::NoToken(path.to_owned())),
        token => Ok(token.to_owned()),
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

fn refusal(answer: &Response<Bytes>, args: &PurgeArgs) -> String {
    let problem: Option<Value> = serde_json::from_slice(answer.body()).ok();
    let detail = problem
        .as_ref()
        .and_then(|problem| problem.get("detail")?.as_str());
    if let (StatusCode::UNAUTHORIZED, Some(file)) = (answer.status(), &args.token_file) {
        return format!(
            "larder purge: {}: the token in {} is not the one that Larder read from `admin_token_file` when it started\n",
            answer.status(),
            file.display()
        );
    }
    let hint = match answer.status() {
        StatusCode::UNAUTHORIZED => "; `--token-file FILE` does that",
        _ => "",
    };
    format!(
        "larder purge: {}: {}{hint}\n",
        answer.status(),
        detail.unwrap_or("the answer is not of a Larder's admin port")
    )
}

#[cfg(test)]
mod tests;
