//! `origin`: a URL, or a map with one.

use std::time::Duration;

use super::super::reader::Reader;
use super::super::source::Spanned;
use super::super::tree::{Node, Value};
use super::redis::RawTls;

/// `origin`, as written.
#[derive(Debug, Default)]
pub(in crate::config) struct RawOrigin {
    pub url: Option<Spanned<String>>,
    pub tls: Option<RawTls>,
    pub http2: Option<Spanned<bool>>,
    pub connect_timeout: Option<Spanned<Duration>>,
    pub response_timeout: Option<Spanned<Duration>>,
    pub idle_timeout: Option<Spanned<Duration>>,
    pub max_connections: Option<Spanned<u64>>,
    pub max_in_flight: Option<Spanned<u64>>,
    pub host: Option<Spanned<RawHost>>,
}

/// Which `Host` the origin is to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::config) enum RawHost {
    /// The client's.
    Forward,
    /// This one.
    Fixed(String),
}

impl RawOrigin {
    /// Reads either shape.
    pub fn read(node: Option<&Node>, r: &mut Reader<'_>) -> Option<Self> {
        let node = node?;
        match &node.value {
            Value::Text(_) => Some(RawOrigin {
                url: r.text(Some(node), "a URL"),
                ..RawOrigin::default()
            }),
            Value::Map(_) => Self::section(node, r),
            Value::Empty | Value::Null | Value::List(_) | Value::Noted => {
                r.wrong_kind(node, "a URL such as http://127.0.0.1:3000, or a map with `url`");
                None
            }
        }
    }

    fn section(node: &Node, r: &mut Reader<'_>) -> Option<Self> {
        let mut f = r.section(Some(node), "origin")?;
        let url = f.get("url");
        if url.is_none() {
            let problem = r.report.error(&node.place, "`origin` has no `url`");
            problem.cause("a map under `origin` says how the origin is treated, and must say where it is");
            problem.fix("add `url: http://127.0.0.1:3000` under `origin`");
        }
        let tls = f.key_place("tls").cloned();
        let origin = Self {
            url: r.text(url, "a URL such as http://127.0.0.1:3000"),
            tls: RawTls::of_origin(f.get("tls"), tls, r),
            http2: r.boolean(f.get("http2")),
            connect_timeout: r.timeout(f.get("connect_timeout")),
            response_timeout: r.timeout(f.get("response_timeout")),
            idle_timeout: r.duration(f.get("idle_timeout")),
            max_connections: r.number(f.get("max_connections"), 1),
            max_in_flight: r.number(f.get("max_in_flight"), 1),
            host: host(f.get("host"), r),
        };
        r.end(f);
        Some(origin)
    }
}

fn host(node: Option<&Node>, r: &mut Reader<'_>) -> Option<Spanned<RawHost>> {
    let text = r.text(node, "`forward` or a host name")?;
    let host = match text.value.as_str() {
        "forward" => RawHost::Forward,
        other
            if other
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b".-_:[]".contains(&b)) =>
        {
            RawHost::Fixed(other.to_owned())
        }
        other => {
            let problem = r.report.error(&text.place, format!("`{other}` is not a host"));
            problem.cause("a host is a name or address, and perhaps a port");
            problem.fix("write one such as shop.example.com, or `forward` for the client's own");
            return None;
        }
    };
    Some(Spanned::new(host, &text.place))
}
