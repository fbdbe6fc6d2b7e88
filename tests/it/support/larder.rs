//! Larder in process, on ports of its own.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use larder::app::{App, Options};
use larder::clock::Clock;
use larder::config::Config;

use super::client::{Client, Response};
use super::origin::TestOrigin;

/// A running Larder.
pub struct TestLarder {
    app: App,
    clock: Clock,
}

/// How a test wants Larder.
pub struct LarderBuilder {
    yaml: String,
    clock: Clock,
}

impl LarderBuilder {
    /// A clock that only [`TestLarder::advance`] and tokio's time move.
    pub fn manual_clock(mut self) -> LarderBuilder {
        self.clock = Clock::manual(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000));
        self
    }

    /// Starts it.
    pub async fn start(self) -> TestLarder {
        let config = config(&self.yaml);
        let options = Options { clock: self.clock.clone(), ..Options::default() };
        let app = App::start(config, options).await.expect("Larder starts");
        TestLarder { app, clock: self.clock }
    }
}

/// Reads a configuration that must be right.
pub fn config(yaml: &str) -> Config {
    match Config::from_yaml(yaml) {
        Ok(config) => config,
        Err(problems) => panic!("{problems}\nin\n{yaml}"),
    }
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
        LarderBuilder { yaml: whole_yaml(yaml, &origin.url()), clock: Clock::system() }
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.app.listen_address()
    }

    /// The running program.
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Moves time ahead.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
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
        self.connect().await.request(method, target, fields, content).await.complete()
    }

    /// POST with JSON.
    pub async fn post_json(&self, target: &str, json: &str) -> Response {
        self.request("POST", target, &[("Content-Type", "application/json")], json.as_bytes()).await
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
        let mut client = Client::connect(self.app.admin_address()).await;
        client.request(method, target, &all, content).await.complete()
    }

    /// A purge; the receipt.
    pub async fn purge(&self, json: &str) -> Response {
        self.admin("/purge", "POST", &[("Content-Type", "application/json")], json.as_bytes()).await
    }

    /// The sum of a counter over all its series that carry every one of `labels`.
    pub async fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let text = self.admin_get("/metrics").await;
        let wanted: Vec<String> = labels.iter().map(|(k, v)| format!("{k}=\"{v}\"")).collect();
        text.text()
            .lines()
            .filter(|line| line.split(['{', ' ']).next() == Some(name))
            .filter(|line| wanted.iter().all(|label| line.contains(label.as_str())))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    /// Drains and stops.
    pub async fn stop(self) {
        self.app.drain().await;
    }
}
