//! Reads what `INFO replication` tells: the role of a server, and the id that changes at every
//! restart and promotion.

use std::sync::Arc;

use redis_rs::Value;

use super::{Failure, FailureKind};

/// What a server is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A master with this replication id.
    Master(Arc<str>),
    /// Something else, in the server's word.
    Other(String),
}

/// The replication id in a reply to [`replication`](super::commands::replication), if it is a
/// master's.
///
/// For a [`Private`](super::Private) connection, which nobody but its owner watches: ask this with
/// every pipeline, and compare. `replication-id` if there is none, `not-a-master`, or what the
/// server said instead.
pub fn replication_id(reply: &Value) -> Result<Arc<str>, Failure> {
    match role(reply)? {
        Role::Master(id) => Ok(id),
        Role::Other(role) => Err(Failure::new(
            FailureKind::NotMaster,
            format!("the server's role is {role}"),
        )),
    }
}

/// What a reply to `INFO replication` says.
pub(super) fn role(reply: &Value) -> Result<Role, Failure> {
    let text = match reply {
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes),
        Value::VerbatimString { text, .. } | Value::SimpleString(text) => text.as_str().into(),
        Value::ServerError(error) => return Err(Failure::of_server(error)),
        other => {
            return Err(Failure::new(
                FailureKind::ReplicationId,
                format!("INFO was answered by {other:?}")
                    .chars()
                    .take(300)
                    .collect::<String>(),
            ));
        }
    };
    let field = |name: &str| {
        text.lines()
            .find_map(|line| line.trim_end().strip_prefix(name)?.strip_prefix(':'))
    };
    match field("role") {
        Some("master") => {}
        Some(role) => return Ok(Role::Other(role.to_owned())),
        None => return Err(Failure::new(FailureKind::ReplicationId, "INFO tells no role")),
    }
    // What is put between blanks in a key of Redis must have none in it.
    match field("master_replid") {
        Some(id) if !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            Ok(Role::Master(id.into()))
        }
        _ => Err(Failure::new(
            FailureKind::ReplicationId,
            "INFO replication tells no master_replid",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_role_and_the_id_are_read() {
        let info = |text: &str| role(&Value::BulkString(text.replace('\n', "\r\n").into_bytes()));
        let id = "8371b4fb1155b71f4a04d3e1bc3e18c4a990aeeb";
        let master = info(&format!(
            "# Replication\nrole:master\nconnected_slaves:0\nmaster_replid:{id}\nmaster_replid2:0000\n"
        ));
        assert_eq!(master.unwrap(), Role::Master(id.into()));
        let replica = info(&format!(
            "# Replication\nrole:slave\nmaster_host:a\nmaster_replid:{id}\n"
        ));
        assert_eq!(replica.unwrap(), Role::Other("slave".to_owned()));
        for broken in [
            "",
            "# Replication\n",
            "role:master\n",
            "role:master\nmaster_replid:\n",
            "role:master\nmaster_replid:a b\n",
            "master_replid:ab\n",
        ] {
            assert_eq!(
                info(broken).unwrap_err().kind,
                FailureKind::ReplicationId,
                "{broken}"
            );
        }
        assert_eq!(role(&Value::Nil).unwrap_err().kind, FailureKind::ReplicationId);
    }
}
