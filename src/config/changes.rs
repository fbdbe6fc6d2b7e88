//! What differs between the configuration in force and the one just read, and which part of that a
//! running Larder can take over. Names settings and rules, never values: some are secrets.
//!
//! The two functions below take [`Config`] apart by name, so that a new setting does not compile
//! until it is decided here whether it can change live.

use std::collections::HashMap;
use std::sync::Arc;

use super::model::{Config, Limits, Listen, LogSettings, Origin, Redis, Rule};
use crate::route::Table;

/// What a reload would change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Rules, by name.
    pub rules: RuleChanges,
    /// Other settings that change live, as they are called in the file.
    pub settings: Vec<&'static str>,
    /// Settings that count after a restart alone.
    pub needs_restart: Vec<&'static str>,
}

/// Names of rules, in the order of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuleChanges {
    /// Rules that were not there before.
    pub added: Vec<Arc<str>>,
    /// Rules that are gone.
    pub removed: Vec<Arc<str>>,
    /// Rules that say something else than before.
    pub changed: Vec<Arc<str>>,
}

impl RuleChanges {
    /// Whether all rules are what they were.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }

    fn between(running: &Table, read: &Table) -> Self {
        fn by_name(table: &Table) -> HashMap<&str, &Arc<Rule>> {
            table.rules().iter().map(|rule| (&*rule.name, rule)).collect()
        }
        let (old, new) = (by_name(running), by_name(read));
        let name = |rule: &Arc<Rule>| rule.name.clone();
        let is_changed =
            |rule: &&Arc<Rule>| old.get(&*rule.name).is_some_and(|old| !says_the_same(old, rule));
        let (read, running) = (read.rules().iter(), running.rules().iter());
        Self {
            added: read
                .clone()
                .filter(|rule| !old.contains_key(&*rule.name))
                .map(name)
                .collect(),
            removed: running
                .filter(|rule| !new.contains_key(&*rule.name))
                .map(name)
                .collect(),
            changed: read.filter(is_changed).map(name).collect(),
        }
    }
}

/// Whether two rules of one name say the same, wherever they stand. What other rules and settings
/// make of them does not count.
fn says_the_same(one: &Rule, other: &Rule) -> bool {
    let said = |rule: &Rule| Rule {
        index: 0,
        line: 0,
        written: false,
        fingerprint: 0,
        ..rule.clone()
    };
    said(one) == said(other)
}

impl Changes {
    /// What taking over `read` in place of `running` would change.
    pub fn between(running: &Config, read: &Config) -> Changes {
        let Config {
            enabled,
            listen,
            admin,
            admin_token,
            origin,
            forwarded,
            credentials,
            store,
            redis,
            rules,
            upgrade,
            limits,
            log,
            metric_rules,
            cache_status,
            drain_delay,
            drain_timeout,
            workers,
            hash: _,
        } = running;
        let mut changes = Changes {
            rules: RuleChanges::between(rules, &read.rules),
            ..Changes::default()
        };
        changes.live("enabled", *enabled == read.enabled);
        let same_places = are_same_places(listen, &read.listen);
        changes.restart("listen", same_places);
        let same_shown = listen.iter().all(|place| {
            let again = same_place(place, &read.listen);
            again.is_none_or(|again| again.tls == place.tls)
        });
        changes.live("listen.tls", same_shown);
        changes.restart("admin", *admin == read.admin);
        changes.live("admin_token_file", *admin_token == read.admin_token);
        changes.origin(origin, &read.origin);
        changes.live("forwarded", *forwarded == read.forwarded);
        changes.live("credentials", credentials.digest() == read.credentials.digest());
        changes.restart("store.memory", store.memory == read.store.memory);
        changes.restart("store.max_object", store.max_object == read.store.max_object);
        match (redis, &read.redis) {
            (Some(running), Some(read)) => changes.redis(running, read),
            (running, read) => changes.restart("store.redis", running.is_some() == read.is_some()),
        }
        changes.live("upgrade", *upgrade == read.upgrade);
        changes.limits(limits, &read.limits);
        changes.log(log, &read.log);
        changes.live("metrics.rules", *metric_rules == read.metric_rules);
        changes.live("cache_status", *cache_status == read.cache_status);
        changes.live("drain_delay", *drain_delay == read.drain_delay);
        changes.live("drain_timeout", *drain_timeout == read.drain_timeout);
        changes.restart("workers", *workers == read.workers);
        changes
    }

