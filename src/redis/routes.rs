//! Which server holds which key, and the servers themselves.

use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::context::Context;
use super::layout::{Layout, Redirect};
use super::server::Server;
use super::slot::{SLOTS, slot_of};
use crate::config::RedisAddress;

/// The servers of one [`Redis`](super::Redis).
pub(super) struct Routes {
    pub(super) context: Arc<Context>,
    /// Replaced whole, by whoever holds `changing`.
    table: ArcSwap<Table>,
    changing: Mutex<Open>,
    /// Told when what is known of the servers may be out of date.
    pub(super) stale: Arc<Notify>,
}

#[derive(Default, Clone)]
struct Table {
    servers: Vec<Arc<Server>>,
    /// The place of each slot's server among `servers`, [`NONE`] for none; empty where one server
    /// has every key.
    slots: Vec<u16>,
}

const NONE: u16 = u16::MAX;

/// Whether servers may still be added.
#[derive(Debug, PartialEq, Eq)]
enum Open {
    Yes,
    No,
}

impl Routes {
    /// Knows no server yet.
    pub(super) fn new(context: Arc<Context>) -> Routes {
        Routes {
            context,
            table: ArcSwap::default(),
            changing: Mutex::new(Open::Yes),
            stale: Arc::new(Notify::new()),
        }
    }

    /// The server that holds `key`, as far as is known.
    pub(super) fn of_key(&self, key: &[u8]) -> Option<Arc<Server>> {
        let table = self.table.load();
        if table.slots.is_empty() {
            return table.servers.first().cloned();
        }
        let place = *table.slots.get(usize::from(slot_of(key)))?;
        table.servers.get(usize::from(place)).cloned()
    }

    /// The server at an address, if it is known.
    pub(super) fn at(&self, address: &RedisAddress) -> Option<Arc<Server>> {
        let table = self.table.load();
        table.servers.iter().find(|s| s.address == *address).cloned()
    }

    /// Every server.
    pub(super) fn all(&self) -> Vec<Arc<Server>> {
        self.table.load().servers.clone()
    }

    /// Whether servers are known, and no connection to any stands.
    pub(super) fn are_down(&self) -> bool {
        let table = self.table.load();
        !table.servers.is_empty() && table.servers.iter().all(|server| server.up() == 0)
    }

    /// From now on one server has every key. Nothing happens if it is that already.
    pub(super) fn one(&self, address: RedisAddress) {
        self.change(|table, start| {
            if table.servers.first().is_none_or(|s| s.address != address) {
                *table = Table {
                    servers: vec![start(address)],
                    slots: Vec::new(),
                };
            }
        });
    }

    /// From now on this is where the slots are.
    pub(super) fn many(&self, layout: &Layout) {
        self.change(|table, start| {
            let mut new = Table {
                servers: Vec::new(),
                slots: vec![NONE; usize::from(SLOTS)],
            };
            for (range, address) in layout {
                let place = new.place(address, |address| {
                    let known = table.servers.iter().find(|s| s.address == *address);
                    known.cloned().unwrap_or_else(|| start(address.clone()))
                });
                let range = usize::from(*range.start())..=usize::from(*range.end());
                if let Some(slots) = new.slots.get_mut(range) {
                    slots.fill(place);
                }
            }
            *table = new;
        });
    }

    /// One slot is elsewhere now.
    pub(super) fn moved(&self, redirect: &Redirect) {
        if self.table.load().knows(redirect) {
            return;
        }
        self.change(|table, start| {
            let place = table.place(&redirect.to, |address| start(address.clone()));
            if let Some(slot) = table.slots.get_mut(usize::from(redirect.slot)) {
                *slot = place;
            }
        });
    }

    /// Ends every connection, for good: no server is known afterwards.
    pub(super) fn close(&self) {
        *self.changing.lock() = Open::No;
        for server in &self.table.swap(Arc::default()).servers {
            server.close();
        }
    }

    /// Puts a changed table in force, and closes the servers that are in it no longer.
    fn change(&self, change: impl FnOnce(&mut Table, &dyn Fn(RedisAddress) -> Arc<Server>)) {
        let alone = self.changing.lock();
        // Whoever was finding servers at shutdown comes too late.
        if *alone == Open::No {
            return;
        }
        let old = self.table.load_full();
        let mut new = Table::clone(&old);
        change(&mut new, &|address| {
            Server::start(self.context.clone(), address, self.stale.clone())
        });
        let new = Arc::new(new);
        self.table.store(new.clone());
        for server in &old.servers {
            if !new.servers.iter().any(|kept| Arc::ptr_eq(kept, server)) {
                server.close();
            }
        }
    }
}

impl Table {
    /// Whether this is no news.
    fn knows(&self, redirect: &Redirect) -> bool {
        let place = self.slots.get(usize::from(redirect.slot));
        let server = place.and_then(|&place| self.servers.get(usize::from(place)));
        server.is_some_and(|server| server.address == redirect.to)
    }

    /// The place of the server at `address`, which is made by `start` if need be.
    fn place(&mut self, address: &RedisAddress, start: impl FnOnce(&RedisAddress) -> Arc<Server>) -> u16 {
        let known = self.servers.iter().position(|s| s.address == *address);
        let place = known.unwrap_or_else(|| {
            self.servers.push(start(address));
            self.servers.len() - 1
        });
        u16::try_from(place).unwrap_or(NONE)
    }
}
