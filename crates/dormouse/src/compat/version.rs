//! `version`.

use super::call::{Call, Done, say};
use super::getopt::HELP as H;

pub const HELP: &str = "\
Prints the version of Mailman that the commands imitate, and the program's own.

Usage: version
";

/// The version of Mailman that these commands imitate.
pub const MAILMAN: &str = "2.1.39";

pub fn run(call: &Call) -> Done {
    call.options(&[H])?;
    say(format_args!("Using Mailman version: {MAILMAN} (dormouse {})", env!("CARGO_PKG_VERSION")))?;
    Ok(0)
}
