//! Makes a coding, a piece at a time.

use std::fmt;
use std::io;

use bytes::{Bytes, BytesMut};
use compression_codecs::brotli::params::EncoderParams;
use compression_codecs::core::Level as Quality;
use compression_codecs::core::util::{PartialBuffer, WriteBuffer};
use compression_codecs::zstd::params::CParameter;
use compression_codecs::{BrotliEncoder, EncodeV2, GzipEncoder, ZstdEncoder};

use super::{Level, PIECE};
use crate::fields::coding::Coding;

/// Largest window of Brotli and Zstandard, as a power of two: content is seldom longer, and a decoder
/// needs no more than 1 MiB for what was made here.
const WINDOW: u8 = 20;

/// The window for content of unknown length, which is mostly short, and of which many may be under
/// way at once.
const STREAM_WINDOW: u8 = 17;

/// The smallest window that all codings know.
const LEAST_WINDOW: u8 = 10;

const KIB: u64 = 1024;

/// About how much memory an encoder takes, bytes: what is set aside for one.
pub const fn memory(coding: Coding, level: Level) -> u64 {
    match (coding, level) {
        (Coding::Gzip, _) => 384 * KIB,
        (Coding::Br | Coding::Zstd, Level::Fast) => 1024 * KIB,
        (Coding::Br | Coding::Zstd, Level::Default | Level::Best) => 8 * 1024 * KIB,
    }
}

/// A window that holds all of the content, within bounds.
fn window(length: Option<u64>) -> u8 {
    match length {
        None => STREAM_WINDOW,
        Some(length) => {
            let bits = u64::BITS - length.saturating_sub(1).leading_zeros();
            u8::try_from(bits).map_or(WINDOW, |bits| bits.clamp(LEAST_WINDOW, WINDOW))
        }
    }
}

/// An encoder under way.
pub struct Encoder {
    inner: Box<dyn EncodeV2 + Send>,
    out: BytesMut,
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder").finish_non_exhaustive()
    }
}

impl Encoder {
    /// Begins a coding of content of this length, if that is known.
    pub fn new(coding: Coding, level: Level, length: Option<u64>) -> Self {
        let window = window(length);
        let inner: Box<dyn EncodeV2 + Send> = match coding {
            Coding::Gzip => {
                let quality = match level {
                    Level::Fast => 3,
                    Level::Default => 6,
                    // Level 9 takes longer, and is no shorter.
                    Level::Best => 8,
                };
                Box::new(GzipEncoder::new(Quality::Precise(quality).into()))
            }
            Coding::Br => {
                let quality = match level {
                    Level::Fast => 4,
                    Level::Default => 6,
                    Level::Best => 9,
                };
                let params = EncoderParams::default().quality(Quality::Precise(quality));
                Box::new(BrotliEncoder::new(params.window_size(window.into())))
            }
            Coding::Zstd => {
                let quality = match level {
                    Level::Fast => 3,
                    Level::Default => 6,
                    Level::Best => 12,
                };
                let window = CParameter::window_log(window.into());
                Box::new(ZstdEncoder::new_with_params(quality, &[window]))
            }
        };
        Self {
            inner,
            out: BytesMut::new(),
        }
    }

    /// Codes `input`; what has come out by now, which may be nothing yet.
    pub fn push(&mut self, input: &[u8]) -> io::Result<Bytes> {
        let mut input = PartialBuffer::new(input);
        while !input.unwritten().is_empty() {
            let inner = &mut self.inner;
            write(&mut self.out, |out| inner.encode(&mut input, out))?;
        }
        Ok(self.out.split().freeze())
    }

    /// Everything that was pushed, so that the other end can decode it all now.
    pub fn flush(&mut self) -> io::Result<Bytes> {
        let inner = &mut self.inner;
        while !write(&mut self.out, |out| inner.flush(out))? {}
        Ok(self.out.split().freeze())
    }

    /// Ends the coding; the last of it.
    pub fn finish(&mut self) -> io::Result<Bytes> {
        let inner = &mut self.inner;
        while !write(&mut self.out, |out| inner.finish(out))? {}
        Ok(self.out.split().freeze())
    }
}

/// Has something written behind what is there already.
fn write<T>(out: &mut BytesMut, f: impl FnOnce(&mut WriteBuffer<'_>) -> io::Result<T>) -> io::Result<T> {
    let start = out.len();
    out.resize(start + PIECE, 0);
    let (done, written) = {
        let mut buffer = WriteBuffer::new_initialized(out.get_mut(start..).unwrap_or_default());
        let done = f(&mut buffer);
        (done, buffer.written_len())
    };
    out.truncate(start + written);
    done
}
