//! The language as a whole: the files of `config/`, and what comes from outside a file.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;

use super::*;
use crate::codec::Level;
use crate::fields::coding::Coding;
use crate::fields::media_range::MediaRange;
use crate::route::Pattern;

fn load_text(text: &str, env: &[(&str, &str)]) -> Result<Loaded, Problems> {
    let env = env
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect();
    let source = Source {
        name: "larder.yaml".into(),
        text: text.into(),
    };
    let loaded = load_on(Machine::UNLIMITED, Some(source), &env, &Overrides::default());
    if loaded.is_ok() {
        assert_eq!(schema::tests::objections(text), [""; 0], "the schema, to\n{text}");
    }
    loaded
}

fn titles(result: Result<Loaded, Problems>) -> Vec<String> {
    result
        .map(|l| l.warnings)
        .unwrap_or_else(|p| p.0)
        .into_iter()
        .map(|p| p.title)
        .collect()
}

pub(in crate::config) const REFERENCE: &str = include_str!("../../config/larder.yaml");
const MINIMAL: &str = include_str!("../../config/minimal.yaml");
const SHOP: &str = include_str!("../../config/examples/shop.yaml");
const FLEET: &str = include_str!("../../config/examples/fleet.yaml");

#[test]
fn the_files_that_come_with_larder_are_valid() {
    for (name, text) in [
        ("reference", REFERENCE),
        ("minimal", MINIMAL),
        ("shop", SHOP),
        ("fleet", FLEET),
    ] {
        assert_eq!(titles(load_text(text, &[])), [""; 0], "{name}");
    }
}

#[test]
fn the_reference_shows_the_defaults() {
    let reference = Config::from_yaml(REFERENCE).unwrap();
    let bare = Config::from_yaml("origin: http://127.0.0.1:3000\n").unwrap();
    let all_but_rules = |c: &Config| {
        let table = Config::from_yaml("origin: http://x").unwrap().rules;
        format!(
            "{:#?}",
            Config {
                rules: table,
                hash: String::new(),
                ..c.clone()
            }
        )
    };
    assert_eq!(all_but_rules(&reference), all_but_rules(&bare));

    let text = "origin: http://x\nrules: [{name: product, match: GET /products/{sku}, ttl: 1h}]"
        .replace("GET /products/{sku}", "\"GET /products/{sku}\"");
    let bare = Config::from_yaml(&text).unwrap();
    let rule = |c: &Config| {
        format!(
            "{:#?}",
            Rule {
                line: 0,
                ..(*c.rules.rules()[0]).clone()
            }
        )
    };
    assert_eq!(rule(&reference), rule(&bare));
}

/// The reference with its section `redis` in place of `redis: null`.
pub(in crate::config) fn reference_with_redis() -> String {
    let (before, after) = REFERENCE.split_once("  redis: null").unwrap();
    let (_, after) = after.split_once('\n').unwrap();
    let section = after.lines().take_while(|line| line.starts_with("  #"));
    let section: Vec<String> = section.map(|line| line.replacen("# ", "", 1)).collect();
    let rest: Vec<&str> = after.lines().skip(section.len()).collect();
    format!("{before}{}\n{}\n", section.join("\n"), rest.join("\n"))
}

#[test]
fn the_reference_shows_the_defaults_of_redis() {
    let shown = Config::from_yaml(&reference_with_redis()).unwrap().redis.unwrap();
    let bare = "origin: http://a\nstore: { redis: { url: \"redis://redis\", namespace: shop/web } }\n";
    let bare = Config::from_yaml(bare).unwrap().redis.unwrap();
    assert_eq!(format!("{shown:#?}"), format!("{bare:#?}"));
    assert_eq!(bare.timeout, Duration::from_millis(50));
    assert_eq!((bare.connections, bare.blind_forwards), (4, 0.1));
    assert_eq!(bare.max_blind, Duration::from_secs(10));
    assert_eq!(&*bare.epoch, "0");
}

