//! Commands that have no purpose here.

use super::call::{Call, Done, Trouble};

pub const TRANSLATION: &str = "\
This command was for translators of Mailman. Texts of notices are files here: `dormouse template
ls LIST` prints their names.
";

pub const OLD_ARCHIVES: &str = "\
This command converted archives from before Mailman 2.1. `dormouse import` reads archives as they
are.
";

pub const OLD_CONFIG: &str = "\
This command converted settings of Mailman 1. `dormouse import` reads them as they are.
";

pub const EXPORT: &str = "\
This command wrote a site as XML. Here `dormouse list show LIST --json` and `dormouse member ls LIST
--json` print everything, and `config_list -o FILE LIST` writes a list's options.
";

/// Explains why it does nothing.
pub fn run(call: &Call) -> Done {
    if call.args.iter().any(|arg| arg == "-h" || arg == "--help") {
        return Err(Trouble::Help);
    }
    Err(Trouble::usage(format!("{}: nothing was done", call.name)))
}
