//! What a pattern matches, what it says of itself, and what is no pattern.

use super::*;

#[test]
fn a_pattern_matches_paths_segment_by_segment() {
    for (text, yes, no) in [
        ("/", &["/"][..], &["/a", "//", ""][..]),
        ("/a", &["/a", "/%61"], &["/a/", "/A", "/a/b", "/", "/aa", "/%6"]),
        ("/a/", &["/a/"], &["/a", "/a//", "/a/b"]),
        (
            "/a/{x}",
            &["/a/b", "/a/%20", "/a/b;c", "/a/b%2Fc"],
            &["/a/", "/a", "/a/b/", "/a/b/c"],
        ),
        ("/{x}", &["/a", "/a.b"], &["/", "/a/"]),
        (
            "/f-{x}.js",
            &["/f-1.js", "/f-%2e.js", "/f-.js.js"],
            &["/f-.js", "/f-1.jsx", "/F-1.js"],
        ),
        ("/{x}.js", &["/a.js"], &["/.js", "/a.jsx"]),
        ("/v{x}", &["/v1"], &["/v", "/w1"]),
        (
            "/a/**",
            &["/a", "/a/", "/a/b", "/a/b/c", "/a//"],
            &["/", "/ab", "/A"],
        ),
        ("/**", &["/", "/a", "/a/b/", "*", ""], &[]),
        ("/a/{x}/**", &["/a/b", "/a/b/", "/a/b/c"], &["/a", "/a/"]),
        ("/caf%C3%A9", &["/café", "/caf%c3%a9"], &["/cafe"]),
        ("/café", &["/café", "/caf%c3%a9"], &["/cafe"]),
        ("/100%", &["/100%", "/100%25"], &["/100"]),
    ] {
        let pattern = pattern(text);
        let table = table(&[text]);
        for path in yes {
            assert!(pattern.matches_path(path), "{text} matches {path}");
            assert_eq!(
                table.find(&Method::GET, "", path).rule.index,
                0,
                "{text} answers {path}"
            );
        }
        for path in no {
            assert!(!pattern.matches_path(path), "{text} does not match {path}");
            assert_eq!(
                table.find(&Method::GET, "", path).rule.index,
                usize::MAX,
                "{text} and {path}"
            );
        }
    }
}

#[test]
fn covering_and_overlapping_compare_whole_patterns() {
    for (one, other, covers, overlaps) in [
        ("/a", "/a", true, true),
        ("/a", "/a/", false, false),
        ("/a", "POST /a", false, false),
        ("GET|POST /a", "POST /a", true, true),
        ("POST /a", "GET|POST /a", false, true),
        ("GET /a", "HEAD /a", true, true),
        ("/{x}", "/a", true, true),
        ("/a", "/{x}", false, true),
        ("/{x}", "/", false, false),
        ("/{x}", "/f{y}", true, true),
        ("/f{y}", "/{x}", false, true),
        ("/f{x}", "/fi{y}", true, true),
        ("/fi{x}", "/f{y}", false, true),
        ("/a{x}", "/{x}b", false, true),
        ("/a{x}", "/b{x}", false, false),
        ("/f-{x}", "/f-", false, false),
        ("/**", "/a/b", true, true),
        ("/a/**", "/a", true, true),
        ("/a/**", "/{x}/b", false, true),
        ("/{x}/b", "/a/**", false, true),
        ("/a/**", "/a/b/**", true, true),
        ("/a/b/**", "/a/**", false, true),
        ("/a/**", "/b/**", false, false),
        ("/a", "/a/**", false, true),
    ] {
        let (one_, other_) = (pattern(one), pattern(other));
        assert_eq!(one_.covers(&other_), covers, "{one} covers {other}");
        assert_eq!(one_.overlaps(&other_), overlaps, "{one} overlaps {other}");
        assert_eq!(other_.overlaps(&one_), overlaps, "{other} overlaps {one}");
    }
    let on = |host| Pattern::parse("/a", host).unwrap();
    for (one, other, covers, overlaps) in [
        (None, Some("x.org"), true, true),
        (Some("x.org"), None, false, true),
        (Some("*.x.org"), Some("a.x.org"), true, true),
        (Some("*.x.org"), Some("x.org"), false, false),
        (Some("*.x.org"), Some("*.a.x.org"), true, true),
        (Some("*.x.org"), Some("*.x.org"), true, true),
        (Some("a.x.org"), Some("*.x.org"), false, true),
        (Some("x.org"), Some("y.org"), false, false),
    ] {
        assert_eq!(on(one).covers(&on(other)), covers, "{one:?} covers {other:?}");
        assert_eq!(
            on(one).overlaps(&on(other)),
            overlaps,
            "{one:?} overlaps {other:?}"
        );
    }
}

#[test]
fn a_pattern_tells_what_it_was_made_of() {
    let pattern = Pattern::parse(" GET|PUT   /a/{x}/f-{y_1}/** ", Some("*.Example.com")).unwrap();
    assert_eq!(pattern.text(), "GET|PUT   /a/{x}/f-{y_1}/**");
    assert_eq!(pattern.path_text(), "/a/{x}/f-{y_1}/**");
    assert_eq!(pattern.methods(), [Method::GET, Method::PUT, Method::HEAD]);
    assert_eq!(pattern.capture_names().collect::<Vec<_>>(), ["x", "y_1"]);
    assert_eq!(pattern.host().as_deref(), Some("*.example.com"));
    assert_eq!(Pattern::parse("/a", None).unwrap().host(), None);
}

