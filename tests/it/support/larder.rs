//! Larder in process, on ports of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use larder::app::{App, Options};
use larder::clock::Clock;
use larder::config::{Address, Config, Listen};
use larder::invalidation::{Log, LogStats};
use larder::origin::Connect;
use larder::redis::Dial;
use larder::store::{RedisTier, TierStats};
use larder::telemetry::{RedisFigures, Sink};
use parking_lot::Mutex;
use tokio::io::DuplexStream;

use super::client::{Client, Response};
use super::gate::within;
use super::origin::TestOrigin;
use super::schema::objections;

/// A running Larder.
pub struct TestLarder {
    /// Taken by the drain.
    app: Mutex<Option<App>>,
    listen: SocketAddr,
    admin: SocketAddr,
    clock: Clock,
}

/// How a test wants Larder.
pub struct LarderBuilder {
    config: Config,
    clock: Clock,
    connect: Option<Arc<dyn Connect>>,
    redis: Option<Arc<dyn Dial>>,
    access_log: Sink,
}

impl LarderBuilder {
    fn of(config: Config) -> LarderBuilder {
        LarderBuilder {
            config,
            clock: Clock::system(),
            connect: None,
            redis: None,
            access_log: Arc::new(|_line| {}),
        }
    }

    /// Has the lines of the access log gathered in `lines`.
    pub fn log_to(mut self, lines: &Arc<Mutex<Vec<String>>>) -> LarderBuilder {
        let lines = lines.clone();
        self.access_log = Arc::new(move |line| lines.lock().push(line.to_owned()));
        self
    }

    /// Larder before an origin that is reached by other means than a socket.
    pub fn over(yaml: &str, connect: Arc<dyn Connect>) -> LarderBuilder {
        LarderBuilder::configured(LarderBuilder::config_over(yaml), connect)
    }

    /// What [`LarderBuilder::over`] makes of `yaml`, for whoever starts many.
    pub fn config_over(yaml: &str) -> Config {
        config(&whole_yaml(yaml, "http://127.0.0.1:9"))
    }

    /// The same with a configuration that was read already.
    pub fn configured(config: Config, connect: Arc<dyn Connect>) -> LarderBuilder {
        LarderBuilder {
            connect: Some(connect),
            ..LarderBuilder::of(config)
        }
    }

    /// Larder as a file of this repository says, but for ports and origin.
    pub fn file(path: &str, origin: SocketAddr) -> LarderBuilder {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        let mut config = config(&std::fs::read_to_string(&path).expect("the file"));
        config.listen = vec![any_port()];
        config.admin = SocketAddr::from(([127, 0, 0, 1], 0));
        config.origin.host = origin.ip().to_string();
        config.origin.port = origin.port();
        LarderBuilder::of(config)
    }

    /// Has servers of Redis reached by other means than sockets.
    pub fn redis_over(mut self, dial: Arc<dyn Dial>) -> LarderBuilder {
        self.redis = Some(dial);
        self
    }

    /// A clock that only [`TestLarder::advance`] and tokio's time move.
    pub fn manual_clock(mut self) -> LarderBuilder {
        self.clock = Clock::manual(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000));
        self
    }

    /// Starts it.
    pub async fn start(self) -> TestLarder {
        let options = Options {
            clock: self.clock.clone(),
            connect: self.connect,
            redis: self.redis,
            access_log: self.access_log,
            ..Options::default()
        };
        let app = App::start(self.config, options).await.expect("Larder starts");
        TestLarder {
            listen: app.listen_address().expect("an address and a port"),
            admin: app.admin_address(),
            app: Mutex::new(Some(app)),
            clock: self.clock,
        }
    }
}

/// Any port of this machine, in clear.
fn any_port() -> Listen {
    Listen {
        address: Address::Tcp(SocketAddr::from(([127, 0, 0, 1], 0))),
        tls: None,
    }
}

/// Reads a configuration that must be right, to the schema for editors too.
pub fn config(yaml: &str) -> Config {
    match Config::from_yaml(yaml) {
        Ok(config) => {
            assert_eq!(objections(yaml), Some(vec![]), "the schema, to\n{yaml}");
            config
        }
        Err(problems) => panic!("{problems}\nin\n{yaml}"),
    }
}

