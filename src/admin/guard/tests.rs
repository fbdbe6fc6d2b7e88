use http::Request;

use super::*;

const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// A GET with these fields.
fn get(fields: &[(&str, &str)]) -> Parts {
    parts(Request::get("/stats"), fields)
}

fn parts(mut builder: http::request::Builder, fields: &[(&str, &str)]) -> Parts {
    for (name, value) in fields {
        builder = builder.header(*name, *value);
    }
    builder.body(()).unwrap().into_parts().0
}

fn status(token: Option<&str>, peer: IpAddr, request: &Parts) -> u16 {
    let token = token.map(|token| Secret(token.to_owned()));
    let local = Some(LOOPBACK);
    admit(token.as_ref(), Ends { peer, local }, request)
        .map_or_else(|problem| problem.status.as_u16(), |()| 200)
}

#[test]
fn without_a_token_only_this_machine_under_its_own_name_is_answered() {
    let rows: &[(&str, u16)] = &[
        ("localhost", 200),
        ("LOCALHOST:9321", 200),
        ("127.0.0.1:9321", 200),
        ("10.1.2.3", 200),
        ("[::1]:9321", 200),
        ("[::1]", 200),
        ("evil.example", 403),
        ("localhost.evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("localhost@evil.example", 403),
        ("localhost:evil", 403),
        ("[::1].evil.example", 403),
        ("[evil]", 403),
        ("0x7f.1", 403),
        ("", 403),
    ];
    for (host, expected) in rows {
        assert_eq!(
            status(None, LOOPBACK, &get(&[("host", host)])),
            *expected,
            "{host}"
        );
    }
}

#[test]
fn without_a_token_other_machines_are_refused() {
    let local = [("host", "localhost")];
    let rows = [
        ("127.0.0.1", 200),
        ("127.9.9.9", 200),
        ("::1", 200),
        ("::ffff:127.0.0.1", 200),
        ("10.0.0.1", 403),
        ("::ffff:10.0.0.1", 403),
        ("0.0.0.0", 403),
        ("fe80::1", 403),
    ];
    for (peer, expected) in rows {
        assert_eq!(
            status(None, peer.parse().unwrap(), &get(&local)),
            expected,
            "{peer}"
        );
    }
}

#[test]
fn without_a_token_an_address_that_others_reach_is_refused() {
    let request = get(&[("host", "localhost")]);
    for (local, refused) in [("127.0.0.1", false), ("::1", false), ("10.1.2.3", true)] {
        let ends = Ends {
            peer: LOOPBACK,
            local: local.parse().ok(),
        };
        assert_eq!(admit(None, ends, &request).is_err(), refused, "{local}");
    }
    let ends = Ends {
        peer: LOOPBACK,
        local: None,
    };
    assert!(admit(None, ends, &request).is_err());
}

#[test]
fn what_speaks_for_someone_else_is_refused_even_from_this_machine() {
    let rows: &[&[(&str, &str)]] = &[
        &[("host", "localhost"), ("x-forwarded-for", "127.0.0.1")],
        &[("host", "localhost"), ("forwarded", "for=127.0.0.1")],
        &[("host", "localhost"), ("via", "1.1 somebody")],
        &[("host", "localhost"), ("x-forwarded-host", "admin.test")],
        &[("host", "localhost"), ("x-envoy-internal", "true")],
        &[("host", "localhost"), ("origin", "http://localhost")],
        &[("host", "localhost"), ("origin", "null")],
        &[("host", "localhost"), ("sec-fetch-site", "cross-site")],
        &[("host", "localhost"), ("sec-fetch-site", "same-site")],
        &[("host", "localhost"), ("host", "localhost")],
        &[],
    ];
    for fields in rows {
        assert_eq!(status(None, LOOPBACK, &get(fields)), 403, "{fields:?}");
    }
    assert_eq!(
        status(
            None,
            LOOPBACK,
            &get(&[("host", "localhost"), ("sec-fetch-site", "none")])
        ),
        200
    );
}

#[test]
fn an_absolute_target_must_name_the_same_host() {
    let evil = parts(
        Request::get("http://evil.example/stats"),
        &[("host", "localhost")],
    );
    assert_eq!(status(None, LOOPBACK, &evil), 403);
    let same = parts(Request::get("http://localhost/stats"), &[("host", "localhost")]);
    assert_eq!(status(None, LOOPBACK, &same), 200);
}

#[test]
fn with_a_token_only_the_token_counts_wherever_the_caller_is() {
    let far = "10.0.0.1".parse().unwrap();
    let rows: &[(&[&str], u16)] = &[
        (&["Bearer s3cret"], 200),
        (&["bearer s3cret"], 200),
        (&["Bearer s3cre"], 401),
        (&["Bearer s3cret2"], 401),
        (&["Bearer S3CRET"], 401),
        (&["Bearer"], 401),
        (&["Bearer "], 401),
        (&["Basic s3cret"], 401),
        (&["s3cret"], 401),
        (&["Bearer s3cret, Bearer x"], 401),
        (&["Bearer s3cret", "Bearer s3cret"], 401),
        (&[], 401),
    ];
    for (sent, expected) in rows {
        let fields: Vec<_> = sent
            .iter()
            .map(|value| ("authorization", *value))
            .chain([("host", "larder.svc")])
            .collect();
        for peer in [far, LOOPBACK] {
            assert_eq!(status(Some("s3cret"), peer, &get(&fields)), *expected, "{sent:?}");
        }
    }
}

#[test]
fn a_post_must_be_json() {
    let rows = [
        (Some("application/json"), 200),
        (Some("Application/JSON; charset=utf-8"), 200),
        (Some("text/plain"), 415),
        (Some("text/plain; application/json"), 415),
        (Some("application/x-www-form-urlencoded"), 415),
        (Some("application/jsonp"), 415),
        (None, 415),
    ];
    for (kind, expected) in rows {
        let mut fields = vec![("host", "localhost")];
        fields.extend(kind.map(|kind| ("content-type", kind)));
        assert_eq!(
            status(None, LOOPBACK, &parts(Request::post("/purge"), &fields)),
            expected,
            "{kind:?}"
        );
    }
}
