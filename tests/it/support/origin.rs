//! A scripted HTTP/1.1 origin on raw sockets: it answers what a test says, when the test says,
//! records all it was asked, and can misbehave in ways no HTTP library would allow.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::DuplexStream;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::answer::Answer;
use super::gate::{Gate, within};
use super::seen::Seen;
use super::wire::{Left, Wire};

mod conversation;

type Handler = Arc<dyn Fn(&Seen) -> Answer + Send + Sync>;
type Rest = Arc<dyn Fn() -> Duration + Send + Sync>;

/// The origin; it stops with the runtime.
#[derive(Debug)]
pub struct TestOrigin {
    shared: Arc<Shared>,
    address: SocketAddr,
    accepting: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    state: Mutex<State>,
    /// Raised at every change of `state`.
    changed: watch::Sender<u64>,
    /// `false` while the origin is down.
    up: watch::Sender<bool>,
    /// How long each connection may rest between requests.
    rest: Mutex<Option<Rest>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

#[derive(Default)]
struct State {
    routes: Vec<(String, Handler)>,
    holds: HashMap<String, Gate>,
    counts: HashMap<String, usize>,
    seen: Vec<Seen>,
    opened: usize,
    open: usize,
}

/// Answers for a path wait until this is released.
#[derive(Debug)]
pub struct Hold {
    gate: Gate,
    path: String,
    shared: Arc<Shared>,
}

impl Hold {
    /// Lets all waiting answers go, and no longer holds later ones.
    pub fn release(self) {
        self.shared.state.lock().holds.remove(&self.path);
        self.gate.open();
    }
}

impl TestOrigin {
    /// An origin on a port of its own that answers every path with the path and a count.
    pub async fn start() -> TestOrigin {
        TestOrigin::at(([127, 0, 0, 1], 0).into()).await
    }

    /// The same at an address that the test already knows.
    pub async fn at(address: SocketAddr) -> TestOrigin {
        let mut origin = TestOrigin::unbound();
        let listener = TcpListener::bind(address).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        *origin.accepting.lock() = Some(tokio::spawn(accept(listener, Arc::clone(&origin.shared))));
        origin.address = address;
        origin
    }

    /// An origin without a port; [`TestOrigin::server`] gives it connections.
    pub fn unbound() -> TestOrigin {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: watch::Sender::new(0),
            up: watch::Sender::new(true),
            rest: Mutex::default(),
        });
        TestOrigin {
            shared,
            address: ([127, 0, 0, 1], 9).into(),
            accepting: Mutex::default(),
        }
    }

    /// A handle that serves in-memory connections from elsewhere.
    pub fn server(&self) -> impl Fn(DuplexStream) + Send + Sync + 'static {
        let shared = Arc::clone(&self.shared);
        move |pipe| {
            tokio::spawn(serve(Arc::clone(&shared), Wire::from(pipe)));
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

    /// Scripts a path: `/x`, `POST /x`, or `/x/*` for all that begin so; the latest script counts.
    pub fn on(&self, pattern: &str, script: impl Fn(&Seen) -> Answer + Send + Sync + 'static) {
        self.shared
            .state
            .lock()
            .routes
            .push((pattern.to_owned(), Arc::new(script)));
    }

    /// Makes all later answers for exactly this path wait.
    pub fn hold(&self, path: &str) -> Hold {
        let gate = Gate::shut();
        self.shared
            .state
            .lock()
            .holds
            .insert(path.to_owned(), gate.clone());
        Hold {
            gate,
            path: path.to_owned(),
            shared: Arc::clone(&self.shared),
        }
    }

    /// Closes each connection after it has rested for as long as `rest` says.
    pub fn close_idle_after(&self, rest: impl Fn() -> Duration + Send + Sync + 'static) {
        *self.shared.rest.lock() = Some(Arc::new(rest));
    }

    /// The requests for a path so far: `/x`, or `POST /x`; queries do not count.
    pub fn requests(&self, pattern: &str) -> Vec<Seen> {
        let state = self.shared.state.lock();
        state
            .seen
            .iter()
            .filter(|seen| matches(pattern, &seen.method, seen.path()))
            .cloned()
            .collect()
    }

    /// How many requests for a path came so far.
    pub fn count(&self, pattern: &str) -> usize {
        let state = self.shared.state.lock();
        state
            .seen
            .iter()
            .filter(|seen| matches(pattern, &seen.method, seen.path()))
            .count()
    }

    /// How many requests came in all.
    pub fn total(&self) -> usize {
        self.shared.state.lock().seen.len()
    }

    /// Waits until at least `n` requests for a path have come, and gives them.
    pub async fn seen(&self, pattern: &str, n: usize) -> Vec<Seen> {
        let mut changes = self.shared.changed.subscribe();
        let what = format!("{n} requests for {pattern} at the origin");
        within(&what, changes.wait_for(|_| self.count(pattern) >= n))
            .await
            .expect("the origin lives");
        self.requests(pattern)
    }

    /// How many connections were ever opened.
    pub fn connections(&self) -> usize {
        self.shared.state.lock().opened
    }

    /// Waits until at most `n` connections are open.
    pub async fn open_at_most(&self, n: usize) {
        let mut changes = self.shared.changed.subscribe();
        let open = || self.shared.state.lock().open;
        within("connections to end", changes.wait_for(|_| open() <= n))
            .await
            .expect("the origin lives");
    }

    /// As after `kill -9`: the port refuses, open connections are reset.
    pub async fn down(&self) {
        let accepting = self.accepting.lock().take();
        if let Some(accepting) = accepting {
            accepting.abort();
            let _ = accepting.await;
        }
        self.shared.up.send_replace(false);
        self.open_at_most(0).await;
    }

    /// Comes back on the same port.
    pub async fn up(&self) {
        self.shared.up.send_replace(true);
        let listener = TcpListener::bind(self.address).await.expect("the same port");
        *self.accepting.lock() = Some(tokio::spawn(accept(listener, Arc::clone(&self.shared))));
    }
}

