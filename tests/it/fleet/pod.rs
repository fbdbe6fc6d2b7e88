//! One pod that can be killed: a Larder on a runtime of its own, which reaches Redis through a
//! proxy of its own; and what its clients know of it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::{Mutex, RwLock};
use tokio::runtime::Runtime;

use super::ledger::{Ledger, Source, version_of};
use crate::support::{Client, End, FaultProxy, Response, TestLarder, TestOrigin, TestRedis};

/// A pod.
pub(super) struct Pod {
    pub number: usize,
    pub proxy: FaultProxy,
    address: std::net::SocketAddr,
    /// `None` once it was killed.
    running: RwLock<Option<TestLarder>>,
    runtime: Mutex<Option<Runtime>>,
    /// Writes whose events waited for the log when they were answered.
    unlogged: Mutex<Vec<(usize, usize)>>,
    reads: AtomicUsize,
    under_way: AtomicUsize,
    killed: AtomicBool,
}

/// What a request came to.
#[derive(Debug)]
pub(super) enum Came {
    /// Nothing that is wrong.
    Right { hit: bool, source: Source, bound: bool },
    /// The pod was killed meanwhile.
    Killed,
    /// No whole answer 200 with a version of the item.
    Failed(String),
    /// Older than it may be.
    Wrong(String),
}

impl Pod {
    /// A pod before `origin` that shares `redis`; `yaml` is told the URL of the proxy.
    pub(super) async fn start(
        number: usize,
        redis: &TestRedis,
        origin: &TestOrigin,
        yaml: impl Fn(&str) -> String,
    ) -> Pod {
        let proxy = FaultProxy::start(redis.address(), number as u64);
        let (yaml, url) = (yaml(&proxy.url()), origin.url());
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let starting = runtime.spawn(async move { TestLarder::before(&url, &yaml).await });
        let larder = starting.await.expect("Larder starts");
        Pod {
            number,
            proxy,
            address: larder.address(),
            running: RwLock::new(Some(larder)),
            runtime: Mutex::new(Some(runtime)),
            unlogged: Mutex::default(),
            reads: AtomicUsize::new(0),
            under_way: AtomicUsize::new(0),
            killed: AtomicBool::new(false),
        }
    }

    /// Asks the running Larder something; `None` once it was killed.
    pub(super) fn look<T>(&self, at: impl FnOnce(&TestLarder) -> T) -> Option<T> {
        self.running.read().as_ref().map(at)
    }

    pub(super) fn is_killed(&self) -> bool {
        self.killed.load(Ordering::SeqCst)
    }

    /// Whether it follows the log, and the log has all its events.
    pub(super) fn is_whole(&self) -> bool {
        self.look(|larder| {
            let log = larder.log();
            log.joined && log.queued == 0 && larder.redis().connections > 0
        })
        .unwrap_or(true)
    }

    /// What it is like, for who waits in vain.
    pub(super) fn state(&self) -> String {
        let state = self.look(|larder| {
            let (log, redis) = (larder.log(), larder.redis());
            format!(
                "joined {} queued {} flushes {:?} {redis:?}",
                log.joined, log.queued, log.flushes
            )
        });
        state.unwrap_or_else(|| "killed".to_owned())
    }

    /// As by SIGKILL: nothing is finished, and nothing said.
    pub(super) fn kill(&self) {
        self.killed.store(true, Ordering::SeqCst);
        if let Some(runtime) = self.runtime.lock().take() {
            runtime.shutdown_background();
        }
        drop(self.running.write().take());
        self.unlogged.lock().clear();
    }

    /// Tells the ledger of writes that the log has got by now.
    pub(super) fn tell_logged(&self, ledger: &Ledger) {
        // What is in the list by now was queued before the queue is seen to be empty.
        let before = self.unlogged.lock().len();
        if self.look(|larder| larder.log().queued == 0) == Some(true) {
            let mut unlogged = self.unlogged.lock();
            let before = before.min(unlogged.len());
            for (item, version) in unlogged.drain(..before) {
                ledger.logged(item, version);
            }
        }
    }

    /// Reads an item, and looks whether the answer is right.
    pub(super) async fn read(&self, client: &mut Option<Client>, ledger: &Ledger, item: usize) -> Came {
        let floor = ledger.floor(self.number, item);
        let hits = || self.look(|larder| larder.tier().hits).unwrap_or_default();
        let first = self.under_way.fetch_add(1, Ordering::SeqCst) == 0;
        let (number, before) = (self.reads.fetch_add(1, Ordering::SeqCst), hits());
        let answer = self.ask(client, "GET", item).await;
        let alone = first && self.reads.load(Ordering::SeqCst) == number + 1;
        let from_redis = hits() > before;
        self.under_way.fetch_sub(1, Ordering::SeqCst);
        let answer = match answer {
            Ok(answer) => answer,
            Err(came) => return came,
        };
        let Some(version) = version_of(&answer, item) else {
            return Came::Wrong(format!("not of item {item}: {answer:?}"));
        };
        let hit = answer.cache_status().hit;
        let source = if hit && alone && from_redis {
            Source::Redis
        } else {
            Source::Any
        };
        match floor.objection(version, source) {
            Some(objection) => Came::Wrong(format!(
                "item {item} through pod {}: {objection}; {answer:?}",
                self.number
            )),
            None => Came::Right {
                hit,
                source,
                bound: floor.binds(source),
            },
        }
    }

    /// Writes an item, and tells the ledger.
    pub(super) async fn write(&self, client: &mut Option<Client>, ledger: &Ledger, item: usize) -> Came {
        let unlogged = || self.look(|larder| larder.log().unlogged);
        let before = unlogged();
        let answer = match self.ask(client, "PUT", item).await {
            Ok(answer) => answer,
            Err(came) => return came,
        };
        let Some(version) = version_of(&answer, item) else {
            return Came::Wrong(format!("not of item {item}: {answer:?}"));
        };
        ledger.answered(self.number, item, version);
        let after = unlogged();
        if after.is_some() && after == before {
            ledger.logged(item, version);
        } else if !self.is_killed() {
            self.unlogged.lock().push((item, version));
        }
        Came::Right {
            hit: false,
            source: Source::Any,
            bound: after == before,
        }
    }

    async fn ask(&self, client: &mut Option<Client>, method: &str, item: usize) -> Result<Response, Came> {
        let answer = self.try_ask(client, method, item).await;
        match answer {
            Some(answer) if answer.status == 200 && answer.end == End::Complete => Ok(answer),
            _ if self.is_killed() => Err(Came::Killed),
            other => {
                *client = None;
                Err(Came::Failed(format!(
                    "{method} item {item} through pod {}: {other:?}",
                    self.number
                )))
            }
        }
    }

    async fn try_ask(&self, client: &mut Option<Client>, method: &str, item: usize) -> Option<Response> {
        if client.is_none() {
            *client = Some(Client::from(
                tokio::net::TcpStream::connect(self.address).await.ok()?,
            ));
        }
        let client = client.as_mut()?;
        let content: &[u8] = if method == "PUT" { b"new" } else { b"" };
        let bytes = crate::support::request_bytes(method, &format!("/items/{item}"), &[], content);
        if !client.try_send(bytes).await {
            return None;
        }
        client.try_response_to(method).await.ok()
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        self.kill();
    }
}
