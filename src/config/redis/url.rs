//! Where Redis is, out of one URL: one server, sentinels, a cluster or a socket, in this
//! language's spelling; other people's spellings are understood, or refused with the right one.
//!
//! Nothing that this says of a URL shows a password.

mod host;
mod scheme;

use self::host::{address, addresses};
use self::scheme::{Kind, SCHEMES};
use super::super::hidden::elided;
use super::super::model::{RedisAddress, RedisServers, Secret};
use super::super::resolve::with_braces;

/// Ports where the URL names none.
const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

/// What a URL says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Located {
    pub servers: RedisServers,
    pub database: u32,
    pub username: Option<String>,
    pub password: Option<Secret>,
    /// Whether connections are secured.
    pub tls: bool,
}

/// Why a text is no URL of a Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    /// Why.
    pub cause: String,
    /// What to write.
    pub fix: String,
}

/// The URL cut at its seams.
struct Parts<'t> {
    scheme: &'t str,
    user: Option<&'t str>,
    hosts: &'t str,
    path: &'t str,
    query: Vec<(&'t str, &'t str)>,
}

/// Reads a URL.
///
/// # Errors
/// Why it is none, and what to write instead, in words that may be shown.
pub(super) fn parse(text: &str) -> Result<Located, Refused> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(without_scheme(text));
    };
    if let Some(meant) = with_braces(&elided(text)) {
        return refuse(
            "a variable stands for its value only in braces",
            format!("write {meant}"),
        );
    }
    if text.contains(char::is_whitespace) {
        let cause = "a URL has no spaces";
        return refuse(cause, "remove them; in a password, write %20 for a space");
    }
    let Some((_, kind, tls)) = SCHEMES.iter().find(|(name, ..)| *name == scheme) else {
        return Err(scheme::other(scheme, rest));
    };
    let parts = cut(scheme, rest, *kind)?;
    let (username, password) = user(parts.user)?;
    let mut located = Located {
        servers: RedisServers::Cluster { seeds: Vec::new() },
        database: 0,
        username,
        password,
        tls: *tls,
    };
    match kind {
        Kind::One => one(&parts, &mut located)?,
        Kind::Sentinel => sentinel(&parts, &mut located)?,
        Kind::Cluster => cluster(&parts, &mut located)?,
        Kind::Unix => unix(&parts, &mut located)?,
    }
    Ok(located)
}

fn refuse<T>(cause: impl Into<String>, fix: impl Into<String>) -> Result<T, Refused> {
    Err(Refused {
        cause: cause.into(),
        fix: fix.into(),
    })
}

fn without_scheme(text: &str) -> Refused {
    let behind = text.rsplit_once('@').map_or(text, |(_, rest)| rest);
    let fix = match behind {
        path if path.starts_with('/') => format!("write redis+unix://{path}"),
        // What follows a colon may be anything, and the host forgotten.
        host if host.is_empty() || host.contains(char::is_whitespace) => EXAMPLE.to_owned(),
        host => format!("write {}", shown("redis", host)),
    };
    Refused {
        cause: "the scheme is missing".into(),
        fix,
    }
}

const EXAMPLE: &str = "write one such as redis://redis:6379";

fn cut<'t>(scheme: &'t str, rest: &'t str, kind: Kind) -> Result<Parts<'t>, Refused> {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    let (user, hosts) = match authority.rsplit_once('@') {
        Some((user, hosts)) => (Some(user), hosts),
        None => (None, authority),
    };
    if kind != Kind::Unix && tail.contains('@') {
        return refuse(
            "the `@` stands behind a `/`, a `?` or a `#`, which end the part that holds the password",
            "write %2F for a /, %3F for a ? and %23 for a # in a password, or put it into `password_file`",
        );
    }
    if tail.contains('#') {
        return refuse(
            "a part that begins with `#` means nothing here",
            "remove it, or write %23 for a # in a password; to trust a private authority, write `tls: { ca: ca.crt }`",
        );
    }
    let (path, query) = tail.split_once('?').unwrap_or((tail, ""));
    let query = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .collect();
    Ok(Parts {
        scheme,
        user,
        hosts,
        path,
        query,
    })
}

/// User and password of `user:password`; what is empty is not given.
fn user(part: Option<&str>) -> Result<(Option<String>, Option<Secret>), Refused> {
    let Some(part) = part else {
        return Ok((None, None));
    };
    let (name, password) = part.split_once(':').unwrap_or((part, ""));
    let name = Some(decoded(name)?).filter(|name| !name.is_empty());
    let password = Some(decoded(password)?).filter(|password| !password.is_empty());
    Ok((name, password.map(Secret)))
}

/// `%40` as `@` (RFC 3986 §2.1).
fn decoded(text: &str) -> Result<String, Refused> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend_from_slice(before.as_bytes());
        let byte = after
            .get(..2)
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let Some(byte) = byte else {
            return refuse(
                "a `%` is followed by two hexadecimal digits",
                "write %25 for a percent sign",
            );
        };
        bytes.push(byte);
        rest = after.get(2..).unwrap_or_default();
    }
    bytes.extend_from_slice(rest.as_bytes());
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(_) => refuse(
            "its percent-encoded part is not UTF-8",
            "encode it as UTF-8, or put the password into `password_file`",
        ),
    }
}

