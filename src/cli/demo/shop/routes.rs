//! What the shop answers, and how long each answer takes. Pure.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header};
use http_body_util::Full;
use serde_json::{Map, Value, json};

use super::products::Products;
use super::text;

/// A page of the shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Route {
    /// `GET /products?page&limit&category`
    ProductList,
    /// `GET /products/{sku}`
    Product,
    /// `GET /products/stats`
    ProductStats,
    /// `POST /products`
    AddProduct,
    /// `PUT /products/{sku}`
    ChangeProduct,
    /// `DELETE /products/{sku}`
    RemoveProduct,
    /// `GET /transactions`
    Transactions,
    /// `GET /dashboard/stats`
    Dashboard,
    /// `GET /events`
    Events,
    /// `POST /predict` with `product_sku` and `days`
    Predict,
    /// `POST /chat` with `message`
    Chat,
}

impl Route {
    /// Every route, in the order of the enum.
    pub const ALL: [Route; 11] = [
        Route::ProductList,
        Route::Product,
        Route::ProductStats,
        Route::AddProduct,
        Route::ChangeProduct,
        Route::RemoveProduct,
        Route::Transactions,
        Route::Dashboard,
        Route::Events,
        Route::Predict,
        Route::Chat,
    ];

    /// Method and path.
    pub const fn name(self) -> &'static str {
        match self {
            Route::ProductList => "GET /products",
            Route::Product => "GET /products/{sku}",
            Route::ProductStats => "GET /products/stats",
            Route::AddProduct => "POST /products",
            Route::ChangeProduct => "PUT /products/{sku}",
            Route::RemoveProduct => "DELETE /products/{sku}",
            Route::Transactions => "GET /transactions",
            Route::Dashboard => "GET /dashboard/stats",
            Route::Events => "GET /events",
            Route::Predict => "POST /predict",
            Route::Chat => "POST /chat",
        }
    }

    /// How long the shop takes for it.
    pub const fn delay(self) -> Duration {
        Duration::from_millis(match self {
            Route::ProductList | Route::ProductStats => 450,
            Route::Product => 200,
            Route::AddProduct | Route::ChangeProduct | Route::RemoveProduct => 60,
            Route::Transactions => 300,
            Route::Dashboard => 600,
            Route::Events => 250,
            Route::Predict => 3_500,
            Route::Chat => 800,
        })
    }

    /// Whether it changes the table of products.
    pub const fn is_write(self) -> bool {
        matches!(
            self,
            Route::AddProduct | Route::ChangeProduct | Route::RemoveProduct
        )
    }

    /// The route of a request, and the SKU in its path.
    pub(super) fn of<'a>(method: &Method, path: &'a str) -> Option<(Route, &'a str)> {
        let read = matches!(*method, Method::GET | Method::HEAD);
        let route = match path {
            "/products" if read => Route::ProductList,
            "/products" if *method == Method::POST => Route::AddProduct,
            "/products/stats" if read => Route::ProductStats,
            "/transactions" if read => Route::Transactions,
            "/dashboard/stats" if read => Route::Dashboard,
            "/events" if read => Route::Events,
            "/predict" if *method == Method::POST => Route::Predict,
            "/chat" if *method == Method::POST => Route::Chat,
            _ => return Self::of_product(method, path, read),
        };
        Some((route, ""))
    }

    fn of_product<'a>(method: &Method, path: &'a str, read: bool) -> Option<(Route, &'a str)> {
        let sku = path
            .strip_prefix("/products/")
            .filter(|sku| !sku.is_empty() && !sku.contains('/'))?;
        match *method {
            Method::PUT => Some((Route::ChangeProduct, sku)),
            Method::DELETE => Some((Route::RemoveProduct, sku)),
            _ if read => Some((Route::Product, sku)),
            _ => None,
        }
    }
}

