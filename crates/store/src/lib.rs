//! Sites, lists, members and their settings. The only room with SQL.
//!
//! # Layout
//! - [`site`]: a site's directory. [`config`]: its settings (`dormouse.toml`).
//! - [`settings`]: a list's settings, each defined once.
//! - [`store`]: the database: opening, transactions. [`migrate`]: its schema, in numbered steps.
//!   [`sql`]: the little that keeps statements fit for another database.
//! - [`lists`], [`members`], [`held`], [`pending`], [`bounces`]: what is in it. [`secrets`]: the site's own keys.
//!   [`jobs`]: which jobs have been done; [`due`]: which have something to do. [`sync`]: a
//!   membership after a file. [`answers`], [`digests`], [`patterns`], [`dns`]: what the
//!   posting pipeline remembers.
//! - [`attachments`]: files beside the database, taken out of posts. [`archive_index`]: the index of
//!   a list's archive, a database of its own.
//! - [`value`]: how a setting of each kind is read and written; [`units`]: durations and sizes.

pub mod answers;
pub mod archive_index;
pub mod attachments;
pub mod bounces;
pub mod config;
pub mod digests;
pub mod dns;
pub mod due;
mod error;
pub mod held;
pub mod jobs;
pub mod lists;
pub mod members;
mod migrate;
pub mod options;
pub mod patterns;
pub mod pending;
pub mod secrets;
pub mod settings;
pub mod site;
mod sql;
pub mod store;
pub mod sync;
pub mod units;
pub mod value;

pub use attachments::Attachments;
pub use bounces::{BounceEvent, BounceKind, BounceOutcome, BounceSource, BounceState};
pub use config::{Config, OnFailure, RemoveDkim, ScrubHtml, ToStrangers};
pub use digests::{Closing, DigestState, WaitingPost};
pub use dns::DnsAnswer;
pub use due::Due;
pub use error::StoreError;
pub use held::{Held, HeldPost};
pub use lists::List;
pub use members::{Added, Audience, Cursor, Delivery, Interest, Member, NewMember, Recipient};
pub use options::{MemberOption, MemberOptions};
pub use pending::{Pending, Request};
pub use settings::{
    AutorespondRequests, DmarcAction, FilterAction, FromIsList, ListSettings, MemberAction,
    NewsModeration, NonmemberAction, Personalize, ReplyGoesTo, ReturnPathTag, VolumeFrequency,
};
pub use site::Site;
pub use store::{Store, Tx};
