//! `spool`.

use clap::Subcommand;
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum SpoolCommand {
    /// Adopt the queues of a dead host, from a copy of its qfiles or from its disk.
    ///
    /// Every unfinished entry there is copied into the queues of this host, including entries that
    /// were claimed, set aside, or wait for their date. The directory is not changed. If the host
    /// returns, it asks the database and removes these entries. Make sure that it is dead or
    /// disconnected, and that the copy is not older than its death: what it sends after that is
    /// sent twice. If the command is killed, repeat it.
    Adopt {
        /// The dead host's qfiles.
        dir: PathBuf,
    },
}
