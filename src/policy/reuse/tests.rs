use std::time::SystemTime;

use super::*;
use crate::clock::Mono;
use crate::policy::key::CredentialState::{Absent, Named, Unnamed, UnnamedAuthorization};

mod wishes;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const LIFETIME: u64 = 100;

fn plain() -> Terms {
    Terms {
        lifetime: secs(LIFETIME),
        ..Terms::default()
    }
}

/// What a stored response is by, for a row of the tables.
#[derive(Debug, Clone, Copy)]
enum By {
    Nothing,
    Date,
    StrongTag,
}

/// Decides for a response of this age, asked for without credentials.
fn at(age: u64, terms: &Terms, validity: Validity, by: By) -> Reuse {
    let asked = Asked {
        credentials: Absent,
        rule_grants: false,
        wishes: Wishes::default(),
    };
    ask(age, terms, validity, by, asked)
}

fn ask(age: u64, terms: &Terms, validity: Validity, by: By, asked: Asked) -> Reuse {
    let times = Times {
        requested: Mono(secs(9)),
        received: Mono(secs(10)),
        initial_age: secs(1),
    };
    let now = Now {
        wall: SystemTime::UNIX_EPOCH,
        mono: Mono(secs(9 + age)),
    };
    let strong_etag = matches!(by, By::StrongTag);
    let validator = !matches!(by, By::Nothing);
    decide(
        Candidate {
            terms,
            times: &times,
            validity,
            strong_etag,
            validator,
        },
        asked,
        now,
    )
}

fn validate(reason: Reason, if_error: bool) -> Reuse {
    Reuse::Validate { reason, if_error }
}

#[test]
fn fresh_is_while_the_lifetime_exceeds_the_age() {
    let serve = |age, left| Reuse::Serve {
        age: secs(age),
        left: secs(left),
    };
    let table = [
        (1, serve(1, 99)),
        (99, serve(99, 1)),
        (100, validate(Reason::Stale, false)), // §4.2: lifetime > age
        (101, validate(Reason::Stale, false)),
    ];
    for (age, expected) in table {
        assert_eq!(
            at(age, &plain(), Validity::Untouched, By::Date),
            expected,
            "{age}"
        );
    }
    assert_eq!(
        at(100, &plain(), Validity::Untouched, By::Nothing),
        Reuse::Forward(Reason::Stale)
    );
    assert_eq!(
        at(1, &Terms::default(), Validity::Untouched, By::Date),
        validate(Reason::Stale, false)
    );
}

#[test]
fn no_cache_validates_every_time_and_never_stands_in() {
    // §5.2.2.4, even where windows slipped in.
    let terms = Terms {
        always_validate: true,
        never_stale: true,
        stale_while_revalidate: secs(50),
        stale_if_error: secs(50),
        ..plain()
    };
    for age in [1, 120] {
        let found = at(age, &terms, Validity::Untouched, By::Date);
        assert_eq!(found, validate(Reason::MustValidate, false), "{age}");
        let found = at(age, &terms, Validity::Untouched, By::Nothing);
        assert_eq!(found, Reuse::Forward(Reason::MustValidate), "{age}");
        let found = at(age, &terms, Validity::Stale, By::Date);
        assert_eq!(
            found,
            validate(Reason::MustValidate, false),
            "{age}, after a soft event"
        );
    }
}

#[test]
fn stale_windows_open_at_the_end_of_the_lifetime_and_close() {
    let terms = Terms {
        stale_while_revalidate: secs(10),
        stale_if_error: secs(50),
        ..plain()
    };
    let stale = |age, over| Reuse::ServeStale {
        age: secs(age),
        over: secs(over),
    };
    let table = [
        (100, stale(100, 0), "RFC 5861 §3"),
        (110, stale(110, 10), "its last second"),
        (111, validate(Reason::Stale, true), "RFC 5861 §4"),
        (150, validate(Reason::Stale, true), "its last second"),
        (151, validate(Reason::Stale, false), "both closed"),
    ];
    for (age, expected, why) in table {
        assert_eq!(
            at(age, &terms, Validity::Untouched, By::Date),
            expected,
            "{age}: {why}"
        );
    }
    // Without a validator the stored response can still stand by for an error.
    assert_eq!(
        at(150, &terms, Validity::Untouched, By::Nothing),
        validate(Reason::Stale, true)
    );
    assert_eq!(
        at(151, &terms, Validity::Untouched, By::Nothing),
        Reuse::Forward(Reason::Stale)
    );
}

#[test]
fn never_stale_closes_both_windows() {
    // §5.2.2.2, §5.2.2.8, §5.2.2.10
    let terms = Terms {
        never_stale: true,
        stale_while_revalidate: secs(10),
        stale_if_error: secs(10),
        ..plain()
    };
    assert_eq!(
        at(105, &terms, Validity::Untouched, By::Date),
        validate(Reason::Stale, false)
    );
    assert_eq!(
        at(5, &terms, Validity::Stale, By::Date),
        validate(Reason::SoftInvalidated, false)
    );
}

