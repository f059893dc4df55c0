//! What the tests share: an SMTP sink, throw-away sites, awkward mail.
//!
//! # Layout
//! - [`site`]: a site in a temporary directory, driven through the built command.
//! - [`server`]: its web pages, as a browser asks for them.
//! - [`servers`]: Postfix, Exim, INN and rspamd.
//! - [`sink`]: a mail server that takes everything, or fails as it is told to.
//! - [`awkward`]: mail as it really comes.
//! - [`fixture`]: a site with a list, in this process.
//! - [`random`]: lists and mail of any kind.
//! - [`dns`]: a name server that knows what it is told.
//! - [`documented`]: what the documentation tells people to write.
//! - [`news`]: a news server.
//! - [`python`]: the Python that Mailman 2.1 runs on.
//! - [`verifiers`]: two verifiers of signatures and seals that others wrote.
//! - [`surroundings`]: a systemd user manager, or a small disk, for one test.

pub mod awkward;
pub mod browser;
pub mod chromium;
pub mod corpus;
pub mod dns;
pub mod documented;
pub mod fixture;
pub mod news;
pub mod python;
pub mod random;
pub mod server;
pub mod servers;
pub mod sink;
pub mod site;
pub mod surroundings;
pub mod verifiers;
