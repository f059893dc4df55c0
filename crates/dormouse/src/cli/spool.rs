//! `spool`.

use clap::Subcommand;
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum SpoolCommand {
    /// Take over the queues of a host that is dead, from a copy of its qfiles or from its disk.
    ///
    /// Every entry that was not done there is copied into the queues of this host: also what a process
    /// had in hand, and what was held back, set aside or waits for its date. The directory is not
    /// changed. If the host returns, it asks the database and gives these entries up. Make sure that it
    /// is dead, or cut off, and that the copy is not older than its death: what it sends afterwards is
    /// sent twice. A command that was killed is simply given again.
    Adopt {
        /// The dead host's qfiles.
        dir: PathBuf,
    },
}
