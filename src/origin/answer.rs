//! What an answer's head says about framing and about the connection (RFC 9112 §6, §9.3).
//!
//! Pure. hyper has read the head; what is decided here is what hyper lets pass.

use std::time::Duration;

use http::header::{CONNECTION, CONTENT_LENGTH, HeaderName, TRANSFER_ENCODING};
use http::response::Parts;
use http::{HeaderMap, Method, StatusCode, Version};

use super::body::After;
use super::identity;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
/// Time before the announced end of a connection in which it is not used any more.
const MARGIN: Duration = Duration::from_millis(500);

/// What is wrong with a head that hyper accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    #[error("the answer has both Content-Length and Transfer-Encoding")]
    TwoLengths,
    #[error("the answer has a transfer coding that was not asked for")]
    TransferCoding,
    #[error("the answer changes the protocol without having been asked to")]
    UnaskedUpgrade,
}

/// Whether the head can be trusted to say where its content ends.
pub(super) fn check(head: &Parts, upgrade: bool) -> Result<(), Fault> {
    if head.status == StatusCode::SWITCHING_PROTOCOLS && !upgrade {
        return Err(Fault::UnaskedUpgrade);
    }
    let mut codings = head.headers.get_all(TRANSFER_ENCODING).iter();
    let Some(coding) = codings.next() else {
        return Ok(());
    };
    // RFC 9112 §6.3: such a message may be an attempt at splitting responses.
    if head.headers.contains_key(CONTENT_LENGTH) {
        return Err(Fault::TwoLengths);
    }
    // RFC 9112 §7.4: no other coding is sent to a recipient that did not name it in `TE`.
    if codings.next().is_some() || !coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked") {
        return Err(Fault::TransferCoding);
    }
    Ok(())
}

/// Whether only the connection's end marks the end of the content (RFC 9112 §6.3, last case); frames
/// say it themselves.
pub(super) fn is_delimited_by_close(method: &Method, head: &Parts) -> bool {
    let without_content = head.version == Version::HTTP_2
        || method == Method::HEAD
        || head.status.is_informational()
        || head.status == StatusCode::NO_CONTENT
        || head.status == StatusCode::NOT_MODIFIED;
    !without_content
        && !head.headers.contains_key(CONTENT_LENGTH)
        && !head.headers.contains_key(TRANSFER_ENCODING)
}

/// What becomes of the connection once the answer is whole; `alone`: the request wanted it for
/// itself.
pub(super) fn after(head: &Parts, delimited_by_close: bool, alone: bool) -> After {
    // An HTTP/1.0 peer could not take the chunked content of a later request.
    if alone
        || delimited_by_close
        || head.version != Version::HTTP_11
        || says_close(&head.headers)
        || identity::is_offered(&head.headers)
    {
        return After::Close;
    }
    match announced_rest(&head.headers) {
        None => After::Keep(None),
        Some(rest) => match rest.checked_sub(MARGIN) {
            Some(usable) if !usable.is_zero() => After::Keep(Some(usable)),
            _ => After::Close,
        },
    }
}

fn says_close(fields: &HeaderMap) -> bool {
    members(fields, &CONNECTION).any(|member| member.eq_ignore_ascii_case(b"close"))
}

/// `Keep-Alive: timeout=N`, in whole seconds.
fn announced_rest(fields: &HeaderMap) -> Option<Duration> {
    members(fields, &KEEP_ALIVE).find_map(|member| {
        let (name, value) = std::str::from_utf8(member).ok()?.split_once('=')?;
        if !name.trim().eq_ignore_ascii_case("timeout") {
            return None;
        }
        value
            .trim()
            .trim_matches('"')
            .parse()
            .ok()
            .map(Duration::from_secs)
    })
}

/// The members of a list field, over all its lines.
pub(super) fn members<'a>(
    fields: &'a HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    fields
        .get_all(name)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
}

#[cfg(test)]
mod tests {
    use http::Response;

    use super::*;

    type Fields = &'static [(&'static str, &'static str)];

