//! Who may see other people's data and drop it. Pure.
//!
//! With a token: whoever shows it. Without: callers on this machine, as long as no browser and
//! no proxy speaks for someone else. A page that a developer visits can send requests to
//! loopback, also under a name of its own (DNS rebinding); such a request names a host that is
//! neither `localhost` nor an address, or says where it comes from.

use std::net::{IpAddr, Ipv6Addr};

use http::{HeaderMap, HeaderName, Method, StatusCode, Uri, header, request::Parts};
use sha2::{Digest, Sha256};

use super::problem::Problem;
use crate::config::Secret;

/// The two ends of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends {
    pub peer: IpAddr,
    /// `None`: the system does not say.
    pub local: Option<IpAddr>,
}

/// Lets a request to a guarded resource pass, or says why not.
pub(super) fn admit(token: Option<&Secret>, ends: Ends, request: &Parts) -> Result<(), Problem> {
    refuse_pages(&request.headers)?;
    match token {
        Some(token) => has_token(token, &request.headers)?,
        None => is_local(ends, &request.uri, &request.headers)?,
    }
    if request.method == Method::POST {
        is_json(&request.headers)?;
    }
    Ok(())
}

/// A script of some page sends `Origin`, and a browser says how far away the page is.
fn refuse_pages(fields: &HeaderMap) -> Result<(), Problem> {
    let far = |site: &http::HeaderValue| site != "none" && site != "same-origin";
    let elsewhere = fields.get_all("sec-fetch-site").iter().any(far);
    if elsewhere || fields.contains_key(header::ORIGIN) {
        return Err(forbidden(
            "requests from web pages are refused (`Origin`, `Sec-Fetch-Site`)",
        ));
    }
    Ok(())
}

fn has_token(token: &Secret, fields: &HeaderMap) -> Result<(), Problem> {
    let missing = || {
        let detail = "send `Authorization: Bearer` with the token of `admin_token_file`";
        Problem::new(StatusCode::UNAUTHORIZED, detail)
    };
    let sent = only(fields, header::AUTHORIZATION).ok_or_else(missing)?;
    let (scheme, credentials) = sent.split_once(' ').ok_or_else(missing)?;
    // RFC 9110 §11.1: the scheme is compared without case.
    let same = scheme.eq_ignore_ascii_case("bearer") && same_secret(credentials.trim(), &token.0);
    if same { Ok(()) } else { Err(missing()) }
}

/// Takes the same time wherever the two differ: their digests are compared whole.
fn same_secret(sent: &str, expected: &str) -> bool {
    let (sent, expected) = (Sha256::digest(sent), Sha256::digest(expected));
    let differing = sent
        .iter()
        .zip(expected.iter())
        .fold(0_u8, |differing, (a, b)| differing | (a ^ b));
    differing == 0
}

fn is_local(ends: Ends, uri: &Uri, fields: &HeaderMap) -> Result<(), Problem> {
    let loopback = |address: IpAddr| address.to_canonical().is_loopback();
    // A proxy on this machine, such as a service mesh's, connects from loopback to the address that
    // others use.
    if !loopback(ends.peer) || !ends.local.is_some_and(loopback) {
        return Err(forbidden(
            "without `admin_token_file` only callers on this machine are answered",
        ));
    }
    if fields.keys().any(is_proxys) {
        return Err(forbidden(
            "without `admin_token_file` requests that came through a proxy are refused",
        ));
    }
    let host = only(fields, header::HOST);
    // An absolute target has a host of its own, which must not hide the field's (RFC 9112 §3.2.2).
    let agree = uri
        .authority()
        .is_none_or(|authority| host == Some(authority.as_str()));
    match host {
        Some(host) if agree && is_local_name(host) => Ok(()),
        _ => Err(forbidden(
            "without `admin_token_file` `Host` must be localhost or an IP address",
        )),
    }
}

/// Whether a field is a proxy's: with one, the peer's address says nothing about who asks.
fn is_proxys(name: &HeaderName) -> bool {
    let name = name.as_str();
    matches!(name, "via" | "forwarded" | "x-real-ip")
        || name.starts_with("x-forwarded-")
        || name.starts_with("x-envoy-")
}

/// `localhost` or an IP literal, with or without a port.
fn is_local_name(host: &str) -> bool {
    if let Some((literal, port)) = host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return literal.parse::<Ipv6Addr>().is_ok() && (port.is_empty() || is_port(port));
    }
    let (name, port) = host.find(':').map_or((host, ""), |colon| host.split_at(colon));
    let local = name.eq_ignore_ascii_case("localhost") || name.parse::<std::net::Ipv4Addr>().is_ok();
    local && (port.is_empty() || is_port(port))
}

fn is_port(text: &str) -> bool {
    text.strip_prefix(':')
        .is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
}

/// A page may send forms and plain text anywhere, but JSON only where it was allowed to.
fn is_json(fields: &HeaderMap) -> Result<(), Problem> {
    let kind = only(fields, header::CONTENT_TYPE).unwrap_or_default();
    let media = kind.split(';').next().unwrap_or_default().trim();
    if media.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "send `Content-Type: application/json`",
    ))
}

/// The value of a field that has exactly one line.
fn only(fields: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut lines = fields.get_all(name).iter();
    let first = lines.next()?.to_str().ok()?;
    lines.next().is_none().then_some(first)
}

fn forbidden(detail: &str) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, detail)
}

#[cfg(test)]
mod tests;
