//! `config`.

use clap::Subcommand;

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum ConfigCommand {
    /// Print every setting with its value, or the value of one.
    Show {
        /// Print only the value of this setting, such as delivery.url.
        key: Option<String>,
        /// Also print what each setting means.
        #[arg(long)]
        explain: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Change a setting.
    Set {
        /// The setting, such as delivery.url.
        key: String,
        /// The new value.
        #[arg(allow_negative_numbers = true)]
        value: String,
    },
}
