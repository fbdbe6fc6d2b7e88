//! A row a spelling.

use std::sync::Arc;

use super::*;

fn tcp(host: &str, port: u16) -> RedisAddress {
    RedisAddress::Tcp(Arc::from(host), port)
}

fn one(host: &str, port: u16) -> RedisServers {
    RedisServers::One(tcp(host, port))
}

#[test]
fn what_is_right_is_understood() {
    let unix = || RedisServers::One(RedisAddress::Unix("/run/r.sock".into()));
    let cluster = |hosts: &[(&str, u16)]| RedisServers::Cluster {
        seeds: hosts.iter().map(|(host, port)| tcp(host, *port)).collect(),
    };
    let sentinel = |hosts: &[(&str, u16)], master: &str| RedisServers::Sentinel {
        sentinels: hosts.iter().map(|(host, port)| tcp(host, *port)).collect(),
        master: master.to_owned(),
    };
    for (text, servers, database, user, password, tls) in [
        ("redis://r", one("r", 6379), 0, None, None, false),
        ("redis://r/", one("r", 6379), 0, None, None, false),
        (
            "redis://r.shop.svc:7000/3",
            one("r.shop.svc", 7000),
            3,
            None,
            None,
            false,
        ),
        ("redis://r?db=3", one("r", 6379), 3, None, None, false),
        ("redis://r/3?db=3", one("r", 6379), 3, None, None, false),
        ("redis://r?cluster=false", one("r", 6379), 0, None, None, false),
        ("redis://10.0.0.1:1", one("10.0.0.1", 1), 0, None, None, false),
        ("redis://[::1]", one("::1", 6379), 0, None, None, false),
        (
            "redis://[2001:db8::1]:7000/1",
            one("2001:db8::1", 7000),
            1,
            None,
            None,
            false,
        ),
        ("redis://r_1", one("r_1", 6379), 0, None, None, false),
        ("redis://u:p@r", one("r", 6379), 0, Some("u"), Some("p"), false),
        ("redis://:p@r", one("r", 6379), 0, None, Some("p"), false),
        ("redis://u@r", one("r", 6379), 0, Some("u"), None, false),
        ("redis://:@r", one("r", 6379), 0, None, None, false),
        ("redis://@r", one("r", 6379), 0, None, None, false),
        (
            "redis://u%40x:p%2Fw%3a%25%C3%BC@r",
            one("r", 6379),
            0,
            Some("u@x"),
            Some("p/w:%ü"),
            false,
        ),
        (
            "redis://u:p@ss:w@r",
            one("r", 6379),
            0,
            Some("u"),
            Some("p@ss:w"),
            false,
        ),
        ("redis://:p@[::1]:7", one("::1", 7), 0, None, Some("p"), false),
        ("rediss://r", one("r", 6379), 0, None, None, true),
        (
            "rediss://u:p@r:6380/2",
            one("r", 6380),
            2,
            Some("u"),
            Some("p"),
            true,
        ),
        ("redis+unix:///run/r.sock", unix(), 0, None, None, false),
        ("redis+unix:///run/r.sock?db=2", unix(), 2, None, None, false),
        (
            "unix:///run/r.sock?db=2&user=u&pass=p%20w",
            unix(),
            2,
            Some("u"),
            Some("p w"),
            false,
        ),
        ("unix:///run/r.sock?password=p", unix(), 0, None, Some("p"), false),
        ("unix://u:p@/run/r.sock", unix(), 0, Some("u"), Some("p"), false),
        ("unix:///run/%72.sock", unix(), 0, None, None, false),
        (
            "redis+sentinel://a:1,b,c/mymaster",
            sentinel(&[("a", 1), ("b", 26379), ("c", 26379)], "mymaster"),
            0,
            None,
            None,
            false,
        ),
        (
            "redis+sentinel://:p@a,[::1]:2/my%20master/4",
            sentinel(&[("a", 26379), ("::1", 2)], "my master"),
            4,
            None,
            Some("p"),
            false,
        ),
        (
            "redis+sentinel://a/m?db=4",
            sentinel(&[("a", 26379)], "m"),
            4,
            None,
            None,
            false,
        ),
        (
            "redis+sentinel://a/0/4",
            sentinel(&[("a", 26379)], "0"),
            4,
            None,
            None,
            false,
        ),
        (
            "rediss+sentinel://a/m/",
            sentinel(&[("a", 26379)], "m"),
            0,
            None,
            None,
            true,
        ),
        ("redis-cluster://a", cluster(&[("a", 6379)]), 0, None, None, false),
        (
            "redis-cluster://a,b:1,[::1]/0",
            cluster(&[("a", 6379), ("b", 1), ("::1", 6379)]),
            0,
            None,
            None,
            false,
        ),
        (
            "rediss-cluster://u:p@a,b/",
            cluster(&[("a", 6379), ("b", 6379)]),
            0,
            Some("u"),
            Some("p"),
            true,
        ),
        (
            "redis://a,b?cluster=true",
            cluster(&[("a", 6379), ("b", 6379)]),
            0,
            None,
            None,
            false,
        ),
        (
            "rediss://a/0?cluster",
            cluster(&[("a", 6379)]),
            0,
            None,
            None,
            true,
        ),
    ] {
        let expected = Located {
            servers,
            database,
            username: user.map(str::to_owned),
            password: password.map(|p| Secret(p.to_owned())),
            tls,
        };
        assert_eq!(parse(text), Ok(expected), "{text}");
    }
}

