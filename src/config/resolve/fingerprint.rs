//! A rule's fingerprint: a digest of everything that decides what is stored and reused. It stays
//! the same between versions of Larder as long as the rule means the same.

use std::time::Duration;

use xxhash_rust::xxh3::Xxh3;

use super::super::model::{
    AcceptEncoding, BodyKey, Compress, FieldSet, Forwarded, JsonOthers, QueryKey, Rule, SetCookie, Share,
    Ttl, Unkeyed,
};

/// Changes when the meaning of a field changes that a rule cannot express.
const VERSION: u64 = 1;

/// What all rules share that decides what is stored.
#[derive(Clone, Copy)]
pub(super) struct Shared<'a> {
    pub credentials: &'a FieldSet,
    /// Another `X-Forwarded-For` is another request to the origin, which may `Vary` by it.
    pub forwarded: Forwarded,
}

/// Digests a rule, and what all rules share.
pub(super) fn of(rule: &Rule, shared: Shared<'_>) -> u64 {
    let mut d = Digest(Xxh3::new());
    d.number(VERSION);
    // Entries are invalidated by the rule's name: under another name they could not be.
    d.text(&rule.name);
    d.list(
        rule.matches
            .iter()
            .map(|m| format!("{} {}", m.text(), m.host().unwrap_or_default())),
    );
    d.number(u64::from(rule.cache));
    ttl(&mut d, rule.ttl);
    d.number(rule.ttl_by_status.len() as u64);
    for (status, lifetime) in &rule.ttl_by_status {
        d.number(u64::from(*status));
        d.duration(*lifetime);
    }
    d.number(rule.jitter.to_bits());
    d.optional(rule.stale_while_revalidate);
    d.optional(rule.stale_if_error);
    key(&mut d, rule);
    share(&mut d, &rule.share);
    d.number(match rule.set_cookie {
        SetCookie::Refuse => 0,
        SetCookie::Strip => 1,
        SetCookie::Share => 2,
    });
    d.list(rule.tags.iter().map(|tag| tag.text().to_owned()));
    let ignored = rule.ignore_origin;
    for flag in [
        ignored.no_store,
        ignored.no_cache,
        ignored.private,
        ignored.must_revalidate,
        ignored.proxy_revalidate,
        ignored.vary,
    ] {
        d.number(u64::from(flag));
    }
    if rule.partial {
        d.text("partial");
    }
    if rule.accept_encoding == AcceptEncoding::Pass {
        d.text("accept_encoding");
    }
    if let Some(compress) = &rule.compress {
        negotiated(&mut d, compress);
    }
    d.list(rule.targeted.iter().map(|name| name.as_str().to_owned()));
    d.number(rule.max_object);
    let credentials = shared.credentials;
    d.list(credentials.exact.iter().map(|name| name.as_str().to_owned()));
    d.list(credentials.prefixes.iter().cloned());
    match shared.forwarded {
        Forwarded::Append => {}
        Forwarded::Pass => d.text("pass"),
        Forwarded::Strip => d.text("strip"),
    }
    d.0.digest()
}

/// Which answers are kept to be coded; not in which codings, nor how well.
fn negotiated(d: &mut Digest, compress: &Compress) {
    let usual = Compress::default();
    if (compress.min_size, compress.credentials) == (usual.min_size, usual.credentials)
        && compress.types == usual.types
    {
        return;
    }
    d.text("compress");
    d.number(compress.min_size);
    d.number(u64::from(compress.credentials));
    d.list(compress.types.iter().map(ToString::to_string));
}

fn ttl(d: &mut Digest, ttl: Ttl) {
    match ttl {
        Ttl::Origin => d.number(0),
        Ttl::Fixed(lifetime) => {
            d.number(1);
            d.duration(lifetime);
        }
        Ttl::Clamp { min, default, max } => {
            d.number(2);
            d.duration(min);
            d.optional(default);
            d.duration(max);
        }
    }
}

fn key(d: &mut Digest, rule: &Rule) {
    match &rule.key.query {
        QueryKey::All => d.number(0),
        QueryKey::None => d.number(1),
        QueryKey::Only(names) => {
            d.number(2);
            d.list(names.iter().cloned());
        }
        QueryKey::Except(names) => {
            d.number(3);
            d.list(names.iter().cloned());
        }
    }
    d.number(match rule.key.unkeyed {
        Unkeyed::Drop => 0,
        Unkeyed::Forward => 1,
    });
    d.list(rule.key.headers.iter().map(|name| name.as_str().to_owned()));
    d.list(rule.key.cookies.iter().cloned());
    match &rule.key.body {
        BodyKey::Ignored => d.number(0),
        BodyKey::Whole => d.number(1),
        BodyKey::Json { fields, others } => {
            d.number(match others {
                JsonOthers::Pass => 2,
                JsonOthers::Ignore => 3,
            });
            d.list(fields.iter().cloned());
        }
    }
}

fn share(d: &mut Digest, share: &Share) {
    match share {
        Share::Auto => d.number(0),
        Share::Public => d.number(1),
        Share::PerCookie(name) => {
            d.number(2);
            d.text(name);
        }
        Share::PerHeader(name) => {
            d.number(3);
            d.text(name.as_str());
        }
    }
}

/// Takes values with their lengths, so that no two sequences run together.
struct Digest(Xxh3);

impl Digest {
    fn number(&mut self, number: u64) {
        self.0.update(&number.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.update(text.as_bytes());
    }

    fn list(&mut self, texts: impl ExactSizeIterator<Item = String>) {
        self.number(texts.len() as u64);
        texts.for_each(|text| self.text(&text));
    }

    fn duration(&mut self, duration: Duration) {
        self.number(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX));
    }

    fn optional(&mut self, duration: Option<Duration>) {
        self.number(u64::from(duration.is_some()));
        self.duration(duration.unwrap_or_default());
    }
}
