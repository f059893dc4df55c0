//! Server-rendered pages on a socket that systemd passes, gone when idle.
//!
//! # Layout
//! - [`server`]: the end when nobody comes. `connection`: the sockets, and who gets nowhere there.
//! - [`held`]: the pages behind the signed links of held posts.
//! - `request`: those behind the links of requests that wait for a moderator.
//! - `confirm`: what a cookie stands for. `unsubscribe`: the end of a membership with one click.
//!   `options`: a member's own page. `listinfo`: what a list is about, and the way in; `words`: how
//!   pages speak. `roster`: who is a member.
//! - `signin`: signing in, and where one is signed in. `session`: the cookie.
//!   `oidc`, `provider`: signing in with an OpenID provider.
//! - `moderation`: all that waits for a moderator; `preview`: how a post looks to one; `undo`:
//!   decisions of a moment ago are taken back. `mine`: all of one's own lists. `erase`: what is
//!   known about a person, handed out and forgotten. `lists`: the lists
//!   that one runs. `members`: who is in them, `arrivals`: who comes. `settings`: their settings, and who changed them;
//!   `guide`: the same by plain questions, which are in `questions`. `passwords`: a list's
//!   passwords. `create`: lists come and go. `succession`: they are renamed, copied, closed. `texts`: what it writes to people. `queues`: what waits for the site's administrators. `old`:
//!   where Mailman's addresses lead.
//! - `site`: all lists at a glance, and the site's settings. `charts`: posts, bounces and members day by day.
//!   `whereabouts`: the trace of a message.
//! - `archive`: search, messages as they came, and threads as feeds. `removal`: messages are taken
//!   out of an archive.
//! - `private`: private archives, for members. `files`: files that are sent as they are.
//! - `seat`: pages for somebody who is signed in. `visitor`: who asks. `desk`: the site's lists for
//!   pages.
//! - `page`: what every page has in common: layout, headers, errors. `looks`: a site's colour and logo.
//!   `prose`: what owners write, without what does harm.
//!
//! # To add a page
//! 1. A file of its own, with `pub fn routes() -> Router<Arc<App>>`, named here and merged in
//!    `server::router`. A page for somebody who is signed in is two plain functions, one that shows
//!    and one that does, given to `seat`:
//!    ```ignore
//!    list_page::<Owns>("/settings/{list}/{category}", show, Some(save))
//!    fn show(seat: &Seat<Owns>) -> Result<Response, Problem>
//!    fn save(seat: &Seat<Owns>, sent: &Sent) -> Result<Response, Problem>
//!    room_page::<RunsSite>("/site", show, None)   // a Room<RunsSite>: beyond any one list
//!    ```
//!    Ranks are `Anybody` (signed in), `Moderates`, `Owns`, `RunsSite`. A `Seat` is the list's `Desk`
//!    (`store`, `list`, `act`, `place`, `frame`) with `asked.part("category")` and
//!    `asked.query.get("q")`. Nothing else makes a `Seat`, a `Room` or a `Sent`: who is not signed in
//!    was sent to sign in and comes back, whoever may not has been told so, and a form has been made
//!    for the one who sent it. These functions may wait for disk and database; they have a thread.
//! 2. A template that extends `layout.html`; its struct has a field `frame: Frame`
//!    (`seat.frame()`). Each of its forms has `{% include "key.html" %}` in it. Looks come from
//!    `templates/style.css` alone: the policy allows no other style, and no script.
//! 3. What changes something goes through `dormouse_membership`, or the function behind the
//!    command; then `page::see_other(&seat.place("…"))`, so that loading again does nothing twice.
//! 4. Every text is said in the reader's language: `{{ frame.say("Join {list}").with("list", list) }}`,
//!    `{{ frame.count("{count} post", "{count} posts", n) }}`, `{{ frame.rich("<b>{x}</b>").with("x", x) }}`
//!    in templates; `page::message(status, say("Saved"), say("…").with(…))` in Rust; a field of a page is
//!    a `Text`, shown by `{{ frame.tell(said) }}`; in a table `msgid("…")`.
//! 5. Where Mailman had the page at another address, a row in `old`.

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
mod undo;
mod unsubscribe;
mod visitor;
mod whereabouts;
mod words;

pub use server::{Error, Finding, Listen, Program, serve};
