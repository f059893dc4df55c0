//! Parts of queues, each worked off by itself: what Mailman's `qrunner -r NAME:SLICE:RANGE` did.

use crate::drain::WAKING;
use crate::{RunError, Shared, outgoing, retry, work};
use dormouse_spool::{EntryName, Queue, Slice, clock};
use dormouse_store::Store;

/// What working off parts of queues came to.
#[derive(Debug, Default)]
pub struct Worked {
    /// What could not be done.
    pub errors: Vec<RunError>,
    /// Takeable entries that are left in the parts.
    pub left: usize,
}

/// Works off each part until a whole pass finds nothing. A queue without a runner is left as it is.
pub fn run(shared: &Shared<'_>, store: &Store, parts: &[(Queue, Slice)]) -> Worked {
    let mut worked = Worked::default();
    let queues: Vec<Queue> = parts.iter().map(|(queue, _)| *queue).collect();
    if let Err(error) = shared.spool.recover(&queues) {
        worked.errors.push(error.into());
    }
    while !shared.stopping() && worked.errors.is_empty() {
        let mut taken = 0;
        for (queue, slice) in parts {
            taken += pass(shared, store, *queue, *slice, &mut worked.errors);
        }
        if taken == 0 {
            break;
        }
    }
    for (queue, slice) in parts.iter().filter(|(queue, _)| WAKING.contains(queue)) {
        match ready(shared, *queue, *slice) {
            Ok(names) => worked.left += names.len(),
            Err(error) => worked.errors.push(error),
        }
    }
    worked
}

/// One pass over a part; how many entries it took.
fn pass(
    shared: &Shared<'_>,
    store: &Store,
    queue: Queue,
    slice: Slice,
    errors: &mut Vec<RunError>,
) -> u64 {
    if queue == Queue::Retry {
        return retry::run(shared.spool, clock::now()).unwrap_or_else(|error| {
            errors.push(error.into());
            0
        });
    }
    if !WAKING.contains(&queue) {
        return 0;
    }
    let names = match ready(shared, queue, slice) {
        Ok(names) if names.is_empty() => return 0,
        Ok(names) => names,
        Err(error) => {
            errors.push(error);
            return 0;
        }
    };
    let (taken, problems) = if queue == Queue::Out {
        let (tally, problems) = outgoing::run(shared, names);
        (tally.entries, problems)
    } else {
        let (tally, problems) = work::run(shared, store, queue, names);
        (tally.entries, problems)
    };
    errors.extend(problems);
    taken
}

fn ready(shared: &Shared<'_>, queue: Queue, slice: Slice) -> Result<Vec<EntryName>, RunError> {
    let mut names = shared.spool.ready(queue)?;
    names.retain(|name| slice.contains(name));
    Ok(names)
}
