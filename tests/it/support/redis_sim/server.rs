//! One server of the simulation: its data, its role, and the commands that are about itself.

use std::collections::BTreeSet;

use tokio::time::Instant;

use super::data::{Data, Turn, is};
use crate::support::resp::{Reply, name};

/// What changes data.
const WRITES: &[&str] = &["SET", "DEL", "UNLINK", "HSET", "HDEL", "XADD", "XTRIM"];

/// A server; those that are gone are kept, since connections know servers by number.
pub struct Server {
    pub data: Data,
    pub replication: String,
    pub role: Role,
    /// How far its clock is ahead, milliseconds.
    pub skew: i64,
    /// Pods that reach this server and no other, while it is cut off from the master.
    pub pods: BTreeSet<usize>,
}

/// What a server does about writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Master,
    /// A master that misses its replicas and therefore takes no writes.
    Alone,
    /// Shows what the master has.
    Replica,
}

impl Role {
    /// The error with which it refuses a command of this name.
    pub fn refuses(self, name: &str) -> Option<&'static str> {
        match self {
            _ if !WRITES.contains(&name) => None,
            Role::Master => None,
            Role::Alone => Some("NOREPLICAS Not enough good replicas to write."),
            Role::Replica => Some("READONLY You can't write against a read only replica."),
        }
    }

    fn word(self) -> &'static str {
        match self {
            Role::Master | Role::Alone => "master",
            Role::Replica => "slave",
        }
    }
}

/// The commands that touch no key; `None` for all others.
pub fn about_itself(words: &[Vec<u8>], role: Role, replication: &str, policy: &str) -> Option<Reply> {
    let second = words.get(1).map_or(&b""[..], Vec::as_slice);
    Some(match name(words).as_str() {
        "PING" => Reply::Simple("PONG".to_owned()),
        "AUTH" => Reply::error(
            "ERR AUTH <password> called without any password configured for the default user. \
             Are you sure your configuration is correct?",
        ),
        "SELECT" => match std::str::from_utf8(second)
            .ok()
            .and_then(|text| text.parse().ok())
        {
            Some(0..=15_u32) => Reply::ok(),
            Some(_) => Reply::error("ERR DB index is out of range"),
            None => Reply::error("ERR value is not an integer or out of range"),
        },
        "CLIENT" if is(second, "SETINFO") => Reply::ok(),
        "CONFIG" if is(second, "GET") => match words.get(2) {
            Some(setting) if is(setting, "maxmemory-policy") => {
                Reply::Array(vec![Reply::bulk(setting), Reply::bulk(policy)])
            }
            _ => Reply::Array(Vec::new()),
        },
        "INFO" if is(second, "replication") => Reply::bulk(format!(
            "# Replication\r\nrole:{}\r\nconnected_slaves:0\r\nmaster_failover_state:no-failover\r\n\
             master_replid:{replication}\r\nmaster_replid2:{:040}\r\nmaster_repl_offset:0\r\n",
            role.word(),
            0
        )),
        "CLUSTER" | "ASKING" => Reply::error("ERR This instance has cluster support disabled"),
        _ => return None,
    })
}

impl Server {
    /// When a command would run here now.
    pub fn turn<'a>(&self, millis: u64, refused: &'a dyn Fn(&str) -> Option<String>) -> Turn<'a> {
        Turn {
            now: Instant::now(),
            millis: millis.saturating_add_signed(self.skew),
            refused,
        }
    }
}
