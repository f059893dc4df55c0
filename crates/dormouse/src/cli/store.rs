//! `store`.

use clap::Subcommand;

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum StoreCommand {
    /// Copy a whole database into an empty one, and compare every row.
    ///
    /// Each of the two is a file, such as dormouse.db, or the URL of a PostgreSQL server, such as
    /// `postgres://USER@HOST/DATABASE`. Nothing may change the site meanwhile. Afterwards
    /// `dormouse config set store.url URL` has the site work there; an empty URL stands for the file.
    Copy {
        /// The database to copy.
        from: String,
        /// The database to copy to: a file that is not there yet, or an empty database.
        to: String,
    },
}
