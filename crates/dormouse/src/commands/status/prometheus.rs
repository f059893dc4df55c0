//! The queues as Prometheus reads them (its text exposition format). Moments stand in it rather than
//! ages: the file is as old as the last run, and moments stay true.

use super::QueueStatus;
use std::fmt::Write as _;

/// One line of a metric: its labels and its value.
type Sample = (String, f64);

/// The state at a moment, in seconds since the epoch.
pub(super) fn text(queues: &[QueueStatus], now: f64) -> String {
    let mut text = String::new();
    let of = |value: &dyn Fn(&QueueStatus) -> Option<f64>| -> Vec<Sample> {
        let sample = |queue: &QueueStatus| Some((label("queue", queue.queue), value(queue)?));
        queues.iter().filter_map(sample).collect()
    };
    let entries = queues.iter().flat_map(|queue| {
        [("waiting", queue.waiting), ("claimed", queue.claimed)].map(|(state, count)| {
            (format!("{},{}", label("queue", queue.queue), label("state", state)), count as f64)
        })
    });
    metric(&mut text, "queue_entries", "Entries in a queue.", entries.collect());
    metric(
        &mut text,
        "queue_oldest_timestamp_seconds",
        "When the oldest entry of a queue was received.",
        of(&|queue| Some(now - queue.oldest?)),
    );
    metric(
        &mut text,
        "queue_next_due_timestamp_seconds",
        "When the next deferred entry is due.",
        of(&|queue| Some(now + queue.next_due?)),
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
    metric(
        &mut text,
        "status_timestamp_seconds",
        "When this was written.",
        vec![(String::new(), now)],
    );
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
        let labels = if labels.is_empty() { labels } else { format!("{{{labels}}}") };
        // Writing to a string cannot fail.
        let _written = writeln!(text, "dormouse_{name}{labels} {value}");
    }
}
