//! Connections. A few free ones are kept until the process exits, which is soon.

use super::super::{Error, Result};
use super::Address;
use postgres::Client;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The maximum number of free connections.
const MOST_FREE: usize = 4;
/// How long a free connection is kept.
const FREE_FOR: Duration = Duration::from_secs(60);

/// How long later attempts do not wait for a server that could not be reached.
const AWAY_FOR: Duration = Duration::from_secs(30);

/// A connection in use.
pub(super) struct Lease {
    pub client: Client,
    key: String,
}

#[derive(Default)]
struct Shared {
    free: Vec<(Instant, Lease)>,
    /// The addresses with a current schema.
    known: Vec<String>,
    /// The addresses that could not be reached, and when.
    away: Vec<(Instant, String)>,
}

static SHARED: Mutex<Shared> =
    Mutex::new(Shared { free: Vec::new(), known: Vec::new(), away: Vec::new() });

fn shared() -> MutexGuard<'static, Shared> {
    SHARED.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Lease {
    /// Returns a free connection to an address, or a new one.
    pub fn of(address: &Address) -> Result<Lease> {
        let key = address.key();
        let free = {
            let mut shared = shared();
            shared.free.retain(|(since, _)| since.elapsed() < FREE_FOR);
            let at = shared.free.iter().position(|(_, lease)| lease.key == key);
            at.map(|at| shared.free.swap_remove(at).1)
        };
        if let Some(lease) = free.filter(|lease| !lease.client.is_closed()) {
            return Ok(lease);
        }
        let since = Instant::now();
        let client = address.connect().map_err(Error::from)?;
        tracing::debug!("connected to {} in {:?}", address.shown(), since.elapsed());
        Ok(Lease { client, key: key.to_owned() })
    }

    /// Returns the connection to the free ones.
    pub fn give_back(self) {
        let mut shared = shared();
        if shared.free.len() < MOST_FREE && !self.client.is_closed() {
            shared.free.push((Instant::now(), self));
        }
    }
}

/// Whether an address could not be reached recently.
pub(super) fn is_away(address: &Address) -> bool {
    let mut shared = shared();
    shared.away.retain(|(since, _)| since.elapsed() < AWAY_FOR);
    shared.away.iter().any(|(_, key)| key == address.key())
}

/// Records that an address cannot be reached.
pub(super) fn note_away(address: &Address) {
    if !is_away(address) {
        shared().away.push((Instant::now(), address.key().to_owned()));
    }
}

/// Whether the schema at an address is known to be current.
pub(super) fn is_known(address: &Address) -> bool {
    shared().known.iter().any(|known| known == address.key())
}

/// Records that the schema at an address is current.
pub(super) fn note_known(address: &Address) {
    if !is_known(address) {
        shared().known.push(address.key().to_owned());
    }
}
