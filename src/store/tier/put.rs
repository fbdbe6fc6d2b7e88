//! Writes entries behind the answer: bounded in bytes by what is free of the memory budget, dropped
//! and counted beyond it. Nothing depends on when a write lands (rule 17).

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use redis_rs::{Value, pipe};

use super::content::AT_ONCE;
use super::counts::Put;
use super::{HeldLease, RedisTier};
use crate::invalidation::{EventId, Position};
use crate::policy::key::CacheKey;
use crate::redis::{Failure, Operation, commands};
use crate::store::frame::{self, Packed, Written};
use crate::store::{Reservation, StoredResponse};

/// How long an entry stays for validation after it is of no other use, at least and at most; in
/// between, as long as it was fresh.
const FOR_VALIDATION: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(3600));

/// How much longer than its entry a chunk lives, so that none is missing before the entry is gone.
const CHUNK_LIVES_ON: Duration = Duration::from_secs(60);

/// What is on its way to Redis takes at most one part in this many of what fills may take together.
const SHARE: u64 = 4;

/// What the end of a frame's fixed beginning says of chunks, bytes: content id and number.
const REPLACED: usize = 20;

/// What an entry takes beside its content, at most, bytes; more is counted when it is known.
const HEAD: u64 = 8 * 1024;

impl RedisTier {
    /// Writes a response in the background, if it is one that other pods may use; gives `lease` up once
    /// it is there.
    pub fn put(&self, response: &Arc<StoredResponse>, lease: Option<HeldLease>) {
        let lives = self.retention(response);
        let Some(position) = self.usable(response).filter(|_| !lives.is_zero()) else {
            return release_all(lease);
        };
        // A share of what fills may take: a slow Redis must not keep answers out of memory. One may
        // always be on its way, however large.
        let (bytes, most) = (response.content.len() + HEAD, self.0.budget.limit() / SHARE);
        let writing = self.0.counts.writing.load(Ordering::Relaxed);
        let fits = writing == 0 || writing + bytes <= most;
        let Some(room) = self.0.budget.reserve(bytes).filter(|_| fits) else {
            self.0.counts.put(Put::Dropped);
            return release_all(lease);
        };
        let writing = Writing::new(self, bytes);
        let (tier, response) = (self.clone(), response.clone());
        self.0.tasks.spawn(async move {
            let put = tier.write(&response, position, lives, room).await;
            drop(writing);
            tier.0.counts.put(put);
            match put {
                // Given up: whoever waits finds the entry.
                Put::Done | Put::Outdated => drop(lease),
                Put::Dropped | Put::Failed => release_all(lease),
            }
        });
    }

    /// Removes what is stored under a key for everyone.
    pub fn remove(&self, response: &StoredResponse) {
        let names = &self.0.names;
        let gone = if response.selecting.fields.is_empty() {
            names.entry(&response.key)
        } else {
            names.variant(&response.key, &response.selecting)
        };
        let (tier, key) = (self.clone(), response.key.clone());
        self.0.tasks.spawn(async move {
            let place = gone.as_slice();
            let mut commands = pipe();
            commands
                .add_command(commands::get_bounded(place, commands::FIXED))
                .add_command(commands::unlink([place]));
            // Where it fails, the entry is validated until it lapses, as it was before.
            let reply = tier.0.redis.ask(Operation::Store, place, commands).await;
            if let Ok(reply) = reply
                && let Some(Ok(Value::BulkString(beginning))) = reply.values.first()
            {
                let chunks = beginning.get(commands::FIXED - REPLACED..).unwrap_or_default();
                tier.drop_chunks(&key, chunks).await;
            }
        });
    }

    /// The mark of a response that other pods may use: whole, and fetched in the present session.
    fn usable(&self, response: &StoredResponse) -> Option<Position> {
        let position = response.mark.position?;
        let session = self.0.log.session()?;
        let present = position.nonce == session.nonce && position.id != EventId::default();
        (present && response.content.is_whole()).then_some(position)
    }

    /// How long an entry is of use: what is left of its freshness, its stale windows, and time for
    /// validation if it can be validated.
    fn retention(&self, response: &StoredResponse) -> Duration {
        let terms = &response.terms;
        let age = response.times.current_age(self.0.clock.now());
        let windows = if terms.never_stale {
            Duration::ZERO
        } else {
            terms.stale_while_revalidate.max(terms.stale_if_error)
        };
        let useful = terms.lifetime.saturating_add(windows).saturating_sub(age);
        if response.validator() {
            let (least, most) = FOR_VALIDATION;
            useful.saturating_add(terms.lifetime.clamp(least, most))
        } else {
            useful
        }
    }

