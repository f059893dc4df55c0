//! Converts Mailman's `QRUNNERS` (docs/spec/queue.md §9) to `[runners]`.

use crate::mm_cfg::{Literal, MmCfg};
use dormouse_runners::arrangement::{MAILMAN, of_mailman};
use dormouse_spool::Queue;
use dormouse_store::{Arrangement, MOST_SHARES};

const SETTING: &str = "QRUNNERS";

/// Returns the settings of the queues in the site's own `QRUNNERS`: several slices become resident
/// shares, a missing runner is off, and the usual single slice is on demand.
pub fn wanted(old: &MmCfg) -> Vec<(String, String)> {
    let Some(runners) = own(old) else { return Vec::new() };
    let setting = |(_, queue): (&str, Queue)| {
        (format!("runners.{queue}"), arrangement(&runners, queue).to_string())
    };
    MAILMAN.into_iter().map(setting).collect()
}

/// Remarks on the site's own `QRUNNERS`.
pub fn remarks(old: &MmCfg) -> Vec<(&'static str, String)> {
    let Some(runners) = own(old) else {
        let is_there = old.own().any(|(name, _, _)| name == SETTING);
        let text = "it has no valid runners and slices; every queue is on demand";
        return is_there.then(|| (SETTING, text.to_owned())).into_iter().collect();
    };
    let mut said = Vec::new();
    for (name, queue) in MAILMAN {
        match arrangement(&runners, queue) {
            Arrangement::Off => said.push(format!(
                "{name}Runner was not run there, so runners.{queue} is off here: entries wait until \
                 somebody runs `dormouse run --queue {queue}`, or sets it to on-demand"
            )),
            Arrangement::Resident(shares) => said.push(format!(
                "{name}Runner had slices, so runners.{queue} is `resident {shares}` here, a process \
                 that stays; on-demand is enough for most sites"
            )),
            Arrangement::OnDemand | Arrangement::Timer(_) => {}
        }
    }
    for (name, _) in runners.iter().filter(|(name, _)| of_mailman(name).is_none()) {
        said.push(match name.as_str() {
            "MaildirRunner" => {
                "MaildirRunner is not run here: mail arrives by pipe or LMTP".to_owned()
            }
            _ => format!("{name} is a custom runner and is not run here"),
        });
    }
    said.into_iter().map(|text| (SETTING, text)).collect()
}

/// Returns the runners and their slices, if the site has readable ones.
fn own(old: &MmCfg) -> Option<Vec<(String, i64)>> {
    old.own().find(|(name, _, _)| *name == SETTING)?;
    let rows = old.get(SETTING)?.items()?;
    let runner = |row: &Literal| match row.items()? {
        [name, slices] => Some((name.as_text()?, slices.as_int()?)),
        _ => None,
    };
    rows.iter().map(runner).collect::<Option<Vec<_>>>().filter(|rows| !rows.is_empty())
}

fn arrangement(runners: &[(String, i64)], queue: Queue) -> Arrangement {
    let of_queue = runners.iter().filter(|(name, _)| of_mailman(name) == Some(queue));
    // A runner that is listed twice runs twice.
    match of_queue.map(|(_, slices)| (*slices).max(0)).fold(0, i64::saturating_add) {
        0 => Arrangement::Off,
        1 => Arrangement::OnDemand,
        slices => {
            Arrangement::Resident(u32::try_from(slices).unwrap_or(MOST_SHARES).min(MOST_SHARES))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapped(source: &str) -> (Vec<String>, Vec<String>) {
        let mut old = MmCfg::built_in();
        old.run(source);
        let settings = wanted(&old).into_iter().map(|(key, value)| format!("{key}={value}"));
        (settings.collect(), remarks(&old).into_iter().map(|(_, text)| text).collect())
    }

    #[test]
    fn slices_become_processes_and_omitted_runners_are_off() {
        let (settings, remarks) = mapped(
            "QRUNNERS = [('ArchRunner', 1), ('BounceRunner', 1), ('CommandRunner', 1), \
             ('IncomingRunner', 4), ('OutgoingRunner', 2), ('VirginRunner', 1), ('RetryRunner', 1), \
             ('MaildirRunner', 1), ('OursRunner', 1)]\n",
        );
        for expected in [
            "runners.archive=on-demand",
            "runners.in=resident 4",
            "runners.out=resident 2",
            "runners.news=off",
            "runners.retry=on-demand",
        ] {
            assert!(settings.iter().any(|setting| setting == expected), "{expected}: {settings:?}");
        }
        assert_eq!(settings.len(), 8);
        for expected in ["NewsRunner", "resident 4", "resident 2", "MaildirRunner", "OursRunner"] {
            assert!(remarks.iter().any(|text| text.contains(expected)), "{expected}: {remarks:?}");
        }
        assert_eq!(remarks.len(), 5);
    }

    #[test]
    fn what_says_nothing_or_nothing_readable_changes_nothing() {
        assert_eq!(mapped(""), (vec![], vec![]));
        for wrong in ["[('ArchRunner', 'x')]", "3", "[]", "['ArchRunner']"] {
            let (settings, remarks) = mapped(&format!("QRUNNERS = {wrong}\n"));
            assert_eq!((settings.len(), remarks.len()), (0, 1), "{wrong}");
        }
    }

    #[test]
    fn odd_numbers_of_slices_are_kept_within_bounds() {
        let (settings, _) =
            mapped("QRUNNERS = [('ArchRunner', 9999), ('NewsRunner', -1), ('InRunner', 1)]\n");
        assert!(settings.contains(&"runners.archive=resident 64".to_owned()), "{settings:?}");
        assert!(settings.contains(&"runners.news=off".to_owned()), "{settings:?}");
    }
}