    /// Whether nothing changes that can change live.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty() && self.settings.is_empty()
    }

    fn live(&mut self, name: &'static str, is_same: bool) {
        if !is_same {
            self.settings.push(name);
        }
    }

    fn restart(&mut self, name: &'static str, is_same: bool) {
        if !is_same {
            self.needs_restart.push(name);
        }
    }

    fn origin(&mut self, running: &Origin, read: &Origin) {
        let Origin {
            host,
            port,
            unix,
            tls,
            h2c,
            http2,
            connect_timeout,
            response_timeout,
            idle_timeout,
            max_connections,
            max_in_flight,
            host_field,
        } = running;
        let same_place = (host, *port, unix) == (&read.host, read.port, &read.unix);
        let same_scheme = (tls.is_some(), h2c) == (read.tls.is_some(), &read.h2c);
        self.restart("origin.url", same_place && same_scheme);
        self.restart("origin.http2", *http2 == read.http2);
        self.restart(
            "origin.tls",
            tls.is_some() != read.tls.is_some() || *tls == read.tls,
        );
        self.live("origin.connect_timeout", *connect_timeout == read.connect_timeout);
        self.live(
            "origin.response_timeout",
            *response_timeout == read.response_timeout,
        );
        self.live("origin.idle_timeout", *idle_timeout == read.idle_timeout);
        self.restart("origin.max_connections", *max_connections == read.max_connections);
        self.restart("origin.max_in_flight", *max_in_flight == read.max_in_flight);
        self.restart("origin.host", *host_field == read.host_field);
    }

    fn redis(&mut self, running: &Redis, read: &Redis) {
        let Redis {
            servers,
            database,
            username,
            password,
            tls,
            namespace,
            epoch,
            timeout,
            connections,
            max_blind,
            blind_forwards,
            sign_key,
        } = running;
        let same_servers = (servers, *database) == (&read.servers, read.database);
        self.restart("store.redis.url", same_servers);
        self.live("store.redis.username", *username == read.username);
        self.live("store.redis.password", *password == read.password);
        self.restart("store.redis.tls", *tls == read.tls);
        self.restart("store.redis.namespace", *namespace == read.namespace);
        self.restart("store.redis.epoch", *epoch == read.epoch);
        self.restart("store.redis.timeout", *timeout == read.timeout);
        self.restart("store.redis.connections", *connections == read.connections);
        self.restart("store.redis.max_blind", *max_blind == read.max_blind);
        let same_share = blind_forwards.to_bits() == read.blind_forwards.to_bits();
        self.restart("store.redis.blind_forwards", same_share);
        self.restart("store.redis.sign_key_file", *sign_key == read.sign_key);
    }

    fn limits(&mut self, running: &Limits, read: &Limits) {
        let Limits {
            header_bytes,
            header_count,
            uri_bytes,
            request_body,
            key_body,
            connections,
            header_timeout,
            body_timeout,
            write_timeout,
            idle_timeout,
            stream_idle_timeout,
            variants,
            tags,
            decoded_body,
        } = running;
        self.live("limits.header_bytes", *header_bytes == read.header_bytes);
        self.live("limits.header_count", *header_count == read.header_count);
        self.live("limits.uri_bytes", *uri_bytes == read.uri_bytes);
        self.live("limits.request_body", *request_body == read.request_body);
        self.live("limits.key_body", *key_body == read.key_body);
        self.live("limits.connections", *connections == read.connections);
        self.live("limits.header_timeout", *header_timeout == read.header_timeout);
        self.live("limits.body_timeout", *body_timeout == read.body_timeout);
        self.live("limits.write_timeout", *write_timeout == read.write_timeout);
        self.live("limits.idle_timeout", *idle_timeout == read.idle_timeout);
        let same_silence = *stream_idle_timeout == read.stream_idle_timeout;
        self.live("limits.stream_idle_timeout", same_silence);
        self.live("limits.variants", *variants == read.variants);
        self.live("limits.tags", *tags == read.tags);
        self.live("limits.decoded_body", *decoded_body == read.decoded_body);
    }

    fn log(&mut self, running: &LogSettings, read: &LogSettings) {
        let LogSettings {
            format,
            level,
            access,
            slow_request,
            trust_request_id,
        } = running;
        self.restart("log.format", *format == read.format);
        self.live("log.level", *level == read.level);
        self.live("log.access", *access == read.access);
        self.live("log.slow_request", *slow_request == read.slow_request);
        self.live("log.trust_request_id", *trust_request_id == read.trust_request_id);
    }
}

