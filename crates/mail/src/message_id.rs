//! Our own Message-IDs.

use dormouse_clock::Timestamp;
use std::sync::atomic::{AtomicU64, Ordering};

static SERIAL: AtomicU64 = AtomicU64::new(1);

/// In Mailman's format, by which a list recognizes its own messages (docs/spec/pipeline.md §2.12).
pub fn generate(list: &str, host: &str) -> String {
    let seconds = Timestamp::now().whole_seconds();
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    format!("<mailman.{serial}.{seconds}.{}.{list}@{host}>", std::process::id())
}
