//! The sample shop, whole: what hits, what each write drops, and what it leaves alone.

use std::time::Duration;

use crate::support::{Answer, LarderBuilder, Response, Seen, TestLarder, TestOrigin};

/// A read of the shop: method, target, JSON content.
type Read = (&'static str, &'static str, &'static str);

const READS: &[Read] = &[
    ("GET", "/products", ""),
    ("GET", "/products?page=2&limit=10", ""),
    ("GET", "/products?category=tea", ""),
    ("GET", "/products/1", ""),
    ("GET", "/products/2", ""),
    ("GET", "/products/stats", ""),
    ("GET", "/transactions", ""),
    ("GET", "/dashboard/stats", ""),
    ("GET", "/events", ""),
    ("POST", "/predict", r#"{"product_sku":"1","days":7}"#),
    ("POST", "/predict", r#"{"product_sku":"1","days":30}"#),
    ("POST", "/predict", r#"{"product_sku":"2","days":7}"#),
    ("POST", "/chat", r#"{"message":"hello"}"#),
];

async fn shop() -> (TestOrigin, TestLarder) {
    let origin = TestOrigin::start().await;
    origin.on("/*", |seen: &Seen| {
        let content = format!(
            r#"{{"for":"{} {}","made":{}}}"#,
            seen.method, seen.target, seen.before
        );
        Answer::ok(content).field("Content-Type", "application/json")
    });
    origin.on("POST /products", |_| {
        Answer::status(201).field("Location", "/products/3")
    });
    origin.on("PUT /products/*", |_| Answer::ok("{}"));
    origin.on("DELETE /products/*", |_| Answer::status(204));
    let larder = LarderBuilder::file("config/examples/shop.yaml", &origin)
        .manual_clock()
        .start()
        .await;
    (origin, larder)
}

async fn read(larder: &TestLarder, (method, target, json): Read) -> Response {
    let fields: &[(&str, &str)] = if json.is_empty() {
        &[]
    } else {
        &[("Content-Type", "application/json")]
    };
    let response = larder.request(method, target, fields, json.as_bytes()).await;
    assert_eq!(response.status, 200, "{method} {target}");
    response
}

#[tokio::test]
async fn every_read_of_the_shop_hits_the_second_time() {
    let (origin, larder) = shop().await;
    for &one in READS {
        let first = read(&larder, one).await;
        assert_eq!(first.reason(), "uri-miss", "{one:?}");
        assert!(first.cache_status().stored, "{one:?}");
        let second = read(&larder, one).await;
        assert_eq!(second.reason(), "hit", "{one:?}");
        assert_eq!(second.content, first.content, "{one:?}");
    }
    assert_eq!(origin.total(), READS.len());
}

#[tokio::test]
async fn each_write_drops_what_it_changes_and_leaves_the_rest_alone() {
    let of_product_1: &[&str] = &[
        "GET /products",
        "GET /products?page=2&limit=10",
        "GET /products?category=tea",
        "GET /products/1",
        "GET /products/stats",
        r#"POST /predict {"product_sku":"1","days":7}"#,
        r#"POST /predict {"product_sku":"1","days":30}"#,
    ];
    let of_all_products: &[&str] = &[
        "GET /products",
        "GET /products?page=2&limit=10",
        "GET /products?category=tea",
        "GET /products/1",
        "GET /products/2",
        "GET /products/stats",
    ];
    for (method, target, dropped) in [
        ("PUT", "/products/1", of_product_1),
        ("DELETE", "/products/1", of_product_1),
        ("POST", "/products", of_all_products),
    ] {
        let (origin, larder) = shop().await;
        for &one in READS {
            read(&larder, one).await;
        }
        let write = larder.request(method, target, &[], b"{}").await;
        assert!(
            (200..300).contains(&write.status),
            "{method} {target}: {}",
            write.status
        );
        for &one in READS {
            let name = format!("{} {} {}", one.0, one.1, one.2).trim_end().to_owned();
            let expected = if dropped.contains(&name.as_str()) {
                "invalidated"
            } else {
                "hit"
            };
            assert_eq!(
                read(&larder, one).await.reason(),
                expected,
                "{name} after {method} {target}"
            );
            assert_eq!(
                read(&larder, one).await.reason(),
                "hit",
                "{name} read again after {method} {target}"
            );
        }
        assert_eq!(
            origin.total(),
            READS.len() + 1 + dropped.len(),
            "calls of the origin: {method} {target}"
        );
    }
}

#[tokio::test]
async fn each_read_lives_as_long_as_the_table_says() {
    let minutes = |n: u64| Duration::from_secs(n * 60);
    for (index, lifetime) in [
        (0, minutes(30)),
        (3, minutes(60)),
        (5, minutes(30)),
        (6, minutes(15)),
        (7, minutes(5)),
        (8, minutes(120)),
        (9, minutes(120)),
        (12, minutes(60)),
    ] {
        let one = READS[index];
        let (origin, larder) = shop().await;
        read(&larder, one).await;
        larder.advance(lifetime - Duration::from_secs(2));
        let late = read(&larder, one).await;
        assert!(
            late.cache_status().hit,
            "{one:?} just before its end: {:?}",
            late.fields
        );
        larder.advance(Duration::from_secs(3));
        let served = read(&larder, one).await;
        let status = served.cache_status();
        let fresh = status.fwd.is_some() || origin.seen(one.1, 2).await.len() == 2;
        assert!(fresh, "{one:?} past its end: {status:?}");
    }
}

#[tokio::test]
async fn the_keys_of_the_shop_are_what_its_table_says() {
    let (origin, larder) = shop().await;
    read(&larder, ("GET", "/products?page=2", "")).await;
    let tracked = read(&larder, ("GET", "/products?utm_source=mail&page=2", "")).await;
    assert_eq!(
        tracked.reason(),
        "hit",
        "a parameter that is not keyed makes no difference"
    );

    read(&larder, ("POST", "/predict", r#"{"product_sku":"1","days":7}"#)).await;
    let turned = read(
        &larder,
        ("POST", "/predict", r#"{ "days" : 7, "product_sku" : "1" }"#),
    )
    .await;
    assert_eq!(
        turned.reason(),
        "hit",
        "members in another order are the same question"
    );
    let more = read(
        &larder,
        ("POST", "/predict", r#"{"product_sku":"1","days":7,"user":"x"}"#),
    )
    .await;
    assert_eq!(more.reason(), "body-others");

    read(&larder, ("POST", "/chat", r#"{"message":"hello"}"#)).await;
    let other = read(&larder, ("POST", "/chat", r#"{"message":"hello!"}"#)).await;
    assert_eq!(other.reason(), "uri-miss", "another body is another question");
    assert_eq!(origin.requests("/products")[0].target, "/products?page=2");
}

#[tokio::test]
async fn a_post_that_is_a_read_drops_nothing() {
    let (_origin, larder) = shop().await;
    let question = ("POST", "/predict", r#"{"product_sku":"1","days":7}"#);
    read(&larder, question).await;
    read(&larder, ("GET", "/products/1", "")).await;
    read(&larder, ("POST", "/predict", r#"{"product_sku":"1","days":8}"#)).await;
    assert_eq!(read(&larder, question).await.reason(), "hit");
    assert_eq!(read(&larder, ("GET", "/products/1", "")).await.reason(), "hit");
}
