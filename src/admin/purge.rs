//! What a purge asks for and what it gets back. Pure.

use serde_json::{Map, Value, json};

/// The keys of a purge, in the order of the documentation.
const KEYS: [&str; 8] = [
    "tags", "paths", "patterns", "all", "soft", "dry_run", "count", "pods",
];
/// Longest tag, path or pattern, bytes: no target URI that Larder takes is longer.
const MAX_ITEM: usize = 8 * 1024;

/// Most tags, paths and patterns of one purge in all: each costs every later request a little.
const MAX_ITEMS: usize = 1000;

/// What an operator wants dropped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PurgeRequest {
    /// Everything with one of these tags.
    pub tags: Vec<String>,
    /// Everything stored from one of these paths.
    pub paths: Vec<PurgePath>,
    /// Everything stored from a path that one of these patterns matches.
    pub patterns: Vec<String>,
    /// Everything.
    pub all: bool,
    /// Makes stale instead of dropping.
    pub soft: bool,
    /// Changes nothing, and counts.
    pub dry_run: bool,
    /// Counts what the purge hits in memory here.
    pub count: bool,
    /// Names the pods that have applied it.
    pub pods: bool,
}

/// A path of a purge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PurgePath {
    /// This path, under every query.
    Exact(String),
    /// This path and everything below it; written with `/**` at its end, kept without.
    Under(String),
}

impl PurgePath {
    /// As the operator wrote it.
    pub fn written(&self) -> String {
        match self {
            PurgePath::Exact(path) => path.clone(),
            PurgePath::Under(path) => format!("{path}/**"),
        }
    }
}

/// Where in the log a purge stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptPosition {
    /// Which life of the log.
    pub nonce: String,
    /// Which event of it.
    pub id: String,
}

/// What became of a purge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PurgeReceipt {
    /// Where it stands in the log; nowhere after a dry run.
    pub position: Option<ReceiptPosition>,
    /// Whether it is in the log, so that it holds wherever the log is read.
    pub logged: bool,
    /// How many stored responses in memory here it hits, where it was asked to count.
    pub matched: Option<u64>,
    /// The pods that share the log, where it was asked for them and they could be asked.
    pub pods: Option<Vec<ReceiptPod>>,
    /// What its reader should know, where not everything is as it was asked for.
    pub note: Option<&'static str>,
}

/// A pod that shares the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptPod {
    /// Its name, which is also the one in `Via`.
    pub pod: String,
    /// Whether it has applied the purge.
    pub applied: bool,
}

/// Why a purge was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PurgeError {
    /// A pattern cannot be read.
    #[error("pattern `{pattern}`: {cause}")]
    Pattern {
        /// As written.
        pattern: String,
        /// What is wrong with it.
        cause: String,
    },
    /// The log could not take it; it may be tried again.
    #[error("the purge could not be logged: {0}")]
    Log(String),
}

impl PurgeRequest {
    /// Reads the JSON content of a `POST /purge`; the error is a sentence for its sender.
    pub fn read(content: &[u8]) -> Result<PurgeRequest, String> {
        let value: Value =
            serde_json::from_slice(content).map_err(|e| format!("the content is not JSON: {e}"))?;
        let Value::Object(members) = value else {
            return Err(format!("a purge is a JSON object with some of {}", listed()));
        };
        if let Some(key) = members.keys().find(|key| !KEYS.contains(&key.as_str())) {
            return Err(unknown(key));
        }
        let request = PurgeRequest {
            tags: texts(&members, "tags")?,
            paths: texts(&members, "paths")?
                .into_iter()
                .map(path)
                .collect::<Result<_, _>>()?,
            patterns: texts(&members, "patterns")?
                .into_iter()
                .map(pattern)
                .collect::<Result<_, _>>()?,
            all: flag(&members, "all")?,
            soft: flag(&members, "soft")?,
            dry_run: flag(&members, "dry_run")?,
            count: flag(&members, "count")?,
            pods: flag(&members, "pods")?,
        };
        if request.is_empty() {
            return Err(
                "nothing to purge: name some `tags`, `paths` or `patterns`, or say `\"all\": true`".into(),
            );
        }
        if request.items() > MAX_ITEMS {
            return Err(format!(
                "a purge has at most {MAX_ITEMS} tags, paths and patterns in all: send several, or `\"all\": true`"
            ));
        }
        Ok(request)
    }

    fn items(&self) -> usize {
        self.tags.len() + self.paths.len() + self.patterns.len()
    }

    fn is_empty(&self) -> bool {
        !self.all && self.items() == 0
    }

    /// The receipt as its caller sees it, with what was asked for.
    pub(super) fn answer(&self, receipt: &PurgeReceipt) -> Value {
        let position = receipt
            .position
            .as_ref()
            .map(|p| json!({ "nonce": p.nonce, "id": p.id }));
        let pod = |pod: &ReceiptPod| json!({ "pod": pod.pod, "applied": pod.applied });
        let pods = receipt
            .pods
            .as_ref()
            .map(|pods| pods.iter().map(pod).collect::<Vec<_>>());
        json!({
            "position": position,
            "logged": receipt.logged,
            "soft": self.soft,
            "dry_run": self.dry_run,
            "all": self.all,
            "tags": self.tags,
            "paths": self.paths.iter().map(PurgePath::written).collect::<Vec<_>>(),
            "patterns": self.patterns,
            "matched": receipt.matched,
            "pods": pods,
            "note": receipt.note,
        })
    }
}

