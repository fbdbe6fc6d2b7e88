//! Codecs for content: makes and undoes gzip, Brotli and Zstandard, a piece at a time and in bounded
//! memory. Knows nothing of HTTP but the names of the codings.

mod decoder;
mod encoder;

pub use decoder::{Decoder, Undecodable};
pub use encoder::{Encoder, memory as encoder_memory};

/// How much is given out at a time, bytes.
const PIECE: usize = 16 * 1024;

/// How much work a coding may take. What each means for a coding was chosen by measurement
/// (`make bench`): the steps after which more work gains little. The less work is the lesser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Little: while a client waits.
    Fast,
    /// The usual: some five times as much.
    Default,
    /// Much: in the background.
    Best,
}

#[cfg(test)]
mod tests;
