//! Hosts and ports of a URL.

use std::net::Ipv6Addr;
use std::sync::Arc;

use super::{Parts, Refused, refuse};
use crate::config::RedisAddress;

/// Every host of the URL; `port` where one names none.
pub(super) fn addresses(parts: &Parts<'_>, port: u16) -> Result<Vec<RedisAddress>, Refused> {
    parts
        .hosts
        .split(',')
        .map(|host| address(parts, host, port))
        .collect()
}

/// `host`, `host:port`, `[::1]` or `[::1]:port`.
pub(super) fn address(parts: &Parts<'_>, text: &str, port: u16) -> Result<RedisAddress, Refused> {
    let (host, written) = match text.strip_prefix('[') {
        Some(rest) => {
            let Some((host, after)) = rest.split_once(']') else {
                return refuse("a `[` is not closed", "write an IPv6 address as [::1]:6379");
            };
            if host.parse::<Ipv6Addr>().is_err() {
                let cause = "what stands in brackets is not an IPv6 address";
                return refuse(cause, "write one such as [::1]:6379");
            }
            match after.strip_prefix(':') {
                None if after.is_empty() => (host, None),
                None => return refuse("only a port may follow the brackets", "write [::1]:6379"),
                Some(port) => (host, Some(port)),
            }
        }
        None if text.parse::<Ipv6Addr>().is_ok() => {
            let cause = "an IPv6 address stands in brackets";
            return refuse(cause, format!("write {}://[{text}]:{port}", parts.scheme));
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    if host.is_empty() && written.is_some_and(|word| !word.bytes().all(|b| b.is_ascii_digit())) {
        let cause = "the host is missing, or the `@` behind the password";
        return refuse(cause, "write one such as redis://:PASSWORD@redis:6379");
    }
    if host.is_empty() {
        return refuse("the host is missing", example(parts.scheme, port));
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._:".contains(&b);
    if !host.bytes().all(plain) {
        let cause = "a host is a name or an address: letters, digits, `-`, `_` and `.`";
        return refuse(cause, example(parts.scheme, port));
    }
    let number = match written {
        None => Some(port),
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok().filter(|p| *p > 0),
        Some(_) => None,
    };
    let Some(number) = number else {
        return refuse("a port is a number from 1 to 65535", example(parts.scheme, port));
    };
    Ok(RedisAddress::Tcp(Arc::from(host), number))
}

/// A URL of this scheme that is right.
fn example(scheme: &str, port: u16) -> String {
    match scheme {
        "redis+sentinel" | "rediss+sentinel" => {
            format!("write one such as {scheme}://sentinel-0:{port},sentinel-1:{port}/mymaster")
        }
        "redis-cluster" | "rediss-cluster" => {
            format!("write one such as {scheme}://redis-0:{port},redis-1:{port}")
        }
        _ => format!("write one such as {scheme}://redis:{port}"),
    }
}
