//! Real `redis-server` processes, on ports and in directories of their own: alone, watched by a
//! sentinel, or as a cluster.
//!
//! `LARDER_TEST_REDIS_SERVER` names another program than the `redis-server` on the path, such as
//! one of another version: `LARDER_TEST_REDIS_SERVER=/opt/redis-8/redis-server cargo test --test it
//! two_pods_share_through_each_kind_of_url`. Clusters need 7.0 or later.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::gate::within;
use super::port::HeldPort;
use super::process::end;
use super::resp::{Reply, RespClient};

mod cluster;
mod sentinel;

pub use cluster::TestCluster;
pub use sentinel::TestSentinel;

/// A running `redis-server` that keeps nothing on disk; killed when dropped.
#[derive(Debug)]
pub struct TestRedis {
    /// `None` while it is killed.
    child: Mutex<Option<Child>>,
    port: HeldPort,
    /// Where it takes TLS, if it does.
    tls: Option<HeldPort>,
    directory: TempDir,
    arguments: Vec<String>,
    password: Option<String>,
}

/// How a test wants Redis.
#[derive(Debug)]
pub struct RedisBuilder {
    port: HeldPort,
    tls: Option<HeldPort>,
    directory: TempDir,
    arguments: Vec<String>,
    password: Option<String>,
}

impl RedisBuilder {
    /// Any arguments, such as `--maxmemory 4mb`.
    pub fn with(mut self, arguments: &[&str]) -> RedisBuilder {
        self.arguments
            .extend(arguments.iter().map(|word| (*word).to_owned()));
        self
    }

    /// Demands this password of everybody.
    pub fn password(mut self, password: &str) -> RedisBuilder {
        self.password = Some(password.to_owned());
        self.with(&["--requirepass", password])
    }

    /// Takes TLS on a second port, with this certificate and key; with `clients`, a PEM file of
    /// roots, it demands a certificate of its clients.
    pub fn tls(mut self, certificate: &Path, key: &Path, clients: Option<&Path>) -> RedisBuilder {
        let port = HeldPort::new();
        let demanded = if clients.is_some() { "yes" } else { "no" };
        for (name, value) in [
            ("--tls-port", port.port().to_string()),
            ("--tls-cert-file", certificate.display().to_string()),
            ("--tls-key-file", key.display().to_string()),
            (
                "--tls-ca-cert-file",
                clients.unwrap_or(certificate).display().to_string(),
            ),
            ("--tls-auth-clients", demanded.to_owned()),
        ] {
            self.arguments.extend([name.to_owned(), value]);
        }
        self.tls = Some(port);
        self
    }

    /// Starts it and waits until it answers.
    pub async fn start(self) -> TestRedis {
        let redis = TestRedis {
            child: Mutex::default(),
            port: self.port,
            tls: self.tls,
            directory: self.directory,
            arguments: self.arguments,
            password: self.password,
        };
        redis.restart().await;
        redis
    }
}

impl TestRedis {
    /// A Redis with nothing special.
    pub async fn start() -> TestRedis {
        TestRedis::build().start().await
    }

    /// A Redis with options.
    pub fn build() -> RedisBuilder {
        RedisBuilder {
            port: HeldPort::new(),
            tls: None,
            directory: tempfile::tempdir().expect("a directory"),
            arguments: Vec::new(),
            password: None,
        }
    }

