//! What wakes a drain: systemd units, and the wait for one more entry.
//!
//! An entry in a queue directory makes a pattern true; systemd sees it and starts the drain. The
//! units are made so that no ready entry is without a wake-up and no wake-up is without an entry
//! (`docs/waking.md` has the argument, `crates/spool/tests/wakeup_model.rs` the proof on a model,
//! `tests/manager.rs` the demonstration with a real systemd).
//!
//! # Layout
//! - [`units`]: a [`Plan`] becomes unit files ([`generate`]). `units/text.rs` holds their text,
//!   `units/sandbox.rs` the hardening, `units/quote.rs` systemd's quoting rules.
//! - [`install`](mod@install): where the files go, and starting them.
//! - [`check`](mod@check): is what is installed what should be, and is it alive?
//! - [`control`]: starting and stopping.
//! - [`mailman2`]: the same for an existing Mailman 2.1 and its own `qrunner`.
//! - [`systemctl`]: the only place that runs systemd's commands. `other`: service files for OpenRC
//!   and runit.
//! - [`wait`]: the linger, an inotify [`Watch`]. [`waiter`]: how a process that stays waits.
//! - [`watch`](mod@watch) and [`master`]: the resident alternatives, for hosts without systemd.
//! - [`socket`]: what a process is started for by a connection.
//! - [`process`]: how a process that stays makes itself known.
//!
//! # Limits
//! The names of the units are the same for every site, so one service manager serves one site. inotify does not
//! notice changes by other hosts.
//!
//! # Example
//! ```
//! use dormouse_activation::Manager;
//!
//! // What `systemctl` is called with for the user's own manager.
//! assert_eq!(Manager::User.flag(), " --user");
//! ```

pub mod check;
pub mod control;
mod error;
pub mod install;
pub mod mailman2;
pub mod master;
mod other;
pub mod process;
pub mod socket;
pub mod systemctl;
pub mod units;
pub mod wait;
pub mod waiter;
pub mod watch;

pub use check::{FileState, Live, Mended, UnitState, check, fix, unreachable};
pub use error::ActivationError;
pub use install::{Installed, Uninstalled, install, rehearse, uninstall, write_into};
pub use mailman2::{Mailman2, Mailman2Plan};
pub use other::{openrc, runit};
pub use process::Presence;
pub use socket::Socket;
pub use units::{Job, Kind, Manager, Plan, Start, TARGET, UnitFile, generate, wake_unit};
pub use wait::Watch;
pub use waiter::Waiter;
