//! Sends a realistic mix of reads and writes, measures as a client does, and checks that no
//! answer is older than a write that was already answered.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, header};
use http_body_util::Full;
use parking_lot::Mutex;
use serde_json::Value;

use super::mix::{Call, Mix, PRODUCTS};
use super::shop::{Route, Shop};
use super::table::{columns, millis, percent, quantile};
use crate::cli::client::{Client, ClientError};
use crate::clock::{Clock, Mono};
use crate::route::Table;
use crate::tasks::Tasks;

/// Customers who browse at the same time.
const CUSTOMERS: u64 = 24;
/// Longest a request may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How one request was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answered {
    FromStore,
    /// With another request's answer, while that was fetched.
    Collapsed,
    ByOrigin,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    route: Route,
    duration: Duration,
    answered: Answered,
}

/// What the customers saw.
#[derive(Debug, Default)]
pub(super) struct Report {
    samples: Vec<Sample>,
    /// Requests without an answer, or with a server error.
    failed: u64,
    /// Answers older than a write that had been answered before they were asked for.
    outdated: u64,
}

/// What all clients share.
struct Floor {
    url: String,
    clock: Clock,
    until: Mono,
    report: Mutex<Report>,
    /// By product: the revision that the last answered write gave it.
    acknowledged: Vec<AtomicU64>,
}

/// Drives the server at `address` for `length`; unfinished requests are waited for.
pub(super) async fn drive(address: SocketAddr, length: Duration, seed: u64) -> Result<Report, ClientError> {
    let clock = Clock::system();
    let floor = Arc::new(Floor {
        url: format!("http://{address}"),
        until: Mono(clock.now().mono.0 + length),
        clock,
        report: Mutex::default(),
        acknowledged: std::iter::repeat_with(AtomicU64::default)
            .take(PRODUCTS)
            .collect(),
    });
    let tasks = Tasks::new();
    for customer in 0..CUSTOMERS {
        let client = Client::new(&floor.url, TIMEOUT)?;
        tasks.spawn(floor.clone().browse(client, Mix::new(seed ^ (customer << 32))));
    }
    tasks.spawn(
        floor
            .clone()
            .administer(Client::new(&floor.url, TIMEOUT)?, Mix::new(!seed)),
    );
    tasks.drained(length + TIMEOUT).await;
    let report = std::mem::take(&mut *floor.report.lock());
    Ok(report)
}

impl Floor {
    /// A customer: looks at something, then thinks for a moment.
    async fn browse(self: Arc<Self>, mut client: Client, mut mix: Mix) {
        while self.is_open() {
            let call = mix.read();
            let known = self.acknowledged(&call);
            if let Some(answer) = self.send(&mut client, &call).await {
                let shown = revision(&answer);
                if shown.is_some_and(|shown| shown < known) {
                    self.report.lock().outdated += 1;
                }
            }
            tokio::time::sleep(Duration::from_millis(4 + mix.below(16))).await;
        }
    }

    /// The back office: a write every two seconds or so.
    async fn administer(self: Arc<Self>, mut client: Client, mut mix: Mix) {
        loop {
            tokio::time::sleep(Duration::from_millis(1_500 + mix.below(1_500))).await;
            if !self.is_open() {
                return;
            }
            let call = mix.write();
            let answer = self.send(&mut client, &call).await;
            let revision = answer.as_ref().and_then(revision);
            let product = call.product.and_then(|product| self.acknowledged.get(product));
            if let (Some(product), Some(revision)) = (product, revision) {
                product.fetch_max(revision, Ordering::SeqCst);
            }
            // What was removed may not be shown any more; a new product of its SKU has a
            // revision above all others.
            let removed = call.method == Method::DELETE;
            if let (Some(product), true) = (
                product,
                removed && answer.is_some_and(|a| a.status().is_success()),
            ) {
                product.fetch_add(1, Ordering::SeqCst);
            }
        }
    }

    fn is_open(&self) -> bool {
        self.clock.now().mono < self.until
    }

    fn acknowledged(&self, call: &Call) -> u64 {
        let product = call.product.and_then(|product| self.acknowledged.get(product));
        product
            .map(|revision| revision.load(Ordering::SeqCst))
            .unwrap_or_default()
    }

    async fn send(&self, client: &mut Client, call: &Call) -> Option<Response<Bytes>> {
        let request = Request::builder()
            .method(call.method.clone())
            .uri(&call.path)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::from(call.content.clone()))
            .ok()?;
        let begun = self.clock.now().mono;
        let answer = client
            .send(request)
            .await
            .ok()
            .filter(|answer| !answer.status().is_server_error());
        let duration = self.clock.now().mono.since(begun);
        let mut report = self.report.lock();
        match &answer {
            Some(answer) => {
                report.samples.push(Sample {
                    route: call.route,
                    duration,
                    answered: answered(answer),
                });
            }
            None => report.failed += 1,
        }
        answer
    }
}

/// From RFC 9211's field.
fn answered(answer: &Response<Bytes>) -> Answered {
    let status = answer
        .headers()
        .get("cache-status")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let mut parameters = status.split(';').skip(1).map(str::trim);
    match parameters.find(|parameter| matches!(*parameter, "hit" | "collapsed")) {
        Some("hit") => Answered::FromStore,
        Some(_) => Answered::Collapsed,
        None => Answered::ByOrigin,
    }
}

