//! `Connection` and the fields that end at the next hop (RFC 9110 §7.6.1).
//!
//! `Connection` may name fields to remove, and anyone who can send a request could so remove what
//! a gateway in front added: the user's name, the client's address. A field meant for all
//! recipients may not be named there at all, so naming one has no effect here.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::list;

/// Removed from every message, named or not.
const HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("http2-settings"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// End-to-end fields whose loss would change who is asking, for what, or how far to trust it.
const KEPT_IN_REQUESTS: &[&str] = &[
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "api-key",
    "authorization",
    "cache-control",
    "client-ip",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "date",
    "expect",
    "forwarded",
    "from",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "max-forwards",
    "origin",
    "pragma",
    "proxy-authorization",
    "range",
    "referer",
    "traceparent",
    "tracestate",
    "true-client-ip",
    "user-agent",
    "via",
    "fastly-client-ip",
];

/// What gateways and applications put identity and provenance into.
const KEPT_PREFIXES: &[&str] = &[
    "x-forwarded-",
    "x-real-",
    "x-auth",
    "x-user",
    "x-remote-",
    "x-api-",
    "x-client-",
    "x-tenant",
    "x-original-",
    "x-amzn-",
    "x-amz-",
    "x-goog-",
    "x-ms-",
    "x-azure-",
    "x-csrf",
    "x-xsrf",
    "x-request-",
    "x-http-method",
    "x-envoy-",
    "x-ssl-",
    "x-cluster-",
    "x-b3-",
    "cf-",
    "sec-",
    "ssl-",
];

/// The same for answers: what decides on storing, framing and the browser's defences.
const KEPT_IN_ANSWERS: &[&str] = &[
    "age",
    "cache-control",
    "cdn-cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-range",
    "content-security-policy",
    "content-type",
    "cross-origin-embedder-policy",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "date",
    "etag",
    "expires",
    "larder-cache-control",
    "last-modified",
    "location",
    "pragma",
    "proxy-authenticate",
    "referrer-policy",
    "retry-after",
    "set-cookie",
    "strict-transport-security",
    "vary",
    "via",
    "www-authenticate",
    "x-content-type-options",
    "x-frame-options",
];

/// Removes what ends here from a request. Of the fields that `Connection` names, those stay that
/// say who asks, for what, and through whom, and those that `also_kept` says (the configured
/// credentials).
pub fn strip_request(fields: &mut HeaderMap, also_kept: impl Fn(&HeaderName) -> bool) {
    strip(fields, |name| is_kept_in_requests(name) || also_kept(name));
}

/// Removes what ends here from an answer. Of the fields that `Connection` names, those stay on
/// which storing, framing and the browser's defences rest.
pub fn strip_response(fields: &mut HeaderMap) {
    strip(fields, |name| KEPT_IN_ANSWERS.contains(&name.as_str()));
}

/// Whether a field is removed from every message, named or not.
pub fn is_hop_by_hop(name: &HeaderName) -> bool {
    HOP_BY_HOP.contains(name)
}

/// Whether much rests on a field, in requests or in answers: who asks, for what, what may be
/// stored, where content ends.
pub fn is_vital(name: &HeaderName) -> bool {
    is_kept_in_requests(name) || KEPT_IN_ANSWERS.contains(&name.as_str())
}

fn is_kept_in_requests(name: &HeaderName) -> bool {
    let text = name.as_str();
    KEPT_IN_REQUESTS.contains(&text) || KEPT_PREFIXES.iter().any(|prefix| text.starts_with(prefix))
}

/// Whether `option` is among the connection options, in any case.
pub fn has_option(fields: &HeaderMap, option: &str) -> bool {
    fields
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(|line| list::members(line.as_bytes()))
        .any(|member| member.eq_ignore_ascii_case(option.as_bytes()))
}

fn strip(fields: &mut HeaderMap, is_kept: impl Fn(&HeaderName) -> bool) {
    for name in named(fields).into_iter().filter(|name| !is_kept(name)) {
        fields.remove(name);
    }
    for name in &HOP_BY_HOP {
        fields.remove(name);
    }
}

/// The fields that `Connection` names. Options that are no fields cost nothing: almost every
/// `Connection` says just `keep-alive` or `close`.
fn named(fields: &HeaderMap) -> Vec<HeaderName> {
    fields
        .get_all(header::CONNECTION)
        .iter()
        .filter(|line| !is_plain(line))
        .flat_map(|line| list::members(line.as_bytes()))
        .filter_map(|member| HeaderName::from_bytes(member).ok())
        .collect()
}

fn is_plain(line: &HeaderValue) -> bool {
    let line = line.as_bytes();
    line.eq_ignore_ascii_case(b"keep-alive") || line.eq_ignore_ascii_case(b"close")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(lines: &[(&str, &str)]) -> HeaderMap {
        let mut fields = HeaderMap::new();
        for (name, value) in lines {
            let name: HeaderName = name.parse().unwrap();
            fields.append(name, value.parse().unwrap());
        }
        fields
    }

    #[test]
    fn what_ends_here_goes_named_or_not() {
        let lines = [
            ("connection", "close"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("te", "trailers"),
            ("trailer", "x"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "websocket"),
            ("http2-settings", "AAMAAABk"),
        ];
        let (mut request, mut answer) = (message(&lines), message(&lines));
        strip_request(&mut request, |_| false);
        strip_response(&mut answer);
        assert!(request.is_empty() && answer.is_empty(), "{request:?} {answer:?}");
    }

    #[test]
    fn what_connection_names_goes_from_every_line_in_any_case() {
        let lines = [
            ("connection", "A, close"),
            ("connection", " ,b"),
            ("a", "1"),
            ("b", "2"),
            ("b", "3"),
            ("c", "4"),
        ];
        let (mut request, mut answer) = (message(&lines), message(&lines));
        strip_request(&mut request, |_| false);
        strip_response(&mut answer);
        assert_eq!(request, message(&[("c", "4")]));
        assert_eq!(answer, request);
    }

    #[test]
    fn proxy_authentication_passes() {
        let lines = [("proxy-authenticate", "Basic"), ("proxy-authorization", "x")];
        let (mut request, mut answer) = (message(&lines), message(&lines));
        strip_request(&mut request, |_| false);
        strip_response(&mut answer);
        assert_eq!((request.len(), answer.len()), (2, 2));
    }

    #[test]
    fn a_request_cannot_name_away_who_asks_and_through_whom() {
        let names = [
            "X-Forwarded-For",
            "X-Forwarded-Proto",
            "X-Forwarded-User",
            "Forwarded",
            "Authorization",
            "Proxy-Authorization",
            "Host",
            "Cookie",
            "Content-Length",
            "Content-Type",
            "Cache-Control",
            "If-None-Match",
            "Range",
            "Origin",
            "X-Real-IP",
            "X-Auth-User",
            "X-Api-Key",
            "X-User-Id",
            "X-Remote-User",
            "X-Tenant",
            "X-Amzn-Oidc-Data",
            "X-Goog-Authenticated-User-Email",
            "X-Ms-Client-Principal",
            "X-CSRF-Token",
            "CF-Connecting-IP",
            "True-Client-IP",
            "Via",
            "Sec-Fetch-Site",
            "X-Http-Method-Override",
            "X-Original-URL",
        ];
        for name in names {
            let mut fields = message(&[("connection", &format!("close, {name}")), (name, "v")]);
            strip_request(&mut fields, |_| false);
            assert_eq!(fields, message(&[(name, "v")]), "{name}");
        }
    }

    #[test]
    fn configured_credentials_stay_too() {
        let mut fields = message(&[("connection", "x-badge, x-hop"), ("x-badge", "1"), ("x-hop", "1")]);
        strip_request(&mut fields, |name| name == "x-badge");
        assert_eq!(fields, message(&[("x-badge", "1")]));
    }

    #[test]
    fn an_answer_cannot_lose_what_storing_rests_on() {
        for name in [
            "Cache-Control",
            "Set-Cookie",
            "Vary",
            "Content-Length",
            "ETag",
            "Expires",
        ] {
            let mut fields = message(&[("connection", name), (name, "v")]);
            strip_response(&mut fields);
            assert_eq!(fields, message(&[(name, "v")]), "{name}");
        }
    }

    #[test]
    fn options_are_found_in_lists() {
        let fields = message(&[("connection", "keep-alive, Upgrade")]);
        assert!(has_option(&fields, "upgrade") && !has_option(&fields, "close"));
    }
}
