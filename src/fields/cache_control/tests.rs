use super::*;

fn read(lines: &[&str]) -> CacheControl {
    let mut fields = HeaderMap::new();
    for line in lines {
        fields.append(header::CACHE_CONTROL, line.parse().unwrap());
    }
    CacheControl::of(&fields)
}

fn seconds(value: Option<DeltaSeconds>) -> Option<u64> {
    value.map(|v| v.duration().as_secs())
}

#[test]
fn max_age_is_read_strictly_and_errs_towards_stale() {
    let table: &[(&[&str], Option<u64>, &str)] = &[
        (&[], None, "absent"),
        (&["max-age=60"], Some(60), "§5.2.2.1"),
        (&["MAX-AGE=60"], Some(60), "§5.2: names in any case"),
        (
            &["max-age=\"60\""],
            Some(60),
            "§5.2: both forms ought to be accepted",
        ),
        (&["public, max-age=60"], Some(60), "list"),
        (&["public", "max-age=60"], Some(60), "several lines"),
        (
            &["foo=\"max-age=1\", max-age=60"],
            Some(60),
            "inside another's argument it is no directive",
        ),
        (&["max-age=60, max-age=30"], Some(30), "§4.2.1: conflicting"),
        (
            &["max-age=30", "max-age=60"],
            Some(30),
            "§4.2.1: conflicting lines",
        ),
        (&["max-age=9999999999"], Some(1 << 31), "§1.2.2: overflow"),
        (&["max-age=99999999999999"], Some(1 << 31), "§1.2.2: overflow"),
        (&["max-age=003600"], Some(3600), "leading zeros"),
        (&["max-age=3600.0"], Some(0), "fraction, if of nothing"),
        (&["max-age=+60"], Some(0), "a sign"),
        (&["max-age=a60"], Some(0), "leading letter"),
        (&["max-age=\"\""], Some(0), "nothing in quotes"),
        (&["max-age=\" 60\""], Some(0), "space within the quotes"),
        (&["max-age=60;x=1"], Some(0), "parameters are of other fields"),
        (&["max-age=60 x"], Some(0), "two words"),
        (
            &["max-age=60,,, ,", ""],
            Some(60),
            "§5.6.1.2 of RFC 9110: empty members",
        ),
        (&["\t max-age=60 \t"], Some(60), "space around a member"),
        (&["foobar, max-age=60, x=\"y\""], Some(60), "§5.2.3: extensions"),
        (
            &["max-age=60, ext=\"max-age=1\""],
            Some(60),
            "after it as before it",
        ),
        (
            &["max-age=\"60\", ext=\"max-age=1\""],
            Some(60),
            "in quotes itself",
        ),
        (&["max-age=0, max-age=60"], Some(0), "§4.2.1: conflicting"),
        (&["max-age=60, max-age=60"], Some(60), "said twice"),
        (&["max-age"], Some(0), "no argument"),
        (&["max-age="], Some(0), "empty argument"),
        (&["max-age=-1"], Some(0), "negative"),
        (&["max-age=1.5"], Some(0), "fraction"),
        (&["max-age=1h"], Some(0), "unit"),
        (&["max-age='60'"], Some(0), "single quotes"),
        (&["max-age =60"], Some(0), "space before ="),
        (&["max-age= 60"], Some(0), "space after ="),
        (
            &["max-age=60, max-age=x"],
            Some(0),
            "one unreadable among readable",
        ),
        (&["max-age=\"60"], Some(0), "unclosed quote"),
        (&["xmax-age=60"], None, "another name"),
        (&["max-age-x=60"], None, "another name"),
    ];
    for (lines, expected, why) in table {
        assert_eq!(seconds(read(lines).max_age), *expected, "{lines:?}: {why}");
    }
}

#[test]
fn every_number_goes_to_its_own_directive() {
    let all = read(&[
        "max-age=1, s-maxage=2, stale-while-revalidate=3, stale-if-error=4, max-stale=5, min-fresh=6",
    ]);
    let found = [
        all.max_age,
        all.s_maxage,
        all.stale_while_revalidate,
        all.stale_if_error,
        all.max_stale,
        all.min_fresh,
    ];
    assert_eq!(found.map(seconds), [1, 2, 3, 4, 5, 6].map(Some));
}

#[test]
fn max_stale_without_a_number_means_any_and_gives_way_to_a_number() {
    let table = [
        ("max-stale", Some(1 << 31)),
        ("max-stale=10", Some(10)),
        ("max-stale, max-stale=10", Some(10)),
        ("max-stale=10, max-stale", Some(10)),
        ("max-stale=x", Some(0)),
    ];
    for (line, expected) in table {
        assert_eq!(seconds(read(&[line]).max_stale), expected, "{line}");
    }
    assert_eq!(
        seconds(read(&["min-fresh=5, min-fresh=9, min-fresh=x"]).min_fresh),
        Some(9)
    );
}

