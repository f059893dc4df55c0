//! What the tests share: an SMTP sink, throw-away sites, awkward mail.
//!
//! # Layout
//! - [`site`]: a site in a temporary directory, driven through the built command.
//! - [`sink`]: a mail server that takes everything, or fails as it is told to.
//! - [`awkward`]: mail as it really comes.
//! - [`manager`]: a systemd user manager for one test.

pub mod awkward;
pub mod manager;
pub mod sink;
pub mod site;
