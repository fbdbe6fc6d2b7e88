//! `Cache-Status: larder; hit; ttl=30` taken apart (RFC 9211 §2).

/// What Larder said of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheStatus {
    /// Answered from the store.
    pub hit: bool,
    /// Why it was forwarded.
    pub fwd: Option<String>,
    /// The status of the forward.
    pub fwd_status: Option<u16>,
    /// The answer was stored.
    pub stored: bool,
    /// The request joined another's forward.
    pub collapsed: bool,
    /// Freshness left, seconds.
    pub ttl: Option<i64>,
    /// Larder's own word.
    pub detail: Option<String>,
}

impl CacheStatus {
    /// Reads a field value; the last member is the cache nearest to the client.
    pub fn parse(value: &str) -> CacheStatus {
        let member = value.rsplit(", ").next().unwrap_or_default();
        let mut parts = member.split(';').map(str::trim);
        assert_eq!(parts.next(), Some("larder"), "whose Cache-Status is {value:?}");
        let mut status = CacheStatus::default();
        for part in parts {
            status.take(part, value);
        }
        status
    }

    fn take(&mut self, part: &str, whole: &str) {
        let (name, value) = part.split_once('=').unwrap_or((part, "?1"));
        let text = value.trim_matches('"').to_owned();
        match name {
            "hit" => self.hit = value == "?1",
            "fwd" => self.fwd = Some(text),
            "fwd-status" => self.fwd_status = Some(value.parse().expect("a status")),
            "stored" => self.stored = value == "?1",
            "collapsed" => self.collapsed = value == "?1",
            "ttl" => self.ttl = Some(value.parse().expect("seconds")),
            "detail" => self.detail = Some(text),
            _ => panic!("unknown parameter {name} in {whole:?}"),
        }
    }

    /// The reason word: `detail` where there is one, else `fwd`, else `hit`.
    pub fn reason(&self) -> &str {
        match (&self.detail, &self.fwd) {
            (Some(word), _) | (None, Some(word)) => word,
            (None, None) if self.hit => "hit",
            (None, None) => "",
        }
    }
}

#[test]
fn every_parameter_is_read_and_detail_wins_over_fwd() {
    let status = CacheStatus::parse("larder; fwd=bypass; fwd-status=200; detail=credentials");
    assert_eq!(status.reason(), "credentials");
    assert_eq!(status.fwd_status, Some(200));
    let hit = CacheStatus::parse("other; fwd=miss, larder; hit; ttl=1742");
    assert_eq!((hit.hit, hit.ttl, hit.reason()), (true, Some(1742), "hit"));
}
