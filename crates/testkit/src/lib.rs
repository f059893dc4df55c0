//! Shared by tests: an SMTP sink, temporary sites, awkward mail.
//!
//! # Layout
//! - [`site`]: a site in a temporary directory, used through the built command.
//! - [`server`]: its web pages, as a browser requests them.
//! - [`servers`]: Postfix, Exim, INN and rspamd.
//! - [`sink`]: a mail server that accepts everything, or fails on request.
//! - [`awkward`]: mail as it occurs in practice.
//! - [`fixture`]: a site with a list, in this process.
//! - [`random`]: random lists and mail.
//! - [`dns`]: a name server with prepared answers.
//! - [`documented`]: configuration from the documentation.
//! - [`mailman3`]: a list of Mailman 3 that posts pass through.
//! - [`news`]: a news server.
//! - [`python`]: the Python that Mailman 2.1 runs on.
//! - [`verifiers`]: two independent verifiers of signatures and seals.
//! - [`waiting`]: waiting for other processes, with a generous timeout.
//! - [`slow_link`]: a link with latency.
//! - [`surroundings`]: a systemd user manager, or a small disk, for one test.
//!
//! # Limits
//! Only for tests: functions panic with an explanation instead of returning errors. Servers listen on
//! loopback addresses and free ports. [`servers`] needs root.
//!
//! # Example
//! ```
//! use dormouse_testkit::awkward;
//!
//! // Mail that must pass through every part of the program unchanged.
//! assert!(awkward::mails().len() > 20);
//! ```

pub mod awkward;
pub mod browser;
pub mod chromium;
pub mod corpus;
pub mod dns;
pub mod documented;
pub mod fixture;
pub mod mailman3;
pub mod news;
pub mod python;
pub mod random;
pub mod server;
pub mod servers;
pub mod sink;
pub mod site;
pub mod slow_link;
pub mod surroundings;
pub mod verifiers;
pub mod waiting;
