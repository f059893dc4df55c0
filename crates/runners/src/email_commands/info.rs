//! `info`: describes the list.

use super::session::CommandSession;
use super::{Command, Next, help};
use dormouse_pipeline::HandlerError;
use dormouse_words::{msgid, say, verbatim};

/// The command.
pub const COMMAND: Command =
    Command { words: &["info"], help: msgid("info\n    Tells what the list is about.\n"), run };

fn run(session: &mut CommandSession<'_, '_>, arguments: &[&str]) -> Result<Next, HandlerError> {
    if !arguments.is_empty() {
        let text = help::text(session)?;
        session.say(verbatim(text));
        return Ok(Next::Stop);
    }
    let list = session.post.list;
    let description = list.settings.description.trim();
    session.say(say("List: {list}").with("list", &list.settings.real_name));
    if !description.is_empty() {
        session.say(say("Description: {description}").with("description", description));
    }
    session.say(say("Posts go to: {address}").with("address", list.address()));
    session.say(say("Commands go to: {address}").with("address", list.sub_address("request")));
    session.say(say("Owners: {address}").with("address", list.sub_address("owner")));
    let config = session.post.config;
    if config.has_pages() {
        session.say(say("Page: {url}").with("url", list.web_url(config, "listinfo")));
    }
    Ok(Next::Continue)
}
