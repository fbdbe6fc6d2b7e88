use super::*;

type Lines<'a> = &'a [(&'a str, &'a str)];

const CC: &str = "cache-control";
const LARDER: &str = "larder-cache-control";
const CDN: &str = "cdn-cache-control";

fn message(lines: Lines<'_>) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for (name, value) in lines {
        let name: HeaderName = name.parse().unwrap();
        fields.append(name, value.parse().unwrap());
    }
    fields
}

/// The words of an answer, for a cache that obeys Larder's own field and then that of CDNs.
fn of(lines: Lines<'_>) -> Words {
    let targeted = [HeaderName::from_static(LARDER), HeaderName::from_static(CDN)];
    Words::of(&targeted, &message(lines))
}

fn plain(line: &str, expires: bool) -> Words {
    let mut said = CacheControl::default();
    said.add_line(line.as_bytes());
    Words { said, expires }
}

#[test]
fn the_first_valid_targeted_field_replaces_cache_control_and_expires() {
    let table: &[(Lines<'_>, &str, bool, &str)] = &[
        (&[], "", true, "nothing"),
        (&[(CC, "max-age=1")], "max-age=1", true, "§2.2: none is there"),
        (
            &[(CC, "max-age=1"), (LARDER, "max-age=9")],
            "max-age=9",
            false,
            "§2.2",
        ),
        (
            &[(CC, "no-store"), (LARDER, "max-age=9")],
            "max-age=9",
            false,
            "§2.2",
        ),
        (
            &[(CC, "max-age=9"), (LARDER, "no-store")],
            "no-store",
            false,
            "§2.2",
        ),
        (
            &[(CC, "private"), (LARDER, "none")],
            "",
            false,
            "§3.1: unknown, and not empty",
        ),
        (
            &[(CDN, "max-age=1"), (LARDER, "max-age=9")],
            "max-age=9",
            false,
            "§2.2: in the order of the list",
        ),
        (
            &[(CDN, "max-age=1"), (LARDER, "max-age=x")],
            "max-age=1",
            false,
            "§2.2: the next that is valid",
        ),
        (
            &[(CDN, "max-age=1"), (LARDER, "")],
            "max-age=1",
            false,
            "§2.2: the next that is not empty",
        ),
        (
            &[(CC, "max-age=5"), (CDN, "max-age=1.5"), (LARDER, "")],
            "max-age=5",
            true,
            "§2.2: none is left",
        ),
        (
            &[
                (CC, "max-age=5"),
                ("surrogate-control", "max-age=1"),
                ("x-cache-control", "no-store"),
            ],
            "max-age=5",
            true,
            "§2.2, §2.4: what is not on the list changes nothing",
        ),
    ];
    for (lines, said, expires, why) in table {
        assert_eq!(of(lines), plain(said, *expires), "{lines:?}: {why}");
    }
}

#[test]
fn fields_are_withheld_that_either_directive_names() {
    let words = of(&[(CC, "private=\"X-Mine, set-cookie\""), (CC, "no-cache=x-fresh")]);
    let withheld: Vec<&str> = words.withheld().map(HeaderName::as_str).collect();
    assert_eq!(withheld, ["x-mine", "set-cookie", "x-fresh"]);
    assert!(words.withholds(&header::SET_COOKIE) && !words.withholds(&header::ETAG));
    let targeted = of(&[(CC, "private=x-mine"), (LARDER, "no-cache=\"x-fresh\"")]);
    assert!(targeted.withheld().eq([&HeaderName::from_static("x-fresh")]));
}

#[test]
fn what_reuse_cannot_do_without_is_not_withheld_but_all_of_it() {
    for name in [
        "Vary",
        "Content-Type",
        "Content-Encoding",
        "Content-Range",
        "Cache-Control",
        "Expires",
        "Larder-Cache-Control",
    ] {
        for directive in ["private", "no-cache"] {
            let line = format!("{directive}=\"x-mine, {name}\", max-age=9");
            let words = of(&[(CC, &line)]);
            assert_eq!(words, plain(&format!("{directive}, max-age=9"), true), "{line}");
        }
    }
    assert!(!of(&[(CC, "private=etag")]).said.private.is_whole());
}
