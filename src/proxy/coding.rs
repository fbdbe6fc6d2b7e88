//! Codings of what is stored: made once, for everyone who asks meanwhile; kept beside the content,
//! given to other pods, and made better at leisure for what is asked for often.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Semaphore;

use super::{Proxy, Ruling};
use crate::body::stream::{Broken, Reader, Writer};
use crate::clock::Clock;
use crate::codec::{Encoder, Level, encoder_memory};
use crate::fields::coding::Coding;
use crate::policy::key::CacheKey;
use crate::store::{Asked, Content, Form, Making, NewCoding, Promise, Promised, Reservation, StoredResponse};
use crate::tasks::Leisure;
use crate::telemetry::Pass;

/// Content up to this is coded where it is asked for; longer content on the blocking pool. Bytes.
const SMALL: u64 = 8 * 1024;

/// How much is coded between two looks at what else there is to do, bytes.
const STEP: usize = 32 * 1024;

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
    /// As many at a time as there are workers. Nobody waits for a place: what is not coded now is
    /// sent as it is.
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
    /// All of it, and the response that it stands beside.
    Whole(Arc<StoredResponse>, Content),
    /// As it is made.
    Coming(Reader),
    /// Whole, in a moment.
    Promised(Promised),
    /// It is not to be had now.
    Nothing,
}

impl Proxy {
    /// Memory for one encoder; `None` where fills and codings hold too much.
    pub(super) fn encoder_room(&self, coding: Coding, level: Level) -> Option<Reservation> {
        self.memory.budget().reserve(encoder_memory(coding, level))
    }

    /// A coding of a stored response: the one that is kept, or one that is made now.
    pub(super) fn coding_of(self: &Arc<Self>, entry: &Arc<StoredResponse>, job: Job) -> Brought {
        match job.making.ask(job.coding) {
            Asked::Kept => self.kept(&job),
            Asked::Coming(reader) => Brought::Coming(reader),
            Asked::Promised(promised) => Brought::Promised(promised),
            Asked::Nothing => Brought::Nothing,
            Asked::Make => self.make(entry, job),
        }
    }

    /// A coding that whoever asks has not seen yet: it holds an older copy of the response.
    fn kept(&self, job: &Job) -> Brought {
        let present = self.current(job);
        let content = present
            .as_ref()
            .and_then(|entry| entry.form(job.coding))
            .map(|(_, form)| form.content.clone());
        match present.zip(content) {
            Some((entry, content)) => Brought::Whole(entry, content),
            // The response has left the memory since, or lost its codings: the next who asks makes it.
            None => {
                job.making.forget(job.coding);
                Brought::Nothing
            }
        }
    }

    fn make(self: &Arc<Self>, entry: &Arc<StoredResponse>, job: Job) -> Brought {
        if entry.content.len() <= SMALL {
            let Some((promise, _)) = job.making.promise(job.coding) else {
                return Brought::Nothing;
            };
            let Some(room) = self.memory.budget().reserve(0) else {
                return Brought::Nothing;
            };
            let made = self.code_stored(entry, &job, room).settle(promise);
            return made.map_or(Brought::Nothing, |made| {
                let beside = made.beside.as_ref().unwrap_or(entry);
                Brought::Whole(beside.clone(), made.content.clone())
            });
        }
        let room = self.encoder_room(job.coding, job.level);
        let place = self.coders.quick.clone().try_acquire_owned();
        let (Some(room), Ok(place)) = (room, place) else {
            return Brought::Nothing;
        };
        let Some((promise, promised)) = job.making.promise(job.coding) else {
            return Brought::Nothing;
        };
        let (proxy, entry) = (self.clone(), entry.clone());
        self.tasks.spawn(async move {
            let task = move || {
                let outcome = proxy.code_stored(&entry, &job, room);
                // Who hears of the one coding may ask for the next.
                drop(place);
                outcome.settle(promise);
            };
            // A job that panics breaks its promise, and the next who asks makes another.
            drop(tokio::task::spawn_blocking(task).await);
        });
        Brought::Promised(promised)
    }

