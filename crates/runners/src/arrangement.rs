//! How the queues are processed: `[runners]` in the site's settings.

use crate::Shared;
use crate::queue::{Row, TABLE, row};
use dormouse_spool::{EntryName, Queue, Seen, Slice, Spool, SpoolError};
use dormouse_store::{Arrangement, Config};

/// Returns a queue's arrangement; `None` for `shunt` and `bad`.
pub fn of(config: &Config, queue: Queue) -> Option<Arrangement> {
    row(queue).map(|row| (row.setting)(config))
}

/// Returns every queue that has a runner with its arrangement, in data-flow order.
pub fn all(config: &Config) -> Vec<(Queue, Arrangement)> {
    TABLE.iter().map(|row| (row.queue, (row.setting)(config))).collect()
}

/// Mailman's runners (`QRUNNERS`), without `Runner` at the end of their names, and their queues.
pub const MAILMAN: [(&str, Queue); 8] = [
    ("Arch", Queue::Archive),
    ("Bounce", Queue::Bounces),
    ("Command", Queue::Commands),
    ("Incoming", Queue::In),
    ("News", Queue::News),
    ("Outgoing", Queue::Out),
    ("Virgin", Queue::Virgin),
    ("Retry", Queue::Retry),
];

/// Returns the queue of one of Mailman's runners, by its name with or without `Runner` at the end.
pub fn of_mailman(runner: &str) -> Option<Queue> {
    let name = runner.strip_suffix("Runner").unwrap_or(runner);
    MAILMAN.iter().find(|(known, _)| *known == name).map(|(_, queue)| *queue)
}

/// Which queues a drain processes, and which share of their entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    queues: Vec<Queue>,
    slice: Slice,
}

impl Scope {
    /// Returns the scope of these queues, in data-flow order. Queues without a runner are left out.
    pub fn of(queues: &[Queue]) -> Scope {
        let attended = TABLE.iter().map(|row| row.queue);
        let queues = attended.filter(|queue| queues.contains(queue)).collect();
        Scope { queues, slice: Slice::WHOLE }
    }

    /// Returns the scope of all queues that are not off.
    pub fn everything(config: &Config) -> Scope {
        Scope::arranged(config, |arrangement| arrangement != Arrangement::Off)
    }

    /// Returns the scope of all queues on demand.
    pub fn on_demand(config: &Config) -> Scope {
        Scope::arranged(config, |arrangement| arrangement == Arrangement::OnDemand)
    }

    fn arranged(config: &Config, fits: impl Fn(Arrangement) -> bool) -> Scope {
        let queues = all(config).into_iter().filter(|(_, arrangement)| fits(*arrangement));
        Scope::of(&queues.map(|(queue, _)| queue).collect::<Vec<_>>())
    }

    /// Limits it to a share of the entries.
    pub fn share(mut self, slice: Slice) -> Scope {
        self.slice = slice;
        self
    }

    /// Returns the queues.
    pub fn queues(&self) -> &[Queue] {
        &self.queues
    }

    /// Returns the queues whose entries are ready immediately; not `retry`, where they wait until
    /// they are due.
    pub fn waking(&self) -> impl Iterator<Item = Queue> {
        self.queues.iter().copied().filter(|&queue| row(queue).is_some_and(|row| row.wakes))
    }

    /// Returns the entries of a queue that are ready now and in this share.
    pub(crate) fn ready(
        &self,
        shared: &Shared<'_>,
        row: &Row,
    ) -> Result<Vec<EntryName>, SpoolError> {
        Ok(self.of_share((row.ready)(shared.spool, shared.site.config(), row.queue)?))
    }

    /// Returns the names that are in this share.
    pub(crate) fn of_share(&self, mut names: Vec<EntryName>) -> Vec<EntryName> {
        names.retain(|name| self.slice.contains(name));
        names
    }

    /// Returns the entries of a queue that start a run and are in this share.
    pub fn waiting(&self, spool: &Spool, queue: Queue) -> Result<Vec<EntryName>, SpoolError> {
        Ok(self.of_share(spool.ready(queue)?))
    }

    /// Looks at a queue, with the ready entries of this share only. Claims are not limited to the
    /// share.
    pub(crate) fn look(&self, spool: &Spool, queue: Queue) -> Result<Seen, SpoolError> {
        let mut seen = spool.look(queue)?;
        seen.ready = self.of_share(seen.ready);
        Ok(seen)
    }

    /// Whether it includes everything in the other.
    pub fn covers(&self, other: &Scope) -> bool {
        self.slice == Slice::WHOLE && other.queues.iter().all(|queue| self.queues.contains(queue))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_in_data_flow_order_and_has_no_queue_without_a_runner() {
        let scope = Scope::of(&[Queue::Retry, Queue::Shunt, Queue::Out, Queue::In, Queue::Out]);
        assert_eq!(scope.queues(), [Queue::In, Queue::Out, Queue::Retry]);
        assert_eq!(scope.waking().collect::<Vec<_>>(), [Queue::In, Queue::Out]);
    }

    #[test]
    fn only_a_drain_of_everything_that_wakes_can_be_relied_on() {
        let mut config = Config::default();
        let everything = Scope::everything(&config);
        assert!(everything.covers(&Scope::on_demand(&config)));
        assert!(!everything.clone().share(Slice::new(0, 2).unwrap()).covers(&everything));
        assert!(!Scope::of(&[Queue::In]).covers(&everything));
        config.runners_out = Arrangement::Off;
        config.runners_retry = Arrangement::Resident(2);
        assert!(!Scope::everything(&config).queues().contains(&Queue::Out));
        let rest: Vec<_> = crate::queue::waking().filter(|queue| *queue != Queue::Out).collect();
        assert!(Scope::of(&rest).covers(&Scope::on_demand(&config)));
    }
}
