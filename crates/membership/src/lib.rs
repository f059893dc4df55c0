//! Who is on a list and who decides about it: what pages, the command line, commands by mail and the
//! takeover share (docs/spec/commands.md §3 to §11).
//!
//! # Layout
//! - [`Registry`]: one list's membership inside a transaction, for somebody who asks. [`rules`]: who
//!   may subscribe. [`join`], [`leave`], [`change`]: what can be asked for. [`options`]: what a member
//!   may set. [`confirm`]: what a cookie confirms. [`requests`]: what waits for a moderator; [`undo`]: what was decided on it is taken back.
//! - [`account`]: who is signed in on the web, and what that lets one do. [`login`]: a password that
//!   shows who one is. [`person`]: all that is known of an address.
//! - [`link`]: links that need no login. [`seal`]: texts that only this site can have written.
//! - [`moderation`]: posts that wait for a moderator, and what decides on them.
//! - [`notices`]: what the list server itself writes to people; [`template`]: texts with fields;
//!   [`budget`]: how many automatic mails an address gets.
//! - [`lists`]: lists are created and removed. [`address`]: a list's addresses. [`role`]: whose
//!   [`password`] one is. [`patterns`]: settings that name addresses by regular expressions.
//!
//! # Limits
//! Everything here works inside a transaction of the store that the caller has begun, or begins one
//! of its own; nothing is sent, only put into the queue `virgin`.
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
