//! Bounce messages: which address failed, and whether permanently. A message goes in, a
//! [`BounceVerdict`] comes out; nothing here knows about lists or members.
//!
//! # Layout
//! - [`BounceVerdict`]: the meaning of a message. [`status`]: the meaning of an enhanced status code or a
//!   diagnostic text.
//! - [`BounceReport`]: a message prepared for the detectors: the lines of text above the returned message,
//!   of limited size. `origin`: whether a mail system, a person or an automatic
//!   responder wrote it.
//! - `text`: finding addresses in lines.
//! - `detectors`: a file for each kind of bounce, ordered by one table (docs/spec/bounces.md §2).
//!
//! # Limits
//! All work is linear in the size of the examined text, and that size is limited.
//!
//! # Example
//! ```
//! use dormouse_bounce::{BounceVerdict, FailureKind, detect};
//! use dormouse_mail::Message;
//!
//! let report = b"From: MAILER-DAEMON@mx.example.net\nSubject: failure notice\n\n\
//!     Hi. This is the qmail-send program at mx.example.net.\n\n\
//!     <bert@example.net>:\nSorry, no mailbox here by that name. (#5.1.1)\n";
//! let BounceVerdict::Failed(failures) = detect(&Message::parse(*report), Some("")) else { panic!() };
//! assert_eq!(failures[0].address, "bert@example.net");
//! assert_eq!(failures[0].kind, Kind::Permanent);
//! ```

mod detectors;
mod origin;
mod report;
pub mod status;
mod text;
mod verdict;

pub use report::BounceReport;
pub use status::Status;
pub use verdict::{BounceVerdict, Complaint, FailedAddress, FailureKind};

use dormouse_mail::Message;

/// Interprets a message to a list's bounce address.
///
/// `envelope_sender` is the message's envelope sender, if the MTA has passed it: empty for the null
/// sender, which mail systems use for their reports (RFC 5321 §4.5.5).
pub fn detect(message: &Message, envelope_sender: Option<&str>) -> BounceVerdict {
    let report = BounceReport::of(message, envelope_sender);
    match detectors::run(&report) {
        // Gateways wrap the reports that they inspect.
        BounceVerdict::Unknown if report.is_from_mail_system() => match report.wrapped() {
            Some(inner) => detectors::run(&BounceReport::of(&inner, envelope_sender)),
            None => BounceVerdict::Unknown,
        },
        verdict => verdict,
    }
}

/// Returns whether a mail system wrote the message to report a problem. Any other message to the
/// bounce address of one recipient is not a bounce.
pub fn is_from_mail_system(message: &Message, envelope_sender: Option<&str>) -> bool {
    BounceReport::of(message, envelope_sender).is_from_mail_system()
}
