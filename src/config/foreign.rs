//! Words of other proxies, and of things that are not there: what to write instead.

const NO_TLS: &str = "remove it: this version speaks plain HTTP on both sides; put what speaks TLS in front";
const NO_COMPRESSION: &str = "remove it: this version passes content as the origin coded it";
const NO_REDIS: &str = "remove it: this version keeps answers in this process's memory alone";
const NO_ENCODING: &str = "remove it: this version asks the origin for the codings that the client asks for";
const LISTEN: &str = "write where clients connect as `listen: 0.0.0.0:8080`";
const ORIGIN: &str = "write the server behind Larder as `origin: http://127.0.0.1:3000`";
const MATCH: &str = "write method and path together, as `match: GET /products`";

/// What to do about a key that the language does not have, where that can be known. `section` is
/// empty at the top of the file, and `rules` within a rule.
pub(super) fn meant(section: &str, key: &str) -> Option<&'static str> {
    Some(match (section, key.to_ascii_lowercase().as_str()) {
        (_, "tls" | "ssl" | "https") => NO_TLS,
        (_, "compress" | "compression" | "gzip" | "brotli") => NO_COMPRESSION,
        (_, "redis" | "valkey") => NO_REDIS,
        ("", "trace" | "tracing" | "otlp") => "remove it: this version exports no traces",
        ("rules" | "defaults", "accept_encoding") => NO_ENCODING,
        ("metrics", "compat") => "remove it: this version has its metrics under their own names alone",
        ("", "server" | "port" | "bind" | "address" | "http") => LISTEN,
        ("", "upstream" | "upstreams" | "backend" | "backends" | "target" | "proxy_pass") => ORIGIN,
        ("", "routes" | "locations" | "paths") => "write them as a list below `rules:`",
        ("", "cache" | "memory") => "write how much memory to use as `store: { memory: 64MiB }`",
        ("rules", "path" | "paths" | "url" | "uri" | "route" | "method" | "methods") => MATCH,
        ("rules", "expires" | "max_age" | "max-age" | "expire" | "duration") => "write `ttl`",
        ("rules", "purge" | "invalidates" | "drop" | "clear") => "write `invalidate`",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_other_proxies_are_translated_where_they_stand() {
        assert_eq!(meant("", "upstream"), Some(ORIGIN));
        assert_eq!(meant("", "TLS"), Some(NO_TLS));
        assert_eq!(meant("store", "redis"), Some(NO_REDIS));
        assert_eq!(meant("rules", "path"), Some(MATCH));
        assert_eq!(meant("limits", "path"), None);
        assert_eq!(meant("", "orgin"), None);
    }
}
