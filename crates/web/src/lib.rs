//! Server-rendered pages on a socket that systemd passes, gone when idle.
//!
//! # Layout
//! - [`server`]: the sockets, and the end when nobody comes.
//! - [`held`]: the pages behind the signed links of held posts.
//! - `request`: those behind the links of requests that wait for a moderator.
//! - `confirm`: what a cookie stands for. `unsubscribe`: the end of a membership with one click.
//!   `options`: a member's own page. `listinfo`: what a list is about, and the way in. `roster`: who
//!   is a member.
//! - `archive`: search, and messages as they came.
//! - `private`: private archives, for members. `files`: files that are sent as they are.
//! - `visitor`: who asks. `desk`: the site's lists for those pages.
//! - `page`: what every page has in common: layout, headers, errors.

mod archive;
mod confirm;
mod desk;
mod files;
mod held;
mod listinfo;
mod options;
mod page;
mod private;
mod request;
mod roster;
pub mod server;
mod unsubscribe;
mod visitor;

pub use server::{Error, Listen, serve};
