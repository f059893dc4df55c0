//! The closed set of queues (docs/spec/queue.md §1).

use std::fmt;
use std::str::FromStr;

/// A queue directory. Declared in data-flow order: an entry moves only downwards in one pass of
/// the drain, except by way of [`Queue::Retry`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Queue {
    /// Posts, mail for owners, approved held mail.
    In,
    /// Mail for `-request`, `-join`, `-leave`, `-confirm`.
    Commands,
    /// Mail for `-bounces`.
    Bounces,
    /// Notices and digests created by the list server.
    Virgin,
    /// Posts for the archive.
    Archive,
    /// Posts for newsgroups.
    News,
    /// Ready for the MTA.
    Out,
    /// Deferred by the MTA; waits until it is due.
    Retry,
    /// Its processing failed; waits for a person.
    Shunt,
    /// It cannot be read; waits for a person.
    Bad,
}

impl Queue {
    /// Every queue, in data-flow order.
    pub const ALL: [Queue; 10] = [
        Queue::In,
        Queue::Commands,
        Queue::Bounces,
        Queue::Virgin,
        Queue::Archive,
        Queue::News,
        Queue::Out,
        Queue::Retry,
        Queue::Shunt,
        Queue::Bad,
    ];

    /// The directory's name below `qfiles/`.
    pub fn name(self) -> &'static str {
        match self {
            Queue::In => "in",
            Queue::Commands => "commands",
            Queue::Bounces => "bounces",
            Queue::Virgin => "virgin",
            Queue::Archive => "archive",
            Queue::News => "news",
            Queue::Out => "out",
            Queue::Retry => "retry",
            Queue::Shunt => "shunt",
            Queue::Bad => "bad",
        }
    }
}

impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// There is no queue of this name.
#[derive(Debug, thiserror::Error)]
#[error(
    "no queue is named {0:?}; the queues are in, commands, bounces, virgin, archive, news, out, retry, shunt, bad"
)]
pub struct UnknownQueue(String);

impl FromStr for Queue {
    type Err = UnknownQueue;

    fn from_str(text: &str) -> Result<Queue, UnknownQueue> {
        Queue::ALL
            .into_iter()
            .find(|queue| queue.name() == text)
            .ok_or_else(|| UnknownQueue(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_queue_is_found_by_its_name() {
        for queue in Queue::ALL {
            assert_eq!(queue.name().parse::<Queue>().unwrap(), queue);
        }
        assert!("../in".parse::<Queue>().is_err());
    }
}