#[test]
fn each_malformed_pattern_has_its_own_error() {
    use PatternError as E;
    let list = |given: &str, meant: &str| E::MethodList {
        given: given.into(),
        meant: meant.into(),
    };
    let url = |given: &str, host: &str, path: &str| E::Url {
        given: given.into(),
        host: host.into(),
        path: path.into(),
    };
    for (text, error) in [
        ("", E::Empty),
        ("   ", E::Empty),
        ("GET", E::NoPath("GET".into())),
        ("PUT|DELETE", E::NoPath("PUT|DELETE".into())),
        ("products", E::MissingSlash("products".into())),
        ("GET products", E::MissingSlash("products".into())),
        ("GET /a /b", E::ExtraWords("GET /a /b".into())),
        (
            "get /a",
            E::LowerCaseMethod {
                given: "get".into(),
                upper: "GET".into(),
            },
        ),
        (
            "GET|Put /a",
            E::LowerCaseMethod {
                given: "Put".into(),
                upper: "PUT".into(),
            },
        ),
        ("* /a", E::NotAMethod("*".into())),
        ("GET| /a", E::NotAMethod("".into())),
        ("GET,PUT /a", list("GET,PUT /a", "GET|PUT /a")),
        ("PUT | DELETE /a/b", list("PUT | DELETE /a/b", "PUT|DELETE /a/b")),
        ("[GET, POST] /a", list("[GET, POST] /a", "GET|POST /a")),
        ("GET http://a.b:80/c/d", url("http://a.b:80/c/d", "a.b", "/c/d")),
        ("https://u:p@a.b", url("https://u:p@a.b", "a.b", "/")),
        ("GET|GET /a", E::DuplicateMethod("GET".into())),
        ("/a?b=c", E::QueryInPath("/a?b=c".into())),
        ("/a#b", E::QueryInPath("/a#b".into())),
        ("/a//b", E::EmptySegment("/a//b".into())),
        ("//", E::EmptySegment("//".into())),
        ("/a/../b", E::DotSegment("/a/../b".into())),
        ("/a/%2E", E::DotSegment("/a/%2E".into())),
        ("/a%2fb", E::HiddenSlash("/a%2fb".into())),
        ("/a\\b", E::HiddenSlash("/a\\b".into())),
        ("/a/**/b", E::RestNotLast("/a/**/b".into())),
        ("/**/", E::RestNotLast("/**/".into())),
        ("/a/*", E::Star("*".into())),
        ("/a/b**", E::Star("b**".into())),
        ("/a/{}", E::EmptyCapture("{}".into())),
        ("/a/{x y}", E::ExtraWords("/a/{x y}".into())),
        ("/a/{x:y}", E::CaptureName("x:y".into())),
        ("/{x}/{x}", E::DuplicateCapture("x".into())),
        ("/{x}-{y}", E::TwoCaptures("{x}-{y}".into())),
        ("/a/{x", E::UnbalancedBrace("{x".into())),
        ("/a/x}", E::UnbalancedBrace("x}".into())),
        ("/a/{{x}}", E::UnbalancedBrace("{{x}}".into())),
        ("/a/}x{", E::UnbalancedBrace("}x{".into())),
        ("/{a/b}", E::UnbalancedBrace("{a".into())),
    ] {
        // Two words with a space in braces are read as method and path before anything else.
        let error = if text == "/a/{x y}" {
            E::MissingSlash("y}".into())
        } else {
            error
        };
        let found = Pattern::parse(text, None).map(|pattern| pattern.text().to_owned());
        assert_eq!(found, Err(error), "{text}");
    }
    for host in [
        "",
        "*",
        "*.",
        "a b",
        "http://x.org",
        "x.org:80",
        "x.org/a",
        "*.*.org",
        "a.*.org",
        ".x.org",
        "a..b",
    ] {
        assert_eq!(
            Pattern::parse("/", Some(host)).unwrap_err(),
            E::Host(host.into()),
            "{host}"
        );
    }
}

#[test]
fn messages_say_cause_and_fix() {
    let message = |text| Pattern::parse(text, None).unwrap_err().to_string();
    assert_eq!(
        message("GET products"),
        "the path `products` does not begin with `/`; write `/products`"
    );
    assert_eq!(
        message("/{}"),
        "`{}` has a capture without a name; write one between the braces, such as `{id}`"
    );
}

proptest! {
    #[test]
    fn covering_and_overlapping_agree_with_matching(one in any_pattern(), other in any_pattern(), path in any_path()) {
        let (one, other) = (pattern(&one), pattern(&other));
        let both = one.matches_path(&path) && other.matches_path(&path);
        prop_assert!(!both || one.overlaps_path(&other));
        prop_assert!(!(one.covers_path(&other) && other.matches_path(&path)) || one.matches_path(&path));
    }

    #[test]
    fn no_text_breaks_a_parser_or_a_search(text in "\\PC{0,40}", path in "\\PC{0,40}") {
        let _ = Pattern::parse(&text, Some(&path));
        let _ = Template::parse(&text);
        let table = table(&["/a{x}b/**", "/{x}/{y}", "/**"]);
        let _ = table.find(&Method::GET, &text, &path);
        let _ = (is_ambiguous(&path), invalidation_path(&path));
    }

    #[test]
    fn an_unambiguous_path_is_its_own_tag_but_for_escapes_and_a_slash(path in "(/[a-z0-9.,]{1,5}){1,4}/?") {
        prop_assume!(!is_ambiguous(&path));
        prop_assert_eq!(invalidation_path(&path), path.trim_end_matches('/'));
    }
}
