//! The closed list of reasons. Every request that was not a plain hit names exactly one.

/// Defines the list once: variant, word, and what a user should know about it.
macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $variant:ident = $word:literal, $fwd:ident;)+) => {
        /// Why a request was forwarded, refused, or an answer not stored.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason { $($(#[doc = $doc])+ $variant,)+ }

        impl Reason {
            /// Every reason, in the order of `docs/reasons.md`.
            pub const ALL: &'static [Reason] = &[$(Reason::$variant,)+];

            /// The word in `Cache-Status`, the log and the metric label.
            pub const fn word(self) -> &'static str {
                match self { $(Reason::$variant => $word,)+ }
            }

            /// RFC 9211 §2.2's `fwd` word that goes with it; `None` where nothing is forwarded.
            pub const fn forward_word(self) -> Option<&'static str> {
                match self { $(Reason::$variant => reasons!(@fwd $fwd),)+ }
            }

            /// One sentence for people.
            pub const fn explanation(self) -> &'static str {
                match self { $(Reason::$variant => concat!($($doc),+).trim_ascii(),)+ }
            }
        }
    };
    (@fwd none) => { None };
    (@fwd bypass) => { Some("bypass") };
    (@fwd method) => { Some("method") };
    (@fwd uri_miss) => { Some("uri-miss") };
    (@fwd vary_miss) => { Some("vary-miss") };
    (@fwd miss) => { Some("miss") };
    (@fwd request) => { Some("request") };
    (@fwd stale) => { Some("stale") };
    (@fwd partial) => { Some("partial") };
}

