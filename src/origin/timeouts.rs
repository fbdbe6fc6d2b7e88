//! How patiently the origin is treated; a reload may change it.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::config;

/// The timeouts in force.
pub(super) struct Timeouts(ArcSwap<Values>);

#[derive(Clone, Copy)]
struct Values {
    connect: Duration,
    response: Duration,
    idle: Duration,
}

impl Values {
    fn of(settings: &config::Origin) -> Self {
        Self {
            connect: settings.connect_timeout,
            response: settings.response_timeout,
            idle: settings.idle_timeout,
        }
    }
}

impl Timeouts {
    pub(super) fn new(settings: &config::Origin) -> Self {
        Self(ArcSwap::from_pointee(Values::of(settings)))
    }

    pub(super) fn set(&self, settings: &config::Origin) {
        self.0.store(Arc::new(Values::of(settings)));
    }

    /// Until a connection stands.
    pub(super) fn connect(&self) -> Duration {
        self.0.load().connect
    }

    /// Until the answer's head has arrived.
    pub(super) fn response(&self) -> Duration {
        self.0.load().response
    }

    /// How long a kept connection may rest.
    pub(super) fn idle(&self) -> Duration {
        self.0.load().idle
    }
}
