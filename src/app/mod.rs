//! The composition root: a configuration in, a running Larder out.
//!
//! Listeners are bound before [`App::start`] returns, so that a caller learns the ports and a
//! port that is taken is an error of the start, not of some later moment.

mod fleet;
mod live;
mod purge;
mod reload;

use std::future::Future;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::admin::{self, AdminState};
use crate::clock::{Clock, Now};
use crate::config::{Address, Changes, Config, Listen, Shown};
use crate::fields::via::Pseudonym;
use crate::invalidation::Log;
use crate::origin::{Connect, Origin, Sockets};
use crate::policy::key::shared_secret;
use crate::proxy::{Proxy, ProxyParts};
use crate::redis::Dial;
use crate::server::{self, Door, Secured, Server, Transport};
use crate::store::{Memory, RedisTier};
use crate::tasks::Tasks;
use crate::telemetry::{
    AccessLogger, CertificateFigures, LogError, LogLevel, Metrics, RedisFigures, Sink, Snapshot,
};
use fleet::{Fleet, FleetParts};
use live::Live;

pub use reload::{FirstRead, Reloader, Trigger};

/// How long a drain waits, beyond its own time, for a shared log to take this pod's last events.
const LAST_EVENTS: Duration = Duration::from_secs(1);

/// What a start needs beside the configuration.
pub struct Options {
    /// The clock; manual in tests.
    pub clock: Clock,
    /// How the origin is reached; `None`: over sockets.
    pub connect: Option<Arc<dyn Connect>>,
    /// How servers of Redis are reached; `None`: over sockets.
    pub redis: Option<Arc<dyn Dial>>,
    /// Where access-log lines go.
    pub access_log: Sink,
    /// How many access-log lines were dropped so far.
    pub log_dropped: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// Where the configuration came from, to be read again; `None`: it is never.
    pub first_read: Option<FirstRead>,
    /// Changes the level of the program's log.
    pub log_level: LogLevel,
}

impl Default for Options {
    /// The system's clock, TCP, no access log, and no file to read again.
    fn default() -> Self {
        Self {
            clock: Clock::system(),
            connect: None,
            redis: None,
            access_log: Arc::new(|_line| {}),
            log_dropped: Arc::new(|| 0),
            first_read: None,
            log_level: LogLevel::default(),
        }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

/// Why Larder did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address could not be bound; the source names it.
    #[error("`{setting}` cannot be opened{}", advice(setting, source))]
    Listen {
        /// The setting whose address it is.
        setting: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// The system gave no random bytes, without which identities cannot be hidden.
    #[error("the system has no random bytes to give: {0}")]
    Random(String),
}

/// A running Larder.
pub struct App {
    proxy: Arc<Proxy>,
    fleet: Fleet,
    server: Server,
    origin: Origin,
    tasks: Tasks,
    clock: Clock,
    metrics: Arc<Metrics>,
    listen: Vec<Bound>,
    admin: SocketAddr,
    /// Cleared when a drain begins.
    ready: Arc<AtomicBool>,
    /// Set when a drain begins: the listener takes in who is connected, and closes.
    draining: watch::Sender<bool>,
    /// Set at the very end: the admin port closes.
    ended: watch::Sender<bool>,
    reloader: Reloader,
    started: Now,
    log_dropped: Arc<dyn Fn() -> u64 + Send + Sync>,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App")
            .field("listen", &self.listen)
            .field("admin", &self.admin)
            .finish_non_exhaustive()
    }
}

impl App {
    /// Binds the listeners and serves in the background.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running then.
    pub async fn start(config: Config, options: Options) -> Result<App, StartError> {
        server::make_room(
            config
                .limits
                .connections
                .saturating_add(config.origin.max_connections),
        );
        let doors = config
            .listen
            .iter()
            .map(open)
            .collect::<Result<Vec<_>, StartError>>()?;
        let (admin_listener, admin) = bind_admin(config.admin)?;

        let listen = doors.iter().map(|(_, bound)| bound.clone()).collect();
        let app = App::assemble(config, options, listen, admin)?;
        for (door, _) in doors {
            let mut draining = app.draining.subscribe();
            let stop = async move {
                // An error means that the app itself is gone.
                drop(draining.wait_for(|draining| *draining).await);
            };
            // Not detached: a drain waits until the listener is closed.
            app.tasks.spawn(app.server.clone().accept(door, stop));
        }
        Ok(app.with_admin(admin_listener))
    }

