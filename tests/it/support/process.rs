//! The binary as its own process: started on ports of its own, sent signals, and seen to end.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::mpsc;

use super::client::{Client, Response};
use super::gate::within;
use super::larder::{metric, whole_yaml};

/// A running `larder serve`; killed when dropped.
#[derive(Debug)]
pub struct LarderProcess {
    child: Child,
    /// Where clients connect.
    pub listen: SocketAddr,
    /// The admin port.
    pub admin: SocketAddr,
    /// The first line on standard error.
    pub first: String,
    /// Lines on standard error after the first.
    lines: mpsc::UnboundedReceiver<String>,
    /// Lines on standard output.
    output: mpsc::UnboundedReceiver<String>,
    /// Its working directory, which holds the configuration.
    directory: TempDir,
}

/// The binary, without this process's environment.
pub fn larder(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_larder"));
    command.args(arguments).env_clear().stdin(Stdio::null());
    command
}

/// Runs the binary to its end, outside the test's runtime.
pub async fn run(arguments: &[&str]) -> Output {
    let mut command = larder(arguments);
    let running = tokio::task::spawn_blocking(move || command.output());
    within("a command's end", running)
        .await
        .unwrap()
        .expect("the binary runs")
}

/// A configuration file in a directory of its own; `yaml` needs only what the test is about.
pub fn config_file(yaml: &str) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("larder.yaml");
    std::fs::write(&path, yaml).expect("a file");
    (directory, path)
}

impl LarderProcess {
    /// Starts it before the origin at `url` and waits until it says that it is up.
    pub async fn start(yaml: &str, url: &str) -> LarderProcess {
        LarderProcess::heard(yaml, url, lines_of).await
    }

    /// The same, but nobody reads its standard error after the first line.
    pub async fn start_unheard(yaml: &str, url: &str) -> LarderProcess {
        LarderProcess::heard(yaml, url, first_line_of).await
    }

    async fn heard(
        yaml: &str,
        url: &str,
        hear: fn(ChildStderr) -> mpsc::UnboundedReceiver<String>,
    ) -> LarderProcess {
        let (directory, path) = config_file(&whole_yaml(yaml, url));
        let mut command = larder(&["serve", "--config"]);
        command.arg(path);
        LarderProcess::up(command, directory, hear).await
    }

    /// The same under `ulimit`, such as `-n 48`.
    pub async fn start_under(limit: &str, yaml: &str, url: &str) -> LarderProcess {
        let (directory, path) = config_file(&whole_yaml(yaml, url));
        let mut command = Command::new("sh");
        let line = format!("ulimit {limit} && exec \"$@\"");
        command.args(["-c", &line, "sh", env!("CARGO_BIN_EXE_larder")]);
        command.args(["serve", "--config"]).arg(path);
        command.env_clear().stdin(Stdio::null());
        LarderProcess::up(command, directory, lines_of).await
    }

    /// Starts it with the configuration at `path` below `directory`.
    pub async fn start_at(directory: TempDir, path: &str) -> LarderProcess {
        let mut command = larder(&["serve", "--config"]);
        command.arg(directory.path().join(path));
        LarderProcess::up(command, directory, lines_of).await
    }

    /// Starts it with flags alone, where there is no file.
    pub async fn start_bare(arguments: &[&str]) -> LarderProcess {
        let directory = tempfile::tempdir().expect("a directory");
        LarderProcess::up(larder(arguments), directory, lines_of).await
    }

