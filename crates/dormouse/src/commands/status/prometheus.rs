//! The status as Prometheus reads it (its text exposition format).

use super::Status;
use std::fmt::Write as _;

/// One line of a metric: its labels and its value.
type Sample = (String, f64);

pub(super) fn text(status: &Status) -> String {
    let mut text = String::new();
    let queues = &status.queues;
    let of = |value: &dyn Fn(&super::QueueStatus) -> Option<f64>| -> Vec<Sample> {
        let sample =
            |queue: &super::QueueStatus| Some((label("queue", queue.queue), value(queue)?));
        queues.iter().filter_map(sample).collect()
    };
    let entries = queues.iter().flat_map(|queue| {
        [("waiting", queue.waiting), ("claimed", queue.claimed)].map(|(state, count)| {
            (format!("{},state=\"{state}\"", label("queue", queue.queue)), count as f64)
        })
    });
    metric(&mut text, "queue_entries", "Entries in a queue.", entries.collect());
    metric(
        &mut text,
        "queue_oldest_seconds",
        "Age of the oldest entry of a queue.",
        of(&|queue| queue.oldest),
    );
    metric(
        &mut text,
        "queue_next_due_seconds",
        "Time until the next deferred entry is due.",
        of(&|queue| queue.next_due),
    );
    metric(
        &mut text,
        "last_run_timestamp_seconds",
        "When the last run began that had something to do in a queue.",
        of(&|queue| queue.last_run.as_ref().map(|run| run.started_at)),
    );
    metric(
        &mut text,
        "last_run_duration_seconds",
        "How long it took.",
        of(&|queue| queue.last_run.as_ref().map(|run| run.took_ms / 1e3)),
    );
    metric(
        &mut text,
        "last_run_peak_memory_bytes",
        "The most memory it had resident.",
        of(&|queue| Some(queue.last_run.as_ref()?.peak_memory_kb? as f64 * 1024.0)),
    );
    let units = status.units.units.iter().filter(|unit| unit.live.is_some());
    let well = units.map(|unit| (label("unit", &unit.name), f64::from(u8::from(unit.is_well()))));
    metric(&mut text, "unit_well", "Whether a unit is as it should be.", well.collect());
    text
}

/// `name="value"`, with what the format wants escaped.
fn label(name: &str, value: &str) -> String {
    let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("{name}=\"{value}\"")
}

fn metric(text: &mut String, name: &str, help: &str, samples: Vec<Sample>) {
    if samples.is_empty() {
        return;
    }
    let head = format!("# HELP dormouse_{name} {help}\n# TYPE dormouse_{name} gauge\n");
    text.push_str(&head);
    for (labels, value) in samples {
        // Writing to a string cannot fail.
        let _written = writeln!(text, "dormouse_{name}{{{labels}}} {value}");
    }
}
