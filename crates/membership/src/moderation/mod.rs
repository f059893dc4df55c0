//! Posts that wait for a moderator: how they come to wait, what decides on them.
//!
//! - [`desk`]: what a moderator may decide, on the command line, by a link or by mail.
//! - [`link`]: signed links that need no login.
//! - [`jobs`]: reminders, and posts that waited too long.
//! - `named`: addresses in settings.
//! - [`turn`]: how moderators hear of what waits.
//! - [`vouch`]: whether a sender's address is its own.

pub mod desk;
pub mod jobs;
pub mod link;
pub(crate) mod named;
pub mod turn;
pub mod vouch;

/// The site's key by which links and cookies of held posts are made.
pub const SECRET: &str = "held-posts";
