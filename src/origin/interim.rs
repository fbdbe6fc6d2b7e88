//! Interim answers (1xx) as they come from the origin, made fit to be passed on.

use http::header::{CONTENT_LENGTH, DATE, VIA};
use http::{HeaderMap, HeaderValue, Request, StatusCode};

use crate::client::ForwardedInterim;
use crate::fields::connection;

/// Passes interim answers to `request` on as they come.
pub(super) fn listen<B>(request: &mut Request<B>, to: ForwardedInterim) {
    hyper::ext::on_informational(request, move |answer| {
        pass(answer.status(), answer.headers(), &to)
    });
}

/// Passes an interim answer on, if it is for the client.
pub(super) fn pass(status: StatusCode, fields: &HeaderMap, to: &ForwardedInterim) {
    if is_for_the_client(status) {
        to.pass(status, &passed_fields(fields, to.via()));
    }
}

/// A proxy passes every interim answer on that it has not asked for itself (RFC 9110 §15.2): 100
/// is between the neighbours on a connection, and 101 ends the conversation.
fn is_for_the_client(status: StatusCode) -> bool {
    status.is_informational() && status != StatusCode::CONTINUE && status != StatusCode::SWITCHING_PROTOCOLS
}

/// End-to-end fields, and none that speaks of content, of which there is none (§8.6).
fn passed_fields(came: &HeaderMap, via: &HeaderValue) -> HeaderMap {
    let mut fields = came.clone();
    connection::strip_response(&mut fields);
    fields.remove(CONTENT_LENGTH);
    fields.remove(DATE);
    fields.append(VIA, via.clone());
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_neighbour_asked_for_stays_here() {
        let passed = |code| is_for_the_client(StatusCode::from_u16(code).unwrap());
        assert!(passed(102) && passed(103) && passed(104) && passed(199));
        assert!(!passed(100) && !passed(101) && !passed(200));
    }

    #[test]
    fn only_end_to_end_fields_pass() {
        let mut came = HeaderMap::new();
        for (name, value) in [
            ("link", "</a.css>; rel=preload"),
            ("link", "</b.js>; rel=preload"),
            ("connection", "x-hop, content-length"),
            ("x-hop", "1"),
            ("content-length", "5"),
            ("transfer-encoding", "chunked"),
            ("date", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ] {
            came.append(name, HeaderValue::from_static(value));
        }
        let fields = passed_fields(&came, &HeaderValue::from_static("1.1 larder"));
        let names: Vec<_> = fields.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["link", "link", "via"]);
    }
}