impl Drop for TestOrigin {
    fn drop(&mut self) {
        if let Some(accepting) = self.accepting.lock().take() {
            accepting.abort();
        }
    }
}

impl Shared {
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.state.lock());
        self.changed.send_modify(|n| *n += 1);
        result
    }

    /// Records a request; its answer, and what holds it.
    fn record(&self, mut seen: Seen) -> (Seen, Answer, Option<Gate>) {
        let (seen, handler, hold) = self.change(|state| {
            let path = seen.path().to_owned();
            let count = state.counts.entry(path.clone()).or_default();
            seen.before = *count;
            *count += 1;
            state.seen.push(seen.clone());
            let script = state
                .routes
                .iter()
                .rev()
                .find(|(pattern, _)| matches(pattern, &seen.method, &path));
            let handler = script.map(|(_, handler)| Arc::clone(handler));
            (seen, handler, state.holds.get(&path).cloned())
        });
        let answer = match handler {
            Some(handler) => handler(&seen),
            None => Answer::ok(format!("{} {}", seen.path(), seen.before)),
        };
        (seen, answer, hold)
    }
}

fn matches(pattern: &str, method: &str, path: &str) -> bool {
    let (wanted, pattern) = pattern.split_once(' ').unwrap_or((method, pattern));
    wanted == method
        && match pattern.strip_suffix('*') {
            Some(beginning) => path.starts_with(beginning),
            None => path == pattern,
        }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((socket, _)) = listener.accept().await {
        tokio::spawn(serve(Arc::clone(&shared), Wire::from(socket)));
    }
}

async fn serve(shared: Arc<Shared>, mut wire: Wire) {
    let number = shared.change(|state| {
        state.opened += 1;
        state.open += 1;
        state.opened - 1
    });
    let mut up = shared.up.subscribe();
    let after = tokio::select! {
        after = conversation::hold(&shared, &mut wire, number) => after,
        _ = up.wait_for(|up| !up) => conversation::After::Reset,
    };
    match after {
        conversation::After::Reset => wire.reset(),
        conversation::After::Close => wire.shutdown().await,
    }
    shared.change(|state| state.open -= 1);
}

/// What content follows a request's head.
fn request_content(head: &super::wire::Head) -> Left {
    head.framing(Left::Done).unwrap_or(Left::Done)
}