fn one(parts: &Parts<'_>, located: &mut Located) -> Result<(), Refused> {
    let is_cluster = parts
        .query
        .iter()
        .any(|(name, value)| *name == "cluster" && is_true(value));
    if is_cluster {
        return cluster(parts, located);
    }
    if parts.hosts.contains(',') {
        let tls = if located.tls { "rediss" } else { "redis" };
        let (hosts, path) = (parts.hosts, parts.path);
        let path = if path == "/" { "" } else { path };
        return refuse(
            "several hosts are the nodes of a cluster, or sentinels that know the master; the scheme says which",
            format!(
                "write {} for a cluster, or {} for sentinels",
                shown(&format!("{tls}-cluster"), hosts),
                shown(&format!("{tls}+sentinel"), &format!("{hosts}/mymaster{path}"))
            ),
        );
    }
    located.servers = RedisServers::One(address(parts, parts.hosts, PORT)?);
    located.database = database(parts, parts.path, &["db", "cluster"])?;
    Ok(())
}

fn is_true(value: &str) -> bool {
    matches!(
        value.to_ascii_lowercase().as_str(),
        "" | "true" | "1" | "yes" | "on"
    )
}

fn sentinel(parts: &Parts<'_>, located: &mut Located) -> Result<(), Refused> {
    let path = parts.path.trim_start_matches('/');
    let (master, rest) = path.split_once('/').unwrap_or((path, ""));
    let only_a_number = rest.is_empty() && master.bytes().all(|b| b.is_ascii_digit());
    if only_a_number {
        let end = if master.is_empty() {
            String::new()
        } else {
            format!("/{master}")
        };
        return refuse(
            "the name under which the sentinels watch the master is missing",
            format!(
                "write {}",
                shown(parts.scheme, &format!("{}/mymaster{end}", parts.hosts))
            ),
        );
    }
    let sentinels = addresses(parts, SENTINEL_PORT)?;
    located.database = database(parts, rest, &["db"])?;
    located.servers = RedisServers::Sentinel {
        sentinels,
        master: decoded(master)?,
    };
    Ok(())
}

fn cluster(parts: &Parts<'_>, located: &mut Located) -> Result<(), Refused> {
    if database(parts, parts.path, &["db", "cluster"])? != 0 {
        let tls = if located.tls { "rediss" } else { "redis" };
        return refuse(
            "a cluster has database 0 alone",
            format!(
                "write {}, and tell services apart by `namespace`",
                shown(&format!("{tls}-cluster"), parts.hosts)
            ),
        );
    }
    located.servers = RedisServers::Cluster {
        seeds: addresses(parts, PORT)?,
    };
    Ok(())
}

fn unix(parts: &Parts<'_>, located: &mut Located) -> Result<(), Refused> {
    if !parts.hosts.is_empty() || parts.path.len() < 2 {
        let path = shown("redis", &format!("{}{}", parts.hosts, parts.path));
        let path = path.trim_start_matches("redis://").trim_matches('/');
        let path = if path.is_empty() { "run/redis.sock" } else { path };
        return refuse(
            "the path of a socket begins with a `/`, the third one",
            format!("write redis+unix:///{path}"),
        );
    }
    // Other clients take user and password so, since a path leaves no other place.
    for (name, value) in &parts.query {
        match *name {
            "user" | "username" => located.username = Some(decoded(value)?),
            "pass" | "password" => located.password = Some(Secret(decoded(value)?)),
            _ => {}
        }
    }
    located.database = database(parts, "", &["db", "user", "username", "pass", "password"])?;
    located.servers = RedisServers::One(RedisAddress::Unix(decoded(parts.path)?.into()));
    Ok(())
}

/// The database's number, out of a path or `db=`. Notes parameters that are not known.
fn database(parts: &Parts<'_>, path: &str, known: &[&str]) -> Result<u32, Refused> {
    if let Some((name, value)) = parts.query.iter().find(|(name, _)| !known.contains(name)) {
        return Err(parameter(name, value, parts));
    }
    let by_query = parts
        .query
        .iter()
        .find(|(name, _)| *name == "db")
        .map(|(_, value)| *value);
    let by_path = Some(path.trim_matches('/')).filter(|path| !path.is_empty());
    let text = match (by_path, by_query) {
        (None, None) => return Ok(0),
        (Some(one), Some(other)) if one != other => {
            return refuse(
                "it names two databases",
                "remove `db=`, or the number behind the last `/`",
            );
        }
        (Some(text), _) | (None, Some(text)) => text,
    };
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    match text.parse() {
        Ok(number) if digits => Ok(number),
        _ => refuse(
            format!("`{text}` is not the number of a database"),
            format!(
                "write a number such as 0, or nothing: {}",
                shown(parts.scheme, parts.hosts)
            ),
        ),
    }
}

fn parameter(name: &str, value: &str, parts: &Parts<'_>) -> Refused {
    let fix = match name.to_ascii_lowercase().as_str() {
        "ssl" | "tls" if is_true(value) => "write rediss:// instead".to_owned(),
        "password" | "pass" | "auth" | "user" | "username" => format!(
            "write {}, or `username` and `password_file`",
            shown(parts.scheme, parts.hosts).replace("://", "://USER:PASSWORD@")
        ),
        "timeout" | "socket_timeout" | "socket_connect_timeout" => "write `timeout` beside `url`".to_owned(),
        name if name.starts_with("ssl_") || name.contains("insecure") => {
            "remove it; certificates are always checked, and `tls: { ca: ca.crt }` says by which authority"
                .to_owned()
        }
        _ => "remove it; all other settings are keys beside `url`".to_owned(),
    };
    Refused {
        cause: format!("the parameter `{name}` is not known"),
        fix,
    }
}

/// A URL as a message may show it.
fn shown(scheme: &str, rest: &str) -> String {
    elided(&format!("{scheme}://{rest}"))
}

#[cfg(test)]
mod tests;