    /// Codes stored content whole, within `room`, and keeps the coding beside it.
    fn code_stored(self: &Arc<Self>, entry: &StoredResponse, job: &Job, mut room: Reservation) -> Outcome {
        let Some((content, took)) = code(&entry.content, job, &self.clock, &mut room) else {
            return Outcome::NoRoom;
        };
        let len = entry.content.len();
        self.metrics
            .coded(job.coding, Pass::First, (len, content.len()), took);
        // Better the content itself than a coding that is no shorter.
        if content.len() >= len {
            return Outcome::Useless;
        }
        let beside = self.attach(job, content.clone(), job.level);
        room.shrink(content.len());
        Outcome::Made(NewCoding {
            room: Some(room).filter(|_| beside.is_none()),
            content,
            beside,
        })
    }

    /// A coding of what a fill brings, as it comes; the source back where there is none to be had.
    /// `length`: its own, if that is known.
    pub(super) fn coding_of_fill(
        self: &Arc<Self>,
        source: Reader,
        length: Option<u64>,
        job: Job,
    ) -> Result<Reader, Reader> {
        match job.making.ask(job.coding) {
            Asked::Coming(reader) => Ok(reader),
            Asked::Make => {
                let Some(room) = self.encoder_room(job.coding, job.level) else {
                    return Err(source);
                };
                let Some((writer, reader)) = job.making.stream(job.coding) else {
                    return Err(source);
                };
                let coder = FillCoder {
                    encoder: Encoder::new(job.coding, job.level, length),
                    known: length.is_some(),
                    held: Vec::new(),
                    room: Some(room),
                    read: 0,
                    written: 0,
                    took: Duration::ZERO,
                    job,
                    writer,
                };
                self.tasks.spawn(self.clone().code_fill(source, coder));
                Ok(reader)
            }
            // It has been made by now, which only a hit can tell of.
            Asked::Kept | Asked::Promised(_) | Asked::Nothing => Err(source),
        }
    }

    async fn code_fill(self: Arc<Self>, mut source: Reader, mut coder: FillCoder) {
        let patience = coder.job.ruling.config.limits.write_timeout;
        let mut unflushed = false;
        loop {
            let pause = if coder.known { PAUSE } else { Duration::ZERO };
            let data = tokio::select! {
                biased;
                next = source.next() => match next {
                    None => return self.end_fill_coding(coder),
                    Some(Err(_)) => return coder.fail(),
                    Some(Ok(data)) => data,
                },
                () = tokio::time::sleep(pause), if unflushed => {
                    unflushed = false;
                    match coder.encoder.flush() {
                        Ok(flushed) => coder.pass(flushed),
                        Err(_) => return coder.fail(),
                    }
                    continue;
                }
                // Nobody reads it any more: the fill must not be taken for one that somebody awaits.
                () = coder.writer.abandoned() => {
                    coder.job.making.forget(coder.job.coding);
                    // Somebody may have come in between.
                    if coder.writer.is_read() {
                        continue;
                    }
                    return;
                }
            };
            if source.is_windowed() {
                // It is not being stored, so neither is its coding.
                coder.let_go();
            }
            for step in data.chunks(STEP) {
                if coder.push(step, &self.clock).is_err() {
                    return coder.fail();
                }
                tokio::task::yield_now().await;
            }
            unflushed = true;
            if coder.room.is_none() && !coder.writer.room(&self.clock, patience).await {
                return coder.fail();
            }
        }
    }

    fn end_fill_coding(self: &Arc<Self>, mut coder: FillCoder) {
        let Ok(last) = coder.encoder.finish() else {
            return coder.fail();
        };
        coder.held.push(last.clone());
        let job = &coder.job;
        if let Some(room) = &mut coder.room {
            let content = Content::from_chunks(std::mem::take(&mut coder.held));
            let len = content.len();
            self.metrics
                .coded(job.coding, Pass::First, (coder.read, len), coder.took);
            let beside = if len < coder.read {
                self.attach(job, content, job.level)
            } else {
                None
            };
            if beside.is_some() {
                job.making.kept(job.coding);
            } else {
                job.making.give_up(job.coding);
            }
            room.shrink(len);
        } else {
            self.metrics
                .coded(job.coding, Pass::Stream, (coder.read, coder.written), coder.took);
        }
        coder.writer.push(last);
        coder.writer.hold(coder.room.take());
        coder.writer.finish(Ok(()));
    }

