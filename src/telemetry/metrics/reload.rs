//! The series about the configuration in force.

use std::fmt::Write;
use std::time::SystemTime;

use super::{CATALOGUE, Metrics, names};
use crate::telemetry::ReloadFigures;

impl Metrics {
    pub(super) fn tell_reloads(&self, reloads: &ReloadFigures) {
        for (result, sum) in reloads.results() {
            self.sum(names::RELOADS, &[("result", result)], sum);
        }
        self.gauge(names::RELOAD_SUCCESSFUL, &[], reloads.successful.into());
        let read = reloads.read.duration_since(SystemTime::UNIX_EPOCH);
        self.gauge(names::RELOAD_TIME, &[], read.unwrap_or_default().as_secs());
    }
}

/// Adds the hash of the configuration. Written by hand: the recorder never forgets a series, and
/// would show every hash that there ever was.
pub(super) fn push_hash(text: &mut String, hash: &str) {
    let help = CATALOGUE.iter().find(|metric| metric.name == names::CONFIG_HASH);
    let help = help.map_or("", |metric| metric.help);
    let name = names::CONFIG_HASH;
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "# HELP {name} {help}\n# TYPE {name} gauge\n{name}{{hash=\"{hash}\"}} 1\n\n"
    );
}