#[test]
fn what_is_wrong_is_refused_with_what_is_right() {
    let database = "write a number such as 0, or nothing: redis://r";
    let port = "write one such as redis://redis:6379";
    for (text, cause, fix) in [
        ("r:6379", "the scheme is missing", "write redis://r:6379"),
        ("", "the scheme is missing", EXAMPLE),
        (
            "/run/r.sock",
            "the scheme is missing",
            "write redis+unix:///run/r.sock",
        ),
        ("u:s3cret@r:1", "the scheme is missing", "write redis://r:1"),
        (":s3cret", "the scheme is missing", "write redis://:…"),
        (
            "REDIS://r",
            "schemes are written in lower case",
            "write redis://r",
        ),
        (
            "RedisS://u:s3cret@r",
            "schemes are written in lower case",
            "write rediss://…@r",
        ),
        (
            "valkey://r:1/2",
            "`valkey://` is another program's word for it",
            "write redis://r:1/2",
        ),
        (
            "valkeys://:s3cret@r",
            "`valkeys://` is another program's word for it",
            "write rediss://…@r",
        ),
        (
            "redis+tls://r",
            "`redis+tls://` is another program's word for it",
            "write rediss://r",
        ),
        (
            "sentinel://a:1,b/m",
            "`sentinel://` is another program's word for it",
            "write redis+sentinel://a:1,b/m",
        ),
        (
            "redis-sentinel://:s3cret@a,b/2#m",
            "`redis-sentinel://` is another program's word for it",
            "write redis+sentinel://…@a,b/m/2",
        ),
        (
            "redis-sentinel://a#m",
            "`redis-sentinel://` is another program's word for it",
            "write redis+sentinel://a/m",
        ),
        (
            "redis+cluster://a,b",
            "`redis+cluster://` is another program's word for it",
            "write redis-cluster://a,b",
        ),
        (
            "redis-socket:///r.sock",
            "`redis-socket://` is another program's word for it",
            "write redis+unix:///r.sock",
        ),
        (
            "memcached://m",
            "this scheme is not one of Redis",
            "write redis://, rediss://, redis+unix://, redis+sentinel:// or redis-cluster://",
        ),
        (
            "redis://:s3cret@a,b:2/0",
            "several hosts are the nodes of a cluster, or sentinels that know the master; the scheme says which",
            "write redis-cluster://a,b:2 for a cluster, or redis+sentinel://a,b:2/mymaster/0 for sentinels",
        ),
        (
            "rediss://a,b/",
            "several hosts are the nodes of a cluster, or sentinels that know the master; the scheme says which",
            "write rediss-cluster://a,b for a cluster, or rediss+sentinel://a,b/mymaster for sentinels",
        ),
        ("redis://", "the host is missing", port),
        ("redis:///1", "the host is missing", port),
        ("redis://:6379", "the host is missing", port),
        ("redis://u:s3cret@/0", "the host is missing", port),
        (
            "redis-cluster://a,,b",
            "the host is missing",
            "write one such as redis-cluster://redis-0:6379,redis-1:6379",
        ),
        (
            "redis+sentinel://a,/m",
            "the host is missing",
            "write one such as redis+sentinel://sentinel-0:26379,sentinel-1:26379/mymaster",
        ),
        (
            "redis://:s3cret",
            "the host is missing, or the `@` behind the password",
            "write one such as redis://:PASSWORD@redis:6379",
        ),
        ("redis://r:0", "a port is a number from 1 to 65535", port),
        ("redis://r:65536", "a port is a number from 1 to 65535", port),
        ("redis://r:", "a port is a number from 1 to 65535", port),
        ("redis://r:s3cret", "a port is a number from 1 to 65535", port),
        ("redis://r:+1", "a port is a number from 1 to 65535", port),
        ("redis://[::1]:x", "a port is a number from 1 to 65535", port),
        (
            "redis://::1",
            "an IPv6 address stands in brackets",
            "write redis://[::1]:6379",
        ),
        (
            "redis://[::1",
            "a `[` is not closed",
            "write an IPv6 address as [::1]:6379",
        ),
        (
            "redis://[r]",
            "what stands in brackets is not an IPv6 address",
            "write one such as [::1]:6379",
        ),
        (
            "redis://[::1]6379",
            "only a port may follow the brackets",
            "write [::1]:6379",
        ),
        (
            "redis://r!x",
            "a host is a name or an address: letters, digits, `-`, `_` and `.`",
            port,
        ),
        ("redis://r/x", "`x` is not the number of a database", database),
        ("redis://r/-1", "`-1` is not the number of a database", database),
        ("redis://r/+1", "`+1` is not the number of a database", database),
        ("redis://r/1/2", "`1/2` is not the number of a database", database),
        ("redis://r?db=x", "`x` is not the number of a database", database),
        (
            "redis://r/99999999999",
            "`99999999999` is not the number of a database",
            database,
        ),
        (
            "redis://r/1?db=2",
            "it names two databases",
            "remove `db=`, or the number behind the last `/`",
        ),
        (
            "redis-cluster://:s3cret@a,b/1",
            "a cluster has database 0 alone",
            "write redis-cluster://a,b, and tell services apart by `namespace`",
        ),
        (
            "redis://a/1?cluster=true",
            "a cluster has database 0 alone",
            "write redis-cluster://a, and tell services apart by `namespace`",
        ),
        (
            "redis+sentinel://a,b",
            "the name under which the sentinels watch the master is missing",
            "write redis+sentinel://a,b/mymaster",
        ),
        (
            "redis+sentinel://:s3cret@a,b/2",
            "the name under which the sentinels watch the master is missing",
            "write redis+sentinel://a,b/mymaster/2",
        ),
        (
            "redis+sentinel://a/m/x",
            "`x` is not the number of a database",
            "write a number such as 0, or nothing: redis+sentinel://a",
        ),
        (
            "redis+unix://run/r.sock",
            "the path of a socket begins with a `/`, the third one",
            "write redis+unix:///run/r.sock",
        ),
        (
            "unix://",
            "the path of a socket begins with a `/`, the third one",
            "write redis+unix:///run/redis.sock",
        ),
        (
            "redis://:s3/cret@r",
            "the `@` stands behind a `/`, a `?` or a `#`, which end the part that holds the password",
            "write %2F for a /, %3F for a ? and %23 for a # in a password, or put it into `password_file`",
        ),
        (
            "redis://r#insecure",
            "a part that begins with `#` means nothing here",
            "remove it, or write %23 for a # in a password; to trust a private authority, write `tls: { ca: ca.crt }`",
        ),
        (
            "redis://:s3cret%@r",
            "a `%` is followed by two hexadecimal digits",
            "write %25 for a percent sign",
        ),
        (
            "redis://:s3cret%+1@r",
            "a `%` is followed by two hexadecimal digits",
            "write %25 for a percent sign",
        ),
        (
            "redis://:s3cret%ff@r",
            "its percent-encoded part is not UTF-8",
            "encode it as UTF-8, or put the password into `password_file`",
        ),
        (
            "redis://:s3cret x@r",
            "a URL has no spaces",
            "remove them; in a password, write %20 for a space",
        ),
        (
            "redis://$HOST:6379",
            "a variable stands for its value only in braces",
            "write redis://${HOST}:6379",
        ),
        (
            "redis://r?ssl=true",
            "the parameter `ssl` is not known",
            "write rediss:// instead",
        ),
        (
            "redis://r?password=s3cret",
            "the parameter `password` is not known",
            "write redis://USER:PASSWORD@r, or `username` and `password_file`",
        ),
        (
            "rediss://r?ssl_cert_reqs=none",
            "the parameter `ssl_cert_reqs` is not known",
            "remove it; certificates are always checked, and `tls: { ca: ca.crt }` says by which authority",
        ),
        (
            "redis://r?protocol=3",
            "the parameter `protocol` is not known",
            "remove it; all other settings are keys beside `url`",
        ),
    ] {
        let refused = parse(text).expect_err(text);
        assert_eq!(
            (refused.cause.as_str(), refused.fix.as_str()),
            (cause, fix),
            "{text}"
        );
        let said = format!("{refused:?}");
        assert!(!said.contains("s3") && !said.contains("cret"), "{text}: {said}");
    }
}
