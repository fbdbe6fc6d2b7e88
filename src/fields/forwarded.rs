//! `X-Forwarded-For`: the chain of peers, in the form that applications read.

use std::fmt::Write;
use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue};

/// The field's name.
pub const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Adds `peer` as the last member. Several lines become one, since many applications read only
/// the first or the last; members of a line that is not readable text are dropped with it.
pub fn append(fields: &mut HeaderMap, peer: IpAddr) {
    let mut chain = String::with_capacity(48);
    for line in fields.get_all(X_FORWARDED_FOR) {
        if let Some(line) = line.to_str().ok().map(str::trim).filter(|l| !l.is_empty()) {
            chain.push_str(line);
            chain.push_str(", ");
        }
    }
    // Writing to a string cannot fail, and an address is always a valid field value.
    let _ = write!(chain, "{}", peer.to_canonical());
    if let Ok(value) = HeaderValue::try_from(chain) {
        fields.insert(X_FORWARDED_FOR, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peer_is_the_last_of_one_line() {
        let table: &[(&[&str], &str, &str)] = &[
            (&[], "192.0.2.1", "192.0.2.1"),
            (&["198.51.100.7"], "192.0.2.1", "198.51.100.7, 192.0.2.1"),
            (&["a, b", "c"], "192.0.2.1", "a, b, c, 192.0.2.1"),
            (&[""], "192.0.2.1", "192.0.2.1"),
            (&[], "2001:db8::1", "2001:db8::1"),
            (&[], "::ffff:192.0.2.1", "192.0.2.1"),
        ];
        for (lines, peer, expected) in table {
            let mut fields = HeaderMap::new();
            for line in *lines {
                fields.append(X_FORWARDED_FOR, line.parse().unwrap());
            }
            append(&mut fields, peer.parse().unwrap());
            let found: Vec<_> = fields.get_all(X_FORWARDED_FOR).iter().collect();
            assert_eq!(found, [expected], "{lines:?}");
        }
    }
}
