//! Which requests are let in (RFC 9112 §3, RFC 9110 §7.2): the checks that no configuration
//! loosens. Pure.

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Uri, Version, header};

use super::problem::Refusal;
use crate::config::Limits;
use crate::fields::section_length;
use crate::fields::via::Pseudonym;

/// Checks a request's head; the refusal if it is not let in. `passed`: this instance's name, where
/// the request has a `Via` to look for it in.
pub(super) fn check(
    head: &Parts,
    length: Option<u64>,
    limits: &Limits,
    passed: Option<&Pseudonym>,
) -> Result<(), Refusal> {
    if matches!(head.method, Method::CONNECT | Method::TRACE) {
        return Err(Refusal::MethodRefused);
    }
    if target_length(&head.uri) > limits.uri_bytes {
        return Err(Refusal::UriTooLong);
    }
    if fields_length(&head.headers) > limits.header_bytes || head.headers.len() > limits.header_count {
        return Err(Refusal::FieldsTooLarge);
    }
    check_form(head)?;
    check_host(head)?;
    if length.is_none() {
        check_coding(&head.headers)?;
    }
    if let (Some(limit), Some(length)) = (limits.request_body, length)
        && length > limit
    {
        return Err(Refusal::RequestTooLarge);
    }
    if passed.is_some_and(|own| own.is_in(&head.headers)) {
        return Err(Refusal::Loop);
    }
    Ok(())
}

/// The length of a request target as sent, in bytes.
fn target_length(uri: &Uri) -> usize {
    let authority = uri.authority().map_or(0, |authority| authority.as_str().len());
    uri.path_and_query().map_or(0, |path| path.as_str().len()) + authority
}

/// The length of all field lines, in bytes, as they are usually written. The HTTP library bounds
/// them together with the target only.
fn fields_length(fields: &HeaderMap) -> usize {
    section_length(fields, ": \r\n".len())
}

/// The authority alone is for CONNECT, `*` for OPTIONS (RFC 9112 §3.2.3, §3.2.4).
fn check_form(head: &Parts) -> Result<(), Refusal> {
    let path = head.uri.path();
    if path.is_empty() || path == "*" && head.method != Method::OPTIONS {
        return Err(Refusal::BadRequest);
    }
    Ok(())
}

/// Content of unknown length is in chunks and in nothing else, said once (RFC 9112 §6.1): codings
/// that Larder does not know it cannot take off, and others may read several lines otherwise.
fn check_coding(fields: &HeaderMap) -> Result<(), Refusal> {
    let mut lines = fields.get_all(header::TRANSFER_ENCODING).iter();
    let chunked = |line: &HeaderValue| line.as_bytes().eq_ignore_ascii_case(b"chunked");
    match (lines.next(), lines.next()) {
        (None, _) => Ok(()),
        (Some(line), None) if chunked(line) => Ok(()),
        (Some(_), _) => Err(Refusal::BadRequest),
    }
}

/// Exactly one readable `Host`, equal to the authority of an absolute-form target
/// (RFC 9112 §3.2, §3.2.2): else two servers may read two different hosts.
fn check_host(head: &Parts) -> Result<(), Refusal> {
    let mut lines = head.headers.get_all(header::HOST).iter();
    let host = match (lines.next(), lines.next()) {
        (Some(line), None) => line
            .to_str()
            .ok()
            .filter(|host| is_authority(host))
            .ok_or(Refusal::BadRequest)?,
        (None, _) if head.version < Version::HTTP_11 => return Ok(()),
        (None, _) | (Some(_), Some(_)) => return Err(Refusal::BadRequest),
    };
    match head.uri.authority() {
        Some(authority) if !authority.as_str().eq_ignore_ascii_case(host) => Err(Refusal::BadRequest),
        Some(_) | None => Ok(()),
    }
}

/// Whether text reads as `host` or `host:port` and as nothing else: no user, no list, no path.
fn is_authority(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+;=:[]".contains(&byte);
    text.bytes().all(plain)
}

/// The host that a request asks for, in its own spelling; empty where an HTTP/1.0 request has none.
pub(super) fn authority<'h>(uri: &'h Uri, fields: &'h HeaderMap) -> &'h str {
    match uri.authority() {
        Some(authority) => authority.as_str(),
        None => fields
            .get(header::HOST)
            .and_then(|host| host.to_str().ok())
            .unwrap_or(""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(target: &str, fields: &[(&str, &str)], version: Version) -> Parts {
        let mut request = http::Request::builder().uri(target).version(version);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request.body(()).expect("a request").into_parts().0
    }

    fn limits() -> Limits {
        crate::config::Config::from_yaml("origin: http://127.0.0.1:1")
            .expect("a configuration")
            .limits
    }

    fn larder(name: &str) -> Pseudonym {
        Pseudonym::new(name).expect("a token")
    }

    #[test]
    fn only_one_unambiguous_host_is_let_in() {
        let v11 = Version::HTTP_11;
        type Row = (
            &'static str,
            &'static [(&'static str, &'static str)],
            Version,
            Result<(), Refusal>,
        );
        let table: &[Row] = &[
            ("/", &[("host", "a.example")], v11, Ok(())),
            ("/", &[("host", "a.example:8080")], v11, Ok(())),
            ("/", &[("host", "[::1]:8080")], v11, Ok(())),
            ("/", &[("host", "")], v11, Ok(())),
            ("/", &[], Version::HTTP_10, Ok(())),
            ("/", &[], v11, Err(Refusal::BadRequest)),
            (
                "/",
                &[("host", "a"), ("host", "a")],
                v11,
                Err(Refusal::BadRequest),
            ),
            ("/", &[("host", "a, b")], v11, Err(Refusal::BadRequest)),
            ("/", &[("host", "user@a")], v11, Err(Refusal::BadRequest)),
            ("/", &[("host", "a/b")], v11, Err(Refusal::BadRequest)),
            ("http://a/x", &[("host", "A")], v11, Ok(())),
            ("http://a/x", &[("host", "b")], v11, Err(Refusal::BadRequest)),
            ("http://a/x", &[("host", "a:80")], v11, Err(Refusal::BadRequest)),
        ];
        for (target, fields, version, expected) in table {
            let checked = check(
                &head(target, fields, *version),
                None,
                &limits(),
                Some(&larder("larder-1")),
            );
            assert_eq!(checked, *expected, "{target} {fields:?}");
        }
    }

    #[test]
    fn a_request_that_has_been_here_before_is_a_loop() {
        let fields = [("host", "a"), ("via", "1.1 other, 1.1 larder-1")];
        let checked = check(
            &head("/", &fields, Version::HTTP_11),
            None,
            &limits(),
            Some(&larder("larder-1")),
        );
        assert_eq!(checked, Err(Refusal::Loop));
    }

    #[test]
    fn too_long_a_target_and_too_large_a_content_have_their_own_reasons() {
        let mut limits = limits();
        limits.uri_bytes = 10;
        limits.request_body = Some(5);
        let v11 = Version::HTTP_11;
        let long = head("/0123456789", &[("host", "a")], v11);
        assert_eq!(
            check(&long, None, &limits, Some(&larder("l"))),
            Err(Refusal::UriTooLong)
        );
        let short = head("/", &[("host", "a")], v11);
        assert_eq!(
            check(&short, Some(6), &limits, Some(&larder("l"))),
            Err(Refusal::RequestTooLarge)
        );
        assert_eq!(check(&short, Some(5), &limits, Some(&larder("l"))), Ok(()));
    }
}
