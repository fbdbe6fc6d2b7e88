//! Words of other proxies, and of things that are not there: what to write instead.

const TLS: &str = "write it where it belongs: `listen: [{ address: 0.0.0.0:8443, tls: { certificate: tls.crt, key: tls.key } }]`, or `origin: { url: https://..., tls: { ca: ca.crt } }`";
const COMPRESS: &str = "write `compress: { codings: [...], types: [...] }` in `defaults` or in a rule; without it what is text is compressed";
const REDIS: &str = "write it under `store`, as `redis: { url: ..., namespace: ... }`";
const LISTEN: &str = "write where clients connect as `listen: 0.0.0.0:8080`";
const ORIGIN: &str = "write the server behind Larder as `origin: http://127.0.0.1:3000`";
const MATCH: &str = "write method and path together, as `match: GET /products`";

/// What to do about a key that the language does not have, where that can be known. `section` is
/// empty at the top of the file, and `rules` within a rule.
pub(super) fn meant(section: &str, key: &str) -> Option<&'static str> {
    Some(match (section, key.to_ascii_lowercase().as_str()) {
        ("redis", key) => return of_redis(key),
        ("tls", key) => return of_tls(key),
        ("listen", "cert" | "ssl" | "https" | "key" | "certificate") => {
            "write them under `tls`, as `tls: { certificate: tls.crt, key: tls.key }`"
        }
        (_, "tls" | "ssl" | "https") => TLS,
        (_, "compression" | "gzip" | "brotli" | "zstd" | "br") => COMPRESS,
        ("", "compress") => COMPRESS,
        (_, "redis" | "valkey") => REDIS,
        ("", "trace" | "tracing" | "otlp") => "remove it: this version exports no traces",
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

/// The same under `store.redis`: what other clients of Redis take.
fn of_redis(key: &str) -> Option<&'static str> {
    Some(match key {
        "host" | "hostname" | "address" | "addr" | "port" | "server" | "uri" | "endpoint" => {
            "write where it is as `url: redis://redis:6379`"
        }
        "db" | "database" => "write it at the end of the url, as redis://redis:6379/1",
        "password" | "pass" | "passwd" | "auth" | "requirepass" => {
            "write it into a file, and that file's path as `password_file`; or into the url, as redis://:${REDIS_PASSWORD}@redis:6379"
        }
        "user" => "write `username`",
        "ssl" | "secure" | "use_tls" => {
            "write a url that begins with rediss://, and certificates under `tls`"
        }
        "ca" | "ca_file" | "cacert" | "certificate" | "cert" | "key" => {
            "write it under `tls`, as `tls: { ca: ca.crt, certificate: c.crt, key: c.key }`"
        }
        "cluster" | "nodes" | "seeds" => "write its nodes as `url: redis-cluster://a,b,c`",
        "sentinel" | "sentinels" | "master" | "master_name" => {
            "write sentinels and the master's name as `url: redis+sentinel://a,b,c/mymaster`"
        }
        "prefix" | "key_prefix" => "write `namespace`",
        "pool" | "pool_size" | "max_connections" | "poolsize" => "write `connections`",
        "sign_key" | "signing_key" | "secret" => {
            "write it into a file, and that file's path as `sign_key_file`"
        }
        "ttl" | "expire" => "remove it: entries leave Redis when they are of no more use",
        _ => return None,
    })
}

/// The same under `store.redis.tls`.
fn of_tls(key: &str) -> Option<&'static str> {
    Some(match key {
        "cert" | "crt" | "client_certificate" | "certificate_file" | "cert_file" => "write `certificate`",
        "ca_file" | "cacert" | "ca_cert" | "root" | "roots" => "write `ca`",
        "key_file" | "client_key" | "private_key" => "write `key`",
        "insecure" | "insecure_skip_verify" | "verify" | "skip_verify" => {
            "remove it: certificates are always checked; to trust a private authority, write its certificate as `ca`"
        }
        "enabled" => "remove it: a url that begins with rediss:// says so",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_other_proxies_are_translated_where_they_stand() {
        assert_eq!(meant("", "upstream"), Some(ORIGIN));
        assert_eq!(meant("", "TLS"), Some(TLS));
        assert_eq!(meant("store", "valkey"), Some(REDIS));
        assert_eq!(
            meant("redis", "host"),
            Some("write where it is as `url: redis://redis:6379`")
        );
        assert_eq!(meant("redis", "urll"), None);
        assert_eq!(meant("tls", "cert"), Some("write `certificate`"));
        assert_eq!(meant("defaults", "gzip"), Some(COMPRESS));
        assert_eq!(meant("rules", "path"), Some(MATCH));
        assert_eq!(meant("limits", "path"), None);
        assert_eq!(meant("", "orgin"), None);
    }
}
