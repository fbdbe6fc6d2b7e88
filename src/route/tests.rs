//! The match language as tables: what matches, what answers, what ties.

use http::{HeaderMap, Method};
use proptest::prelude::*;

use super::*;
use crate::config::{Invalidate, Rule};

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text, None).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn rule(matches: &[(&str, Option<&str>)]) -> Rule {
    let matches = matches
        .iter()
        .map(|(text, host)| Pattern::parse(text, *host).unwrap());
    Rule {
        matches: matches.collect(),
        ..Rule::unmatched(0)
    }
}

fn rules(texts: &[&str]) -> Vec<Rule> {
    texts.iter().map(|text| rule(&[(text, None)])).collect()
}

fn table(texts: &[&str]) -> Table {
    Table::compile(rules(texts), Rule::unmatched(0)).unwrap()
}

/// The index of the rule that answers; -1 for none.
fn answer(table: &Table, request: &str) -> i64 {
    let (method, target) = request.split_once(' ').unwrap();
    let (host, path) = target.split_at(target.find('/').unwrap_or(0));
    let matched = table.find(&method.parse().unwrap(), host, path);
    i64::try_from(matched.rule.index).unwrap_or(-1)
}

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
fn a_path_and_its_rest_match_the_path_itself_with_and_without_slash() {
    let table = table(&["/a/**"]);
    for (request, answers) in [
        ("GET /a", 0),
        ("GET /a/", 0),
        ("GET /a/b", 0),
        ("GET /a/b/c/", 0),
        ("GET /ab", -1),
        ("GET /", -1),
    ] {
        assert_eq!(answer(&table, request), answers, "{request}");
    }
}

#[test]
fn the_most_specific_pattern_answers_whatever_the_order() {
    let texts = [
        "/products/stats",
        "/products/{sku}",
        "/products/s-{sku}",
        "/products/s-{sku}.json",
        "/products/**",
        "/**",
        "/{any}/stats/deep",
        "/products/{sku}/deep",
    ];
    let reversed: Vec<&str> = texts.iter().rev().copied().collect();
    for (request, answers) in [
        ("GET /products/stats", "/products/stats"),
        ("HEAD /products/stats", "/products/stats"),
        ("GET /products/7", "/products/{sku}"),
        ("GET /products/s-7", "/products/s-{sku}"),
        ("GET /products/s-7.json", "/products/s-{sku}.json"),
        ("GET /products/s-", "/products/{sku}"),
        ("GET /products", "/products/**"),
        ("GET /products/", "/products/**"),
        ("GET /products/7/x", "/products/**"),
        // The literal `stats` leads nowhere here: the search comes back for the next kind.
        ("GET /products/stats/deep", "/products/{sku}/deep"),
        ("GET /other/stats/deep", "/{any}/stats/deep"),
        ("GET /other", "/**"),
    ] {
        for order in [&texts[..], &reversed] {
            let table = table(order);
            let index = usize::try_from(answer(&table, request)).unwrap();
            assert_eq!(order[index], answers, "{request}");
        }
    }
}

#[test]
fn methods_decide_last_and_another_method_falls_to_a_less_specific_path() {
    let table = table(&[
        "POST /a/b",
        "GET|POST /a/{x}",
        "GET /a/{y}",
        "HEAD /a/{z}",
        "/a/**",
        "PUT|DELETE /a/{id}",
        "PURGE-ALL /a",
    ]);
    for (request, answers) in [
        ("POST /a/b", 0),
        ("POST /a/c", 1),
        ("GET /a/b", 2),
        ("HEAD /a/b", 3),
        ("GET /a", 4),
        ("HEAD /a", 4),
        ("PUT /a/b", 5),
        ("DELETE /a/b", 5),
        ("PATCH /a/b", -1),
        ("get /a/b", -1),
        ("PURGE-ALL /a", 6),
        ("POST /a", -1),
    ] {
        assert_eq!(answer(&table, request), answers, "{request}");
    }
}

