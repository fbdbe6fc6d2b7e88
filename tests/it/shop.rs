//! The sample shop, whole, against a real origin process: what hits, what each write drops, and
//! what it leaves alone. The shop numbers its answers, so its own count proves each hit.

use std::time::Duration;

use crate::support::{Client, LarderBuilder, OriginProcess, Response, TestLarder};

/// A read of the shop: method, target, JSON content.
type Read = (&'static str, &'static str, &'static str);

const READS: &[Read] = &[
    ("GET", "/products", ""),
    ("GET", "/products?page=2&limit=10", ""),
    ("GET", "/products?category=tea", ""),
    ("GET", "/products/sku-001", ""),
    ("GET", "/products/sku-002", ""),
    ("GET", "/products/stats", ""),
    ("GET", "/transactions", ""),
    ("GET", "/dashboard/stats", ""),
    ("GET", "/events", ""),
    ("POST", "/predict", r#"{"product_sku":"sku-001","days":7}"#),
    ("POST", "/predict", r#"{"product_sku":"sku-001","days":30}"#),
    ("POST", "/predict", r#"{"product_sku":"sku-002","days":7}"#),
    ("POST", "/chat", r#"{"message":"hello"}"#),
];

/// The shop's own process, a hundred times as fast as it says, and Larder before it.
struct Shop {
    origin: OriginProcess,
    larder: TestLarder,
}

impl Shop {
    async fn open() -> Shop {
        let origin = OriginProcess::shop(0.01).await;
        let larder = LarderBuilder::file("config/examples/shop.yaml", origin.address())
            .manual_clock()
            .start()
            .await;
        Shop { origin, larder }
    }

    async fn send(&self, (method, target, json): Read) -> Response {
        let fields: &[(&str, &str)] = if json.is_empty() {
            &[]
        } else {
            &[("Content-Type", "application/json")]
        };
        self.larder.request(method, target, fields, json.as_bytes()).await
    }

    async fn read(&self, read: Read) -> Response {
        let response = self.send(read).await;
        assert_eq!(response.status, 200, "{read:?}: {}", response.text());
        response
    }

    /// How often the shop was called so far, these questions included: asked past Larder.
    async fn calls(&self) -> u64 {
        let mut client = Client::connect(self.origin.address()).await;
        call(&client.get("/no-such-page").await)
    }
}

/// The number that the shop gave an answer.
fn call(response: &Response) -> u64 {
    let number = response.field("x-shop-call").expect("an answer of the shop");
    number.parse().expect("a number")
}

fn name((method, target, json): Read) -> String {
    format!("{method} {target} {json}").trim_end().to_owned()
}

#[tokio::test]
async fn every_read_of_the_shop_hits_the_second_time() {
    let shop = Shop::open().await;
    let before = shop.calls().await;
    for &one in READS {
        let first = shop.read(one).await;
        assert_eq!(first.reason(), "uri-miss", "{one:?}");
        assert!(first.cache_status().stored, "{one:?}");
        let second = shop.read(one).await;
        assert_eq!(second.reason(), "hit", "{one:?}");
        assert_eq!(second.content, first.content, "{one:?}");
        assert_eq!(call(&second), call(&first), "{one:?}");
    }
    assert_eq!(shop.calls().await - before - 1, READS.len() as u64);
}

/// What a write to sku-001 drops.
const OF_PRODUCT: &[&str] = &[
    "GET /products",
    "GET /products?page=2&limit=10",
    "GET /products?category=tea",
    "GET /products/sku-001",
    "GET /products/stats",
    r#"POST /predict {"product_sku":"sku-001","days":7}"#,
    r#"POST /predict {"product_sku":"sku-001","days":30}"#,
];

/// What a new product drops.
const OF_PRODUCTS: &[&str] = &[
    "GET /products",
    "GET /products?page=2&limit=10",
    "GET /products?category=tea",
    "GET /products/sku-001",
    "GET /products/sku-002",
    "GET /products/stats",
];

#[tokio::test]
async fn each_write_drops_what_it_changes_and_leaves_the_rest_alone() {
    for (write, status, dropped) in [
        (("PUT", "/products/sku-001", r#"{"stock":7}"#), 200, OF_PRODUCT),
        (("POST", "/products", r#"{"name":"new"}"#), 201, OF_PRODUCTS),
    ] {
        let shop = Shop::open().await;
        let mut first = Vec::new();
        for &one in READS {
            first.push(call(&shop.read(one).await));
        }
        let before = shop.calls().await;
        let written = shop.send(write).await;
        assert_eq!(written.status, status, "{write:?}: {}", written.text());
        for (&one, &first) in READS.iter().zip(&first) {
            let what = format!("{} after {write:?}", name(one));
            let again = shop.read(one).await;
            if dropped.contains(&name(one).as_str()) {
                assert_eq!(again.reason(), "invalidated", "{what}");
                assert!(call(&again) > call(&written), "{what}");
            } else {
                assert_eq!((again.reason().as_str(), call(&again)), ("hit", first), "{what}");
            }
            let stored = shop.read(one).await;
            assert_eq!(
                (stored.reason().as_str(), call(&stored)),
                ("hit", call(&again)),
                "{what}"
            );
        }
        let calls = shop.calls().await - before - 1;
        assert_eq!(calls, 1 + dropped.len() as u64, "calls of the shop: {write:?}");
    }
}

#[tokio::test]
async fn a_product_that_is_deleted_is_gone_at_once_with_all_that_told_of_it() {
    let shop = Shop::open().await;
    for &one in READS {
        shop.read(one).await;
    }
    let deleted = shop.send(("DELETE", "/products/sku-001", "")).await;
    assert_eq!(deleted.status, 204);
    for &one in READS {
        let again = shop.send(one).await;
        // What tells of nothing else is not there any more, and a 404 is not stored.
        let of_it = name(one).contains("sku-001");
        let (status, reason) = match (of_it, OF_PRODUCT.contains(&name(one).as_str())) {
            (true, _) => (404, "status"),
            (false, true) => (200, "invalidated"),
            (false, false) => (200, "hit"),
        };
        assert_eq!(
            (again.status, again.reason().as_str()),
            (status, reason),
            "{one:?}"
        );
        let then = shop.send(one).await;
        assert_eq!(then.cache_status().hit, !of_it, "{one:?}: {:?}", then.fields);
    }
}

#[tokio::test]
async fn a_write_that_fails_drops_nothing() {
    let shop = Shop::open().await;
    for &one in READS {
        shop.read(one).await;
    }
    for (write, status) in [
        (("POST", "/products", "no JSON"), 400),
        (("DELETE", "/products/sku-999", ""), 404),
        (("PUT", "/products/sku-999", "{}"), 404),
    ] {
        assert_eq!(shop.send(write).await.status, status, "{write:?}");
        for &one in READS {
            assert_eq!(shop.read(one).await.reason(), "hit", "{one:?} after {write:?}");
        }
    }
}

#[tokio::test]
async fn each_read_lives_as_long_as_the_table_says() {
    let minutes = |n: u64| Duration::from_secs(n * 60);
    let shop = Shop::open().await;
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
        let first = shop.read(one).await;
        shop.larder.advance(lifetime - Duration::from_secs(2));
        let late = shop.read(one).await;
        assert_eq!(
            (late.reason().as_str(), call(&late)),
            ("hit", call(&first)),
            "{one:?}"
        );
        shop.larder.advance(Duration::from_secs(3));
        let past = shop.read(one).await;
        assert_eq!(past.reason(), "stale", "{one:?}");
        assert!(call(&past) > call(&first), "{one:?}");
    }
}

#[tokio::test]
async fn the_keys_of_the_shop_are_what_its_table_says() {
    let shop = Shop::open().await;
    let page = shop.read(("GET", "/products?page=2", "")).await;
    let tracked = shop.read(("GET", "/products?utm_source=mail&page=2", "")).await;
    assert_eq!(
        (tracked.reason().as_str(), call(&tracked)),
        ("hit", call(&page)),
        "a parameter that is not keyed makes no difference"
    );

    shop.read(READS[9]).await;
    let turned = r#"{ "days" : 7, "product_sku" : "sku-001" }"#;
    assert_eq!(
        shop.read(("POST", "/predict", turned)).await.reason(),
        "hit",
        "members in another order are the same question"
    );
    let more = r#"{"product_sku":"sku-001","days":7,"user":"x"}"#;
    assert_eq!(
        shop.read(("POST", "/predict", more)).await.reason(),
        "body-others"
    );

    shop.read(READS[12]).await;
    let other = shop.read(("POST", "/chat", r#"{"message":"hello!"}"#)).await;
    assert_eq!(other.reason(), "uri-miss", "another body is another question");
}

#[tokio::test]
async fn a_post_that_is_a_read_drops_nothing() {
    let shop = Shop::open().await;
    let (question, product) = (READS[9], READS[3]);
    shop.read(question).await;
    shop.read(product).await;
    shop.read(READS[10]).await;
    assert_eq!(shop.read(question).await.reason(), "hit");
    assert_eq!(shop.read(product).await.reason(), "hit");
}
