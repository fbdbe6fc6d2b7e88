use super::*;

const EXPIRES: &str = "Mon, 01 Jan 2024 12:00:00 GMT";

fn told(told: ClientTtl, lines: &[&str], left: u64) -> (Option<String>, bool, bool) {
    let mut fields = HeaderMap::new();
    for line in lines {
        fields.append(header::CACHE_CONTROL, line.parse().unwrap());
    }
    fields.insert(header::EXPIRES, EXPIRES.parse().unwrap());
    let age_may_be_sent = tell_client(told, &mut fields, Duration::from_millis(left * 1000 + 900));
    let mut lines = fields.get_all(header::CACHE_CONTROL).iter();
    let first = lines.next().map(|line| line.to_str().unwrap().to_owned());
    assert!(told == ClientTtl::Origin || lines.next().is_none(), "one line");
    (first, fields.contains_key(header::EXPIRES), age_may_be_sent)
}

#[test]
fn the_origins_words_pass_unchanged() {
    let (line, expires, age) = told(ClientTtl::Origin, &["max-age=5", "public"], 7);
    assert_eq!((line.as_deref(), expires, age), (Some("max-age=5"), true, true));
}

#[test]
fn lifetimes_are_replaced_and_every_restriction_stays() {
    let fixed = ClientTtl::Fixed(Duration::from_secs(30));
    let table: &[(ClientTtl, &[&str], &str, bool)] = &[
        (ClientTtl::None, &[], "no-cache", true),
        (
            ClientTtl::None,
            &["max-age=9, s-maxage=9, immutable"],
            "no-cache",
            true,
        ),
        (ClientTtl::None, &["no-cache, private"], "no-cache, private", true),
        (ClientTtl::None, &["no-cache=\"x\""], "no-cache", true),
        (ClientTtl::Remaining, &[], "max-age=7", false),
        (ClientTtl::Remaining, &["max-age=9"], "max-age=7", false),
        (
            ClientTtl::Remaining,
            &["Max-Age=9, Public"],
            "max-age=7, Public",
            false,
        ),
        (
            ClientTtl::Remaining,
            &["private", "no-transform"],
            "max-age=7, private, no-transform",
            false,
        ),
        (ClientTtl::Remaining, &["no-store"], "max-age=7, no-store", false),
        (ClientTtl::Remaining, &["no-cache"], "max-age=7, no-cache", false),
        (
            ClientTtl::Remaining,
            &["private=\"a, b\", x=1"],
            "max-age=7, private=\"a, b\", x=1",
            false,
        ),
        (
            ClientTtl::Remaining,
            &["stale-while-revalidate=9, stale-if-error=9"],
            "max-age=7",
            false,
        ),
        (
            fixed,
            &["max-age=9, must-revalidate"],
            "max-age=30, must-revalidate",
            false,
        ),
        (fixed, &["max-age=9", "max-age=8"], "max-age=30", false),
    ];
    for (ttl, lines, expected, age_may_be_sent) in table {
        let (line, expires, age) = told(*ttl, lines, 7);
        assert_eq!(line.as_deref(), Some(*expected), "{ttl:?} {lines:?}");
        assert!(!expires, "{ttl:?}: Expires would say otherwise");
        assert_eq!(age, *age_may_be_sent, "{ttl:?}");
    }
}

#[test]
fn nothing_left_is_said_as_zero() {
    let mut fields = HeaderMap::new();
    tell_client(ClientTtl::Remaining, &mut fields, Duration::ZERO);
    assert_eq!(fields[header::CACHE_CONTROL], "max-age=0");
}
