//! Looks at the files that the configuration was in, and has it reloaded when they hold something
//! else.
//!
//! What they hold counts, not their times or how they are reached: Kubernetes swaps the directory
//! that they are links into, editors put another file in their place. What is found at one look and
//! still there at the next counts as written; an error is not tried again before something changes.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use super::{Reloader, Trigger};
use crate::config::SeenFile;

/// Between two looks: a change is in force within two of these, and a moment.
const PERIOD: Duration = Duration::from_secs(1);

/// Looks until `end`; not at all where there are no files.
pub(in crate::app) async fn watch(reloader: Reloader, end: impl Future<Output = ()>) {
    if !reloader.reads_files() {
        return;
    }
    let looking = async {
        let mut last = None;
        loop {
            tokio::time::sleep(PERIOD).await;
            let changed = look(&reloader).await;
            if changed.is_some() && changed == last {
                reloader.reload(Trigger::Files).await;
                last = None;
            } else {
                last = changed;
            }
        }
    };
    tokio::select! {
        () = pin!(looking) => {}
        () = end => {}
    }
}

/// The files as they are now; `None`: as they were read last, or nobody knows.
async fn look(reloader: &Reloader) -> Option<Vec<SeenFile>> {
    let read = reloader.files();
    // On a thread of its own: a network's file system may take its time.
    let looked = tokio::task::spawn_blocking(move || {
        let now: Vec<SeenFile> = read.iter().map(SeenFile::look).collect();
        (now != read).then_some(now)
    });
    looked.await.ok().flatten()
}
