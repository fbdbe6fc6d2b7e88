//! Who may share what is stored (RFC 9111 §3.5; design: keys, identity and sharing).

use super::*;

#[test]
fn credentials_need_the_answers_word_or_a_name() {
    use CredentialState::{Absent, Named, Unnamed, UnnamedAuthorization};
    let (no, auth) = (Some(Reason::Credentials), Some(Reason::Authorization));
    // Words beside max-age=60; under a ttl; without a rule.
    let table = [
        (Absent, "", None, None),
        (Named, "", None, None),
        (Unnamed, "", no, None),
        (Unnamed, "public", None, None),
        (Unnamed, "s-maxage=9", None, None),
        (Unnamed, "s-maxage=0", no, None),
        (Unnamed, "s-maxage=x", no, None),
        (Unnamed, "must-revalidate", no, None),
        (UnnamedAuthorization, "", no, auth),
        (UnnamedAuthorization, "public", None, None),
        (UnnamedAuthorization, "s-maxage=9", None, None),
        (UnnamedAuthorization, "s-maxage=x", no, auth),
        (UnnamedAuthorization, "must-revalidate", no, None),
        (UnnamedAuthorization, "proxy-revalidate", no, auth),
        (UnnamedAuthorization, "immutable", no, auth),
    ];
    for (credentials, words, under_ttl, without_rule) in table {
        let cc = format!("max-age=60, {words}");
        let lines: Lines<'_> = &[(CC, &cc), ("etag", "\"a\"")];
        let facts = with(credentials);
        assert_eq!(
            refused(&granting(), &facts, 200, lines),
            under_ttl,
            "{credentials:?} {words}: ttl"
        );
        assert_eq!(
            refused(&unmatched(), &facts, 200, lines),
            without_rule,
            "{credentials:?} {words}: none"
        );
    }
}

#[test]
fn a_lifted_private_does_not_make_an_answer_public() {
    let lifted = lifting(IgnoreOrigin {
        private: true,
        ..IgnoreOrigin::default()
    });
    for words in [
        "private, public",
        "private, s-maxage=60",
        "private=\"a b\", public",
    ] {
        let found = refused(&lifted, &with(CredentialState::Unnamed), 200, &[(CC, words)]);
        assert_eq!(found, Some(Reason::Credentials), "{words}");
        let terms = stored(&lifted, &[(CC, words)]);
        assert!(!terms.public && !terms.authorization_shareable, "{words}");
    }
}

#[test]
fn a_lifted_must_revalidate_opens_nothing_to_authorization() {
    let mut rule = unmatched();
    rule.ignore_origin.must_revalidate = true;
    let facts = with(CredentialState::UnnamedAuthorization);
    let found = refused(&rule, &facts, 200, &[(CC, "max-age=60, must-revalidate")]);
    assert_eq!(
        found,
        Some(Reason::Authorization),
        "§3.5: only while it is obeyed"
    );
}

#[test]
fn nothing_is_guessed_for_requests_with_credentials() {
    let lines: Lines<'_> = &[("last-modified", DAY_BEFORE), ("date", NOON)];
    for (credentials, lifetime, heuristic) in [
        (CredentialState::Absent, 8640, true),
        (CredentialState::Named, 0, false),
        (CredentialState::Unnamed, 0, false),
    ] {
        let Storing::Store(terms) = ask(&unmatched(), &with(credentials), 200, lines) else {
            panic!("{credentials:?}: has a validator");
        };
        assert_eq!(
            (terms.lifetime, terms.heuristic),
            (secs(lifetime), heuristic),
            "{credentials:?}"
        );
    }
}
