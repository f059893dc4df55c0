//! Server-rendered pages on a socket that systemd passes. The process exits when idle.
//!
//! # Layout
//! - [`server`]: runs the pages and exits when idle. `connection`: sockets and idle clients.
//! - `seat`: pages for people who are signed in. `visitor`: the client of a request. `desk`: a page's
//!   access to one list.
//! - `page`: what all pages share: layout, headers, errors. `words`: translated texts in templates.
//!   `looks`: a site's colour and logo. `prose`: owners' texts as harmless HTML.
//! - Signing in: `signin`, `session` (the cookie), `oidc` and `provider` (an OpenID provider).
//! - For readers: `listinfo` (a list's page, and joining), `roster` (its members), `archive` (search,
//!   messages, feeds), `private` (private archives), `files` (files sent unchanged).
//! - For members: `mine` (all own lists), `options` (one list), `unsubscribe` (one click), `confirm`
//!   (links in mails that ask for a confirmation), `erase` (export and erase a person's data).
//! - For moderators: `moderation` (all that waits), `held` and `request` (the links in notices),
//!   `preview` (a post), `undo` (revert a recent decision).
//! - For owners: `lists`, `members`, `arrivals` (add, invite, synchronize), `settings` and `guide`
//!   (settings as `questions`), `texts` (notices), `passwords`, `removal` (remove messages from the
//!   archive), `create` (create and remove lists), `succession` (rename, copy, close), `charts` (posts,
//!   bounces and members day by day), `trace` (the trace of a message).
//! - For the site's administrators: `site` (all lists, and the site's settings), `queues`.
//! - `old`: Mailman's addresses lead to the pages here.
//!
//! # Limits
//! No scripts, no other style than the one stylesheet, and no state in the process: any request may be the
//! first of a new one. A client that makes no progress is disconnected.
//!
//! # Example
//! A crate that serves pages gives [`serve`] what only the program can do:
//! ```no_run
//! use dormouse_store::LiveSite;
//! use dormouse_web::{Listen, Program, serve};
//!
//! let program = Program { lists_changed: |_, _| Ok(0), findings: |_| Vec::new() };
//! let site = LiveSite::open("/var/lib/dormouse".as_ref(), |_| Ok(())).unwrap();
//! serve(site, program, Listen::On("127.0.0.1:8080".into()), |on| println!("{on}")).unwrap();
//! ```
//!
//! # To add a page
//! 1. A file of its own, with `pub fn routes() -> Router<Arc<App>>`, named here and merged in
//!    `server::router`. A page for people who are signed in consists of two plain functions, one that
//!    shows it and one that handles its form, given to `seat`:
//!    ```text
//!    list_page::<Owns>("/settings/{list}/{category}", show, Some(save))
//!    fn show(seat: &Seat<Owns>) -> Result<Response, Problem>
//!    fn save(seat: &Seat<Owns>, sent: &Sent) -> Result<Response, Problem>
//!    room_page::<RunsSite>("/site", show, None)   // a Room<RunsSite>: not about one list
//!    ```
//!    Ranks are `Anybody` (signed in), `Moderates`, `Owns`, `RunsSite`. A `Seat` is the list's `Desk`
//!    (`store`, `list`, `act`, `place`, `frame`) with `asked.part("category")` and
//!    `asked.query.get("q")`. Only `seat` creates a `Seat`, a `Room` or a `Sent`: by then an anonymous
//!    visitor has signed in, a visitor who is not allowed to see the page has been refused, and the form
//!    is known to have been created for its sender. These functions may wait for disk and database; they
//!    run on a thread of their own.
//! 2. A template that extends `layout.html`; its struct has a field `frame: Frame`
//!    (`seat.frame()`). Each of its forms contains `{% include "key.html" %}`. All style is in
//!    `templates/style.css`: the policy allows no other style, and no script.
//! 3. Changes are made by `dormouse_membership`, or by the function behind the command; then
//!    `page::see_other(&seat.place("…"))`, so that reloading does not repeat them.
//! 4. Every text is in the reader's language: `{{ frame.say("Join {list}").with("list", list) }}`,
//!    `{{ frame.count("{count} post", "{count} posts", n) }}`, `{{ frame.rich("<b>{x}</b>").with("x", x) }}`
//!    in templates; `page::message(status, say("Saved"), say("…").with(…))` in Rust; a field of a page is
//!    a `Text`, shown by `{{ frame.tell(said) }}`; in a table `msgid("…")`.
//! 5. If Mailman had the page at another address, a row in `old`.

mod archive;
mod arrivals;
mod charts;
mod confirm;
mod connection;
mod create;
mod desk;
mod erase;
mod files;
mod guide;
mod held;
mod listinfo;
mod lists;
mod looks;
mod members;
mod mine;
mod moderation;
mod oidc;
mod old;
mod options;
mod page;
mod passwords;
mod preview;
mod private;
mod prose;
mod provider;
mod questions;
mod queues;
mod removal;
mod request;
mod roster;
mod seat;
pub mod server;
mod session;
mod settings;
mod signin;
mod site;
mod succession;
mod texts;
mod trace;
mod undo;
mod unsubscribe;
mod visitor;
mod words;

pub use dormouse_activation::socket::Listen;
pub use server::{Finding, Program, WebError, serve};
