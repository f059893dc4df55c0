//! `info`: what the list is about.

use super::session::Session;
use super::{Command, Next, help};
use dormouse_pipeline::HandlerError;

/// The command.
pub const COMMAND: Command =
    Command { words: &["info"], help: "info\n    Tells what the list is about.\n", run };

fn run(session: &mut Session<'_, '_>, arguments: &[&str]) -> Result<Next, HandlerError> {
    if !arguments.is_empty() {
        let text = help::text(session)?;
        session.say(text);
        return Ok(Next::Stop);
    }
    let list = session.post.list;
    let description = list.settings.description.trim();
    let mut text = format!("List:        {}\n", list.settings.real_name);
    if !description.is_empty() {
        text.push_str(&format!("About:       {description}\n"));
    }
    text.push_str(&format!("Posts to:    {}\n", list.address()));
    text.push_str(&format!("Commands to: {}\n", list.sub_address("request")));
    text.push_str(&format!("Owners:      {}\n", list.sub_address("owner")));
    let config = session.post.config;
    if config.has_pages() {
        text.push_str(&format!("Page:        {}\n", list.web_url(config, "listinfo")));
    }
    session.say(text);
    Ok(Next::Continue)
}
