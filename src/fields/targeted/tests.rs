use super::*;

const NAME: HeaderName = HeaderName::from_static("larder-cache-control");

fn read(lines: &[&str]) -> Option<CacheControl> {
    let mut fields = HeaderMap::new();
    for line in lines {
        fields.append(NAME, line.parse().unwrap());
    }
    of(&fields, &NAME)
}

fn plain(line: &str) -> CacheControl {
    let mut said = CacheControl::default();
    said.add_line(line.as_bytes());
    said
}

#[test]
fn a_valid_field_says_what_cache_control_would() {
    let table: &[(&[&str], &str, &str)] = &[
        (&["max-age=60"], "max-age=60", "§2.1: an Integer"),
        (
            &["max-age=60, s-maxage=30, stale-while-revalidate=5, stale-if-error=7"],
            "max-age=60, s-maxage=30, stale-while-revalidate=5, stale-if-error=7",
            "§2.2: whatever is supported in Cache-Control",
        ),
        (
            &["no-store, must-revalidate, proxy-revalidate, no-transform"],
            "no-store, must-revalidate, proxy-revalidate, no-transform",
            "§2.1: no value is Boolean true",
        ),
        (
            &["public, must-understand, immutable"],
            "public, must-understand, immutable",
            "§2.1: no value is Boolean true",
        ),
        (&["no-store=?1"], "no-store", "Boolean true, spelled out"),
        (&["private, no-cache"], "private, no-cache", "§2.1: unqualified"),
        (
            &["private=\"Set-Cookie, X-A\", no-cache=\"x-b\""],
            "private=\"set-cookie, x-a\", no-cache=\"x-b\"",
            "§2.1: a String of field names",
        ),
        (&["private=\"a b\""], "private", "no list of names: unqualified"),
        (&["private=\"\""], "private", "names nothing: unqualified"),
        (
            &["max-age=60;a=1;b, no-store;c"],
            "max-age=60, no-store",
            "§2.1: parameters",
        ),
        (
            &["none"],
            "",
            "§2.2: unknown directives are ignored, and are there",
        ),
        (
            &["x=(1 2), y=\"z\", z=1.5, max-age=9"],
            "max-age=9",
            "unknown ones have any value",
        ),
        (
            &["max-stale=1.5, min-fresh=x, only-if-cached=9, a"],
            "",
            "directives of requests are unknown here",
        ),
        (&["max-age=1", "no-store"], "max-age=1, no-store", "several lines"),
        (
            &["max-age=1, max-age=9"],
            "max-age=9",
            "RFC 9651 §4.2.2: the last",
        ),
        (
            &["max-age=x, max-age=9"],
            "max-age=9",
            "RFC 9651 §4.2.2: the last",
        ),
        (
            &["max-age=1", "max-age=9"],
            "max-age=9",
            "the last, of several lines",
        ),
        (&["max-age=2147483648"], "max-age=2147483648", "RFC 9111 §1.2.2"),
        (
            &["max-age=99999999999"],
            "max-age=2147483648",
            "RFC 9111 §1.2.2: capped",
        ),
        (&["max-age=0060"], "max-age=60", "leading zeros"),
        (
            &[" max-age=60\t,  no-store "],
            "max-age=60, no-store",
            "space between members",
        ),
    ];
    for (lines, same_as, why) in table {
        assert_eq!(read(lines), Some(plain(same_as)), "{lines:?}: {why}");
    }
}

#[test]
fn a_field_with_anything_wrong_in_it_is_as_good_as_absent() {
    let table: &[(&[&str], &str)] = &[
        (&[], "absent"),
        (&[""], "§2.1: empty"),
        (&["  "], "§2.1: empty"),
        (&["max-age=10000, &&&&&"], "no dictionary"),
        (&["max-age=60,"], "trailing comma"),
        (&["max-age=60,,no-store"], "empty member"),
        (&["max-age=60", ""], "an empty line leaves a trailing comma"),
        (&["max-age=60", "&"], "one bad line of two"),
        (&["MaX-aGe=60"], "RFC 9651 §3.1.2: keys are in lower case"),
        (&["max-age =60"], "space before ="),
        (&["max-age= 60"], "space after ="),
        (&["max-age=\"60\""], "§2.1: a String is no Integer"),
        (&["max-age='60'"], "no value of any type"),
        (&["max-age=60.0"], "§2.1: a Decimal is no Integer"),
        (&["max-age=1.5"], "§2.1: a Decimal is no Integer"),
        (&["max-age=-1"], "no number of seconds"),
        (&["max-age=1h"], "trailing characters"),
        (&["max-age=h"], "a Token"),
        (&["max-age"], "Boolean true"),
        (&["max-age=(60)"], "an Inner List"),
        (&["max-age=1000000000000000"], "RFC 9651 §3.3.1: sixteen digits"),
        (&["s-maxage=x"], "a Token"),
        (&["stale-if-error=1.0"], "a Decimal"),
        (&["stale-while-revalidate=\"5\""], "a String"),
        (&["max-age=60, no-store=?0"], "§2.1: always Boolean true"),
        (&["no-store=0"], "an Integer"),
        (&["no-store=\"x\""], "a String"),
        (&["must-revalidate=1"], "an Integer"),
        (&["public=\"x\""], "a String"),
        (&["private=set-cookie"], "§2.1: Boolean true or a String"),
        (&["no-cache=?0"], "Boolean false"),
        (&["no-cache=(\"a\" \"b\")"], "an Inner List"),
        (&["private=\"a\tb\""], "no String"),
    ];
    for (lines, why) in table {
        assert_eq!(read(lines), None, "{lines:?}: {why}");
    }
}
