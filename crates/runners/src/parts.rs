//! Parts of queues, each worked off by itself: what Mailman's `qrunner -r NAME:SLICE:RANGE` did.

use crate::drain::Summary;
use crate::{Shared, outgoing, retry, work};
use dormouse_spool::{Queue, Slice, clock};
use dormouse_store::Store;
use std::time::Instant;

/// Works off each part until a whole pass finds nothing. A queue without a runner is left as it is.
pub fn run(shared: &Shared<'_>, store: &Store, parts: &[(Queue, Slice)]) -> Summary {
    let began = Instant::now();
    let mut summary = Summary { started_at: clock::seconds(), ..Summary::default() };
    let queues: Vec<Queue> = parts.iter().map(|(queue, _)| *queue).collect();
    match shared.spool.recover(&queues) {
        Ok(recovered) => {
            summary.recovered =
                (recovered.given_back + recovered.handovers + recovered.preserved.len()) as u64;
        }
        Err(error) => summary.errors.push(error.to_string()),
    }
    while !shared.stopping() && summary.errors.is_empty() {
        let mut taken = 0;
        for (queue, slice) in parts {
            taken += pass(shared, store, *queue, *slice, &mut summary);
        }
        if taken == 0 {
            break;
        }
    }
    for (queue, slice) in parts.iter().filter(|(queue, _)| *queue != Queue::Retry) {
        let left = shared.spool.ready(*queue);
        let left = left.map_or(0, |names| names.iter().filter(|name| slice.contains(name)).count());
        if left > 0 {
            *summary.left.entry(queue.to_string()).or_default() += left;
        }
    }
    summary.took_ms = began.elapsed().as_secs_f64() * 1000.0;
    summary
}

/// One pass over a part; how many entries it took.
fn pass(
    shared: &Shared<'_>,
    store: &Store,
    queue: Queue,
    slice: Slice,
    summary: &mut Summary,
) -> u64 {
    if queue == Queue::Retry {
        return match retry::run(shared.spool, clock::now()) {
            Ok(moved) => {
                summary.retried += moved;
                moved
            }
            Err(error) => {
                summary.errors.push(error.to_string());
                0
            }
        };
    }
    let mut names = match shared.spool.ready(queue) {
        Ok(names) => names,
        Err(error) => {
            summary.errors.push(error.to_string());
            return 0;
        }
    };
    names.retain(|name| slice.contains(name));
    if names.is_empty() {
        return 0;
    }
    let (taken, errors) = match queue {
        Queue::Out => {
            let (tally, errors) = outgoing::run(shared, names);
            summary.outgoing.add(&tally);
            (tally.entries, errors)
        }
        Queue::In | Queue::Virgin => {
            let (tally, errors) = work::run(shared, store, queue, names);
            let sum =
                if queue == Queue::In { &mut summary.incoming } else { &mut summary.r#virgin };
            sum.add(&tally);
            (tally.entries, errors)
        }
        _ => (0, Vec::new()),
    };
    summary.errors.extend(errors.iter().map(ToString::to_string));
    taken
}