    /// Keeps a coding beside the content that it was made of, if that is stored and there is room; gives
    /// it to other pods. The response with it.
    fn attach(self: &Arc<Self>, job: &Job, content: Content, level: Level) -> Option<Arc<StoredResponse>> {
        let form = Form {
            coding: job.coding,
            level,
            content,
        };
        let attached = self.memory.attach(&*self.current(job)?, form)?;
        if self.tier.is_some() && job.making.shares() {
            self.tasks.spawn(self.clone().share_codings(job.clone()));
        }
        Some(attached)
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
        if making.hit(form.coding) % EARNED != 0 || form.level >= later {
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

/// What an attempt at a coding came to.
enum Outcome {
    /// It is there.
    Made(NewCoding),
    /// It is no shorter than what it was made of.
    Useless,
    /// There was no memory for it.
    NoRoom,
}

impl Outcome {
    /// Tells everyone who waits; what was made, if anything was.
    fn settle(self, promise: Promise) -> Option<Arc<NewCoding>> {
        match self {
            Outcome::Made(coded) => Some(promise.fulfil(coded)),
            Outcome::Useless => {
                promise.give_up();
                None
            }
            // Dropped, the promise leaves the duty to the next who asks.
            Outcome::NoRoom => None,
        }
    }
}

/// The coding of what a fill brings, under way.
struct FillCoder {
    job: Job,
    encoder: Encoder,
    writer: Writer,
    /// Whether the content's length is known.
    known: bool,
    /// What has come of it, to be kept.
    held: Vec<Bytes>,
    /// For what is held, and the encoder; `None`: nothing is held any more.
    room: Option<Reservation>,
    read: u64,
    written: u64,
    took: Duration,
}

impl FillCoder {
    fn push(&mut self, data: &[u8], clock: &Clock) -> std::io::Result<()> {
        let began = clock.mono();
        let coded = self.encoder.push(data)?;
        self.took += clock.mono().since(began);
        self.read += data.len() as u64;
        self.pass(coded);
        Ok(())
    }

    /// Sends a piece on, and holds it while there is room.
    fn pass(&mut self, piece: Bytes) {
        if piece.is_empty() {
            return;
        }
        self.written += piece.len() as u64;
        let grown = self.room.as_mut().map(|room| room.grow(piece.len() as u64));
        match grown {
            Some(true) => self.held.push(piece.clone()),
            // It goes on for those who have begun to read it.
            Some(false) => self.let_go(),
            None => {}
        }
        self.writer.push(piece);
    }

    /// The coding will not be kept: it passes through.
    fn let_go(&mut self) {
        if self.room.take().is_some() {
            self.held.clear();
            self.job.making.give_up(self.job.coding);
            self.writer.open_window();
        }
    }

    /// What it is made of broke off, or the codec failed.
    fn fail(self) {
        self.job.making.give_up(self.job.coding);
        self.writer.finish(Err(Broken));
    }
}

/// Codes content whole, within `room`; `None` where that is too little, or the codec fails.
fn code(content: &Content, job: &Job, clock: &Clock, room: &mut Reservation) -> Option<(Content, Duration)> {
    let began = clock.mono();
    let mut encoder = Encoder::new(job.coding, job.level, Some(content.len()));
    let mut pieces = Vec::new();
    let mut keep = |piece: Bytes| {
        let kept = room.grow(piece.len() as u64);
        pieces.push(piece);
        kept.then_some(())
    };
    for segment in content.segments() {
        for step in segment.chunks(STEP) {
            keep(encoder.push(step).ok()?)?;
        }
    }
    keep(encoder.finish().ok()?)?;
    Some((Content::from_chunks(pieces), clock.mono().since(began)))
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
        let job = &self.job;
        let present = proxy.current(job);
        let form = present.as_ref().and_then(|entry| entry.form(job.coding));
        let Some((_, first)) = form.filter(|(_, form)| form.level < job.level) else {
            return;
        };
        let Some(mut room) = proxy.encoder_room(job.coding, job.level) else {
            return;
        };
        let Some((content, took)) = code(&self.entry.content, job, &proxy.clock, &mut room) else {
            return;
        };
        let len = self.entry.content.len();
        proxy
            .metrics
            .coded(job.coding, Pass::Later, (len, content.len()), took);
        // One that is no shorter is not kept, but what is counts as the best there is.
        let better = if content.len() < first.content.len() {
            content
        } else {
            first.content.clone()
        };
        proxy.attach(job, better, job.level);
    }
}
