//! The queue directories: durable entries, claims, hand-over, recovery.
