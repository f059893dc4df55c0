//! Mailman's commands: `dormouse compat`.

use clap::Args;

// One of Mailman's commands, or an action on their names.
#[derive(Debug, Args)]
pub struct CompatArgs {
    /// One of Mailman's commands. Or `ls`: print their names and replacements (--json for JSON). Or
    /// `install DIR`: create symbolic links with their names to this program.
    pub name: String,
    /// The command's own options and arguments.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    pub args: Vec<std::ffi::OsString>,
}