#[test]
fn the_reference_names_every_key_that_is_read() {
    let source = Arc::new(Source {
        name: "larder.yaml".into(),
        text: REFERENCE.into(),
    });
    let mut known = BTreeSet::new();
    for source in [
        source,
        Arc::new(Source {
            name: "redis.yaml".into(),
            text: reference_with_redis(),
        }),
    ] {
        let mut report = report::Report::new(Some(source.clone()));
        let tree = tree::parse(&source, &mut report).unwrap();
        let mut reader = reader::Reader::new(&mut report);
        raw::read(&tree, &mut reader);
        known.extend(reader.known.iter().copied());
    }
    assert!(known.len() > 85, "{}", known.len());
    let words: BTreeSet<&str> = REFERENCE
        .split(|c: char| c.is_whitespace() || "{,".contains(c))
        .filter_map(|w| w.strip_suffix(':'))
        .collect();
    let missing: Vec<_> = known.iter().filter(|(_, key)| !words.contains(key)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn no_file_and_a_flag_are_enough() {
    let flags = Overrides {
        origin: Some("http://127.0.0.1:3000".into()),
        ..Overrides::default()
    };
    let config = load_on(Machine::UNLIMITED, None, &BTreeMap::new(), &flags)
        .unwrap()
        .config;
    assert_eq!(config.listen.len(), 1);
    assert_eq!(
        config.listen[0].address,
        Address::Tcp("0.0.0.0:8080".parse().unwrap())
    );
    assert!(config.listen[0].tls.is_none());
    assert_eq!(config.admin, "0.0.0.0:9321".parse().unwrap());
    assert_eq!(
        config.store,
        Store {
            memory: 128 << 20,
            max_object: 8 << 20
        }
    );
    assert_eq!(config.origin.response_timeout, Duration::from_secs(120));
    assert_eq!(config.rules.unmatched().stale_if_error, None);
    assert!(load_on(Machine::UNLIMITED, None, &BTreeMap::new(), &Overrides::default()).is_err());
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let text = "origin: { url: http://a, max_connections: 7 }\nlisten: 127.0.0.1:1\nlog: { level: warn }\n";
    let env = BTreeMap::from(
        [
            ("LARDER_ORIGIN", "http://b:81"),
            ("LARDER_LISTEN", "127.0.0.1:2"),
            ("LARDER_LOG_LEVEL", "debug"),
            ("LARDER__STORE__MEMORY", "64MiB"),
            ("LARDER__LIMITS__HEADER_COUNT", "7"),
            ("LARDER__CREDENTIALS", "X-One, X-Two*"),
            ("LARDER_CONFIG", "elsewhere.yaml"),
            ("OTHER", "x"),
        ]
        .map(|(k, v)| (k.to_owned(), v.to_owned())),
    );
    let flags = Overrides {
        listen: Some("127.0.0.1:3".into()),
        ..Overrides::default()
    };
    let source = Source {
        name: "larder.yaml".into(),
        text: text.into(),
    };
    let loaded = load_on(Machine::UNLIMITED, Some(source), &env, &flags).unwrap();
    let config = loaded.config;
    assert_eq!(
        (
            config.origin.host.as_str(),
            config.origin.port,
            config.origin.max_connections
        ),
        ("b", 81, 7)
    );
    assert_eq!(config.listen[0].address.to_string(), "127.0.0.1:3");
    assert_eq!(config.log.level, "debug");
    assert_eq!((config.store.memory, config.limits.header_count), (64 << 20, 7));
    for name in ["x-one", "x-two-more", "x-api-key", "x-tenant-id"] {
        assert!(
            config.credentials.contains(&HeaderName::from_static(name)),
            "{name}"
        );
    }
    assert!(loaded.warnings.is_empty());
}

#[test]
fn written_credentials_add_to_the_usual_ones() {
    let fields = |text: &str| {
        Config::from_yaml(&format!("origin: http://a\n{text}"))
            .unwrap()
            .credentials
    };
    let usual = fields("");
    for (text, name, expected) in [
        ("", "x-who", false),
        ("credentials: [X-Who]", "x-who", true),
        ("credentials: [X-Who]", "x-api-key", true),
        ("credentials: [X-Who]", "x-auth-request-user", true),
        ("credentials: []", "x-api-key", true),
    ] {
        let field = HeaderName::from_static(name);
        assert_eq!(fields(text).contains(&field), expected, "{text} {name}");
    }
    // Naming a usual one again changes nothing, not even the digest of the rules.
    assert_eq!(fields("credentials: [X-Api-Key, x-tenant*]"), usual);
}

#[test]
fn a_nested_variable_turns_an_origin_url_into_a_map() {
    let loaded = load_text("origin: http://a\n", &[("LARDER__ORIGIN__MAX_CONNECTIONS", "9")]).unwrap();
    assert_eq!(
        (
            loaded.config.origin.host.as_str(),
            loaded.config.origin.max_connections
        ),
        ("a", 9)
    );
}

#[test]
fn other_variables_are_ignored_with_one_warning() {
    let env = [
        ("LARDER_PORT", "tcp://10.0.0.1:8080"),
        ("LARDER_SERVICE_HOST", "10.0.0.1"),
    ];
    assert_eq!(
        titles(load_text("origin: http://a\n", &env)),
        ["the variables LARDER_PORT, LARDER_SERVICE_HOST set nothing"]
    );
    let many: Vec<String> = (0..12).map(|n| format!("LARDER_X{n:02}")).collect();
    let env: Vec<(&str, &str)> = many.iter().map(|name| (name.as_str(), "")).collect();
    let title = titles(load_text("origin: http://a\n", &env)).concat();
    assert!(title.ends_with("LARDER_X09 and 2 more set nothing"), "{title}");
}

#[test]
fn what_may_be_a_secret_is_in_no_message() {
    let loaded = load_text("origin: http://a\n", &[("LARDER_ADMIN_TOKEN", "s3cret")]).unwrap();
    let text: String = loaded.warnings.iter().map(ToString::to_string).collect();
    assert!(
        text.contains("LARDER_ADMIN_TOKEN") && !text.contains("s3cret"),
        "{text}"
    );
    for (file, env) in [
        ("origin: http://user:s3cret@app\n", None),
        ("origin: HTTP://user:s3cret@app\n", None),
        ("origin: https://user:s3cret@app\n", None),
        ("origin: user:s3cret@app:80\n", None),
        ("", Some(("LARDER_ORIGIN", "http://user:s3cret@app"))),
        ("", Some(("LARDER_ORIGIN", "user:s3cret@app"))),
        (
            "origin: http://a\n",
            Some(("LARDER__STORE__REDIS__PASSWORD", "s3cret")),
        ),
        ("", Some(("LARDER_REDIS_URL", "redis://:s3cret@r/x"))),
        ("", Some(("LARDER_REDIS_URL", "redis://:s3cret"))),
        ("", Some(("LARDER_REDIS_URL", "u:s3cret@r"))),
        ("", Some(("LARDER_REDIS_URL", "redis://:s3cret x@r"))),
        ("", Some(("LARDER__STORE__REDIS", "redis://:s3cret@r"))),
        ("store: { redis: { url: \"redis://:s3cret@r\" } }\n", None),
        ("store: { redis: { urll: \"redis://:s3cret@r\" } }\n", None),
        ("store: { redis: { url: \"redis://:x s3cret@r\" } }\n", None),
        ("store: { redis: { url: 'redis://:\"s3cret@r' } }\n", None),
        (
            "store:\n  redis: { url: \"redis://r\", password: s3cret, namespace: a }\n",
            None,
        ),
        (
            "store:\n  redis: { url: \"redis://r\", requirepass: \"s3cret\" }\n",
            None,
        ),
        ("store:\n  redis: redis://:s3cret@r\n", None),
        ("store:\n  redis: [redis://:s3cret@r]\n", None),
        ("store:\n  redis:\n    url: redis://:s3cret@r: x\n", None),
        ("store:\n  redis:\n    url: u:s3cret@r\n    namespace: x\n", None),
        ("store:\n  redis:\n    url: >-\n      redis://:s3cret@r/x\n", None),
        (
            "store:\n  redis:\n    url: redis://:s3cret@r\n    username: u\n    namespace: redis://:s3cret@r {\n",
            None,
        ),
        ("redis: { url: \"redis://:s3cret@r\" }\n", None),
        ("listen: redis://:s3cret@r\n", None),
        ("ttl: redis://:s3cret@r\n", None),
        ("valkey: redis://r?password=s3cret\n", None),
    ] {
        let env: Vec<(&str, &str)> = env.into_iter().collect();
        let text = load_text(file, &env).unwrap_err().to_string();
        assert!(!text.contains("s3cret"), "{text}");
    }
}

#[test]
fn captures_of_other_routers_are_warned_of() {
    for path in ["/products/:sku", "/products/:sku/parts"] {
        let text = format!("origin: http://a\nrules:\n  - name: p\n    match: GET {path}\n    ttl: 1m\n");
        let title = titles(load_text(&text, &[]));
        assert_eq!(title, ["`:sku` matches only itself, in `p`"], "{path}");
    }
}

#[test]
fn a_bad_variable_is_named_and_its_key_corrected() {
    let problems = load_text("origin: http://a\n", &[("LARDER__STORE__MEMRY", "64MiB")]).unwrap_err();
    let text = problems.to_string();
    assert!(
        text.contains("LARDER__STORE__MEMRY=") && text.contains("did you mean `memory`?"),
        "{text}"
    );
    let list = [("LARDER__RULES__0__TTL", "1m")];
    assert_eq!(
        titles(load_text("origin: http://a\nrules: []\n", &list)),
        ["LARDER__RULES__0__TTL reaches into something that has no keys"]
    );
}

#[test]
fn words_are_taken_as_written() {
    let text =
        "origin: http://a\nrules:\n  - match: GET /\n    ttl: 1m\n    key: {query: [page, n, on, 010]}\n";
    let config = Config::from_yaml(text).unwrap();
    let names = ["page", "n", "on", "010"].map(str::to_owned).to_vec();
    assert_eq!(config.rules.rules()[0].key.query, QueryKey::Only(names));
}

#[test]
fn a_value_from_the_environment_stays_text() {
    let env = [("NAME", "[a, b]: {c}"), ("BODY", "null")];
    let text = "origin: http://a\nrules:\n  - match: GET /\n    ttl: 1m\n    tags: [\"x-${NAME}\"]\n";
    let errors = titles(load_text(text, &env));
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].contains("{c}"), "{errors:?}");
    let cookies = "origin: http://a\nrules: [{match: GET /, ttl: 1m, key: {cookies: [\"${BODY}\"]}}]\n";
    let config = load_text(cookies, &env).unwrap().config;
    assert_eq!(config.rules.rules()[0].key.cookies, ["null"]);
}

