//! A steady load: mostly hits in memory, some writes, and items that one pod has fetched and the
//! other finds in Redis a moment later.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use crate::fleet::ledger::Ledger;
use crate::fleet::pod::{Came, Pod};
use crate::support::{Client, Rng};

/// Requests a second.
const RATE: f64 = 1_000.0;
/// Requests under way at most.
const WORKERS: usize = 96;
/// Items that are asked for and written to again and again.
const HOT: usize = 100;
/// The other pod asks for an item when so many later ones have been fetched.
const LATER: usize = 20;
pub(super) const ITEM_COUNT: usize = 20_000;

/// One request.
#[derive(Debug)]
pub(super) struct Asked {
    pub at: Instant,
    pub took: Duration,
    /// What was wrong, if anything was.
    pub trouble: Option<String>,
    wrong: bool,
}

impl Asked {
    pub(super) fn failed(&self) -> bool {
        self.trouble.is_some() && !self.wrong
    }

    pub(super) fn wrong(&self) -> bool {
        self.wrong
    }
}

pub(super) struct Load {
    pub pods: Vec<Pod>,
    ledger: Ledger,
    /// Requests so far.
    next: AtomicUsize,
    /// Items fetched for the first time so far.
    cold: AtomicUsize,
    over: AtomicBool,
}

impl Load {
    pub(super) fn new(pods: Vec<Pod>) -> Load {
        Load {
            ledger: Ledger::new(ITEM_COUNT, pods.len()),
            pods,
            next: AtomicUsize::new(0),
            cold: AtomicUsize::new(HOT),
            over: AtomicBool::new(false),
        }
    }

    /// Asks until [`Load::end`].
    pub(super) fn begin(self: Arc<Self>) -> JoinHandle<Vec<Asked>> {
        let began = Instant::now();
        let workers: Vec<_> = (0..WORKERS)
            .map(|_| tokio::spawn(self.clone().worker(began)))
            .collect();
        let watcher = tokio::spawn(self.clone().watch());
        tokio::spawn(async move {
            let mut all = Vec::new();
            for worker in workers {
                all.extend(worker.await.expect("a worker"));
            }
            watcher.await.expect("the watcher");
            all
        })
    }

    pub(super) fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
    }

    /// Hits in Redis so far.
    pub(super) fn redis_hits(&self) -> u64 {
        let hits = |pod: &Pod| pod.look(|larder| larder.tier().hits).unwrap_or_default();
        self.pods.iter().map(hits).sum()
    }

    async fn watch(self: Arc<Self>) {
        while !self.over.load(Ordering::SeqCst) {
            self.pods.iter().for_each(|pod| pod.tell_logged(&self.ledger));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn worker(self: Arc<Self>, began: Instant) -> Vec<Asked> {
        let mut clients: Vec<Option<Client>> = self.pods.iter().map(|_| None).collect();
        let mut all = Vec::new();
        while !self.over.load(Ordering::SeqCst) {
            let number = self.next.fetch_add(1, Ordering::SeqCst);
            let due = began + Duration::from_secs_f64(number as f64 / RATE);
            tokio::time::sleep_until(due.into()).await;
            all.push(self.ask(number, &mut clients).await);
        }
        all
    }

    async fn ask(&self, number: usize, clients: &mut [Option<Client>]) -> Asked {
        // The same load in every run.
        let mut rng = Rng::seeded(number as u64);
        let kind = rng.below(100);
        let (mut pod, mut item) = (rng.below(2) as usize, rng.below(HOT as u64) as usize);
        match kind {
            0..10 => (pod, item) = (0, self.cold.fetch_add(1, Ordering::SeqCst)),
            10..20 => {
                let fetched = self.cold.load(Ordering::SeqCst);
                (pod, item) = (1, fetched.saturating_sub(LATER).max(HOT));
            }
            _ => {}
        }
        let item = item.min(ITEM_COUNT - 1);
        let at = Instant::now();
        let (pod, client) = (&self.pods[pod], &mut clients[pod]);
        let came = if kind >= 98 {
            pod.write(client, &self.ledger, item).await
        } else {
            pod.read(client, &self.ledger, item).await
        };
        let took = at.elapsed();
        let (trouble, wrong) = match came {
            Came::Right { .. } => (None, false),
            Came::Killed => (Some("killed".to_owned()), false),
            Came::Failed(what) => (Some(what), false),
            Came::Wrong(what) => (Some(what), true),
        };
        Asked {
            at,
            took,
            trouble,
            wrong,
        }
    }
}
