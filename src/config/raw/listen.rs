//! `listen`: an address, or a list of them with what each shows its clients.

use super::super::reader::Reader;
use super::super::source::{Place, Spanned};
use super::super::tree::{Node, Value};

const EXPECTED: &str = "an address and a port such as 0.0.0.0:8080";

/// One listener, as written.
#[derive(Debug)]
pub(in crate::config) struct RawListen {
    pub address: Spanned<String>,
    pub tls: Option<RawListenerTls>,
}

/// `tls` of a listener, as written.
#[derive(Debug)]
pub(in crate::config) struct RawListenerTls {
    /// The key `tls` itself.
    pub place: Place,
    pub first: RawPair,
    /// Certificates for other names.
    pub more: Vec<RawPair>,
    pub client_ca: Option<Spanned<String>>,
}

/// A certificate and its key, as written.
#[derive(Debug)]
pub(in crate::config) struct RawPair {
    /// What both stand in.
    pub place: Place,
    pub certificate: Option<Spanned<String>>,
    pub key: Option<Spanned<String>>,
}

/// Reads any of the shapes; empty if nothing is written, or nothing of it is readable.
pub(super) fn read(node: Option<&Node>, r: &mut Reader<'_>) -> Vec<RawListen> {
    let Some(node) = node else { return Vec::new() };
    match &node.value {
        Value::List(items) if !items.is_empty() => items.iter().filter_map(|item| one(item, r)).collect(),
        Value::Text(_) | Value::Map(_) => one(node, r).into_iter().collect(),
        Value::Empty | Value::Null | Value::List(_) | Value::Noted => {
            r.wrong_kind(node, EXPECTED);
            Vec::new()
        }
    }
}

fn one(node: &Node, r: &mut Reader<'_>) -> Option<RawListen> {
    if !matches!(node.value, Value::Map(_)) {
        let address = r.text(Some(node), EXPECTED)?;
        return Some(RawListen { address, tls: None });
    }
    let mut f = r.section(Some(node), "listen")?;
    let address = f.get("address");
    if address.is_none() && !f.resembles("address") {
        let problem = r.report.error(&node.place, "this listener has no `address`");
        problem.cause("a map under `listen` says how clients are served, and must say where");
        problem.fix("add `address: 0.0.0.0:8443`");
    }
    let place = f.key_place("tls").cloned();
    let address = r.text(address, EXPECTED);
    let tls = tls(f.get("tls"), place, r);
    r.end(f);
    Some(RawListen {
        address: address?,
        tls,
    })
}

fn tls(node: Option<&Node>, place: Option<Place>, r: &mut Reader<'_>) -> Option<RawListenerTls> {
    let mut f = r.section(node, "tls")?;
    let place = place.unwrap_or(Place::Nowhere);
    let first = RawPair {
        place: place.clone(),
        certificate: r.text(f.get("certificate"), "the path of a file"),
        key: r.text(f.get("key"), "the path of a file"),
    };
    let tls = RawListenerTls {
        place,
        first,
        more: more(f.get("more"), r),
        client_ca: r.text(f.get("client_ca"), "the path of a file"),
    };
    r.end(f);
    Some(tls)
}

fn more(node: Option<&Node>, r: &mut Reader<'_>) -> Vec<RawPair> {
    let Some(node) = node else { return Vec::new() };
    let Value::List(items) = &node.value else {
        r.wrong_kind(node, "a list such as [{ certificate: b.crt, key: b.key }]");
        return Vec::new();
    };
    let pair = |item: &Node| {
        let mut f = r.section(Some(item), "more")?;
        let pair = RawPair {
            place: item.place.clone(),
            certificate: r.text(f.get("certificate"), "the path of a file"),
            key: r.text(f.get("key"), "the path of a file"),
        };
        r.end(f);
        Some(pair)
    };
    items.iter().filter_map(pair).collect()
}
