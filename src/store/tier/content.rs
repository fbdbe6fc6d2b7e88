//! Content of entries that stands in chunks of its own: read whole, each chunk verified, before any
//! of it is used. One that is missing makes a miss, never an answer that breaks off.

use std::time::Duration;

use bytes::Bytes;
use redis_rs::{Value, pipe};

use super::counts::Looked;
use super::{READING_PATIENCE, RedisTier, WRITING_PATIENCE};
use crate::policy::key::CacheKey;
use crate::redis::{Operation, commands};
use crate::store::Content;
use crate::store::frame::{self, Body, Chunks, Loaded};

/// Chunks asked for at a time.
pub(super) const AT_ONCE: u32 = 4;

impl RedisTier {
    /// The content of an entry, in memory of its own.
    pub(super) async fn content(&self, key: &CacheKey, loaded: &Loaded) -> Result<Content, Looked> {
        let chunks = match &loaded.body {
            Body::Inline(bytes) => return Ok(Content::from_chunks(vec![bytes.clone()])),
            Body::Chunked(chunks) => chunks,
        };
        // Once for the frames, once for the copy of them that is kept.
        let _room = self
            .0
            .budget
            .reserve(loaded.body.len().saturating_mul(2))
            .ok_or(Looked::NoRoom)?;
        // Boxed: few entries have chunks, and every lookup would have to carry the room.
        let chunks = Box::pin(self.chunks(key, chunks)).await;
        chunks.map(Content::from_chunks)
    }

    async fn chunks(&self, key: &CacheKey, chunks: &Chunks) -> Result<Vec<Bytes>, Looked> {
        let place = self.0.names.entry(key);
        let mut all = Vec::new();
        let mut next = 0;
        while next < chunks.count {
            let end = next.saturating_add(AT_ONCE).min(chunks.count);
            let mut commands = pipe();
            for n in next..end {
                let name = self.0.names.chunk(key, chunks.content_id, n);
                commands.add_command(commands::get_bounded(&name, frame::LONGEST_CHUNK));
            }
            let limit = self.reading_timeout();
            let reply = self
                .0
                .redis
                .ask_within(Operation::Lookup, &place, commands, limit)
                .await
                .map_err(|failure| Looked::Failed(failure.kind))?;
            for (n, value) in (next..end).zip(reply.values) {
                all.push(self.chunk(key, chunks, n, value)?);
            }
            next = end;
        }
        Ok(all)
    }

    fn chunk(
        &self,
        key: &CacheKey,
        chunks: &Chunks,
        n: u32,
        value: Result<Value, crate::redis::Failure>,
    ) -> Result<Bytes, Looked> {
        let frame = match value {
            Ok(Value::BulkString(frame)) if !frame.is_empty() => Bytes::from(frame),
            Ok(_) => return Err(Looked::Incomplete),
            Err(failure) => return Err(Looked::Failed(failure.kind)),
        };
        let chunk = frame::unpack_chunk(&frame, key, chunks.content_id, n, &self.0.sealer);
        let chunk = chunk.map_err(Looked::Corrupt)?;
        if chunk.len() as u64 == chunks.len_of(n) {
            Ok(chunk)
        } else {
            Err(Looked::Corrupt(frame::Corrupt::Malformed))
        }
    }

    /// How long reading an entry may take in all.
    pub(super) fn reading_timeout(&self) -> Duration {
        self.0.timeout.saturating_mul(READING_PATIENCE)
    }

    /// How long writing a part of an entry may take, for which nobody waits.
    pub(super) fn writing_timeout(&self) -> Duration {
        self.0.timeout.saturating_mul(WRITING_PATIENCE)
    }
}
