//! Counts the results of entries.

use super::{TABLE, row};
use dormouse_spool::Queue;
use dormouse_trace::Step;
use serde::de::IgnoredAny;
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;

/// The results of a queue's entries.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct QueueTally {
    /// Entries taken.
    pub entries: u64,
    /// Entries that passed or were sent.
    pub passed: u64,
    /// Entries held for a moderator.
    pub held: u64,
    /// Entries that were rejected.
    pub rejected: u64,
    /// Entries that were discarded.
    pub discarded: u64,
    /// Entries set aside for a person, because they cannot be processed or read.
    pub shunted: u64,
    /// Recipients that the MTA accepted.
    pub accepted: u64,
    /// Recipients to try again later.
    pub deferred: u64,
    /// Recipients refused permanently.
    pub refused: u64,
    /// Entries postponed as a whole, because a server could not be reached.
    pub postponed: u64,
}

impl QueueTally {
    pub(crate) fn count(&mut self, step: Step) {
        self.entries += 1;
        match step {
            Step::Held => self.held += 1,
            Step::Rejected => self.rejected += 1,
            Step::Discarded => self.discarded += 1,
            Step::Shunted => self.shunted += 1,
            Step::Postponed => self.postponed += 1,
            _ => self.passed += 1,
        }
    }

    /// Adds another tally.
    pub fn add(&mut self, other: &QueueTally) {
        self.entries += other.entries;
        self.passed += other.passed;
        self.held += other.held;
        self.rejected += other.rejected;
        self.discarded += other.discarded;
        self.shunted += other.shunted;
        self.accepted += other.accepted;
        self.deferred += other.deferred;
        self.refused += other.refused;
        self.postponed += other.postponed;
    }
}

/// The results of the entries of each queue, serialized under the queues' labels.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Tallies {
    queues: BTreeMap<Queue, QueueTally>,
}

impl Tallies {
    /// Returns a queue's tally; all 0 if nothing was done there.
    pub fn of(&self, queue: Queue) -> QueueTally {
        self.queues.get(&queue).cloned().unwrap_or_default()
    }

    /// Adds to a queue's tally.
    pub(crate) fn add(&mut self, queue: Queue, tally: &QueueTally) {
        self.queues.entry(queue).or_default().add(tally);
    }

    /// Returns the sum of all queues.
    pub fn sum(&self) -> QueueTally {
        let mut sum = QueueTally::default();
        self.queues.values().for_each(|tally| sum.add(tally));
        sum
    }
}

impl Serialize for Tallies {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(TABLE.len()))?;
        for row in &TABLE {
            map.serialize_entry(row.label, &self.of(row.queue))?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Tallies {
    /// The map has other keys, too, which are ignored.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Tallies, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Found {
            Tally(Box<QueueTally>),
            Other(IgnoredAny),
        }
        let found = BTreeMap::<String, Found>::deserialize(deserializer)?;
        let mut queues = BTreeMap::new();
        for row in &TABLE {
            if let Some(Found::Tally(tally)) = found.get(row.label) {
                queues.insert(row.queue, (**tally).clone());
            }
        }
        debug_assert!(queues.keys().all(|queue| row(*queue).is_some()));
        Ok(Tallies { queues })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drain::Summary;
    use dormouse_clock::Timestamp;

    #[test]
    fn a_summary_is_written_under_the_queues_labels_and_read_back() {
        let mut summary = Summary {
            started_at: Timestamp::from_seconds(1.5),
            recovered: 2,
            ..Summary::default()
        };
        summary.left.insert("in".to_owned(), 3);
        let tally = QueueTally { entries: 7, accepted: 9, ..QueueTally::default() };
        summary.queues.add(Queue::Out, &tally);
        summary.queues.add(Queue::In, &QueueTally { entries: 1, held: 1, ..QueueTally::default() });
        let text = serde_json::to_string(&summary).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&value["outgoing"]["accepted"], &value["incoming"]["held"]),
            (&9.into(), &1.into())
        );
        let again: Summary = serde_json::from_str(&text).unwrap();
        assert_eq!(again.queues.of(Queue::Out), tally);
        assert_eq!((again.worked_off(Queue::In), again.recovered, again.left["in"]), (1, 2, 3));
        let of_another_version: Summary = serde_json::from_str("{\"retried\": 4}").unwrap();
        assert_eq!(of_another_version.queues, Tallies::default());
    }

    #[test]
    fn each_queue_is_in_the_table_once() {
        let mut queues: Vec<Queue> = TABLE.iter().map(|row| row.queue).collect();
        let mut labels: Vec<&str> = TABLE.iter().map(|row| row.label).collect();
        queues.sort();
        labels.sort_unstable();
        queues.dedup();
        labels.dedup();
        assert_eq!((queues.len(), labels.len()), (TABLE.len(), TABLE.len()));
        assert!(row(Queue::Shunt).is_none() && row(Queue::Bad).is_none());
    }
}