#[test]
fn the_host_decides_before_the_path() {
    let hosts = [
        ("/a/b", None),
        ("/**", Some("shop.example.com")),
        ("/a/**", Some("*.example.com")),
        ("/a/b", Some("*.eu.example.com")),
        ("/v6", Some("[::1]")),
    ];
    let rules = hosts.iter().map(|one| rule(&[*one])).collect();
    let table = Table::compile(rules, Rule::unmatched(0)).unwrap();
    for (request, answers) in [
        ("GET /a/b", 0),
        ("GET other.org/a/b", 0),
        ("GET shop.example.com/a/b", 1),
        ("GET SHOP.Example.com/a/b", 1),
        ("GET shop.example.com./a/b", 1),
        ("GET www.example.com/a/b", 2),
        ("GET a.www.example.com/a/b", 2),
        ("GET example.com/a/b", 0),
        (".example.com/a/b", 0),
        ("GET myexample.com/a/b", 0),
        ("GET x.eu.example.com/a/b", 3),
        ("GET x.eu.example.com/a/c", 2),
        ("GET eu.example.com/a/b", 2),
        ("GET [::1]/v6", 4),
    ] {
        let request = if request.starts_with('.') {
            format!("GET {request}")
        } else {
            request.to_owned()
        };
        assert_eq!(answer(&table, &request), answers, "{request}");
    }
}

#[test]
fn equal_specificity_is_a_tie_with_an_example() {
    for (texts, ties) in [
        (&["/a/{x}", "/a/{y}"][..], &[(0, 1, "GET /a/1")][..]),
        (&["/a/{x}", "/a/1", "/a/{y}"], &[(0, 2, "GET /a/x")]),
        (&["GET|POST /a", "GET|PUT /a"], &[(0, 1, "GET /a")]),
        (&["GET|POST /a", "GET /a"], &[]),
        (&["GET /a", "HEAD /a"], &[]),
        (&["GET /a", "POST /a"], &[]),
        (&["GET|POST /a", "HEAD|POST /a"], &[(0, 1, "POST /a")]),
        (
            &["GET|POST /a", "GET|PUT /a", "POST|GET /a"],
            &[(0, 1, "GET /a"), (0, 2, "GET /a"), (1, 2, "GET /a")],
        ),
        (&["/a{x}", "/{x}b"], &[]),
        (&["/f-{x}.js", "/f-{y}.js"], &[(0, 1, "GET /f-1.js")]),
        (&["/a/**", "/a/**"], &[(0, 1, "GET /a/1")]),
        (&["/a/**", "/a/{x}", "/a", "/a/"], &[]),
        (&["/caf%C3%A9", "/café"], &[(0, 1, "GET /café")]),
    ] {
        let found = match Table::compile(rules(texts), Rule::unmatched(0)) {
            Ok(_) => Vec::new(),
            Err(found) => found,
        };
        let found: Vec<_> = found
            .iter()
            .map(|tie| (tie.first, tie.second, tie.example.as_str()))
            .collect();
        assert_eq!(found, ties, "{texts:?}");
    }
}

#[test]
fn ties_are_told_by_host_and_a_rule_does_not_tie_with_itself() {
    let two = |one, other| {
        let made = Table::compile(vec![rule(one), rule(other)], Rule::unmatched(0));
        made.map_err(|ties| ties[0].example.clone()).err()
    };
    assert_eq!(two(&[("/a", Some("x.org"))], &[("/a", None)]), None);
    assert_eq!(
        two(&[("/a", Some("x.org"))], &[("/a", Some("X.org"))]).as_deref(),
        Some("GET x.org/a")
    );
    assert_eq!(
        two(&[("/a", Some("*.x.org"))], &[("/a", Some("*.x.org"))]).as_deref(),
        Some("GET www.x.org/a")
    );
    assert_eq!(two(&[("/a", None), ("/a", None)], &[("/b", None)]), None);
}

#[test]
fn captures_are_decoded_and_never_empty() {
    let table = table(&["/{shop}/files/f-{id}.json", "/{raw}"]);
    let matched = table.find(&Method::GET, "", "/caf%C3%A9/files/f-a%20b.json");
    assert_eq!(matched.captures.get("shop"), Some("café"));
    assert_eq!(matched.captures.get("id"), Some("a b"));
    assert_eq!(matched.captures.get("other"), None);
    assert_eq!(
        table.find(&Method::GET, "", "/a%zz%41").captures.get("raw"),
        Some("a%zz%41")
    );
    assert_eq!(
        table.find(&Method::GET, "", "/%FF").captures.get("raw"),
        Some("%FF")
    );
}

