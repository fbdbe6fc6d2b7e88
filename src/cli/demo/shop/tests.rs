use serde_json::Value;

use super::*;
use crate::cli::client::Client;

async fn call(client: &mut Client, method: Method, path: &str, content: &str) -> (u16, Value, u64) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .body(Full::from(content.to_owned()))
        .unwrap();
    let answer = client.send(request).await.unwrap();
    let number = answer.headers()["x-shop-call"].to_str().unwrap().parse().unwrap();
    (
        answer.status().as_u16(),
        serde_json::from_slice(answer.body()).unwrap_or_default(),
        number,
    )
}

fn client(shop: &Shop) -> Client {
    Client::new(&format!("http://{}", shop.address()), Duration::from_secs(10)).unwrap()
}

#[tokio::test]
async fn answers_change_after_writes_and_calls_are_counted() {
    let shop = Shop::start(0.0).await.unwrap();
    let mut client = client(&shop);
    let (status, before, first) = call(&mut client, Method::GET, "/products/sku-001", "").await;
    assert_eq!((status, before["revision"].as_u64(), first), (200, Some(0), 1));
    let (_, stats, _) = call(&mut client, Method::GET, "/products/stats", "").await;
    let forecast = "{\"product_sku\": \"sku-001\", \"days\": 3}";
    let (_, predicted, _) = call(&mut client, Method::POST, "/predict", forecast).await;

    let (status, changed, _) = call(&mut client, Method::PUT, "/products/sku-001", "{\"stock\": 7}").await;
    assert_eq!(
        (status, changed["stock"].as_u64(), changed["revision"].as_u64()),
        (200, Some(7), Some(1))
    );

    assert_eq!(
        call(&mut client, Method::GET, "/products/sku-001", "").await.1,
        changed
    );
    assert_ne!(
        call(&mut client, Method::GET, "/products/stats", "").await.1,
        stats
    );
    assert_ne!(
        call(&mut client, Method::POST, "/predict", forecast).await.1,
        predicted
    );
    assert_eq!(shop.calls(Route::Product), 2);
    assert_eq!(shop.calls(Route::ChangeProduct), 1);
    assert_eq!(shop.durations(Route::Predict).len(), 2);
    assert_eq!(shop.all_calls(), 7);
}

#[tokio::test]
async fn lists_know_page_limit_and_category() {
    let shop = Shop::start(0.0).await.unwrap();
    let mut client = client(&shop);
    let (_, list, _) = call(
        &mut client,
        Method::GET,
        "/products?category=tea&limit=3&page=2",
        "",
    )
    .await;
    assert_eq!(
        (list["total"].as_u64(), list["items"].as_array().map(Vec::len)),
        (Some(20), Some(3))
    );
    assert!(
        list["items"]
            .as_array()
            .unwrap()
            .iter()
            .all(|item| item["category"] == "tea")
    );
}

#[tokio::test]
async fn products_come_and_go() {
    let shop = Shop::start(0.0).await.unwrap();
    let mut client = client(&shop);
    let (status, added, _) = call(&mut client, Method::POST, "/products", "{\"name\": \"x\"}").await;
    assert_eq!((status, &added["sku"]), (201, &Value::from("sku-100")));
    assert_eq!(
        call(&mut client, Method::GET, "/products/sku-100", "").await.1["name"],
        "x"
    );
    assert_eq!(
        call(&mut client, Method::DELETE, "/products/sku-100", "").await.0,
        204
    );
    assert_eq!(
        call(&mut client, Method::GET, "/products/sku-100", "").await.0,
        404
    );
    assert_eq!(
        call(&mut client, Method::DELETE, "/products/sku-100", "").await.0,
        404
    );
    assert_eq!(
        call(&mut client, Method::PUT, "/products/sku-001", "no").await.0,
        400
    );
    assert_eq!(call(&mut client, Method::GET, "/nowhere", "").await.0, 404);
}

#[test]
fn the_list_of_routes_follows_the_enum_since_tallies_are_placed_by_it() {
    for (place, route) in Route::ALL.into_iter().enumerate() {
        assert_eq!(route as usize, place, "{}", route.name());
    }
}

#[tokio::test]
async fn delays_are_honest() {
    let shop = Shop::start(0.1).await.unwrap();
    call(&mut client(&shop), Method::GET, "/products/sku-001", "").await;
    assert!(shop.durations(Route::Product)[0] >= Duration::from_millis(20));
}