    fn head(status: u16, fields: Fields) -> Parts {
        let mut response = Response::builder().status(status);
        for (name, value) in fields {
            response = response.header(*name, *value);
        }
        response.body(()).unwrap().into_parts().0
    }

    #[test]
    fn contradictory_framing_is_refused() {
        let table: [(Fields, Result<(), Fault>); 7] = [
            (&[], Ok(())),
            (&[("content-length", "5")], Ok(())),
            (&[("transfer-encoding", "Chunked")], Ok(())),
            (
                &[("transfer-encoding", "chunked"), ("content-length", "5")],
                Err(Fault::TwoLengths),
            ),
            (
                &[("transfer-encoding", "gzip, chunked")],
                Err(Fault::TransferCoding),
            ),
            (
                &[("transfer-encoding", "gzip"), ("transfer-encoding", "chunked")],
                Err(Fault::TransferCoding),
            ),
            (&[("transfer-encoding", "identity")], Err(Fault::TransferCoding)),
        ];
        for (fields, expected) in table {
            assert_eq!(check(&head(200, fields), false), expected, "{fields:?}");
        }
    }

    #[test]
    fn a_protocol_changes_only_on_request() {
        assert_eq!(check(&head(101, &[]), false), Err(Fault::UnaskedUpgrade));
        assert_eq!(check(&head(101, &[]), true), Ok(()));
    }

    #[test]
    fn content_without_a_length_ends_with_the_connection() {
        let table = [
            (Method::GET, 200, true),
            (Method::HEAD, 200, false),
            (Method::GET, 204, false),
            (Method::GET, 304, false),
            (Method::POST, 500, true),
        ];
        for (method, status, expected) in table {
            assert_eq!(
                is_delimited_by_close(&method, &head(status, &[])),
                expected,
                "{method} {status}"
            );
        }
        assert!(!is_delimited_by_close(
            &Method::GET,
            &head(200, &[("content-length", "0")])
        ));
        assert!(!is_delimited_by_close(
            &Method::GET,
            &head(200, &[("transfer-encoding", "chunked")])
        ));
    }

    #[test]
    fn the_origin_says_how_long_a_connection_is_kept() {
        let keep = |millis| After::Keep(Some(Duration::from_millis(millis)));
        let table: [(Fields, After); 9] = [
            (&[], After::Keep(None)),
            (&[("connection", "close")], After::Close),
            (&[("connection", "x, Close")], After::Close),
            (
                &[("connection", "keep-alive"), ("connection", "close")],
                After::Close,
            ),
            (&[("keep-alive", "timeout=5")], keep(4500)),
            (&[("keep-alive", "max=100, Timeout = 2")], keep(1500)),
            (&[("keep-alive", "timeout=1")], keep(500)),
            (&[("keep-alive", "timeout=0")], After::Close),
            (&[("keep-alive", "timeout=soon")], After::Keep(None)),
        ];
        for (fields, expected) in table {
            assert_eq!(after(&head(200, fields), false, false), expected, "{fields:?}");
        }
    }

    #[test]
    fn a_connection_that_may_be_somebodys_is_not_kept() {
        let table: [(Fields, After); 4] = [
            (&[("www-authenticate", "Basic realm=x")], After::Keep(None)),
            (&[("www-authenticate", "Negotiate")], After::Close),
            (&[("proxy-authenticate", "ntlm")], After::Close),
            (
                &[
                    ("www-authenticate", "Negotiate oYG2"),
                    ("keep-alive", "timeout=5"),
                ],
                After::Close,
            ),
        ];
        for (fields, expected) in table {
            for status in [200, 401, 407] {
                assert_eq!(after(&head(status, fields), false, false), expected, "{fields:?}");
            }
        }
    }

    #[test]
    fn upgrades_old_versions_and_open_ends_are_not_kept() {
        assert_eq!(after(&head(200, &[]), true, false), After::Close);
        assert_eq!(after(&head(200, &[]), false, true), After::Close);
        let mut old = head(200, &[("connection", "keep-alive")]);
        old.version = Version::HTTP_10;
        assert_eq!(after(&old, false, false), After::Close);
    }
}