#[test]
fn every_rule_that_invalidates_matches_a_write() {
    let write = |texts: &[&str]| {
        let matches: Vec<_> = texts.iter().map(|text| (*text, None)).collect();
        Rule {
            invalidate: vec![Invalidate::Rule("x".into())],
            ..rule(&matches)
        }
    };
    let rules = vec![
        write(&["PUT|DELETE /products/{sku}"]),
        write(&["PUT /products/**"]),
        rule(&[("PUT /products/7", None)]),
        write(&["PUT /{kind}/{id}", "PUT /products/{same}"]),
        write(&["POST /products"]),
        write(&["PUT /products/{sku}/"]),
    ];
    let rules = rules.into_iter().enumerate().map(|(at, rule)| match at {
        // Equally specific with the first, so on a host of its own.
        3 => Rule {
            matches: vec![Pattern::parse("PUT /{kind}/{id}", Some("x.org")).unwrap()],
            ..rule
        },
        _ => rule,
    });
    let table = Table::compile(rules.collect(), Rule::unmatched(0)).unwrap();
    for (request, host, matching) in [
        ("PUT /products/7", "", &[(0, "7"), (1, "")][..]),
        ("PUT /products/7", "x.org", &[(3, ""), (0, "7"), (1, "")]),
        ("DELETE /products/7", "", &[(0, "7")]),
        ("POST /products", "", &[(4, "")]),
        ("PUT /products", "", &[(1, "")]),
        ("PUT /products/7/", "", &[(5, "7"), (1, "")]),
        ("POST /other", "", &[]),
        // Paths that pass by: as sent, and as the origin may read them.
        ("DELETE /x/../products//7", "", &[(0, "7")]),
        ("DELETE /x/%2e%2e/products%2F7", "", &[(0, "7")]),
        ("DELETE /products/a%2Fb", "", &[(0, "a/b")]),
        ("DELETE /products//7/", "", &[(0, "7")]),
        ("DELETE //products/a%2541", "", &[(0, "a%41")]),
    ] {
        let (method, path) = request.split_once(' ').unwrap();
        let found = table.writes(&method.parse().unwrap(), host, path);
        let found: Vec<_> = found
            .iter()
            .map(|m| (m.rule.index, m.captures.get("sku").unwrap_or_default()))
            .collect();
        assert_eq!(found, matching, "{request} {host}");
    }
}