    async fn write(
        &self,
        response: &StoredResponse,
        position: Position,
        lives: Duration,
        mut room: Reservation,
    ) -> Put {
        let now = self.0.clock.now();
        let written = Written {
            age: response.times.current_age(now),
            wall: now.wall,
            retention: lives,
            content_id: content_id(),
        };
        let packed = frame::pack(response, written, &self.0.sealer);
        // A longer one would be cut when it is read.
        let Some(packed) = packed.filter(|packed| packed.head.len() <= frame::LONGEST) else {
            return Put::Failed;
        };
        let bytes = packed.head.len() + packed.chunks.iter().map(Vec::len).sum::<usize>();
        let surplus = (bytes as u64).saturating_sub(room.bytes());
        if surplus > 0 && !room.grow(surplus) {
            return Put::Dropped;
        }
        let chunks = u32::try_from(packed.chunks.len()).unwrap_or(u32::MAX);
        let put = self.send(response, position, written, packed).await;
        let put = put.unwrap_or(Put::Failed);
        if put != Put::Done {
            // Nothing leads to them.
            self.unlink_chunks(&response.key, written.content_id, chunks)
                .await;
        }
        put
    }

    /// Chunks first, then the entry, then what leads to it.
    async fn send(
        &self,
        response: &StoredResponse,
        position: Position,
        written: Written,
        packed: Packed,
    ) -> Result<Put, Failure> {
        let (key, lives) = (&response.key, written.retention);
        let names = &self.0.names;
        let place = names.entry(key);
        for (group, chunks) in packed.chunks.chunks(AT_ONCE as usize).enumerate() {
            let mut commands = pipe();
            for (n, chunk) in chunks.iter().enumerate() {
                let n = u32::try_from(group * AT_ONCE as usize + n).unwrap_or(u32::MAX);
                let name = names.chunk(key, written.content_id, n);
                commands.add_command(commands::set(&name, chunk, lives + CHUNK_LIVES_ON));
            }
            let limit = self.writing_timeout();
            let reply = self
                .0
                .redis
                .ask_within(Operation::Store, &place, commands, limit)
                .await?;
            reply.values.into_iter().collect::<Result<Vec<_>, _>>()?;
        }
        if response.selecting.fields.is_empty() {
            return self.put_one(key, &place, &packed.head, lives).await;
        }
        let variant = names.variant(key, &response.selecting);
        let put = self.put_one(key, &variant, &packed.head, lives).await?;
        let nominated: Vec<_> = response
            .selecting
            .fields
            .iter()
            .map(|(name, _)| name.clone())
            .collect();
        let Some(leads) = frame::pack_nominated(key, position, &nominated, &self.0.sealer) else {
            return Ok(Put::Failed);
        };
        self.put_one(key, &place, &leads, lives).await?;
        Ok(put)
    }

    async fn put_one(
        &self,
        key: &CacheKey,
        name: &[u8],
        frame: &[u8],
        lives: Duration,
    ) -> Result<Put, Failure> {
        let mut commands = pipe();
        commands.add_command(commands::put(name, frame, lives));
        let limit = self.writing_timeout();
        let mut reply = self
            .0
            .redis
            .ask_within(Operation::Store, name, commands, limit)
            .await?;
        match reply.values.pop() {
            Some(Ok(Value::BulkString(replaced))) => {
                self.drop_chunks(key, &replaced).await;
                Ok(Put::Done)
            }
            Some(Ok(Value::Int(0))) => Ok(Put::Outdated),
            Some(Ok(_)) => Ok(Put::Done),
            Some(Err(failure)) => Err(failure),
            None => Ok(Put::Failed),
        }
    }

    /// Drops the chunks of an entry that has been replaced: their own end may be hours away.
    async fn drop_chunks(&self, key: &CacheKey, replaced: &[u8]) {
        let chunks = replaced.first_chunk::<REPLACED>().and_then(frame::replaced);
        if let Some((content_id, count)) = chunks {
            self.unlink_chunks(key, content_id, count).await;
        }
    }

    async fn unlink_chunks(&self, key: &CacheKey, content_id: u128, count: u32) {
        if count == 0 {
            return;
        }
        // As many as `store.memory` of two gigabytes allows; more would be somebody else's work.
        let names: Vec<_> = (0..count.min(4096))
            .map(|n| self.0.names.chunk(key, content_id, n))
            .collect();
        let mut commands = pipe();
        commands.add_command(commands::unlink(names.iter().map(Vec::as_slice)));
        let place = self.0.names.entry(key);
        drop(self.0.redis.ask(Operation::Store, &place, commands).await);
    }
}

/// The answer will not stand in Redis: nobody is to wait for it.
fn release_all(lease: Option<HeldLease>) {
    if let Some(lease) = lease {
        lease.release_all();
    }
}

/// Counts bytes on their way for as long as it lives, however that ends.
struct Writing {
    tier: RedisTier,
    bytes: u64,
}

impl Writing {
    fn new(tier: &RedisTier, bytes: u64) -> Self {
        tier.0.counts.writing.fetch_add(bytes, Ordering::Relaxed);
        Self {
            tier: tier.clone(),
            bytes,
        }
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.tier
            .0
            .counts
            .writing
            .fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// An id that no other content of the key has.
fn content_id() -> u128 {
    let mut bytes = [0; 16];
    // Without randomness the content is told apart by its checksums alone.
    let _ = getrandom::fill(&mut bytes);
    u128::from_be_bytes(bytes)
}
