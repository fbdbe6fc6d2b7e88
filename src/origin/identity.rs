//! Tells whether a message ties its connection to one user.
//!
//! Pure. NTLM and Negotiate (RFC 4559) authenticate the connection instead of the request, against
//! RFC 9110 §11.1: whoever speaks on it next is taken for the user before. Such a connection
//! therefore carries one request, begun on nobody's traces and followed by none. So a handshake of
//! several legs, which NTLM always has, never ends through Larder; a Negotiate that needs one leg
//! (Kerberos) passes.

use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, WWW_AUTHENTICATE};

use super::answer::members;

/// The schemes that authenticate a connection.
const SCHEMES: [&[u8]; 2] = [b"ntlm", b"negotiate"];

/// Whether a request authenticates the connection it goes out on, or continues to.
pub(super) fn is_claimed(fields: &HeaderMap) -> bool {
    names_a_scheme(fields, &[AUTHORIZATION, PROXY_AUTHORIZATION])
}

/// Whether an answer offers to authenticate its connection, or continues or confirms it.
pub(super) fn is_offered(fields: &HeaderMap) -> bool {
    names_a_scheme(fields, &[WWW_AUTHENTICATE, PROXY_AUTHENTICATE])
}

/// Splits at every comma, one in a quoted string too: a wrong guess costs a connection, and quotes
/// that never end hide nothing.
fn names_a_scheme(fields: &HeaderMap, names: &[HeaderName]) -> bool {
    names.iter().flat_map(|name| members(fields, name)).any(|member| {
        let scheme = member
            .split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'-')
            .next()
            .unwrap_or_default();
        SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    type Lines = &'static [(&'static str, &'static str)];

    fn fields(lines: Lines) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn a_request_claims_its_connection_by_scheme() {
        let table: [(Lines, bool); 11] = [
            (&[], false),
            (&[("authorization", "Basic dTpw")], false),
            (&[("authorization", "Bearer ntlm")], false),
            (&[("authorization", "Negotiated x")], false),
            (&[("authorization", "NTLM TlRMTVNTUAAB")], true),
            (&[("authorization", "nEGOTIATE YII=")], true),
            (&[("authorization", "\tNTLM\tTlRM")], true),
            (&[("proxy-authorization", "Negotiate YII=")], true),
            (&[("authorization", "Basic dTpw, NTLM TlRM")], true),
            (
                &[("authorization", "Basic dTpw"), ("authorization", "ntlm x")],
                true,
            ),
            (&[("www-authenticate", "NTLM")], false),
        ];
        for (lines, expected) in table {
            assert_eq!(is_claimed(&fields(lines)), expected, "{lines:?}");
        }
    }

    #[test]
    fn an_answer_offers_it_in_any_line_and_member() {
        let table: [(Lines, bool); 11] = [
            (&[], false),
            (&[("www-authenticate", "Basic realm=\"negotiate ntlm\"")], false),
            (&[("www-authenticate", "NTLM")], true),
            (&[("www-authenticate", "ntlm TlRMTVNTUAAC")], true),
            (&[("www-authenticate", "Negotiate oYG2")], true),
            (&[("proxy-authenticate", "Negotiate")], true),
            (&[("www-authenticate", "Basic realm=\"a, b\",NEGOTIATE")], true),
            (
                &[
                    ("www-authenticate", "Basic realm=x"),
                    ("www-authenticate", "Ntlm"),
                ],
                true,
            ),
            (&[("www-authenticate", "Basic realm=\"open, Negotiate")], true),
            (&[("www-authenticate", ",, Negotiate ,")], true),
            (&[("authorization", "NTLM")], false),
        ];
        for (lines, expected) in table {
            assert_eq!(is_offered(&fields(lines)), expected, "{lines:?}");
        }
    }
}
