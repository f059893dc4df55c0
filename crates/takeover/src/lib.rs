//! Reads and writes Mailman 2.1 sites.
//!
//! # Layout
//! - [`layout`]: paths of a site; [`running`]: whether Mailman is running. [`source`]
//!   reads its files, [`text`] their texts.
//! - [`mm_cfg`]: the site's own settings, read and not executed.
//! - [`attributes`]: every attribute of a list and what happens to it. [`old_list`] reads a list,
//!   [`requests`] waiting things, [`mbox`] mboxes.
//! - [`import`](mod@import), `export`: the two directions. [`report`]: the results.
//!   [`aliases`]: the MTA's configuration.
//!
//! # Limits
//! Mailman 2.1 and its Python 3 fork. Files over 2 GiB are refused. Nothing of the old site is executed or
//! changed.
//!
//! # Example
//! ```
//! use dormouse_takeover::mm_cfg::MmCfg;
//!
//! let mut settings = MmCfg::built_in();
//! settings.run("DEFAULT_EMAIL_HOST = 'lists.' + 'example.org'\nimport os\n");
//! assert_eq!(settings.text("DEFAULT_EMAIL_HOST"), Some("lists.example.org"));
//! ```

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
pub use import::{ImportOptions, Target, import};
pub use layout::OldSite;
pub use report::TakeoverReport;
