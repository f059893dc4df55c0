//! Activation of drains: systemd units, and waiting for entries.
//!
//! An entry in a queue directory makes a path unit's pattern match, and systemd starts the drain.
//! The units are designed so that every ready entry starts a drain, and no drain starts without an
//! entry (`docs/waking.md` has the argument, `crates/spool/tests/wakeup_model.rs` checks it on a
//! model, and `tests/manager.rs` with a real systemd).
//!
//! # Layout
//! - [`units`]: a [`Plan`] becomes unit files ([`generate`]). `units/text.rs` holds their text,
//!   `units/sandbox.rs` the hardening, `units/quote.rs` systemd's quoting rules.
//! - [`install`](mod@install): installing and starting units.
//! - [`check`](mod@check): checking and repairing installed units.
//! - [`control`]: starting and stopping.
//! - [`mailman2`]: units for an existing Mailman 2.1 and its own `qrunner`.
//! - [`systemctl`]: the only place that runs systemd's commands. `other`: service files for OpenRC
//!   and runit.
//! - [`wait`]: the linger, an inotify [`Watch`]. [`waiter`]: waiting in resident processes.
//! - [`watch`](mod@watch) and [`master`]: the resident alternatives, for hosts without systemd.
//! - [`socket`]: sockets whose connections start processes.
//! - [`process`]: registration of resident processes.
//!
//! # Limits
//! The names of the units are the same for every site, so one service manager serves one site. inotify does not
//! notice changes by other hosts.
//!
//! # Example
//! ```
//! use dormouse_activation::Manager;
//!
//! // The option of `systemctl` for the user's own manager.
//! assert_eq!(Manager::User.flag(), " --user");
//! ```

pub mod check;
pub mod control;
mod ended;
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
pub use ended::Ended;
pub use error::ActivationError;
pub use install::{Installed, Uninstalled, install, rehearse, uninstall, write_into};
pub use mailman2::{Mailman2, Mailman2Plan};
pub use other::{openrc, runit};
pub use process::Presence;
pub use socket::Socket;
pub use units::{
    Manager, Plan, PlannedJob, Start, TARGET, UnitFile, UnitFileKind, generate, wake_unit,
};
pub use wait::Watch;
pub use waiter::Waiter;
