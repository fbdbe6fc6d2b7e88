//! Why a request to Redis came to nothing: each kind its own word for metrics and log, told from
//! what the server or the system said.

use std::io;

use redis_rs::{ErrorKind, RedisError, ServerError};

use super::dial::UnknownHost;

/// Why a request to Redis came to nothing.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}: {detail}", kind.word())]
pub struct Failure {
    /// What kind of failure it is.
    pub kind: FailureKind,
    /// The server's or the system's own words, for the log; never a password.
    pub detail: String,
}

/// Most of a server's words that are told.
const TOLD: usize = 300;

/// A server's words as they may stand in a log: not what it repeats of the command it was sent, and
/// not without end.
fn told(words: &str) -> String {
    let words = words.split("with args beginning with").next().unwrap_or_default();
    words
        .trim_end_matches([' ', ',', ':'])
        .chars()
        .take(TOLD)
        .collect()
}

/// The closed list of failures; a metric label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FailureKind {
    /// No connection stands, or the breaker is open: nothing was sent.
    Unavailable,
    /// No reply within the deadline.
    Timeout,
    /// The connection ended before the reply.
    Closed,
    /// No connection could be made: nobody listens there, or no way leads there.
    Refused,
    /// The host name has no address.
    UnknownHost,
    /// TLS came to nothing: a certificate, or a port that does not speak it.
    Tls,
    /// The server wants another password or user, or none.
    WrongPassword,
    /// The server has no database of this number.
    WrongDatabase,
    /// The ACL of the user lacks a command or key.
    NoPermission,
    /// The server's memory is full and it evicts nothing.
    OutOfMemory,
    /// The server takes no writes.
    ReadOnly,
    /// The server is still reading its data from disk.
    Loading,
    /// The server takes no writes for want of replicas.
    NoReplicas,
    /// The slot of the key is elsewhere, on its way, or nowhere.
    Moved,
    /// A script keeps the server busy.
    Busy,
    /// The server is a replica.
    NotMaster,
    /// The server tells no replication id, or another than before.
    ReplicationId,
    /// What came is not the protocol of Redis.
    Protocol,
    /// Any other refusal of the server.
    Other,
}

impl FailureKind {
    /// Every kind, in the order of their discriminants.
    pub const ALL: [FailureKind; 19] = [
        FailureKind::Unavailable,
        FailureKind::Timeout,
        FailureKind::Closed,
        FailureKind::Refused,
        FailureKind::UnknownHost,
        FailureKind::Tls,
        FailureKind::WrongPassword,
        FailureKind::WrongDatabase,
        FailureKind::NoPermission,
        FailureKind::OutOfMemory,
        FailureKind::ReadOnly,
        FailureKind::Loading,
        FailureKind::NoReplicas,
        FailureKind::Moved,
        FailureKind::Busy,
        FailureKind::NotMaster,
        FailureKind::ReplicationId,
        FailureKind::Protocol,
        FailureKind::Other,
    ];

    /// The word in metrics and log.
    pub const fn word(self) -> &'static str {
        match self {
            FailureKind::Unavailable => "unavailable",
            FailureKind::Timeout => "timeout",
            FailureKind::Closed => "closed",
            FailureKind::Refused => "refused",
            FailureKind::UnknownHost => "unknown-host",
            FailureKind::Tls => "tls",
            FailureKind::WrongPassword => "wrong-password",
            FailureKind::WrongDatabase => "wrong-database",
            FailureKind::NoPermission => "no-permission",
            FailureKind::OutOfMemory => "out-of-memory",
            FailureKind::ReadOnly => "read-only",
            FailureKind::Loading => "loading",
            FailureKind::NoReplicas => "no-replicas",
            FailureKind::Moved => "moved",
            FailureKind::Busy => "busy",
            FailureKind::NotMaster => "not-a-master",
            FailureKind::ReplicationId => "replication-id",
            FailureKind::Protocol => "protocol",
            FailureKind::Other => "other",
        }
    }

    /// What an operator can do about it; one sentence for the log.
    pub const fn advice(self) -> &'static str {
        match self {
            FailureKind::Unavailable => "an earlier line says why",
            FailureKind::Timeout => "look whether Redis hangs or swaps, or raise store.redis.timeout",
            FailureKind::Closed => "a new connection is being made",
            FailureKind::Refused => "look whether Redis runs and store.redis.url names its address",
            FailureKind::UnknownHost => "correct the host in store.redis.url, or the name service",
            FailureKind::Tls => {
                "look at store.redis.tls.ca, the names in the server's certificate, and whether the port speaks TLS"
            }
            FailureKind::WrongPassword => "correct store.redis.username and store.redis.password_file",
            FailureKind::WrongDatabase => "correct the database number in store.redis.url",
            FailureKind::NoPermission => "allow this user the commands and keys of docs/consistency.md",
            FailureKind::OutOfMemory => {
                "give Redis more memory, or set maxmemory-policy to one of the volatile ones"
            }
            FailureKind::ReadOnly => "point store.redis.url at a server that takes writes",
            FailureKind::Loading => "wait until Redis has read its data",
            FailureKind::NoReplicas => "bring the replicas back, or lower min-replicas-to-write",
            FailureKind::Moved => "look at the state of the cluster: CLUSTER INFO",
            FailureKind::Busy => "look for a long script of someone else: SCRIPT KILL ends it",
            FailureKind::NotMaster => "point store.redis.url at the master, or at its sentinels",
            FailureKind::ReplicationId => {
                "after a restart or fail-over none; else the server has to answer INFO replication with master_replid"
            }
            FailureKind::Protocol => "look whether the port is that of Redis, and whether it wants TLS",
            FailureKind::Other => "see the server's own words",
        }
    }
}