#[test]
fn a_rule_whose_methods_are_all_taken_is_shadowed() {
    let shadowed = |texts: &[&str]| table(texts).shadowed();
    assert_eq!(shadowed(&["GET|POST /a", "GET /a", "POST /a"]), [(0, 1)]);
    assert_eq!(shadowed(&["GET|POST /a", "GET /a"]), []);
    assert_eq!(
        shadowed(&["GET|POST|PUT /a/{x}", "GET|POST /a/{y}", "PUT|DELETE /a/{z}"]),
        [(0, 2)]
    );
    assert_eq!(shadowed(&["/**", "/a"]), []);
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
        ("GET,PUT /a", E::NotAMethod("GET,PUT".into())),
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

fn render(
    text: &str,
    uri: &str,
    request: &[(&str, &str)],
    answer: &[(&str, &str)],
    json: &str,
) -> Vec<String> {
    let fields = |lines: &[(&str, &str)]| {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(http::HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
        map
    };
    let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
    let table = table(&["/p/{sku}"]);
    let matched = table.find(&Method::GET, "", path);
    let json: serde_json::Value = serde_json::from_str(json).unwrap();
    Template::parse(text).unwrap().render(&TemplateInput {
        captures: &matched.captures,
        query,
        request: &fields(request),
        response: Some(&fields(answer)),
        json: json.as_object(),
    })
}

#[test]
fn a_template_renders_every_text_it_stands_for() {
    let uri = "/p/a%20b?page=2&q=x%20y+z&tag=b&tag=a&tag=b&empty=&%71=enc";
    let request = [("x-tenant", "acme"), ("x-two", "1"), ("x-two", "2")];
    let answer = [("cache-tags", "a, b,,c"), ("cache-tags", " b"), ("x-id", "7, 8")];
    let json = r#"{"s": "text", "n": 7, "f": 1.5, "b": true, "null": null, "list": [1], "a.b": "dot"}"#;
    for (text, texts) in [
        ("plain", &["plain"][..]),
        ("product:{sku}", &["product:a b"]),
        ("{sku}", &["a b"]),
        ("{sku}/{query.page}", &["a b/2"]),
        ("{none}", &[]),
        ("q:{query.q}", &["q:enc", "q:x y z"]),
        ("t:{query.tag}", &["t:a", "t:b"]),
        ("{query.page}-{query.tag}", &["2-a", "2-b"]),
        ("e:{query.empty}", &["e:"]),
        ("{query.empty}", &[]),
        ("n:{query.none}", &[]),
        ("{header.X-Tenant}:x", &["acme:x"]),
        ("h:{header.x-two}", &["h:1", "h:2"]),
        ("h:{header.x-none}", &[]),
        ("{response.Cache-Tags}", &["a", "b", "c"]),
        ("{response.none}", &[]),
        ("r:{response.x-id}", &["r:7, 8"]),
        ("{json.s}{json.n}{json.f}{json.b}", &["text71.5true"]),
        ("{json.a.b}", &["dot"]),
        ("j:{json.null}", &[]),
        ("j:{json.list}", &[]),
        ("j:{json.none}", &[]),
    ] {
        assert_eq!(render(text, uri, &request, &answer, json), texts, "{text}");
    }
}

#[test]
fn a_rendering_is_bounded_in_number_and_whole_in_length() {
    let many: String = (0..300).map(|n| format!("a={n}&b={n}&")).collect();
    let texts = render("{query.a}-{query.b}", &format!("/p/x?{many}"), &[], &[], "{}");
    assert_eq!(texts.len(), Template::MAX_TEXTS);
    let long = "x".repeat(4000);
    assert_eq!(
        render("t:{sku}", &format!("/p/{long}"), &[], &[], "{}"),
        [format!("t:{long}")]
    );
}

#[test]
fn each_malformed_template_has_its_own_error() {
    use TemplateError as E;
    for (text, error) in [
        ("", E::Empty),
        ("a{", E::UnbalancedBrace("a{".into())),
        ("a{b", E::UnbalancedBrace("a{b".into())),
        ("a}b", E::UnbalancedBrace("a}b".into())),
        ("{a{b}}", E::UnbalancedBrace("{a{b}}".into())),
        ("x:{}", E::EmptyPlace("x:{}".into())),
        ("{query.}", E::EmptyPlace("{query.}".into())),
        ("{cookie.sid}", E::UnknownSource("cookie.sid".into())),
        ("{.x}", E::UnknownSource(".x".into())),
        ("{a b}", E::CaptureName("a b".into())),
        ("{header.a b}", E::FieldName("a b".into())),
    ] {
        assert_eq!(Template::parse(text), Err(error), "{text}");
    }
}

#[test]
fn a_template_lists_its_places_in_order() {
    let template = Template::parse("{a}:{query.b}{header.C}-{response.d}{json.e}").unwrap();
    let places: Vec<_> = template.places().cloned().collect();
    assert_eq!(
        places,
        [
            Place::Capture("a".into()),
            Place::Query("b".into()),
            Place::Header(http::HeaderName::from_static("c")),
            Place::Response(http::HeaderName::from_static("d")),
            Place::Json("e".into()),
        ]
    );
    assert_eq!(template.text(), "{a}:{query.b}{header.C}-{response.d}{json.e}");
}

#[test]
fn path_templates_decode_their_literal_text() {
    let rendered = |template: Template| {
        let captures = Captures::default();
        let fields = HeaderMap::new();
        let input = TemplateInput {
            captures: &captures,
            query: "",
            request: &fields,
            response: None,
            json: None,
        };
        template.render(&input)
    };
    assert_eq!(rendered(Template::parse_path("/caf%C3%A9").unwrap()), ["/café"]);
    assert_eq!(rendered(Template::parse("/caf%C3%A9").unwrap()), ["/caf%C3%A9"]);
}

#[test]
fn templates_that_can_meet_are_told_from_those_that_cannot() {
    for (one, other, can) in [
        ("a", "a", true),
        ("a", "b", false),
        ("a", "ab", false),
        ("product:{sku}", "product:{id}", true),
        ("product:{sku}", "product:7", true),
        ("product:{sku}", "products:7", false),
        ("product:{sku}", "{x}", true),
        ("product:{sku}", "prod:{sku}", false),
        ("{a}:{b}", "x:y", true),
        ("{a}:{b}", "xy", false),
        ("{a}-end", "start-{b}", true),
        ("{a}-end", "start-{b}-other", false),
        ("a{x}a", "a", false),
        ("a{x}a", "aa", true),
        ("{x}ab{y}", "{z}ba", true),
        ("a{x}b{y}c", "abc", true),
        ("a{x}b{y}c", "acb", false),
        ("{response.tags}", "anything", true),
    ] {
        let (a, b) = (Template::parse(one).unwrap(), Template::parse(other).unwrap());
        assert_eq!(a.could_produce(&b), can, "{one} and {other}");
        assert_eq!(b.could_produce(&a), can, "{other} and {one}");
    }
}

#[test]
fn ten_thousand_rules_answer_like_one() {
    let mut texts: Vec<String> = Vec::new();
    for n in 0..2500 {
        texts.push(format!("/things/t{n}/{{x}}"));
        texts.push(format!("/{{shop}}/t{n}/all"));
        texts.push(format!("/files/{n:04}-{{x}}.json"));
        texts.push(format!("/deep/t{n}/**"));
    }
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let table = table(&texts);
    for (path, answers) in [
        ("/things/t2499/a", "/things/t2499/{x}"),
        ("/things/t7/all", "/things/t7/{x}"),
        ("/else/t7/all", "/{shop}/t7/all"),
        ("/files/0042-x.json", "/files/0042-{x}.json"),
        ("/deep/t1/a/b/c", "/deep/t1/**"),
    ] {
        let index = table.find(&Method::GET, "", path).rule.index;
        assert_eq!(texts[index], answers, "{path}");
    }
}

/// Patterns and paths over a tiny alphabet, so that they meet often.
fn any_segment() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("a"),
        Just("b"),
        Just("ab"),
        Just("{x}"),
        Just("a{x}"),
        Just("{x}b"),
        Just("a{x}b")
    ]
    .prop_map(str::to_owned)
}

