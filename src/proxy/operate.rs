//! What an operator asks of the data path: purges and figures.

use super::Proxy;
use crate::admin::{PurgeError, PurgePath, PurgeReceipt, PurgeRequest, ReceiptPosition};
use crate::clock::Now;
use crate::config::Config;
use crate::invalidation::{Bounds, Event, Log, Matter, Strength, Tag};
use crate::policy::reuse::Validity;
use crate::telemetry::{self, LogFigures, MemoryFigures, OriginFigures, Snapshot, Source};

impl Proxy {
    /// The configuration in force.
    pub fn config(&self) -> Config {
        self.ruling.load().config.clone()
    }

    /// How many stored responses in memory here an event would hit: a walk, for operators only.
    fn count_hit(&self, matter: &Matter) -> u64 {
        let trial = Log::in_memory(Bounds::default());
        let before = trial.order();
        trial.append(Event::new(matter.clone(), None, Strength::Hard), self.clock.now());
        let mut hit = 0;
        self.memory.walk(|response| {
            hit += u64::from(trial.validity(&response.subject(), before) != Validity::Untouched);
        });
        hit
    }

    /// Appends a purge to the log; counts what it hits in memory where it was asked to.
    pub fn purge(&self, request: &PurgeRequest) -> Result<PurgeReceipt, PurgeError> {
        for pattern in &request.patterns {
            crate::invalidation::check_pattern(pattern).map_err(|cause| PurgeError::Pattern {
                pattern: pattern.clone(),
                cause,
            })?;
        }
        let event = Event::new(matter(request), None, strength(request.soft));
        let matched = (request.count || request.dry_run).then(|| self.count_hit(&event.matter));
        if request.dry_run {
            return Ok(PurgeReceipt {
                position: None,
                logged: false,
                matched,
            });
        }
        let receipt = self.log.append(event, self.clock.now());
        self.metrics
            .invalidated(Source::Purge, telemetry::Strength::soft(request.soft));
        let position = ReceiptPosition {
            nonce: receipt.position.nonce.to_string(),
            id: receipt.position.id.to_string(),
        };
        Ok(PurgeReceipt {
            position: Some(position),
            logged: receipt.logged,
            matched,
        })
    }

    /// The figures of everything behind the data path; those of the server are the caller's.
    pub fn snapshot(&self, started: Now) -> Snapshot {
        let now = self.clock.now();
        let (memory, log, origin) = (self.memory.stats(), self.log.stats(), self.origin.stats());
        Snapshot {
            uptime: now.mono.since(started.mono),
            started: started.wall,
            config_hash: self.ruling.load().config.hash.clone(),
            origin: OriginFigures {
                idle: origin.idle as u64,
                busy: origin.open.saturating_sub(origin.idle) as u64,
            },
            memory: MemoryFigures {
                bytes: memory.bytes,
                budget: memory.capacity,
                entries: memory.entries,
                evictions: memory.evictions,
                in_flight: memory.in_flight,
            },
            log: LogFigures {
                events: log.appended_hard + log.appended_soft,
                tags: log.exact as u64,
                patterns: log.patterns as u64,
            },
            collapsed_followers: self.flights.followers(),
            ..Snapshot::default()
        }
    }
}

fn strength(soft: bool) -> Strength {
    if soft { Strength::Soft } else { Strength::Hard }
}

/// What a purge touches, in the log's words.
fn matter(request: &PurgeRequest) -> Matter {
    let mut tags: Vec<Tag> = Vec::new();
    for text in &request.tags {
        // An operator says `--tag` for both: a tag of the templates, and a rule's name.
        tags.push(Tag::Named(text.clone()));
        tags.push(Tag::Rule(text.clone()));
    }
    tags.extend(request.paths.iter().map(|path| match path {
        PurgePath::Exact(path) => Tag::Path(crate::route::invalidation_path(path)),
        PurgePath::Under(path) => Tag::Under(crate::route::invalidation_path(path)),
    }));
    Matter {
        everything: request.all,
        tags,
        patterns: request.patterns.clone(),
    }
}
