//! `larder demo`: a slow sample shop, Larder in front of it, and figures that show the difference.

mod driver;
mod live;
mod mix;
pub mod shop;
mod table;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::client::{Client, ClientError, causes};
use super::runtime::Signals;
use super::{Front, Launch, Output, Start, StartFailure};
use crate::config::{self, AccessLog, Overrides, Source};
use crate::route::Table;

use live::{Figures, Seen};
use shop::Shop;

/// The rules of the demonstration, which are also an example to read.
const RULES: &str = include_str!("../../../config/examples/shop.yaml");
/// Calls to try by hand.
const CALLS: [(&str, &str); 5] = [
    ("", "/products/sku-007"),
    ("", "'/products?category=tea&limit=5'"),
    (
        "-X PUT -d '{\"stock\": 3}' -H 'Content-Type: application/json' ",
        "/products/sku-007",
    ),
    (
        "-d '{\"product_sku\": \"sku-007\", \"days\": 7}' -H 'Content-Type: application/json' ",
        "/predict",
    ),
    (
        "-d '{\"message\": \"When do you open?\"}' -H 'Content-Type: application/json' ",
        "/chat",
    ),
];

/// Flags of `larder demo`.
#[derive(Debug, Clone, clap::Args)]
pub struct DemoArgs {
    /// Send a mix of reads and writes for so many seconds, then show a table and end
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "15", value_parser = seconds)]
    pub drive: Option<u64>,
    /// Where Larder listens; without it 127.0.0.1:8080, or any free port
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// Larder's admin port; without it 127.0.0.1:9321, or any free port
    #[arg(long, value_name = "ADDRESS")]
    pub admin: Option<String>,
    /// Makes the driven mix repeatable
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,
}

/// How long a drive is to last.
fn seconds(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(0) => Err("a drive takes a second at least".to_owned()),
        Ok(seconds) => Ok(seconds),
        Err(_) => Err("write whole seconds, such as 15".to_owned()),
    }
}

