//! The series about the configuration in force.

use std::time::SystemTime;

use super::{Metrics, names};
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
