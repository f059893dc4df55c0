//! Memberships and moderation: who is on a list, and who decides about it. Shared by pages, the command
//! line, commands by mail and the takeover (docs/spec/commands.md §3 to §11).
//!
//! # Layout
//! - [`Registry`]: changes to one list's memberships, inside a transaction, for a requester. [`join`],
//!   [`leave`], [`change`], [`options`]: the requests it handles. `rules`: who may subscribe.
//!   [`confirm`]: executes what a cookie confirms. [`requests`]: requests that wait for a moderator;
//!   [`undo`]: reverts a decision on one.
//! - [`account`]: a person who is signed in on the web, and their powers. [`login`]: passwords on pages.
//!   [`role`]: whose [`password`] one is. [`person`]: a line `Name <address>`.
//! - [`link`]: links that need no login. [`seal`]: texts that only this site can have written.
//! - [`moderation`]: held posts and the decisions on them.
//! - [`notices`]: what the list server itself writes to people. [`template`]: texts with fields.
//!   [`budget`]: how many automatic mails an address gets in a day.
//! - [`lists`]: creates, copies, renames, closes and removes lists. [`address`]: a list's addresses.
//!   [`patterns`]: settings that name addresses by regular expressions.
//!
//! # Limits
//! Functions work inside a transaction of the store that the caller has begun, or begin one of their
//! own. They send nothing: notices are put into the queue `virgin`.
//!
//! # Example
//! ```
//! use dormouse_membership::seal;
//!
//! let link = seal::seal(b"the site's key", "unsubscribe", &["1", "anna@example.org"]);
//! assert_eq!(
//!     seal::open(b"the site's key", "unsubscribe", &link).unwrap(),
//!     ["1", "anna@example.org"]
//! );
//! assert!(seal::open(b"the site's key", "options", &link).is_none());
//! ```

pub mod account;
pub mod address;
pub mod budget;
pub mod change;
pub mod confirm;
mod error;
pub mod join;
pub mod leave;
pub mod link;
pub mod lists;
pub mod login;
pub mod moderation;
pub mod notices;
pub mod options;
mod output;
pub mod password;
pub mod patterns;
pub mod person;
mod registry;
pub mod requests;
pub mod role;
mod rules;
pub mod seal;
pub mod template;
pub mod undo;

pub use error::RunError;
pub use output::Output;
pub use patterns::PatternProblem;
pub use registry::*;
pub use rules::checked;
