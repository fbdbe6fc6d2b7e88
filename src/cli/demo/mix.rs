//! What the driver's customers ask for: a seeded stream of calls. Pure.

use http::Method;
use serde_json::json;

use super::shop::Route;

/// Products that customers look at; the shop begins with these.
pub(super) const PRODUCTS: usize = 100;
/// Of these, forecasts are made.
const FORECAST: u64 = 8;
/// Out of 100 reads; each product page is looked at in proportion to one over its rank.
const READS: [(Route, u64); 8] = [
    (Route::Product, 58),
    (Route::ProductList, 14),
    (Route::ProductStats, 5),
    (Route::Transactions, 4),
    (Route::Dashboard, 5),
    (Route::Events, 4),
    (Route::Predict, 5),
    (Route::Chat, 5),
];
const QUESTIONS: [&str; 6] = [
    "Which cheese goes with this wine?",
    "When do you open?",
    "Is the bread fresh?",
    "Do you ship to Lisbon?",
    "What is on offer today?",
    "Can I return a tea pot?",
];

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) route: Route,
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) content: String,
    /// The sample's product that it is about.
    pub(super) product: Option<usize>,
}

/// A seeded stream of calls.
#[derive(Debug, Clone)]
pub(super) struct Mix {
    state: u64,
}

impl Mix {
    pub(super) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next number below `bound` (SplitMix64; its bias is far below what a demo could show).
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound.max(1)
    }

    /// A customer's next call.
    pub(super) fn read(&mut self) -> Call {
        let mut ticket = self.below(READS.iter().map(|(_, weight)| weight).sum());
        let chosen = READS
            .into_iter()
            .find(|(_, weight)| match ticket.checked_sub(*weight) {
                Some(rest) => {
                    ticket = rest;
                    false
                }
                None => true,
            });
        let route = chosen.map_or(Route::Product, |(route, _)| route);
        match route {
            Route::Predict => self.prediction(),
            Route::Chat => self.question(),
            Route::ProductList => get(route, self.list_path()),
            Route::Product | Route::AddProduct | Route::ChangeProduct | Route::RemoveProduct => {
                let product = self.popular();
                Call {
                    product: Some(product),
                    ..get(Route::Product, product_path(product))
                }
            }
            Route::ProductStats => get(route, "/products/stats".to_owned()),
            Route::Transactions => get(route, "/transactions".to_owned()),
            Route::Dashboard => get(route, "/dashboard/stats".to_owned()),
            Route::Events => get(route, "/events".to_owned()),
        }
    }

    /// The back office's next write: mostly the stock of some product, now and then a new one or
    /// one that goes.
    pub(super) fn write(&mut self) -> Call {
        let kind = self.below(6);
        if kind == 0 {
            // Of those that are seldom looked at, so that the popular ones stay.
            #[allow(clippy::cast_possible_truncation, reason = "below ten")]
            let product = PRODUCTS - 1 - self.below(10) as usize;
            return Call {
                product: Some(product),
                ..send(Route::RemoveProduct, Method::DELETE, &product_path(product))
            };
        }
        if kind == 1 {
            let content = json!({ "name": "novelty", "category": "tea", "price": 100 + self.below(900) });
            return Call {
                content: content.to_string(),
                ..send(Route::AddProduct, Method::POST, "/products")
            };
        }
        let product = self.popular();
        let content = json!({ "stock": self.below(90) }).to_string();
        let path = product_path(product);
        Call {
            content,
            product: Some(product),
            ..send(Route::ChangeProduct, Method::PUT, &path)
        }
    }

    fn prediction(&mut self) -> Call {
        #[allow(clippy::cast_possible_truncation, reason = "below FORECAST")]
        let product = self.below(FORECAST) as usize;
        let days = if self.below(2) == 0 { 7 } else { 30 };
        let content = json!({ "product_sku": format!("sku-{product:03}"), "days": days });
        let call = send(Route::Predict, Method::POST, "/predict");
        Call {
            content: content.to_string(),
            product: Some(product),
            ..call
        }
    }

    fn question(&mut self) -> Call {
        #[allow(clippy::cast_possible_truncation, reason = "below their number")]
        let place = self.below(QUESTIONS.len() as u64) as usize;
        let content = json!({ "message": QUESTIONS.get(place).copied().unwrap_or_default() });
        Call {
            content: content.to_string(),
            ..send(Route::Chat, Method::POST, "/chat")
        }
    }

    fn list_path(&mut self) -> String {
        let page = 1 + self.below(3);
        match self.below(3) {
            0 => format!("/products?page={page}&limit=10&category=tea"),
            1 => format!("/products?page={page}&limit=10&category=cheese"),
            _ => format!("/products?page={page}&limit=20"),
        }
    }

    /// A product by popularity: rank n has a weight of 1/n.
    fn popular(&mut self) -> usize {
        #[allow(clippy::cast_precision_loss, reason = "a thousandth is fine enough")]
        let harmonic: f64 = (1..=PRODUCTS).map(|rank| 1.0 / rank as f64).sum();
        #[allow(clippy::cast_precision_loss, reason = "a thousandth is fine enough")]
        let mut place = self.below(1 << 32) as f64 / 4_294_967_296.0 * harmonic;
        for product in 0..PRODUCTS {
            #[allow(clippy::cast_precision_loss, reason = "a thousandth is fine enough")]
            let weight = 1.0 / (product + 1) as f64;
            if place < weight {
                return product;
            }
            place -= weight;
        }
        0
    }
}

