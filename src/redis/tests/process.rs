//! A server in a process of its own.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use redis_rs::{Parser, Value, pack_command};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::PATIENCE;
use crate::config::RedisAddress;

/// A server in a process of its own; it is killed when it is dropped.
pub(super) struct Process {
    child: Child,
    pub(super) folder: TempDir,
    arguments: Vec<String>,
    pub(super) address: RedisAddress,
}

impl Process {
    /// On a socket in the file system.
    pub(super) fn unix(more: &[&str]) -> Process {
        let folder = TempDir::new().unwrap();
        let socket = folder.path().join("redis.sock");
        let mut arguments = strings(&["--port", "0", "--unixsocket"]);
        arguments.push(socket.display().to_string());
        arguments.extend(strings(more));
        Process::run(folder, arguments, RedisAddress::Unix(socket)).unwrap()
    }

    /// On a port of its own; `more` sees further free ports.
    pub(super) fn tcp(more: impl Fn(&TempDir, u16) -> Vec<String>) -> Process {
        let mut last = None;
        // Another process may take the port before the server does.
        for _ in 0..10 {
            let folder = TempDir::new().unwrap();
            let port = free_port();
            let mut arguments = more(&folder, port);
            if !arguments.iter().any(|argument| argument == "--port") {
                arguments.splice(0..0, strings(&["--port", &port.to_string()]));
            }
            match Process::run(folder, arguments, RedisAddress::Tcp("127.0.0.1".into(), port)) {
                Ok(process) => return process,
                Err(why) => last = Some(why),
            }
        }
        panic!("no server starts: {last:?}");
    }

    /// As `tcp`, with arguments that need no port.
    pub(super) fn plain_tcp(more: &[&str]) -> Process {
        Process::tcp(|_, _| strings(more))
    }

    fn run(folder: TempDir, arguments: Vec<String>, address: RedisAddress) -> Result<Process, String> {
        let child = spawn(&folder, &arguments);
        let mut process = Process {
            child,
            folder,
            arguments,
            address,
        };
        process.ready()?;
        Ok(process)
    }

    fn ready(&mut self) -> Result<(), String> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if self.child.try_wait().unwrap().is_some() {
                return Err(self.log());
            }
            if self.has_begun() && self.connect().is_some() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Err("it does not listen".to_owned())
    }

    /// Whether it says that it listens. That something can be connected to does not tell: another may
    /// have taken the port first.
    fn has_begun(&self) -> bool {
        let log = self.log();
        log.contains("Server initialized") || log.contains("Sentinel ID is")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn connect(&self) -> Option<Box<dyn Both>> {
        match &self.address {
            RedisAddress::Unix(path) => Some(Box::new(UnixStream::connect(path).ok()?)),
            RedisAddress::Tcp(host, port) => Some(Box::new(TcpStream::connect((&**host, *port)).ok()?)),
        }
    }

    pub(super) fn port(&self) -> u16 {
        match &self.address {
            RedisAddress::Tcp(_, port) => *port,
            RedisAddress::Unix(_) => panic!("it listens on a socket"),
        }
    }

    /// One command, past everything that is tested.
    pub(super) fn say(&self, command: &[&str]) -> Value {
        let mut stream = self.connect().expect("the server listens");
        let parts: Vec<_> = command.iter().map(|part| part.as_bytes().to_vec()).collect();
        stream.write_all(&pack_command(&parts)).unwrap();
        Parser::new().parse_value(stream).unwrap()
    }

    /// One command that has to be answered by a text.
    pub(super) fn text(&self, command: &[&str]) -> String {
        match self.say(command) {
            Value::BulkString(bytes) => String::from_utf8(bytes).unwrap(),
            Value::SimpleString(text) => text,
            Value::Okay => "OK".to_owned(),
            other => panic!("{command:?}: {other:?}"),
        }
    }

    /// The replication id that the server has now.
    pub(super) fn replication(&self) -> String {
        let info = self.text(&["INFO", "replication"]);
        let id = info.lines().find_map(|line| line.strip_prefix("master_replid:"));
        id.unwrap().trim().to_owned()
    }

    pub(super) fn stop(&self) {
        self.signal(Signal::STOP);
    }

    pub(super) fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let id = Pid::from_child(&self.child);
        kill_process(id, signal).unwrap();
    }

    pub(super) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again where it was.
    pub(super) fn restart(&mut self) {
        self.child = spawn(&self.folder, &self.arguments);
        self.ready().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

trait Both: std::io::Read + Write {}
impl<T: std::io::Read + Write> Both for T {}

fn spawn(folder: &TempDir, arguments: &[String]) -> Child {
    let log = folder.path().join("log");
    // Of an earlier life, if any.
    let _ = std::fs::remove_file(&log);
    Command::new("redis-server")
        .args(arguments)
        .args(["--save", "", "--appendonly", "no", "--bind", "127.0.0.1"])
        .args(["--enable-debug-command", "yes", "--logfile"])
        .arg(log)
        .arg("--dir")
        .arg(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("redis-server is installed")
}

/// A port that was free a moment ago.
pub(super) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

pub(super) fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

/// A path in text.
pub(super) fn shown(path: PathBuf) -> String {
    path.display().to_string()
}