reasons! {
    /// Nothing is stored under this key.
    UriMiss = "uri-miss", uri_miss;
    /// Something is stored under this key, but for other values of the fields that `Vary` names.
    VaryMiss = "vary-miss", vary_miss;
    /// What is stored has outlived its freshness.
    Stale = "stale", stale;
    /// The method's answers are not reused: no `ttl` declares it a read.
    Method = "method", method;
    /// `enabled: false`: everything passes through.
    Disabled = "disabled", bypass;
    /// The rule says `cache: false`.
    CacheOff = "cache-off", bypass;
    /// The request carries credentials that neither `share` nor `key` of the rule names, and the answer does not call itself public.
    Credentials = "credentials", bypass;
    /// `share: {per: ...}` and the request lacks what the answer is shared by.
    NoIdentity = "no-identity", bypass;
    /// The path has dot segments, empty segments, parameters (`;`), `%2F` or `%5C`: servers read it in different ways.
    AmbiguousPath = "ambiguous-path", bypass;
    /// The request carries a field that overrides its method or path, such as `X-HTTP-Method-Override`.
    OverrideField = "override-field", bypass;
    /// The name of a request field has `_`, which many origins take for `-`: the key would miss what they read.
    UnderscoreField = "underscore-field", bypass;
    /// The request has content and the rule does not key it.
    UnkeyedBody = "unkeyed-body", bypass;
    /// The request's content is larger than `limits.key_body`.
    BodyTooLarge = "body-too-large", bypass;
    /// The request's content is not the JSON object that the rule's key asks for.
    BodyNotJson = "body-not-json", bypass;
    /// The request's JSON has members that the rule's key does not name.
    BodyOthers = "body-others", bypass;
    /// The client asked for an upgrade, such as WebSocket.
    Upgrade = "upgrade", bypass;
    /// The request holds only under a condition that the origin alone can judge (`If-Match`,
    /// `If-Unmodified-Since`).
    Precondition = "precondition", bypass;
    /// The request's `Connection` names fields beyond the usual: the origin would not see what the
    /// key was made of.
    ConnectionFields = "connection-fields", bypass;
    /// The client said `no-store`.
    RequestNoStore = "request-no-store", miss;
    /// The client asked for a fresher answer than is stored, and the rule honors that.
    RequestFreshness = "request-freshness", request;
    /// A write or purge dropped what was stored.
    Invalidated = "invalidated", miss;
    /// A soft purge or soft write made what was stored stale.
    SoftInvalidated = "soft-invalidated", stale;
    /// What is stored is older than this process's knowledge of invalidations.
    BelowFloor = "below-floor", stale;
    /// The invalidation log has been out of reach for `store.redis.max_blind`, and a write could have hit what is stored.
    Blind = "blind", stale;
    /// The answer stored says `no-cache`: it is validated every time.
    MustValidate = "must-validate", stale;
    /// A part of the content is stored, and not all that the request asks for.
    PartsMissing = "parts-missing", partial;
    /// The rules changed, and today's rule would not store what is stored.
    RuleChanged = "rule-changed", miss;
    /// The client asked for bytes beyond the end of the content (`Range`).
    RangeOutside = "range-outside", none;
    /// The client said `only-if-cached` and nothing fresh is stored.
    OnlyIfCached = "only-if-cached", none;
    /// The client forbids content without coding (`identity;q=0`), and reads no coding that it could be sent in.
    NotAcceptable = "not-acceptable", none;
    /// The client cannot read the origin's coding, and the content is not in that coding, or too long without it.
    Undecodable = "undecodable", none;
    /// The origin said `no-store`.
    OriginNoStore = "origin-no-store", uri_miss;
    /// The origin said `private`.
    OriginPrivate = "origin-private", uri_miss;
    /// The origin said `no-cache` and gave no validator.
    OriginNoCache = "origin-no-cache", uri_miss;
    /// The origin said `Vary: *`.
    VaryStar = "vary-star", uri_miss;
    /// The answer varies by a field that Larder rewrites on the way (`Via`, `X-Forwarded-For`,
    /// `X-Request-Id`, a fixed `Host`), so that nothing tells its variants apart.
    VaryRewritten = "vary-rewritten", uri_miss;
    /// The answer has `Set-Cookie` and the rule says `set_cookie: refuse`.
    SetCookie = "set-cookie", uri_miss;
    /// The request had `Authorization` and the answer does not allow sharing (RFC 9111 §3.5).
    Authorization = "authorization", uri_miss;
    /// The rule's `ttl` does not cover this status and the origin gave it no freshness, or no cache may store it.
    Status = "status", uri_miss;
    /// The answer would be stale at once, and has neither a validator nor a stale window.
    NoFreshness = "no-freshness", uri_miss;
    /// The answer is partial content (206), interim, or answers a conditional or a range.
    Partial = "partial", uri_miss;
    /// The content is larger than `max_object`.
    TooLarge = "too-large", uri_miss;
    /// The rule's templates, or its own `Cache-Groups`, give the answer more tags than `limits.tags`.
    TooManyTags = "too-many-tags", uri_miss;
    /// No memory was free for the fill.
    NoRoom = "no-room", uri_miss;
    /// The answer ended before its announced length, or its framing broke.
    Incomplete = "incomplete", uri_miss;
    /// Only the connection's end marks the end of the answer, so that a part of it could not be told
    /// from the whole.
    CloseDelimited = "close-delimited", uri_miss;
    /// The answer was silent for ten seconds before it was whole.
    Stalled = "stalled", uri_miss;
    /// A write invalidated the answer while it was being fetched.
    Overtaken = "overtaken", uri_miss;
    /// The answer is an endless stream, such as `text/event-stream`.
    Stream = "stream", uri_miss;
    /// The request is malformed.
    BadRequest = "bad-request", none;
    /// The request's content is larger than `limits.request_body`.
    RequestTooLarge = "request-too-large", none;
    /// The request target is longer than `limits.uri_bytes`.
    UriTooLong = "uri-too-long", none;
    /// The request's fields are larger or more than `limits` allows.
    FieldsTooLarge = "fields-too-large", none;
    /// The request's content stopped arriving for `limits.body_timeout`, or trickled.
    RequestTimeout = "request-timeout", none;
    /// The client went away before its answer began, or a drain ran out of time.
    ClientLeft = "client-left", none;
    /// The request has already passed through this Larder.
    Loop = "loop", none;
    /// The method is not forwarded (`CONNECT`, `TRACE`).
    MethodRefused = "method-refused", none;
    /// No connection to the origin could be made.
    OriginUnreachable = "origin-unreachable", uri_miss;
    /// The origin's answer did not begin in time.
    OriginTimeout = "origin-timeout", uri_miss;
    /// The origin closed or broke the connection before a whole answer head.
    OriginReset = "origin-reset", uri_miss;
    /// The origin answered 500, 502, 503 or 504, and a stale response stood in for it.
    OriginError = "origin-error", uri_miss;
    /// What the origin sent is not HTTP.
    OriginBadResponse = "origin-bad-response", uri_miss;
    /// The origin already has as many requests as it may have at once, and none ended within `origin.response_timeout` or the rule's `timeout`.
    OriginBusy = "origin-busy", uri_miss;
    /// A defect in Larder ended the request; the log has the details.
    Internal = "internal", none;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::list::is_token;

    const PAGE: &str = include_str!("../../docs/reasons.md");

    #[test]
    fn the_page_lists_every_reason_in_order_with_its_words() {
        let rows: Vec<&str> = PAGE.lines().filter(|line| line.starts_with("| `")).collect();
        assert_eq!(rows.len(), Reason::ALL.len(), "as many rows as reasons");
        for (row, reason) in rows.into_iter().zip(Reason::ALL) {
            let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
            let forward_word = reason
                .forward_word()
                .map_or("-".to_owned(), |word| format!("`{word}`"));
            let expected = [
                &format!("`{}`", reason.word()),
                forward_word.as_str(),
                reason.explanation(),
            ];
            assert_eq!(cells[..3], expected, "{reason:?}");
            assert!(
                cells.len() == 4 && cells[3].ends_with(['.', '?']),
                "{reason:?}: advice"
            );
        }
    }

    #[test]
    fn words_are_tokens_and_each_stands_for_one_reason() {
        let mut words: Vec<&str> = Reason::ALL.iter().map(|reason| reason.word()).collect();
        // RFC 9211 §2.8, RFC 9651 §3.3.4: a token begins with a letter.
        assert!(
            words
                .iter()
                .all(|w| is_token(w.as_bytes()) && w.starts_with(|c: char| c.is_ascii_alphabetic()))
        );
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Reason::ALL.len());
    }

    #[test]
    fn explanations_are_sentences() {
        for reason in Reason::ALL {
            let text = reason.explanation();
            assert!(
                text.ends_with('.') && text.trim() == text && !text.contains("  "),
                "{reason:?}"
            );
        }
    }
}
