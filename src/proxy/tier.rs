//! The shared tier as a fill sees it: asked before the origin, told what was stored, and, where a
//! rule says `collapse: fleet`, asked who fetches for all pods.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;

use super::Proxy;
use super::exchange::Exchange;
use super::lookup::{Answer, Base, Found, Need, asked};
use super::order::Order;
use crate::config::{Collapse, Config};
use crate::policy::key::{self, CacheKey, Lookup};
use crate::policy::reuse;
use crate::store::{self, HeldLease, Inserted, Lease, Missing, RedisTier, Seeking, StoredResponse};

/// How long to rest between two looks for what another pod fetches; longer each time.
const RESTS: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(100));

/// How long a request waits for other pods in all: as long as a lease lasts.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the shared tier had for a request.
enum Promoted {
    /// It is in memory now.
    Stored,
    /// It may be used, and has no room in memory.
    Loose(Arc<StoredResponse>),
    /// It may only be validated (rule 16).
    Base(Base),
    /// Nothing of use.
    Nothing(Missing),
}

impl Proxy {
    /// Takes what the shared tier has for a request into memory.
    async fn promote(&self, tier: &RedisTier, exchange: &Exchange, key: &CacheKey) -> Promoted {
        let slot = self.memory.find(key);
        let like = slot
            .as_ref()
            .and_then(|slot| slot.variants().first())
            .map(|known| &known.selecting);
        let credentials = &exchange.ruling.config.credentials;
        let seeking = Seeking {
            key,
            request: &exchange.head.headers,
            like,
            fingerprint: exchange.rule.fingerprint,
            tags: &|fields| self.tags(exchange, fields),
            is_credential: &|name: &HeaderName| key::is_credential(name, credentials),
        };
        match tier.find(seeking).await {
            store::Found::Response(entry) => match self.memory.insert(entry.clone()) {
                Inserted::Stored => Promoted::Stored,
                Inserted::Refused => Promoted::Loose(entry),
            },
            store::Found::Base(entry) => Promoted::Base(Base {
                entry,
                strong_only: true,
                if_error: false,
            }),
            store::Found::Nothing(missing) => Promoted::Nothing(missing),
        }
    }

    /// What is stored for a request, in memory or, without room there, as it was found.
    fn look_with(&self, exchange: &Exchange, lookup: &Lookup, promoted: &Promoted) -> Found {
        let now = self.clock.now();
        match promoted {
            Promoted::Loose(entry) if entry.fingerprint == exchange.rule.fingerprint => {
                self.decide(exchange, lookup, entry.clone(), now)
            }
            Promoted::Loose(_) | Promoted::Stored | Promoted::Base(_) | Promoted::Nothing(_) => {
                self.look_up(exchange, lookup, now)
            }
        }
    }

    /// Looks again, in the shared tier too; for a request that leads no fill.
    pub(super) async fn look_everywhere(
        &self,
        exchange: &Exchange,
        lookup: &Lookup,
        need: Need,
    ) -> Result<Answer, Need> {
        let Some(tier) = &self.tier else {
            return Err(need);
        };
        let promoted = self.promote(tier, exchange, &lookup.key).await;
        match self.look_with(exchange, lookup, &promoted) {
            Found::Answer(answer) => Ok(answer),
            Found::Other(need) => Err(need),
        }
    }

    /// What the shared tier has for a fill, or a pod that fetches for all; `None`: the origin has to
    /// be asked.
    pub(super) async fn found_in_tier(&self, order: &mut Order) -> Option<Answer> {
        let tier = self.tier.clone()?;
        let lookup = order.lookup.take()?;
        if let Some(answer) = self.promoted(&tier, order, &lookup).await {
            return Some(answer);
        }
        if order.alone || order.rule().collapse != Collapse::Fleet {
            return None;
        }
        let began = self.clock.mono();
        let mut rest = RESTS.0;
        loop {
            match tier.lease(&lookup.key, order.variant.as_ref()).await {
                Lease::Held(lease) => {
                    // Once more: whoever held it before may have stored it since the last look.
                    let answer = self.promoted(&tier, order, &lookup).await;
                    order.hold(lease);
                    return answer;
                }
                Lease::Unknown => return None,
                Lease::Taken if self.clock.mono().since(began) > PATIENCE => return None,
                Lease::Taken => {}
            }
            tokio::time::sleep(rest).await;
            rest = (rest * 3 / 2).min(RESTS.1);
            if let Some(answer) = self.promoted(&tier, order, &lookup).await {
                return Some(answer);
            }
        }
    }

    async fn promoted(&self, tier: &RedisTier, order: &mut Order, lookup: &Lookup) -> Option<Answer> {
        let promoted = self.promote(tier, &order.exchange, &lookup.key).await;
        let need = match self.look_with(&order.exchange, lookup, &promoted) {
            Found::Answer(answer) => return Some(answer),
            Found::Other(need) => need,
        };
        let found = match promoted {
            // Nobody learns anything from a response that is not for them, not even by a validation.
            Promoted::Base(base) => {
                let asked = asked(&order.exchange, lookup);
                Some(base).filter(|base| reuse::may_share(&base.entry.terms, asked))
            }
            Promoted::Nothing(missing) => {
                order.blind |= missing.blind;
                order.variant = missing.variant.or(order.variant.take());
                None
            }
            Promoted::Stored | Promoted::Loose(_) => None,
        };
        order.base = need.base().or_else(|| order.base.take()).or(found);
        None
    }

    /// Gives other pods what was stored here; `lease`: theirs to have once it is there.
    ///
    /// Not what is told apart by credentials: the values of nominated fields stand with an entry in
    /// clear.
    pub(super) fn share(&self, config: &Config, response: &Arc<StoredResponse>, lease: Option<HeldLease>) {
        let Some(tier) = &self.tier else { return };
        let by_credentials = response
            .selecting
            .fields
            .iter()
            .any(|(name, value)| value.is_some() && key::is_credential(name, &config.credentials));
        if !by_credentials {
            tier.put(response, lease);
        } else if let Some(lease) = lease {
            lease.release_all();
        }
    }

    /// Takes what must not be reused any more from all pods.
    pub(super) fn unshare(&self, response: &StoredResponse) {
        if let Some(tier) = &self.tier {
            tier.remove(response);
        }
    }
}
