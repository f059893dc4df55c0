//! Why the resident processes that keep others running end.

/// Why a process that keeps others running has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// A signal has stopped it.
    Stop,
    /// It must start again with the current settings.
    Restart,
}