    /// Kills it, if it runs, and starts it again where it was: empty, under another replication id.
    pub async fn restart(&self) {
        self.kill();
        let child = self.command_line().spawn().expect("redis-server is installed");
        let id = child.id();
        *self.child.lock() = Some(child);
        within("Redis to answer", async {
            while !self.is_up_as(id).await {
                self.assert_alive();
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }

    fn command_line(&self) -> Command {
        let program = std::env::var_os("LARDER_TEST_REDIS_SERVER");
        let mut command = Command::new(program.unwrap_or_else(|| "redis-server".into()));
        // A sentinel takes its settings from a file that it can write to.
        let settings = self.directory.path().join("sentinel.conf");
        if settings.exists() {
            command.arg(settings).arg("--sentinel");
        } else {
            command.args(["--save", "", "--appendonly", "no"]);
        }
        command
            .args(["--port", &self.port.port().to_string()])
            .args(["--bind", "127.0.0.1", "--loglevel", "warning"])
            .args(["--logfile", "redis.log", "--unixsocket", "redis.sock"])
            .arg("--dir")
            .arg(self.directory.path())
            .args(&self.arguments)
            .current_dir(self.directory.path())
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// Whether the process with this id answers; while it loads, it does not.
    async fn is_up_as(&self, id: u32) -> bool {
        let Ok(mut client) = self.try_client().await else {
            return false;
        };
        match client.command(&["INFO", "server"]).await {
            Ok(Reply::Bulk(info)) => {
                let info = String::from_utf8_lossy(&info).into_owned();
                field(&info, "process_id") == Some(&id.to_string())
            }
            _ => false,
        }
    }

    fn assert_alive(&self) {
        let mut child = self.child.lock();
        let ended = child
            .as_mut()
            .and_then(|child| child.try_wait().expect("a child"));
        if let Some(status) = ended {
            panic!("redis-server ended: {status}\n{}", self.said());
        }
    }

    /// What it wrote to its log.
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("redis.log")).unwrap_or_default()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// Where it takes TLS.
    pub fn tls_address(&self) -> SocketAddr {
        self.tls.as_ref().expect("a Redis with TLS").address()
    }

    /// Its socket in the file system.
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("redis.sock")
    }

    /// `redis://127.0.0.1:port/0`, without a password.
    pub fn url(&self) -> String {
        format!("redis://{}/0", self.address())
    }

    /// SIGSTOP: connections stay open, and nothing is answered.
    pub fn stop(&self) {
        self.signal(Signal::STOP);
    }

    /// SIGCONT.
    pub fn cont(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let child = self.child.lock();
        let child = child.as_ref().expect("a Redis that runs");
        kill_process(Pid::from_child(child), signal).expect("a signal");
    }

    /// SIGKILL; does nothing if it was killed before.
    pub fn kill(&self) {
        if let Some(mut child) = self.child.lock().take() {
            end(&mut child);
        }
    }

    /// A connection of one's own, logged in.
    pub async fn client(&self) -> RespClient {
        self.try_client().await.expect("a connection to Redis")
    }

    async fn try_client(&self) -> std::io::Result<RespClient> {
        let mut client = RespClient::connect(self.address()).await?;
        if let Some(password) = &self.password {
            client.command(&["AUTH", password]).await?;
        }
        Ok(client)
    }

    /// The reply to a command, on a connection of its own.
    pub async fn command(&self, words: &[impl AsRef<[u8]>]) -> Reply {
        let mut client = self.client().await;
        client.command(words).await.expect("a reply")
    }

    /// The same; an error fails the test.
    pub async fn done(&self, words: &[impl AsRef<[u8]>]) -> Reply {
        let reply = self.command(words).await;
        assert_eq!(reply.code(), None, "{reply:?}");
        reply
    }

    /// The names of all keys, sorted.
    pub async fn keys(&self) -> BTreeSet<String> {
        let reply = self.done(&["KEYS", "*"]).await;
        reply.items().iter().map(|key| key.text().to_owned()).collect()
    }

    /// One section of `INFO`.
    pub async fn info(&self, section: &str) -> String {
        self.done(&["INFO", section]).await.text().to_owned()
    }

    /// One field of `INFO`; fails if there is none.
    pub async fn info_field(&self, section: &str, name: &str) -> String {
        let info = self.info(section).await;
        let value = field(&info, name);
        value.unwrap_or_else(|| panic!("no {name} in {info}")).to_owned()
    }

    /// The commands that clients have used since the start or [`TestRedis::forget_commands`], as
    /// `INFO commandstats` names them, without those of this support: `config|resetstat`, and
    /// `info`, which it always uses to ask.
    pub async fn commands_used(&self) -> BTreeSet<String> {
        let info = self.info("commandstats").await;
        let names = info
            .lines()
            .filter_map(|line| line.strip_prefix("cmdstat_")?.split(':').next());
        names
            .filter(|name| *name != "config|resetstat")
            .map(str::to_owned)
            .collect()
    }

    /// Begins to count commands afresh.
    pub async fn forget_commands(&self) {
        self.done(&["CONFIG", "RESETSTAT"]).await;
    }
}

impl Drop for TestRedis {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What follows `name:` in an answer made of lines.
fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
}
