//! Bounce messages: who could not be reached, and whether for good. A message goes in, a
//! [`Verdict`] comes out; nothing here knows lists or members.
//!
//! # Layout
//! - [`Verdict`]: what a message says. [`status`]: what an enhanced status code or a diagnostic
//!   text says of a failure.
//! - [`Report`]: a message as detectors look at it: the text above the returned message, in lines,
//!   of bounded size. `origin`: whether a mail system wrote it, or a person, or an answering
//!   machine.
//! - `text`: addresses in lines.
//! - `detectors`: one file a kind of bounce, ordered by one table (docs/spec/bounces.md §2).
//!
//! Everything is linear in the size of what is looked at, and that has a limit.

mod detectors;
mod origin;
mod report;
pub mod status;
mod text;
mod verdict;

pub use report::Report;
pub use status::Status;
pub use verdict::{Complaint, Failure, Kind, Verdict};

use dormouse_mail::Message;

/// What a message to a list's bounce address says.
///
/// `envelope_sender` is its own envelope sender, if the MTA told: empty for the null sender, which
/// mail systems use for their reports (RFC 5321 §4.5.5).
pub fn detect(message: &Message, envelope_sender: Option<&str>) -> Verdict {
    let report = Report::of(message, envelope_sender);
    match detectors::run(&report) {
        // Gateways wrap what they look through.
        Verdict::Unknown if report.is_from_mail_system() => match report.wrapped() {
            Some(inner) => detectors::run(&Report::of(&inner, envelope_sender)),
            None => Verdict::Unknown,
        },
        verdict => verdict,
    }
}

/// Whether a mail system wrote it, to tell of trouble with a message. A message to the bounce
/// address of one recipient that does not look so is no bounce, whatever it is.
pub fn is_from_mail_system(message: &Message, envelope_sender: Option<&str>) -> bool {
    Report::of(message, envelope_sender).is_from_mail_system()
}