/// Answers a read from the table.
pub(super) fn read(
    route: Route,
    sku: &str,
    query: &str,
    content: &[u8],
    products: &Products,
) -> Response<Full<Bytes>> {
    match route {
        Route::ProductList => {
            let number = |name, default| {
                parameter(query, name)
                    .and_then(|n| n.parse().ok())
                    .unwrap_or(default)
            };
            let page = products.page(
                parameter(query, "category"),
                number("page", 1),
                number("limit", 20).min(100),
            );
            json_answer(StatusCode::OK, &page)
        }
        Route::Product => match products.get(sku) {
            Some(product) => json_answer(StatusCode::OK, &product.shown(sku)),
            None => text(StatusCode::NOT_FOUND, "no such product\n"),
        },
        Route::ProductStats => json_answer(StatusCode::OK, &products.stats()),
        Route::Transactions => json_answer(StatusCode::OK, &series("transactions", 50)),
        Route::Dashboard => json_answer(
            StatusCode::OK,
            &json!({ "visitors": 1_204, "stock": products.stats() }),
        ),
        Route::Events => json_answer(StatusCode::OK, &series("events", 20)),
        Route::Predict => predict(content, products),
        Route::Chat => chat(content),
        Route::AddProduct | Route::ChangeProduct | Route::RemoveProduct => {
            text(StatusCode::INTERNAL_SERVER_ERROR, "a write is not a read\n")
        }
    }
}

/// Carries out a write on the table.
pub(super) fn write(
    route: Route,
    sku: &str,
    content: &[u8],
    products: &mut Products,
) -> Response<Full<Bytes>> {
    if route == Route::RemoveProduct {
        return match products.remove(sku) {
            true => empty(StatusCode::NO_CONTENT),
            false => text(StatusCode::NOT_FOUND, "no such product\n"),
        };
    }
    let Some(fields) = object(content) else {
        return text(StatusCode::BAD_REQUEST, "send a JSON object\n");
    };
    if route == Route::AddProduct {
        let sku = products.add(&fields);
        let mut answer = json_answer(StatusCode::CREATED, &json!({ "sku": sku }));
        if let Ok(location) = HeaderValue::from_str(&format!("/products/{sku}")) {
            answer.headers_mut().insert(header::LOCATION, location);
        }
        return answer;
    }
    match products.change(sku, &fields) {
        Some(product) => json_answer(StatusCode::OK, &product.shown(sku)),
        None => text(StatusCode::NOT_FOUND, "no such product\n"),
    }
}

/// A forecast that depends on the product, as a model's would.
fn predict(content: &[u8], products: &Products) -> Response<Full<Bytes>> {
    let fields = object(content).unwrap_or_default();
    let sku = fields
        .get("product_sku")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let days = fields.get("days").and_then(Value::as_u64).unwrap_or(7).min(365);
    let Some(product) = products.get(sku) else {
        return text(StatusCode::NOT_FOUND, "no such product\n");
    };
    let demand: Vec<_> = (1..=days)
        .map(|day| (product.stock * day + product.price) % 97)
        .collect();
    let forecast =
        json!({ "product_sku": sku, "days": days, "revision": product.revision, "demand": demand });
    json_answer(StatusCode::OK, &forecast)
}

fn chat(content: &[u8]) -> Response<Full<Bytes>> {
    let fields = object(content).unwrap_or_default();
    let Some(message) = fields.get("message").and_then(Value::as_str) else {
        return text(StatusCode::BAD_REQUEST, "send a `message`\n");
    };
    let reply = format!(
        "You said {} words. Have you tried the cheese?",
        message.split_whitespace().count()
    );
    json_answer(StatusCode::OK, &json!({ "reply": reply }))
}

fn series(name: &str, number: u64) -> Value {
    let items: Vec<_> = (1..=number)
        .map(|n| json!({ "id": n, "amount": n * 731 % 9_973 }))
        .collect();
    json!({ name: items })
}

fn object(content: &[u8]) -> Option<Map<String, Value>> {
    serde_json::from_slice(content).ok()
}

fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query
        .split('&')
        .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

fn json_answer(status: StatusCode, value: &Value) -> Response<Full<Bytes>> {
    let mut answer = empty(status);
    *answer.body_mut() = Full::from(format!("{value}\n"));
    answer
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

fn empty(status: StatusCode) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = status;
    answer
}
