//! Posts that wait for a moderator: how they come to wait, what decides on them.
//!
//! - [`hold`]: a post is stored, and those concerned are told.
//! - [`desk`]: what a moderator may decide, on the command line, by a link or by mail.
//! - [`link`]: signed links that need no login.
//! - [`jobs`]: reminders, and posts that waited too long.
//! - [`vouch`]: whether a sender's address is its own.

pub mod desk;
pub mod hold;
pub mod jobs;
pub mod link;
pub mod vouch;

/// The site's key by which links and cookies of held posts are made.
pub(crate) const SECRET: &str = "held-posts";
