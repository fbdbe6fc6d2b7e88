//! An origin as its own process, so that it can be killed as the kernel kills: this test binary
//! again, running one test that serves until its standard input ends.

use std::io::Read;
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Stdio};

use larder::cli::demo::shop::Shop;

use super::gate::within;
use super::origin::TestOrigin;
use super::process::{end, lines_of, signal};

/// Set for the child alone: what it serves.
const SERVES: &str = "LARDER_TEST_ORIGIN_SERVES";

/// What the child prints before its address.
const SAYS: &str = "the origin listens on ";

/// The test that the child runs.
const TEST: &str = "support::origin_process::origin_in_a_child_process";

/// A running origin process; killed when dropped.
#[derive(Debug)]
pub struct OriginProcess {
    child: Child,
    address: SocketAddr,
    /// The child ends when this is dropped, even if this process is killed.
    _stdin: ChildStdin,
}

impl OriginProcess {
    /// The sample shop, its delays multiplied by `scale`.
    pub async fn shop(scale: f64) -> OriginProcess {
        OriginProcess::start(&format!("shop {scale}")).await
    }

    /// An origin that answers every path with the path and a count.
    pub async fn counting() -> OriginProcess {
        OriginProcess::start("count 127.0.0.1:0").await
    }

    /// Another counting origin where this one was: kill this one first.
    pub async fn successor(&self) -> OriginProcess {
        OriginProcess::start(&format!("count {}", self.address)).await
    }

    async fn start(serves: &str) -> OriginProcess {
        let this = std::env::current_exe().expect("this test binary");
        let mut child = Command::new(this)
            .args(["--ignored", "--exact", TEST, "--nocapture"])
            .env(SERVES, serves)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("this test binary starts");
        let stdin = child.stdin.take().expect("its standard input");
        let mut lines = lines_of(child.stdout.take().expect("its standard output"));
        let address = within("the origin's address", async {
            loop {
                let line = lines.recv().await.expect("an address before the end");
                if let Some(address) = line.strip_prefix(SAYS) {
                    return address.parse().expect("an address");
                }
            }
        })
        .await;
        OriginProcess {
            child,
            address,
            _stdin: stdin,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops answering, with all connections left open, until it is killed.
    pub fn hang(&self) {
        signal(&self.child, "STOP");
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        end(&mut self.child);
    }
}

impl Drop for OriginProcess {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

#[tokio::test]
#[ignore = "run as a child process by the tests"]
async fn origin_in_a_child_process() {
    // Someone who runs all ignored tests is not the parent, and would wait for ever.
    let Ok(serves) = std::env::var(SERVES) else {
        return;
    };
    let (parent_gone, gone) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        let _ = parent_gone.send(());
    });
    // The harness has printed half a line already.
    match serves.split_once(' ') {
        Some(("shop", scale)) => {
            let shop = Shop::start(scale.parse().expect("a factor"))
                .await
                .expect("a shop");
            println!("\n{SAYS}{}", shop.address());
            let _ = gone.await;
        }
        Some(("count", address)) => {
            let origin = TestOrigin::at(address.parse().expect("an address")).await;
            println!("\n{SAYS}{}", origin.address());
            let _ = gone.await;
        }
        _ => panic!("nothing known as {serves:?}"),
    }
}
