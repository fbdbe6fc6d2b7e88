//! Reads where the slots of a cluster are: `CLUSTER SLOTS`, `MOVED` and `ASK`.

use std::ops::RangeInclusive;
use std::sync::Arc;

use redis_rs::Value;

use super::slot::SLOTS;
use super::{Failure, FailureKind};
use crate::config::RedisAddress;

/// Which master serves which slots.
pub(super) type Layout = Vec<(RangeInclusive<u16>, RedisAddress)>;

/// Where a server sends the asker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Redirect {
    /// The slot in question.
    pub(super) slot: u16,
    /// Who has it, or its key.
    pub(super) to: RedisAddress,
    /// Whether for good, or for this once and with leave.
    pub(super) kind: RedirectKind,
}

/// For how long a [`Redirect`] holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RedirectKind {
    /// The slot is there now.
    Moved,
    /// The slot is on its way there, the key perhaps already arrived.
    Ask,
}

/// The redirect that a reply is, if it is one. A server that does not know its own host leaves it
/// out: then it is that of `asked`.
pub(super) fn redirect(reply: &Value, asked: &RedisAddress) -> Option<Redirect> {
    let Value::ServerError(error) = reply else {
        return None;
    };
    let kind = match error.code() {
        "MOVED" => RedirectKind::Moved,
        "ASK" => RedirectKind::Ask,
        _ => return None,
    };
    let mut words = error.details()?.split_ascii_whitespace();
    let slot = words.next()?.parse().ok().filter(|&slot| slot < SLOTS)?;
    let (host, port) = words.next()?.rsplit_once(':')?;
    Some(Redirect {
        slot,
        to: address(host, port.parse().ok()?, asked)?,
        kind,
    })
}

/// What `CLUSTER SLOTS` told, asked of `asked`. A node that knows no slots is no help.
pub(super) fn layout(reply: &Value, asked: &RedisAddress) -> Result<Layout, Failure> {
    let ranges = match reply {
        Value::Array(ranges) => ranges,
        Value::ServerError(error) => return Err(Failure::of_server(error)),
        other => return Err(unreadable(other)),
    };
    let layout: Option<Layout> = ranges.iter().map(|range| of_range(range, asked)).collect();
    match layout {
        Some(layout) if layout.is_empty() => {
            Err(Failure::new(FailureKind::Moved, "the node knows of no slots"))
        }
        Some(layout) => Ok(layout),
        None => Err(unreadable(reply)),
    }
}

fn unreadable(reply: &Value) -> Failure {
    let mut detail = format!("CLUSTER SLOTS was answered by {reply:?}");
    detail.truncate(detail.floor_char_boundary(300));
    Failure::new(FailureKind::Protocol, detail)
}

/// First slot, last slot, the master, replicas.
fn of_range(range: &Value, asked: &RedisAddress) -> Option<(RangeInclusive<u16>, RedisAddress)> {
    let Value::Array(parts) = range else { return None };
    let [Value::Int(first), Value::Int(last), Value::Array(master), ..] = parts.as_slice() else {
        return None;
    };
    let [host, Value::Int(port), ..] = master.as_slice() else {
        return None;
    };
    let host = match host {
        Value::BulkString(host) => str::from_utf8(host).ok()?,
        Value::SimpleString(host) => host,
        Value::Nil => "",
        _ => return None,
    };
    let slot = |number: &i64| u16::try_from(*number).ok().filter(|&slot| slot < SLOTS);
    let to = address(host, u16::try_from(*port).ok()?, asked)?;
    Some((slot(first)?..=slot(last)?, to))
}

fn address(host: &str, port: u16, asked: &RedisAddress) -> Option<RedisAddress> {
    // `?`: the node is to be told by its name, and has none.
    if !host.is_empty() && host != "?" {
        return Some(RedisAddress::Tcp(host.into(), port));
    }
    match asked {
        RedisAddress::Tcp(host, _) => Some(RedisAddress::Tcp(Arc::clone(host), port)),
        RedisAddress::Unix(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use redis_rs::parse_redis_value;

    fn asked() -> RedisAddress {
        RedisAddress::Tcp("seed".into(), 7000)
    }

    #[test]
    fn redirects_are_read() {
        use RedirectKind::{Ask, Moved};
        for (said, read) in [
            (
                "MOVED 3999 127.0.0.1:6381",
                Some((3999, "127.0.0.1", 6381, Moved)),
            ),
            (
                "ASK 16383 redis-1.svc:6381",
                Some((16383, "redis-1.svc", 6381, Ask)),
            ),
            ("MOVED 1 :6381", Some((1, "seed", 6381, Moved))),
            ("MOVED 1 ?:6381", Some((1, "seed", 6381, Moved))),
            ("MOVED 1 2001:db8::1:6381", Some((1, "2001:db8::1", 6381, Moved))),
            ("MOVED 16384 a:6381", None),
            ("MOVED 1 a:b", None),
            ("MOVED 1", None),
            ("TRYAGAIN Multiple keys", None),
            ("ERR MOVED 1 a:1", None),
        ] {
            let value = parse_redis_value(format!("-{said}\r\n").as_bytes()).unwrap();
            let read = read.map(|(slot, host, port, kind)| Redirect {
                slot,
                to: RedisAddress::Tcp(host.into(), port),
                kind,
            });
            assert_eq!(redirect(&value, &asked()), read, "{said}");
        }
        assert_eq!(redirect(&Value::Nil, &asked()), None);
    }

    #[test]
    fn layouts_are_read() {
        let node = |host: &str, port| {
            Value::Array(vec![
                Value::BulkString(host.into()),
                Value::Int(port),
                Value::BulkString(b"id".to_vec()),
                Value::Array(Vec::new()),
            ])
        };
        let range = |first, last, host| {
            Value::Array(vec![
                Value::Int(first),
                Value::Int(last),
                node(host, 7001),
                node("replica", 7002),
            ])
        };
        let read = layout(
            &Value::Array(vec![range(0, 99, "a"), range(100, 16_383, "")]),
            &asked(),
        );
        let at = |host: &str| RedisAddress::Tcp(host.into(), 7001);
        assert_eq!(read.unwrap(), [(0..=99, at("a")), (100..=16_383, at("seed"))]);
        for (broken, kind) in [
            (Value::Array(Vec::new()), FailureKind::Moved),
            (Value::Nil, FailureKind::Protocol),
            (Value::Array(vec![range(0, 16_384, "a")]), FailureKind::Protocol),
            (Value::Array(vec![Value::Int(1)]), FailureKind::Protocol),
        ] {
            assert_eq!(layout(&broken, &asked()).unwrap_err().kind, kind, "{broken:?}");
        }
    }
}
