//! `mailman-config`: prints the site's directories.

use super::call::{Call, Done, say};
use super::getopt::HELP as H;
use super::version::MAILMAN;

pub const HELP: &str = "\
Prints the paths of the site and its parts.

Usage: mailman-config
";

pub fn run(call: &Call) -> Done {
    call.options(&[H])?;
    let site = call.site()?;
    let binary = crate::program::own()?;
    say(format_args!("Mailman version: {MAILMAN} (dormouse {})", env!("CARGO_PKG_VERSION")))?;
    say("\nPaths:\n")?;
    for (name, value) in [
        ("prefix", site.dir().display().to_string()),
        ("var_prefix", site.dir().display().to_string()),
        ("program", binary.display().to_string()),
        ("configuration", site.config_file().display().to_string()),
        ("database", site.database_name()),
        ("qfiles", site.qfiles().display().to_string()),
        ("mailhost", site.config().host.clone()),
        ("delivery", site.config().delivery_url.clone()),
    ] {
        say(format_args!("{name:>14}: {value}"))?;
    }
    Ok(0)
}