#[test]
fn enabled_false_needs_nothing_else() {
    assert!(
        !Config::from_yaml("enabled: false\norigin: http://a\n")
            .unwrap()
            .enabled
    );
    assert!(
        !load_text("origin: http://a\n", &[("LARDER_ENABLED", "false")])
            .unwrap()
            .config
            .enabled
    );
}

#[test]
fn a_default_ttl_never_turns_a_write_into_a_read() {
    let text = "origin: http://a\ndefaults: {ttl: 5m, stale_if_error: 1d}\nrules:\n\
                - match: GET /a\n- match: POST /a\n- match: PUT|GET /b\n- {match: GET /c, ttl: 1m}\n";
    let config = Config::from_yaml(text).unwrap();
    let ttls: Vec<Ttl> = config.rules.rules().iter().map(|r| r.ttl).collect();
    let fixed = |s| Ttl::Fixed(Duration::from_secs(s));
    assert_eq!(ttls, [fixed(300), Ttl::Origin, Ttl::Origin, fixed(60)]);
    assert!(
        config
            .rules
            .rules()
            .iter()
            .all(|r| r.stale_if_error == Some(Duration::from_secs(86_400)))
    );
    assert_eq!(config.rules.unmatched().stale_if_error, None);
}

#[test]
fn the_default_object_size_follows_a_small_memory() {
    let config = Config::from_yaml("origin: http://a\nstore: {memory: 8MiB}\n").unwrap();
    assert_eq!(config.store.max_object, 2 << 20);
    assert_eq!(config.rules.unmatched().max_object, 2 << 20);
}

