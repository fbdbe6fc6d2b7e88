//! Leases: which pod fetches a key for all of them (`collapse: fleet`). A lease only spares the
//! origin requests; nothing relies on there being just one holder.

use std::time::Duration;

use redis_rs::{Value, pipe};

use super::RedisTier;
use crate::policy::key::CacheKey;
use crate::policy::vary::Selecting;
use crate::redis::{Operation, commands};

/// How long a lease lasts that nobody gives up.
const LASTS: Duration = Duration::from_secs(5);

/// Stands in the place of a holder where the answer cannot be stored, and for how long.
const NOBODY: &[u8] = b"-";
const APART: Duration = Duration::from_secs(10);

/// What asking for a lease came to.
#[derive(Debug)]
pub enum Lease {
    /// This pod fetches; dropping it gives the lease up.
    Held(HeldLease),
    /// Another pod does.
    Taken,
    /// Redis does not say, or the answer turned out to be nobody else's: each pod fetches for itself.
    Unknown,
}

/// A lease that this pod holds.
#[derive(Debug)]
pub struct HeldLease {
    tier: RedisTier,
    name: Vec<u8>,
    owner: String,
}

impl RedisTier {
    /// Asks for the lease of a key or, where it is known what its answers vary by, of one variant.
    pub async fn lease(&self, key: &CacheKey, variant: Option<&Selecting>) -> Lease {
        if self.0.log.session().is_none() {
            return Lease::Unknown;
        }
        let name = self.0.names.lease(key, variant);
        let owner = format!("{}:{:x}", self.0.pod, self.0.clock.mono().0.as_nanos());
        let mut commands = pipe();
        commands
            .add_command(commands::lease(&name, owner.as_bytes(), LASTS))
            .add_command(commands::get(&name));
        let reply = self.0.redis.ask(Operation::Lease, &name, commands).await;
        let Ok(reply) = reply else {
            return Lease::Unknown;
        };
        match reply.values.as_slice() {
            [Ok(Value::Okay), _] => Lease::Held(HeldLease {
                tier: self.clone(),
                name,
                owner,
            }),
            [Ok(Value::Nil), Ok(Value::BulkString(holder))] if holder != NOBODY => Lease::Taken,
            _ => Lease::Unknown,
        }
    }
}

impl HeldLease {
    /// The answer cannot be stored: for a while each pod fetches for itself, so that none waits in
    /// vain.
    pub fn release_all(mut self) {
        let (tier, name) = (self.tier.clone(), std::mem::take(&mut self.name));
        self.tier.0.tasks.spawn(async move {
            let mut commands = pipe();
            commands.add_command(commands::set(&name, NOBODY, APART));
            drop(tier.0.redis.ask(Operation::Lease, &name, commands).await);
        });
    }
}

impl Drop for HeldLease {
    fn drop(&mut self) {
        let (tier, name) = (self.tier.clone(), std::mem::take(&mut self.name));
        let owner = std::mem::take(&mut self.owner);
        if name.is_empty() {
            return;
        }
        self.tier.0.tasks.spawn(async move {
            let mut commands = pipe();
            commands.add_command(commands::release(&name, owner.as_bytes()));
            // Where it fails, the lease lapses by itself.
            drop(tier.0.redis.ask(Operation::Lease, &name, commands).await);
        });
    }
}
