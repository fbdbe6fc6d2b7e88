//! Undoes a coding, a piece at a time: whatever the input claims, no more than a piece is held.

use std::fmt;

use bytes::{Buf, Bytes};
use compression_codecs::core::util::{PartialBuffer, WriteBuffer};
use compression_codecs::zstd::params::DParameter;
use compression_codecs::{BrotliDecoder, DecodeV2, GzipDecoder, ZstdDecoder};

use super::PIECE;
use crate::fields::coding::Coding;

/// Largest window that is decoded, as a power of two (RFC 9659): what needs more is refused.
const WINDOW: u32 = 23;

/// Why content could not be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Undecodable {
    /// It is not what its coding says, or ends early.
    #[error("the content is not in the coding that it is said to be in")]
    Corrupt,
    /// It grew past the cap.
    #[error("the decoded content is longer than `limits.decoded_body`")]
    TooLong,
}

/// A decoder under way.
pub struct Decoder {
    inner: Box<dyn DecodeV2 + Send>,
    coding: Coding,
    /// Bytes that may still come out.
    left: u64,
    /// Whether the end of a member or frame was the last that was read.
    ended: bool,
    began: bool,
    /// Whether the last piece was full: more may come without more input.
    full: bool,
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder")
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

impl Decoder {
    /// Begins to undo a coding; `cap` bytes may come out of it.
    pub fn new(coding: Coding, cap: u64) -> Self {
        let inner: Box<dyn DecodeV2 + Send> = match coding {
            Coding::Gzip => Box::new(GzipDecoder::new()),
            Coding::Br => Box::new(BrotliDecoder::new()),
            Coding::Zstd => Box::new(ZstdDecoder::new_with_params(&[DParameter::window_log_max(
                WINDOW,
            )])),
        };
        Self {
            inner,
            coding,
            left: cap,
            ended: false,
            began: false,
            full: false,
        }
    }

    /// The next piece of what `input` holds, of which it takes what it has read; empty when it needs
    /// more input.
    pub fn pull(&mut self, input: &mut Bytes) -> Result<Bytes, Undecodable> {
        let mut piece = vec![0; PIECE];
        let mut written = 0;
        while written == 0 {
            if input.is_empty() && !self.full {
                return Ok(Bytes::new());
            }
            if self.ended && !input.is_empty() {
                // Members and frames may follow each other; Brotli has but one.
                if self.coding == Coding::Br {
                    return Err(Undecodable::Corrupt);
                }
                self.inner.reinit().map_err(|_| Undecodable::Corrupt)?;
                self.ended = false;
            }
            let mut out = WriteBuffer::new_initialized(&mut piece);
            if input.is_empty() && self.coding == Coding::Gzip {
                // What did not fit into the last piece. The others tell their end only when decoding.
                self.inner.flush(&mut out).map_err(|_| Undecodable::Corrupt)?;
            } else {
                self.began |= !input.is_empty();
                let mut from = PartialBuffer::new(&input[..]);
                let decoded = self.inner.decode(&mut from, &mut out);
                let read = from.written_len();
                self.ended = decoded.map_err(|_| Undecodable::Corrupt)?;
                if read == 0 && out.written_len() == 0 && !self.ended && !input.is_empty() {
                    return Err(Undecodable::Corrupt);
                }
                input.advance(read);
            }
            written = out.written_len();
            self.full = written == PIECE && !self.ended;
        }
        self.left = self
            .left
            .checked_sub(written as u64)
            .ok_or(Undecodable::TooLong)?;
        piece.truncate(written);
        Ok(piece.into())
    }

    /// That the input may end here. Nothing at all is nothing in any coding.
    pub fn finish(&self) -> Result<(), Undecodable> {
        if self.ended || !self.began {
            Ok(())
        } else {
            Err(Undecodable::Corrupt)
        }
    }
}