#[test]
fn flags_are_set_one_by_one() {
    type Flag = fn(&CacheControl) -> bool;
    let table: &[(&str, Flag)] = &[
        ("public", |c| c.public),
        ("no-store", |c| c.no_store),
        ("must-revalidate", |c| c.must_revalidate),
        ("proxy-revalidate", |c| c.proxy_revalidate),
        ("must-understand", |c| c.must_understand),
        ("no-transform", |c| c.no_transform),
        ("only-if-cached", |c| c.only_if_cached),
        ("immutable", |c| c.immutable),
        ("private", |c| c.private.is_whole()),
        ("no-cache", |c| c.no_cache.is_whole()),
    ];
    for (word, _) in table {
        let said = read(&[&word.to_uppercase()]);
        for (other, flag) in table {
            assert_eq!(flag(&said), other == word, "{word} said, {other} asked");
        }
    }
}

#[test]
fn a_restriction_counts_with_any_argument_and_a_permission_only_without() {
    let restricting = read(&["no-store=1, must-revalidate=x, proxy-revalidate=\"\", no-transform=0"]);
    assert!(restricting.no_store && restricting.must_revalidate);
    assert!(restricting.proxy_revalidate && restricting.no_transform);
    let permitting = read(&["public=1, must-understand=1"]);
    assert!(!permitting.public && !permitting.must_understand);
    assert!(read(&["immutable=1"]).immutable, "RFC 8246 §2");
}

#[test]
fn an_unclosed_quote_hides_no_refusal() {
    assert!(read(&["ext=\"a, no-store"]).no_store);
    assert!(read(&["private=\"a, no-store"]).no_store);
    assert_eq!(read(&["ext=\"a, private"]).private, Scope::Whole);
}

#[test]
fn private_and_no_cache_keep_the_fields_they_name() {
    let names = |list: &[&str]| Scope::Fields(list.iter().map(|n| n.parse().unwrap()).collect());
    let table: &[(&[&str], Scope, &str)] = &[
        (&[], Scope::Absent, "absent"),
        (&["private"], Scope::Whole, "§5.2.2.7 unqualified"),
        (&["private=\"Set-Cookie\""], names(&["set-cookie"]), "qualified"),
        (&["private=\"a, b\""], names(&["a", "b"]), "several"),
        (
            &["private=Set-Cookie"],
            names(&["set-cookie"]),
            "token form ought to be accepted",
        ),
        (
            &["private=\"a\"", "private=\"b\""],
            names(&["a", "b"]),
            "several lines",
        ),
        (&["private=\"a\", private"], Scope::Whole, "the wider wins"),
        (&["private, private=\"a\""], Scope::Whole, "the wider wins"),
        (
            &["private=\"\""],
            Scope::Whole,
            "names nothing: as if unqualified",
        ),
        (&["private="], Scope::Whole, "names nothing"),
        (&["private=\"a b\""], Scope::Whole, "no field name"),
        (&["private =\"a\""], Scope::Whole, "space before ="),
    ];
    for (lines, expected, why) in table {
        assert_eq!(read(lines).private, *expected, "{lines:?}: {why}");
        let as_no_cache: Vec<String> = lines.iter().map(|l| l.replace("private", "no-cache")).collect();
        let as_no_cache: Vec<&str> = as_no_cache.iter().map(String::as_str).collect();
        assert_eq!(read(&as_no_cache).no_cache, *expected, "{as_no_cache:?}: {why}");
    }
}

#[test]
fn unknown_directives_are_ignored() {
    assert_eq!(
        read(&["foo, bar=\"x\", community=UCI, ="]),
        CacheControl::default()
    );
}

#[test]
fn a_refusal_in_what_is_no_directive_still_refuses() {
    let table: &[(&str, CacheControl)] = &[
        (
            "private; max-age=600",
            CacheControl {
                private: Scope::Whole,
                ..CacheControl::default()
            },
        ),
        (
            "no-store max-age=60",
            CacheControl {
                no_store: true,
                ..CacheControl::default()
            },
        ),
        (
            "no-cache; No-Store, \"private\"",
            CacheControl {
                no_cache: Scope::Whole,
                no_store: true,
                private: Scope::Whole,
                ..CacheControl::default()
            },
        ),
        ("public; max-age=60", CacheControl::default()), // no permission comes of it
        ("x-private; a", CacheControl::default()),
    ];
    for (line, expected) in table {
        let mut read = CacheControl::default();
        read.add_line(line.as_bytes());
        assert_eq!(&read, expected, "{line}");
    }
}
