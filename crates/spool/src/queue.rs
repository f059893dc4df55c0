//! The closed set of queues (docs/spec/queue.md §1).

use std::fmt;
use std::str::FromStr;

macro_rules! queues {
    ($($(#[doc = $doc:literal])+ $queue:ident $name:literal;)+) => {
        /// A queue directory. Declared in data-flow order: an entry moves only downwards in one pass of
        /// the drain, except by way of [`Queue::Retry`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Queue {
            $($(#[doc = $doc])+ $queue,)+
        }

        impl Queue {
            /// Every queue, in data-flow order.
            pub const ALL: [Queue; [$($name),+].len()] = [$(Queue::$queue),+];

            /// The directory's name below `qfiles/`.
            pub fn name(self) -> &'static str {
                match self {
                    $(Queue::$queue => $name,)+
                }
            }
        }
    };
}

queues! {
    /// Posts, mail for owners, approved held mail.
    In "in";
    /// Mail for `-request`, `-join`, `-leave`, `-confirm`.
    Commands "commands";
    /// Mail for `-bounces`.
    Bounces "bounces";
    /// Notices and digests created by the list server.
    Virgin "virgin";
    /// Posts for the archive.
    Archive "archive";
    /// Posts for newsgroups.
    News "news";
    /// Ready for the MTA.
    Out "out";
    /// Deferred by the MTA; waits until it is due.
    Retry "retry";
    /// Its processing failed; waits for a person.
    Shunt "shunt";
    /// It cannot be read; waits for a person.
    Bad "bad";
}

impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// There is no queue of this name.
#[derive(Debug, thiserror::Error)]
#[error("no queue is named {0:?}; the queues are {names}", names = Queue::ALL.map(Queue::name).join(", "))]
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
        let unknown = "../in".parse::<Queue>().unwrap_err().to_string();
        assert!(unknown.ends_with(
            "the queues are in, commands, bounces, virgin, archive, news, out, retry, shunt, bad"
        ));
    }
}
