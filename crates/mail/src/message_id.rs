//! Our own Message-IDs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

static SERIAL: AtomicU64 = AtomicU64::new(1);

/// In Mailman's format, by which a list recognises its own messages (docs/spec/pipeline.md §2.12).
pub fn generate(list: &str, host: &str) -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    format!("<mailman.{serial}.{seconds}.{}.{list}@{host}>", std::process::id())
}
