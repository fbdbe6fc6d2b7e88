//! What Redis says of the log, read; and the names of its keys.

use redis_rs::Value;

use super::shared::Logged;
use super::{EventId, Nonce};

/// The keys of a namespace's log. In a cluster they share a slot.
#[derive(Debug, Clone)]
pub struct Names {
    /// The stream.
    pub log: Vec<u8>,
    /// The incarnation: its nonce, and the replication id under which it was made.
    pub inc: Vec<u8>,
    /// The pods that follow it.
    pub pods: Vec<u8>,
}

impl Names {
    /// The keys for `namespace`.
    pub fn new(namespace: &str) -> Self {
        let name = |part: &str| format!("larder:{{{namespace}}}:{part}").into_bytes();
        Self {
            log: name("log"),
            inc: name("inc"),
            pods: name("pods"),
        }
    }
}

/// Nonce and replication id of the incarnation.
pub fn incarnation(value: &Value) -> Option<(Nonce, &str)> {
    let (nonce, replication) = text(value)?.split_once(' ')?;
    Some((Nonce::parse(nonce)?, replication))
}

/// The id of the newest event, of a reply that has at most one.
pub fn newest(value: &Value) -> Option<EventId> {
    match value {
        Value::Array(entries) => id_of(entries.first()?),
        _ => None,
    }
}

/// Entries of the stream, in the order of the reply; `None` where it is no such reply.
pub(super) fn entries(value: &Value) -> Option<Vec<Logged>> {
    match value {
        Value::Array(entries) => entries.iter().map(entry).collect(),
        Value::Nil => Some(Vec::new()),
        _ => None,
    }
}

/// Entries of the one stream that `XREAD` was asked for.
pub(super) fn followed(value: &Value) -> Option<Vec<Logged>> {
    match value {
        Value::Nil => Some(Vec::new()),
        Value::Array(streams) => match streams.as_slice() {
            [Value::Array(stream)] => entries(stream.get(1)?),
            _ => None,
        },
        Value::Map(streams) => entries(&streams.first()?.1),
        _ => None,
    }
}

/// A text.
pub(super) fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

/// Pairs of texts.
pub(super) fn pairs(value: &Value) -> Vec<(&str, &str)> {
    match value {
        Value::Array(list) => list
            .chunks_exact(2)
            .filter_map(|pair| Some((text(pair.first()?)?, text(pair.get(1)?)?)))
            .collect(),
        Value::Map(pairs) => pairs
            .iter()
            .filter_map(|(key, value)| Some((text(key)?, text(value)?)))
            .collect(),
        _ => Vec::new(),
    }
}

fn entry(value: &Value) -> Option<Logged> {
    let id = id_of(value)?;
    let Value::Array(parts) = value else { return None };
    // An entry that was deleted by hand has no fields: it may have been anything.
    let payload = match parts.get(1) {
        Some(Value::Array(fields)) => fields.get(1),
        _ => None,
    };
    let payload = match payload {
        Some(Value::BulkString(payload)) => payload.as_slice(),
        _ => &[],
    };
    Some(Logged::read(id, payload))
}

fn id_of(value: &Value) -> Option<EventId> {
    match value {
        Value::Array(parts) => EventId::parse(text(parts.first()?)?),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    fn entries_are_read_in_order_and_what_is_unreadable_touches_everything() {
        let entry = |id: &str, payload: &[u8]| {
            let payload = Value::BulkString(payload.to_vec());
            Value::Array(vec![bulk(id), Value::Array(vec![bulk("e"), payload])])
        };
        let list = Value::Array(vec![
            entry("1-0", &super::super::wire::begin()),
            entry("2-7", b"?"),
        ]);
        let read = entries(&list).unwrap();
        assert_eq!(read[1].id, EventId { ms: 2, seq: 7 });
        assert!(read[0].events.is_empty() && read[1].events[0].matter.everything);
        let streams = Value::Array(vec![Value::Array(vec![bulk("log"), list])]);
        assert_eq!(followed(&streams).unwrap().len(), 2);
        assert_eq!(followed(&Value::Nil).unwrap().len(), 0);
        assert!(followed(&Value::Int(1)).is_none());
    }

    #[test]
    fn an_incarnation_is_a_nonce_and_a_replication_id() {
        let nonce = Nonce::random();
        let value = bulk(&format!("{nonce} abc"));
        assert_eq!(incarnation(&value), Some((nonce, "abc")));
        for other in [bulk("abc"), bulk(&format!("{nonce}")), Value::Nil] {
            assert_eq!(incarnation(&other), None);
        }
    }
}
