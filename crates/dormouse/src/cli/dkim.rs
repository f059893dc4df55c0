//! `dkim`.

use clap::{Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum DkimCommand {
    /// Create a key for a domain and print the DNS record that publishes it. From then on the mail
    /// of lists in this domain, and of hosts below it without keys of their own, is signed.
    ///
    /// To replace a key, create one under another selector, publish its record, and remove the old
    /// key a week later; both sign in the meantime.
    Create {
        /// The domain that answers for the mail: the host of the lists, or a domain above it.
        domain: String,
        /// The name of the key in DNS; the default is the year and month.
        #[arg(long)]
        selector: Option<String>,
        /// `both` creates two keys; the second one's selector ends in `-ed25519`.
        #[arg(long, value_enum, default_value_t = Algorithms::Rsa)]
        algorithm: Algorithms,
        /// Print the record as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print the keys.
    Ls {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print the DNS records of the keys as lines of a zone file.
    Dns {
        /// Only the records of this domain.
        domain: Option<String>,
    },
    /// Remove a key. Keep its record in DNS for a week: mail may still be in transit.
    Rm {
        /// The domain.
        domain: String,
        /// The selector.
        selector: String,
    },
}

/// What to create.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Algorithms {
    /// RSA with 2048 bits, which every receiver can verify.
    Rsa,
    /// Ed25519: shorter and faster, but not every receiver can verify it.
    Ed25519,
    /// One of each.
    Both,
}
