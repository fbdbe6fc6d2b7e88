//! What the log says of reloads: names of rules and settings, never values.

use super::Trigger;
use crate::config::{Changes, Problem, Problems};
use crate::telemetry;

/// Most names in one field of a line, and most errors with a line of their own; an answer to
/// `POST /reload` has them all.
const MOST: usize = 20;

/// A configuration was taken over, whether it says something new or not.
pub(super) fn in_force(trigger: Trigger, hash: &str, changes: &Changes) {
    let rules = &changes.rules;
    let (trigger, settings) = (trigger.word(), listed(&changes.settings));
    if changes.is_empty() {
        tracing::info!(
            trigger,
            config = hash,
            "configuration read again: nothing to change"
        );
    } else {
        tracing::info!(
            trigger,
            config = hash,
            rules_added = listed(&rules.added),
            rules_removed = listed(&rules.removed),
            rules_changed = listed(&rules.changed),
            settings,
            "configuration reloaded"
        );
    }
    if let Some(settings) = listed(&changes.needs_restart) {
        tracing::warn!(trigger, "needs a restart: {settings}");
    }
}

/// Warnings that were not there before.
pub(super) fn new_warnings(before: &[Problem], now: &[Problem]) {
    let known = |warning: &&Problem| {
        let same = |old: &Problem| (&old.title, &old.cause) == (&warning.title, &warning.cause);
        !before.iter().any(same)
    };
    now.iter().filter(known).for_each(telemetry::warn_of);
}

/// A configuration was refused; what is said of that to everyone, without a line of it.
pub(super) fn refused(trigger: Trigger, problems: &Problems) -> String {
    let errors = problems.0.len();
    let first = problems.0.first();
    tracing::error!(
        trigger = trigger.word(),
        errors,
        "configuration refused: the last good one stays in force"
    );
    problems.0.iter().take(MOST).for_each(telemetry::tell_of);
    let place = first.map(Problem::place).filter(|place| !place.is_empty());
    let place = place.map_or_else(String::new, |place| format!(", the first at {place}"));
    let counted = if errors == 1 {
        "1 error".to_owned()
    } else {
        format!("{errors} errors")
    };
    format!("the configuration as last read is refused ({counted}{place}); the last good one stays in force")
}

/// A warning for an answer.
pub(super) fn in_one_line(warning: &Problem) -> String {
    let place = warning.place();
    if place.is_empty() {
        warning.title.clone()
    } else {
        format!("{place}: {}", warning.title)
    }
}

/// Names with commas; `None` where there are none.
fn listed<N: AsRef<str>>(names: &[N]) -> Option<String> {
    let shown: Vec<&str> = names.iter().take(MOST).map(AsRef::as_ref).collect();
    match names.len().saturating_sub(MOST) {
        _ if names.is_empty() => None,
        0 => Some(shown.join(", ")),
        more => Some(format!("{} and {more} more", shown.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn names_are_listed_up_to_a_bound() {
        let names: Vec<Arc<str>> = (0..30).map(|n| Arc::from(format!("r{n}"))).collect();
        assert_eq!(listed(&names[..0]), None);
        assert_eq!(listed(&names[..2]).unwrap(), "r0, r1");
        assert!(listed(&names).unwrap().ends_with("r18, r19 and 10 more"));
    }
}
