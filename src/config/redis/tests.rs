//! The section as a whole, and the files that it names.

use std::collections::BTreeMap;
use std::fs;

use rcgen::{CertificateParams, KeyPair};

use super::super::{Config, Machine, Overrides, Redis, RedisAddress, RedisServers, Source, load_on};

const KEY: &str = "0123456789abcdef";

/// A directory with every file that the section can name, right and wrong.
fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let (key, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let certificate = CertificateParams::new(vec!["pod".to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap()
        .pem();
    for (name, text) in [
        ("password", " s3cret \r\n"),
        ("no-password", "\n"),
        ("two-passwords", "a\nb\n"),
        ("sign", &format!("{KEY}\n")),
        ("short", "0123456789abcde\n"),
        ("pod.crt", &certificate),
        ("pod.key", &key.serialize_pem()),
        ("other.key", &other.serialize_pem()),
    ] {
        fs::write(directory.path().join(name), text).unwrap();
    }
    fs::write(directory.path().join("binary"), [0xff; 32]).unwrap();
    directory
}

fn load(directory: &tempfile::TempDir, section: &str, env: &[(&str, &str)]) -> Result<Config, String> {
    let source = Source {
        name: directory.path().join("larder.yaml").display().to_string(),
        text: format!("origin: http://a\n{section}"),
    };
    let env: BTreeMap<String, String> = env
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect();
    load_on(Machine::UNLIMITED, Some(source), &env, &Overrides::default())
        .map(|loaded| loaded.config)
        .map_err(|problems| problems.to_string())
}

fn redis(directory: &tempfile::TempDir, keys: &str) -> Result<Redis, String> {
    let section = format!("store:\n  redis: {{ namespace: shop/web, {keys} }}\n");
    load(directory, &section, &[]).map(|config| (*config.redis.unwrap()).clone())
}

#[test]
fn every_key_says_what_it_says() {
    let directory = directory();
    let all = "url: \"rediss://r:7000/2\", epoch: \"7\", username: web, password_file: password, \
               tls: { ca: pod.crt, certificate: pod.crt, key: pod.key }, timeout: 5s, connections: 64, \
               consistency: fast, max_blind: 1h, blind_forwards: 0.5%, sign_key_file: sign";
    let found = redis(&directory, all).unwrap();
    assert_eq!(
        found.servers,
        RedisServers::One(RedisAddress::Tcp("r".into(), 7000))
    );
    assert_eq!((found.database, found.username.as_deref()), (2, Some("web")));
    assert_eq!((&*found.namespace, &*found.epoch), ("shop/web", "7"));
    // Only what ends the line is no part of the password.
    assert_eq!(found.password.as_ref().unwrap().0, " s3cret ");
    assert_eq!(found.sign_key.as_ref().unwrap().0, KEY);
    assert!(
        found
            .tls
            .as_ref()
            .unwrap()
            .config
            .client_auth_cert_resolver
            .has_certs()
    );
    assert_eq!((found.timeout.as_secs(), found.connections), (5, 64));
    assert_eq!((found.max_blind.as_secs(), found.blind_forwards), (3600, 0.005));
    let shown = format!("{found:?}");
    assert!(!shown.contains("s3cret") && !shown.contains(KEY), "{shown}");
}

#[test]
fn user_and_password_come_from_the_url_or_from_keys() {
    let directory = directory();
    for (keys, user, password) in [
        ("url: \"redis://r\"", None, None),
        ("url: \"redis://:p@r\"", None, Some("p")),
        ("url: \"redis://u:p@r\"", Some("u"), Some("p")),
        ("url: \"redis://:p@r\", username: u", Some("u"), Some("p")),
        (
            "url: \"redis://u@r\", password_file: password",
            Some("u"),
            Some(" s3cret "),
        ),
        (
            "url: \"redis://:@r\", password_file: password",
            None,
            Some(" s3cret "),
        ),
    ] {
        let found = redis(&directory, keys).unwrap();
        let found_password = found.password.as_ref().map(|p| p.0.as_str());
        assert_eq!(
            (found.username.as_deref(), found_password),
            (user, password),
            "{keys}"
        );
    }
}

#[test]
fn what_does_not_fit_together_is_an_error() {
    let directory = directory();
    for (keys, title) in [
        (
            "url: \"redis://:s3cret@r\", password_file: password",
            "the password is given twice",
        ),
        (
            "url: \"redis://u:s3cret@r\", username: u",
            "the user is given twice",
        ),
        ("url: \"redis://r\", username: u", "the user has no password"),
        ("url: \"redis://u@r\"", "the user has no password"),
        (
            "url: \"redis://r\", password_file: none",
            "the password of Redis cannot be read",
        ),
        (
            "url: \"redis://r\", password_file: no-password",
            "the file holds no password",
        ),
        (
            "url: \"redis://r\", password_file: two-passwords",
            "the file holds more than a password",
        ),
        (
            "url: \"redis://r\", sign_key_file: short",
            "the sign key is too short",
        ),
        (
            "url: \"redis://r\", sign_key_file: binary",
            "the sign key cannot be read",
        ),
        (
            "url: \"redis://r\", tls: {}",
            "`tls` is given, and the url is one without TLS",
        ),
        (
            "url: \"redis+unix:///r\", tls: { ca: pod.crt }",
            "`tls` is given, and the url is one without TLS",
        ),
        (
            "url: \"rediss://r\", tls: { ca: none }",
            "the authority's certificate cannot be read",
        ),
        (
            "url: \"rediss://r\", tls: { ca: pod.key }",
            "the file holds no certificate",
        ),
        (
            "url: \"rediss://r\", tls: { ca: pod.crt, certificate: pod.crt }",
            "`certificate` without `key`",
        ),
        (
            "url: \"rediss://r\", tls: { ca: pod.crt, key: pod.key }",
            "`key` without `certificate`",
        ),
        (
            "url: \"rediss://r\", tls: { ca: pod.crt, certificate: pod.crt, key: other.key }",
            "`key` is not the key of `certificate`",
        ),
        (
            "url: \"rediss://r\", tls: { ca: pod.crt, certificate: pod.crt, key: pod.crt }",
            "the file holds no private key",
        ),
    ] {
        let error = redis(&directory, keys).expect_err(keys);
        assert!(error.contains(&format!("error: {title}\n")), "{keys}: {error}");
        assert_eq!(error.matches("error: ").count(), 1, "{keys}: {error}");
        assert!(
            error.contains("= fix: ") && !error.contains("s3cret"),
            "{keys}: {error}"
        );
    }
}

#[test]
fn what_is_out_of_bounds_is_an_error() {
    let directory = directory();
    let long = format!("namespace: {}", "n".repeat(129));
    for (keys, title) in [
        ("timeout: 0ms", "a timeout of no time at all"),
        ("timeout: 5001ms", "5001ms is too long"),
        ("connections: 0", "0 is too small"),
        ("connections: 65", "65 connections are too many"),
        ("max_blind: 999ms", "999ms is too short"),
        ("max_blind: 2h", "2h is too long"),
        ("blind_forwards: 101%", "`101%` is not a percentage"),
        ("consistency: strict", "`consistency: strict` is not there yet"),
        ("consistency: fsat", "`fsat` is not possible here"),
        ("namespace: \"a b\"", "a namespace has no spaces"),
        ("namespace: \"{a}\"", "a namespace has no braces"),
        ("namespace: \"a\\u0007\"", "a namespace has no control characters"),
        (&long, "a namespace has at most 128 bytes"),
        ("epoch: \"a\\u0007\"", "an epoch has no control characters"),
        ("host: r", "unknown key `host`"),
    ] {
        let namespace = if keys.starts_with("namespace") {
            ""
        } else {
            "namespace: n, "
        };
        let section = format!("store: {{ redis: {{ url: \"redis://r\", {namespace}{keys} }} }}\n");
        let error = load(&directory, &section, &[]).expect_err(keys);
        assert!(error.contains(&format!("error: {title}\n")), "{keys}: {error}");
        assert_eq!(error.matches("error: ").count(), 1, "{keys}: {error}");
    }
    for keys in [
        "timeout: 1ms",
        "max_blind: 1s",
        "connections: 1",
        "blind_forwards: 0%",
        "epoch: \"{ä b}\"",
    ] {
        let section = format!("store: {{ redis: {{ url: \"redis://r\", namespace: n, {keys} }} }}\n");
        assert!(load(&directory, &section, &[]).is_ok(), "{keys}");
    }
}

#[test]
fn a_variable_gives_the_url_and_never_the_namespace() {
    let directory = directory();
    let url = ("LARDER_REDIS_URL", "redis://:p@r:1");
    let error = load(&directory, "", &[url]).unwrap_err();
    assert!(error.contains("`redis` has no `namespace`"), "{error}");
    assert!(error.contains("set LARDER__STORE__REDIS__NAMESPACE"), "{error}");
    let namespace = ("LARDER__STORE__REDIS__NAMESPACE", "n");
    for (section, env) in [
        ("", vec![url, namespace]),
        ("store: { redis: null }\n", vec![url, namespace]),
        ("store: { redis: { namespace: n } }\n", vec![url]),
        (
            "store: { redis: { url: \"redis://other\", namespace: n } }\n",
            vec![url],
        ),
        (
            "store: { redis: { namespace: n } }\n",
            vec![("LARDER__STORE__REDIS__URL", url.1)],
        ),
    ] {
        let found = load(&directory, section, &env).unwrap().redis.unwrap();
        assert_eq!(found.servers.to_string(), "r:1", "{section}");
        assert_eq!(found.password.as_ref().unwrap().0, "p", "{section}");
    }
    assert!(
        load(&directory, "store: { redis: null }\n", &[])
            .unwrap()
            .redis
            .is_none()
    );
}

#[test]
fn servers_are_shown_without_who_connects() {
    let directory = directory();
    for (url, shown) in [
        ("redis://u:s3cret@[::1]:1/2", "[::1]:1"),
        ("redis+unix:///run/r.sock", "/run/r.sock"),
        ("redis+sentinel://:s3cret@a,b/m", "m of sentinels a:26379,b:26379"),
        ("redis-cluster://:s3cret@a,b", "cluster a:6379,b:6379"),
    ] {
        let found = redis(&directory, &format!("url: \"{url}\"")).unwrap();
        assert_eq!(found.servers.to_string(), shown);
    }
}

#[test]
fn one_leads_of_all_pods_only_where_pods_share_something() {
    let directory = directory();
    let rules = "rules:\n  - { match: GET /a, collapse: fleet }\n";
    let defaults = "defaults: { collapse: fleet }\n";
    for section in [rules, defaults] {
        let error = load(&directory, section, &[]).unwrap_err();
        assert_eq!(error.matches("error: ").count(), 1, "{error}");
        assert!(error.contains("`collapse: fleet` needs a Redis"), "{error}");
        // A Redis that cannot be read was meant all the same.
        let broken = format!("{section}store: {{ redis: {{ url: r, namespace: n }} }}\n");
        let error = load(&directory, &broken, &[]).unwrap_err();
        assert!(!error.contains("fleet` needs"), "{error}");
        let good = format!("{section}store: {{ redis: {{ url: \"redis://r\", namespace: n }} }}\n");
        assert!(load(&directory, &good, &[]).is_ok());
    }
}
