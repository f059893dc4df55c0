//! Sites, lists, members and their settings. The only crate with SQL.
//!
//! # Layout
//! - [`site`]: a site's directory. [`config`]: its settings (`dormouse.toml`); [`live`]: reloading
//!   them in long-running processes. [`owner`]: the account that owns the site.
//! - [`settings`]: a list's settings, each defined once. [`check`]: validation.
//! - [`store`]: the database: opening, transactions. [`migrate`]: its schema, in numbered steps.
//!   `db`: the interface to SQLite and PostgreSQL.
//! - `list_name`: [`ListName`].
//! - `numbers`: [`ListId`], [`HeldId`] and [`RequestId`], each a type of its own.
//! - [`lists`], [`members`], [`held`], [`decided`], [`requests`], [`pending`], [`bounces`]: the
//!   tables. [`consent`], [`person`]: everything about a person. [`settled`]: the results of used
//!   links and codes. [`secrets`], [`site_password`]: the site's own keys and passwords;
//!   [`sessions`]: who is signed in on the web. [`jobs`], [`outcomes`]: completed jobs and
//!   commands; [`due`]: jobs that have something to do. `dump`: a whole list in a file. [`sync`]:
//!   synchronizing members with a file. [`answers`], [`digests`], [`patterns`], [`dns`]: state of
//!   the posting pipeline. [`pace`]: domains that defer mail, and the counts for the [`limits`] of
//!   domains. [`news`]: the last article read from a newsgroup. [`takeover`]: import and export of
//!   a Mailman site. [`copy_database`]: a copy for a backup; [`DatabasePlace`]: to another kind of
//!   database. [`adopted`]: the spools of dead hosts.
//! - [`audit`]: who changed which setting. [`arrangement`]: what starts the processing of a queue.
//! - [`attachments`]: files outside of the database, removed from posts. [`archive_index`]: the
//!   index of a list's archive, in a separate database.
//! - [`files`]: removing files that may be missing.
//! - [`value`]: how a setting of each kind is read and written; [`units`]: durations and sizes.

pub mod adopted;
pub mod answers;
pub mod archive_index;
pub mod arrangement;
pub mod attachments;
pub mod audit;
pub mod bounces;
pub mod check;
pub mod config;
pub mod consent;
mod copying;
pub mod daily;
mod db;
pub mod decided;
pub mod decided_requests;
pub mod digests;
pub mod dns;
pub mod due;
mod dump;
mod error;
pub mod files;
pub mod former;
pub mod held;
mod insert;
mod intake_index;
pub mod jobs;
pub mod limits;
mod list_name;
pub mod lists;
pub mod live;
pub mod members;
mod migrate;
pub mod news;
mod numbers;
pub mod options;
pub mod outcomes;
pub mod overview;
pub mod owner;
pub mod pace;
pub mod patterns;
pub mod pending;
pub mod person;
pub mod public;
pub mod requests;
pub mod secrets;
pub mod sessions;
pub mod settings;
pub mod settled;
pub mod site;
pub mod site_changes;
pub mod site_password;
mod snapshot;
pub mod store;
pub mod sync;
pub mod takeover;
#[cfg(test)]
mod testing;
pub mod units;
pub mod value;

pub use adopted::AdoptedSpool;
pub use arrangement::{Arrangement, MOST_SHARES};
pub use attachments::Attachments;
pub use audit::{Author, SettingChange};
pub use bounces::{
    BounceEvent, BounceKind, BounceOutcome, BounceSource, BounceState, DomainReturns,
};
pub use config::{Config, LONGEST_WAIT, OnFailure, RemoveDkim, ScrubHtml, ToStrangers};
pub use consent::{Act, Consent};
pub use copying::{Copied, DatabasePlace};
pub use daily::{Count, Daily};
pub use db::{Error as DatabaseError, asked};
pub use decided::DecidedPost;
pub use decided_requests::{Changed, DecidedRequest};
pub use digests::{ClosedIssue, DigestState, WaitingPost};
pub use dns::DnsAnswer;
pub use due::Due;
pub use error::{StoreError, is_of_the_machine};
pub use former::FormerName;
pub use held::{Held, HeldPost};
pub use intake_index::{IntakeIndex, IntakeSettings, KnownList, LiveIndex};
pub use jobs::Period;
pub use limits::{DeliveryLimits, Limit, Rate};
pub use list_name::ListName;
pub use lists::List;
pub use live::LiveSite;
pub use members::{
    Added, Audience, Cursor, Delivery, Interest, Member, NewMember, Recipient, RecipientPage,
};
pub use numbers::{HeldId, ListId, RequestId};
pub use options::{MemberOption, MemberOptions};
pub use owner::UnixAccount;
pub use pace::{BackOff, Granted, SlowDomain};
pub use pending::{Pending, Request};
pub use person::{Erased, PersonData};
pub use requests::HeldRequest;
pub use sessions::{Proof, Proved, SignIn, VisitorSession};
pub use settings::{
    AutorespondRequests, ComplaintAction, DmarcAction, FilterAction, FromIsList, ListSettings,
    MemberAction, NewsModeration, NonmemberAction, OneClick, Personalize, PostAuthentication,
    ReplyGoesTo, ReturnPathTag, Roster, ScheduledPosts, SubscribePolicy, UnprovedAction,
    VolumeFrequency,
};
pub use settled::Settled;
pub use site::Site;
pub use snapshot::{copy_database, copy_site};
pub use store::{Read, Store, Tx};
pub use takeover::{ImportedSource, ListState, WholeMember};