fn listed() -> String {
    KEYS.map(|key| format!("`{key}`")).join(", ")
}

fn unknown(key: &str) -> String {
    let shared = |known: &&str| {
        key.chars()
            .zip(known.chars())
            .take_while(|(a, b)| a.eq_ignore_ascii_case(b))
            .count()
    };
    match KEYS
        .into_iter()
        .max_by_key(shared)
        .filter(|known| shared(known) >= 2)
    {
        Some(near) => format!("unknown key `{key}`: did you mean `{near}`?"),
        None => format!("unknown key `{key}`: a purge has {}", listed()),
    }
}

fn flag(members: &Map<String, Value>, key: &str) -> Result<bool, String> {
    match members.get(key) {
        None => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(other) => Err(format!("`{key}` is true or false, not {other}")),
    }
}

fn texts(members: &Map<String, Value>, key: &str) -> Result<Vec<String>, String> {
    let wrong = || format!("`{key}` is a list of texts, such as [\"a\", \"b\"]");
    let items = match members.get(key) {
        None => return Ok(Vec::new()),
        Some(Value::Array(items)) => items,
        Some(_) => return Err(wrong()),
    };
    let text = |item: &Value| match item {
        Value::String(text) if text.is_empty() => Err(format!("`{key}` has an empty item")),
        Value::String(text) if text.len() > MAX_ITEM => {
            Err(format!("`{key}` has an item above {MAX_ITEM} bytes"))
        }
        Value::String(text) => Ok(text.clone()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => Err(wrong()),
    };
    items.iter().map(text).collect()
}

/// One without a slash at its start could match no path; the log would take it for everything.
fn pattern(text: String) -> Result<String, String> {
    if text.starts_with('/') {
        Ok(text)
    } else {
        Err(format!("pattern `{text}` does not begin with `/`"))
    }
}

fn path(text: String) -> Result<PurgePath, String> {
    if !text.starts_with('/') {
        return Err(format!("path `{text}` does not begin with `/`"));
    }
    if text.contains(['?', '#']) {
        return Err(format!(
            "path `{text}` has a query: a purge goes by path and drops every query of it"
        ));
    }
    let (base, under) = text
        .strip_suffix("/**")
        .map_or((text.as_str(), false), |base| (base, true));
    if base.contains('*') {
        return Err(format!(
            "path `{text}` is neither exact nor ends in `/**`: use `patterns`"
        ));
    }
    Ok(if under {
        PurgePath::Under(base.to_owned())
    } else {
        PurgePath::Exact(text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_read() {
        let content = br#"{"tags": ["product:a"], "paths": ["/a", "/b/**", "/**"], "patterns": ["/x/*/y"],
            "all": true, "soft": true, "dry_run": true, "count": true, "pods": true}"#;
        let expected = PurgeRequest {
            tags: vec!["product:a".into()],
            paths: vec![
                PurgePath::Exact("/a".into()),
                PurgePath::Under("/b".into()),
                PurgePath::Under(String::new()),
            ],
            patterns: vec!["/x/*/y".into()],
            all: true,
            soft: true,
            dry_run: true,
            count: true,
            pods: true,
        };
        assert_eq!(PurgeRequest::read(content), Ok(expected));
    }

    #[test]
    fn what_is_wrong_is_said_in_one_sentence() {
        let rows = [
            (r#"{"tag": ["a"]}"#, "did you mean `tags`?"),
            (r#"{"pattern": ["a"]}"#, "did you mean `patterns`?"),
            (r#"{"path": ["/a"]}"#, "did you mean `paths`?"),
            (r#"{"dryRun": true}"#, "did you mean `dry_run`?"),
            (r#"{"urls": []}"#, "a purge has `tags`, `paths`"),
            (r"{}", "nothing to purge"),
            (r#"{"tags": [], "all": false}"#, "nothing to purge"),
            (r#"{"tags": "a"}"#, "`tags` is a list of texts"),
            (r#"{"tags": [1]}"#, "`tags` is a list of texts"),
            (r#"{"tags": [""]}"#, "`tags` has an empty item"),
            (r#"{"all": "yes"}"#, "`all` is true or false, not \"yes\""),
            (r#"{"paths": ["a"]}"#, "does not begin with `/`"),
            (
                r#"{"patterns": ["soft"]}"#,
                "pattern `soft` does not begin with `/`",
            ),
            (r#"{"paths": ["/a?b=1"]}"#, "has a query"),
            (r#"{"paths": ["/a/*"]}"#, "use `patterns`"),
            (r"[]", "a purge is a JSON object"),
            (r"{", "the content is not JSON"),
            ("", "the content is not JSON"),
        ];
        for (content, expected) in rows {
            let error = PurgeRequest::read(content.as_bytes()).unwrap_err();
            assert!(error.contains(expected), "{content}: {error}");
        }
    }

    #[test]
    fn deep_nesting_is_an_error_and_not_a_full_stack() {
        assert!(PurgeRequest::read("[".repeat(1_000_000).as_bytes()).is_err());
    }
}