impl Config {
    /// This configuration as far as a Larder that runs under `running` can take it over: what needs
    /// a restart stays as it is there.
    #[must_use]
    pub fn held_to(self, running: &Config) -> Config {
        let Config {
            listen,
            origin,
            redis,
            log,
            ..
        } = self;
        Config {
            listen: held_places(&running.listen, &listen),
            admin: running.admin,
            origin: Origin {
                connect_timeout: origin.connect_timeout,
                response_timeout: origin.response_timeout,
                idle_timeout: origin.idle_timeout,
                ..running.origin.clone()
            },
            store: running.store,
            redis: held_redis(running.redis.as_ref(), redis.as_deref()),
            log: LogSettings {
                format: running.log.format,
                ..log
            },
            workers: running.workers,
            ..self
        }
    }
}

/// Whether clients connect at the same places, in clear or not as before.
fn are_same_places(running: &[Listen], read: &[Listen]) -> bool {
    let place = |listen: &Listen| (listen.address.clone(), listen.tls.is_some());
    running.iter().map(place).eq(read.iter().map(place))
}

/// What was read of a place where clients connect already, in clear or not as now.
fn same_place<'r>(place: &Listen, read: &'r [Listen]) -> Option<&'r Listen> {
    let mut same = read.iter().filter(|read| read.address == place.address);
    same.find(|read| read.tls.is_some() == place.tls.is_some())
}

/// The places where clients connect, each with the certificates that were read for it.
fn held_places(running: &[Listen], read: &[Listen]) -> Vec<Listen> {
    let held = |place: &Listen| same_place(place, read).unwrap_or(place).clone();
    running.iter().map(held).collect()
}

