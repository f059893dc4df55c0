//! Reads and writes Mailman 2.1 sites: the way here, and the way back.
//!
//! # Layout
//! - [`layout`]: where a site has what; [`running`]: whether Mailman is at work on it. [`source`]
//!   reads its files, [`text`] their texts.
//! - [`mm_cfg`]: the site's own settings, read and not executed.
//! - [`attributes`]: every attribute of a list and what becomes of it. [`old_list`] reads a list,
//!   [`requests`] what waits for somebody, [`mbox`] mailboxes.
//! - [`import`](mod@import): a site moves in; `export`: and back. [`report`]: what became of
//!   everything. [`aliases`]: what the MTA needs.

pub mod aliases;
mod attributes;
mod error;
mod export;
pub mod import;
pub mod layout;
mod mbox;
pub mod mm_cfg;
mod old_list;
pub mod report;
mod requests;
mod running;
mod source;
mod text;

pub use attributes::place as place_of_attribute;
pub use error::TakeoverError;
pub use export::export;
pub use import::{Options, Target, import};
pub use layout::OldSite;
pub use report::Report;
