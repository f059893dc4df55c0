//! The queues in Prometheus' text exposition format. It contains timestamps rather than
//! ages: the file is as old as the last run, and timestamps stay true.

use super::QueueStatus;
use dormouse_clock::Timestamp;
use std::fmt::Write as _;

/// One line of a metric: its labels and its value.
type Sample = (String, f64);

/// Formats the state at a time.
pub(super) fn text(queues: &[QueueStatus], now: Timestamp) -> String {
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
        of(&|queue| Some((now - queue.oldest?).seconds())),
    );
    metric(
        &mut text,
        "queue_next_due_timestamp_seconds",
        "When the next deferred entry is due.",
        of(&|queue| Some((now + queue.next_due?).seconds())),
    );
    metric(
        &mut text,
        "last_run_timestamp_seconds",
        "Start of the last run that had work in a queue.",
        of(&|queue| queue.last_run.as_ref().map(|run| run.started_at.seconds())),
    );
    metric(
        &mut text,
        "last_run_duration_seconds",
        "Duration of the last run.",
        of(&|queue| queue.last_run.as_ref().map(|run| run.took_ms / 1e3)),
    );
    metric(
        &mut text,
        "last_run_peak_memory_bytes",
        "Peak resident memory of the last run.",
        of(&|queue| Some(queue.last_run.as_ref()?.peak_memory_kb? as f64 * 1024.0)),
    );
    metric(
        &mut text,
        "status_timestamp_seconds",
        "When these metrics were written.",
        vec![(String::new(), now.seconds())],
    );
    text
}

/// `name="value"`, escaped as the format requires.
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
