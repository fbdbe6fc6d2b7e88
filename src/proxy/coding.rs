//! Codings of what is stored: made once, for everyone who asks meanwhile; kept beside the content,
//! given to other pods, and made better at leisure for what is asked for often.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Semaphore;

use super::{Proxy, Ruling};
use crate::body::stream::{Broken, Reader, Writer};
use crate::clock::Clock;
use crate::codec::{Encoder, Level};
use crate::fields::coding::Coding;
use crate::policy::key::CacheKey;
use crate::store::{Asked, Content, Form, Inserted, Making, Reservation, StoredResponse};
use crate::tasks::Leisure;
use crate::telemetry::Pass;

/// Content up to this is coded where it is asked for; longer content on the blocking pool. Bytes.
const SMALL: u64 = 8 * 1024;

/// How much is coded between two looks at what else there is to do, bytes.
const STEP: usize = 64 * 1024;

/// Answers in one coding after which a better one is worth its while.
const EARNED: u32 = 16;

/// How long codings are gathered before other pods are given them.
const GATHERING: Duration = Duration::from_secs(1);

/// How long content of a known length may pause before what has come of it is sent on: it is on its
/// way, and each time costs some of what compression gains.
const PAUSE: Duration = Duration::from_millis(10);

/// Who makes codings.
#[derive(Debug)]
pub(super) struct Coders {
    /// As many at a time as there are workers: the rest wait.
    quick: Arc<Semaphore>,
    leisure: Leisure<Improvement>,
}

impl Coders {
    pub(super) fn new(workers: usize) -> Self {
        Self {
            quick: Arc::new(Semaphore::new(workers.max(1))),
            leisure: Leisure::new("larder-coder", |improvement: Improvement| improvement.make()),
        }
    }
}

/// What a coding is made of, and for.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub making: Arc<Making>,
    pub key: CacheKey,
    pub coding: Coding,
    pub ruling: Arc<Ruling>,
    pub level: Level,
}

/// What asking for a coding brought.
pub(super) enum Brought {
    /// All of it.
    Whole(Content),
    /// As it is made.
    Coming(Reader),
    /// It is not to be had.
    Nothing,
}

impl Proxy {
    /// A coding of a stored response: the one that is kept, or one that is made now.
    pub(super) fn coding_of(self: &Arc<Self>, entry: &Arc<StoredResponse>, job: Job) -> Brought {
        match job.making.ask(job.coding) {
            Asked::Done(content) => Brought::Whole(content),
            Asked::Coming(reader) => Brought::Coming(reader),
            Asked::Nothing => Brought::Nothing,
            Asked::Make(writer, reader) => {
                if entry.content.len() <= SMALL {
                    let made = code(&entry.content, &job, &self.clock, |_| {});
                    let kept = self.finish_stored(&job, entry, made);
                    writer.finish(Ok(()));
                    return kept.map_or(Brought::Nothing, Brought::Whole);
                }
                let (proxy, entry) = (self.clone(), entry.clone());
                self.tasks.spawn(proxy.code_stored(entry, job, writer));
                reader.map_or(Brought::Nothing, Brought::Coming)
            }
        }
    }

    /// A coding of what a fill brings, as it comes. `known`: whether its length is.
    pub(super) fn coding_of_fill(
        self: &Arc<Self>,
        source: Reader,
        known: bool,
        job: Job,
    ) -> Result<Reader, Reader> {
        match job.making.ask(job.coding) {
            Asked::Coming(reader) => Ok(reader),
            Asked::Make(writer, Some(reader)) => {
                self.tasks
                    .spawn(self.clone().code_fill(source, known, job, writer));
                Ok(reader)
            }
            // It has been made by now, which only a hit can tell of.
            Asked::Done(_) | Asked::Nothing | Asked::Make(_, None) => Err(source),
        }
    }

    async fn code_stored(self: Arc<Self>, entry: Arc<StoredResponse>, job: Job, writer: Writer) {
        let Ok(_turn) = self.coders.quick.clone().acquire_owned().await else {
            return;
        };
        let (making, coding) = (job.making.clone(), job.coding);
        let task = move || {
            // What has not been sent by the end is held back until it is kept.
            let made = code(&entry.content, &job, &self.clock, |piece| writer.push(piece));
            let end = made.as_ref().map(|made| made.last.clone());
            if self.finish_stored(&job, &entry, made).is_none() {
                job.making.made(job.coding, None);
            }
            match end {
                Some(last) => {
                    writer.push(last);
                    writer.finish(Ok(()));
                }
                None => writer.finish(Err(Broken)),
            }
        };
        if tokio::task::spawn_blocking(task).await.is_err() {
            making.made(coding, None);
        }
    }