fn any_pattern() -> impl Strategy<Value = String> {
    (
        prop_oneof![
            Just(""),
            Just("GET "),
            Just("POST "),
            Just("GET|POST "),
            Just("HEAD ")
        ],
        prop::collection::vec(any_segment(), 0..4),
        prop_oneof![3 => Just(""), 1 => Just("/"), 2 => Just("/**")],
    )
        .prop_map(|(methods, segments, end)| {
            let mut path = String::new();
            for (at, segment) in segments.iter().enumerate() {
                path.push('/');
                path.push_str(&segment.replace("{x}", &format!("{{x{at}}}")));
            }
            path.push_str(end);
            if path.is_empty() {
                path.push('/');
            }
            format!("{methods}{path}")
        })
}

fn any_path() -> impl Strategy<Value = String> {
    let segment = prop_oneof![
        Just("a"),
        Just("b"),
        Just("ab"),
        Just("aab"),
        Just("c"),
        Just("%61"),
        Just("")
    ];
    prop::collection::vec(segment, 0..5).prop_map(|segments| format!("/{}", segments.join("/")))
}

/// How specific a pattern's segments are, the least first: compared position by position.
fn shape(pattern: &Pattern) -> Vec<(u8, isize, isize)> {
    let path = pattern.path_text();
    let segments = path.trim_start_matches('/').split('/');
    let kind = |segment: &str| match segment.split_once('{') {
        _ if segment == "**" => (3, 0, 0),
        None => (0, 0, 0),
        Some(("", after)) if after.ends_with('}') => (2, 0, 0),
        Some((prefix, after)) => {
            let suffix = after.split_once('}').unwrap().1;
            let (prefix, suffix) = (prefix.len() as isize, suffix.len() as isize);
            (1, -(prefix + suffix), -prefix)
        }
    };
    segments.map(kind).collect()
}

proptest! {
    #[test]
    fn the_tree_answers_as_a_plain_search_would(
        texts in prop::collection::vec(any_pattern(), 1..12),
        path in any_path(),
        method in prop_oneof![Just(Method::GET), Just(Method::HEAD), Just(Method::POST)],
    ) {
        let Ok(table) = Table::compile(rules(&texts.iter().map(String::as_str).collect::<Vec<_>>()), Rule::unmatched(0))
        else { return Ok(()) };
        let patterns: Vec<Pattern> = texts.iter().map(|text| pattern(text)).collect();
        let matching = patterns.iter().enumerate().filter(|(_, p)| p.methods().contains(&method) && p.matches_path(&path));
        // `**` sorts last at its place and ends the path, so plain order by shape is specificity,
        // but for `/a` before `/a/**`: the shorter one without `**` is the prefix.
        let best = matching.min_by_key(|(_, p)| (shape(p), p.methods.rank(&method)));
        let expected = best.map_or(usize::MAX, |(index, _)| index);
        prop_assert_eq!(table.find(&method, "", &path).rule.index, expected, "{} in {:?}", path, texts);
    }

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
    fn an_unambiguous_path_is_its_own_tag_but_for_escapes_and_a_slash(path in "(/[a-z0-9.;]{1,5}){1,4}/?") {
        prop_assume!(!is_ambiguous(&path));
        prop_assert_eq!(invalidation_path(&path), path.trim_end_matches('/'));
    }
}
