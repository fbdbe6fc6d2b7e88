//! Credentials, and who shares with whom.

use super::*;

#[test]
fn the_state_of_credentials_depends_on_what_the_rule_names() {
    use CredentialState as S;
    let header = |name| {
        keyed_by(KeySpec {
            headers: vec![HeaderName::from_static(name)],
            ..KeySpec::default()
        })
    };
    let cookies = keyed_by(KeySpec {
        cookies: names(&["lang", "theme"]),
        ..KeySpec::default()
    });
    let (auto, origin, public) = (granting(), Rule::unmatched(0), shared(Share::Public));
    let (key_header, key_authorization) = (header("x-user"), header("authorization"));
    for (rule, fields, state) in [
        (&auto, &[][..], S::Absent),
        (&auto, &["accept: x", "x-forwarded-for: y"], S::Absent),
        (&auto, &["cookie: a=1"], S::Unnamed),
        (&auto, &["proxy-authorization: x"], S::Unnamed),
        (&auto, &["x-api-key: x"], S::Unnamed),
        (&auto, &["x-user-id: x"], S::Unnamed),
        (&auto, &["authorization: x"], S::UnnamedAuthorization),
        (
            &auto,
            &["authorization: x", "cookie: a=1"],
            S::UnnamedAuthorization,
        ),
        (
            &auto,
            &["cookie: a=1", "authorization: x", "x-api-key: y"],
            S::UnnamedAuthorization,
        ),
        (&origin, &["authorization: x"], S::UnnamedAuthorization),
        (&origin, &["cookie: a=1"], S::Unnamed),
        (&public, &[], S::Absent),
        (
            &public,
            &["authorization: x", "cookie: a=1", "x-user: z"],
            S::Named,
        ),
        (&key_header, &["x-user: z"], S::Named),
        (&key_header, &["x-user: z", "cookie: a=1"], S::Unnamed),
        (&key_header, &["cookie: a=1", "x-user: z"], S::Unnamed),
        (&key_authorization, &["authorization: z"], S::Named),
        (&key_authorization, &["x-api-key: z"], S::Unnamed),
        (&cookies, &["cookie: lang=en"], S::Named),
        (&cookies, &["cookie: lang=en; theme=dark"], S::Named),
        (&cookies, &["cookie: lang=en; sid=1"], S::Unnamed),
        (&cookies, &["cookie: lang=en", "cookie: sid=1"], S::Unnamed),
        (&cookies, &["cookie: lang"], S::Unnamed),
        (
            &cookies,
            &["cookie: lang=en", "authorization: x"],
            S::UnnamedAuthorization,
        ),
    ] {
        let state_ = key(rule, "GET /a", fields, KeyBody::Empty).unwrap().credentials;
        assert_eq!(state_, state, "{fields:?} under {:?} {:?}", rule.share, rule.key);
    }
}

#[test]
fn sharing_per_identity_needs_exactly_that_identity() {
    use Reason as R;
    let authorization = shared(Share::PerHeader(http::header::AUTHORIZATION));
    let (cookie, header) = (per_cookie(), per_header());
    for (rule, fields, reason) in [
        (&cookie, &["cookie: sid=1"][..], None),
        (&cookie, &["cookie: sid=1; lang=en"], None),
        (&cookie, &["cookie: lang=en", "cookie: sid=1"], None),
        (&cookie, &[], Some(R::NoIdentity)),
        (&cookie, &["cookie: lang=en"], Some(R::NoIdentity)),
        (&cookie, &["cookie: SID=1"], Some(R::NoIdentity)),
        (&cookie, &["cookie: sid="], Some(R::NoIdentity)),
        (&cookie, &["cookie: sid"], Some(R::NoIdentity)),
        (&cookie, &["cookie: sid=1; sid=2"], Some(R::NoIdentity)),
        (&cookie, &["cookie: sid=1", "cookie: sid=1"], Some(R::NoIdentity)),
        (
            &cookie,
            &["cookie: sid=1", "authorization: x"],
            Some(R::Credentials),
        ),
        (&cookie, &["cookie: sid=1", "x-api-key: x"], Some(R::Credentials)),
        (&header, &["x-user: a"], None),
        (&header, &[], Some(R::NoIdentity)),
        (&header, &["x-user: "], Some(R::NoIdentity)),
        (&header, &["cookie: sid=1"], Some(R::NoIdentity)),
        (&header, &["x-user: a", "cookie: sid=1"], Some(R::Credentials)),
        (&header, &["x-user: a", "x-user-id: b"], Some(R::Credentials)),
        (&authorization, &["authorization: a"], None),
    ] {
        assert_eq!(
            bypass(rule, "GET /a", fields, KeyBody::Empty),
            reason,
            "{fields:?} under {:?}",
            rule.share
        );
    }
}

#[test]
fn identities_never_stand_in_a_key_in_clear() {
    let secret = "s3cr3t-value";
    let keyed = keyed_by(KeySpec {
        headers: vec![http::header::AUTHORIZATION, HeaderName::from_static("x-user")],
        cookies: names(&["sid"]),
        ..KeySpec::default()
    });
    for (rule, field) in [
        (per_cookie(), format!("cookie: sid={secret}")),
        (per_header(), format!("x-user: {secret}")),
        (keyed.clone(), format!("authorization: {secret}")),
        (keyed.clone(), format!("x-user: {secret}")),
        (keyed, format!("cookie: sid={secret}")),
    ] {
        let form = form(&rule, "GET /a", &[&field], "");
        assert!(
            !form
                .windows(secret.len())
                .any(|window| window == secret.as_bytes()),
            "{field}"
        );
    }
}
