//! What templates render, and which of them can meet.

use super::*;

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
    Template::parse(text)
        .unwrap()
        .render(&TemplateInput {
            captures: &matched.captures,
            query,
            request: &fields(request),
            response: Some(&fields(answer)),
            json: json.as_object(),
        })
        .unwrap()
}

#[test]
fn a_template_renders_every_text_it_stands_for() {
    let uri = "/p/a%20b?page=2&q=x%20y+z&tag=b&tag=a&tag=b&empty=&%71=enc";
    let request = [("x-tenant", "acme"), ("x-two", "1"), ("x-two", "2")];
    let answer = [("cache-tags", "a, b,,c"), ("cache-tags", " b"), ("x-id", "7, 8")];
    let json = r#"{"s": "text", "n": 7, "f": 1.5, "b": true, "null": null, "list": [1], "whole": 1.0, "a.b": "dot"}"#;
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
        ("j:{json.list}", &["j:1"]),
        ("j:{json.whole}", &["j:1"]),
        ("j:{json.none}", &[]),
    ] {
        assert_eq!(render(text, uri, &request, &answer, json), texts, "{text}");
    }
}

#[test]
fn a_rendering_is_bounded_in_number_and_whole_in_length() {
    let many: String = (0..300).map(|n| format!("a={n}&b={n}&")).collect();
    let template = Template::parse("{query.a}-{query.b}").unwrap();
    let fields = HeaderMap::new();
    let input = TemplateInput {
        captures: &Captures::default(),
        query: &many,
        request: &fields,
        response: None,
        json: None,
    };
    assert_eq!(
        template.render(&input),
        Err(TooManyTexts),
        "none is left out in silence"
    );
    let most = TemplateInput {
        query: &many[..many.find("a=16&").unwrap()],
        ..input
    };
    assert_eq!(template.render(&most).unwrap().len(), Template::MAX_TEXTS);
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
        template.render(&input).unwrap()
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