fn product_path(product: usize) -> String {
    format!("/products/sku-{product:03}")
}

fn get(route: Route, path: String) -> Call {
    Call {
        route,
        method: Method::GET,
        path,
        content: String::new(),
        product: None,
    }
}

fn send(route: Route, method: Method, path: &str) -> Call {
    Call {
        route,
        method,
        path: path.to_owned(),
        content: String::new(),
        product: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_calls() {
        let calls = |seed| {
            let mut mix = Mix::new(seed);
            (0..200).map(|_| mix.read()).collect::<Vec<_>>()
        };
        assert_eq!(calls(1), calls(1));
        assert_ne!(calls(1), calls(2));
    }

    #[test]
    fn every_read_is_asked_for_and_popular_products_more_often() {
        let mut mix = Mix::new(7);
        let calls: Vec<_> = (0..10_000).map(|_| mix.read()).collect();
        for (route, weight) in READS {
            let number = calls.iter().filter(|call| call.route == route).count() as u64;
            assert!(
                (weight * 80..=weight * 120).contains(&number),
                "{}: {number}",
                route.name()
            );
        }
        let of = |product| {
            calls
                .iter()
                .filter(|c| c.route == Route::Product && c.product == Some(product))
                .count()
        };
        assert!(
            of(0) > 5 * of(50) && of(99) > 0,
            "{} {} {}",
            of(0),
            of(50),
            of(99)
        );
    }

    #[test]
    fn every_kind_of_write_comes_and_popular_products_stay() {
        let mut mix = Mix::new(5);
        let calls: Vec<_> = (0..600).map(|_| mix.write()).collect();
        for (route, least) in [
            (Route::AddProduct, 60),
            (Route::RemoveProduct, 60),
            (Route::ChangeProduct, 300),
        ] {
            let number = calls.iter().filter(|call| call.route == route).count();
            assert!(number >= least, "{}: {number}", route.name());
        }
        let removed = calls.iter().filter(|call| call.route == Route::RemoveProduct);
        assert!(
            removed
                .map(|call| call.product)
                .all(|product| product >= Some(90))
        );
    }

    #[test]
    fn every_call_goes_where_its_route_says() {
        let mut mix = Mix::new(3);
        for call in (0..1_000).flat_map(|_| [mix.read(), mix.write()]) {
            let (method, path) = call.route.name().split_once(' ').unwrap();
            assert_eq!(call.method.as_str(), method);
            let fixed = path.split('{').next().unwrap();
            assert!(call.path.starts_with(fixed), "{call:?}");
        }
    }
}