/// The sum over all series of `name` in an exposition that carry every one of `labels`.
pub fn metric(exposition: &str, name: &str, labels: &[(&str, &str)]) -> f64 {
    let wanted: Vec<String> = labels.iter().map(|(k, v)| format!("{k}=\"{v}\"")).collect();
    exposition
        .lines()
        .filter(|line| line.split(['{', ' ']).next() == Some(name))
        .filter(|line| wanted.iter().all(|label| line.contains(label.as_str())))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

/// The lines that a test does not care about, before the ones it does.
pub fn whole_yaml(yaml: &str, origin: &str) -> String {
    let mut text = String::new();
    for (key, line) in [
        ("listen:", "listen: 127.0.0.1:0"),
        ("admin:", "admin: 127.0.0.1:0"),
        ("origin:", "origin: ${ORIGIN}"),
        ("workers:", "workers: 1"),
    ] {
        if !yaml.lines().any(|l| l.starts_with(key)) {
            text.push_str(line);
            text.push('\n');
        }
    }
    text.push_str(yaml);
    text.replace("${ORIGIN}", origin)
}

impl TestLarder {
    /// Larder in front of `origin`, with a manual clock.
    pub async fn start(yaml: &str, origin: &TestOrigin) -> TestLarder {
        TestLarder::build(yaml, origin).manual_clock().start().await
    }

    /// Larder in front of `origin`; `yaml` needs only what the test is about.
    pub fn build(yaml: &str, origin: &TestOrigin) -> LarderBuilder {
        LarderBuilder::of(config(&whole_yaml(yaml, &origin.url())))
    }

    /// Larder in front of any origin at `url`.
    pub async fn before(url: &str, yaml: &str) -> TestLarder {
        LarderBuilder::of(config(&whole_yaml(yaml, url))).start().await
    }

    /// Asks again until `condition` holds.
    pub async fn until(&self, what: &str, condition: impl AsyncFn(&TestLarder) -> bool) {
        within(what, async {
            while !condition(self).await {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }

    /// Waits until this many requests follow others' fills.
    pub async fn followers(&self, number: usize) {
        let what = format!("{number} followers");
        let number = number as f64;
        self.until(&what, async |larder| {
            larder.metric("larder_collapsed_followers", &[]).await == number
        })
        .await;
    }

    /// A value once it has stayed the same for a while.
    pub async fn settled<T: PartialEq>(&self, value: impl Fn() -> T) -> T {
        within("a value that settles", async {
            let (mut last, mut same) = (value(), 0);
            while same < 30 {
                tokio::time::sleep(Duration::from_millis(10)).await;
                let next = value();
                same = if next == last { same + 1 } else { 0 };
                last = next;
            }
            last
        })
        .await
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.listen
    }

    /// Serves a client over an in-memory pipe.
    pub fn serve(&self, pipe: DuplexStream) {
        self.with_app(|app| app.serve_connection(pipe));
    }

    /// Puts other rules in force, as a reload would.
    pub fn replace_config(&self, yaml: &str, origin: &TestOrigin) {
        let config = config(&whole_yaml(yaml, &origin.url()));
        self.with_app(|app| app.take_over(config))
            .expect("a level that the log can take");
    }

    /// Moves time ahead.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// The clock it reads.
    pub fn clock(&self) -> Clock {
        self.clock.clone()
    }

    /// A client connection.
    pub async fn connect(&self) -> Client {
        Client::connect(self.address()).await
    }

    /// GET on a connection of its own; the answer must be whole.
    pub async fn get(&self, target: &str) -> Response {
        self.request("GET", target, &[], b"").await
    }

    /// GET with fields.
    pub async fn get_with(&self, target: &str, fields: &[(&str, &str)]) -> Response {
        self.request("GET", target, fields, b"").await
    }

    /// A request on a connection of its own; the answer must be whole.
    pub async fn request(
        &self,
        method: &str,
        target: &str,
        fields: &[(&str, &str)],
        content: &[u8],
    ) -> Response {
        self.connect()
            .await
            .request(method, target, fields, content)
            .await
            .complete()
    }

    /// GET on the admin port.
    pub async fn admin_get(&self, target: &str) -> Response {
        self.admin(target, "GET", &[], b"").await
    }

    /// Any request on the admin port, with `Host: localhost` unless `fields` has another.
    pub async fn admin(
        &self,
        target: &str,
        method: &str,
        fields: &[(&str, &str)],
        content: &[u8],
    ) -> Response {
        let mut all = fields.to_vec();
        if !all.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            all.push(("Host", "localhost"));
        }
        let mut client = Client::connect(self.admin).await;
        client.request(method, target, &all, content).await.complete()
    }

    /// A purge; the receipt.
    pub async fn purge(&self, json: &str) -> Response {
        self.admin(
            "/purge",
            "POST",
            &[("Content-Type", "application/json")],
            json.as_bytes(),
        )
        .await
    }

    /// The sum of a counter over all its series that carry every one of `labels`.
    pub async fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        metric(self.admin_get("/metrics").await.text(), name, labels)
    }

    /// Where the admin port is.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// What answers under way take of the memory, bytes; asked without a socket.
    pub fn in_flight(&self) -> u64 {
        self.with_app(|app| app.snapshot().memory.in_flight)
    }

    /// What it knows of the invalidation log; asked without a socket.
    pub fn log(&self) -> LogStats {
        self.with_app(|app| app.log().stats())
    }

    /// Its invalidation log itself.
    pub fn shared_log(&self) -> Log {
        self.with_app(|app| app.log().clone())
    }

    /// What it has counted of the tier in Redis; asked without a socket.
    pub fn tier(&self) -> TierStats {
        self.with_app(|app| app.tier().map(RedisTier::stats))
            .expect("a Larder with Redis")
    }

    /// Its connections to Redis; asked without a socket.
    pub fn redis(&self) -> RedisFigures {
        self.with_app(App::redis_figures).expect("a Larder with Redis")
    }

    fn with_app<T>(&self, effect: impl FnOnce(&App) -> T) -> T {
        effect(self.app.lock().as_ref().expect("a Larder that was not stopped"))
    }

    /// Begins the drain; `true` once it is over, if nothing was cut off.
    pub fn begin_drain(&self) -> tokio::task::JoinHandle<bool> {
        let app = self.app.lock().take().expect("it was not drained before");
        tokio::spawn(app.drain())
    }

    /// Drains and stops; `true` when nothing had to be cut off.
    pub async fn stop(&self) -> bool {
        let app = self.app.lock().take().expect("a Larder that was not stopped");
        app.drain().await
    }
}
