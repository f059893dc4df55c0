//! `lists`: names the advertised lists of this host.

use super::session::CommandSession;
use super::{Command, Next, help};
use dormouse_pipeline::HandlerError;
use dormouse_words::{msgid, say, verbatim};

/// The command.
pub const COMMAND: Command = Command {
    words: &["lists"],
    help: msgid("lists\n    Lists the public mailing lists of this host.\n"),
    run,
};

fn run(session: &mut CommandSession<'_, '_>, arguments: &[&str]) -> Result<Next, HandlerError> {
    if !arguments.is_empty() {
        let text = help::text(session)?;
        session.say(verbatim(text));
        return Ok(Next::Stop);
    }
    let own = session.post.list;
    session.say(say("Public mailing lists at {host}:").with("host", &own.settings.host_name));
    let mut text = String::new();
    let mut number = 0;
    for list in session.post.store.read().iter_lists() {
        let list = list?;
        let is_here = list.settings.host_name == own.settings.host_name;
        if list.id != own.id && !(list.settings.advertised && is_here) {
            continue;
        }
        number += 1;
        let description = list.settings.description.trim();
        let none = || say("no description").to(session.language).to_string();
        let description = if description.is_empty() { none() } else { description.to_owned() };
        text.push_str(&format!(
            "\n{:>3}. {}\n     {}\n     {description}\n",
            number,
            list.settings.real_name,
            list.sub_address("request"),
        ));
    }
    session.say(verbatim(text));
    Ok(Next::Continue)
}