#[test]
fn a_fingerprint_changes_with_what_decides_reuse_and_with_nothing_else() {
    let print = |top: &str, rule: &str| {
        let text = format!(
            "origin: http://a\n{top}\nrules:\n  - name: r\n    match: GET /a/{{x}}\n    ttl: 1m\n{rule}"
        );
        Config::from_yaml(&text)
            .unwrap_or_else(|p| panic!("{p}"))
            .rules
            .rules()[0]
            .fingerprint
    };
    let base = print("", "");
    for (top, rule) in [
        ("cache_status: false", ""),
        ("# a comment", ""),
        ("", "    client_ttl: none\n"),
        ("", "    timeout: 5s\n"),
        ("", "    collapse: off\n"),
        ("", "    share: auto\n"),
        ("", "    targeted: [Larder-Cache-Control]\n"),
        ("", "    client_cache_control: honor\n"),
        ("", "    compress: false\n"),
        ("", "    compress: {codings: [gzip], level: {later: default}}\n"),
        ("", "    accept_encoding: identity\n"),
    ] {
        assert_eq!(print(top, rule), base, "{top} {rule}");
    }
    let mut seen = BTreeSet::from([base]);
    for (top, rule) in [
        ("credentials: [X-Who]", ""),
        ("", "    share: public\n"),
        ("", "    share: {per: cookie sid}\n"),
        ("", "    share: {per: header sid}\n"),
        ("", "    key: {query: none}\n"),
        ("", "    key: {query: [a, b]}\n"),
        ("", "    key: {query: [b, a]}\n"),
        ("", "    key: {query: {except: [a, b]}}\n"),
        ("", "    key: {headers: [a]}\n"),
        ("", "    key: {cookies: [a]}\n"),
        ("", "    set_cookie: strip\n"),
        ("", "    ttl_by_status: {404: 1m}\n"),
        ("", "    ignore_origin: [private]\n"),
        ("", "    targeted: []\n"),
        ("", "    targeted: [CDN-Cache-Control]\n"),
        ("", "    targeted: [A-Cache-Control, CDN-Cache-Control]\n"),
        ("", "    targeted: [CDN-Cache-Control, A-Cache-Control]\n"),
        ("", "    tags: [\"{x}\"]\n"),
        ("", "    stale_if_error: 1m\n"),
        ("", "    stale_while_revalidate: 1m\n"),
        ("", "    jitter: 10%\n"),
        ("", "    max_object: 1MiB\n"),
        ("", "    host: a.example\n"),
        ("", "    accept_encoding: pass\n"),
        ("", "    compress: {types: [text/*]}\n"),
        ("", "    compress: {min_size: 1KiB}\n"),
        ("", "    compress: {credentials: true}\n"),
    ] {
        assert!(seen.insert(print(top, rule)), "{top} {rule}");
    }
}

