//! `TE: trailers` and `Trailer`: who takes a trailer section, and which fields may stand in one
//! (RFC 9110 §6.5, §6.6.2, §10.1.4).
//!
//! A trailer section is never copied as it came. Its sender's announcement is cut down to what may
//! come after the content at all, and what is not announced then is not sent.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{connection, list};

/// Not in a trailer section: what a recipient has to know before the content, or would read as
/// said of something else than it was (§6.5.1).
const NEVER: [HeaderName; 16] = [
    header::ACCEPT_RANGES,
    header::ALLOW,
    header::MAX_FORWARDS,
    header::SET_COOKIE,
    header::COOKIE,
    header::RETRY_AFTER,
    header::WARNING,
    header::LINK,
    header::REFRESH,
    header::ACCESS_CONTROL_ALLOW_ORIGIN,
    header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
    header::ALT_SVC,
    HeaderName::from_static("cache-status"),
    HeaderName::from_static("cache-groups"),
    HeaderName::from_static("cache-group-invalidation"),
    HeaderName::from_static("x-request-id"),
];

/// Whether `TE` says that a trailer section is not dropped.
pub fn is_taken(fields: &HeaderMap) -> bool {
    fields
        .get_all(header::TE)
        .iter()
        .flat_map(|line| list::members(line.as_bytes()))
        .any(|member| member.eq_ignore_ascii_case(b"trailers"))
}

/// The `Trailer` to send on: of the names announced those that may be there. `None`: no trailer
/// section is sent.
pub fn announcement(fields: &HeaderMap, also_never: impl Fn(&HeaderName) -> bool) -> Option<HeaderValue> {
    let mut names: Vec<HeaderName> = Vec::new();
    for name in fields
        .get_all(header::TRAILER)
        .iter()
        .flat_map(|line| list::members(line.as_bytes()))
        .filter_map(|member| HeaderName::from_bytes(member).ok())
    {
        if may_trail(&name) && !also_never(&name) && !names.contains(&name) {
            names.push(name);
        }
    }
    let names: Vec<&str> = names.iter().map(HeaderName::as_str).collect();
    if names.is_empty() {
        return None;
    }
    HeaderValue::try_from(names.join(", ")).ok()
}

/// Leaves of a trailer section what `announced` names (see [`announcement`]).
pub fn keep_announced(fields: &mut HeaderMap, announced: &HeaderValue) {
    let is_named = |name: &HeaderName| {
        list::members(announced.as_bytes())
            .any(|member| member.eq_ignore_ascii_case(name.as_str().as_bytes()))
    };
    keep(fields, is_named);
}

/// Leaves of a trailer section what may be there, announced or not: HTTP/2 needs no announcement, and
/// gRPC makes none.
pub fn keep_passable(fields: &mut HeaderMap) {
    keep(fields, may_trail);
}

fn keep(fields: &mut HeaderMap, is_kept: impl Fn(&HeaderName) -> bool) {
    let dropped: Vec<HeaderName> = fields.keys().filter(|name| !is_kept(name)).cloned().collect();
    for name in dropped {
        fields.remove(name);
    }
}

/// Whether a field may come after the content. What frames, routes, authenticates, modifies the
/// request or says how content is to be read may not: whoever merges trailers into the head would
/// take it for the sender's word.
fn may_trail(name: &HeaderName) -> bool {
    !connection::is_hop_by_hop(name) && !connection::is_vital(name) && !NEVER.contains(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(name: HeaderName, lines: &[&'static str]) -> HeaderMap {
        let line = |line: &&'static str| (name.clone(), HeaderValue::from_static(line));
        let mut fields = HeaderMap::new();
        for (name, value) in lines.iter().map(line) {
            fields.append(name, value);
        }
        fields
    }

    #[test]
    fn te_says_who_takes_trailers() {
        for (lines, taken) in [
            (&[][..], false),
            (&["trailers"], true),
            (&["gzip;q=0.5, Trailers"], true),
            (&["gzip", "trailers"], true),
            (&["gzip"], false),
            (&["trailersx"], false),
            (&["\"trailers\""], false),
        ] {
            assert_eq!(is_taken(&fields(header::TE, lines)), taken, "{lines:?}");
        }
    }

    #[test]
    fn a_trailer_section_is_cut_down_to_what_may_be_there() {
        let came = || {
            let mut came = HeaderMap::new();
            for name in [
                "grpc-status",
                "x-sum",
                "content-length",
                "set-cookie",
                "x-sum",
                "connection",
            ] {
                came.append(name, HeaderValue::from_static("1"));
            }
            came
        };
        let names =
            |fields: &HeaderMap| -> Vec<String> { fields.iter().map(|(name, _)| name.to_string()).collect() };
        let mut passed = came();
        keep_passable(&mut passed);
        assert_eq!(names(&passed), ["grpc-status", "x-sum", "x-sum"]);
        let mut passed = came();
        keep_announced(&mut passed, &HeaderValue::from_static("X-Sum, x-other"));
        assert_eq!(names(&passed), ["x-sum", "x-sum"]);
    }

    #[test]
    fn only_what_may_trail_is_announced_and_once() {
        for (lines, announced) in [
            (&[][..], None),
            (&[""], None),
            (&["X-Sum"], Some("x-sum")),
            (
                &["X-Sum, content-length", "server-timing, x-sum"],
                Some("x-sum, server-timing"),
            ),
            (
                &["Content-Digest, Repr-Digest"],
                Some("content-digest, repr-digest"),
            ),
            (&["a b, grpc-status,, x-mine"], Some("grpc-status")),
            (&["Content-Length, Transfer-Encoding"], None),
        ] {
            let made = announcement(&fields(header::TRAILER, lines), |name| name == "x-mine");
            assert_eq!(
                made.as_ref().map(HeaderValue::as_bytes),
                announced.map(str::as_bytes),
                "{lines:?}"
            );
        }
    }

    #[test]
    fn what_frames_routes_authenticates_or_steers_never_trails() {
        for name in [
            "transfer-encoding",
            "content-length",
            "trailer",
            "te",
            "connection",
            "keep-alive",
            "proxy-connection",
            "upgrade",
            "host",
            "content-encoding",
            "content-type",
            "content-range",
            "content-location",
            "content-disposition",
            "cache-control",
            "expires",
            "age",
            "date",
            "vary",
            "pragma",
            "etag",
            "last-modified",
            "location",
            "retry-after",
            "authorization",
            "proxy-authorization",
            "www-authenticate",
            "proxy-authenticate",
            "cookie",
            "set-cookie",
            "if-match",
            "if-none-match",
            "if-modified-since",
            "if-unmodified-since",
            "if-range",
            "range",
            "expect",
            "max-forwards",
            "via",
            "forwarded",
            "x-forwarded-for",
            "x-real-ip",
            "x-auth-user",
            "x-api-key",
            "x-http-method-override",
            "cache-status",
            "larder-cache-control",
            "cdn-cache-control",
            "strict-transport-security",
            "content-security-policy",
            "warning",
            "x-request-id",
        ] {
            assert!(!may_trail(&HeaderName::from_static(name)), "{name}");
        }
    }
}