impl Failure {
    /// A failure in words of one's own.
    pub fn new(kind: FailureKind, detail: impl Into<String>) -> Failure {
        Failure {
            kind,
            detail: detail.into(),
        }
    }

    /// What a server said instead of a value.
    pub fn of_server(error: &ServerError) -> Failure {
        let (code, details) = (error.code(), error.details().unwrap_or_default());
        Failure::new(kind_of(code, details), told(&format!("{code} {details}")))
    }

    /// What a server says to a password: its first word alone, since some repeat the command that
    /// they do not know, password and all.
    pub(super) fn of_greeting(error: &ServerError) -> Failure {
        Failure::new(
            FailureKind::WrongPassword,
            format!("the server refused AUTH ({})", error.code()),
        )
    }

    /// What the client library says of a connection.
    pub fn of_library(error: &RedisError) -> Failure {
        let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
        while let Some(error) = source {
            if let Some(error) = error.downcast_ref::<ServerError>() {
                return Failure::of_server(error);
            }
            if let Some(error) = error.downcast_ref::<io::Error>() {
                return Failure::of_stream(error);
            }
            source = error.source();
        }
        let kind = match error.kind() {
            ErrorKind::Io => FailureKind::Closed,
            ErrorKind::Parse | ErrorKind::UnexpectedReturnType => FailureKind::Protocol,
            ErrorKind::AuthenticationFailed => FailureKind::WrongPassword,
            _ => FailureKind::Other,
        };
        Failure::new(kind, error.to_string())
    }

    /// What the system says of a connection that was being made.
    pub fn of_dial(error: &io::Error) -> Failure {
        if inner::<UnknownHost>(error).is_some() {
            return Failure::new(FailureKind::UnknownHost, error.to_string());
        }
        match of_tls(error) {
            Some(failure) => failure,
            None if error.kind() == io::ErrorKind::TimedOut => {
                Failure::new(FailureKind::Timeout, error.to_string())
            }
            None => Failure::new(FailureKind::Refused, error.to_string()),
        }
    }

    /// What the system says of a connection that stood.
    fn of_stream(error: &io::Error) -> Failure {
        of_tls(error).unwrap_or_else(|| Failure::new(FailureKind::Closed, error.to_string()))
    }
}

fn inner<E: std::error::Error + 'static>(error: &io::Error) -> Option<&E> {
    error.get_ref()?.downcast_ref::<E>()
}

/// Tells what the certificate is to blame for from a port that does not speak TLS at all.
fn of_tls(error: &io::Error) -> Option<Failure> {
    use rustls::Error;
    let tls = inner::<Error>(error)?;
    let why = match tls {
        Error::InvalidCertificate(_) => "the server's certificate is not accepted",
        Error::InvalidMessage(_) | Error::InappropriateMessage { .. } => "the port does not speak TLS",
        Error::AlertReceived(_) => "the server broke TLS off, perhaps for want of a client certificate",
        _ => "the TLS handshake failed",
    };
    Some(Failure::new(FailureKind::Tls, format!("{why}: {tls}")))
}

/// The kind of what a server said, by the first word and, where that is `ERR`, by the rest.
fn kind_of(code: &str, details: &str) -> FailureKind {
    let by_code = by_code(code);
    if by_code != FailureKind::Other {
        return by_code;
    }
    // Before version 7 an error within a script stands in the middle of the text:
    // `ERR Error running script (call to f_..): @user_script:4: @user_script: 4: -OOM command ..`.
    let within = details
        .split(": -")
        .nth(1)
        .and_then(|rest| rest.split(' ').next());
    let within = within.map_or(FailureKind::Other, self::by_code);
    if within != FailureKind::Other {
        return within;
    }
    let text = details.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if says(&["db index", "select is not allowed"]) {
        FailureKind::WrongDatabase
    } else if says(&[
        "without any password configured",
        "no password is set",
        "invalid password",
    ]) {
        FailureKind::WrongPassword
    } else if says(&["acl failure", "can't run this command", "no permissions"]) {
        FailureKind::NoPermission
    } else if code == "ERR" && says(&["protocol error"]) {
        FailureKind::Protocol
    } else {
        FailureKind::Other
    }
}

fn by_code(code: &str) -> FailureKind {
    match code {
        "WRONGPASS" | "NOAUTH" => FailureKind::WrongPassword,
        "NOPERM" => FailureKind::NoPermission,
        "OOM" => FailureKind::OutOfMemory,
        "READONLY" | "MISCONF" => FailureKind::ReadOnly,
        "LOADING" => FailureKind::Loading,
        "NOREPLICAS" => FailureKind::NoReplicas,
        "MOVED" | "ASK" | "TRYAGAIN" | "CLUSTERDOWN" => FailureKind::Moved,
        "BUSY" => FailureKind::Busy,
        "MASTERDOWN" => FailureKind::NotMaster,
        _ => FailureKind::Other,
    }
}

#[cfg(test)]
mod tests;