/// The name of the rule that answers a route.
fn rule_of(route: Route, rules: &Table) -> &str {
    let (method, path) = route.name().split_once(' ').unwrap_or_default();
    let method = Method::from_bytes(method.as_bytes()).unwrap_or(Method::GET);
    &rules.find(&method, "", path).rule.name
}

fn revision(answer: &Response<Bytes>) -> Option<u64> {
    serde_json::from_slice::<Value>(answer.body())
        .ok()?
        .get("revision")?
        .as_u64()
}

impl Report {
    /// A table with a row for each route that was called and the rule that answered it, and what
    /// it proves below.
    pub(super) fn table(&self, shop: &Shop, rules: &Table) -> String {
        let head = [
            "", "requests", "hits", "hit p50", "p50", "p99", "p50", "p99", "calls", "saved",
        ];
        let above = [
            "",
            "",
            "",
            "",
            "with",
            "Larder",
            "origin",
            "alone",
            "to origin",
            "",
        ];
        let mut rows: Vec<Vec<String>> = [above, head].map(|row| row.map(str::to_owned).to_vec()).into();
        rows.extend(
            Route::ALL
                .into_iter()
                .filter_map(|route| self.row(route, shop, rules)),
        );
        let requests = self.samples.len() as u64;
        let saved = requests.saturating_sub(shop.all_calls());
        format!(
            "{}\n{requests} requests, {} calls to the origin: {} saved. {} failed, {} older than an answered write.\n",
            columns(&rows),
            shop.all_calls(),
            percent(saved, requests),
            self.failed,
            self.outdated,
        )
    }

    fn row(&self, route: Route, shop: &Shop, rules: &Table) -> Option<Vec<String>> {
        let samples: Vec<_> = self
            .samples
            .iter()
            .filter(|sample| sample.route == route)
            .collect();
        let requests = samples.len() as u64;
        if requests == 0 {
            return None;
        }
        let hits: Vec<_> = samples
            .iter()
            .filter(|sample| sample.answered == Answered::FromStore)
            .collect();
        let mut hit: Vec<_> = hits.iter().map(|sample| sample.duration).collect();
        let mut with: Vec<_> = samples.iter().map(|sample| sample.duration).collect();
        let mut alone = shop.durations(route);
        let calls = shop.calls(route);
        Some(vec![
            format!("{:<14}   {}", rule_of(route, rules), route.name()),
            requests.to_string(),
            percent(hits.len() as u64, requests),
            millis(quantile(&mut hit, 0.5)),
            millis(quantile(&mut with, 0.5)),
            millis(quantile(&mut with, 0.99)),
            millis(quantile(&mut alone, 0.5)),
            millis(quantile(&mut alone, 0.99)),
            calls.to_string(),
            requests.saturating_sub(calls).to_string(),
        ])
    }

    /// Requests sent and answered.
    #[cfg(test)]
    fn requests(&self) -> usize {
        self.samples.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_tells_hits_and_collapsed_requests() {
        let rows = [
            (Some("larder; hit; ttl=12"), Answered::FromStore),
            (Some("larder; fwd=uri-miss; collapsed"), Answered::Collapsed),
            (Some("larder; fwd=uri-miss; stored"), Answered::ByOrigin),
            (Some("larder; fwd=bypass; detail=hit-and-run"), Answered::ByOrigin),
            (None, Answered::ByOrigin),
        ];
        for (value, expected) in rows {
            let mut answer = Response::new(Bytes::new());
            if let Some(value) = value {
                answer
                    .headers_mut()
                    .insert("cache-status", value.parse().unwrap());
            }
            assert_eq!(answered(&answer), expected, "{value:?}");
        }
    }

    #[test]
    fn every_route_of_the_shop_has_a_rule_with_a_name() {
        let rules = crate::config::Config::from_yaml(super::super::RULES)
            .unwrap()
            .rules;
        let names = Route::ALL.map(|route| rule_of(route, &rules));
        assert!(!names.contains(&"none"), "{names:?}");
        assert_eq!(rule_of(Route::RemoveProduct, &rules), "change-product");
        assert!(names.iter().all(|name| name.len() <= 14), "{names:?}");
    }

    #[tokio::test]
    async fn against_the_bare_shop_nothing_is_saved_and_nothing_is_outdated() {
        let shop = Shop::start(0.0).await.unwrap();
        let report = drive(shop.address(), Duration::from_millis(300), 1)
            .await
            .unwrap();
        assert!(report.requests() > 0);
        assert_eq!((report.failed, report.outdated), (0, 0));
        assert_eq!(report.requests() as u64, shop.all_calls());
        let rules = crate::config::Config::from_yaml(super::super::RULES)
            .unwrap()
            .rules;
        let table = report.table(&shop, &rules);
        assert!(table.contains("product          GET /products/{sku}"), "{table}");
        assert!(table.contains("0.0 % saved. 0 failed, 0 older"), "{table}");
    }
}
