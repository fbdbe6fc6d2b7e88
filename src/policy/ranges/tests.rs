use super::*;
use http::HeaderName;

fn message(lines: &[(&str, &str)]) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for (name, value) in lines {
        let name: HeaderName = name.parse().unwrap();
        fields.append(name, value.parse().unwrap());
    }
    fields
}

fn part(first: u64, last: u64) -> Part {
    Part { first, last }
}

fn ranged(range: &str, length: u64) -> Selected {
    let request = message(&[("range", range)]);
    select(&request, StatusCode::OK, &HeaderMap::new(), length)
}

#[test]
fn ranges_select_what_they_cover() {
    use Selected::{One, Several, Unsatisfiable, Whole};
    let table = [
        ("bytes=0-499", 10_000, One(part(0, 499)), "§14.1.2: the first 500"),
        ("bytes=9500-", 10_000, One(part(9500, 9999)), "§14.1.2: open"),
        ("bytes=-500", 10_000, One(part(9500, 9999)), "§14.1.2: suffix"),
        (
            "bytes=-20000",
            10_000,
            One(part(0, 9999)),
            "§14.1.2: longer than all",
        ),
        (
            "bytes=9999-20000",
            10_000,
            One(part(9999, 9999)),
            "§14.1.2: clipped",
        ),
        ("bytes=0-0", 1, One(part(0, 0)), "the only byte"),
        ("bytes=10000-", 10_000, Unsatisfiable, "§14.1.1: after the end"),
        ("bytes=-0", 10_000, Unsatisfiable, "§14.1.2: nothing"),
        ("bytes=0-", 0, Unsatisfiable, "no content at all"),
        (
            "bytes=-1",
            0,
            Whole,
            "§14.1.2: the end of no content, which is all of it",
        ),
        ("bytes=0-, -1", 0, Whole, "§14.1.2: one of several"),
        ("bytes=-0", 0, Unsatisfiable, "§14.1.2: nothing of nothing"),
        ("bytes=5-4", 10, Whole, "§14.2: invalid is ignored"),
        ("lines=0-4", 10, Whole, "§14.2: unknown unit"),
        (
            "bytes=500-600,0-9",
            10_000,
            Several(vec![part(500, 600), part(0, 9)]),
            "§15.3.7.2: in the order asked for",
        ),
        (
            "bytes=0-9,20000-",
            10_000,
            One(part(0, 9)),
            "§14.2: those that can be satisfied",
        ),
        (
            "bytes=0-9,5-20",
            10_000,
            One(part(0, 20)),
            "§15.3.7.2: overlapping",
        ),
        ("bytes=0-9,10-20", 10_000, One(part(0, 20)), "§15.3.7.2: touching"),
        (
            "bytes=0-9,60-69",
            10_000,
            One(part(0, 69)),
            "§15.3.7.2: a small gap",
        ),
        (
            "bytes=0-9,1000-1009,5-1004",
            10_000,
            One(part(0, 1009)),
            "one that closes a gap",
        ),
    ];
    for (range, length, expected, why) in table {
        assert_eq!(ranged(range, length), expected, "{range} of {length}: {why}");
    }
}

#[test]
fn parts_that_cost_more_than_the_whole_are_not_sent() {
    assert_eq!(
        ranged("bytes=0-9,200-209", 300),
        Selected::Several(vec![part(0, 9), part(200, 209)])
    );
    assert_eq!(ranged("bytes=0-99,200-209", 250), Selected::Whole);
    // §17.15: hundreds of tiny ranges would cost hundreds of times what they ask for.
    let many: Vec<String> = (0..MOST as u64 + 1)
        .map(|n| format!("{0}-{0}", n * 1000))
        .collect();
    assert_eq!(
        ranged(&format!("bytes={}", many.join(",")), 1 << 30),
        Selected::Whole
    );
}

#[test]
fn only_what_would_be_200_has_ranges() {
    let request = message(&[("range", "bytes=0-0")]);
    for status in [203, 204, 206, 301, 404, 500] {
        let status = StatusCode::from_u16(status).unwrap();
        let selected = select(&request, status, &HeaderMap::new(), 10);
        assert_eq!(selected, Selected::Whole, "{status}");
    }
}

#[test]
fn a_range_holds_only_for_the_very_representation() {
    let modified = "Tue, 15 Nov 1994 12:45:26 GMT";
    let made = "Tue, 15 Nov 1994 12:45:27 GMT";
    let stored = message(&[("etag", "\"a\""), ("last-modified", modified), ("date", made)]);
    let weak = message(&[("etag", "W/\"a\"")]);
    let fresh = message(&[("last-modified", modified), ("date", modified)]);
    let undated = message(&[("last-modified", modified)]);
    let none = HeaderMap::new();
    let table: &[(&[&str], &HeaderMap, bool, &str)] = &[
        (&[], &stored, true, "§13.1.5: no condition"),
        (&["\"a\""], &stored, true, "§13.1.5: the same strong tag"),
        (&["\"b\""], &stored, false, "§13.1.5: another tag"),
        (&["W/\"a\""], &stored, false, "§13.1.5: weak, asked"),
        (&["\"a\""], &weak, false, "§13.1.5: weak, stored"),
        (&["W/\"a\""], &weak, false, "§13.1.5: weak, both"),
        (&["\"a\""], &none, false, "no tag is stored"),
        (&[modified], &stored, true, "§13.1.5: the same date"),
        (&[made], &stored, false, "§13.1.5: a later date is another"),
        (&[modified], &fresh, false, "§8.8.2.2: within its second"),
        (
            &[modified],
            &undated,
            false,
            "§8.8.2.2: nothing to deduce it from",
        ),
        (&["\"a\"", "\"a\""], &stored, false, "two conditions"),
        (&["a"], &stored, false, "neither tag nor date"),
    ];
    for (lines, stored, holds, why) in table {
        let mut request = message(&[("range", "bytes=0-0")]);
        for line in *lines {
            request.append(header::IF_RANGE, line.parse().unwrap());
        }
        assert_eq!(if_range_holds(&request, stored), *holds, "{lines:?}: {why}");
        let expected = if *holds {
            Selected::One(part(0, 0))
        } else {
            Selected::Whole
        };
        assert_eq!(
            select(&request, StatusCode::OK, stored, 10),
            expected,
            "{lines:?}: {why}"
        );
    }
}

#[test]
fn parts_never_cover_more_than_the_content() {
    proptest::proptest!(|(ranges in proptest::collection::vec((0_u64..300, 0_u64..300), 1..12), length in 0_u64..300)| {
        let members: Vec<String> = ranges.iter().map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))).collect();
        match ranged(&format!("bytes={}", members.join(",")), length) {
            Selected::Whole | Selected::Unsatisfiable => {}
            Selected::One(one) => proptest::prop_assert!(one.first <= one.last && one.last < length),
            Selected::Several(parts) => {
                proptest::prop_assert!(parts.iter().map(Part::len).sum::<u64>() <= length);
                for (at, one) in parts.iter().enumerate() {
                    proptest::prop_assert!(one.first <= one.last && one.last < length);
                    proptest::prop_assert!(parts.iter().skip(at + 1).all(|other| one.last < other.first || other.last < one.first));
                }
            }
        }
    });
}