    /// Keeps a coding of stored content, if it is of use.
    fn finish_stored(
        self: &Arc<Self>,
        job: &Job,
        entry: &StoredResponse,
        made: Option<Made>,
    ) -> Option<Content> {
        let made = made?;
        let content = Content::from_chunks(made.pieces);
        self.metrics.coded(
            job.coding,
            Pass::First,
            (entry.content.len(), content.len()),
            made.took,
        );
        self.keep_coding(job, entry.content.len(), content.clone(), job.level);
        Some(content)
    }

    async fn code_fill(self: Arc<Self>, mut source: Reader, known: bool, job: Job, writer: Writer) {
        let patience = self.ruling_patience(&job);
        let mut room = self.memory.budget().reserve(0);
        let mut encoder = Encoder::new(job.coding, job.level);
        let (mut read, mut took, mut held) = (0_u64, Duration::ZERO, Vec::new());
        let mut unflushed = false;
        loop {
            let next = if unflushed {
                let pause = if known { PAUSE } else { Duration::ZERO };
                tokio::time::timeout(pause, source.next()).await.ok()
            } else {
                Some(source.next().await)
            };
            let data = match next {
                None => {
                    unflushed = false;
                    match encoder.flush() {
                        Ok(flushed) => self.pass_coded(flushed, &mut held, &mut room, &job, &writer),
                        Err(_) => return job.fail(&writer),
                    }
                    continue;
                }
                Some(None) => break,
                Some(Some(Err(_))) => return job.fail(&writer),
                Some(Some(Ok(data))) => data,
            };
            read += data.len() as u64;
            let began = self.clock.mono();
            let coded = if data.len() as u64 > SMALL * 4 {
                let task = tokio::task::spawn_blocking(move || {
                    let coded = encoder.push(&data);
                    (encoder, coded)
                });
                let Ok((same, coded)) = task.await else {
                    return job.fail(&writer);
                };
                encoder = same;
                coded
            } else {
                encoder.push(&data)
            };
            took += self.clock.mono().since(began);
            unflushed = true;
            let Ok(coded) = coded else {
                return job.fail(&writer);
            };
            if source.is_windowed() && room.take().is_some() {
                job.making.made(job.coding, None);
                writer.open_window();
            }
            self.pass_coded(coded, &mut held, &mut room, &job, &writer);
            if room.is_none() && !writer.room(&self.clock, patience).await {
                return writer.finish(Err(Broken));
            }
        }
        let Ok(last) = encoder.finish() else {
            return job.fail(&writer);
        };
        held.push(last.clone());
        if room.is_some() {
            let content = Content::from_chunks(held);
            self.metrics
                .coded(job.coding, Pass::First, (read, content.len()), took);
            self.keep_coding(&job, read, content, job.level);
        }
        writer.push(last);
        writer.hold(room);
        writer.finish(Ok(()));
    }

    /// Sends a piece of a coding on, and holds it while there is room.
    fn pass_coded(
        &self,
        piece: Bytes,
        held: &mut Vec<Bytes>,
        room: &mut Option<Reservation>,
        job: &Job,
        writer: &Writer,
    ) {
        if piece.is_empty() {
            return;
        }
        if let Some(some) = room {
            if some.grow(piece.len() as u64) {
                held.push(piece.clone());
            } else {
                // It goes on for those who have begun to read it.
                *room = None;
                held.clear();
                job.making.made(job.coding, None);
                writer.open_window();
            }
        }
        writer.push(piece);
    }

    fn ruling_patience(&self, job: &Job) -> Duration {
        job.ruling.config.limits.write_timeout
    }

    /// Keeps a coding beside the content that it was made of, wherever that is stored by now; gives it
    /// to other pods.
    fn keep_coding(self: &Arc<Self>, job: &Job, len: u64, content: Content, level: Level) {
        // Better the content itself than a coding that is no shorter.
        if content.len() >= len {
            return job.making.made(job.coding, None);
        }
        let form = Form {
            coding: job.coding,
            level,
            content: content.clone(),
        };
        match self.attach(job, &form) {
            Some(Inserted::Refused) => job.making.made(job.coding, None),
            // Not stored, or no more: whoever holds it still may have the coding too.
            Some(Inserted::Stored) | None => job.making.made(job.coding, Some(content)),
        }
        if self.tier.is_some() && job.making.shares() {
            self.tasks.spawn(self.clone().share_codings(job.clone()));
        }
    }