/// Why a demonstration ended early.
#[derive(Debug, thiserror::Error)]
enum DemoError {
    #[error("the shop cannot open")]
    Shop(#[source] io::Error),
    #[error("a setting is wrong:\n{0}")]
    Rules(String),
    #[error("Larder did not start")]
    Start(#[source] StartFailure),
    #[error("a demonstration is shown over an address and a port: write --listen 127.0.0.1:8080")]
    Socket,
    #[error("the admin port does not answer")]
    Admin(#[from] ClientError),
    #[error("cannot write")]
    Write(#[from] io::Error),
}

/// Shows Larder in front of the shop, until a signal comes or the drive has ended.
pub async fn demo(args: &DemoArgs, out: &mut dyn Write, start: Start) -> Output {
    match show(args, out, start).await {
        Ok(()) => Output::ok(""),
        Err(error) => Output::failed(2, format!("larder demo: {}\n", causes(&error))),
    }
}

async fn show(args: &DemoArgs, out: &mut dyn Write, start: Start) -> Result<(), DemoError> {
    let mut signals = Signals::listen()?;
    let shop = Shop::start(1.0).await.map_err(DemoError::Shop)?;
    let (front, rules) = open(args, &shop, start).await?;
    let listen = front.tcp().ok_or(DemoError::Socket)?;
    out.write_all(welcome(&front, listen, &shop).as_bytes())?;
    tokio::select! {
        shown = perform(args, out, (listen, front.admin), &shop, &rules) => shown?,
        _ = signals.next() => {}
    }
    (front.drain)().await;
    Ok(())
}

/// Starts Larder in front of the shop: what runs, and by which rules.
async fn open(args: &DemoArgs, shop: &Shop, start: Start) -> Result<(Front, Arc<Table>), DemoError> {
    let flags = Overrides {
        listen: Some(args.listen.clone().unwrap_or_else(|| free("127.0.0.1:8080"))),
        admin: Some(args.admin.clone().unwrap_or_else(|| free("127.0.0.1:9321"))),
        origin: Some(format!("http://{}", shop.address())),
        ..Overrides::default()
    };
    let rules = Source {
        name: "config/examples/shop.yaml".to_owned(),
        text: RULES.to_owned(),
    };
    let mut loaded = config::load(Some(rules), &BTreeMap::new(), &flags)
        .map_err(|problems| DemoError::Rules(problems.render(false)))?;
    // Lines about slow requests, which here is what the shop is for, would bury the figures.
    loaded.config.log.access = AccessLog::Off;
    let rules = loaded.config.rules.clone();
    let front = start(Launch::of(loaded.config)).await.map_err(DemoError::Start)?;
    Ok((front, rules))
}

/// `wanted`, or any port of the same machine where that is taken.
fn free(wanted: &str) -> String {
    match std::net::TcpListener::bind(wanted) {
        Ok(_) => wanted.to_owned(),
        Err(_) => "127.0.0.1:0".to_owned(),
    }
}

fn welcome(front: &Front, listen: SocketAddr, shop: &Shop) -> String {
    let mut text = format!(
        "A slow shop listens on  http://{}\nLarder in front of it   http://{}\nIts admin port          http://{}\n\nTry, twice each:\n",
        shop.address(),
        listen,
        front.admin,
    );
    for (flags, path) in CALLS {
        let url = match path.strip_prefix('\'') {
            Some(path) => format!("'http://{listen}{path}"),
            None => format!("http://{listen}{path}"),
        };
        text.push_str(&format!("  curl -i {flags}{url}\n"));
    }
    text.push_str(&format!("  curl http://{}/stats\n\n", front.admin));
    text
}

/// The drive, or whatever others do, with a line a second.
async fn perform(
    args: &DemoArgs,
    out: &mut dyn Write,
    (listen, admin): (SocketAddr, SocketAddr),
    shop: &Shop,
    rules: &Table,
) -> Result<(), DemoError> {
    let Some(seconds) = args.drive else {
        return watch(out, admin, shop).await;
    };
    let length = Duration::from_secs(seconds);
    let report = tokio::select! {
        report = driver::drive(listen, length, args.seed) => report?,
        Err(error) = watch(out, admin, shop) => return Err(error),
    };
    out.write_all(format!("\n{}", report.table(shop, rules)).as_bytes())?;
    Ok(())
}

/// A line a second for ever, also of seconds in which nothing happened: they show that it runs.
async fn watch(out: &mut dyn Write, admin: SocketAddr, shop: &Shop) -> Result<(), DemoError> {
    let mut admin = Client::new(&format!("http://{admin}"), Duration::from_secs(5))?;
    let mut seen = Seen::default();
    let mut last = Figures::fetch(&mut admin).await?;
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let figures = Figures::fetch(&mut admin).await?;
        let mut news = seen.news(shop);
        out.write_all(figures.line(&last, &mut news).as_bytes())?;
        out.flush()?;
        last = figures;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::admin::{self, AdminState, PurgeReceipt, Reloaded};
    use crate::config::Address;
    use crate::tasks::Tasks;
    use crate::telemetry::{Metrics, Snapshot};

    /// The bare shop where Larder would be, and an admin port that has counted nothing.
    async fn bare(shop: &Shop) -> Front {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let front = Front {
            listen: vec![Address::Tcp(shop.address())],
            admin: listener.local_addr().unwrap(),
            reload: Box::new(|| Box::pin(std::future::ready(()))),
            drain: Box::new(|| Box::pin(std::future::ready(true))),
        };
        let state = AdminState {
            token: Arc::default(),
            ready: Arc::new(AtomicBool::new(true)),
            metrics: Arc::new(Metrics::new(0)),
            snapshot: Arc::new(Snapshot::default),
            purge: Arc::new(|_| Box::pin(std::future::ready(Ok(PurgeReceipt::default())))),
            reload: Arc::new(|| Box::pin(std::future::ready(Arc::new(Reloaded::NothingToRead)))),
            refused: Arc::new(|| None),
        };
        Tasks::new().detach(admin::serve(listener, state, std::future::pending()));
        front
    }

    #[tokio::test]
    async fn a_drive_shows_a_line_a_second_and_ends_with_the_table() {
        let shop = Shop::start(0.0).await.unwrap();
        let front = bare(&shop).await;
        let args = DemoArgs {
            drive: Some(2),
            listen: None,
            admin: None,
            seed: 1,
        };
        let mut out = Vec::new();
        let rules = config::Config::from_yaml(RULES).unwrap().rules;
        perform(
            &args,
            &mut out,
            (front.tcp().unwrap(), front.admin),
            &shop,
            &rules,
        )
        .await
        .unwrap();
        let shown = String::from_utf8(out).unwrap();
        let lines = shown.lines().filter(|line| line.contains("origin p50")).count();
        assert!((1..=3).contains(&lines), "{shown}");
        assert!(
            shown.contains("product          GET /products/{sku}") && shown.contains("calls to the origin"),
            "{shown}"
        );
    }

    #[tokio::test]
    async fn a_second_without_requests_has_its_line_too() {
        let shop = Shop::start(0.0).await.unwrap();
        let front = bare(&shop).await;
        let mut out = Vec::new();
        let two_seconds = Duration::from_millis(2_200);
        let watched = tokio::time::timeout(two_seconds, watch(&mut out, front.admin, &shop)).await;
        assert!(watched.is_err(), "it ends with the demonstration alone");
        let shown = String::from_utf8(out).unwrap();
        assert!(shown.contains("0 requests"), "{shown}");
    }

    #[test]
    fn a_drive_of_no_time_is_refused() {
        for (text, expected) in [("0", None), ("1", Some(1)), ("15", Some(15)), ("1s", None)] {
            assert_eq!(seconds(text).ok(), expected, "{text}");
        }
    }

    #[tokio::test]
    async fn the_welcome_names_every_address_and_calls_that_a_shell_takes() {
        let shop = Shop::start(0.0).await.unwrap();
        let front = bare(&shop).await;
        let listen = front.tcp().unwrap();
        let text = welcome(&front, listen, &shop);
        for address in [shop.address(), listen, front.admin] {
            assert!(text.contains(&format!("http://{address}")), "{text}");
        }
        let listed = format!("curl -i 'http://{}/products?category=tea&limit=5'\n", listen);
        assert!(text.contains(&listed), "{text}");
    }

    #[test]
    fn a_port_that_is_taken_is_replaced_by_any() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(free(&taken.local_addr().unwrap().to_string()), "127.0.0.1:0");
    }
}