#[test]
fn after_a_hard_event_only_a_strong_tag_may_bring_it_back() {
    let generous = Terms {
        stale_while_revalidate: secs(1000),
        stale_if_error: secs(1000),
        ..plain()
    };
    for age in [1, 120] {
        let gone = |by| at(age, &generous, Validity::Gone, by);
        assert_eq!(gone(By::StrongTag), validate(Reason::Invalidated, false), "{age}");
        assert_eq!(gone(By::Date), Reuse::Forward(Reason::Invalidated), "{age}");
        assert_eq!(gone(By::Nothing), Reuse::Forward(Reason::Invalidated), "{age}");
    }
}

#[test]
fn below_the_floor_means_unknown_validate_and_never_stand_in() {
    let generous = Terms {
        stale_while_revalidate: secs(1000),
        stale_if_error: secs(1000),
        ..plain()
    };
    for age in [1, 120] {
        let unknown = |by| at(age, &generous, Validity::Unknown, by);
        assert_eq!(
            unknown(By::StrongTag),
            validate(Reason::BelowFloor, false),
            "{age}"
        );
        assert_eq!(unknown(By::Date), Reuse::Forward(Reason::BelowFloor), "{age}");
        assert_eq!(unknown(By::Nothing), Reuse::Forward(Reason::BelowFloor), "{age}");
    }
}

#[test]
fn a_soft_event_makes_it_stale_and_lengthens_no_window() {
    let windows = Terms {
        stale_while_revalidate: secs(10),
        stale_if_error: secs(50),
        ..plain()
    };
    let stale = |age, over| Reuse::ServeStale {
        age: secs(age),
        over: secs(over),
    };
    let table = [
        (plain(), 1, validate(Reason::SoftInvalidated, false)),
        (windows, 1, stale(1, 0)),
        (windows, 110, stale(110, 10)),
        (windows, 111, validate(Reason::SoftInvalidated, true)),
        (windows, 151, validate(Reason::SoftInvalidated, false)),
    ];
    for (terms, age, expected) in table {
        assert_eq!(at(age, &terms, Validity::Stale, By::Date), expected, "{age}");
    }
    let found = at(1, &plain(), Validity::Stale, By::Nothing);
    assert_eq!(found, Reuse::Forward(Reason::SoftInvalidated));
}

#[test]
fn credentials_that_nothing_names_get_only_what_is_open_to_them() {
    let public = Terms {
        public: true,
        authorization_shareable: true,
        ..plain()
    };
    let must_revalidate = Terms {
        authorization_shareable: true,
        ..plain()
    };
    let guessed = Terms {
        heuristic: true,
        ..plain()
    };
    let guessed_public = Terms {
        heuristic: true,
        ..public
    };
    let (granting, rfc) = (true, false);
    let table = [
        (Absent, granting, plain(), true, "no credentials"),
        (Absent, rfc, guessed, true, "no credentials"),
        (Named, granting, plain(), true, "share or key names them"),
        (Named, rfc, plain(), true, "share or key names them"),
        (Unnamed, granting, plain(), false, "a rule's ttl shares nothing"),
        (
            Unnamed,
            granting,
            must_revalidate,
            false,
            "nor does must-revalidate",
        ),
        (Unnamed, granting, public, true, "the answer's own word"),
        (
            UnnamedAuthorization,
            granting,
            plain(),
            false,
            "a rule's ttl shares nothing",
        ),
        (
            UnnamedAuthorization,
            granting,
            must_revalidate,
            false,
            "design: public or s-maxage alone",
        ),
        (
            UnnamedAuthorization,
            granting,
            public,
            true,
            "the answer's own word",
        ),
        (Unnamed, rfc, plain(), true, "RFC 9111 has no rule for cookies"),
        (Unnamed, rfc, guessed, false, "stricter: nothing guessed"),
        (UnnamedAuthorization, rfc, plain(), false, "§3.5"),
        (UnnamedAuthorization, rfc, must_revalidate, true, "§3.5"),
        (UnnamedAuthorization, rfc, public, true, "§3.5"),
        (
            UnnamedAuthorization,
            rfc,
            guessed_public,
            false,
            "stricter: nothing guessed",
        ),
    ];
    for (credentials, rule_grants, terms, allowed, why) in table {
        let asked = Asked {
            credentials,
            rule_grants,
            wishes: Wishes::default(),
        };
        for validity in [
            Validity::Untouched,
            Validity::Stale,
            Validity::Gone,
            Validity::Unknown,
            Validity::Blind,
        ] {
            let refused =
                ask(1, &terms, validity, By::StrongTag, asked) == Reuse::Forward(Reason::Credentials);
            assert_eq!(
                !refused, allowed,
                "{credentials:?} {rule_grants} {validity:?}: {why}"
            );
        }
    }
}
