//! Commands whose work there is no more.

use super::call::{Call, Done, Trouble};

pub const TRANSLATION: &str = "\
This command was for those who translate Mailman. Texts of notices are files here: `dormouse template
ls LIST` names them.
";

pub const OLD_ARCHIVES: &str = "\
This command brought archives of Mailman before 2.1 up to date. `dormouse import` reads archives as they
are.
";

pub const OLD_CONFIG: &str = "\
This command brought settings of Mailman 1 up to date. `dormouse import` reads them as they are.
";

pub const EXPORT: &str = "\
This command wrote a site as XML. Here `dormouse list show LIST --json` and `dormouse member ls LIST
--json` print what there is, and `config_list -o FILE LIST` writes a list's options.
";

/// Says why it does nothing.
pub fn run(call: &Call) -> Done {
    if call.args.iter().any(|arg| arg == "-h" || arg == "--help") {
        return Err(Trouble::Help);
    }
    Err(Trouble::usage(format!("{}: nothing was done", call.name)))
}
