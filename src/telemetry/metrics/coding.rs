//! The counters of compression.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Recorder};

use super::names::{
    COMPRESSION_BYTES, COMPRESSION_DURATION, COMPRESSION_JOBS, COMPRESSION_RATIO, COMPRESSION_SAVED, DECODED,
};
use super::{METADATA, Metrics, key, record};
use crate::fields::coding::Coding;

/// When content is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// Quickly, for whoever asked first.
    First,
    /// Better, in the background.
    Later,
    /// On its way, for one client.
    Stream,
}

impl Pass {
    const COUNT: usize = 3;

    const fn word(self) -> &'static str {
        match self {
            Pass::First => "first",
            Pass::Later => "later",
            Pass::Stream => "stream",
        }
    }
}

/// How undoing a coding for a client ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decoding {
    /// At its end.
    Done,
    /// It was not in that coding.
    Corrupt,
    /// Past `limits.decoded_body`.
    TooLong,
}

impl Decoding {
    const COUNT: usize = 3;

    const fn word(self) -> &'static str {
        match self {
            Decoding::Done => "done",
            Decoding::Corrupt => "corrupt",
            Decoding::TooLong => "too_long",
        }
    }
}

/// What is counted, by coding. Made when first used.
#[derive(Default)]
pub(super) struct CodingCells([CodingCell; Coding::ALL.len()]);

#[derive(Default)]
struct CodingCell {
    jobs: [OnceLock<Counter>; Pass::COUNT],
    duration: [OnceLock<Histogram>; Pass::COUNT],
    bytes: [OnceLock<Counter>; 2],
    sums: [AtomicU64; 2],
    ratio: OnceLock<Gauge>,
    saved: OnceLock<Counter>,
    decoded: [OnceLock<Counter>; Decoding::COUNT],
}

impl Metrics {
    /// Counts content that was coded: `read` bytes into `written`, with so much time spent on it.
    pub fn coded(&self, coding: Coding, pass: Pass, (read, written): (u64, u64), took: Duration) {
        let Some(cell) = self.coding.0.get(coding as usize) else {
            return;
        };
        let labels = [("coding", coding.word()), ("pass", pass.word())];
        if let Some(jobs) = cell.jobs.get(pass as usize) {
            self.count(jobs, COMPRESSION_JOBS, &labels).increment(1);
        }
        let register = || {
            let key = key(COMPRESSION_DURATION, &labels);
            self.recorder.register_histogram(&key, &METADATA)
        };
        record(cell.duration.get(pass as usize), register, took);
        let mut sums = [0.0; 2];
        let sides = [("in", read), ("out", written)];
        for (((count, total), sum), (side, bytes)) in
            cell.bytes.iter().zip(&cell.sums).zip(&mut sums).zip(sides)
        {
            let labels = [("coding", coding.word()), ("direction", side)];
            self.count(count, COMPRESSION_BYTES, &labels).increment(bytes);
            *sum = (total.fetch_add(bytes, Ordering::Relaxed) + bytes) as f64;
        }
        let [read, written] = sums;
        if read > 0.0 {
            let register = || {
                let key = key(COMPRESSION_RATIO, &[("coding", coding.word())]);
                self.recorder.register_gauge(&key, &METADATA)
            };
            cell.ratio.get_or_init(register).set(written / read);
        }
    }

    /// Counts bytes that a client was spared.
    pub fn coding_saved(&self, coding: Coding, bytes: u64) {
        if let Some(cell) = self.coding.0.get(coding as usize) {
            let labels = [("coding", coding.word())];
            self.count(&cell.saved, COMPRESSION_SAVED, &labels)
                .increment(bytes);
        }
    }

    /// Counts content whose coding was undone for a client.
    pub fn decoded(&self, coding: Coding, ended: Decoding) {
        let cell = self.coding.0.get(coding as usize);
        if let Some(count) = cell.and_then(|cell| cell.decoded.get(ended as usize)) {
            let labels = [("coding", coding.word()), ("result", ended.word())];
            self.count(count, DECODED, &labels).increment(1);
        }
    }

    fn count<'c>(
        &self,
        cell: &'c OnceLock<Counter>,
        name: &'static str,
        labels: &[(&'static str, &'static str)],
    ) -> &'c Counter {
        cell.get_or_init(|| self.recorder.register_counter(&key(name, labels), &METADATA))
    }
}
