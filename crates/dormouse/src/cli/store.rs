//! `store`.

use clap::Subcommand;

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum StoreCommand {
    /// Copy a whole database into an empty one, and compare every row.
    ///
    /// Each of the two is a file, such as dormouse.db, or the URL of a PostgreSQL server, such as
    /// `postgres://USER@HOST/DATABASE`. Nothing may change the site meanwhile. Afterwards `dormouse
    /// config set store.url URL` lets the site use the copy; an empty URL means the file.
    Copy {
        /// The database to copy.
        from: String,
        /// The database to copy to: a file that does not exist yet, or an empty database.
        to: String,
    },
}