    async fn up(
        mut command: Command,
        directory: TempDir,
        hear: fn(ChildStderr) -> mpsc::UnboundedReceiver<String>,
    ) -> LarderProcess {
        let mut child = command
            .current_dir(directory.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut lines = hear(child.stderr.take().expect("its standard error"));
        let output = lines_of(child.stdout.take().expect("its standard output"));
        // Warnings about what it was given may come before.
        let first = within("the first log line", async {
            loop {
                let line = lines.recv().await.expect("a first log line");
                if line.contains("larder is up") {
                    return line;
                }
            }
        })
        .await;
        LarderProcess {
            listen: address("listen", &first),
            admin: address("admin", &first),
            child,
            first,
            lines,
            output,
            directory,
        }
    }

    /// The directory that holds its configuration.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Writes another configuration for the origin at `url` in the place of its own.
    pub fn rewrite(&self, yaml: &str, url: &str) {
        let path = self.directory().join("larder.yaml");
        std::fs::write(path, whole_yaml(yaml, url)).expect("a file");
    }

    /// Has it read its configuration again by `POST /reload`.
    pub async fn reload(&self) -> Response {
        let json = [("Content-Type", "application/json")];
        self.admin("POST", "/reload", &json).await
    }

    /// Any request on the admin port.
    pub async fn admin(&self, method: &str, target: &str, fields: &[(&str, &str)]) -> Response {
        let fields = [&[("Host", "localhost")], fields].concat();
        let mut client = Client::connect(self.admin).await;
        client.request(method, target, &fields, b"").await.complete()
    }

    /// The URL of the admin port.
    pub fn admin_url(&self) -> String {
        format!("http://{}", self.admin)
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line on standard output.
    pub async fn printed(&mut self) -> String {
        let line = within("a line on standard output", self.output.recv()).await;
        line.expect("a line before the end")
    }

    /// The most memory it has held so far, bytes.
    pub fn highest_resident(&self) -> u64 {
        self.memory("VmHWM:")
    }

    /// The memory that it holds now, bytes.
    pub fn resident(&self) -> u64 {
        self.memory("VmRSS:")
    }

    fn memory(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("Linux");
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
        1024 * kib.expect("a size in kB").parse::<u64>().expect("a number")
    }

    /// How many files it may open.
    pub fn files(&self) -> u64 {
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", self.child.id())).expect("Linux");
        let line = limits
            .lines()
            .find_map(|line| line.strip_prefix("Max open files"));
        let soft = line.and_then(|line| line.split_whitespace().next());
        soft.expect("a soft limit").parse().expect("a number")
    }

    /// Waits until it says such a line on standard error.
    pub async fn said(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        within("a line on standard error", async {
            loop {
                let line = self.lines.recv().await.expect("a line before the end");
                if wanted(&line) {
                    return line;
                }
            }
        })
        .await
    }

    /// A client connection.
    pub async fn connect(&self) -> Client {
        Client::connect(self.listen).await
    }

    /// GET on a connection of its own; the answer must be whole.
    pub async fn get(&self, target: &str) -> Response {
        self.connect().await.get(target).await.complete()
    }

    /// GET on the admin port.
    pub async fn admin_get(&self, target: &str) -> Response {
        self.admin("GET", target, &[]).await
    }

    /// The sum of a counter over all its series that carry every one of `labels`.
    pub async fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        metric(self.admin_get("/metrics").await.text(), name, labels)
    }

    /// Waits until a metric is as it should be.
    pub async fn until_metric(&self, name: &str, labels: &[(&str, &str)], so: impl Fn(f64) -> bool) {
        within(name, async {
            while !so(self.metric(name, labels).await) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }

    /// Waits until `/readyz` says no, so that a drain has begun.
    pub async fn draining(&self) {
        within("the drain to begin", async {
            while self.admin_get("/readyz").await.status != 503 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }

    /// Waits until nobody accepts connections any more.
    pub async fn refuses(&self) {
        within("connections to be refused", async {
            while tokio::net::TcpStream::connect(self.listen).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }

    /// Sends a signal, such as `TERM`.
    pub fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    /// Waits for the end: the exit code, and what it said on standard error after its first line.
    pub async fn ended(&mut self) -> (Option<i32>, Vec<String>) {
        let code = within("the process to end", async {
            loop {
                if let Some(status) = self.child.try_wait().expect("a child") {
                    return status.code();
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        let mut said = Vec::new();
        while let Some(line) = within("the end of standard error", self.lines.recv()).await {
            said.push(line);
        }
        (code, said)
    }
}

/// What `name` is in a log line, in JSON or text.
fn address(name: &str, line: &str) -> SocketAddr {
    let json = serde_json::from_str::<serde_json::Value>(line).ok();
    let text = match &json {
        Some(said) => said.get(name).and_then(|value| value.as_str()),
        None => line
            .split(' ')
            .find_map(|word| word.strip_prefix(name)?.strip_prefix('=')),
    };
    let text = text.unwrap_or_else(|| panic!("no {name} in {line}"));
    text.parse().expect("an address")
}

impl Drop for LarderProcess {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Sends a signal to a child that has not been waited for, so that its id is still its own.
pub(super) fn signal(child: &Child, name: &str) {
    let line = format!("kill -{name} {}", child.id());
    let status = Command::new("sh").args(["-c", &line]).status().expect("a shell");
    assert!(status.success(), "{line}");
}

/// Kills a child, if it still runs, and takes it off the system's table.
pub(super) fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// One line; the rest stays in the pipe, which stays open for as long as the test runs.
fn first_line_of(pipe: ChildStderr) -> mpsc::UnboundedReceiver<String> {
    let (sender, lines) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        let mut pipe = BufReader::with_capacity(1, pipe);
        let mut line = String::new();
        if pipe.read_line(&mut line).is_ok() {
            let _ = sender.send(line);
        }
        std::thread::park();
    });
    lines
}

/// Lines as they come, read by a thread so that the child never waits for its reader.
pub(super) fn lines_of(pipe: impl Read + Send + 'static) -> mpsc::UnboundedReceiver<String> {
    let (sender, lines) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            // Nobody listening is no reason to stop reading.
            let _ = sender.send(line);
        }
    });
    lines
}