#[test]
fn a_fingerprint_is_the_same_in_every_version() {
    let config = Config::from_yaml(MINIMAL).unwrap();
    assert_eq!(config.rules.rules()[0].fingerprint, 10_528_686_622_147_435_179);
}

#[test]
fn compression_has_its_parts_from_defaults_one_by_one() {
    let compress = |defaults: &str, rule: &str| {
        let text = format!(
            "origin: http://a\ndefaults: {{cache: true{defaults}}}\nrules: [{{match: GET /a{rule}}}]\n"
        );
        let config = Config::from_yaml(&text).unwrap_or_else(|p| panic!("{p}"));
        config.rules.rules()[0].compress.as_deref().cloned()
    };
    let usual = Compress::default();
    for (defaults, rule, expected) in [
        ("", "", Some(usual.clone())),
        (", compress: true", "", Some(usual.clone())),
        (", compress: false", "", None),
        (", compress: off", ", compress: true", Some(usual.clone())),
        (", compress: true", ", compress: false", None),
        (
            ", compress: {min_size: 2KiB, codings: [gzip]}",
            ", compress: {codings: [br, x-gzip, br], level: {first: best}}",
            Some(Compress {
                codings: vec![Coding::Br, Coding::Gzip],
                min_size: 2048,
                first: Level::Best,
                ..usual.clone()
            }),
        ),
        (
            ", compress: {credentials: true}",
            ", compress: {types: [image/bmp], level: {later: fast}}",
            Some(Compress {
                types: vec![MediaRange::parse("image/bmp").unwrap()],
                later: Level::Fast,
                credentials: true,
                ..usual.clone()
            }),
        ),
    ] {
        assert_eq!(compress(defaults, rule), expected, "{defaults} {rule}");
    }
}

#[test]
fn unnamed_rules_get_names_of_their_own() {
    let text = "origin: http://a\nrules: [{match: GET /a}, {match: \"GET /a/**\"}, {match: POST /a}, \
                {match: GET /A, host: b}, {name: get-a-2, match: GET /b}, {match: GET /a, host: c}]\n";
    let config = Config::from_yaml(text).unwrap_or_else(|p| panic!("{p}"));
    let names: Vec<&str> = config.rules.rules().iter().map(|r| r.name.as_ref()).collect();
    assert_eq!(
        names,
        ["get-a", "get-a-all", "post-a", "get-a-3", "get-a-2", "get-a-4"]
    );
}

