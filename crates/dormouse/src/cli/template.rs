//! `template`.

use clap::Subcommand;

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum TemplateCommand {
    /// Print the names of the texts of notices, and the files that replace them.
    Ls {
        /// The list's name.
        list: String,
        /// The reader's language; the default is the list's.
        #[arg(long, default_value = "", hide_default_value = true, value_name = "CODE")]
        language: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print the text in effect.
    Show {
        /// The list's name.
        list: String,
        /// The text's name.
        name: String,
        /// The reader's language; the default is the list's.
        #[arg(long, default_value = "", hide_default_value = true, value_name = "CODE")]
        language: String,
    },
}
