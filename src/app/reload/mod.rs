//! Reads the configuration again and has it taken over, whole or not at all.
//!
//! One reload at a time: who asks while one is under way waits, and all who wait share the next.
//! What is read is what the start read: file, environment, flags, and the files that these name. On
//! any error the last good configuration stays in force, and the log, the metrics and `/readyz` say
//! so until a reload succeeds.

mod tell;
mod watch;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::live::Live;
use crate::admin::{ReloadReceipt, ReloadRefusal, Reloaded};
use crate::clock::Clock;
use crate::config::{InForce, Loaded, Problem, Problems, Reading, SeenFile, Sources};
use crate::telemetry::ReloadFigures;

pub(super) use watch::watch;

/// What a start has read, for reloads to go on from.
#[derive(Debug)]
pub struct FirstRead {
    /// Where it came from.
    pub sources: Sources,
    /// The files it was in.
    pub files: Vec<SeenFile>,
    /// Whether the configuration's own file had anything in it.
    pub written: bool,
    /// What is probably not meant in it; was said already.
    pub warnings: Vec<Problem>,
}

/// Why a reload is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// SIGHUP.
    Signal,
    /// `POST /reload`.
    Request,
    /// A file has changed.
    Files,
}

impl Trigger {
    /// The word in the log.
    pub const fn word(self) -> &'static str {
        match self {
            Trigger::Signal => "SIGHUP",
            Trigger::Request => "POST /reload",
            Trigger::Files => "changed file",
        }
    }
}

/// Makes reloads; cheap to clone.
#[derive(Clone)]
pub struct Reloader(Arc<Inner>);

struct Inner {
    /// `None`: a program has given the configuration, and there is nothing to read again.
    sources: Option<Sources>,
    live: Live,
    clock: Clock,
    /// Reloads begun so far.
    begun: AtomicU64,
    /// Held by the reload that is under way.
    progress: Arc<tokio::sync::Mutex<Progress>>,
    standing: Mutex<Standing>,
}

/// What one reload leaves to the next.
struct Progress {
    /// The last one that ended: its number, and what came of it.
    last: Option<(u64, Arc<Reloaded>)>,
    /// Whether the file in force had anything in it.
    written: bool,
    /// Warnings about the configuration in force.
    warnings: Vec<Problem>,
}

/// How things stand after the last reading. Short looks only.
struct Standing {
    figures: ReloadFigures,
    /// Why the last reading was refused; `None`: it was not.
    refused: Option<String>,
    /// The files that the last reading looked at.
    files: Vec<SeenFile>,
}

impl std::fmt::Debug for Reloader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reloader")
            .field("figures", &self.figures())
            .finish_non_exhaustive()
    }
}

impl Reloader {
    pub(super) fn new(live: Live, first: Option<FirstRead>, clock: Clock) -> Self {
        let figures = ReloadFigures {
            read: clock.now().wall,
            ..ReloadFigures::default()
        };
        let (sources, files, written, warnings) = match first {
            Some(first) => (Some(first.sources), first.files, first.written, first.warnings),
            None => (None, Vec::new(), false, Vec::new()),
        };
        let progress = Progress {
            last: None,
            written,
            warnings,
        };
        Self(Arc::new(Inner {
            sources,
            live,
            clock,
            begun: AtomicU64::new(0),
            progress: Arc::new(tokio::sync::Mutex::new(progress)),
            standing: Mutex::new(Standing {
                figures,
                refused: None,
                files,
            }),
        }))
    }

    /// Reads the configuration again, or waits for someone else who begins to from now on.
    pub async fn reload(&self, trigger: Trigger) -> Arc<Reloaded> {
        let begun_before = self.0.begun.load(Ordering::Acquire);
        let mut progress = self.0.progress.clone().lock_owned().await;
        if let Some((number, reloaded)) = &progress.last
            && *number > begun_before
        {
            return reloaded.clone();
        }
        let inner = self.0.clone();
        // On a thread of its own: files may be slow, and many rules take a while to compile. It ends
        // what it has begun, also where nobody waits for it any more.
        let reloading = tokio::task::spawn_blocking(move || {
            let number = inner.begun.fetch_add(1, Ordering::AcqRel) + 1;
            let reloaded = Arc::new(inner.reload_now(&mut progress, trigger));
            progress.last = Some((number, reloaded.clone()));
            reloaded
        });
        reloading.await.unwrap_or_else(|died| {
            let defect = Problems::one(
                format!("the reload broke off: {died}"),
                None,
                "report this defect",
            );
            Arc::new(self.0.refuse(trigger, &defect))
        })
    }

    /// Figures about reloads.
    pub fn figures(&self) -> ReloadFigures {
        self.0.standing.lock().figures
    }

    /// Why the configuration as last read is not in force; `None`: it is.
    pub fn refused(&self) -> Option<String> {
        self.0.standing.lock().refused.clone()
    }

    /// The configuration that can be taken over without reading anything.
    pub(super) fn live(&self) -> &Live {
        &self.0.live
    }

    /// The files that the last reading looked at.
    fn files(&self) -> Vec<SeenFile> {
        self.0.standing.lock().files.clone()
    }

    fn reads_files(&self) -> bool {
        self.0.sources.is_some()
    }
}

impl Inner {
    fn reload_now(&self, progress: &mut Progress, trigger: Trigger) -> Reloaded {
        let Some(sources) = &self.sources else {
            return Reloaded::NothingToRead;
        };
        let Reading {
            result,
            files,
            written,
        } = sources.read_again(InForce {
            store: self.live.proxy.config().store,
            written: progress.written,
        });
        self.standing.lock().files = files;
        let Loaded { config, warnings } = match result {
            Ok(loaded) => loaded,
            Err(problems) => return self.refuse(trigger, &problems),
        };
        let hash = config.hash.clone();
        let changes = match self.live.take_over(config) {
            Ok(changes) => changes,
            Err(error) => {
                let fix = "write a level such as info, or info,larder::proxy=debug";
                return self.refuse(trigger, &Problems::one(error.to_string(), None, fix));
            }
        };
        progress.written = written;
        let applied = !changes.is_empty();
        let succeeded = |figures: &mut ReloadFigures| {
            figures.applied += u64::from(applied);
            figures.unchanged += u64::from(!applied);
            figures.successful = true;
        };
        self.stand(succeeded, None);
        tell::in_force(trigger, &hash, &changes);
        tell::new_warnings(&progress.warnings, &warnings);
        let said = warnings.iter().map(tell::in_one_line).collect();
        progress.warnings = warnings;
        Reloaded::InForce(Box::new(ReloadReceipt {
            applied,
            hash,
            changes,
            warnings: said,
        }))
    }

    fn refuse(&self, trigger: Trigger, problems: &Problems) -> Reloaded {
        let detail = tell::refused(trigger, problems);
        let failed = |figures: &mut ReloadFigures| {
            figures.refused += 1;
            figures.successful = false;
        };
        self.stand(failed, Some(detail.clone()));
        Reloaded::Refused(ReloadRefusal {
            detail,
            report: problems.render(false),
        })
    }

    fn stand(&self, count: impl FnOnce(&mut ReloadFigures), refused: Option<String>) {
        let now = self.clock.now().wall;
        let mut standing = self.standing.lock();
        count(&mut standing.figures);
        standing.figures.read = now;
        standing.refused = refused;
    }
}
