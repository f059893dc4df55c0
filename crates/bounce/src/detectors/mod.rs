//! Each kind of bounce has a file. The first detector that finds something decides
//! (docs/spec/bounces.md §2). Reports of a delay come before everything that reads free text.
//! Detectors with generic phrases come last.
//!
//! To add one: write `name.rs` with a `pub fn detect(&Report<'_>) -> Option<Verdict>` and tests
//! in the same file, and add it to the table below.

mod aol;
mod caiwireless;
mod compuserve;
mod dma;
mod dsn;
mod exchange;
mod exim;
mod ezweb;
mod feedback;
mod groupwise;
mod llnl;
mod mfilter;
mod microsoft;
mod microsoft365;
mod netscape;
mod notes;
mod postfix;
mod qmail;
mod simple_match;
mod simple_warning;
mod smtp32;
mod yahoo;
mod yale;

use crate::report::{Line, begins_footer};
use crate::{BounceReport, BounceVerdict, FailedAddress, origin};

type Detector = fn(&BounceReport<'_>) -> Option<BounceVerdict>;

/// Detectors for unambiguous formats.
const BY_FORM: &[Detector] = &[dsn::detect, feedback::detect];

/// Detectors for texts, which accept only mail from mail systems.
const BY_TEXT: &[Detector] = &[
    simple_warning::detect,
    dsn::detect_in_text,
    dma::detect,
    qmail::detect,
    postfix::detect,
    yahoo::detect,
    caiwireless::detect,
    exchange::detect,
    exim::detect,
    netscape::detect,
    compuserve::detect,
    microsoft::detect,
    groupwise::detect,
    smtp32::detect,
    notes::detect,
    mfilter::detect,
    ezweb::detect,
    microsoft365::detect,
    yale::detect,
    llnl::detect,
    aol::detect,
    simple_match::detect,
];

/// Runs all detectors.
pub(crate) fn run(report: &BounceReport<'_>) -> BounceVerdict {
    let first = |detectors: &[Detector]| detectors.iter().find_map(|detect| detect(report));
    if let Some(verdict) = first(BY_FORM) {
        return with_story(verdict, report);
    }
    if report.is_from_mail_system() {
        let verdict =
            first(BY_TEXT).map_or(BounceVerdict::Unknown, |found| found.without(&report.to));
        return with_story(verdict, report);
    }
    if origin::is_auto_reply(report) { BounceVerdict::AutoReply } else { BounceVerdict::Unknown }
}

/// Returns the verdict, its only failure judged by the whole text as well: the reason may be
/// anywhere in it.
fn with_story(verdict: BounceVerdict, report: &BounceReport<'_>) -> BounceVerdict {
    let BounceVerdict::Failed(mut failures) = verdict else { return verdict };
    if let [failure] = failures.as_mut_slice() {
        failure.weigh(&report.story());
    }
    BounceVerdict::Failed(failures)
}

/// How many lines after an address belong to the reason.
const REASON_LINES: usize = 8;

/// Returns a failure whose reason is next to the address on its line and below, up to the next
/// address (`is_next`) or the end of the paragraph.
fn failure_at(
    address: &str,
    lines: &[Line],
    at: usize,
    is_next: impl Fn(&Line) -> bool,
) -> FailedAddress {
    let (before, behind) = lines[at].text.split_once(address).unwrap_or_default();
    let before = before.trim().trim_end_matches(['<', '"', '(', '[', ':']);
    let behind = behind.trim_start_matches(['>', ':', ',', '"', ')', ']', ' ']);
    let mut reason = format!("{before} {behind}").trim().to_owned();
    let mut below = lines[at + 1..].iter().take(REASON_LINES).peekable();
    // The reason may follow an empty line.
    if reason.is_empty() && below.peek().is_some_and(|line| line.is_blank()) {
        below.next();
    }
    for line in below {
        if line.is_blank()
            || begins_footer(line)
            || is_next(line)
            || line.text.trim_start().starts_with("--")
        {
            break;
        }
        reason.push(' ');
        reason.push_str(line.text.trim());
    }
    FailedAddress::new(address, None, &reason)
}

/// Returns the failures in the lines of a section; `take` finds an address in a line.
fn section<'l>(
    lines: &'l [Line],
    take: impl Fn(&'l Line) -> Option<&'l str>,
) -> Vec<FailedAddress> {
    (0..lines.len())
        .filter_map(|at| {
            let address = take(&lines[at])?;
            Some(failure_at(address, lines, at, text_names_address))
        })
        .collect()
}

/// Returns whether a line begins with an address.
fn text_names_address(line: &Line) -> bool {
    crate::text::leading_angle(&line.text).is_some() || crate::text::alone(&line.text).is_some()
}

/// Returns the lines up to the first one for which `is_end` is true.
fn until(lines: &[Line], is_end: impl Fn(&Line) -> bool) -> &[Line] {
    let end = lines.iter().position(is_end).unwrap_or(lines.len());
    &lines[..end]
}

#[cfg(test)]
mod testing {
    //! Shared by the detectors' tests.

    use super::Detector;
    use crate::{BounceReport, BounceVerdict, FailedAddress};
    use dormouse_mail::Message;

    /// Returns the result of one detector for a message.
    pub fn ask(detect: Detector, raw: &str) -> Option<BounceVerdict> {
        let message = Message::parse(raw);
        detect(&BounceReport::of(&message, None))
    }

    /// Returns the failures that one detector finds, as `address kind`.
    pub fn failures(detect: Detector, raw: &str) -> Vec<String> {
        match ask(detect, raw) {
            Some(BounceVerdict::Failed(failures)) => failures
                .iter()
                .map(|FailedAddress { address, kind, .. }| format!("{address} {}", kind.name()))
                .collect(),
            Some(other) => panic!("{other:?}"),
            None => Vec::new(),
        }
    }
}