    /// Puts a coding beside its content in memory; `None` where that is not there.
    fn attach(&self, job: &Job, form: &Form) -> Option<Inserted> {
        /// Somebody else may be changing the entry; not without end.
        const TRIES: usize = 8;
        let mut attached = None;
        for _ in 0..TRIES {
            let Some(entry) = self.current(job) else {
                break;
            };
            let mut parts = entry.to_parts();
            parts.codings = parts.codings.with(form.clone());
            let renewed = Arc::new(StoredResponse::new(parts));
            attached = Some(self.memory.attach(&entry, renewed));
            if attached == Some(Inserted::Stored) {
                break;
            }
        }
        attached
    }

    /// The stored response whose content a job is about, as it stands now.
    fn current(&self, job: &Job) -> Option<Arc<StoredResponse>> {
        let slot = self.memory.peek(&job.key)?;
        let about = |entry: &&Arc<StoredResponse>| {
            entry
                .codings
                .making()
                .is_some_and(|making| Arc::ptr_eq(making, &job.making))
        };
        slot.variants().iter().find(about).cloned()
    }

    async fn share_codings(self: Arc<Self>, job: Job) {
        tokio::time::sleep(GATHERING).await;
        job.making.shared();
        if let Some(entry) = self.current(&job) {
            self.share(&job.ruling.config, &entry, None);
        }
    }

    /// Counts an answer in a coding that is kept; has a better one made where it has earned that.
    pub(super) fn note_coded_hit(
        self: &Arc<Self>,
        entry: &Arc<StoredResponse>,
        form: &Form,
        ruling: &Arc<Ruling>,
        later: Level,
    ) {
        self.metrics.coding_saved(
            form.coding,
            entry.content.len().saturating_sub(form.content.len()),
        );
        let Some(making) = entry.codings.making() else {
            return;
        };
        if making.hit(form.coding) % EARNED != 0 || rank(form.level) >= rank(later) {
            return;
        }
        let job = Job {
            making: making.clone(),
            key: entry.key.clone(),
            coding: form.coding,
            ruling: ruling.clone(),
            level: later,
        };
        self.coders.leisure.give(Improvement {
            proxy: Arc::downgrade(self),
            entry: entry.clone(),
            job,
        });
    }
}

/// Which of two levels is more work.
fn rank(level: Level) -> u8 {
    match level {
        Level::Fast => 0,
        Level::Default => 1,
        Level::Best => 2,
    }
}

impl Job {
    /// What it is made of broke off, or the codec failed.
    fn fail(&self, writer: &Writer) {
        self.making.made(self.coding, None);
        writer.finish(Err(Broken));
    }
}

/// A coding that was made.
struct Made {
    pieces: Vec<Bytes>,
    /// The last of the pieces.
    last: Bytes,
    took: Duration,
}

/// Codes content whole; gives all but the last piece to `give` as it goes.
fn code(content: &Content, job: &Job, clock: &Clock, mut give: impl FnMut(Bytes)) -> Option<Made> {
    let began = clock.mono();
    let mut encoder = Encoder::new(job.coding, job.level);
    let mut pieces = Vec::new();
    for segment in content.segments() {
        for step in segment.chunks(STEP) {
            let piece = encoder.push(step).ok()?;
            if !piece.is_empty() {
                pieces.push(piece.clone());
                give(piece);
            }
        }
    }
    let last = encoder.finish().ok()?;
    pieces.push(last.clone());
    Some(Made {
        pieces,
        last,
        took: clock.mono().since(began),
    })
}

/// A better coding of what is asked for often.
#[derive(Debug)]
struct Improvement {
    proxy: Weak<Proxy>,
    entry: Arc<StoredResponse>,
    job: Job,
}

impl Improvement {
    fn make(self) {
        let Some(proxy) = self.proxy.upgrade() else {
            return;
        };
        let present = proxy.current(&self.job);
        let form = present.as_ref().and_then(|entry| entry.form(self.job.coding));
        let outdone = form.is_none_or(|(_, form)| rank(form.level) >= rank(self.job.level));
        if outdone {
            return;
        }
        let Some(made) = code(&self.entry.content, &self.job, &proxy.clock, |_| {}) else {
            return;
        };
        let content = Content::from_chunks(made.pieces);
        let len = self.entry.content.len();
        proxy
            .metrics
            .coded(self.job.coding, Pass::Later, (len, content.len()), made.took);
        proxy.improve(&self.job, &content);
    }
}

impl Proxy {
    /// Keeps a better coding in place of the first; one that is no shorter is not kept, but what is
    /// counts as the best there is.
    fn improve(self: &Arc<Self>, job: &Job, content: &Content) {
        let Some(entry) = self.current(job) else {
            return;
        };
        let Some((_, first)) = entry.form(job.coding) else {
            return;
        };
        let better = if content.len() < first.content.len() {
            content
        } else {
            &first.content
        };
        self.keep_coding(job, entry.content.len(), better.clone(), job.level);
    }
}
