//! The seam between commands and the running Larder: what they know of it, and how it starts.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;

use crate::app::{App, FirstRead, Options, Trigger};
use crate::config::{Address, Config};
use crate::telemetry::{LogLevel, StreamSink};

/// Why Larder did not start.
pub type StartFailure = Box<dyn std::error::Error + Send + Sync>;

/// What is brought up.
#[derive(Debug)]
pub struct Launch {
    /// The configuration.
    pub config: Config,
    /// Where it came from; `None`: it is never read again.
    pub first_read: Option<FirstRead>,
    /// Changes the level of the log.
    pub log_level: LogLevel,
}

impl Launch {
    /// A Larder that keeps the configuration it is given.
    pub fn of(config: Config) -> Self {
        Self {
            config,
            first_read: None,
            log_level: LogLevel::default(),
        }
    }
}

/// Brings a Larder up.
pub type Start = fn(Launch) -> Pin<Box<dyn Future<Output = Result<Front, StartFailure>> + Send>>;

/// Stops accepting and waits for what is under way: `true` when all of it ended in time.
pub type Drain = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = bool> + Send>> + Send>;

/// Has the configuration read again; resolves when that has been done.
pub type Reload = Box<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// A running Larder as commands see it.
pub struct Front {
    /// Every place where clients connect.
    pub listen: Vec<Address>,
    /// The admin port.
    pub admin: SocketAddr,
    /// Reads its configuration again.
    pub reload: Reload,
    /// Ends it.
    pub drain: Drain,
}

impl Front {
    /// The first address and port that clients connect to; `None` where there are only sockets in the
    /// file system.
    pub fn tcp(&self) -> Option<SocketAddr> {
        self.listen.iter().find_map(|address| match address {
            Address::Tcp(address) => Some(*address),
            Address::Unix(_) => None,
        })
    }
}

/// Places in one line.
pub(super) fn in_one_line<'a>(places: impl IntoIterator<Item = &'a Address>) -> String {
    let places: Vec<String> = places.into_iter().map(ToString::to_string).collect();
    places.join(", ")
}

impl std::fmt::Debug for Front {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Front")
            .field("listen", &self.listen)
            .field("admin", &self.admin)
            .finish_non_exhaustive()
    }
}

/// Brings up the real one, its access log on standard output.
pub fn start(launch: Launch) -> Pin<Box<dyn Future<Output = Result<Front, StartFailure>> + Send>> {
    Box::pin(async move {
        let log = StreamSink::stdout()?;
        let options = Options {
            access_log: log.sink,
            log_dropped: log.dropped,
            first_read: launch.first_read,
            log_level: launch.log_level,
            ..Options::default()
        };
        let app = App::start(launch.config, options).await?;
        let (listen, admin) = (app.listen_addresses(), app.admin_address());
        let reloader = app.reloader().clone();
        let reload: Reload = Box::new(move || {
            let reloader = reloader.clone();
            Box::pin(async move { drop(reloader.reload(Trigger::Signal).await) })
        });
        let drain: Drain = Box::new(move || {
            Box::pin(async move {
                let drained = app.drain().await;
                // The last lines leave here.
                drop(log.guard);
                drained
            })
        });
        Ok(Front {
            listen,
            admin,
            reload,
            drain,
        })
    })
}
