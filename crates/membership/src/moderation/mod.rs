//! Held posts: how they are decided on, and how moderators are told.
//!
//! - [`alert`]: which kind of notice moderators get.
//! - [`desk`]: what a moderator may decide, on the command line, by a link or by mail.
//! - [`link`]: signed links that need no login.
//! - [`jobs`]: reminders, and expiry.
//! - `named`: addresses in settings.
//! - [`vouch`]: whether a sender's address is authenticated and may get a reply.

pub mod alert;
pub mod desk;
pub mod jobs;
pub mod link;
pub(crate) mod named;
pub mod vouch;

/// The name of the site's key for links to held posts and their cookies.
pub const SECRET: &str = "held-posts";
