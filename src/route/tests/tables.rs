//! Which rule answers, which ones a write matches, and what ties.

use super::*;
use crate::config::Invalidate;

/// The index of the rule that answers; -1 for none.
fn answer(table: &Table, request: &str) -> i64 {
    let (method, target) = request.split_once(' ').unwrap();
    let (host, path) = target.split_at(target.find('/').unwrap_or(0));
    let matched = table.find(&method.parse().unwrap(), host, path);
    i64::try_from(matched.rule.index).unwrap_or(-1)
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
        [(0, 1)]
    );
    assert_eq!(shadowed(&["/**", "/a"]), []);
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
}