    fn assemble(
        config: Config,
        options: Options,
        listen: Vec<Bound>,
        admin: SocketAddr,
    ) -> Result<App, StartError> {
        let Options {
            clock,
            connect,
            redis: dial,
            access_log,
            log_dropped,
            first_read,
            log_level,
        } = options;
        let tasks = Tasks::new();
        let connect = connect.unwrap_or_else(|| Arc::new(Sockets::new(&config.origin)));
        let origin = Origin::new(&config.origin, connect, clock.clone(), tasks.clone());
        let labelled = config.rules.rules().len().min(config.metric_rules);
        let metrics = Arc::new(Metrics::new(labelled));
        let access = Arc::new(AccessLogger::new(config.log.format, access_log));
        let limits = config.limits.clone();
        let token = config.admin_token.clone().map(Arc::new);
        let (memory, name) = (Memory::new(config.store, limits.variants), pseudonym()?);
        let fleet = Fleet::start(FleetParts {
            settings: config.redis.as_ref(),
            dial,
            budget: memory.budget().clone(),
            clock: clock.clone(),
            tasks: tasks.clone(),
            metrics: metrics.clone(),
            pod: name.name().into(),
        });
        let proxy = Arc::new(Proxy::new(ProxyParts {
            memory,
            tier: fleet.shared.as_ref().map(|shared| shared.tier.clone()),
            log: fleet.log.clone(),
            origin: origin.clone(),
            metrics: metrics.clone(),
            access,
            clock: clock.clone(),
            tasks: tasks.clone(),
            identity: (identity_secret(&config)?, name),
            config,
        }));
        proxy.heed_other_rules();
        let server = Server::new(proxy.clone(), limits, clock.clone(), tasks.clone());
        tasks.detach(metrics.clone().keep_up());
        let live = Live {
            proxy: proxy.clone(),
            server: server.clone(),
            origin: origin.clone(),
            secured: listen.iter().map(|bound| bound.secured.clone()).collect(),
            redis: fleet.shared.as_ref().map(|shared| shared.redis.clone()),
            token: Arc::new(ArcSwapOption::from(token)),
            log_level,
        };
        Ok(App {
            reloader: Reloader::new(live, first_read, clock.clone()),
            proxy,
            fleet,
            server,
            origin,
            tasks,
            started: clock.now(),
            log_dropped,
            clock,
            metrics,
            listen,
            admin,
            ready: Arc::new(AtomicBool::new(true)),
            draining: watch::Sender::new(false),
            ended: watch::Sender::new(false),
        })
    }

    fn with_admin(self, listener: tokio::net::TcpListener) -> App {
        let look = self.look();
        let purging = self.proxy.clone();
        let pods = self
            .fleet
            .shared
            .as_ref()
            .map(|shared| shared.log_tasks.pods().clone());
        let (reloading, refusing) = (self.reloader.clone(), self.reloader.clone());
        let state = AdminState {
            token: self.reloader.live().token.clone(),
            ready: self.ready.clone(),
            metrics: self.metrics.clone(),
            snapshot: Arc::new(look),
            purge: Arc::new(move |request| Box::pin(purge::purge(purging.clone(), pods.clone(), request))),
            reload: Arc::new(move || {
                let reloader = reloading.clone();
                Box::pin(async move { reloader.reload(Trigger::Request).await })
            }),
            refused: Arc::new(move || refusing.refused()),
        };
        self.tasks.detach(admin::serve(listener, state, self.end()));
        let watching = reload::watch(self.reloader.clone(), self.end());
        self.tasks.detach(watching);
        self
    }

    /// Resolves at the very end.
    fn end(&self) -> impl Future<Output = ()> + use<> {
        let mut ended = self.ended.subscribe();
        async move {
            // An error means that the app itself is gone.
            drop(ended.wait_for(|ended| *ended).await);
        }
    }

    /// Where clients connect, as it was bound.
    pub fn listen_addresses(&self) -> Vec<Address> {
        self.listen.iter().map(|bound| bound.address.clone()).collect()
    }

    /// The first address and port that clients connect to; `None` where there are only sockets in the
    /// file system.
    pub fn listen_address(&self) -> Option<SocketAddr> {
        self.listen.iter().find_map(|bound| match &bound.address {
            Address::Tcp(address) => Some(*address),
            Address::Unix(_) => None,
        })
    }

    /// Where the admin port is.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// The clock that everything in this app reads.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The present state, in figures.
    pub fn snapshot(&self) -> Snapshot {
        self.look()()
    }

    /// What looks at the present state.
    fn look(&self) -> impl Fn() -> Snapshot + Send + Sync + use<> {
        let (proxy, server, started) = (self.proxy.clone(), self.server.clone(), self.started);
        let (log_dropped, reloader) = (self.log_dropped.clone(), self.reloader.clone());
        let listen = self.listen.clone();
        move || Snapshot {
            client_connections: server.connections() as u64,
            log_dropped: log_dropped(),
            reloads: reloader.figures(),
            certificates: listen.iter().flat_map(Bound::certificates).collect(),
            ..proxy.snapshot(started)
        }
    }

