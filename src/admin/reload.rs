//! What came of a reload, as its caller sees it. Pure.

use http::StatusCode;
use serde_json::{Value, json};

use super::problem::Problem;
use crate::config::Changes;

/// What came of a reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reloaded {
    /// The configuration is in force, but for what needs a restart.
    InForce(Box<ReloadReceipt>),
    /// It cannot be used; the last good one stays in force.
    Refused(ReloadRefusal),
    /// This Larder was given its configuration by a program: there is nothing to read again.
    NothingToRead,
}

/// What a reload changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReloadReceipt {
    /// Whether anything changed.
    pub applied: bool,
    /// Digest of the file that is in force now.
    pub hash: String,
    /// What changed, and what needs a restart.
    pub changes: Changes,
    /// What is probably not meant in it, each in one line.
    pub warnings: Vec<String>,
}

/// Why a reload changed nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReloadRefusal {
    /// In one sentence.
    pub detail: String,
    /// Every error, as `larder check` shows them.
    pub report: String,
}

impl Reloaded {
    /// The answer.
    pub(super) fn answer(&self) -> Result<Value, Problem> {
        match self {
            Reloaded::InForce(receipt) => Ok(receipt.answer()),
            Reloaded::Refused(ReloadRefusal { detail, report }) => {
                let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail);
                Err(problem.with("result", "refused").with("report", report))
            }
            Reloaded::NothingToRead => Err(Problem::new(
                StatusCode::CONFLICT,
                "this Larder was not started from a file, variables or flags that could be read again",
            )),
        }
    }
}

impl ReloadReceipt {
    fn answer(&self) -> Value {
        let Changes {
            rules,
            settings,
            needs_restart,
        } = &self.changes;
        let names = |names: &[std::sync::Arc<str>]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        json!({
            "result": if self.applied { "applied" } else { "unchanged" },
            "config_hash": self.hash,
            "rules": {
                "added": names(&rules.added),
                "removed": names(&rules.removed),
                "changed": names(&rules.changed),
            },
            "settings": settings,
            "needs_restart": needs_restart,
            "warnings": self.warnings,
        })
    }
}