#[test]
fn items_of_invalidate_are_rules_tags_and_paths() {
    let text = "origin: http://a\nrules:\n\
        - {name: list, match: GET /p, ttl: 1m, client_ttl: none, tags: [list]}\n\
        - {name: item, match: \"GET /p/{id}\", ttl: 1m, client_ttl: none, tags: [\"p:{id}\"]}\n\
        - match: PUT /p/{x}\n  invalidate: [list, item, \"p:{x}\", \"/p/{x}\", \"/r/**\", \"tag:mine\"]\n";
    let config = Config::from_yaml(text).unwrap_or_else(|p| panic!("{p}"));
    let kinds: Vec<String> = config.rules.rules()[2]
        .invalidate
        .iter()
        .map(|item| match item {
            Invalidate::Rule(name) => format!("rule {name}"),
            Invalidate::Tag(tag) => format!("tag {}", tag.text()),
            Invalidate::Path(path) => format!("path {}", path.text()),
            Invalidate::Under(path) => format!("under {}", path.text()),
        })
        .collect();
    let expected = [
        "rule list",
        "tag list",
        "rule item",
        "tag p:{x}",
        "path /p/{x}",
        "under /r",
        "tag mine",
    ];
    assert_eq!(kinds, expected);
}

#[test]
fn warnings_are_given_for_what_is_probably_not_meant() {
    let rules = |rules: &str| titles(load_text(&format!("origin: http://a\nrules:\n{rules}"), &[]));
    for (text, expected) in [
        (
            "- {name: me, match: GET /me, ttl: 1m, share: public}\n",
            "`share: public` on a path with credentials, in `me`",
        ),
        (
            "- {name: a, match: GET /a, set_cookie: share}\n",
            "`set_cookie: share` sends one client's cookies to all, in `a`",
        ),
        (
            "- {name: a, match: GET /a, key: {query: none, unkeyed: forward}}\n",
            "`unkeyed: forward` lets a stranger choose what others get, in `a`",
        ),
        (
            "- {match: GET /a, key: {query: {except: [utm_*, api_key]}}}\n",
            "the key leaves out `api_key`, which is named like a secret",
        ),
        (
            "- {match: POST /a, ttl: 1m}\n",
            "a POST is cached, and its body is not part of the key",
        ),
        (
            "- {name: list, match: GET /a, ttl: 1m}\n- {match: \"PUT /a/{id}\", cache: false}\n",
            "`list` is cached, and a write below it does not drop it",
        ),
        (
            "- {name: a, match: GET /a, ttl: 1m}\n- {match: POST /a, invalidate: [a]}\n",
            "browser copies of `a` may outlive a write",
        ),
        (
            "- {name: a, match: GET /a, ttl: 1m, client_ttl: 1h}\n- {match: POST /a, invalidate: [a]}\n",
            "browser copies of `a` outlive a write",
        ),
        (
            "- {name: a, match: GET /a, client_ttl: 1h}\n- {match: POST /a, invalidate: [a]}\n",
            "browser copies of `a` outlive a write",
        ),
        (
            "- {name: stats, match: GET /a/stats, ttl: 1m}\n- {match: \"PUT /a/{id}\", cache: false}\n",
            "`stats` is cached, and a write beside it does not drop it",
        ),
        (
            "- {name: all, match: \"GET /a/**\", ttl: 1m}\n- {match: \"PUT /a/{id}\", cache: false}\n",
            "`all` is cached, and a write below it does not drop it",
        ),
        (
            "- {name: both, match: [GET /a, \"GET /a/{id}\"], ttl: 1m}\n- {match: \"PUT /a/{id}\", cache: false}\n",
            "`both` is cached, and a write below it does not drop it",
        ),
        (
            "- {name: all, match: \"GET /**\", ttl: 1m, share: public}\n",
            "`share: public` on a path with credentials, in `all`",
        ),
        (
            "- {name: t, match: TRACE|CONNECT /a}\n",
            "the rule `t` can never match",
        ),
        (
            "- {name: t, match: GET|TRACE /a}\n",
            "`TRACE` can never match, in `t`",
        ),
        (
            "- {name: t, match: PSOT /a}\n",
            "`PSOT` is no usual method, in `t`",
        ),
        (
            "- {name: t, match: HEAD /a, ttl: 1m}\n",
            "`t` never stores: it matches HEAD alone",
        ),
    ] {
        assert_eq!(rules(text), [expected], "{text}");
    }
    for quiet in [
        "- {name: a, match: GET /a, ttl: 1m, share: public}\n",
        "- {name: a, match: GET /a, ttl: 1m, client_ttl: none}\n- {match: \"PUT /a/{id}\", invalidate: [a]}\n",
        "- {name: a, match: \"GET /a/{id}\", ttl: 1m}\n- {match: \"PUT /a/{id}\", cache: false}\n",
        "- {match: GET /a, ttl: 1m}\n- {match: POST /login, cache: false}\n",
        // Whether a browser keeps a copy is the origin's word alone.
        "- {name: a, match: GET /a}\n- {match: POST /a, invalidate: [a]}\n",
        "- {name: a, match: GET /a, client_ttl: 0s, ttl: 1m}\n- {match: POST /a, invalidate: [a]}\n",
        "- {name: a, match: GET /a/stats, ttl: 1m, client_ttl: none}\n- {match: \"PUT /a/{id}\", invalidate: [a]}\n",
        // Another rule answers the list.
        "- {match: \"GET /**\", ttl: 1m}\n- {match: GET /a}\n- {match: \"PUT /a/{id}\", cache: false}\n",
        "- {match: \"GET /a/**\", ttl: 1m, share: public}\n",
        "- {match: PROPFIND|PURGE /a}\n",
        "- {match: HEAD /a}\n",
    ] {
        assert_eq!(rules(quiet), [""; 0], "{quiet}");
    }
}

