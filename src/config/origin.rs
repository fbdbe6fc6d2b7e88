//! How connections to the origin are secured, from what the user wrote to what the program reads.

use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use super::model::OriginTls;
use super::raw::RawOrigin;
use super::report::Report;
use super::resolve::{host_of, is_secured};
use super::tls::{self, Peer};

/// Who is on the other side.
const PEER: Peer = Peer {
    name: "the origin",
    in_clear: "write a url that begins with http://",
};

/// The protocols offered by ALPN (RFC 7301), the preferred one first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", HTTP1];
const HTTP1: &[u8] = b"http/1.1";

/// Reads what `origin.tls` names where the URL asks for TLS; `None` in clear, or if something is wrong,
/// all of which is noted.
pub(super) fn secured(
    written: Option<&RawOrigin>,
    directory: Option<&Path>,
    report: &mut Report,
) -> Option<OriginTls> {
    let origin = written?;
    let url = origin.url.as_ref()?;
    if !is_secured(&url.value) {
        if let Some(tls) = &origin.tls {
            let also = report.excerpt(&url.place, "in clear");
            let problem = report.error(&tls.place, "`tls` is given, and the url is one without TLS");
            problem.also(also);
            problem.cause("connections would be in clear, whatever certificates there are");
            problem.fix("begin the url with https://, or remove `tls`");
        }
        return None;
    }
    let client = tls::client(origin.tls.as_ref(), PEER, &url.place, directory, report);
    let named = origin.tls.as_ref().and_then(|tls| tls.server_name.as_ref());
    let (name, place) = match named {
        Some(named) => (named.value.clone(), &named.place),
        None => (host_of(&url.value)?, &url.place),
    };
    let Ok(server_name) = ServerName::try_from(name.clone()) else {
        let problem = report.error(
            place,
            format!("`{name}` is no name that a certificate can be for"),
        );
        problem.cause("it is compared with the origin's certificate");
        problem.fix("write a DNS name or an IP address as `tls: { server_name: ... }`");
        return None;
    };
    let client = client?;
    let http2 = origin.http2.as_ref().is_none_or(|http2| http2.value);
    let protocols = if http2 { &PROTOCOLS[..] } else { &[HTTP1] };
    Some(OriginTls {
        config: offering(&client.config, protocols),
        http1: offering(&client.config, &[HTTP1]),
        digest: client.digest,
        server_name,
    })
}

fn offering(config: &ClientConfig, protocols: &[&[u8]]) -> Arc<ClientConfig> {
    let mut config = config.clone();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Arc::new(config)
}