/// The Redis that is connected to, with the user and the password that were read.
fn held_redis(running: Option<&Arc<Redis>>, read: Option<&Redis>) -> Option<Arc<Redis>> {
    let running = running?;
    let Some(read) = read else {
        return Some(running.clone());
    };
    Some(Arc::new(Redis {
        username: read.username.clone(),
        password: read.password.clone(),
        ..Redis::clone(running)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        let text = format!("origin: http://app\n{text}");
        Config::from_yaml(&text).unwrap_or_else(|problems| panic!("{problems}"))
    }

    fn changes(before: &str, after: &str) -> Changes {
        Changes::between(&config(before), &config(after))
    }

    fn names(names: &[Arc<str>]) -> Vec<&str> {
        names.iter().map(|name| &**name).collect()
    }

    #[test]
    fn rules_are_told_apart_by_name_wherever_they_stand() {
        let before = "rules:
  - { name: a, match: GET /a, ttl: 1m }
  - { name: b, match: GET /b, ttl: 1m }
  - { name: c, match: GET /c, ttl: 1m }
";
        let after = "rules:
  - { name: new, match: GET /new, ttl: 1m }
  - { name: c, match: GET /c, ttl: 1m }
  - { name: a, match: GET /a, ttl: 2m }
";
        let rules = changes(before, after).rules;
        assert_eq!(names(&rules.added), ["new"]);
        assert_eq!(names(&rules.removed), ["b"]);
        assert_eq!(names(&rules.changed), ["a"], "another place is no change");
        let reordered = "rules:
  - { name: c, match: GET /c, ttl: 60s }
  - { name: b, match: GET /b, ttl: 1m } # as before
  - { name: a, match: GET /a, ttl: 1m }
";
        assert_eq!(changes(before, reordered), Changes::default());
    }

    #[test]
    fn a_rule_that_another_rule_drops_is_not_changed_by_that() {
        let before = "rules:\n  - { name: a, match: GET /a, ttl: 1m }\n";
        let after = &format!("{before}  - {{ name: w, match: POST /a, invalidate: [a] }}\n");
        let rules = changes(before, after).rules;
        assert_eq!((names(&rules.added), names(&rules.changed)), (vec!["w"], vec![]));
    }

    /// Each setting with another value than its default, and whether it can change live.
    const SETTINGS: &[(&str, &str, bool)] = &[
        ("enabled", "enabled: false", true),
        ("listen", "listen: 127.0.0.1:1", false),
        ("admin", "admin: 127.0.0.1:2", false),
        ("forwarded", "forwarded: pass", true),
        ("credentials", "credentials: [X-Session]", true),
        ("store.memory", "store: { memory: 256MiB }", false),
        ("store.max_object", "store: { max_object: 1MiB }", false),
        (
            "store.redis",
            "store: { redis: { url: 'redis://r', namespace: n } }",
            false,
        ),
        ("upgrade", "upgrade: [other]", true),
        ("limits.header_bytes", "limits: { header_bytes: 16KiB }", true),
        ("limits.header_count", "limits: { header_count: 7 }", true),
        ("limits.uri_bytes", "limits: { uri_bytes: 1KiB }", true),
        ("limits.request_body", "limits: { request_body: 1MiB }", true),
        ("limits.key_body", "limits: { key_body: 1KiB }", true),
        ("limits.connections", "limits: { connections: 7 }", true),
        ("limits.header_timeout", "limits: { header_timeout: 1s }", true),
        ("limits.body_timeout", "limits: { body_timeout: 1s }", true),
        ("limits.write_timeout", "limits: { write_timeout: 1s }", true),
        ("limits.idle_timeout", "limits: { idle_timeout: 1s }", true),
        (
            "limits.stream_idle_timeout",
            "limits: { stream_idle_timeout: 1s }",
            true,
        ),
        ("limits.variants", "limits: { variants: 7 }", true),
        ("limits.tags", "limits: { tags: 7 }", true),
        ("limits.decoded_body", "limits: { decoded_body: 1MiB }", true),
        ("log.format", "log: { format: text }", false),
        ("log.level", "log: { level: debug }", true),
        ("log.access", "log: { access: all }", true),
        ("log.slow_request", "log: { slow_request: 7s }", true),
        ("log.trust_request_id", "log: { trust_request_id: false }", true),
        ("metrics.rules", "metrics: { rules: 7 }", true),
        ("cache_status", "cache_status: false", true),
        ("drain_delay", "drain_delay: 7s", true),
        ("drain_timeout", "drain_timeout: 7s", true),
        ("workers", "workers: 7", false),
    ];

    #[test]
    fn every_setting_is_named_and_what_cannot_change_is_held() {
        let running = config("");
        for (name, text, is_live) in SETTINGS {
            let read = config(text);
            let changes = Changes::between(&running, &read);
            let expected: (&[&str], &[&str]) = if *is_live { (&[name], &[]) } else { (&[], &[name]) };
            assert_eq!(
                (&changes.settings[..], &changes.needs_restart[..]),
                expected,
                "{text}"
            );
            let held = read.clone().held_to(&running);
            assert_eq!(Changes::between(&running, &held).needs_restart, [""; 0], "{name}");
            let left = Changes::between(&held, &read);
            assert_eq!(left.settings, [""; 0], "{name}");
            assert_eq!(left.needs_restart.is_empty(), *is_live, "{name} is said again");
        }
    }

    #[test]
    fn of_the_origin_only_patience_changes() {
        let with = |more: &str| {
            Config::from_yaml(&format!("origin: {{ url: 'http://{more} }}\n"))
                .unwrap_or_else(|p| panic!("{p}"))
        };
        let running = with("app'");
        for (name, read, is_live) in [
            ("origin.url", with("other'"), false),
            ("origin.url", with("app:81'"), false),
            ("origin.host", with("app', host: shop.example"), false),
            ("origin.http2", with("app', http2: false"), false),
            ("origin.max_connections", with("app', max_connections: 7"), false),
            ("origin.max_in_flight", with("app', max_in_flight: 7"), false),
            ("origin.connect_timeout", with("app', connect_timeout: 7s"), true),
            (
                "origin.response_timeout",
                with("app', response_timeout: 7s"),
                true,
            ),
            ("origin.idle_timeout", with("app', idle_timeout: 7s"), true),
        ] {
            let changes = Changes::between(&running, &read);
            let named = if is_live {
                &changes.settings
            } else {
                &changes.needs_restart
            };
            assert_eq!(named, &[name]);
            let held = read.held_to(&running).origin;
            assert_eq!(held == running.origin, !is_live, "{name}");
        }
    }

    #[test]
    fn of_redis_only_who_logs_in_changes() {
        let with = |more: &str| {
            let url = if more.contains("//") {
                ""
            } else {
                "url: 'redis://r', "
            };
            let namespace = if more.contains("namespace") {
                ""
            } else {
                "namespace: n, "
            };
            config(&format!("store: {{ redis: {{ {url}{namespace}{more} }} }}\n"))
        };
        let running = with("epoch: '1'");
        for (names, read) in [
            (&["store.redis.url"][..], with("epoch: '1', url: 'redis://s'")),
            (&["store.redis.url"], with("epoch: '1', url: 'redis://r/3'")),
            (&["store.redis.namespace"], with("epoch: '1', namespace: m")),
            (&["store.redis.epoch"], with("epoch: '2'")),
            (&["store.redis.timeout"], with("epoch: '1', timeout: 7ms")),
            (&["store.redis.connections"], with("epoch: '1', connections: 7")),
            (&["store.redis.max_blind"], with("epoch: '1', max_blind: 7s")),
            (
                &["store.redis.blind_forwards"],
                with("epoch: '1', blind_forwards: 50%"),
            ),
        ] {
            let changes = Changes::between(&running, &read);
            assert_eq!(
                (&changes.needs_restart[..], &changes.settings[..]),
                (names, &[][..])
            );
        }
        let secret = with("epoch: '1', url: 'redis://me:secret@r'");
        let changes = Changes::between(&running, &secret);
        assert_eq!(changes.settings, ["store.redis.username", "store.redis.password"]);
        assert!(changes.needs_restart.is_empty());
        let held = secret.held_to(&running).redis.unwrap();
        assert_eq!(held.username.as_deref(), Some("me"));
        assert!(held.password.is_some());
    }

    #[test]
    fn rules_get_the_bounds_of_the_memory_that_runs() {
        let read = |text: &str, running: Option<&Config>| {
            let source = super::super::Source {
                name: "larder.yaml".into(),
                text: format!("origin: http://app\n{text}"),
            };
            let (machine, none) = (super::super::Machine::UNLIMITED, Default::default());
            let store = running.map(|running| running.store);
            let flags = super::super::Overrides::default();
            super::super::load_noting(machine, store, Some(source), &none, &flags)
                .0
                .unwrap_or_else(|problems| panic!("{problems}"))
                .config
        };
        let rules = "rules:\n  - { name: a, match: GET /a, ttl: 1m }\n  - { name: b, match: GET /b, ttl: 1m, max_object: 30MiB }\n";
        let running = read(
            &format!("store: {{ memory: 64MiB, max_object: 1MiB }}\n{rules}").replace("30MiB", "2MiB"),
            None,
        );
        let larger = read(&format!("store: {{ memory: 256MiB }}\n{rules}"), Some(&running));
        let changes = Changes::between(&running, &larger);
        assert_eq!(changes.needs_restart, ["store.memory", "store.max_object"]);
        assert_eq!(
            names(&changes.rules.changed),
            ["b"],
            "not `a`, which says what it said"
        );
        let most: Vec<u64> = larger
            .rules
            .rules()
            .iter()
            .map(|rule| rule.max_object >> 20)
            .collect();
        assert_eq!(most, [1, 16]);
    }
}