#[test]
fn the_body_of_a_write_may_be_keyed_for_what_it_drops() {
    let text = "origin: http://a\nrules:\n\
        - {name: p, match: \"GET /p/{sku}\", ttl: 1m, client_ttl: none, tags: [\"p:{sku}\"]}\n\
        - {match: POST /p, key: {body: {json: [sku]}}, timeout: 5s, invalidate: [\"p:{json.sku}\"]}\n";
    assert_eq!(titles(load_text(text, &[])), [""; 0]);
}

#[test]
fn a_rule_whose_requests_others_answer_is_warned_of() {
    let text = "origin: http://a\nrules:\n- {match: GET /a}\n- {match: HEAD /a}\n- {name: both, match: GET|HEAD /a}\n";
    let titles = titles(load_text(text, &[]));
    assert!(
        titles.iter().any(|t| t == "the rule `both` can never match"),
        "{titles:?}"
    );
}

#[test]
fn a_rule_for_what_is_left_can_match() {
    for (all, others) in [
        ("GET /api/**", vec!["GET /api/{version}/**"]),
        ("GET /api/**", vec!["GET /api/{version}/**", "GET /api"]),
        (
            "GET /api/**",
            vec!["GET /api/{a}", "GET /api/{a}/{b}", "GET /api"],
        ),
        ("GET /**", vec!["GET /{first}/**"]),
    ] {
        let rules: String = others
            .iter()
            .map(|other| format!("- match: \"{other}\"\n"))
            .collect();
        let text = format!("origin: http://a\nrules:\n- match: \"{all}\"\n{rules}");
        assert_eq!(titles(load_text(&text, &[])), [""; 0], "{all} {others:?}");
    }
}

#[test]
fn a_default_client_ttl_is_warned_of_once_for_all_rules() {
    for told in ["30m", "remaining"] {
        let text = format!(
            "origin: http://a\ndefaults: {{client_ttl: {told}}}\nrules:\n\
             - {{name: a, match: GET /a, ttl: 1h}}\n- {{name: b, match: GET /b, ttl: 1h}}\n\
             - {{match: POST /a, invalidate: [a, b]}}\n"
        );
        let found = titles(load_text(&text, &[]));
        assert_eq!(found, ["browser copies of `a`, `b` outlive a write"], "{told}");
    }
}

#[test]
fn thousands_of_rules_load_quickly_and_find_their_way() {
    let mut text = String::from("origin: http://a\nrules:\n");
    for n in 0..2000 {
        text.push_str(&format!(
            "- {{name: r{n}, match: \"GET /a{n}/{{id}}\", ttl: 1m, tags: [\"t{n}:{{id}}\"]}}\n\
             - {{match: \"PUT /a{n}/{{id}}\", invalidate: [r{n}, \"t{n}:{{id}}\"]}}\n"
        ));
    }
    let config = Config::from_yaml(&text).unwrap_or_else(|p| panic!("{p}"));
    assert_eq!(config.rules.rules().len(), 4000);
    assert!(Pattern::parse("GET /a", None).is_ok());
}