    /// Figures about the connections to Redis; `None` where there is none.
    pub fn redis_figures(&self) -> Option<RedisFigures> {
        self.fleet.shared.as_ref().map(|shared| shared.redis.stats())
    }

    /// What was counted so far.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// The invalidation log.
    pub fn log(&self) -> &Log {
        &self.fleet.log
    }

    /// The tier that pods share; `None` where there is no Redis.
    pub fn tier(&self) -> Option<&RedisTier> {
        self.fleet.shared.as_ref().map(|shared| &shared.tier)
    }

    /// Takes over another configuration as far as that goes while it runs, and says what changed and
    /// what would need a restart.
    ///
    /// # Errors
    /// The log cannot take its level; nothing was changed then.
    pub fn take_over(&self, config: Config) -> Result<Changes, LogError> {
        self.reloader.live().take_over(config)
    }

    /// What reads the configuration again.
    pub fn reloader(&self) -> &Reloader {
        &self.reloader
    }

    /// Serves one client connection over any transport.
    pub fn serve_connection(&self, io: impl Transport) {
        self.server.spawn(io, None, None);
    }

    /// Not ready, and for `drain_delay` as before; then no new connections, and every request in
    /// flight to its end, at most for `drain_timeout`. `true` when nothing had to be cut off.
    pub async fn drain(self) -> bool {
        self.ready.store(false, Ordering::Release);
        // Both times as they are now: a reload meanwhile is too late for them.
        let config = self.proxy.config();
        self.linger(config.drain_delay).await;
        self.server.drain();
        self.draining.send_replace(true);
        let drained = self.server.drained(config.drain_timeout).await;
        self.origin.close_idle();
        if let Some(shared) = &self.fleet.shared {
            shared.end(&self.fleet.log, LAST_EVENTS).await;
        }
        self.ended.send_replace(true);
        drained
    }

    /// Sends clients away for a while without turning anybody away: who decides where they connect
    /// may not know yet that this Larder is to end.
    async fn linger(&self, delay: Duration) {
        if !delay.is_zero() {
            self.server.leave();
            tracing::info!(delay_ms = delay.as_millis(), "still taking connections");
            tokio::time::sleep(delay).await;
        }
    }
}

/// A place where clients connect, as it was bound.
#[derive(Debug, Clone)]
struct Bound {
    address: Address,
    secured: Option<Secured>,
}

impl Bound {
    /// The certificates that are shown here, if any, of which it can be told until when they are valid.
    fn certificates(&self) -> Vec<CertificateFigures> {
        let shown = self.secured.as_ref().map(Secured::shown);
        let figures = |shown: Shown| {
            Some(CertificateFigures {
                listener: self.address.to_string(),
                name: shown.name,
                expires: shown.expires?,
            })
        };
        shown.into_iter().flatten().filter_map(figures).collect()
    }
}

fn open(listen: &Listen) -> Result<(Door, Bound), StartError> {
    let failed = |source| StartError::Listen {
        setting: "listen",
        source,
    };
    let door = Door::open(listen).map_err(failed)?;
    let bound = Bound {
        address: door.address().map_err(failed)?,
        secured: door.secured().cloned(),
    };
    Ok((door, bound))
}

/// The admin port's listener, and the address it got.
fn bind_admin(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |source| StartError::Listen {
        setting: "admin",
        source,
    };
    let listener = server::bind(address).map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// What to do about an address that cannot be bound.
fn advice(setting: &str, error: &std::io::Error) -> String {
    let reason = match error.kind() {
        ErrorKind::AddrInUse => "another program has the port: stop it, or choose another port",
        ErrorKind::AddrNotAvailable => "this machine has no such address: choose one of its own, or 0.0.0.0",
        ErrorKind::PermissionDenied => "this user may not open the port: choose one from 1024 up",
        _ => return String::new(),
    };
    let variable = setting.to_uppercase();
    format!(" ({reason} with `{setting}`, --{setting} or LARDER_{variable})")
}

/// What hides identities in keys: the same in all pods that share a Redis, else this process's own.
fn identity_secret(config: &Config) -> Result<[u8; 32], StartError> {
    match &config.redis {
        Some(redis) => Ok(shared_secret(redis)),
        None => random(),
    }
}

fn random() -> Result<[u8; 32], StartError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| StartError::Random(error.to_string()))?;
    Ok(bytes)
}

/// A name in `Via` that no other instance has: two Larders in one chain are no loop.
fn pseudonym() -> Result<Pseudonym, StartError> {
    let bytes = random()?;
    let digits: String = bytes.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    Pseudonym::new(&format!("larder-{digits}"))
        .ok_or_else(|| StartError::Random("the instance's name is no token".to_owned()))
}
