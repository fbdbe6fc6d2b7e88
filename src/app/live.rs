//! What takes over another configuration while it runs.
//!
//! Listeners, connections, stores and fills under way stay. Which settings can change, and that the
//! others stay as they are, is decided by [`Changes`] and [`Config::held_to`]; here each of those
//! that can is given to the part that goes by it.

use std::sync::Arc;

use arc_swap::ArcSwapOption;

use crate::config::{Changes, Config, Secret};
use crate::origin::Origin;
use crate::proxy::Proxy;
use crate::redis::Redis;
use crate::server::{self, Secured, Server};
use crate::telemetry::{LogError, LogLevel};

/// The parts of a running Larder that go by its configuration.
pub(super) struct Live {
    pub proxy: Arc<Proxy>,
    pub server: Server,
    pub origin: Origin,
    /// What secures each listener, in their order.
    pub secured: Vec<Option<Secured>>,
    /// `None`: memory alone.
    pub redis: Option<Redis>,
    /// What opens the admin port beyond loopback.
    pub token: Arc<ArcSwapOption<Secret>>,
    pub log_level: LogLevel,
}

impl Live {
    /// Takes over a configuration as far as that goes, and says what changed. Requests under way end
    /// under the rules that they began with.
    ///
    /// # Errors
    /// The log cannot take its level; nothing was changed then.
    pub(super) fn take_over(&self, read: Config) -> Result<Changes, LogError> {
        let running = self.proxy.config();
        let changes = Changes::between(&running, &read);
        let config = read.held_to(&running);
        self.log_level.set(&config.log.level)?;
        let connections = config.limits.connections;
        server::make_room(connections.saturating_add(config.origin.max_connections));
        self.server.limit(&config.limits);
        self.origin.set_timeouts(&config.origin);
        if let (Some(redis), Some(settings)) = (&self.redis, &config.redis) {
            redis.log_in_as(settings);
        }
        self.token.store(config.admin_token.clone().map(Arc::new));
        for (secured, listen) in self.secured.iter().zip(&config.listen) {
            if let (Some(secured), Some(tls)) = (secured, &listen.tls) {
                secured.replace(tls);
            }
        }
        // Last: whoever sees the new rules sees everything else too.
        self.proxy.replace_config(config);
        Ok(changes)
    }
}
